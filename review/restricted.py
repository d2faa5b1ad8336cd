"""Stage 8, review.restricted: documents that few may see: why one is, and who opened it with what reason.

The rule is data: records/code_lists/restricted.csv. A code counts as it was read, also while it is in doubt.
"""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import Connection, Interval, bindparam, func, insert, select

from pipeline import audit
from pipeline.tables import field_value
from records.base import Frozen
from records.code_lists import of_lists, rows
from records.documents import ValidatedDocument
from records.file_rules import Codes, Parts
from review.tables import glass
from transformers.retention import covers
from transformers.text import clean

OPEN_FOR = timedelta(minutes=30)
SHORTEST, LONGEST = 10, 500  # letters of a reason
CODE, TEST = "icd10", "test_name"  # kinds of values that may restrict a document


class Restriction(Frozen):
    """A class of restricted documents: by type, by ICD-10 codes (beginnings or ranges), by words in names of tests."""

    code: str
    document_types: Parts
    icd10: Codes
    tests: Parts
    source: str

    def holds(self, document_type: str, said: Iterable[tuple[str, str]]) -> bool:
        """Whether it holds for a document of a type that says these (kind, value)."""
        return document_type in self.document_types or any(self._said(kind, value) for kind, value in said)

    def _said(self, kind: str, value: str) -> bool:
        if kind == CODE:
            return any(covers(span, code.strip()) for span in self.icd10 for code in value.upper().split(";"))
        return kind == TEST and any(word in value.upper() for word in self.tests)


@of_lists
def restrictions() -> tuple[Restriction, ...]:
    """The classes, in the order in which they are told."""
    return tuple(Restriction.model_validate(row) for row in rows("restricted"))


def restricted(document: ValidatedDocument) -> str:
    """The class that restricts a document, '' for none."""
    said = [(v.value.kind, text) for v in document.values for text in (v.value.value, v.value.reading.raw)]
    return restricted_by(document.document.document_type, said)


def restricted_by(document_type: str, said: Iterable[tuple[str, str]]) -> str:
    """The class that restricts a document of a type that says these (kind, value), '' for none."""
    told = tuple(said)
    return next((one.code for one in restrictions() if one.holds(document_type, told)), "")


def said_in(conn: Connection, document_id: str) -> list[tuple[str, str]]:
    """(kind, value) of all that may restrict a document, normal forms and what was read."""
    own = (field_value.c.document_id == document_id) & field_value.c.kind.in_((CODE, TEST))
    query = select(field_value.c.kind, field_value.c.value, field_value.c.raw).where(own)
    return [(row.kind, text) for row in conn.execute(query) for text in (row.value, row.raw)]


def opened(conn: Connection, account_id: str, document_id: str) -> str:
    """The reason with which an account holds a document open now, '' when it does not."""
    own = (glass.c.account_id == account_id) & (glass.c.document_id == document_id) & (glass.c.until > func.now())
    return conn.scalar(select(glass.c.reason).where(own).order_by(glass.c.glass_id.desc()).limit(1)) or ""


def locked(conn: Connection, account_id: str, document: ValidatedDocument) -> str:
    """The class that keeps a document from an account now, '' when it may see it."""
    why = restricted(document)
    return why if why and not opened(conn, account_id, document.document.document_id) else ""


def closed_to(conn: Connection, account_id: str, document_id: str, document_type: str) -> bool:
    """Whether a stored document of this type is restricted and not held open by the account now."""
    said = said_in(conn, document_id)
    return bool(restricted_by(document_type, said)) and not opened(conn, account_id, document_id)


def reason_of(given: str) -> str:
    """' ký  lại giấy ra viện ' -> 'ký lại giấy ra viện'; ValueError unless it has 10 to 500 letters."""
    reason = clean(given)
    if not SHORTEST <= len(reason) <= LONGEST:
        raise ValueError(f"a reason has {SHORTEST} to {LONGEST} letters")
    return reason


def break_glass(conn: Connection, account_id: str, document_id: str, why: str, reason: str) -> None:
    """Open a restricted document for an account for 30 minutes. `why`: its class; `reason`: see `reason_of`."""
    until = func.now() + bindparam("open_for", OPEN_FOR, Interval)
    conn.execute(insert(glass).values(account_id=account_id, document_id=document_id, reason=reason, until=until))
    # The reason may name the patient: it stays out of the chain.
    audit.record(conn, account_id, "break_glass", f"document:{document_id}", {"class": why})
