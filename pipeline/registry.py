"""Before stage 1, pipeline.registry: the hospital's own patients and stays: second witness, and what is missing."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from pipeline import audit
from pipeline.registry_file import read_listing
from pipeline.registry_rows import PATIENT, STAY, Listing, RegistryRow, checked_rows
from pipeline.registry_xml import XmlChoice
from pipeline.standing import upgrade_deaths
from pipeline.tables import facility as facilities
from pipeline.tables import file, registry_patient, registry_stay
from records.base import Frozen
from records.errors import SohoaError
from transformers.text import folded

WITHDRAWN = "withdrawn"

PATIENT_FIELDS = {
    "patient.id": "patient_id",
    "patient.name": "name",
    "patient.birth_date": "birth_date",
    "patient.sex": "sex",
    "patient.insurance_number": "insurance_number",
    "patient.national_id": "national_id",
    "patient.address": "address",
    "patient.phone": "phone",
}
STAY_FIELDS = {
    "encounter.number": "encounter_number",
    "encounter.archive_number": "archive_number",
    "encounter.admitted_at": "admitted_at",
    "encounter.discharged_at": "discharged_at",
    "encounter.department": "department",
    "encounter.outcome": "outcome",
    "diagnosis.main.code": "main_code",
}


class RegistryCounts(Frozen):
    """What a source of the registry holds. `changed`: rows written; `ignored`: headings that nobody reads."""

    patients: int
    stays: int
    changed: int
    ignored: tuple[str, ...]


class Stay(NamedTuple):
    """A patient whom the registry knows, and the stay where it can be told."""

    patient_id: str
    encounter_number: str | None


class Shelf(StrEnum):
    """What somebody found of a file that was not handed in: nothing yet, not in its place, lent to a ward."""

    UNKNOWN = ""
    NOT_ON_SHELF = "not_on_shelf"
    ON_LOAN = "on_loan"


class MissingFile(NamedTuple):
    """A stay that the registry knows and of which no file has been handed in. `shelf`: see `Shelf`."""

    encounter_number: str
    archive_number: str
    box: str
    shelf: str = ""


def load_registry(conn: Connection, path: Path, facility: str, choice: XmlChoice | None = None) -> RegistryCounts:
    """Load or renew patients and stays from a CSV, XLSX or XML1 file. `choice`: what of XML1 is taken."""
    return load_listing(conn, read_listing(path, choice), facility)


def load_listing(conn: Connection, listing: Listing, facility: str) -> RegistryCounts:
    """Load or renew patients and stays, whole or not at all; rows no longer listed stay."""
    if conn.execute(select(facilities.c.facility_id).where(facilities.c.facility_id == facility)).first() is None:
        raise SohoaError(f"The facility '{facility}' is not known; enter it with: sohoa facility add CODE NAME")
    found = checked_rows(listing)
    patients = _unique(found.rows, PATIENT, "patient_id")
    stays = _unique(found.rows, STAY, "encounter_number")
    with conn.begin_nested():
        changed = _upsert(conn, registry_patient, facility, patients) + _upsert(conn, registry_stay, facility, stays)
        upgrade_deaths(conn, facility)
    return RegistryCounts(patients=len(patients), stays=len(stays), changed=changed, ignored=found.ignored)


def find_stay(conn: Connection, facility: str, read: Mapping[str, str]) -> Stay | None:
    """The patient and stay that the values read on a file point at, by field name; None unless two of them agree.

    One number alone never finds a patient: a misread digit would find somebody else.
    """
    for row in _candidates(conn, facility, read):
        agreeing = [field for field in IDENTIFYING if _agrees(field, read.get(field, ""), row._mapping[_column(field)])]
        if len(agreeing) >= 2 and not _contradicted(read, agreeing, row):
            return Stay(row.patient_id, _stay_of(conn, facility, row.patient_id, read))
    return None


def witnesses_for(
    conn: Connection, facility: str, encounter_number: str | None = None, patient_id: str | None = None
) -> dict[str, str]:
    """What the registry says of a stay, by field name; empty when it does not know it or the two numbers disagree.

    A number given alone found the row, so it is no witness of itself; both together vouch for one another.
    """
    stay = _stay(conn, facility, encounter_number, patient_id)
    if encounter_number and stay is None:
        return {}
    person_id = stay.patient_id if stay else patient_id
    if person_id is None or (patient_id and person_id != patient_id):
        return {}
    query = select(registry_patient).where(_of(registry_patient, facility), registry_patient.c.patient_id == person_id)
    person = conn.execute(query).first()
    if person is None:
        return {}
    said = {field: str(person._mapping[column]) for field, column in PATIENT_FIELDS.items()}
    if stay:
        said |= {field: str(stay._mapping[column]) for field, column in STAY_FIELDS.items()}
    if not encounter_number:
        said.pop("patient.id")
    elif not patient_id:
        said.pop("encounter.number")
    return {field: value for field, value in said.items() if value}


def missing_files(conn: Connection, facility: str, boxes: Sequence[str] = ()) -> list[MissingFile]:
    """Stays that the registry knows and of which no file was handed in, by box and number. `boxes`: none given, all."""
    stay = registry_stay.c
    query = select(stay.encounter_number, stay.archive_number, stay.box, stay.shelf)
    query = query.where(stay.facility_id == facility, ~has_file()).order_by(stay.box, stay.encounter_number)
    if boxes:
        query = query.where(stay.box.in_(list(boxes)))
    return [MissingFile(*row) for row in conn.execute(query)]


def note_shelf(conn: Connection, facility: str, encounter_number: str, shelf: Shelf, by: str) -> None:
    """Enter where a file was not found; SohoaError when the registry does not know the stay."""
    own = (registry_stay.c.facility_id == facility) & (registry_stay.c.encounter_number == encounter_number)
    if conn.execute(update(registry_stay).where(own).values(shelf=shelf.value)).rowcount == 0:
        raise SohoaError(f"The registry of '{facility}' has no stay {encounter_number}; see: sohoa registry missing")
    audit.record(conn, by, "note_shelf", f"stay:{facility}|{encounter_number}", {"shelf": shelf.value})


def has_file() -> ColumnElement[bool]:
    """Whether a file stands for the registry's stay."""
    key = registry_stay.c.facility_id.concat("|").concat(registry_stay.c.encounter_number)
    return exists().where(file.c.encounter_key == key, file.c.state != WITHDRAWN)


