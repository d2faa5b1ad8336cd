"""Stage 6, transformers.identity: the patient guard. Each page's identity evidence against that of its file.

Identity is a gate, not a score: a page that contradicts its file stops the file for a person. Reading is forgiving
(one or two misread letters are no contradiction) but never folds two people into one.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum

from rapidfuzz.distance import Levenshtein

from records.base import Frozen
from records.documents import FieldValue
from transformers.text import folded

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


class PageIdentity(Frozen):
    """Identity evidence of one page: field -> normal form, only what could be parsed.

    `follows`: the page before it in the scan is of the same file, nothing between them is missing.
    """

    page_id: str
    evidence: dict[str, str]
    follows: bool = True


def page_identity(page_id: str, values: Sequence[FieldValue], follows: bool = True) -> PageIdentity:
    """The evidence among a page's own values."""
    found = {v.field: v.value for v in values if v.field in EVIDENCE and not v.problem and v.value}
    return PageIdentity(page_id=page_id, evidence=found, follows=follows)


def guard(pages: Sequence[PageIdentity], registry: Mapping[str, str] | None = None) -> dict[str, IdentityState]:
    """The state of each page, in file order. `registry`: what the hospital's list says of this file, if anything."""
    expected = file_identity(pages, registry or {})
    states: dict[str, IdentityState] = {}
    before = IdentityState.UNKNOWN
    for page in pages:
        state = page_state(page.evidence, expected)
        run = page.follows and before in (IdentityState.CONFIRMED, IdentityState.INHERITED)
        if state is IdentityState.UNKNOWN and run and not page.evidence:
            state = IdentityState.INHERITED
        states[page.page_id] = before = state
    return states


def file_identity(pages: Sequence[PageIdentity], registry: Mapping[str, str]) -> dict[str, str]:
    """What the file says of its patient: the registry's word, else what most pages carry, the first on a tie."""
    told: dict[str, str] = {}
    for field in EVIDENCE:
        seen = [p.evidence[field] for p in pages if field in p.evidence]
        if registry.get(field):
            told[field] = registry[field]
        elif seen:
            told[field] = max(Counter(seen).items(), key=lambda item: (item[1], -seen.index(item[0])))[0]
    return told


def page_state(evidence: Mapping[str, str], expected: Mapping[str, str]) -> IdentityState:
    """Confirmed by a number or name that agrees; conflict when what disagrees outweighs it; else unknown."""
    numbers = [compare_numbers(evidence[f], expected[f]) for f in NUMBERS if f in evidence and f in expected]
    name = compare_names(evidence[NAME], expected[NAME]) if NAME in evidence and NAME in expected else 0
    birth = _compare_births(evidence.get(BIRTH, ""), expected.get(BIRTH, ""))
    against = numbers.count(-1)
    if name < 0 and against or against >= 2 or (birth < 0 and (against or name < 0)):
        return IdentityState.CONFLICT
    if 1 in numbers:
        return IdentityState.CONFIRMED
    same_name = NAME in evidence and folded(evidence[NAME]) == folded(expected.get(NAME, ""))
    if name < 0 or (against and not same_name):
        return IdentityState.CONFLICT
    # A near name with a near number may be a twin; the same name with another number a namesake.
    sound = not against and birth >= 0 and (same_name or (name > 0 and not numbers))
    return IdentityState.CONFIRMED if sound else IdentityState.UNKNOWN


def compare_names(one: str, other: str) -> int:
    """1 the same but for slips of reading, -1 another name, 0 cannot tell."""
    like = Levenshtein.normalized_similarity(folded(one), folded(other))
    return 1 if like >= SAME_NAME else -1 if like < OTHER_NAME else 0


def compare_numbers(one: str, other: str) -> int:
    """1 equal, -1 another number, 0 within a slip or two of reading (which confirms nothing)."""
    a, b = "".join(filter(str.isalnum, one)), "".join(filter(str.isalnum, other))
    if {len(a), len(b)} == {10, 15}:
        a, b = a[-10:], b[-10:]
    slips = min(SLIPS, max(len(a), len(b)) // 4)
    return 1 if a == b else 0 if Levenshtein.distance(a, b) <= slips else -1


def _compare_births(one: str, other: str) -> int:
    """1 the same as far as both go, -1 another year, 0 cannot tell."""
    if not one or not other:
        return 0
    shared = min(len(one), len(other))
    return 1 if one[:shared] == other[:shared] else -1 if one[:4] != other[:4] else 0
