"""Stage 8, review.decisions: an officer's decision on a doubtful value, through the same parsers as the reading.

A decision never overwrites: it is a row of its own, the document gets a new revision, and the reading stays verbatim.
So does one that is undone, by a row that names it.
"""

from pathlib import Path

from sqlalchemy import Connection, RowMapping, Select, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import aliased

from pipeline import audit, ledger
from pipeline.documents import store_document
from pipeline.emr import HELD, SHOWN
from pipeline.settings import settings
from pipeline.tables import batch, document, file, outbox, page, review_decision, review_task
from records.base import Frozen
from records.document_types import document_types
from records.documents import Issue, JudgedValue, ValidatedDocument
from records.errors import LostLease
from records.states import PageState
from review import queue, revisions
from review.revisions import ILLEGIBLE, REVIEWED, Decision, Refused
from review.texts import say

__all__ = ["ILLEGIBLE", "REVIEWED", "TOPIC", "Decision", "Refused", "Task", "decide", "open_tasks", "undo"]

TOPIC = "reviewed"
UNDO = "undo"


class Task(Frozen):
    """One doubtful value, by ids only."""

    task_id: str
    document_id: str
    field: str
    reason: str


class Before(Frozen):
    """What a decision replaced: the value (None: nobody had found one) and the document's issues."""

    value: JudgedValue | None
    issues: tuple[Issue, ...]


def open_tasks(conn: Connection, batch_id: str) -> list[Task]:
    """The batch's open tasks, document by document."""
    query = (
        select(review_task.c.task_id, review_task.c.document_id, review_task.c.field, review_task.c.reason)
        .where(review_task.c.batch_id == batch_id, review_task.c.state == "open")
        .order_by(review_task.c.document_id, review_task.c.field)
    )
    return [Task.model_validate(row._asdict()) for row in conn.execute(query)]


def decide(
    conn: Connection,
    task_id: str,
    officer: str,
    decision: Decision,
    value: str = "",
    *,
    token: int | None = None,
    insist: bool = False,
) -> ValidatedDocument:
    """Enter a decision and give the document's new revision; the same one again changes nothing.

    `token`: of the officer's lease, which is renewed; LostLease when somebody else has the document by now. Refused
    when the value cannot be that, or a check speaks against it (`insist`: the paper has it so); SohoaError when the
    task is closed. With its last task the document's pages go back to `assembled` and the outbox says so.
    """
    typed = revisions.typed_text(value) if decision is Decision.CORRECT else ""
    row, task = _locked(conn, task_id)
    now = ValidatedDocument.model_validate(row["validated"])
    if task["state"] != "open":
        return _same_again(conn, task, officer, decision, typed, now)
    if token is not None and not queue.renew(conn, row["document_id"], officer, token):
        raise LostLease(say("decide.lost", "en"))
    kind = document_types()[row["document_type"]]
    old = next((v for v in now.values if v.value.field == task["field"]), None)
    new = revisions.decided(old or revisions.not_found(now.document, kind, task["field"]), decision, typed)
    after = revisions.revised(now, kind, new, decision, insist=insist, icd10_path=_icd10())
    _enter(conn, task, officer, decision, typed, Before(value=old, issues=now.issues), after.revision)
    store_document(conn, row["batch_id"], after)
    if not _open_left(conn, row["document_id"]):
        _ready_to_load(conn, row["batch_id"], row["document_id"], after.revision)
    told = {"document": row["document_id"], "revision": after.revision} | ({"insisted": True} if insist else {})
    audit.record(conn, officer, f"decide:{decision.value}", f"task:{task_id}", told)
    return after


def undo(conn: Connection, document_id: str, field: str, officer: str) -> ValidatedDocument:
    """Take the officer's own decision on a field back, in a new revision; its task is open again.

    Pages that were sent to be loaded go without it. Refused when there is none of hers or its pages are loaded;
    LostLease when another officer has the document.
    """
    task_id = conn.scalar(
        select(review_task.c.task_id).where(
            review_task.c.document_id == document_id, review_task.c.field == field, review_task.c.state == "decided"
        )
    )
    if task_id is None:
        raise Refused("decide.nothing_to_undo")
    row, _ = _locked(conn, task_id)
    last = conn.execute(_standing(task_id)).mappings().first()
    if last is None or last["decided_by"] != officer or last["before"] is None:
        raise Refused("decide.nothing_to_undo")
    if queue.held_by_another(conn, document_id, officer):
        raise LostLease(say("decide.lost", "en"))
    _refuse_loaded(conn, document_id, row["revision"])
    before = Before.model_validate(last["before"])
    now, kind = ValidatedDocument.model_validate(row["validated"]), document_types()[row["document_type"]]
    after = revisions.restored(now, kind, field, before.value, before.issues, _icd10())
    conn.execute(
        insert(review_decision).values(
            task_id=task_id, decided_by=officer, decision=UNDO, value="", undoes=last["decision_id"],
            revision=after.revision,
        )
    )  # fmt: skip
    conn.execute(update(review_task).where(review_task.c.task_id == task_id).values(state="open"))
    store_document(conn, row["batch_id"], after)
    audit.record(conn, officer, UNDO, f"task:{task_id}", {"document": document_id, "revision": after.revision})
    return after


