"""Turns: which batch is read next, what rests, how many are read at once, and what arrives in the watched folder."""

import json
import sys
from datetime import UTC, date, datetime, timedelta
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update
from typer.testing import CliRunner

sys.path[:0] = [str(Path(__file__).parent)]

from airflow_stub import JsonHandler, serving  # noqa: E402

from pipeline import airflow, inbox, months, tables, turns  # noqa: E402
from pipeline.cli import app  # noqa: E402
from pipeline.dispatch import dispatch  # noqa: E402
from records.errors import SohoaError  # noqa: E402

NOON, NIGHT = datetime(2026, 11, 26, 5, tzinfo=UTC), datetime(2026, 11, 26, 15, tzinfo=UTC)  # 12:00, 22:00 in Vietnam


@pytest.fixture
def boxes(clean):
    """Six batches that wait, entered in the order of their names; box-3 has a target, box-5 holds cancer patients."""
    with clean.begin() as conn:
        conn.execute(insert(tables.target).values(target_id="T", name="2027", deadline=date(2027, 7, 1)))
        rows = [{"batch_id": f"box-{n}", "facility_id": "DEMO", "folder": "/s"} for n in range(1, 7)]
        conn.execute(insert(tables.batch), rows)
        conn.execute(update(tables.batch).where(tables.batch.c.batch_id == "box-3").values(target_id="T"))
        stays = [
            ("1", "box-5", "C50.4", f"{date.today() - timedelta(days=300)}"), ("2", "box-4", "I10", "2012-03-01"),
            ("3", "box-2", "C50.4", "2014-05-06"), ("4", "box-2", "I10", "2019-07-31"),
        ]  # fmt: skip
        conn.execute(
            insert(tables.registry_stay),
            [
                {"facility_id": "DEMO", "encounter_number": n, "patient_id": n, "box": box, "main_code": code,
                 "discharged_at": day}
                for n, box, code, day in stays
            ],
        )  # fmt: skip
        for row in rows:
            turns.queue(conn, [row["batch_id"]])
    return clean


def order(engine):
    with engine.connect() as conn:
        return [row.batch_id for row in conn.execute(turns.in_turn())]


def received(conn, batch_id, pages=1):
    """The batch has pages that nobody has read."""
    conn.execute(insert(tables.page_count).values(batch_id=batch_id, state="received", pages=pages))


def test_batches_come_by_target_then_by_patients_in_care_then_by_oldest_discharge_then_by_age(boxes):
    assert order(boxes) == ["box-3", "box-5", "box-4", "box-2", "box-1", "box-6"]


def test_boxes_whose_retention_does_not_end_soon_keep_the_order_of_the_backfill(boxes):
    lately = [(f"{date.today().year - years}-03-01", box) for years, box in ((1, "box-6"), (4, "box-1"))]
    with boxes.begin() as conn:
        for day, box in lately:
            stay = {"facility_id": "DEMO", "encounter_number": box, "patient_id": box, "box": box, "main_code": "I10"}
            conn.execute(insert(tables.registry_stay).values(stay | {"discharged_at": day}))
        conn.execute(update(tables.batch).values(queued_at=None))
        for _, box in lately:  # the newest month first
            turns.queue(conn, [box])
    assert order(boxes) == ["box-6", "box-1"]


def test_a_batch_that_somebody_waits_for_is_first_and_one_that_rests_is_not_in_turn(boxes):
    with boxes.begin() as conn:
        turns.hurry(conn, "box-6")
        turns.rest(conn, "box-3", "it", "scanner is being serviced")
    assert order(boxes)[:2] == ["box-6", "box-5"] and "box-3" not in order(boxes)
    with boxes.begin() as conn:
        turns.rest(conn, turns.EVERYTHING, "it", "backup")
    assert order(boxes) == []
    with boxes.begin() as conn:
        assert turns.resume(conn, turns.EVERYTHING) and turns.resume(conn, "box-3")
        assert not turns.resume(conn, "box-3")
    assert order(boxes)[:2] == ["box-6", "box-3"]


