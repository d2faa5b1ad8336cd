"""Beside stage 10, loaders.changes: other systems that take the EMR's rows over, as docs/emr.md tells them.

Triggers write each change of the loader into `emr.change`, in its transaction; a consumer asks `emr.next_changes`,
carries them out in order and confirms each. Whoever is added later begins with the tables as they stand.
"""

from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, text

from loaders.tables import change, confirmation, consumer
from records.errors import SohoaError

KEPT = timedelta(days=30)  # of changes that every consumer has answered


class Refusal(NamedTuple):
    """A change that a consumer could not take over, in its own words."""

    consumer_id: str
    change_id: int
    table_name: str
    document_id: str
    why: str


def add_consumer(conn: Connection, consumer_id: str) -> int:
    """Tell a system every change from here on; the last change before, which is in the tables already.

    SohoaError when it is told already. Add it in the transaction that copies the tables, or while nothing is loaded.
    """
    if conn.scalar(select(consumer.c.consumer_id).where(consumer.c.consumer_id == consumer_id)):
        raise SohoaError(f"'{consumer_id}' is told of changes already.")
    after = conn.scalar(select(func.coalesce(func.max(change.c.change_id), 0))) or 0
    conn.execute(insert(consumer).values(consumer_id=consumer_id, after=after))
    return int(after)


def remove_consumer(conn: Connection, consumer_id: str) -> bool:
    """Tell a system nothing any more; False when it was not told."""
    conn.execute(delete(confirmation).where(confirmation.c.consumer_id == consumer_id))
    return bool(conn.execute(delete(consumer).where(consumer.c.consumer_id == consumer_id)).rowcount)


def consumers(conn: Connection) -> list[dict[str, Any]]:
    """Each consumer with how many changes wait for it, since when the oldest, and how many it has refused."""
    state = text(
        "SELECT consumer_id AS consumer, waiting, refused, oldest FROM emr.consumer_state ORDER BY consumer_id"
    )
    return [dict(row) for row in conn.execute(state).mappings()]


def refusals(conn: Connection) -> list[Refusal]:
    """What consumers could not take over, the oldest first."""
    query = (
        select(confirmation.c.consumer_id, change.c.change_id, change.c.table_name, change.c.document_id,
               confirmation.c.refused)
        .join(change, change.c.change_id == confirmation.c.change_id)
        .where(confirmation.c.refused != "")
        .order_by(change.c.change_id, confirmation.c.consumer_id)
    )  # fmt: skip
    return [Refusal(*row) for row in conn.execute(query)]


def forget(conn: Connection, kept: timedelta = KEPT) -> int:
    """Forget changes older than `kept` that every consumer has taken over; how many."""
    taken = select(confirmation.c.change_id).where(
        confirmation.c.consumer_id == consumer.c.consumer_id, confirmation.c.change_id == change.c.change_id,
        confirmation.c.refused == "",
    )  # fmt: skip
    untold = consumer.c.after < change.c.change_id
    lacking = select(consumer.c.consumer_id).where(untold, ~taken.correlate(consumer, change).exists())
    old = change.c.changed_at < func.now() - kept
    return conn.execute(delete(change).where(old, ~lacking.correlate(change).exists())).rowcount
