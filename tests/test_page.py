"""Stages 2-5 of one page: cheap first. What is blank, a separator or only indexed does not pay for a whole reading."""

import sys
from pathlib import Path

import numpy as np
import pytest
import zxingcpp

sys.path[:0] = [str(Path(__file__).parent)]

from builders import drawn, in_colour  # noqa: E402

from extractors import page as page_module  # noqa: E402
from extractors.page import HEADER, read_image  # noqa: E402
from extractors.readers import make_reader  # noqa: E402
from records.errors import SohoaError, UnreadableScan  # noqa: E402
from records.pages import MediaType  # noqa: E402
from records.separators import with_check  # noqa: E402

pytestmark = pytest.mark.slow

NAMED = ["BỆNH VIỆN K", "TỜ ĐIỀU TRỊ", "Họ và tên người bệnh: LÊ THỊ CÚC    Số vào viện: 19.123456"]
NAMELESS = ["BỆNH VIỆN K", "TỜ ĐIỀU TRỊ"]
BELOW = ["Sáng nay tỉnh, mạch 80 lần/phút, bụng mềm, không sốt, ăn được"] * 14


class Counting:
    """The real reader, and which parts of pages it was asked for."""

    def __init__(self):
        self.real, self.asked = make_reader("neural"), []
        self.name, self.long_side = self.real.name, self.real.long_side

    def turn(self, page):
        self.asked.append("turn")
        return 0

    def open(self, page):
        opened, asked = self.real.open(page), self.asked

        class Opened:
            def lines(self, top, bottom):
                asked.append((top, bottom))
                return opened.lines(top, bottom)

        return Opened()

    def read_value(self, page, rows, kind, first):
        return first

    def read_crop(self, image, box):
        return self.real.read_crop(image, box)


@pytest.fixture(scope="module")
def counting():
    return Counting()


@pytest.fixture
def reader(counting, monkeypatch):
    counting.asked.clear()
    monkeypatch.setattr(page_module, "warm_reader", lambda _: counting)
    return counting


def separator(code=None, kind=zxingcpp.BarcodeFormat.QRCode, scale=6):
    """An A4 sheet at 150 dpi with a barcode."""
    made = zxingcpp.create_barcode(code or with_check("KHO-07/0012/18.023458/64"), kind)
    picture = np.asarray(made.to_image(scale=scale))
    sheet = np.full((1754, 1240), 255, np.uint8)
    sheet[200 : 200 + picture.shape[0], 100 : 100 + picture.shape[1]] = picture
    return in_colour(sheet)


def read(page):
    return read_image("p", page, 150, MediaType.PNG, "counting")


def form(head):
    return in_colour(drawn([*head, *[""] * 6, *BELOW], (1654, 2339), letters=34))


def test_a_blank_page_is_not_read(reader):
    found = read(in_colour(np.full((1754, 1240), 250, np.uint8)))
    assert found.document_type == "blank" and reader.asked == []


def test_a_separator_is_not_read_and_its_code_is_kept(reader):
    found = read(separator())
    assert (found.document_type, found.text.text) == ("separator", with_check("KHO-07/0012/18.023458/64"))
    assert reader.asked == []


def test_an_indexed_form_is_read_no_farther_than_its_header(reader):
    found = read(form(NAMED))
    assert found.document_type == "treatment_sheet" and not found.text.whole
    assert reader.asked == ["turn", (0.0, HEADER)]
    assert {r.field for r in found.readings} >= {"patient.name", "encounter.number"}


def test_an_indexed_form_whose_header_does_not_say_whose_it_is_is_read_whole(reader):
    found = read(form(NAMELESS))
    assert found.document_type == "treatment_sheet" and found.text.whole
    assert "không sốt" in found.text.text


@pytest.mark.parametrize("size", [(1, 900), (900, 1)], ids=["1 high", "1 wide"])
def test_a_page_of_one_row_of_pixels_is_put_aside_with_its_reason(reader, size):
    with pytest.raises(UnreadableScan, match="page_unreadable"):
        read(np.zeros((*size, 3), np.uint8))


def test_a_page_of_20_dpi_gives_no_value(reader):
    noise = np.random.default_rng(3).integers(0, 255, (234, 165, 3)).astype(np.uint8)
    assert all(r.confidence < 0.9 for r in read(noise).readings)


def test_a_page_of_600_dpi_is_read_as_any_other(reader):
    page = drawn([*NAMED, *[""] * 6, *BELOW], (4960, 7016), letters=102)
    found = read_image("p", in_colour(page), 600, MediaType.PNG, "counting")
    ordinary = read(form(NAMED))
    assert {(r.field, r.raw) for r in found.readings} == {(r.field, r.raw) for r in ordinary.readings} != set()


def test_a_page_of_noise_gives_no_value(reader):
    noise = np.random.default_rng(5).integers(0, 255, (1754, 1240, 3)).astype(np.uint8)
    assert all(r.confidence < 0.9 for r in read(noise).readings)


# Separators.


@pytest.mark.parametrize("code", ["SOHOA1/KHO-07/0012*00", "SOHOA1/KHO-07/0012"])
def test_a_sheet_whose_code_of_ours_cannot_be_trusted_is_for_an_officer(reader, code):
    assert read(separator(code)).document_type == "doubtful_separator"


def test_another_barcode_bounds_nothing(reader):
    assert read(separator("8934567")).document_type == "other"


# Readers by setting.


def test_where_a_model_is_missing_only_the_setting_auto_reads_with_tesseract(monkeypatch):
    def missing():
        raise SohoaError("The model x is missing; run ./run setup.")

    monkeypatch.setattr("extractors.neural.neural_reader", missing)
    assert make_reader("auto").name == "tesseract"
    with pytest.raises(SohoaError, match="missing"):
        make_reader("neural")
