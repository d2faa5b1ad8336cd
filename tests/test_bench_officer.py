"""The modelled officer: what typing and looking cost, and what each design of the workbench asks of her."""

import sys
from pathlib import Path

import pytest
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import officer
from bench.officer import DESIGNS, Asked, asked_of, cost_of, facts_once
from bench.pages import BenchPage
from bench.person import Item, field_seconds, mending, strokes, typing
from bench.truth import TruthField, TruthPage
from tests.test_review import READ, reviewed  # noqa: F401

FOLDER = Path("scans")


def item(field="patient.name", kind="person_name", read="TRẦN THỊ MẪN", document="d1", **more):
    known = {
        "file_id": "f", "document_id": document, "document_type": "discharge_letter", "field": field, "kind": kind,
        "read": read, "paper": read, "right": True, "state": "review", "checked": False,
    }  # fmt: skip
    return Item(**(known | more))


@pytest.mark.parametrize(("written", "keys"), [("Ung thu", 7), ("Ủng thư", 9), ("đừng", 7), ("C16.9", 5)])
def test_telex_takes_a_key_for_each_letter_and_each_mark(written, keys):
    assert strokes(written) == keys


def test_a_correction_costs_more_than_an_acceptance_and_a_missing_field_most():
    wrong = item(read="TRẦN THỊ HẬN", paper="TRẦN THỊ MẪN", right=False)
    missing = item(read="", paper="TRẦN THỊ MẪN", right=False)
    assert field_seconds(item()) < field_seconds(wrong) < field_seconds(missing)


def test_a_long_text_with_one_wrong_word_is_mended_by_words():
    written = "Ung thư biểu mô tuyến dạ dày, biệt hóa vừa, không thấy hạch di căn"
    assert mending(written.replace("dày", "dầy"), written) < typing(written)


def test_a_fact_of_a_file_is_asked_in_one_of_its_documents_and_other_fields_in_each():
    repeated = [item(document="d1"), item(document="d2"), item("note", "long_text", document="d1"),
                item("note", "long_text", document="d2"), item(document="d3", state="evidence")]  # fmt: skip
    assert [(one.document_id, one.field) for one in facts_once(repeated)] == [
        ("d1", "patient.name"), ("d1", "note"), ("d2", "note"),
    ]  # fmt: skip


def test_each_design_that_claims_to_save_seconds_saves_some_and_asks_one_key_of_an_accepted_field():
    items = [
        item(field, "moment", "23/03/2020 07:05", f"d{n}", state=state)
        for n in range(6)
        for field, state in (("encounter.admitted_at", "review"), ("encounter.discharged_at", "accept"))
    ]
    items += [item("note", "long_text", "Khám lại sau 1 tháng", f"d{n}") for n in range(8)]
    items += [item(document=f"d{n}", state="evidence") for n in range(6)]
    costs = [cost_of(design, Asked(items=tuple(items), pages=8, questions=1)) for design in DESIGNS]
    seconds = [one.seconds_per_100 for one in costs]
    assert seconds[:6] == sorted(seconds[:6], reverse=True) and len(set(seconds[:6])) == 6
    assert seconds[6] > seconds[5]  # A second person costs.
    assert all(one.keys <= 1 for one in costs)


def test_what_is_asked_is_read_from_the_database_and_compared_with_the_truth(reviewed, clean, monkeypatch):  # noqa: F811
    monkeypatch.setattr(officer, "BATCH", reviewed)
    fields = [TruthField(name="patient.name", value="TRẦN THỊ MẪN", shown="TRẦN THỊ MẪN")]
    fields += [TruthField(name=f, value=READ[f], shown=READ[f]) for f in ("patient.id", "encounter.number")]
    truth = TruthPage(file="a.png", page=1, document_type="discharge_letter", fields=fields)
    with clean.connect() as conn:
        asked = asked_of(conn, FOLDER, [BenchPage(path=FOLDER / "a.png", truth=truth)])
        open_now = conn.scalar(text("SELECT count(*) FROM pipeline.review_task WHERE state = 'open'"))
    by_field = {one.field: one for one in asked.items}
    assert asked.pages == 1 and sum(one.state == "review" for one in asked.items) == open_now
    assert (by_field["patient.name"].right, by_field["patient.name"].paper) == (False, "TRẦN THỊ MẪN")
    assert by_field["patient.id"].right and by_field["diagnosis.main"].paper == ""
