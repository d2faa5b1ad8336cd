"""Stages 1-10 without Airflow, pipeline.migrate: a folder becomes EMR rows and a result, with a progress bar."""

import hashlib
import re
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline import steps
from pipeline.children import Workers
from pipeline.contracts import keep_synthetic
from pipeline.database import engine, migrate
from pipeline.document_types import check_document_types
from pipeline.result import batch_result
from pipeline.settings import settings
from records.document_types import document_types
from records.errors import SohoaError
from records.pages import Batch, Boundary

BATCH_ID = re.compile(r"^[\w.-]{1,120}$")


def wanted_batch(folder: Path, batch_id: str = "", facility: str = "", boundary: Boundary = Boundary.SCAN) -> Batch:
    """The batch of a folder; its id defaults to the folder's name and 8 hex digits of its absolute path."""
    if not folder.is_dir():
        raise SohoaError(f"{folder} is not a folder; give the folder that holds the scans.")
    whole = folder.expanduser().resolve()
    name = re.sub(r"[^\w.-]+", "-", whole.name) or "batch"
    chosen = batch_id or f"{name}-{hashlib.sha256(str(whole).encode()).hexdigest()[:8]}"
    if not BATCH_ID.match(chosen):
        raise SohoaError(f"'{chosen}' cannot name a batch; use letters, digits, '.', '_' and '-', at most 120.")
    return Batch(batch_id=chosen, facility=facility or settings().facility, folder=str(whole), boundary=boundary)


def make_ready() -> None:
    """Check forms and what the readers need, and bring the database up to date, before anything is taken in."""
    from extractors.ocr import check_languages

    check_document_types(document_types())
    check_languages()
    migrate(settings())
    with engine(settings()).begin() as conn:
        keep_synthetic(conn)


def migrate_folder(wanted: Batch, workers: int, console: Console, reread: bool = False) -> dict[str, Any]:
    """Receive, read, assemble, check, load and account for a folder; the result as RESULT.md defines it."""
    make_ready()
    with Workers(workers, settings()) as children:
        received = steps.receive(wanted, children)
        if reread:
            steps.reread(wanted.batch_id)
        ids = steps.waiting(wanted.batch_id)
        with _bar(console) as bar:
            task = bar.add_task("Đọc trang / reading", total=len(ids))
            steps.extract(ids, children, lambda n: bar.advance(task, n))
        steps.assemble(wanted.batch_id, children)
    if steps.check(wanted.batch_id):
        steps.load(wanted.batch_id)
    steps.account(wanted.batch_id)
    with engine(settings()).connect() as conn:
        return batch_result(conn, wanted.batch_id, received.skipped)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )
