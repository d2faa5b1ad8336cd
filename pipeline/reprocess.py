"""Beside stages 2-8, pipeline.reprocess: after a change of software, what would be read otherwise, and then that alone.

A page is read again only where what reads it or understands its form has changed since, and where no person has decided
anything on its document. Nothing is replaced before `carry_out`: until then the new readings lie beside the old ones.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline import contracts, documents, ledger, steps
from pipeline.children import Workers
from pipeline.database import engine
from pipeline.reading import read_job
from pipeline.settings import settings
from pipeline.tables import batch, page, page_text, receipt, rereading
from records.documents import PageReading
from records.errors import UnreadableScan
from records.states import PageState

log = structlog.get_logger()
AGAIN = (PageState.LOADED, PageState.IN_REVIEW, PageState.BLANK)
AT_REST = [state.value for state in AGAIN]
TYPE = "document_type"
KEPT = timedelta(days=30)  # of new readings that nobody carried out


def changed_chunks(batch_id: str) -> list[list[str]]:
    """Ids of the pages that the software of now may read otherwise, in chunks; those compared already are left out."""
    with engine(settings(), "pipeline").connect() as conn:
        decided = documents.decided_documents(conn, batch_id)
        rows = conn.execute(
            select(
                page.c.page_id, page.c.document_id, page_text.c.document_type, page_text.c.made_by, rereading.c.made_by
            )
            .join(page_text, page_text.c.page_id == page.c.page_id)
            .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
            .outerjoin(rereading, rereading.c.page_id == page.c.page_id)
            .where(page.c.batch_id == batch_id, page.c.state.in_(AT_REST))
            .order_by(receipt.c.path, page.c.number)
        ).all()  # fmt: skip
    now = {kind: contracts.made_by(kind) for kind in {row.document_type for row in rows}}
    ids = [
        page_id
        for page_id, document_id, kind, made_by, compared in rows
        if document_id not in decided and now[kind] not in (made_by, compared)
    ]
    size = settings().chunk_pages
    return [ids[i : i + size] for i in range(0, len(ids), size)]


def compare(page_ids: Sequence[str], workers: Workers | None = None) -> int:
    """Read the pages with the software of now and lay that beside what stands; the number of those that differ.

    A page that cannot be read now, but could, keeps what it has."""
    with engine(settings(), "pipeline").connect() as conn:
        todo = steps.jobs(conn, page_ids, AGAIN)
        query = select(page.c.batch_id, page_text).join(page, page.c.page_id == page_text.c.page_id)
        before = {
            row["page_id"]: dict(row) for row in conn.execute(query.where(page.c.page_id.in_(page_ids))).mappings()
        }
    differ = 0
    with steps.workers_for(workers) as children:
        for job, found in children.map(read_job, todo):
            if isinstance(found, UnreadableScan):
                log.warning("not_read_again", page=job.page_id, code=found.code)
                continue
            old = before[job.page_id]
            changes = differences(old, found)
            differ += bool(changes)
            row = {
                "page_id": job.page_id, "batch_id": old["batch_id"], "found": steps.text_row(found),
                "changes": changes, "made_by": contracts.made_by(old["document_type"]),
            }  # fmt: skip
            with engine(settings(), "pipeline").begin() as conn:
                conn.execute(upsert(rereading).values(row).on_conflict_do_update(index_elements=["page_id"], set_=row))
    log.info("compared", pages=len(todo), differ=differ)
    return differ


def differences(old: Mapping[str, Any], new: PageReading) -> list[list[str]]:
    """[field, before, after] of each field whose text would be another one; the page's type counts as a field."""
    before = {TYPE: old["document_type"]} | {one["field"]: one["raw"] for one in old["readings"]}
    after = {TYPE: new.document_type} | {one.field: one.raw for one in new.readings}
    fields = dict.fromkeys([*before, *after])
    return [[name, before.get(name, ""), after.get(name, "")] for name in fields if before.get(name) != after.get(name)]


def report(conn: Connection, batch_id: str) -> list[dict[str, Any]]:
    """What would change, by document type and field, without a value: how many are new, gone, or read otherwise."""
    counted: dict[tuple[str, str], Counter[str]] = {}
    for _, kind, (field, before, after) in _all_changes(conn, batch_id):
        how = "new" if not before else "gone" if not after else "other"
        counted.setdefault((kind, field.partition("[")[0]), Counter())[how] += 1
    return [
        {"document_type": kind, "field": field} | {how: counted[kind, field][how] for how in ("new", "gone", "other")}
        for kind, field in sorted(counted)
    ]


def changes(conn: Connection, batch_id: str) -> list[tuple[str, str, str, str]]:
    """(page, field, before, after) of all that would change: patient data."""
    return [(page_id, *change) for page_id, _, change in _all_changes(conn, batch_id)]


def carry_out(batch_id: str) -> int:
    """Put the new readings in place of the old where they differ, so that their files are put together anew; the
    number of pages. Those on which a person has decided something since stay as they are."""
    with engine(settings(), "pipeline").begin() as conn:
        decided = documents.decided_documents(conn, batch_id)
        query = (
            select(rereading, page.c.state, page.c.document_id)
            .join(page, page.c.page_id == rereading.c.page_id)
            .where(rereading.c.batch_id == batch_id, page.c.state.in_(AT_REST))
            .with_for_update(of=page)
        )
        rows = [row for row in conn.execute(query).mappings() if row["document_id"] not in decided]
        for row in rows:
            own = page_text.c.page_id == row["page_id"]
            if row["changes"]:
                ledger.move(conn, row["page_id"], PageState(row["state"]), PageState.RECEIVED)
                ledger.move(conn, row["page_id"], PageState.RECEIVED, PageState.READ)
                conn.execute(update(page_text).where(own).values(row["found"]))
            else:
                conn.execute(update(page_text).where(own).values(made_by=row["found"]["made_by"]))
        conn.execute(delete(rereading).where(rereading.c.batch_id == batch_id))
        if moved := sum(bool(row["changes"]) for row in rows):
            conn.execute(update(batch).where(batch.c.batch_id == batch_id).values(closed_at=None))
    log.info("carried_out", batch=batch_id, pages=moved)
    return moved


def _all_changes(conn: Connection, batch_id: str) -> list[tuple[str, str, tuple[str, str, str]]]:
    """(page, document type, (field, before, after)) in the order of the pages."""
    query = select(rereading.c.page_id, page_text.c.document_type, rereading.c.changes)
    query = query.join(page_text, page_text.c.page_id == rereading.c.page_id)
    rows = conn.execute(query.where(rereading.c.batch_id == batch_id).order_by(rereading.c.page_id)).all()
    return [(page_id, kind, tuple(one)) for page_id, kind, found in rows for one in found]
