"""Beside stage 8, pipeline.pilot: files that two persons key blindly become the first contract of a hospital's own.

Every value of the batch is asked twice, also what a second witness had settled; where the two differ a senior decides.
The reading that the first entry replaced is kept with it, and is what is measured.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, func, insert, select, update

from pipeline import audit, contracts, facts
from pipeline.documents import DECIDED, ELSEWHERE, OPEN, WAITING, store_document
from pipeline.field_policy import in_pilot
from pipeline.finished import back_into_review
from pipeline.repeats import with_values
from pipeline.tables import batch, document, page, pilot, review_decision, review_task
from records.document_types import document_types
from records.documents import JudgedValue, ValidatedDocument, Verdict
from records.errors import SohoaError
from review.second import Stage, standing
from validation.contract import Basis, Contract, Evidence, Measured, evidence_of, plain_field
from validation.diagnostics import Scored
from validation.features import FAMILIES, family_of
from validation.verdicts import agree, passes_readers

RULE = "pilot"  # by which a value waits that would have passed
TYPED = ("accept", "correct")


class Keyed(NamedTuple):
    """A value that the machine had read and two persons keyed. `witness`: where it passes without a contract; `fit`:
    nothing but its probability would hold it back."""

    form: str
    judged: JudgedValue
    right: bool
    fit: bool

    @property
    def field(self) -> str:
        return plain_field(self.judged.value.field)

    @property
    def family(self) -> str:
        return family_of(self.judged.value.field, self.judged.value.kind)


def start(conn: Connection, batch_id: str, who: str) -> int:
    """Have two persons key every value of the batch, which is read and put together; how many values wait. Safe to
    repeat, as after late sheets. SohoaError when there is nothing to key."""
    ids = conn.scalars(select(document.c.document_id).where(document.c.batch_id == batch_id)).all()
    if not ids:
        raise SohoaError(f"Batch {batch_id} has no documents; read it first: sohoa migrate FOLDER --batch {batch_id}")
    if not in_pilot(conn, batch_id):
        _refuse_begun(conn, batch_id)
        sign = contracts.running_fingerprint(())
        conn.execute(insert(pilot).values(batch_id=batch_id, started_by=who, fingerprint=sign))
        audit.record(conn, who, "pilot:start", f"batch:{batch_id}", {"documents": len(ids)})
    facts.lock_files(conn, document.c.batch_id == batch_id)
    for document_id in sorted(ids):
        _ask_all(conn, batch_id, document_id)
    own = (review_task.c.batch_id == batch_id) & (review_task.c.state == OPEN)
    return conn.scalar(select(func.count()).select_from(review_task).where(own)) or 0


def _refuse_begun(conn: Connection, batch_id: str) -> None:
    if conn.scalar(select(pilot.c.batch_id).where(pilot.c.batch_id == batch_id)):
        raise SohoaError(f"The pilot of batch {batch_id} is over; begin one with another batch.")
    decided = (review_task.c.batch_id == batch_id) & ((review_task.c.state == DECIDED) | (review_task.c.first_by != ""))
    if conn.scalar(select(review_task.c.task_id).where(decided).limit(1)):
        raise SohoaError(f"Somebody has reviewed values of batch {batch_id} already; a pilot needs a batch untouched.")


def _ask_all(conn: Connection, batch_id: str, document_id: str) -> None:
    """Send every value that the machine had settled to review."""
    own = document.c.document_id == document_id
    stored = conn.scalars(select(document.c.validated).where(own).with_for_update()).one()
    validated = ValidatedDocument.model_validate(stored)
    decided = (review_task.c.document_id == document_id) & (review_task.c.state == DECIDED)
    done = set(conn.scalars(select(review_task.c.field).where(decided)))
    values = [v if v.value.field in done else _asked(v) for v in validated.values]
    store_document(conn, batch_id, with_values(validated, values, validated.issues))
    tasks = (review_task.c.document_id == document_id) & (review_task.c.state == ELSEWHERE)
    conn.execute(update(review_task).where(tasks).values(state=OPEN))
    back_into_review(conn, document_id)


def _asked(judged: JudgedValue) -> JudgedValue:
    if judged.verdict not in (Verdict.ACCEPT, Verdict.EVIDENCE):
        return judged
    return judged.model_copy(update={"verdict": Verdict.REVIEW, "rule": RULE, "reasons": (), "blockers": (RULE,)})


def keyed(conn: Connection, facility_id: str) -> list[Keyed]:
    """The values of the facility's pilots that the running software read and two persons have settled."""
    own = (batch.c.facility_id == facility_id) & (review_task.c.state == DECIDED)
    own &= pilot.c.fingerprint == contracts.running_fingerprint(())
    query = (
        select(review_task.c.task_id, document.c.document_type)
        .join(pilot, pilot.c.batch_id == review_task.c.batch_id)
        .join(batch, batch.c.batch_id == review_task.c.batch_id)
        .join(document, document.c.document_id == review_task.c.document_id)
        .where(own)
        .order_by(review_task.c.task_id)
    )
    forms = {row.task_id: row.document_type for row in conn.execute(query)}
    entries: dict[str, list[RowMapping]] = defaultdict(list)
    for row in conn.execute(standing(review_decision.c.task_id.in_(forms))).mappings():
        entries[row["task_id"]].append(row)
    found = (_keyed(forms[task_id], rows) for task_id, rows in entries.items())
    return [one for one in found if one is not None]


