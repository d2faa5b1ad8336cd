"""After a change of software: what would be read otherwise is told first, then replaced, and nothing else."""

import csv
import stat
import uuid

import pytest
from sqlalchemy import select, text, update
from typer.testing import CliRunner

from pipeline import contracts, ledger, reprocess, steps, tables
from pipeline.cli import app
from records.errors import UnreadableScan
from records.pages import MediaType
from review.decisions import Decision, decide
from tests.test_review_decisions import READ, page_reading


@pytest.fixture
def letters(clean, store, batch):
    """Three letters of three patients, read and put together; their page ids."""
    ids = []
    with clean.begin() as conn:
        for number in (1, 2, 3):
            told = READ | {"patient.id": f"1900000{number}", "encounter.number": f"19.00000{number}"}
            got = ledger.receive(conn, store, batch, f"{number}.png", uuid.uuid4().bytes, (MediaType.PNG, 1))
            ids.append(ledger.page_id(got.receipt_id, 1))
            steps._keep(conn, ids[-1], 0, page_reading(ids[-1], told))
    finish(batch)
    return ids


def finish(batch):
    steps.assemble(batch)
    steps.load(batch)


class Reader:
    """Workers of another edition: what they read otherwise, by page."""

    def __init__(self, read):
        self.read, self.asked = read, []

    def map(self, _function, jobs):
        for job in jobs:
            self.asked.append(job.page_id)
            with reprocess.engine(reprocess.settings(), "pipeline").connect() as conn:
                was = conn.scalar(select(tables.page_text.c.readings).where(tables.page_text.c.page_id == job.page_id))
            told = {one["field"]: one["raw"] for one in was} | self.read.get(job.page_id, {})
            yield job, page_reading(job.page_id, {k: v for k, v in told.items() if v is not None})


@pytest.fixture
def other_edition(letters, monkeypatch):
    """The software has changed since the letters were read."""
    monkeypatch.setattr(contracts, "made_by", lambda kind: f"reader=new {kind}")


def test_nothing_is_read_again_while_the_software_is_the_same(letters, batch):
    assert reprocess.changed_chunks(batch) == []


def test_a_change_of_one_form_is_no_change_for_pages_of_others(letters, batch, clean):
    with clean.begin() as conn:
        changed = contracts.made_by("lab_result")
        conn.execute(update(tables.page_text).where(tables.page_text.c.page_id == letters[0]).values(made_by=changed))
    assert reprocess.changed_chunks(batch) == [[letters[0]]]


def test_pages_on_which_a_person_decided_stay_as_they_are(letters, batch, clean, other_edition):
    with clean.begin() as conn:
        task = conn.execute(
            select(tables.review_task.c.task_id, tables.page.c.page_id)
            .join(tables.page, tables.page.c.document_id == tables.review_task.c.document_id)
            .where(tables.review_task.c.state == "open", tables.review_task.c.field != "")
        ).first()
        decide(conn, task.task_id, "an", Decision.UNREADABLE)
    (chunk,) = reprocess.changed_chunks(batch)
    assert set(chunk) == set(letters) - {task.page_id}


def test_what_would_change_is_counted_without_a_value_and_nothing_is_replaced(letters, batch, clean, other_edition):
    before = texts(clean)
    reader = Reader({letters[0]: {"patient.name": "LÊ THỊ HỒNG", "patient.address": None}})
    assert reprocess.compare(letters, reader) == 1
    assert texts(clean) == before
    with clean.connect() as conn:
        told = {(row["field"], row["new"], row["gone"], row["other"]) for row in reprocess.report(conn, batch)}
    assert ("patient.name", 0, 0, 1) in told
    assert "HỒNG" not in str(told)
    assert reprocess.changed_chunks(batch) == []  # compared already


def test_only_pages_that_differ_are_replaced_and_their_files_put_together_anew(letters, batch, clean, other_edition):
    reader = Reader({letters[0]: {"patient.name": "LÊ THỊ HỒNG"}})
    reprocess.compare(letters, reader)
    assert reprocess.carry_out(batch) == 1
    assert [row.state for row in states(clean, letters)] == ["read", *[r.state for r in states(clean, letters)[1:]]]
    finish(batch)
    with clean.connect() as conn:
        query = "SELECT value FROM pipeline.field_value WHERE page_id = :page AND field = 'patient.name'"
        assert conn.scalar(text(query), {"page": letters[0]}) == "LÊ THỊ HỒNG"
        assert ledger.balance(conn) == []
        assert reprocess.report(conn, batch) == []
    assert reprocess.changed_chunks(batch) == []


def test_a_page_that_cannot_be_read_any_more_keeps_what_it_has(letters, batch, clean, other_edition):
    class Broken:
        def map(self, _function, jobs):
            return [(job, UnreadableScan("page_unreadable", "no codec")) for job in jobs]

    before = texts(clean)
    assert reprocess.compare(letters, Broken()) == 0
    assert reprocess.carry_out(batch) == 0
    assert texts(clean) == before


def test_the_changes_with_their_values_go_into_a_file_for_its_owner_alone(letters, batch, other_edition, tmp_path):
    reprocess.compare(letters, Reader({letters[1]: {"patient.address": "=HYPERLINK(1)"}}))
    out = tmp_path / "changes.csv"
    assert CliRunner().invoke(app, ["batch", "changes", batch, "--out", str(out)]).exit_code == 0
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = list(csv.reader(out.open(encoding="utf-8-sig")))
    assert rows[0] == ["page", "field", "before", "after"]
    assert "'=HYPERLINK(1)" in {row[3] for row in rows}
    again = CliRunner().invoke(app, ["batch", "changes", batch, "--out", str(out)])
    assert "cannot be written" in str(again.exception)


def texts(engine):
    with engine.connect() as conn:
        return conn.execute(select(tables.page_text).order_by(tables.page_text.c.page_id)).all()


def states(engine, page_ids):
    with engine.connect() as conn:
        found = {row.page_id: row for row in conn.execute(select(tables.page.c.page_id, tables.page.c.state))}
    return [found[one] for one in page_ids]
