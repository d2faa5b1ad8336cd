"""Stage 3, extractors.neural: pages by PP-OCRv6's line finder and our own line reader, with other readers as witnesses.

Tesseract is asked for every value that was read; where it differs, a third reader for the lines in doubt: PP-OCRv6's
for numbers and codes, asterocr's for Vietnamese. Which reading counts is settled after parsing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from extractors.decoding import text_by_language
from extractors.film_fields import tells
from extractors.films import Lie, how_it_lies, smaller
from extractors.images import INK, CleanPage, Gray
from extractors.language import hospital_language
from extractors.lines import LineFinder, line_finder
from extractors.models import ASTERNET, DIGITS, check_borrowed
from extractors.ocr import TesseractReader, osd_turn, tidy
from extractors.reader import Floats, LineReader, aster_reader, digit_reader, own_reader
from extractors.readers import ValueText
from extractors.words import bands, crop_of, parted, side_of, trim, turned, words_of
from extractors.writing import writing_detector
from records.pages import Box, Line, Rulings

LONG_SIDE = 2400  # pixels of an upright page: lines of 12 pt are then a little higher than the reader's 32
FINDER_SHARE = 736 / LONG_SIDE  # of its pixels: the page is looked at finer where its print is small
SENSE = 0.5  # what a date, a label or a name adds to how surely a line of a film is read
FILM_SIDE = 1088  # the same for a film, whose print is small
TURN_SIDE = 384  # pixels at which the page is looked at to tell how it lies
CLOSE = 0.08  # legibilities as near as this do not tell: Tesseract's orientation does
FEW, PLAIN = 2, 0.12  # so many lines tell by themselves, where one way up is so much more legible
TRIALS, TRIAL_WIDTH = 6, 10  # lines that are read both ways up; of their heights, how much of each
# Kinds in hospital language, where a model of it may choose among tone marks; codes, numbers and names are not bent.
LANGUAGE = frozenset({"text", "long_text", "department", "occupation", "outcome", "sex", "modality"})
FIGURES = frozenset(
    {
        "integer",
        "number",
        "measure",
        "reference",
        "strength",
        "phone",
        "personal_id",
        "insurance_card",
        "identifier",
        "icd10",
    }
)
SURE = 0.9  # a reading of a value that is as sure as this, and as the page's line had it, needs no second view
MARGIN = 0.02  # of the page's long side: somewhat more than a row of ordinary print takes
AIR = 0.08  # of a line's height, around a value's words


class NeuralReader:
    """Warm line finder and line readers; witnesses are opened when first asked."""

    def __init__(self, finder: LineFinder, own: LineReader) -> None:
        self.name, self.long_side = own.name, LONG_SIDE
        self.finder, self.own = finder, own

    @cached_property
    def _aster(self) -> LineReader:
        return aster_reader()

    @cached_property
    def _digits(self) -> LineReader:
        return digit_reader()

    @cached_property
    def _tesseract(self) -> TesseractReader:
        return TesseractReader()

    def turn(self, page: Gray) -> int:
        """By the shape of the text lines: across or along; then by reading the longest of them both ways up."""
        boxes = self.finder.find(page, TURN_SIDE)
        side = side_of(boxes)
        level = np.ascontiguousarray(np.rot90(page, -side // 90))
        crops = [crop_of(level, box) for box in _trials(level, [turned(b, page, side) for b in boxes])]
        gain = self._more_legible(crops[:FEW])
        if abs(gain) < PLAIN:
            gain = self._more_legible(crops)
        if abs(gain) < CLOSE and boxes and (turn := osd_turn(page)) in (side, side + 180):
            return turn
        return side if gain >= 0 else side + 180

    def lie(self, paper: Gray, ruled_turn: int | None) -> Lie:
        """By reading lines of its burnt-in text every way."""
        look = smaller(paper)
        return how_it_lies(look, self.finder.find(look, FILM_SIDE), self._legibilities, ruled_turn)

    def _legibilities(self, crops: list[Gray]) -> list[float]:
        """How surely each line reads, and more where it says what films say."""
        lines = self.own.read(crops)
        sure = [float(np.mean([c.probability for c in line.characters] or [0.0])) for line in lines]
        return [one + SENSE * tells(line.text) for one, line in zip(sure, lines, strict=True)]

    def _more_legible(self, crops: list[Gray]) -> float:
        """By how much lines are more legible as they are than the other way up."""
        return self._legibility(crops) - self._legibility([np.ascontiguousarray(np.rot90(crop, 2)) for crop in crops])

    def _legibility(self, crops: list[Gray]) -> float:
        """How surely lines read: mean over their characters, 0 where there are none."""
        lines = self.own.read(crops)
        sure = [c.probability for line in lines for c in line.characters if not c.text.isspace()]
        return float(np.mean(sure)) if sure else 0.0

    def open(self, page: CleanPage) -> "FoundLines":
        """Each line that the finder sees, cut where columns or rulings part it."""
        return FoundLines(self.own, self.finder, page)

    def read_crop(self, image: Gray, box: Box) -> tuple[str, float]:
        """One line read by our own reader."""
        place = trim(image, box)
        if place is None:
            return "", 0.0
        read = self.own.read([crop_of(image, place)])[0]
        return read.text, read.confidence

    def figures(self, image: Gray, boxes: Sequence[Box]) -> list[Line]:
        """By the reader of figures."""
        crops = [crop_of(image, box) for box in boxes]
        lines = self._digits.read(crops)
        return [Line(words=words_of(*one)) for one in zip(lines, crops, boxes, strict=True)]

    def read_value(self, page: CleanPage, rows: Sequence[Box], kind: str, first: ValueText) -> ValueText:
        """The value as its line had it where Tesseract reads it alike; else our own second reading and a witness's."""
        places = [airy(page.text, row) for row in rows]
        seen = [tidy(self._tesseract.read_crop(page.text, place)[0]) for place in places]
        if kind not in LANGUAGE and _alike(_joined(seen), first.text):
            return ValueText(first.text, first.confidence, (_joined(seen),))
        clean = [crop_of(page.text, place) for place in places]
        ours = self._best_view(clean, [crop_of(page.gray, place) for place in places], kind, first.text)
        lines = [line for line, _ in ours]
        text, sure = _joined(lines), float(np.prod([sure for _, sure in ours]))
        if not text:
            text, sure = first.text, first.confidence
        others = [_joined(seen)]
        if not _alike(others[0], text):
            others.append(_joined(self._third(clean, kind, lines, seen)))
        return ValueText(text, sure, tuple(others))

    def _best_view(self, clean: list[Gray], raw: list[Gray], kind: str, first: str) -> list[tuple[str, float]]:
        """The cleaned crops read; with the raw ones where that differs from the page's line or is unsure."""
        scores = self.own.scores(clean)
        found = _in_words(self.own, scores, clean, kind)
        if _alike(_joined([text for text, _ in found]), first) and float(np.prod([sure for _, sure in found])) > SURE:
            return found
        both = [np.sqrt(one * other) for one, other in zip(scores, self.own.scores(raw), strict=True)]
        return _in_words(self.own, both, clean, kind)

    def _third(self, crops: list[Gray], kind: str, ours: list[str], seen: list[str]) -> list[str]:
        """A third reader's lines where Tesseract has `seen` another text than ours; ours elsewhere."""
        reader = self._digits if kind in FIGURES else self._aster
        doubtful = [i for i, (one, other) in enumerate(zip(ours, seen, strict=True)) if not _alike(one, other)]
        shown = [crops[i] for i in doubtful]
        read = dict(zip(doubtful, _in_words(reader, reader.scores(shown), shown, kind), strict=True))
        return [read[i][0] if i in read else line for i, line in enumerate(ours)]


