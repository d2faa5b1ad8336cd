"""Stage 6, transformers.lexicons: a reading that is nearly a listed wording becomes that wording; a far one stays.

Order of trust: the same letters and marks; one entry with the same letters under other tone marks; one entry with the
same letters under any marks; one entry at least 90 % alike. Two entries equally near are no correction.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from rapidfuzz import fuzz, process

from records.code_lists import entries, of_lists
from transformers.addresses import with_listed_units
from transformers.text import folded, without_tones

NEAR = 90.0
SHORT = 4  # entries this short are proposed only when letters agree: one wrong letter is another word

BY_KIND = {
    "ethnicity": "ethnic_groups",
    "occupation": "occupations",
    "department": "departments",
    "drug": "drugs",
    "test_name": "tests",
    "unit": "units",
}


class Lexicon:
    """A closed list of wordings, searchable by exact, toneless and folded form."""

    def __init__(self, wordings: Iterable[str]) -> None:
        self.wordings = tuple(dict.fromkeys(wordings))
        self.exact = _by(self.wordings, str.casefold)
        self.toneless = _by(self.wordings, without_tones)
        self.folded = _by(self.wordings, folded)

    def nearest(self, text: str) -> str | None:
        """The listed wording that `text` most likely is, or None when none is near or two are."""
        for table, form in ((self.exact, str.casefold), (self.toneless, without_tones), (self.folded, folded)):
            if found := table.get(form(text)):
                return found[0] if len(found) == 1 else None
        if len(text) <= SHORT:
            return None
        near = self._alike(folded(text))
        # 'Gây tê tủy sống' is a letter or two from 'Tê tủy sống': a whole word is never added or dropped.
        return near if near and len(near.split()) == len(text.split()) else None

    def _alike(self, text: str) -> str | None:
        found = process.extract(text, list(self.folded), scorer=fuzz.ratio, score_cutoff=NEAR, limit=2)
        if not found or (len(found) == 2 and found[0][1] - found[1][1] < 2) or _numbers(found[0][0]) != _numbers(text):
            return None
        names = self.folded[found[0][0]]
        return names[0] if len(names) == 1 else None


@of_lists
def lexicon(name: str) -> Lexicon:
    """The list of that name in records/code_lists/; SohoaError when there is none."""
    return Lexicon(entries(name))


def lexicons() -> Mapping[str, Lexicon]:
    """Every list that a kind proposes from, by its name; other lists are read when a document type names them."""
    return {name: lexicon(name) for name in BY_KIND.values()}


def with_listed_syllables(name: str) -> str:
    """'NGUYÊN HỮU SƠN' -> 'NGUYỄN HỮU SƠN': a syllable no one bears becomes the one listed with the same letters."""
    family, *given = name.split()
    given = [_syllable(s, ("given_names", "family_names")) for s in given]
    return " ".join([_syllable(family, ("family_names",)), *given])


def with_listed_places(address: str) -> str:
    """'Xã Yên Thọ, Huyên Ý Yên, Tinh Nam Đinh' -> '..., Huyện Ý Yên, Tỉnh Nam Định': place words, the province, and the
    marks of a ward and district that the list has."""
    parts = [_place_word(part.strip()) for part in address.split(",")]
    if parts:
        parts[-1] = _province(parts[-1])
    return with_listed_units(", ".join(part for part in parts if part))


def _syllable(syllable: str, lists: tuple[str, ...]) -> str:
    known = [lexicon(name) for name in lists]
    if any(syllable.casefold() in one.exact for one in known):
        return syllable
    # Any marks, not tones alone: HÃNG is HẰNG as often as HẠNG.
    found = {w for one in known for w in one.folded.get(folded(syllable), ())}
    return found.pop().upper() if len(found) == 1 else syllable


def _place_word(part: str) -> str:
    """The longest place word at the front, with its marks restored."""
    words, known = part.split(" "), lexicon("address_words")
    for count in (3, 2, 1):
        front = " ".join(words[:count])
        if len(words) <= count or not front[:1].isupper():
            continue
        if front.casefold() in known.exact:
            return part
        if found := known.toneless.get(without_tones(front)) or known.folded.get(folded(front)):
            return " ".join([found[0], *words[count:]])
    return part


def _province(part: str) -> str:
    for word in ("Tỉnh ", "Thành phố ", "TP. ", "TP ", "T. "):
        if part.startswith(word):
            return word + (lexicon("provinces").nearest(part[len(word) :]) or part[len(word) :])
    return lexicon("provinces").nearest(part) or part


def _numbers(text: str) -> list[str]:
    return [c for c in text if c.isdigit()]


def _by(wordings: tuple[str, ...], key: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for wording in wordings:
        found[key(wording)].append(wording)
    return dict(found)
