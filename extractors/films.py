"""Stage 2, extractors.films: tell a film from paper, make its burnt-in text readable, and find how it lies.

Films are identified and indexed, never interpreted. The stored pixels stay as scanned.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.images import INK, Gray
from extractors.words import side_of, trim, turned
from records.pages import Box, PageImage

FILM = "film"
DARK = 90  # grey level; a film is mostly darker, paper mostly lighter
MOSTLY = 0.5
COLOURFUL = 25
FINEST = 4200  # pixels of the long side of a film that is read: print on a sheet is small
LOOK = 1700  # pixels of the long side at which it is told how a film lies
TRIALS = 14  # lines that are read every way
TRIAL_WIDTH = 14  # of their heights, how much of each
TELLING = 6  # power of a line's best legibility: what cannot be read any way tells nothing
MARKER, LARGEST = 1.4, 9.0  # heights of a side's letter, in heights of the lines
MARKER_PX = 24.0  # such a line's height where there is none
THIN, SOLID = 0.12, 0.75  # of a letter's box, how much is ink
MOST_MARKERS = 12  # places that are read
AROUND = 41  # pixels of a window that holds more ground than letter

ReadLines = Callable[[list[Gray]], list[float]]


@dataclass(frozen=True)
class Lie:
    """How a film was laid on the scanner: first mirrored or not, then turned counter-clockwise by so many degrees."""

    turn: int
    mirrored: bool


def is_film(rgb: NDArray[Any]) -> bool:
    """True when most of the page is dark and nearly without colour. `rgb`: HxWx3 uint8."""
    step = max(1, min(rgb.shape[:2]) // 400)
    small = cv2.resize(rgb[::step, ::step], (200, 200), interpolation=cv2.INTER_AREA).astype(np.int16)
    colour = (small.max(axis=2) - small.min(axis=2)).mean()
    return bool((small.mean(axis=2) < DARK).mean() > MOSTLY and colour < COLOURFUL)


def as_paper(film: Gray) -> Gray:
    """Burnt-in light text on dark becomes dark text on white; anatomy and glare fade with their background."""
    return _less(film, cv2.medianBlur(film, AROUND))


def with_large_letters(film: Gray) -> Gray:
    """The same for letters so large that they would fade too; more of the anatomy stays."""
    small = cv2.resize(film, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    ground = cv2.medianBlur(np.asarray(small, np.uint8), AROUND)
    return _less(film, np.asarray(cv2.resize(ground, (film.shape[1], film.shape[0])), np.uint8))


def _less(film: Gray, ground: Any) -> Gray:
    bright = np.clip(film.astype(np.int16) - ground, 0, 255)
    return np.asarray(255 - np.clip(bright * 2, 0, 255), np.uint8)


def windowed(rgb: NDArray[Any]) -> Gray:
    """HxWx3 as it lies in the file -> grey HxW: the window in which nearly all pixels lie, over all grey levels."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    low, high = np.percentile(gray[::4, ::4], (1, 99.5))
    return np.asarray(np.clip((gray.astype(np.float32) - low) * (255 / max(high - low, 1)), 0, 255), np.uint8)


def smaller(paper: Gray) -> Gray:
    """At the size at which it is told how a film lies."""
    scale = LOOK / max(paper.shape)
    return np.asarray(cv2.resize(paper, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def how_it_lies(paper: Gray, lines: Sequence[Box], read: ReadLines, ruled_turn: int | None = None) -> Lie:
    """By the shape of the lines: across or along; then by reading some of them both ways up, and mirrored.

    `paper`: see `as_paper`, with `lines` on it. `read`: crops of lines -> how legible each is: how surely it is read,
    0..1, and more where its words make sense. `ruled_turn`: the turn that a person saw; only the mirror is asked for.
    """
    side = ruled_turn if ruled_turn is not None else side_of(lines)
    level = np.ascontiguousarray(np.rot90(paper, -side // 90))
    crops = [_crop(level, turned(box, paper, side)) for box in lines]
    crops = sorted((c for c in crops if c.size), key=lambda c: -c.shape[1] / c.shape[0])[:TRIALS]
    ways = [Lie(side, False), Lie(side, True)]
    seen = [crops, [c[:, ::-1] for c in crops]]
    if ruled_turn is None:
        ways += [Lie((side + 180) % 360, False), Lie((side + 180) % 360, True)]
        seen += [[c[::-1, ::-1] for c in crops], [c[::-1] for c in crops]]
    legible = np.array([read([np.ascontiguousarray(c) for c in each]) for each in seen])
    if legible.size == 0:
        return Lie(side, False)
    weights = legible.max(axis=0) ** TELLING
    return ways[int(np.argmax((legible * weights).sum(axis=1)))]


def markers(letters: Gray, lines: Sequence[Box]) -> list[Box]:
    """Where a letter may stand by itself, larger than the lines of text: what tells a side is set in lead or large.

    `letters`: the upright film, see `with_large_letters`. Boxes in its pixels, none of which is part of a line.
    """
    usual = float(np.median([b.height for b in lines])) if lines else MARKER_PX
    _, _, stats, _ = cv2.connectedComponentsWithStats((letters < INK).astype(np.uint8))
    found = []
    for x, y, wide, high, area in stats[1:].tolist():
        letter = MARKER * usual < high < LARGEST * usual and 0.3 < wide / high < 1.2
        if letter and THIN < area / (wide * high) < SOLID:
            air = 0.25 * high
            box = Box(left=max(0, x - air), top=max(0, y - air), right=x + wide + air, bottom=y + high + air)
            if not any(_overlap(box, line) for line in lines if line.height < MARKER * usual):
                found.append(box)
    return sorted(found, key=lambda b: -b.height)[:MOST_MARKERS]


def _overlap(one: Box, other: Box) -> bool:
    return one.left < other.right and other.left < one.right and one.top < other.bottom and other.top < one.bottom


def laid_upright(film: Gray, image: PageImage) -> Gray:
    """Pixels as they lie in the file, or its mirror image, where they are on the upright page."""
    back = np.linalg.inv(np.array(image.to_file).reshape(3, 3))
    return np.asarray(cv2.warpPerspective(film, back, (image.width_px, image.height_px), borderValue=255), np.uint8)


def mirrored_back(image: PageImage, turn: int) -> PageImage:
    """The geometry of a page that was read from its file's mirror image, told of the file itself."""
    a, b, c, d, e, f, g, h, i = image.to_file
    wide = image.file_width_px
    back = (wide * g - a, wide * h - b, wide * i - c, d, e, f, g, h, i)
    return image.model_copy(update={"to_file": back, "turn": turn, "mirrored": True})


def _crop(image: Gray, box: Box) -> Gray:
    """The beginning of a line, tight around its ink; empty where there is none."""
    tight = trim(image, box)
    if tight is None:
        return image[:0, :0]
    right = min(tight.right, tight.left + TRIAL_WIDTH * tight.height)
    return image[round(tight.top) : round(tight.bottom), round(tight.left) : round(right)]
