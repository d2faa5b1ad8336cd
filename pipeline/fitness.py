"""Before stage 2, pipeline.fitness: whether a worker may work here: by its software, and by its clock."""

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline import contracts
from pipeline.database import engine
from pipeline.settings import Settings
from pipeline.tables import installation
from records.errors import SohoaError

SOFTWARE = "software"
CLOCK_SECONDS = 60


def stamp(settings: Settings) -> None:
    """Write down what this installation runs; done where it is set up."""
    row = {"name": SOFTWARE, "value": contracts.running_fingerprint(())}
    with engine(settings, "pipeline").begin() as conn:
        conn.execute(upsert(installation).values(row).on_conflict_do_update(index_elements=["name"], set_=row))


def objection(conn: Connection, now: datetime) -> str:
    """Why this worker must not work here, in a sentence; empty: it may. Times are UTC, the database's are right."""
    found = conn.execute(
        select(func.clock_timestamp().label("now"), select(installation.c.value).where(
            installation.c.name == SOFTWARE).scalar_subquery().label("software"))
    ).one()  # fmt: skip
    off = (now - found.now).total_seconds()
    if abs(off) > CLOCK_SECONDS:
        return f"This machine's clock is {abs(off):.0f} s {'fast' if off > 0 else 'slow'}; set it (chrony, NTP)."
    own = contracts.running_fingerprint(())
    if found.software and found.software != own:
        return f"This worker has other software ({own}) than the installation ({found.software}); update it."
    return ""


def refuse(settings: Settings) -> None:
    """SohoaError where this machine must not start a worker."""
    with engine(settings, "pipeline").connect() as conn:
        if why := objection(conn, datetime.now(UTC)):
            raise SohoaError(why)
