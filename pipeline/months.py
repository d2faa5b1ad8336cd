"""Before stage 0, pipeline.months: a month of discharges becomes the batches that hold it, waiting for their turn."""

import structlog
from sqlalchemy import exists, func, select

from pipeline import turns
from pipeline.database import engine
from pipeline.settings import settings
from pipeline.tables import batch, page, registry_stay

log = structlog.get_logger()


def queue_month(month: str) -> list[str]:
    """Queue the batches, named as their box, with a stay discharged in a month ('2019-07') and nothing read yet."""
    stay = registry_stay.c
    of_month = (stay.facility_id == batch.c.facility_id) & (stay.box == batch.c.batch_id)
    of_month &= func.left(stay.discharged_at, 7) == month
    held = exists().where(of_month)
    begun = exists().where(page.c.batch_id == batch.c.batch_id)
    query = select(batch.c.batch_id).where(held, ~begun, batch.c.closed_at.is_(None)).order_by(batch.c.batch_id)
    with engine(settings(), "pipeline").begin() as conn:
        queued = turns.queue(conn, conn.scalars(query).all())
    log.info("month_queued", month=month, batches=len(queued))
    return queued
