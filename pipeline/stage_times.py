"""Beside every stage, pipeline.stage_times: how long each took, summed by day in Vietnam, for metrics and forecasts."""

import time
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import ParamSpec, TypeVar

from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline.database import engine
from pipeline.settings import settings
from pipeline.tables import stage_time
from records.clock import VIETNAM

P = ParamSpec("P")
R = TypeVar("R")


def timed(stage: str, pages: Callable[[R], int]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Count each run of a step that ends well: one more run, so many `pages` of its result, seconds on the clock."""

    def decorate(step: Callable[P, R]) -> Callable[P, R]:
        @wraps(step)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            begun = time.monotonic()
            result = step(*args, **kwargs)
            add(stage, pages(result), time.monotonic() - begun)
            return result

        return run

    return decorate


def number(count: int) -> int:
    """For a step whose result is its number of pages."""
    return count


def add(stage: str, pages: int, seconds: float) -> None:
    """One more run today."""
    row = upsert(stage_time).values(day=datetime.now(VIETNAM).date(), stage=stage, runs=1, pages=pages, seconds=seconds)
    more = {name: stage_time.c[name] + row.excluded[name] for name in ("runs", "pages", "seconds")}
    with engine(settings(), "pipeline").begin() as conn:
        conn.execute(row.on_conflict_do_update(index_elements=["day", "stage"], set_=more))
