"""Stage 5, extractors.film_fields: what burnt-in text says of a film: whose, when, of what kind, which side.

Makers burn values in with labels or without, in any corner, and on a sheet once a frame: what most frames say counts,
and what other frames say is a witness.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from statistics import median
from typing import NamedTuple

from rapidfuzz import fuzz
from rapidfuzz.distance import Levenshtein

from extractors.found import Found
from records.code_lists import entries, of_lists
from records.pages import Line, PageText, Word, around

METHOD = "burnt_in"
APART = re.compile(r"[^^]+")  # DICOM parts a name by ^
MARKER = 1.3  # a side's letter alone, in heights of the other lines
NAME = "patient.name"
PLAINLY = 0.9  # confidence of what surely stands there
OTHER_NAME, SLIPS = 60.0, 2  # likeness of names under which, letters of numbers above which two are of two people
APART_BY = 6.0  # heights of a line between two frames' same words
SLICED = frozenset({"CT", "MR", "MRI", "PT", "NM"})
EDGES = ".,:;|'\"()[]"
LETTERS = {"L": "L", "R": "R", "P": "R", "T": "L"}  # P, T: phải, trái
SIDES = {"LEFT": "L", "RIGHT": "R", "TRAI": "L", "PHAI": "R"}
MODALITIES = frozenset({"CR", "DX", "DR", "CT", "MR", "MRI", "US", "XA", "RF", "MG", "PT", "NM"})
VIEWS = frozenset({"AP", "PA", "LAT", "LATERAL", "OBL", "OBLIQUE", "THANG", "NGHIENG"})
LABELS = (
    ("patient.birth_date", r"ngay sinh|nam sinh|birth ?date|date of birth|dob|born|sinh|ns"),
    ("film.taken_on", r"ngay chup|ngay thuc hien|study date|acq(?:uisition)? date|exam date|date|ngay"),
    ("patient.name", r"ho va ten|ho ten|ten bn|patient name|pat name|name|ten|patient"),
    ("film.accession", r"acc(?:ession)?(?: ?(?:no|number|#))?\.?|so phieu"),
    ("patient.id", r"ma bn|ma nb|ma benh nhan|ma nguoi benh|patient id|pat id|p[il1]d|mrn|[il1]d"),
    ("film.modality", r"modality"),
    ("film.view", r"view(?: position)?|tu the"),
    ("", r"sex|gioi|gioi tinh|age|tuoi|se|im|study id|series|tr|te|kv|zoom|w|l|wl|ww"),
)
LABEL = re.compile("|".join(rf"(?P<g{i}>\b(?:{pattern})\b)" for i, (_, pattern) in enumerate(LABELS)))
UNTOLD = frozenset({"patient.id", "patient.birth_date"})  # labels that stand before a value without a colon too
MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
DATE = re.compile(
    r"\b(?:\d{1,2}[/.\-]\d{1,2}[/.\-](?:19|20)\d\d|(?:19|20)\d\d[/.\-]\d{1,2}[/.\-]\d{1,2}|"
    rf"\d{{1,2}}[ \-]?{MONTH}[ \-]?(?:19|20)\d\d|"
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))\b"
)
SLASHED = re.compile(r"(?<!\d)\d{1,2}[/.\-il|!1 ]{1,2}\d{1,2}[/.\-il|!1 ]{1,2}(?:19|20)\d\d(?!\d)")  # 20l04/2014
BORN = re.compile(r"sinh|birth|dob|born|\bns\b")
OWN_NUMBER = re.compile(r"\W{0,4}(?:p?[il1]d\W{0,3})?(\d{6,12})\W{0,4}")
YEAR = re.compile(r"\b(?:19|20)\d\d\b")
NUMBER = re.compile(r"\b(?=[a-z\-]{0,3}\d)[a-z0-9][a-z0-9\-.]{4,15}\b")
PLACE = re.compile(r"\b(?:bv|benh vien|hospital|khoa|phong|clinic|trung tam|center|vien)\b")


class Seen(NamedTuple):
    """Words that may be a field's value: `value` in a form to count by, `sure` 0..1."""

    field: str
    value: str
    words: tuple[Word, ...]
    sure: float

    @property
    def text(self) -> str:
        return " ".join(w.text for w in self.words)


Places = Mapping[str, Sequence[Seen]]


def is_marker(text: str) -> bool:
    """Whether a letter by itself tells a side."""
    return text.strip(EDGES).upper() in LETTERS


def tells(text: str) -> bool:
    """Whether a line, as read, says something that films say: a date, a label with its value, a hospital, a name."""
    plain = _plain(text)
    labelled = any(_is_label(plain, m) for m in LABEL.finditer(plain))
    return labelled or bool(DATE.search(plain) or PLACE.search(plain)) or _is_name(text, plain)


