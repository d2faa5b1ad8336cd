"""Stage 5, extractors.continued: rows of a table that goes on from the page before it, its headings not repeated."""

from collections.abc import Sequence
from itertools import pairwise

from extractors.found import Found
from extractors.furniture import is_dated
from extractors.headings import apart
from extractors.labels import find_labels
from extractors.rows import Row, fold, page_to_rows, text_height
from extractors.tables import INDEX, Table, find_tables
from records.document_types import DocumentType
from records.documents import CONTINUED, FieldReading, PageReading
from records.pages import Box

ABOVE = 0.4  # letter heights between the first row and the headings that are put over it
FOOT = 2  # rows below a table that goes on, such as the page's number
FEWEST_CELLS = 3


def continued_rows(pages: Sequence[PageReading], kind: DocumentType) -> dict[str, list[FieldReading]]:
    """page id -> cells that only the document tells. `pages`: of one document of this kind, in order.

    A page without headings has those of the page before put over its first row, scaled by the width of the page,
    where that page's table runs to its foot. Numbered blocks are found on a page that alone looked like no form.
    """
    found: dict[str, list[FieldReading]] = {}
    over: Row | None = None
    before: PageReading | None = None
    for page in pages if kind.tables and len(pages) > 1 else ():
        rows, em = page_to_rows(page.text), text_height(page.text)
        tables = find_tables(rows, kind, em, page.text.rulings)
        if not tables and over and before:
            rows = _under(over, page.image.width_px / before.image.width_px, rows, kind, em)
            tables = find_tables(rows, kind, em, page.text.rulings)
        if not any("[" in reading.field for reading in page.readings):
            found[page.image.page_id] = [_reading(cell, page, em) for table in tables for cell in table.found]
        over, before = _headings(rows, tables), page
    return found


def _headings(rows: list[Row], tables: list[Table]) -> Row | None:
    """The line of headings of a table that may go on: nothing but the foot of the page is below it."""
    for table in tables:
        below = rows[table.end :]
        if len(below) <= FOOT and not any(is_dated(row.text) for row in below):
            return table.heading
    return None


def _under(headings: Row, scale: float, rows: list[Row], kind: DocumentType, em: float) -> list[Row]:
    """The rows from the first that may be a table's on, with the headings above it; none where no row may be."""
    labelled = {hit.row for hit in find_labels(rows, kind)}
    numbered = _is_numbered(headings, kind)
    first = next((i for i, row in enumerate(rows) if i not in labelled and _has_cells(row, numbered)), None)
    if first is None:
        return []
    lift = rows[first].box.top - ABOVE * em - headings.box.bottom
    return [_moved(headings, scale, lift), *rows[first:]]


def _is_numbered(headings: Row, kind: DocumentType) -> bool:
    """Whether the first heading is that of the rows' numbers."""
    text = fold(headings.words[0].text)
    indexes = (c for spec in kind.tables if spec.style == "grid" for c in spec.columns if c.name == "index")
    return any(fold(heading) == text for column in indexes for heading in column.headings)


def _has_cells(row: Row, numbered: bool) -> bool:
    """Words in three places or more, a number at the front of the row, or of one of them where rows bear none."""
    fronts = [row.words[0], *(right for left, right in pairwise(row.words) if apart(left, right))]
    told = INDEX.match(fronts[0].text) if numbered else any(word.text[0].isdigit() for word in fronts)
    return bool(told) and len(fronts) >= FEWEST_CELLS


def _moved(row: Row, scale: float, lift: float) -> Row:
    """The row with its words so much wider, and lower by so many pixels."""

    def box(old: Box) -> Box:
        return Box(left=old.left * scale, top=old.top + lift, right=old.right * scale, bottom=old.bottom + lift)

    return Row(tuple(word.model_copy(update={"box": box(word.box)}) for word in row.words))


def _reading(found: Found, page: PageReading, em: float) -> FieldReading:
    return FieldReading(
        field=found.field, raw=found.raw, confidence=round(found.confidence, 4), page_id=page.image.page_id,
        box=page.image.in_file(found.roomy_box(em)), engine=page.text.engine, method=CONTINUED,
    )  # fmt: skip
