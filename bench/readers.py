"""Beside the product, bench.readers: the product's own ways to read, each from a page's file to its text and fields.

What a reader needs is imported when it is made, so that it pays for nothing of another's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.peer_readers import PEERS, Read

if TYPE_CHECKING:
    from records.documents import PageReading
    from records.pages import MediaType


class PageJob(NamedTuple):
    """One page to read; `number` counts from 1."""

    path: Path
    number: int
    engine: str


def read_page(job: PageJob) -> PageReading:
    """A page as the product's workers read it: by its text layer where that can be trusted, else as a picture."""
    from extractors.intake import decode_page
    from extractors.limits import Limits
    from extractors.page import read_born_digital, read_image

    (data, media_type), page_id = _opened(job.path), f"{job.path.name}-{job.number}"
    if found := read_born_digital(page_id, data, media_type, job.number):
        return found
    rgb, dpi = decode_page(data, media_type, job.number, Limits())
    return read_image(page_id, rgb, dpi, media_type, job.engine)


@lru_cache(maxsize=1)
def _opened(path: Path) -> tuple[bytes, MediaType]:
    from extractors.intake import inspect
    from extractors.limits import Limits

    data = path.read_bytes()
    return data, inspect(data, path.name, Limits())[0]


def _sohoa(engine: str) -> Read:
    """The product's own way from a page to values with their verdicts; no database, each page a file of its own."""
    import cv2

    from extractors.page import warm_reader
    from pipeline.assembly import assemble_file
    from pipeline.grouping import FilePage
    from records.document_types import document_types

    cv2.setNumThreads(1)
    warm_reader(engine)
    types = document_types()

    def read(path: Path, number: int) -> dict[str, Any]:
        found = read_page(PageJob(path, number, engine))
        kept = (FilePage(page_id=found.image.page_id, reading=found),) if found.document_type in types else ()
        documents = assemble_file(path.name, kept, types, {}).documents
        values = [v.value for document in documents for v in document.values]
        fields = [{"name": v.field, "value": v.value, "box": list(v.reading.box.model_dump().values())} for v in values]
        return {
            "text": found.text.text,
            "document_type": found.document_type,
            "rotation": found.image.turn,
            "fields": fields,
        }

    return read


OWN: dict[str, Callable[[], Read]] = {
    "sohoa": lambda: _sohoa("neural"),
    "sohoa-tesseract": lambda: _sohoa("tesseract"),
    "sohoa-portable": lambda: _sohoa("portable"),
}
READERS = (*OWN, *PEERS)
BY_DEFAULT = tuple(name for name in READERS if name != "sohoa-portable")
