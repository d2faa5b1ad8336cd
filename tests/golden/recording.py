"""Golden pages: what the OCR gave on a sample page, recorded once and played back, so that all after it is exact.

`<case>.page.json` holds the words, the second readings of crops, the rulings and the geometry of a page, rounded,
`peeks`: what was read in cells that the page's own reading had left empty, and `boxes`: what squares said;
`<case>.values.json` what the stages after the OCR made of it. A born-digital page needs no recording: its PDF is one.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.score import Miss, Score, score_pages
from bench.truth import ReadField, ReadPage, TruthPage, read_truth
from extractors import page as page_module
from extractors.boxes import Boxes
from extractors.fields import BoxReader
from extractors.images import CleanPage, upright
from extractors.intake import decode_page, inspect
from extractors.limits import Limits
from extractors.ocr import peek_at
from extractors.page import read_born_digital, read_image
from extractors.readers import OpenPage, Reader, ReadLines, ValueText
from records.document_types import document_types
from records.documents import PageReading
from records.pages import Box, Line, MediaType, PageImage, PageText, Word, around
from transformers.values import readings_to_values

GOLDEN = Path(__file__).resolve().parent
PAIRS = GOLDEN / "pairs"
SAMPLES = GOLDEN.parents[1] / "sample_scans"
WHITE_PAPER = np.full((32, 32, 3), 255, dtype=np.uint8)


@dataclass(frozen=True)
class Case:
    """A sample page: its file relative to a folder, its page from 1, and whether its PDF has a text layer."""

    file: str
    page: int = 1
    digital: bool = False
    folder: Path = SAMPLES

    @property
    def name(self) -> str:
        stem = Path(self.file).stem
        return f"{stem}_p{self.page}" if self.digital or self.page > 1 else stem

    @property
    def recording(self) -> Path:
        return GOLDEN / f"{self.name}.page.json"

    @property
    def values(self) -> Path:
        return GOLDEN / f"{self.name}.values.json"

    def truth(self) -> TruthPage:
        path = (self.folder / self.file).with_suffix(".truth.json")
        return next(page for page in read_truth(path) if page.page == self.page)


def golden_pairs() -> tuple[Case, ...]:
    """The pairs that `sohoa document-type new` asks for: a page and its truth under one name in tests/golden/pairs."""
    truths = sorted(PAIRS.glob("*.truth.json"))
    return tuple(Case(json.loads(path.read_text(encoding="utf-8"))[0]["file"], folder=PAIRS) for path in truths)


def read_again(case: Case) -> PageReading:
    """The page read from its file as the product reads it, OCR included."""
    data = (case.folder / case.file).read_bytes()
    media_type, _ = inspect(data, case.file, Limits())
    if case.digital:
        found = read_born_digital(case.name, data, media_type, case.page)
        assert found is not None, f"{case.file} page {case.page} has no trustworthy text layer any more"
        return found
    rgb, dpi = decode_page(data, media_type, case.page, Limits())
    return read_image(case.name, rgb, dpi, media_type, "neural")


def play_back(case: Case) -> PageReading:
    """Everything after the OCR, on the recorded words; a born-digital page from its own PDF."""
    if case.digital:
        return read_again(case)
    kept = json.loads(case.recording.read_text(encoding="utf-8"))
    image = PageImage.model_validate(kept["image"])
    rulings = tuple((x, top, bottom) for x, top, bottom in kept["rulings"])
    clean = CleanPage(image=image, gray=WHITE_PAPER[:, :, 0], text=WHITE_PAPER[:, :, 0], rulings=rulings)
    reader = Playback(kept["engine"], _text(case.name, kept), kept["crops"])
    seen = {place: _unpacked(word) for place, word in kept["peeks"].items()}
    ticked = {place: tuple(map(_unpacked, words)) for place, words in kept.get("boxes", {}).items()}
    boxes = lambda mode, place: ticked.get(f"{mode} {_place(place)}")  # noqa: E731
    parts = {"warm_reader": lambda _: reader, "upright": lambda *_: clean, "Boxes": lambda *_: boxes}
    with _instead(**parts, peek_at=lambda *given: seen.get(_place(given[-1]))):
        return read_image(case.name, WHITE_PAPER, image.dpi, MediaType.PNG, "playback")


def record(case: Case) -> None:
    """Read the page anew and keep the recording (unless it is born digital) and its values."""
    if not case.digital:
        tape = Tape(page_module.warm_reader("neural"))
        with _instead(warm_reader=lambda _: tape, upright=tape.upright, peek_at=tape.peek_at, Boxes=tape.boxes_of):
            reading = read_again(case)
        case.recording.write_text(_in_lines(tape.kept()), encoding="utf-8")
        assert outcome(play_back(case)) == outcome(reading), "The stages look at something that is not recorded."
    found = outcome(play_back(case))
    wrong = [m.model_dump(include={"field", "read", "truth"}) for m in score(case, found).misses]
    case.values.write_text(_in_lines({**found, "known_wrong": wrong}), encoding="utf-8")


def outcome(reading: PageReading) -> dict[str, Any]:
    """What the golden file keeps of a page: its type and turn, and per field value, raw, box and any problem."""
    values = readings_to_values(reading.readings, document_types()[reading.document_type])
    return {
        "document_type": reading.document_type,
        "rotation": reading.image.turn,
        "fields": {
            v.field: {
                "value": v.value,
                "raw": v.reading.raw,
                "agreed": v.agreed,
                "box": [round(edge, 3) for edge in v.reading.box.model_dump().values()],
                **({"problem": v.problem} if v.problem else {}),
            }
            for v in values
        },
    }


def score(case: Case, found: Mapping[str, Any]) -> Score:
    """An outcome against the truth."""
    fields = tuple(ReadField(name=n, value=f["value"], box=tuple(f["box"])) for n, f in found["fields"].items())
    page = ReadPage(
        file=case.file,
        page=case.page,
        document_type=found["document_type"],
        rotation=found["rotation"],
        fields=fields,
    )
    return score_pages([case.truth()], [page])


def error_rate(scored: Score) -> float:
    """Wrong, missed and invented fields per field in truth."""
    return len(scored.misses) / scored.total.fields


def known_wrong(golden: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(field, read, truth) as the golden file lists them."""
    return sorted((w["field"], w["read"], w["truth"]) for w in golden["known_wrong"])


