"""Stage 6, transformers.identity: the patient guard. Each page's identity evidence against that of its file.

Identity is a gate, not a score: a page that contradicts its file stops the file for a person. Reading is forgiving
(one or two misread letters are no contradiction) but never folds two people into one.
"""

import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from rapidfuzz.distance import Levenshtein

from records.base import Frozen
from records.documents import FieldValue
from transformers.choices import parse_person_name
from transformers.text import TONES, folded

NAME, BIRTH = "patient.name", "patient.birth_date"
NUMBERS = (
    "patient.id",
    "encounter.number",
    "patient.insurance_number",
    "patient.national_id",
    "encounter.archive_number",
)
EVIDENCE = (NAME, BIRTH, *NUMBERS)
SAME_NAME, OTHER_NAME = 0.82, 0.68
SLIPS = 2  # letters of a number, at most a quarter, that reading may get wrong without contradicting


class IdentityState(StrEnum):
    """What a page says of whose it is. `inherited`: nothing, but it lies in an unbroken run of the file."""

    CONFIRMED = "confirmed"
    INHERITED = "inherited"
    CONFLICT = "conflict"
    UNKNOWN = "unknown"


PLACED = (IdentityState.CONFIRMED, IdentityState.INHERITED)  # the page is this file's


class PageIdentity(Frozen):
    """Identity evidence of one page: field -> normal form, only what could be parsed.

    `silent`: the page is no form's first and no identity field was found on it, so that nothing can speak against the
    pages before it. `follows`: the page before it in the scan is of the same file, nothing between them is missing.
    `apart`: it may show a relative, so that it stops no file and speaks for no other page.
    """

    page_id: str
    evidence: dict[str, str]
    silent: bool
    follows: bool = True
    apart: bool = False


def page_identity(
    page_id: str, values: Sequence[FieldValue], titled: bool, follows: bool = True, *, apart: bool = False
) -> PageIdentity:
    """The evidence among a page's own values. `titled`: it bears a form's title, and so should say whose it is."""
    told = [v for v in values if v.field in EVIDENCE]
    evidence = {v.field: _as_written(v) for v in told if v.value and not v.problem}
    silent = not told and not titled
    return PageIdentity(page_id=page_id, evidence=evidence, silent=silent, follows=follows, apart=apart)


def _as_written(value: FieldValue) -> str:
    """The normal form, but a name before it was drawn to listed syllables: the list would make THOA of a THÒA."""
    return parse_person_name(value.reading.raw) if value.field == NAME else value.value


def guard(
    pages: Sequence[PageIdentity], registry: Mapping[str, str] | None = None, ruled: Collection[str] = ()
) -> dict[str, IdentityState]:
    """The state of each page, in file order. `registry`: what the hospital's list says of this file, if anything.

    `ruled`: pages of which an officer has said that they are this file's; silent ones behind them are too.
    """
    expected = file_identity(pages, registry or {})
    states: dict[str, IdentityState] = {}
    before = IdentityState.UNKNOWN
    for page in pages:
        state = IdentityState.CONFIRMED if page.page_id in ruled else page_state(page.evidence, expected)
        if state is IdentityState.CONFLICT and page.apart:
            state = IdentityState.UNKNOWN
        if state is IdentityState.UNKNOWN and page.silent and page.follows and before in PLACED:
            state = IdentityState.INHERITED
        states[page.page_id] = before = state
    return states


def file_identity(pages: Sequence[PageIdentity], registry: Mapping[str, str]) -> dict[str, str]:
    """What the file says of its patient: the registry's word, else what most pages carry, the first on a tie.

    Birth date and numbers come from pages that bear the name so told, if any: they are one person's, never two's.
    """
    told: dict[str, str] = {}
    for field in EVIDENCE:
        bearers = [p.evidence for p in pages if field in p.evidence and not p.apart]
        nearest = max((_name(e, told) for e in bearers), default=0)
        seen = [e[field] for e in bearers if _name(e, told) == nearest]
        if registry.get(field):
            told[field] = registry[field]
        elif seen:
            told[field] = max(Counter(seen).items(), key=lambda item: (item[1], -seen.index(item[0])))[0]
    return told


def page_state(evidence: Mapping[str, str], expected: Mapping[str, str]) -> IdentityState:
    """Confirmed by what agrees to the letter and nothing outweighs; conflict where another is told; else unknown.

    What is only near supports nothing: it may be a slip of reading, a twin, or the number given out next.
    """
    numbers = Counter(compare_numbers(evidence[f], expected[f]) for f in NUMBERS if f in evidence and f in expected)
    name = _name(evidence, expected)
    birth = compare_births(evidence.get(BIRTH, ""), expected.get(BIRTH, ""))
    if _another_person(numbers, name, birth):
        return IdentityState.CONFLICT
    if name > 0:
        sound = numbers[1] > 0 or (not numbers[-1] and birth >= (1 if numbers[0] else 0))
    else:
        sound = numbers[1] > 1 or (numbers[1] > 0 and numbers.total() == 1 and name == 0 and birth >= 0)
    return IdentityState.CONFIRMED if sound else IdentityState.UNKNOWN


def _name(evidence: Mapping[str, str], expected: Mapping[str, str]) -> int:
    """1 spelled alike, -1 another name, 0 near or not told."""
    one, other = evidence.get(NAME, ""), expected.get(NAME, "")
    if not one or not other:
        return 0
    return 1 if same_spelling(one, other) else min(0, compare_names(one, other))


def _another_person(numbers: Counter[int], name: int, birth: int) -> bool:
    """Two things that disagree, or one that nothing on the page speaks against; or all numbers of several only near."""
    if numbers[0] > 1 and not numbers[1]:
        return True
    if numbers[-1] > 1 or (numbers[-1] and name < 0) or (birth < 0 and (numbers[-1] or name < 0)):
        return True
    return not numbers[1] and (name < 0 or (numbers[-1] > 0 and name == 0))


def compare_names(one: str, other: str) -> int:
    """1 the same but for slips of reading, -1 another name, 0 cannot tell."""
    like = Levenshtein.normalized_similarity(folded(one), folded(other))
    return 1 if like >= SAME_NAME else -1 if like < OTHER_NAME else 0


def same_spelling(one: str, other: str) -> bool:
    """Letter by letter and mark by mark, wherever a syllable's tone is written: HOÀ is HÒA, CÚC is not CỤC."""
    return _syllables(one) == _syllables(other)


def _syllables(name: str) -> list[tuple[str, str]]:
    """Each syllable without its tone, and the tone."""
    parts = unicodedata.normalize("NFD", name.upper()).split()
    return [(part.translate(TONES), "".join(c for c in part if ord(c) in TONES)) for part in parts]


def compare_numbers(one: str, other: str) -> int:
    """1 equal, -1 another number, 0 within a slip or two of reading (which confirms nothing)."""
    a, b = "".join(filter(str.isalnum, one)), "".join(filter(str.isalnum, other))
    if {len(a), len(b)} == {10, 15}:
        a, b = a[-10:], b[-10:]
    slips = min(SLIPS, max(len(a), len(b)) // 4)
    return 1 if a == b else 0 if Levenshtein.distance(a, b) <= slips else -1


def compare_births(one: str, other: str) -> int:
    """1 the same as far as both go, -1 another year, 0 cannot tell."""
    if not one or not other:
        return 0
    shared = min(len(one), len(other))
    return 1 if one[:shared] == other[:shared] else -1 if one[:4] != other[:4] else 0
