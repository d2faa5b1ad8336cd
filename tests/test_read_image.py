"""Stages 2-5 of one page: which parts are read of which page, what is told of a value, and pages that are none."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "sample_scans")]

from builders import HEIGHT, LINES, WIDTH, drawn, font, in_colour, page_image, sheet  # noqa: E402
from faces import hand_font  # noqa: E402

from extractors import page as pages  # noqa: E402
from extractors.films import Lie  # noqa: E402
from extractors.images import CleanPage  # noqa: E402
from extractors.page import BLANK, HEADER, WHOLE, read_all, read_image  # noqa: E402
from extractors.readers import ReadLines, ValueText  # noqa: E402
from records.document_types import document_types  # noqa: E402
from records.errors import UnreadableScan  # noqa: E402
from records.pages import Line, MediaType, Writing  # noqa: E402

pytestmark = pytest.mark.slow

PAPER = np.full((HEIGHT, WIDTH), 255, np.uint8)
SHEET = in_colour(PAPER[:60, :40])
BELOW = "\n" * 20  # rows of the page that put what follows below its header
IDENTITY = "Họ và tên: LÊ THỊ CÚC     Tuổi: 59\nSố vào viện: 19.013225"
COURSE = "Ngày 12/03/2019: người bệnh tỉnh\nMạch 80 lần/phút"


class Watched:
    """A reader that finds what stands on a laid-out sheet, and remembers which parts it was asked for."""

    name, long_side = "watched", HEIGHT

    def __init__(self, art, others=()):
        self.found, self.others = sheet(art).text.lines, others
        self.turns, self.parts = 0, []

    def turn(self, page):
        self.turns += 1
        return 0

    def open(self, page):
        return Parts(ReadLines(self.found, HEIGHT), self.parts)

    def lie(self, paper, ruled_turn):
        return Lie(0, False)

    def figures(self, image, boxes):
        return [Line(words=())] * len(boxes)

    def read_crop(self, image, box):
        return "", 0.0

    def read_value(self, page, rows, kind, first):
        return ValueText(first.text, first.confidence, self.others)


class Parts:
    """An open page that remembers which parts of it were read."""

    def __init__(self, inner, asked):
        self.inner, self.asked = inner, asked

    def lines(self, top, bottom):
        self.asked.append((top, bottom))
        return self.inner.lines(top, bottom)


def laid_out(page_id, rgb, dpi, turn, long_side):
    """An upright page of the size of a laid-out sheet, whatever lies in the file."""
    turn(PAPER)
    return CleanPage(page_image(page_id), PAPER, PAPER, ())


def reading(monkeypatch, reader, rgb=SHEET, media_type=MediaType.PNG):
    monkeypatch.setattr(pages, "warm_reader", lambda name: reader)
    monkeypatch.setattr(pages, "upright", laid_out)
    return read_image("p", rgb, 150, media_type, "watched")


def raw(found):
    return {r.field: r.raw for r in found.readings}


# Which parts of a page are read.


def test_a_form_that_is_only_indexed_and_says_whose_it_is_gives_what_its_header_says(monkeypatch):
    reader = Watched(f"TỜ ĐIỀU TRỊ\n{IDENTITY}{BELOW}{COURSE}")
    found = reading(monkeypatch, reader)
    assert reader.parts == [(0.0, HEADER)] and not found.text.whole
    assert raw(found) == {"patient.name": "LÊ THỊ CÚC", "patient.age": "59", "encounter.number": "19.013225"}
    assert "Mạch" not in found.text.text


@pytest.mark.parametrize("header", ["Họ và tên: ..........\nSố vào viện: ....", "Tuổi: 59     Giới tính: Nữ"])
def test_empty_blanks_and_an_age_do_not_say_whose_a_page_is(monkeypatch, header):
    reader = Watched(f"TỜ ĐIỀU TRỊ\n{header}{BELOW}{COURSE}\n{IDENTITY}")
    found = reading(monkeypatch, reader)
    assert reader.parts == [(0.0, HEADER), (HEADER, WHOLE)]
    assert (found.document_type, found.text.whole) == ("treatment_sheet", True)
    assert raw(found)["patient.name"] == "LÊ THỊ CÚC"


def test_a_form_with_fields_is_read_whole_whatever_its_header_says(monkeypatch):
    reader = Watched(f"GIẤY RA VIỆN\n{IDENTITY}{BELOW}Chẩn đoán: Viêm phổi thùy")
    found = reading(monkeypatch, reader)
    assert reader.parts == [(0.0, HEADER), (HEADER, WHOLE)]
    assert (found.document_type, found.text.whole) == ("discharge_letter", True)
    assert raw(found)["diagnosis.main"] == "Viêm phổi thùy"


def test_a_page_whose_title_stands_below_its_header_is_still_what_it_says(monkeypatch):
    rows_below = "\n" * 17
    found = reading(monkeypatch, Watched(f"{IDENTITY}{rows_below}GIẤY RA VIỆN\nChẩn đoán: Viêm phổi thùy"))
    assert (found.document_type, found.titled, found.text.whole) == ("discharge_letter", True, True)


def test_a_page_without_a_title_is_read_whole(monkeypatch):
    found = reading(monkeypatch, Watched(f"{IDENTITY}{BELOW}{COURSE}"))
    assert not found.titled and found.text.whole and "Mạch" in found.text.text


def test_every_line_of_an_indexed_form_is_read_where_all_are_asked_for(monkeypatch):
    reader = Watched(f"TỜ ĐIỀU TRỊ\n{IDENTITY}{BELOW}{COURSE}")
    monkeypatch.setattr(pages, "warm_reader", lambda name: reader)
    monkeypatch.setattr(pages, "upright", laid_out)
    text = read_all("p", SHEET, 150, "watched")
    assert text.whole and "Mạch 80 lần/phút" in text.text


def film(light=0):
    """A chest-like sheet with light letters; `light`: grey levels added to it, so that it is no longer dark."""
    y, x = np.mgrid[0:1400, 0:1200]
    body = 120 * np.exp(-(((x - 600) / 260) ** 2 + ((y - 800) / 360) ** 2))
    picture = Image.fromarray((18 + body).astype(np.uint8))
    ImageDraw.Draw(picture).text((60, 40), "LE THI CUC  ID 14003728", 235, font(34))
    return in_colour(np.minimum(255, np.asarray(picture).astype(np.int16) + light).astype(np.uint8))


@pytest.mark.parametrize(("rgb", "media_type"), [(film(), MediaType.PNG), (film(light=90), MediaType.DICOM)])
def test_a_film_is_not_looked_at_for_separators_and_told_how_it_lies_by_its_own_text(monkeypatch, rgb, media_type):
    monkeypatch.setattr(pages, "look_for_separator", lambda rgb: pytest.fail("looked for a barcode"))
    reader = Watched("Name: LE THI CUC     ID: 14003728")
    found = reading(monkeypatch, reader, rgb, media_type)
    assert (found.document_type, reader.turns) == ("film", 0)
    assert raw(found) == {"patient.name": "LE THI CUC", "patient.id": "14003728"}


# What is told of a value.


def test_two_readings_that_differ_in_a_stage_leave_the_value_in_doubt(monkeypatch):
    art = "GIẤY RA VIỆN\nChẩn đoán: Ung thư vú giai đoạn II"
    (alike,) = reading(monkeypatch, Watched(art, others=("Ung thư vu giai đoạn II",))).readings
    (other,) = reading(monkeypatch, Watched(art, others=("Ung thư vú giai đoạn III",))).readings
    assert alike.confidence > 0.7 > other.confidence


class Shares:
    """A writing detector with the same shares of printed, handwritten and stamped for every line, or one per line."""

    def __init__(self, *shares):
        self.each = list(shares)

    def shares(self, crop):
        return self.each[0] if len(self.each) == 1 else self.each.pop(0)


@pytest.mark.parametrize(
    ("shares", "writing"),
    [
        ([(0.9, 0.1, 0.0)], Writing.PRINTED),
        ([(0.7, 0.3, 0.0)], Writing.HANDWRITTEN),
        ([(0.3, 0.1, 0.6)], Writing.STAMPED),
        ([(0.2, 0.3, 0.5)], Writing.HANDWRITTEN),
        ([(0.95, 0.05, 0.0), (0.35, 0.65, 0.0)], Writing.HANDWRITTEN),
        ([(0.0, 0.0, 0.0)], Writing.PRINTED),
    ],
    ids=["surely printed", "may be by hand", "stamped", "stamped or by hand", "one row by hand", "nothing written"],
)
def test_a_value_is_marked_by_hand_already_where_it_may_be(monkeypatch, shares, writing):
    monkeypatch.setattr(pages, "writing_detector", lambda detector=Shares(*shares): detector)
    art = "GIẤY RA VIỆN\nPhương pháp điều trị: Kháng sinh, truyền dịch,\n                      nâng cao thể trạng"
    (found,) = reading(monkeypatch, Watched(art)).readings
    assert found.raw.endswith("nâng cao thể trạng") and found.writing is writing


def with_writing():
    """A discharge letter, printed but for its diagnosis."""
    page = Image.fromarray(drawn(["GIẤY RA VIỆN", "Họ và tên: LÊ THỊ CÚC", "Chẩn đoán:", "Địa chỉ: Bình Lục, Hà Nam"]))
    pen = ImageDraw.Draw(page)
    pen.text((250, 208), "Ung thư biểu mô tuyến dạ dày", 0, hand_font("patrick-hand", 34))
    return in_colour(np.asarray(page))


def test_a_value_that_seems_written_by_hand_is_marked_so_and_printed_ones_are_not():
    found = {r.field: r for r in read_image("p", with_writing(), 150, MediaType.PNG, "neural").readings}
    assert "biểu mô" in found["diagnosis.main"].raw
    assert found["diagnosis.main"].writing is Writing.HANDWRITTEN
    assert {found[name].writing for name in ("patient.name", "patient.address")} == {Writing.PRINTED}


# Pages that are none, or poor ones, by the real reader.


def noise(*shape):
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def picture_only():
    y, x = np.mgrid[0:900, 0:700]
    page = np.full((1754, 1240), 255, np.uint8)
    page[400:1300, 250:950] = (128 + 60 * np.sin(x / 37) + 50 * np.cos(y / 53 + x / 90)).astype(np.uint8)
    return page


def specks():
    """Dark spots of the size of letters all over the page."""
    page, random = np.full((1754, 1240), 255, np.uint8), np.random.default_rng(1)
    for y, x, height, width in random.integers((0, 0, 3, 3), (1740, 1200, 25, 25), (400, 4)):
        page[y : y + height, x : x + width] = 0
    return page


POOR = {
    "specks": specks(),
    "only a picture": picture_only(),
    "print of 20 dpi": np.asarray(Image.fromarray(drawn(LINES)).resize((165, 234), Image.Resampling.BOX)),
    "all black": np.zeros((1754, 1240), np.uint8),
    "sixteen pixels wide": noise(1754, 16),
    "sixteen pixels high": noise(16, 1240),
}


@pytest.mark.parametrize("page", POOR.values(), ids=POOR.keys())
def test_a_poor_page_is_data_and_no_exception(page):
    found = read_image("p", in_colour(page), 150, MediaType.PNG, "neural")
    assert found.document_type in (BLANK, *document_types())
    assert 0 <= found.image.ink <= 1
    assert [r for r in found.readings if r.confidence > 0.9] == []


def test_a_negative_of_a_page_is_read_like_a_film_and_nothing_is_invented():
    found = read_image("p", in_colour(255 - drawn(LINES)), 150, MediaType.PNG, "neural")
    assert found.document_type == "film"
    words = " ".join(LINES)
    assert [r.raw for r in found.readings if r.confidence > 0.9 and r.raw not in words] == []


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1754, 15), (15, 1240)])
def test_a_page_of_a_few_pixels_is_put_aside_as_unreadable(height, width):
    with pytest.raises(UnreadableScan, match="page_unreadable"):
        read_image("p", in_colour(noise(height, width)), 150, MediaType.PNG, "neural")


@pytest.mark.parametrize(("sure", "readable"), [(0.9, True), (0.3, False)])
def test_a_pale_page_is_read_where_its_words_can_be_trusted_and_is_else_to_be_scanned_again(
    monkeypatch, sure, readable
):
    reader = Watched("GIẤY RA VIỆN\nHọ và tên: LÊ THỊ CÚC")
    reader.found = sheet("GIẤY RA VIỆN\nHọ và tên: LÊ THỊ CÚC", sure=sure).text.lines
    monkeypatch.setattr(pages, "warm_reader", lambda name: reader)
    monkeypatch.setattr(pages, "upright", lambda *given: replace(laid_out(*given), pale=True))
    if readable:
        assert raw(read_image("p", SHEET, 150, MediaType.PNG, "watched"))["patient.name"] == "LÊ THỊ CÚC"
    else:
        with pytest.raises(UnreadableScan, match="too_pale"):
            read_image("p", SHEET, 150, MediaType.PNG, "watched")


def test_a_page_of_600_dpi_is_read_as_one_of_150():
    found = read_image("p", in_colour(drawn(LINES, (4960, 7016), letters=104, top=480)), 600, MediaType.PNG, "neural")
    assert found.image.height_px < 3500
    assert raw(found)["patient.name"] == "NGUYỄN HOÀNG PHƯƠNG THẢO"
    assert raw(found)["patient.birth_date"] == "01/09/1960"


def test_noise_where_values_should_stand_is_never_read_with_confidence():
    labels = ["Họ và tên:", "Ngày sinh:", "Số vào viện:", "Địa chỉ:", "Chẩn đoán:", "Số thẻ BHYT:", "Nghề nghiệp:"]
    rules = ["Giấy này được lập thành hai bản, một bản giao cho người bệnh, một bản lưu hồ sơ bệnh án"] * 8
    page = drawn(["GIẤY RA VIỆN", *labels, "", *rules]).copy()
    random = np.random.default_rng(5)
    for i in range(1, 1 + len(labels)):
        blank = page[120 + 49 * i : 150 + 49 * i, 300:700]
        blank[random.random(blank.shape) < 0.3] = 30
    found = read_image("p", in_colour(page), 150, MediaType.PNG, "neural")
    assert found.document_type == "discharge_letter" and len(found.readings) > 3, "the reader did read it"
    assert [(r.field, r.raw, r.confidence) for r in found.readings if r.confidence > 0.9] == []
