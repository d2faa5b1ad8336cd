"""Stage 5, extractors.labels: find the printed labels of a form on the rows of a page, forgiving OCR's slips."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise

from rapidfuzz.distance import Levenshtein

from extractors.rows import Row, fold
from records.document_types import DocumentType
from records.pages import Box, Rulings, Word, around

SHORT = 4  # folded letters; labels up to this length must match exactly, with a colon or filling their cell
SYLLABLE = 5  # folded letters that one syllable has at most, but for few
LONG = 8
LIKE_WITH_COLON = 0.78
LIKE_WITHOUT = 0.86
NUMBERING = re.compile(r"^[\dIVXlL]{1,3}[.),/]$|^\d{1,2}[-Il|]$|^[-+*•]$")
ROMAN = re.compile(r"^[IVX]{1,4}\.$")  # opens the title of a part of the form
OPENS_HINT = re.compile(r"^(?:\(|[\[{lIG|](?:ghi|số|viết|chữ)$)")  # '(ghi rõ)', and as 'lghi rõ)' when it is misread
HINT = 8  # words at most of a printed hint such as '(viết chữ in hoa)'
NUMERIC = ("age", "birth_date", "date", "identifier", "insurance_card", "integer", "moment", "personal_id", "phone")
SEXES = ("nam", "nu")
CODE = re.compile(r"^[A-Z]\d\d")
DAY_WORDS = ("gio", "phut", "ngay", "thang", "nam", "tuoi", "luc")
COLUMNS_TOO = ("donvi",)  # labels that head a column of a table where they have no colon or number: 'Đơn vị'
STACKED = 1.25  # letter heights between a label's first line and its second

Wanted = tuple[tuple[str, str], ...]  # (folded label, field)
Fits = Callable[[Sequence[str], str], bool]  # words, field: whether the words can only be the field's value


@dataclass(frozen=True)
class LabelHit:
    """A label found: words first..last of a row. `field` is '' for boilerplate, which only ends values.

    `second`: the second line of a label in its cell, which ends no value.
    """

    field: str
    row: int
    first: int
    last: int
    colon: bool
    weight: float
    box: Box
    alone: bool = False
    second: bool = False


def find_labels(rows: list[Row], document_type: DocumentType, rulings: Rulings = ()) -> list[LabelHit]:
    """All labels of the form on the page, none overlapping; of two on the same words the longer and better wins.

    `rulings`: (x, top, bottom) in pixels of vertical rulings, which part cells.
    """
    wanted = label_table(document_type)
    kinds = {spec.name: spec.kind for spec in document_type.fields}
    written = _written(document_type)
    fits = partial(_fits, kinds)
    found = [hit for index in range(len(rows)) for hit in _hits_on(rows[index], index, wanted, rulings, fits)]
    if _without_colons(found):
        bare = partial(_fits_bare, kinds)
        found = [hit for index in range(len(rows)) for hit in _hits_on(rows[index], index, wanted, rulings, bare)]
    hits = [(hit,) for hit in found if not _in_a_sentence(hit, rows, written, rulings)]
    taken: set[tuple[int, int]] = set()
    kept: list[LabelHit] = []
    for group in sorted([*hits, *_stacked(rows, wanted, rulings)], key=lambda g: -g[0].weight):
        cells = {(hit.row, i) for hit in group for i in range(hit.first, hit.last + 1)}
        if not cells & taken:
            taken |= cells
            kept += group
    return sorted(kept, key=lambda h: (h.row, h.first))


@cache
def _written(document_type: DocumentType) -> frozenset[str]:
    """Every label with its marks, in small letters and without what is no letter or digit."""
    labels = [label for spec in document_type.fields for label in spec.labels]
    return frozenset(map(_letters, (*labels, *document_type.boilerplate)))


def _letters(text: str) -> str:
    return "".join(c for c in text.casefold() if c.isalnum())


@cache
def label_table(document_type: DocumentType) -> tuple[tuple[str, str], ...]:
    """(folded label, field) of every label; boilerplate has field ''."""
    labels = [(fold(label), spec.name) for spec in document_type.fields for label in spec.labels]
    return tuple(labels + [(fold(text), "") for text in document_type.boilerplate])


def folded(hit: LabelHit, rows: Sequence[Row]) -> str:
    """The words of a label as found, folded."""
    return fold("".join(w.text for w in rows[hit.row].words[hit.first : hit.last + 1]))


def ruling_between(left: Box, right: Box, rulings: Rulings) -> bool:
    """Whether a vertical ruling parts two boxes of one row."""
    return any(
        left.right - 0.3 * left.height < x < right.left + 0.3 * right.height and top < left.middle < bottom
        for x, top, bottom in rulings
    )


def _hits_on(row: Row, index: int, wanted: Wanted, rulings: Rulings, fits: Fits) -> list[LabelHit]:
    words = [fold(w.text) for w in row.words]
    parted = _partings(row, rulings)
    hits = []
    for first in range(len(words)):
        if not words[first] or NUMBERING.match(row.words[first].text):
            continue
        numbered = first > 0 and bool(NUMBERING.match(row.words[first - 1].text))
        starts, opens = parted[first] or numbered, parted[first - numbered]
        text = ""
        for last in range(first, min(first + 10, len(words))):
            if last > first and parted[last]:
                break  # 'Đầu cổ | Giường' is no 'Số giường'
            text += words[last]
            past = _past_hint(row.words, last, parted)
            colon = _has_colon(row, past)
            if not colon and not starts:
                continue
            alone = opens and parted[past + 1]
            end = next(i for i in range(past + 1, len(parted)) if parted[i])
            said = [w.text for w in row.words[past + 1 : end]]
            hits += _matches(row, index, (first, past), text, colon or past > last, alone, wanted, partial(fits, said))
            if _has_colon(row, last):
                break
    return hits


def _in_a_sentence(hit: LabelHit, rows: list[Row], written: frozenset[str], rulings: Rulings) -> bool:
    """Whether words of a sentence only look like a short label: in 'Phổi phải: sáng' stands no 'Phái'.

    One syllable in small letters, or words that go on from others, are a label's only where they have its very marks.
    """
    words = rows[hit.row].words
    label, before = words[hit.first : hit.last + 1], words[max(0, hit.first - 1)]
    numbered = bool(NUMBERING.match(before.text)) or (hit.first == 1 and before.text.isdigit())
    goes_on = hit.first > 0 and not numbered and not parted(before, label[0], rulings)
    letters = len(folded(hit, rows))
    syllable = len(label) == 1 and letters <= SYLLABLE
    if not label[0].text[:1].islower() or letters >= LONG or not (goes_on or syllable):
        return False
    return _letters("".join(w.text for w in label)) not in written


def _without_colons(hits: list[LabelHit]) -> bool:
    """Whether a page prints its labels without colons, the value right behind them."""
    bare = {(h.row, h.last) for h in hits if h.field and not h.colon and not h.alone}
    return len(bare) > max(2, len({(h.row, h.last) for h in hits if h.field and h.colon}))


def _fits_bare(kinds: Mapping[str, str], said: Sequence[str], field: str) -> bool:
    """On a page without colons a value that begins with a capital or a digit fits too; running text does not."""
    opens = bool(said) and (said[0][:1].isupper() or said[0][:1].isdigit())
    return _fits(kinds, said, field) or (opens and kinds.get(field) != "long_text")


def _partings(row: Row, rulings: Rulings) -> list[bool]:
    """For each word of a row, and for its end, whether a cell begins there."""
    return [True, *(parted(a, b, rulings) for a, b in pairwise(row.words)), True]


def _past_hint(words: Sequence[Word], last: int, parted: list[bool]) -> int:
    """The last word of the printed hint that follows a label, such as '(viết chữ in hoa)'; else the label's own."""
    if parted[last + 1] or words[last].text.endswith((":", "：")) or not OPENS_HINT.match(words[last + 1].text):
        return last
    for past in range(last + 1, min(last + 1 + HINT, len(words))):
        if any(c.isdigit() for c in words[past].text):
            return last
        if _closes_hint(words[past]):
            return past
        if parted[past + 1]:
            return last
    return last


