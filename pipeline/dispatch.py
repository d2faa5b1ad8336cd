"""Beside stage 2, pipeline.dispatch: batches whose turn it is become runs of `migrate_batch`, and the hour its slots.

Airflow sees few batches at a time, so that their order can change until the last moment, and a backfill of hundreds of
boxes costs its scheduler nothing.
"""

from datetime import datetime

import httpx
import structlog

from pipeline import turns
from pipeline.airflow_api import answer_of, asset_id, connected, told
from pipeline.database import engine
from pipeline.settings import Settings
from pipeline.tables import batch

log = structlog.get_logger()
ASSET, DAG, POOL = "batch_received", "migrate_batch", "ocr"


def dispatch(settings: Settings, url: str, now: datetime) -> list[str]:
    """Start the batches whose turn it is at Airflow's `url`, as many as may run at once and every urgent one; the
    pool gets the slots of the hour. Their ids; what Airflow does not take keeps its place."""
    started: list[str] = []
    with engine(settings, "pipeline").begin() as conn:
        waiting = conn.execute(turns.in_turn().with_for_update(of=batch, skip_locked=True)).all()
        with told(), connected(settings, url) as client:
            with told():  # Slots that cannot be set keep no batch waiting.
                _set_slots(client, turns.slots(settings, now))
            room = settings.batches_at_once - _running(client) if waiting else 0
            due = [row.batch_id for at, row in enumerate(waiting) if row.urgent or at < room]  # the urgent lead
            asset = asset_id(client, ASSET) if due else 0
            for batch_id in due:
                event = {"asset_id": asset, "partition_key": batch_id, "extra": {}}
                client.post("/api/v2/assets/events", json=event).raise_for_status()
                turns.begun(conn, batch_id)
                started.append(batch_id)
    if started:
        log.info("dispatched", batches=len(started), waiting=len(waiting) - len(started))
    return started


def _running(client: httpx.Client) -> int:
    """Runs that are under way or about to be."""
    asked = f"/api/v2/dags/{DAG}/dagRuns?state=queued&state=running&limit=1"
    return int(answer_of(client.get(asked))["total_entries"])


def _set_slots(client: httpx.Client, slots: int) -> None:
    """Give the pool its slots where it has others; tasks that run are left alone."""
    if int(answer_of(client.get(f"/api/v2/pools/{POOL}"))["slots"]) != slots:
        asked, body = {"update_mask": "slots"}, {"pool": POOL, "slots": slots, "include_deferred": False}
        answer_of(client.patch(f"/api/v2/pools/{POOL}", params=asked, json=body))
        log.info("slots", pool=POOL, slots=slots)
