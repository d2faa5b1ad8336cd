"""Before stage 0, pipeline.scope: which stays of the registry a target covers, and of which a file was handed in."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, Row, Select, and_, func, select

from pipeline.registry import WITHDRAWN, MissingFile
from pipeline.standing import DIED, retention_rules_here
from pipeline.tables import file, registry_stay
from records.base import Frozen
from transformers.retention import CODES, OUTCOME, retention_of


class ScopeRule(Frozen):
    """Which stays a target covers; empty: every one that the registry knows.

    `kept_beyond`: leaves out what need not be kept longer than this day; a stay without a day of discharge stays in.
    """

    boxes: tuple[str, ...] = ()
    departments: tuple[str, ...] = ()
    discharged_from: date | None = None
    discharged_until: date | None = None
    kept_beyond: date | None = None


class Place(StrEnum):
    """Where a stay stands to a rule. `undated`: no day of discharge where one is asked."""

    COVERED = "covered"
    LEFT_OUT = "left_out"
    UNDATED = "undated"


class Progress(NamedTuple):
    """A target's denominator: in_scope = with_file + missing; neither `left_out` nor `undated` are in it."""

    in_scope: int
    with_file: int
    missing: int
    left_out: int
    undated: int


def progress(conn: Connection, facility: str, rule: ScopeRule) -> Progress:
    """How many stays the rule covers, and of how many a file was handed in."""
    died = _died(conn, facility)
    counts = Counter((_place(stay, rule, died), bool(stay.files)) for stay in conn.execute(_stays(facility, rule)))
    left_out, undated = (counts[place, True] + counts[place, False] for place in (Place.LEFT_OUT, Place.UNDATED))
    with_file, missing = counts[Place.COVERED, True], counts[Place.COVERED, False]
    return Progress(with_file + missing, with_file, missing, left_out, undated)


def missing_in_scope(conn: Connection, facility: str, rule: ScopeRule) -> Iterator[MissingFile]:
    """Covered stays of which no file was handed in, by box and number."""
    died = _died(conn, facility)
    for stay in conn.execute(_stays(facility, rule)):
        if not stay.files and _place(stay, rule, died) is Place.COVERED:
            yield MissingFile(stay.encounter_number, stay.archive_number, stay.box, stay.shelf)


def _stays(facility: str, rule: ScopeRule) -> Select[tuple[str, ...]]:
    """Stays in the rule's boxes, departments and days (or without a day), each with its files and their last day."""
    stay = registry_stay.c
    key = stay.facility_id.concat("|").concat(stay.encounter_number)
    held = and_(file.c.encounter_key == key, file.c.state != WITHDRAWN)
    query = select(
        stay.encounter_number, stay.archive_number, stay.box, stay.shelf, stay.patient_id, stay.discharged_at,
        stay.main_code,
        func.count(file.c.file_id).label("files"), func.max(file.c.retained_until).label("retained_until"),
    )  # fmt: skip
    query = query.join_from(registry_stay, file, held, isouter=True).where(stay.facility_id == facility)
    for column, wanted in ((stay.box, rule.boxes), (stay.department, rule.departments)):
        query = query.where(column.in_(wanted)) if wanted else query
    day = func.left(stay.discharged_at, 10)
    if rule.discharged_from:
        query = query.where((day == "") | (day >= rule.discharged_from.isoformat()))
    if rule.discharged_until:
        query = query.where(day <= rule.discharged_until.isoformat())
    return query.group_by(*registry_stay.primary_key.columns).order_by(stay.box, stay.encounter_number)


def _place(stay: Row[tuple[str, ...]], rule: ScopeRule, died: set[str]) -> Place:
    """Where a stay stands; its retention is what its file says, before there is one what the registry does."""
    if not stay.discharged_at and (rule.discharged_from or rule.discharged_until):
        return Place.UNDATED
    if rule.kept_beyond is None:
        return Place.COVERED
    until = stay.retained_until or _registry_until(stay, died)
    return Place.LEFT_OUT if until is not None and until <= rule.kept_beyond else Place.COVERED


def _registry_until(stay: Row[tuple[str, ...]], died: set[str]) -> date | None:
    said = [(CODES[0], stay.main_code)] + [(OUTCOME, DIED)] * (stay.patient_id in died)
    ended = date.fromisoformat(stay.discharged_at[:10]) if stay.discharged_at else None
    return retention_of(said, ended, retention_rules_here()).until


def _died(conn: Connection, facility: str) -> set[str]:
    query = select(registry_stay.c.patient_id).where(registry_stay.c.facility_id == facility)
    return set(conn.scalars(query.where(registry_stay.c.outcome == DIED)))
