"""Stage 3, extractors.readers: the interface that every way of reading a page stands behind, and which one is used."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from extractors.films import Lie
from extractors.images import CleanPage, Gray
from records.errors import SohoaError
from records.pages import Box, Line

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ValueText:
    """One value as read by itself: its text, the engine's own confidence 0..1, and what witnesses read there."""

    text: str
    confidence: float
    others: tuple[str, ...] = ()


class OpenPage(Protocol):
    """A page whose lines are read part by part, so that what nobody needs is not paid for."""

    def lines(self, top: float, bottom: float) -> tuple[Line, ...]:
        """Lines whose middle lies between two heights of the page, 0..1; boxes in pixels of its upright image."""
        ...


@dataclass(frozen=True)
class ReadLines:
    """An open page of a reader that reads it at once. `height`: of the page, in pixels."""

    all_lines: tuple[Line, ...]
    height: float

    def lines(self, top: float, bottom: float) -> tuple[Line, ...]:
        return tuple(line for line in self.all_lines if top <= line.box.middle / self.height < bottom)


class Reader(Protocol):
    """Reads Vietnamese text from clean pages."""

    name: str
    long_side: int  # pixels of an upright page of ordinary print

    def turn(self, page: Gray) -> int:
        """How far a clean page was turned: degrees counter-clockwise, 0 for a page that tells nothing."""
        ...

    def lie(self, paper: Gray, ruled_turn: int | None) -> Lie:
        """How a film was laid on the scanner. `paper`: see `films.as_paper`; `ruled_turn`: where a person saw it."""
        ...

    def open(self, page: CleanPage) -> OpenPage:
        """The page, ready to have its lines read."""
        ...

    def read_crop(self, image: Gray, box: Box) -> tuple[str, float]:
        """Text and confidence (0..1) of one line's place read by itself."""
        ...

    def figures(self, image: Gray, boxes: Sequence[Box]) -> list[Line]:
        """Lines read again as dates and numbers; one without words where there is nothing to add."""
        ...

    def read_value(self, page: CleanPage, rows: Sequence[Box], kind: str, first: ValueText) -> ValueText:
        """A value read again by itself. `rows`: the place of each of its lines; `first`: what the page's lines said."""
        ...


def make_reader(name: str = "neural") -> Reader:
    """The reader by its setting. SohoaError where it cannot work and the setting allows no other.

    neural: our line reader and its witnesses; auto: the same, or Tesseract where a model of theirs is missing;
    tesseract (through tesserocr) and portable (the program) read alone.
    """
    if name not in MAKERS:
        raise SohoaError(f"SOHOA_READER={name} is not known; use {', '.join(MAKERS)}")
    return MAKERS[name]()


def _neural() -> Reader:
    from extractors.neural import neural_reader

    return neural_reader()


def _neural_or_tesseract() -> Reader:
    try:
        return _neural()
    except SohoaError as error:
        log.warning("Pages are read by Tesseract alone: %s", error)
        return _tesseract()


def _tesseract() -> Reader:
    from extractors.ocr import TesseractReader

    return TesseractReader()


def _portable() -> Reader:
    from extractors.ocr import PortableReader

    return PortableReader()


MAKERS = {"neural": _neural, "auto": _neural_or_tesseract, "tesseract": _tesseract, "portable": _portable}
