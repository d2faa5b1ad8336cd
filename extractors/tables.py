"""Stage 5, extractors.tables: read the rows of laboratory tables and prescriptions, each cell under its heading."""

import re
from dataclasses import dataclass
from itertools import pairwise

from rapidfuzz.distance import Levenshtein

from extractors.fields import SIGNED, Found
from extractors.rows import Row, fold
from records.document_types import ColumnSpec, DocumentType, TableSpec
from records.pages import Word

HEADING_LIKE = 0.8
NUMBERED = re.compile(r"^(\d{1,2})[.)/]$")
STRENGTH = re.compile(
    r"\d+(?:[.,]\d+)?\s?(?:mg|mcg|µg|g|ml|UI|IU|%|đơn vị|MBq)(?:\s?/\s?\d*(?:[.,]\d+)?\s?(?:ml|viên|lọ|ống|g|liều))?\b",
    re.IGNORECASE,
)
QUANTITY = re.compile(r"^(\d+(?:[.,]\d+)?)\s*(\D*)$")


@dataclass(frozen=True)
class Table:
    """Cells found, as fields `results[0].value`, and the rows of the page (first, past the last) that they fill."""

    found: tuple[Found, ...]
    first: int
    end: int


@dataclass(frozen=True)
class _Column:
    spec: ColumnSpec
    left: float
    right: float


def find_tables(
    rows: list[Row], document_type: DocumentType, em: float, rulings: tuple[tuple[int, int, int], ...]
) -> list[Table]:
    """Each table of the form once: of two styles with one name, the first that has rows.

    `rulings`: (x, top, bottom) in pixels of vertical rulings; `em`: typical word height in pixels.
    """
    found: dict[str, Table] = {}
    for spec in document_type.tables:
        if spec.name in found:
            continue
        table = _grid(rows, spec, em, rulings) if spec.style == "grid" else _numbered(rows, spec, em)
        if table and table.found:
            found[spec.name] = table
    return list(found.values())


def _grid(rows: list[Row], spec: TableSpec, em: float, rulings: tuple[tuple[int, int, int], ...]) -> Table | None:
    """Rows under a line of headings, cut into columns by rulings or by the white between them."""
    for index, row in enumerate(rows):
        headings = _headings(row, spec)
        if len(headings) < 3 or spec.row_key not in {c.name for c, _, _ in headings}:
            continue
        end = _table_end(rows, index + 1, spec, em)
        columns = _columns(headings, rows[index + 1 : end], rulings, row)
        return Table(tuple(_grid_cells(rows[index + 1 : end], columns, spec, em)), index, end)
    return None


def _headings(row: Row, spec: TableSpec) -> list[tuple[ColumnSpec, float, float]]:
    """(column, left, right) of each heading on a row, longest wording first, none overlapping."""
    words = [fold(w.text) for w in row.words]
    hits = []
    for first in range(len(words)):
        for last in range(first, min(first + 6, len(words))):
            text = "".join(words[first : last + 1])
            if row.words[last].text.endswith(":"):
                break
            for column in spec.columns:
                for heading in column.headings:
                    anchor = fold(heading)
                    like = Levenshtein.normalized_similarity(anchor, text)
                    if like >= (HEADING_LIKE if len(anchor) > 4 else 1.0):
                        hits.append((len(anchor) * like, first, last, column))
    taken: set[int] = set()
    kept: list[tuple[ColumnSpec, float, float]] = []
    for _, first, last, column in sorted(hits, key=lambda h: -h[0]):
        if not taken & set(range(first, last + 1)) and column.name not in {c.name for c, _, _ in kept}:
            taken |= set(range(first, last + 1))
            kept.append((column, row.words[first].box.left, row.words[last].box.right))
    return sorted(kept, key=lambda h: h[1])


def _columns(
    headings: list[tuple[ColumnSpec, float, float]],
    body: list[Row],
    rulings: tuple[tuple[int, int, int], ...],
    heading: Row,
) -> list[_Column]:
    """Column borders between neighbouring headings: a ruling, else the widest white between their cells."""
    lines = sorted(
        x for x, top, bottom in rulings if top < heading.box.bottom + heading.box.height and bottom > heading.box.bottom
    )
    borders = []
    for (_, left, right), (_, next_left, _) in pairwise(headings):
        between = [x for x in lines if left < x < next_left + 1]
        borders.append(float(between[-1]) if between else _widest_white(body, left, right, next_left))
    edges = [float("-inf"), *borders, float("inf")]
    return [_Column(c, a, b) for (c, _, _), (a, b) in zip(headings, pairwise(edges), strict=True)]


