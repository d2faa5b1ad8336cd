"""Stage 4: which pages of a batch are one file, by separator, scan or folder, and what is asked where none can tell."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent)]

from builders import page_image  # noqa: E402

from pipeline.boundaries import ReadPage, in_reading_order, parts_of  # noqa: E402
from records.documents import PageReading  # noqa: E402
from records.pages import Boundary, Box, Line, PageText, Word  # noqa: E402
from records.separators import Separator  # noqa: E402

BOX = Box(left=0, top=0, right=1, bottom=1)


def separator(number: int, box: str = "KHO-07", sheets: int = 0) -> str:
    return Separator(box=box, file_number=number, encounter_number=f"18.00{number:04d}", sheets=sheets).code()


def a_page(number: int, what: str, path: str, state: str, ruled: str) -> ReadPage:
    """`what`: a separator's code, else the type of the form."""
    code = what.startswith("SOHOA1/")
    text = PageText(page_id=f"p{number}", engine="e", lines=(Line(words=(Word(text=what, confidence=1, box=BOX),)),))
    reading = PageReading(
        image=page_image(f"p{number}"), text=text, document_type="separator" if code else what, titled=False, score=0,
        readings=(), seconds=0,
    )  # fmt: skip
    return ReadPage({"page_id": f"p{number}", "state": state}, reading, f"p{number}", (path, "r", number), ruled)


def pages(*whats, path="box.pdf", state="read", ruled=""):
    return [a_page(number, what, path, state, ruled) for number, what in enumerate(whats, start=1)]


def files(parts) -> dict[str, list[str]]:
    return {part.label: [page.page_id for page in part.pages] for part in parts}


def asked(parts) -> dict[str, list[str]]:
    """label -> the page of each question and what it is."""
    return {p.label: [f"{at} {i.check}" for at, issues in p.issues.items() for i in issues] for p in parts if p.issues}


def test_a_separator_begins_a_file_that_goes_on_to_the_next():
    parts = parts_of(pages(separator(1), "other", "blank", separator(2), "other"), Boundary.SEPARATOR)
    assert files(parts) == {"KHO-07/0001": ["p1", "p2", "p3"], "KHO-07/0002": ["p4", "p5"]}
    assert [part.separator.encounter_number for part in parts] == ["18.000001", "18.000002"]
    assert not asked(parts)


def test_a_file_goes_on_in_the_next_scan_of_the_box():
    scans = [*pages(separator(1), "other", path="a.pdf"), *pages("other", path="b.pdf")]
    assert list(files(parts_of(scans, Boundary.SEPARATOR))) == ["KHO-07/0001"]


def test_late_sheets_behind_a_second_copy_of_a_separator_join_its_file():
    parts = parts_of(pages(separator(1), "other", separator(2), "other", separator(1), "late"), Boundary.SEPARATOR)
    assert files(parts) == {"KHO-07/0001": ["p1", "p2", "p5", "p6"], "KHO-07/0002": ["p3", "p4"]}


def test_pages_before_any_separator_stay_together_and_an_officer_is_asked():
    first, second = parts_of(pages("other", "other", separator(1), "other"), Boundary.SEPARATOR)
    assert (first.label, first.stops, second.stops) == ("box.pdf#1", True, False)
    assert asked([first, second]) == {"box.pdf#1": ["p1 no_separator"]}


def test_a_separator_that_cannot_be_read_ends_the_file_before_it_and_swallows_nothing():
    parts = parts_of(
        pages(separator(1), "other", "doubtful_separator", "other", separator(3), "other"), Boundary.SEPARATOR
    )
    assert files(parts) == {"KHO-07/0001": ["p1", "p2"], "box.pdf#3": ["p3", "p4"], "KHO-07/0003": ["p5", "p6"]}
    assert [part.stops for part in parts] == [False, True, False]
    assert asked(parts) == {"box.pdf#3": ["p3 doubtful_separator"]}


def test_of_two_separators_in_a_row_the_first_has_an_empty_file_about_which_is_asked():
    parts = parts_of(pages(separator(1), separator(2), "other"), Boundary.SEPARATOR)
    assert asked(parts) == {"KHO-07/0001": ["p1 empty_file"]} and not parts[0].stops


def test_a_box_that_the_registry_does_not_know_stops_its_files():
    found = pages(separator(1), "other", separator(1, box="KHO-70"), "other")
    known, strange = parts_of(found, Boundary.SEPARATOR, boxes={"KHO-07"})
    assert (known.stops, strange.stops) == (False, True) and "KHO-70" in strange.issues["p4"][0].message
    assert not asked(parts_of(found, Boundary.SEPARATOR, boxes=()))


def test_a_blank_back_and_a_loaded_page_need_not_be_placed():
    found = [*pages(separator(1, box="KHO-70"), "blank"), *pages("other", path="c.pdf", ruled="KHO-70/0001")]
    assert not asked(parts_of(found, Boundary.SEPARATOR, boxes={"KHO-07"}))
    before = [*pages("blank"), *pages("other", path="b.pdf", state="loaded")]
    assert not asked(parts_of(before, Boundary.SEPARATOR))


def test_two_separators_of_one_number_for_two_stays_stop_their_pages():
    other = Separator(box="KHO-07", file_number=1, encounter_number="18.077777").code()
    (part,) = parts_of(pages(separator(1), "other", other, "other"), Boundary.SEPARATOR)
    assert part.stops and asked([part]) == {"KHO-07/0001": ["p2 separators_differ"]}


@pytest.mark.parametrize(("sheets", "fits"), [(0, True), (1, False), (2, True), (3, False), (4, True), (8, False)])
def test_four_pages_are_counted_against_sheets_that_have_one_side_or_two(sheets, fits):
    found = parts_of(pages(separator(1, sheets=sheets), *["other", "blank"] * 2), Boundary.SEPARATOR)
    assert asked(found) == ({} if fits else {"KHO-07/0001": ["p2 sheet_count"]})


def test_a_sheet_scanned_twice_counts_once():
    found = [*pages(separator(1, sheets=1), "other"), *pages("other", path="c.pdf", state="duplicate")]
    assert not asked(parts_of(found, Boundary.SEPARATOR))


def test_pages_that_an_officer_has_placed_ask_nothing_more():
    found = [*pages("other", "other", ruled="KHO-07/0001"), *pages(separator(1), "other", path="c.pdf")]
    parts = parts_of(found, Boundary.SEPARATOR)
    assert [len(part.pages) for part in parts] == [4] and not asked(parts)


@pytest.mark.parametrize(("boundary", "labels"), [(Boundary.SCAN, ["a/1.pdf", "a/2.pdf"]), (Boundary.FOLDER, ["a"])])
def test_a_scan_or_a_folder_is_one_file_and_separators_in_it_bound_nothing(boundary, labels):
    found = [*pages("other", separator(1), "other", path="a/1.pdf"), *pages("other", path="a/2.pdf")]
    assert [part.label for part in parts_of(found, boundary)] == labels


def test_scans_are_in_the_order_of_their_numbers():
    names = ["b/scan 10.pdf", "b/scan 2.pdf", "a/scan 3.pdf", "b/scan 2b.pdf"]
    ordered = sorted(names, key=lambda name: in_reading_order((name, "r", 1)))
    assert ordered == ["a/scan 3.pdf", "b/scan 2.pdf", "b/scan 2b.pdf", "b/scan 10.pdf"]
