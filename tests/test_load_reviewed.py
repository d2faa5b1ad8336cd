"""load_reviewed: what its timetable says, and one run in process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import airflow

REPOSITORY = Path(__file__).resolve().parent.parent

DESCRIBE = """
import json, sys
from types import SimpleNamespace as Event
from dags.load_reviewed import REVIEWED, load_reviewed
heavy = sorted({"sqlalchemy.orm", "great_expectations", "cv2", "pipeline"} & set(sys.modules))
made = load_reviewed()
named = made.get_task("list_batches").python_callable
named_in = [Event(extra={"batch": b, "from_rest_api": True}) for b in ("box-2", "box-1", "box-2")]
events = {REVIEWED: [*named_in, Event(extra={})]}
print(json.dumps({
    "asset": [REVIEWED.name, REVIEWED.uri],
    "runs": made.max_active_runs,
    "batches": named(triggering_asset_events=events, params={"batch": ""}),
    "by_hand": named(triggering_asset_events={}, params={"batch": "box-3"}),
    "pipeline": "pipeline" in heavy,
    "heavy": [name for name in heavy if name in ("great_expectations", "cv2")],
    "tasks": {task.task_id: {"pool": task.pool, "retries": task.retries, "mapped": task.is_mapped,
                             "after": sorted(task.upstream_task_ids)} for task in made.tasks},
}))
"""


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    env = dict(os.environ) | {"AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow"))}
    done = subprocess.run([sys.executable, "-c", DESCRIBE], cwd=REPOSITORY, env=env, capture_output=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def test_it_is_started_by_the_asset_that_the_poller_names(described):
    from pipeline.outbox import ASSET

    assert described["asset"] == [ASSET, "sohoa://review/reviewed"]


def test_each_batch_of_the_events_is_loaded_then_accounted(described):
    tasks = described["tasks"]
    after = {name: task["after"] for name, task in tasks.items()}
    assert after == {"list_batches": [], "load": ["list_batches"], "account": ["load"]}
    assert [name for name, task in tasks.items() if task["mapped"]] == ["load", "account"]
    assert (tasks["load"]["pool"], described["runs"]) == ("emr_write", 1)
    assert all(task["retries"] == 2 for task in tasks.values())


def test_a_batch_that_several_events_name_is_loaded_once_and_one_may_be_named_by_hand(described):
    assert described["batches"] == ["box-1", "box-2"]
    assert described["by_hand"] == ["box-3"]


def test_reading_the_timetable_loads_no_work(described):
    assert (described["pipeline"], described["heavy"]) == (False, [])


@pytest.mark.all
def test_a_batch_named_by_hand_goes_through_in_process(settings, batch):
    assert airflow.run_in_process("load_reviewed", batch, settings)
