"""Stage 8, review.misreadings: a settled value becomes what a reader might have read in its place. Pure.

Officers are shown such values among real ones: who marks them looks at the crops (see review.attention).
"""

import random
from collections.abc import Callable, Iterator

from records.code_lists import codes, entries, of_lists
from review.revisions import normal
from review.words import SEX, shown
from transformers.text import without_tones
from validation.kinds import KIND_CHECKS

ALIKE = {"0": "68", "1": "74", "2": "7", "3": "85", "4": "9", "5": "36", "6": "58", "7": "1", "8": "36", "9": "4"}
YEAR = 3  # The first three digits of a year tell themselves: nobody takes 1919 for 2019.


def misread(value: str, kind: str, chance: random.Random) -> str:
    """'2019-02-01' -> '2019-01-02' or '2019-02-07': another sound value of the kind; '' when there is none."""
    found = sorted({one for one in MISREADINGS[kind](value) if one != value and _sound(one, kind)})
    return chance.choice(found) if found else ""


def _sound(value: str, kind: str) -> bool:
    """Whether the value is one of its kind, and reads back as it is shown."""
    try:
        same = normal(shown(value, kind), kind) == value
    except ValueError:
        return False
    return same and not any(check(value, None) for check in KIND_CHECKS.get(kind, {}).values())


def _digits(value: str) -> Iterator[str]:
    """One digit taken for another that looks like it."""
    for at, digit in enumerate(value):
        for other in ALIKE.get(digit, ""):
            yield value[:at] + other + value[at + 1 :]


def _days(value: str) -> Iterator[str]:
    """One digit taken for another, or day and month for each other: '2019-02-01T08:00' -> '2019-01-02T08:00'."""
    yield from (one for one in _digits(value) if one[:YEAR] == value[:YEAR])
    if len(value) >= len("2019-02-01"):
        yield f"{value[:5]}{value[8:10]}-{value[5:7]}{value[10:]}"


def _cards(value: str) -> Iterator[str]:
    """One of the last ten digits taken for another."""
    yield from (value[:-10] + tail for tail in _digits(value[-10:]))


def _names(value: str) -> Iterator[str]:
    """One syllable with another tone that names have as well: 'LÊ THỊ MẪN' -> 'LÊ THỊ MẬN'."""
    parts = value.split()
    for at, part in enumerate(parts):
        for other in _syllables().get(without_tones(part), ()):
            yield " ".join((*parts[:at], other, *parts[at + 1 :]))


@of_lists
def _syllables() -> dict[str, tuple[str, ...]]:
    """The syllables of names, in capitals, by what they are without tones."""
    found: dict[str, tuple[str, ...]] = {}
    for part in sorted({p for name in ("family_names", "given_names") for n in entries(name) for p in n.split()}):
        found[without_tones(part)] = (*found.get(without_tones(part), ()), part.upper())
    return found


MISREADINGS: dict[str, Callable[[str], Iterator[str]]] = {
    "person_name": _names, "birth_date": _days, "date": _days, "moment": _days, "age": _digits, "integer": _digits,
    "number": _digits, "measure": _digits, "reference": _digits, "insurance_card": _cards, "personal_id": _digits,
    "phone": _digits, "identifier": _digits, "icd10": _digits, "sex": lambda _: iter(SEX),
    "outcome": lambda _: iter(codes("outcomes")), "modality": lambda _: iter(codes("modalities")),
    "flag": lambda _: iter("HL"),
}  # fmt: skip
