"""Stage 7 of a batch, pipeline.documents: validated documents become rows, with a task for each value in doubt."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, case, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline.assembly import AssembledFile
from pipeline.field_policy import policy_for
from pipeline.repeats import with_values
from pipeline.tables import document, field_value, issue, review_task
from records.documents import Issue, JudgedValue, ValidatedDocument, Verdict
from review.restricted import restricted
from validation.suites import FailedExpectation, Severity

BATCH_CHECKS = {Severity.STOP: "batch", Severity.WARN: "warning"}  # how the names of checks of whole batches begin
OPEN, ELSEWHERE = WAITING = ("open", "elsewhere")  # tasks that nobody has answered; the second: pipeline.facts
DECIDED, SETTLED = "decided", "settled"  # by a person; closed, for nobody is asked any more


def decided_documents(conn: Connection, batch_id: str) -> dict[str, frozenset[str]]:
    """document id -> the fields on which a person has decided: no machine writes over them."""
    own = (review_task.c.batch_id == batch_id) & (review_task.c.state == DECIDED)
    found: dict[str, set[str]] = {}
    for document_id, field in conn.execute(select(review_task.c.document_id, review_task.c.field).where(own)):
        found.setdefault(document_id, set()).add(field)
    return {document_id: frozenset(fields) for document_id, fields in found.items()}


def with_decided(validated: ValidatedDocument, decided: Mapping[str, JudgedValue]) -> ValidatedDocument:
    """A document with these values, by field, in place of the machine's."""
    machine = {v.value.field: v for v in validated.values}
    issues = [i for i in validated.issues if i.field not in decided]
    return with_values(validated, [*(machine | dict(decided)).values()], issues)


def store_document(conn: Connection, batch_id: str, validated: ValidatedDocument) -> ValidatedDocument:
    """Write a document with its values, and a task for each value that a person is asked; the document as it stands.

    What the target's policy asks nobody stays as it was read and does not keep the document from being finished.
    """
    own = validated.document
    doubtful = doubtful_fields(validated)
    asked = asked_fields(conn, batch_id, validated)
    validated = _newer(conn, _finished(validated, doubtful.keys() - asked))
    row = {
        "batch_id": batch_id, "file_id": own.file_id, "document_type": own.document_type, "edition": own.edition,
        "page_ids": list(own.page_ids), "revision": validated.revision, "verdict": validated.verdict.value,
        "validated": validated.model_dump(mode="json"), "updated_at": func.clock_timestamp(),
        "restricted": bool(restricted(validated)),
    }  # fmt: skip
    statement = upsert(document).values(document_id=own.document_id, **row)
    conn.execute(statement.on_conflict_do_update(index_elements=["document_id"], set_=row))
    conn.execute(delete(field_value).where(field_value.c.document_id == own.document_id))
    rows = [_value_row(own.document_id, judged) for judged in validated.values]
    if rows:
        conn.execute(insert(field_value), rows)
    _store_tasks(conn, batch_id, own.document_id, {field: doubtful[field] for field in doubtful if field in asked})
    return validated


def doubtful_fields(validated: ValidatedDocument) -> dict[str, str]:
    """Fields that a person could be asked -> why: values in doubt, and issues on fields that were not found."""
    there = {v.value.field for v in validated.values}
    missing = {i.field: f"check:{i.check}" for i in validated.issues if i.field and i.field not in there}
    return missing | {v.value.field: v.rule for v in validated.values if v.verdict is Verdict.REVIEW}


def asked_fields(conn: Connection, batch_id: str, validated: ValidatedDocument) -> frozenset[str]:
    """Which doubtful fields of a document the batch's policy has asked now."""
    own = (review_task.c.document_id == validated.document.document_id) & review_task.c.state.in_(WAITING)
    begun = frozenset(conn.scalars(select(review_task.c.field).where(own, review_task.c.first_by != "")))
    return policy_for(conn, batch_id).asked(validated.document.document_type, doubtful_fields(validated), begun)


def _finished(validated: ValidatedDocument, unasked: Collection[str]) -> ValidatedDocument:
    """The document with the verdict that it has when nobody is asked these fields."""
    doubts = {v.value.field for v in validated.values if v.verdict is Verdict.REVIEW}
    doubts |= {i.field for i in validated.issues}
    if not doubts:
        return validated
    verdict = Verdict.REVIEW if doubts - set(unasked) else Verdict.ACCEPT
    return validated.model_copy(update={"verdict": verdict})


