"""Stage 2, extractors.stamps: a page in colour -> a grey page in which ink is dark and stamps are paper.

Red ink fades in the red channel wherever it stands. Blue and violet ink is handwriting as a rule and stays, unless it
is a stamp: a ring or a frame, far larger than a line of writing. There the stamp's own colour becomes the paper.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]

LOOK_LONG_SIDE_PX = 800  # at which stamps are looked for: 2.7 pixels to a millimetre of A4
COLOURED = 35  # between a pixel's brightest and darkest channel, from which its colour is no matter of light or paper
FEWEST = 120  # coloured pixels of a stamp, when looked for
GAP = 9  # pixels that broken strokes are joined over, when looked for
NEAR = 5  # pixels, twice the distance within which ink follows an outline
FRAMED = 0.85  # share of a stamp's outline that its ink follows; writing touches its outline here and there
SOLID = 0.6  # share of its area from which a coloured thing is a picture or a tinted field
SMALLEST, LARGEST = 0.042, 0.36  # sides of a stamp as shares of the page's long side: 12 to 107 mm of A4
MANY = 5  # frames of one colour are a form's own
RED, BLUE = 0, 2  # channels
THICKEST = 1.15  # of a stamp's ink, where its usual ink is 1
CONTRAST = 1.5  # gives the edges of letters back what a stamp's light took from them


@dataclass(frozen=True)
class Stamp:
    """A stamp's outline, in pixels of the page, and the channel in which its ink is brightest."""

    outline: NDArray[np.int32]
    channel: int


def ink_channel(rgb: NDArray[Any]) -> Gray:
    """Grey page in which stamps fade and blue or black ink stays: the red channel, and paper for the ink of stamps."""
    if rgb.ndim != 3:
        return np.ascontiguousarray(rgb)
    ink = np.asarray(cv2.extractChannel(rgb, RED), np.uint8)
    for stamp in find_stamps(rgb):
        _fade(ink, rgb, stamp)
    return ink


def find_stamps(rgb: NDArray[Any]) -> list[Stamp]:
    """Rings and frames of coloured ink; none on a grey page."""
    scale = min(1.0, LOOK_LONG_SIDE_PX / max(rgb.shape))
    # Single pixels serve: averaging all of them would cost more than the whole of the search.
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    coloured = cv2.subtract(*_extremes(small)) > COLOURED
    if int(coloured.sum()) < FEWEST:
        return []
    bluish = _bluish(small)
    red = [Stamp(_enlarged(o, scale), RED) for o in _outlines(coloured & ~bluish)]
    blue = [Stamp(_enlarged(o, scale), BLUE) for o in _outlines(coloured & bluish)]
    return red + ([] if blue and _is_printed_in(coloured & bluish, small) else blue)


def _extremes(rgb: NDArray[Any]) -> tuple[Gray, Gray]:
    """The brightest and the darkest channel of every pixel."""
    red, green, blue = cv2.split(rgb)
    return np.asarray(cv2.max(cv2.max(red, green), blue)), np.asarray(cv2.min(cv2.min(red, green), blue))


def _bluish(rgb: NDArray[Any]) -> NDArray[np.bool_]:
    """Blue to violet; the rest is red, if it has a colour."""
    return np.asarray(1.2 * rgb[:, :, BLUE] > rgb[:, :, RED], np.bool_)


