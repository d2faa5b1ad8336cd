"""Stage 2, extractors.pale: tell pale writing from bare paper, and make its ink dark.

What shines through from the other side of a sheet is pale too, but its strokes have no edges: paper scatters light.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]

DARKEST = 0.0003  # share of a page that its darkest ink takes: two words
FAINTEST = 14.0  # grey levels between paper and its darkest ink; what is paler is grain, or shines through
SHARP = 0.26  # share of that which a step of one pixel takes at the edges of strokes; what shines through: up to 0.25
DARK = 140  # grey level below which a mark would have been seen
GRAIN = 0.7  # pixels: standard deviation of the blur that takes a scanner's noise away


def pale_ink(page: Gray) -> float:
    """Grey levels between the paper and the pale writing on it, 0 where it bears none.

    `page`: background-divided, its long side 1700 pixels; what is dark on it are no letters but rulings and dust.
    """
    smooth = 255 - cv2.GaussianBlur(page, (0, 0), GRAIN).astype(np.float32)
    smooth[cv2.dilate((page < DARK).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0] = 0
    depth = float(np.quantile(smooth, 1 - DARKEST))
    return depth if depth >= FAINTEST and edge_share(smooth, depth) >= SHARP else 0.0


def edge_share(smooth: NDArray[np.float32], depth: float) -> float:
    """How steep the edges of the darkest strokes are: grey levels a pixel as a share of their depth."""
    steps = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)) / 8
    strokes = cv2.dilate((smooth > 0.6 * depth).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return float(np.quantile(steps[strokes], 0.95)) / depth


def deepened(page: Gray, depth: float) -> Gray:
    """A background-divided page with ink of so many grey levels made black."""
    return np.asarray(cv2.bitwise_not(cv2.convertScaleAbs(cv2.bitwise_not(page), alpha=255 / depth)), np.uint8)
