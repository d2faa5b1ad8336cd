"""Beside stage 2, pipeline.stuck: batches that nobody works on any more, why, and back into the queue with them."""

from datetime import timedelta

from sqlalchemy import Connection, exists, func, literal, select, union_all

from pipeline import turns
from pipeline.tables import batch, page, page_count, receipt
from records.base import Frozen
from records.states import IN_PROGRESS

QUIET = timedelta(hours=1)  # after which a batch with work left, and none in hand, is stuck


class Stuck(Frozen):
    """A batch that is open, neither held by its checks nor resting nor in the queue, and in nobody's hands.

    `pages`: how many wait for the machine; 0: it had its turn, and nothing was taken in.
    """

    batch_id: str
    pages: int

    @property
    def told(self) -> str:
        """Why, and what to do, in a sentence."""
        why = (
            f"{self.pages} pages wait for a run that ended"
            if self.pages
            else "its run ended before anything was taken in"
        )
        return f"{self.batch_id}: {why}; sohoa batch queue {self.batch_id}"


def find(conn: Connection, quiet: timedelta = QUIET) -> list[Stuck]:
    """The batches with work for the machine in which nothing has moved for so long, the oldest first."""
    states = [state.value for state in IN_PROGRESS]
    left = func.coalesce(func.sum(page_count.c.pages), 0)
    waiting = (
        select(left).where(page_count.c.batch_id == batch.c.batch_id, page_count.c.state.in_(states)).scalar_subquery()
    )
    in_progress = (page.c.batch_id == batch.c.batch_id) & page.c.state.in_(states)
    since = func.clock_timestamp() - quiet
    is_read = exists().where(in_progress, page.c.lease_until > func.clock_timestamp())
    moved = exists().where(page.c.batch_id == batch.c.batch_id, page.c.updated_at > since)
    idle = [batch.c.closed_at.is_(None), batch.c.state == "open", batch.c.queued_at.is_(None)]
    free = [*idle, ~turns.rests(batch.c.batch_id)]
    left_over = select(batch.c.batch_id, waiting.label("pages"), batch.c.created_at).where(
        *free, waiting > 0, ~is_read, ~moved
    )
    empty = select(batch.c.batch_id, literal(0).label("pages"), batch.c.created_at).where(
        *free, batch.c.begun_at < since, ~exists().where(receipt.c.batch_id == batch.c.batch_id)
    )
    both = union_all(left_over, empty).subquery()
    rows = conn.execute(select(both.c.batch_id, both.c.pages).order_by(both.c.created_at, both.c.batch_id))
    return [Stuck(batch_id=row.batch_id, pages=row.pages) for row in rows]


def cure(conn: Connection, quiet: timedelta = QUIET) -> list[Stuck]:
    """Let those wait for their turn again; a run takes up what is left and nothing else."""
    found = find(conn, quiet)
    turns.queue(conn, [one.batch_id for one in found])
    return found
