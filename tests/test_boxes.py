"""Stage 5: squares beside a label: which is ticked, what digits stand in a chain of them."""

import random
import sys
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

sys.path[:0] = [str(Path(__file__).parent)]

from builders import EM as ROW_EM  # noqa: E402
from builders import font, sheet  # noqa: E402

from extractors.boxes import Boxes, find_squares  # noqa: E402
from extractors.fields import BOXED, find_fields  # noqa: E402
from extractors.neural import neural_reader  # noqa: E402
from records.document_types import document_types  # noqa: E402
from records.pages import Box, Word  # noqa: E402

EM = 36.0  # of a word in pixels, in print of 12 pt at 290 dpi
WIDTH, HEIGHT, SIDE = 1400, 140, 38
TOP = 50
REGION = Box(left=10, top=30, right=1390, bottom=110)
MARKS = ("tick", "cross", "filled", "circled dot")


@cache
def reader():
    return neural_reader()


def boxes_of(picture, read=None):
    gray = np.asarray(picture)
    return Boxes(gray, EM, read or reader().read_crop)


def paper():
    picture = Image.new("L", (WIDTH, HEIGHT), 255)
    return picture, ImageDraw.Draw(picture)


def square(pen, x, mark="", grey=20):
    """A square of 3.3 mm with its mark, as a pen leaves it."""
    pen.rectangle((x, TOP, x + SIDE, TOP + SIDE), outline=20, width=3)
    a, b, c, d = x + 6, TOP + 6, x + SIDE - 6, TOP + SIDE - 6
    if mark == "tick":
        pen.line((a, TOP + 20, x + 15, d, c + 14, TOP - 10), fill=grey, width=4)
    elif mark == "cross":
        pen.line((a - 4, b - 4, c + 4, d + 4), fill=grey, width=4)
        pen.line((a - 4, d + 4, c + 4, b - 4), fill=grey, width=4)
    elif mark == "filled":
        pen.rectangle((x, TOP, x + SIDE, TOP + SIDE), fill=grey)
    elif mark == "circled dot":
        pen.ellipse((a + 2, b + 2, c - 2, d - 2), fill=grey)
    elif mark == "speck":
        pen.rectangle((a + 3, b + 3, a + 8, b + 8), fill=grey)


def choices(words, marks, square_first=False):
    """Words with a square each, after it or before it."""
    picture, pen = paper()
    x = 30
    for word, mark in zip(words, marks, strict=True):
        if square_first:
            square(pen, x, mark)
            pen.text((x + SIDE + 14, TOP - 2), word, 20, font(42))
            x += SIDE + 14 + round(font(42).getlength(word)) + 60
        else:
            pen.text((x, TOP - 2), word, 20, font(42))
            x += round(font(42).getlength(word)) + 14
            square(pen, x, mark)
            x += SIDE + 60
    return picture


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("square_first", [False, True], ids=["word first", "square first"])
def test_the_word_of_the_ticked_square_is_the_value(mark, square_first):
    found = boxes_of(choices(["Nam", "Nữ"], ["", mark], square_first)).choice(REGION)
    assert found.text == "Nữ" and found.confidence > 0.5


def test_the_number_printed_before_a_choice_is_not_part_of_it():
    words = ["1. Khỏi", "2. Đỡ, giảm", "3. Không thay đổi"]
    assert boxes_of(choices(words, ["", "cross", ""])).choice(REGION).text == "Đỡ, giảm"


def numbered_in_one_square(digit):
    picture, pen = paper()
    pen.text((30, TOP - 2), "1. Khỏi  2. Đỡ, giảm  3. Không thay đổi", 20, font(42))
    pen.rectangle((900, TOP - 6, 944, TOP + 42), outline=20, width=3)
    pen.text((922, TOP + 18), digit, 20, font(42), anchor="mm")
    return picture


def test_a_number_in_the_only_square_means_the_word_printed_with_it():
    assert boxes_of(numbered_in_one_square("2")).choice(REGION).text == "Đỡ, giảm"


@pytest.mark.parametrize("digit", ["", "7"])
def test_a_number_that_no_word_was_printed_with_is_in_doubt(digit):
    assert boxes_of(numbered_in_one_square(digit)).choice(REGION).confidence == 0.5


def test_one_square_of_two_words_is_in_doubt():
    picture, pen = paper()
    pen.text((30, TOP - 2), "Nam", 20, font(42))
    square(pen, 130, "cross")
    pen.text((230, TOP - 2), "Nữ", 20, font(42))
    assert boxes_of(picture).choice(REGION).confidence == 0.5


def test_empty_squares_say_nothing():
    assert boxes_of(choices(["Nam", "Nữ"], ["", ""])).choice(REGION).text == ""


def test_two_ticks_are_in_doubt_and_name_both():
    found = boxes_of(choices(["Nam", "Nữ"], ["tick", "cross"])).choice(REGION)
    assert (found.text, found.confidence) == ("Nam Nữ", 0.5)


def test_a_speck_in_a_square_is_in_doubt():
    assert boxes_of(choices(["Nam", "Nữ"], ["speck", "tick"])).choice(REGION).confidence == 0.5
    assert boxes_of(choices(["Nam", "Nữ"], ["speck", ""])).choice(REGION).text == ""


