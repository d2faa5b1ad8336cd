"""Beside every stage, pipeline.housekeeping: hourly, so that nothing piles up and no batch is stranded."""

from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import delete, func

from loaders import changes
from pipeline import airflow, reprocess, stamps, stuck
from pipeline.database import engine
from pipeline.settings import Settings, settings
from pipeline.tables import rereading
from records.errors import SohoaError

log = structlog.get_logger()
RUNS_KEPT = timedelta(days=90)  # of Airflow's own history; the ledger's is for ever


def keep_house() -> dict[str, int]:
    """Batches that are stuck wait again; readings that nobody carried out, changes that every system has taken over and
    Airflow's old runs are removed."""
    chosen = settings()
    with engine(chosen, "pipeline").begin() as conn:
        cured = stuck.cure(conn)
        old = rereading.c.read_at < func.now() - reprocess.KEPT
        forgotten = conn.execute(delete(rereading).where(old)).rowcount
    with engine(chosen, "loader").begin() as conn:
        taken = changes.forget(conn)
    for one in cured:
        log.warning("stuck", batch=one.batch_id, pages=one.pages)
    done = {"stuck": len(cured), "forgotten": forgotten, "taken_over": taken}
    done["cleaned"] = int(_clean_airflow(chosen, datetime.now(UTC)))
    log.info("kept", **done)
    return done


def _clean_airflow(chosen: Settings, now: datetime) -> bool:
    """Once a day; Airflow's own command, as nothing else may touch its tables."""
    with engine(chosen, "pipeline").begin() as conn:
        last = stamps.get(conn, stamps.CLEANED)
        if last and last.age < 24 * 3600:
            return False
        stamps.put(conn, stamps.CLEANED)
    before = (now - RUNS_KEPT).isoformat()
    try:
        airflow.command(chosen, "db", "clean", "--clean-before-timestamp", before, "--skip-archive", "--yes")
    except SohoaError as error:
        log.warning("airflow_not_cleaned", why=str(error))
        return False
    return True
