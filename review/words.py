"""Stage 8, review.words: a doubtful value as an officer reads it: label, form, doubt, and where readings differ.

What is shown goes back through the same parsers: `normal_form(shown(value, kind), kind) == value`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from itertools import groupby

from rapidfuzz.distance import Levenshtein

from records.base import Frozen
from records.code_lists import name_of
from records.document_types import ColumnSpec, DocumentType
from records.documents import JudgedValue
from review.texts import say, texts
from transformers.text import clean, folded

SURE, DOUBTFUL = 0.95, 0.6  # estimated probability of being right
SEX = {"male": "Nam", "female": "Nữ"}
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d:\d\d))?")
_DECIMAL = re.compile(r"(?<=\d)\.(?=\d)")
_ROW = re.compile(r"(\w+)\[(\d+)\]\.(\w+)")
ENGINES = ("text_layer", "tesseract", "sohoa", "asterocr", "rapidocr", "zxing-cpp")


class Surety(StrEnum):
    """How sure a value is, in three words; a colour never says it alone."""

    SURE = "sure"
    DOUBTFUL = "doubtful"
    VERY_DOUBTFUL = "very_doubtful"


class Mark(StrEnum):
    """How a piece of one reading stands to the other. `tone`: the same letters under other marks."""

    SAME = "same"
    TONE = "tone"
    LETTER = "letter"
    MISSING = "missing"


class Piece(Frozen):
    """A run of letters of a reading. `missing`: letters that only the other reading has."""

    text: str
    mark: Mark


class OtherReading(Frozen):
    """Another reading of the place against the first. `only_marks`: they differ in nothing but marks."""

    pieces: tuple[Piece, ...]
    only_marks: bool


def label_of(form: DocumentType, field: str, names: Mapping[str, str] | None = None, language: str = "vi") -> str:
    """'encounter.number' -> 'Số vào viện'; 'results[2].value' -> 'Kết quả (dòng 3, Glucose)'.

    `names`: row fields -> values, of which a row takes its name.
    """
    spec = form.spec(field)
    printed = spec.labels if spec else ()
    if isinstance(spec, ColumnSpec):
        printed = spec.headings or spec.labels
    label = printed[0] if printed else field
    row = _ROW.fullmatch(field)
    if not row:
        return label
    name = (names or {}).get(f"{row[1]}[{row[2]}].{_row_key(form, row[1])}", "")
    place = say("task.row", language, number=int(row[2]) + 1)
    return f"{label} ({place}, {name})" if name and row[3] != _row_key(form, row[1]) else f"{label} ({place})"


def _row_key(form: DocumentType, table: str) -> str:
    return next((t.row_key for t in form.tables if t.name == table), "")


def shown(value: str, kind: str) -> str:
    """A normal form as an officer writes it: '2019-02-01T08:00' -> '01/02/2019 08:00', '4.69' -> '4,69'."""
    return SHOWN.get(kind, str)(value)


def _day(value: str) -> str:
    found = _DAY.fullmatch(value)
    return f"{found[3]}/{found[2]}/{found[1]} {found[4] or ''}".strip() if found else value


def _comma(value: str) -> str:
    return _DECIMAL.sub(",", value)


def _codes(value: str) -> str:
    return value.replace(";", "; ")


SHOWN: dict[str, Callable[[str], str]] = {
    "date": _day, "moment": _day, "birth_date": _day, "number": _comma, "measure": _comma, "reference": _comma,
    "icd10": _codes, "outcome": partial(name_of, "outcomes"), "sex": lambda value: SEX.get(value, value),
}  # fmt: skip


def why(rule: str, language: str) -> str:
    """The rule that sent a value to a person, as a sentence; a rule nobody described is named."""
    key = f"rule.{rule.replace(':', '.')}"
    return say(key, language) if key in texts() else say("rule.unknown", language, rule=rule)


def surety(confidence: float) -> Surety:
    """0.97 -> sure; 0.7 -> doubtful; 0.3 -> very doubtful."""
    return Surety.SURE if confidence >= SURE else Surety.DOUBTFUL if confidence >= DOUBTFUL else Surety.VERY_DOUBTFUL


def sure_words(confidence: float, language: str) -> str:
    """0.7 -> 'ngờ (70 %)'; never 100 %."""
    return f"{say(f'task.{surety(confidence)}', language)} ({int(confidence * 100)} %)"


def read_by(engine: str, language: str) -> str:
    """What read a value, by the name an officer knows: 'tesseract 5.3' -> 'Tesseract'."""
    known = next((name for name in ENGINES if engine.startswith(name)), "")
    return say(f"task.engine.{known}", language) if known else engine


def other_readings(judged: JudgedValue) -> tuple[OtherReading, ...]:
    """Other readings of the same place that differ from the one taken, each once, letter by letter."""
    first = clean(judged.value.reading.raw)
    others = dict.fromkeys(filter(None, map(clean, judged.value.reading.others)))
    return tuple(differences(first, other) for other in others if other != first)


def differences(first: str, other: str) -> OtherReading:
    """How `other` stands to `first`: 'Ủng thư' to 'Ung thư' differs in the marks of one letter."""
    marked = list(_marked(first, other))
    pieces = tuple(
        Piece(text="".join(letter for letter, _ in run), mark=mark) for mark, run in groupby(marked, lambda m: m[1])
    )
    return OtherReading(pieces=pieces, only_marks={p.mark for p in pieces} == {Mark.SAME, Mark.TONE})


def _marked(first: str, other: str) -> Iterator[tuple[str, Mark]]:
    """Each letter of `other` with its mark, and the letters of `first` that it lacks."""
    for step in Levenshtein.opcodes(_bare(first), _bare(other)):
        there = first[step.src_start : step.src_end]
        here = other[step.dest_start : step.dest_end]
        if step.tag == "delete":
            yield from ((letter, Mark.MISSING) for letter in there)
        elif step.tag == "equal":
            pairs = zip(there, here, strict=True)
            yield from ((b, Mark.SAME if a.casefold() == b.casefold() else Mark.TONE) for a, b in pairs)
        else:
            yield from ((letter, Mark.LETTER) for letter in here)


def _bare(text: str) -> Sequence[str]:
    """Letters without marks, one for one."""
    return [folded(letter) for letter in text]
