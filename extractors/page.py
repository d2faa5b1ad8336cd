"""Stages 2-5 of one page, extractors.page: from the bytes of a scan to everything that was read on one of its pages."""

import time
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors import films
from extractors.born_digital import text_layer
from extractors.boxes import Boxes
from extractors.clinical import meaning
from extractors.documents import PageClass, classify
from extractors.fields import BOXED, BoxReader, find_fields, no_boxes
from extractors.film_fields import figures_better, find_film_fields, frames_of, is_marker, places_of
from extractors.found import Found
from extractors.images import FEWEST_LETTERS, CleanPage, Gray, Orientation, upright
from extractors.ocr import peek_at
from extractors.readers import Reader, ValueText, make_reader
from extractors.rows import page_to_rows, text_height
from extractors.separators import SeparatorLook, look_for_separator
from extractors.spreads import fold_of
from extractors.tables import Peek, find_tables, nothing_there
from extractors.words import crop_of
from extractors.writing import writing_detector
from records.document_types import document_types
from records.documents import FieldReading, PageReading
from records.errors import UnreadableScan
from records.pages import Box, Line, MediaType, PageImage, PageText, Rulings, Word, Writing, around

BLANK, SEPARATOR, DOUBTFUL = "blank", "separator", "doubtful_separator"
SMALLEST = 16  # pixels of a page's side
HEADER = 0.38  # of a page's height: title, identity and numbers stand in it
FEW_LETTERS = 2  # of a film: what is read so short may be part of a larger letter
DOUBT = 0.6  # confidence of a film's line, under which it is read again
AS_PRINTED = "identifier"  # a kind that no language bends
WHOLE = 2.0  # beyond the page's foot
WHOSE = frozenset({"patient.name", "patient.id", "encounter.number"})  # without one the guard cannot place a page
MAYBE_BY_HAND = 0.2  # probability; at 0.5 a third of neat handwriting passes for print
RUNNING_TEXT = ("text", "long_text")
TRUSTED = 0.5  # of a word on a pale page
MEANING_IN_DOUBT = 0.5  # two readings differ in a number, a side, a negation, a stage


def read_born_digital(
    page_id: str, data: bytes, media_type: MediaType, number: int, ruled_type: str = ""
) -> PageReading | None:
    """The page by its PDF's own text layer, or None when it has no trustworthy one. `ruled_type`: see `read_image`."""
    if media_type is not MediaType.PDF:
        return None
    started = time.process_time()
    layer = text_layer(page_id, data, number)
    if layer is None:
        return None
    image, text = layer
    kind = _as_ruled(classify(page_to_rows(text), image.height_px, document_types()), ruled_type)
    em = text_height(text)
    found = _found(text, kind, em, (), nothing_there)
    readings = [_field_reading(one, em, image, text.engine, ValueText(one.raw, one.confidence)) for one in found]
    return _reading(image, text, kind, readings, started)


def read_image(
    page_id: str,
    rgb: NDArray[Any],
    dpi: float,
    media_type: MediaType,
    reader_name: str,
    ruled_type: str = "",
    ruled_turn: int | None = None,
) -> PageReading:
    """The page by OCR. `rgb`: HxWx3 uint8 as it lies in the file. What a person said of it: `ruled_type`, the form;
    `ruled_turn`, how it lies (see `PageImage.turn`); '' and None where nobody did.

    UnreadableScan where it is but a few pixels wide or high, or too pale to be read. Cheap first: a blank page or a
    separator pays for no reading, a page of an index-only form for its header only.
    """
    started = time.process_time()
    if min(rgb.shape[:2]) < SMALLEST:
        raise UnreadableScan("page_unreadable", f"{rgb.shape[1]} x {rgb.shape[0]} pixels")
    reader = warm_reader(reader_name)
    film = media_type is MediaType.DICOM or films.is_film(rgb)
    look = SeparatorLook() if film else look_for_separator(rgb)
    if film:
        return _read_film(page_id, films.windowed(rgb), dpi, reader, ruled_type, ruled_turn, started)
    turn = None if look.code else _turn(reader, ruled_turn)
    clean = upright(page_id, rgb, dpi, turn, reader.long_side)
    if look.code or clean.image.blank:
        return _reading(clean.image, *_nothing_to_read(clean.image, reader.name, look.code), [], started)
    text, kind = _text(page_id, clean, reader, DOUBTFUL if look.doubt else "", ruled_type)
    if clean.pale and not _legible(text):
        raise UnreadableScan("too_pale", f"{len(text.lines)} lines")
    return _reading(clean.image, text, kind, _read_fields(text, kind, clean, reader), started)


