"""Review: a decision passes the same parsers, is kept beside the reading, and lets the document into the EMR."""

import uuid

import pytest
from sqlalchemy import select, text

from pipeline import ledger, steps, tables
from records.documents import FieldReading, PageReading
from records.errors import SohoaError
from records.pages import Box, Line, MediaType, PageBox, PageImage, PageText, Word
from review.decisions import Decision, decide, open_tasks

BOX = PageBox(left=0.1, top=0.1, right=0.4, bottom=0.12)
READ = {
    "patient.name": "TRẦN THỊ MẪU",
    "patient.id": "19000001",
    "encounter.number": "19.000001",
    "encounter.admitted_at": "08 giờ 00 phút, ngày 01 tháng 02 năm 2019",
    "encounter.discharged_at": "08 giờ 00 phút, ngày 09 tháng 02 năm 2019",
    "diagnosis.main": "Viêm ruột thừa cấp",
}


def page_reading(page_id: str) -> PageReading:
    word = Word(text="GIẤY", confidence=0.9, box=Box(left=1, top=1, right=9, bottom=9))
    image = PageImage(
        page_id=page_id, turn=0, skew_degrees=0, width_px=100, height_px=140, file_width_px=100, file_height_px=140,
        to_file=(1, 0, 0, 0, 1, 0, 0, 0, 1), dpi=300, ink=0.05, blank=False,
    )  # fmt: skip
    readings = tuple(
        FieldReading(
            field=field, raw=raw, confidence=0.9, page_id=page_id, box=BOX, engine="tesseract", method="label_right"
        )
        for field, raw in READ.items()
    )
    lines = (Line(words=(word,)),)
    return PageReading(
        image=image, text=PageText(page_id=page_id, engine="tesseract", lines=lines), document_type="discharge_letter",
        titled=True, score=100, readings=readings, seconds=1.0,
    )  # fmt: skip


@pytest.fixture
def reviewed(clean, store, batch):
    """A batch with one discharge letter read, assembled and loaded as far as it goes."""
    with clean.begin() as conn:
        given = ledger.receive(conn, store, batch, "a.png", uuid.uuid4().bytes, (MediaType.PNG, 1))
        page_id = ledger.page_id(given.receipt_id, 1)
        steps._keep(conn, page_id, 0, page_reading(page_id))
    steps.assemble(batch)
    steps.load(batch)
    return batch


def test_a_value_in_doubt_waits_while_its_page_is_already_in_the_emr(reviewed, clean):
    with clean.connect() as conn:
        assert ledger.counts(conn)[reviewed] == {"in_review": 1}
        assert conn.scalar(text("SELECT count(*) FROM emr.document_reference")) == 1
        assert conn.scalar(text("SELECT count(*) FROM emr.provenance WHERE field = 'patient.name'")) == 0
        assert {t.field for t in open_tasks(conn, reviewed)} >= {"patient.name", "encounter.number"}


def test_when_the_last_doubt_is_settled_the_document_is_loaded_as_checked_by_one(reviewed, clean):
    with clean.begin() as conn:
        for task in open_tasks(conn, reviewed):
            if task.field == "patient.name":
                decide(conn, task.task_id, "officer1", Decision.CORRECT, "trần thị mẫn")
            else:
                decide(conn, task.task_id, "officer1", Decision.ACCEPT)
        assert open_tasks(conn, reviewed) == []
    assert steps.load(reviewed) == 1
    with clean.connect() as conn:
        assert ledger.counts(conn)[reviewed] == {"loaded": 1}
        query = text("SELECT value, raw, checked, page_id, box FROM emr.provenance WHERE field = 'patient.name'")
        row = conn.execute(query).one()
        assert (row.value, row.raw, row.checked) == ("TRẦN THỊ MẪN", "TRẦN THỊ MẪU", "one")
        assert row.page_id.endswith("-0001") and row.box["left"] == 0.1
        assert conn.scalar(text("SELECT name FROM emr.patient")) == "TRẦN THỊ MẪN"


def test_a_correction_that_its_kind_cannot_be_is_refused_and_nothing_is_written(reviewed, clean):
    with clean.connect() as conn:
        task = next(t for t in open_tasks(conn, reviewed) if t.field == "encounter.admitted_at")
    with pytest.raises(SohoaError, match="admitted_at"), clean.begin() as conn:
        decide(conn, task.task_id, "officer1", Decision.CORRECT, "hôm qua")
    with clean.connect() as conn:
        assert task in open_tasks(conn, reviewed)
        assert conn.execute(select(tables.review_decision)).all() == []


def test_a_task_is_decided_once(reviewed, clean):
    with clean.begin() as conn:
        task = open_tasks(conn, reviewed)[0]
        decide(conn, task.task_id, "officer1", Decision.ABSENT)
    with pytest.raises(SohoaError, match="not open"), clean.begin() as conn:
        decide(conn, task.task_id, "officer2", Decision.ACCEPT)


def test_reading_again_leaves_a_decided_document_as_the_officer_left_it(reviewed, clean):
    with clean.begin() as conn:
        task = next(t for t in open_tasks(conn, reviewed) if t.field == "patient.name")
        decide(conn, task.task_id, "officer1", Decision.CORRECT, "trần thị mẫn")
    assert steps.reread(reviewed) == 0
    steps.assemble(reviewed)
    with clean.connect() as conn:
        value = conn.scalar(select(tables.field_value.c.value).where(tables.field_value.c.field == "patient.name"))
    assert value == "TRẦN THỊ MẪN"