@pytest.mark.parametrize("words", ["DOQ080 BỆNH □", "Họ và tên: ĐỖ ĐÌNH PHÚ 0808"])
def test_letters_are_no_squares(words):
    picture, pen = paper()
    pen.text((30, TOP - 2), words.replace("□", ""), 20, font(42))
    assert find_squares(np.asarray(picture), REGION, EM) == []
    assert boxes_of(picture).choice(REGION) is None
    assert boxes_of(picture).digits(REGION) is None


def test_a_cell_of_a_table_that_leaves_the_region_is_no_square():
    picture, pen = paper()
    pen.rectangle((30, 20, 110, 120), outline=20, width=3)
    assert find_squares(np.asarray(picture), REGION, EM) == []


def chain(text, groups, hand=False, high=52, wide=44, grey=20):
    """Chains of cells with a character each; by hand it sits askew and runs over the border."""
    picture, pen = paper()
    rng, x, at = random.Random(text), 40, 0
    for group in groups:
        for i in range(group):
            left = x + i * wide
            pen.rectangle((left, TOP - 8, left + wide, TOP - 8 + high), outline=20, width=3)
            letter = text[at : at + 1].strip()
            at += 1
            dx, dy = (rng.randint(-7, 7), rng.randint(-9, 9)) if hand else (0, 0)
            size = 50 if hand else 42
            pen.text((left + wide / 2 + dx, TOP - 8 + high / 2 + dy), letter, grey, font(size), anchor="mm")
        x += group * wide + 30
    return picture


@pytest.mark.parametrize(
    ("text", "groups"),
    [("034091002175", (12,)), ("DN4224116039900", (2, 1, 2, 3, 7)), ("25", (2,)), ("C509", (4,))],
)
def test_a_chain_of_digit_boxes_is_one_number(text, groups):
    found = boxes_of(chain(text, groups)).digits(REGION)
    assert found.text == text
    assert found.box.left < 60 and found.confidence > 0.5


def test_digits_that_run_over_their_boxes_are_read():
    right = 0
    for text in ("034091002175", "025188004369", "001076012824"):
        found = boxes_of(chain(text, (12,), hand=True)).digits(REGION)
        right += sum(one == other for one, other in zip(found.text, text, strict=False))
    assert right >= 32


def test_a_stroke_across_a_whole_cell_does_not_halve_it():
    picture = chain("3 2", (3,))
    ImageDraw.Draw(picture).line((106, TOP - 12, 106, TOP + 50), fill=20, width=5)
    assert boxes_of(picture).digits(REGION).text in ("312", "3|2", "3l2")


def test_empty_cells_say_nothing():
    assert boxes_of(chain("", (6,))).digits(REGION).text == ""


def test_a_reading_with_fewer_characters_than_cells_are_filled_is_in_doubt():
    found = boxes_of(chain("1234", (4,)), lambda *_: ("123", 0.99)).digits(REGION)
    assert (found.text, found.confidence) == ("123", 0.5)


@pytest.mark.parametrize("scale", [0.6, 1.0])
def test_a_noisy_scan_gives_the_same(scale):
    picture = np.asarray(choices(["Nam", "Nữ"], ["", "cross"]), np.float32)
    small = cv2.resize(cv2.GaussianBlur(picture, (0, 0), 1.2), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    noisy = np.clip(small + np.random.default_rng(3).normal(0, 12, small.shape), 0, 255).astype(np.uint8)
    region = Box(**{edge: value * scale for edge, value in REGION.model_dump().items()})
    assert Boxes(noisy, EM * scale, reader().read_crop).choice(region).text == "Nữ"


# What a form's fields do with them.


def read_with_boxes(art, said):
    """field -> (text, method); `said`: what boxes of a mode say, a word or nothing."""
    word = {mode: tuple(Word(text=t, confidence=0.9, box=AT) for t in texts) for mode, texts in said.items()}
    found = find_fields(
        sheet(art).rows, document_types()["discharge_letter"], ROW_EM, (), lambda mode, _: word.get(mode)
    )
    return {f.field: (f.raw, f.method) for f in found}


AT = Box(left=620, top=100, right=660, bottom=140)


def test_a_ticked_word_is_taken_instead_of_what_the_line_reads():
    read = read_with_boxes("Giới tính: Nam D Nữ X    Tuổi: 54", {"choice": ["Nữ"]})
    assert read == {"patient.sex": ("Nữ", BOXED), "patient.age": ("54", "label_right")}


def test_a_blank_choice_stays_blank():
    assert "patient.sex" not in read_with_boxes("Giới tính: Nam D Nữ D", {"choice": []})


def test_the_boxed_number_beside_a_name_is_left_out():
    assert read_with_boxes("Dân tộc:   Kinh           25", {"coded": [""]})["patient.ethnicity"][0] == "Kinh"
    assert read_with_boxes("Dân tộc:   Kinh           25", {})["patient.ethnicity"][0] == "Kinh 25"


def test_a_form_without_boxes_is_read_as_before():
    assert read_with_boxes("Giới tính: Nam    Tuổi: 54", {})["patient.sex"] == ("Nam", "label_right")