def _widest_white(body: list[Row], left: float, right: float, next_left: float) -> float:
    """Middle of the widest strip without words between two headings, in pixels."""
    spans = sorted(
        (w.box.left, w.box.right)
        for row in body
        for w in row.words
        if w.box.right > left and w.box.left < next_left + 200
    )
    best, edge = (0.0, (right + next_left) / 2), left
    for a, b in spans:
        gap = min(a, next_left + 200) - edge
        if gap > best[0] and edge < next_left and a > (left + right) / 2:
            best = gap, (edge + a) / 2
        edge = max(edge, b)
    return best[1]


def _table_end(rows: list[Row], first: int, spec: TableSpec, em: float) -> int:
    """Index past the table's last row: a stop word, the place-and-date line, or a wide gap ends it."""
    stops = [fold(s) for s in spec.stop]
    bottom = rows[first - 1].box.bottom
    for index in range(first, len(rows)):
        row = rows[index]
        text = fold(row.text)
        if row.box.top - bottom > 5 * em or SIGNED.search(text) or any(_begins(text, s) for s in stops):
            return index
        bottom = row.box.bottom
    return len(rows)


def _begins(text: str, stop: str) -> bool:
    return Levenshtein.normalized_similarity(text[: len(stop)], stop) >= 0.8


def _grid_cells(body: list[Row], columns: list[_Column], spec: TableSpec, em: float) -> list[Found]:
    """Cells of all rows; a row without its own value but with text in the key column goes on from the row above."""
    lines: list[dict[str, list[list[Word]]]] = []
    bottom = 0.0
    for row in body:
        cells = {
            c.spec.name: words for c in columns if (words := [w for w in row.words if c.left <= _centre(w) < c.right])
        }
        names = set(cells) - {"index"}
        if not names:
            continue
        alone = len(names) == 1
        if alone and lines and "index" not in cells and row.box.top - bottom < 0.9 * em and len(lines[-1]) > 1:
            for name, words in cells.items():
                lines[-1].setdefault(name, []).append(words)
        elif spec.row_key in names and not alone:
            lines.append({name: [words] for name, words in cells.items()})
        bottom = row.box.bottom
    kinds: dict[str, str] = {c.spec.name: c.spec.kind for c in columns}
    found = []
    for index, cells_of in enumerate(lines):
        for name, wrapped in cells_of.items():
            if name != "index":
                found += _cell(spec, index, name, kinds[name], wrapped, kinds)
    return found


def _cell(
    spec: TableSpec, index: int, name: str, kind: str, rows: list[list[Word]], kinds: dict[str, str]
) -> list[Found]:
    field = f"{spec.name}[{index}]"
    words = tuple(tuple(r) for r in rows)
    if kind == "drug" and "strength" not in kinds:
        return _drug_and_strength(field, [w for r in rows for w in r], "table")
    if name == "quantity" and "unit" not in kinds:
        return _quantity_and_unit(field, [w for r in rows for w in r], "table")
    return [Found(f"{field}.{name}", kind, "table", words)]


def _numbered(rows: list[Row], spec: TableSpec, em: float) -> Table | None:
    """Blocks such as '1. Metformin 850mg  Số lượng: 7 viên / Cách dùng: ...', the number often lost by the reader."""
    labels = tuple(fold(label) for c in spec.columns for label in c.labels)
    labelled = [i for i, row in enumerate(rows) if any(_label_at(row, label) is not None for label in labels)]
    if not labelled:
        return None
    end = _table_end(rows, labelled[-1] + 1, spec, em)
    starts = [i for i in range(max(0, labelled[0] - 1), labelled[-1] + 1) if _starts_block(rows, i, labels)]
    found: list[Found] = []
    for index, (first, after) in enumerate(pairwise([*starts, end])):
        found += _block(rows[first:after], f"{spec.name}[{index}]", spec)
    return Table(tuple(found), starts[0], end) if starts else None


