"""Stage 6, transformers.values: field readings become typed values in normal form; the reading stays verbatim inside.

A reading that its parser refuses keeps its best tidy text and gets a problem, worded for the officer who sees it.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from records.document_types import ColumnSpec, DocumentType, FieldSpec
from records.documents import FieldReading, FieldValue
from transformers.lexicons import BY_KIND, Lexicon, lexicon, lexicons, with_listed_places, with_listed_syllables
from transformers.parsers import FALLBACKS, PARSERS
from transformers.text import clean

Lexicons = Mapping[str, Lexicon]

OF_ROWS = ("drug", "test_name")  # beside which a row's number stands
ITEM = re.compile(r"^\d{1,2}[.,)]?\s+(?=[^\W\d_])")
REPAIRS: dict[str, Callable[[str], str]] = {"person_name": with_listed_syllables, "address": with_listed_places}


def readings_to_values(
    readings: Sequence[FieldReading], document_type: DocumentType, known: Lexicons | None = None
) -> tuple[FieldValue, ...]:
    """One value per reading of a field that the document type has; readings of other fields are left out.

    `known`: lexicons by name (default: those in records/code_lists/).
    """
    listed = lexicons() if known is None else known
    found = [(reading, document_type.spec(reading.field)) for reading in readings]
    return tuple(reading_to_value(reading, spec, listed) for reading, spec in found if spec is not None)


def reading_to_value(reading: FieldReading, spec: FieldSpec | ColumnSpec, known: Lexicons) -> FieldValue:
    """The normal form most readings of the place agree on, the first among equals; else the tidy raw with a problem."""
    raws = (reading.raw, *reading.others)
    parsed = [_normal(raw, spec, known) for raw in raws]
    votes = Counter(value for value, _ in parsed if value is not None)
    if votes:
        value, count = votes.most_common(1)[0]
        return FieldValue(reading=_led_by(reading, parsed, value), kind=spec.kind, value=value, agreed=count - 1)
    problem = f"Không đọc được {_what(spec)}: {parsed[0][1]}; hãy xem ảnh và gõ lại."
    return FieldValue(reading=reading, kind=spec.kind, value=_best_guess(raws, spec.kind), problem=problem)


def _led_by(reading: FieldReading, parsed: Sequence[tuple[str | None, str]], value: str) -> FieldReading:
    """The reading with the wording in front that gave the value, so that the two stand side by side."""
    raws = [reading.raw, *reading.others]
    first = next(i for i, (one, _) in enumerate(parsed) if one == value)
    return reading.model_copy(update={"raw": raws.pop(first), "others": tuple(raws)}) if first else reading


def normal_form(raw: str, kind: str, lexicon_name: str = "") -> str:
    """The normal form of what a person typed or a registry holds; ValueError in Vietnamese when it is none."""
    value = PARSERS[kind](raw)
    return _listed(value, kind, lexicon_name, lexicons())


def _normal(raw: str, spec: FieldSpec | ColumnSpec, known: Lexicons) -> tuple[str | None, str]:
    try:
        value = PARSERS[spec.kind](raw)
    except ValueError as error:
        return None, str(error)
    return _listed(value, spec.kind, spec.lexicon, known), ""


def _listed(value: str, kind: str, name: str, known: Lexicons) -> str:
    """The listed wording when one is near, else the value as it is."""
    if kind in REPAIRS:
        return REPAIRS[kind](value)
    name = name or BY_KIND.get(kind, "")
    if not name:
        return value
    listed = known[name] if name in known else lexicon(name)
    bare = ITEM.sub("", value) if kind in OF_ROWS else value
    return listed.nearest(value) or (bare != value and listed.nearest(bare)) or value


def _best_guess(raws: Sequence[str], kind: str) -> str:
    """What stands in the box while it waits: a weaker parse of the same reading, else its tidy text."""
    for raw in raws if kind in FALLBACKS else ():
        try:
            return FALLBACKS[kind](raw)
        except ValueError:
            continue
    return clean(raws[0])


def _what(spec: FieldSpec | ColumnSpec) -> str:
    """The field as the officer knows it: its first printed label, else its name."""
    printed = spec.labels or (spec.headings if isinstance(spec, ColumnSpec) else ())
    return f"“{printed[0]}”" if printed else spec.name
