"""Keying in a real browser: twenty fields of which nothing was read take a value and an Enter each, no other key."""

import pytest
from sqlalchemy import insert, select, text

from pipeline import field_policy, ledger, tables
from pipeline.documents import store_document, task_id_of
from records.document_types import document_types
from records.documents import Document, FieldReading, FieldValue, Issue, JudgedValue, ValidatedDocument, Verdict
from records.pages import Batch, MediaType, PageBox
from review import accounts
from review.decisions import Decision, decide
from tests.builders import HEIGHT, WIDTH, drawn, page_image
from tests.conftest import empty
from tests.test_review_browser import (  # noqa: F401
    PASSWORD,
    address,
    assert_accessible,
    assert_accessible_at_125_percent,
    chromium,
    open_task,
    page,
    settled,
    shot,
)
from transformers.parsers import PARSERS

pytestmark = pytest.mark.slow
FORM = document_types()["inpatient_cover"]
TYPED = {
    "patient.name": "an bình", "patient.birth_date": "1963", "patient.sex": "Nữ", "patient.ethnicity": "Kinh",
    "patient.occupation": "Nông dân", "patient.address": "Thôn 2, Ninh Bình", "patient.phone": "0912345678",
    "patient.id": "19000001", "encounter.number": "19.000001", "encounter.archive_number": "19-00001",
    "encounter.bed": "12", "encounter.department": "Ngoại Vú", "encounter.admitted_at": "08:00 01/02/2019",
    "encounter.discharged_at": "09:30 09/02/2019", "encounter.days": "8", "diagnosis.main": "U ác dạ dày",
    "diagnosis.main.code": "C16.9", "diagnosis.secondary": "Thiếu máu", "contact.name": "an minh", "doctor": "BS Hà",
}  # fmt: skip


@pytest.fixture(scope="module")
def migrated(engine, settings, tmp_path_factory):
    """A handwritten cover of which the machine found twenty fields and read none; `lan` is to key it."""
    import cv2

    from pipeline.store import Store

    empty(engine)
    png = cv2.imencode(".png", drawn([f"ô {number}" for number in range(24)], (WIDTH, HEIGHT), 48))[1].tobytes()
    with engine.begin() as conn:
        accounts.add(conn, "test", "lan", "Nguyễn Thị Lan", "officer", PASSWORD)
        accounts.add(conn, "test", "thu", "Nguyễn Thị Thu", "senior", PASSWORD)
        ledger.open_batch(conn, Batch(batch_id="hand", facility="DEMO", folder=str(tmp_path_factory.mktemp("hand"))))
        given = ledger.receive(conn, Store(settings), "hand", "a.png", png, (MediaType.PNG, 1))
        page_id = ledger.page_id(given.receipt_id, 1)
        image = page_image(page_id).model_dump(mode="json")
        conn.execute(insert(tables.page_text).values(page_id=page_id, engine="", image=image, text={}))
        conn.execute(insert(tables.file).values(file_id="f", batch_id="hand", label="KHO-1/001"))
        values = tuple(nothing_read(field, at, page_id) for at, field in enumerate(TYPED))
        store_document(conn, "hand", cover("d", page_id, values))
    return engine


def cover(document_id, page_id, values, issues=()):
    own = Document(
        document_id=document_id, file_id="f", document_type=FORM.id, edition=FORM.editions[0].id, page_ids=(page_id,)
    )
    return ValidatedDocument(document=own, revision=1, values=values, issues=issues, verdict=Verdict.REVIEW)


def nothing_read(field, at, page_id):
    top = 0.05 + at * 0.045
    reading = FieldReading(
        field=field, raw="", confidence=0.0, page_id=page_id, engine="", method="label_right",
        box=PageBox(left=0.1, top=top, right=0.9, bottom=top + 0.03),
    )  # fmt: skip
    own = FieldValue(reading=reading, kind=FORM.field(field).kind, value="", problem="Không đọc được.")
    return JudgedValue(value=own, verdict=Verdict.REVIEW, rule="problem", confidence=0.0)


