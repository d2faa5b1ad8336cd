"""Stages 1-8, pipeline.ledger: the account of every page handed in; states move by compare-and-set, and it balances."""

import hashlib
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline.balance import balance, balance_now, counts
from pipeline.store import Store
from pipeline.tables import batch, facility, outbox, page, receipt, scan
from records.errors import SohoaError, UnreadableScan
from records.pages import Batch, MediaType
from records.quarantine import QUARANTINE
from records.states import NEXT, PageState

__all__ = [
    "Receipt",
    "balance",
    "balance_now",
    "counts",
    "hold_batch",
    "known",
    "move",
    "open_batch",
    "page_id",
    "receive",
    "refuse_unknown",
]

SCAN_LOCK, BATCH_LOCK, LOAD_LOCK = 2, 7, 8
MOVABLE = frozenset({"duplicate_of", "document_id"})
UNKNOWN_TYPE = "application/octet-stream"


class Receipt(NamedTuple):
    """The word for one file. `outcome`: received, already_held or quarantined; `new`: False when given before.

    `pages`: rows in the ledger for it; a quarantined file has one, number 0. `scan_id` is None when no bytes were kept.
    """

    receipt_id: str
    batch_id: str
    path: str
    scan_id: str | None
    outcome: str
    reason_code: str | None
    pages: int
    new: bool


def open_batch(conn: Connection, wanted: Batch) -> None:
    """Enter the batch unless it is there; SohoaError when its facility is unknown or it belongs to another folder."""
    if conn.scalar(select(facility.c.facility_id).where(facility.c.facility_id == wanted.facility)) is None:
        raise SohoaError(f"The facility '{wanted.facility}' is not known; enter it with: sohoa facility add CODE NAME")
    row = {"batch_id": wanted.batch_id, "facility_id": wanted.facility, "folder": wanted.folder}
    conn.execute(upsert(batch).values(**row, boundary=wanted.boundary.value).on_conflict_do_nothing())
    held = conn.execute(select(batch).where(batch.c.batch_id == wanted.batch_id)).mappings().one()
    same = ("facility_id", wanted.facility), ("folder", wanted.folder), ("boundary", wanted.boundary.value)
    if any(held[column] != value for column, value in same):
        raise SohoaError(
            f"The batch '{wanted.batch_id}' stands for another folder, facility or boundary; choose another --batch."
        )


def refuse_unknown(conn: Connection, batch_id: str) -> None:
    """SohoaError when there is no such batch."""
    if conn.scalar(select(batch.c.batch_id).where(batch.c.batch_id == batch_id)) is None:
        raise SohoaError(f"There is no batch '{batch_id}'; see: sohoa batch list")


def hold_batch(conn: Connection, batch_id: str, *locks: int) -> None:
    """Nobody else assembles (BATCH_LOCK) or loads (LOAD_LOCK) the batch until this transaction ends; wait for who does.
    Loading may go on beside assembling; undoing takes both."""
    for lock in locks:
        conn.execute(select(func.pg_advisory_xact_lock(lock, func.hashtext(batch_id))))


def known(conn: Connection, data: bytes) -> tuple[MediaType, int] | None:
    """What an earlier inspection of the same bytes found, so that they need not be opened again."""
    found = conn.execute(
        select(scan.c.media_type, scan.c.page_count).where(
            scan.c.scan_id == hashlib.sha256(data).hexdigest(), scan.c.page_count > 0
        )
    ).one_or_none()
    return (MediaType(found.media_type), found.page_count) if found else None


def receive(
    conn: Connection,
    store: Store,
    batch_id: str,
    path: str,
    data: bytes | None,
    found: tuple[MediaType, int] | UnreadableScan,
) -> Receipt:
    """Keep the original, then enter scan, receipt, pages and the outgoing notice in the caller's transaction.

    `found`: what `extractors.intake.inspect` returned or raised; `data` None: the bytes could not be taken in.
    The receipt holds once the caller has committed; only then may the source be removed.
    """
    if data is None and not isinstance(found, UnreadableScan):
        raise ValueError("a scan without bytes cannot be received")
    scan_id = store.put(data) if data is not None else None
    reason = found.code if isinstance(found, UnreadableScan) else None
    receipt_id = _receipt_id(batch_id, path, scan_id or str(reason))
    conn.execute(_lock(scan_id or receipt_id))  # Two that hand in the same bytes take turns.
    held = conn.execute(select(receipt).where(receipt.c.receipt_id == receipt_id)).mappings().one_or_none()
    if held is not None:
        return _given(conn, held)
    if scan_id is not None and data is not None:
        _enter_scan(conn, scan_id, found, len(data))
    return _enter_receipt(conn, receipt_id, batch_id, path, scan_id, reason)


