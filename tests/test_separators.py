"""Separator sheets are printed, and read however they lie; every other barcode is no separator."""

import string
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pdfplumber
import pypdfium2
import pytest
import zxingcpp
from hypothesis import assume, example, given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT)]  # bench is no part of the installed product

from builders import LINES, drawn, in_colour, turned_by  # noqa: E402

from bench.drawn import printed  # noqa: E402
from bench.pages import sample_pages  # noqa: E402
from bench.separators import degraded, measure_separators, some_separators  # noqa: E402
from extractors.page import read_image  # noqa: E402
from extractors.separators import look_for_separator  # noqa: E402
from pipeline import cli  # noqa: E402
from pipeline.registry import load_registry  # noqa: E402
from records.document_types import document_types  # noqa: E402
from records.documents import Document, Verdict  # noqa: E402
from records.errors import SohoaError  # noqa: E402
from records.pages import MediaType  # noqa: E402
from records.separators import PREFIX, Separator, has_check, separator_of, with_check  # noqa: E402
from reporting.separator_sheets import bar_modules, print_separators  # noqa: E402
from transformers.values import readings_to_values  # noqa: E402
from validation.verdicts import validate  # noqa: E402

pytestmark = pytest.mark.slow

A4 = (1654, 2339)  # pixels at 200 dpi
MODULE = 4  # pixels
CONTENT = "KHO-07/0012"
SHEET = "SOHOA1/KHO-07/0012*38"
WRONG_CHECK = "SOHOA1/KHO-07/0012*37"
PRINTABLE = "".join(c for c in string.printable if c.isascii() and c.isprintable())
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
    return look_for_separator(in_colour(page)).code


def look(page):
    return look_for_separator(in_colour(page))


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


def test_two_separators_in_one_scan_are_none_and_an_officer_is_asked():
    found = look(page_with(barcode(SHEET), barcode(with_check("KHO-07/0013"))))
    assert (found.code, found.doubt) == ("", "two_codes")


def test_a_sheet_whose_two_codes_differ_is_none():
    found = look(page_with(barcode(SHEET), barcode(with_check("KHO-07/0013"), "QRCode")))
    assert (found.code, found.doubt) == ("", "two_codes")


@pytest.mark.parametrize("form", ["Code128", "QRCode"])
@pytest.mark.parametrize(
    "text",
    [WRONG_CHECK, "SOHOA2/KHO-07/0012*38", with_check("KHO-07"), with_check("KHO-07/12")],
    ids=["wrong check", "another edition", "no file", "number of another form"],
)
def test_a_code_of_ours_that_says_nothing_is_left_to_an_officer(form, text):
    found = look(page_with(barcode(text, form)))
    assert (found.code, found.doubt) == ("", "unreadable_code")


@pytest.mark.parametrize(
    ("form", "text"),
    [("EAN13", "4006381333931"), ("Code39", "14003728"), ("QRCode", "https://example.org/SOHOA1/T03/0001*00")],
)
def test_a_page_with_a_barcode_of_somebody_else_is_an_ordinary_page(form, text):
    found = look(page_with(barcode(text, form), print_below=True))
    assert (found.code, found.doubt) == ("", "")


def test_a_page_of_print_is_no_separator():
    assert read(drawn(LINES, A4, letters=34)) == ""


@pytest.mark.parametrize("form", ["Code128", "QRCode"])
def test_light_bars_on_a_dark_page_such_as_a_film_are_no_separator(form):
    assert read(255 - page_with(barcode(SHEET, form))) == ""


# The check.


@given(st.text(ALLOWED, min_size=1, max_size=80))
def test_every_content_of_plain_characters_makes_a_valid_code(content):
    assert has_check(with_check(content))


@given(st.text(ALLOWED, min_size=1, max_size=80), st.data())
@example(CONTENT, None)
def test_no_single_changed_character_leaves_a_code_valid(content, data):
    code = with_check(content)
    places = range(len(PREFIX), len(code)) if data is None else [data.draw(st.integers(len(PREFIX), len(code) - 1))]
    for at in places:
        for other in PRINTABLE if data is None else [data.draw(st.sampled_from(PRINTABLE))]:
            if other != code[at]:
                assert not has_check(code[:at] + other + code[at + 1 :])