def _outlines(ink: NDArray[np.bool_]) -> list[NDArray[np.int32]]:
    """Convex outlines of the stamps among coloured ink; none where there are so many that the form is drawn in it."""
    mask = ink.astype(np.uint8)
    joined = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((GAP, GAP), np.uint8))
    near = cv2.dilate(mask, np.ones((NEAR, NEAR), np.uint8))
    contours, _ = cv2.findContours(joined, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    long_side = max(ink.shape)
    large = [c for c in contours if _is_as_large(c, long_side)]
    hulls = [np.asarray(cv2.convexHull(c), np.int32) for c in large]
    found = [hull for hull in hulls if _is_framed(hull, mask, near)]
    return found if len(found) < MANY else []


def _is_as_large(contour: NDArray[Any], long_side: int) -> bool:
    (_, (width, height), _) = cv2.minAreaRect(contour)
    return min(width, height) > SMALLEST * long_side and max(width, height) < LARGEST * long_side


def _is_framed(hull: NDArray[np.int32], ink: NDArray[Any], near: NDArray[Any]) -> bool:
    """Whether ink follows the outline all around, and does not fill it."""
    left, top, width, height = cv2.boundingRect(hull)
    edge, whole = np.zeros((height, width), np.uint8), np.zeros((height, width), np.uint8)
    cv2.polylines(edge, [hull - (left, top)], True, 1)
    cv2.fillPoly(whole, [hull - (left, top)], 1)
    here = np.s_[top : top + height, left : left + width]
    followed = int((edge & near[here]).sum()) / int(edge.sum())
    return followed > FRAMED and int((whole & ink[here]).sum()) / int(whole.sum()) < SOLID


def _is_printed_in(blue: NDArray[np.bool_], rgb: NDArray[Any]) -> bool:
    """Whether the page has more blue ink than black: the form itself is printed in it, frames and all."""
    brightest, _ = _extremes(rgb)
    black = (brightest < 110) & ~blue
    return int(blue.sum()) > 2 * int(black.sum())


def _enlarged(outline: NDArray[np.int32], scale: float) -> NDArray[np.int32]:
    return np.asarray(np.round((outline + 0.5) / scale), np.int32)


def _fade(ink: Gray, rgb: NDArray[Any], stamp: Stamp) -> None:
    """Inside a stamp's outline, in place: paper where its ink is, black where there is black under it."""
    air = max(ink.shape) // LOOK_LONG_SIDE_PX + 2
    left, top, width, height = cv2.boundingRect(stamp.outline)
    left, top = max(0, left - air), max(0, top - air)
    here = np.s_[top : top + height + 2 * air, left : left + width + 2 * air]
    inside = cv2.fillPoly(np.zeros_like(ink[here]), [stamp.outline - (left, top)], 1)
    inside = cv2.dilate(inside, np.ones((2 * air + 1, 2 * air + 1), np.uint8))
    faded = _faded(np.ascontiguousarray(rgb[here]), stamp.channel, inside > 0)
    ink[here] = np.where(inside > 0, faded, ink[here])


def _faded(rgb: NDArray[Any], channel: int, inside: NDArray[Any]) -> Gray:
    """Each pixel relative to the stamp's own brightness, as far as its colour is the stamp's: black has none."""
    bright = cv2.max(cv2.extractChannel(rgb, RED), cv2.extractChannel(rgb, channel))
    colour = _colour(rgb, channel)
    stamped = inside & (colour > COLOURED)
    if not stamped.any():
        return np.asarray(bright, np.uint8)
    paper = float(np.percentile(bright, 90))
    darker = max(0.0, paper - float(np.median(bright[stamped])))
    # Files keep colour at half the pixels of light: a stroke's outermost pixels have lost theirs to their neighbours.
    share = cv2.dilate(colour, np.ones((3, 3), np.uint8)) / float(np.median(colour[stamped]))
    even = bright * (paper / (paper - darker * np.clip(share, 0, THICKEST)))
    contrast = 1 + (CONTRAST - 1) * np.clip(share, 0, 1)
    return np.asarray(np.clip(paper - (paper - even) * contrast, 0, 255), np.uint8)


def _colour(rgb: NDArray[Any], channel: int) -> Gray:
    """How much colour of the stamp's kind each pixel has, 0 for grey and for other inks."""
    colour = np.asarray(cv2.subtract(*_extremes(rgb)), np.uint8)
    colour[_bluish(rgb) != (channel == BLUE)] = 0
    return colour
