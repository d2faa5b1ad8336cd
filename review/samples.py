"""Stage 8, review.samples: a sampled value is keyed by an officer who does not see it; where the two differ, a senior
says what the paper has, and a wrong one is corrected like any other value.

A value that a blank stands for, or that neither of two persons can read, was wrong to pass.
"""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline import audit, drift, facts, sampling
from pipeline.documents import DECIDED, OPEN, task_id_of
from pipeline.finished import back_into_review, ready_to_load
from pipeline.tables import document, field_value, file, review_task, sample
from records.document_types import document_types
from records.documents import JudgedValue, ValidatedDocument
from review import second
from review.cards import Card, cards_of
from review.decisions import decide
from review.look_alikes import Wrong, look_alikes, reopen
from review.opened import Opened, geometry_of
from review.revisions import Decision, Refused, decided, typed_text
from review.second import Asked, Stage
from review.texts import say
from review.words import shown
from validation.verdicts import agree

ASKED, SENIOR, SETTLED = "asked", "senior", "settled"
REASON = "sample"  # of the task under which a wrong value is corrected
MACHINE, PERSON = "machine", "person"


class Asker(NamedTuple):
    """Who answers. `senior`: may say which of two is right."""

    account_id: str
    senior: bool


class Waiting(NamedTuple):
    """How many samples wait for this person, and in all."""

    hers: int
    asked: int
    senior: int


def waiting(conn: Connection, who: Asker) -> Waiting:
    """What there is to do."""
    count = func.count()
    rows = select(
        count.filter(_hers(who)), count.filter(sample.c.state == ASKED), count.filter(sample.c.state == SENIOR)
    )
    return Waiting(*conn.execute(rows.select_from(sample).join(document, _OWN)).one())


def next_document(conn: Connection, who: Asker) -> str | None:
    """A document with a sample for this person; another for each, so that two seldom meet."""
    query = select(sample.c.document_id).join(document, _OWN).where(_hers(who))
    return conn.scalar(query.order_by(func.md5(sample.c.document_id + who.account_id)).limit(1))


_OWN = document.c.document_id == sample.c.document_id


def _hers(who: Asker) -> ColumnElement[bool]:
    """Samples for this person, of values that stand as they passed: on others somebody has decided meanwhile."""
    value = field_value.c
    stands = (value.document_id == sample.c.document_id) & (value.field == sample.c.field)
    stands &= (value.value == sample.c.value) & (value.rule == sample.c.rule)
    theirs = sample.c.state == ASKED
    if who.senior:
        theirs |= (sample.c.state == SENIOR) & (sample.c.officer != who.account_id)
    return theirs & ~document.c.restricted & select(value.field).where(stands).exists()


def opened(conn: Connection, document_id: str, who: Asker, language: str, field: str = "") -> Opened | None:
    """The document's samples as this person may see them: nothing that was read, and of two entries not whose they are.
    None when there is none for her. `field`: only that one, answered or not."""
    query = select(document.c.validated, file.c.label).join(file, file.c.file_id == document.c.file_id)
    row = conn.execute(query.where(document.c.document_id == document_id)).one_or_none()
    if row is None:
        return None
    validated = ValidatedDocument.model_validate(row.validated)
    own = (sample.c.document_id == document_id) & (sample.c.field == field if field else _hers(who))
    samples = conn.execute(select(sample).join(document, _OWN).where(own)).mappings().all()
    if not samples:
        return None
    form = document_types()[validated.document.document_type]
    hidden = {v.value.field: Asked(hidden=True) for v in validated.values}
    tasks = {one["field"]: "" if _is_hers(one, who) else "sampled" for one in samples}
    images = geometry_of(conn, validated.document.page_ids)
    cards = cards_of(second.as_met(validated, form, hidden), form, images, tasks, language)
    by_field = {one["field"]: one for one in samples}
    met = tuple(_as_met(card, by_field[card.field], language) for card in cards)
    return Opened(document_id, row.label, form, validated, met)


def _is_hers(row: RowMapping, who: Asker) -> bool:
    return bool(row["state"] == ASKED or (row["state"] == SENIOR and who.senior and row["officer"] != who.account_id))


def _as_met(card: Card, row: RowMapping, language: str) -> Card:
    if card.outcome:
        return card.model_copy(update={"fixed": True, "blind": True})
    told = {
        MACHINE: shown(row["value"], row["kind"]),
        PERSON: say(f"task.done.{row['decision']}", language) if row["decision"] not in ("", Decision.CORRECT)
        else shown(row["answer"], row["kind"]),
    }  # fmt: skip
    entries = tuple(told[whose] for whose in _order(row)) if row["state"] == SENIOR else ()
    why = say("samples.two" if entries else "samples.blind", language)
    return card.model_copy(update={"entries": entries, "blind": True, "why": why, "reasons": ()})


def _order(row: RowMapping) -> tuple[str, str]:
    """Which entry stands first: now the machine's, now the officer's, and not to be known by its place."""
    return (MACHINE, PERSON) if int(row["document_id"][-1], 16) % 2 else (PERSON, MACHINE)


def said(row: RowMapping, wanted: str) -> tuple[Decision, str]:
    """What a senior says who takes the `first` or the `second` entry."""
    if _order(row)[0 if wanted == Stage.FIRST else 1] == MACHINE:
        return Decision.CORRECT, shown(row["value"], row["kind"])
    return Decision(row["decision"]), shown(row["answer"], row["kind"])


def sample_of(conn: Connection, document_id: str, field: str) -> RowMapping:
    """A sample's row; Refused when there is none."""
    row = conn.execute(_one(document_id, field)).mappings().one_or_none()
    if row is None:
        raise Refused("samples.gone")
    return row


