"""Beside stage 8, pipeline.outbox: documents that officers have settled become asset events that start their loading.

Airflow nudges and the pages are the truth: an event that was posted twice loads nothing twice, and one that was not
accepted is posted again. Runs beside Airflow as `python -m pipeline.outbox`; the same process hands out turns to
batches that wait (`pipeline.dispatch`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.exc import OperationalError

from pipeline import airflow, logs, persons, processes, stamps, steps
from pipeline.airflow_api import asset_id, connected, told
from pipeline.database import engine
from pipeline.dispatch import dispatch
from pipeline.finished import TOPIC
from pipeline.settings import Settings
from pipeline.settings import settings as _settings
from pipeline.tables import batch, outbox
from records.errors import SohoaError

log = structlog.get_logger()
ASSET = TOPIC
EVERY_SECONDS = 15
MOST = 500  # rows at a time


def post_reviewed(settings: Settings, url: str) -> int:
    """Tell Airflow at `url` of each batch with newly settled documents; the number of batches that it accepted.

    What it does not accept stays in the outbox for the next time.
    """
    with engine(settings, "pipeline").begin() as conn:
        rows = _waiting(conn)
        if not rows:
            return 0
        batches = sorted({row.batch_id for row in rows})
        accepted = _posted(settings, url, batches)
        ids = [row.outbox_id for row in rows if row.batch_id in accepted]
        conn.execute(update(outbox).where(outbox.c.outbox_id.in_(ids)).values(sent_at=func.clock_timestamp()))
    if accepted:
        log.info("posted", batches=len(accepted), waiting=len(batches) - len(accepted))
    return len(accepted)


def load_reviewed(batch_id: str) -> int | None:
    """Load what officers have settled of a batch; the number of documents, None when its checks hold it.

    What they ruled of pages is carried out, then the checks are asked: tasks are there before a batch has passed them.
    """
    with engine(_settings(), "pipeline").connect() as conn:
        facility = conn.scalar(select(batch.c.facility_id).where(batch.c.batch_id == batch_id))
    if facility is None:
        raise SohoaError(f"There is no batch '{batch_id}'.")
    persons.carry_out(facility)
    steps.repair(batch_id)
    return steps.load(batch_id) if steps.check(batch_id) else None


def _waiting(conn: Connection) -> Sequence[Row[Any]]:
    """Rows nobody has sent, locked; what another poller has locked is passed over."""
    query = select(outbox.c.outbox_id, outbox.c.payload["batch_id"].astext.label("batch_id"))
    query = query.where(outbox.c.topic == TOPIC, outbox.c.sent_at.is_(None)).order_by(outbox.c.outbox_id).limit(MOST)
    return conn.execute(query.with_for_update(skip_locked=True)).all()


def _posted(settings: Settings, url: str, batches: Sequence[str]) -> set[str]:
    """The batches of which Airflow took the event."""
    accepted: set[str] = set()
    with told(), connected(settings, url) as client:
        asset = asset_id(client, ASSET)
        for batch_id in batches:
            event = {"asset_id": asset, "extra": {"batch": batch_id}}
            client.post("/api/v2/assets/events", json=event).raise_for_status()
            accepted.add(batch_id)
    return accepted


def main() -> None:
    """Post, and hand out turns, every EVERY_SECONDS until told to stop; a database that is away is waited for.

    The same process tells Prometheus its measures, where `metrics_port` is set.
    """
    from reporting import metrics

    logs.configure()
    chosen, stopping = _settings(), processes.stop_on_signals()
    url = airflow.reached_at(chosen)
    metrics.serve(chosen)
    while not stopping.wait(EVERY_SECONDS):
        try:
            post_reviewed(chosen, url)
            dispatch(chosen, url, datetime.now(UTC))
            with engine(chosen, "pipeline").begin() as conn:
                stamps.put(conn, stamps.POLLER)
        except OperationalError:
            log.warning("database_away")


if __name__ == "__main__":
    main()
