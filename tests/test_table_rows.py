"""A value that a person decided finds its row where a document was read anew."""

import pytest

from pipeline.table_rows import field_now
from records.documents import Document, FieldReading, FieldValue, JudgedValue, ValidatedDocument, Verdict
from records.pages import PageBox


def report(*rows, page_id="p1", kind="lab_report", table="results"):
    """A document of rows (name, value, top of the row on its page)."""
    own = Document(document_id="d", file_id="f", document_type=kind, edition="", page_ids=(page_id,))
    values = tuple(
        cell(f"{table}[{n}].{column}", text, page_id, left, top)
        for n, (name, value, top) in enumerate(rows)
        for column, text, left in (("test", name, 0.1), ("value", value, 0.5))
    )
    return ValidatedDocument(document=own, revision=1, values=values, issues=(), verdict=Verdict.REVIEW)


def cell(field, text, page_id, left, top):
    box = PageBox(left=left, top=top, right=left + 0.2, bottom=top + 0.02)
    reading = FieldReading(
        field=field, raw=text, confidence=0.9, page_id=page_id, box=box, engine="e", method="table"
    )  # fmt: skip
    return JudgedValue(
        value=FieldValue(reading=reading, kind="text", value=text), verdict=Verdict.REVIEW, rule="r", confidence=0.9
    )


BEFORE = report(("Glucose", "5.6", 0.2), ("Kali", "4.1", 0.25))
VALUE = BEFORE.values[1]


@pytest.mark.parametrize(
    ("now", "field"),
    [
        (report(("Urê", "3", 0.15), ("Glucosa", "5.6", 0.202)), "results[1].value"),  # where it stands on the scan
        (report(("Kali", "4.1", 0.9), ("Glucose", "5.6", 0.5), page_id="p2"), "results[1].value"),  # as it is called
        (report(("Kali", "4.1", 0.2), page_id="p2"), ""),  # the place on another scan says nothing
        (report(("Glucose", "5.6", 0.5), ("Glucose", "7", 0.6), page_id="p2"), ""),
        (report(("Glucose", "5.6", 0.2), kind="discharge_letter"), ""),
    ],
)
def test_a_decided_cell_goes_to_the_row_on_its_place_or_of_its_name_and_to_no_other(now, field):
    assert field_now(VALUE, BEFORE, now) == field


def test_of_two_rows_that_had_one_name_neither_is_known_by_it():
    twice = report(("Glucose", "5.6", 0.2), ("Glucose", "7.1", 0.25))
    assert field_now(twice.values[1], twice, report(("Glucose", "5.6", 0.2), page_id="p2")) == ""
