"""Bench, bench.icd10: ICD-10 codes and the names beside them, misread as OCR does, by what the product makes of them.

Digits and letters of names are misread as our reader misread those of identity fields (`bench.identity_reading`); for
the letter a code begins with nothing was recorded, so look-alikes stand in BY_SIGHT, apart from the product's own.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from bench.identity_noise import Slip, slipped, slips_of
from bench.identity_reading import identity_readings
from bench.score import with_interval
from records.base import Frozen
from records.code_lists import ALIASES, Wording, icd10_wordings, rows
from records.errors import SohoaError
from transformers.coding import Names, Standing, code_beside_name
from transformers.identifiers import parse_icd10

PAIRS, CODES, SEED = 4000, 1000, 20260701
BY_SIGHT = {
    "A": "4R", "B": "8E", "C": "GO€", "D": "0O", "E": "FB", "F": "PE", "G": "6C", "H": "NM", "I": "1l|[T", "J": "I1",
    "K": "XR", "L": "I1", "M": "HN", "N": "HM", "O": "0Q", "P": "FR", "Q": "O0", "R": "KP", "S": "5", "T": "I71",
    "V": "Y", "W": "V", "X": "K", "Y": "VX", "Z": "2",
    "0": "OQD8", "1": "lI|7", "2": "Z7", "3": "8", "4": "9", "5": "S6", "6": "G5", "7": "1", "8": "B3", "9": "4g",
}  # fmt: skip
MARKS = (".", ",", "", " .", ". ", ".", ".", ".")  # how the full stop of a code is read
SLIPS_IN_CODE = (0, 1, 1, 1, 1, 1, 1, 2)
ONE_SLIP_IN = 14  # characters of a name
NOTE = (
    "Invented pairs: names as listed and everyday wordings, each with misread characters in the code, the name or "
    "both. Accepted: the name bears the code out, or puts right what is no listed code; all else goes to review. Name "
    "only: the code that stands first, or among five, for the misread name alone; the last row's wordings are kept out "
    "of the list. In brackets 95 % intervals (Wilson)."
)


class Printed(NamedTuple):
    """A pair as it is printed, and as it is read."""

    wording: Wording
    code: str
    name: str


class CodingBench(Frozen):
    """Counts of pairs. `plain`: right by the parser alone; `right`: after repair; `accepted`: without review."""

    pairs: int
    codes: int
    plain: int
    right: int
    accepted: int
    wrong: int
    standings: dict[str, int]
    wrong_pairs: tuple[tuple[str, str, str, str], ...]


class NameBench(Frozen):
    """How often a name alone finds its code: first, among five, and its category first."""

    names: str
    asked: int
    first: int
    among_five: int
    category: int


class Icd10Bench(Frozen):
    """Pairs of code and name, and names alone."""

    coding: CodingBench
    alone: tuple[NameBench, ...]


def measure_icd10(icd10_path: Path, pairs: int = PAIRS, progress: Callable[[], None] = lambda: None) -> Icd10Bench:
    """Misread pairs and names by the loaded list; SohoaError where it is not loaded."""
    if not icd10_path.is_file():
        raise SohoaError("The ICD-10 list is not loaded; run `sohoa init` or `sohoa codes load FILE` first.")
    wordings, names = icd10_wordings(icd10_path), Names(icd10_wordings(icd10_path))
    printed = list(misread_pairs(wordings, pairs))
    coding = measure_coding(printed, names, progress)
    alone = printed[:: max(1, len(printed) // CODES)][:CODES]
    everyday = _everyday()
    listed = Names([wording for wording in wordings if wording not in everyday])
    unlisted = [Printed(wording, wording.code, wording.name) for wording in everyday]
    return Icd10Bench(coding=coding, alone=(
        measure_names("as listed, misread", alone, names, progress),
        measure_names("everyday wordings, unlisted", unlisted, listed, progress),
    ))  # fmt: skip


def misread_pairs(wordings: Sequence[Wording], pairs: int, codes: int = CODES) -> Iterator[Printed]:
    """`pairs` misread pairs over `codes` wordings, a tenth of them everyday ones."""
    rng = random.Random(SEED)
    slips = slips_of(identity_readings())
    everyday = _everyday()
    own = [w for w in wordings if w in everyday]
    chosen = rng.sample(own, min(len(own), codes // 10)) + rng.sample(
        [w for w in wordings if w not in everyday], min(len(wordings) - len(own), codes - codes // 10)
    )
    for at in range(pairs):
        wording = chosen[at % len(chosen)]
        yield Printed(wording, _misread_code(wording.code, slips["digits"], rng), _misread_name(wording, slips, rng))


def measure_coding(printed: Sequence[Printed], names: Names, progress: Callable[[], None]) -> CodingBench:
    """What becomes of each pair."""
    standings: Counter[str] = Counter()
    plain = right = 0
    wrong = []
    for wording, code, name in printed:
        found = code_beside_name((code,), name, names)
        plain += _parsed(code) == wording.code
        right += found is not None and found.code == wording.code
        standing = found.standing if found else Standing.OPEN
        standings[standing] += 1
        if found and standing in (Standing.BORNE_OUT, Standing.REPAIRED) and found.code != wording.code:
            wrong.append((wording.code, code, name, found.code))
        progress()
    accepted = standings[Standing.BORNE_OUT] + standings[Standing.REPAIRED]
    return CodingBench(
        pairs=len(printed), codes=len({one.wording.code for one in printed}), plain=plain, right=right,
        accepted=accepted, wrong=len(wrong), standings=dict(standings), wrong_pairs=tuple(wrong),
    )  # fmt: skip


def measure_names(title: str, asked: Sequence[Printed], names: Names, progress: Callable[[], None]) -> NameBench:
    """The code that each name alone finds."""
    first = among = category = 0
    for wording, _, name in asked:
        found = [candidate.code for candidate in names.ranked(name, 5)]
        first += found[:1] == [wording.code]
        among += wording.code in found
        category += bool(found) and found[0][:3] == wording.code[:3]
        progress()
    return NameBench(names=title, asked=len(asked), first=first, among_five=among, category=category)


def icd10_tables(bench: Icd10Bench) -> tuple[Table, Table]:
    """Pairs, then names alone."""
    one = bench.coding
    pairs = Table("pairs", "codes", "parser alone", "right after repair", "accepted", "wrong among accepted",
                  title="ICD-10 codes beside their names")  # fmt: skip
    shares = (_share(n, one.pairs) for n in (one.plain, one.right, one.accepted))
    pairs.add_row(str(one.pairs), str(one.codes), *shares, f"{one.wrong} ({_share(one.wrong, one.accepted)})")
    alone = Table("names", "asked", "first", "among five", "category first", title="ICD-10 codes for names alone")
    for row in bench.alone:
        told = (_share(n, row.asked) for n in (row.first, row.among_five, row.category))
        alone.add_row(row.names, str(row.asked), *told)
    return pairs, alone


def _misread_code(code: str, slips: Sequence[Slip], rng: random.Random) -> str:
    letter, digits, rest = code[0], code[1:3], code[4:]
    text = letter + digits + (rng.choice(MARKS) if rest else "") + rest
    for _ in range(rng.choice(SLIPS_IN_CODE)):
        if rng.random() < 0.5:
            text = slipped(text, slips, rng)
        else:
            at = rng.choice([i for i, c in enumerate(text) if c in BY_SIGHT] or [0])
            text = text[:at] + rng.choice(BY_SIGHT.get(text[at], text[at])) + text[at + 1 :]
    return text


def _misread_name(wording: Wording, slips: dict[str, list[Slip]], rng: random.Random) -> str:
    """Confusions of capitals were recorded; names are in small letters."""
    small = [Slip(s.was.lower(), s.became.lower()) for s in slips["letters"]]
    text = wording.name
    for _ in range(rng.randint(0, 2 * len(text) // ONE_SLIP_IN)):
        text = slipped(text, small, rng)
    return text


def _everyday() -> dict[Wording, None]:
    """The everyday wordings, in the order of their list."""
    return dict.fromkeys(Wording(row["code"], row["alias_vi"]) for row in rows(ALIASES))


def _parsed(code: str) -> str:
    try:
        return parse_icd10(code)
    except ValueError:
        return ""


def _share(part: int, whole: int) -> str:
    if not whole:
        return "-"
    found = with_interval(part, whole)
    return f"{part / whole:.2%} ({found.low:.2%}-{found.high:.2%})"
