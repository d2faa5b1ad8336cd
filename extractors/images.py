"""Stage 2, extractors.images: turn a page as it lies in the file into an upright, clean image and the way back.

Quarter turns, skew, background division, rulings; stamps and the perspective of photographs are modules beside this.
"""

from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.pale import deepened, pale_ink
from extractors.perspective import Matrix, Size, flat_sheet, level_rows
from extractors.stamps import ink_channel
from records.pages import PageImage, Rulings

Gray = NDArray[np.uint8]

LARGEST_LONG_SIDE_PX = 3400  # about 290 dpi on A4: Tesseract reads best when capitals are some 30 px high
LOOK_LONG_SIDE_PX = 1700  # at which a page is looked at first: blank, how it lies, how small its print is
THUMB_LONG_SIDE_PX = 1200
USUAL_LETTER = 0.0053  # median height of the marks of print of 12 pt, as a share of the long side of A4
INK = 140  # grey level below which a pixel of a clean page is ink
FEWEST_LETTERS = 4  # two short words on an empty page may be the most important ones of the file


class Orientation(Protocol):
    """Finds the quarter turn of a clean page: degrees counter-clockwise by which it was turned, 0 when unsure."""

    def __call__(self, page: Gray) -> int: ...


@dataclass(frozen=True)
class CleanPage:
    """An upright page: `gray` background-divided, `text` the same without rulings and dotted leaders (uint8, HxW).

    `rulings`: x positions in pixels of long vertical rulings, with their top and bottom. `pale`: its ink was so faint
    that it had to be made dark before anything could be seen.
    """

    image: PageImage
    gray: Gray
    text: Gray
    rulings: Rulings
    pale: bool = False


def upright(
    page_id: str, rgb: NDArray[Any], dpi: float, orientation: Orientation | None, long_side: int = LARGEST_LONG_SIDE_PX
) -> CleanPage:
    """Make a page upright and clean. `rgb`: HxWx3 uint8 as it lies in the file; `dpi` 0 when unknown.

    `long_side`: pixels of the result for ordinary print; a page of small print becomes larger, up to 3400. A blank
    page, or any when no `orientation` is given, is looked at with 1700 pixels and pays for nothing more. Pale writing
    is no blank page: its ink is made dark first.
    """
    raw = ink_channel(rgb)
    clean = _upright(page_id, raw, dpi, orientation, long_side)
    if clean.image.blank and orientation and (depth := pale_ink(_inner(clean.gray))):
        dark = deepened(divide_background(raw), depth)
        return replace(_upright(page_id, dark, dpi, orientation, long_side), pale=True)
    return clean


