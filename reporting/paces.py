"""Beside every stage, reporting.paces: what pages did on measured days becomes the line of stages of the forecast."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Date, case, cast, func, literal_column, select

from pipeline.scope import ScopeRule, progress
from pipeline.tables import batch, file, page_count, page_day
from pipeline.targets import Target
from records.states import PageState
from reporting.forecast import Day, Forecast, Stage, forecast

DAYS = 60  # the last ones, by which a pace is measured
TODAY = cast(literal_column("now() AT TIME ZONE 'Asia/Ho_Chi_Minh'"), Date)
SCAN, READ, REVIEW, LOAD = "scan", "read", "review", "load"
STAGES = (SCAN, READ, REVIEW, LOAD)
WAITING = {
    READ: (PageState.RECEIVED,), REVIEW: (PageState.IN_REVIEW,), LOAD: (PageState.READ, PageState.ASSEMBLED),
}  # fmt: skip


class Change(NamedTuple):
    """What is asked: how many more (or fewer) of each there will be, and how many there are now."""

    officers: int = 0
    officers_now: int = 1
    scanners: int = 0
    scanners_now: int = 1
    servers: int = 0
    servers_now: int = 1
    review: float = 1.0  # share of the pages in review against now: 1.2 after a higher accuracy target


def today(conn: Connection) -> date:
    """The day in Vietnam."""
    return conn.scalars(select(TODAY)).one()


def on_the_shelf(conn: Connection, facility: str, rule: ScopeRule) -> int:
    """Pages that a target still lacks: its stays without a file, each as long as the files that were handed in."""
    files = conn.scalar(select(func.count()).select_from(file).join(batch).where(batch.c.facility_id == facility)) or 0
    pages = conn.scalar(
        select(func.sum(page_count.c.pages))
        .join(batch, batch.c.batch_id == page_count.c.batch_id)
        .where(batch.c.facility_id == facility)
    )
    return round(progress(conn, facility, rule).missing * int(pages or 0) / files) if files else 0


def of_target(
    conn: Connection, facility: str, wanted: Target | None, pages: int = 0, change: Change = Change()
) -> tuple[list[Stage], Forecast]:
    """The stages and the forecast. `pages`: on the shelf; 0: as many as the target still lacks, none without one."""
    shelf = pages or (on_the_shelf(conn, facility, wanted.scope_rule) if wanted else 0)
    stages = line(conn, facility, shelf, change)
    return stages, forecast(stages, today(conn), wanted.deadline if wanted else None)


def line(conn: Connection, facility: str, unscanned: int, change: Change = Change()) -> list[Stage]:
    """The stages of a facility from scanning to loading. `unscanned`: pages that are still on the shelf."""
    waiting, days = _waiting(conn, facility), _days(conn, facility)
    read, reviewed = (sum(days[name].values()) for name in (READ, "to_review"))
    share = min(1.0, change.review * reviewed / read) if read else 1.0
    speed = {
        SCAN: 1 + change.scanners / change.scanners_now, READ: 1 + change.servers / change.servers_now,
        REVIEW: 1 + change.officers / change.officers_now, LOAD: 1.0,
    }  # fmt: skip
    shares = {SCAN: 1.0, READ: 1.0, REVIEW: share, LOAD: 1.0}
    first, last = _span(conn, days)
    return [
        Stage(
            name=name, waiting=unscanned if name == SCAN else waiting[name], share=shares[name], speed=speed[name],
            days=_calendar(days[name], first, last),
        )
        for name in STAGES
    ]  # fmt: skip


def _waiting(conn: Connection, facility: str) -> dict[str, float]:
    query = (
        select(page_count.c.state, func.sum(page_count.c.pages))
        .join(batch, batch.c.batch_id == page_count.c.batch_id)
        .where(batch.c.facility_id == facility)
        .group_by(page_count.c.state)
    )
    counts: dict[str, int] = {state: int(pages) for state, pages in conn.execute(query)}
    return {name: float(sum(counts.get(state.value, 0) for state in states)) for name, states in WAITING.items()}


def _days(conn: Connection, facility: str) -> Mapping[str, dict[date, int]]:
    """Stage -> day -> pages it did; `to_review`: pages that came into review."""
    received, in_review = PageState.RECEIVED.value, PageState.IN_REVIEW.value
    what = case(
        (page_day.c.was == "", SCAN),
        (page_day.c.was == received, READ),
        (page_day.c.was == in_review, REVIEW),
        (page_day.c.state == PageState.LOADED.value, LOAD),
        (page_day.c.state == in_review, "to_review"),
    )
    query = (
        select(what.label("what"), page_day.c.state, page_day.c.day, func.sum(page_day.c.pages))
        .join(batch, batch.c.batch_id == page_day.c.batch_id)
        .where(batch.c.facility_id == facility, page_day.c.day > TODAY - DAYS)
        .group_by("what", page_day.c.state, page_day.c.day)
    )
    found: dict[str, dict[date, int]] = defaultdict(lambda: defaultdict(int))
    for stage, state, day, pages in conn.execute(query):
        if stage is not None:
            found[stage][day] += int(pages)
        if stage == REVIEW and state == PageState.LOADED.value:
            found[LOAD][day] += int(pages)
    return found


def _span(conn: Connection, days: Mapping[str, dict[date, int]]) -> tuple[date, date]:
    """From the first day on which anything was done to yesterday: today is not over."""
    last = today(conn) - timedelta(days=1)
    return min((day for found in days.values() for day in found), default=last), last


def _calendar(done: Mapping[date, int], first: date, last: date) -> tuple[Day, ...]:
    """Every day of the span, with 0 where the stage rested."""
    count = (last - first).days + 1
    span = [first + timedelta(days=number) for number in range(max(0, count))]
    return tuple(Day(on=day, pages=float(done.get(day, 0))) for day in span)
