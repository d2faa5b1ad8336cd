"""The poller: Airflow is told of what officers settled, batch by batch; until it answers all stays in the outbox."""

import json
import sys
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import insert, select

sys.path[:0] = [str(Path(__file__).parent)]

from airflow_stub import JsonHandler, serving  # noqa: E402

from pipeline import airflow, cli, documents, outbox, steps, tables  # noqa: E402
from records.errors import SohoaError  # noqa: E402
from validation.suites import FailedExpectation  # noqa: E402


class Airflow(ThreadingHTTPServer):
    """As much of Airflow's API as the poller uses; `assets`: what it knows, `refuses`: batches it has trouble with."""

    def __init__(self, password):
        super().__init__(("127.0.0.1", 0), Api)
        self.password, self.assets, self.refuses, self.events = (
            password,
            {"batch_received": 1, "reviewed": 7},
            set(),
            [],
        )

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Api(JsonHandler):
    def do_GET(self):
        if self.headers["Authorization"] != "Bearer let-me-in":
            return self.answer(401, {})
        assert self.path.startswith("/api/v2/assets?name_pattern=reviewed")
        self.answer(200, {"assets": [{"id": number, "name": name} for name, number in self.server.assets.items()]})

    def do_POST(self):
        given = self.given()
        if self.path == "/auth/token":
            right = given == {"username": "it", "password": self.server.password}
            return self.answer(201, {"access_token": "let-me-in"}) if right else self.answer(401, {})
        if self.headers["Authorization"] != "Bearer let-me-in":
            return self.answer(401, {})
        assert self.path == "/api/v2/assets/events"
        if given["extra"]["batch"] in self.server.refuses:
            return self.answer(500, {})
        self.server.events.append(given)
        self.answer(200, {"id": len(self.server.events)})


@pytest.fixture
def api(settings):
    password = json.loads(airflow.password_file(settings).read_text())["it"]
    with serving(Airflow(password)) as server:
        yield server


@pytest.fixture
def told(clean):
    """Three settled documents of two batches, and a receipt that is no business of the poller."""
    rows = [
        {
            "topic": "reviewed",
            "key": f"reviewed:{name}:2",
            "payload": {"batch_id": batch, "document_id": name, "revision": 2},
        }
        for name, batch in (("a", "box-1"), ("b", "box-2"), ("c", "box-1"))
    ]
    rows.append({"topic": "receipt", "key": "receipt:r", "payload": {"batch_id": "box-9"}})
    with clean.begin() as conn:
        conn.execute(insert(tables.outbox), rows)
    return clean


def waiting(engine):
    with engine.connect() as conn:
        return sorted(conn.scalars(select(tables.outbox.c.key).where(tables.outbox.c.sent_at.is_(None))))


def test_each_batch_is_told_once_whatever_the_number_of_its_documents(settings, told, api):
    assert outbox.post_reviewed(settings, api.url) == 2
    assert api.events == [{"asset_id": 7, "extra": {"batch": "box-1"}}, {"asset_id": 7, "extra": {"batch": "box-2"}}]
    assert waiting(told) == ["receipt:r"]
    assert outbox.post_reviewed(settings, api.url) == 0
    assert len(api.events) == 2


def test_what_airflow_refuses_is_told_again_later_and_what_it_took_is_not(settings, told, api):
    api.refuses.add("box-2")
    assert outbox.post_reviewed(settings, api.url) == 1
    assert waiting(told) == ["receipt:r", "reviewed:b:2"]
    api.refuses.clear()
    assert outbox.post_reviewed(settings, api.url) == 1
    assert [event["extra"]["batch"] for event in api.events] == ["box-1", "box-2"]


def test_without_an_answer_nothing_is_lost(settings, told, api):
    url = api.url
    api.shutdown()
    api.server_close()
    assert outbox.post_reviewed(settings, url) == 0
    assert len(waiting(told)) == 4


def test_an_airflow_that_does_not_know_the_asset_or_the_password_is_asked_again(settings, told, api):
    api.assets = {"reviewed_elsewhere": 3}
    assert outbox.post_reviewed(settings, api.url) == 0
    api.password = "another"
    assert outbox.post_reviewed(settings, api.url) == 0
    assert (api.events, len(waiting(told))) == ([], 4)


def test_rows_that_another_poller_has_are_left_to_it(settings, told, api):
    with told.begin() as other:
        other.execute(select(tables.outbox).where(tables.outbox.c.key != "reviewed:b:2").with_for_update())
        assert outbox.post_reviewed(settings, api.url) == 1
    assert [event["extra"]["batch"] for event in api.events] == ["box-2"]


def test_a_batch_is_asked_before_it_is_loaded_for_tasks_come_before_its_checks(clean, batch, monkeypatch):
    asked, passes = [], False
    monkeypatch.setattr(steps, "repair", lambda batch_id: 0)
    monkeypatch.setattr(steps, "check", lambda batch_id: asked.append(batch_id) or passes)
    monkeypatch.setattr(steps, "load", lambda batch_id: 5)
    assert (outbox.load_reviewed(batch), asked) == (None, [batch])
    passes = True
    assert outbox.load_reviewed(batch) == 5


def test_a_batch_that_is_not_there_is_said_to_be_missing(clean):
    with pytest.raises(SohoaError, match="box-404"):
        outbox.load_reviewed("box-404")


def test_the_command_asks_the_checks_as_well_and_says_what_holds_the_batch(clean, batch, monkeypatch):
    failed = FailedExpectation(document_type="inpatient_cover", rule="unique", field="encounter.number", message="Hai.")
    with clean.begin() as conn:
        documents.note_batch_issues(conn, batch, [failed])
    monkeypatch.setattr(steps, "repair", lambda batch_id: 0)
    monkeypatch.setattr(steps, "check", lambda batch_id: False)
    monkeypatch.setattr(steps, "load", lambda batch_id: pytest.fail("a held batch is not loaded"))
    with pytest.raises(SohoaError, match=f"{batch} is held by its checks.*inpatient_cover: Hai"):
        cli.load(batch)
    monkeypatch.setattr(steps, "check", lambda batch_id: True)
    monkeypatch.setattr(steps, "load", lambda batch_id: 5)
    cli.load(batch)
