"""Stage 6, transformers.candidates: which patients of one hospital may be one person, for an officer to decide. Pure.

Two patients are proposed when a number of the person agrees and a second thing bears it out, or when their names agree
without marks and their birth dates do. A number alone proposes nothing: a personal ID misread in one digit passes the
check of its structure six to eight times in ten. Nothing here merges anybody.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from itertools import combinations

from records.base import Frozen
from transformers.identity import BIRTH, NAME, compare_births, compare_names, compare_numbers
from transformers.text import folded

SEX, NATIONAL_ID, INSURANCE = "patient.sex", "patient.national_id", "patient.insurance_number"
NUMBERS = ("patient.id", NATIONAL_ID, INSURANCE)
CROWD = 50  # patients who share one number, or name and year of birth: a default of some form, no likeness
FULL_DATE = 10  # characters of 1956-04-18


class Likeness(StrEnum):
    """Why two patients are proposed. `number`: one agrees and has a second witness; `name`: name and birth date."""

    NUMBER = "number"
    NAME = "name"


class Candidate(Frozen):
    """Two patients who may be one person. `agreeing`, `unlike`: fields, never their values."""

    one: str
    other: str
    likeness: Likeness
    agreeing: tuple[str, ...]
    unlike: tuple[str, ...]


def merge_candidates(people: Mapping[str, Mapping[str, str]]) -> list[Candidate]:
    """Pairs that may be one person, numbers first. `people`: patient key -> field -> normal form."""
    pairs = {pair for keys in _alike(people) for pair in combinations(sorted(keys), 2)}
    found = (candidate(*pair, people[pair[0]], people[pair[1]]) for pair in sorted(pairs))
    return sorted(filter(None, found), key=lambda c: (c.likeness is Likeness.NAME, c.one, c.other))


def candidate(one: str, other: str, a: Mapping[str, str], b: Mapping[str, str]) -> Candidate | None:
    """The two as a candidate, or None when they are unlike, or no more alike than twins or father and son may be."""
    told = comparisons(a, b)
    agreeing = tuple(field for field, verdict in told.items() if verdict > 0)
    unlike = tuple(field for field, verdict in told.items() if verdict < 0)
    numbers = [field for field in NUMBERS if field in agreeing]
    borne_out = bool(numbers) and (len(numbers) >= 2 or NAME in agreeing or BIRTH in agreeing)
    namesake = _same_name(a, b) and BIRTH in agreeing and not unlike
    if contradictions(told) or not (borne_out or namesake):
        return None
    likeness = Likeness.NUMBER if borne_out else Likeness.NAME
    return Candidate(one=one, other=other, likeness=likeness, agreeing=agreeing, unlike=unlike)


def contradictions(told: Mapping[str, int]) -> tuple[str, ...]:
    """Fields that one person cannot have twice. Numbers are given anew: another one beside an equal one is none."""
    return tuple(field for field in (NAME, BIRTH, SEX) if told.get(field, 0) < 0)


def comparisons(a: Mapping[str, str], b: Mapping[str, str]) -> dict[str, int]:
    """field -> 1 agrees, -1 contradicts, 0 cannot tell; fields that both have. An old and a new ID cannot tell."""
    both = [field for field in (NAME, BIRTH, SEX, *NUMBERS) if a.get(field) and b.get(field)]
    return {field: _compare(field, a[field], b[field]) for field in both}


def _compare(field: str, one: str, other: str) -> int:
    if field == NAME:
        return compare_names(one, other)
    if field == BIRTH:
        return compare_births(one, other) if len(one) == len(other) == FULL_DATE or one[:4] != other[:4] else 0
    if field == SEX:
        return 1 if one == other else -1
    if field == NATIONAL_ID and len(one) != len(other):
        return 0
    return compare_numbers(one[-10:], other[-10:]) if field == INSURANCE else compare_numbers(one, other)


def _same_name(a: Mapping[str, str], b: Mapping[str, str]) -> bool:
    """Equal without marks: a near name is a twin's, a father's or a son's."""
    return folded(a.get(NAME, "")) == folded(b.get(NAME, "")) != ""


def _alike(people: Mapping[str, Mapping[str, str]]) -> Iterator[list[str]]:
    """Groups of patients who share a number, or name and year of birth; crowds are left out."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for key, told in people.items():
        for mark in _marks(told):
            groups[mark].append(key)
    yield from (keys for keys in groups.values() if 1 < len(keys) <= CROWD)


def _marks(told: Mapping[str, str]) -> Iterable[tuple[str, ...]]:
    """What a patient is looked up by. The last ten digits of an insurance card stay a person's own."""
    for field in NUMBERS:
        if told.get(field):
            yield field, told[field][-10:] if field == INSURANCE else told[field]
    if told.get(NAME) and told.get(BIRTH):
        yield NAME, folded(told[NAME]), told[BIRTH][:4]
