"""Before stage 2, pipeline.fitness: whether a worker may work here: by its software, and by its clock."""

from datetime import UTC, datetime

from sqlalchemy import Connection, func, select

from pipeline import contracts, stamps
from pipeline.database import engine
from pipeline.settings import Settings
from records.errors import SohoaError

CLOCK_SECONDS = 60


def stamp(settings: Settings) -> None:
    """Write down what this installation runs; done where it is set up."""
    with engine(settings, "pipeline").begin() as conn:
        stamps.put(conn, stamps.SOFTWARE, contracts.running_fingerprint(()))


def objection(conn: Connection, now: datetime) -> str:
    """Why this worker must not work here, in a sentence; empty: it may. Times are UTC, the database's are right."""
    software, right = stamps.get(conn, stamps.SOFTWARE), conn.scalars(select(func.clock_timestamp())).one()
    off = (now - right).total_seconds()
    if abs(off) > CLOCK_SECONDS:
        return f"This machine's clock is {abs(off):.0f} s {'fast' if off > 0 else 'slow'}; set it (chrony, NTP)."
    own = contracts.running_fingerprint(())
    if software and software.value != own:
        return f"This worker has other software ({own}) than the installation ({software.value}); update it."
    return ""


def refuse(settings: Settings) -> None:
    """SohoaError where this machine must not start a worker."""
    with engine(settings, "pipeline").connect() as conn:
        if why := objection(conn, datetime.now(UTC)):
            raise SohoaError(why)
