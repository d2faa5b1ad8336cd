"""Stage 2: stamps of any colour fade from a page, and neither print under them nor blue handwriting goes with them."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

sys.path[:0] = [str(Path(__file__).parent)]

from builders import LINES, drawn, font, in_colour  # noqa: E402

from extractors.images import divide_background  # noqa: E402
from extractors.stamps import find_stamps, ink_channel  # noqa: E402

pytestmark = pytest.mark.slow

RED, DARK_RED, BLUE, VIOLET = (196, 40, 52), (150, 20, 30), (34, 60, 180), (120, 40, 160)
BALLPOINT = (34, 46, 128)
COLOURS = {"red": RED, "dark red": DARK_RED, "blue": BLUE, "violet": VIOLET}
SIZE = (1654, 2339)  # A4 at 200 dpi
INK, FAINT = 140, 190
each_colour = pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS.keys())
each_shape = pytest.mark.parametrize("shape", ["ring", "frame"])


def printed():
    return in_colour(drawn(LINES * 4, SIZE, letters=34))


def impression(shape, tilt=9):
    """How much of a stamp's ink stands at each pixel, 0..1."""
    layer = Image.new("L", SIZE, 0)
    pen = ImageDraw.Draw(layer)
    if shape == "ring":
        for inward, width in ((0, 6), (24, 2)):
            pen.ellipse((400 + inward, 700 + inward, 680 - inward, 980 - inward), outline=255, width=width)
        pen.text((470, 820), "BỆNH VIỆN", 255, font(28, "Tinos-Bold"))
    else:
        pen.rectangle((400, 700, 950, 834), outline=255, width=6)
        pen.text((460, 740), "ĐÃ THU TIỀN", 255, font(56, "Tinos-Bold"))
    return np.asarray(layer.rotate(tilt, center=(540, 800), resample=Image.Resampling.BICUBIC)) / 255


def stamped(page, colour, ink):
    """The page with transparent ink of a colour on it, as a stamp leaves it."""
    return np.round(page * (1 - ink[..., None] * (1 - np.array(colour) / 255))).astype(np.uint8)


def handwritten(page):
    """Lines of values and a signature, with a ballpoint pen."""
    paper = Image.fromarray(page.copy())
    pen = ImageDraw.Draw(paper)
    for row in range(4):
        pen.text((300, 1700 + 56 * row), "Nguyễn Thị Minh Hạnh, đau bụng", BALLPOINT, font(44, "Tinos-Italic"))
    curve = [(1100 + 30 * i, 2000 + 70 * (-1) ** i) for i in range(9)]
    pen.line(curve, fill=BALLPOINT, width=4, joint="curve")
    return np.asarray(paper)


def in_file(page):
    """The page after a scanner's JPEG."""
    _, data = cv2.imencode(".jpg", page[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 75])
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_COLOR)[:, :, ::-1])


def clean(page):
    return divide_background(ink_channel(page))


def around(marks, pixels):
    return cv2.dilate(marks.astype(np.uint8), np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)) > 0


@each_shape
@each_colour
def test_a_stamp_is_gone_and_black_print_about_it_stands(colour, shape):
    page, ink = printed(), impression(shape)
    with_stamp, without = clean(in_file(stamped(page, colour, ink))), clean(in_file(page))
    alone = with_stamp[(ink > 0) & ~around(without < 230, 2)]
    assert (alone < INK).mean() < 0.05 and (alone < FAINT).mean() < 0.11, "no more than specks where it stood"
    assert (with_stamp[around(ink > 0, 4) & (without < INK)] < INK).mean() > 0.97


@each_shape
@each_colour
def test_a_stamp_takes_none_of_the_print_of_a_picture_without_compression(colour, shape):
    page, ink = printed(), impression(shape)
    black = page[:, :, 0] < 60
    assert (clean(stamped(page, colour, ink))[black & (ink > 0)] < INK).mean() > 0.99


@each_colour
def test_a_stamp_is_found_however_it_is_turned(colour):
    for tilt in (-30, 0, 90):
        assert len(find_stamps(in_file(stamped(printed(), colour, impression("frame", tilt))))) == 1


def test_blue_handwriting_and_signatures_stay_as_they_are():
    page = in_file(handwritten(printed()))
    assert find_stamps(page) == []
    assert np.array_equal(ink_channel(page), page[:, :, 0])


def test_blue_handwriting_stays_beside_a_blue_stamp():
    page = in_file(stamped(handwritten(printed()), BLUE, impression("frame")))
    assert len(find_stamps(page)) == 1
    assert np.array_equal(ink_channel(page)[1650:], page[1650:, :, 0])


def test_blue_handwriting_under_a_red_seal_stays():
    paper = Image.fromarray(printed())
    ImageDraw.Draw(paper).line([(420 + 25 * i, 840 + 50 * (-1) ** i) for i in range(9)], fill=BALLPOINT, width=4)
    page, ink = np.asarray(paper), impression("ring")
    written = (page[:, :, 2] > 100) & (page[:, :, 0] < 60) & (ink == 0)
    assert (clean(in_file(stamped(page, RED, ink)))[written] < FAINT).mean() > 0.97


def test_a_form_printed_in_blue_keeps_its_boxes_and_what_is_in_them():
    paper = Image.new("RGB", SIZE, "white")
    pen = ImageDraw.Draw(paper)
    for row in range(3):
        pen.rectangle((200, 300 + 300 * row, 900, 480 + 300 * row), outline=BLUE, width=4)
        pen.text((230, 360 + 300 * row), "Họ tên người bệnh", BLUE, font(44))
    page = np.asarray(paper)
    assert np.array_equal(ink_channel(page), page[:, :, 0])


def test_a_red_number_fades_no_more_than_in_the_red_channel():
    paper = Image.fromarray(printed())
    ImageDraw.Draw(paper).text((1100, 60), "Số: 0012345", DARK_RED, font(44))
    page = np.asarray(paper)
    assert np.array_equal(ink_channel(page), page[:, :, 0])


def test_a_tinted_field_is_no_stamp():
    paper = Image.fromarray(printed())
    ImageDraw.Draw(paper).rectangle((300, 1700, 900, 1900), fill=(60, 90, 200))
    assert find_stamps(np.asarray(paper)) == []


def test_a_grey_page_has_no_stamps_and_is_left_as_it_is():
    page = in_file(printed())
    assert find_stamps(page) == []
    assert np.array_equal(ink_channel(page), page[:, :, 0])
    assert np.array_equal(ink_channel(page[:, :, 0]), page[:, :, 0])
