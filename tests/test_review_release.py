"""The release desk: a senior sees what holds a batch, accepts exactly that or sends it back, and the load follows."""

import re
from types import SimpleNamespace

import pandas as pd
import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from sqlalchemy import insert, select, text, update
from typer.testing import CliRunner

from pipeline import audit, cli, database, documents, outbox, releases, steps, tables
from records.document_types import document_types
from records.errors import SohoaError
from review import accounts, sessions
from review.app import create_app
from review.restricted import break_glass
from review.tables import account, release
from validation import gx
from validation.breaches import RULES, breaches
from validation.suites import BatchReport, FailedExpectation, form_suite

pytestmark = pytest.mark.slow

BATCH, COVER, NUMBER = "hộp-1", "inpatient_cover", "encounter.number"
REASON = "hai lần vào viện cùng một số, đã xem sổ"
SAME_NUMBER = FailedExpectation(document_type=COVER, rule="unique", field=NUMBER, message="Một số trên nhiều phiếu.")
NO_SEX = FailedExpectation(document_type=COVER, rule="value_set", field="patient.sex", message="Ngoài danh sách.")


def covers(conn, *names, batch=BATCH, number="19.000001", **more):
    """Covers with the same admission number, each in its own file."""
    for name in names:
        conn.execute(insert(tables.file).values(file_id=f"f-{name}", batch_id=batch, label=f"KHO/{name}"))
        conn.execute(
            insert(tables.document).values(
                document_id=name, batch_id=batch, file_id=f"f-{name}", document_type=COVER, page_ids=[],
                verdict="review", validated={},
            )
        )  # fmt: skip
        conn.execute(
            insert(tables.receipt).values(receipt_id=f"r-{name}", batch_id=batch, path=name, outcome="received")
        )
        page = {"page_id": f"p-{name}", "batch_id": batch, "receipt_id": f"r-{name}", "number": 1, "state": "assembled"}
        conn.execute(insert(tables.page).values(page | {"document_id": name}))
        for field, (value, kind) in ({NUMBER: (number, "identifier")} | more).items():
            conn.execute(
                insert(tables.field_value).values(
                    document_id=name, field=field, value=value, raw=value, kind=kind, confidence=0.9, verdict="accept",
                    page_id=f"p-{name}", box={}, engine="tesseract",
                )
            )  # fmt: skip


def hold(conn, *failed, batch=BATCH):
    """What `steps.check` writes when these fail."""
    why = "; ".join(f"{one.document_type}: {one.message}" for one in failed)
    conn.execute(update(tables.batch).where(tables.batch.c.batch_id == batch).values(state="held", held_because=why))
    documents.note_batch_issues(conn, batch, failed)


@pytest.fixture
def held(clean):
    """A batch of three covers, held because two of them have one number."""
    with clean.begin() as conn:
        conn.execute(insert(tables.batch).values(batch_id=BATCH, facility_id="DEMO", folder="/scans"))
        covers(conn, "d1", "d2")
        covers(conn, "d3", number="19.000003")
        task = {"task_id": "t", "batch_id": BATCH, "document_id": "d1", "field": NUMBER, "reason": "problem"}
        conn.execute(insert(tables.review_task).values(task))
        hold(conn, SAME_NUMBER)
    return clean


@pytest.fixture
def browser(held, settings, monkeypatch):
    """`browser(role)`: somebody with this role, signed in."""
    monkeypatch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    app = create_app(settings)

    def signed_in(role):
        with held.begin() as conn:
            accounts.add(conn, "test", role, role, role, "Mật khẩu rất dài 1")
            token = sessions.start(conn, role, 12)
        client = TestClient(app, follow_redirects=False)
        client.cookies.set(sessions.COOKIE, token)
        return client

    return signed_in


def decided(client, decision="accept", reason=REASON, **given):
    shown = client.get(f"/release/{BATCH}").text
    fields = {name: re.search(f'name="{name}" (?:content|value)="([^"]+)"', shown)[1] for name in ("csrf", "shown")}
    return client.post(f"/release/{BATCH}", data=fields | {"decision": decision, "reason": reason} | given)


def rows(engine, query, **values):
    with engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(query), values)]


def checked(monkeypatch, *failed):
    """`steps.check` where the suites find these."""
    report = BatchReport(asked=9, failed=failed)
    monkeypatch.setattr(gx, "check_batch", lambda *_: report)
    monkeypatch.setattr(gx, "frame_of", lambda _: None)
    return steps.check(BATCH)


