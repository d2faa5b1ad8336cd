"""Before the readers, bench.drawn: sheets of the classes that the sample scans lack, drawn as a scanner gives them.

A4 at 200 dpi. All names and numbers are invented.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pypdfium2
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from bench.pages import BenchPage
from bench.truth import TruthPage
from loaders.printed import FACES
from records.separators import Separator
from reporting.separator_sheets import print_separators

WIDTH, HEIGHT, DPI = 1654, 2339, 200  # pixels
LEFT, RIGHT = 140, 1520
COLUMNS = (LEFT, 330, 960, RIGHT)
HEADINGS = ("Ngày giờ", "Theo dõi diễn biến", "Thực hiện y lệnh / chăm sóc")
NOTES = (
    ("Bệnh nhân tỉnh, tiếp xúc tốt", "Đo mạch, nhiệt độ, huyết áp"),
    ("Vết mổ khô, không sưng nề", "Thay băng vết mổ"),
    ("Ăn được, ngủ được, đại tiện bình thường", "Hướng dẫn chế độ ăn"),
    ("Đau nhẹ vùng mổ khi đi lại", "Thực hiện thuốc theo y lệnh"),
)
LINES = 22  # of the sheet's table

Place = tuple[float, float]


def index_only_page(folder: Path) -> BenchPage:
    """A nursing sheet: its head says whose it is, the rest is a long table that nobody needs as values."""
    page, draw = _paper()
    _write(draw, (LEFT, 90), "BỆNH VIỆN MẪU SÔNG XANH", 30, "Bold")
    _write(draw, (LEFT, 135), "Khoa: Ngoại Tổng hợp", 30)
    _write(draw, (1120, 90), "Số vào viện: 21.004217", 30)
    _write(draw, (1120, 135), "Mã người bệnh: 21880431", 30)
    _write(draw, (640, 210), "PHIẾU CHĂM SÓC", 48, "Bold")
    _write(draw, (LEFT, 300), "Họ và tên người bệnh: LÊ THỊ MẪU     Tuổi: 54     Giới tính: Nữ", 32)
    _write(draw, (LEFT, 350), "Chẩn đoán: Sỏi túi mật     Số giường: 12     Buồng: 304", 32)
    _table(draw, top=420, height=80)
    return _saved(page, folder / "index_only.png", "nursing_sheet")


def separator_page(folder: Path) -> BenchPage:
    """A separator sheet as `sohoa separators` prints it."""
    (sheet,) = printed([Separator(box="T03", file_number=17, encounter_number="21.004217", sheets=48)], folder)
    return _saved(Image.fromarray(sheet), folder / "separator.png", "separator")


def printed(separators: Sequence[Separator], folder: Path) -> Iterator[NDArray[np.uint8]]:
    """The sheets as printed, each A4 at 200 dpi in grey."""
    path = folder / "separators.pdf"
    print_separators(separators, path)
    with pypdfium2.PdfDocument(path) as pdf:
        for page in pdf:
            yield page.render(scale=DPI / 72, grayscale=True).to_numpy().copy()


def _paper() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    page = Image.new("L", (WIDTH, HEIGHT), 255)
    return page, ImageDraw.Draw(page)


def _write(draw: ImageDraw.ImageDraw, place: Place, text: str, pixels: int, face: str = "Regular") -> None:
    draw.text(place, text, 30, font=ImageFont.truetype(str(FACES / f"Tinos-{face}.ttf"), pixels))


def _table(draw: ImageDraw.ImageDraw, top: int, height: int) -> None:
    for line in range(LINES + 1):
        draw.line((LEFT, top + line * height, RIGHT, top + line * height), fill=60, width=2)
        if line < LINES:
            _table_row(draw, line, top + line * height + 22)
    for x in COLUMNS:
        draw.line((x, top, x, top + LINES * height), fill=60, width=2)


def _table_row(draw: ImageDraw.ImageDraw, line: int, y: int) -> None:
    note, care = NOTES[line % len(NOTES)]
    cells = HEADINGS if line == 0 else (f"{6 + line % 12:02}:30 {1 + line:02}/03", note, care)
    for x, text in zip(COLUMNS, cells, strict=False):
        _write(draw, (x + 14, y), text, 30, "Regular" if line else "Bold")


def _saved(page: Image.Image, path: Path, document_type: str) -> BenchPage:
    """The sheet with a little skew and noise."""
    skewed = np.asarray(page.rotate(0.3, Image.Resampling.BILINEAR, fillcolor=255), np.float32)
    noise = np.random.default_rng(7).normal(0, 2, skewed.shape)
    Image.fromarray(np.clip(skewed - 8 + noise, 0, 255).astype(np.uint8)).save(path, dpi=(DPI, DPI))
    return BenchPage(path=path, truth=TruthPage(file=path.name, page=1, document_type=document_type))