def test_a_batch_that_does_not_exist_is_refused_whole(boxes):
    with pytest.raises(SohoaError, match="There is no batch 'box-404'"), boxes.begin() as conn:
        turns.queue(conn, ["box-1", "box-404"])
    with pytest.raises(SohoaError, match="There is no batch 'box-404'"), boxes.begin() as conn:
        turns.rest(conn, "box-404", "it", "no reason")


def test_no_chunk_begins_while_its_batch_rests_or_another_is_waited_for(boxes):
    later = NOON + turns.AGAIN
    with boxes.begin() as conn:
        assert turns.held_until(conn, "box-1", NOON) is None
        turns.rest(conn, "box-1", "it", "backup")
        assert [turns.held_until(conn, b, NOON) for b in ("box-1", "box-2")] == [later, None]
        turns.hurry(conn, "box-6")
        assert turns.held_until(conn, "box-2", NOON) is None, "nothing of it has come yet"
        received(conn, "box-6")
        assert [turns.held_until(conn, b, NOON) for b in ("box-2", "box-6")] == [later, None]
        turns.rest(conn, "box-6", "it", "backup")
        assert turns.held_until(conn, "box-2", NOON) is None, "who rests keeps nobody waiting"


@pytest.mark.parametrize(
    ("share", "until", "now", "slots"),
    [(0.5, "06:00", NOON, 4), (0.5, "06:00", NIGHT, 8), (0.0, "06:00", NOON, 1), (0.5, "21:00", NIGHT, 4)],
)
def test_by_day_a_share_of_the_workers_reads(settings, share, until, now, slots):
    chosen = settings.model_copy(update={"workers": 8, "day_share": share})
    hours = type(settings).model_validate({**chosen.model_dump(), "night_from": "19:00", "night_until": until})
    assert turns.slots(hours, now) == slots


def test_a_month_queues_the_boxes_that_hold_it_and_nothing_that_is_begun(boxes):
    with boxes.begin() as conn:
        conn.execute(update(tables.batch).values(queued_at=None))
    assert (months.queue_month("2019-07"), months.queue_month("2019-08")) == (["box-2"], [])
    assert order(boxes) == ["box-2"]
    with boxes.begin() as conn:
        turns.begun(conn, "box-2")
        conn.execute(insert(tables.receipt).values(receipt_id="r", batch_id="box-2", path="a", outcome="received"))
        page = {"page_id": "p", "batch_id": "box-2", "receipt_id": "r", "number": 1, "state": "received"}
        conn.execute(insert(tables.page).values(page))
    assert months.queue_month("2019-07") == []


@pytest.fixture
def watched(clean, settings, tmp_path, monkeypatch):
    chosen = settings.model_copy(update={"inbox": str(tmp_path)})
    monkeypatch.setattr(inbox, "settings", lambda: chosen)
    return tmp_path


def test_a_box_has_arrived_when_its_marker_lies_in_it(watched, clean):
    for name in ("KHO-1", "KHO-2"):
        (watched / name).mkdir()
    (watched / "KHO-1" / ".done").touch()
    assert inbox.register() == (["KHO-1"], [])
    assert (inbox.register(), order(clean)) == (([], []), ["KHO-1"])
    (watched / "KHO-2" / ".done").touch()
    assert inbox.register() == (["KHO-2"], [])


def test_a_box_that_cannot_be_entered_is_told_and_the_others_are(watched, clean):
    for name in ("hộp số 1", "KHO-1", "KHO-2"):
        (watched / name).mkdir()
        (watched / name / ".done").touch()
    with clean.begin() as conn:
        conn.execute(insert(tables.batch).values(batch_id="KHO-1", facility_id="DEMO", folder="/elsewhere"))
    entered, refused = inbox.register()
    assert entered == ["KHO-2"]
    assert "stands for another folder" in refused[0] and "cannot name a batch" in refused[1]


def test_without_an_inbox_or_without_its_folder_a_sentence_says_what_to_do(watched, settings, monkeypatch):
    watched.rmdir()
    with pytest.raises(SohoaError, match="is no folder"):
        inbox.register()
    monkeypatch.setattr(inbox, "settings", lambda: settings)
    with pytest.raises(SohoaError, match="No inbox is set"):
        inbox.register()


