"""Stage 5, extractors.films: tell a film from paper, and turn it into an image whose burnt-in text can be read.

Films are identified and indexed, never interpreted.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

FILM = "film"
DARK = 90  # grey level; a film is mostly darker, paper mostly lighter
MOSTLY = 0.5


def is_film(rgb: NDArray[Any]) -> bool:
    """True when most of the page is dark and nearly without colour. `rgb`: HxWx3 uint8."""
    step = max(1, min(rgb.shape[:2]) // 400)
    small = cv2.resize(rgb[::step, ::step], (200, 200), interpolation=cv2.INTER_AREA).astype(np.int16)
    colour = (small.max(axis=2) - small.min(axis=2)).mean()
    return bool((small.mean(axis=2) < DARK).mean() > MOSTLY and colour < 25)


def as_paper(rgb: NDArray[Any]) -> NDArray[Any]:
    """Burnt-in light text on dark becomes dark text on white; anatomy fades with its background."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    around = cv2.medianBlur(gray, 41)
    bright = np.clip(gray.astype(np.int16) - around.astype(np.int16), 0, 255)
    paper = 255 - np.clip(bright * 2, 0, 255).astype(np.uint8)
    return np.repeat(paper[:, :, None], 3, axis=2)