def accept(engine, reason=REASON):
    with engine.begin() as conn:
        releases.decide(conn, BATCH, "hoa", releases.Decision.ACCEPT, reason)


def state(engine):
    return rows(engine, "SELECT state, held_because IS NULL FROM pipeline.batch WHERE batch_id = :b", b=BATCH)[0]


# The screens.


@pytest.mark.parametrize("role", ["operator", "officer", "auditor", "it", "manager"])
def test_only_a_senior_has_the_desk(browser, held, role):
    client = browser(role)
    assert client.get("/release").status_code == client.get(f"/release/{BATCH}").status_code == 403
    csrf = re.search(r'name="csrf" content="([^"]+)"', client.get("/help").text)[1]
    given = {"csrf": csrf, "decision": "accept", "reason": REASON, "shown": ""}
    assert client.post(f"/release/{BATCH}", data=given).status_code == 403
    assert 'href="/release"' not in client.get("/help").text and rows(held, "SELECT * FROM review.release") == []


def test_a_senior_sees_each_failure_as_a_sentence_with_the_values_behind_it(browser):
    senior = browser("senior")
    listed = senior.get("/release").text
    assert 'href="/release/h%E1%BB%99p-1"' in listed and "phải khác nhau ở mọi phiếu" in listed
    assert 'aria-current="page">Lô bị giữ' in listed
    shown = senior.get(f"/release/{BATCH}").text
    assert shown.count("<td>19.000001</td>") == 2 and "KHO/d3" not in shown and "<dt>Chờ nạp</dt><dd>3</dd>" in shown
    assert re.findall(r'href="(/task/\w+)"', shown) == ["/task/d1"]


def test_what_is_restricted_is_shown_to_nobody_who_has_not_given_a_reason(browser, held):
    with held.begin() as conn:
        covers(conn, "d4", **{"diagnosis.main.code": ("B20", "icd10")})
    senior = browser("senior")
    shown = senior.get(f"/release/{BATCH}").text
    assert shown.count("<td>19.000001</td>") == 2 and 'href="/task/d4">Ghi lý do để xem KHO/d4' in shown
    assert "HIV" not in shown
    with held.begin() as conn:
        break_glass(conn, "senior", "d4", "hiv", REASON)
    assert senior.get(f"/release/{BATCH}").text.count("<td>19.000001</td>") == 3


def test_accepting_is_recorded_and_starts_the_load(browser, held):
    senior = browser("senior")
    assert decided(senior).headers["location"] == "/release"
    assert decided(senior).status_code == 303  # posted twice
    ((who, decision, reason, failed),) = rows(held, "SELECT decided_by, decision, reason, failed FROM review.release")
    assert (who, decision, reason) == ("senior", "accept", REASON)
    assert [row["document_id"] for row in failed[0]["rows"]] == ["d1", "d2"] and "19.000001" not in str(failed)
    assert rows(held, "SELECT topic, payload ->> 'batch_id' FROM pipeline.outbox") == [("reviewed", BATCH)]
    with held.begin() as conn:
        assert [row.batch_id for row in outbox._waiting(conn)] == [BATCH] and audit.verify(conn) == []
    events = rows(held, "SELECT actor, object FROM audit.event WHERE action = 'release:accept'")
    assert events == [("senior", f"batch:{BATCH}")] and state(held) == ("held", False)
    assert "Đã cho nạp" in senior.get("/release").text


def test_sent_back_it_stays_held_and_officers_are_told_why(browser, held, monkeypatch):
    assert decided(browser("senior"), "send_back", "quét lại bìa của hai hồ sơ").status_code == 303
    told = browser("officer").get("/queue").text
    assert "được senior trả lại để sửa: quét lại bìa của hai hồ sơ" in told
    assert "quét lại bìa" not in browser("it").get("/queue").text
    assert not checked(monkeypatch, SAME_NUMBER) and rows(held, "SELECT * FROM pipeline.outbox") == []


