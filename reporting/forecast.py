"""Beside every stage, reporting.forecast: measured days of work become the day it will be done, with its spread. Pure.

A project is a line of stages through which pages flow. What a stage did on measured days says what it can do on days to
come: the measured days are drawn again (bootstrap) twice over, once for what is not known of the stage's pace, once for
how days differ. Days of the weekend are drawn from days of the weekend.
"""

import math
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from records.base import Frozen

RUNS, SEED = 1000, 11
HORIZON = 20 * 365  # days; what takes longer is told as never
FEWEST_DAYS = 5  # measured days of work from which a pace is told at all
LOW, HIGH = 0.1, 0.9  # of the interval that is told

Runs = NDArray[np.float64]


class Day(Frozen):
    """What a stage did on a calendar day: pages; 0 where it rested."""

    on: date
    pages: float


class Stage(Frozen):
    """One stage of the line. `waiting`: pages before it now; `share`: of the pages that the stage before has done, how
    many come to it, 0..1; `days`: measured, each calendar day once; `speed`: how much faster than measured it will be
    (one more scanner beside two: 1.5)."""

    name: str
    waiting: float
    share: float = 1.0
    days: tuple[Day, ...] = ()
    speed: float = 1.0

    @property
    def measured(self) -> bool:
        return sum(day.pages > 0 for day in self.days) >= FEWEST_DAYS

    @property
    def pace(self) -> float:
        """Pages a calendar day, as measured and sped up."""
        return self.speed * sum(day.pages for day in self.days) / max(1, len(self.days))


class Forecast(Frozen):
    """When a line of stages will be done. `middle`, `low`, `high`: days at which half, a tenth and nine tenths of the
    runs are done, None: not within 20 years. `probability`: of the deadline, None where there is none. `binding`: the
    stage that alone would take longest; `sure`: in which share of runs it does. `slack`: days from `high` to the
    deadline. `unmeasured`: stages of which too few days are known; then nothing else is told."""

    middle: date | None = None
    low: date | None = None
    high: date | None = None
    probability: float | None = None
    binding: str = ""
    sure: float = 0.0
    slack: int | None = None
    unmeasured: tuple[str, ...] = ()


def forecast(stages: Sequence[Stage], today: date, deadline: date | None = None, seed: int = SEED) -> Forecast:
    """The forecast of a line whose stages follow each other; work left nowhere is done today."""
    lefts = work_left(stages)
    needed = [stage for stage, left in zip(stages, lefts, strict=True) if left > 0]
    if lacking := tuple(stage.name for stage in needed if not stage.measured):
        return Forecast(unmeasured=lacking)
    if not needed:
        return Forecast(middle=today, low=today, high=today, probability=1.0, slack=_slack(today, deadline))
    chance = np.random.default_rng(seed)
    drawn = {stage.name: _drawn(stage, today, chance) for stage in needed}
    done = _finished(stages, {name: pools for name, (pools, _) in drawn.items()}, today, chance)
    alone = np.array([left / np.maximum(drawn[s.name][1], 1e-9)
                      for s, left in zip(stages, lefts, strict=True) if left > 0])  # fmt: skip
    longest = np.bincount(alone.argmax(axis=0), minlength=len(needed))
    low, middle, high = (_day(today, float(np.quantile(done, at, method="higher"))) for at in (LOW, 0.5, HIGH))
    met = None if deadline is None else float(np.mean(done <= (deadline - today).days))
    return Forecast(
        middle=middle, low=low, high=high, probability=met, binding=needed[int(longest.argmax())].name,
        sure=float(longest.max() / RUNS), slack=_slack(high, deadline),
    )  # fmt: skip


def work_left(stages: Sequence[Stage]) -> list[float]:
    """Pages that each stage still has to do, what comes to it from before among them."""
    left: list[float] = []
    for stage in stages:
        left.append(stage.waiting + stage.share * (left[-1] if left else 0.0))
    return left


Pools = dict[bool, Runs]  # whether a day is of the weekend -> runs x days to draw from


def _drawn(stage: Stage, today: date, chance: np.random.Generator) -> tuple[Pools, Runs]:
    """For each run the days that it draws from, and its mean pace over a week.

    Drawn days lie closer together than days do, by the root of (n - 1) / n; their distance from the mean is widened.
    """
    pools: Pools = {}
    mean = np.zeros(RUNS)
    for weekend, weight in ((False, 5 / 7), (True, 2 / 7)):
        days = np.array([d.pages * stage.speed for d in stage.days if (d.on.weekday() >= 5) == weekend])
        days = days if len(days) else np.zeros(1)
        again = chance.choice(days, (RUNS, len(days)))
        means = again.mean(axis=1)
        wider = math.sqrt(len(days) / max(1, len(days) - 1))
        moved = days.mean() + (means - days.mean()) * wider
        pools[weekend] = np.maximum(0.0, again + (moved - means)[:, None])
        mean += weight * pools[weekend].mean(axis=1)
    return pools, mean


def _finished(stages: Sequence[Stage], pools: dict[str, Pools], today: date, chance: np.random.Generator) -> Runs:
    """Days from today until every run is done; HORIZON + 1 where it never is."""
    waiting = {stage.name: np.full(RUNS, stage.waiting) for stage in stages}
    done = np.full(RUNS, float(HORIZON + 1))
    for number in range(1, HORIZON + 1):
        weekend = (today + timedelta(days=number)).weekday() >= 5
        came: Any = np.zeros(RUNS)
        for stage in stages:
            here = waiting[stage.name] + stage.share * came
            able = _able(pools.get(stage.name), weekend, chance)
            came = np.minimum(here, able)
            waiting[stage.name] = here - came
        idle = np.sum(list(waiting.values()), axis=0) < 0.5
        done[idle & (done > number)] = number
        if idle.all():
            break
    return done


def _able(pools: Pools | None, weekend: bool, chance: np.random.Generator) -> Any:
    """What a stage can do on a day of each run; a stage that needs nothing done has no limit."""
    if pools is None:
        return np.inf
    days = pools[weekend]
    return days[np.arange(RUNS), chance.integers(0, days.shape[1], RUNS)]


def _day(today: date, days: float) -> date | None:
    return today + timedelta(days=int(days)) if days <= HORIZON else None


def _slack(done: date | None, deadline: date | None) -> int | None:
    return (deadline - done).days if done and deadline else None
