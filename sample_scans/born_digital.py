"""Sample scans, born digital: one stay -> a PDF with a real text layer, and where its values stand."""

from __future__ import annotations

from datetime import UTC, datetime

from faces import PRINT_FOLDER
from facts import HOSPITAL, STYLES, facts_of, lab_rows, page_title
from fpdf import FPDF
from people import Stay
from sheets import Placed, Value

DPI = 200  # of the truth's boxes; the pages themselves have no pixels
LEFT, WIDTH, LINE = 20.0, 170.0, 8.0
STYLE = STYLES["plain"]
WHO = [
    "patient.name",
    "patient.birth_date",
    "patient.age",
    "patient.sex",
    "patient.insurance_number",
    "patient.address",
]
HEAD = ["encounter.number", "patient.id", "encounter.department"]
PAGES = {
    "discharge_letter": [
        *HEAD,
        *WHO,
        "patient.national_id",
        "patient.ethnicity",
        "patient.occupation",
        "encounter.admitted_at",
        "encounter.discharged_at",
        "diagnosis.main",
        "diagnosis.main.code",
        "treatment",
        "note",
    ],
    "lab_report": [*HEAD, *WHO, "diagnosis.main", "specimen.id", "specimen.collected_at", "report.issued_at"],
    "pathology_report": [
        *HEAD,
        *WHO,
        "diagnosis.main",
        "specimen.id",
        "pathology.site",
        "pathology.gross",
        "pathology.micro",
        "pathology.conclusion",
        "report.issued_at",
    ],
}


def new_pdf() -> FPDF:
    """An empty PDF without the day's date in it."""
    pdf = FPDF(unit="mm")
    pdf.set_auto_page_break(False)
    pdf.set_creation_date(datetime(2024, 1, 2, tzinfo=UTC))
    return pdf


def draw_born_digital(stay: Stay) -> tuple[bytes, list[tuple[str, list[Placed]]]]:
    """File bytes, and per page its document type and placed values (boxes in pixels at DPI)."""
    pdf = new_pdf()
    for style, face in (("", "Regular"), ("B", "Bold")):
        pdf.add_font("Tinos", style, PRINT_FOLDER / f"Tinos-{face}.ttf")
    pages = [(kind, _page(pdf, stay, kind, names)) for kind, names in PAGES.items()]
    return bytes(pdf.output()), pages


def _page(pdf: FPDF, stay: Stay, kind: str, names: list[str]) -> list[Placed]:
    pdf.add_page(format="A4")
    _print(pdf, LEFT, 18, HOSPITAL, bold=True, size=11)
    _print(pdf, LEFT, 34, page_title(stay, kind, STYLE.name, 0), bold=True, size=16)
    facts, placed, y = facts_of(stay, kind, STYLE, 0), [], 46.0
    for name in names:
        spot, y = _labelled(pdf, facts[name], y)
        placed.append(spot)
    if kind == "lab_report":
        spots, y = _lab_table(pdf, stay, y + 4)
        placed += spots
    _print(pdf, LEFT, y + 10, f"Người ký: {stay.doctor}", size=11)
    return placed


def _labelled(pdf: FPDF, value: Value, y: float) -> tuple[Placed, float]:
    """Print 'label: value', the value wrapped under itself; give its place and the next free line."""
    label = f"{value.label}:"
    _print(pdf, LEFT, y, label)
    start = LEFT + pdf.get_string_width(label) + 2
    lines = pdf.multi_cell(LEFT + WIDTH - start, text=value.shown, dry_run=True, output="LINES")
    for number, line in enumerate(lines):
        _print(pdf, start, y + number * 6, line)
    right = start + max(pdf.get_string_width(line) for line in lines)
    bottom = y + (len(lines) - 1) * 6
    return _placed(value, start, y, right, bottom), bottom + LINE


def _lab_table(pdf: FPDF, stay: Stay, y: float) -> tuple[list[Placed], float]:
    columns = [LEFT, LEFT + 12, LEFT + 72, LEFT + 102, LEFT + 130]
    for x, text in zip(columns, ["STT", "Tên xét nghiệm", "Kết quả", "Đơn vị", "Trị số tham chiếu"], strict=True):
        _print(pdf, x, y, text, bold=True)
    placed = []
    for row in lab_rows(stay, 0, STYLE.name, flags=False):
        pdf.line(LEFT, y + 2.2, LEFT + WIDTH, y + 2.2)
        y += LINE
        for x, value in zip(columns, row, strict=True):
            _print(pdf, x, y, value.shown)
            if value.name:
                placed.append(_placed(value, x, y, x + pdf.get_string_width(value.shown), y))
    return placed, y + LINE


def _print(pdf: FPDF, x: float, y: float, text: str, *, bold: bool = False, size: float = 12) -> None:
    pdf.set_font("Tinos", "B" if bold else "", size)
    pdf.text(x, y, text)
    pdf.set_font("Tinos", "", 12)


def _placed(value: Value, left: float, first: float, right: float, last: float) -> Placed:
    box = tuple(v * DPI / 25.4 for v in (left, first - 3.7, right, last + 1.2))
    return Placed(value.name, value.value, value.shown, box)