@pytest.mark.parametrize(
    ("given", "said"),
    [({"reason": "ngắn"}, "10 đến 500"), ({"reason": "x" * 501}, "10 đến 500"), ({"decision": "x"}, "hãy chọn")],
)
def test_what_cannot_be_saved_is_told_and_what_was_typed_stays(browser, held, given, said):
    answer = decided(browser("senior"), **given)
    assert answer.status_code == 422 and said in answer.text
    assert f'value="{given.get("reason", REASON)[:500]}"' in answer.text
    assert rows(held, "SELECT * FROM review.release") == []


def test_values_that_changed_since_they_were_shown_are_not_accepted(browser, held):
    senior = browser("senior")
    shown = re.search(r'name="shown" value="([^"]+)"', senior.get(f"/release/{BATCH}").text)[1]
    with held.begin() as conn:
        covers(conn, "d4")
    answer = decided(senior, shown=shown)
    assert answer.status_code == 409 and "vừa thay đổi" in answer.text and REASON in answer.text
    assert rows(held, "SELECT * FROM review.release") == [] and decided(senior).status_code == 303


def test_a_batch_that_is_not_held_is_not_there(browser, held):
    senior = browser("senior")
    with held.begin() as conn:
        conn.execute(update(tables.batch).values(state="open"))
    assert senior.get(f"/release/{BATCH}").status_code == 404 and "Không có lô nào" in senior.get("/release").text
    with held.begin() as conn, pytest.raises(SohoaError, match="is not held"):
        releases.decide(conn, BATCH, "hoa", releases.Decision.ACCEPT, REASON)


# What the machine makes of it.


def test_a_released_batch_passes_its_check_and_is_loaded(held, monkeypatch):
    loaded = []
    monkeypatch.setattr(steps, "load", lambda batch_id: loaded.append(batch_id) or 3)
    own = {"repair": lambda _: 0, "check": lambda _: checked(monkeypatch, SAME_NUMBER), "load": steps.load}
    monkeypatch.setattr(outbox, "steps", SimpleNamespace(**own))
    assert outbox.load_reviewed(BATCH) is None and loaded == [] and state(held) == ("held", False)
    accept(held)
    assert outbox.load_reviewed(BATCH) == 3 and loaded == [BATCH] and state(held) == ("open", True)


def test_another_failure_holds_it_again(held, monkeypatch):
    accept(held)
    assert not checked(monkeypatch, SAME_NUMBER, NO_SEX) and state(held) == ("held", False)
    assert checked(monkeypatch, SAME_NUMBER)
    assert checked(monkeypatch)


@pytest.mark.parametrize("change", ["another document", "another value"])
def test_another_value_behind_the_same_failure_holds_it_again(held, monkeypatch, change):
    accept(held)
    with held.begin() as conn:
        if change == "another document":
            covers(conn, "d4")
        else:
            own = tables.field_value.c.document_id.in_(["d1", "d2"])
            conn.execute(update(tables.field_value).where(own).values(value="19.000002"))
    assert not checked(monkeypatch, SAME_NUMBER)


def test_one_of_two_accepted_failures_that_is_mended_needs_no_new_decision(held, monkeypatch):
    with held.begin() as conn:
        covers(conn, "d4", number="19.000004", **{"patient.sex": ("Nam", "sex")})
        hold(conn, SAME_NUMBER, NO_SEX)
    accept(held)
    assert checked(monkeypatch, NO_SEX)


def test_a_failure_without_a_value_behind_it_is_accepted_by_nobody(held, monkeypatch):
    with held.begin() as conn:
        hold(conn, NO_SEX)
    accept(held)
    assert not checked(monkeypatch, NO_SEX)


def test_the_last_decision_counts(held, monkeypatch):
    accept(held)
    with held.begin() as conn:
        releases.decide(conn, BATCH, "hoa", releases.Decision.SEND_BACK, "chờ sổ của khoa gửi lên")
    assert not checked(monkeypatch, SAME_NUMBER)


def test_two_batches_that_fail_the_same_check_both_say_so(held):
    with held.begin() as conn:
        conn.execute(insert(tables.batch).values(batch_id="box-2", facility_id="DEMO", folder="/more"))
        covers(conn, "e1", "e2", batch="box-2")
        hold(conn, SAME_NUMBER, batch="box-2")
        for batch, own in ((BATCH, ["d1", "d2"]), ("box-2", ["e1", "e2"])):
            (failure,) = releases.failures_of(conn, batch)
            assert [breach.document_id for breach in failure.breaches] == own


