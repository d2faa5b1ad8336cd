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
FLAG = re.compile(r"^\(?(?:H{1,2}|L{1,2}|[↑↓*])\)?$")
INDEX = re.compile(r"^(\d{1,2})[.)]?$")
Peek = Callable[[Box], Word | None]
Heading = tuple[ColumnSpec, float, float]  # with its left and right end in pixels
_Line = dict[str, list[list[Word]]]  # of a table: column -> its words, row by row


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
    """Rows under a line of headings, cut into columns by rulings or by the white between them.

    Where the headings stand twice on their line, two tables lie side by side: the left one's rows come first.
    """
    index = heading_row(rows, spec)
    if index is None:
        return None
    row, end = rows[index], _table_end(rows, index + 1, spec, em)
    body, whole = rows[index + 1 : end], [_with_guessed(side, row, spec) for side in _tables_under(row, spec)]
    columns = _columns([heading for side in whole for heading in side], body, rulings, row)
    lines: list[_Line] = []
    for side in whole:
        own, columns = columns[: len(side)], columns[len(side) :]
        part = [r for r in (_between(r, own, side is whole[0], not columns) for r in body) if r]
        lines += _lines(part, own, spec, em, peek)
    return Table(tuple(_grid_cells(lines, spec, {c.name: c.kind for side in whole for c, _, _ in side})), index, end)


def heading_row(rows: list[Row], spec: TableSpec) -> int | None:
    """Index of the first row that holds a table's headings, None where there is none or its rows are blocks."""
    return next((i for i, row in enumerate(rows) if spec.style == "grid" and _tables_under(row, spec)), None)


def _tables_under(row: Row, spec: TableSpec) -> list[list[Heading]]:
    """The headings of each of the tables, side by side, that this row heads."""
    return [found for part in _sides(row, spec) if _makes_table(found := _headings(part, spec), spec)]


def _sides(row: Row, spec: TableSpec) -> list[Row]:
    """A line of headings cut before the heading of its first column where that stands there again."""
    heads = _headings(row, spec)
    again = [i for i, word in enumerate(row.words) if heads and word.box.left > heads[-1][1]]
    if len(heads) < 3 or not again:
        return [row]
    first = [fold(h) for h in heads[0][0].headings]
    for i in again:
        for size in range(1, 5):
            if fold("".join(w.text for w in row.words[i : i + size])) in first:
                return [Row(row.words[:i]), *_sides(Row(row.words[i:]), spec)]
    return [row]


def _makes_table(headings: list[Heading], spec: TableSpec) -> bool:
    return len(headings) >= 3 and spec.row_key in {column.name for column, _, _ in headings}


def _between(row: Row, columns: list[_Column], first: bool, last: bool) -> Row | None:
    """The words of a row that stand in these columns, which reach to the page's edge where no others lie beside."""
    left = float("-inf") if first else columns[0].left
    right = float("inf") if last else columns[-1].right
    words = tuple(word for word in row.words if left <= _centre(word) < right)
    return Row(words) if words else None


def _headings(row: Row, spec: TableSpec) -> list[Heading]:
    """(column, left, right) of each heading on a row, longest wording first, none overlapping."""
    words = [fold(w.text) for w in row.words]
    hits = []
    for first in range(len(words)):
        for last in range(first, min(first + 6, len(words))):
            text = "".join(words[first : last + 1])
            if row.words[last].text.endswith(":") or (last > first and apart(row.words[last - 1], row.words[last])):
                break
            for column in spec.columns:
                for heading in column.headings:
                    anchor = fold(heading)
                    like = Levenshtein.normalized_similarity(anchor, text)
                    if like >= (HEADING_LIKE if len(anchor) > 4 else 1.0):
                        hits.append((len(anchor) * like, first, last, column))
    taken: set[int] = set()
    kept: list[Heading] = []
    for _, first, last, column in sorted(hits, key=lambda h: -h[0]):
        if not taken & set(range(first, last + 1)) and column.name not in {c.name for c, _, _ in kept}:
            taken |= set(range(first, last + 1))
            kept.append((column, row.words[first].box.left, row.words[last].box.right))
    return sorted(kept, key=lambda h: h[1])


def _with_guessed(headings: list[Heading], row: Row, spec: TableSpec) -> list[Heading]:
    """A misread heading between two known ones is the one column that the form has between these."""
    order = [c.name for c in spec.columns]
    found = list(headings)
    for (one, _, left), (other, right, _) in pairwise(headings):
        missing = spec.columns[order.index(one.name) + 1 : order.index(other.name)]
        words = [w for w in row.words if left < w.box.left and w.box.right < right]
        if len(missing) == 1 and words and missing[0].name not in {c.name for c, _, _ in headings}:
            found.append((missing[0], words[0].box.left, words[-1].box.right))
    return sorted(found, key=lambda h: h[1])


def apart(one: Word, other: Word) -> bool:
    """Whether two neighbouring words stand in different columns."""
    return other.box.left - one.box.right > 1.1 * one.box.height


def _columns(headings: list[Heading], body: list[Row], rulings: Rulings, heading: Row) -> list[_Column]:
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


def _lines(body: list[Row], columns: list[_Column], spec: TableSpec, em: float, peek: Peek) -> list[_Line]:
    """Cells of all rows; a row without its own value but with text in the key column goes on from the row above."""
    lines: list[_Line] = []
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
        elif not alone and (_has_key(cells, spec) or (len(names) > 2 and lines)):
            lines.append({name: [words] for name, words in (cells | _peeked(row, columns, names, em, peek)).items()})
        bottom = row.box.bottom
    return lines


def _has_key(cells: dict[str, list[Word]], spec: TableSpec) -> bool:
    """Whether a row says what it is of; one that does not is for a person to complete."""
    return sum(c.isalnum() for w in cells.get(spec.row_key, []) for c in w.text) >= 2


def _grid_cells(lines: list[_Line], spec: TableSpec, kinds: dict[str, str]) -> list[Found]:
    return [
        part
        for index, line in enumerate(lines)
        for name, wrapped in _with_flag(line, kinds).items()
        if name != "index"
        for part in _cell(spec, index, name, kinds.get(name, name), wrapped, kinds)
    ]


def _with_flag(line: _Line, kinds: dict[str, str]) -> _Line:
    """A flag printed beside the number, in the number's own column, becomes a cell of its own."""
    words = line.get("value", [[]])[0]
    at = next((i for i in (-1, 0) if len(words) > 1 and FLAG.match(words[i].text)), None)
    if kinds.get("value") != "number" or "flag" in line or at is None:
        return line
    rest = words[:-1] if at else words[1:]
    return line | {"value": [rest, *line["value"][1:]], "flag": [[words[at]]]}


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
