"""Stage 2: pages as they lie in the file become upright and clean, and every box finds its way back."""

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

sys.path[:0] = [str(Path(__file__).parent)]

from builders import drawn, font, in_colour, page_image, turned_by  # noqa: E402

from extractors import films  # noqa: E402
from extractors.images import (  # noqa: E402
    divide_background,
    fingerprint,
    flat_sheet,
    letter_heights,
    skew_degrees,
    upright,
    without_rulings,
)
from extractors.stamps import ink_channel  # noqa: E402
from records.pages import Box, PageBox  # noqa: E402

pytestmark = pytest.mark.slow

PRINT = ["Họ và tên người bệnh: NGUYỄN HOÀNG PHƯƠNG THẢO   Tuổi: 45"] * 24
MARK = (820, 1450, 900, 1530)  # left, top, right, bottom in pixels of the drawn page
LETTER_INK = 128


def marked(size=(1240, 1754)):
    """A page of print with one black square below it."""
    page = drawn(PRINT, size).copy()
    page[MARK[1] : MARK[3], MARK[0] : MARK[2]] = 0
    return page


def square_on(clean):
    """The box of the largest solid black thing on the clean page, in its pixels."""
    side = clean.shape[0] // 50
    solid = cv2.morphologyEx((clean < 100).astype(np.uint8), cv2.MORPH_OPEN, np.ones((side, side), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(solid)
    x, y, width, height, _ = max(stats[1:], key=lambda s: s[cv2.CC_STAT_AREA])
    return Box(left=x, top=y, right=x + width, bottom=y + height)


def seen_in(file_page, corners):
    """The box around corners (in pixels of the page in the file) as fractions of that page."""
    height, width = file_page.shape[:2]
    xs, ys = [x / width for x, _ in corners], [y / height for _, y in corners]
    return [min(xs), min(ys), max(xs), max(ys)]


def moved(matrix):
    """Corners of the mark after a homography."""
    left, top, right, bottom = MARK
    corners = np.array([[[left, top], [right, top], [right, bottom], [left, bottom]]], np.float64)
    return cv2.perspectiveTransform(corners, np.asarray(matrix, np.float64))[0].tolist()


def assert_in_its_place(clean):
    """Upright, the mark stands where it was drawn: nothing was pushed off the page."""
    square, scale = square_on(clean.gray), clean.image.height_px / 1754
    assert [square.left, square.top] == pytest.approx([MARK[0] * scale, MARK[1] * scale], abs=10)


def read_back(file_page, turn=0):
    """The page made upright, and where the mark that was found on it lies in the file."""
    clean = upright("p", in_colour(file_page), 150, lambda _: turn)
    found = clean.image.in_file(square_on(clean.gray))
    return clean, [found.left, found.top, found.right, found.bottom]


# The way back to the file.


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_a_mark_is_found_again_in_the_file_however_the_page_was_turned(turn):
    page = marked()
    file_page = np.ascontiguousarray(np.rot90(page, turn // 90))
    width, height = page.shape[1], page.shape[0]
    turned = {
        0: lambda x, y: (x, y),
        90: lambda x, y: (y, width - x),
        180: lambda x, y: (width - x, height - y),
        270: lambda x, y: (height - y, x),
    }[turn]
    clean, found = read_back(file_page, turn)
    assert found == pytest.approx(seen_in(file_page, [turned(x, y) for x, y in moved(np.eye(3))]), abs=0.003)
    assert clean.image.height_px > clean.image.width_px, "upright again"
    assert_in_its_place(clean)
    assert clean.image.turn == turn


@pytest.mark.parametrize(("turn", "degrees"), [(0, -3.0), (0, 1.3), (90, 2.0)])
def test_a_mark_is_found_again_on_a_skewed_page(turn, degrees):
    skewed, matrix = turned_by(marked(), degrees)
    file_page = np.ascontiguousarray(np.rot90(skewed, turn // 90))
    corners = moved(matrix)
    if turn == 90:
        corners = [(y, skewed.shape[1] - x) for x, y in corners]
    clean, found = read_back(file_page, turn)
    assert clean.image.skew_degrees == pytest.approx(-degrees, abs=0.21)
    assert found == pytest.approx(seen_in(file_page, corners), abs=0.006)
    assert_in_its_place(clean)


def test_a_mark_is_found_again_on_a_photograph_taken_at_an_angle():
    page = marked()
    height, width = page.shape
    sheet = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    photo = np.array([[160, 120], [1290, 190], [1380, 1880], [90, 1800]], np.float32)
    matrix = cv2.getPerspectiveTransform(sheet, photo)
    file_page = cv2.warpPerspective(page, matrix, (1500, 2000), borderValue=40)
    clean, found = read_back(file_page)
    assert found == pytest.approx(seen_in(file_page, moved(matrix)), abs=0.006)
    square = square_on(clean.gray)
    assert square.width / square.height == pytest.approx(1.0, abs=0.1), "laid flat, but for the foreshortening"


def test_a_page_at_working_size_is_neither_scaled_nor_moved():
    clean = upright("p", in_colour(drawn(PRINT, (2400, 3392), letters=50)), 290, lambda _: 0)
    assert (clean.image.width_px, clean.image.height_px) == (2400, 3392)
    assert clean.image.to_file == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0, 1))


def test_a_box_that_leaves_the_page_ends_at_its_edge():
    assert page_image().in_file(Box(left=-50, top=10, right=99999, bottom=340)) == PageBox(
        left=0.0, top=10 / 3400, right=1.0, bottom=0.1
    )


# Skew, turns, sheets.


@pytest.mark.parametrize("degrees", [-4.0, -0.8, 0.0, 2.2, 5.0])
def test_the_skew_of_print_is_measured_to_a_tenth_of_a_degree_or_two(degrees):
    page, _ = turned_by(drawn(PRINT), degrees)
    assert skew_degrees(page) == pytest.approx(-degrees, abs=0.15)


def test_a_scan_without_dark_surroundings_is_taken_whole():
    matrix, size = flat_sheet(drawn(PRINT))
    assert np.array_equal(matrix, np.eye(3)) and size == (1240, 1754)


def test_a_sheet_on_the_light_lid_of_a_scanner_is_taken_whole():
    page = np.full((1754, 1240), 190, np.uint8)
    page[100:1600, 100:1100] = drawn(PRINT)[100:1600, 100:1100]
    matrix, size = flat_sheet(page)
    assert np.array_equal(matrix, np.eye(3)) and size == (1240, 1754)


def test_a_black_picture_on_a_white_page_is_not_taken_for_its_surroundings():
    page = drawn(PRINT).copy()
    page[1200:1700, 100:1100] = 20
    matrix, size = flat_sheet(page)
    assert np.array_equal(matrix, np.eye(3)) and size == (1240, 1754)


# Paper, stamps, shadows.


def test_a_shadow_over_the_page_is_evened_out_and_print_stays_dark():
    page = drawn(PRINT).astype(np.float64)
    shaded = (page * np.linspace(1.0, 0.55, page.shape[1])).astype(np.uint8)
    even = divide_background(shaded)
    assert float(even[page == 255].mean()) > 245
    assert float(np.percentile(even[page < 40], 90)) < 120


def test_a_red_stamp_fades_and_blue_and_black_ink_stay():
    paper = Image.new("RGB", (300, 90), "white")
    pen = ImageDraw.Draw(paper)
    for left, colour in ((0, (215, 45, 50)), (100, (25, 40, 140)), (200, (20, 20, 20))):
        pen.rectangle((left + 20, 20, left + 80, 70), fill=colour)
    ink = ink_channel(np.asarray(paper))
    red, blue, black = (int(ink[45, x]) for x in (50, 150, 250))
    assert red > 190 and blue < LETTER_INK and black < LETTER_INK


def test_print_under_a_red_stamp_is_left_standing_and_the_stamp_is_gone():
    paper = Image.fromarray(in_colour(drawn(PRINT[:6])))
    pen = ImageDraw.Draw(paper)
    pen.ellipse((700, 700, 1100, 1100), outline=(220, 60, 60), width=14)
    with_stamp, _ = without_rulings(divide_background(ink_channel(np.asarray(paper))))
    assert int((with_stamp[690:1110, 690:1110] < LETTER_INK).sum()) == 0
    assert int((with_stamp[:600] < LETTER_INK).sum()) > 5000


# Blank pages.


def blank(page):
    return upright("p", in_colour(page), 150, lambda _: 0).image.blank


def shining_through(share, blur=2.2):
    """A bare sheet with the print of its other side; `share`: of its darkness, `blur`: pixels, at 150 dpi."""
    behind = cv2.GaussianBlur(255 - drawn(PRINT)[:, ::-1], (0, 0), blur) * share
    grain = np.random.default_rng(3).normal(0, 2, behind.shape)
    return (250 - behind + grain).clip(0, 255).astype(np.uint8)


def test_white_paper_is_blank():
    assert blank(np.full((1754, 1240), 248, np.uint8))


def test_noise_specks_and_scanner_edges_leave_a_page_blank():
    chance = np.random.default_rng(7)
    page = chance.normal(244, 4, (1754, 1240)).clip(0, 255).astype(np.uint8)
    for x, y in zip(chance.integers(60, 1180, 80), chance.integers(60, 1690, 80), strict=True):
        page[y : y + 2, x : x + 2] = 60
    page[:, :18] = 10
    page[-20:, :] = 10
    assert blank(page)


@pytest.mark.parametrize("share", [0.045, 0.1, 0.2])
def test_the_print_of_the_other_side_shining_through_leaves_a_page_blank(share):
    assert blank(shining_through(share))
    assert not blank(drawn(PRINT, grey=90))


@pytest.mark.parametrize("lines", [PRINT, ["Tử vong lúc 5 giờ sáng"]], ids=["full", "one line"])
@pytest.mark.parametrize("grey", [217, 230])
def test_pale_print_is_no_blank_page_and_is_made_dark(lines, grey):
    clean = upright("p", in_colour(drawn(lines, letters=30, grey=grey)), 150, lambda _: 0)
    assert clean.pale and not clean.image.blank
    assert len(letter_heights(clean.text)) > 12 and clean.text.min() < 30
    dark = upright("p", in_colour(drawn(lines, letters=30, grey=20)), 150, lambda _: 0)
    assert not dark.pale


def test_pale_writing_on_dark_rulings_and_among_dust_is_seen():
    page = drawn(PRINT[:3], grey=217).copy()
    page[300:1600:70, 100:1140] = 0
    chance = np.random.default_rng(7)
    for x, y in zip(chance.integers(60, 1180, 300), chance.integers(60, 1690, 300), strict=True):
        page[y : y + 2, x : x + 2] = 60
    assert not blank(page)


@pytest.mark.slow
def test_no_sample_form_washed_out_to_15_percent_is_blank():
    forms = sorted((Path(__file__).parents[1] / "sample_scans" / "forms").glob("*.[jpt][pni]*"))[::3]
    for form in forms:
        rgb = np.asarray(Image.open(form).convert("RGB"))
        washed = (255 - 0.15 * (255 - rgb.astype(np.float32))).astype(np.uint8)
        assert upright("p", washed, 150, lambda _: 0).pale, form.name
    assert len(forms) > 8


def test_empty_rulings_alone_leave_a_page_blank():
    page = np.full((1754, 1240), 255, np.uint8)
    page[200:1600:70, 100:1140] = 0
    page[200:1600, 100:1140:260] = 0
    assert blank(page)


def test_a_page_with_one_line_is_not_blank():
    assert not blank(drawn(["Tử vong lúc 5 giờ sáng"]))


@pytest.mark.parametrize("note", ["Tử vong 5h", "Ra viện", "Dị ứng"])
def test_a_page_with_two_words_is_not_blank(note):
    assert not blank(drawn([note], letters=40))


def test_a_blank_page_says_so_and_is_not_asked_which_way_up_it_is():
    clean = upright("p", in_colour(np.full((1754, 1240), 250, np.uint8)), 150, lambda _: pytest.fail("asked"))
    assert clean.image.blank and clean.image.ink == 0.0


# Rulings and leaders.


def page_with(draw, line="Họ tên: NGUYỄN VĂN AN"):
    """One line of print at 290 dpi, without and with what `draw` adds; the print's own box."""
    paper = Image.new("L", (2400, 3400), 255)
    pen = ImageDraw.Draw(paper)
    pen.text((300, 500), line, 0, font(50))
    plain = np.asarray(paper).copy()
    draw(pen)
    return plain, np.asarray(paper)


def assert_only_print_is_left(plain, page, within=0.03):
    text, _ = without_rulings(page)
    ours, print_ = text < LETTER_INK, plain < LETTER_INK
    assert int((ours & ~cv2.dilate(print_.astype(np.uint8), np.ones((7, 7))).astype(bool)).sum()) == 0
    lost = (print_ & ~ours).sum() / print_.sum()
    assert lost < within, f"{lost:.1%} of the print went with it"


def test_table_rulings_are_removed_and_print_stays():
    def ruled(pen):
        pen.rectangle((250, 450, 1500, 600), outline=0, width=4)
        pen.line((900, 450, 900, 600), fill=0, width=4)

    assert_only_print_is_left(*page_with(ruled))


def test_dotted_leaders_are_removed_and_print_stays():
    def dots(pen):
        for x in range(900, 2000, 14):
            pen.ellipse((x, 548, x + 4, 552), fill=0)

    assert_only_print_is_left(*page_with(dots))


def test_an_underline_close_below_print_takes_little_of_it():
    assert_only_print_is_left(*page_with(lambda pen: pen.line((300, 566, 1500, 566), fill=0, width=3)), within=0.15)


def test_the_dots_of_tone_marks_and_full_stops_stay():
    plain, page = page_with(lambda pen: None, line="Viện. Bệnh, i. ị. ạ. : 3,5 . 4,0")
    text, _ = without_rulings(page)
    assert np.array_equal(text < LETTER_INK, plain < LETTER_INK)


def test_vertical_rulings_are_told_with_their_ends():
    def ruled(pen):
        for x in (400, 1200):
            pen.line((x, 800, x, 1600), fill=0, width=4)

    _, rulings = without_rulings(page_with(ruled)[1])
    assert list(rulings) == [
        (pytest.approx(400, abs=4), pytest.approx(800, abs=6), pytest.approx(1600, abs=6)),
        (pytest.approx(1200, abs=4), pytest.approx(800, abs=6), pytest.approx(1600, abs=6)),
    ]


def test_the_stems_of_large_letters_are_no_rulings():
    assert without_rulings(drawn(["BỆNH VIỆN HLIT"] * 3, (2400, 3400), letters=64))[1] == ()


# Fingerprints.


def bits_apart(one, other):
    return (int(fingerprint(one), 16) ^ int(fingerprint(other), 16)).bit_count()


def test_a_fingerprint_is_64_bits_and_moves_little_with_the_paper():
    page = drawn(PRINT)
    shifted = np.roll(page, 3, axis=1)
    assert len(fingerprint(page)) == 16
    assert bits_apart(page, page) == 0
    assert bits_apart(page, shifted) <= 6


def test_quite_another_page_has_quite_another_fingerprint():
    assert bits_apart(drawn(PRINT), drawn(["Kết luận"] * 3, top=1300)) > 14


# Films.


def film(text="NGUYEN VAN AN  ID 14003728", light=235):
    """A chest-like sheet: dark, a soft bright body, light burnt-in letters."""
    y, x = np.mgrid[0:1400, 0:1200]
    body = 120 * np.exp(-(((x - 600) / 260) ** 2 + ((y - 800) / 360) ** 2))
    picture = Image.fromarray((18 + body).astype(np.uint8))
    ImageDraw.Draw(picture).text((60, 40), text, light, font(34))
    return in_colour(np.asarray(picture))


def test_a_film_is_told_from_paper():
    assert films.is_film(film())
    assert not films.is_film(in_colour(drawn(PRINT)))
    assert not films.is_film(in_colour(np.full((900, 700), 200, np.uint8)))


def test_a_dark_page_in_colour_is_no_film():
    blue = np.zeros((900, 700, 3), np.uint8)
    blue[:, :, 2] = 120
    assert not films.is_film(blue)


def test_the_letters_of_a_film_become_dark_on_white_and_the_body_fades():
    paper = films.as_paper(film())
    assert int((paper[30:90, 50:700] < LETTER_INK).sum()) > 800
    assert int((paper[200:, :] < LETTER_INK).sum()) == 0
    assert not blank(paper[:, :, 0])


def test_faint_letters_of_a_film_are_brought_out():
    paper = films.as_paper(film(light=95))
    assert int((paper[30:90, 50:700] < LETTER_INK).sum()) > 400
