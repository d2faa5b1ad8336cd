"""Sample scans, rows: lay labelled values and tables out on a sheet, in lines, ruled cells or stacked cells."""

from __future__ import annotations

from boxes import boxes_width, write_boxes
from sheets import INK, LEFT, RIGHT, Sheet, Value, text_width, value_lines, value_width, write, write_value


def labelled_rows(sheet: Sheet, rows: list[list[tuple[Value, float]]]) -> None:
    """Draw rows of labelled values; a row too wide for the page is broken into several."""
    for row in rows:
        for part in _rows_that_fit(sheet, row):
            sheet.row += 1
            {"line": _line_row, "box": _box_row, "stack": _stack_row}[sheet.style.kind](sheet, part)


def _rows_that_fit(sheet: Sheet, row: list[tuple[Value, float]]) -> list[list[tuple[Value, float, float]]]:
    """Group cells (value, share) into rows of (value, left, right) that hold each value on one line if it can."""
    groups: list[list[tuple[Value, float]]] = [[]]
    for cell in row:
        if groups[-1] and sum(_needed(sheet, v) for v, _ in [*groups[-1], cell]) > RIGHT - LEFT:
            groups.append([])
        groups[-1].append(cell)
    return [_spread(sheet, group) for group in groups if group]


def _spread(sheet: Sheet, group: list[tuple[Value, float]]) -> list[tuple[Value, float, float]]:
    needs = [_needed(sheet, value) for value, _ in group]
    slack = max(0.0, RIGHT - LEFT - sum(needs))
    shares = sum(share for _, share in group)
    out, x = [], LEFT
    for need, (value, share) in zip(needs, group, strict=True):
        right = RIGHT if value is group[-1][0] else x + need + slack * share / shares
        out.append((value, x, right))
        x = right
    return out


def _needed(sheet: Sheet, value: Value) -> float:
    label = _label_width(sheet, value)
    shown = boxes_width(sheet, value) if value.boxes else value_width(sheet, value.shown, sheet.style.size)
    return max(label, shown) + 4.5 if sheet.style.kind == "stack" else label + shown + 6.5


def _label_width(sheet: Sheet, value: Value) -> float:
    style = sheet.style
    size = style.size - 2.5 if style.kind == "stack" else style.size
    number = "00. " if style.numbered else ""
    return text_width(sheet, f"{number}{value.label}:", size, style.bold_labels)


def _label(sheet: Sheet, value: Value, first: bool) -> str:
    return f"{sheet.row}. {value.label}:" if sheet.style.numbered and first else f"{value.label}:"


def _line_row(sheet: Sheet, cells: list[tuple[Value, float, float]]) -> None:
    style, deepest = sheet.style, 1
    y = sheet.y + style.leading * 0.72
    for number, (value, x, right) in enumerate(cells):
        label = _label(sheet, value, number == 0)
        write(sheet, x, y, label, bold=style.bold_labels)
        start = x + text_width(sheet, label, style.size, style.bold_labels) + 1.8
        if value.boxes:
            write_boxes(sheet, value, start, y)
            continue
        lines = value_lines(sheet, value.shown, right - start - 2, right - x - 4, style.size)
        for depth in range(len(lines) if style.dots else 0):
            _dots(sheet, start if depth == 0 else x, right - 2, y + depth * style.leading + 1.2)
        write_value(sheet, value, lines, [start, x + (2 if style.dots else 4)], y, style.size)
        deepest = max(deepest, len(lines))
    sheet.y += deepest * style.leading


def _box_row(sheet: Sheet, cells: list[tuple[Value, float, float]]) -> None:
    style, deepest = sheet.style, 1
    y = sheet.y + style.leading * 0.66
    for number, (value, x, right) in enumerate(cells):
        label = _label(sheet, value, number == 0)
        write(sheet, x + 1.5, y, label, bold=style.bold_labels)
        start = x + 1.5 + text_width(sheet, label, style.size, style.bold_labels) + 1.6
        lines = value_lines(sheet, value.shown, right - start - 1.2, right - x - 4, style.size)
        write_value(sheet, value, lines, [start, x + 1.5], y, style.size)
        deepest = max(deepest, len(lines))
    _frame(sheet, [x for _, x, _ in cells] + [RIGHT], sheet.y, sheet.y + deepest * style.leading)
    sheet.y += deepest * style.leading