def known_boxes(conn: Connection, facility: str) -> set[str]:
    """All boxes in which the registry keeps a stay."""
    query = select(registry_stay.c.box).distinct().where(registry_stay.c.facility_id == facility)
    return set(conn.scalars(query.where(registry_stay.c.box != "")))


def boxes_of(conn: Connection, batch_ids: Sequence[str]) -> list[str]:
    """The boxes in which the registry keeps the stays whose files these batches hold."""
    key = registry_stay.c.facility_id.concat("|").concat(registry_stay.c.encounter_number)
    query = select(registry_stay.c.box).distinct().join_from(registry_stay, file, file.c.encounter_key == key)
    query = query.where(file.c.batch_id.in_(list(batch_ids)), file.c.state != WITHDRAWN, registry_stay.c.box != "")
    return list(conn.scalars(query.order_by(registry_stay.c.box)))


def _unique(rows: Sequence[RegistryRow], columns: tuple[str, ...], key: str) -> list[dict[str, str]]:
    """One row per key; a later line fills what an earlier one leaves empty."""
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        if row.values[key]:
            known = found.setdefault(row.values[key], dict.fromkeys(columns, ""))
            known |= {column: row.values[column] for column in columns if row.values[column]}
    return list(found.values())


def _upsert(conn: Connection, table: Table, facility: str, rows: Sequence[dict[str, str]]) -> int:
    """Rows inserted, or updated where they differ."""
    if not rows:
        return 0
    statement = insert(table)
    key = [column.name for column in table.primary_key.columns]
    new = {name: statement.excluded[name] for name in rows[0] if name not in key}
    different = or_(*(table.c[name].is_distinct_from(value) for name, value in new.items()))
    statement = statement.on_conflict_do_update(index_elements=key, set_=new, where=different)
    written = conn.execute(
        statement.returning(*table.primary_key.columns), [row | {"facility_id": facility} for row in rows]
    )
    return len(written.all())


