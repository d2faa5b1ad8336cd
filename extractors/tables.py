"""Stage 5, extractors.tables: read the rows of laboratory tables and prescriptions, each cell under its heading."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, zip_longest

from rapidfuzz.distance import Levenshtein

from extractors.cells import drug_and_strength, quantity_and_unit
from extractors.found import Found
from extractors.furniture import is_dated, is_section_title
from extractors.headings import Heading, heading_line, tables_under, with_guessed
from extractors.labels import LONG, NUMBERING, LabelHit, find_labels, folded
from extractors.numbered import EndOf, numbered_blocks
from extractors.rows import Row, fold
from records.document_types import ColumnSpec, DocumentType, TableSpec
from records.pages import Box, Rulings, Word

FLAG = re.compile(r"^\(?(?:H{1,2}|L{1,2}|[↑↓*])\)?$")
WRAPS = ("text", "long_text")  # kinds of column whose cells run over several lines
WRAPPED = 0.9  # letter heights at most between two lines of one cell
INDEX = re.compile(r"^(\d{1,2})[.)]?$")
Peek = Callable[[Box], Word | None]
_Line = dict[str, list[list[Word]]]  # of a table: column -> its words, row by row


@dataclass(frozen=True)
class Table:
    """Cells found, as fields `results[0].value`, and the rows of the page (first, past the last) that they fill.

    `heading`: its line of headings, None where each block bears its own labels.
    """

    found: tuple[Found, ...]
    first: int
    end: int
    heading: Row | None = None


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
    labelled = _labelled(rows, document_type, rulings) if document_type.tables else frozenset()
    for spec in document_type.tables:
        if spec.name in found:
            continue
        end_of = partial(_table_end, rows, labelled, spec, em)
        table = _grid(rows, spec, em, rulings, peek, end_of) if spec.style == "grid" else _blocks(rows, spec, end_of)
        if table and table.found:
            found[spec.name] = table
    return list(found.values())


def _labelled(rows: list[Row], document_type: DocumentType, rulings: Rulings) -> frozenset[int]:
    """Rows that open with the label of a field, such as the hour of issue below a table."""
    hits = [h for h in find_labels(rows, document_type, rulings) if h.field and h.first <= 1]
    return frozenset(h.row for h in hits if h.colon or len(folded(h, rows)) >= LONG or _is_numbered(rows[h.row], h))


def _is_numbered(row: Row, hit: LabelHit) -> bool:
    """Whether a row is a label and its number in the form, such as '10. TG trả KQ', and nothing else."""
    return hit.first == 1 and hit.last == len(row.words) - 1 and bool(NUMBERING.match(row.words[0].text))


def _blocks(rows: list[Row], spec: TableSpec, end_of: EndOf) -> Table | None:
    found, first, end = numbered_blocks(rows, spec, end_of)
    return Table(tuple(found), first, end) if found else None


def _grid(rows: list[Row], spec: TableSpec, em: float, rulings: Rulings, peek: Peek, end_of: EndOf) -> Table | None:
    """Rows under a line of headings, cut into columns by rulings or by the white between them.

    Where the headings stand twice on their line, two tables lie side by side: the left one's rows come first.
    """
    head = heading_line(rows, spec, rulings)
    if head is None:
        return None
    index, first, row = head
    end = end_of(first)
    body, whole = rows[first:end], [with_guessed(side, row, spec) for side in tables_under(row, spec)]
    columns = _columns([heading for side in whole for heading in side], body, rulings, row)
    lines: list[_Line] = []
    for side in whole:
        own, columns = columns[: len(side)], columns[len(side) :]
        part = [r for r in (_between(r, own, side is whole[0], not columns) for r in body) if r]
        lines += _lines(part, own, spec, em, peek)
    cells = _grid_cells(lines, spec, {c.name: c.kind for side in whole for c, _, _ in side})
    return Table(tuple(cells), index, end, row)


def _between(row: Row, columns: list[_Column], first: bool, last: bool) -> Row | None:
    """The words of a row that stand in these columns, which reach to the page's edge where no others lie beside."""
    left = float("-inf") if first else columns[0].left
    right = float("inf") if last else columns[-1].right
    words = tuple(word for word in row.words if left <= _centre(word) < right)
    return Row(words) if words else None


def _columns(headings: list[Heading], body: list[Row], rulings: Rulings, heading: Row) -> list[_Column]:
    """Column borders between neighbouring headings: a ruling, else the widest white that no cell crosses."""
    lines = sorted(
        x for x, top, bottom in rulings if top < heading.box.bottom + heading.box.height and bottom > heading.box.bottom
    )
    spans = [(w.box.left, w.box.right) for row in body for w in row.words] + [(a, b) for _, a, b in headings]
    borders = []
    for (column, left, right), (_, next_left, next_right) in pairwise(headings):
        between = [x for x in lines if left < x < next_right]
        white = _widest_white(spans, (left + right) / 2, (next_left + next_right) / 2)
        numbers = _right_of_numbers(body, next_left) if column.name == "index" else 0.0
        borders.append(float(between[0]) if between else numbers or white)
    first = max((x for x in lines if x < headings[0][1]), default=headings[0][1] - 2 * heading.box.height)
    last = min((x for x in lines if x > headings[-1][2]), default=headings[-1][2] + 4 * heading.box.height)
    edges = [float(first), *borders, float(last)]
    return [_Column(c, a, b) for (c, _, _), (a, b) in zip(headings, pairwise(edges), strict=True)]


