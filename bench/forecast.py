"""`python -m bench.forecast`: does the forecast's interval hold what it says, on projects whose end is known?

A project has four stages with a pace of their own, days that differ, days of rest and of failure. Some weeks of it are
measured, the forecast is made, and the same project is then lived through to its end.
"""

from datetime import date, timedelta
from typing import Annotated, NamedTuple

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from reporting.forecast import Day, Stage, forecast, work_left
from training.intervals import interval

TODAY = date(2026, 11, 26)
NAMES = ("scan", "read", "review", "load")
SHARES = (1.0, 1.0, 0.4, 1.0)


class Truth(NamedTuple):
    """What a stage really does. `pace`: pages on a working day; `spread`: of the logarithm of days; `off`: share of
    working days on which nothing is done; `weekend`: pace at the weekend, as a share."""

    pace: float
    spread: float
    off: float
    weekend: float

    def day(self, on: date, chance: np.random.Generator) -> float:
        share = self.weekend if on.weekday() >= 5 else 1.0
        if share == 0 or chance.random() < self.off:
            return 0.0
        return float(share * self.pace * chance.lognormal(-(self.spread**2) / 2, self.spread))

    @property
    def mean(self) -> float:
        return self.pace * (1 - self.off) * (5 + 2 * self.weekend) / 7


def main(
    projects: Annotated[int, typer.Option(help="How many are lived through.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 1,
) -> None:
    """Live through projects, count, print."""
    chance = np.random.default_rng(seed)
    inside = named = clear = clear_named = 0
    for number in range(projects):
        stages, truths = _project(chance)
        told = forecast(stages, TODAY, seed=number)
        ended = _lived(stages, truths, chance)
        assert told.low and told.high
        inside += told.low <= ended <= told.high
        alone = sorted(((left / t.mean, name) for left, t, name in zip(work_left(stages), truths, NAMES, strict=True)))
        right = told.binding == alone[-1][1]
        named += right
        if alone[-1][0] > 1.15 * alone[-2][0]:
            clear, clear_named = clear + 1, clear_named + right
    table = Table("what", "projects", "right", "%", "95 %", title=f"{projects} simulated projects")
    for what, of, count in (
        ("end within the 80 % interval", projects, inside),
        ("binding stage named", projects, named),
        ("of those where it takes 15 % longer than any other", clear, clear_named),
    ):
        low, high = interval(count, of)
        table.add_row(what, str(of), str(count), f"{100 * count / of:.1f}", f"{100 * low:.1f}-{100 * high:.1f}")
    Console().print(table)


def _project(chance: np.random.Generator) -> tuple[list[Stage], list[Truth]]:
    """A project that its slowest stage ends after 3 to 24 months, of which 3 to 12 weeks were measured."""
    weeks = int(chance.integers(3, 13))
    size = float(chance.uniform(2e5, 2e6))
    slowest = int(chance.integers(0, 4))
    months = chance.uniform(3, 24)
    truths = []
    for at in range(len(SHARES)):
        whole = size * float(np.prod(SHARES[: at + 1]))
        slower = 1.0 if at == slowest else chance.uniform(1.02, 3)
        weekend = float(chance.choice([0.0, 0.0, 1.0])) if at != 1 else 1.0
        off = chance.uniform(0, 0.15)
        mean = slower * whole / (months * 30.4)
        pace = mean * 7 / ((5 + 2 * weekend) * (1 - off))
        truths.append(Truth(pace, chance.uniform(0.1, 0.6), off, weekend))
    days = [TODAY - timedelta(days=d) for d in range(7 * weeks)]
    stages = [
        Stage(name=name, waiting=size if at == 0 else 0.0, share=share,
              days=tuple(Day(on=on, pages=truth.day(on, chance)) for on in days))
        for at, (name, share, truth) in enumerate(zip(NAMES, SHARES, truths, strict=True))
    ]  # fmt: skip
    return stages, truths


def _lived(stages: list[Stage], truths: list[Truth], chance: np.random.Generator) -> date:
    waiting, day = [stage.waiting for stage in stages], TODAY
    while sum(waiting) >= 0.5:
        day += timedelta(days=1)
        came = 0.0
        for at, (stage, truth) in enumerate(zip(stages, truths, strict=True)):
            here = waiting[at] + stage.share * came
            came = min(here, truth.day(day, chance))
            waiting[at] = here - came
    return day


if __name__ == "__main__":
    typer.run(main)
