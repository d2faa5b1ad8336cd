"""Sample scans, sheets: draw text, labelled values, tables and stamps on an upright page and remember each value's box.

Lengths are millimetres from the top left of an A4 page, type sizes points; boxes are pixels of the upright page.
"""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass, field

from faces import hand_font, print_font
from PIL import Image, ImageDraw, ImageFont

INK, BLUE, RED = (22, 22, 24), (34, 46, 128), (196, 40, 52)
LEFT, RIGHT, BOTTOM = 18.0, 196.0, 291.0


@dataclass(frozen=True)
class Style:
    """How a form looks: its face, its type size, and how a label and its value share the line."""

    name: str
    family: str
    size: float
    leading: float
    kind: str  # "line": label then value; "box": the same inside a ruled cell; "stack": label above value
    dots: bool = False
    numbered: bool = False
    bold_labels: bool = False
    bold_values: bool = False
    table: str = "grid"  # "grid", "rules" or "bare"


@dataclass(frozen=True)
class Value:
    """A field as the form shows it and as it is meant."""

    name: str
    value: str
    shown: str
    label: str = ""
    printed: bool = False  # part of the form even where values are handwritten
    boxes: str = ""  # "choice": a square beside each of `options`; "digits": a cell for each character
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Placed:
    """A value on the page. Box: left, top, right, bottom in pixels of the upright page."""

    name: str
    value: str
    shown: str
    box: tuple[float, float, float, float]


@dataclass
class Sheet:
    """A page being drawn; `y` is the next free line in millimetres."""

    style: Style
    dpi: int
    rng: random.Random
    hand: str = ""  # one of HANDS, or empty for printed values
    y: float = 12.0
    placed: list[Placed] = field(default_factory=list)
    row: int = 0

    def __post_init__(self) -> None:
        self.image = Image.new("RGB", (round(210 * self.dpi / 25.4), round(297 * self.dpi / 25.4)), "white")
        self.draw = ImageDraw.Draw(self.image)

    def px(self, millimetres: float) -> float:
        return millimetres * self.dpi / 25.4

    def mm(self, pixels: float) -> float:
        return pixels * 25.4 / self.dpi


def text_width(sheet: Sheet, text: str, size: float, bold: bool = False, italic: bool = False) -> float:
    """Millimetres."""
    return sheet.mm(_face(sheet, size, bold, italic).getlength(nfc(text)))


def write(
    sheet: Sheet,
    x: float,
    y: float,
    text: str,
    size: float | None = None,
    *,
    bold: bool = False,
    italic: bool = False,
    align: str = "left",
    ink: tuple[int, int, int] = INK,
) -> None:
    """Print form text with its baseline at y; x is its left end, middle or right end."""
    anchor = {"left": "ls", "centre": "ms", "right": "rs"}[align]
    face = _face(sheet, size or sheet.style.size, bold, italic)
    sheet.draw.text((sheet.px(x), sheet.px(y)), nfc(text), fill=ink, font=face, anchor=anchor)


def value_lines(sheet: Sheet, shown: str, first: float, others: float, size: float) -> list[str]:
    """Break a value into lines: the first has `first` millimetres, the others have `others`."""
    lines, room = [""], first
    for word in shown.split():
        longer = f"{lines[-1]} {word}".strip()
        if value_width(sheet, longer, size) <= room or (not lines[-1] and room == others):
            lines[-1] = longer
        else:
            lines.append(word)
            room = others
    return lines


def value_width(sheet: Sheet, shown: str, size: float) -> float:
    """Millimetres, in the face that values are written in."""
    return sheet.mm(value_face(sheet, size).getlength(nfc(shown))) * (1.03 if sheet.hand else 1)


def write_value(
    sheet: Sheet, value: Value, lines: list[str], xs: list[float], y: float, size: float, leading: float | None = None
) -> None:
    """Write a value's lines, each from its own x, first baseline at y, and remember the box around all of them."""
    face, boxes = value_face(sheet, size), []
    for number, line in enumerate(lines):
        baseline = y + number * (leading or sheet.style.leading)
        if line:
            boxes.append(_write_line(sheet, line, xs[min(number, len(xs) - 1)], baseline, face))
    if value.name and boxes:
        box = (min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes))
        sheet.placed.append(Placed(value.name, nfc(value.value), nfc(value.shown), box))


