"""Stage 7, validation.calibration: numbers about a value become the probability that it is right, by a fitted model.

The model is a logistic regression with no negative weight; it is plain numbers in model/confidence.json, written by
`python -m bench.fit_confidence`.
"""

import hashlib
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from pydantic import ValidationError

from records.base import Frozen
from records.errors import SohoaError
from validation.features import FEATURES

MODEL = Path(__file__).resolve().parent / "model" / "confidence.json"


class Calibration(Frozen):
    """Log odds are `base` plus `weights` x numbers plus the `shifts` of kind and family; no weight is negative, so that
    more support never lowers a value's chances.

    `engine`: whose readings it was fitted on, without version. `numbers`: what the weights are of, as in FEATURES.
    `highest`: no probability is above it.
    """

    engine: str
    numbers: tuple[str, ...]
    base: float
    weights: tuple[float, ...]
    shifts: dict[str, float]
    highest: float

    def probability(self, kind: str, family: str, numbers: Sequence[float]) -> float:
        """0..1. `numbers`: as validation.features gives them."""
        odds = self.base + sum(w * x for w, x in zip(self.weights, numbers, strict=True))
        odds += self.shifts.get(kind, 0.0) + self.shifts.get(family, 0.0)
        return min(self.highest, 1 / (1 + math.exp(-max(-30.0, min(30.0, odds)))))


@cache
def calibration(path: Path = MODEL) -> Calibration:
    """The committed model; SohoaError where it is missing or is not for these numbers."""
    try:
        found = Calibration.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise SohoaError(f"{path} cannot be used; restore it from the repository.") from error
    if found.numbers != FEATURES:
        raise SohoaError(f"{path} was fitted on other numbers; run python -m bench.fit_confidence.")
    return found


@cache
def model_hash(path: Path = MODEL) -> str:
    """SHA-256 of the model's file, '' where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
