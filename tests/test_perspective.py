"""Stage 2: photographs come out flat, by the paper's edges or by rows of text; scans come out as they went in."""

import json
import math
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

sys.path[:0] = [str(Path(__file__).parent)]

from builders import LINES, drawn, in_colour, turned_by  # noqa: E402

from extractors.images import divide_background, upright  # noqa: E402
from extractors.perspective import flat_sheet, level_rows  # noqa: E402
from records.pages import Box  # noqa: E402

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 1240, 1754
SHEET = [[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]]
ON_A_DESK = [[160, 120], [1290, 190], [1380, 1880], [90, 1800]]
PHOTO = (1500, 2000)
DARK, LIGHT = 40, 235
# Corners of the paper outside the picture, which shows nothing but paper.
FROM_THE_LEFT = [[-70, -90], [1310, 0], [1310, 1754], [-70, 1844]]
FROM_BELOW = [[10, -40], [1230, -40], [1330, 1794], [-90, 1794]]
FROM_A_CORNER = [[-60, -80], [1300, -20], [1340, 1830], [-30, 1780]]
FORMS = Path(__file__).parent.parent / "sample_scans" / "forms"
SCANS = sorted(p for p in FORMS.iterdir() if p.suffix != ".json" and "photo" not in p.name)
MARK = (820, 1560, 900, 1640)  # left, top, right, bottom in pixels of the drawn page


def page():
    return drawn(LINES * 4, (WIDTH, HEIGHT))


def tabled():
    """Print in columns, with rulings down the page."""
    paper = Image.fromarray(page())
    pen = ImageDraw.Draw(paper)
    for x in (80, 500, 900, 1180):
        pen.line((x, 110, x, 1500), fill=0, width=3)
    return np.asarray(paper)


def photograph(corners, of=None, size=PHOTO, desk=DARK):
    """A picture of a page whose corners lie there, and the homography from page to picture."""
    matrix = cv2.getPerspectiveTransform(np.float32(SHEET), np.float32(corners))
    return cv2.warpPerspective(page() if of is None else of, matrix, size, borderValue=desk), matrix


def moved(points, matrix):
    return cv2.perspectiveTransform(np.array([points], np.float64), matrix)[0]


def tilts(matrix):
    """Slopes in degrees of a row at the top, in the middle and at the bottom of the page after a homography."""
    rows = [moved([[120, y], [1120, y]], matrix) for y in (150, 800, 1500)]
    return [math.degrees(math.atan2(*(right - left)[::-1])) for left, right in rows]


def read(picture, matrix):
    """The page made upright, and the homography to it from the page as drawn."""
    clean = upright("p", in_colour(picture), 150, lambda _: 0)
    return clean, np.linalg.inv(np.array(clean.image.to_file).reshape(3, 3)) @ matrix


# By the paper's edges.


def torn(picture, *points):
    cv2.fillPoly(picture, [np.array(points, np.int32)], DARK)
    return picture


