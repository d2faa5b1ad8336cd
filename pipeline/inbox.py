"""Before stage 0, pipeline.inbox: boxes that arrived in a watched folder become batches that wait for their turn.

A box is a folder of scans; it has arrived when the scanner, or who copies by SFTP, lays a file `.done` into it. The
watched folder may lie elsewhere, at a URL of fsspec; a box is copied from there before it is entered.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

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
    if not settings().inbox:
        raise SohoaError('No inbox is set; name the watched folder in settings.toml: inbox = "/srv/scans"')
    entered, refused = [], []
    for name, folder in _arrived(settings().inbox):
        try:
            if not BATCH_ID.match(name):
                raise SohoaError(f"'{name}' cannot name a batch; use letters, digits, '.', '_' and '-', at most 120.")
            entered += _enter(folder())
        except SohoaError as error:
            refused.append(str(error))
    log.info("registered", boxes=len(entered), refused=len(refused))
    return entered, refused


def _arrived(inbox: str) -> list[tuple[str, Callable[[], Path]]]:
    """(name, where its scans lie on this machine) of each box, by name; one from elsewhere is fetched when asked."""
    if "://" in inbox:
        return _arrived_elsewhere(inbox)
    folder = Path(inbox).expanduser()
    if not folder.is_dir():
        raise SohoaError(f"The inbox {folder} is no folder; make it, or correct the setting 'inbox'.")
    boxes = [marker.parent for marker in sorted(folder.glob(f"*/{MARKER}"))]
    return [(box.name, partial(Path, box)) for box in boxes]


def _arrived_elsewhere(inbox: str) -> list[tuple[str, Callable[[], Path]]]:
    import fsspec

    try:
        fs, root = fsspec.core.url_to_fs(inbox, use_listings_cache=False)
        markers = sorted(str(found) for found in fs.glob(f"{str(root).rstrip('/')}/*/{MARKER}"))
    except (OSError, ValueError, ImportError) as error:
        raise SohoaError(f"The inbox {inbox} cannot be read ({error}); correct the setting 'inbox'.") from error
    boxes = [marker.rpartition("/")[0] for marker in markers]
    return [(box.rpartition("/")[2], partial(_fetched, fs, box)) for box in boxes]


def _fetched(fs: Any, box: str) -> Path:
    """A copy in home/inbox, whole or not at all; made once."""
    folder = settings().home / "inbox"
    folder.mkdir(parents=True, exist_ok=True)
    own = folder / box.rpartition("/")[2]
    if not own.exists():
        with tempfile.TemporaryDirectory(dir=folder) as made:
            fs.get(f"{box}/", f"{made}/box/", recursive=True)
            Path(made, "box").rename(own)
    return own


def _enter(folder: Path) -> list[str]:
    """The box as a batch of its own name, in the queue; nothing where it is known already."""
    wanted = Batch(
        batch_id=folder.name, facility=settings().facility, folder=str(folder.resolve()), boundary=Boundary.SCAN
    )
    with engine(settings(), "pipeline").begin() as conn:
        if conn.scalar(select(batch.c.folder).where(batch.c.batch_id == folder.name)) == wanted.folder:
            return []
        ledger.open_batch(conn, wanted)
        return turns.queue(conn, [wanted.batch_id])
