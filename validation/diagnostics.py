"""Beside stage 7, validation.diagnostics: values with a stated probability and the truth become an account of it.

A score can be calibrated and useless (all values alike) or useful and over-confident; both send a family to review.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from records.base import Frozen

LEVEL = 0.95
EDGES = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1.0)  # of the bins of stated probability
ONE_BIN = 0.98  # share of values from which a score tells nothing apart
BLIND = 0.6  # AUROC that surely lies below does not tell right from wrong
ERRORS_TO_TELL = 10  # an AUROC over fewer errors is chance
OVER = 2.0  # times as many errors as stated, surely, is over-confident
SLACK = 0.002  # of which this share of all values is forgiven: fonts and scanners differ a little
POINTS = 24  # of the curve of risk against coverage


class Scored(NamedTuple):
    """A value's stated probability of being right, and whether it is."""

    stated: float
    right: bool


class Soundness(StrEnum):
    """Whether thresholds may rest on a family's scores."""

    SOUND = "sound"
    FEW = "few"
    DEGENERATE = "degenerate"
    OVER_CONFIDENT = "over_confident"


class Point(Frozen):
    """With values from `threshold` on accepted: how many these are and how many of them wrong."""

    threshold: float
    accepted: int
    wrong: int


class Diagnosis(Frozen):
    """`ece`: expected calibration error; `auroc`: None without errors; `bins`: how many of the ten hold a value."""

    count: int
    wrong: int
    error_low: float
    error_high: float
    ece: float
    auroc: float | None
    bins: int
    soundness: Soundness


def error_interval(wrong: int, count: int) -> tuple[float, float]:
    """Clopper and Pearson's two-sided 95 % interval of an error share; 0 to 1 where nothing was counted."""
    from scipy.special import betaincinv

    if not count:
        return 0.0, 1.0
    tail = (1 - LEVEL) / 2
    low = float(betaincinv(wrong, count - wrong + 1, tail)) if wrong else 0.0
    high = float(betaincinv(wrong + 1, count - wrong, 1 - tail)) if wrong < count else 1.0
    return low, high


def surely_right(wrong: int, count: int) -> float:
    """The one-sided lower 95 % bound of the share that is right: (0, 598) -> just above 0.995."""
    from scipy.special import betaincinv

    if wrong >= count:
        return 0.0
    return 1 - float(betaincinv(wrong + 1, count - wrong, LEVEL))


def diagnose(values: Sequence[Scored], fewest: int) -> Diagnosis:
    """`fewest`: errorless values without which nothing could be shown."""
    wrong = sum(not v.right for v in values)
    low, high = error_interval(wrong, len(values))
    return Diagnosis(
        count=len(values), wrong=wrong, error_low=low, error_high=high, ece=calibration_error(values),
        auroc=auroc(values), bins=len(_in_bins(values)), soundness=soundness(values, fewest),
    )  # fmt: skip


def soundness(values: Sequence[Scored], fewest: int) -> Soundness:
    """The first objection to these scores, or none."""
    if len(values) < fewest:
        return Soundness.FEW
    if is_over_confident(values) or is_over_confident(_surest_half(values)):
        return Soundness.OVER_CONFIDENT
    return Soundness.DEGENERATE if _is_degenerate(values) else Soundness.SOUND


def is_over_confident(values: Sequence[Scored]) -> bool:
    """Surely more than twice as many errors as the stated probabilities leave room for."""
    if not values:
        return False
    low, _ = error_interval(sum(not v.right for v in values), len(values))
    stated = 1 - sum(v.stated for v in values) / len(values)
    return low > OVER * stated + SLACK


def calibration_error(values: Sequence[Scored]) -> float:
    """Mean distance between stated and counted share right, over the bins by their size; 0 without values."""
    bins = _in_bins(values)
    gaps = [abs(sum(v.stated for v in inside) - sum(v.right for v in inside)) for inside in bins]
    return sum(gaps) / len(values) if values else 0.0


def auroc(values: Sequence[Scored]) -> float | None:
    """The probability that a right value is stated surer than a wrong one; None without both kinds."""
    right = np.array([v.right for v in values], bool)
    if not len(values) or right.all() or not right.any():
        return None
    stated = np.array([v.stated for v in values])
    order = np.sort(stated)
    ranks = (np.searchsorted(order, stated, "left") + np.searchsorted(order, stated, "right") + 1) / 2
    good, bad = int(right.sum()), int((~right).sum())
    return float((ranks[right].sum() - good * (good + 1) / 2) / (good * bad))


def risk_coverage(values: Sequence[Scored]) -> tuple[Point, ...]:
    """Accepted and wrong at falling thresholds, at about even steps of coverage, the last with all values."""
    ranked = sorted(values, key=lambda v: -v.stated)
    found: list[Point] = []
    wrong = taken = 0
    for at, value in enumerate(ranked, 1):
        wrong += not value.right
        last_of_its_score = at == len(ranked) or ranked[at].stated < value.stated
        if last_of_its_score and (at == len(ranked) or at - taken >= len(ranked) / POINTS):
            found.append(Point(threshold=value.stated, accepted=at, wrong=wrong))
            taken = at
    return tuple(found)


def _is_degenerate(values: Sequence[Scored]) -> bool:
    """Nearly all values alike, or no telling right from wrong, where there are errors to tell."""
    wrong = sum(not v.right for v in values)
    if wrong < ERRORS_TO_TELL:
        return False
    alike = max(map(len, _in_bins(values))) >= ONE_BIN * len(values)
    area = auroc(values)
    return alike or (area is not None and _at_most(area, wrong, len(values) - wrong) <= BLIND)


def _at_most(area: float, wrong: int, right: int) -> float:
    """The upper 95 % bound (one side) of an AUROC over so many errors, by Hanley and McNeil (Radiology 1982)."""
    one_wrong, one_right = area / (2 - area), 2 * area**2 / (1 + area)
    spread = area * (1 - area) + (wrong - 1) * (one_wrong - area**2) + (right - 1) * (one_right - area**2)
    return area + 1.645 * math.sqrt(max(0.0, spread) / (wrong * right))


def _surest_half(values: Sequence[Scored]) -> list[Scored]:
    """All that are stated as sure as the middle one, or surer."""
    middle = sorted(v.stated for v in values)[len(values) // 2]
    return [v for v in values if v.stated >= middle]


def _in_bins(values: Sequence[Scored]) -> list[list[Scored]]:
    """The bins that hold values."""
    bins: dict[int, list[Scored]] = defaultdict(list)
    for value in values:
        bins[min(bisect_right(EDGES, value.stated), len(EDGES) - 1)].append(value)
    return list(bins.values())
