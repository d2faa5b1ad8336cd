"""Stage 5, extractors.labels: find the printed labels of a form on the rows of a page, forgiving OCR's slips."""

import re
from dataclasses import dataclass
from functools import cache

from rapidfuzz.distance import Levenshtein

from extractors.rows import Row, fold
from records.document_types import DocumentType
from records.pages import Box, around

SHORT = 4  # folded letters; shorter labels must match exactly and carry a colon
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
    likeness: float
    weight: float
    box: Box


def find_labels(rows: list[Row], document_type: DocumentType) -> list[LabelHit]:
    """All labels of the form on the page, none overlapping; of two on the same words the longer and better wins."""
    wanted = label_table(document_type)
    hits = [hit for index in range(len(rows)) for hit in _hits_on(rows[index], index, wanted)]
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


def _hits_on(row: Row, index: int, wanted: tuple[tuple[str, str], ...]) -> list[LabelHit]:
    words = [fold(w.text) for w in row.words]
    hits = []
    for first in range(len(words)):
        if not words[first] or NUMBERING.match(row.words[first].text):
            continue
        starts = _starts_a_cell(row, first)
        text = ""
        for last in range(first, min(first + 10, len(words))):
            text += words[last]
            colon = _has_colon(row, last)
            if not colon and not starts:
                continue
            hits += _matches(row, index, first, last, text, colon, wanted)
            if colon:
                break
    return hits


def _matches(
    row: Row, index: int, first: int, last: int, text: str, colon: bool, wanted: tuple[tuple[str, str], ...]
) -> list[LabelHit]:
    found = []
    for label, field in wanted:
        if abs(len(label) - len(text)) > 0.25 * len(label):
            continue
        like = Levenshtein.normalized_similarity(label, text)
        if not _enough(label, text, like, colon):
            continue
        box = around([w.box for w in row.words[first : last + 1]])
        weight = len(label) * like * like + (3 if colon else 0) + (0.5 if field else 0)
        found.append(LabelHit(field, index, first, last, colon, like, weight, box))
    return found


def _enough(label: str, text: str, like: float, colon: bool) -> bool:
    if len(label) <= SHORT:
        return label == text and colon
    return like >= (LIKE_WITH_COLON if colon else LIKE_WITHOUT)


def _has_colon(row: Row, last: int) -> bool:
    if row.words[last].text.endswith((":", "：", ";")):
        return True
    return last + 1 < len(row.words) and row.words[last + 1].text in (":", "：")


def _starts_a_cell(row: Row, first: int) -> bool:
    """True at the row's start, after a wide gap, or after an item number."""
    if first == 0:
        return True
    before, word = row.words[first - 1], row.words[first]
    gap = word.box.left - before.box.right
    return gap > 1.1 * word.box.height or bool(NUMBERING.match(before.text))
