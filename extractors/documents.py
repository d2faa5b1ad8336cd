"""Stage 4, extractors.documents: tell what form a page is by its title and labels, and group pages into documents."""

import re
from dataclasses import dataclass

from rapidfuzz import fuzz

from extractors.labels import find_labels
from extractors.rows import Row, fold
from records.document_types import DocumentType, TableSpec

TITLE_ZONE = 0.45  # titles stand in the upper part of the page
CAPITALS = 0.6
TITLE_LIKE = 86.0
SHORT_TITLE = 9  # folded letters
OTHER = "other"


# 'SỐ BỆNH ÁN: 2019/123' in capitals is a label, not the title BỆNH ÁN.
NUMBER_LABEL = re.compile(r"^(?:so|ma)(?:hoso)?benhan")


@dataclass(frozen=True)
class PageClass:
    """What a page is: `titled` when its own title says so, else judged by its labels; `score` 0..100."""

    document_type: str
    titled: bool
    score: float


def classify(rows: list[Row], height: float, types: dict[str, DocumentType]) -> PageClass:
    """The document type of a page: the longest title in its upper part, else the type with most own labels."""
    found = _by_title(rows, height, types)
    return found if found else _by_labels(rows, types)


def _by_title(rows: list[Row], height: float, types: dict[str, DocumentType]) -> PageClass | None:
    best: tuple[tuple[bool, float], PageClass] | None = None
    for text in _title_texts(rows, height):
        for kind in types.values():
            for title in kind.titles:
                anchor = fold(title)
                like = _title_like(anchor, text)
                if like < TITLE_LIKE:
                    continue
                weight = not kind.yields, len(anchor) * (like / 100) ** 4
                if best is None or weight > best[0]:
                    best = weight, PageClass(kind.id, True, like)
    return best[1] if best else None


def _title_like(anchor: str, text: str) -> float:
    """How well a title shows in a row, 0..100; a short one must be all of it, or be there without a slip."""
    if len(text) < 0.8 * len(anchor):
        return 0.0
    if len(anchor) > SHORT_TITLE:
        return float(fuzz.partial_ratio(anchor, text))
    return 100.0 if anchor in text else float(fuzz.ratio(anchor, text))


def _title_texts(rows: list[Row], height: float) -> list[str]:
    """Folded text of rows in capitals near the top, alone and joined with the next one."""
    upper = [r for r in rows if r.middle < TITLE_ZONE * height and not NUMBER_LABEL.search(fold(r.text))]
    capital = [_in_capitals(r.text) for r in upper]
    texts = [fold(r.text) for r, big in zip(upper, capital, strict=True) if big]
    pairs = [
        fold(a.text + b.text)
        for a, b, x, y in zip(upper, upper[1:], capital, capital[1:], strict=False)
        if x and y and b.middle - a.middle < 3 * a.box.height
    ]
    return texts + pairs


def _in_capitals(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    return len(letters) >= 5 and sum(c.isupper() for c in letters) >= CAPITALS * len(letters)


def _by_labels(rows: list[Row], types: dict[str, DocumentType]) -> PageClass:
    """The type whose own labels (those that few types share) the page carries; `other` when none stands out."""
    scores = {kind.id: _label_score(rows, kind, types) for kind in types.values() if not kind.index_only}
    best = max(scores, key=lambda k: scores[k])
    return (
        PageClass(best, False, min(85.0, 40 + 15 * scores[best]))
        if scores[best] >= 1.0
        else PageClass(OTHER, False, 0.0)
    )


def _label_score(rows: list[Row], kind: DocumentType, types: dict[str, DocumentType]) -> float:
    fields = {hit.field for hit in find_labels(rows, kind) if hit.field and hit.colon}
    share = {f: sum(1 for t in types.values() if not t.index_only and t.field(f)) for f in fields}
    return sum(1 / share[f] for f in fields if share[f] <= 3) + 2 * _heading_hits(rows, kind)


def _heading_hits(rows: list[Row], kind: DocumentType) -> float:
    """1 when a row holds the headings of three columns of one of the type's tables, a tenth more for each further."""
    best = max((_headings_on(fold(row.text), table) for row in rows for table in kind.tables), default=0)
    return 1 + (best - 3) / 10 if best >= 3 else 0.0


def _headings_on(text: str, table: TableSpec) -> int:
    return sum(any(len(fold(h)) > 3 and fold(h) in text for h in c.headings) for c in table.columns)
