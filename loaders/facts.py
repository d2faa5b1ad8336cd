"""Stage 9, loaders.facts: the rows that many documents share, patient and encounter, settled from their provenance.

A fact stands as the document wrote it that was checked by more people, among equals the one that came first; when
that document is withdrawn the next one's value stands. Two documents that name two people are never settled.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    Text,
    any_,
    case,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import distinct_on, insert

from loaders import persons
from loaders.context import Difference, LoadContext, is_provisional
from loaders.tables import OF_DOCUMENT, document_reference, encounter, patient, provenance
from loaders.targets import IDENTITY, SHARED
from records.errors import EmrConflict

SHARED_TABLES: dict[str, Table] = {"patient": patient, "encounter": encounter}
KEYS = {"patient": patient.c.patient_id, "encounter": encounter.c.encounter_id}
UNDER_ENCOUNTER: tuple[Table, ...] = (document_reference, *OF_DOCUMENT.values())
IDENTITY_VI = {"name": "họ tên", "birth_date": "ngày sinh", "sex": "giới tính", "national_id": "số định danh cá nhân"}
STAMP = {"updated_at": func.now()}
SURER_FIRST = case({"two": 0, "one": 1}, value=provenance.c.checked, else_=2)

Keys = dict[str, set[str]]


def hold_shared(conn: Connection, document_id: str, context: LoadContext) -> tuple[LoadContext, Keys]:
    """Make and lock the rows of the context's patient and stay, and move there what of its file stands elsewhere.

    Gives back the context with the patient key that stands, and the keys to settle when the document is written.
    """
    context = context.model_copy(update={"patient_key": _patient_of_stay(conn, document_id, context)})
    person, stay = context.patient_key, context.encounter_key
    made = {"facility_id": context.facility, "batch_id": context.batch_id, "document_id": document_id}
    _make(conn, patient, made | {"patient_id": person, "provisional": is_provisional(person)})
    _make(conn, encounter, made | {"encounter_id": stay, "patient_id": person, "provisional": is_provisional(stay)})
    shown = document_reference.c
    of_file = or_(shown.file_id == context.file_id, shown.encounter_id == stay)
    moved = conn.execute(select(shown.document_id).distinct().where(of_file)).scalars().all()
    return context, _move(conn, moved, person, stay)


def _make(conn: Connection, table: Table, row: dict[str, object]) -> None:
    """The row, made when missing, locked until the end of the transaction."""
    key = KEYS[table.name]
    conn.execute(insert(table).values(row).on_conflict_do_nothing())
    conn.execute(select(key).where(key == row[key.name]).with_for_update())


def _patient_of_stay(conn: Connection, document_id: str, context: LoadContext) -> str:
    """One stay has one patient: where other files stand under it, a known number goes before a provisional one."""
    shown = document_reference.c
    query = select(encounter.c.patient_id).join_from(encounter, document_reference)
    query = query.where(encounter.c.encounter_id == context.encounter_key, shown.file_id != context.file_id)
    standing = conn.execute(query.limit(1)).scalar()
    if standing is None or is_provisional(standing):
        return context.patient_key if standing is None or not is_provisional(context.patient_key) else str(standing)
    if is_provisional(context.patient_key) or persons.one_person(conn, standing, context.patient_key):
        return str(standing)
    raise EmrConflict(
        f"Document {document_id} gives its stay another patient number than the EMR; compare the two files in review.",
        "Tờ này ghi mã người bệnh khác với mã mà bệnh án điện tử có cho đợt điều trị; hãy so hai hồ sơ.",
    )


def _move(conn: Connection, document_ids: Sequence[str], person: str, stay: str) -> Keys:
    """Put documents under this patient and stay; the patients and stays where they stood before."""
    touched = standing_under(
        conn, provenance.c.document_id.in_(document_ids), document_reference.c.document_id.in_(document_ids)
    )
    for table in UNDER_ENCOUNTER:
        elsewhere = table.c.document_id.in_(document_ids) & (table.c.encounter_id != stay)
        conn.execute(update(table).where(elsewhere).values({"encounter_id": stay} | STAMP))
    for name, key in (("patient", person), ("encounter", stay)):
        elsewhere = (provenance.c.target_table == name) & (provenance.c.target_id != key)
        elsewhere &= provenance.c.document_id.in_(document_ids)
        conn.execute(update(provenance).where(elsewhere).values({"target_id": key} | STAMP))
    other = (encounter.c.encounter_id == stay) & (encounter.c.patient_id != person)
    conn.execute(update(encounter).where(other).values({"patient_id": person} | STAMP))
    return {"patient": touched["patient"] | {person}, "encounter": touched["encounter"] | {stay}}


def rekey(conn: Connection, table: str, old: str, new: str) -> None:
    """Move all under one key of `patient` or `encounter` to another; EmrConflict when it is not one person."""
    shared, key = SHARED_TABLES[table], KEYS[table]
    row = conn.execute(select(shared).where(key == old).with_for_update()).mappings().first()
    if row is None or old == new:
        return
    bare = {name: row[name] for name in row if name not in (*SHARED[table], "updated_at")}
    _make(conn, shared, bare | {key.name: new, "provisional": is_provisional(new)})
    if table == "encounter":
        _refuse_two_patients(conn, old, new)
    for below in UNDER_ENCOUNTER if table == "encounter" else (encounter,):
        conn.execute(update(below).where(below.c[key.name] == old).values({key.name: new} | STAMP))
    at_old = (provenance.c.target_table == table) & (provenance.c.target_id == old)
    conn.execute(update(provenance).where(at_old).values({"target_id": new} | STAMP))
    conn.execute(delete(shared).where(key == old))
    settle(conn, table, new)


def _refuse_two_patients(conn: Connection, old: str, new: str) -> None:
    people = select(encounter.c.patient_id).distinct().where(encounter.c.encounter_id.in_([old, new]))
    if len(conn.execute(people).all()) > 1:
        raise EmrConflict("The two stays belong to two patients; merge the patients first.")


def settle(conn: Connection, table: str, key: str) -> int:
    """Write each fact of a shared row as its provenance says, but those that somebody else has set; the number of rows
    changed (0 or 1)."""
    found: dict[str, list[str]] = {column: [] for column in SHARED[table]}
    at_key = (provenance.c.target_table == table) & (provenance.c.target_id == key)
    query = select(provenance.c.target_column, provenance.c.value).where(at_key, provenance.c.value != "")
    for column, value in conn.execute(query.order_by(SURER_FIRST, provenance.c.sequence)):
        found[column].append(value)
    _refuse_two_people(table, found)
    facts = {column: values[0] if values else None for column, values in found.items()}
    shared = SHARED_TABLES[table]
    new = {column: ours_or_theirs(shared, column, literal(value, Text)) for column, value in facts.items()}
    different = or_(*(shared.c[column].is_distinct_from(value) for column, value in new.items()))
    return conn.execute(update(shared).where(KEYS[table] == key, different).values(new | STAMP)).rowcount


def ours_or_theirs(table: Table, column: str, ours: ColumnElement[Any]) -> ColumnElement[Any]:
    """What a column of a row is to hold: ours, or what stands there where somebody else has set it."""
    if "changed_elsewhere" not in table.c:
        return ours
    return case((literal(column) == any_(table.c.changed_elsewhere), table.c[column]), else_=ours)


def _refuse_two_people(table: str, found: dict[str, list[str]]) -> None:
    for column in IDENTITY[table]:
        values = found[column]
        if any(not _one_person(column, one, other) for one in values for other in values):
            raise EmrConflict(
                f"Two documents give one {table} two values of {column}; compare their files in review.",
                f"Hai giấy của một người bệnh ghi {IDENTITY_VI[column]} khác nhau; hãy so hai hồ sơ.",
            )


def refuse_another_person(differs: Sequence[Difference]) -> None:
    """EmrConflict where the patient that the EMR holds under the number is another, by what somebody else wrote."""
    for one in differs:
        table, _, column = one.place.partition(".")
        if column in IDENTITY.get(table, ()) and not _one_person(column, one.value, one.stands):
            raise EmrConflict(
                f"The EMR holds another {column} for this {table} than the document; compare them in review.",
                f"Bệnh án điện tử ghi {IDENTITY_VI[column]} khác với giấy; hãy xem giấy có đúng người bệnh không.",
            )


def _one_person(column: str, one: str, other: str) -> bool:
    """'1956' and '1956-04-18' may be one birth date; an old ID of 9 digits and a new one of 12 may be one person's."""
    if column == "birth_date":
        return one.startswith(other) or other.startswith(one)
    return one == other or (column == "national_id" and len(one) != len(other))


