"""docs/dags.md is what the timetables say."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def test_the_page_about_the_timetables_is_made_from_them(tmp_path):
    env = dict(os.environ) | {"AIRFLOW_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "dags.described"]
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=True)
    made = done.stdout[done.stdout.index("# The timetables") :]
    assert made == (REPOSITORY / "docs" / "dags.md").read_text(encoding="utf-8"), (
        "python -m dags.described > docs/dags.md"
    )
