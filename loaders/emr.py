"""Stage 9-10, loaders.emr: a validated document becomes rows of the EMR, and the receipt says what stands there.

Image first: every confirmed page of the document, then the values whose verdict is accept, each with its provenance.
A load makes the EMR hold what the document says now, no more: rows that an earlier revision wrote and this one does
not are taken out, equal rows are not touched. Everything runs in the caller's transaction, under a savepoint.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, or_, select
from sqlalchemy.dialects.postgresql import insert

from loaders import facts
from loaders.context import TARGET, LoadContext, LoadReceipt
from loaders.rows import EmrRows, Row, rows_for_emr
from loaders.tables import OF_DOCUMENT, document_reference, load_receipt, provenance
from records.document_types import DocumentType
from records.documents import ValidatedDocument, Verdict
from records.errors import SohoaError


def load_document(
    conn: Connection, validated: ValidatedDocument, document_type: DocumentType, context: LoadContext
) -> LoadReceipt:
    """Load one document; EmrConflict when it would join two people or two stays, and then nothing of it is written."""
    _refuse_unconfirmed(validated, context)
    document_id = validated.document.document_id
    with conn.begin_nested():
        replaced = _withdraw_replaced(conn, document_id, context)
        context, touched = facts.hold_shared(conn, document_id, context)
        rows = rows_for_emr(validated, document_type, context)
        changed = replaced + _write(conn, document_id, rows)
        facts.settle_or_drop(conn, touched)
        return _receipt(conn, validated, context, rows, changed)


def withdraw_batch(conn: Connection, batch_id: str) -> dict[str, int]:
    """Take a batch's rows back out of the EMR; counts by table. Patients and stays that another batch uses remain."""
    return _withdraw(conn, "batch_id", batch_id)


def withdraw_document(conn: Connection, document_id: str) -> dict[str, int]:
    """Take one document's rows back out of the EMR; counts by table."""
    return _withdraw(conn, "document_id", document_id)


def rekey(conn: Connection, table: str, old: str, new: str) -> None:
    """Move all under one key of `patient` or `encounter` to another; EmrConflict when it is not one person."""
    with conn.begin_nested():
        facts.rekey(conn, table, old, new)


def _refuse_unconfirmed(validated: ValidatedDocument, context: LoadContext) -> None:
    document = validated.document
    if validated.verdict is Verdict.REJECT:
        raise SohoaError(f"Document {document.document_id} was rejected; settle it in review before it is loaded.")
    if not context.pages:
        raise SohoaError(f"Document {document.document_id} has no confirmed page; settle its identity in review first.")
    strange = [page.page_id for page in context.pages if page.page_id not in document.page_ids]
    if strange:
        raise SohoaError(f"Page {strange[0]} is not of document {document.document_id}; assemble the file again.")


def _withdraw_replaced(conn: Connection, document_id: str, context: LoadContext) -> int:
    """A page stands in one document: others that held a page of this one before are taken out."""
    page_ids = [page.page_id for page in context.pages]
    query = select(document_reference.c.document_id).distinct()
    query = query.where(document_reference.c.page_id.in_(page_ids), document_reference.c.document_id != document_id)
    replaced = conn.execute(query).scalars().all()
    return sum(sum(_withdraw(conn, "document_id", other).values()) for other in replaced)


def _write(conn: Connection, document_id: str, rows: EmrRows) -> int:
    changed = _replace(conn, document_reference, document_id, rows.pages)
    for name, table in OF_DOCUMENT.items():
        changed += _replace(conn, table, document_id, rows.tables.get(name, []))
    return changed + _replace(conn, provenance, document_id, rows.provenance)


def _replace(conn: Connection, table: Table, document_id: str, rows: Sequence[Row]) -> int:
    """Make the document's rows of a table be exactly these; the number of rows written or removed."""
    own = next(c for c in table.primary_key.columns if c.name != "document_id")
    stale = (table.c.document_id == document_id) & own.not_in([row[own.name] for row in rows])
    removed = conn.execute(delete(table).where(stale)).rowcount
    return removed + (_upsert(conn, table, rows) if rows else 0)


def _upsert(conn: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Insert rows, or update those that differ; equal rows keep their version and `updated_at`."""
    statement = insert(table).values(list(rows))
    key = [column.name for column in table.primary_key.columns]
    new: dict[str, Any] = {name: statement.excluded[name] for name in rows[0] if name not in key}
    different = or_(*(table.c[name].is_distinct_from(value) for name, value in new.items()))
    statement = statement.on_conflict_do_update(index_elements=key, set_=new | facts.STAMP, where=different)
    return len(conn.execute(statement.returning(*table.primary_key.columns)).all())


def _receipt(
    conn: Connection, validated: ValidatedDocument, context: LoadContext, rows: EmrRows, changed: int
) -> LoadReceipt:
    held = {"document_reference": len(rows.pages), **{name: len(found) for name, found in sorted(rows.tables.items())}}
    receipt = LoadReceipt(
        document_id=validated.document.document_id,
        revision=validated.revision,
        target=TARGET,
        batch_id=context.batch_id,
        rows=held | {"provenance": len(rows.provenance)},
        changed=changed,
    )
    statement = insert(load_receipt).values(receipt.model_dump(exclude={"changed"}))
    new = {name: statement.excluded[name] for name in ("rows", "batch_id")}
    different = or_(*(load_receipt.c[name].is_distinct_from(value) for name, value in new.items()))
    key = ["document_id", "revision", "target"]
    conn.execute(statement.on_conflict_do_update(index_elements=key, set_=new, where=different))
    return receipt


def _withdraw(conn: Connection, column: str, value: str) -> dict[str, int]:
    with conn.begin_nested():
        touched = facts.standing_under(conn, provenance.c[column] == value, document_reference.c[column] == value)
        removed = {}
        for gone in (provenance, *OF_DOCUMENT.values(), document_reference, load_receipt):
            removed[gone.name] = conn.execute(delete(gone).where(gone.c[column] == value)).rowcount
        removed |= facts.settle_or_drop(conn, touched)
        facts.hand_over(conn, column, value)
    return removed
