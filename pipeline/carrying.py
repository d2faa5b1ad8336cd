"""Stage 7 of a batch, pipeline.carrying: what a person decided of a field goes with its page to its document of now.

A document whose pages were split, joined or moved is another one; the decisions of the old one are re-entered under it.
One whose pages were read anew keeps its own, each row with those of its row.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, RowMapping, Text, Update, delete, null, select, update
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline.documents import DECIDED, SETTLED, WAITING, task_id_of, with_decided
from pipeline.table_rows import field_now
from pipeline.tables import document, page, review_decision, review_task
from records.document_types import document_types
from records.documents import JudgedValue, ValidatedDocument
from records.states import PageState

FIRST = "first"
ASIDE = [state.value for state in (PageState.BLANK, PageState.SEPARATOR, PageState.DUPLICATE, PageState.SUPERSEDED)]
Carried = Mapping[str, Mapping[str, JudgedValue]]  # document id -> field -> value


class _Decided(NamedTuple):
    """A task that somebody decided, or entered for the first of two times, the document as it was then, and the value
    that stands; None where there is none."""

    task: RowMapping
    before: ValidatedDocument
    value: JudgedValue | None

    @property
    def page_id(self) -> str:
        """Where the value stands, '' where there is none."""
        return self.value.value.reading.page_id if self.value else ""


def carry_decisions(conn: Connection, batch_id: str, documents: Sequence[ValidatedDocument]) -> Carried:
    """Enter the decisions on documents that are no more under those that hold their fields' pages; the values decided.

    A field that the new document's form does not have, or on which somebody decided there, stays behind; so does that
    of the later page where two pages that are joined tell it.
    """
    holder = {page_id: v for v in documents for page_id in v.document.page_ids}
    order = {page_id: n for v in documents for n, page_id in enumerate(v.document.page_ids)}
    here = {v.document.document_id for v in documents}
    found: dict[str, dict[str, JudgedValue]] = {}
    for decided in sorted(_decided_elsewhere(conn, batch_id, here, holder), key=lambda one: order.get(one.page_id, 0)):
        own = holder.get(decided.page_id)
        if decided.value is None or not own:
            continue
        field = field_now(decided.value, decided.before, own)
        handed = bool(field) and _hand_over(conn, decided.task, own.document.document_id, field)
        if handed and decided.task["state"] == DECIDED:
            found.setdefault(own.document.document_id, {})[field] = _moved(decided.value, field=field)
    return found


def with_carried(validated: ValidatedDocument, carried: Carried) -> ValidatedDocument:
    """The document with what was decided elsewhere of its fields."""
    own = carried.get(validated.document.document_id)
    return with_decided(validated, own) if own else validated


def kept_decisions(
    conn: Connection,
    validated: ValidatedDocument,
    decided_fields: Mapping[str, Collection[str]],
    turned: Collection[str] = (),
) -> ValidatedDocument:
    """A document as it may be stored: the machine's, unless a person has decided fields of it (`decided_fields`: see
    `pipeline.documents.decided_documents`). Then the stored one stays, or, where its pages lie in another file or were
    scanned anew, the new one takes over what was decided; so where an officer says that it is of another form, or that
    a page of it was read as it does not lie (`turned`: ids of those read anew). A decided cell whose row is not found
    is asked anew."""
    fields = decided_fields.get(validated.document.document_id)
    if not fields:
        return validated
    row = conn.scalar(select(document.c.validated).where(document.c.document_id == validated.document.document_id))
    if row is None:
        return validated
    stored = ValidatedDocument.model_validate(row)
    same = ("file_id", "page_ids", "document_type")
    as_it_was = all(getattr(stored.document, name) == getattr(validated.document, name) for name in same)
    if as_it_was and not set(turned) & set(stored.document.page_ids):
        return stored
    pages = dict(zip(stored.document.page_ids, validated.document.page_ids, strict=False))
    mine = {v.value.field: v for v in stored.values if v.value.field in fields}
    called = _once({field: field_now(v, stored, validated) for field, v in mine.items()})
    _rename(conn, validated.document.document_id, {old: new for old, new in called.items() if old != new})
    there = {new: (mine[old], pages.get(at := mine[old].value.reading.page_id, at)) for old, new in called.items()}
    decided = {new: _moved(v, field=new, page_id=at) for new, (v, at) in there.items() if new}
    return with_decided(validated, decided)


def _once(called: Mapping[str, str]) -> dict[str, str]:
    """Fields by their old names, '' for those that would come to the same new one."""
    counts = Counter(called.values())
    return {old: new if counts[new] == 1 else "" for old, new in called.items()}


def _rename(conn: Connection, document_id: str, called: Mapping[str, str]) -> None:
    """Decided tasks of rows that are numbered anew (old name -> new one) go with their rows, those of '' are closed."""
    own = (review_task.c.document_id == document_id) & review_task.c.field.in_(list(called))
    tasks = {row["field"]: row for row in conn.execute(select(review_task).where(own)).mappings()}
    entered: dict[str, list[int]] = {field: [] for field in tasks}
    for field, decision_id in conn.execute(
        select(review_task.c.field, review_decision.c.decision_id).join(review_task).where(own)
    ):
        entered[field].append(decision_id)
    conn.execute(update(review_task).where(own).values(state=SETTLED))
    for old, task in tasks.items():
        if new := called[old]:
            _enter(conn, task, document_id, new, entered[old])


def drop_pageless(conn: Connection, batch_id: str) -> None:
    """Remove documents that no page is of any more (a sheet set aside is of none), and close what was asked about
    documents that are not there."""
    of_it = (page.c.document_id == document.c.document_id) & page.c.state.not_in(ASIDE)
    held = select(page.c.page_id).where(of_it).exists()
    conn.execute(delete(document).where(document.c.batch_id == batch_id, ~held))
    there = select(document.c.document_id).where(document.c.document_id == review_task.c.document_id).exists()
    waits = review_task.c.state.in_(WAITING)
    conn.execute(_settle(batch_id).where(waits, review_task.c.document_id.is_not(None), ~there))
    _close_unfit(conn, batch_id)


def _close_unfit(conn: Connection, batch_id: str) -> None:
    """Close decided tasks on fields that the document's form does not have, now that it is of another one."""
    query = (
        select(review_task.c.task_id, review_task.c.field, document.c.document_type)
        .join(document, document.c.document_id == review_task.c.document_id)
        .where(review_task.c.batch_id == batch_id, review_task.c.state == DECIDED)
    )
    types = document_types()
    unfit = [task_id for task_id, field, kind in conn.execute(query) if not types[kind].spec(field)]
    conn.execute(_settle(batch_id).where(review_task.c.task_id.in_(unfit)))


