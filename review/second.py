"""Stage 8, review.second: entries of two persons, each made without sight of the other, settle a field; else a senior.

A task goes through its stages as entries come in: `first`, `second` where the field's policy has two persons and no
witness confirms the value, `senior` where the two differ. Whoever made an entry never has a later one of that field.
"""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, select, update
from sqlalchemy.orm import aliased

from pipeline.documents import DECIDED, OPEN
from pipeline.field_policy import in_pilot, policy_for
from pipeline.tables import review_decision, review_task
from records.base import Frozen
from records.document_types import DocumentType
from records.documents import JudgedValue, ValidatedDocument
from review.policy import Role
from review.revisions import BY_SENIOR, BY_TWO, REVIEWED, Decision, Refused, not_found
from review.tables import account

WAITS, UNASKED = "waits", "unasked"
BLIND = "second_person"  # the rule by which a value is shown that nothing may be told of


class Stage(StrEnum):
    """Whose entry a task waits for."""

    FIRST = "first"
    SECOND = "second"
    SENIOR = "senior"


BEGINNING = {"stage": Stage.FIRST.value, "first_by": "", "second_by": ""}
RULES = {Stage.FIRST: REVIEWED, Stage.SECOND: BY_TWO, Stage.SENIOR: BY_SENIOR}


class Entry(Frozen):
    """What somebody entered. `value`: as typed; `normal`: its normal form, '' for a blank or illegible field."""

    stage: Stage
    decided_by: str
    decision: Decision
    value: str
    normal: str

    @property
    def outcome(self) -> tuple[str, str]:
        """What entries are compared by: to accept a value and to type the same are one."""
        return outcome_of(self.decision, self.normal)


class Asked(Frozen):
    """A task as one person meets it. `decision`: '' while she may decide it, WAITS for another person, UNASKED when
    nobody is asked any more, else what stands; `hidden`: nothing that was read or entered may be shown to her;
    `entered`: the normal form of her own entry, which waits for a second one; `entries`: the two between which a
    senior decides."""

    decision: str = ""
    hidden: bool = False
    entered: str | None = None
    entries: tuple[Entry, ...] = ()


def outcome_of(decision: str, normal: str) -> tuple[str, str]:
    """('accept', 'C16.9') and ('correct', 'C16.9') -> the same."""
    return ("value" if decision in (Decision.ACCEPT, Decision.CORRECT) else decision), normal


def is_senior(conn: Connection, account_id: str) -> bool:
    """Whether this is a senior's account."""
    return conn.scalar(select(account.c.role).where(account.c.account_id == account_id)) == Role.SENIOR


def refuse_others(conn: Connection, task: RowMapping, officer: str, decision: Decision) -> None:
    """Refused when the task waits for a senior, or when somebody would accept what she cannot see."""
    if task["stage"] == Stage.SENIOR and not is_senior(conn, officer):
        raise Refused("decide.senior")
    blind = task["stage"] == Stage.SECOND or (task["stage"] == Stage.FIRST and in_pilot(conn, task["batch_id"]))
    if blind and decision is Decision.ACCEPT:
        raise Refused("decide.second_types")


def asks_two(conn: Connection, task: RowMapping, document_type: str) -> bool:
    """Whether the policy has two persons enter the task's field."""
    return policy_for(conn, task["batch_id"]).of(document_type, task["field"]).second


def next_stage(conn: Connection, task: RowMapping, document_type: str, new: JudgedValue, entry: Entry) -> Stage | None:
    """For whom the task waits after this entry, which came to `new`; None: it settles the field."""
    if entry.stage is Stage.FIRST:
        policy = policy_for(conn, task["batch_id"])
        alone = new.witness and not policy.blind
        return Stage.SECOND if not alone and policy.of(document_type, task["field"]).second else None
    if entry.stage is Stage.SECOND:
        *_, first = entries_of(conn, task)
        return Stage.SENIOR if first.outcome != entry.outcome else None
    return None


def hand_on(conn: Connection, task: RowMapping, stage: Stage, officer: str) -> None:
    """Let the task wait at its next stage for somebody else than the officer who made the entry before."""
    keyed = {"first_by": officer} if stage is Stage.SECOND else {"second_by": officer}
    _set(conn, task["task_id"], stage=stage.value, **keyed)


def close(conn: Connection, task_id: str) -> None:
    """The task is decided; should it ever be asked again, then from the beginning."""
    _set(conn, task_id, state=DECIDED, **BEGINNING)


def begin_again(conn: Connection, task_id: str) -> None:
    """Ask an open task of anybody, as if nobody had made an entry."""
    _set(conn, task_id, **BEGINNING)


