"""The forecast: when a line of stages is done, what binds it, and what it is measured by."""

from datetime import date, timedelta

import pytest
from sqlalchemy import insert, select, text, update
from typer.testing import CliRunner

from pipeline import tables
from pipeline.cli import app
from records.states import PageState
from reporting import paces
from reporting.forecast import Day, Stage, forecast
from reporting.paces import Change

TODAY = date(2026, 11, 26)


def steady(name, pages, *, waiting=0.0, share=1.0, days=28, speed=1.0):
    """A stage that does the same every day."""
    done = tuple(Day(on=TODAY - timedelta(days=n), pages=pages) for n in range(1, days + 1))
    return Stage(name=name, waiting=waiting, share=share, days=done, speed=speed)


def test_steady_stages_are_done_when_the_slowest_is():
    told = forecast([steady("scan", 100, waiting=1000), steady("read", 50)], TODAY)
    assert (told.low, told.middle, told.high) == (TODAY + timedelta(days=20),) * 3
    assert (told.binding, told.sure) == ("read", 1.0)


def test_only_a_share_of_the_pages_comes_to_review():
    told = forecast([steady("read", 100, waiting=1000), steady("review", 10, share=0.3)], TODAY)
    assert (told.binding, told.middle) == ("review", TODAY + timedelta(days=30))


def test_more_of_what_binds_brings_the_day_forward_and_the_next_stage_binds():
    line = [steady("scan", 100, waiting=1000), steady("read", 50, speed=4.0)]
    told = forecast(line, TODAY)
    assert (told.binding, told.middle) == ("scan", TODAY + timedelta(days=10))


@pytest.mark.parametrize(("days", "met"), [(19, 0.0), (20, 1.0)])
def test_a_deadline_has_a_probability_and_slack(days, met):
    told = forecast([steady("read", 50, waiting=1000)], TODAY, TODAY + timedelta(days=days))
    assert (told.probability, told.slack) == (met, days - 20)


def test_days_that_differ_give_an_interval():
    uneven = tuple(Day(on=TODAY - timedelta(days=n), pages=(0, 40, 160)[n % 3]) for n in range(1, 43))
    told = forecast([Stage(name="read", waiting=20_000, days=uneven)], TODAY)
    assert told.low < told.middle < told.high


def test_rest_at_the_weekend_is_no_rest_in_the_week():
    worked = tuple(
        Day(on=d, pages=0.0 if d.weekday() >= 5 else 70.0) for n in range(1, 29) for d in [TODAY - timedelta(days=n)]
    )
    told = forecast([Stage(name="review", waiting=700, days=worked)], TODAY)  # a Thursday: ten working days on
    assert told.middle == date(2026, 12, 10)


def test_a_pace_that_nobody_has_measured_is_named_and_nothing_is_promised():
    told = forecast([steady("scan", 100, waiting=1000), steady("read", 50, days=4)], TODAY)
    assert (told.unmeasured, told.middle) == (("read",), None)


def test_what_stands_still_is_never_done():
    never = forecast([steady("scan", 1, waiting=1e9)], TODAY)
    assert (never.middle, never.high) == (None, None)
    done = forecast([steady("scan", 0)], TODAY)
    assert (done.middle, done.probability) == (TODAY, 1.0)


@pytest.fixture
def worked(clean):
    """Two weeks in which 20 pages came, 10 were read, 6 of them went to review and 3 were settled a day."""
    with clean.begin() as conn:
        conn.execute(insert(tables.batch).values(batch_id="box-1", facility_id="DEMO", folder="/scans"))
        now = paces.today(conn)
        rows = [
            {"batch_id": "box-1", "day": now - timedelta(days=n), "was": was, "state": state, "pages": pages}
            for n in range(1, 15)
            for was, state, pages in (
                ("", "received", 20), ("received", "read", 10), ("assembled", "in_review", 6),
                ("in_review", "loaded", 3), ("assembled", "loaded", 4),
            )
        ]  # fmt: skip
        conn.execute(insert(tables.page_day), rows)
        counts = {"received": 140, "in_review": 42, "loaded": 98}
        conn.execute(
            insert(tables.page_count), [{"batch_id": "box-1", "state": s, "pages": n} for s, n in counts.items()]
        )
    return clean


def test_the_line_is_what_the_ledger_has_seen(worked):
    with worked.connect() as conn:
        scan, read, review, load = paces.line(conn, "DEMO", 500)
    assert [s.waiting for s in (scan, read, review, load)] == [500, 140, 42, 0]
    assert [s.pace for s in (scan, read, review, load)] == [20, 10, 3, 7]
    assert (review.share, len(review.days)) == (0.6, 14)


def test_two_more_officers_beside_one_review_three_times_as_much(worked):
    with worked.connect() as conn:
        line = {s.name: s.pace for s in paces.line(conn, "DEMO", 0, Change(officers=2, scanners=1, scanners_now=2))}
    assert line == {"scan": 30, "read": 10, "review": 9, "load": 7}


def test_every_move_of_a_page_is_counted_on_its_day(clean):
    with clean.begin() as conn:
        conn.execute(insert(tables.batch).values(batch_id="box-1", facility_id="DEMO", folder="/scans"))
        conn.execute(insert(tables.receipt).values(receipt_id="r", batch_id="box-1", path="a.png", outcome="received"))
        conn.execute(
            insert(tables.page).values(page_id="p", batch_id="box-1", receipt_id="r", number=1, state="received")
        )
    with clean.begin() as conn:
        conn.execute(update(tables.page).values(state=PageState.READ.value))
    with clean.connect() as conn:
        seen = conn.execute(select(tables.page_day).order_by(tables.page_day.c.was)).all()
        today = paces.today(conn)
        assert conn.scalar(text("SELECT (now() AT TIME ZONE 'Asia/Ho_Chi_Minh')::date")) == today
    assert seen == [("box-1", today, "", "received", 1), ("box-1", today, "received", "read", 1)]


def test_the_command_tells_the_day_and_what_a_change_would_do(worked, settings):
    told = CliRunner().invoke(app, ["forecast", "--pages", "500", "--officers", "1"])
    assert told.exit_code == 0, told.output
    assert "As it goes now: done about" in told.output and "review takes longest" in told.output
    assert "With the change: done about" in told.output


def test_the_command_says_what_it_cannot_know(clean, settings):
    told = CliRunner().invoke(app, ["forecast", "--pages", "500"])
    assert "too few days of work are measured for: scan, read" in told.output
