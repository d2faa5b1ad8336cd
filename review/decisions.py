"""Stage 8, review.decisions: an officer's decision on a doubtful value, through the same parsers as the reading.

A decision never overwrites: it is a row of its own, the document gets a new revision, and the reading stays verbatim.
So does one that is undone, by a row that names it. A first entry that waits for a second one changes nothing else.
"""

from pathlib import Path

from sqlalchemy import Connection, RowMapping, and_, insert, or_, select

from pipeline import audit, facts
from pipeline.documents import DECIDED, OPEN, SETTLED, store_document
from pipeline.finished import TOPIC, open_left, pages_in, ready_to_load, was_sent
from pipeline.repeats import is_fact
from pipeline.settings import settings
from pipeline.tables import document, review_decision, review_task
from records.base import Frozen
from records.document_types import DocumentType, document_types
from records.documents import Issue, JudgedValue, ValidatedDocument
from records.errors import LostLease
from records.states import PageState
from review import queue, revisions, second
from review.revisions import ILLEGIBLE, REVIEWED, Decision, Refused
from review.second import Entry, Stage
from review.texts import say

__all__ = [
    "ILLEGIBLE",
    "REVIEWED",
    "TOPIC",
    "Decision",
    "Refused",
    "Task",
    "decide",
    "open_tasks",
    "settle_kept",
    "undo",
]

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
        .where(review_task.c.batch_id == batch_id, review_task.c.state == OPEN)
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
    """Enter a decision and give the document as it stands then; the same one again changes nothing.

    It gets a new revision, unless the field's policy has another person enter it too, or two entries differ: then the
    task waits at its next stage. `token`: of the officer's lease, which is renewed; LostLease when somebody else has
    the document by now. Refused when the value cannot be that, when a check speaks against it (`insist`: the paper has
    it so), and for whoever may not make this entry; SohoaError when the task is closed. With its last task the
    document's pages go back to `assembled` and the outbox says so.
    """
    typed = revisions.typed_text(value) if decision is Decision.CORRECT else ""
    row, task = _locked(conn, task_id)
    now = ValidatedDocument.model_validate(row["validated"])
    if task["state"] != OPEN or officer in (task["first_by"], task["second_by"]):
        return _same_again(conn, task, officer, decision, typed, now)
    second.refuse_others(conn, task, officer, decision)
    if token is not None and not queue.renew(conn, row["document_id"], officer, token):
        raise LostLease(say("decide.lost", "en"))
    kind, stage = document_types()[row["document_type"]], Stage(task["stage"])
    old, before = _before(now, kind, task["field"])
    new = revisions.decided(old, decision, typed, second.RULES[stage])
    after = revisions.revised(now, kind, new, decision, insist=insist, icd10_path=_icd10())
    entry = Entry(stage=stage, decided_by=officer, decision=decision, value=typed, normal=new.value.value)
    following = second.next_stage(conn, task, row["document_type"], new, entry)
    after = _settle(conn, row, task, after) if following is None else now
    _enter(conn, task, entry, before, after.revision)
    if following is not None:
        second.hand_on(conn, task, following, officer)
    told = {"document": row["document_id"], "revision": after.revision, "stage": stage.value}
    audit.record(
        conn, officer, f"decide:{decision.value}", f"task:{task_id}", told | ({"insisted": True} if insist else {})
    )
    return after


def settle_kept(conn: Connection, batch_id: str) -> int:
    """Let first entries count that wait for a second one which the policy asks no more; how many do now.

    Where a check or a new reading speaks against it, the field is asked from the beginning.
    """
    done = 0
    own = (review_task.c.batch_id == batch_id) & (review_task.c.state == OPEN) & (review_task.c.stage == Stage.SECOND)
    for task_id in conn.scalars(select(review_task.c.task_id).where(own).order_by(review_task.c.task_id)).all():
        row, task = _locked(conn, task_id)
        now, kind = ValidatedDocument.model_validate(row["validated"]), document_types()[row["document_type"]]
        if (task["state"], task["stage"]) != (OPEN, Stage.SECOND) or second.asks_two(conn, task, row["document_type"]):
            continue
        old, _ = _before(now, kind, task["field"])
        *_, entry = second.entries_of(conn, task)
        try:
            new = revisions.decided(old, entry.decision, entry.value)
            after = revisions.revised(now, kind, new, entry.decision, insist=True, icd10_path=_icd10())
        except Refused:
            new = old
        if new.value.value == entry.normal and new is not old:
            _settle(conn, row, task, after)
            done += 1
        else:
            second.begin_again(conn, task_id)
    return done


