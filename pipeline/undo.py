"""After stage 10, pipeline.undo: a batch is taken back out of the EMR and of the account, and says what it left.

The EMR first, then the ledger, each in a transaction of its own: an undo that was killed between the two is finished
by the next one. No load of the batch runs meanwhile. Sheets that other batches set aside as doubles of withdrawn ones
are no doubles any more: they are read.
"""

from typing import Any

import structlog
from sqlalchemy import Connection, delete, func, select, update

from loaders.emr import Withdrawal, withdraw_batch
from pipeline import ledger, turns
from pipeline.database import engine
from pipeline.documents import SETTLED, WAITING
from pipeline.registry import WITHDRAWN
from pipeline.sampling import ASKED
from pipeline.settings import settings
from pipeline.tables import batch, file, issue, page, review_task, sample
from records.base import Frozen
from records.errors import SohoaError
from records.states import PageState

log = structlog.get_logger()
FINAL = frozenset({PageState.WITHDRAWN, PageState.SUPERSEDED})


class Undone(Frozen):
    """What an undo did. `removed`, `left`: rows of the EMR by table; `left` are those that somebody else has changed
    since. `pages`: withdrawn now; `read_again`: batches of which sheets are no doubles any more."""

    batch_id: str
    removed: dict[str, int]
    left: dict[str, int]
    pages: int
    read_again: tuple[str, ...]


def undo(batch_id: str) -> Undone:
    """Withdraw a batch; SohoaError when there is none, or while its pages are being read or loaded."""
    with engine(settings(), "pipeline").begin() as conn:
        ledger.refuse_unknown(conn, batch_id)
        ledger.hold_batch(conn, batch_id, ledger.BATCH_LOCK, ledger.LOAD_LOCK)
        _refuse_in_work(conn, batch_id)
        with engine(settings(), "loader").begin() as loader:
            gone = withdraw_batch(loader, batch_id)
        pages, again = _withdraw(conn, batch_id)
    log.info("undone", batch=batch_id, pages=pages, left=sum(gone.left.values()))
    return _told(batch_id, gone, pages, again)


def _told(batch_id: str, gone: Withdrawal, pages: int, again: list[str]) -> Undone:
    removed = {table: rows for table, rows in gone.removed.items() if rows}
    return Undone(batch_id=batch_id, removed=removed, left=gone.left, pages=pages, read_again=tuple(again))


def _refuse_in_work(conn: Connection, batch_id: str) -> None:
    read = select(func.count()).where(page.c.batch_id == batch_id, page.c.lease_until > func.clock_timestamp())
    if conn.scalar(read):
        raise SohoaError(
            f"Pages of batch '{batch_id}' are being read; pause it with 'sohoa batch pause' and "
            "undo it when they are done."
        )


def _withdraw(conn: Connection, batch_id: str) -> tuple[int, list[str]]:
    """Pages, files, tasks and unanswered samples of the batch; the pages withdrawn, and whose sheets are read again."""
    own = (page.c.batch_id == batch_id) & page.c.state.not_in([state.value for state in FINAL])
    rows = conn.execute(
        select(page.c.page_id, page.c.state).where(own).order_by(page.c.page_id).with_for_update()
    ).all()
    for row in rows:
        ledger.move(conn, row.page_id, PageState(row.state), PageState.WITHDRAWN)
    open_now = (review_task.c.batch_id == batch_id) & review_task.c.state.in_(WAITING)
    conn.execute(update(review_task).where(open_now).values(state=SETTLED))
    unanswered = (sample.c.batch_id == batch_id) & (sample.c.state == ASKED)
    conn.execute(update(sample).where(unanswered).values(state=WITHDRAWN))
    conn.execute(delete(issue).where(issue.c.batch_id == batch_id))
    conn.execute(update(file).where(file.c.batch_id == batch_id).values(state=WITHDRAWN))
    done = {"state": WITHDRAWN, "held_because": None, "queued_at": None, "closed_at": func.clock_timestamp()}
    conn.execute(update(batch).where(batch.c.batch_id == batch_id).values(done))
    return len(rows), _read_again(conn, [row.page_id for row in rows])


def _read_again(conn: Connection, withdrawn: list[str]) -> list[str]:
    """The first sheet that was set aside for a withdrawn one takes its place, others of it are doubles of that."""
    double = (page.c.duplicate_of.in_(withdrawn)) & (page.c.state == PageState.DUPLICATE.value)
    query = select(page.c.page_id, page.c.duplicate_of, page.c.batch_id).where(double)
    first: dict[str, Any] = {}
    for row in conn.execute(query.order_by(page.c.page_id).with_for_update()):
        stands = first.setdefault(row.duplicate_of, row)
        if stands is not row:
            conn.execute(update(page).where(page.c.page_id == row.page_id).values(duplicate_of=stands.page_id))
            continue
        ledger.move(conn, row.page_id, PageState.DUPLICATE, PageState.IN_REVIEW, duplicate_of=None)
        ledger.move(conn, row.page_id, PageState.IN_REVIEW, PageState.RECEIVED)
    batches = sorted({row.batch_id for row in first.values()})
    conn.execute(update(batch).where(batch.c.batch_id.in_(batches)).values(closed_at=None))
    turns.queue(conn, batches)
    return batches