def _read_film(
    page_id: str, film: Gray, dpi: float, reader: Reader, ruled_type: str, ruled_turn: int | None, started: float
) -> PageReading:
    """A film's burnt-in text, wherever it stands, after turning and mirroring it back."""
    paper = films.as_paper(film)
    lie = reader.lie(paper, ruled_turn)
    laid = np.ascontiguousarray(paper[:, ::-1]) if lie.mirrored else paper
    turn = -lie.turn % 360 if lie.mirrored else lie.turn
    fine = max(reader.long_side, min(max(paper.shape), films.FINEST))
    clean = upright(page_id, np.repeat(laid[:, :, None], 3, axis=2), dpi, lambda _: turn, fine)
    known = PageClass(films.FILM, True, 100.0)
    lines = _with_figures(reader.open(clean).lines(0.0, WHOLE), clean.text, reader)
    large = films.with_large_letters(np.ascontiguousarray(film[:, ::-1]) if lie.mirrored else film)
    lines += _marker_lines(films.laid_upright(large, clean.image), reader, lines)
    text = PageText(page_id=page_id, engine=reader.name, lines=lines)
    kind, readings = _as_ruled(known, ruled_type), []
    image = films.mirrored_back(clean.image, lie.turn) if lie.mirrored else clean.image
    places = places_of(text)
    image = image.model_copy(update={"frames": frames_of(places)})
    if kind is known:
        em = text_height(text)
        for one, seen in find_film_fields(places):
            first = ValueText(one.raw, one.confidence)
            again = reader.read_value(clean, [one.box], AS_PRINTED, first)
            others = tuple(dict.fromkeys(filter(None, (again.text, *again.others, *seen))))
            read = ValueText(first.text, min(first.confidence, again.confidence), others)
            readings.append(_field_reading(one, em, image, text.engine, read))
    return _reading(image, text, kind, readings, started)


def _with_figures(lines: tuple[Line, ...], letters: Gray, reader: Reader) -> tuple[Line, ...]:
    """Lines in doubt are read again as figures: where that shows a day or a number, it stands for them."""
    doubtful = [at for at, line in enumerate(lines) if min(w.confidence for w in line.words) < DOUBT]
    again = dict(zip(doubtful, reader.figures(letters, [lines[at].box for at in doubtful]), strict=True))
    better = {at: figures_better(one, lines[at]) for at, one in again.items()}
    return tuple(better.get(at) or line for at, line in enumerate(lines))


def _marker_lines(letters: Gray, reader: Reader, lines: tuple[Line, ...]) -> tuple[Line, ...]:
    """Large letters by themselves that tell a side, which the finder of lines passes over or reads without a part."""
    boxes = films.markers(letters, [n.box for n in lines if len(n.text) > FEW_LETTERS])
    places = [(box, *reader.read_crop(letters, box)) for box in boxes]
    words = [Word(text=text, confidence=sure, box=box) for box, text, sure in places if is_marker(text)]
    return tuple(Line(words=(word,)) for word in words)


def _nothing_to_read(image: PageImage, engine: str, code: str) -> tuple[PageText, PageClass]:
    """A separator with its code, or a blank page."""
    sheet = Box(left=0, top=0, right=image.width_px, bottom=image.height_px)
    lines = (Line(words=(Word(text=code, confidence=1.0, box=sheet),)),) if code else ()
    text = PageText(page_id=image.page_id, engine="zxing-cpp" if code else engine, lines=lines)
    return text, PageClass(SEPARATOR if code else BLANK, False, 100.0)


def _turn(reader: Reader, known: int | None) -> Orientation:
    """How a page lies: as it is known to, else as the reader finds it."""
    return reader.turn if known is None else lambda _: known


def _as_ruled(found: PageClass, ruled_type: str) -> PageClass:
    """The form that a person named; her word is no title, so that the page may go on from the one before."""
    return found if ruled_type in ("", found.document_type) else PageClass(ruled_type, False, 100.0)


def _legible(text: PageText) -> bool:
    """Whether most letters of a pale page were read with some trust."""
    words = [word for line in text.lines for word in line.words]
    letters = sum(len(word.text) for word in words)
    return sum(len(word.text) for word in words if word.confidence >= TRUSTED) >= max(FEWEST_LETTERS, letters / 2)


def read_all(page_id: str, rgb: NDArray[Any], dpi: float, reader_name: str, ruled_turn: int | None = None) -> PageText:
    """Every line of a page, whatever form it is."""
    reader = warm_reader(reader_name)
    clean = upright(page_id, rgb, dpi, _turn(reader, ruled_turn), reader.long_side)
    return PageText(page_id=page_id, engine=reader.name, lines=reader.open(clean).lines(0.0, WHOLE))


