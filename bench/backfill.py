"""`python -m bench.backfill`: a range of discharge months by Airflow's own backfill, newest first, under `sohoa serve`.

One box a month, of sample pages with grain of their own. Told: in what order the months began to be read, whether every
page is accounted for, pages per second, and what Airflow's own processes took of the machine.
"""

import os
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy import Engine, insert, text

from bench.home import home_of_its_own
from bench.served import (
    SERVE,
    airflow_cpu,
    box,
    children,
    lend_assets,
    one,
    read,
    until,
    until_airflow_answers,
    variables,
)  # fmt: skip
from pipeline import ledger
from pipeline.settings import settings
from pipeline.tables import registry_patient, registry_stay
from records.pages import Batch

YEAR = 2021
RUN_SECONDS = 7200
ORDER = """
    SELECT batch_id FROM pipeline.page JOIN pipeline.page_text USING (page_id)
    GROUP BY batch_id ORDER BY min(page_text.created_at)"""


def enter(engine: Engine, months: int, pages: int) -> None:
    """A box for each month, with one stay discharged in it; entered, and in no queue."""
    with engine.begin() as conn:
        for month in range(1, months + 1):
            name, patient = f"T{month:02}", f"P{month:02}"
            folder = box(settings().home / "scans" / name, pages, seed=month)
            ledger.open_batch(conn, Batch(batch_id=name, facility="DEMO", folder=str(folder)))
            own = {"facility_id": "DEMO", "patient_id": patient}
            conn.execute(insert(registry_patient).values(own | {"name": "NGUYỄN VĂN MẪU"}))
            stay = {"encounter_number": name, "box": name, "discharged_at": f"{YEAR}-{month:02}-15"}
            conn.execute(insert(registry_stay).values(own | stay))


def order_months(months: int) -> None:
    """What IT types: all months in one backfill, the newest first."""
    span = ["--from-date", f"{YEAR}-01-01", "--to-date", f"{YEAR}-{months:02}-28"]
    how = ["--run-backwards", "--max-active-runs", "2", "--reprocess-behavior", "failed"]
    command = [sys.executable, "-m", "pipeline.airflow", "backfill", "create", "--dag-id", "backfill_months"]
    command += [*span, *how]
    subprocess.run(command, check=True, capture_output=True, env=variables())


def _open(engine: Engine) -> int:
    return int(one(engine, "SELECT count(*) FROM pipeline.batch WHERE closed_at IS NULL AND state = 'open'")[0])


def main(
    months: Annotated[int, typer.Option(min=2, max=12)] = 10,
    pages: Annotated[int, typer.Option(min=2, help="Pages a box.")] = 50,
) -> None:
    """Enter, order, wait, tell."""
    with ExitStack() as held:
        engine = held.enter_context(home_of_its_own())
        lend_assets()
        held.enter_context(children())(SERVE, variables(), "serve")
        until_airflow_answers()
        enter(engine, months, pages)
        time.sleep(20)  # until Airflow has read its timetables
        order_months(months)
        until(RUN_SECONDS, lambda: read(engine) > 0, "nothing is read")
        before, at = airflow_cpu(), time.monotonic()
        until(RUN_SECONDS, lambda: read(engine) >= months * pages, "not all is read")
        seconds = time.monotonic() - at
        share = sum(airflow_cpu().values()) - sum(before.values())
        until(RUN_SECONDS, lambda: _open(engine) == 0, "not all batches end")
        with engine.begin() as conn:
            order = [name[1:] for name in conn.scalars(text(ORDER))]
            faults, known = ledger.balance(conn), sum(sum(states.values()) for states in ledger.counts(conn).values())
    inversions = sum(one < other for n, one in enumerate(order) for other in order[n + 1 :])
    out = Console(width=110)
    out.print(f"Months as they began to be read: {' '.join(order)}; {inversions} pairs out of order")
    out.print(f"{known} of {months * pages} pages in the ledger, {len(faults)} faults")
    of_machine = share / seconds / (os.cpu_count() or 1)
    out.print(f"{months * pages / seconds:.2f} pages/s; Airflow {of_machine:.1%} of the CPU")


if __name__ == "__main__":
    typer.run(main)
