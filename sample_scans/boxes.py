"""Sample scans, boxes: draw a value as forms with squares ask for it: a ticked choice, or one digit in each cell."""

from __future__ import annotations

from sheets import BLUE, INK, Placed, Sheet, Value, nfc, text_width, value_face, write

SIDE, GAP = 3.6, 4.0  # millimetres: of a square, and from one choice to the next
CELL, HIGH, PART = 4.7, 5.8, 2.2  # of a digit's cell, and between two groups of cells


def boxes_width(sheet: Sheet, value: Value) -> float:
    """Millimetres that a value with boxes takes."""
    if value.boxes == "digits":
        return sum(PART if c == " " else CELL for c in value.shown)
    return sum(text_width(sheet, option, sheet.style.size) + 1.5 + SIDE + GAP for option in value.options)


def write_boxes(sheet: Sheet, value: Value, x: float, y: float) -> None:
    """Draw the boxes of a value from x on, its baseline at y, and remember what was filled in."""
    box = _cells(sheet, value, x, y) if value.boxes == "digits" else _choices(sheet, value, x, y)
    left, top, right, bottom = (sheet.px(v) for v in box)
    sheet.placed.append(Placed(value.name, nfc(value.value), nfc(value.shown), (left, top, right, bottom)))


def _choices(sheet: Sheet, value: Value, x: float, y: float) -> tuple[float, float, float, float]:
    """Each choice with a square after it, a cross in one; where the crossed one stands, in millimetres."""
    place = (x, y, x, y)
    for option in value.options:
        write(sheet, x, y, option)
        square = x + text_width(sheet, option, sheet.style.size) + 1.5
        _square(sheet, square, y - SIDE + 0.4, SIDE, SIDE)
        if option.endswith(value.shown):
            _cross(sheet, square, y - SIDE + 0.4)
            place = (x, y - SIDE + 0.2, square + SIDE, y + 0.6)
        x = square + SIDE + GAP
    return place


def _cells(sheet: Sheet, value: Value, x: float, y: float) -> tuple[float, float, float, float]:
    """A cell for each character, groups apart; where they all stand, in millimetres."""
    start, top = x, y - HIGH + 1.3
    face = value_face(sheet, sheet.style.size)
    for character in value.shown:
        if character == " ":
            x += PART
            continue
        _square(sheet, x, top, CELL, HIGH)
        swing = sheet.rng.uniform(-0.5, 0.5) if sheet.hand else 0.0
        middle = (sheet.px(x + CELL / 2 + swing), sheet.px(y + swing / 2))
        sheet.draw.text(middle, character, fill=BLUE if sheet.hand else INK, font=face, anchor="ms")
        x += CELL
    return start, top, x, top + HIGH


def _square(sheet: Sheet, x: float, y: float, wide: float, high: float) -> None:
    corners = [sheet.px(v) for v in (x, y, x + wide, y + high)]
    sheet.draw.rectangle(corners, outline=INK, width=max(1, round(sheet.px(0.25))))


def _cross(sheet: Sheet, x: float, y: float) -> None:
    """Two strokes of a pen, a little over the square's corners."""
    width, over = max(2, round(sheet.px(0.4))), 0.3
    a, b, c, d = (sheet.px(v) for v in (x - over, y - over, x + SIDE + over, y + SIDE + over))
    sheet.draw.line([(a, b), (c, d)], fill=BLUE, width=width)
    sheet.draw.line([(a, d), (c, b)], fill=BLUE, width=width)
