"""Stage 7 of a batch, pipeline.carrying: what a person decided of a field goes with its page to its document of now.

A document whose pages were split, joined or moved is another one; the decisions of the old one are re-entered under it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, Update, delete, null, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline.documents import WAITING, task_id_of, with_decided
from pipeline.tables import document, page, review_decision, review_task
from records.document_types import document_types
from records.documents import JudgedValue, ValidatedDocument

DECIDED, FIRST = "decided", "first"
ROW = re.compile(r"\[\d+\]")
Carried = Mapping[str, Mapping[str, JudgedValue]]  # document id -> field -> value


class _Decided(NamedTuple):
    """A task that somebody decided, or entered for the first of two times, and the value that stands; None where there
    is none."""

    task: RowMapping
    value: JudgedValue | None


def carry_decisions(conn: Connection, batch_id: str, documents: Sequence[ValidatedDocument]) -> Carried:
    """Enter the decisions on documents that are no more under those that hold their fields' pages; the values decided.

    A field that the new document's form does not have, or on which somebody decided there, stays behind.
    """
    holder = {page_id: v for v in documents for page_id in v.document.page_ids}
    here = {v.document.document_id for v in documents}
    found: dict[str, dict[str, JudgedValue]] = {}
    for decided in _decided_elsewhere(conn, batch_id, here):
        own = decided.value and holder.get(decided.value.value.reading.page_id)
        if decided.value is None or not own:
            continue
        field = _field_in(own, decided.value)
        handed = bool(field) and _hand_over(conn, decided.task, own.document.document_id, field)
        if handed and decided.task["state"] == DECIDED:
            found.setdefault(own.document.document_id, {})[field] = _called(decided.value, field)
    return found


def with_carried(validated: ValidatedDocument, carried: Carried) -> ValidatedDocument:
    """The document with what was decided elsewhere of its fields."""
    own = carried.get(validated.document.document_id)
    return with_decided(validated, own) if own else validated


def drop_pageless(conn: Connection, batch_id: str) -> None:
    """Remove documents that no page is of any more, and close what was asked about documents that are not there."""
    held = select(page.c.page_id).where(page.c.document_id == document.c.document_id).exists()
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
    return update(review_task).where(review_task.c.batch_id == batch_id).values(state="settled")


def _decided_elsewhere(conn: Connection, batch_id: str, here: Iterable[str]) -> list[_Decided]:
    """Tasks of the batch's other documents on which a person has worked."""
    entered = review_task.c.state.in_(WAITING) & (review_task.c.stage != FIRST)
    query = (
        select(review_task, document.c.validated)
        .join(document, document.c.document_id == review_task.c.document_id)
        .where(
            review_task.c.batch_id == batch_id, (review_task.c.state == DECIDED) | entered,
            review_task.c.document_id.not_in(here),
        )
        .order_by(review_task.c.task_id)
    )  # fmt: skip
    rows = conn.execute(query).mappings().all()
    values = {row["document_id"]: ValidatedDocument.model_validate(row["validated"]).values for row in rows}
    return [
        _Decided(row, next((v for v in values[row["document_id"]] if v.value.field == row["field"]), None))
        for row in rows
    ]


def _field_in(own: ValidatedDocument, decided: JudgedValue) -> str:
    """What a decided value's field is called in a document: rows are numbered anew; '' where its form has none such."""
    reading, stem = decided.value.reading, ROW.sub("[]", decided.value.field)
    for judged in own.values:
        other = judged.value.reading
        if (other.page_id, other.box) == (reading.page_id, reading.box) and ROW.sub("[]", other.field) == stem:
            return other.field
    fits = document_types()[own.document.document_type].spec(decided.value.field)
    return decided.value.field if fits and "[" not in decided.value.field else ""


def _called(judged: JudgedValue, field: str) -> JudgedValue:
    reading = judged.value.reading.model_copy(update={"field": field})
    return judged.model_copy(update={"value": judged.value.model_copy(update={"reading": reading})})


def _hand_over(conn: Connection, task: RowMapping, document_id: str, field: str) -> bool:
    """Enter a decided task with its decisions under another document; False where one was decided there."""
    new_id = task_id_of(document_id, field)
    row = {name: task[name] for name in (column.name for column in review_task.c) if name != "task_id"}
    new = row | {"document_id": document_id, "field": field}
    statement = upsert(review_task).values(task_id=new_id, **new)
    mine = statement.on_conflict_do_update(
        index_elements=["task_id"], set_=new, where=review_task.c.state != DECIDED
    ).returning(review_task.c.task_id)
    if conn.scalar(mine) is None:
        return False
    # What it replaced is told by the field's old name: a decision on a renumbered row is not taken back.
    before = {} if field == task["field"] else {"before": null()}
    own = review_decision.c.task_id == task["task_id"]
    conn.execute(update(review_decision).where(own).values(task_id=new_id, **before))
    conn.execute(delete(review_task).where(review_task.c.task_id == task["task_id"]))
    return True
