"""`python -m bench.scheduler`: many boxes through queue, turns and Airflow, where nothing is read: the cost of Airflow.

Boxes are entered and queued; the poller hands out turns, the scheduler runs `migrate_batch` for each. The steps are
stubs (`bench/stub`), so all CPU that is spent is Airflow's and the start of tasks.
"""

import os
import time
from contextlib import ExitStack
from typing import Annotated

import psutil
import typer
from rich.console import Console
from sqlalchemy import Engine, create_engine, insert, text

from bench.home import home_of_its_own
from bench.served import SERVE, airflow_cpu, children, lend_assets, until, until_airflow_answers, variables
from pipeline import turns
from pipeline.database import airflow_url
from pipeline.settings import REPOSITORY, settings
from pipeline.tables import batch

RUN_SECONDS = 7200


def ended(metadata: Engine) -> int:
    """Runs of batches that ended well; SystemExit where one did not."""
    with metadata.connect() as conn:
        query = "SELECT state, count(*) FROM dag_run WHERE dag_id = 'migrate_batch' GROUP BY state"
        found = {row[0]: int(row[1]) for row in conn.execute(text(query))}
    if found.get("failed"):
        raise SystemExit(f"{found['failed']} runs failed")
    return found.get("success", 0)


def main(
    boxes: Annotated[int, typer.Option(min=2)] = 50,
    at_once: Annotated[int, typer.Option(min=1, max=50, help="Runs at once.")] = 10,
) -> None:
    """Enter, wait, tell."""
    with ExitStack() as held:
        engine = held.enter_context(home_of_its_own())
        lend_assets()
        stubbed = f"{REPOSITORY / 'bench' / 'stub'}{os.pathsep}{REPOSITORY}"
        own = variables(SOHOA_BATCHES_AT_ONCE=str(at_once), PYTHONPATH=stubbed)
        held.enter_context(children())(SERVE, own, "serve")
        until_airflow_answers()
        time.sleep(20)  # until Airflow has read its timetables
        with engine.begin() as conn:
            rows = [{"batch_id": f"box-{n:04}", "facility_id": "DEMO", "folder": f"/{n}"} for n in range(boxes)]
            conn.execute(insert(batch), rows)
            turns.queue(conn, [row["batch_id"] for row in rows])
        metadata = create_engine(airflow_url(settings()))
        until(RUN_SECONDS, lambda: ended(metadata) > 0, "nothing ends")
        first, at, before, all_before = ended(metadata), time.monotonic(), airflow_cpu(), sum(psutil.cpu_times()[:3])
        until(RUN_SECONDS, lambda: ended(metadata) >= boxes, "not all runs end")
        seconds, done = time.monotonic() - at, boxes - first
        own_cpu = {name: spent - before[name] for name, spent in airflow_cpu().items()}
        machine = sum(psutil.cpu_times()[:3]) - all_before
        metadata.dispose()
    out = Console(width=110)
    out.print(f"{done} boxes in {seconds:.0f} s: {seconds / done:.1f} s a box, {machine / done:.1f} CPU s a box in all")
    out.print(", ".join(f"{name} {spent / done:.2f} CPU s a box" for name, spent in own_cpu.items() if spent))


if __name__ == "__main__":
    typer.run(main)
