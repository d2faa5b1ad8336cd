"""Stage 9-10, loaders.emr: a validated document becomes rows of the EMR, and the receipt says what stands there.

Image first: every confirmed page of the document, then the values whose verdict is accept, each with its provenance.
A load makes the EMR hold what the document says now, no more: rows that an earlier revision wrote and this one does
not are taken out, equal rows are not touched. What somebody else has set in the EMR since stands: the receipt names
where the document differs. Everything runs in the caller's transaction, under a savepoint.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    Table,
    any_,
    delete,
    false,
    func,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import insert

from loaders import facts
from loaders.context import TARGET, Difference, LoadContext, LoadReceipt
from loaders.rows import EmrRows, Row, rows_for_emr
from loaders.tables import OF_DOCUMENT, document_reference, load_receipt, provenance, text_mention
from records.document_types import DocumentType
from records.documents import ValidatedDocument, Verdict
from records.errors import SohoaError

SHOWN = (*OF_DOCUMENT.values(), document_reference)


class Withdrawal(NamedTuple):
    """What a withdrawal took out, and what it left since others have changed it, by table."""

    removed: dict[str, int]
    left: dict[str, int]


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
        changed = replaced + _write(conn, document_id, rows, again=_was_loaded(conn, document_id))
        facts.settle_or_drop(conn, touched)
        differs = _differences(conn, document_id)
        facts.refuse_another_person(differs)
        return _receipt(conn, validated, context, rows, changed, differs)


def withdraw_batch(conn: Connection, batch_id: str) -> Withdrawal:
    """Take a batch's rows back out of the EMR. Patients and stays that another batch uses remain, and so does what
    somebody else has changed since, with its provenance."""
    return _withdraw(conn, "batch_id", batch_id)


def withdraw_document(conn: Connection, document_id: str) -> Withdrawal:
    """Take one document's rows back out of the EMR, but for what somebody else has changed since."""
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
    return sum(sum(_withdraw(conn, "document_id", other).removed.values()) for other in replaced)


def _was_loaded(conn: Connection, document_id: str) -> bool:
    own = select(load_receipt.c.document_id).where(load_receipt.c.document_id == document_id)
    return conn.execute(own.limit(1)).first() is not None


def _write(conn: Connection, document_id: str, rows: EmrRows, *, again: bool) -> int:
    """`again`: an earlier load of the document may have left rows that this one does not write."""
    changed = _replace(conn, document_reference, document_id, rows.pages, again=again)
    for name, table in OF_DOCUMENT.items():
        changed += _replace(conn, table, document_id, rows.tables.get(name, []), again=again)
    return changed + _replace(conn, provenance, document_id, rows.provenance, again=again)


def _replace(conn: Connection, table: Table, document_id: str, rows: Sequence[Row], *, again: bool) -> int:
    """Make the document's rows of a table be exactly these; the number of rows written or removed."""
    own = next(c for c in table.primary_key.columns if c.name != "document_id")
    stale = (table.c.document_id == document_id) & own.not_in([row[own.name] for row in rows]) & _ours_alone(table)
    removed = conn.execute(delete(table).where(stale)).rowcount if again else 0
    return removed + (_upsert(conn, table, rows) if rows else 0)