def _closes_hint(word: Word) -> bool:
    return word.text.rstrip(":：;.,*'’").endswith(")")


def _fits(kinds: Mapping[str, str], said: Sequence[str], field: str) -> bool:
    """Whether what stands behind a label without a colon can only be its value: a sex, a number, a day and hour."""
    kind, words = kinds.get(field, ""), [fold(w) for w in said]
    if kind == "sex":
        return len(words) == 1 and words[0] in SEXES
    if kind == "icd10":
        return bool(said) and bool(CODE.match(said[0]))
    numbers = [any(c.isdigit() for c in w) for w in words]
    whole = all(n or w in DAY_WORDS or len(w) < 3 for n, w in zip(numbers, words, strict=True))
    return kind in NUMERIC and numbers[:1] == [True] and whole


def _stacked(rows: list[Row], wanted: Wanted, rulings: Rulings) -> list[tuple[LabelHit, ...]]:
    """Labels, or their hints, that run over two lines of a cell: 'Chẩn đoán lâm' above 'sàng:'."""
    cells = [(i, first, last) for i, row in enumerate(rows) for first, last in _cells(row, rulings)]
    hits = []
    for upper in cells:
        for lower in cells:
            if upper[0] < lower[0] <= upper[0] + 3 and _one_above_other(rows, upper, lower):
                hits += _over_two_lines(rows, upper, lower, wanted)
    return hits


