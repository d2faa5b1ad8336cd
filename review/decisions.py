"""Stage 8, review.decisions: an officer's decision on a doubtful value, through the same parsers as the reading.

A decision never overwrites: it is a row of its own, the document gets a new revision, and the reading stays verbatim.
"""

from enum import StrEnum

from sqlalchemy import Connection, RowMapping, insert, select, update

from pipeline import audit, ledger
from pipeline.documents import store_document
from pipeline.emr import HELD, SHOWN
from pipeline.tables import batch, document, file, page, review_decision, review_task
from records.base import Frozen
from records.documents import JudgedValue, ValidatedDocument, Verdict
from records.errors import SohoaError
from records.states import PageState
from transformers.values import normal_form

REVIEWED = "reviewed"


class Decision(StrEnum):
    """What an officer says of a value: as read, otherwise, or not on the page at all."""

    ACCEPT = "accept"
    CORRECT = "correct"
    ABSENT = "absent"


class Task(Frozen):
    """One doubtful value, by ids only."""

    task_id: str
    document_id: str
    field: str
    reason: str


def open_tasks(conn: Connection, batch_id: str) -> list[Task]:
    """The batch's open tasks, document by document."""
    query = (
        select(review_task.c.task_id, review_task.c.document_id, review_task.c.field, review_task.c.reason)
        .where(review_task.c.batch_id == batch_id, review_task.c.state == "open")
        .order_by(review_task.c.document_id, review_task.c.field)
    )
    return [Task.model_validate(row._asdict()) for row in conn.execute(query)]


def decide(conn: Connection, task_id: str, officer: str, decision: Decision, value: str = "") -> ValidatedDocument:
    """Enter a decision and give the document's new revision; SohoaError when the task is closed or the value is none.

    Its pages go back to `assembled` once no task of the document is open, so that the next load takes the values.
    """
    task = _locked_task(conn, task_id)
    row = conn.execute(
        select(document).where(document.c.document_id == task["document_id"]).with_for_update()
    ).mappings().one()  # fmt: skip
    before = ValidatedDocument.model_validate(row["validated"])
    judged = next((v for v in before.values if v.value.field == task["field"]), None)
    if judged is None:
        raise SohoaError(f"Task {task_id} is for a field that its document no longer has; close it and look again.")
    after = _revised(before, judged, _decided(judged, decision, value))
    conn.execute(
        insert(review_decision).values(task_id=task_id, decided_by=officer, decision=decision.value, value=value)
    )
    conn.execute(update(review_task).where(review_task.c.task_id == task_id).values(state="decided"))
    store_document(conn, row["batch_id"], after)
    audit.record(conn, officer, f"decide:{decision.value}", f"task:{task_id}", {"document": row["document_id"]})
    if after.verdict is Verdict.ACCEPT:
        _ready_to_load(conn, row["batch_id"], row["document_id"])
    return after


def _locked_task(conn: Connection, task_id: str) -> RowMapping:
    row = conn.execute(select(review_task).where(review_task.c.task_id == task_id).with_for_update()).mappings().first()
    if row is None or row["state"] != "open":
        raise SohoaError(f"Task {task_id} is not open; list the open ones with: sohoa review tasks BATCH")
    return row


def _decided(judged: JudgedValue, decision: Decision, value: str) -> JudgedValue:
    """The value as the officer has it; what she typed passes through the same parser as what the machine read."""
    own = judged.value
    if decision is Decision.CORRECT:
        try:
            own = own.model_copy(update={"value": normal_form(value, own.kind), "problem": ""})
        except ValueError as error:
            raise SohoaError(f"'{own.field}' cannot be that: {error}") from error
    elif decision is Decision.ABSENT:
        own = own.model_copy(update={"value": "", "problem": ""})
    else:
        own = own.model_copy(update={"problem": ""})
    return judged.model_copy(update={"value": own, "verdict": Verdict.ACCEPT, "rule": REVIEWED, "confidence": 1.0})


def _revised(before: ValidatedDocument, old: JudgedValue, new: JudgedValue) -> ValidatedDocument:
    """The next revision: issues of the decided field are settled; accepted when nothing is left in doubt."""
    values = tuple(new if v is old else v for v in before.values)
    issues = tuple(i for i in before.issues if i.field != new.value.field)
    doubtful = issues or any(v.verdict in (Verdict.REVIEW, Verdict.REJECT) for v in values)
    verdict = Verdict.REVIEW if doubtful else Verdict.ACCEPT
    return before.model_copy(
        update={"revision": before.revision + 1, "values": values, "issues": issues, "verdict": verdict}
    )


def _ready_to_load(conn: Connection, batch_id: str, document_id: str) -> None:
    """Send the document's pages back to be loaded, and open its batch; what the guard stopped stays stopped."""
    held = conn.execute(
        select(file.c.state, file.c.facts)
        .join(document, document.c.file_id == file.c.file_id)
        .where(document.c.document_id == document_id)
    ).one()  # fmt: skip
    if held.state == HELD:
        return
    identity = held.facts.get("identity", {})
    own = (page.c.document_id == document_id) & (page.c.state == PageState.IN_REVIEW.value)
    for page_id in conn.scalars(select(page.c.page_id).where(own)).all():
        if identity.get(page_id) in SHOWN:
            ledger.move(conn, page_id, PageState.IN_REVIEW, PageState.ASSEMBLED)
    conn.execute(update(batch).where(batch.c.batch_id == batch_id).values(closed_at=None))
