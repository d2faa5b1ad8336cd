"""Stage 5, extractors.headings: rows of a page become a table's line of headings, printed on one line or more."""

from itertools import pairwise

from rapidfuzz.distance import Levenshtein

from extractors.rows import Row, fold
from records.document_types import ColumnSpec, TableSpec
from records.pages import Rulings, Word

HEADING_LIKE = 0.8
LINES = 3  # of one heading, at most
LINE_GAP = 1.9  # from one line of a heading to the next, in its heights
WORD_GAP = 0.6  # between the words of a heading, in their heights

Heading = tuple[ColumnSpec, float, float]  # with its left and right end in pixels


def heading_line(rows: list[Row], spec: TableSpec, rulings: Rulings) -> tuple[int, int, Row] | None:
    """The line of headings: its first row, the row past it, and its words, those of a heading after one another.

    Headings of two or three lines make rows of their own; the fewest rows that hold the most headings are taken.
    """
    inked = [i for i, row in enumerate(rows) if sum(c.isalnum() for c in row.text) > 1]  # a speck is no line
    best = _best_line([rows[i] for i in inked], spec, rulings)
    return (inked[best[0]], inked[best[1] - 1] + 1, best[2]) if best else None


def _best_line(rows: list[Row], spec: TableSpec, rulings: Rulings) -> tuple[int, int, Row] | None:
    whole = next((i for i, row in enumerate(rows) if tables_under(row, spec)), None)
    best = None if whole is None else (whole, whole + 1, rows[whole])
    for first in range(len(rows)) if whole is None else range(max(0, whole + 1 - LINES), whole + 1):
        for past in range(max(first + 2, (whole or 0) + 1), min(first + LINES, len(rows)) + 1):
            if _are_lines(rows[first:past]):
                row = _stacked(rows[first:past], rulings)
                if _count(row, spec) > (_count(best[2], spec) if best else 0):
                    best = first, past, row
    return best


def _count(row: Row, spec: TableSpec) -> int:
    """How many headings a row holds, of the wider of two tables side by side."""
    return max((len(side) for side in tables_under(row, spec)), default=0)


def _are_lines(rows: list[Row]) -> bool:
    """Whether rows follow one another as the lines of one heading do, without a number."""
    numbers = any(c.isdigit() for row in rows for c in row.text)
    return not numbers and all(b.middle - a.middle < LINE_GAP * a.box.height for a, b in pairwise(rows))


def _stacked(rows: list[Row], rulings: Rulings) -> Row:
    """Rows as one, the words of a cell after one another: 'Số' above 'lượng' is 'Số lượng'."""
    cells: list[list[Word]] = []
    for row in rows:
        for word in row.words:
            beside = [c for c in cells if _shares_cell(c, word, rulings)]
            if beside:
                beside[0].append(word)
            else:
                cells.append([word])
    return Row(tuple(w for cell in sorted(cells, key=lambda c: min(w.box.left for w in c)) for w in cell))


def _shares_cell(cell: list[Word], word: Word, rulings: Rulings) -> bool:
    """Whether a word stands below a cell's words or goes on in its line."""
    last, left, right = cell[-1], min(w.box.left for w in cell), max(w.box.right for w in cell)
    middle = (left + right) / 2, (word.box.left + word.box.right) / 2
    if any(min(middle) < x < max(middle) and top < word.box.middle < bottom for x, top, bottom in rulings):
        return False
    below = left < word.box.right and word.box.left < right
    return below or 0 <= word.box.left - last.box.right < WORD_GAP * last.box.height


def tables_under(row: Row, spec: TableSpec) -> list[list[Heading]]:
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


def _headings(row: Row, spec: TableSpec) -> list[Heading]:
    """(column, left, right) of each heading on a row, longest wording first, none overlapping."""
    words = [fold(w.text) for w in row.words]
    anchors = [(fold(heading), column) for column in spec.columns for heading in column.headings]
    hits = []
    for first in range(len(words)):
        for last in range(first, min(first + 6, len(words))):
            text = "".join(words[first : last + 1])
            if row.words[last].text.endswith(":") or (last > first and _ends(row.words[last - 1], row.words[last])):
                break
            for anchor, column in anchors:
                like = Levenshtein.normalized_similarity(anchor, text)
                if like >= (HEADING_LIKE if len(anchor) > 4 else 1.0):
                    hits.append((len(anchor) * like, first, last, column))
    taken: set[int] = set()
    kept: list[Heading] = []
    for _, first, last, column in sorted(hits, key=lambda h: -h[0]):
        if not taken & set(range(first, last + 1)) and column.name not in {c.name for c, _, _ in kept}:
            taken |= set(range(first, last + 1))
            boxes = [w.box for w in row.words[first : last + 1]]
            kept.append((column, min(b.left for b in boxes), max(b.right for b in boxes)))
    return sorted(kept, key=lambda h: h[1])


def _ends(before: Word, word: Word) -> bool:
    """Whether a heading ends before the gap between two words: 'Tên thuốc -    hàm lượng' goes on."""
    return apart(before, word) and not before.text.endswith(("-", "–", ",", "/"))


def with_guessed(headings: list[Heading], row: Row, spec: TableSpec) -> list[Heading]:
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