def figures_better(again: Line, line: Line) -> Line | None:
    """What stands for a line in doubt, by its other reading: a day that the line itself does not show and that is not
    a birth, or the number of a patient, without its label; None where the line stands."""
    plain, told = _plain(line.text), _plain(again.text)
    if DATE.search(told) and not DATE.search(plain) and not BORN.search(plain):
        return again
    found = OWN_NUMBER.fullmatch(told)
    words = _words(again, found.start(1), found.end(1)) if found and found[1] not in plain.split() else ()
    return Line(words=words) if words else None


def find_film_fields(places: Places) -> list[tuple[Found, tuple[str, ...]]]:
    """Each field's words as most places show them, with what the other places say, verbatim."""
    found = {field: _agreed(seen) for field, seen in places.items()}
    if both := _two_people(places):
        found = {name: one for name, one in found.items() if not name.startswith("patient.")} | {NAME: (both, ())}
    modality = found.get("film.modality")
    if modality and _plain(modality[0].raw).upper() in SLICED:
        found.pop("film.laterality", None)  # letters on slices tell how they lie, not which side was taken
    return list(found.values())


def frames_of(places: Places) -> tuple[int, int]:
    """Rows and columns of a sheet, by where the same words stand again and again; (1, 1) for a single picture."""
    rows, columns = 1, 1
    for seen in places.values():
        alike = Counter(one.value for one in seen).most_common(1)[0][0]
        boxes = [around([w.box for w in one.words]) for one in seen if one.value == alike]
        apart = APART_BY * median([b.height for b in boxes])
        rows = max(rows, _groups([b.middle for b in boxes], apart))
        columns = max(columns, _groups([(b.left + b.right) / 2 for b in boxes], apart))
    return rows, columns


def _groups(at: list[float], apart: float) -> int:
    at = sorted(at)
    return 1 + sum(after - before > apart for before, after in pairwise(at))


def places_of(text: PageText) -> Places:
    """Every place where a field may stand, by field."""
    usual = median([line.box.height for line in text.lines]) if text.lines else 0.0
    places: defaultdict[str, list[Seen]] = defaultdict(list)
    for line in text.lines:
        for seen in _of_line(line, usual):
            places[seen.field].append(seen)
    return places


def _two_people(places: Places) -> Found | None:
    """Both names, or both numbers, of a film that bears two, as one name that is nobody's: the guard lets no file
    have such a page."""
    for field, others in DIFFERENT.items():
        plain: dict[str, Seen] = {}
        for one in sorted(places.get(field, ()), key=lambda one: -one.sure):
            if one.sure > PLAINLY:
                plain.setdefault(one.value, one)
        for one, other in combinations(plain.values(), 2):
            if others(one.value, other.value):
                between = Word(text="+", confidence=0.0, box=other.words[0].box)
                return Found(NAME, KINDS[NAME], METHOD, ((*one.words, between), other.words))
    return None


def _other_name(one: str, other: str) -> bool:
    return fuzz.ratio(one, other) < OTHER_NAME


def _other_number(one: str, other: str) -> bool:
    return len(one) == len(other) and Levenshtein.distance(one, other) > SLIPS


DIFFERENT = {"patient.name": _other_name, "patient.id": _other_number}


def _agreed(places: Sequence[Seen]) -> tuple[Found, tuple[str, ...]]:
    """The wording of most weight among those of the value of most weight; tone marks are counted by wording alone."""
    value = _weightiest([(one.value, one.sure) for one in places])
    alike = [one for one in places if one.value == value]
    shown = _weightiest([(one.text, one.sure) for one in alike])
    best = max((one for one in alike if one.text == shown), key=lambda one: one.sure)
    told = Counter(one.text for one in places if one is not best).most_common(3)
    return Found(best.field, KINDS[best.field], METHOD, (best.words,)), tuple(other for other, _ in told)


def _weightiest(seen: list[tuple[str, float]]) -> str:
    weights: defaultdict[str, float] = defaultdict(float)
    for text, sure in seen:
        weights[text] += sure
    return max(weights, key=lambda text: weights[text])


KINDS = {
    "patient.name": "person_name", "patient.id": "identifier", "patient.birth_date": "birth_date",
    "film.taken_on": "date", "film.modality": "modality", "film.laterality": "laterality", "film.view": "text",
    "film.accession": "identifier",
}  # fmt: skip


def _of_line(line: Line, usual: float) -> Iterator[Seen]:
    """Labelled parts first; what no label claims is known by its form."""
    plain = _plain(line.text)
    marks = [m for m in LABEL.finditer(plain) if _is_label(plain, m)]
    edges = [(0, 0, None), *((m.start(), m.end(), LABELS[_group(m)][0]) for m in marks)]
    for (_, begin, field), (end, _, _) in zip(edges, [*edges[1:], (len(plain), 0, None)], strict=True):
        begin += len(plain[begin:end]) - len(plain[begin:end].lstrip(" :.#"))
        if field is None:
            yield from _by_form(line, plain, begin, end, usual)
        elif field:
            yield from _labelled(line, plain, begin, end, field)
    if len(line.words) == 1:
        yield from _marker(line.words[0], usual)