SPOILT = {
    "whole": lambda picture: picture,
    "corner folded at the top": lambda picture: torn(picture, (1150, 150), (1320, 150), (1310, 360)),
    "corner folded at the bottom": lambda picture: torn(picture, (70, 1560), (60, 1840), (340, 1840)),
    "light thumb on an edge": lambda picture: cv2.ellipse(picture, (1390, 1000), (170, 60), 0, 0, 360, 150, -1),
    "dark thumb on a corner": lambda picture: cv2.ellipse(picture, (100, 1800), (170, 90), 40, 0, 360, 90, -1),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_a_sheet_on_a_dark_desk_is_laid_flat_by_its_edges(spoil):
    picture, matrix = photograph(ON_A_DESK)
    flat, (width, height) = flat_sheet(spoil(picture))
    assert tilts(flat @ matrix) == pytest.approx([0, 0, 0], abs=0.15)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    assert moved(SHEET, flat @ matrix) == pytest.approx(corners, abs=12)


def test_a_sheet_that_leaves_the_picture_at_the_top_is_levelled():
    picture, matrix = photograph([[160, -60], [1290, -20], [1380, 1880], [90, 1800]])
    assert tilts(read(picture, matrix)[1]) == pytest.approx([0, 0, 0], abs=0.3)


# By rows of text.


@pytest.mark.parametrize("drawing", [page, tabled])
@pytest.mark.parametrize("corners", [FROM_THE_LEFT, FROM_BELOW, FROM_A_CORNER])
def test_a_photograph_without_edges_is_levelled_by_its_rows(corners, drawing):
    picture, matrix = photograph(corners, drawing(), (WIDTH, HEIGHT))
    assert tilts(read(picture, matrix)[1]) == pytest.approx([0, 0, 0], abs=0.3)


def test_a_sheet_on_a_light_table_is_levelled_by_its_rows():
    picture, matrix = photograph([[160, 120], [1290, 190], [1380, 1740], [90, 1880]], desk=LIGHT)
    assert np.array_equal(flat_sheet(picture)[0], np.eye(3))
    assert np.ptp(tilts(matrix)) > 5
    assert tilts(read(picture, matrix)[1]) == pytest.approx([0, 0, 0], abs=0.3)


def test_rulings_down_the_page_become_upright_with_its_rows():
    picture, matrix = photograph([[-90, -60], [1330, 0], [1240, 1754], [0, 1814]], tabled(), (WIDTH, HEIGHT))
    _, to_upright = read(picture, matrix)
    rulings = [moved([[x, 200], [x, 1400]], to_upright) for x in (80, 1180)]
    leaning = [math.degrees(math.atan2(*(bottom - top))) for top, bottom in rulings]
    assert leaning == pytest.approx([0, 0], abs=0.5)


def test_a_mark_is_found_again_on_a_photograph_without_edges():
    left, top, right, bottom = MARK
    paper = page().copy()
    paper[top:bottom, left:right] = 0
    picture, matrix = photograph(FROM_THE_LEFT, paper, (WIDTH, HEIGHT))
    clean, _ = read(picture, matrix)
    solid = cv2.morphologyEx((clean.gray < 100).astype(np.uint8), cv2.MORPH_OPEN, np.ones((50, 50), np.uint8))
    x, y, width, height = cv2.boundingRect(solid)
    found = clean.image.in_file(Box(left=x, top=y, right=x + width, bottom=y + height))
    corners = moved([[left, top], [right, top], [right, bottom], [left, bottom]], matrix) / (WIDTH, HEIGHT)
    assert [found.left, found.top] == pytest.approx(corners.min(0), abs=0.004)
    assert [found.right, found.bottom] == pytest.approx(corners.max(0), abs=0.004)


# Never a scan.


@pytest.mark.parametrize("scan", SCANS, ids=lambda path: path.stem)
def test_a_scan_comes_out_as_it_went_in(scan):
    [truth] = json.loads(scan.with_suffix(".truth.json").read_text())
    gray = np.ascontiguousarray(cv2.imread(str(scan), cv2.IMREAD_COLOR)[:, :, 2])
    assert np.array_equal(flat_sheet(gray)[0], np.eye(3))
    level = np.ascontiguousarray(np.rot90(divide_background(gray), -truth["rotation"] // 90))
    matrix, size = level_rows(level)
    assert np.array_equal(matrix, np.eye(3)) and size == (level.shape[1], level.shape[0])


@pytest.mark.parametrize("degrees", [-4.0, 1.5])
def test_a_skewed_page_is_not_taken_for_a_photograph(degrees):
    assert np.array_equal(level_rows(turned_by(page(), degrees)[0])[0], np.eye(3))


@pytest.mark.parametrize("lines", [["Tử vong lúc 5 giờ sáng"], LINES[:3], [""]])
def test_a_page_of_few_rows_is_left_as_it_is(lines):
    picture, _ = photograph(FROM_THE_LEFT, drawn(lines, (WIDTH, HEIGHT)), (WIDTH, HEIGHT))
    assert np.array_equal(level_rows(picture)[0], np.eye(3))


def test_rows_that_go_their_own_ways_do_not_tell():
    chance = np.random.default_rng(3)
    paper = Image.new("L", (WIDTH, HEIGHT), 255)
    for row in range(14):
        strip = Image.fromarray(drawn([LINES[row % 6]], (WIDTH, 120), top=40))
        paper.paste(strip.rotate(chance.normal(0, 1.2), fillcolor=255), (0, 100 + 110 * row))
    assert np.array_equal(level_rows(np.asarray(paper))[0], np.eye(3))
