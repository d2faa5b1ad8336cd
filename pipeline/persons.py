"""After stage 9, pipeline.persons: pairs of patients for officers to rule of, found with every load of a batch.

The workbench reads no row of the EMR: it sees the pairs, and the values where they stand on the pages. What it rules is
carried out here, with the loader's role.
"""

import structlog
from sqlalchemy import Connection, delete, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from loaders import persons
from loaders.context import is_provisional
from pipeline import patients
from pipeline.database import engine
from pipeline.settings import settings
from pipeline.tables import batch, file, person_pair
from records.base import Frozen
from records.errors import SohoaError
from transformers.candidates import merge_candidates

log = structlog.get_logger()
ONE, TWO = "one", "two"


class Ruling(Frozen):
    """What an officer said of a pair, and what the EMR has of it so far."""

    pair_id: int
    one_id: str
    other_id: str
    ruling: str
    ruled_by: str
    reason: str
    linked: str


def find_pairs(batch_id: str) -> int:
    """Note who of a batch's patients may be somebody else of the hospital; how many pairs wait for an officer now.

    A pair on which nobody has ruled, and which is none any more, goes.
    """
    with engine(settings(), "pipeline").connect() as conn:
        facility = conn.scalars(select(batch.c.facility_id).where(batch.c.batch_id == batch_id)).one()
        own = set(conn.scalars(select(file.c.patient_key).where(file.c.batch_id == batch_id))) - {None}
    with engine(settings(), "loader").connect() as conn:
        found = merge_candidates(persons.people_near(conn, facility, own))
    rows = [
        {"facility_id": facility, **one.model_dump(mode="json")} for one in found if {one.one, one.other} & own
    ]  # fmt: skip
    for row in rows:
        row["one_id"], row["other_id"] = row.pop("one"), row.pop("other")
    with engine(settings(), "pipeline").begin() as conn:
        _forget(conn, own, {(row["one_id"], row["other_id"]) for row in rows})
        if rows:
            conn.execute(upsert(person_pair).values(rows).on_conflict_do_nothing())
    return len(rows)


def carry_out(facility: str) -> None:
    """Bring the EMR's links to what officers ruled; what it refuses is kept with the pair, for them to read."""
    waiting = select(*(person_pair.c[name] for name in Ruling.model_fields))
    waiting = waiting.where(person_pair.c.facility_id == facility, ~person_pair.c.carried_out)
    with engine(settings(), "pipeline").connect() as conn:
        rulings = [
            Ruling.model_validate(row) for row in conn.execute(waiting.order_by(person_pair.c.ruled_at)).mappings()
        ]
    for one in rulings:
        linked, refused = one.linked, ""
        try:
            with engine(settings(), "loader").begin() as conn:
                linked = _linked(conn, one)
        except SohoaError as error:
            refused = str(error)
        own = (person_pair.c.pair_id == one.pair_id) & (person_pair.c.ruling == one.ruling)
        with engine(settings(), "pipeline").begin() as conn:
            conn.execute(update(person_pair).where(own).values(carried_out=True, linked=linked, refused=refused))
        log.info("persons", pair=one.pair_id, ruling=one.ruling, linked=bool(linked), refused=bool(refused))


def _linked(conn: Connection, one: Ruling) -> str:
    """The patient that stands merged for a ruling after this, '' for none."""
    if one.ruling != ONE:
        if one.linked and persons.standing_of(conn, one.linked) != one.linked:
            patients.unmerge(conn, one.linked, one.ruled_by, one.reason)
        return ""
    here, there = persons.standing_of(conn, one.one_id), persons.standing_of(conn, one.other_id)
    if here == there:
        return one.linked
    merged, into = (here, there) if is_provisional(here) else (there, here)
    patients.merge(conn, merged, into, one.ruled_by, one.reason)
    return merged


def _forget(conn: Connection, own: set[str], found: set[tuple[str, str]]) -> None:
    mine = person_pair.c.one_id.in_(own) | person_pair.c.other_id.in_(own)
    query = select(person_pair.c.pair_id, person_pair.c.one_id, person_pair.c.other_id)
    rows = conn.execute(query.where(mine, person_pair.c.ruling == "")).all()
    gone = [row.pair_id for row in rows if (row.one_id, row.other_id) not in found]
    conn.execute(delete(person_pair).where(person_pair.c.pair_id.in_(gone), person_pair.c.ruling == ""))