def _is_label(plain: str, found: re.Match[str]) -> bool:
    """A label has a colon behind it, or is one that stands before a number without one, at the line's beginning."""
    rest = plain[found.end() :]
    if re.match(r"\s?[:;#]", rest):
        return True
    first = not plain[: found.start()].strip()
    return LABELS[_group(found)][0] in UNTOLD and first and bool(re.match(r"[ .]*\d", rest))


def _group(found: re.Match[str]) -> int:
    return int((found.lastgroup or "g0")[1:])


def _labelled(line: Line, plain: str, begin: int, end: int, field: str) -> Iterator[Seen]:
    shown = plain[begin:end]
    found: re.Match[str] | None
    if field == "patient.name":
        cut = re.match(r"[^\d:/]*[^\W\d]", shown)
        if cut and len(cut[0].split()) > 1 or cut and "^" in cut[0]:
            yield from _taken(line, plain, begin, begin + len(cut[0]), field)
        return
    forms = {
        "film.taken_on": DATE, "patient.id": NUMBER, "film.accession": NUMBER,
        "film.modality": re.compile(r"[a-z]{2,3}\b"), "film.view": re.compile(r"[a-z]{2,8}\b"),
    }  # fmt: skip
    if field == "patient.birth_date":
        found = DATE.search(shown) or YEAR.search(shown)
    else:
        found = forms[field].search(shown) or (SLASHED.search(shown) if field == "film.taken_on" else None)
    if found:
        yield from _taken(line, plain, begin + found.start(), begin + found.end(), field)


def _by_form(line: Line, plain: str, begin: int, end: int, usual: float) -> Iterator[Seen]:
    shown = plain[begin:end]
    for found in DATE.finditer(shown):
        yield from _taken(line, plain, begin + found.start(), begin + found.end(), "film.taken_on")
    for found in re.finditer(r"[^\W\d_]+", shown):
        word, at = found[0].upper(), (begin + found.start(), begin + found.end())
        if word in MODALITIES:
            yield from _taken(line, plain, *at, "film.modality")
        elif word in VIEWS and not PLACE.search(shown):
            yield from _taken(line, plain, *at, "film.view")
        elif word in SIDES:
            yield from _taken(line, plain, *at, "film.laterality")
    if re.fullmatch(r"\s*\d{6,12}\s*", shown) and not DATE.search(shown):
        yield from _taken(line, plain, begin, end, "patient.id")
    elif _is_name(line.text[begin:end], shown):
        yield from _taken(line, plain, begin, end, "patient.name")
    elif born := re.fullmatch(r"\s*((?:19|20)\d\d)\s+(?:m|f|nam|nu)\b.*", shown):
        yield from _taken(line, plain, begin + born.start(1), begin + born.end(1), "patient.birth_date")


def _marker(word: Word, usual: float) -> Iterator[Seen]:
    """A side's letter by itself, larger than the lines of text."""
    letter = word.text.strip(EDGES).upper()
    if letter in LETTERS and word.box.height > MARKER * usual:
        yield Seen("film.laterality", LETTERS[letter], (word,), word.confidence)


def _is_name(shown: str, plain: str) -> bool:
    """Two to six words in capitals that begin with a family name; or one in DICOM's form, parted by ^."""
    words = [w for w in re.split(r"[\s^']+", plain.strip()) if w]
    if not 2 <= len(words) <= 6 or PLACE.search(plain) or not all(re.fullmatch(r"[^\W\d_]+", w) for w in words):
        return False
    return shown.upper() == shown and ("^" in shown or any(word in _family_names() for word in words[:2]))


@of_lists
def _family_names() -> frozenset[str]:
    return frozenset(_plain(name) for name in entries("family_names"))


def _taken(line: Line, plain: str, begin: int, end: int, field: str) -> Iterator[Seen]:
    """The words, or parts of words, between two places of a line, as a place where a field may stand."""
    if words := _words(line, begin, end):
        value = re.sub(r"[\s^]+", " ", plain[begin:end]).strip()
        sure = sum(w.confidence * len(w.text) for w in words) / sum(len(w.text) for w in words)
        yield Seen(field, SIDES.get(value.upper(), value), words, sure)


def _words(line: Line, begin: int, end: int) -> tuple[Word, ...]:
    """The words, or parts of words, between two places of a line."""
    words: list[Word] = []
    at = 0
    for word in line.words:
        start, stop = max(begin - at, 0), min(end - at, len(word.text))
        if start < stop:
            words += [_part(word, start + m.start(), start + m.end()) for m in APART.finditer(word.text[start:stop])]
        at += len(word.text) + 1
    return tuple(words)


def _part(word: Word, start: int, stop: int) -> Word:
    if (start, stop) == (0, len(word.text)):
        return word
    step = word.box.width / len(word.text)
    box = word.box.model_copy(update={"left": word.box.left + start * step, "right": word.box.left + stop * step})
    return word.model_copy(update={"text": word.text[start:stop], "box": box})


def _plain(text: str) -> str:
    """Letter by letter without marks and in small letters, so that places in it are places in the text."""
    bare = (unicodedata.normalize("NFD", c.replace("Đ", "D").replace("đ", "d"))[0] for c in text)
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in bare)