def _keyed(form: str, rows: Sequence[RowMapping]) -> Keyed | None:
    """`rows`: a task's entries, newest first; None where the machine had read nothing, or one person keyed it alone."""
    last, first = rows[0], rows[-1]
    before = (first["before"] or {}).get("value")
    if last["stage"] == Stage.FIRST or first["stage"] != Stage.FIRST or not before:
        return None
    judged = JudgedValue.model_validate(before)
    value = judged.value
    if not value.value:
        return None
    right = last["decision"] in TYPED and agree(last["normal"] or "", value.value, value.kind)
    sound = not judged.rule.startswith("check:") and judged.rule != "problem"
    return Keyed(form, judged, right, sound and passes_readers(value, document_types()[form]))


def measured(values: Sequence[Keyed], pages: int) -> Measured:
    """What nothing but its probability held back, and no witness confirmed, by family. `pages`: of the pilots."""
    families: dict[str, list[tuple[str, Scored]]] = defaultdict(list)
    engine = contracts.running_engine()
    for one in values:
        if one.fit and not one.judged.witness and one.judged.value.reading.engine == engine:
            stated = Scored(round(one.judged.confidence, 5), one.right)
            families[one.family].append((f"{one.form}:{one.field}", stated))
    found: list[Evidence] = [evidence_of(family, families[family], pages) for family in FAMILIES if families[family]]
    fields = {field for evidence in found for field in evidence.fields}
    sign = contracts.running_fingerprint(fields)
    return Measured(basis=Basis.OWN, engine=engine, families=tuple(found), fingerprint=sign)


def adopt(conn: Connection, facility_id: str, who: str) -> Contract:
    """Make what two persons keyed the facility's contract, and end its pilots; SohoaError while values still wait, lest
    it rest on what is quickly keyed, and where nothing was keyed that the running software has read."""
    waiting = waiting_values(conn, facility_id)
    if waiting:
        raise SohoaError(f"{waiting} values of the pilot still wait; have them keyed first.")
    found = measured(keyed(conn, facility_id), size(conn, facility_id)[1])
    if not found.families:
        raise SohoaError(
            f"Nothing was keyed of {facility_id} that the running software has read; begin with: sohoa pilot start"
        )
    made = contracts.keep(conn, facility_id, found)
    own = pilot.c.batch_id.in_(select(batch.c.batch_id).where(batch.c.facility_id == facility_id))
    over = update(pilot).where(own, pilot.c.ended_at.is_(None)).values(ended_at=func.clock_timestamp())
    conn.execute(over)
    counts = {one.family: one.diagnosis.count for one in found.families}
    audit.record(conn, who, "pilot:adopt", f"facility:{facility_id}", counts)
    return made


def batches_of(facility_id: str) -> Any:
    """The batches of the facility's pilots, a query."""
    return select(pilot.c.batch_id).join(batch, batch.c.batch_id == pilot.c.batch_id).where(
        batch.c.facility_id == facility_id
    )  # fmt: skip


def size(conn: Connection, facility_id: str) -> tuple[int, int]:
    """Files and pages of the facility's pilots."""
    own = document.c.batch_id.in_(batches_of(facility_id))
    files = conn.scalar(select(func.count(document.c.file_id.distinct())).where(own)) or 0
    paged = select(func.count()).select_from(page).join(document, document.c.document_id == page.c.document_id)
    return files, conn.scalar(paged.where(own)) or 0


def waiting_values(conn: Connection, facility_id: str) -> int:
    """How many of their values still wait for an entry."""
    own = review_task.c.batch_id.in_(batches_of(facility_id)) & review_task.c.state.in_(WAITING)
    return conn.scalar(select(func.count()).select_from(review_task).where(own)) or 0