def _newer(conn: Connection, validated: ValidatedDocument) -> ValidatedDocument:
    """The document with a revision above that of another content stored under its id."""
    own = document.c.document_id == validated.document.document_id
    row = conn.scalar(select(document.c.validated).where(own))
    stored = ValidatedDocument.model_validate(row) if row else validated
    if stored.model_copy(update={"revision": validated.revision}) == validated:
        return validated.model_copy(update={"revision": max(stored.revision, validated.revision)})
    return validated.model_copy(update={"revision": max(stored.revision + 1, validated.revision)})


def _value_row(document_id: str, judged: JudgedValue) -> dict[str, Any]:
    value, reading = judged.value, judged.value.reading
    return {
        "document_id": document_id, "field": value.field, "value": value.value, "raw": reading.raw, "kind": value.kind,
        "confidence": judged.confidence, "verdict": judged.verdict.value, "rule": judged.rule,
        "witness": judged.witness,
        "problem": value.problem, "page_id": reading.page_id, "box": reading.box.model_dump(), "engine": reading.engine,
        "method": reading.method,
    }  # fmt: skip


def _store_tasks(conn: Connection, batch_id: str, document_id: str, asked: Mapping[str, str]) -> None:
    """Open a task per field that is asked (field -> why); those of others that nobody decided are closed."""
    open_now = (review_task.c.document_id == document_id) & review_task.c.state.in_(WAITING)
    conn.execute(update(review_task).where(open_now, review_task.c.field.not_in(list(asked))).values(state=SETTLED))
    for field, reason in asked.items():
        task_id = task_id_of(document_id, field)
        row = {"batch_id": batch_id, "document_id": document_id, "field": field, "reason": reason}
        statement = upsert(review_task).values(task_id=task_id, state=OPEN, **row)
        again = case((review_task.c.state == SETTLED, OPEN), else_=review_task.c.state)
        new = {"reason": reason, "state": again}
        conn.execute(statement.on_conflict_do_update(index_elements=["task_id"], set_=new))


def task_id_of(document_id: str, field: str) -> str:
    """The key of the task on a document's field."""
    return hashlib.sha256(f"{document_id}\0{field}".encode()).hexdigest()[:24]


def note_issues(conn: Connection, batch_id: str, found: AssembledFile, page_ids: Sequence[str]) -> None:
    """Write what the checks found in a file, in place of what they found before in it. `page_ids`: all its pages."""
    ids = [v.document.document_id for v in found.documents]
    conn.execute(delete(issue).where(issue.c.batch_id == batch_id, issue.c.document_id.in_(ids)))
    conn.execute(delete(issue).where(issue.c.batch_id == batch_id, issue.c.page_id.in_(page_ids)))
    rows = [
        _issue_row(batch_id, v.document.document_id, v.document.page_ids[0], i)
        for v in found.documents
        for i in v.issues
    ]
    rows += [_issue_row(batch_id, None, page_id, i) for page_id, issues in found.page_issues.items() for i in issues]
    if rows:
        conn.execute(upsert(issue).values(rows).on_conflict_do_nothing())


def _issue_row(batch_id: str, document_id: str | None, page_id: str, found: Issue) -> dict[str, str | None]:
    row = {"batch_id": batch_id, "document_id": document_id, "page_id": page_id}
    return row | {"check_name": found.check, "field": found.field, "message": found.message}


def note_batch_issues(conn: Connection, batch_id: str, failed: Sequence[FailedExpectation]) -> None:
    """Write what the batch's suites found, in place of what they found before."""
    conn.execute(
        delete(issue).where(issue.c.batch_id == batch_id, issue.c.document_id.is_(None), issue.c.page_id.is_(None))
    )
    rows = [
        {
            "batch_id": batch_id,
            "check_name": f"{BATCH_CHECKS[f.severity]}:{f.document_type}:{f.rule}",
            "field": f.field,
            "message": f.message,
        }
        for f in failed
    ]
    if rows:
        conn.execute(upsert(issue).values(rows).on_conflict_do_nothing())