def _right_of_numbers(body: list[Row], limit: float) -> float:
    """The border right of the rows' own numbers, in pixels; 0 where they have none or it is not clear."""
    numbered = [r.words for r in body if len(r.words) > 1 and INDEX.match(r.words[0].text)]
    numbered = [words for words in numbered if words[0].box.right < limit]
    right = max((words[0].box.right for words in numbered), default=0.0)
    next_left = min((words[1].box.left for words in numbered), default=0.0)
    return (right + next_left) / 2 if right < next_left else 0.0


def _widest_white(spans: list[tuple[float, float]], left: float, right: float) -> float:
    """Middle of the widest strip between two headings' middles that no word covers, in pixels."""
    best, edge = (0.0, (left + right) / 2), left
    for a, b in sorted((a, b) for a, b in spans if b > left and a < right):
        if a - edge > best[0]:
            best = a - edge, (edge + a) / 2
        edge = max(edge, b)
    return best[1]


def _table_end(rows: list[Row], labelled: frozenset[int], spec: TableSpec, em: float, first: int) -> int:
    """Index past the table's last row: a label, a stop word, the place-and-date line, or a wide gap ends it."""
    stops = [fold(s) for s in spec.stop]
    bottom = rows[first - 1].box.bottom
    for index in range(first, len(rows)):
        row = rows[index]
        text = fold(row.text)
        stopped = index in labelled or is_dated(row.text) or any(_begins(text, s) for s in stops)
        if stopped or row.box.top - bottom > 5 * em:
            return index
        bottom = row.box.bottom
    return len(rows)


def _begins(text: str, stop: str) -> bool:
    return Levenshtein.normalized_similarity(text[: len(stop)], stop) >= 0.8


def _lines(body: list[Row], columns: list[_Column], spec: TableSpec, em: float, peek: Peek) -> list[_Line]:
    """Cells of all rows; a row without its own value but with text in the key column goes on from the row above."""
    lines: list[_Line] = []
    early: dict[str, list[Word]] = {}
    bottom = 0.0
    for row, below in zip_longest(body, body[1:]):
        cells = _cells_of(row, columns, spec, len(lines) + 1)
        names = set(cells) - {"index"}
        if not names:
            continue
        alone = len(names) == 1
        if alone and "index" not in cells and _opens_cell_of(below, row, bottom, names, columns, spec):
            early = cells
            continue
        if alone and lines and "index" not in cells and row.box.top - bottom < WRAPPED * em and len(lines[-1]) > 1:
            above = [w for words in lines[-1].get(spec.row_key, []) for w in words]
            if is_section_title([w for words in cells.values() for w in words], above):
                continue  # HUYẾT HỌC
            for name, words in cells.items():
                lines[-1].setdefault(name, []).append(words)
        elif not alone and lines and _goes_on(cells, lines[-1], spec) and row.box.top - bottom < WRAPPED * em:
            for name, words in cells.items():
                lines[-1][name].append(words)
        elif not alone and (_has_key(cells, spec) or (len(names) > 2 and lines)):
            cells = cells if early else cells | _peeked(row, columns, names, em, peek)
            lines.append({name: [words] for name, words in cells.items()})
            for name, words in early.items():
                lines[-1].setdefault(name, []).insert(0, words)
            early = {}
        bottom = row.box.bottom
    return lines


def _goes_on(cells: dict[str, list[Word]], above: _Line, spec: TableSpec) -> bool:
    """Whether a row without a number holds but second lines of cells: '100ml' and 'mạch' below 'NaCl 0,9%' and 'Truyền
    tĩnh'; of its key only where the row above has a number."""
    worded = {c.name for c in spec.columns if c.kind in WRAPS} | ({spec.row_key} if "index" in above else set())
    keyless = not _has_key(cells, spec) or "index" in above
    return keyless and set(cells) <= worded & set(above)


def _opens_cell_of(
    below: Row | None, row: Row, bottom: float, names: set[str], columns: list[_Column], spec: TableSpec
) -> bool:
    """Whether a lone cell is the first line of one in the row below, whose other cells stand at middle height."""
    if below is None or below.box.top - row.box.bottom > row.box.top - bottom:
        return False
    cells = set(_cells_of(below, columns, spec, 0))
    return len(cells - {"index"}) > 1 and not names & cells


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