@given(st.text(ALLOWED, min_size=2, max_size=80), st.data())
def test_no_two_neighbours_exchanged_leave_a_code_valid(content, data):
    at = data.draw(st.integers(0, len(content) - 2))
    assume(content[at] != content[at + 1])
    code = with_check(content)
    exchanged = content[:at] + content[at + 1] + content[at] + content[at + 2 :]
    assert not has_check(f"{PREFIX}{exchanged}{code[-3:]}")


# What a code says.


@pytest.mark.parametrize(
    ("said", "content"),
    [
        (Separator(box="KHO-07", file_number=12), "KHO-07/0012"),
        (Separator(box="KHO-07", file_number=12, encounter_number="18.023458"), "KHO-07/0012/18.023458"),
        (Separator(box="KHO-07", file_number=12, encounter_number="18.023458", sheets=64), "KHO-07/0012/18.023458/64"),
        (Separator(box="KHO-07", file_number=12, sheets=64), "KHO-07/0012//64"),
        (Separator(box="Kệ 3/*%", file_number=9999, encounter_number="18/77"),
         "K%E1%BB%87 3%2F%2A%25/9999/18%2F77"),
    ],
)  # fmt: skip
def test_a_code_says_box_file_admission_number_and_sheets(said, content):
    assert said.code() == with_check(content) and separator_of(with_check(content)) == said


@given(
    st.text(max_size=30).map(lambda text: unicodedata.normalize("NFC", text)),
    st.integers(1, 9999),
    st.text(PRINTABLE, max_size=12),
    st.integers(0, 9999),
)
def test_what_a_separator_says_comes_back_from_its_code_or_is_refused(box, number, encounter, sheets):
    wanted = Separator(box=box, file_number=number, encounter_number=encounter, sheets=sheets)
    try:
        code = wanted.code()
    except SohoaError:
        return
    assert separator_of(code) == wanted


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"box": ""}, "name of a box is empty"),
        ({"box": "T03 "}, "begins or ends with a space"),
        ({"box": "T\n03"}, "cannot be printed"),
        ({"box": "He\u0323\u0302p"}, "write it again"),
        ({"box": "Hộp lưu trữ của khoa Nội tổng hợp"}, "shorten the name of the box"),
        ({"file_number": 0}, "between 1 and 9999"),
        ({"file_number": 10000}, "between 1 and 9999"),
        ({"sheets": -1}, "between 0 and 9999"),
        ({"encounter_number": "18.02\t3458"}, "admission number"),
    ],
)
def test_what_cannot_stand_on_a_sheet_is_refused_in_a_sentence(said, words):
    with pytest.raises(SohoaError, match=words):
        Separator(**{"box": "T03", "file_number": 1} | said).code()


@pytest.mark.parametrize(
    "content",
    ["T03", "T03/12", "T03/0000", "/0012", "T03/0012/", "T03/0012/18/064", "T03/0012/18/64/1", "T%3003/0012",
     "K%e1%bb%87/0012", "T03/0012/18%FF"],
)  # fmt: skip
def test_a_content_that_we_would_not_have_printed_is_no_separator(content):
    assert has_check(with_check(content)) and separator_of(with_check(content)) is None


# The printed sheet.


def pictures(separators, folder):
    return list(printed(separators, folder))


def words_of(path):
    with pdfplumber.open(path) as pdf:
        return [page.extract_text() for page in pdf.pages]


def test_a_sheet_tells_people_what_its_codes_tell(tmp_path):
    path = tmp_path / "sheets.pdf"
    print_separators([Separator(box="Hộp 12", file_number=7, encounter_number="18.023458", sheets=64)], path)
    (text,) = words_of(path)
    for words in ("TỜ PHÂN CÁCH HỒ SƠ", "ĐẦU TỜ", "Hộp 12", "0007", "18.023458", "64", "SOHOA1/H%E1%BB%99p 12/0007"):
        assert words in text
    assert "ghi tay" not in text


