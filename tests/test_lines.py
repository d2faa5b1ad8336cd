"""Stage 3: where the lines of a page stand, by the real line finder; boxes drawn in to ink, parted, cut into words."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

sys.path[:0] = [str(Path(__file__).parent)]

from builders import LINES as WIDE_LINES  # noqa: E402
from builders import drawn, font  # noqa: E402

from extractors.images import without_rulings  # noqa: E402
from extractors.lines import boxes_of, line_finder  # noqa: E402
from extractors.neural import FINDER_SHARE, page_lines  # noqa: E402
from extractors.reader import Character, LineText  # noqa: E402
from extractors.words import bands, crop_of, parted, trim, words_of  # noqa: E402
from records.pages import Box  # noqa: E402

A4 = (2400, 3392)
LINES = tuple(" ".join(line.split()) for line in WIDE_LINES)
TABLE = (
    ("Tên xét nghiệm", "Kết quả", "Đơn vị"),
    ("Bạch cầu", "12,5", "G/L"),
    ("Hồng cầu", "4,51", "T/L"),
    ("Hemoglobin", "130", "g/L"),
)
BORDERS = (200, 900, 1400, 1900)  # x of the table's rulings


@pytest.fixture(scope="module")
def finder():
    return line_finder()


class Finds:
    """A line finder that sees the same boxes on every page."""

    def __init__(self, *boxes):
        self.boxes = list(boxes)

    def find(self, image, long_side=0):
        return self.boxes


def ink_of(page, left=0, top=0, right=None, bottom=None):
    """The box of the ink inside a part of the page."""
    rows, columns = np.nonzero(page[top:bottom, left:right] < 150)
    return box(left + columns.min(), top + rows.min(), left + columns.max() + 1, top + rows.max() + 1)


def box(left, top, right, bottom):
    return Box(left=left, top=top, right=right, bottom=bottom)


def holds(outer, inner, slack=0.0):
    return (
        outer.left - slack <= inner.left
        and outer.right + slack >= inner.right
        and outer.top - slack <= inner.top
        and outer.bottom + slack >= inner.bottom
    )


def each_in_one(inks, boxes, slack=0.0):
    """Every piece of print lies in exactly one box, and no box is left over."""
    return [sum(holds(b, ink, slack) for b in boxes) for ink in inks] == [1] * len(inks) == [1] * len(boxes)


def print_of(lines, letters, size=A4):
    """(page, the box of the ink of each line)."""
    alone = [drawn([line], size, letters, top=120 + i * round(1.9 * letters)) for i, line in enumerate(lines)]
    return np.minimum.reduce(alone), [ink_of(page) for page in alone]


def ruled_table():
    """(page, the box of the ink of each cell): rows 90 pixels high from 400 down."""
    page = Image.new("L", A4, 255)
    pen = ImageDraw.Draw(page)
    for index, row in enumerate(TABLE):
        for left, text in zip(BORDERS[:-1], row, strict=True):
            pen.text((left + 25, 415 + 90 * index), text, 0, font(50))
    cells = [
        ink_of(np.asarray(page), left, 400 + 90 * i, right, 490 + 90 * i)
        for i in range(len(TABLE))
        for left, right in zip(BORDERS[:-1], BORDERS[1:], strict=True)
    ]
    for x in BORDERS:
        pen.line((x, 400, x, 760), fill=0, width=3)
    for y in range(400, 761, 90):
        pen.line((BORDERS[0], y, BORDERS[-1], y), fill=0, width=3)
    return np.asarray(page), cells


# The finder.


@pytest.mark.parametrize("letters", [50, 26], ids=["ordinary", "small"])
def test_each_printed_line_lies_in_one_box_from_top_to_bottom(finder, letters):
    page, inks = print_of(LINES, letters)
    found = finder.find(page, round(max(A4) * FINDER_SHARE))
    assert each_in_one(inks, found, slack=0.08 * letters)
    assert [b.middle for b in found] == sorted(b.middle for b in found)


def test_an_empty_page_has_no_lines(finder):
    assert finder.find(np.full((1754, 1240), 255, np.uint8)) == []


def test_each_cell_of_a_ruled_table_is_a_line_of_its_own(finder):
    page, cells = ruled_table()
    text, rulings = without_rulings(page)
    assert each_in_one(cells, page_lines(text, rulings, finder), slack=2)


def cores(*islands, shape=(120, 400)):
    """A map of line cores from (left, top, right, bottom, how likely)."""
    found = np.zeros(shape, np.float32)
    for left, top, right, bottom, likely in islands:
        found[top:bottom, left:right] = likely
    return found


def test_a_core_is_grown_on_all_sides_and_told_in_pixels_of_the_page():
    (line,) = boxes_of(cores((100, 50, 300, 60, 0.9)), 2.0, 3.0)
    air = [200 - line.left, line.right - 600, 150 - line.top, line.bottom - 180]
    assert air == pytest.approx([2 * 7.6, 2 * 7.6, 3 * 7.6, 3 * 7.6], abs=0.1)


def test_a_core_at_the_edge_is_grown_no_farther_than_the_page():
    (line,) = boxes_of(cores((0, 112, 400, 120, 0.9)), 2.0, 2.0)
    assert (line.left, line.right, line.bottom) == (0, 800, 240)


@pytest.mark.parametrize(
    "island",
    [(100, 50, 300, 60, 0.4), (100, 50, 300, 52, 0.9), (100, 50, 102, 60, 0.9)],
    ids=["unsure", "flat", "thin"],
)
def test_a_core_that_is_unsure_or_too_small_is_no_line(island):
    sure = (100, 90, 300, 100, 0.9)
    assert len(boxes_of(cores(island, sure), 1.0, 1.0)) == 1


# Boxes drawn in to their own ink.


@pytest.mark.parametrize("text", ["ĐIỀU TRỊ Ở KHOA", "Ẩm ướt, dị vật", "Hb 12,5 g/L"])
def test_a_wide_box_is_drawn_in_to_its_ink_and_tone_marks_are_kept(text):
    page = drawn([text], (1400, 500), letters=50, top=200)
    ink = ink_of(page)
    tight = trim(page, box(10, 150, 1390, 330))
    assert holds(tight, ink)
    assert holds(box(ink.left - 20, ink.top - 10, ink.right + 20, ink.bottom + 10), tight)


def test_a_box_that_begins_amid_letters_is_drawn_in_only_where_there_is_no_ink():
    page = drawn(["Hồng cầu lưới"], (1000, 300), letters=50)
    ink = ink_of(page)
    tight = trim(page, box(ink.left + 100, ink.top - 20, ink.right + 60, ink.bottom + 20))
    assert tight.left == pytest.approx(ink.left + 100, abs=20) and tight.right == pytest.approx(ink.right, abs=20)


def test_what_reaches_in_from_the_lines_above_and_below_is_left_out():
    page, (above, line, below) = print_of(["Họ và tên: AN", "Tuổi: 45 Nam", "Địa chỉ: Hà Nội"], 50, (1200, 600))
    tight = trim(page, box(line.left - 20, above.bottom - 8, line.right + 20, below.top + 8))
    assert holds(tight, line)
    assert tight.top > above.bottom and tight.bottom < below.top


@pytest.mark.parametrize(("gap", "own"), [(10, True), (18, False)], ids=["a mark", "another line's"])
def test_ink_nearer_than_a_third_of_the_line_is_its_own_mark(gap, own):
    page = np.full((200, 400), 255, np.uint8)
    page[80:120, 50:350:7] = 0
    page[80 - gap - 6 : 80 - gap, 100:110] = page[120 + gap : 126 + gap, 200:206] = 0
    tight = trim(page, box(10, 20, 390, 180))
    assert (tight.top < 80 - gap) is own and (tight.bottom > 120 + gap) is own


def test_a_thin_stroke_alone_is_no_line():
    page = np.full((200, 400), 255, np.uint8)
    page[100:102, 50:350] = 0
    assert trim(page, box(10, 50, 390, 150)) is None


@pytest.mark.parametrize("place", [box(10, 10, 300, 100), box(2000, 10, 2100, 60), box(10, 900, 300, 990)])
def test_a_box_without_ink_or_off_the_page_is_no_line(place):
    page = drawn(["Họ tên"], (1000, 500), letters=50, top=300)
    assert trim(page, place) is None


def test_a_line_at_the_edge_of_the_page_is_drawn_in_no_farther_than_the_page():
    page = np.full((60, 400), 255, np.uint8)
    page[0:40, 0:400:8] = 0
    tight = trim(page, box(-30, -20, 500, 90))
    assert (tight.left, tight.top, tight.right) == (0, 0, 400) and 40 <= tight.bottom <= 60


# Columns.


def line_with_gap(gap):
    page = Image.new("L", (1600, 200), 255)
    pen = ImageDraw.Draw(page)
    pen.text((100, 60), "Bạch cầu", 0, font(50))
    left = ink_of(np.asarray(page)).right + gap
    pen.text((left, 60), "12,5 G/L", 0, font(50))
    return np.asarray(page), left


def test_white_wider_than_the_line_is_high_parts_columns():
    page, left = line_with_gap(120)
    one, other = parted(page, trim(page, box(0, 40, 1600, 140)))
    assert holds(one, ink_of(page, 0, 0, int(left))) and holds(other, ink_of(page, int(left)))
    assert one.right < other.left


def test_the_spaces_between_words_part_nothing():
    page, _ = line_with_gap(35)
    whole = trim(page, box(0, 40, 1600, 140))
    assert parted(page, whole) == [whole]


# Lines that something joins.


def joined_by_a_stroke():
    """Two lines of print under one slanted stroke, as of a stamp's frame."""
    page, inks = print_of(["Hồng cầu lưới máu ngoại vi", "Định lượng Glucose máu"], 50, (1200, 500))
    sheet = Image.fromarray(page)
    ImageDraw.Draw(sheet).line((500, 120, 620, 280), fill=0, width=5)
    return np.asarray(sheet), inks