@cache
def warm_reader(name: str) -> Reader:
    """One reader per process, its engines kept loaded."""
    return make_reader(name)


def _text(
    page_id: str, clean: CleanPage, reader: Reader, known_type: str, ruled_type: str
) -> tuple[PageText, PageClass]:
    """The header's lines, and the page's others unless the header says whose page of an index-only form it is."""
    types, height = document_types(), clean.image.height_px
    opened, fold = reader.open(clean), fold_of(clean.text)
    head = PageText(page_id=page_id, engine=reader.name, lines=opened.lines(0.0, HEADER), whole=False, fold=fold)
    kind = _as_ruled(classify(page_to_rows(head), height, types), ruled_type)
    indexed = kind.titled and types[kind.document_type].index_only and not (known_type or fold)
    if indexed and _says_whose(head, kind, clean):
        return head, kind
    lines = (*head.lines, *opened.lines(HEADER, WHOLE))
    text = PageText(page_id=page_id, engine=reader.name, lines=lines, fold=fold, rulings=clean.rulings)
    known = PageClass(known_type, True, 100.0) if known_type else None
    return text, _as_ruled(known or classify(page_to_rows(text), height, types), ruled_type)


def _says_whose(head: PageText, kind: PageClass, clean: CleanPage) -> bool:
    found = _found(head, kind, text_height(head), clean.rulings, nothing_there)
    return any(one.field in WHOSE and one.raw for one in found)


def _reading(
    image: PageImage, text: PageText, kind: PageClass, readings: list[FieldReading], started: float
) -> PageReading:
    seconds = round(time.process_time() - started, 3)
    return PageReading(
        image=image, text=text, document_type=kind.document_type, titled=kind.titled, score=kind.score,
        readings=tuple(readings), seconds=seconds,
    )  # fmt: skip


def _read_fields(text: PageText, kind: PageClass, clean: CleanPage, reader: Reader) -> list[FieldReading]:
    """Every value found on an image, cut from its label and read once more by itself."""
    em = text_height(text)
    peek, boxes = partial(peek_at, clean.text, reader, em), Boxes(clean.gray, em, reader.read_crop)
    found = _found(text, kind, em, clean.rulings, peek, boxes)
    readings = []
    for one in found:
        first = ValueText(one.raw, one.confidence)
        rows = [around([w.box for w in row]) for row in one.rows if row]
        read = reader.read_value(clean, rows, one.kind, first) if one.raw and one.method != BOXED else first
        writing = _writing([crop_of(clean.text, row) for row in rows])
        readings.append(_field_reading(one, em, clean.image, text.engine, read, writing))
    return readings


def _writing(crops: list[Gray]) -> Writing:
    """Of a value's rows together: handwritten already where it may be, for agreement means less there."""
    shares = [writing_detector().shares(crop) for crop in crops if crop.size]
    if not shares:
        return Writing.PRINTED
    mean = dict(zip(Writing, np.mean(shares, axis=0), strict=True))
    if mean[Writing.HANDWRITTEN] > MAYBE_BY_HAND:
        return Writing.HANDWRITTEN
    return Writing.STAMPED if mean[Writing.STAMPED] > 0.5 else Writing.PRINTED


def _found(
    text: PageText, kind: PageClass, em: float, rulings: Rulings, peek: Peek, boxes: BoxReader = no_boxes
) -> list[Found]:
    """Cells of the form's tables, then its labelled fields on the rows outside them. `em`: see `text_height`."""
    rows, document_type = page_to_rows(text), document_types()[kind.document_type]
    tables = find_tables(rows, document_type, em, rulings, peek)
    inside = {i for table in tables for i in range(table.first, table.end)}
    outside = [row for i, row in enumerate(rows) if i not in inside]
    return [f for table in tables for f in table.found] + find_fields(outside, document_type, em, rulings, boxes)


def _field_reading(
    found: Found, em: float, image: PageImage, engine: str, read: ValueText, writing: Writing = Writing.PRINTED
) -> FieldReading:
    """A reading with its place in the file; in doubt where two readings mean different things."""
    confidence = read.confidence
    if found.kind in RUNNING_TEXT and any(meaning(read.text) != meaning(other) for other in read.others):
        confidence = min(confidence, MEANING_IN_DOUBT)
    return FieldReading(
        field=found.field, raw=read.text, confidence=round(confidence, 4), page_id=image.page_id,
        box=image.in_file(found.roomy_box(em)), engine=engine, method=found.method, others=read.others,
        writing=writing,
    )  # fmt: skip