def _write_line(
    sheet: Sheet, line: str, x: float, y: float, face: ImageFont.FreeTypeFont
) -> tuple[float, float, float, float]:
    left, base, line = sheet.px(x), sheet.px(y), nfc(line)
    ascent, descent = face.size * 0.86, face.size * 0.26
    if not sheet.hand:
        sheet.draw.text((left, base), line, fill=INK, font=face, anchor="ls")
        return left, base - ascent, left + face.getlength(line), base + descent
    end = left
    for word in line.split(" "):
        lift = sheet.px(sheet.rng.uniform(-0.35, 0.25))
        sheet.draw.text((end, base + lift), word, fill=BLUE, font=face, anchor="ls")
        end += face.getlength(word + " ") * sheet.rng.uniform(0.99, 1.03)
    return left, base - ascent - sheet.px(0.3), end - face.getlength(" "), base + descent + sheet.px(0.3)


def heading(sheet: Sheet, text: str) -> None:
    """A bold line between groups of fields."""
    sheet.y += 2
    write(sheet, LEFT, sheet.y + sheet.style.leading * 0.7, text, bold=True)
    sheet.y += sheet.style.leading


def signature(sheet: Sheet, x: float, lines: list[str], name: str) -> None:
    """Date line, role, scrawl and the signer's name, centred on x; leaves y where it was."""
    y = sheet.y + 6
    for number, line in enumerate(lines):
        write(sheet, x, y, line, sheet.style.size - (number == 0), bold=number == 1, italic=number != 1, align="centre")
        y += 5.4
    _scrawl(sheet, x, y + 6)
    write(sheet, x, y + 17, name, bold=True, align="centre")


def seal(sheet: Sheet, x: float, y: float, lines: list[str]) -> None:
    """A round red stamp with its centre at x, y."""
    for radius, width in ((16, 0.7), (13.6, 0.3)):
        box = [sheet.px(v) for v in (x - radius, y - radius, x + radius, y + radius)]
        sheet.draw.ellipse(box, outline=RED, width=max(1, round(sheet.px(width))))
    for number, line in enumerate(lines):
        write(sheet, x, y + (number - len(lines) / 2 + 0.8) * 4, line, 7.5, bold=True, align="centre", ink=RED)


def _scrawl(sheet: Sheet, x: float, y: float) -> None:
    points, rng = [], sheet.rng
    for step in range(9):
        points.append((x - 14 + step * 3.4 + rng.uniform(-2, 2), y + rng.uniform(-4.5, 4.5)))
    curve = [_along(points, t / 12) for t in range(12 * (len(points) - 2))]
    sheet.draw.line([(sheet.px(a), sheet.px(b)) for a, b in curve], fill=BLUE, width=max(2, round(sheet.px(0.35))))


def _along(points: list[tuple[float, float]], t: float) -> tuple[float, float]:
    """A point on a quadratic spline through the middles of the polygon's sides."""
    i = int(t)
    u, (a, b, c) = t - i, points[i : i + 3]
    return tuple(
        0.5 * ((1 - u) ** 2 * (p + q) + 2 * u * (1 - u) * 2 * q + u**2 * (q + r))
        for p, q, r in zip(a, b, c, strict=True)
    )


def _face(sheet: Sheet, size: float, bold: bool, italic: bool) -> ImageFont.FreeTypeFont:
    return print_font(sheet.style.family, bold, italic, round(size * sheet.dpi / 72))


def value_face(sheet: Sheet, size: float) -> ImageFont.FreeTypeFont:
    if sheet.hand:
        return hand_font(sheet.hand, round(size * 1.18 * sheet.dpi / 72))
    return print_font(sheet.style.family, sheet.style.bold_values, False, round(size * sheet.dpi / 72))


def nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)
