"""Stage 8, review.papers: an officer asks for a sheet itself; whoever scans brings it, and she closes the request."""

from datetime import datetime

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline import audit
from pipeline.tables import page, receipt
from records.base import Frozen
from review.repairs import RepairRefused
from review.tables import paper_request

# Never words of hers: whoever scans sees no content of a page.
REASONS = ("compare", "illegible", "stamp", "missing")
LIMIT = 200  # requests shown at once
ASK, CLOSE = "ask_paper", "close_paper"  # in the audit trail


class PaperRequest(Frozen):
    """A sheet that somebody waits for. `reason`: of REASONS."""

    page_id: str
    batch_id: str
    path: str
    number: int
    reason: str
    asked_by: str
    asked_at: datetime


def open_papers(conn: Connection, page_id: str = "") -> list[PaperRequest]:
    """Requests that wait, the oldest first. `page_id`: of this page only."""
    query = (
        select(paper_request.c.page_id, page.c.batch_id, receipt.c.path, page.c.number, paper_request.c.reason,
               paper_request.c.asked_by, paper_request.c.asked_at)
        .join(page, page.c.page_id == paper_request.c.page_id)
        .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
        .where(paper_request.c.done_at.is_(None), *([paper_request.c.page_id == page_id] if page_id else []))
        .order_by(paper_request.c.asked_at, paper_request.c.page_id)
        .limit(LIMIT)
    )  # fmt: skip
    return [PaperRequest.model_validate(dict(row)) for row in conn.execute(query).mappings()]


def ask_paper(conn: Connection, page_id: str, account_id: str, reason: str) -> None:
    """Ask for the sheet of a page; asked twice it is asked for once. RepairRefused for an unknown page or reason."""
    if conn.scalar(select(page.c.page_id).where(page.c.page_id == page_id, page.c.number > 0)) is None:
        raise RepairRefused("repairs.changed")
    if reason not in REASONS:
        raise RepairRefused("repairs.unclear")
    new = {"asked_by": account_id, "reason": reason, "asked_at": func.now(), "done_at": None, "done_by": None}
    again = upsert(paper_request).values(page_id=page_id, **new).on_conflict_do_update(
        index_elements=["page_id"], set_=new, where=paper_request.c.done_at.is_not(None)
    )  # fmt: skip
    if conn.scalar(again.returning(paper_request.c.page_id)):
        audit.record(conn, account_id, ASK, page_id, {"reason": reason})


def close_paper(conn: Connection, page_id: str, account_id: str) -> None:
    """The sheet was seen; RepairRefused where nobody waits for it."""
    own = (paper_request.c.page_id == page_id) & paper_request.c.done_at.is_(None)
    done = conn.execute(update(paper_request).where(own).values(done_at=func.now(), done_by=account_id))
    if not done.rowcount:
        raise RepairRefused("repairs.no_paper")
    audit.record(conn, account_id, CLOSE, page_id)
