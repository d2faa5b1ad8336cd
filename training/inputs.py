"""Training, inputs: a grey crop -> the array the network takes. The product's reader must do exactly the same."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
HEIGHT = 32  # pixels of a line, the network's input height
STRIDE = 4  # input columns per output column
MIN_WIDTH, MAX_WIDTH = 32, 1600  # pixels at HEIGHT


def to_height(crop: Gray) -> Gray:
    """The crop scaled to 32 pixels of height, its proportions kept, at least 32 and at most 1600 wide."""
    height, width = crop.shape
    wide = round(width * HEIGHT / height)
    kind = cv2.INTER_AREA if height > HEIGHT else cv2.INTER_LINEAR
    line = cv2.resize(crop, (min(max(wide, 8), MAX_WIDTH), HEIGHT), interpolation=kind)
    short = MIN_WIDTH - line.shape[1]
    return cv2.copyMakeBorder(line, 0, 0, 0, short, cv2.BORDER_REPLICATE) if short > 0 else line


def to_input(crop: Gray) -> NDArray[np.float32]:
    """Grey crop of one line -> 32 x width, 0 for its paper and 1 for its darkest ink."""
    line = to_height(crop).astype(np.float32)
    ranked = np.sort(line, axis=None)
    paper, ink = ranked[int(0.85 * len(ranked))], ranked[int(0.005 * len(ranked))]
    return np.clip((paper - line) / max(40.0, paper - ink), 0, 1)


def stack(lines: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Lines of different widths -> one batch [n, 1, 32, widest], blank paper to the right, width a multiple of 4."""
    widest = max(line.shape[1] for line in lines)
    batch = np.zeros((len(lines), 1, HEIGHT, -(-widest // STRIDE) * STRIDE), np.float32)
    for i, line in enumerate(lines):
        batch[i, 0, :, : line.shape[1]] = line
    return batch
