"""Beside the dashboards, reporting.published: each day's forecast of each target is kept, to show its course."""

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline import targets
from pipeline.database import engine
from pipeline.settings import settings
from pipeline.tables import forecast_day, target
from reporting import paces


def publish() -> int:
    """Keep today's forecast of every target, in place of an earlier one of today; the number of targets."""
    with engine(settings(), "pipeline").begin() as conn:
        ids = list(conn.scalars(select(target.c.target_id).order_by(target.c.target_id)))
        day = paces.today(conn)
        for target_id in ids:
            _, told = paces.of_target(conn, settings().facility, targets.find_target(conn, target_id))
            row = {"target_id": target_id, "day": day, "told": told.model_dump(mode="json")}
            new = upsert(forecast_day).values(row)
            conn.execute(new.on_conflict_do_update(index_elements=["target_id", "day"], set_=row))
    return len(ids)