@dataclass(frozen=True)
class FoundLines:
    """A page whose lines are found and read where they are asked for."""

    own: LineReader
    finder: LineFinder
    page: CleanPage

    def lines(self, top: float, bottom: float) -> tuple[Line, ...]:
        text = self.page.text
        boxes = page_lines(text, self.page.rulings, self.finder, white_row(text, top), white_row(text, bottom))
        crops = [crop_of(text, box) for box in boxes]
        found = (words_of(read, crop, box) for read, crop, box in zip(self.own.read(crops), crops, boxes, strict=True))
        return tuple(Line(words=words) for words in found if words)


def neural_reader() -> NeuralReader:
    """The reader with its models; SohoaError where one that it or a page needs later is missing or altered."""
    for witness in (ASTERNET, DIGITS):
        check_borrowed(witness)
    hospital_language()
    writing_detector()
    return NeuralReader(line_finder(), own_reader())


def page_lines(image: Gray, rulings: Rulings, finder: LineFinder, top: int = 0, bottom: int | None = None) -> list[Box]:
    """The lines of a page, each trimmed to its ink, cut where a vertical ruling or wide white parts columns.

    `top`, `bottom`: rows of pixels between which lines are looked for.
    """
    bottom, air = image.shape[0] if bottom is None else bottom, round(MARGIN * max(image.shape))
    start = max(0, top - air)
    strip = image[start : bottom + air]
    seen = [_lower(box, start) for box in finder.find(strip, round(max(strip.shape) * FINDER_SHARE))]
    cells = [cell for box in seen if top <= box.middle < bottom for cell in _between_rulings(box, rulings)]
    tight = [whole for cell in cells if (whole := trim(image, cell))]
    usual = float(np.median([box.height for box in tight])) if tight else 0.0
    single = [band for box in tight for band in bands(image, box, usual)]
    return [part for box in single for part in parted(image, box)]


