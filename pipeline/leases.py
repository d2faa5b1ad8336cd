"""Stage 2, pipeline.leases: who reads a page now; one that lives renews its leases, one that died loses them soon."""

import os
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog
from sqlalchemy import Connection, Engine, select, text
from sqlalchemy.exc import OperationalError

from pipeline.tables import page
from records.states import IN_PROGRESS

log = structlog.get_logger()
LEASE_SECONDS = 60  # Airflow gives up a task that is silent for as long


def lease(conn: Connection, page_ids: Sequence[str], owner: str, seconds: float) -> list[tuple[str, int]]:
    """Lease the pages that are in progress and free, in page order, as (page_id, fencing token).

    Free: never leased, run out on the database's clock, leased by the same owner, or by a process of this machine
    that is dead. Pages that another transaction holds are passed over.
    """
    holders = conn.scalars(select(page.c.lease_owner).where(page.c.page_id.in_(page_ids)).distinct())
    free = [owner, *(holder for holder in holders if holder and _is_dead(holder))]
    taken = conn.execute(
        LEASE,
        {
            "ids": list(page_ids),
            "states": [state.value for state in IN_PROGRESS],
            "free": free,
            "owner": owner,
            "seconds": seconds,
        },
    )
    return sorted((row.page_id, row.token) for row in taken)


LEASE = text("""
    UPDATE pipeline.page SET lease_owner = :owner, token = token + 1,
        lease_until = clock_timestamp() + make_interval(secs => :seconds)
    WHERE page_id IN (
        SELECT page_id FROM pipeline.page
        WHERE page_id = ANY(:ids) AND state = ANY(:states)
          AND (lease_until IS NULL OR lease_until < clock_timestamp() OR lease_owner = ANY(:free))
        ORDER BY page_id FOR UPDATE SKIP LOCKED)
    RETURNING page_id, token""")


def this_process() -> str:
    """A lease owner's name that tells whether its process still lives: host:process id:start."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


@contextmanager
def kept(engine: Engine, tokens: Mapping[str, int]) -> Iterator[None]:
    """Renew the leases (page id to fencing token) meanwhile; where the database is away they run out."""
    ended = threading.Event()
    thread = threading.Thread(target=_renew_until, args=(engine, dict(tokens), ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _renew_until(engine: Engine, tokens: Mapping[str, int], ended: threading.Event) -> None:
    while not ended.wait(LEASE_SECONDS / 4):
        try:
            with engine.begin() as conn:
                renew(conn, tokens, LEASE_SECONDS)
        except OperationalError:
            log.warning("leases_not_renewed", pages=len(tokens))


def renew(conn: Connection, tokens: Mapping[str, int], seconds: float) -> int:
    """Lengthen the leases that still are those of the tokens; how many were."""
    ids = list(tokens)
    given = {"ids": ids, "tokens": [tokens[one] for one in ids], "seconds": seconds}
    return conn.execute(RENEW, given).rowcount


RENEW = text("""
    UPDATE pipeline.page p SET lease_until = clock_timestamp() + make_interval(secs => :seconds)
    FROM unnest(CAST(:ids AS text[]), CAST(:tokens AS bigint[])) AS own(page_id, token)
    WHERE p.page_id = own.page_id AND p.token = own.token AND p.lease_until IS NOT NULL""")


def _is_dead(owner: str) -> bool:
    """Whether a lease's owner ran on this machine and is gone; unknown owners count as alive until they run out."""
    host, _, rest = owner.rpartition(":")[0].rpartition(":")
    if host != socket.gethostname() or not rest.isdigit():
        return False
    return _started(int(rest)) != owner.rpartition(":")[2]


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return ""
