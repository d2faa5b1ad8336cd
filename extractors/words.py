"""Stage 3, extractors.words: boxes trimmed to ink and cut into columns; a line's text cut into words with boxes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from extractors.reader import Character, Gray, LineText
from records.pages import Box, Word

INK = 150  # grey level below which a pixel of a clean page is ink
AIR = 0.08  # of a line's height, around its ink
MARK_GAP = 0.3  # of a line's height: marks stand no farther from their letters
TALL = 1.7  # usual line heights: a box higher than this may hold several lines
LARGE = 1.3  # usual line heights: a single line of print as high as this is a title
HEAVY = 0.25  # of the fullest row's ink: rows with less lie between lines
WIDE = 1.1  # line heights: white wider than this parts columns


def crop_of(image: Gray, box: Box) -> Gray:
    """The pixels of a box."""
    return np.ascontiguousarray(image[int(box.top) : int(box.bottom), int(box.left) : int(box.right)])


def trim(image: Gray, box: Box) -> Box | None:
    """The box drawn in, or let out a little, to the ink of its line; None where there is no ink."""
    height, width = image.shape
    left, top = max(0, int(box.left)), max(0, int(box.top))
    right, bottom = min(width, int(box.right) + 1), min(height, int(box.bottom) + 1)
    dark = image[top:bottom, left:right] < INK
    first, last = _own_rows(dark.sum(1) > 0)
    columns = np.flatnonzero(dark[first:last].any(0))
    if last - first < 3 or len(columns) < 2:
        return None
    air = AIR * (last - first) + 1
    return Box(
        left=max(0, left + columns[0] - 2 * air),
        top=max(0, top + first - air),
        right=min(width, left + columns[-1] + 1 + 2 * air),
        bottom=min(height, top + last + air),
    )


def _own_rows(inked: NDArray[np.bool_]) -> tuple[int, int]:
    """(first, past the last) row of the line's own ink: what reaches in from the lines above and below left out."""
    runs = _runs(inked)
    if not runs:
        return 0, 0
    own = max(range(len(runs)), key=lambda i: runs[i][1] - runs[i][0])
    first, last = runs[own]
    near = MARK_GAP * (last - first)
    for start, end in reversed(runs[:own]):
        first = start if first - end <= near else first
    for start, end in runs[own + 1 :]:
        last = end if start - last <= near else last
    return first, last


def bands(image: Gray, box: Box, usual: float) -> list[Box]:
    """The lines in a box that is higher than `usual` lines are: what a stamp's frame across them has joined."""
    if box.height < TALL * usual:
        return [box]
    ink = (crop_of(image, box) < INK).sum(1).astype(np.float64)
    even = np.convolve(ink, np.ones(3) / 3, mode="same")
    rows = [(a, b) for a, b in _runs(even > HEAVY * even.max()) if b - a > 0.3 * usual]
    if not rows or (len(rows) == 1 and rows[0][1] - rows[0][0] > LARGE * usual):
        return [box]
    air = 0.35 * usual
    return [
        box.model_copy(update={"top": max(box.top, box.top + a - air), "bottom": min(box.bottom, box.top + b + air)})
        for a, b in rows
    ]


def parted(image: Gray, box: Box) -> list[Box]:
    """The box cut at white as wide as the line is high: neighbouring columns that the finder joined."""
    white = (crop_of(image, box) < INK).sum(0) == 0
    gaps = [(a, b) for a, b in _runs(white) if b - a > WIDE * box.height]
    cuts = [box.left, *(box.left + (a + b) / 2 for a, b in gaps), box.right]
    parts = [box.model_copy(update={"left": a, "right": b}) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
    return [tight for part in parts if (tight := trim(image, part))]


def words_of(line: LineText, crop: Gray, box: Box) -> tuple[Word, ...]:
    """The line's words, each with the box of its ink on the page."""
    groups: list[list[Character]] = [[]]
    for character in line.characters:
        if character.text.isspace():
            groups.append([])
        else:
            groups[-1].append(character)
    groups = [group for group in groups if group]
    if not groups:
        return ()
    cuts = [0.0, *(_gap(crop, a[-1], b[0]) for a, b in zip(groups[:-1], groups[1:], strict=True)), float(crop.shape[1])]
    words = []
    for group, left, right in zip(groups, cuts[:-1], cuts[1:], strict=True):
        place = _inked(crop, left, right)
        words.append(
            Word(
                text="".join(c.text for c in group),
                confidence=float(np.prod([c.probability for c in group])),
                box=Box(
                    left=box.left + place.left,
                    top=box.top + place.top,
                    right=box.left + place.right,
                    bottom=box.top + place.bottom,
                ),
            )  # fmt: skip
        )
    return tuple(words)


def _gap(crop: Gray, before: Character, after: Character) -> float:
    """Middle of the widest strip without ink between two characters, in pixels of the crop."""
    first, last = int((before.left + before.right) / 2), int((after.left + after.right) / 2) + 1
    white = (crop[:, first:last] < INK).sum(0) == 0
    start, end = max(_runs(white), key=lambda run: run[1] - run[0], default=(0, 0))
    return first + (start + end) / 2 if end else (before.right + after.left) / 2


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, past the last) of each unbroken run of True."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _inked(crop: Gray, left: float, right: float) -> Box:
    """Box of the ink between two columns, in pixels of the crop; all of them where there is none."""
    dark = crop[:, int(left) : max(int(left) + 1, int(right))] < INK
    rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
    if len(rows) == 0:
        return Box(left=left, top=0, right=right, bottom=crop.shape[0])
    return Box(left=int(left) + columns[0], top=rows[0], right=int(left) + columns[-1] + 1, bottom=rows[-1] + 1)


def side_of(lines: Sequence[Box]) -> int:
    """By the shape of the lines of text: 0 where they run across the image, 90 where they run along it."""
    return 0 if sum(b.width * b.height * (1 if b.width > b.height else -1) for b in lines) >= 0 else 90


def turned(box: Box, image: Gray, side: int) -> Box:
    """The box where it is once the image is turned clockwise by `side` degrees."""
    high, wide = image.shape
    if side == 90:
        return Box(left=high - box.bottom, top=box.left, right=high - box.top, bottom=box.right)
    if side == 180:
        return Box(left=wide - box.right, top=high - box.bottom, right=wide - box.left, bottom=high - box.top)
    if side == 270:
        return Box(left=box.top, top=wide - box.right, right=box.bottom, bottom=wide - box.left)
    return box
