"""Before the scoring, bench.truth: the shapes of what is true of a page and of what was read on it, from their files.

Truth is what `sample_scans/generate.py` writes beside each case; what was read has the shape of a page in the result
of `sohoa migrate --json`.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

Fractions = tuple[float, float, float, float]


class _Part(BaseModel):
    """Part of a file that may hold more than is scored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class TruthField(_Part):
    """`value`: normal form; `shown`: as printed; `box`: left, top, right, bottom in pixels of the upright page."""

    name: str
    value: str
    shown: str = ""
    box: Fractions | None = None


class TruthPage(_Part):
    """`page` from 1; `rotation`: degrees counter-clockwise by which the upright page lies turned in the file."""

    file: str
    page: int
    document_type: str
    quality: str = ""
    writing: str = ""
    rotation: int = 0
    upright_size: tuple[int, int] | None = None
    fault: str | None = None
    fields: tuple[TruthField, ...] = ()

    def in_file(self, box: Fractions) -> Fractions | None:
        """A box of the upright page as fractions of the page as it lies in the file."""
        if self.upright_size is None:
            return None
        width, height = self.upright_size
        left, top, right, bottom = box[0] / width, box[1] / height, box[2] / width, box[3] / height
        for _ in range(self.rotation // 90):  # a quarter turn counter-clockwise: up becomes left
            left, top, right, bottom = top, 1 - right, bottom, 1 - left
        return left, top, right, bottom


class ReadField(_Part):
    """`box`: fractions of the page as it lies in the file, or None for a reader that gives no place."""

    name: str
    value: str = ""
    box: Fractions | None = None


class ReadPage(_Part):
    """What one reader found on one page."""

    file: str
    page: int
    document_type: str = ""
    rotation: int = 0
    fields: tuple[ReadField, ...] = ()


def read_truth(path: Path) -> list[TruthPage]:
    """The pages of one truth file."""
    return [TruthPage.model_validate(page) for page in json.loads(path.read_text(encoding="utf-8"))]


def read_result(result: Mapping[str, Any]) -> list[ReadPage]:
    """The pages of a result of `sohoa migrate --json`."""
    return [ReadPage.model_validate(page) for page in result["pages"]]
