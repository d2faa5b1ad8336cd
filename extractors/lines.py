"""Stage 3, extractors.lines: find the lines of text on an upright page with PP-OCRv6's detector and OpenCV.

The network gives a map of how likely each point lies in the core of a line; each island of it, grown by what the
network was trained to shrink, is a line.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.images import Gray
from extractors.models import DETECTOR, open_borrowed
from records.pages import Box

LONG_SIDE = 736  # pixels at which the page is looked at
STEP = 32  # the network takes sides that are multiples of this
CORE, SURE = 0.3, 0.5  # of the map: a point of a core, the mean over a line's core
GROWN = 1.6  # how far a core is grown: area * GROWN / perimeter
SMALLEST = 3  # pixels of the map


@dataclass(frozen=True)
class LineFinder:
    """PP-OCRv6's detector, warm."""

    session: Any

    def find(self, image: Gray, long_side: int = LONG_SIDE) -> list[Box]:
        """Boxes of the lines of text, top to bottom, in pixels of `image`."""
        height, width = image.shape
        scale = long_side / max(height, width)
        size = tuple(max(STEP, round(side * scale / STEP) * STEP) for side in (width, height))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 127.5 - 1
        batch = np.repeat(small[np.newaxis, np.newaxis], 3, axis=1)
        cores = self.session.run(None, {self.session.get_inputs()[0].name: batch})[0][0, 0]
        return boxes_of(cores, width / size[0], height / size[1])


def line_finder() -> LineFinder:
    return LineFinder(open_borrowed(DETECTOR))


def boxes_of(cores: NDArray[np.float32], x_scale: float, y_scale: float) -> list[Box]:
    """The detector's map [height, width] -> boxes in pixels of the page, top to bottom."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((cores > CORE).astype(np.uint8))
    found = []
    sums = np.bincount(labels.ravel(), weights=cores.ravel(), minlength=count)
    for i in range(1, count):
        x, y, w, h, area = (int(v) for v in stats[i])
        if min(w, h) < SMALLEST or sums[i] / area < SURE:
            continue
        air = w * h * GROWN / (2 * (w + h))
        left, top, right, bottom = x - air, y - air, x + w + air, y + h + air
        found.append(
            Box(
                left=max(0.0, left * x_scale),
                top=max(0.0, top * y_scale),
                right=min(cores.shape[1], right) * x_scale,
                bottom=min(cores.shape[0], bottom) * y_scale,
            )
        )
    return sorted(found, key=lambda b: (b.middle, b.left))
