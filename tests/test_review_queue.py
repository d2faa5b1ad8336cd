"""The queue: which document comes next, who holds it, and that two never hold one."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, select, text, update

from pipeline import database, tables
from review import queue, sessions
from review.app import create_app
from review.progress import progress
from review.queue import Filters
from review.restricted import break_glass
from review.screens.queue import today
from review.tables import account, waiting
from review.texts import say

pytestmark = pytest.mark.slow

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def officers(clean):
    """Two officers, and a batch `box-1`."""
    with clean.begin() as conn:
        conn.execute(
            insert(account), [{"account_id": name, "name": name, "role": "officer"} for name in ("an", "binh")]
        )
        conn.execute(insert(tables.batch).values(batch_id="box-1", facility_id="DEMO", folder="/scans"))
    return clean


@pytest.fixture
def review(officers, settings):
    """The engine of the workbench's own role, which has no more rights than it needs."""
    return database.engine(settings, "review")


def waits(
    conn, name, kind="lab_report", *, batch="box-1", label="KHO-1/001", state="open", age=0, fields=("patient.name",)
):
    """A document that waits with these fields; `age`: days."""
    conn.execute(insert(tables.file).values(file_id=f"file-{name}", batch_id=batch, label=label, state=state))
    conn.execute(
        insert(tables.document).values(
            document_id=name, batch_id=batch, file_id=f"file-{name}", document_type=kind, page_ids=[], verdict="review",
            validated={},
        )
    )  # fmt: skip
    since = LONG_AGO - timedelta(days=age)
    rows = [
        {"task_id": f"{name}-{field}", "batch_id": batch, "document_id": name, "field": field, "reason": "problem",
         "created_at": since}
        for field in fields
    ]  # fmt: skip
    conn.execute(insert(tables.review_task), rows)


def next_for(engine, officer, filters=None, seconds=600.0):
    with engine.begin() as conn:
        return queue.claim(conn, officer, filters, seconds)


def in_order(engine, filters=None):
    """All that one officer gets who finishes each document at once."""
    found = []
    while (one := next_for(engine, "an", filters)) is not None:
        found.append(one)
        with engine.begin() as conn:
            own = tables.review_task.c.document_id == one
            conn.execute(update(tables.review_task).where(own).values(state="decided"))
    return found


def test_documents_come_by_deadline_then_by_what_their_form_says_then_by_age(officers, review):
    with officers.begin() as conn:
        conn.execute(insert(tables.target).values(target_id="T1", name="2027", deadline=datetime(2027, 7, 1).date()))
        conn.execute(insert(tables.batch).values(batch_id="urgent", facility_id="DEMO", folder="/u", target_id="T1"))
        waits(conn, "young-lab")
        waits(conn, "old-lab", age=9)
        waits(conn, "cover", "inpatient_cover")
        waits(conn, "nursing", "nursing_sheet", age=99)
        waits(conn, "urgent-nursing", "nursing_sheet", batch="urgent")
    assert in_order(review) == ["urgent-nursing", "cover", "old-lab", "young-lab", "nursing"]


def test_as_many_documents_are_drawn_ahead_as_people_are_at_work_and_one_more(officers, review):
    with officers.begin() as conn:
        for number in range(9):
            waits(conn, f"d{number}", age=9 - number)
    assert next_for(review, "an") == "d0"
    with review.begin() as conn:
        assert queue.coming(conn, "an") == ["d1", "d2"]
    assert next_for(review, "binh") == "d1"
    with review.begin() as conn:
        assert queue.coming(conn, "binh") == ["d2", "d3", "d4"]


def test_a_deadline_that_is_given_later_puts_its_batch_first(officers, review):
    with officers.begin() as conn:
        conn.execute(insert(tables.batch).values(batch_id="box-2", facility_id="DEMO", folder="/2"))
        waits(conn, "cover", "inpatient_cover")
        waits(conn, "nursing", "nursing_sheet", batch="box-2")
        conn.execute(insert(tables.target).values(target_id="T1", name="2027", deadline=datetime(2027, 7, 1).date()))
        conn.execute(update(tables.batch).where(tables.batch.c.batch_id == "box-2").values(target_id="T1"))
    assert next_for(review, "an") == "nursing"


