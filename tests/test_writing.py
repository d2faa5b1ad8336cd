"""Stage 3: a crop of one line is told to be printed, handwritten or stamped, by the real model.

Lines are drawn with faces that the model never saw, the printed ones of Debian's croscore aside.
"""

import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "sample_scans")]

from faces import hand_font, print_font  # noqa: E402

from extractors import models, writing  # noqa: E402
from records.errors import SohoaError  # noqa: E402
from records.pages import Writing  # noqa: E402

TEXTS = (
    "Nguyễn Thị Hồng Hạnh",
    "Ung thư biểu mô tuyến dạ dày",
    "Số 14, phường Trần Hưng Đạo",
    "Bệnh nhân mệt, ăn kém, sút cân",
    "Khoa Ngoại tổng hợp, giường 12",
    "Siêu âm: gan nhiễm mỡ độ II",
)
RED, VIOLET, BLUE, BLACK = (200, 30, 40), (120, 40, 150), (30, 50, 160), (20, 20, 20)


@pytest.fixture(scope="module")
def detector():
    return writing.writing_detector()


def drawn(text, font, ink=BLACK, turn=0.0, frame=False):
    """A colour crop of the line with a little air around it."""
    left, top, right, bottom = font.getbbox(text, anchor="ls")
    page = Image.new("RGB", (int(right - left) + 80, int(bottom - top) + 80), (255, 255, 255))
    draw = ImageDraw.Draw(page)
    draw.text((40 - left, 40 - top), text, fill=ink, font=font, anchor="ls")
    if frame:
        draw.rectangle((26, 26, page.width - 26, page.height - 26), outline=ink, width=4)
    page = page.rotate(turn, Image.BICUBIC, expand=True, fillcolor=(255, 255, 255))
    pixels = np.asarray(page)
    rows, columns = np.nonzero(pixels.min(axis=2) < 200)
    return np.ascontiguousarray(
        pixels[max(0, rows.min() - 4) : rows.max() + 5, max(0, columns.min() - 8) : columns.max() + 9]
    )


def grey(colour):
    return np.ascontiguousarray(colour[..., 0])  # as the page's: the red channel


def told(detector, crops):
    return [detector.detect(crop)[0] for crop in crops]


def share(found, wanted):
    return sum(writing is wanted for writing in found) / len(found)


# What is printed.


@pytest.mark.parametrize("family", ["Tinos", "Arimo", "Cousine"])
@pytest.mark.parametrize(("bold", "italic"), [(False, False), (True, False), (False, True), (True, True)])
def test_upright_bold_and_italic_print_stays_printed(detector, family, bold, italic):
    crops = [grey(drawn(text, print_font(family, bold, italic, 40))) for text in TEXTS]
    assert share(told(detector, crops), Writing.PRINTED) >= 5 / 6


@pytest.mark.parametrize("make", [str.upper, str.lower])
def test_capitals_and_small_letters_stay_printed(detector, make):
    crops = [grey(drawn(make(text), print_font("Arimo", False, False, 34))) for text in TEXTS]
    assert share(told(detector, crops), Writing.PRINTED) >= 5 / 6


def test_a_black_and_white_fax_of_print_stays_printed(detector):
    crops = [grey(drawn(text, print_font("Tinos", False, False, 30))) for text in TEXTS]
    faxed = [np.where(cv2.GaussianBlur(crop, (0, 0), 0.8) < 160, 0, 255).astype(np.uint8) for crop in crops]
    assert share(told(detector, faxed), Writing.PRINTED) >= 5 / 6


def test_print_in_pale_ink_stays_printed(detector):
    crops = [grey(drawn(text, print_font("Tinos", False, False, 40), ink=(170, 170, 170))) for text in TEXTS]
    assert share(told(detector, crops), Writing.PRINTED) >= 5 / 6


# What is written by hand.


