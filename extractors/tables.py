"""Stage 5, extractors.tables: read the rows of laboratory tables and prescriptions, each cell under its heading."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from rapidfuzz.distance import Levenshtein

from extractors.cells import drug_and_strength, quantity_and_unit
from extractors.fields import SIGNED, Found
from extractors.numbered import numbered_blocks
from extractors.rows import Row, fold
from records.document_types import ColumnSpec, DocumentType, TableSpec
from records.pages import Box, Rulings, Word

HEADING_LIKE = 0.8
INDEX = re.compile(r"^(\d{1,2})[.)]?$")
Peek = Callable[[Box], Word | None]


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


def nothing_there(_: Box) -> None:
    """For pages without an image: a cell without words is empty."""


def find_tables(
    rows: list[Row], document_type: DocumentType, em: float, rulings: Rulings, peek: Peek = nothing_there
) -> list[Table]:
    """Each table of the form once: of two styles with one name, the first that has rows.

    `rulings`: (x, top, bottom) in pixels of vertical rulings; `em`: typical word height in pixels; `peek`: reads a
    cell in which no words were found, None when it holds no ink.
    """
    found: dict[str, Table] = {}
    for spec in document_type.tables:
        if spec.name in found:
            continue
        table = _grid(rows, spec, em, rulings, peek) if spec.style == "grid" else _blocks(rows, spec, em)
        if table and table.found:
            found[spec.name] = table
    return list(found.values())


def _blocks(rows: list[Row], spec: TableSpec, em: float) -> Table | None:
    found, first, end = numbered_blocks(rows, spec, lambda row: _table_end(rows, row, spec, em))
    return Table(tuple(found), first, end) if found else None


def _grid(rows: list[Row], spec: TableSpec, em: float, rulings: Rulings, peek: Peek) -> Table | None:
    """Rows under a line of headings, cut into columns by rulings or by the white between them."""
    for index, row in enumerate(rows):
        headings = _headings(row, spec)
        if len(headings) < 3 or spec.row_key not in {c.name for c, _, _ in headings}:
            continue
        end = _table_end(rows, index + 1, spec, em)
        columns = _columns(_with_guessed(headings, row, spec), rows[index + 1 : end], rulings, row)
        return Table(tuple(_grid_cells(rows[index + 1 : end], columns, spec, em, peek)), index, end)
    return None


def _headings(row: Row, spec: TableSpec) -> list[tuple[ColumnSpec, float, float]]:
    """(column, left, right) of each heading on a row, longest wording first, none overlapping."""
    words = [fold(w.text) for w in row.words]
    hits = []
    for first in range(len(words)):
        for last in range(first, min(first + 6, len(words))):
            text = "".join(words[first : last + 1])
            if row.words[last].text.endswith(":") or (last > first and _apart(row.words[last - 1], row.words[last])):
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


def _with_guessed(
    headings: list[tuple[ColumnSpec, float, float]], row: Row, spec: TableSpec
) -> list[tuple[ColumnSpec, float, float]]:
    """A misread heading between two known ones is the one column that the form has between these."""
    order = [c.name for c in spec.columns]
    found = list(headings)
    for (one, _, left), (other, right, _) in pairwise(headings):
        missing = spec.columns[order.index(one.name) + 1 : order.index(other.name)]
        words = [w for w in row.words if left < w.box.left and w.box.right < right]
        if len(missing) == 1 and words and missing[0].name not in {c.name for c, _, _ in headings}:
            found.append((missing[0], words[0].box.left, words[-1].box.right))
    return sorted(found, key=lambda h: h[1])


def _apart(one: Word, other: Word) -> bool:
    """Whether two neighbouring words stand in different columns."""
    return other.box.left - one.box.right > 1.1 * one.box.height


def _columns(
    headings: list[tuple[ColumnSpec, float, float]], body: list[Row], rulings: Rulings, heading: Row
) -> list[_Column]:
    """Column borders between neighbouring headings: a ruling, else the widest white that no cell crosses."""
    lines = sorted(
        x for x, top, bottom in rulings if top < heading.box.bottom + heading.box.height and bottom > heading.box.bottom
    )
    spans = [(w.box.left, w.box.right) for row in body for w in row.words] + [(a, b) for _, a, b in headings]
    borders = []
    for (_, left, right), (_, next_left, next_right) in pairwise(headings):
        between = [x for x in lines if left < x < next_right]
        white = _widest_white(spans, (left + right) / 2, (next_left + next_right) / 2)
        borders.append(float(between[0]) if between else white)
    first = max((x for x in lines if x < headings[0][1]), default=headings[0][1] - 2 * heading.box.height)
    last = min((x for x in lines if x > headings[-1][2]), default=headings[-1][2] + 4 * heading.box.height)
    edges = [float(first), *borders, float(last)]
    return [_Column(c, a, b) for (c, _, _), (a, b) in zip(headings, pairwise(edges), strict=True)]


def _widest_white(spans: list[tuple[float, float]], left: float, right: float) -> float:
    """Middle of the widest strip between two headings' middles that no word covers, in pixels."""
    best, edge = (0.0, (left + right) / 2), left
    for a, b in sorted((a, b) for a, b in spans if b > left and a < right):
        if a - edge > best[0]:
            best = a - edge, (edge + a) / 2
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


