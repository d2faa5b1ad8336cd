"""Stage 5, extractors.labels: find the printed labels of a form on the rows of a page, forgiving OCR's slips."""

import re
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from rapidfuzz.distance import Levenshtein

from extractors.rows import Row, fold
from records.document_types import DocumentType
from records.pages import Box, Rulings, Word, around

SHORT = 4  # folded letters; labels up to this length must match exactly, with a colon or filling their cell
LONG = 8
LIKE_WITH_COLON = 0.78
LIKE_WITHOUT = 0.86
NUMBERING = re.compile(r"^[\dIVXlL]{1,3}[.)]$|^[-+*•]$")


@dataclass(frozen=True)
class LabelHit:
    """A label found: words first..last of a row. `field` is '' for boilerplate, which only ends values."""

    field: str
    row: int
    first: int
    last: int
    colon: bool
    weight: float
    box: Box
    alone: bool = False


def find_labels(rows: list[Row], document_type: DocumentType, rulings: Rulings = ()) -> list[LabelHit]:
    """All labels of the form on the page, none overlapping; of two on the same words the longer and better wins.

    `rulings`: (x, top, bottom) in pixels of vertical rulings, which part cells.
    """
    wanted = label_table(document_type)
    hits = [hit for index in range(len(rows)) for hit in _hits_on(rows[index], index, wanted, rulings)]
    taken: set[tuple[int, int]] = set()
    kept = []
    for hit in sorted(hits, key=lambda h: -h.weight):
        cells = {(hit.row, i) for i in range(hit.first, hit.last + 1)}
        if not cells & taken:
            taken |= cells
            kept.append(hit)
    return sorted(kept, key=lambda h: (h.row, h.first))


@cache
def label_table(document_type: DocumentType) -> tuple[tuple[str, str], ...]:
    """(folded label, field) of every label; boilerplate has field ''."""
    labels = [(fold(label), spec.name) for spec in document_type.fields for label in spec.labels]
    return tuple(labels + [(fold(text), "") for text in document_type.boilerplate])


def ruling_between(left: Box, right: Box, rulings: Rulings) -> bool:
    """Whether a vertical ruling parts two boxes of one row."""
    return any(
        left.right - 0.3 * left.height < x < right.left + 0.3 * right.height and top < left.bottom and bottom > left.top
        for x, top, bottom in rulings
    )


def _hits_on(row: Row, index: int, wanted: tuple[tuple[str, str], ...], rulings: Rulings) -> list[LabelHit]:
    words = [fold(w.text) for w in row.words]
    parted = [False, *(_parted(a, b, rulings) for a, b in pairwise(row.words)), True]
    parted[0] = True
    hits = []
    for first in range(len(words)):
        if not words[first] or NUMBERING.match(row.words[first].text):
            continue
        starts = parted[first] or bool(NUMBERING.match(row.words[first - 1].text))
        text = ""
        for last in range(first, min(first + 10, len(words))):
            if last > first and parted[last]:
                break  # 'Đầu cổ | Giường' is no 'Số giường'
            text += words[last]
            colon = _has_colon(row, last)
            if not colon and not starts:
                continue
            alone = parted[first] and parted[last + 1]
            hits += _matches(row, index, (first, last), text, colon, alone, wanted)
            if colon:
                break
    return hits


def _matches(
    row: Row,
    index: int,
    span: tuple[int, int],
    text: str,
    colon: bool,
    alone: bool,
    wanted: tuple[tuple[str, str], ...],
) -> list[LabelHit]:
    found = []
    first, last = span
    for label, field in wanted:
        if abs(len(label) - len(text)) > 0.25 * len(label):
            continue
        like = Levenshtein.normalized_similarity(label, text)
        if not _enough(label, text, like, colon, alone and bool(field)):
            continue
        box = around([w.box for w in row.words[first : last + 1]])
        weight = len(label) * like * like + (3 if colon else 0) + (0.5 if field else 0)
        found.append(LabelHit(field, index, first, last, colon, weight, box, alone))
    return found


def _enough(label: str, text: str, like: float, colon: bool, alone: bool) -> bool:
    """Without a colon a label fills its cell, or is long enough not to open a sentence or a signature by chance."""
    if len(label) <= SHORT:
        return label == text and (colon or alone)
    if not colon and not alone and len(label) < LONG:
        return False
    return like >= (LIKE_WITH_COLON if colon or alone else LIKE_WITHOUT)


def _has_colon(row: Row, last: int) -> bool:
    if row.words[last].text.endswith((":", "：", ";")):
        return True
    return last + 1 < len(row.words) and row.words[last + 1].text in (":", "：")


def _parted(before: Word, word: Word, rulings: Rulings) -> bool:
    """True across a wide gap or a ruling."""
    gap = word.box.left - before.box.right
    return gap > 1.1 * word.box.height or ruling_between(before.box, word.box, rulings)