def _upsert(conn: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Insert rows, or update those that differ; equal rows keep their version and `updated_at`, and a column that
    somebody else has set keeps what it says."""
    statement = insert(table)  # its text is the same for any number of rows, and so compiled once
    key = [column.name for column in table.primary_key.columns]
    new: dict[str, Any] = {
        name: facts.ours_or_theirs(table, name, statement.excluded[name]) for name in rows[0] if name not in key
    }
    different = or_(*(table.c[name].is_distinct_from(value) for name, value in new.items()))
    statement = statement.on_conflict_do_update(index_elements=key, set_=new | facts.STAMP, where=different)
    return len(conn.execute(statement.returning(*table.primary_key.columns), list(rows)).all())


def _ours_alone(table: Table) -> ColumnElement[bool]:
    """Rows of which nobody else has changed a column."""
    return func.cardinality(table.c.changed_elsewhere) == 0 if "changed_elsewhere" in table.c else true()


def _differences(conn: Connection, document_id: str) -> list[Difference]:
    """Where a value of the document is not what stands in the EMR since somebody else has set that."""
    asked = [_differing(table, document_id) for table in (*facts.SHARED_TABLES.values(), *SHOWN)]
    found = [Difference(**row._asdict()) for row in conn.execute(union_all(*(one for one in asked if one is not None)))]
    return sorted(found, key=lambda one: one.field)


def _differing(table: Table, document_id: str) -> Select[Any] | None:
    if "changed_elsewhere" not in table.c:
        return None
    key: Column[str] = next(iter(table.primary_key.columns))
    stands = func.coalesce(func.to_jsonb(table.table_valued()).op("->>")(provenance.c.target_column), "")
    place = provenance.c.target_table + "." + provenance.c.target_column
    columns = (provenance.c.field, provenance.c.page_id, place.label("place"), provenance.c.value)
    return select(*columns, stands.label("stands")).where(
        provenance.c.document_id == document_id, provenance.c.target_table == table.name,
        provenance.c.target_id == key, provenance.c.target_column == any_(table.c.changed_elsewhere),
        provenance.c.value != stands,
    )  # fmt: skip


def _receipt(
    conn: Connection,
    validated: ValidatedDocument,
    context: LoadContext,
    rows: EmrRows,
    changed: int,
    differs: Sequence[Difference],
) -> LoadReceipt:
    held = {"document_reference": len(rows.pages), **{name: len(found) for name, found in sorted(rows.tables.items())}}
    receipt = LoadReceipt(
        document_id=validated.document.document_id,
        revision=validated.revision,
        target=TARGET,
        batch_id=context.batch_id,
        rows=held | {"provenance": len(rows.provenance)},
        changed=changed,
        differs=tuple(differs),
    )
    statement = insert(load_receipt).values(receipt.model_dump(exclude={"changed", "differs"}))
    new = {name: statement.excluded[name] for name in ("rows", "batch_id")}
    different = or_(*(load_receipt.c[name].is_distinct_from(value) for name, value in new.items()))
    key = ["document_id", "revision", "target"]
    conn.execute(statement.on_conflict_do_update(index_elements=key, set_=new, where=different))
    return receipt


def _withdraw(conn: Connection, column: str, value: str) -> Withdrawal:
    with conn.begin_nested():
        touched = facts.standing_under(conn, provenance.c[column] == value, document_reference.c[column] == value)
        removed, left = {}, {}
        for gone in SHOWN:
            removed[gone.name] = conn.execute(delete(gone).where(gone.c[column] == value, _ours_alone(gone))).rowcount
            stays = select(func.count()).select_from(gone).where(gone.c[column] == value)
            if gone is not text_mention and (count := conn.scalar(stays)):
                left[gone.name] = count
        of_left = or_(false(), *(_stands(table) for table in SHOWN if table.name in left))
        sources = delete(provenance).where(provenance.c[column] == value)
        removed["provenance"] = conn.execute(sources.where(~of_left)).rowcount
        removed["load_receipt"] = conn.execute(delete(load_receipt).where(load_receipt.c[column] == value)).rowcount
        removed |= facts.settle_or_drop(conn, touched)
        facts.hand_over(conn, column, value)
        left |= facts.held_elsewhere(conn, touched)
    return Withdrawal(removed, left)


def _stands(table: Table) -> ColumnElement[bool]:
    """Provenance of a row that is still there."""
    key: Column[str] = next(iter(table.primary_key.columns))
    at_row = select(key).where(key == provenance.c.target_id, provenance.c.target_table == table.name)
    return at_row.exists()
