"""Batches that nobody works on any more are found, told why, and wait for their turn again."""

import json

import pytest
from sqlalchemy import insert, select, text, update
from typer.testing import CliRunner

from pipeline import housekeeping, leases, ledger, quality_rounds, stuck, tables, turns
from pipeline.cli import app
from records.pages import Batch, MediaType
from records.states import PageState
from reporting import published


@pytest.fixture
def stranded(clean, store):
    """box-1: three pages of which two were read, two hours ago; box-2: had its turn then, and its run ended at
    once; box-3 waits for a backfill to name its month."""
    with clean.begin() as conn:
        for name in ("box-1", "box-2", "box-3"):
            ledger.open_batch(conn, Batch(batch_id=name, facility="DEMO", folder=f"/{name}"))
        given = ledger.receive(conn, store, "box-1", "a.pdf", b"three pages", (MediaType.PDF, 3))
        for number in (1, 2):
            ledger.move(conn, ledger.page_id(given.receipt_id, number), PageState.RECEIVED, PageState.READ)
        turns.begun(conn, "box-2")
        age(conn)
    return clean


def age(conn):
    conn.execute(text("UPDATE pipeline.page SET updated_at = now() - interval '2 hours'"))
    conn.execute(text("UPDATE pipeline.batch SET created_at = now() - interval '2 hours'"))
    conn.execute(text("UPDATE pipeline.batch SET begun_at = now() - interval '2 hours' WHERE begun_at IS NOT NULL"))


def found(engine):
    with engine.connect() as conn:
        return [(one.batch_id, one.pages) for one in stuck.find(conn)]


def test_a_run_that_ended_and_one_that_took_nothing_in_are_found_and_what_was_only_entered_is_not(stranded):
    assert found(stranded) == [("box-1", 3), ("box-2", 0)]


@pytest.mark.parametrize(
    "happens",
    [
        lambda conn: turns.queue(conn, ["box-1"]),
        lambda conn: turns.rest(conn, "box-1", "it", "moving the shelf"),
        lambda conn: turns.rest(conn, turns.EVERYTHING, "it", "maintenance"),
        lambda conn: conn.execute(update(tables.batch).values(state="held", held_because="blank")),
        lambda conn: conn.execute(update(tables.batch).values(closed_at=text("now()"))),
        lambda conn: conn.execute(
            update(tables.page).where(tables.page.c.number == 1).values(updated_at=text("now()"))
        ),
        lambda conn: leases.lease(conn, list(conn.scalars(select(tables.page.c.page_id))), "elsewhere:1:1", 60),
    ],
    ids=["queued", "rests", "all rest", "held", "closed", "moves", "is read"],
)
def test_a_batch_that_waits_rests_is_held_done_or_in_somebodys_hands_is_not_stuck(stranded, happens):
    with stranded.begin() as conn:
        happens(conn)
    assert "box-1" not in [name for name, _ in found(stranded)]


def test_a_batch_whose_pages_all_rest_is_not_stuck(stranded):
    with stranded.begin() as conn:
        conn.execute(update(tables.page).values(state="in_review"))
        age(conn)
    assert found(stranded) == [("box-2", 0)]


def test_they_are_listed_with_a_cure_and_cured_once(stranded):
    told = CliRunner().invoke(app, ["batch", "list", "--stuck"]).output
    assert "box-1: 3 pages wait for a run that ended; sohoa batch queue box-1" in " ".join(told.split())
    assert "box-2: its run ended before anything was taken in" in " ".join(told.split())
    asked = CliRunner().invoke(app, ["batch", "list", "--cure", "--json"])
    assert [row["batch_id"] for row in json.loads(asked.output)] == ["box-1", "box-2"]
    with stranded.connect() as conn:
        assert [row.batch_id for row in conn.execute(turns.in_turn())] == ["box-1", "box-2"]
    assert "No batch is stuck" in CliRunner().invoke(app, ["batch", "list", "--stuck"]).output


def test_housekeeping_cures_them_and_cleans_airflow_once_a_day(stranded, monkeypatch):
    asked = []
    monkeypatch.setattr(housekeeping.airflow, "command", lambda _, *given: asked.append(given))
    assert housekeeping.keep_house() == {"stuck": 2, "forgotten": 0, "taken_over": 0, "cleaned": 1}
    assert housekeeping.keep_house() == {"stuck": 0, "forgotten": 0, "taken_over": 0, "cleaned": 0}
    assert [given[:2] for given in asked] == [("db", "clean")]


def test_the_suites_are_asked_again_of_what_is_held_and_of_what_waits(stranded, monkeypatch):
    asked = []
    monkeypatch.setattr(quality_rounds.steps, "check", lambda batch_id: asked.append(batch_id) or batch_id == "box-1")
    with stranded.begin() as conn:
        conn.execute(update(tables.page).where(tables.page.c.number == 1).values(state="assembled"))
        conn.execute(update(tables.batch).where(tables.batch.c.batch_id == "box-2").values(state="held"))
    assert quality_rounds.check_waiting() == {"asked": 2, "held": 1}
    assert asked == ["box-1", "box-2"]


def test_the_forecast_of_each_target_is_kept_once_a_day(clean):
    with clean.begin() as conn:
        conn.execute(insert(tables.target).values(target_id="T", name="2027", deadline=text("DATE '2027-07-01'")))
    assert published.publish() == 1
    assert published.publish() == 1
    with clean.connect() as conn:
        rows = conn.execute(select(tables.forecast_day)).all()
    assert [(row.target_id, row.told["binding"]) for row in rows] == [("T", "")]  # nothing is left to do
