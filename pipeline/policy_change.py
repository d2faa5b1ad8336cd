"""Between stages 7 and 9, pipeline.policy_change: a changed field policy reaches the documents that wait already."""

from sqlalchemy import Connection, Select, select

from pipeline import facts
from pipeline.documents import WAITING, asked_fields, store_document
from pipeline.emr import IN_DOCUMENT
from pipeline.finished import back_into_review, open_left, pages_in, ready_to_load
from pipeline.tables import batch, document, page, review_task
from records.base import Frozen
from records.documents import ValidatedDocument, Verdict
from records.states import PageState


class Change(Frozen):
    """What a new policy did. `opened`, `closed`: tasks; `sent`: documents that now wait for nobody and are loaded."""

    opened: int = 0
    closed: int = 0
    sent: int = 0

    def and_also(self, other: "Change") -> "Change":
        return Change(opened=self.opened + other.opened, closed=self.closed + other.closed, sent=self.sent + other.sent)


def batches_of(conn: Connection, target_id: str) -> list[str]:
    """The batches that a row of this target speaks of; '': all."""
    query = select(batch.c.batch_id).order_by(batch.c.batch_id)
    return list(conn.scalars(query.where(batch.c.target_id == target_id) if target_id else query))


def ask_anew(conn: Connection, batch_id: str, document_type: str = "") -> Change:
    """Open and close the tasks of a batch as the policy now has it; pages of finished documents go on to be loaded,
    those of loaded ones that are asked again go back into review. `document_type`: only of these documents."""
    change, files = Change(), set()
    facts.lock_files(conn, document.c.batch_id == batch_id)
    for document_id in conn.scalars(_documents(batch_id, document_type)).all():
        own = document.c.document_id == document_id
        row = conn.scalar(select(document.c.validated).where(own).with_for_update())
        if row is None:  # its pages are another document's by now
            continue
        validated = ValidatedDocument.model_validate(row)
        asked, before = asked_fields(conn, batch_id, validated), _open(conn, document_id)
        if asked != before:
            stored = store_document(conn, batch_id, validated)
            sent = _move(conn, batch_id, stored)
            after = _open(conn, document_id)
            change = change.and_also(Change(opened=len(after - before), closed=len(before - after), sent=sent))
            files.add(validated.document.file_id)
    for file_id in sorted(files):
        facts.settle_facts(conn, file_id)
    return change


def _documents(batch_id: str, document_type: str) -> Select[str]:
    """The batch's documents with pages that are assembled, in review or loaded."""
    there = select(page.c.page_id).where(page.c.document_id == document.c.document_id, page.c.state.in_(IN_DOCUMENT))
    query = select(document.c.document_id).where(document.c.batch_id == batch_id, there.exists())
    if document_type:
        query = query.where(document.c.document_type == document_type)
    return query.order_by(document.c.document_id)


def _open(conn: Connection, document_id: str) -> frozenset[str]:
    own = (review_task.c.document_id == document_id) & review_task.c.state.in_(WAITING)
    return frozenset(conn.scalars(select(review_task.c.field).where(own)))


def _move(conn: Connection, batch_id: str, stored: ValidatedDocument) -> bool:
    """Move the document's pages on or back; whether it is sent to be loaded."""
    own = stored.document.document_id
    if stored.verdict is Verdict.ACCEPT and not open_left(conn, own):
        waits = bool(pages_in(conn, own, PageState.IN_REVIEW))
        ready_to_load(conn, batch_id, own, stored.revision)
        return waits
    back_into_review(conn, own)
    return False
