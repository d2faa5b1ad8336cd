"""Between stages 8 and 9, pipeline.finished: documents of which nothing is asked any more go back to be loaded."""

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline import ledger
from pipeline.documents import WAITING
from pipeline.emr import HELD, SHOWN
from pipeline.tables import batch, document, file, outbox, page, review_decision, review_task
from records.states import PageState

TOPIC = "reviewed"


def open_left(conn: Connection, document_id: str) -> bool:
    """Whether a person is still asked something of the document, here or in another of its file."""
    own = (review_task.c.document_id == document_id) & review_task.c.state.in_(WAITING)
    return bool(conn.scalar(select(select(review_task.c.task_id).where(own).exists())))


def ready_to_load(conn: Connection, batch_id: str, document_id: str, revision: int) -> None:
    """Send the document's pages back to be loaded and say so; what the guard stopped stays stopped."""
    held = conn.execute(
        select(file.c.state, file.c.facts)
        .join(document, document.c.file_id == file.c.file_id)
        .where(document.c.document_id == document_id)
    ).one()  # fmt: skip
    if held.state == HELD:
        return
    identity = held.facts.get("identity", {})
    for page_id in pages_in(conn, document_id, PageState.IN_REVIEW):
        if identity.get(page_id) in SHOWN:
            ledger.move(conn, page_id, PageState.IN_REVIEW, PageState.ASSEMBLED)
    if pages_in(conn, document_id, PageState.ASSEMBLED):
        conn.execute(update(batch).where(batch.c.batch_id == batch_id).values(closed_at=None))
        told = {"batch_id": batch_id, "document_id": document_id, "revision": revision}
        key = f"{TOPIC}:{document_id}:{revision}:{_last_decision(conn, document_id)}"
        row = {"topic": TOPIC, "key": key, "payload": told}
        conn.execute(upsert(outbox).values(row).on_conflict_do_nothing())


def pages_in(conn: Connection, document_id: str, state: PageState) -> list[str]:
    """The document's pages in a state."""
    own = (page.c.document_id == document_id) & (page.c.state == state.value)
    return list(conn.scalars(select(page.c.page_id).where(own).order_by(page.c.page_id)))


def back_into_review(conn: Connection, document_id: str) -> None:
    """Pages of the document that are done with wait for a person again."""
    for page_id in pages_in(conn, document_id, PageState.LOADED):
        ledger.move(conn, page_id, PageState.LOADED, PageState.IN_REVIEW)


def was_sent(conn: Connection, document_id: str, revision: int) -> bool:
    """Whether the outbox has told that this revision waits to be loaded."""
    own = (outbox.c.payload["document_id"].astext == document_id) & (outbox.c.topic == TOPIC)
    sent = select(outbox.c.outbox_id).where(own, outbox.c.payload["revision"].as_integer() == revision)
    return bool(conn.scalar(select(sent.exists())))


def _last_decision(conn: Connection, document_id: str) -> int:
    """The last decision in the document's file so far, 0 before the first: a revision may come back after an undo, and
    is told again then."""
    own = document.alias("own")
    query = (
        select(func.max(review_decision.c.decision_id))
        .join(review_task, review_task.c.task_id == review_decision.c.task_id)
        .join(document, document.c.document_id == review_task.c.document_id)
        .join(own, own.c.file_id == document.c.file_id)
        .where(own.c.document_id == document_id)
    )
    return conn.scalar(query) or 0