def _starts_block(rows: list[Row], i: int, labels: tuple[str, ...]) -> bool:
    """A row that opens with the key: numbered, or with a label later on it, or just above a row that opens with one."""
    at = [p for label in labels if (p := _label_at(rows[i], label)) is not None]
    if 0 in at:
        return False
    if at:
        return True
    below = i + 1 < len(rows) and any(_label_at(rows[i + 1], label) == 0 for label in labels)
    return below and (bool(NUMBERED.match(rows[i].words[0].text)) or bool(STRENGTH.search(rows[i].text)))


def _label_at(row: Row, label: str) -> int | None:
    """Index of the word where a folded label with a colon begins on a row, or None; item numbers do not count."""
    words = [w for w in row.words if not NUMBERED.match(w.text)]
    for first in range(len(words)):
        text = ""
        for word in words[first : first + 4]:
            text += fold(word.text)
            if word.text.endswith((":", ";")) and Levenshtein.normalized_similarity(text, label) >= 0.8:
                return first
    return None


def _block(rows: list[Row], field: str, spec: TableSpec) -> list[Found]:
    """Parts of one numbered block; words before the first label are the key."""
    head = list(rows[0].words[1:] if NUMBERED.match(rows[0].words[0].text) else rows[0].words)
    words = head + [w for row in rows[1:] for w in row.words]
    cuts = _label_cuts(words, spec)
    key = words[: cuts[0][0]] if cuts else head
    found = _drug_and_strength(field, key, "numbered")
    for (_, past, column), following in zip(cuts, [*cuts[1:], None], strict=True):
        part = words[past : following[0] if following else len(words)]
        if part and column.name == "quantity":
            found += _quantity_and_unit(field, part, "numbered")
        elif part:
            found.append(Found(f"{field}.{column.name}", column.kind, "numbered", (tuple(part),)))
    return found


def _label_cuts(words: list[Word], spec: TableSpec) -> list[tuple[int, int, ColumnSpec]]:
    """(first word, word past the label, column) for each label with a colon, in order."""
    cuts = []
    for column in spec.columns:
        for label in column.labels:
            size = len(label.split())
            for i in range(len(words) - size + 1):
                text = " ".join(w.text for w in words[i : i + size])
                if Levenshtein.normalized_similarity(fold(text), fold(label)) >= 0.8 and text.rstrip().endswith(
                    (":", ";")
                ):
                    cuts.append((i, i + size, column))
    unique = {c[2].name: c for c in sorted(cuts, key=lambda c: (c[0], -c[1]), reverse=True)}
    return sorted(unique.values(), key=lambda c: c[0])


def _drug_and_strength(field: str, words: list[Word], method: str) -> list[Found]:
    """'Metformin 850mg' as a drug and its strength; the last strength in the text counts."""
    text, starts = "", []
    for word in words:
        starts.append(len(text))
        text += word.text + " "
    strengths = list(STRENGTH.finditer(text))
    if not words:
        return []
    if not strengths:
        return [Found(f"{field}.drug", "drug", method, (tuple(words),))]
    cut = strengths[-1].start()
    first = max(i for i, s in enumerate(starts) if s <= cut)
    drug, strength = words[:first], words[first:]
    if starts[first] < cut:  # glued: 'Metformin850mg'
        glued = words[first]
        share = (cut - starts[first]) / len(glued.text)
        middle = glued.box.left + share * glued.box.width
        drug = [
            *drug,
            Word(
                text=text[starts[first] : cut],
                confidence=glued.confidence,
                box=glued.box.model_copy(update={"right": middle}),
            ),
        ]
        strength = [glued.model_copy(update={"text": glued.text[cut - starts[first] :]}), *words[first + 1 :]]
    parts = [(drug, "drug"), (strength, "strength")]
    return [Found(f"{field}.{name}", name, method, (tuple(part),)) for part, name in parts if part]


def _quantity_and_unit(field: str, words: list[Word], method: str) -> list[Found]:
    """'20 viên' as a quantity and its unit."""
    head, tail = words[:1], words[1:]
    glued = QUANTITY.match(head[0].text) if head else None
    if glued and glued[2].strip() and not tail:
        part = head[0].model_copy(update={"text": glued[2].strip()})
        head, tail = [head[0].model_copy(update={"text": glued[1]})], [part]
    found = [Found(f"{field}.quantity", "integer", method, (tuple(head),))]
    return found + ([Found(f"{field}.unit", "unit", method, (tuple(tail),))] if tail else [])


def _centre(word: Word) -> float:
    return (word.box.left + word.box.right) / 2