def as_listed(misses: Sequence[Miss]) -> list[tuple[str, str, str]]:
    """The same of a score."""
    return sorted((m.field, m.read, m.truth) for m in misses)


@dataclass
class Playback:
    """A reader that gives back what was recorded. A crop at another place than recorded has no second reading."""

    name: str
    text: PageText
    crops: Mapping[str, tuple[str, float, list[str]]]
    long_side = 0

    def turn(self, page: Any) -> int:
        raise AssertionError("The recorded page is upright already.")

    def open(self, page: CleanPage) -> ReadLines:
        return ReadLines(self.text.lines, page.image.height_px)

    def read_crop(self, image: Any, box: Box) -> tuple[str, float]:
        raise AssertionError("What squares and empty cells hold is recorded.")

    def read_value(self, page: Any, rows: Sequence[Box], kind: str, first: ValueText) -> ValueText:
        text, confidence, others = self.crops.get(_place(around(list(rows))), (first.text, first.confidence, [""]))
        return ValueText(text, confidence, tuple(others))


@dataclass
class Tape:
    """Stands before the real reader and page cleaner, rounds what they give, hands it on, and keeps it."""

    real: Reader
    all_lines: list[Line] = field(default_factory=list)
    crops: dict[str, tuple[str, float, list[str]]] = field(default_factory=dict)
    peeks: dict[str, Word] = field(default_factory=dict)
    boxes: dict[str, tuple[Word, ...]] = field(default_factory=dict)
    clean: CleanPage | None = None

    @property
    def name(self) -> str:
        return self.real.name

    @property
    def long_side(self) -> int:
        return self.real.long_side

    def turn(self, page: Any) -> int:
        return self.real.turn(page)

    def open(self, page: CleanPage) -> "OpenTape":
        return OpenTape(self.real.open(page), self.all_lines)

    def read_value(self, page: CleanPage, rows: Sequence[Box], kind: str, first: ValueText) -> ValueText:
        read = self.real.read_value(page, rows, kind, first)
        self.crops[_place(around(list(rows)))] = read.text, round(read.confidence, 2), list(read.others)
        return read

    def read_crop(self, image: Any, box: Box) -> tuple[str, float]:
        return self.real.read_crop(image, box)

    def boxes_of(self, *page: Any) -> BoxReader:
        """The boxes of a page, kept where there are any."""
        real = Boxes(*page)

        def look(mode: str, place: Box) -> tuple[Word, ...] | None:
            found = real(mode, place)
            if found is not None:
                self.boxes[f"{mode} {_place(place)}"] = found = tuple(map(_rounded_word, found))
            return found

        return look

    def upright(self, *given: Any) -> CleanPage:
        self.clean = upright(*given)
        return self.clean

    def peek_at(self, image: Any, reader: Any, em: float, cell: Box) -> Word | None:
        """A look into a cell in which the page's reading found nothing."""
        found = peek_at(image, self.real, em, cell)
        if found:
            self.peeks[_place(cell)] = _rounded_word(found)
        return self.peeks.get(_place(cell))

    def kept(self) -> dict[str, Any]:
        assert self.clean is not None
        return {
            "image": self.clean.image.model_copy(update={"fingerprint": ""}).model_dump(mode="json"),
            "engine": self.name,
            "rulings": [[int(edge) for edge in ruling] for ruling in self.clean.rulings],
            "lines": [[_packed(word) for word in line.words] for line in self.all_lines],
            "peeks": {place: _packed(word) for place, word in self.peeks.items()},
            "crops": dict(sorted(self.crops.items())),
            **(
                {"boxes": {place: [_packed(w) for w in words] for place, words in self.boxes.items()}}
                if self.boxes
                else {}
            ),
        }


