"""Stage 3, extractors.writing: a crop of one line -> printed, handwritten or stamped, and how sure.

A small network that training/ makes looks at the shape of the strokes; where the crop is there in colour, the ink's
colour is weighed in. What it was trained on, and how far to trust it, is in model/MODEL_CARD.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.models import OWN, RESTORE, facts_of, open_session
from extractors.reader import Floats, Gray
from records.pages import Writing

FACTS, MODEL = "writing.json", "writing.onnx"
HEIGHT = 32  # pixels of a line, the network's input height
WIDEST = 320  # pixels at HEIGHT: of longer lines the middle is looked at
SMALLEST = 6  # pixels: ink lower or narrower than this, a dash or a speck, tells nothing
FAINTEST = 20  # grey levels between paper and ink below which nothing is written
SAME = 0.25  # spread of the channels' absorption below which an ink is black
INKS = ("black", "blue", "red", "violet")
Colour = NDArray[np.uint8]


@dataclass(frozen=True)
class WritingDetector:
    """The network, and how often each writing has each ink: ink -> shares in the order of Writing."""

    session: Any
    inks: Mapping[str, tuple[float, ...]]

    def detect(self, crop: Gray, colour: Colour | None = None) -> tuple[Writing, float]:
        """The likeliest writing of a line and its probability 0..1; (printed, 0.0) where nothing is written.

        Where no writing is likelier than the others together it says printed; see `shares` for what is in doubt.
        """
        shares = self.shares(crop, colour)
        best = int(np.argmax(shares)) if max(shares) > 0.5 else 0
        return tuple(Writing)[best], shares[best]

    def shares(self, crop: Gray, colour: Colour | None = None) -> tuple[float, ...]:
        """Probability 0..1 of each writing in the order of Writing; all 0 where nothing is written.

        `crop`: HxW uint8, its background divided. `colour`: the same crop as HxWx3 uint8 in the order red, green, blue,
        looked at instead of it, for in the page's red channel a red stamp fades.
        """
        strokes = to_strokes(crop if colour is None else np.asarray(colour.min(axis=2), np.uint8))
        if strokes is None:
            return (0.0,) * len(Writing)
        shares = self.session.run(None, {"line": strokes[np.newaxis, np.newaxis]})[0][0]
        if colour is not None:
            shares = shares * self.inks[ink_of(colour)]
        return tuple(float(share) for share in shares / shares.sum())


@cache
def writing_detector(folder: Path = OWN) -> WritingDetector:
    """The detector with the model that lies here; SohoaError where it is missing or altered."""
    wanted, inks = facts_of(folder / FACTS, _expected)
    return WritingDetector(open_session(folder / MODEL, wanted, RESTORE), inks)


def _expected(facts: dict[str, Any]) -> tuple[str, dict[str, tuple[float, ...]]]:
    inks = {ink: tuple(float(facts["inks"][ink][writing]) for writing in Writing) for ink in INKS}
    return str(facts["sha256"]), inks


def to_strokes(crop: Gray) -> Floats | None:
    """Grey crop -> [32, width] of its inked part, 0 for paper and 1 for the darkest ink; None without writing."""
    if min(crop.shape) < SMALLEST:
        return None
    ranked = np.cumsum(np.bincount(crop.ravel(), minlength=256))
    paper, ink = (int(np.searchsorted(ranked, share * crop.size)) for share in (0.85, 0.005))
    if paper - ink < FAINTEST:
        return None
    inked = _inked(crop, (paper + ink) // 2)
    if min(inked.shape) < SMALLEST:
        return None
    line = _to_height(inked)
    scaled: Floats = np.clip((paper - line.astype(np.float32)) / (paper - ink), 0, 1)
    return scaled


def ink_of(colour: Colour) -> str:
    """black | blue | red | violet: the channels that the ink takes from the paper's light."""
    darkest = colour.min(axis=2)
    pixels = colour.reshape(-1, 3).astype(np.float32)
    dark = darkest.ravel() <= (int(darkest.min()) + int(np.median(darkest))) // 2
    taken = np.clip(np.median(pixels, axis=0) - np.median(pixels[dark], axis=0), 0, None)
    red, green, blue = taken / max(float(taken.max()), 1.0)
    if min(red, green, blue) > 1 - SAME:
        return "black"
    if red < blue:
        return "red" if red < SAME + 0.5 * blue else "violet"
    return "violet" if green - red > SAME else "blue"


def _inked(crop: Gray, level: int) -> Gray:
    """The crop without the rows and columns at its edges that hold no ink; a single dark pixel is a speck."""
    dark = crop < level
    rows, columns = np.flatnonzero(dark.sum(1) > 1), np.flatnonzero(dark.sum(0) > 1)
    if not len(rows) or not len(columns):
        return crop[:0, :0]
    return crop[max(0, rows[0] - 1) : rows[-1] + 2, max(0, columns[0] - 2) : columns[-1] + 3]


def _to_height(crop: Gray) -> Gray:
    """The middle of the crop scaled to 32 pixels of height."""
    height, width = crop.shape
    most = max(1, WIDEST * height // HEIGHT)
    left = max(0, (width - most) // 2)
    wide = max(8, round(min(width, most) * HEIGHT / height))
    kind = cv2.INTER_AREA if height > HEIGHT else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(crop[:, left : left + most], (wide, HEIGHT), interpolation=kind), np.uint8)