def reopen(conn: Connection, task: RowMapping, entries: Sequence[RowMapping]) -> None:
    """Put the task back to the stage of its newest entry, which is taken back. `entries`: newest first."""
    stage = entries[0]["stage"]
    by = {e.stage: e.decided_by for e in _entries(entries[1:], stage)}
    keyed = {"first_by": by.get(Stage.FIRST, ""), "second_by": by.get(Stage.SECOND, "")}
    _set(conn, task["task_id"], state=OPEN, stage=stage, **keyed)


def _set(conn: Connection, task_id: str, **values: str) -> None:
    conn.execute(update(review_task).where(review_task.c.task_id == task_id).values(**values))


def entries_of(conn: Connection, task: RowMapping) -> tuple[Entry, ...]:
    """The entries that brought the task to its stage, in their order."""
    rows = conn.execute(standing(review_decision.c.task_id == task["task_id"])).mappings().all()
    return _entries(rows, task["stage"])


def _entries(rows: Sequence[RowMapping], stage: str) -> tuple[Entry, ...]:
    """`rows`: a task's standing decisions, newest first."""
    last: dict[str, RowMapping] = {}
    for row in rows:
        last.setdefault(row["stage"], row)
    before = list(Stage)[: list(Stage).index(Stage(stage))]
    found = [last[stage] for stage in before if stage in last]
    return tuple(Entry.model_validate({name: row[name] or "" for name in Entry.model_fields}) for row in found)


def standing(where: ColumnElement[bool]) -> Select[Any]:
    """Decisions that nobody took back, newest first."""
    undone = aliased(review_decision)
    taken_back = select(undone.c.decision_id).where(undone.c.undoes == review_decision.c.decision_id).exists()
    own = select(review_decision).where(where, review_decision.c.undoes.is_(None), ~taken_back)
    return own.order_by(review_decision.c.decision_id.desc())


def asked_of(conn: Connection, document_id: str, account_id: str, field: str = "") -> dict[str, Asked]:
    """The document's tasks, open and decided, and that of `field` in any state: field -> how this person meets it.

    What is asked in another document of the file, or of nobody any more, is not asked here.
    """
    own, asked = review_task.c.document_id == document_id, review_task.c.state.in_((OPEN, DECIDED))
    tasks = conn.execute(select(review_task).where(own, asked | (review_task.c.field == field))).mappings().all()
    ids = [task["task_id"] for task in tasks]
    entries: dict[str, list[RowMapping]] = {task_id: [] for task_id in ids}
    for row in conn.execute(standing(review_decision.c.task_id.in_(ids))).mappings():
        entries[row["task_id"]].append(row)
    senior, blind = is_senior(conn, account_id), bool(tasks) and in_pilot(conn, tasks[0]["batch_id"])
    return {task["field"]: _met(task, entries[task["task_id"]], account_id, senior, blind) for task in tasks}


def _met(task: RowMapping, rows: Sequence[RowMapping], account_id: str, senior: bool, blind: bool) -> Asked:
    if task["state"] == DECIDED:
        return Asked(decision=rows[0]["decision"] if rows else Decision.ACCEPT)
    if task["state"] != OPEN:
        return Asked(decision=UNASKED)
    stage, entries = Stage(task["stage"]), _entries(rows, task["stage"])
    keyed = account_id in (task["first_by"], task["second_by"])
    if stage is Stage.FIRST:
        return Asked(hidden=blind)
    if stage is Stage.SECOND:
        return Asked(decision=entries[-1].decision, entered=entries[-1].normal) if keyed else Asked(hidden=True)
    return Asked(entries=entries) if senior and not keyed else Asked(decision=WAITS, hidden=True)


def as_met(validated: ValidatedDocument, form: DocumentType, asked: Mapping[str, Asked]) -> ValidatedDocument:
    """The document as this person may see it: of hidden fields only the place, of her own entries what she entered.

    Issues go with a hidden field, those too that name it together with another one: their words hold its value.
    """
    hidden = {field for field, how in asked.items() if how.hidden}
    entered = {field: how.entered for field, how in asked.items() if how.entered is not None}
    there = {v.value.field for v in validated.values}
    missing = [not_found(validated.document, form, field) for field in entered if field not in there]
    values = [_as_met(v, hidden, entered) for v in (*validated.values, *missing)]
    told = {i.message for i in validated.issues if i.field in hidden}
    issues = tuple(i for i in validated.issues if i.field not in hidden and i.message not in told)
    return validated.model_copy(update={"values": tuple(values), "issues": issues})


def _as_met(judged: JudgedValue, hidden: Collection[str], entered: Mapping[str, str]) -> JudgedValue:
    own = judged.value
    if own.field in hidden:
        reading = own.reading.model_copy(update={"raw": "", "others": ()})
        nothing = own.model_copy(update={"reading": reading, "value": "", "problem": ""})
        return judged.model_copy(update={"value": nothing, "rule": BLIND, "confidence": 0.0, "witness": ""})
    if own.field in entered:
        kept = own.model_copy(update={"value": entered[own.field], "problem": ""})
        return judged.model_copy(update={"value": kept})
    return judged