def _cells(row: Row, rulings: Rulings) -> list[tuple[int, int]]:
    """(first, last) word of each part of a row that ends at a colon, a wide gap or a ruling."""
    found, first, parted = [], 0, _partings(row, rulings)
    for i in range(len(row.words)):
        if parted[i + 1] or _has_colon(row, i):
            found.append((first, i))
        if parted[i + 1]:
            first = i + 1
    return found


def _one_above_other(rows: list[Row], upper: tuple[int, int, int], lower: tuple[int, int, int]) -> bool:
    one, other = (rows[i].words[first].box for i, first, _ in (upper, lower))
    gap = other.top - one.bottom
    return abs(one.left - other.left) < 0.8 * one.height and -0.5 * one.height < gap < STACKED * one.height


def _over_two_lines(
    rows: list[Row], upper: tuple[int, int, int], lower: tuple[int, int, int], wanted: Wanted
) -> list[tuple[LabelHit, ...]]:
    above, below = (rows[i].words[first : last + 1] for i, first, last in (upper, lower))
    skip = int(bool(NUMBERING.match(above[0].text)))
    words = [*above[skip:], *below]
    if ROMAN.match(above[0].text) or not 2 <= len(words) <= 10 or any(w.text.endswith((":", "：")) for w in words[:-1]):
        return []
    hint = next((i for i, w in enumerate(words) if w.text.startswith("(") and i), len(words))
    closed = hint == len(words) or _closes_hint(words[-1])
    text = "".join(fold(w.text) for w in words[:hint])
    found: list[tuple[LabelHit, ...]] = []
    for label, field in wanted if closed else ():
        if label in COLUMNS_TOO:
            continue
        like = Levenshtein.normalized_similarity(label, text)
        if field and (like >= LIKE_WITHOUT if len(label) > SHORT else label == text and hint < len(words)):
            weight = len(label) * like * like + 3.5
            box = around([w.box for w in words])
            hit = LabelHit(field, upper[0], upper[1] + skip, upper[2], True, weight, box)
            rest = LabelHit("", lower[0], lower[1], lower[2], True, weight, around([w.box for w in below]), second=True)
            found.append((hit, rest))
    return found


def _matches(
    row: Row, index: int, span: tuple[int, int], text: str, colon: bool, alone: bool, wanted: Wanted,
    fits: Callable[[str], bool],
) -> list[LabelHit]:  # fmt: skip
    found = []
    first, last = span
    numbered = first > 0 and bool(NUMBERING.match(row.words[first - 1].text))
    for label, field in wanted:
        if abs(len(label) - len(text)) > 0.25 * len(label):
            continue
        if len(label) <= SHORT and not colon and row.words[first].text[:1].islower():
            continue  # 'phổi | phải' is no 'Phái'
        if label in COLUMNS_TOO and (label != text or not (numbered or _has_colon(row, last))):
            continue
        like = Levenshtein.normalized_similarity(label, text)
        if like < LIKE_WITH_COLON:  # the lower bar; what stands behind is looked at for few
            continue
        if not _enough(label, text, like, colon, bool(field) and (alone or fits(field))):
            continue
        box = around([w.box for w in row.words[first : last + 1]])
        weight = len(label) * like * like + (3 if colon else 0) + (0.5 if field else 0)
        weight -= first > 0 and row.words[first].text[:1].islower()  # words of a sentence yield to a label that opens
        found.append(LabelHit(field, index, first, last, colon, weight, box, alone))
    return found


def _enough(label: str, text: str, like: float, colon: bool, alone: bool) -> bool:
    """Without a colon a label fills its cell, or is long enough not to open a sentence or a signature by chance."""
    if len(label) <= SHORT:
        return label == text and (colon or alone)
    if not colon and not alone and len(label) < LONG:
        return False
    if not colon and label[0] != text[0] and label.endswith("ngay"):
        return False  # 'Vinh, ngày' is no 'Sinh ngày'
    return like >= (LIKE_WITH_COLON if colon or alone else LIKE_WITHOUT)


def _has_colon(row: Row, last: int) -> bool:
    if row.words[last].text.endswith((":", "：", ";")):
        return True
    return last + 1 < len(row.words) and row.words[last + 1].text in (":", "：")


def parted(before: Word, word: Word, rulings: Rulings) -> bool:
    """True across a wide gap or a ruling."""
    gap = word.box.left - before.box.right
    return gap > 1.1 * word.box.height or ruling_between(before.box, word.box, rulings)