def standing_under(conn: Connection, written: ColumnElement[bool], shown: ColumnElement[bool]) -> Keys:
    """The patients and stays that some provenance rows or pages stand under."""
    keys: Keys = {table: set() for table in SHARED}
    query = select(provenance.c.target_table, provenance.c.target_id).distinct()
    for table, key in conn.execute(query.where(written, provenance.c.target_table.in_(list(SHARED)))):
        keys[table].add(key)
    stays = select(encounter.c.encounter_id, encounter.c.patient_id).distinct()
    for stay, person in conn.execute(stays.join_from(document_reference, encounter).where(shown)):
        keys["encounter"].add(stay)
        keys["patient"].add(person)
    return keys


def settle_or_drop(conn: Connection, touched: Keys) -> dict[str, int]:
    """Remove those patients and stays under which nothing is left, settle the others; counts of removed by table."""
    removed = {}
    for table, under in (("encounter", UNDER_ENCOUNTER), ("patient", (encounter,))):
        unused: ColumnElement[bool] = KEYS[table].in_(sorted(touched[table]))
        for below in under:
            unused &= ~exists().where(below.c[KEYS[table].name] == KEYS[table])
        unused &= func.cardinality(SHARED_TABLES[table].c.changed_elsewhere) == 0
        removed[table] = conn.execute(delete(SHARED_TABLES[table]).where(unused)).rowcount
    for table in SHARED:
        for key in sorted(touched[table]):
            settle(conn, table, key)
    return removed


def held_elsewhere(conn: Connection, touched: Keys) -> dict[str, int]:
    """How many of these patients and stays hold what somebody else has set, by table."""
    found = {}
    for name, table in SHARED_TABLES.items():
        theirs = KEYS[name].in_(sorted(touched[name])) & (func.cardinality(table.c.changed_elsewhere) > 0)
        if count := conn.scalar(select(func.count()).select_from(table).where(theirs)):
            found[name] = count
    return found


def hand_over(conn: Connection, column: str, value: str) -> None:
    """Shared rows that the withdrawn batch or document made first now name one that still uses them."""
    for name, table in SHARED_TABLES.items():
        used = encounter.c[KEYS[name].name].label("used")
        shown = document_reference.c
        users = select(used, shown.batch_id, shown.document_id).join_from(document_reference, encounter)
        first = users.ext(distinct_on(used)).order_by(used, shown.page_id).subquery()
        new = {"batch_id": first.c.batch_id, "document_id": first.c.document_id}
        conn.execute(update(table).where(table.c[column] == value, first.c.used == KEYS[name]).values(new))
