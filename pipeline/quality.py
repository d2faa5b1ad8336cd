"""Stage 7 of a batch, pipeline.quality: what the database holds of a batch, its registry and the batches before it
becomes the answers of the batch's suite."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Select, Table, and_, func, select

from pipeline.batch_measures import measures_of
from pipeline.contracts import stored
from pipeline.emr import HELD
from pipeline.registry import WITHDRAWN
from pipeline.settings import settings
from pipeline.tables import batch, document, field_value, file, page, registry_patient, registry_stay
from records.code_lists import entries, icd10_codes, icd10_complete
from records.documents import Verdict
from records.errors import SohoaError
from transformers.text import folded
from validation.batch_facts import COLUMNS, ICD10, LOOKED_AT, NUMBER, PATIENT, BatchFacts
from validation.batch_suite import Answer, BatchSuite, Question, answers, batch_suite, behind
from validation.breaches import Breach
from validation.suites import FailedExpectation

IN_THE_BOX = 0.8  # share of the files that the registry knows which must be of one box, for the batch to be of it
KNOWN = 10  # stays with a day that a box needs, for its years to be known


def answers_of(conn: Connection, batch_id: str) -> list[Answer]:
    """The suite of the batch as a whole, asked now; SohoaError where there is no such batch."""
    facility = conn.scalar(select(batch.c.facility_id).where(batch.c.batch_id == batch_id))
    if facility is None:
        raise SohoaError(f"There is no batch '{batch_id}'.")
    suite = batch_suite(facility, settings().home / "batch_suite.yaml")
    return list(answers(suite, _facts(conn, batch_id, facility, suite)))


def questions_of(conn: Connection, batch_id: str) -> list[Question]:
    """What of the suite can be asked now."""
    return [one for one in answers_of(conn, batch_id) if isinstance(one, Question)]


def breaches_of(
    conn: Connection, batch_id: str, failed: Sequence[FailedExpectation]
) -> dict[FailedExpectation, tuple[Breach, ...]]:
    """What is behind each of these failures of the batch as a whole, as it is now."""
    asked = {(one.asked.rule, one.asked.field): one for one in (questions_of(conn, batch_id) if failed else [])}
    found = {one: asked.get((one.rule, one.field)) for one in failed}
    return {
        one: tuple(Breach(document_id=d, field=f, value=v) for d, f, v in (behind(question) if question else []))
        for one, question in found.items()
    }


def _facts(conn: Connection, batch_id: str, facility: str, suite: BatchSuite) -> BatchFacts:
    values = _values(conn, batch_id)
    path = settings().home / "codes" / "icd10.csv"
    return BatchFacts(
        pages=_column(conn, select(page.c.state).where(page.c.batch_id == batch_id)),
        verdicts=_column(conn, _verdicts(batch_id)),
        values=values,
        forms=_forms(conn, batch_id),
        stays=_known(conn, facility, registry_stay, "encounter_number", values[values["field"] == NUMBER]),
        patients=_known(conn, facility, registry_patient, "patient_id", values[values["field"] == PATIENT]),
        codes=icd10_codes(path) if icd10_complete(path) else frozenset(),
        departments=_departments(conn, facility),
        box_years=_box_years(conn, batch_id, facility),
        proven=stored(conn, facility) is not None,
        measures=measures_of(conn, batch_id, suite.history),
    )


def _column(conn: Connection, query: Select[Any]) -> "pd.Series[Any]":
    return pd.Series(list(conn.scalars(query)), dtype=object)


def _verdicts(batch_id: str) -> Select[Any]:
    judged = field_value.c.verdict.in_([Verdict.ACCEPT.value, Verdict.REVIEW.value])
    joined = select(field_value.c.verdict).join(document, document.c.document_id == field_value.c.document_id)
    return joined.where(document.c.batch_id == batch_id, judged)


def _values(conn: Connection, batch_id: str) -> pd.DataFrame:
    """Accepted values that a rule looks at, of files that nothing stops."""
    value = field_value.c
    query = (
        select(value.document_id, document.c.file_id, value.field, value.kind, value.value)
        .join(document, document.c.document_id == value.document_id)
        .join(file, file.c.file_id == document.c.file_id)
        .where(
            document.c.batch_id == batch_id, file.c.state.not_in([HELD, WITHDRAWN]), value.value != "",
            value.verdict == Verdict.ACCEPT.value, value.field.in_(LOOKED_AT) | (value.kind == ICD10),
        )
        .order_by(value.document_id, value.field)
    )  # fmt: skip
    rows = [(*row, folded(row.value)) for row in conn.execute(query)]
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)


def _forms(conn: Connection, batch_id: str) -> pd.DataFrame:
    """Each inpatient file with each form that it must hold."""
    query = select(file.c.forms).where(file.c.batch_id == batch_id, file.c.state != WITHDRAWN)
    rows = [(form, form not in told["missing"]) for told in conn.scalars(query) for form in told.get("expected", [])]
    return pd.DataFrame(rows, columns=["form", "there"], dtype=object)


def _known(conn: Connection, facility: str, table: Table, key: str, said: pd.DataFrame) -> frozenset[str] | None:
    """The numbers of the batch that the registry knows; None where it knows nobody."""
    own, number = table.c.facility_id == facility, table.c[key]
    if not conn.scalar(select(select(number).where(own).exists())):
        return None
    return frozenset(conn.scalars(select(number).where(own, number.in_(sorted(set(said["value"]))))))


def _departments(conn: Connection, facility: str) -> frozenset[str]:
    own = select(registry_stay.c.department).where(registry_stay.c.facility_id == facility).distinct()
    return frozenset(folded(name) for name in (*entries("departments"), *conn.scalars(own)) if name)


def _box_years(conn: Connection, batch_id: str, facility: str) -> tuple[int, int] | None:
    """The years of the registry's stays in the box of nearly all of the batch's files that the registry knows."""
    stay = registry_stay.c
    here = and_(file.c.batch_id == batch_id, file.c.state != WITHDRAWN)
    key = stay.facility_id.concat("|").concat(stay.encounter_number)
    query = select(stay.box, func.count()).join_from(registry_stay, file, file.c.encounter_key == key)
    boxes = conn.execute(query.where(here, stay.box != "").group_by(stay.box).order_by(func.count().desc())).all()
    if not boxes or boxes[0][1] < IN_THE_BOX * sum(files for _, files in boxes):
        return None
    of_box = select(func.left(stay.admitted_at, 4), func.left(stay.discharged_at, 4)).where(
        stay.facility_id == facility, stay.box == boxes[0][0], stay.admitted_at != "", stay.discharged_at != ""
    )
    years = [int(year) for row in conn.execute(of_box) for year in row]
    return (min(years), max(years)) if len(years) >= 2 * KNOWN else None
