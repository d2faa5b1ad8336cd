"""Beside the dashboards, reporting.health: whether each part works now, in a sentence, and what to do where not."""

import shutil
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import httpx
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from pipeline import airflow, fitness, stamps, stuck
from pipeline.database import engine
from pipeline.settings import Settings
from records.base import Frozen
from records.errors import SohoaError

POLLER_SECONDS, VERIFIED_SECONDS = 90, 36 * 3600
FREE_WARN, FREE_FAIL = 20 * 10**9, 2 * 10**9  # bytes left for the store
CONSUMER_SECONDS = 86400
HELD_SECONDS, WAITING_SECONDS = 2 * 86400, 14 * 86400
TIMEOUT_SECONDS = 3


class State(StrEnum):
    """How a part is, the worst last."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Part(Frozen):
    """One part. `name`: key of its texts and of its heading in docs/runbooks.md; `figure`: what was found."""

    name: str
    state: State
    figure: str = ""


def parts(settings: Settings, role: str = "pipeline") -> list[Part]:
    """Every part, asked as a role of the database; where that does not answer, of its parts it alone."""
    try:
        with engine(settings, role).connect() as conn:
            found = [Part(name="database", state=State.OK), *(ask(conn) for ask in OF_DATABASE)]
    except (SohoaError, DBAPIError):
        found = [Part(name="database", state=State.FAIL)]
    return [*found, *(one(settings) for one in OF_MACHINE)]


def worst(found: list[Part]) -> State:
    """The state of the whole."""
    return max((one.state for one in found), key=list(State).index)


def _poller(conn: Connection) -> Part:
    last = stamps.get(conn, stamps.POLLER)
    fine = last is not None and last.age < POLLER_SECONDS
    return Part(name="poller", state=State.OK if fine else State.FAIL, figure=f"{last.age:.0f} s" if last else "-")


def _verified(conn: Connection) -> Part:
    last = stamps.get(conn, stamps.VERIFIED)
    if last is None:
        return Part(name="verified", state=State.WARN, figure="-")
    state = State.FAIL if last.value != "0" else State.WARN if last.age > VERIFIED_SECONDS else State.OK
    return Part(name="verified", state=state, figure=f"{last.value} / {last.at:%Y-%m-%d}")


def _stuck(conn: Connection) -> Part:
    found = len(stuck.find(conn))
    return Part(name="stuck", state=State.WARN if found else State.OK, figure=str(found))


def _held(conn: Connection) -> Part:
    return _aged(conn, "held", "SELECT count(*), extract(epoch FROM now() - min(created_at)) FROM pipeline.batch "
                 "WHERE state = 'held'", HELD_SECONDS)  # fmt: skip


def _review(conn: Connection) -> Part:
    query = "SELECT sum(documents), extract(epoch FROM now() - min(oldest)) FROM reporting.documents_waiting_by_type"
    return _aged(conn, "review", query, WAITING_SECONDS)


def _aged(conn: Connection, name: str, query: str, most: float) -> Part:
    count, age = conn.execute(text(query)).one()
    late = age is not None and float(age) > most
    told = f"{count or 0} / {float(age or 0) / 86400:.1f} d"
    return Part(name=name, state=State.WARN if late else State.OK, figure=told)


def _software(conn: Connection) -> Part:
    why = fitness.objection(conn, datetime.now(UTC))
    return Part(name="software", state=State.FAIL if why else State.OK, figure=why)


def _consumers(conn: Connection) -> Part:
    """Other systems that follow the EMR: what they refused, and how long the oldest change waits."""
    asked = "sum(waiting), sum(refused), extract(epoch FROM now() - min(oldest))"
    waiting, refused, age = conn.execute(text(f"SELECT {asked} FROM emr.consumer_state")).one()
    late = float(age or 0) > CONSUMER_SECONDS or (refused or 0) > 0
    told = f"{waiting or 0} / {refused or 0}"
    return Part(name="consumers", state=State.WARN if late else State.OK, figure=told)


def _store(settings: Settings) -> Part:
    free = shutil.disk_usage(settings.home).free
    state = State.FAIL if free < FREE_FAIL else State.WARN if free < FREE_WARN else State.OK
    return Part(name="store", state=state, figure=f"{free / 10**9:.0f} GB")


def _scheduler(settings: Settings) -> Part:
    """As Airflow's own monitor says; nobody need sign in for that."""
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
            told: dict[str, Any] = client.get(f"{airflow.reached_at(settings)}/api/v2/monitor/health").json()
    except (httpx.HTTPError, ValueError):
        return Part(name="airflow", state=State.FAIL, figure="-")
    names = ("metadatabase", "scheduler", "dag_processor", "triggerer")
    ill = [name for name in names if (told.get(name) or {}).get("status") != "healthy"]
    return Part(name="airflow", state=State.FAIL if ill else State.OK, figure=", ".join(ill))


def _broker(settings: Settings) -> Part:
    if not settings.broker_url:
        return Part(name="broker", state=State.OK, figure="-")
    import redis

    try:
        with redis.Redis.from_url(settings.broker_url, socket_timeout=TIMEOUT_SECONDS) as client:
            client.ping()
    except redis.RedisError:
        return Part(name="broker", state=State.FAIL)
    return Part(name="broker", state=State.OK)


OF_DATABASE = (_poller, _verified, _stuck, _held, _review, _software, _consumers)
OF_MACHINE = (_store, _scheduler, _broker)