class Airflow(ThreadingHTTPServer):
    """As much of Airflow's API as turns need: runs under way, the pool's slots, events that came."""

    def __init__(self, running=0, slots=2):
        super().__init__(("127.0.0.1", 0), Api)
        self.running, self.slots, self.events, self.refuses = running, slots, [], set()


class Api(JsonHandler):
    def do_GET(self):
        if self.path.startswith("/api/v2/assets?name_pattern=batch_received"):
            return self.answer(200, {"assets": [{"id": 3, "name": "batch_received"}]})
        if self.path == "/api/v2/pools/ocr":
            return self.answer(200, {"name": "ocr", "slots": self.server.slots})
        assert self.path == "/api/v2/dags/migrate_batch/dagRuns?state=queued&state=running&limit=1"
        self.answer(200, {"total_entries": self.server.running})

    def do_PATCH(self):
        given = self.given()
        assert self.path == "/api/v2/pools/ocr?update_mask=slots"
        if "include_deferred" not in given:  # as Airflow 3.3 has it, though it is not to be changed
            return self.answer(422, {})
        self.server.slots = given["slots"]
        self.answer(200, given)

    def do_POST(self):
        given = self.given()
        if self.path == "/auth/token":
            return self.answer(201, {"access_token": "let-me-in"})
        if given["partition_key"] in self.server.refuses:
            return self.answer(500, {})
        self.server.events.append((given["asset_id"], given["partition_key"]))
        self.answer(200, {"id": len(self.server.events)})


@pytest.fixture
def api(settings):
    airflow.password_file(settings)
    with serving(Airflow()) as server:
        yield server


def url(api):
    return f"http://127.0.0.1:{api.server_port}"


def test_as_many_batches_are_started_as_may_run_at_once_and_every_urgent_one(boxes, settings, api):
    api.running = settings.batches_at_once - 1
    with boxes.begin() as conn:
        turns.hurry(conn, "box-6")
        turns.hurry(conn, "box-1")
    assert dispatch(settings, url(api), NIGHT) == ["box-1", "box-6"]
    assert (api.events, order(boxes)[0]) == ([(3, "box-1"), (3, "box-6")], "box-3")
    assert dispatch(settings, url(api), NIGHT) == ["box-3"], "room for one"
    api.running = settings.batches_at_once
    assert dispatch(settings, url(api), NIGHT) == []


def test_what_airflow_does_not_take_keeps_its_place(boxes, settings, api):
    api.refuses = {"box-5"}
    assert dispatch(settings, url(api), NIGHT) == ["box-3"]
    assert order(boxes)[0] == "box-5"
    address = url(api)
    api.shutdown()
    api.server_close()
    assert (dispatch(settings, address, NIGHT), order(boxes)[0]) == ([], "box-5")


def test_the_pool_gets_the_slots_of_the_hour(boxes, settings, api):
    chosen = settings.model_copy(update={"workers": 8, "day_share": 0.25})
    slots = []
    for now in (NIGHT, NOON):
        dispatch(chosen, url(api), now)
        slots.append(api.slots)
    assert slots == [8, 2]


def test_the_commands_queue_hurry_pause_and_resume(boxes, settings):
    def said(*arguments):
        told = CliRunner().invoke(app, ["batch", *arguments])
        assert told.exit_code == 0, told.output
        return told.output

    assert "0 batches wait, 1 did already" in said("queue", "box-1")
    assert "box-6 is read next" in said("urgent", "box-6")
    assert "Everything rests" in said("pause", "--reason", "backup of the server")
    assert "Everything rests: backup of the server" in said("turns")
    assert "Everything goes on" in said("resume")
    first = json.loads(said("turns", "--json"))[0]
    assert first == {"batch": "box-6", "urgent": True}
    with boxes.connect() as conn:
        actions = conn.scalars(select(tables.event.c.action).order_by(tables.event.c.event_id)).all()
    assert actions[-3:] == ["batch:urgent", "batch:pause", "batch:resume"]
