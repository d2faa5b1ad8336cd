"""Stage 6, transformers.coding: a printed ICD-10 code and the printed name beside it become the code that both say.

The code says by position what its characters may be, the name says by likeness which disease is meant. A code that its
name does not bear out, or that only its name puts right, is proposed and goes to review. A name without a code gets
candidates for the officer; no code is ever made from a name alone.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import NamedTuple

from rapidfuzz import fuzz, process

from records.base import Frozen
from records.code_lists import Wording, icd10_complete, icd10_wordings, of_lists
from records.documents import FieldValue
from transformers.identifiers import parse_icd10
from transformers.text import clean, folded

SURE, WEAK = 0.84, 0.6  # likeness from which a name tells its code, and below which it speaks against one
MARGIN = 0.08  # by which the best pair of code and name must lead
HELD = 90.0  # of 100: how much of a name stands in a wording that holds it
TIE = 0.03  # likenesses nearer than this are one
FAR = 2.0  # characters between a reading and a code from which the reading cannot have been that code
NEARBY = 40  # names looked at closely
PER_CHARACTER = 0.12  # what one misread character of the code weighs against the likeness of the name
CONFUSED = 0.5  # weight of a misreading within one of these sets; any other counts 1
ALIKE = (
    "1IL|[]!TJ/7i", "0ODQCU6", "8B36S0", "5S6", "2Z7", "4A9", "6GCB", "9GQ4", "3E8B5", "KXRHNM", "PRFE", "VUY", "TYFI7",
)  # fmt: skip
CODE, NAME_SUFFIX = "icd10", ".code"
_IN_BRACKETS = re.compile(r"[(\[][A-Za-z0-9|.,†* ]{3,9}[)\]]\s*$")


class Standing(StrEnum):
    """How a code stands to the name beside it.

    `borne_out`: both say the same; `repaired`: no listed code was read, and the name says which it is; `reread`: the
    name says a code that the reading can have been, but for another listed one or by little; `against`: the name is
    that of a far code; `open`: the name does not decide; `unclear`: nor does the reading of the code's letter.
    """

    BORNE_OUT = "borne_out"
    REPAIRED = "repaired"
    REREAD = "reread"
    AGAINST = "against"
    OPEN = "open"
    UNCLEAR = "unclear"


class Candidate(NamedTuple):
    """A code for a name. `likeness`: 0..1, of the listed wording `name` to what was read."""

    code: str
    name: str
    likeness: float


class Coded(Frozen):
    """A code and how it stands to its name. `instead`: what else it may be."""

    code: str
    standing: Standing
    instead: str = ""


class Names:
    """The names of the ICD-10 list, searchable by likeness."""

    def __init__(self, wordings: Sequence[Wording]) -> None:
        self.wordings = tuple(wordings)
        self.keys = [_key(wording.name) for wording in wordings]
        self.codes: Mapping[str, str] = {wording.code: wording.name for wording in reversed(self.wordings)}
        self._of: dict[str, list[str]] = defaultdict(list)
        for wording, key in zip(self.wordings, self.keys, strict=True):
            self._of[wording.code].append(key)

    def says_more(self, read: str, name: str, best: Candidate) -> bool:
        """'Ung thư đại tràng' is an everyday wording of C18.9: C18.7 beside it says more, and nothing else."""
        everyday = best.name != self.codes[best.code]
        return (
            read in self.codes
            and read != best.code
            and everyday
            and (read[:3] == best.code[:3] or self.hold(read, name))
        )

    def hold(self, code: str, name: str) -> bool:
        """Whether one of the code's wordings has all of the name in it."""
        key = _key(name)
        return any(fuzz.partial_ratio(key, own) >= HELD for own in self._of.get(code, ()) if len(own) >= len(key))

    def ranked(self, name: str, most: int = NEARBY) -> tuple[Candidate, ...]:
        """The codes whose names are most like `name`, each once, the likest first."""
        key, plain = _key(name), clean(name).casefold()
        if not key:
            return ()
        found = process.extract(key, self.keys, scorer=fuzz.ratio, limit=most * 2)
        best: dict[str, Candidate] = {}
        for _, score, at in found:
            wording = self.wordings[at]
            marks = fuzz.ratio(plain, wording.name.casefold())
            candidate = Candidate(wording.code, wording.name, (0.85 * score + 0.15 * marks) / 100)
            if candidate.likeness > best.get(wording.code, Candidate("", "", -1.0)).likeness:
                best[wording.code] = candidate
        return tuple(sorted(best.values(), key=lambda c: (-c.likeness, c.code))[:most])


@of_lists
def names_of(path: Path) -> Names:
    """The names of the loaded list and of the lists made for this project."""
    return Names(icd10_wordings(path))


def candidates(name: str, path: Path | None, most: int = 5) -> tuple[Candidate, ...]:
    """Codes for a diagnosis in words, the likest name first, for an officer to choose from; () without the list."""
    if path is None or not icd10_complete(path):
        return ()
    return names_of(path).ranked(_IN_BRACKETS.sub("", name), most)


class CodedValues(NamedTuple):
    """The values of a document, and the fields whose code its name bears out."""

    values: tuple[FieldValue, ...]
    borne_out: frozenset[str] = frozenset()


