"""Stage 4, extractors.documents: tell what form a page is by its title and labels, and group pages into documents."""

import re
from dataclasses import dataclass
from itertools import pairwise

from rapidfuzz import fuzz

from extractors.headings import apart
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
    """Folded text of rows in capitals near the top, alone and joined with the next one, and of cells of two lines."""
    upper = [r for r in rows if r.middle < TITLE_ZONE * height and not NUMBER_LABEL.search(fold(r.text))]
    capital = [_in_capitals(r.text) for r in upper]
    texts = [fold(r.text) for r, big in zip(upper, capital, strict=True) if big]
    pairs = [
        fold(a.text + b.text)
        for a, b, x, y in zip(upper, upper[1:], capital, capital[1:], strict=False)
        if x and y and b.middle - a.middle < 3 * a.box.height
    ]
    return texts + pairs + [fold(a.text + b.text) for a, b in _two_lines(upper)]


def _two_lines(rows: list[Row]) -> list[tuple[Row, Row]]:
    """Cells in capitals and those below them: a title that wraps between the hospital's name and the form's number."""
    cells = [cell for row in rows for cell in _cells(row) if _in_capitals(cell.text, fewest=3)]
    return [
        (a, b)
        for a in cells
        for b in cells
        if 0.5 * a.box.height < b.middle - a.middle < 3 * a.box.height
        and a.box.left < b.box.right
        and b.box.left < a.box.right
    ]


def _cells(row: Row) -> list[Row]:
    """A row cut at its wide gaps."""
    cuts = [i for i in range(1, len(row.words)) if apart(row.words[i - 1], row.words[i])]
    return [Row(row.words[a:b]) for a, b in pairwise([0, *cuts, len(row.words)])]


def _in_capitals(text: str, fewest: int = 5) -> bool:
    letters = [c for c in text if c.isalpha()]
    return len(letters) >= fewest and sum(c.isupper() for c in letters) >= CAPITALS * len(letters)


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
