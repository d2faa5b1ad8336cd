"""Beside the product, bench.readers: who takes part, each as a function from a page's file to its text and fields.

What a reader needs is imported when it is made, so that it pays for nothing of another's.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from bench.truth import ReadField, ReadPage

Read = Callable[[Path, int], tuple[str, ReadPage]]


def _sohoa(engine: str) -> Read:
    """The product's own way from a page to values with their verdicts; no database, each page a file of its own."""
    import cv2

    from extractors.intake import decode_page, inspect
    from extractors.limits import Limits
    from extractors.page import read_born_digital, read_image, warm_reader
    from pipeline.assembly import FilePage, assemble_file
    from records.document_types import document_types
    from records.pages import MediaType

    cv2.setNumThreads(1)
    warm_reader(engine)
    types, limits = document_types(), Limits()

    @lru_cache(maxsize=1)
    def opened(path: Path) -> tuple[bytes, MediaType]:
        data = path.read_bytes()
        return data, inspect(data, path.name, limits)[0]

    def read(path: Path, number: int) -> tuple[str, ReadPage]:
        data, media_type = opened(path)
        page_id = f"{path.name}-{number}"
        found = read_born_digital(page_id, data, media_type, number)
        if found is None:
            rgb, dpi = decode_page(data, media_type, number, limits)
            found = read_image(page_id, rgb, dpi, media_type, engine)
        kept = () if found.image.blank else (FilePage(page_id=page_id, reading=found),)
        documents = assemble_file(path.name, kept, types, {}).documents
        fields = tuple(
            ReadField(name=v.value.field, value=v.value.value, box=tuple(v.value.reading.box.model_dump().values()))
            for document in documents
            for v in document.values
        )
        page = ReadPage(file="", page=0, document_type=found.document_type, rotation=found.image.turn, fields=fields)
        return found.text.text, page

    return read


def _plain() -> Read:
    from bench.plain import read_plainly

    def read(path: Path, number: int) -> tuple[str, ReadPage]:
        text, kind, rotation, fields = read_plainly(path, number)
        return text, ReadPage(file="", page=0, document_type=kind, rotation=rotation, fields=fields)

    return read


READERS: dict[str, Callable[[], Read]] = {
    "sohoa": lambda: _sohoa("auto"),
    "sohoa-portable": lambda: _sohoa("portable"),
    "pytesseract-and-regex": _plain,
}
