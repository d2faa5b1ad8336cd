"""Stage 7 of a batch, pipeline.table_rows: a value that a person decided finds its field in the document read anew.

Rows are numbered as they are read: the number alone would put a decided result beside another test's name.
"""

import re
from collections.abc import Iterator

from records.document_types import DocumentType, document_types
from records.documents import JudgedValue, ValidatedDocument
from records.pages import PageBox
from transformers.text import folded

CELL = re.compile(r"^(\w+)\[(\d+)\]\.(\w+)$")
SAME_PLACE = 0.5  # share of two boxes that both cover


def field_now(decided: JudgedValue, before: ValidatedDocument, now: ValidatedDocument) -> str:
    """What a decided value's field is called now; '' where the form has none such or its row is not found for sure.

    `before`: the document in which it was decided. A cell's row is the one at its place on the same scan, else the
    only one of the same name.
    """
    form, field = document_types()[now.document.document_type], decided.value.field
    if form.spec(field) is None:
        return ""
    return _by_place(decided, now) or _by_name(field, before, now, form) if CELL.match(field) else field


def _by_place(decided: JudgedValue, now: ValidatedDocument) -> str:
    """The cell of the same column that covers what the decided one covered; '' for none or two."""
    old, stem = decided.value.reading, _stem(decided.value.field)
    found = {
        own.field: _overlap(old.box, own.box)
        for own in (v.value.reading for v in now.values)
        if own.page_id == old.page_id and _stem(own.field) == stem
    }
    best = max(found.values(), default=0.0)
    names = [field for field, share in found.items() if share == best]
    return names[0] if best >= SAME_PLACE and len(names) == 1 else ""


def _by_name(field: str, before: ValidatedDocument, now: ValidatedDocument, form: DocumentType) -> str:
    """The cell of the only row that is called as the decided one's; '' for none or two of that name, then or now."""
    table, row, column = _parts(field)
    spec = next((one for one in form.tables if one.name == table), None)
    if spec is None or column == spec.row_key:
        return ""
    names = dict(_names(before, table, spec.row_key))
    name = names.get(row, "")
    rows = [n for n, other in _names(now, table, spec.row_key) if other == name]
    once = name and len(rows) == 1 and list(names.values()).count(name) == 1
    return f"{table}[{rows[0]}].{column}" if once else ""


def _names(document: ValidatedDocument, table: str, row_key: str) -> Iterator[tuple[int, str]]:
    """(row, its name) of a table's rows."""
    for value in (v.value for v in document.values if CELL.match(v.value.field)):
        own, row, column = _parts(value.field)
        if (own, column) == (table, row_key) and value.value:
            yield row, folded(value.value)


def _parts(field: str) -> tuple[str, int, str]:
    """'results[0].value' -> ('results', 0, 'value')."""
    table, row, column = CELL.fullmatch(field).groups()  # type: ignore[union-attr]
    return table, int(row), column


def _stem(field: str) -> str:
    return re.sub(r"\[\d+\]", "[]", field)


def _overlap(one: PageBox, other: PageBox) -> float:
    """How much of what two boxes cover together both cover, 0..1."""
    wide = min(one.right, other.right) - max(one.left, other.left)
    high = min(one.bottom, other.bottom) - max(one.top, other.top)
    both = max(wide, 0.0) * max(high, 0.0)
    covered = sum((b.right - b.left) * (b.bottom - b.top) for b in (one, other)) - both
    return both / covered if covered else 0.0
