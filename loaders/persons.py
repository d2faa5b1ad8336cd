"""Stage 9, loaders.persons: an officer's finding that two patients are one person, as a link that can be undone.

The rows of both stay where their documents put them, so that undoing is exact and a repeated load changes nothing;
the views `emr.patient_standing` and `emr.encounter_standing` say whose they are now.
"""

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, Row, RowMapping, func, insert, or_, select, text, update

from loaders.tables import patient, patient_link
from records.errors import EmrConflict

FIELDS = {
    "patient.id": "identifier", "patient.name": "name", "patient.birth_date": "birth_date", "patient.sex": "sex",
    "patient.national_id": "national_id", "patient.insurance_number": "insurance_number",
}  # fmt: skip
OPEN = patient_link.c.undone_at.is_(None)


def people(conn: Connection, facility: str) -> dict[str, dict[str, str]]:
    """patient key -> field -> value, of the facility's patients that are merged into nobody."""
    merged = select(patient_link.c.patient_id).where(OPEN)
    query = select(patient).where(patient.c.facility_id == facility, patient.c.patient_id.not_in(merged))
    return {row["patient_id"]: _told(row) for row in conn.execute(query).mappings()}


def people_near(conn: Connection, facility: str, patient_ids: Collection[str]) -> dict[str, dict[str, str]]:
    """As `people`, but only these and who shares a number or the birth date with one of them."""
    own, other = patient.alias("own"), patient.alias("other")
    alike = or_(
        other.c.patient_id == own.c.patient_id, other.c.birth_date == own.c.birth_date,
        other.c.national_id == own.c.national_id, other.c.identifier == own.c.identifier,
        func.right(other.c.insurance_number, 10) == func.right(own.c.insurance_number, 10),
    )  # fmt: skip
    query = select(other).join(own, (own.c.facility_id == other.c.facility_id) & alike).distinct()
    merged = select(patient_link.c.patient_id).where(OPEN)
    here = own.c.patient_id.in_(list(patient_ids)) & (own.c.facility_id == facility)
    rows = conn.execute(query.where(here, other.c.patient_id.not_in(merged))).mappings()
    return {row["patient_id"]: _told(row) for row in rows}


def person(conn: Connection, patient_id: str) -> dict[str, str] | None:
    """field -> value of one patient; None when the EMR does not hold it."""
    row = conn.execute(select(patient).where(patient.c.patient_id == patient_id)).mappings().first()
    return None if row is None else _told(row)


def link(conn: Connection, patient_id: str, into_id: str, officer: str, reason: str) -> int:
    """Join a patient to another; the link's number. EmrConflict when either is already merged into somebody."""
    _take_turns(conn)
    for key in (patient_id, into_id):
        standing = standing_of(conn, key)
        if standing != key:
            raise EmrConflict(
                f"Patient {key} is merged into {standing} already; use that one, or undo its merge first."
            )
    row = {"patient_id": patient_id, "into_id": into_id, "linked_by": officer, "reason": reason}
    return int(conn.execute(insert(patient_link).values(row).returning(patient_link.c.link_id)).scalar_one())


def unlink(conn: Connection, patient_id: str, officer: str, reason: str) -> int:
    """Undo the link of a merged patient, which stays as history; its number. EmrConflict when there is none."""
    _take_turns(conn)
    undone = {"undone_by": officer, "undone_reason": reason, "undone_at": func.clock_timestamp()}
    statement = update(patient_link).where(_open_link(patient_id)).values(undone).returning(patient_link.c.link_id)
    number = conn.execute(statement).scalar()
    if number is None:
        raise EmrConflict(f"Patient {patient_id} is merged into nobody; see: sohoa patient history {patient_id}")
    return int(number)


def links_of(conn: Connection, patient_id: str) -> list[Row[tuple[str, ...]]]:
    """Every link that a patient was ever on either side of, the oldest first."""
    either = (patient_link.c.patient_id == patient_id) | (patient_link.c.into_id == patient_id)
    return list(conn.execute(select(patient_link).where(either).order_by(patient_link.c.link_id)))


def standing_of(conn: Connection, patient_id: str) -> str:
    """The patient that another stands for, through every merge; itself when it is merged into nobody."""
    standing = patient_id
    while into := conn.execute(select(patient_link.c.into_id).where(_open_link(standing))).scalar():
        standing = str(into)
    return standing


def one_person(conn: Connection, one: str, other: str) -> bool:
    """Whether two patient keys are one, or were found to be one person."""
    return one == other or standing_of(conn, one) == standing_of(conn, other)


def _told(row: RowMapping) -> dict[str, str]:
    return {field: value for field, column in FIELDS.items() if (value := row[column])}


def _open_link(patient_id: str) -> ColumnElement[bool]:
    return (patient_link.c.patient_id == patient_id) & OPEN


def _take_turns(conn: Connection) -> None:
    """Two officers at once could merge two patients into each other."""
    conn.execute(text("LOCK TABLE emr.patient_link IN SHARE ROW EXCLUSIVE MODE"))