def _locked(conn: Connection, task_id: str) -> tuple[RowMapping, RowMapping]:
    """A task and its document, locked; always the document first, as whoever claims it does."""
    own = conn.scalar(select(review_task.c.document_id).where(review_task.c.task_id == task_id))
    row = conn.execute(select(document).where(document.c.document_id == own).with_for_update()).mappings().one_or_none()
    task = conn.execute(select(review_task).where(review_task.c.task_id == task_id)).mappings().one_or_none()
    if row is None or task is None:
        raise Refused("decide.gone", task=task_id)
    return row, task


def _same_again(
    conn: Connection, task: RowMapping, officer: str, decision: Decision, typed: str, now: ValidatedDocument
) -> ValidatedDocument:
    """The document as it is when this very decision stands, as of a form that was posted twice."""
    last = conn.execute(_standing(task["task_id"])).mappings().first()
    said = (last["decided_by"], last["decision"], last["value"]) if last else ()
    if task["state"] == "decided" and said == (officer, decision.value, typed):
        return now
    raise Refused("decide.closed", task=task["task_id"])


def _standing(task_id: str) -> Select[tuple[object, ...]]:
    """The decisions of a task that nobody took back, newest first."""
    undone = aliased(review_decision)
    return (
        select(review_decision)
        .where(
            review_decision.c.task_id == task_id, review_decision.c.undoes.is_(None),
            ~select(undone.c.decision_id).where(undone.c.undoes == review_decision.c.decision_id).exists(),
        )
        .order_by(review_decision.c.decision_id.desc())
    )  # fmt: skip


def _enter(
    conn: Connection,
    task: RowMapping,
    officer: str,
    decision: Decision,
    typed: str,
    before: Before,
    revision: int,
) -> None:
    row = {"task_id": task["task_id"], "decided_by": officer, "decision": decision.value, "value": typed}
    kept = before.model_dump(mode="json")
    conn.execute(insert(review_decision).values(**row, before=kept, revision=revision))
    conn.execute(update(review_task).where(review_task.c.task_id == task["task_id"]).values(state="decided"))


def _open_left(conn: Connection, document_id: str) -> bool:
    own = (review_task.c.document_id == document_id) & (review_task.c.state == "open")
    return bool(conn.scalar(select(select(review_task.c.task_id).where(own).exists())))


def _ready_to_load(conn: Connection, batch_id: str, document_id: str, revision: int) -> None:
    """Send the document's pages back to be loaded and say so; what the guard stopped stays stopped."""
    held = conn.execute(
        select(file.c.state, file.c.facts)
        .join(document, document.c.file_id == file.c.file_id)
        .where(document.c.document_id == document_id)
    ).one()  # fmt: skip
    if held.state == HELD:
        return
    identity = held.facts.get("identity", {})
    for page_id in _pages(conn, document_id, PageState.IN_REVIEW):
        if identity.get(page_id) in SHOWN:
            ledger.move(conn, page_id, PageState.IN_REVIEW, PageState.ASSEMBLED)
    if _pages(conn, document_id, PageState.ASSEMBLED):
        conn.execute(update(batch).where(batch.c.batch_id == batch_id).values(closed_at=None))
        told = {"batch_id": batch_id, "document_id": document_id, "revision": revision}
        row = {"topic": TOPIC, "key": _key(document_id, revision), "payload": told}
        conn.execute(upsert(outbox).values(row).on_conflict_do_nothing())


def _refuse_loaded(conn: Connection, document_id: str, revision: int) -> None:
    """Loaded: what was sent to be loaded as this revision does not wait for it any more."""
    sent = conn.scalar(select(func.count()).where(outbox.c.key == _key(document_id, revision)))
    waits = _pages(conn, document_id, PageState.ASSEMBLED)
    if _pages(conn, document_id, PageState.LOADED) or (sent and not waits):
        raise Refused("decide.loaded")


def _pages(conn: Connection, document_id: str, state: PageState) -> list[str]:
    own = (page.c.document_id == document_id) & (page.c.state == state.value)
    return list(conn.scalars(select(page.c.page_id).where(own).order_by(page.c.page_id)))


def _key(document_id: str, revision: int) -> str:
    return f"{TOPIC}:{document_id}:{revision}"


def _icd10() -> Path | None:
    path = settings().home / "codes" / "icd10.csv"
    return path if path.exists() else None
