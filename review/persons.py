"""Stage 8, review.persons: two patients who may be one person, as their pages have them, and what an officer rules."""

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from pipeline import audit
from pipeline.finished import TOPIC
from pipeline.persons import ONE, TWO
from pipeline.tables import document, field_value, file, outbox, page, person_pair
from records.base import Frozen
from records.documents import Verdict
from records.pages import PageBox
from records.states import PageState
from review.repairs import RepairRefused

FIELDS = ("patient.name", "patient.birth_date", "patient.sex", "patient.id", "patient.national_id",
          "patient.insurance_number", "patient.address", "patient.phone", "contact.name")  # fmt: skip
LIMIT, RULED = 200, 50  # pairs shown that wait, and that were ruled of
RULINGS = (ONE, TWO)


class Seen(Frozen):
    """One value of a patient, where it stands."""

    value: str
    kind: str
    page_id: str
    box: PageBox
    document_id: str
    document_type: str


class Side(Frozen):
    """One of the two patients. `files`: (file id, name); `values`: field -> where it is best read."""

    patient_id: str
    files: tuple[tuple[str, str], ...]
    values: dict[str, Seen]

    @property
    def name(self) -> str:
        """What the patient is called on this screen: his number, else the files that he is known by."""
        number = self.patient_id.split("|", 1)[-1]
        return ", ".join(label for _, label in self.files) if number.startswith("provisional") else number


def pairs(conn: Connection, *, ruled: bool) -> Sequence[Row[Any]]:
    """The pairs that wait, the oldest first; or the last ones that somebody ruled of, the newest first."""
    query = select(person_pair).where((person_pair.c.ruling != "") if ruled else (person_pair.c.ruling == ""))
    order = person_pair.c.ruled_at.desc() if ruled else person_pair.c.found_at
    return conn.execute(query.order_by(order, person_pair.c.pair_id).limit(RULED if ruled else LIMIT)).all()


def pair(conn: Connection, pair_id: int) -> Row[Any] | None:
    """One pair."""
    return conn.execute(select(person_pair).where(person_pair.c.pair_id == pair_id)).one_or_none()


def side(conn: Connection, patient_id: str) -> Side:
    """A patient as his files have him, by what was accepted or decided: of what is in doubt an officer may have to key
    the second entry."""
    files = conn.execute(
        select(file.c.file_id, file.c.label).where(file.c.patient_key == patient_id).order_by(file.c.label)
    ).all()  # fmt: skip
    shown = page.c.state.in_([PageState.LOADED.value, PageState.IN_REVIEW.value, PageState.ASSEMBLED.value])
    query = (
        select(field_value.c.field, field_value.c.value, field_value.c.kind, field_value.c.page_id,
               field_value.c.box, document.c.document_id, document.c.document_type)
        .join(document, document.c.document_id == field_value.c.document_id)
        .join(page, page.c.page_id == field_value.c.page_id)
        .where(document.c.file_id.in_([one.file_id for one in files]), field_value.c.field.in_(FIELDS),
               field_value.c.value != "", field_value.c.verdict != Verdict.REVIEW.value, shown)
        .order_by(field_value.c.confidence.desc(), field_value.c.page_id)
    )  # fmt: skip
    values: dict[str, Seen] = {}
    for row in conn.execute(query).mappings():
        values.setdefault(row["field"], Seen.model_validate({name: row[name] for name in Seen.model_fields}))
    return Side(patient_id=patient_id, files=tuple((one.file_id, one.label) for one in files), values=values)


def rule(conn: Connection, pair_id: int, ruling: str, before: str, officer: str, reason: str) -> None:
    """Keep what an officer says of a pair, '' to take it back; the next run of a batch carries it out.

    RepairRefused when somebody else has said something since it stood as `before`.
    """
    own = (person_pair.c.pair_id == pair_id) & (person_pair.c.ruling == before)
    told = {"ruling": ruling, "ruled_by": officer, "reason": reason, "ruled_at": func.clock_timestamp()}
    changed = update(person_pair).where(own).values(**told, carried_out=False, refused="")
    row = conn.execute(changed.returning(person_pair.c.one_id, person_pair.c.other_id)).one_or_none()
    if row is None:
        raise RepairRefused("persons.changed")
    here = select(file.c.batch_id).where(file.c.patient_key.in_([row.one_id, row.other_id]))
    batch_id = conn.scalar(here.order_by(file.c.batch_id).limit(1))
    if batch_id:
        key = f"{TOPIC}:persons:{pair_id}:{secrets.token_hex(8)}"
        conn.execute(insert(outbox).values(topic=TOPIC, key=key, payload={"batch_id": batch_id, "pair_id": pair_id}))
    # The reason may name a patient: it stays out of the chain.
    audit.record(conn, officer, f"persons:{ruling or 'undo'}", f"person_pair:{pair_id}", {"before": before})