def move(
    conn: Connection,
    page_id: str,
    old: PageState,
    new: PageState,
    reason: str = "",
    *,
    token: int | None = None,
    **columns: str | None,
) -> bool:
    """Move a page by compare-and-set and end its lease; False when it is no longer in `old` (or, with a `token`,
    leased again by somebody else). ValueError for a transition that `records.states.NEXT` does not have."""
    if new not in NEXT[old]:
        raise ValueError(f"no page moves from {old} to {new}")
    if not columns.keys() <= MOVABLE:
        raise ValueError(f"only {', '.join(sorted(MOVABLE))} move with a page")
    where = [page.c.page_id == page_id, page.c.state == old.value]
    if token is not None:
        where.append(page.c.token == token)
    ends = {"lease_owner": None, "lease_until": None, "updated_at": func.clock_timestamp()}
    done = conn.execute(update(page).where(*where).values(state=new.value, reason=reason, **ends, **columns))
    return done.rowcount == 1


def _enter_scan(conn: Connection, scan_id: str, found: tuple[MediaType, int] | UnreadableScan, size_bytes: int) -> None:
    """Enter what is known of the bytes; an unreadable scan has no pages until a later inspection finds them."""
    media_type, pages = (UNKNOWN_TYPE, 0) if isinstance(found, UnreadableScan) else (found[0].value, found[1])
    row = upsert(scan).values(scan_id=scan_id, media_type=media_type, page_count=pages, size_bytes=size_bytes)
    better = {"media_type": row.excluded.media_type, "page_count": row.excluded.page_count}
    conn.execute(
        row.on_conflict_do_update(
            index_elements=["scan_id"], set_=better, where=(scan.c.page_count == 0) & (row.excluded.page_count > 0)
        )
    )


def _enter_receipt(
    conn: Connection, receipt_id: str, batch_id: str, path: str, scan_id: str | None, reason: str | None
) -> Receipt:
    first = _first_holder(conn, scan_id) if reason is None and scan_id else None
    outcome = "quarantined" if reason else "already_held" if first else "received"
    if reason is not None and reason not in QUARANTINE:
        raise ValueError(f"'{reason}' is no quarantine code")
    row = {"receipt_id": receipt_id, "batch_id": batch_id, "path": path, "scan_id": scan_id}
    conn.execute(insert(receipt).values(**row, outcome=outcome, reason_code=reason))
    pages = 0 if reason else conn.scalars(select(scan.c.page_count).where(scan.c.scan_id == scan_id)).one()
    conn.execute(insert(page), _page_rows(row, outcome, reason, pages, first))
    conn.execute(
        insert(outbox).values(
            topic="receipt", key=f"receipt:{receipt_id}", payload=dict(row, outcome=outcome, reason=reason, pages=pages)
        )
    )
    return Receipt(receipt_id, batch_id, path, scan_id, outcome, reason, max(pages, 1), True)


def _page_rows(
    row: dict[str, str | None], outcome: str, reason: str | None, pages: int, first: str | None
) -> list[dict[str, Any]]:
    state = {"received": "received", "already_held": "duplicate", "quarantined": "quarantined"}[outcome]
    numbers = [0] if outcome == "quarantined" else range(1, pages + 1)
    return [
        {
            "page_id": page_id(str(row["receipt_id"]), number),
            "batch_id": row["batch_id"],
            "receipt_id": row["receipt_id"],
            "scan_id": row["scan_id"],
            "number": number,
            "state": state,
            "reason": reason or "",
            "duplicate_of": page_id(first, number) if first else None,
        }
        for number in numbers
    ]


def page_id(receipt_id: str, number: int) -> str:
    """'0f…9a', 7 -> '0f…9a-0007'; number 0 stands for a whole file that cannot be read."""
    return f"{receipt_id}-{number:04d}"


def _receipt_id(batch_id: str, path: str, what: str) -> str:
    return hashlib.sha256(f"{batch_id}\0{path}\0{what}".encode()).hexdigest()[:20]


def _first_holder(conn: Connection, scan_id: str) -> str | None:
    """The oldest receipt whose pages of this scan still count; bytes of an undone batch may be handed in anew."""
    counts_still = (
        select(page.c.page_id)
        .where(page.c.receipt_id == receipt.c.receipt_id, page.c.state.not_in(["withdrawn", "superseded"]))
        .exists()
    )
    return conn.scalar(
        select(receipt.c.receipt_id)
        .where(receipt.c.scan_id == scan_id, receipt.c.outcome == "received", counts_still)
        .order_by(receipt.c.received_at, receipt.c.receipt_id)
        .limit(1)
    )


def _given(conn: Connection, held: RowMapping) -> Receipt:
    pages = conn.scalar(select(func.count()).select_from(page).where(page.c.receipt_id == held["receipt_id"])) or 0
    names = ("receipt_id", "batch_id", "path", "scan_id", "outcome", "reason_code")
    return Receipt(**{name: held[name] for name in names}, pages=pages, new=False)


def _lock(key: str) -> Any:
    return select(func.pg_advisory_xact_lock(SCAN_LOCK, func.hashtext(key)))