def _stack_row(sheet: Sheet, cells: list[tuple[Value, float, float]]) -> None:
    style, deepest, small = sheet.style, 1, sheet.style.size - 2.5
    for number, (value, x, right) in enumerate(cells):
        write(sheet, x + 1.4, sheet.y + 3.6, _label(sheet, value, number == 0)[:-1], small, italic=True)
        lines = value_lines(sheet, value.shown, right - x - 3, right - x - 3, style.size)
        write_value(sheet, value, lines, [x + 1.8], sheet.y + 9.2, style.size)
        deepest = max(deepest, len(lines))
    bottom = sheet.y + 11.2 + (deepest - 1) * style.leading
    _frame(sheet, [x for _, x, _ in cells] + [RIGHT], sheet.y, bottom)
    sheet.y = bottom


def table(sheet: Sheet, columns: list[tuple[str, float, str]], rows: list[list[Value]]) -> None:
    """Draw a table; columns are (heading, share of the width, alignment), cells are values (name empty: form text)."""
    shares = sum(share for _, share, _ in columns)
    edges = [LEFT]
    for _, share, _ in columns:
        edges.append(edges[-1] + (RIGHT - LEFT) * share / shares)
    _table_row(sheet, edges, [Value("", "", heading) for heading, _, _ in columns], ["centre"] * len(columns), True)
    for row in rows:
        _table_row(sheet, edges, row, [align for _, _, align in columns], False)
    sheet.y += 3


def _table_row(sheet: Sheet, edges: list[float], row: list[Value], aligns: list[str], heading: bool) -> None:
    size, leading = sheet.style.size - 0.5, sheet.style.leading * 0.86
    y, deepest = sheet.y + leading * 0.78, 1
    for value, align, left, right in zip(row, aligns, edges[:-1], edges[1:], strict=True):
        if not value.name:
            _plain_cell(sheet, value.shown, align, left, right, y, size, heading)
            continue
        hand, sheet.hand = sheet.hand, "" if value.printed else sheet.hand
        deepest = max(deepest, _value_cell(sheet, value, align, left, right, y, size, leading * 0.9))
        sheet.hand = hand
    height = leading * (1.12 + 0.9 * (deepest - 1))
    _rule_table_row(sheet, edges, sheet.y, sheet.y + height, heading)
    sheet.y += height


def _value_cell(
    sheet: Sheet, value: Value, align: str, left: float, right: float, y: float, size: float, leading: float
) -> int:
    """Write a value inside its cell and return how many lines it took."""
    lines = value_lines(sheet, value.shown, right - left - 3, right - left - 3, size)
    slack = [right - left - value_width(sheet, line, size) for line in lines]
    xs = [left + (1.5 if align == "left" else room / 2) for room in slack]
    write_value(sheet, value, lines, xs, y, size, leading)
    return len(lines)


def _plain_cell(
    sheet: Sheet, text: str, align: str, left: float, right: float, y: float, size: float, heading: bool
) -> None:
    bold = heading or align == "section"
    while text_width(sheet, text, size, bold) > right - left - 1.5 and size > 7:
        size -= 0.5
    middle = align == "centre"
    write(
        sheet,
        (left + right) / 2 if middle else left + 1.5,
        y,
        text,
        size,
        bold=bold,
        align="centre" if middle else "left",
    )


def _rule_table_row(sheet: Sheet, edges: list[float], top: float, bottom: float, heading: bool) -> None:
    if sheet.style.table == "grid":
        _frame(sheet, edges, top, bottom)
    elif sheet.style.table == "rules" or heading:
        for y in (top, bottom) if heading else (bottom,):
            _stroke(sheet, edges[0], y, edges[-1], y)


def _dots(sheet: Sheet, left: float, right: float, y: float) -> None:
    dot, x = max(1, round(sheet.px(0.22))), left
    while x < right:
        a, b = sheet.px(x), sheet.px(y)
        sheet.draw.rectangle((a, b, a + dot, b + dot), fill=(70, 70, 70))
        x += 1.15


def _frame(sheet: Sheet, xs: list[float], top: float, bottom: float) -> None:
    for x in xs:
        _stroke(sheet, x, top, x, bottom)
    for y in (top, bottom):
        _stroke(sheet, xs[0], y, xs[-1], y)


def _stroke(sheet: Sheet, x0: float, y0: float, x1: float, y1: float) -> None:
    width = max(1, round(sheet.px(0.22)))
    sheet.draw.line([(sheet.px(x0), sheet.px(y0)), (sheet.px(x1), sheet.px(y1))], fill=INK, width=width)