def _one(document_id: str, field: str) -> Select[Any]:
    return select(sample).where(sample.c.document_id == document_id, sample.c.field == field)


def answer(
    conn: Connection,
    document_id: str,
    field: str,
    who: Asker,
    decision: Decision,
    typed: str = "",
    insist: bool = False,
) -> None:
    """Enter what somebody reads on the paper. Refused when it cannot be that, and when the sample is not hers to
    answer. Where it settles the sample and the machine was wrong: the record is corrected (`insist`: in spite of a
    check), values that may be wrong in the same way are asked again, and the family's errors are weighed."""
    text = typed_text(typed) if decision is Decision.CORRECT else ""
    wanted = sample_of(conn, document_id, field)
    normal = _normal(conn, wanted, decision, text)
    right = decision is Decision.CORRECT and agree(normal, wanted["value"], wanted["kind"])
    alike = [] if right or wanted["state"] != SENIOR else look_alikes(conn, _wrong(wanted, normal))
    facts.lock_files(conn, document.c.document_id.in_({document_id, *(one for one, _ in alike)}))
    row = conn.execute(_one(document_id, field).with_for_update()).mappings().one()
    _refuse_changed(conn, row)
    if not _is_hers(row, who) or row["state"] != wanted["state"]:
        raise Refused("samples.answered")
    if row["state"] == ASKED:
        _first(conn, row, who, decision, normal, right)
        return
    _settle(conn, row, who.account_id, normal, right)
    reopened = 0
    if not right:
        _repair(conn, row, who.account_id, decision, text, normal, insist)
        reopened = sum(reopen(conn, other, name) for other, name in alike)
        drift.watch(conn, row["facility_id"], row["family"], document_id)
    told = {"sample": row["sample_id"], "right": right, "reopened": reopened}
    audit.record(conn, who.account_id, "sample:settle", f"document:{document_id}", told)


def _judged(conn: Connection, row: RowMapping) -> JudgedValue | None:
    stored = conn.scalar(select(document.c.validated).where(document.c.document_id == row["document_id"]))
    values = ValidatedDocument.model_validate(stored).values if stored else ()
    return next((v for v in values if v.value.field == row["field"]), None)


def _normal(conn: Connection, row: RowMapping, decision: Decision, text: str) -> str:
    judged = _judged(conn, row)
    if judged is None:
        raise Refused("samples.gone")
    return decided(judged, decision, text).value.value


def _refuse_changed(conn: Connection, row: RowMapping) -> None:
    """Refused when what stands is not what passed: an officer or another reading was here before."""
    judged = _judged(conn, row)
    if judged is None or (judged.value.value, judged.rule) != (row["value"], row["rule"]):
        raise Refused("samples.gone")


def _first(conn: Connection, row: RowMapping, who: Asker, decision: Decision, normal: str, right: bool) -> None:
    new = {
        "officer": who.account_id, "decision": decision.value, "answer": normal, "agreed": right, "state": SENIOR,
        "answered_at": func.clock_timestamp(),
    }  # fmt: skip
    conn.execute(update(sample).where(sample.c.sample_id == row["sample_id"]).values(new))
    if right:
        _settle(conn, row, who.account_id, row["value"], right)
    told = {"sample": row["sample_id"], "agreed": right}
    audit.record(conn, who.account_id, "sample:answer", f"document:{row['document_id']}", told)


def _settle(conn: Connection, row: RowMapping, who: str, final: str, right: bool) -> None:
    new = {"state": SETTLED, "settled_by": who, "final": final, "was_right": right}
    now = {"settled_at": func.clock_timestamp()}
    conn.execute(update(sample).where(sample.c.sample_id == row["sample_id"]).values(new | now))


def _wrong(row: RowMapping, truth: str) -> Wrong:
    told = {name: row[name] for name in Wrong._fields if name != "truth"}
    return Wrong(**told, truth=truth)


def _repair(
    conn: Connection, row: RowMapping, senior: str, decision: Decision, text: str, normal: str, insist: bool
) -> None:
    """Correct the record by the entries of officer and senior, and send it to the EMR though other fields wait.

    `normal`: the normal form of what the senior types (`text`).
    """
    document_id, task_id = row["document_id"], task_id_of(row["document_id"], row["field"])
    back_into_review(conn, document_id)
    _open_task(conn, row, task_id)
    if (row["decision"], row["answer"]) == (decision.value, normal):
        decide(conn, task_id, row["officer"], decision, text, insist=insist)
    if conn.scalar(select(review_task.c.state).where(review_task.c.task_id == task_id)) != DECIDED:
        decide(conn, task_id, senior, decision, text, insist=insist)
    revision = conn.scalars(select(document.c.revision).where(document.c.document_id == document_id)).one()
    ready_to_load(conn, row["batch_id"], document_id, revision)


def _open_task(conn: Connection, row: RowMapping, task_id: str) -> None:
    own = {"batch_id": row["batch_id"], "document_id": row["document_id"], "field": row["field"]}
    task = upsert(review_task).values(task_id=task_id, state=OPEN, reason=REASON, **own)
    conn.execute(task.on_conflict_do_update(index_elements=["task_id"], set_={"state": OPEN, "reason": REASON}))
    second.begin_again(conn, task_id)


def estimates(conn: Connection) -> list[tuple[str, sampling.Estimate]]:
    """(facility, estimate) by family of fields, of every facility with samples."""
    ids = conn.scalars(select(sample.c.facility_id).distinct().order_by(sample.c.facility_id)).all()
    return [(one, found) for one in ids for found in sampling.accuracy_by(conn, one, "family")]