def test_a_count_that_nobody_knows_is_written_by_hand(tmp_path):
    path = tmp_path / "sheets.pdf"
    print_separators([Separator(box="T03", file_number=7)], path)
    assert "ghi tay" in words_of(path)[0]


def test_no_bar_and_no_module_is_narrower_than_half_a_millimetre(tmp_path):
    path = tmp_path / "sheets.pdf"
    print_separators(
        [Separator(box="KHO-2019-TU07", file_number=9999, encounter_number="2019012345", sheets=104)], path
    )
    with pypdfium2.PdfDocument(path) as pdf:
        page = pdf[0].render(scale=600 / 72, grayscale=True).to_numpy() < 128
    across = 600 / 25.4  # pixels of a millimetre
    bars, squares = page[:, round(20 * across)], page[round(20 * across), round(155 * across) :]
    for line, narrowest in ((bars, 0.5), (squares, 1.0)):
        edges = np.flatnonzero(np.diff(line.astype(np.int8)))
        assert len(edges) > 10 and np.diff(edges).min() / across > narrowest - 0.05


def test_every_sheet_is_read_in_its_order(tmp_path):
    separators = some_separators(6)
    assert [separator_of(read(page)) for page in pictures(separators, tmp_path)] == separators


@pytest.mark.parametrize("upside_down", [False, True])
def test_a_poor_scan_of_a_sheet_is_read(tmp_path, upside_down):
    separators = some_separators(5)
    scans = [degraded(page, i, upside_down) for i, page in enumerate(pictures(separators, tmp_path))]
    assert [separator_of(read(scan)) for scan in scans] == separators


@pytest.mark.parametrize(
    "torn",
    [np.s_[:, 1150:], np.s_[:, :320], np.s_[:1800], np.s_[500:]],
    ids=["without its QR codes", "without its bars", "its upper part", "its lower part"],
)
def test_one_code_that_is_left_is_enough(tmp_path, torn):
    (page,) = pictures([Separator(box="T03", file_number=7)], tmp_path)
    page[torn] = 255
    assert separator_of(read(page)) == Separator(box="T03", file_number=7)


def test_sheets_of_two_files_in_one_scan_are_left_to_an_officer(tmp_path):
    side_by_side = np.hstack(pictures([Separator(box="T03", file_number=n) for n in (7, 8)], tmp_path))
    assert look(side_by_side).doubt == "two_codes"


def test_a_code_that_is_too_long_for_its_bars_is_refused(tmp_path):
    long = Separator(box="KHO-LUU-TRU-TANG-HAM", file_number=7, encounter_number="NT-18-A-B-C-D-E")
    assert len(bar_modules(long.code())) > 518
    with pytest.raises(SohoaError, match="shorten the name of the box"):
        print_separators([long], tmp_path / "sheets.pdf")


@pytest.mark.slow
def test_a_sheet_whose_codes_are_lost_goes_to_an_officer(tmp_path):
    (page,) = pictures([Separator(box="T03", file_number=7, encounter_number="18.023458")], tmp_path)
    page[:, :320] = page[:420, 1240:] = page[1900:, 1240:] = 255
    found = read_image("p", in_colour(page), 200, MediaType.PNG, "neural")
    assert (found.document_type, found.titled) == ("doubtful_separator", True)
    assert judged(found.readings).verdict is Verdict.REVIEW


def test_a_sheet_on_which_nothing_was_read_is_not_accepted():
    assert [issue.check for issue in judged(()).issues] == ["required"]


def judged(readings):
    """The verdict on a page known as a separator sheet by its title."""
    kind = document_types()["doubtful_separator"]
    document = Document(document_id="d", file_id="f", document_type=kind.id, edition="", page_ids=("p",))
    return validate(document, readings_to_values(tuple(readings), kind), kind, {})


# The command.


