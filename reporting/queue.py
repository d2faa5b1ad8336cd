"""Beside stage 8, reporting.queue: what waits for officers becomes a page of counts, without a name or value."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from sqlalchemy import text

from pipeline.database import engine
from pipeline.settings import settings
from records.base import Frozen
from records.clock import VIETNAM
from records.document_types import title_of

TEMPLATES = Path(__file__).resolve().parent / "templates"
STYLE = (TEMPLATES / "queue.css").read_text(encoding="utf-8")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
WAITING = text(
    "SELECT document_type, documents, values, taken, stopped, oldest FROM reporting.documents_waiting_by_type "
    "ORDER BY documents DESC, document_type"
)
LOADED = text("SELECT documents FROM reporting.documents_loaded_today")


class Waiting(Frozen):
    """Documents of one form: `documents` may be decided, with `values` open; `taken` of them officers have now;
    `stopped` wait for a question about their file. `oldest`: since when the first has waited."""

    document_type: str
    documents: int
    values: int
    taken: int
    stopped: int
    oldest: datetime


class Queue(Frozen):
    """What waits by form, most first, and the documents loaded since midnight in Vietnam."""

    waiting: tuple[Waiting, ...]
    loaded_today: int


def counts() -> Queue:
    """As the role `reporting` sees it, which may read views of counts and no table."""
    with engine(settings(), "reporting").connect() as conn:
        rows = conn.execute(WAITING).mappings().all()
        loaded: int = conn.execute(LOADED).scalar_one()
    return Queue(waiting=tuple(Waiting.model_validate(dict(row)) for row in rows), loaded_today=loaded)


def page(queue: Queue) -> str:
    """The counts as HTML, times in Vietnam."""
    return _TEMPLATES.get_template("queue.html").render(
        queue=queue, total=_total(queue.waiting), title=title_of, moment=_moment, style=STYLE, now=datetime.now(VIETNAM)
    )


def _total(waiting: Sequence[Waiting]) -> dict[str, int]:
    return {name: sum(getattr(one, name) for one in waiting) for name in ("documents", "values", "taken", "stopped")}


def _moment(at: datetime) -> str:
    return f"{at.astimezone(VIETNAM):%H:%M %d/%m/%Y}"


_TEMPLATES = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