def test_filters_choose_type_box_and_field(officers, review):
    with officers.begin() as conn:
        waits(conn, "lab", label="KHO-2019-TU07/003", fields=("patient.name", "specimen.kind"))
        waits(conn, "cover", "inpatient_cover", label="KHO-2019-TU08/001")
        waits(conn, "percent", "prescription", label="KHO_2019/001")
    assert in_order(review, Filters(document_type="lab_report", box="KHO-2019-TU08")) == []
    assert in_order(review, Filters(box="KHO-2019-TU08")) == ["cover"]
    assert in_order(review, Filters(field="specimen.kind")) == ["lab"]
    assert in_order(review, Filters(box="KHO_2019")) == ["percent"]


def test_documents_of_stopped_files_and_restricted_ones_are_not_handed_out(officers, review):
    with officers.begin() as conn:
        waits(conn, "stopped", state="held")
        waits(conn, "card", "identity_card", age=400)
        waits(conn, "lab")
    assert next_for(review, "an") == "lab"
    assert next_for(review, "binh") is None
    with officers.begin() as conn:
        assert queue.take(conn, "an", "card") is None
        counts = queue.counts(conn)
        assert (counts.documents, counts.stopped, counts.restricted) == (1, 1, 1)
        conn.execute(update(tables.file).where(tables.file.c.file_id == "file-stopped").values(state="open"))
    assert next_for(review, "binh") == "stopped"


def test_an_officer_goes_on_with_what_she_holds_and_then_gets_the_next(officers, review):
    with officers.begin() as conn:
        waits(conn, "first", age=2)
        waits(conn, "second", age=1)
    assert next_for(review, "an") == next_for(review, "an") == "first"
    assert next_for(review, "binh") == "second"
    with officers.begin() as conn:
        before = queue.lease_of(conn, "first", "an")
        queue.give_back(conn, "first", "binh")
        assert queue.take(conn, "an", "first").token == before.token
        assert queue.take(conn, "binh", "first") is None
        queue.give_back(conn, "first", "an")
        assert not queue.holds(conn, "first", "an", before.token)
    assert next_for(review, "an") == "first"


def test_a_lease_runs_out_on_the_databases_clock_and_its_old_token_is_worth_nothing(officers, review):
    with officers.begin() as conn:
        waits(conn, "one")
    assert next_for(review, "an", seconds=0.2) == "one"
    with review.connect() as conn:
        token = queue.lease_of(conn, "one", "an").token
    assert next_for(review, "binh") is None
    with officers.connect() as conn:
        conn.execute(text("SELECT pg_sleep(0.25)"))
    assert next_for(review, "binh") == "one"
    with review.begin() as conn:
        assert not queue.renew(conn, "one", "an", token)
        assert queue.lease_of(conn, "one", "an") is None
        assert queue.held_by_another(conn, "one", "an")


def test_a_lease_that_ran_out_and_that_nobody_took_lives_again_with_the_next_save(officers, review):
    with officers.begin() as conn:
        waits(conn, "one")
    next_for(review, "an", seconds=-1)
    with review.begin() as conn:
        token = conn.scalar(text("SELECT token FROM review.lease"))
        assert not queue.holds(conn, "one", "an", token)
        assert queue.renew(conn, "one", "an", token)
        assert queue.holds(conn, "one", "an", token)


def test_a_transaction_that_dies_leaves_its_document_to_the_next(officers, review):
    with officers.begin() as conn:
        waits(conn, "one")
    with review.connect() as dying:
        assert queue.claim(dying, "an") == "one"
        assert next_for(review, "binh") is None
    assert next_for(review, "binh") == "one"


def test_eight_who_claim_at_once_get_each_document_exactly_once(officers, review):
    names = [f"n{i}" for i in range(8)]
    with officers.begin() as conn:
        conn.execute(insert(account), [{"account_id": name, "name": name, "role": "officer"} for name in names])
        for number in range(400):
            waits(conn, f"d{number:03}", age=number)

    def rounds(name):
        found = []
        for _ in range(50):
            with review.begin() as conn:
                conn.execute(text("SET LOCAL synchronous_commit = off"))
                one = queue.claim(conn, name)
                conn.execute(
                    update(tables.review_task).where(tables.review_task.c.document_id == one).values(state="decided")
                )
            found.append(one)
        return found

    with ThreadPoolExecutor(8) as threads:
        found = [one for some in threads.map(rounds, names) for one in some]
    assert None not in found
    assert len(found) == len(set(found)) == 400
    assert next_for(review, "an") is None