def undo(conn: Connection, document_id: str, field: str, officer: str) -> ValidatedDocument:
    """Take the officer's own decision on a field back, in a new revision; its task is open again, at that stage.

    Pages that were sent to be loaded go without it. A first entry can be taken back until there is a second one.
    Refused when there is none of hers or its pages are loaded; LostLease when another officer has the document.
    """
    waits = and_(review_task.c.state == OPEN, review_task.c.stage == Stage.SECOND, review_task.c.first_by == officer)
    own = and_(review_task.c.document_id == document_id, review_task.c.field == field)
    task_id = conn.scalar(select(review_task.c.task_id).where(own, or_(review_task.c.state == DECIDED, waits)))
    if task_id is None:
        raise Refused("decide.nothing_to_undo")
    row, task = _locked(conn, task_id)
    entries = conn.execute(second.standing(review_decision.c.task_id == task_id)).mappings().all()
    if not entries or entries[0]["decided_by"] != officer or entries[0]["before"] is None:
        raise Refused("decide.nothing_to_undo")
    if queue.held_by_another(conn, document_id, officer):
        raise LostLease(say("decide.lost", "en"))
    now = after = ValidatedDocument.model_validate(row["validated"])
    kind = document_types()[row["document_type"]]
    if task["state"] == DECIDED:
        _refuse_loaded(conn, document_id, row["revision"])
        before = Before.model_validate(entries[0]["before"])
        after = revisions.restored(now, kind, field, before.value, before.issues, _icd10())
    taken_back = {"undoes": entries[0]["decision_id"], "stage": entries[0]["stage"], "revision": after.revision}
    conn.execute(
        insert(review_decision).values(task_id=task_id, decided_by=officer, decision=UNDO, value="", **taken_back)
    )
    second.reopen(conn, task, entries)
    if after is not now:
        after = store_document(conn, row["batch_id"], after)
        if is_fact(kind, field):
            facts.reopen_fact(conn, document_id, field)
    audit.record(conn, officer, UNDO, f"task:{task_id}", {"document": document_id, "revision": after.revision})
    return after


def _before(now: ValidatedDocument, kind: DocumentType, field: str) -> tuple[JudgedValue, Before]:
    """What stands for a field, and what a decision on it replaces."""
    old = next((v for v in now.values if v.value.field == field), None)
    return old or revisions.not_found(now.document, kind, field), Before(value=old, issues=now.issues)


def _settle(conn: Connection, row: RowMapping, task: RowMapping, after: ValidatedDocument) -> ValidatedDocument:
    """Store the document with the value settled; with its last task its pages are sent to be loaded."""
    second.close(conn, task["task_id"])
    stored = store_document(conn, row["batch_id"], after)
    if not open_left(conn, row["document_id"]):
        ready_to_load(conn, row["batch_id"], row["document_id"], stored.revision)
    if is_fact(document_types()[row["document_type"]], task["field"]):
        facts.settle_facts(conn, row["file_id"])
    return stored


def _locked(conn: Connection, task_id: str) -> tuple[RowMapping, RowMapping]:
    """A task and its document, locked; always the document first, as whoever claims it does, and its file before."""
    own = conn.scalar(select(review_task.c.document_id).where(review_task.c.task_id == task_id))
    facts.lock_file(conn, own or "")
    row = conn.execute(select(document).where(document.c.document_id == own).with_for_update()).mappings().one_or_none()
    task = conn.execute(select(review_task).where(review_task.c.task_id == task_id)).mappings().one_or_none()
    if row is None or task is None:
        raise Refused("decide.gone", task=task_id)
    return row, task


def _same_again(
    conn: Connection, task: RowMapping, officer: str, decision: Decision, typed: str, now: ValidatedDocument
) -> ValidatedDocument:
    """The document as it is when this very decision stands, as of a form that was posted twice."""
    own = (review_decision.c.task_id == task["task_id"]) & (review_decision.c.decided_by == officer)
    last = conn.execute(second.standing(own)).mappings().first()
    if last and task["state"] != SETTLED and (last["decision"], last["value"]) == (decision.value, typed):
        return now
    raise Refused("decide.own_entry" if last and task["state"] == OPEN else "decide.closed", task=task["task_id"])


def _enter(conn: Connection, task: RowMapping, entry: Entry, before: Before, revision: int) -> None:
    row = entry.model_dump(mode="json") | {"task_id": task["task_id"], "revision": revision}
    conn.execute(insert(review_decision).values(**row, before=before.model_dump(mode="json")))


def _refuse_loaded(conn: Connection, document_id: str, revision: int) -> None:
    """Loaded: what was sent to be loaded as this revision does not wait for it any more."""
    waits = pages_in(conn, document_id, PageState.ASSEMBLED)
    if pages_in(conn, document_id, PageState.LOADED) or (not waits and was_sent(conn, document_id, revision)):
        raise Refused("decide.loaded")


def _icd10() -> Path | None:
    path = settings().home / "codes" / "icd10.csv"
    return path if path.exists() else None