def test_two_lines_joined_by_a_slanted_stroke_become_two():
    page, (first, second) = joined_by_a_stroke()
    whole = trim(page, box(60, 100, 1100, 300))
    assert holds(whole, first) and holds(whole, second), "joined"
    one, other = bands(page, whole, usual=50)
    assert one.top <= first.top + 3 and first.bottom - 3 <= one.bottom < second.bottom
    assert first.top < other.top <= second.top + 3 and second.bottom - 3 <= other.bottom


def test_a_line_of_usual_height_is_one_whatever_it_holds():
    page, (first, _) = joined_by_a_stroke()
    assert bands(page, first, usual=50) == [first]


@pytest.mark.parametrize("title", ["TỜ ĐIỀU TRỊ", "BỆNH ÁN NỘI KHOA"])
def test_a_title_in_large_print_stays_one_line(title):
    page = drawn([title], (2000, 500), letters=110)
    whole = trim(page, box(50, 60, 1990, 400))
    (line,) = bands(page, whole, usual=50)
    assert holds(line, ink_of(page), slack=2)


# A line across cells.


def test_a_ruling_between_two_cells_parts_the_line_that_was_found_across_it():
    page, left = line_with_gap(30)
    across, middle = box(90, 50, 1000, 130), left - 15
    one, other = page_lines(page, ((int(middle), 0, 200),), Finds(across))
    assert one.right < middle + 10 and other.left > middle - 10
    assert holds(one, ink_of(page, 0, 0, int(middle))) and holds(other, ink_of(page, int(middle)))