def uneven(crop, seed):
    """The line as an unsteady hand would write it: every point moved, neighbours alike."""
    rng, (height, width) = np.random.default_rng(seed), crop.shape
    reach = [
        cv2.resize(rng.normal(0, 0.05 * height, (4, width // 30 + 2)).astype(np.float32), (width, height))
        for _ in range(2)
    ]
    rows, columns = np.indices(crop.shape, dtype=np.float32)
    return cv2.remap(crop, columns + reach[0], rows + reach[1], cv2.INTER_LINEAR, borderValue=255)


def test_unsteady_letters_of_an_unseen_handwriting_like_face_are_handwritten(detector):
    crops = [uneven(grey(drawn(text, hand_font("patrick-hand", 46))), seed) for seed, text in enumerate(TEXTS)]
    assert share(told(detector, crops), Writing.HANDWRITTEN) >= 5 / 6


def test_blue_ink_makes_handwriting_likelier(detector):
    font = hand_font("patrick-hand", 46)
    blue, black = (
        [dict([detector.detect(grey(crop), crop)]).get(Writing.HANDWRITTEN, 0.0) for crop in crops]
        for crops in ([drawn(text, font, ink) for text in TEXTS] for ink in (BLUE, BLACK))
    )
    assert all(with_blue >= with_black for with_blue, with_black in zip(blue, black, strict=True))
    assert np.mean(blue) > np.mean(black)


# What is stamped.


@pytest.mark.parametrize("ink", [RED, VIOLET])
def test_a_red_or_violet_stamp_is_stamped(detector, ink):
    font = print_font("Arimo", True, False, 40)
    crops = [drawn(text, font, ink, turn=6, frame=True) for text in ("ĐÃ THANH TOÁN", "SAO Y BẢN CHÍNH", "ĐÃ KIỂM TRA")]
    assert [detector.detect(grey(crop), crop)[0] for crop in crops] == 3 * [Writing.STAMPED]


def test_a_black_stamp_with_a_frame_that_is_turned_is_stamped(detector):
    font = print_font("Arimo", True, False, 40)
    crops = [
        grey(drawn(text, font, turn=7, frame=True)) for text in ("ĐÃ THANH TOÁN", "SAO Y BẢN CHÍNH", "ĐÃ KIỂM TRA")
    ]
    assert share(told(detector, crops), Writing.STAMPED) >= 2 / 3


@pytest.mark.parametrize(("ink", "name"), [(BLACK, "black"), (BLUE, "blue"), (RED, "red"), (VIOLET, "violet")])
@pytest.mark.parametrize("paper", [(255, 255, 255), (236, 226, 200)])
def test_inks_have_names(ink, name, paper):
    crop = np.full((40, 200, 3), paper, np.uint8)
    crop[15:25, 20:180] = np.minimum(ink, paper)
    assert writing.ink_of(crop) == name


# What is nothing, and how sure the detector is.


NOTHING = {
    "one pixel": np.zeros((1, 1), np.uint8),
    "white": np.full((40, 300), 255, np.uint8),
    "black": np.zeros((40, 300), np.uint8),
    "one row": np.zeros((1, 300), np.uint8),
    "no columns": np.zeros((40, 0), np.uint8),
    "a breath of grey": np.random.default_rng(0).integers(245, 255, (40, 300), dtype=np.uint8),
}


@pytest.mark.parametrize("crop", NOTHING.values(), ids=NOTHING)
def test_where_nothing_is_written_it_says_printed_and_is_not_sure_at_all(detector, crop):
    assert detector.detect(crop) == (Writing.PRINTED, 0.0)
    assert detector.detect(crop, np.repeat(crop[..., None], 3, axis=2)) == (Writing.PRINTED, 0.0)


def test_it_is_not_sure_of_grain(detector):
    grain = [np.random.default_rng(seed).integers(0, 255, (40, 300), dtype=np.uint8) for seed in range(8)]
    assert np.mean([detector.detect(crop)[1] for crop in grain]) < 0.75


@pytest.mark.parametrize("size", [(6, 6), (6, 2000), (300, 6), (70, 5000)])
def test_crops_of_any_shape_have_an_answer(detector, size):
    crop = np.random.default_rng(1).integers(0, 255, size, dtype=np.uint8)
    found, sure = detector.detect(crop)
    assert found in Writing and 0 <= sure <= 1


def test_a_wider_margin_changes_little(detector):
    crop = grey(drawn(TEXTS[0], print_font("Tinos", False, False, 40)))
    wider = np.pad(crop, ((0, 0), (0, 60)), constant_values=255)
    assert detector.detect(wider)[0] is detector.detect(crop)[0]


# The model's files.


@pytest.fixture
def own(tmp_path):
    """A copy of the model's folder."""
    return Path(shutil.copytree(models.OWN, tmp_path / "model"))


def test_a_model_altered_by_one_byte_is_refused(own):
    content = bytearray((own / writing.MODEL).read_bytes())
    content[len(content) // 2] ^= 1
    (own / writing.MODEL).write_bytes(content)
    with pytest.raises(SohoaError, match=r"writing\.onnx is not the one it should be"):
        writing.writing_detector(own)


def test_a_model_that_is_missing_is_told_with_what_to_do(own):
    (own / writing.MODEL).unlink()
    with pytest.raises(SohoaError, match=r"writing\.onnx is missing; restore it from the repository"):
        writing.writing_detector(own)


@pytest.mark.parametrize(
    "facts", ["", "{", "[]", "{}", '{"sha256": "0", "inks": {"red": {}}}', '{"sha256": "0", "inks": 3}']
)
def test_facts_that_are_missing_or_broken_are_refused(own, facts):
    (own / writing.FACTS).write_text(facts, encoding="utf-8")
    with pytest.raises(SohoaError, match=r"writing\.json cannot be used"):
        writing.writing_detector(own)


def test_no_face_is_both_learnt_and_measured():
    figures = writing_facts()["faces"]
    for kind in ("printed", "handwritten"):
        parts = [set(figures[part][kind]) for part in ("train", "tune", "measure")]
        assert all(parts) and not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])


def writing_facts():
    import json

    return json.loads((models.OWN / writing.FACTS).read_text(encoding="utf-8"))
