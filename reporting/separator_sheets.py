"""Before stage 0, reporting.separator_sheets: separators as a PDF of A4 sheets, to be laid before the files of a box.

Two QR codes in the corners on the right, the same code in bars along the left edge, and the words for people. No
name of a patient: the sheet lies open on desks and goes through the scanner with every file.
"""

from collections.abc import Sequence
from pathlib import Path

import zxingcpp
from fpdf import FPDF

from loaders.printed import Modules, add_face, draw_square, modules_of, qr_modules, runs
from records.errors import SohoaError
from records.separators import TOO_LONG, Separator

FACE = "Tinos"
STYLES = {"": "Regular", "B": "Bold"}
TITLE = "TỜ PHÂN CÁCH HỒ SƠ"
TITLE_PT, LABEL_PT, SMALL_PT = 22, 15, 9

# Millimetres, origin at the sheet's top left.
WIDTH, HEIGHT, MARGIN = 210.0, 297.0, 14.0
BAR_MODULE = 0.5
BARS_WIDE, BARS_LONG = 18.0, HEIGHT - 2 * MARGIN - 20 * BAR_MODULE  # without the quiet zone of ten modules at each end
QR_SIDE = 36.0  # 33 modules for 40 characters: 1.1 mm each
QR_LEVEL = "H"  # 30 % of it may be lost
TEXT_LEFT, BLANK_LINE = 46.0, 60.0


def print_separators(separators: Sequence[Separator], path: Path) -> None:
    """One sheet per separator, in their order; SohoaError when a code does not fit or the file cannot be written."""
    pdf = _new_pdf()
    for separator in separators:
        _add_sheet(pdf, separator)
    try:
        path.write_bytes(bytes(pdf.output()))
    except OSError as error:
        raise SohoaError(f"{path} cannot be written; give the path of a file in a folder that exists.") from error


def bar_modules(code: str) -> Modules:
    """Code 128 as a row of modules, True where black, quiet zones left out."""
    row: Modules = modules_of(zxingcpp.create_barcode(code, zxingcpp.BarcodeFormat.Code128))[0]
    return row


def _new_pdf() -> FPDF:
    pdf = FPDF(unit="mm", format="A4")
    pdf.set_auto_page_break(False)
    pdf.set_title(TITLE)
    for style, name in STYLES.items():
        add_face(pdf, FACE, style, name)
    return pdf


def _add_sheet(pdf: FPDF, separator: Separator) -> None:
    code = separator.code()
    bars, square = bar_modules(code), qr_modules(code, QR_LEVEL)
    if len(bars) * BAR_MODULE > BARS_LONG:
        raise SohoaError(TOO_LONG.format(box=separator.box))
    pdf.add_page()
    _draw_bars(pdf, bars)
    for top in (MARGIN, HEIGHT - MARGIN - QR_SIDE):
        draw_square(pdf, square, WIDTH - MARGIN - QR_SIDE, top, QR_SIDE)
    _draw_words(pdf, separator, code)


def _draw_bars(pdf: FPDF, bars: Modules) -> None:
    """Along the left edge, in the middle of its height."""
    top = (HEIGHT - len(bars) * BAR_MODULE) / 2
    for start, end in runs(bars):
        pdf.rect(MARGIN, top + start * BAR_MODULE, BARS_WIDE, (end - start) * BAR_MODULE, style="F")


def _draw_words(pdf: FPDF, separator: Separator, code: str) -> None:
    """The title in capitals tells the sheet when no code can be read any more."""
    pdf.polygon([(TEXT_LEFT, 26), (TEXT_LEFT + 6, 26), (TEXT_LEFT + 3, MARGIN)], style="F")
    _write(pdf, TEXT_LEFT + 10, 22, "ĐẦU TỜ: quay lên trên, mặt có chữ hướng ra ngoài", SMALL_PT)
    _write(pdf, TEXT_LEFT, 46, TITLE, TITLE_PT, "B")
    _write(pdf, TEXT_LEFT, 54, "Đặt trước trang đầu của hồ sơ. Quét cùng hồ sơ, không rút ra.", SMALL_PT)
    _line(pdf, 92, "Hộp", separator.box, 40)
    _line(pdf, 134, "Hồ sơ số", f"{separator.file_number:04d}", 72)
    _line(pdf, 168, "Số vào viện", separator.encounter_number, 40)
    _line(pdf, 202, "Số tờ", str(separator.sheets or ""), 40)
    if not separator.sheets:
        _write(pdf, TEXT_LEFT, 209, "Đếm số tờ của hồ sơ rồi ghi tay vào dòng trên.", SMALL_PT)
    _write(pdf, TEXT_LEFT, 272, "Mã tờ phân cách:", SMALL_PT)
    _write(pdf, TEXT_LEFT, 277, code, SMALL_PT, "B")
    _write(pdf, TEXT_LEFT, 282, "Hai chữ số cuối là số kiểm tra.", SMALL_PT)


def _line(pdf: FPDF, base: float, label: str, value: str, points: float) -> None:
    """A label and its value below one another, or a line to write on. `base`: the value's base line."""
    _write(pdf, TEXT_LEFT, base - points * 0.36 - 2, label, LABEL_PT)
    if value:
        _write(pdf, TEXT_LEFT, base, value, points, "B")
    else:
        pdf.line(TEXT_LEFT, base, TEXT_LEFT + BLANK_LINE, base)


def _write(pdf: FPDF, left: float, base: float, text: str, points: float, style: str = "") -> None:
    """One line of text, made smaller where it would reach beyond the right margin."""
    pdf.set_font(FACE, style, points)
    room = WIDTH - MARGIN - left
    pdf.set_font(FACE, style, min(points, points * room / max(pdf.get_string_width(text), 0.1)))
    pdf.text(left, base, text)