@pytest.mark.parametrize("ruling", [(0, 40), (150, 200)], ids=["above", "below"])
def test_a_ruling_of_another_row_parts_nothing(ruling):
    page, left = line_with_gap(30)
    assert len(page_lines(page, ((int(left) - 15, *ruling),), Finds(box(90, 50, 1000, 130)))) == 1


def test_a_ruling_at_the_end_of_a_line_cuts_nothing_off():
    page, _ = line_with_gap(30)
    across = box(90, 50, 1000, 130)
    assert len(page_lines(page, ((95, 0, 200), (995, 0, 200)), Finds(across))) == 1


def test_a_found_line_without_ink_is_no_line_of_the_page():
    assert page_lines(np.full((200, 400), 255, np.uint8), (), Finds(box(10, 10, 300, 60))) == []


# Words.


def read_as(crop, *words):
    """A reading whose characters share out the places of the words in the crop: (text, left, right) each."""
    characters, end = [], 0.0
    for text, left, right in words:
        if characters:
            characters.append(Character(" ", 0.9, end, left))
        wide = (right - left) / len(text)
        characters += [Character(c, 0.9, left + i * wide, left + (i + 1) * wide) for i, c in enumerate(text)]
        end = right
    return LineText(tuple(characters), 0.8)


def test_each_word_has_the_box_of_its_own_ink_on_the_page():
    page, left = line_with_gap(60)
    place = box(80, 50, 1000, 140)
    first, second = ink_of(page, 0, 0, int(left)), ink_of(page, int(left))
    read = read_as(
        crop_of(page, place),
        ("Bạchcầu", first.left - 80 + 6, first.right - 80 - 6),
        ("12,5G/L", second.left - 80 + 9, second.right - 80 + 4),
    )
    found = words_of(read, crop_of(page, place), place)
    assert [w.text for w in found] == ["Bạchcầu", "12,5G/L"]
    assert [w.box for w in found] == [first, second]


def test_a_word_is_as_sure_as_all_its_characters_together():
    page, _ = line_with_gap(60)
    place = box(80, 50, 1000, 140)
    (word,) = words_of(read_as(crop_of(page, place), ("AB", 20, 200)), crop_of(page, place), place)
    assert word.confidence == pytest.approx(0.81)


def test_a_word_read_where_no_ink_stands_takes_the_place_it_was_read_in():
    place = box(80, 50, 480, 130)
    (word,) = words_of(read_as(None, ("AB", 100, 200)), np.full((80, 400), 255, np.uint8), place)
    assert word.box == place


@pytest.mark.parametrize("text", ["", "  "])
def test_a_line_without_characters_gives_no_words(text):
    read = LineText(tuple(Character(c, 0.9, 10.0 * i, 10.0 * i + 10) for i, c in enumerate(text)), 0.0)
    assert words_of(read, np.full((40, 200), 255, np.uint8), box(0, 0, 200, 40)) == ()