def _settle(batch_id: str) -> Update:
    return update(review_task).where(review_task.c.batch_id == batch_id).values(state=SETTLED)


def _decided_elsewhere(conn: Connection, batch_id: str, here: Iterable[str], page_ids: Iterable[str]) -> list[_Decided]:
    """Tasks on which a person has worked, of the batch's other documents that had any of these pages."""
    entered = review_task.c.state.in_(WAITING) & (review_task.c.stage != FIRST)
    query = (
        select(review_task, document.c.validated)
        .join(document, document.c.document_id == review_task.c.document_id)
        .where(
            review_task.c.batch_id == batch_id, (review_task.c.state == DECIDED) | entered,
            review_task.c.document_id.not_in(here), document.c.page_ids.has_any(array(page_ids, type_=Text)),
        )
        .order_by(review_task.c.task_id)
    )  # fmt: skip
    rows = conn.execute(query).mappings().all()
    stored = {row["document_id"]: ValidatedDocument.model_validate(row["validated"]) for row in rows}
    return [
        _Decided(row, own, next((v for v in own.values if v.value.field == row["field"]), None))
        for row in rows
        for own in [stored[row["document_id"]]]
    ]


def _moved(judged: JudgedValue, **reading: str) -> JudgedValue:
    """The value with its reading's field or page as it is now."""
    new = judged.value.reading.model_copy(update=reading)
    return judged.model_copy(update={"value": judged.value.model_copy(update={"reading": new})})


def _hand_over(conn: Connection, task: RowMapping, document_id: str, field: str) -> bool:
    """Enter a decided task with its decisions under another document; False where one was decided there."""
    own = review_decision.c.task_id == task["task_id"]
    decisions = conn.scalars(select(review_decision.c.decision_id).where(own)).all()
    if not _enter(conn, task, document_id, field, decisions, review_task.c.state != DECIDED):
        return False
    conn.execute(delete(review_task).where(review_task.c.task_id == task["task_id"]))
    return True


def _enter(
    conn: Connection, task: RowMapping, document_id: str, field: str, decisions: Sequence[int],
    where: ColumnElement[bool] | None = None,
) -> bool:  # fmt: skip
    """Enter a task and its decisions under another document or field; False where one stands there that is not as
    `where` says."""
    new_id = task_id_of(document_id, field)
    row = {name: task[name] for name in (column.name for column in review_task.c) if name != "task_id"}
    new = row | {"document_id": document_id, "field": field}
    statement = upsert(review_task).values(task_id=new_id, **new)
    mine = statement.on_conflict_do_update(index_elements=["task_id"], set_=new, where=where)
    if conn.scalar(mine.returning(review_task.c.task_id)) is None:
        return False
    # What it replaced is told by the field's old name: a decision on a renumbered row is not taken back.
    before = {} if field == task["field"] else {"before": null()}
    own = review_decision.c.decision_id.in_(decisions)
    conn.execute(update(review_decision).where(own).values(task_id=new_id, **before))
    return True
