"""Stage 3: words with boxes from clean images by real Tesseract, and from the text layer of born-digital PDFs.

OCR is held to stored ceilings of its error rate, measured on these lines with Debian's Tesseract 5 and a little slack.
"""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytesseract
import pytest
from fpdf import FPDF
from PIL import Image
from rapidfuzz.distance import Levenshtein

sys.path[:0] = [str(Path(__file__).parent)]

from builders import EM, FONTS, LINES, drawn, in_colour  # noqa: E402

from extractors import ocr  # noqa: E402
from extractors.born_digital import is_trustworthy, text_layer  # noqa: E402
from extractors.readers import make_reader  # noqa: E402
from records.errors import SohoaError  # noqa: E402
from records.pages import Box, Line, Word  # noqa: E402

SIZE = (2400, 1100)
# Share of letters that are wrong, at most.
CEILINGS = {"clean": 0.015, "grey": 0.015, "small": 0.015, "worn": 0.04, "crop": 0.03, "portable": 0.015}


@pytest.fixture(scope="module")
def reader():
    return make_reader("tesseract")


def page_of(letters=46, grey=0, lines=LINES):
    return drawn(lines, SIZE, letters=letters, grey=grey)


def worn(page):
    """The page after a coarse copier: half its sharpness, grainy."""
    coarse = Image.fromarray(page).resize((SIZE[0] // 2, SIZE[1] // 2)).resize(SIZE)
    grain = np.random.default_rng(3).normal(0, 28, page.shape)
    return (np.asarray(coarse) + grain).clip(0, 255).astype(np.uint8)


def error_rate(read, lines=LINES):
    """Letters to change per letter printed; spaces and the order of lines do not count."""
    wrong = 0
    for line in lines:
        wanted = line.replace(" ", "")
        wrong += min(Levenshtein.distance(wanted, got.replace(" ", "")) for got in read)
    return wrong / sum(len(line.replace(" ", "")) for line in lines)


def rows_read(lines):
    """Lines that stand at one height, joined: the reader parts them at wide gaps."""
    rows = {}
    for line in sorted(lines, key=lambda found: found.box.left):
        height = next((h for h in rows if abs(h - line.box.middle) < 30), line.box.middle)
        rows.setdefault(height, []).append(line.text)
    return [" ".join(parts) for parts in rows.values()]


# Error rates.


@pytest.mark.parametrize(
    ("case", "page"),
    [("clean", page_of()), ("grey", page_of(grey=110)), ("small", page_of(letters=34)), ("worn", worn(page_of()))],
    ids=["clean", "grey", "small", "worn"],
)
def test_print_is_read_within_its_ceiling(reader, case, page):
    rate = error_rate(rows_read(reader.lines(page)))
    assert rate <= CEILINGS[case], f"{rate:.3f}"


def test_one_line_cut_out_is_read_within_its_ceiling(reader):
    line, place = LINES[0], Box(left=150, top=110, right=1800, bottom=180)
    text, sure = reader.read_crop(drawn([line], (2000, 300), letters=46), place, 1)
    assert Levenshtein.distance(line, text) / len(line) <= CEILINGS["crop"]
    assert 0.8 < sure <= 1.0


def test_two_lines_cut_out_are_read_as_one_text(reader):
    image = drawn(["NGUYỄN HOÀNG PHƯƠNG", "THẢO"], (1400, 400), letters=46)
    text, _ = reader.read_crop(image, Box(left=100, top=110, right=1300, bottom=280), 2)
    assert "NGUY" in text and text.endswith("THẢO") and "\n" not in text


def test_the_portable_reader_reads_as_well_without_the_binding():
    portable = make_reader("portable")
    found = portable.lines(page_of(lines=LINES[:3]))
    assert error_rate(rows_read(found), LINES[:3]) <= CEILINGS["portable"]
    place = Box(left=40, top=110, right=400, bottom=180)
    text, sure = portable.read_crop(drawn(["14003728"], (700, 300), letters=46), place, 1)
    assert text == "14003728" and 0.5 < sure <= 1.0


# Words and boxes.


def test_every_word_has_its_place_and_a_confidence_between_0_and_1(reader):
    page = page_of()
    words = [w for line in reader.lines(page) for w in line.words]
    assert all(0 <= w.confidence <= 1 for w in words)
    assert all(0 <= w.box.left < w.box.right <= SIZE[0] and 0 <= w.box.top < w.box.bottom <= SIZE[1] for w in words)
    card = next(w for w in words if w.text.startswith("GD4"))
    ink = page[int(card.box.top) : int(card.box.bottom), int(card.box.left) : int(card.box.right)] < 128
    assert ink[:, :4].any() and ink[:, -4:].any() and ink[:4].any() and ink[-4:].any(), "tight around its letters"


def test_an_empty_page_has_no_words(reader):
    assert reader.lines(np.full((600, 900), 255, np.uint8)) == ()


def test_text_is_tidied():
    assert ocr.tidy("  Bệnh\u0301 \n viện\x0c 3\u20444 ") == "Bệnh\u0301 viện 3/4"
    assert ocr.tidy("Việt".encode().decode()) == ocr.tidy("Vie\u0323\u0302t") == "Việt"


def test_a_crop_gets_air_and_ends_at_the_edge_of_the_page():
    image = np.zeros((100, 200), np.uint8)
    inner = ocr.padded(image, Box(left=50, top=40, right=80, bottom=60))
    assert inner.shape == (20 + 16 + 24, 30 + 16 + 24)
    assert (inner[:12] == 255).all() and (inner[12:-12, 12:-12] == 0).all()
    assert ocr.padded(image, Box(left=-30, top=0, right=999, bottom=100)).shape == (100 + 24, 200 + 24)


# Which way up.


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_the_turn_of_a_page_is_found(reader, turn):
    page = drawn([*LINES, *LINES], (1700, 2400), letters=40)
    assert ocr.page_turn(np.ascontiguousarray(np.rot90(page, turn // 90)), reader) == turn


class Legible:
    """Reads surely only where black ink stands in the upper left corner of what it is shown."""

    name = "legible"

    def lines(self, image):
        word = Word(text="Bệnh", confidence=0.9 if image[0, 0] == 0 else 0.2, box=Box(left=0, top=0, right=1, bottom=1))
        return (Line(words=(word,)),)


def says(turn, sure):
    return lambda *_, **__: {"rotate": turn, "orientation_conf": sure}


def corner_at(turn):
    upright = np.full((60, 40), 255, np.uint8)
    upright[0, 0] = 0
    return np.ascontiguousarray(np.rot90(upright, turn // 90))


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_page_that_tesseract_cannot_tell_is_tried_in_all_four_ways(monkeypatch, turn):
    def too_few_characters(*_, **__):
        raise pytesseract.TesseractError(1, "Too few characters")

    monkeypatch.setattr(pytesseract, "image_to_osd", too_few_characters)
    assert ocr.page_turn(corner_at(turn), Legible()) == turn


def test_an_unsure_orientation_is_checked_against_upside_down(monkeypatch):
    monkeypatch.setattr(pytesseract, "image_to_osd", says(90, 0.4))
    assert ocr.page_turn(corner_at(270), Legible()) == 270


def test_a_sure_orientation_is_taken_at_its_word(monkeypatch):
    monkeypatch.setattr(pytesseract, "image_to_osd", says(90, 9.0))
    assert ocr.page_turn(corner_at(270), Legible()) == 90


# A cell that the page reader passed over.


class Says:
    """A reader of crops that always says the same, and remembers where it looked."""

    name = "says"

    def __init__(self, text):
        self.text, self.boxes = text, []

    def read_crop(self, image, box):
        self.boxes.append(box)
        return self.text, 0.7


CELL = Box(left=100, top=100, right=300, bottom=180)


def cell_with(height, width, left=180):
    image = np.full((400, 400), 255, np.uint8)
    image[120 : 120 + height, left : left + width] = 0
    return image


def test_a_lone_letter_in_a_cell_is_read_where_its_ink_stands():
    reader = Says("H")
    found = ocr.peek_at(cell_with(30, 20), reader, EM, CELL)
    assert (found.text, found.confidence) == ("H", 0.7)
    assert found.box == Box(left=180, top=120, right=200, bottom=150) == reader.boxes[0]


@pytest.mark.parametrize(
    ("height", "width"), [(0, 0), (8, 8), (3, 120), (40, 2)], ids=["no ink", "a speck", "a line", "a stroke"]
)
def test_a_cell_without_ink_the_size_of_a_letter_is_not_read(height, width):
    reader = Says("H")
    assert ocr.peek_at(cell_with(height, width), reader, EM, CELL) is None
    assert reader.boxes == []


def test_rulings_at_the_border_of_a_cell_are_not_its_ink():
    image = cell_with(0, 0)
    image[100:180, 98:106] = 0
    assert ocr.peek_at(image, Says("H"), EM, CELL) is None


def test_marks_that_read_as_no_letter_are_nothing_but_a_percent_is_a_unit():
    assert ocr.peek_at(cell_with(30, 20), Says("-"), EM, CELL) is None
    assert ocr.peek_at(cell_with(30, 20), Says("%"), EM, CELL).text == "%"


# What is missing.


def test_tesseract_has_all_languages_here():
    ocr.check_languages()


@pytest.mark.parametrize(("there", "missing"), [((), "vie"), (("vie", "eng"), "osd")])
def test_a_missing_language_is_named_with_the_package_that_brings_it(tmp_path, monkeypatch, there, missing):
    for language in there:
        (tmp_path / f"{language}.traineddata").touch()
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    with pytest.raises(SohoaError) as told:
        ocr.check_languages()
    assert f"no '{missing}' data in {tmp_path};" in str(told.value)
    assert str(told.value).endswith(f"apt-get install tesseract-ocr-{missing}")


def test_english_comes_with_tesseract_itself():
    assert ocr.missing_language("eng").endswith("apt-get install tesseract-ocr")


def test_a_reader_without_its_language_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("TESSDATA_PREFIX", str(tmp_path))
    with pytest.raises(SohoaError, match="apt-get install tesseract-ocr-vie"):
        make_reader("tesseract").lines(np.full((50, 50), 255, np.uint8))


def test_a_missing_tesseract_says_what_to_install(reader, monkeypatch):
    monkeypatch.setattr(pytesseract.pytesseract, "tesseract_cmd", "/nowhere/tesseract")
    with pytest.raises(SohoaError, match="tesseract is not installed; .*apt-get install tesseract-ocr"):
        ocr.page_turn(page_of(), reader)


def test_an_unknown_reader_is_refused_with_those_there_are():
    with pytest.raises(SohoaError, match="SOHOA_READER=fast is not known; use neural, auto, tesseract, portable"):
        make_reader("fast")


# Born-digital pages.

PRINTED = (
    "Họ và tên người bệnh: LÊ THỊ CÚC      Tuổi: 59",
    "Số vào viện: 2019/5521     Khoa: Nội tổng hợp",
    "Chẩn đoán: Viêm phổi thùy, tăng huyết áp độ II",
)


def born_digital(lines=PRINTED, scale=1.0, picture=False, turned=False, pages=1):
    """A PDF of A4 pages with the lines as its own text, the first baseline 30 mm and each next 10 mm further down."""
    pdf = FPDF()
    pdf.add_font("Tinos", fname=str(FONTS / "Tinos-Regular.ttf"))
    for _ in range(pages):
        pdf.add_page()
        pdf.set_font("Tinos", size=12 * scale)
        for index, line in enumerate(lines):
            with pdf.rotation(90 if turned else 0, 105, 148):
                pdf.text(20, 30 + 10 * index, line)
        if picture:
            pdf.image(Image.fromarray(in_colour(np.full((297, 210), 230, np.uint8))), 0, 0, 210, 297)
    return bytes(pdf.output())


def test_the_words_of_a_born_digital_page_keep_their_spaces():
    _, text = text_layer("p", born_digital(), 1)
    assert [line.text for line in text.lines] == [" ".join(line.split()) for line in PRINTED]
    assert {w.confidence for line in text.lines for w in line.words} == {1.0}
    assert text.engine == "text_layer"


def spaced(gap, points):
    """Words without a space between them, each set `gap` of their size after the one before."""
    pdf = FPDF(unit="pt")
    pdf.add_font("Tinos", fname=str(FONTS / "Tinos-Regular.ttf"))
    pdf.add_page()
    pdf.set_font("Tinos", size=points)
    for row in range(6):
        left = 60.0
        for word in ("Phương", "pháp", "điều", "trị"):
            pdf.text(left, 100 + 30 * row, word)
            left += pdf.get_string_width(word) + gap * points
    return bytes(pdf.output())


@pytest.mark.parametrize("points", [8, 12, 24])
def test_words_set_apart_without_a_space_are_parted_and_letters_set_loosely_are_not(points):
    _, apart = text_layer("p", spaced(0.45, points), 1)
    assert [w.text for w in apart.lines[0].words] == ["Phương", "pháp", "điều", "trị"]
    _, loose = text_layer("p", spaced(0.15, points), 1)
    assert [w.text for w in loose.lines[0].words] == ["Phươngphápđiềutrị"]


def test_small_print_keeps_its_spaces_too():
    _, text = text_layer("p", born_digital(scale=0.5), 1)
    assert [line.text for line in text.lines] == [" ".join(line.split()) for line in PRINTED]


def test_the_words_of_a_born_digital_page_stand_where_they_are_printed():
    image, text = text_layer("p", born_digital(), 1)
    first, second = text.lines[0].words[0].box, text.lines[1].words[0].box
    millimetre = 300 / 25.4
    assert (image.width_px, image.height_px) == pytest.approx((210 * millimetre, 297 * millimetre), abs=1)
    assert first.left == pytest.approx(20 * millimetre, abs=2)
    assert first.top < 30 * millimetre < first.bottom
    assert second.top - first.top == pytest.approx(10 * millimetre, abs=1)
    assert image.in_file(first).left == pytest.approx(20 / 210, abs=0.002)


def test_another_page_of_the_pdf_can_be_asked_for():
    assert text_layer("p", born_digital(pages=2), 2) is not None


def test_a_text_layer_under_a_scanned_picture_is_not_trusted():
    assert text_layer("p", born_digital(picture=True), 1) is None


def test_a_page_with_hardly_any_text_is_read_as_an_image():
    assert text_layer("p", born_digital(["Trang 1"]), 1) is None


def test_turned_text_is_read_as_an_image():
    assert text_layer("p", born_digital(turned=True), 1) is None


def layer_of(text):
    """A page with these letters as its text, as pdfplumber gives them."""
    return SimpleNamespace(chars=[{"text": c, "upright": True} for c in text], images=[], width=595, height=842)


@pytest.mark.parametrize("unknown", ["\ue000", "\ufffd", "\u0378", "\0", "(cid:31)"])
def test_text_of_letters_without_a_meaning_is_not_trusted(unknown):
    sound = [*"".join(PRINTED)]
    assert is_trustworthy(layer_of([*sound, unknown]))
    assert not is_trustworthy(layer_of([*sound, *[unknown] * 6]))
