"""Stage 4, extractors.duplicates: tell a sheet scanned twice from two sheets that look alike.

A perceptual hash only proposes. Two laboratory sheets of one patient are four bits apart: a duplicate needs every
number alike, the text alike, and the registered pixels alike.
"""

import re
from difflib import SequenceMatcher
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from extractors.rows import page_to_rows
from records.pages import PageImage, PageText

NEAR_BITS = 14  # of 64
TEXT_ALIKE = 0.9
PIXELS_ALIKE = 0.8
LONG_SIDE_PX = 900
DIGITS = re.compile(r"\d+")
FEWEST_NUMBERS = 3
LEGIBLE = 0.6  # confidence of a word, from which its digits count
SHORT = 4  # digits


def may_be_same(one: PageImage, other: PageImage) -> bool:
    """Whether the two deserve a closer look."""
    if not one.fingerprint or not other.fingerprint:
        return False
    return (int(one.fingerprint, 16) ^ int(other.fingerprint, 16)).bit_count() <= NEAR_BITS


def same_text(one: PageText, other: PageText, slips: int = 1) -> bool:
    """Every number alike, however the reader split it, in the same order; and nearly all text alike.

    `slips`: so many numbers that were hardly legible on one of the sheets may differ. With one it is the same sheet,
    for two results differ in more; with a few it may be, and a person says.
    """
    numbers, others = _numbers_in_order(one), _numbers_in_order(other)
    if len(numbers) < FEWEST_NUMBERS or not _alike_but_for(slips, numbers, others):
        return False
    a, b = ("".join(sorted(t.text.split())) for t in (one, other))
    return bool(Levenshtein.normalized_similarity(a, b) >= TEXT_ALIKE)


def _numbers_in_order(page: PageText) -> list[tuple[str, bool]]:
    """(digits, legible) row by row from the top, left to right: two results exchanged make another sheet."""
    words = [word for row in page_to_rows(page) for word in row.words]
    return [(number, word.confidence >= LEGIBLE) for word in words for number in DIGITS.findall(word.text)]


def _alike_but_for(slips: int, numbers: list[tuple[str, bool]], others: list[tuple[str, bool]]) -> bool:
    """The same digits in a row, but for a few stretches, each short and hardly legible on one side."""
    one, other = ([(digit, sure) for number, sure in side for digit in number] for side in (numbers, others))
    matched = SequenceMatcher(None, [d for d, _ in one], [d for d, _ in other], autojunk=False)
    unlike = [(a, b, c, d) for kind, a, b, c, d in matched.get_opcodes() if kind != "equal"]
    return len(unlike) <= slips and all(
        max(b - a, d - c) <= SHORT and (_is_doubtful(one, a, b) or _is_doubtful(other, c, d)) for a, b, c, d in unlike
    )


def _is_doubtful(digits: list[tuple[str, bool]], first: int, end: int) -> bool:
    """Whether none of a stretch of digits was legible; of an empty one, where a digit is missing, one beside it."""
    if first == end:
        return not all(legible for _, legible in digits[max(0, first - 1) : first + 1])
    return not any(legible for _, legible in digits[first:end])


def same_picture(one: tuple[PageImage, NDArray[Any]], other: tuple[PageImage, NDArray[Any]]) -> bool:
    """Whether the ink of two pages covers each other once they are laid over one another.

    Each page: its geometry and its pixels HxWx3 uint8 as it lies in the file.
    """
    a, b = _thumb(*one), _thumb(*other)
    (dx, dy), _ = cv2.phaseCorrelate(a.astype(np.float32), b.astype(np.float32))
    moved = cv2.warpAffine(b, np.array([[1, 0, -dx], [0, 1, -dy]], np.float64), (b.shape[1], b.shape[0]))
    return min(_covered(a, moved), _covered(moved, a)) >= PIXELS_ALIKE


def _thumb(image: PageImage, rgb: NDArray[Any]) -> NDArray[np.uint8]:
    """Upright ink mask (255 ink) on a square canvas."""
    scale = LONG_SIDE_PX / max(image.width_px, image.height_px)
    to_upright = np.diag([scale, scale, 1.0]) @ np.linalg.inv(np.array(image.to_file).reshape(3, 3))
    gray = cv2.warpPerspective(
        np.ascontiguousarray(rgb[:, :, 0]),
        to_upright,
        (LONG_SIDE_PX, LONG_SIDE_PX),
        flags=cv2.INTER_AREA,
        borderValue=255,
    )
    paper = cv2.medianBlur(gray, 51)
    return np.asarray((gray.astype(np.int16) < paper.astype(np.int16) - 50).astype(np.uint8) * 255, np.uint8)


def _covered(ink: NDArray[Any], by: NDArray[Any]) -> float:
    """Share of ink with other ink within three pixels."""
    near = cv2.dilate(by, np.ones((7, 7), np.uint8)) > 0
    count = int((ink > 128).sum())
    return float(((ink > 128) & near).sum() / count) if count else 0.0
