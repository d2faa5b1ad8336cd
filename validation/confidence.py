"""Stage 7, validation.confidence: a value and what speaks for it become the probability that it is right.

Readings of our own line reader are judged by the fitted model (`validation.calibration`). For the other readers, which
no contract covers, curves drawn by eye put values in an order; they let nothing pass.
"""

from bisect import bisect_right

from records.documents import FieldValue
from validation.calibration import calibration
from validation.features import ALONE, Around, Support, family_of, features

Curve = tuple[tuple[float, float], ...]

TEXT_LAYER_SURE, WITNESSED = 0.99, 0.995
# (confidence as the engine gave it, estimated share right), rising; straight lines between.
CURVES: dict[str, Curve] = {
    "tesseract": ((0.0, 0.05), (0.3, 0.15), (0.6, 0.45), (0.8, 0.68), (0.9, 0.84), (0.95, 0.92), (1.0, 0.96)),
    "": ((0.0, 0.02), (0.5, 0.3), (0.8, 0.6), (0.95, 0.9), (1.0, 0.95)),
}
WITH_PROBLEM, WITH_ISSUE = 0.2, 0.5  # times the confidence


def estimated(value: FieldValue, support: Support = Support(), around: Around = ALONE) -> float:
    """The probability 0..1 that `value` is right."""
    engine = value.reading.engine
    if engine.startswith(calibration().engine):
        numbers = features(value, around, support)
        return round(calibration().probability(value.kind, family_of(value.field, value.kind), numbers), 5)
    sure = TEXT_LAYER_SURE if engine == "text_layer" else along(_curve(engine), value.reading.confidence)
    if support.witnessed and not value.problem:
        sure = max(sure, WITNESSED)
    return round(sure * (WITH_PROBLEM if value.problem else 1.0) * (1.0 if support.sound else WITH_ISSUE), 5)


def along(curve: Curve, x: float) -> float:
    """The curve's height at x; level beyond its ends."""
    xs = [point[0] for point in curve]
    at = bisect_right(xs, x)
    if at == 0 or at == len(curve):
        return curve[0 if at == 0 else -1][1]
    (x0, y0), (x1, y1) = curve[at - 1], curve[at]
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0)


def _curve(engine: str) -> Curve:
    """By the engine's name without its version: 'tesseract 5.3' -> the curve of 'tesseract'."""
    return next((curve for name, curve in CURVES.items() if name and engine.startswith(name)), CURVES[""])
