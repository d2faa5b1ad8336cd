"""Beside stage 8, pipeline.outbox: documents that officers have settled become asset events that start their loading.

Airflow nudges and the pages are the truth: an event that was posted twice loads nothing twice, and one that was not
accepted is posted again. Runs beside Airflow as `python -m pipeline.outbox`.
"""

import json
import os
from collections.abc import Sequence
from typing import Any

import httpx
import structlog
from sqlalchemy import Connection, Row, func, select, update
from sqlalchemy.exc import OperationalError

from pipeline import airflow, persons, processes, steps
from pipeline.database import engine
from pipeline.finished import TOPIC
from pipeline.settings import Settings
from pipeline.settings import settings as _settings
from pipeline.tables import batch, outbox
from records.errors import SohoaError

log = structlog.get_logger()
ASSET = TOPIC
EVERY_SECONDS, TIMEOUT_SECONDS = 15, 10
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
    # No proxy: the event never leaves this machine, or the host that `url` names.
    with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        try:
            client.headers["Authorization"] = f"Bearer {_token(client, settings)}"
            asset_id = _asset_id(client)
            for batch_id in batches:
                event = {"asset_id": asset_id, "extra": {"batch": batch_id}}
                client.post("/api/v2/assets/events", json=event).raise_for_status()
                accepted.add(batch_id)
        except httpx.HTTPStatusError as error:
            log.warning("refused", status=error.response.status_code, path=error.request.url.path)
        except (httpx.TransportError, SohoaError) as error:
            log.warning("not_reached", why=str(error))
    return accepted


def _token(client: httpx.Client, settings: Settings) -> str:
    """A token of Airflow's SimpleAuthManager for its only user."""
    password = json.loads(airflow.password_file(settings).read_text(encoding="utf-8"))[airflow.USER]
    answer = client.post("/auth/token", json={"username": airflow.USER, "password": password}).raise_for_status()
    return str(_told(answer)["access_token"])


def _asset_id(client: httpx.Client) -> int:
    """The number that Airflow gave the asset when it read the DAG; SohoaError before."""
    answer = client.get("/api/v2/assets", params={"name_pattern": ASSET, "limit": 100}).raise_for_status()
    found = next((asset["id"] for asset in _told(answer)["assets"] if asset["name"] == ASSET), None)
    if found is None:
        raise SohoaError(f"Airflow does not know the asset '{ASSET}' yet")
    return int(found)


def _told(answer: httpx.Response) -> dict[str, Any]:
    try:
        told: dict[str, Any] = answer.json()
    except ValueError as error:
        raise SohoaError(f"{answer.request.url.path} answers what is no JSON; is that Airflow?") from error
    return told


def main() -> None:
    """Post every EVERY_SECONDS until told to stop; a database that is away is waited for."""
    chosen, stopping = _settings(), processes.stop_on_signals()
    url = os.environ.get("AIRFLOW__API__BASE_URL") or f"http://{airflow.HOST}:{airflow.PORT}"
    while not stopping.wait(EVERY_SECONDS):
        try:
            post_reviewed(chosen, url)
        except OperationalError:
            log.warning("database_away")


if __name__ == "__main__":
    main()
