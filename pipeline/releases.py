"""Stage 7 of a batch, pipeline.releases: a senior lets a held batch be loaded in spite of its checks, or sends it back.

What she accepts are the values that she was shown. A check that fails later, or another value behind the same check,
is not covered and holds the batch again; the last decision about a batch is the one that counts.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import pandas as pd
from sqlalchemy import Connection, insert, select

from pipeline import audit, quality
from pipeline.documents import BATCH_CHECKS
from pipeline.finished import TOPIC
from pipeline.tables import batch, document, field_value, issue, outbox
from records.base import Frozen
from records.document_types import document_types
from records.errors import SohoaError
from review.tables import release
from validation.breaches import Breach, breaches
from validation.gx import COLUMNS
from validation.suites import FailedExpectation, Severity

HELD = "held"


class Decision(StrEnum):
    """What a senior says of a held batch."""

    ACCEPT = "accept"
    SEND_BACK = "send_back"


class Failure(Frozen):
    """A failed expectation and the values behind it as they are now; none when they were corrected since."""

    expectation: FailedExpectation
    breaches: tuple[Breach, ...]


class Release(Frozen):
    """A decision about a batch. `failed`: what it was about, see `recorded`."""

    batch_id: str
    decided_by: str
    decision: Decision
    reason: str
    decided_at: datetime
    failed: tuple[dict[str, Any], ...]


class ChangedSince(SohoaError):
    """The failures are not those that were shown."""


def failures_of(conn: Connection, batch_id: str) -> tuple[Failure, ...]:
    """The expectations that the last check of a batch found broken, each with the values behind it."""
    return with_breaches(conn, batch_id, noted(conn, batch_id))


def noted(conn: Connection, batch_id: str, severity: Severity = Severity.STOP) -> list[FailedExpectation]:
    """The expectations that the last check of a batch found broken: those that hold it, or those that warn."""
    own = (issue.c.batch_id == batch_id) & issue.c.document_id.is_(None) & issue.c.page_id.is_(None)
    query = select(issue.c.check_name, issue.c.field, issue.c.message).where(
        own, issue.c.check_name.like(f"{BATCH_CHECKS[severity]}:%")
    )
    return [_expectation(*row, severity) for row in conn.execute(query.order_by(issue.c.issue_id))]


def with_breaches(conn: Connection, batch_id: str, failed: Iterable[FailedExpectation]) -> tuple[Failure, ...]:
    """Each failed expectation of a batch with the values behind it."""
    asked, types = tuple(failed), document_types()
    found = quality.breaches_of(conn, batch_id, [one for one in asked if not one.document_type])
    by_form = [one for one in asked if one.document_type]
    frame = _frame(conn, batch_id, {one.document_type for one in by_form})
    found |= {one: breaches(frame, one, types[one.document_type]) for one in by_form}
    return tuple(Failure(expectation=one, breaches=found[one]) for one in asked)


def covers(conn: Connection, batch_id: str, failed: Iterable[FailedExpectation]) -> bool:
    """Whether the last decision about a batch accepts all that fails in it now; a failure behind which no value is
    found is accepted by nobody."""
    last = last_release(conn, batch_id)
    if last is None or last.decision is not Decision.ACCEPT:
        return False
    now = with_breaches(conn, batch_id, failed)
    return all(one.breaches for one in now) and _parts(recorded(now)) <= _parts(last.failed)


def last_release(conn: Connection, batch_id: str) -> Release | None:
    """The decision about a batch that counts."""
    query = select(release).where(release.c.batch_id == batch_id).order_by(release.c.release_id.desc()).limit(1)
    row = conn.execute(query).mappings().one_or_none()
    return Release(**{name: row[name] for name in Release.model_fields}) if row else None


def sent_back(conn: Connection) -> list[Release]:
    """The held batches that a senior sent back, with the reason."""
    held = conn.scalars(select(batch.c.batch_id).where(batch.c.state == HELD).order_by(batch.c.batch_id)).all()
    found = [last_release(conn, batch_id) for batch_id in held]
    return [one for one in found if one and one.decision is Decision.SEND_BACK]


def decide(
    conn: Connection, batch_id: str, who: str, decision: Decision, reason: str, shown: str | None = None
) -> None:  # fmt: skip
    """Record a decision about a held batch; an accepted one is loaded by the next run of `load_reviewed`.

    `shown`: the `fingerprint` of the failures that the person saw; ChangedSince when they are others by now.
    SohoaError when the batch is not held. The same decision once more changes nothing.
    """
    state = conn.scalar(select(batch.c.state).where(batch.c.batch_id == batch_id).with_for_update())
    if state != HELD:
        raise SohoaError(f"The batch '{batch_id}' is not held by its checks.")
    failures = failures_of(conn, batch_id)
    if shown is not None and shown != fingerprint(failures):
        raise ChangedSince(f"The failures of batch '{batch_id}' have changed; look at them again.")
    row = {
        "batch_id": batch_id, "decided_by": who, "decision": decision.value, "reason": reason,
        "failed": recorded(failures),
    }  # fmt: skip
    last = last_release(conn, batch_id)
    if last is not None and row.items() <= last.model_dump(mode="json").items():
        return
    number = conn.execute(insert(release).values(row).returning(release.c.release_id)).scalar_one()
    if decision is Decision.ACCEPT:
        told = {"batch_id": batch_id, "release_id": number}
        conn.execute(insert(outbox).values(topic=TOPIC, key=f"{TOPIC}:release:{number}", payload=told))
    # The reason may name a patient: it stays out of the chain.
    detail = {"release": number, "failed": len(failures)}
    audit.record(conn, who, f"release:{decision.value}", f"batch:{batch_id}", detail)


def recorded(failures: Sequence[Failure]) -> list[dict[str, Any]]:
    """Failures as they are kept with a decision: ids and marks, no values."""
    return [
        {
            **one.expectation.model_dump(include={"document_type", "rule", "field"}),
            "rows": [{"document_id": b.document_id, "field": b.field, "mark": _mark(b.value)} for b in one.breaches],
        }
        for one in failures
    ]


def fingerprint(failures: Sequence[Failure]) -> str:
    """Two sets of failures with the same values behind them have the same one."""
    return _mark(json.dumps(sorted(map(sorted, _parts(recorded(failures)))), ensure_ascii=False))


def _expectation(check: str, field: str, message: str, severity: Severity) -> FailedExpectation:
    """('batch:lab_report:form', ...) as `pipeline.documents.note_batch_issues` wrote it."""
    _, document_type, rule = check.split(":")
    return FailedExpectation(document_type=document_type, rule=rule, field=field, message=message, severity=severity)


def _frame(conn: Connection, batch_id: str, kinds: set[str]) -> pd.DataFrame:
    """The values of a batch's documents of these types; one without values has a row with an empty field."""
    query = (
        select(
            document.c.document_id, document.c.document_type, field_value.c.field, field_value.c.value,
            field_value.c.verdict,
        )
        .outerjoin(field_value, field_value.c.document_id == document.c.document_id)
        .where(document.c.batch_id == batch_id, document.c.document_type.in_(kinds))
    )  # fmt: skip
    rows = [[part or "" for part in row] for row in conn.execute(query)]
    return pd.DataFrame(rows, columns=COLUMNS, dtype=object)


def _parts(failed: Iterable[dict[str, Any]]) -> set[frozenset[tuple[str, str]]]:
    """Each failed rule and each value behind it, to be compared one by one."""
    found = set()
    for one in failed:
        rule = {("document_type", one["document_type"]), ("rule", one["rule"]), ("of", one["field"])}
        found.add(frozenset(rule))
        found |= {frozenset(rule | set(row.items())) for row in one["rows"]}
    return found


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
