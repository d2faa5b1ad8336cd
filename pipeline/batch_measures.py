"""Stage 7 of a batch, pipeline.batch_measures: figures of a batch and of its facility's earlier ones, thing by thing,
so that a suite may hold one against the others."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Select, case, cast, func, select
from sqlalchemy.types import Date, Float

from pipeline.registry import WITHDRAWN
from pipeline.tables import batch, document, field_value, file
from records.documents import Verdict
from validation.batch_facts import ADMITTED, DISCHARGED, Measure
from validation.batch_suite import History

LAB, RESULTS, SEX = "lab_report", "results", "patient.sex"
DAY = r"^\d{4}-\d\d-\d\d"
_FILE = (document.c.batch_id, document.c.file_id)
OFTEN = 0.01  # share of a batch's documents that a form must have somewhere to be looked at


def measures_of(conn: Connection, batch_id: str, history: History) -> Mapping[str, Measure]:
    """By rule: sex of each patient (1 a woman), days of each stay, results of each laboratory sheet; and, for each
    form, of each document whether it is one."""
    ids = [batch_id, *_earlier(conn, batch_id, history)]
    plain = {"women": _women(ids), "stay_days": _stay_days(ids), "lab_rows": _lab_rows(ids)}
    found: dict[str, Measure] = {rule: {"": _parted(conn, query, ids)} for rule, query in plain.items()}
    return found | {"form_share": _form_shares(conn, ids)}


def _earlier(conn: Connection, batch_id: str, history: History) -> Sequence[str]:
    """The newest of the facility's earlier batches that are large enough and that nothing holds."""
    own = select(batch.c.facility_id, batch.c.created_at).where(batch.c.batch_id == batch_id).subquery()
    query = (
        select(batch.c.batch_id)
        .join(own, (own.c.facility_id == batch.c.facility_id) & (own.c.created_at > batch.c.created_at))
        .join(file, (file.c.batch_id == batch.c.batch_id) & (file.c.state != WITHDRAWN))
        .where(batch.c.state != "held")
        .group_by(batch.c.batch_id)
        .having(func.count() >= history.files)
        .order_by(batch.c.created_at.desc(), batch.c.batch_id)
        .limit(history.newest)
    )
    return conn.scalars(query).all()


def _women(ids: Sequence[str]) -> Select[Any]:
    woman = case((field_value.c.value == "female", 1.0), else_=0.0)
    query = select(document.c.batch_id, document.c.file_id, func.max(woman)).group_by(*_FILE)
    return _accepted(query, ids).where(field_value.c.field == SEX)


def _stay_days(ids: Sequence[str]) -> Select[Any]:
    """From the first day of admission to the last of discharge that a file tells."""
    day = cast(func.left(field_value.c.value, 10), Date)
    admitted = func.min(day).filter(field_value.c.field == ADMITTED)
    discharged = func.max(day).filter(field_value.c.field == DISCHARGED)
    days = cast(discharged - admitted, Float)
    query = select(document.c.batch_id, document.c.file_id, days).group_by(*_FILE).having(days >= 0)
    return _accepted(query, ids).where(
        field_value.c.field.in_([ADMITTED, DISCHARGED]), field_value.c.value.regexp_match(DAY)
    )


def _lab_rows(ids: Sequence[str]) -> Select[Any]:
    """Rows read of each sheet, also those in review."""
    row = func.split_part(field_value.c.field, ".", 1)
    rows = func.count(row.distinct()).filter(field_value.c.field.startswith(f"{RESULTS}["))
    return (
        select(document.c.batch_id, document.c.document_id, cast(rows, Float))
        .outerjoin(field_value, field_value.c.document_id == document.c.document_id)
        .where(document.c.batch_id.in_(ids), document.c.document_type == LAB)
        .group_by(document.c.batch_id, document.c.document_id)
    )


def _accepted(query: Select[Any], ids: Sequence[str]) -> Select[Any]:
    joined = query.join(field_value, field_value.c.document_id == document.c.document_id)
    return joined.where(
        document.c.batch_id.in_(ids), field_value.c.verdict == Verdict.ACCEPT.value, field_value.c.value != ""
    )


def _parted(
    conn: Connection, query: Select[Any], ids: Sequence[str]
) -> "tuple[pd.Series[float], Sequence[pd.Series[float]]]":
    """The figures of the first batch, and those of each other."""
    rows = pd.DataFrame([tuple(row) for row in conn.execute(query)], columns=["batch_id", "thing", "told"])
    columns = [rows[rows["batch_id"] == name]["told"].astype(float) for name in ids]
    return columns[0], columns[1:]


def _form_shares(conn: Connection, ids: Sequence[str]) -> Measure:
    """Documents as 1 or 0, for each form that is not rare everywhere; counted by the database."""
    query = select(document.c.batch_id, document.c.document_type, func.count()).where(document.c.batch_id.in_(ids))
    counts: dict[str, dict[str, int]] = {name: {} for name in ids}
    for name, form, documents in conn.execute(query.group_by(document.c.batch_id, document.c.document_type)):
        counts[name][form] = documents
    totals = {name: sum(own.values()) for name, own in counts.items()}
    often = {f for name, own in counts.items() for f, documents in own.items() if documents >= OFTEN * totals[name]}
    return {form: _as_columns([(counts[name].get(form, 0), totals[name]) for name in ids]) for form in sorted(often)}


def _as_columns(counts: Sequence[tuple[int, int]]) -> "tuple[pd.Series[float], Sequence[pd.Series[float]]]":
    columns = [pd.Series([1.0] * own + [0.0] * (documents - own)) for own, documents in counts]
    return columns[0], columns[1:]
