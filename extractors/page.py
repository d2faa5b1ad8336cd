"""Stages 2-5 of one page, extractors.page: from the bytes of a scan to everything that was read on one of its pages."""

import time
from functools import cache, partial
from typing import Any

from numpy.typing import NDArray

from extractors import films
from extractors.born_digital import text_layer
from extractors.clinical import meaning
from extractors.documents import PageClass, classify
from extractors.fields import Found, find_fields
from extractors.images import CleanPage, upright
from extractors.ocr import peek_at
from extractors.readers import Reader, ValueText, make_reader
from extractors.rows import Row, letter_height, page_to_rows
from extractors.tables import find_tables, nothing_there
from records.document_types import DocumentType, document_types
from records.documents import FieldReading, PageReading
from records.pages import MediaType, PageImage, PageText, around

BLANK = "blank"
RUNNING_TEXT = ("text", "long_text")
MEANING_IN_DOUBT = 0.5  # two readings differ in a number, a side, a negation, a stage


def read_born_digital(page_id: str, data: bytes, media_type: MediaType, number: int) -> PageReading | None:
    """The page by its PDF's own text layer, or None when it has no trustworthy one."""
    if media_type is not MediaType.PDF:
        return None
    started = time.process_time()
    found = text_layer(page_id, data, number)
    return _reading(found[0], found[1], None, None, started) if found else None


def read_image(page_id: str, rgb: NDArray[Any], dpi: float, media_type: MediaType, reader_name: str) -> PageReading:
    """The page by OCR. `rgb`: HxWx3 uint8 as it lies in the file; a blank page pays for no reading."""
    started = time.process_time()
    reader = warm_reader(reader_name)
    film = media_type is MediaType.DICOM or films.is_film(rgb)
    paper = films.as_paper(rgb) if film else rgb
    clean = upright(page_id, paper, dpi, lambda page: 0 if film else reader.turn(page), reader.long_side)
    if clean.image.blank and not film:
        nothing = PageText(page_id=page_id, engine=reader.name, lines=())
        seconds = time.process_time() - started
        return PageReading(
            image=clean.image, text=nothing, document_type=BLANK, titled=False, score=100, readings=(), seconds=seconds
        )
    text = reader.read_page(page_id, clean)
    return _reading(clean.image, text, clean, reader, started, films.FILM if film else "")


@cache
def warm_reader(name: str) -> Reader:
    """One reader per process, its engines kept loaded."""
    return make_reader(name)


def _reading(
    image: PageImage,
    text: PageText,
    clean: CleanPage | None,
    reader: Reader | None,
    started: float,
    known_type: str = "",
) -> PageReading:
    rows = page_to_rows(text)
    types = document_types()
    kind = PageClass(known_type, True, 100.0) if known_type else classify(rows, image.height_px, types)
    em = letter_height([list(line.words) for line in text.lines])
    found = _found(rows, em, types[kind.document_type], clean, reader)
    readings = tuple(_field_reading(f, em, image, text.engine, clean, reader) for f in found)
    seconds = round(time.process_time() - started, 3)
    return PageReading(
        image=image, text=text, document_type=kind.document_type, titled=kind.titled, score=kind.score,
        readings=readings, seconds=seconds,
    )  # fmt: skip


def _found(
    rows: list[Row], em: float, document_type: DocumentType, clean: CleanPage | None, reader: Reader | None
) -> list[Found]:
    """Cells of the form's tables, then its labelled fields on the rows outside them. `em`: word height in pixels."""
    rulings = clean.rulings if clean else ()
    peek = partial(peek_at, clean.text, reader, em) if clean and reader else nothing_there
    tables = find_tables(rows, document_type, em, rulings, peek)
    inside = {i for table in tables for i in range(table.first, table.end)}
    outside = [row for i, row in enumerate(rows) if i not in inside]
    return [f for table in tables for f in table.found] + find_fields(outside, document_type, em, rulings)


def _field_reading(
    found: Found, em: float, image: PageImage, engine: str, clean: CleanPage | None, reader: Reader | None
) -> FieldReading:
    """A reading with its place in the file; each value cut from its label and read once more by itself."""
    read = ValueText(found.raw, found.confidence)
    if clean and reader and found.raw:
        read = reader.read_value(clean, [around([w.box for w in row]) for row in found.rows if row], found.kind, read)
    confidence = read.confidence
    if found.kind in RUNNING_TEXT and any(meaning(read.text) != meaning(other) for other in read.others):
        confidence = min(confidence, MEANING_IN_DOUBT)
    return FieldReading(
        field=found.field, raw=read.text, confidence=round(confidence, 4), page_id=image.page_id,
        box=image.in_file(found.roomy_box(em)), engine=engine, method=found.method, others=read.others,
    )  # fmt: skip
