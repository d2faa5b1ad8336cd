"""Stage 4, extractors.duplicates: tell a sheet scanned twice from two sheets that look alike.

A perceptual hash only proposes. Two laboratory sheets of one patient are four bits apart: a duplicate needs every
number alike, the text alike, and the registered pixels alike.
"""

import re
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


def may_be_same(one: PageImage, other: PageImage) -> bool:
    """Whether the two deserve a closer look."""
    if not one.fingerprint or not other.fingerprint:
        return False
    return (int(one.fingerprint, 16) ^ int(other.fingerprint, 16)).bit_count() <= NEAR_BITS


def same_text(one: PageText, other: PageText) -> bool:
    """Every number alike, however the reader split it, in the same order; and nearly all text alike."""
    numbers, others = _numbers_in_order(one), _numbers_in_order(other)
    if len(numbers) < FEWEST_NUMBERS or "".join(numbers) != "".join(others):
        return False
    a, b = ("".join(sorted(t.text.split())) for t in (one, other))
    return bool(Levenshtein.normalized_similarity(a, b) >= TEXT_ALIKE)


def _numbers_in_order(page: PageText) -> list[str]:
    """All runs of digits, row by row from the top, left to right: two results exchanged make another sheet."""
    return [number for row in page_to_rows(page) for number in DIGITS.findall(row.text)]


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
