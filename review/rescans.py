"""Stage 8, review.rescans: a page is asked for anew, and the scan that is handed in for it takes its place."""

import shutil
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import ColumnElement, Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline import audit
from pipeline.placing import REPLACEABLE, look_at, take_rescan
from pipeline.settings import Settings
from pipeline.tables import page, receipt
from records.base import Frozen
from records.errors import SohoaError, UnreadableScan
from records.quarantine import QUARANTINE
from review.faults import FAULTS
from review.tables import rescan_request
from review.texts import say

REASONS = frozenset({*FAULTS, "blank", "quarantined"})
ENDINGS = frozenset({".pdf", ".tif", ".tiff", ".jpg", ".jpeg", ".png"})
LIMIT = 200  # requests shown at once
ASK, TAKE_BACK = "ask_rescan", "take_back_rescan"  # in the audit trail


class RescanRefused(SohoaError):
    """What keeps a rescan from being asked for or taken in, in the reader's language."""

    def said(self, _language: str) -> str:
        """The sentence as it was raised."""
        return str(self)


class RescanRequest(Frozen):
    """A page that is to be scanned anew. `reasons`: of REASONS."""

    page_id: str
    batch_id: str
    path: str
    number: int
    reasons: tuple[str, ...]
    asked_by: str
    asked_at: datetime


def is_open() -> ColumnElement[bool]:
    """Whether a request waits: a scan that came in another way than over the desk settles it too."""
    newer = page.alias("newer")
    come = select(newer.c.page_id).where(newer.c.replaces == rescan_request.c.page_id)
    return rescan_request.c.done_at.is_(None) & ~come.exists()


def open_requests(conn: Connection, page_id: str = "") -> list[RescanRequest]:
    """Requests that wait, the oldest first. `page_id`: of this page only."""
    query = (
        select(rescan_request, page.c.batch_id, page.c.number, receipt.c.path)
        .join(page, page.c.page_id == rescan_request.c.page_id)
        .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
        .where(is_open(), page.c.state.in_(REPLACEABLE), *([rescan_request.c.page_id == page_id] if page_id else []))
        .order_by(rescan_request.c.asked_at, rescan_request.c.page_id)
        .limit(LIMIT)
    )
    return [
        RescanRequest(
            page_id=row["page_id"], batch_id=row["batch_id"], path=row["path"], number=row["number"],
            reasons=tuple(row["reason"].split()), asked_by=row["asked_by"], asked_at=row["asked_at"],
        )
        for row in conn.execute(query).mappings()
    ]  # fmt: skip


def ask_rescan(conn: Connection, page_id: str, account_id: str, reasons: Sequence[str], language: str) -> str:
    """Ask for a page anew; its batch. Asked twice it is asked for once.

    RescanRefused when the page is unknown or cannot be replaced, or for a reason that is none of REASONS.
    """
    row = conn.execute(select(page).where(page.c.page_id == page_id).with_for_update()).mappings().one_or_none()
    newer = conn.scalar(select(page.c.page_id).where(page.c.replaces == page_id))
    if row is None or row["number"] == 0 or row["state"] not in REPLACEABLE or newer:
        raise RescanRefused(say("scans.not_replaceable", language))
    if not reasons or not REASONS.issuperset(reasons):
        raise RescanRefused(say("scans.no_reason", language))
    wanted = {"page_id": page_id, "asked_by": account_id, "reason": " ".join(reasons)}
    entered = upsert(rescan_request).values(**wanted).on_conflict_do_nothing().returning(rescan_request.c.page_id)
    if conn.scalar(entered):
        audit.record(conn, account_id, ASK, page_id, {"reasons": list(reasons)})
    return str(row["batch_id"])


def take_back(conn: Connection, page_id: str, account_id: str, language: str) -> str:
    """The page will do after all; its batch. RescanRefused when no rescan of it is asked for."""
    found = _wanted(conn, page_id, language)
    conn.execute(delete(rescan_request).where(rescan_request.c.page_id == page_id))
    audit.record(conn, account_id, TAKE_BACK, page_id)
    return found.batch_id


def hand_in(
    conn: Connection, settings: Settings, page_id: str, name: str, scan: BinaryIO, account_id: str, language: str
) -> str:
    """Take in the scan that was asked for; its batch. `name`: of the file as it was sent.

    RescanRefused says why nothing was taken in. The scan lies in a folder that nobody else can open, for as long as
    this takes.
    """
    found, ending = _wanted(conn, page_id, language), Path(name).suffix.lower()
    if ending not in ENDINGS:
        raise RescanRefused(say("scans.wrong_file", language))
    with tempfile.TemporaryDirectory(prefix="rescan-", dir=settings.home) as folder:
        path = Path(folder) / f"scan{ending}"
        with path.open("xb") as file:
            shutil.copyfileobj(scan, file)
        _take_in(conn, page_id, path, account_id, language)
    conn.execute(update(rescan_request).where(rescan_request.c.page_id == page_id).values(done_at=func.now()))
    return found.batch_id


def _take_in(conn: Connection, page_id: str, path: Path, account_id: str, language: str) -> None:
    found = look_at(path)
    if isinstance(found, UnreadableScan):
        raise RescanRefused(getattr(QUARANTINE[found.code], language))
    if found[1] != 1:
        raise RescanRefused(say("scans.one_page", language, pages=found[1]))
    try:
        take_rescan(conn, page_id, path, account_id, found)
    except UnreadableScan as error:
        raise RescanRefused(getattr(QUARANTINE[error.code], language)) from error
    except SohoaError as error:
        raise RescanRefused(say("scans.not_taken", language)) from error


def _wanted(conn: Connection, page_id: str, language: str) -> RescanRequest:
    found = open_requests(conn, page_id)
    if not found:
        raise RescanRefused(say("scans.not_asked", language))
    return found[0]
