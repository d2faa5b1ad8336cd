"""The demonstration, pipeline.demo: the sample scans through the real Airflow DAG, in process, and what came of it."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from pipeline import airflow, first_run, ledger
from pipeline.database import engine
from pipeline.migrate import make_ready, wanted_batch
from pipeline.settings import settings
from records.errors import SohoaError
from reporting import batch as report

BATCH = "demo"


def run(out: Console) -> None:
    """Migrate sample_scans as batch `demo`; SohoaError when the DAG run fails."""
    make_ready()
    first_run.load_demo_facts()
    wanted = wanted_batch(first_run.SAMPLES, BATCH)
    with engine(settings()).begin() as conn:
        ledger.open_batch(conn, wanted)
        before = sum(ledger.counts(conn).get(BATCH, {}).values())
    out.print(f"Airflow DAG migrate_batch, batch {BATCH}: {first_run.SAMPLES.name}")
    if not _through_airflow(out):
        raise SohoaError(f"The DAG run failed; {airflow.log_path(settings(), 'in_process')} says why.")
    with engine(settings()).connect() as conn:
        after = sum(ledger.counts(conn).get(BATCH, {}).values())
    if before and before == after:
        out.print("Everything is already held; nothing was added.", style="green")
    report.print_batch(out, BATCH)
    where = "the embedded PostgreSQL" if not settings().database_url else "your PostgreSQL server"
    out.print(f"The rows are in schemas emr and pipeline of {where}: {settings().home / 'pg'}")


def _through_airflow(out: Console) -> bool:
    """Run the DAG and show how many pages have been read so far."""
    with Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=out) as bar:
        task = bar.add_task("pages at rest", total=None)

        def tick() -> None:
            with engine(settings()).connect() as conn:
                counts = ledger.counts(conn).get(BATCH, {})
            total = sum(counts.values())
            bar.update(task, total=total or None, completed=total - counts.get("received", 0))

        return airflow.run_in_process("migrate_batch", BATCH, settings(), tick)
