"""The shape of the house: imports run one way, DAG files load at once, one package name stays ours."""

import json
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
DAGS = sorted(path.stem for path in (REPOSITORY / "dags").glob("[a-z]*.py"))
HEAVY = ["cv2", "great_expectations", "numpy", "pandas", "pdfplumber", "pytesseract", "spacy", "sklearn", "tesserocr"]
OURS = ["pipeline", "review", "reporting", "extractors", "transformers", "validation", "loaders", "records"]

# Airflow's processes hold airflow.sdk already when they come to a DAG file, so the clock starts after it. Each file is
# loaded in a process of its own, forked from one that has read nothing else.
LOAD = """
import importlib, json, os, sys, time
from airflow.sdk import Asset, Param, PartitionedAssetTimetable, chain, dag, task
for name in sys.argv[1:]:
    if os.fork() == 0:
        start = time.perf_counter()
        importlib.import_module("dags." + name)
        modules = [m for m in sys.modules if "." not in m]
        print(json.dumps({"name": name, "seconds": time.perf_counter() - start, "modules": modules}), flush=True)
        os._exit(0)
    assert os.wait()[1] == 0
"""


def test_the_import_contracts_hold():
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_a_dag_file_loads_in_under_a_second_without_a_heavy_module(tmp_path, monkeypatch):
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    command = [sys.executable, "-c", LOAD, *DAGS]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    loaded = {one["name"]: one for one in map(json.loads, done.stdout.splitlines()[-len(DAGS) :])}
    assert sorted(loaded) == DAGS
    for name, found in loaded.items():
        assert found["seconds"] < 1, name
        assert not {*HEAVY, *OURS} & set(found["modules"]), name


@pytest.mark.parametrize("name", DAGS)
def test_a_dag_file_is_a_timetable_of_at_most_sixty_lines(name):
    text = (REPOSITORY / "dags" / f"{name}.py").read_text(encoding="utf-8")
    assert len([line for line in text.splitlines() if line]) <= 60


def test_the_folder_transformers_is_not_shadowed_by_the_package_of_that_name():
    import transformers

    assert Path(str(transformers.__file__)).parent == REPOSITORY / "transformers"
    assert "transformers" not in {found.metadata["Name"].lower() for found in distributions()}
    for lock in ("requirements.lock", "requirements-dev.lock"):
        assert "\ntransformers==" not in (REPOSITORY / lock).read_text(encoding="utf-8")


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_names_hashes_and_no_addresses(lock):
    text = (REPOSITORY / lock).read_text(encoding="utf-8")
    assert "://" not in text and "--index" not in text
    assert text.count("==") <= text.count("--hash=sha256:")
