"""Before stage 2, pipeline.turns: which batch is read next, what rests, and how many chunks are read at once.

Order: batches that somebody waits for, then by the target's deadline, by how many of the box's patients have cancer and
were here in the last years; boxes in which a retention of ten years ends within two, the oldest first; then as they
were queued, so that a backfill keeps its order.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, delete, exists, func, literal, nulls_last, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline.settings import Settings
from pipeline.tables import batch, page_count, pause, registry_stay, target
from records.clock import VIETNAM
from records.errors import SohoaError
from records.states import PageState

EVERYTHING = ""  # the batch id that stands for all
AGAIN = timedelta(seconds=60)  # after which a chunk that may not begin asks again
CANCER = "^(C|D0|D3[7-9]|D4)"  # ICD-10 chapters of malignant, in-situ and uncertain neoplasms
ACTIVE_YEARS = 5
ENDING_YEARS = 8  # after which the shortest retention, of ten years, ends soon


def queue(conn: Connection, batch_ids: Iterable[str]) -> list[str]:
    """Let batches wait for their turn, in this order; those that were not waiting before. SohoaError for one that does
    not exist."""
    ids = list(batch_ids)
    _refuse_unknown(conn, ids)
    done = update(batch).where(batch.c.queued_at.is_(None)).values(queued_at=func.clock_timestamp())
    return [one for one in ids if conn.execute(done.where(batch.c.batch_id == one)).rowcount]


def hurry(conn: Connection, batch_id: str, *, on: bool = True) -> None:
    """Put a batch before all others, or no longer; it waits for its turn from now on."""
    queue(conn, [batch_id])
    conn.execute(update(batch).where(batch.c.batch_id == batch_id).values(urgent=on))


def begun(conn: Connection, batch_id: str) -> None:
    """A batch has had its turn."""
    had = {"queued_at": None, "begun_at": func.clock_timestamp()}
    conn.execute(update(batch).where(batch.c.batch_id == batch_id).values(had))


def in_turn() -> Select[Any]:
    """The query for batches that wait and do not rest, the next first: (batch_id, urgent)."""
    stay = registry_stay.c
    of_box = (stay.facility_id == batch.c.facility_id) & (stay.box == batch.c.batch_id)
    lately = func.to_char(func.now() - func.make_interval(ACTIVE_YEARS), "YYYY-MM-DD")
    active = select(func.count()).where(of_box, stay.main_code.op("~")(CANCER), stay.discharged_at >= lately)
    long_ago = func.to_char(func.now() - func.make_interval(ENDING_YEARS), "YYYY-MM-DD")
    ending = func.min(stay.discharged_at).filter(stay.discharged_at < long_ago)
    oldest = select(ending).where(of_box, stay.discharged_at != "")
    return (
        select(batch.c.batch_id, batch.c.urgent)
        .outerjoin(target, target.c.target_id == batch.c.target_id)
        .where(batch.c.queued_at.is_not(None), ~rests(batch.c.batch_id))
        .order_by(
            batch.c.urgent.desc(), nulls_last(target.c.deadline), active.scalar_subquery().desc(),
            nulls_last(oldest.scalar_subquery()), batch.c.queued_at, batch.c.batch_id,
        )
    )  # fmt: skip


def rest(conn: Connection, batch_id: str, by: str, reason: str) -> None:
    """Begin no chunk of a batch (EVERYTHING: of any) until it is resumed; what is being read is finished."""
    _refuse_unknown(conn, [batch_id] if batch_id else [])
    row = {"batch_id": batch_id, "paused_by": by, "reason": reason}
    conn.execute(upsert(pause).values(row).on_conflict_do_update(index_elements=["batch_id"], set_=row))


def resume(conn: Connection, batch_id: str) -> bool:
    """Go on; False when nothing rested."""
    _refuse_unknown(conn, [batch_id] if batch_id else [])
    return bool(conn.execute(delete(pause).where(pause.c.batch_id == batch_id)).rowcount)


def resting(conn: Connection) -> dict[str, str]:
    """What rests, with the reason."""
    return {row.batch_id: row.reason for row in conn.execute(select(pause).order_by(pause.c.batch_id))}


def held_until(conn: Connection, batch_id: str, now: datetime) -> datetime | None:
    """When a chunk of this batch may ask again; None when it may begin: the batch does not rest, and is urgent itself
    or no urgent one has pages to read."""
    waits = exists().where(
        page_count.c.batch_id == batch.c.batch_id,
        page_count.c.state == PageState.RECEIVED.value,
        page_count.c.pages > 0,
    )
    hurried = exists().where(batch.c.urgent, batch.c.batch_id != batch_id, waits, ~rests(batch.c.batch_id))
    urgent = conn.scalar(select(batch.c.urgent).where(batch.c.batch_id == batch_id))
    held = conn.scalar(select(rests(literal(batch_id)))) or (not urgent and conn.scalar(select(hurried)))
    return now + AGAIN if held else None


def slots(chosen: Settings, now: datetime) -> int:
    """How many chunks are read at once at this hour: all at night, by day a share, but one at least."""
    hour, night = now.astimezone(VIETNAM).time(), (chosen.night_from, chosen.night_until)
    at_night = night[0] <= hour or hour < night[1] if night[0] > night[1] else night[0] <= hour < night[1]
    return chosen.workers if at_night else max(1, int(chosen.workers * chosen.day_share))


def rests(batch_id: Any) -> Any:
    """Whether a batch (a column, or a literal) rests, or everything does."""
    return exists().where(or_(pause.c.batch_id == EVERYTHING, pause.c.batch_id == batch_id))


def _refuse_unknown(conn: Connection, batch_ids: Sequence[str]) -> None:
    known = set(conn.scalars(select(batch.c.batch_id).where(batch.c.batch_id.in_(batch_ids))))
    if strange := [one for one in batch_ids if one not in known]:
        raise SohoaError(f"There is no batch '{strange[0]}'; enter it with: sohoa batch create FOLDER --batch NAME")
