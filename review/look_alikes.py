"""Stage 8, review.look_alikes: a value that was wrong becomes the values that may be wrong in the same way.

Alike are values of the same facility, form and field that the same version of the same reader gave, that passed for
their confidence alone, stated no surer than the wrong one, and that hold the letters which were misread in it.
"""

from typing import NamedTuple

from rapidfuzz.distance import Levenshtein
from sqlalchemy import ColumnElement, Connection, func, or_, select, true

from pipeline.documents import store_document
from pipeline.finished import back_into_review
from pipeline.repeats import with_values
from pipeline.tables import batch, document, field_value
from records.documents import ValidatedDocument, Verdict
from validation.contract import plain_field

ALIKE = "look_alike"  # the rule by which such a value waits
MOST = 100  # of one wrong value, the least sure first
ROUNDING = 1e-6  # `field_value.confidence` is kept in single precision


class Wrong(NamedTuple):
    """A value that passed and was wrong. `truth`: its normal form as two persons have it, '' for a blank."""

    facility_id: str
    document_id: str
    document_type: str
    field: str
    engine: str
    confidence: float
    value: str
    truth: str


def misread(value: str, truth: str) -> frozenset[str]:
    """('2019-02-01', '2019-02-07') -> {'1'}: the letters that were read in place of others; of a letter that was
    missed, the one before it."""
    found = set()
    for step in Levenshtein.opcodes(value, truth):
        if step.tag in ("replace", "delete"):
            found.add(value[step.src_start : step.src_end])
        elif step.tag == "insert":
            found.add(value[max(0, step.src_start - 1) : step.src_start])
    return frozenset(found - {""})


def look_alikes(conn: Connection, wrong: Wrong) -> list[tuple[str, str]]:
    """(document id, field) of values that may be wrong in the same way."""
    value = field_value.c
    own = func.regexp_replace(value.field, r"\[\d+\]", "") == plain_field(wrong.field)
    query = (
        select(value.document_id, value.field)
        .join(document, document.c.document_id == value.document_id)
        .join(batch, batch.c.batch_id == document.c.batch_id)
        .where(
            batch.c.facility_id == wrong.facility_id, document.c.document_type == wrong.document_type, own,
            value.engine == wrong.engine, value.verdict == Verdict.ACCEPT.value, value.rule == "confidence",
            value.confidence <= wrong.confidence + ROUNDING, _holds(misread(wrong.value, wrong.truth)),
            or_(value.document_id != wrong.document_id, value.field != wrong.field),
        )
        .order_by(value.confidence, value.document_id, value.field)
        .limit(MOST)
    )  # fmt: skip
    return [(row.document_id, row.field) for row in conn.execute(query)]


def _holds(pieces: frozenset[str]) -> ColumnElement[bool]:
    found = [func.strpos(field_value.c.value, piece) > 0 for piece in sorted(pieces)]
    return or_(*found) if found else true()


def reopen(conn: Connection, document_id: str, field: str) -> bool:
    """Ask a value of a person that had passed; False when it is another's by now. Its file is locked by the caller."""
    own = document.c.document_id == document_id
    row = conn.execute(select(document.c.batch_id, document.c.validated).where(own).with_for_update()).one_or_none()
    validated = ValidatedDocument.model_validate(row.validated) if row else None
    judged = next((v for v in validated.values if v.value.field == field), None) if validated else None
    if row is None or validated is None or judged is None or judged.rule != "confidence":
        return False
    doubt = judged.model_copy(update={"verdict": Verdict.REVIEW, "rule": ALIKE, "reasons": (), "blockers": (ALIKE,)})
    values = [doubt if v is judged else v for v in validated.values]
    store_document(conn, row.batch_id, with_values(validated, values, validated.issues))
    back_into_review(conn, document_id)
    return True
