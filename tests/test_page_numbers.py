"""Stage 4: the number that a page prints of itself, which pages it joins, and which it shows to be missing."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent)]

from builders import page_reading  # noqa: E402

from extractors.page_numbers import printed_number  # noqa: E402
from pipeline.assembly import assemble_file  # noqa: E402
from pipeline.grouping import FilePage  # noqa: E402
from records.document_types import document_types  # noqa: E402
from records.pages import Box, Line, PageText, Word  # noqa: E402

BOX = Box(left=0, top=0, right=1, bottom=1)


def text_of(*lines):
    return PageText(
        page_id="p", engine="e", lines=tuple(Line(words=(Word(text=t, confidence=1, box=BOX),)) for t in lines)
    )


@pytest.mark.parametrize(
    ("line", "number"),
    [
        ("Trang 2/3", (2, 3)), ("TRANG: 1 / 12", (1, 12)), ("(Trang 2 trên 2)", (2, 2)), ("Tờ số: 1/2", (1, 2)),
        ("Trang 3/2", None), ("Trang 0/2", None),
        ("Họ tên: NGUYỄN THỊ TRANG 2/3/1990", None), ("Huyết áp 120/80", None),
    ],
)  # fmt: skip
def test_the_number_is_read_as_printed(line, number):
    assert printed_number(text_of("PHIẾU XÉT NGHIỆM", line)) == number


def test_two_different_numbers_tell_nothing():
    assert printed_number(text_of("Trang 1/2", "Trang 2/2")) is None


def file_of(*pages):
    """Groups of page numbers and issues of a file of (number printed, titled, follows)."""
    given = []
    for i, (printed, titled, follows) in enumerate(pages, start=1):
        reading = page_reading(str(i), "lab_report" if titled else "other", {}, titled=titled)
        reading = reading.model_copy(update={"text": text_of(f"Trang {printed}" if printed else "x")})
        given.append(FilePage(page_id=str(i), reading=reading, follows=follows))
    found = assemble_file("file", given, document_types(), {})
    lacking = {p: i.message for p, issues in found.page_issues.items() for i in issues if i.check == "missing_page"}
    return ["".join(d.document.page_ids) for d in found.documents], lacking


def test_pages_without_a_title_go_on_by_their_numbers_even_from_another_scan():
    assert file_of(("1/3", True, True), ("2/3", False, False), ("3/3", False, True)) == (["123"], {})


def test_a_first_page_begins_a_document_though_it_has_no_title():
    assert file_of(("1/1", True, True), ("1/1", False, True))[0] == ["1", "2"]


def test_a_missing_page_is_told_and_the_one_behind_it_joins_nothing():
    groups, lacking = file_of(("1/3", True, True), ("3/3", False, True))
    assert groups == ["1", "2"]
    assert "in số 1/3" in lacking["1"] and "trang 2;" in lacking["1"] and "trang 2;" in lacking["2"]


def test_the_last_page_may_be_missing():
    assert list(file_of(("1/2", True, True), ("", True, True))[1]) == ["1"]


def test_a_page_whose_number_was_not_read_fills_the_gap():
    assert file_of(("1/2", True, True), ("", False, True)) == (["12"], {})


def test_pages_with_a_title_each_miss_nothing_where_all_are_there():
    assert file_of(("1/2", True, True), ("2/2", True, True)) == (["1", "2"], {})
