"""Before stage 0, pipeline.inbox: boxes that arrived in a watched folder become batches that wait for their turn.

A box is a folder of scans; it has arrived when the scanner, or who copies by SFTP, lays a file `.done` into it.
"""

from pathlib import Path

import structlog
from sqlalchemy import select

from pipeline import ledger, turns
from pipeline.database import engine
from pipeline.migrate import BATCH_ID
from pipeline.settings import settings
from pipeline.tables import batch
from records.errors import SohoaError
from records.pages import Batch, Boundary

log = structlog.get_logger()
MARKER = ".done"


def register() -> tuple[list[str], list[str]]:
    """Enter every box that has arrived and is not known yet; their ids, and a sentence about each that cannot be."""
    inbox = settings().inbox
    if inbox is None:
        raise SohoaError('No inbox is set; name the watched folder in settings.toml: inbox = "/srv/scans"')
    if not inbox.is_dir():
        raise SohoaError(f"The inbox {inbox} is no folder; make it, or correct the setting 'inbox'.")
    entered, refused = [], []
    for marker in sorted(inbox.glob(f"*/{MARKER}")):
        try:
            entered += _enter(marker.parent)
        except SohoaError as error:
            refused.append(str(error))
    log.info("registered", boxes=len(entered), refused=len(refused))
    return entered, refused


def _enter(folder: Path) -> list[str]:
    """The box as a batch of its own name, in the queue; nothing where it is known already."""
    if not BATCH_ID.match(folder.name):
        raise SohoaError(f"'{folder.name}' cannot name a batch; use letters, digits, '.', '_' and '-', at most 120.")
    wanted = Batch(
        batch_id=folder.name, facility=settings().facility, folder=str(folder.resolve()), boundary=Boundary.SCAN
    )
    with engine(settings(), "pipeline").begin() as conn:
        if conn.scalar(select(batch.c.folder).where(batch.c.batch_id == folder.name)) == wanted.folder:
            return []
        ledger.open_batch(conn, wanted)
        return turns.queue(conn, [wanted.batch_id])
