"""In the mix-up run, bench.identity_noise: what a page shows -> what our reader would have read, by measured errors.

A page draws one measured page and suffers its outcomes together, field by field: exact, a few characters wrong (with
the confusions seen in such fields), another text, nothing. So bad pages stay bad throughout.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein
from rich.table import Table

from bench.identity_reading import IdentityReading, Pair
from records.base import Frozen
from transformers.identity import EVIDENCE, NAME
from transformers.text import clean

ANOTHER_TEXT = 0.5  # less alike than this, what was read is not what stands there
TRIES = 20
OUTCOMES = ("exact", "one", "several", "other", "missing")


class Slip(NamedTuple):
    """One confusion: `was` read as `became`; '' is no character."""

    was: str
    became: str


class Rates(Frozen):
    """How often each outcome was seen for a field in pages of one quality."""

    field: str
    quality: str
    seen: int
    shares: dict[str, float]


class Noise:
    """The measured errors, ready to be drawn from."""

    def __init__(self, readings: Sequence[IdentityReading]) -> None:
        self._pages = [page for page in readings if page.pairs]
        self._of_field = _by_field(self._pages)
        self._slips = slips_of(self._pages)

    def read(self, shown: Mapping[str, str], rng: random.Random) -> dict[str, str]:
        """field -> what is read of a page that shows these identity fields; fields of which nothing is read are out."""
        page = rng.choice(self._pages)
        outcomes = {pair.field: pair for pair in page.pairs}
        read = {}
        for field, text in shown.items():
            pair = outcomes.get(field) or rng.choice(self._of_field[field, page.quality] or self._of_field[field, ""])
            read[field] = self._as_read(text, pair, rng)
        strange = {pair.field: pair.read for pair in page.pairs if not pair.shown and pair.field not in shown}
        return {field: text for field, text in (read | strange).items() if text}

    def _as_read(self, text: str, pair: Pair, rng: random.Random) -> str:
        kind = outcome(pair)
        if kind in ("missing", "other") or not pair.shown:
            return pair.read
        for _ in range(_distance(pair)):
            text = slipped(text, self._slips[_letters_of(pair.field)], rng)
        return text


def outcome(pair: Pair) -> str:
    """One of OUTCOMES; blanks in numbers and the case of letters do not count."""
    if not pair.read:
        return "missing"
    shown, read = _plain(pair.field, pair.shown), _plain(pair.field, pair.read)
    if Levenshtein.normalized_similarity(shown, read) < ANOTHER_TEXT:
        return "other"
    return {0: "exact", 1: "one"}.get(_distance(pair), "several")


def slipped(text: str, slips: Sequence[Slip], rng: random.Random) -> str:
    """The text with one of the slips that fits it."""
    for _ in range(TRIES):
        was, became = rng.choice(slips)
        places = [i for i, c in enumerate(text) if c == was] if was else range(len(text) + 1)
        if places:
            at = rng.choice(places)
            return text[:at] + became + text[at + len(was) :]
    return text


def error_rates(readings: Sequence[IdentityReading]) -> list[Rates]:
    """Per field and quality, print and hand apart."""
    seen: dict[tuple[str, str], list[str]] = defaultdict(list)
    for page in readings:
        for pair in page.pairs:
            if pair.shown:
                seen[pair.field, "hand" if page.writing == "hand" else page.quality].append(outcome(pair))
    order = {field: i for i, field in enumerate(EVIDENCE)}
    return [
        Rates(field=field, quality=quality, seen=len(found), shares={o: found.count(o) / len(found) for o in OUTCOMES})
        for (field, quality), found in sorted(seen.items(), key=lambda item: (order[item[0][0]], item[0][1]))
    ]


def rates_table(rates: Sequence[Rates]) -> Table:
    table = Table("field", "quality", "seen", *OUTCOMES, title="How identity fields are read, share of those printed")
    for one in rates:
        table.add_row(one.field, one.quality, str(one.seen), *(f"{one.shares[o]:.1%}" for o in OUTCOMES))
    return table


def _by_field(pages: Sequence[IdentityReading]) -> dict[tuple[str, str], list[Pair]]:
    """(field, quality) -> pairs, and (field, '') -> all."""
    found: dict[tuple[str, str], list[Pair]] = defaultdict(list)
    for page in pages:
        for pair in page.pairs:
            if pair.shown:
                found[pair.field, page.quality].append(pair)
                found[pair.field, ""].append(pair)
    return found


def slips_of(pages: Sequence[IdentityReading]) -> dict[str, list[Slip]]:
    """letters of names, or digits -> every confusion seen, as often as it was."""
    found: dict[str, list[Slip]] = defaultdict(list)
    for page in pages:
        for pair in page.pairs:
            if pair.shown and outcome(pair) in ("one", "several"):
                found[_letters_of(pair.field)] += _confusions(pair)
    return found


def _confusions(pair: Pair) -> list[Slip]:
    shown, read = _plain(pair.field, pair.shown), _plain(pair.field, pair.read)
    return [
        Slip("" if op.tag == "insert" else shown[op.src_pos], "" if op.tag == "delete" else read[op.dest_pos])
        for op in Levenshtein.editops(shown, read)
    ]


def _letters_of(field: str) -> str:
    return "letters" if field == NAME else "digits"


def _distance(pair: Pair) -> int:
    return Levenshtein.distance(_plain(pair.field, pair.shown), _plain(pair.field, pair.read))


def _plain(field: str, text: str) -> str:
    text = clean(text).upper()
    return text if field == NAME else "".join(text.split())