def test_a_decision_is_added_and_never_changed(held, settings):
    accept(held)
    for role, statement in (("review", update(release)), ("pipeline", insert(release))):
        with database.engine(settings, role).connect() as conn, pytest.raises(Exception, match="permission denied"):
            conn.execute(statement.values(reason=REASON))


# The values behind a failure.

MADE = {
    "complete": [("a", "patient.name", "", "review"), ("b", "patient.name", "LÊ THỊ A", "review")],
    "unique": [("a", NUMBER, "1", "accept"), ("b", NUMBER, "1", "review"), ("c", NUMBER, "1", "accept")],
    "form": [("a", "encounter.admitted_at", "13/02/2014", "accept"), ("b", "patient.sex", "male", "accept"),
             ("c", "encounter.admitted_at", "2014-02-13T14:45", "accept")],
    "value_set": [("a", "patient.sex", "Nam", "accept"), ("b", "patient.sex", "Nam", "review")],
    "not_before": [("a", "encounter.admitted_at", "2014-02-13T14:45", "accept"),
                   ("a", "encounter.discharged_at", "2014-02-01T00:00", "accept"),
                   ("b", "encounter.discharged_at", "2014-02-01T00:00", "accept")],
}  # fmt: skip
BEHIND = {"complete": "a", "unique": "ac", "form": "a", "value_set": "a", "not_before": "aa"}
FIELDS = {"complete": "patient.name", "unique": NUMBER, "form": "encounter.admitted_at", "value_set": "patient.sex",
          "not_before": "encounter.discharged_at"}  # fmt: skip
ALSO = {"not_before": {"encounter.admitted_at"}}  # The other day of the pair.


@pytest.mark.parametrize("rule", RULES)
def test_the_documents_behind_a_failure(rule):
    frame = pd.DataFrame([(d, COVER, f, v, verdict) for d, f, v, verdict in MADE[rule]], columns=gx.COLUMNS)
    failed = FailedExpectation(document_type=COVER, rule=rule, field=FIELDS[rule], message="")
    found = breaches(frame, failed, document_types()[COVER])
    assert "".join(breach.document_id for breach in found) == BEHIND[rule]
    assert {breach.field for breach in found} == {FIELDS[rule]} | ALSO.get(rule, set())


def test_a_cell_of_a_table_is_named_with_its_row():
    told = [("a", "lab_report", f"results[{row}].flag", flag, "accept") for row, flag in enumerate(("H", "?", "L"))]
    failed = FailedExpectation(document_type="lab_report", rule="value_set", field="results.flag", message="")
    found = breaches(pd.DataFrame(told, columns=gx.COLUMNS), failed, document_types()["lab_report"])
    assert [(breach.field, breach.value) for breach in found] == [("results[1].flag", "?")]


@pytest.mark.slow
def test_every_failure_of_the_suites_has_values_behind_it_and_nothing_else_has(held):
    told = [(f"{rule}-{d}", COVER, f, v, verdict) for rule, rows in MADE.items() for d, f, v, verdict in rows]
    frame = pd.DataFrame(told, columns=gx.COLUMNS)
    failed = gx.check_batch(frame, document_types()).failed
    assert {one.rule for one in failed} == set(RULES)
    assert all(breaches(frame, one, document_types()[COVER]) for one in failed)
    asked = {(e.rule, e.field) for e in form_suite(document_types()[COVER])}
    for rule, field in asked - {(one.rule, one.field) for one in failed}:
        sound = FailedExpectation(document_type=COVER, rule=rule, field=field, message="")
        assert rule == "complete" or not breaches(frame, sound, document_types()[COVER])


# The command.


def test_a_senior_may_be_named_on_the_command_line_and_nobody_else(held):
    with held.begin() as conn:
        people = [{"account_id": role, "name": role, "role": role} for role in ("senior", "officer")]
        conn.execute(insert(account), people)
    for who, reason in (("officer", REASON), ("nobody", REASON), ("senior", "ngắn")):
        answer = CliRunner().invoke(cli.app, ["batch", "release", BATCH, "--by", who, "--reason", reason])
        assert isinstance(answer.exception, SohoaError)
    answer = CliRunner().invoke(cli.app, ["batch", "release", BATCH, "--by", "senior", "--reason", REASON])
    assert answer.exit_code == 0
    with held.connect() as conn:
        assert conn.scalars(select(release.c.decided_by)).all() == ["senior"]