@dataclass
class OpenTape:
    """An open page of the real reader whose lines are kept as they are read."""

    real: OpenPage
    kept: list[Line]

    def lines(self, top: float, bottom: float) -> tuple[Line, ...]:
        found = tuple(_rounded(line) for line in self.real.lines(top, bottom))
        self.kept.extend(found)
        return found


@contextmanager
def _instead(**parts: Any) -> Iterator[None]:
    """Parts of extractors.page replaced for a moment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, part in parts.items():
            patch.setattr(page_module, name, part)
        yield


def _text(page_id: str, kept: Mapping[str, Any]) -> PageText:
    lines = tuple(Line(words=tuple(_unpacked(word) for word in line)) for line in kept["lines"])
    return PageText(page_id=page_id, engine=kept["engine"], lines=lines)


def _packed(word: Word) -> list[Any]:
    box = word.box
    return [word.text, word.confidence, int(box.left), int(box.top), int(box.right), int(box.bottom)]


def _unpacked(packed: Sequence[Any]) -> Word:
    text, confidence, left, top, right, bottom = packed
    return Word(text=text, confidence=confidence, box=Box(left=left, top=top, right=right, bottom=bottom))


def _rounded(line: Line) -> Line:
    return Line(words=tuple(_rounded_word(word) for word in line.words))


def _rounded_word(word: Word) -> Word:
    """Confidence to a hundredth, box to whole pixels."""
    return word.model_copy(update={"confidence": round(word.confidence, 2), "box": _whole(word.box)})


def _whole(box: Box) -> Box:
    return Box(**{edge: round(value) for edge, value in box.model_dump().items()})


def _place(box: Box) -> str:
    return ",".join(str(round(edge)) for edge in box.model_dump().values())


def _in_lines(kept: Mapping[str, Any]) -> str:
    """JSON with one line per entry of each part, so that a change reads well in a diff."""

    def entries(part: Any) -> str:
        if isinstance(part, dict) and part:
            body = [f"  {_compact(key)}: {_compact(value)}" for key, value in part.items()]
            return "{\n" + ",\n".join(body) + "\n }"
        if isinstance(part, list) and part:
            return "[\n" + ",\n".join(f"  {_compact(item)}" for item in part) + "\n ]"
        return _compact(part)

    return "{\n" + ",\n".join(f" {_compact(key)}: {entries(part)}" for key, part in kept.items()) + "\n}\n"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
