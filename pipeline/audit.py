"""Beside every stage, pipeline.audit: what somebody did becomes one link of an insert-only HMAC chain."""

import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Row, insert, select, text

from pipeline.keys import audit_key
from pipeline.settings import Settings, settings
from pipeline.tables import event
from records.errors import SohoaError

AUDIT_LOCK = 3


def record(conn: Connection, actor: str, action: str, object: str, detail: Mapping[str, object] | None = None) -> None:
    """Append one event in the caller's transaction. Ids and counts only in `detail`: no patient's data.

    Writers take turns until they commit, so record last in a transaction.
    """
    key = audit_key(settings())
    conn.execute(text("SELECT pg_advisory_xact_lock(:lock, 0)"), {"lock": AUDIT_LOCK})
    previous = conn.scalar(select(event.c.hash).order_by(event.c.event_id.desc()).limit(1))
    at, written = conn.execute(
        text("SELECT clock_timestamp(), CAST(:detail AS jsonb)::text"), {"detail": json.dumps(detail or {})}
    ).one()
    link = _link(key, previous, at, actor, action, object, written)
    row = {"at": at, "actor": actor, "action": action, "object": object, "detail": dict(detail or {})}
    conn.execute(insert(event).values(**row, previous=previous, hash=link))


def verify(conn: Connection) -> list[str]:
    """Each broken link as a sentence; empty when the chain is whole and holds every anchored head."""
    key = audit_key(settings())
    sentences: list[str] = []
    previous: bytes | None = None
    anchors = _anchors(settings())
    for row in _events(conn):
        if row.previous != previous:
            sentences.append(f"Audit event {row.event_id} does not follow the one before it: an event is missing.")
        link = _link(key, row.previous, row.at, row.actor, row.action, row.object, row.written)
        if not hmac.compare_digest(link, row.hash):
            sentences.append(f"Audit event {row.event_id} was changed after it was written.")
        if anchors.pop(row.event_id, row.hash.hex()) != row.hash.hex():
            sentences.append(f"Audit event {row.event_id} differs from its anchor outside the database.")
        previous = row.hash
    sentences.extend(f"Audit event {number} is anchored outside the database but missing in it." for number in anchors)
    return sentences


def anchor(conn: Connection, chosen: Settings) -> None:
    """Write the chain's head to home/audit.anchors, outside the database, so that a cut tail shows."""
    head = conn.execute(select(event.c.event_id, event.c.hash).order_by(event.c.event_id.desc()).limit(1)).one_or_none()
    if head is not None and _anchors(chosen).get(head.event_id) != head.hash.hex():
        with _anchor_file(chosen).open("a", encoding="ascii") as file:
            file.write(f"{head.event_id} {head.hash.hex()}\n")


def _events(conn: Connection) -> list[Row[tuple[object, ...]]]:
    columns = "event_id, at, actor, action, object, detail::text AS written, previous, hash"
    return list(conn.execute(text(f"SELECT {columns} FROM audit.event ORDER BY event_id")))


def _link(key: bytes, previous: bytes | None, at: datetime, actor: str, action: str, object: str, detail: str) -> bytes:
    # A JSON list: no two different events have the same text.
    body = json.dumps([at.astimezone(UTC).isoformat(timespec="microseconds"), actor, action, object, detail])
    return hmac.digest(key, (previous or b"") + body.encode("utf-8"), "sha256")


def _anchor_file(chosen: Settings) -> Path:
    return chosen.home / "audit.anchors"


def _anchors(chosen: Settings) -> dict[int, str]:
    path = _anchor_file(chosen)
    if not path.exists():
        return {}
    try:
        return {int(line.split()[0]): line.split()[1] for line in path.read_text(encoding="ascii").splitlines() if line}
    except (ValueError, IndexError) as error:
        raise SohoaError(f"The audit anchors in {path} cannot be read; restore the file from the backup.") from error
