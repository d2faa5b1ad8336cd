"""Beside stage 7, pipeline.quality_rounds: the suites asked again about every batch that waits for its loading."""

import structlog
from sqlalchemy import or_, select

from pipeline import steps
from pipeline.database import engine
from pipeline.settings import settings
from pipeline.tables import batch, page_count
from records.states import PageState

log = structlog.get_logger()


def check_waiting() -> dict[str, int]:
    """Batches asked about, and of these the ones that are held. A batch that passes now is loaded by its next run."""
    waits = select(page_count.c.batch_id).where(page_count.c.state == PageState.ASSEMBLED.value, page_count.c.pages > 0)
    query = select(batch.c.batch_id).where(or_(batch.c.state == "held", batch.c.batch_id.in_(waits)))
    with engine(settings(), "pipeline").connect() as conn:
        asked = list(conn.scalars(query.order_by(batch.c.batch_id)))
    held = [batch_id for batch_id in asked if not steps.check(batch_id)]
    log.info("checked_again", batches=len(asked), held=len(held))
    return {"asked": len(asked), "held": len(held)}