@pytest.fixture
def sohoa(monkeypatch, capsys):
    """Call the command line in this process: (exit code, standard output, standard error), in single spaces."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["sohoa", "separators", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return ended.value.code or 0, " ".join(said.out.split()), " ".join(said.err.split())

    return call


@pytest.fixture
def known(clean):
    """The registry of the samples, of facility DEMO."""
    with clean.begin() as conn:
        load_registry(conn, ROOT / "sample_scans" / "registry.csv", "DEMO")


def read_pdf(path):
    """What each sheet of a PDF says to a scanner."""
    with pypdfium2.PdfDocument(path) as pdf:
        pages = [page.render(scale=200 / 72, grayscale=True).to_numpy() for page in pdf]
    return [separator_of(read(page)) for page in pages]


def test_numbered_blanks_are_printed_without_a_database(sohoa, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "ready_engine", lambda: pytest.fail("asked the database"))
    path = tmp_path / "sheets.pdf"
    assert sohoa("--box", "T09", "--files", 3, "--first", 12, "--sheets", "13=64", "--out", path)[0] == 0
    assert read_pdf(path) == [Separator(box="T09", file_number=n, sheets=64 * (n == 13)) for n in (12, 13, 14)]


def test_the_registry_fills_the_sheets_of_a_box_and_no_name_is_printed(sohoa, known, tmp_path):
    path = tmp_path / "sheets.pdf"
    code, said, _ = sohoa("--box", "T02", "--facility", "DEMO", "--files", 20, "--out", path)
    found = read_pdf(path)
    filled = [one.encounter_number for one in found if one.encounter_number]
    assert code == 0 and said == f"20 sheets, {len(filled)} with an admission number."
    assert filled[:2] == ["16.018588", "17.004155"] and filled == sorted(filled)
    assert [one.file_number for one in found] == list(range(1, 21))
    assert not any("BÙI" in text or "LỘC" in text for text in words_of(path))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--box", "T99", "--facility", "DEMO"], "knows no stay in box 'T99'"),
        (["--box", "T02", "--facility", "DEMO", "--files", "1"], "more than --files 1"),
        (["--box", "T99"], "give --files N"),
    ],
)
def test_a_box_that_the_registry_does_not_fit_is_refused(sohoa, known, tmp_path, arguments, words):
    path = tmp_path / "sheets.pdf"
    code, said, error = sohoa(*arguments, "--out", path)
    assert (code, said) == (2, "") and words in error and not path.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--files", "3", "--sheets", "4=64"], "file 4, which is not among 1 to 3"),
        (["--files", "3", "--sheets", "1:64"], "is not to be understood"),
        (["--files", "3", "--sheets", "1=64", "--sheets", "1=65"], "each file once"),
        (["--files", "10000"], "numbered from 1 to 9999"),
        (["--files", "2", "--first", "9999"], "numbered from 1 to 9999"),
    ],
)
def test_numbers_that_do_not_fit_together_are_refused(sohoa, tmp_path, arguments, words):
    code, said, error = sohoa("--box", "T03", *arguments, "--out", tmp_path / "sheets.pdf")
    assert (code, said) == (2, "") and words in error


def test_a_file_that_cannot_be_written_is_refused(sohoa, tmp_path):
    code, _, error = sohoa("--box", "T03", "--files", 1, "--out", tmp_path / "nowhere" / "sheets.pdf")
    assert code == 2 and "cannot be written" in error


# The measurement.


@pytest.mark.all
def test_60_poor_scans_of_sheets_are_read_and_no_ordinary_page_is_one(tmp_path):
    rows = {row.name: row for row in measure_separators(sample_pages(), tmp_path)}
    assert {name: (row.pages, row.right, row.wrong, row.doubted) for name, row in rows.items()} == {
        "separators": (60, 60, 0, 0),
        "their QR codes torn off": (60, 60, 0, 0),
        "their bars torn off": (60, 60, 0, 0),
        "ordinary pages": (100, 100, 0, 0),
    }
    assert max(row.mean_seconds for row in rows.values()) < 0.3
