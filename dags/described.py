"""The page docs/dags.md, from the timetables themselves: `python -m dags.described > docs/dags.md`."""

import importlib
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
HELPERS = {"__init__", "described", "stages"}
HEAD = """# The timetables

Made by `python -m dags.described > docs/dags.md`; `tests/test_dags_page.py` compares. Times are UTC; Vietnam is seven
hours ahead. Every task may be cleared or run again: the page table is the truth, Airflow only nudges. With the
LocalExecutor queues mean nothing; with Celery each worker names those it serves (`sohoa worker --queues`).
"""


def page() -> str:
    """The whole page, Markdown."""
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in HELPERS)
    return HEAD + "".join(_described(name) for name in names)


def _described(name: str) -> str:
    module = importlib.import_module(f"dags.{name}")
    made = getattr(module, name)()
    params = {key: made.params.get_param(key).description for key in made.params}
    facts = [
        f"schedule: {_schedule(made)}",
        f"runs at once: at most {made.max_active_runs}",
        *(f"`{key}`: {told}" for key, told in params.items()),
    ]
    told = " ".join(str(module.__doc__).split())
    more = " ".join(str(made.doc_md or getattr(module, name).__doc__ or "").split())
    rows = "".join(_row(task) for task in made.topological_sort())
    table = "| task | after | pool | queue | retries | |\n|---|---|---|---|---|---|\n" + rows
    return f"\n## {name}\n\n{told} {more}\n\n{'; '.join(facts)}\n\n{table}"


def _schedule(made: Any) -> str:
    found = getattr(made.timetable, "asset_condition", None)
    if found is not None:
        names = ", ".join(one.name for one in getattr(found, "objects", None) or [found])
        keyed = " (its partition key is the batch)" if "Partition" in type(made.timetable).__name__ else ""
        return f"at an event of the asset `{names}`{keyed}"
    if made.schedule is None:
        return "by hand"
    return f"`{made.schedule}`" if isinstance(made.schedule, str) else f"every {made.schedule} (hours:minutes:seconds)"


def _row(task: Any) -> str:
    mapped = "one per chunk or batch" if task.is_mapped else ""
    after = ", ".join(sorted(task.upstream_task_ids)) or "–"
    return f"| {task.task_id} | {after} | {task.pool} | {task.queue} | {task.retries} | {mapped} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