def test_counts_say_what_waits_and_what_is_taken(officers, review):
    with officers.begin() as conn:
        waits(conn, "lab", fields=("patient.name", "specimen.kind"))
        waits(conn, "cover", "inpatient_cover", label="other")
    next_for(review, "an")
    with review.connect() as conn:
        found, of_box = queue.counts(conn), queue.counts(conn, Filters(box="KHO"))
    assert (found.documents, found.values, found.taken) == (2, 3, 1)
    assert found.by_type == (("inpatient_cover", 1), ("lab_report", 1))
    assert (of_box.documents, of_box.values, of_box.taken) == (1, 2, 0)


def test_a_document_leaves_the_queue_with_its_last_task_and_when_it_is_put_together_anew(officers):
    with officers.begin() as conn:
        waits(conn, "lab", fields=("patient.name", "specimen.kind"))
        waits(conn, "gone")
        conn.execute(text("UPDATE pipeline.review_task SET state = 'decided' WHERE field = 'specimen.kind'"))
        conn.execute(text("DELETE FROM pipeline.document WHERE document_id = 'gone'"))
        assert conn.execute(select(waiting.c.document_id, waiting.c.tasks)).all() == [("lab", 1)]
        conn.execute(text("UPDATE pipeline.review_task SET state = 'decided' WHERE document_id = 'lab'"))
        assert conn.execute(select(waiting)).all() == []


def test_progress_tells_pace_and_agreement_without_pauses_and_without_what_was_taken_back(officers, review):
    read = {"value": {"value": {"value": "TRẦN THỊ MẪN", "kind": "person_name"}}, "issues": []}
    with officers.begin() as conn:
        for name in ("a", "b", "c"):
            waits(conn, name, fields=("patient.name",))
        rows = [
            (1, "a", "an", "accept", "", 0, None), (2, "b", "an", "correct", "Trần Thị Mận", 4, None),
            (3, "c", "an", "absent", "", 604, None), (4, "c", "an", "undo", "", 605, 3),
            (5, "c", "an", "unreadable", "", 610, None), (6, "a", "binh", "correct", "Trần Thị Mẫn", 700, None),
            (7, "b", "binh", "accept", "", 701, None),
        ]  # fmt: skip
        for number, name, who, decision, value, after, undoes in rows:
            conn.execute(
                insert(tables.review_decision).values(
                    decision_id=number, task_id=f"{name}-patient.name", decided_by=who, decision=decision, value=value,
                    decided_at=LONG_AGO + timedelta(seconds=after), before=read, undoes=undoes,
                )
            )  # fmt: skip
        conn.execute(text("UPDATE pipeline.review_task SET state = 'decided' WHERE document_id <> 'b'"))
    with review.connect() as conn:
        day = progress(conn, "an", LONG_AGO)
        nothing = progress(conn, "an", LONG_AGO + timedelta(days=1))
    assert (day.values, day.documents, day.seconds) == (3, 2, 4.0)
    assert (day.compared, day.agreed) == (2, 1)
    assert (nothing.values, nothing.documents, nothing.seconds, nothing.compared) == (0, 0, None, 0)


@pytest.fixture
def browser(officers, settings):
    """A browser signed in as one of the officers; `it` sees counts only."""
    app = create_app(settings)
    with officers.begin() as conn:
        conn.execute(insert(account).values(account_id="it", name="it", role="it"))

    def opened(name):
        client = TestClient(app, follow_redirects=False)
        with officers.begin() as conn:
            client.cookies.set(sessions.COOKIE, sessions.start(conn, name, 12))
        return client

    return opened


def start(client, **form):
    csrf = re.search(r'name="csrf" content="([^"]+)"', client.get("/queue").text)[1]
    return client.post("/queue/next", data=form, headers={"X-CSRF-Token": csrf})