# Values that tell a person or a stay from all others, and the two that only support them.
NUMBERS = (
    "encounter.number",
    "patient.id",
    "patient.insurance_number",
    "patient.national_id",
    "encounter.archive_number",
)
IDENTIFYING = (*NUMBERS, "patient.name", "patient.birth_date")


def _candidates(conn: Connection, facility: str, read: Mapping[str, str]) -> Sequence[Row[tuple[str, ...]]]:
    """Registry rows (patient with one stay) that share a number with what was read, in the order of NUMBERS."""
    on = and_(*(registry_patient.c[name] == registry_stay.c[name] for name in ("facility_id", "patient_id")))
    stay_columns = [column for column in registry_stay.c if column.name not in ("facility_id", "patient_id")]
    both = select(registry_patient, *stay_columns).join_from(registry_patient, registry_stay, on, isouter=True)
    found: list[Row[tuple[str, ...]]] = []
    for field in NUMBERS:
        if read.get(field):
            table = registry_stay if field in STAY_FIELDS else registry_patient
            query = both.where(_of(registry_patient, facility), table.c[_column(field)] == read[field])
            found += conn.execute(query.order_by(registry_stay.c.encounter_number).limit(50)).all()
    return found


def _column(field: str) -> str:
    return PATIENT_FIELDS.get(field) or STAY_FIELDS[field]


def _agrees(field: str, read: str, known: str | None) -> bool:
    """Names agree without their marks (a misread tone is no other person), a year of birth with its date."""
    if not read or not known:
        return False
    if field == "patient.name":
        return folded(read) == folded(known)
    if field == "patient.birth_date":
        return read.startswith(known) or known.startswith(read)
    return read == known


def _contradicted(read: Mapping[str, str], agreeing: Sequence[str], row: Row[tuple[str, ...]]) -> bool:
    """Two numbers of one person under another name and birth date are a mix-up, not a match."""
    both_said = {f for f in ("patient.name", "patient.birth_date") if read.get(f) and row._mapping[_column(f)]}
    return bool(both_said) and not both_said & set(agreeing)


def _stay_of(conn: Connection, facility: str, patient_id: str, read: Mapping[str, str]) -> str | None:
    """The stay with the number, archive number or day that was read; else the patient's only one, else None."""
    query = select(registry_stay).where(_of(registry_stay, facility), registry_stay.c.patient_id == patient_id)
    stays = conn.execute(query.order_by(registry_stay.c.encounter_number)).all()
    for field in ("encounter.number", "encounter.archive_number", "encounter.admitted_at", "encounter.discharged_at"):
        value = read.get(field, "")[: 10 if field.endswith("_at") else None]
        same = [stay for stay in stays if value and str(stay._mapping[STAY_FIELDS[field]]).startswith(value)]
        same = same if field.endswith("_at") else [s for s in same if s._mapping[STAY_FIELDS[field]] == value]
        if len(same) == 1:
            return str(same[0].encounter_number)
    return str(stays[0].encounter_number) if len(stays) == 1 and not read.get("encounter.number") else None


def _stay(
    conn: Connection, facility: str, encounter_number: str | None, patient_id: str | None
) -> Row[tuple[str, ...]] | None:
    """The stay of that number, else the patient's only one."""
    query = select(registry_stay).where(_of(registry_stay, facility))
    if encounter_number:
        return conn.execute(query.where(registry_stay.c.encounter_number == encounter_number)).first()
    stays = conn.execute(query.where(registry_stay.c.patient_id == (patient_id or "")).limit(2)).all()
    return stays[0] if len(stays) == 1 else None


def _of(table: Table, facility: str) -> ColumnElement[bool]:
    return table.c.facility_id == facility
