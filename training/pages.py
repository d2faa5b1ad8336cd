"""Training, pages: values on pages with exact truth -> their crops by the true boxes; wrapped values line by line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from extractors.reader import Gray
from training.alphabet import tidy


@dataclass(frozen=True)
class Value:
    """One value as printed, and the crop of each of its lines."""

    lines: list[Gray]
    shown: str
    quality: str
    writing: str  # print | hand
    place: str  # file and field, for lists of errors


def values_of(folder: Path) -> Iterator[Value]:
    """All values of the pages in `folder`/truth.json whose boxes are on the page."""
    for page in json.loads((folder / "truth.json").read_text(encoding="utf-8")):
        image = cv2.imread(str(folder / page["file"]), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise FileNotFoundError(f"{folder / page['file']}, which truth.json names, cannot be read")
        upright = np.ascontiguousarray(np.rot90(image, -page["rotation"] // 90))
        fields = [field for field in page["fields"] if field.get("box") and tidy(field["shown"])]
        usual = median(field["box"][3] - field["box"][1] for field in fields) if fields else 0
        for field in fields:
            shown = tidy(field["shown"])
            crops = list(line_crops(upright, field, usual, len(shown)))
            if crops:
                yield Value(crops, shown, page["quality"], page["writing"], f"{page['file']} {field['name']}")


def line_crops(image: Gray, field: dict[str, Any], usual: float, characters: int) -> Iterator[Gray]:
    """The value's box with a tenth of air; cut between its lines where it was wrapped in a narrow cell."""
    left, top, right, bottom = field["box"]
    air = round(0.08 * usual)
    crop = image[max(0, top - air) : bottom + air, max(0, left - air) : right + air]
    if not crop.size:
        return
    count = wrapped_lines(right - left, bottom - top, usual, characters)
    for part in np.array_split(crop, count) if count < 2 else split_rows(crop, count):
        yield np.ascontiguousarray(part)


def wrapped_lines(width: float, height: float, usual: float, characters: int) -> int:
    """How many lines a box holds: high, and too narrow for so many characters in one. A skewed long line is one."""
    if height < 1.5 * usual or width > 0.36 * usual * characters:
        return 1
    return max(2, round(1 + (height - usual) / (1.4 * usual)))


def split_rows(crop: Gray, count: int) -> list[Gray]:
    """Cut into so many lines at the emptiest rows near equal parts."""
    ink = cv2.blur((255.0 - crop).mean(axis=1, keepdims=True), (1, 3))[:, 0]
    height = len(ink)
    cuts = [0]
    for k in range(1, count):
        low, high = int((k - 0.3) * height / count), int((k + 0.3) * height / count)
        cuts.append(low + int(np.argmin(ink[low:high])))
    return [crop[a:b] for a, b in zip(cuts, [*cuts[1:], height], strict=True)]
