"""Beside every stage, pipeline.stamps: when something that must happen again and again did so last, and how it went."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline.tables import installation

POLLER, VERIFIED, CLEANED, SOFTWARE = "poller", "verified", "airflow_cleaned", "software"


class Stamp(NamedTuple):
    """`age`: seconds since, by the database's clock."""

    value: str
    at: datetime
    age: float


def put(conn: Connection, name: str, value: str = "") -> None:
    """It happened now."""
    row = {"name": name, "value": value, "stamped_at": func.clock_timestamp()}
    conn.execute(upsert(installation).values(row).on_conflict_do_update(index_elements=["name"], set_=row))


def get(conn: Connection, name: str) -> Stamp | None:
    """When it happened last; None: never."""
    age = func.extract("epoch", func.clock_timestamp() - installation.c.stamped_at)
    query = select(installation.c.value, installation.c.stamped_at, age).where(installation.c.name == name)
    row = conn.execute(query).one_or_none()
    return Stamp(row[0], row[1], float(row[2])) if row else None
