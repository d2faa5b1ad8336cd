"""What Prometheus is told, and what the health page says, of the state the database is in."""

import json
import re
import socket
import urllib.request
from pathlib import Path

import pytest
import yaml
from sqlalchemy import insert, text
from typer.testing import CliRunner

from pipeline import ledger, stage_times, stamps, steps, tables, turns
from pipeline.cli import app
from pipeline.settings import Settings
from records.pages import Batch, MediaType
from records.states import PageState
from reporting import health, metrics

REPOSITORY = Path(__file__).resolve().parent.parent
ALERTS = yaml.safe_load((REPOSITORY / "deploy" / "monitoring" / "alerts.yml").read_text(encoding="utf-8"))


@pytest.fixture
def scraped(clean, settings, store, monkeypatch):
    """Everything that can be told: pages, queues, stages, a forecast."""
    with clean.begin() as conn:
        ledger.open_batch(conn, Batch(batch_id="box-1", facility="DEMO", folder="/box-1"))
        given = ledger.receive(conn, store, "box-1", "a.pdf", b"three pages", (MediaType.PDF, 3))
        ledger.move(
            conn, ledger.page_id(given.receipt_id, 1), PageState.RECEIVED, PageState.QUARANTINED, "page_unreadable"
        )
        conn.execute(text("UPDATE pipeline.page SET updated_at = now() - interval '90 min'"))
        conn.execute(text("UPDATE pipeline.batch SET created_at = now() - interval '90 min'"))
        conn.execute(insert(tables.target).values(target_id="T", name="2027", deadline=text("DATE '2027-07-01'")))
        conn.execute(insert(tables.forecast_day).values(target_id="T", day=text("now()"), told={"probability": 0.4}))
        stamps.put(conn, stamps.POLLER)
        stamps.put(conn, stamps.VERIFIED, "2")
    monkeypatch.setattr(health.airflow, "reached_at", lambda _: "http://127.0.0.1:9")  # none runs here
    stage_times.add("read", 20, 30.0)
    stage_times.add("read", 10, 12.0)

    def scrape():
        found = {}
        for family in metrics.Measures(settings).collect():
            found[family.name, "asked"] = True
            for one in family.samples:
                found[one.name, *one.labels.values()] = one.value
        return found

    return scrape


def test_pages_batches_queues_and_stages_are_counted(scraped, clean):
    told = scraped()
    assert told["sohoa_up",] == 1
    assert (told["sohoa_pages", "received"], told["sohoa_pages", "quarantined"]) == (2, 1)
    assert (told["sohoa_batches", "open"], told["sohoa_batches", "stuck"], told["sohoa_batches", "held"]) == (1, 1, 0)
    assert 5300 < told["sohoa_queue_age_seconds", "quarantine"] < 5500
    assert told["sohoa_queue_age_seconds", "read"] == 0
    assert [told[f"sohoa_stage_{what}_total", "read"] for what in ("runs", "pages", "seconds")] == [2, 30, 42.0]
    assert told["sohoa_target_probability", "T"] == 0.4
    assert told["sohoa_verify_faults",] == 2
    with clean.begin() as conn:
        turns.queue(conn, ["box-1"])
        conn.execute(text("UPDATE pipeline.batch SET queued_at = now() - interval '5 min'"))
    told = scraped()
    assert (told["sohoa_batches", "stuck"], told["sohoa_batches", "queued"]) == (0, 1)
    assert 290 < told["sohoa_queue_age_seconds", "read"] < 330


def test_no_label_is_the_name_of_a_batch_or_a_person(scraped):
    assert "box-1" not in str(scraped())


def test_a_database_that_is_away_is_told_and_the_rest_still_is(tmp_path):
    away = Settings(home=tmp_path, database_url="postgresql://nobody:x@127.0.0.1:1/none")
    told = {family.name: [one.value for one in family.samples] for family in metrics.Measures(away).collect()}
    assert told["sohoa_up"] == [0]
    assert told["sohoa_store_free_bytes"][0] > 0


def test_prometheus_is_answered_over_http_and_a_taken_port_is_no_fault(scraped, settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        taken = settings.model_copy(update={"metrics_port": port})
        free.listen()
        metrics.serve(taken)  # logged, and no more
    metrics.serve(taken)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert b'sohoa_pages{state="received"} 2.0' in answer.read()


def test_steps_are_counted_when_they_end_well(clean, batch):
    steps.assemble(batch)
    with clean.connect() as conn:
        assert conn.execute(text("SELECT stage, runs FROM pipeline.stage_time")).all() == [("assemble", 1)]


def test_every_alert_asks_for_what_is_measured_and_leads_to_a_runbook(scraped, settings):
    measured = {name for name, *_ in scraped()} | {"sohoa_queue_age_seconds", "sohoa_last_seconds"}
    runbooks = (REPOSITORY / "docs" / "runbooks.md").read_text(encoding="utf-8")
    headings = {line[3:].strip().lower().replace(" ", "-") for line in runbooks.splitlines() if line.startswith("## ")}
    rules = [rule for group in ALERTS["groups"] for rule in group["rules"]]
    assert len(rules) >= 10
    for rule in rules:
        asked = set(re.findall(r"sohoa_\w+", rule["expr"]))
        assert asked and asked <= measured, rule["alert"]
        assert rule["annotations"]["runbook"].rpartition("#")[2] in headings, rule["alert"]
    parts = {one.name for one in health.parts(settings)}
    assert parts <= headings


def test_the_health_of_each_part_is_told(scraped, settings, clean):
    told = {one.name: one for one in health.parts(settings)}
    assert told["database"].state is told["poller"].state is told["software"].state is health.State.OK
    assert told["verified"].state is health.State.FAIL
    assert (told["stuck"].state, told["stuck"].figure) == (health.State.WARN, "1")
    assert told["airflow"].state is health.State.FAIL  # none runs in this test
    assert health.worst(list(told.values())) is health.State.FAIL
    assert health.worst([told["database"], told["stuck"]]) is health.State.WARN
    with clean.begin() as conn:
        conn.execute(
            text("UPDATE pipeline.installation SET stamped_at = now() - interval '3 min' WHERE name = 'poller'")
        )
    assert {one.name: one.state for one in health.parts(settings)}["poller"] is health.State.FAIL


def test_the_workbenchs_role_may_ask_it_all(scraped, settings):
    assert len(health.parts(settings, "review")) == len(health.OF_DATABASE) + len(health.OF_MACHINE) + 1


def test_sohoa_doctor_says_it_and_fails_where_something_does(scraped, settings):
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 1
    told = {row["name"]: row["state"] for row in json.loads(done.output)}
    assert told["database"] == "ok" and told["airflow"] == "fail"
    said = " ".join(CliRunner().invoke(app, ["doctor"]).output.split())
    assert "docs/runbooks.md" in said and "poller" in said


def test_where_nothing_answers_that_alone_is_told(tmp_path):
    away = Settings(home=tmp_path, database_url="postgresql://nobody:x@127.0.0.1:1/none")
    told = {one.name: one.state for one in health.parts(away)}
    assert told["database"] is health.State.FAIL and "poller" not in told