def white_row(image: Gray, share: float) -> int:
    """The row with least ink about a share of the height, so that no line of text is cut; 0 and the height beyond."""
    height, width = (int(side) for side in image.shape)
    middle, reach = round(share * height), round(MARGIN * max(height, width))
    if middle <= reach or middle >= height - reach:
        return 0 if middle <= reach else height
    ink = np.count_nonzero(image[middle - reach : middle + reach] < INK, axis=1)
    return middle - reach + int(np.argmin(ink))


def _lower(box: Box, rows: int) -> Box:
    return box.model_copy(update={"top": box.top + rows, "bottom": box.bottom + rows}) if rows else box


def _between_rulings(box: Box, rulings: Rulings) -> list[Box]:
    """The box cut where vertical rulings cross it."""
    xs = [
        x
        for x, top, bottom in rulings
        if box.left + 0.4 * box.height < x < box.right - 0.4 * box.height and top < box.middle < bottom
    ]
    edges = [box.left, *sorted(xs), box.right]
    return [box.model_copy(update={"left": a, "right": b}) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def _trials(image: Gray, boxes: list[Box]) -> list[Box]:
    """The beginnings of a few lines, those longest for their height."""
    lines = [part for box in boxes if (whole := trim(image, box)) for part in parted(image, whole)]
    longest = sorted(lines, key=lambda b: -b.width / b.height)[:TRIALS]
    return [b.model_copy(update={"right": min(b.right, b.left + TRIAL_WIDTH * b.height)}) for b in longest]


def airy(image: Gray, box: Box) -> Box:
    """The box with a little air, inside the image."""
    air = AIR * box.height + 1
    return Box(
        left=max(0, box.left - 2 * air),
        top=max(0, box.top - air),
        right=min(image.shape[1], box.right + 2 * air),
        bottom=min(image.shape[0], box.bottom + air),
    )


def _in_words(reader: LineReader, scores: list[Floats], crops: list[Gray], kind: str) -> list[tuple[str, float]]:
    """Text and confidence of each line; the language of hospitals is heard where the kind allows it."""
    if kind in LANGUAGE:
        return [text_by_language(line, reader.alphabet, hospital_language()) for line in scores]
    read = [reader.line(line, crop) for line, crop in zip(scores, crops, strict=True)]
    return [(line.text, line.confidence) for line in read]


def _joined(lines: Sequence[str]) -> str:
    return tidy(" ".join(lines))


def _alike(one: str, other: str) -> bool:
    """The same but for case, spaces and stops at either end."""
    return _folded(one) == _folded(other)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" .,;:")