def test_twenty_blank_fields_take_twenty_values_and_twenty_enters(page, migrated):  # noqa: F811
    open_task(page)
    assert page.locator(".field.open").count() == page.locator(".field.open .crop img").count() == len(TYPED) == 20
    assert_accessible(page)
    for field, value in TYPED.items():
        page.wait_for_function("f => document.activeElement.closest('.field')?.dataset.field === f", arg=field)
        box = page.evaluate("document.activeElement.getBoundingClientRect().toJSON()")
        assert 0 <= box["top"] < box["bottom"] <= 768
        page.keyboard.type(value)
        page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.id === 'next'")
    with migrated.connect() as conn:
        rows = conn.execute(select(tables.field_value.c.field, tables.field_value.c.value)).all()
    parsed = {field: PARSERS[FORM.field(field).kind](value) for field, value in TYPED.items()}
    assert {row.field: row.value for row in rows} == parsed
    assert_accessible_at_125_percent(page)


@pytest.fixture
def two_entered(migrated):
    """A cover of which one value waits for a second person, one for a senior, and a third was not found."""
    name, birth, number = "patient.name", "patient.birth_date", "encounter.number"
    with migrated.begin() as conn:
        for field in (name, birth):
            field_policy.put(conn, field_policy.FieldPolicy(field=field, second=True), "test")
        page_id = conn.scalar(select(tables.page.c.page_id))
        issue = Issue(check="required", field=number, message="Không tìm thấy số vào viện.")
        read = (read_as(name, 5, page_id, "AN BÌN"), read_as(birth, 6, page_id, "1968"))
        store_document(conn, "hand", cover("e", page_id, read, (issue,)))
        enter(conn, name, "hoa", "An Bình")
        enter(conn, birth, "hoa", "1963")
        enter(conn, birth, "mai", "1953")
    yield migrated
    with migrated.begin() as conn:
        conn.execute(text("DELETE FROM pipeline.document WHERE document_id = 'e'"))
        conn.execute(text("UPDATE pipeline.review_task SET state = 'settled' WHERE document_id = 'e'"))
        conn.execute(text("TRUNCATE pipeline.field_policy"))


def read_as(field, at, page_id, raw):
    blank = nothing_read(field, at, page_id)
    reading = blank.value.reading.model_copy(update={"raw": raw, "confidence": 0.7, "engine": "tesseract"})
    own = blank.value.model_copy(update={"reading": reading, "value": raw, "problem": ""})
    return blank.model_copy(update={"value": own, "rule": "no_witness", "confidence": 0.7})


def enter(conn, field, officer, typed):
    decide(conn, task_id_of("e", field), officer, Decision.CORRECT, typed)


def sign_in_as(page, name):  # noqa: F811
    page.context.clear_cookies()
    page.goto("/login")
    page.fill("#account", name)
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue")


def at(page, field):  # noqa: F811
    page.wait_for_function("f => document.activeElement.closest('.field')?.dataset.field === f", arg=field)


def test_the_screens_of_two_person_entry_break_no_rule_and_go_by_keys(page, two_entered):  # noqa: F811
    page.goto("/task/e")
    at(page, "patient.name")
    assert page.locator(".field.open").count() == 2 and page.locator(".field.done").count() == 1
    shot(page, "task-second")
    assert_accessible(page)
    page.keyboard.type("an bình")
    page.keyboard.press("Enter")
    settled(page, "patient.name")
    at(page, "encounter.number")
    shot(page, "task-not-found")
    sign_in_as(page, "thu")
    assert_accessible(page)
    shot(page, "queue-second")
    with two_entered.begin() as conn:
        conn.execute(text("DELETE FROM review.lease"))
    page.goto("/task/e")
    at(page, "patient.birth_date")
    shot(page, "task-senior")
    assert_accessible(page)
    assert_accessible_at_125_percent(page)
    page.keyboard.press("Alt+1")
    settled(page, "patient.birth_date")
    at(page, "encounter.number")
    with two_entered.connect() as conn:
        rows = conn.execute(select(tables.field_value).where(tables.field_value.c.document_id == "e")).mappings()
        found = {row["field"]: (row["value"], row["rule"]) for row in rows}
    assert found == {
        "patient.name": ("AN BÌNH", "reviewed_by_two"),
        "patient.birth_date": ("1963", "reviewed_by_senior"),
    }