def with_names(values: Sequence[FieldValue], path: Path | None) -> CodedValues:
    """Each code of a document seen beside its name: `diagnosis.main.code` beside `diagnosis.main`."""
    if path is None or not icd10_complete(path):
        return CodedValues(tuple(values))
    words = {v.field: v.value for v in values if not v.problem}
    names, seen, borne_out = names_of(path), [], set()
    for value in values:
        name = words.get(value.field.removesuffix(NAME_SUFFIX), "")
        found = _beside(value, name, names) if value.kind == CODE and ";" not in value.value else None
        seen.append(_told(value, found, names) if found else value)
        if found and found.standing in (Standing.BORNE_OUT, Standing.REPAIRED):
            borne_out.add(value.field)
    return CodedValues(tuple(seen), frozenset(borne_out))


def _beside(value: FieldValue, name: str, names: Names) -> Coded | None:
    raws = (value.reading.raw, *value.reading.others)
    found = code_beside_name(raws, name, names) if name else None
    if found is None or found.standing is Standing.OPEN:
        return _unclear(value, names)
    return found


def _unclear(value: FieldValue, names: Names) -> Coded | None:
    """A code read with a small l first is one in I as often as one in L."""
    other = f"I{value.value[1:]}"
    small = value.reading.raw.strip(" ([.").startswith("l") and value.value.startswith("L")
    return Coded(code=value.value, standing=Standing.UNCLEAR, instead=other) if small and other in names.codes else None


def _told(value: FieldValue, found: Coded, names: Names) -> FieldValue:
    """The value with the code found, and what the officer is told; nothing where the name bears the code out."""
    read, problem = value.value, ""
    called = f"“{names.codes[read]}”" if read in names.codes else "không có trong danh mục"
    if found.standing is Standing.REREAD:
        problem = f"Mã đọc được là {read} ({called}); theo tên bệnh thì mã là {found.code}, hãy xem ảnh."
    elif found.standing is Standing.AGAINST:
        problem = f"Mã {read} ({called}) không khớp tên bệnh; giống tên bệnh nhất là {found.instead}, hãy xem ảnh."
    elif found.standing is Standing.UNCLEAR:
        problem = f"Chữ đầu của mã không rõ là L hay I: {read} hay {found.instead}; hãy xem ảnh."
    return value.model_copy(update={"value": found.code, "problem": problem})


def code_beside_name(raws: Sequence[str], name: str, names: Names) -> Coded | None:
    """The code that readings of it and the name beside it say together; None when there is nothing to judge by."""
    read = _parsed(raws)
    bare = read.rstrip("†*")
    ranked = names.ranked(_IN_BRACKETS.sub("", name))
    if not ranked or ranked[0].likeness < SURE:
        return _open(read) if read else None
    weighed = sorted(((_weight(c, raws), c) for c in ranked), key=lambda pair: -pair[0])
    (most, best), second = weighed[0], weighed[1][0] if len(weighed) > 1 else 0.0
    apart = most - second >= MARGIN
    if distance_of(raws, best.code) > FAR or best.likeness < SURE or names.says_more(bare, name, best):
        near = {c.code[:3] for c in ranked if c.likeness >= WEAK}
        return (_open(read) if bare[:3] in near else _against(read, name, ranked, names)) if read else None
    if bare not in names.codes:
        return Coded(code=best.code, standing=Standing.REPAIRED if apart else Standing.REREAD)
    if not apart:
        own = next((c.likeness for c in ranked if c.code == bare), 0.0)
        return _open(read) if own >= ranked[0].likeness - TIE else _against(read, name, ranked, names)
    if best.code == bare:
        return Coded(code=read, standing=Standing.BORNE_OUT)
    equally = distance_of(raws, bare) >= distance_of(raws, best.code)
    return Coded(code=best.code, standing=Standing.REPAIRED if equally else Standing.REREAD)


def _open(read: str) -> Coded:
    return Coded(code=read, standing=Standing.OPEN)


def _against(read: str, name: str, ranked: Sequence[Candidate], names: Names) -> Coded:
    """Against the name, unless one of the code's own wordings holds all of it: 'Đái tháo đường' beside E11."""
    if names.hold(read.rstrip("†*"), name):
        return _open(read)
    return Coded(code=read, standing=Standing.AGAINST, instead=f"{ranked[0].code} {ranked[0].name}")


def _weight(candidate: Candidate, raws: Sequence[str]) -> float:
    return candidate.likeness - PER_CHARACTER * distance_of(raws, candidate.code)


def distance_of(raws: Sequence[str], code: str) -> float:
    """Characters between a code and the nearest of its readings; look-alikes count half."""
    return min(_distance(_compact(raw), _compact(code)) for raw in raws)


def _distance(read: str, code: str) -> float:
    """Edit distance in which characters that look alike count half."""
    above = [float(at) for at in range(len(code) + 1)]
    for row, one in enumerate(read, 1):
        line = [float(row)]
        for at, other in enumerate(code, 1):
            line.append(min(above[at] + 1, line[-1] + 1, above[at - 1] + _unlike(one, other)))
        above = line
    return above[-1]


@cache
def _unlike(one: str, other: str) -> float:
    if one == other:
        return 0.0
    return CONFUSED if any(one in alike and other in alike for alike in ALIKE) else 1.0


def _parsed(raws: Sequence[str]) -> str:
    """The first reading that has the form of a code; '' when none has."""
    for raw in raws:
        try:
            return parse_icd10(raw)
        except ValueError:
            continue
    return ""


def _compact(raw: str) -> str:
    """'c 5O,9' -> 'C5O9'; a small l stays one: it is a capital I as often as an L."""
    kept = re.sub(r"[\s.,·†*+()-]", "", clean(raw)[:40])
    return "".join(c if c == "l" else c.upper() for c in kept).replace("l", "|")


def _key(name: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", folded(clean(name))))
