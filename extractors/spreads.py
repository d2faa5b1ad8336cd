"""Stage 2, extractors.spreads: find the fold of a sheet that carries two pages side by side, such as an open A3."""

import numpy as np

from extractors.images import INK, Gray

LANDSCAPE = 1.2  # width of an open sheet over its height, at least
MIDDLE = 0.06  # of the width: how far from its middle the fold may lie
NARROWEST = 0.015  # of the width: the white strip along the fold
CLEAR = 0.005  # of the strip's height that specks may fill
FILLED = 0.1  # of a page's height that has ink, on either side


def fold_of(text: Gray) -> float:
    """Where the fold lies, in pixels from the left; 0 for a single page. `text`: upright page without rulings."""
    height, width = text.shape
    if width < LANDSCAPE * height:
        return 0.0
    ink = text < INK
    if min(ink[:, : width // 2].any(1).mean(), ink[:, width // 2 :].any(1).mean()) < FILLED:
        return 0.0
    first, last = round((0.5 - MIDDLE) * width), round((0.5 + MIDDLE) * width)
    clear = np.count_nonzero(ink[:, first:last], axis=0) <= CLEAR * height
    edges = np.flatnonzero(np.diff(np.concatenate(([0], clear.astype(np.int8), [0]))))
    strips = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    left, right = max(strips, key=lambda strip: strip[1] - strip[0], default=(0, 0))
    return first + (left + right) / 2 if right - left >= NARROWEST * width else 0.0
