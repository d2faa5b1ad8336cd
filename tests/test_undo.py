"""A batch is taken back out of the EMR and of the account: every page stays in it, nothing is asked or shown."""

import uuid

import pytest
from sqlalchemy import select, text, update
from typer.testing import CliRunner

from pipeline import emr, ledger, registry, steps, tables, undo
from pipeline.cli import app
from records.errors import SohoaError
from records.pages import Batch, MediaType
from review.decisions import Decision, decide
from tests.test_review_decisions import READ, page_reading

REASON = "hộp này của bệnh viện khác"


def letter(conn, store, batch, number, data=None, **told):
    read = READ | {"patient.id": f"1900000{number}", "encounter.number": f"19.00000{number}"} | told
    got = ledger.receive(conn, store, batch, f"{number}.png", data or uuid.uuid4().bytes, (MediaType.PNG, 1))
    page_id = ledger.page_id(got.receipt_id, 1)
    if got.outcome == "received":
        steps._keep(conn, page_id, 0, page_reading(page_id, read))
    return page_id


def finish(batch):
    steps.assemble(batch)
    steps.load(batch)


@pytest.fixture
def loaded(clean, store, batch):
    """Two letters in the EMR, with values in doubt."""
    with clean.begin() as conn:
        ids = [letter(conn, store, batch, number) for number in (1, 2)]
    finish(batch)
    return ids


def emr_rows(engine):
    names = ("patient", "encounter", "document_reference", "condition", "provenance", "load_receipt")
    with engine.connect() as conn:
        return {name: conn.scalar(text(f"SELECT count(*) FROM emr.{name}")) for name in names}


def states(engine, batch):
    with engine.connect() as conn:
        return {state: pages for state, pages in ledger.counts(conn)[batch].items() if pages}


def test_an_undone_batch_leaves_nothing_in_the_emr_and_every_page_in_the_account(loaded, batch, clean):
    assert emr_rows(clean)["document_reference"] == 2
    done = undo.undo(batch)
    assert not any(emr_rows(clean).values())
    assert states(clean, batch) == {"withdrawn": 2} and done.pages == 2
    assert done.left == {} and done.removed["document_reference"] == 2
    with clean.connect() as conn:
        assert ledger.balance(conn) == []
        assert conn.scalar(select(tables.batch.c.closed_at)) is not None
        assert conn.scalars(select(tables.review_task.c.state).distinct()).all() == ["settled"]


def test_nobody_can_decide_on_it_or_load_it_any_more(loaded, batch, clean):
    with clean.connect() as conn:
        task = conn.scalars(select(tables.review_task.c.task_id).where(tables.review_task.c.state == "open")).first()
    undo.undo(batch)
    with clean.begin() as conn, pytest.raises(SohoaError):
        decide(conn, task, "an", Decision.ACCEPT, "")
    finish(batch)
    assert emr.load_batch(batch) == 0
    assert not any(emr_rows(clean).values())


def test_undoing_again_changes_nothing_and_one_killed_half_way_is_finished(loaded, batch, clean, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(undo, "_withdraw", killed)
        undo.undo(batch)
    assert undo.undo(batch).pages == 2
    again = undo.undo(batch)
    assert (again.pages, again.removed, again.left) == (0, {}, {})
    assert states(clean, batch) == {"withdrawn": 2}


def test_a_sheet_that_was_set_aside_for_a_withdrawn_one_is_read(clean, store, batch):
    """The same bytes lay in a second box and, twice, in a third: one of them is read, the others are doubles of it."""
    same = uuid.uuid4().bytes
    with clean.begin() as conn:
        letter(conn, store, batch, 1, same)
    finish(batch)
    with clean.begin() as conn:
        for name in ("B2", "B3"):
            ledger.open_batch(conn, Batch(batch_id=name, facility="DEMO", folder=f"/{name}"))
        ids = [
            letter(conn, store, "B2", 1, same),
            letter(conn, store, "B3", 1, same),
            letter(conn, store, "B3", 2, same),
        ]
    for name in ("B2", "B3"):
        steps.account(name)
    done = undo.undo(batch)
    assert len(done.read_again) == 1
    with clean.connect() as conn:
        query = select(tables.page.c.page_id, tables.page.c.state, tables.page.c.duplicate_of)
        found = {row.page_id: row for row in conn.execute(query.where(tables.page.c.page_id.in_(ids)))}
        (first,) = [row for row in found.values() if row.state == "received"]
        assert {row.duplicate_of for row in found.values() if row is not first} == {first.page_id}
        waiting = select(tables.batch.c.batch_id).where(tables.batch.c.queued_at.is_not(None))
        assert tuple(conn.scalars(waiting)) == done.read_again
        assert ledger.balance(conn) == []


def test_the_same_scans_may_be_handed_in_anew_in_another_batch(clean, store, batch):
    same = uuid.uuid4().bytes
    with clean.begin() as conn:
        letter(conn, store, batch, 1, same)
    finish(batch)
    undo.undo(batch)
    with clean.begin() as conn:
        ledger.open_batch(conn, Batch(batch_id="B2", facility="DEMO", folder="/B2"))
        letter(conn, store, "B2", 1, same)
    finish("B2")
    assert states(clean, "B2").keys() <= {"loaded", "in_review"}
    assert emr_rows(clean)["document_reference"] == 1


def test_a_batch_that_is_being_read_or_not_known_is_not_undone(loaded, batch, clean):
    with pytest.raises(SohoaError, match="no batch"):
        undo.undo("NONE")
    with clean.begin() as conn:
        lease = text("now() + interval '1 minute'")
        conn.execute(update(tables.page).where(tables.page.c.page_id == loaded[0]).values(lease_until=lease))
    with pytest.raises(SohoaError, match="being read"):
        undo.undo(batch)
    assert emr_rows(clean)["document_reference"] == 2


def test_its_files_count_as_not_there_for_the_registry(loaded, batch, clean):
    undo.undo(batch)
    with clean.connect() as conn:
        assert set(conn.scalars(select(tables.file.c.state))) == {registry.WITHDRAWN}


def test_the_command_says_what_it_did_and_the_trail_who_and_why(loaded, batch, clean, monkeypatch, settings):
    monkeypatch.setattr("pipeline.cli_common.settings", lambda: settings, raising=False)
    refused = CliRunner().invoke(app, ["batch", "undo", batch, "--reason", "ngắn"])
    assert refused.exit_code != 0 and states(clean, batch).get("withdrawn") is None
    told = CliRunner().invoke(app, ["batch", "undo", batch, "--reason", REASON])
    assert told.exit_code == 0, told.output
    assert f"Batch {batch}: 2 pages withdrawn" in told.output
    with clean.connect() as conn:
        row = conn.execute(select(tables.event).order_by(tables.event.c.event_id.desc())).mappings().first()
    assert (row["action"], row["detail"]["reason"]) == ("batch:undo", REASON)