def _grid_cells(body: list[Row], columns: list[_Column], spec: TableSpec, em: float, peek: Peek) -> list[Found]:
    """Cells of all rows; a row without its own value but with text in the key column goes on from the row above."""
    lines: list[dict[str, list[list[Word]]]] = []
    bottom = 0.0
    for row in body:
        cells = _cells_of(row, columns, spec, len(lines) + 1)
        names = set(cells) - {"index"}
        if not names:
            continue
        alone = len(names) == 1
        if alone and lines and "index" not in cells and row.box.top - bottom < 0.9 * em and len(lines[-1]) > 1:
            text = " ".join(w.text for words in cells.values() for w in words)
            above = " ".join(w.text for words in lines[-1].get(spec.row_key, []) for w in words)
            if text.isupper() and not above.isupper() and sum(c.isalpha() for c in text) > 3:
                continue  # a section title, such as HUYẾT HỌC
            for name, words in cells.items():
                lines[-1].setdefault(name, []).append(words)
        elif not alone and sum(c.isalnum() for w in cells.get(spec.row_key, []) for c in w.text) >= 2:
            lines.append({name: [words] for name, words in (cells | _peeked(row, columns, names, em, peek)).items()})
        bottom = row.box.bottom
    kinds: dict[str, str] = {c.spec.name: c.spec.kind for c in columns}
    return [
        part
        for index, line in enumerate(lines)
        for name, wrapped in line.items()
        if name != "index"
        for part in _cell(spec, index, name, kinds[name], wrapped, kinds)
    ]


def _cells_of(row: Row, columns: list[_Column], spec: TableSpec, number: int) -> dict[str, list[Word]]:
    """The row's words by column; the row's number is taken out of the key column when it slipped into it."""
    outer = columns[0].spec.name, columns[-1].spec.name
    cells: dict[str, list[Word]] = {}
    for column in columns:
        left = float("-inf") if column.spec.name == outer[0] else column.left
        right = float("inf") if column.spec.name == outer[1] else column.right
        if words := [w for w in row.words if left <= _centre(w) < right]:
            cells[column.spec.name] = words
    key = cells.get(spec.row_key, [])
    if "index" not in cells and len(key) > 1 and (found := INDEX.match(key[0].text)) and int(found[1]) == number:
        cells |= {"index": key[:1], spec.row_key: key[1:]}
    return cells


def _peeked(row: Row, columns: list[_Column], names: set[str], em: float, peek: Peek) -> dict[str, list[Word]]:
    """Cells of the row in which the page reader saw nothing but ink stands, such as a lone H."""
    found = {}
    for column in columns:
        if column.spec.name not in names and column.spec.name != "index":
            box = Box(left=column.left, top=row.middle - 0.8 * em, right=column.right, bottom=row.middle + 0.8 * em)
            if word := peek(box):
                found[column.spec.name] = [word]
    return found


def _cell(
    spec: TableSpec, index: int, name: str, kind: str, rows: list[list[Word]], kinds: dict[str, str]
) -> list[Found]:
    field = f"{spec.name}[{index}]"
    words = tuple(tuple(r) for r in rows)
    if kind == "drug" and "strength" not in kinds:
        return drug_and_strength(field, [w for r in rows for w in r], "table")
    if name == "quantity" and "unit" not in kinds:
        return quantity_and_unit(field, [w for r in rows for w in r], "table")
    return [Found(f"{field}.{name}", kind, "table", words)]


def _centre(word: Word) -> float:
    return (word.box.left + word.box.right) / 2
