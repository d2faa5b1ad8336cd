"""migrate_batch: what its timetable says, one run in process, one under a real scheduler."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from sqlalchemy import create_engine, text

from pipeline import airflow, ledger, turns
from pipeline.database import airflow_url
from records.pages import Batch
from records.states import AT_REST

REPOSITORY = Path(__file__).resolve().parent.parent
SAMPLES = sorted((REPOSITORY / "sample_scans" / "forms").glob("*.jpg"))[:3]
START_SECONDS, RUN_SECONDS = 180, 420

DESCRIBE = """
import json
from dags.migrate_batch import migrate_batch
made = migrate_batch()
print(json.dumps({
    "params": {name: made.params.get_param(name).dump() for name in made.params},
    "tasks": {task.task_id: {
        "pool": task.pool, "retries": task.retries, "mapped": task.is_mapped, "rule": task.trigger_rule.value,
        "after": sorted(task.upstream_task_ids),
    } for task in made.tasks},
}, default=str))
"""
SERVE = "import sys; from pipeline import serving, settings; serving.serve(settings.settings(), int(sys.argv[1]))"


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    env = dict(os.environ) | {"AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow"))}
    done = subprocess.run([sys.executable, "-c", DESCRIBE], cwd=REPOSITORY, env=env, capture_output=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def batch(clean, tmp_path):
    """Three sample pages, entered as a batch that nobody has read yet."""
    for sample in SAMPLES:
        shutil.copy(sample, tmp_path)
    with clean.begin() as connection:
        ledger.open_batch(connection, Batch(batch_id="hộp-17", facility="DEMO", folder=str(tmp_path)))
    return "hộp-17"


def assert_accounted(engine, batch_id):
    with engine.connect() as connection:
        assert ledger.balance(connection, batch_id) == []
        states = {state: pages for state, pages in ledger.counts(connection, batch_id)[batch_id].items() if pages}
    assert sum(states.values()) == len(SAMPLES)
    assert set(states) <= {state.value for state in AT_REST}


def test_the_tasks_follow_each_other_from_pages_to_account(described):
    after = {name: task["after"] for name, task in described["tasks"].items()}
    assert after == {
        "list_pages": [],
        "extract": ["list_pages"],
        "assemble": ["extract"],
        "check": ["assemble"],
        "load": ["check"],
        "account": ["load"],
    }


OTHERS = """
import importlib, json
told = {}
for name in ("backfill_months", "check_quality", "housekeeping", "load_reviewed", "publish_compliance",
             "register_batch", "reprocess", "verify_store"):
    made = getattr(importlib.import_module(f"dags.{name}"), name)()
    told[name] = {"runs": made.max_active_runs, "catchup": made.catchup, "tasks": sorted(made.task_ids)}
print(json.dumps(told))
"""


def test_the_other_timetables_import_and_never_catch_up(tmp_path):
    env = dict(os.environ) | {"AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", OTHERS], cwd=REPOSITORY, env=env, capture_output=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {
        "backfill_months": {"runs": 2, "catchup": False, "tasks": ["queue_month"]},
        "check_quality": {"runs": 1, "catchup": False, "tasks": ["check"]},
        "housekeeping": {"runs": 1, "catchup": False, "tasks": ["keep_house"]},
        "load_reviewed": {"runs": 1, "catchup": False, "tasks": ["account", "list_batches", "load"]},
        "publish_compliance": {"runs": 1, "catchup": False, "tasks": ["publish"]},
        "register_batch": {"runs": 1, "catchup": False, "tasks": ["register"]},
        "reprocess": {
            "runs": 16,
            "catchup": False,
            "tasks": ["account", "assemble", "carry_out", "check", "compare", "list_changed", "load"],
        },
        "verify_store": {"runs": 1, "catchup": False, "tasks": ["verify"]},
    }


def test_only_the_chunks_of_pages_are_mapped(described):
    assert [name for name, task in described["tasks"].items() if task["mapped"]] == ["extract"]


def test_reading_and_writing_have_pools_and_every_task_is_tried_again(described):
    pools = {name: task["pool"] for name, task in described["tasks"].items()}
    assert (pools["extract"], pools["load"]) == ("ocr", "emr_write")
    assert all(task["retries"] == 2 for task in described["tasks"].values())


def test_a_batch_whose_pages_are_all_held_already_is_still_assembled_and_accounted(described):
    assert described["tasks"]["assemble"]["rule"] == described["tasks"]["account"]["rule"] == "none_failed"


def test_the_batch_id_is_checked_by_a_pattern_and_empty_by_default(described):
    batch = described["params"]["batch"]
    assert (batch["value"], batch["schema"]["pattern"]) == ("", r"^[\w.-]{0,120}$")


@pytest.mark.slow
def test_a_batch_goes_through_the_dag_in_process(settings, clean, batch):
    assert airflow.run_in_process("migrate_batch", batch, settings)
    assert_accounted(clean, batch)


@pytest.mark.all
def test_a_second_run_in_process_adds_nothing(settings, clean, batch):
    for _ in range(2):
        assert airflow.run_in_process("migrate_batch", batch, settings)
        assert_accounted(clean, batch)


@pytest.mark.all
def test_a_run_without_a_batch_fails_and_says_what_to_do(settings, clean):
    assert not airflow.run_in_process("migrate_batch", "", settings)
    assert "No batch was named; trigger again" in airflow.log_path(settings, "in_process").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_waiting_batch_gets_its_turn_under_a_real_scheduler_and_no_process_is_left_behind(
    settings, clean, batch, assets
):
    with socket.socket() as free, socket.socket() as other:
        free.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        port, review_port = (str(taken.getsockname()[1]) for taken in (free, other))
    airflow.prepare(settings)
    measures = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    measures.bind(("127.0.0.1", 0))
    env = os.environ | {
        "SOHOA_REVIEW_PORT": review_port,
        "SOHOA_STATSD": f"127.0.0.1:{measures.getsockname()[1]}",
        "SOHOA_METRICS_PORT": "0",
    }
    command = [sys.executable, "-c", SERVE, port]
    server = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, env=env)
    try:
        said = until(START_SECONDS, lambda: server.stdout.readline())
        with clean.begin() as connection:
            turns.queue(connection, [batch])
        family = psutil.Process(server.pid).children(recursive=True)
        assert state_of_the_run(settings, batch) == "success"
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0
    assert f"http://127.0.0.1:{port}" in said
    assert len(family) >= 5
    assert [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []
    assert_accounted(clean, batch)
    measures.settimeout(5)
    assert measures.recv(4096).startswith(b"airflow.")


def state_of_the_run(settings, batch):
    metadata = create_engine(airflow_url(settings))

    def finished():
        with metadata.connect() as connection:
            state = connection.scalar(text("SELECT state FROM dag_run WHERE partition_key = :key"), {"key": batch})
        return state if state in ("success", "failed") else ""

    return until(RUN_SECONDS, finished)


def until(seconds, ask):
    """The first true answer within the time given."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(1)
    raise AssertionError(f"nothing within {seconds} s")
