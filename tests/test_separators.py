"""Stage 2: the barcode of a separator sheet is read however the sheet lies; every other barcode is no separator."""

import string
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import numpy as np
import pytest
import zxingcpp
from hypothesis import assume, example, given
from hypothesis import strategies as st

sys.path[:0] = [str(Path(__file__).parent)]

from builders import LINES, drawn, in_colour, turned_by  # noqa: E402

from extractors.separators import PREFIX, separator_code, with_check  # noqa: E402

A4 = (1654, 2339)  # pixels at 200 dpi
MODULE = 4  # pixels
CONTENT = "KHO-07/0012"
SHEET = "SOHOA1/KHO-07/0012*38"
WRONG_CHECK = "SOHOA1/KHO-07/0012*37"
PRINTABLE = "".join(c for c in string.printable if c.isascii() and c.isprintable())
NO_PAGE = np.zeros((1, 1, 3), np.uint8)
ALLOWED = "".join(c for c in PRINTABLE if c != "*")  # what a separator's content is made of


def barcode(text, form="Code128", module=MODULE):
    made = zxingcpp.create_barcode(text, getattr(zxingcpp.BarcodeFormat, form))
    return np.asarray(zxingcpp.write_barcode_to_image(made, scale=module))


def page_with(*codes, print_below=False):
    """An A4 page with the barcodes on it, one below the other."""
    page = drawn(LINES, A4, letters=34, top=1700).copy() if print_below else np.full(A4[::-1], 255, np.uint8)
    top = 250
    for code in codes:
        height, width = code.shape
        page[top : top + height, 150 : 150 + width] = code
        top += height + 150
    return page


def read(page):
    return separator_code(in_colour(page))


def turned(page, quarters):
    return np.ascontiguousarray(np.rot90(page, quarters))


# Our own sheets.


def test_the_check_digits_make_the_code_a_number_that_leaves_1_when_divided_by_97():
    number = "".join(f"{ord(c):03d}" for c in CONTENT) + SHEET[-2:]
    assert int(number) % 97 == 1 and with_check(CONTENT) == SHEET


@pytest.mark.parametrize("form", ["Code128", "QRCode"])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3], ids=["upright", "to the left", "upside down", "to the right"])
def test_a_separator_is_read_whichever_way_it_lies(form, quarters):
    assert read(turned(page_with(barcode(SHEET, form)), quarters)) == SHEET


@pytest.mark.parametrize("form", ["Code128", "QRCode"])
@pytest.mark.parametrize("degrees", [-3, 3])
def test_a_separator_is_read_when_it_was_drawn_in_askew(form, degrees):
    assert read(turned_by(page_with(barcode(SHEET, form)), degrees)[0]) == SHEET


@pytest.mark.parametrize("form", ["Code128", "QRCode"])
def test_small_bars_on_a_grainy_grey_copy_are_read(form):
    page = page_with(barcode(SHEET, form, module=3)) * 0.55 + 50
    grain = np.random.default_rng(2).normal(0, 12, page.shape)
    assert read((page + grain).clip(0, 255).astype(np.uint8)) == SHEET


def test_a_separator_with_print_on_it_is_one():
    assert read(page_with(barcode(SHEET), print_below=True)) == SHEET


def test_the_same_code_twice_on_one_sheet_is_one_separator():
    assert read(page_with(barcode(SHEET), barcode(SHEET, "QRCode"))) == SHEET


def test_a_foreign_barcode_beside_ours_changes_nothing():
    assert read(page_with(barcode("14003728"), barcode(SHEET))) == SHEET


# Whatever else has a barcode.


@pytest.mark.parametrize("form", ["Code128", "QRCode"])
@pytest.mark.parametrize(
    "text",
    ["14003728", "KHO-07/0012", "SOHOA1/", "SOHOA2/KHO-07/0012*38", f" {SHEET}", f"{SHEET}0", WRONG_CHECK],
    ids=["a patient's number", "no prefix", "no content", "another edition", "before it", "after it", "wrong check"],
)
def test_a_foreign_barcode_or_a_wrong_check_is_no_separator(form, text):
    page = page_with(barcode(text, form))
    assert [found.text for found in zxingcpp.read_barcodes(page)] == [text], "legible"
    assert read(page) == ""


def test_our_code_in_bars_of_another_kind_is_no_separator():
    assert read(page_with(barcode(SHEET, "DataMatrix"))) == ""


def test_two_separators_in_one_scan_are_none():
    assert read(page_with(barcode(SHEET), barcode(with_check("KHO-07/0013")))) == ""


def test_a_page_of_print_is_no_separator():
    assert read(drawn(LINES, A4, letters=34)) == ""


@pytest.mark.parametrize("form", ["Code128", "QRCode"])
def test_light_bars_on_a_dark_page_such_as_a_film_are_no_separator(form):
    assert read(255 - page_with(barcode(SHEET, form))) == ""


# The check.


def valid(code):
    """Whether bars that read as `code` make a separator."""
    with mock.patch.object(zxingcpp, "read_barcodes", lambda *_, **__: [SimpleNamespace(text=code)]):
        return separator_code(NO_PAGE) == code


@given(st.text(ALLOWED, min_size=1, max_size=80))
def test_every_content_of_plain_characters_makes_a_valid_code(content):
    assert valid(with_check(content))


@given(st.text(ALLOWED, min_size=1, max_size=80), st.data())
@example(CONTENT, None)
def test_no_single_changed_character_leaves_a_code_valid(content, data):
    code = with_check(content)
    places = range(len(PREFIX), len(code)) if data is None else [data.draw(st.integers(len(PREFIX), len(code) - 1))]
    for at in places:
        for other in PRINTABLE if data is None else [data.draw(st.sampled_from(PRINTABLE))]:
            if other != code[at]:
                assert not valid(code[:at] + other + code[at + 1 :])


@given(st.text(ALLOWED, min_size=2, max_size=80), st.data())
def test_no_two_neighbours_exchanged_leave_a_code_valid(content, data):
    at = data.draw(st.integers(0, len(content) - 2))
    assume(content[at] != content[at + 1])
    code = with_check(content)
    exchanged = content[:at] + content[at + 1] + content[at] + content[at + 2 :]
    assert not valid(f"{PREFIX}{exchanged}{code[-3:]}")