def _upright(page_id: str, raw: Gray, dpi: float, orientation: Orientation | None, long_side: int) -> CleanPage:
    to_upright, size = flat_sheet(raw)
    look = divide_background(_warp(raw, *_scaled(to_upright, size, LOOK_LONG_SIDE_PX)))
    letters = letter_heights(_without(look, _rulings(_ink(look), _em(look))))
    blank = len(letters) < FEWEST_LETTERS
    if blank or orientation is None:
        to_upright, size = _scaled(to_upright, size, LOOK_LONG_SIDE_PX)
        return CleanPage(_page_image(page_id, raw, look, dpi, to_upright, 0, 0.0, blank=blank), look, look, ())
    turn = orientation(look)
    to_upright, size = _quarter_turn(turn, size) @ to_upright, size if turn % 180 == 0 else (size[1], size[0])
    level, size, skew = _level(np.ascontiguousarray(np.rot90(look, -turn // 90)), size)
    fine = round(long_side * small_print(letters, look, long_side))
    to_upright, size = _scaled(level @ to_upright, size, fine)
    gray = divide_background(_warp(raw, to_upright, size))
    text, rulings = without_rulings(gray)
    return CleanPage(_page_image(page_id, raw, text, dpi, to_upright, turn, skew), gray, text, rulings)


def _level(look: Gray, size: Size) -> tuple[Matrix, Size, float]:
    """Homography that levels the rows of a page of `size`, its size then, and by what turn; `look`: it, smaller."""
    flat, looked = level_rows(look)
    skew = skew_degrees(_warp(look, flat, looked))
    larger = np.diag([size[0] / look.shape[1], size[1] / look.shape[0], 1.0])
    size = round(looked[0] * larger[0, 0]), round(looked[1] * larger[1, 1])
    return _rotation(skew, size) @ larger @ flat @ np.linalg.inv(larger), size, skew


def _page_image(
    page_id: str, raw: Gray, text: Gray, dpi: float, to_upright: Matrix, turn: int, skew: float, *, blank: bool = False
) -> PageImage:
    ink = 0.0 if blank else float((_inner(text) < INK).mean())
    return PageImage(
        page_id=page_id, turn=turn, skew_degrees=round(skew, 2), width_px=text.shape[1], height_px=text.shape[0],
        file_width_px=raw.shape[1], file_height_px=raw.shape[0], dpi=dpi, ink=round(ink, 5), blank=blank,
        to_file=tuple(float(v) for v in np.linalg.inv(to_upright).ravel()), fingerprint=fingerprint(text),
    )  # fmt: skip


def _scaled(matrix: Matrix, size: Size, long_side: int) -> tuple[Matrix, Size]:
    """The map and size of the same page with a long side of so many pixels; left alone where it is nearly that."""
    scale = long_side / max(size)
    if 0.95 < scale < 1.25:
        return matrix, size
    return np.diag([scale, scale, 1.0]) @ matrix, (max(1, round(size[0] * scale)), max(1, round(size[1] * scale)))


def small_print(letters: NDArray[np.int32], page: Gray, long_side: int) -> float:
    """By how much a page should be larger than `long_side` for its print to be as high as ordinary print; from 1 up.

    `letters`: heights in pixels of the marks on `page`.
    """
    usual = USUAL_LETTER * max(page.shape)
    return float(np.clip(usual / np.median(letters), 1.0, max(1.0, LARGEST_LONG_SIDE_PX / long_side)))


def divide_background(gray: Gray) -> Gray:
    """Even out paper colour and shading: every pixel relative to the paper around it, 255 is paper."""
    small = cv2.resize(gray, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    paper = cv2.dilate(cv2.medianBlur(small, 31), np.ones((5, 5), np.uint8))
    paper = cv2.resize(paper, (gray.shape[1], gray.shape[0]))
    return np.asarray(cv2.divide(gray, np.maximum(paper, 1), scale=255), np.uint8)


def skew_degrees(gray: Gray) -> float:
    """The turn in degrees (counter-clockwise positive, within 6) that makes the rows of text sharpest."""
    coarse = _sharpest(gray, np.arange(-6, 6.1, 0.5), THUMB_LONG_SIDE_PX // 2)
    near = _sharpest(gray, np.arange(coarse - 0.4, coarse + 0.41, 0.2), THUMB_LONG_SIDE_PX)
    return _sharpest(gray, np.arange(near - 0.1, near + 0.11, 0.1), THUMB_LONG_SIDE_PX)


def _sharpest(gray: Gray, angles: NDArray[np.float64], long_side: int) -> float:
    """The angle after which rows of ink and rows of paper differ most."""
    scale = long_side / max(gray.shape)
    ink = (cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) < 170).astype(np.uint8)

    def sharpness(angle: float) -> float:
        matrix = cv2.getRotationMatrix2D((ink.shape[1] / 2, ink.shape[0] / 2), angle, 1)
        rows = cv2.warpAffine(ink, matrix, (ink.shape[1], ink.shape[0])).sum(1).astype(np.float64)
        return float((np.diff(rows) ** 2).sum())

    return float(max(angles, key=sharpness))


def without_rulings(gray: Gray) -> tuple[Gray, Rulings]:
    """The page without table rulings, underlines and dotted leaders, and the (x, top, bottom) of vertical rulings."""
    ink, em = _ink(gray), _em(gray)
    across, down = _rulings(ink, em)
    return _without(gray, (across, down), _leaders(ink, em)), _verticals(down, em)


def _rulings(ink: Gray, em: int) -> tuple[Gray, Gray]:
    """Masks of long thin marks, across and down."""
    across = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((1, 2 * em), np.uint8))
    down = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones((int(2.3 * em), 1), np.uint8))
    return np.asarray(across, np.uint8), np.asarray(down, np.uint8)


def _without(gray: Gray, rulings: tuple[Gray, Gray], leaders: Gray | None = None) -> Gray:
    """The page with paper where rulings and leaders were."""
    gone = cv2.dilate(cv2.bitwise_or(*rulings), np.ones((3, 3), np.uint8))
    text = gray.copy()
    text[gone > 0] = 255
    if leaders is not None:
        text[leaders > 0] = 255
    return text


def _ink(gray: Gray) -> Gray:
    return (gray < 190).astype(np.uint8) * 255


def _em(gray: Gray) -> int:
    """Height of ordinary print, roughly, in pixels."""
    return max(1, int(max(gray.shape)) // 110)


def _leaders(ink: Gray, em: int) -> Gray:
    """Mask of dots that stand in long rows, and of specks that stand alone."""
    dots = _dots(ink, em // 4)
    rows = cv2.morphologyEx(dots, cv2.MORPH_CLOSE, np.ones((1, int(0.8 * em)), np.uint8))
    rows = cv2.morphologyEx(rows, cv2.MORPH_OPEN, np.ones((1, int(2.6 * em)), np.uint8))
    in_rows = cv2.bitwise_and(cv2.dilate(rows, np.ones((5, 5), np.uint8)), cv2.dilate(dots, np.ones((3, 3), np.uint8)))
    # The dots of letters and full stops have letters beside them; a speck of dust or of fax noise has none.
    beside = cv2.dilate(cv2.subtract(ink, dots), np.ones((em, int(2.2 * em)), np.uint8))
    alone = cv2.dilate(cv2.subtract(dots, beside), np.ones((3, 3), np.uint8))
    return np.asarray(cv2.bitwise_or(in_rows, alone), np.uint8)


def _dots(ink: Gray, largest: int) -> Gray:
    """Mask of the marks that are at most so many pixels wide and high."""
    marks, kin = cv2.findContours(ink, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    parents = kin[0, :, 3] if marks else ()
    outer = (mark for mark, parent in zip(marks, parents, strict=True) if parent < 0)  # the others are holes
    small = [mark for mark in outer if max(cv2.boundingRect(mark)[2:]) <= largest]
    return np.asarray(cv2.drawContours(np.zeros_like(ink), small, -1, 255, cv2.FILLED), np.uint8)


def _verticals(down: Gray, em: int) -> Rulings:
    marks, _ = cv2.findContours(cv2.dilate(down, np.ones((5, 3), np.uint8)), cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    boxes = sorted(tuple(cv2.boundingRect(mark)) for mark in marks)
    return tuple((x + w // 2, y, y + h) for x, y, w, h in boxes if h > 2.3 * em and w < em)


def letter_heights(text: Gray) -> NDArray[np.int32]:
    """Height in pixels of each mark the size of a letter, away from the edges."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((_inner(text) < INK).astype(np.uint8))
    em = max(text.shape) / 110
    tall, wide = stats[1:, cv2.CC_STAT_HEIGHT], stats[1:, cv2.CC_STAT_WIDTH]
    like = (tall > 0.35 * em) & (tall < 4 * em) & (wide > 0.1 * em) & (wide < 6 * em)
    return np.asarray(tall[like], np.int32)


def _inner(text: Gray) -> Gray:
    """The page without its outermost three hundredths."""
    height, width = text.shape
    return text[int(0.03 * height) : int(0.97 * height), int(0.03 * width) : int(0.97 * width)]


def fingerprint(text: Gray) -> str:
    """64-bit difference hash of the page, 16 hex digits. It only proposes duplicates, it never decides them."""
    quarter = cv2.resize(text, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = cv2.resize(quarter, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = (small[:, 1:] > small[:, :-1]).ravel()
    return f"{int(''.join('1' if bit else '0' for bit in bits), 2):016x}"


def _quarter_turn(turn: int, size: Size) -> Matrix:
    """Matrix that undoes a counter-clockwise turn of an image of (width, height)."""
    width, height = size
    return {
        0: np.eye(3),
        90: np.array([[0.0, -1.0, height - 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
        180: np.array([[-1.0, 0.0, width - 1.0], [0.0, -1.0, height - 1.0], [0.0, 0.0, 1.0]]),
        270: np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, width - 1.0], [0.0, 0.0, 1.0]]),
    }[turn]


def _rotation(degrees: float, size: Size) -> Matrix:
    return np.vstack([cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), degrees, 1), [0.0, 0.0, 1.0]])


def _warp(gray: Gray, matrix: Matrix, size: Size) -> Gray:
    if np.allclose(matrix, np.eye(3)) and size == (gray.shape[1], gray.shape[0]):
        return gray
    shrink = max(size) / max(gray.shape)
    if shrink < 0.85:  # Averaged first: taking single pixels of a larger picture leaves ragged letters.
        gray = np.asarray(cv2.resize(gray, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8)
        matrix = matrix @ np.diag([1 / shrink, 1 / shrink, 1.0])
        if np.allclose(matrix, np.eye(3), atol=1e-6) and size == (gray.shape[1], gray.shape[0]):
            return gray
    return np.asarray(
        cv2.warpPerspective(gray, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