def test_the_screen_goes_on_to_the_next_document_and_keeps_the_filters_till_others_are_chosen(officers, browser):
    with officers.begin() as conn:
        waits(conn, "cover", "inpatient_cover")
        waits(conn, "lab-1", age=2)
        waits(conn, "lab-2", age=1)
    client = browser("an")
    went = start(client, filtered="yes", document_type="lab_report")
    assert (went.status_code, went.headers["location"]) == (303, "/task/lab-1")
    with officers.begin() as conn:
        conn.execute(
            update(tables.review_task).where(tables.review_task.c.document_id == "lab-1").values(state="decided")
        )
    assert start(client).headers["location"] == "/task/lab-2"
    with officers.begin() as conn:
        queue.give_back(conn, "lab-2", "an")
    assert start(client, filtered="yes", document_type="", box="", field="").headers["location"] == "/task/cover"


def test_the_screen_says_when_nothing_is_left_and_shows_the_officers_day(officers, browser):
    answer = start(browser("an"), filtered="yes", box="KHO-9")
    assert answer.status_code == 200
    assert say("queue.none", "vi") in answer.text
    assert 'value="KHO-9"' in answer.text
    assert say("queue.today", "vi") in answer.text


def test_who_does_not_review_sees_counts_and_no_way_to_a_document(officers, browser):
    with officers.begin() as conn:
        waits(conn, "lab")
    client = browser("it")
    shown = client.get("/queue?document_type=lab_report").text
    assert "Phiếu xét nghiệm" in shown
    assert "/queue/next" not in shown and say("queue.today", "vi") not in shown
    assert start(client).status_code == 403


def test_an_officer_finds_the_restricted_documents_that_wait_and_others_only_their_number(officers, browser):
    with officers.begin() as conn:
        waits(conn, "card", "identity_card", label="KHO-2/009")
        waits(conn, "stopped", "identity_card", state="held")
        waits(conn, "lab")
    shown = browser("an").get("/queue").text
    assert re.findall(r'href="/task/(\w+)"', shown) == ["card"] and "KHO-2/009" in shown
    assert "/task/" not in browser("an").get("/queue?box=KHO-1").text
    assert "/task/" not in browser("it").get("/queue").text


def test_a_cookie_that_is_not_ours_chooses_nothing_and_a_filter_of_10000_letters_is_refused(officers, browser):
    with officers.begin() as conn:
        waits(conn, "lab")
    client = browser("an")
    client.cookies.set("sohoa_queue", '{"document_type": 7}')
    assert start(client).headers["location"] == "/task/lab"
    assert client.get("/queue?box=" + "a" * 10_000).status_code == 422


def test_the_day_begins_at_midnight_in_vietnam():
    assert today(datetime(2026, 3, 1, 16, 59, tzinfo=UTC)) == datetime(2026, 2, 28, 17, tzinfo=UTC)
    assert today(datetime(2026, 3, 1, 17, 0, tzinfo=UTC)) == datetime(2026, 3, 1, 17, tzinfo=UTC)


def test_a_document_that_its_code_restricts_is_passed_over_and_counted_as_such(officers, review):
    with officers.begin() as conn:
        waits(conn, "hiv", "discharge_letter", age=9)
        waits(conn, "lab")
        conn.execute(
            insert(tables.page).values(
                page_id="p", batch_id="box-1", receipt_id=receipt(conn), number=1, state="in_review"
            )
        )
        conn.execute(
            insert(tables.field_value).values(
                document_id="hiv", field="diagnosis.main.code", value="B20", raw="B20", kind="icd10", confidence=1,
                verdict="review", page_id="p", box={}, engine="tesseract",
            )
        )  # fmt: skip
    assert next_for(review, "an") == "lab"
    with review.connect() as conn:
        counts = queue.counts(conn)
    assert (counts.documents, counts.restricted) == (1, 1)
    with officers.begin() as conn:
        assert queue.take(conn, "binh", "hiv") is None
        break_glass(conn, "binh", "hiv", "hiv", "đối chiếu mã bệnh")
        assert queue.take(conn, "binh", "hiv").document_id == "hiv"


def receipt(conn):
    conn.execute(
        insert(tables.receipt).values(
            receipt_id="r", batch_id="box-1", path="a.png", outcome="quarantined", reason_code="empty_file"
        )
    )
    return "r"
