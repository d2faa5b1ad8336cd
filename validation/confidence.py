"""Stage 7, validation.confidence: what an engine says of itself becomes the estimated probability of being right.

The tables are first estimates; they are to be fitted on generated samples, then on this hospital's own paper.
"""

from bisect import bisect_right

from records.documents import FieldValue
from records.pages import Writing

Curve = tuple[tuple[float, float], ...]

# (confidence as the engine gave it, estimated share right), rising; straight lines between.
CURVES: dict[str, Curve] = {
    "text_layer": ((0.0, 0.99), (1.0, 0.99)),
    "tesseract": ((0.0, 0.05), (0.3, 0.15), (0.6, 0.45), (0.8, 0.68), (0.9, 0.84), (0.95, 0.92), (1.0, 0.96)),
    # Drawn by eye through some 3,300 values of generated pages, the evaluation's 54 among them: judge it on neither.
    "sohoa": (
        (0.0, 0.25), (0.2, 0.72), (0.4, 0.86), (0.6, 0.93), (0.8, 0.955), (0.9, 0.975), (0.95, 0.985), (1.0, 0.995),
    ),
    "": ((0.0, 0.02), (0.5, 0.3), (0.8, 0.6), (0.95, 0.9), (1.0, 0.95)),
}  # fmt: skip
# Kinds whose grammar catches misreadings leave fewer wrong values behind; long texts have more places to be wrong.
KIND_FACTOR: dict[str, float] = {
    "sex": 1.02, "outcome": 1.02, "modality": 1.02, "unit": 1.02, "long_text": 0.85, "address": 0.93, "text": 0.96,
}  # fmt: skip
AGREED = 0.35  # each reading that agrees leaves this part of the doubt
AGREED_TEXT = 0.8  # two readings by one engine share their wrong tone marks (phối for phổi)
TEXTS = frozenset({"text", "long_text", "address"})
AGREED_BY_HAND = 0.7  # readers agreed on 58-84 % right crops in handwriting-like faces, on over 95 % in print
DISAGREED = 0.75  # others were read and none agrees
LISTED = 0.5  # the value stands in a code list
HIGHEST = 0.995
WITH_PROBLEM = 0.2


def estimated(value: FieldValue, listed: bool = False) -> float:
    """The probability 0..1 that `value` is right, by itself alone. `listed`: it stands in a code list."""
    confidence = along(_curve(value.reading.engine), value.reading.confidence)
    if value.problem:
        return round(min(confidence, WITH_PROBLEM), 3)
    if value.reading.engine == "text_layer":
        return round(confidence, 3)
    doubt = 1 - min(1.0, confidence * KIND_FACTOR.get(value.kind, 1.0))
    by_hand = value.reading.writing is Writing.HANDWRITTEN
    left = AGREED_BY_HAND if by_hand else AGREED_TEXT if value.kind in TEXTS else AGREED
    doubt *= left ** min(value.agreed, 2) * (LISTED if listed else 1.0)
    read_again = any(other.strip() for other in value.reading.others)
    sure = min(HIGHEST, 1 - doubt)
    return round(sure * (DISAGREED if read_again and not value.agreed else 1.0), 3)


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
