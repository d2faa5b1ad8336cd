"""What tests of reading share: pages laid out as on a typewriter or drawn, readings made by hand, damaged models."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from extractors.fields import find_fields
from extractors.images import Gray
from extractors.rows import Row, page_to_rows
from extractors.tables import Peek, find_tables, nothing_there
from records.document_types import document_types
from records.documents import FieldReading, PageReading
from records.pages import Box, Line, PageBox, PageImage, PageText, Rulings, Word
from validation.contract import Basis, Contract, Threshold
from validation.features import FAMILIES

EM = 40.0  # height of a word in pixels
LETTER = 20.0  # width of every letter; so one space parts words (20 px) and three part columns (60 px)
PITCH = 70.0  # from one row to the next
LEFT, TOP = 100.0, 100.0
WIDTH, HEIGHT = 2404, 3400
FONTS = Path("/usr/share/fonts/truetype/croscore")


# Lines of a form as they are printed, wide gaps between columns.
LINES = (
    "Họ và tên người bệnh: NGUYỄN HOÀNG PHƯƠNG THẢO",
    "Ngày sinh: 01/09/1960      Giới tính: Nữ",
    "Địa chỉ: Số 12 đường Hàng Bông, quận Hoàn Kiếm, Hà Nội",
    "Số thẻ BHYT: GD4013001234567      Mã ICD-10: C50.9",
    "Chẩn đoán: Ung thư vú trái giai đoạn II, di căn hạch nách",
    "Bạch cầu 12,5 G/L      Hemoglobin 130 g/L",
)


@dataclass(frozen=True)
class Sheet:
    """A page laid out from text: what the reader would give, and its vertical rulings."""

    text: PageText
    rulings: Rulings

    @property
    def rows(self) -> list[Row]:
        return page_to_rows(self.text)


def sheet(art: str, tilt: float = 0.0, sure: float = 0.95) -> Sheet:
    """A page as it looks in the test: every letter one column wide, three spaces part columns, `|` is a ruling.

    `tilt`: pixels that a row sinks per pixel to the right; `sure`: the reader's confidence in every word.
    """
    lines, bars = [], []
    for index, printed in enumerate(art.strip("\n").split("\n")):
        top = TOP + index * PITCH
        bars += [(LEFT + (m.start() + 0.5) * LETTER, top) for m in re.finditer(r"\|", printed)]
        for segment in re.finditer(r"[^\s|]+(?: {1,2}[^\s|]+)*", printed):
            words = re.finditer(r"\S+", segment[0])
            lines.append(
                Line(words=tuple(_word(w[0], segment.start() + w.start(), top, tilt, sure) for w in words)),
            )
    return Sheet(PageText(page_id="p", engine="tesseract", lines=tuple(lines)), _joined(bars))


def _word(text: str, column: int, top: float, tilt: float, sure: float) -> Word:
    left = LEFT + column * LETTER
    top += tilt * left
    box = Box(left=left, top=top, right=left + len(text) * LETTER, bottom=top + EM)
    return Word(text=text, confidence=sure, box=box)


def _joined(bars: list[tuple[float, float]]) -> Rulings:
    """Strokes of one column on neighbouring rows are one ruling: (x, top, bottom)."""
    rulings: list[list[float]] = []
    for x, top in sorted(bars):
        if rulings and rulings[-1][0] == x and rulings[-1][2] >= top - 15:
            rulings[-1][2] = top + PITCH - 15
        else:
            rulings.append([x, top - 15, top + PITCH - 15])
    return tuple((round(x), round(top), round(bottom)) for x, top, bottom in rulings)


def fields_on(art: str, document_type: str = "discharge_letter", **how: float) -> dict[str, str]:
    """field -> what was taken for it, verbatim."""
    page = sheet(art, **how)
    found = find_fields(page.rows, document_types()[document_type], EM, page.rulings)
    return {f.field: f.raw for f in found}


def cells_on(art: str, document_type: str = "lab_report", peek: Peek = nothing_there) -> dict[str, str]:
    """field of a table's row -> what was taken for it, verbatim."""
    page = sheet(art)
    tables = find_tables(page.rows, document_types()[document_type], EM, page.rulings, peek)
    return {f.field: f.raw for table in tables for f in table.found}


def page_image(page_id: str = "p", **more: Any) -> PageImage:
    """A page that lies in its file as it is read."""
    whole: dict[str, Any] = {
        "turn": 0, "skew_degrees": 0.0, "width_px": WIDTH, "height_px": HEIGHT, "file_width_px": WIDTH,
        "file_height_px": HEIGHT, "to_file": (1, 0, 0, 0, 1, 0, 0, 0, 1), "dpi": 290.0, "ink": 0.05, "blank": False,
    }  # fmt: skip
    return PageImage(page_id=page_id, **(whole | more))


def page_reading(
    page_id: str, document_type: str, readings: Mapping[str, str], titled: bool = True, engine: str = "tesseract"
) -> PageReading:
    """A page on which these fields were read, each with the same sure but not certain confidence."""
    box = PageBox(left=0.1, top=0.1, right=0.2, bottom=0.12)
    found = tuple(
        FieldReading(field=f, raw=raw, confidence=0.93, page_id=page_id, box=box, engine=engine, method="label_right")
        for f, raw in readings.items()
    )
    return PageReading(
        image=page_image(page_id), text=PageText(page_id=page_id, engine=engine, lines=()),
        document_type=document_type, titled=titled, score=100.0, readings=found, seconds=0.1,
    )  # fmt: skip


@cache
def font(size: int, name: str = "Tinos-Regular") -> ImageFont.FreeTypeFont:
    """A font with the full Vietnamese set."""
    return ImageFont.truetype(str(FONTS / f"{name}.ttf"), size)


def drawn(
    lines: Sequence[str], size: tuple[int, int] = (1240, 1754), letters: int = 26, grey: int = 0, top: int = 120
) -> Gray:
    """Lines of print on white paper, uint8 HxW; `size`: (width, height), `letters`: font size in pixels."""
    page = Image.new("L", size, 255)
    pen = ImageDraw.Draw(page)
    for index, line in enumerate(lines):
        pen.text((int(0.08 * size[0]), top + index * round(1.9 * letters)), line, grey, font(letters))
    return np.asarray(page)


def in_colour(gray: Gray) -> NDArray[np.uint8]:
    """HxWx3 as a scan lies in its file."""
    return np.repeat(gray[:, :, None], 3, axis=2)


def turned_by(gray: Gray, degrees: float) -> tuple[Gray, NDArray[np.float64]]:
    """The page turned counter-clockwise about its middle, and the matrix that did it."""
    height, width = gray.shape
    matrix = np.vstack([cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1), [0, 0, 1]])
    return cv2.warpAffine(gray, matrix[:2], (width, height), borderValue=255), matrix


def remove(path: Path) -> None:
    path.unlink()


def alter_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def contract(threshold: float = 0.0, **families: float) -> Contract:
    """A contract of any reader and field with this threshold for every family, but for those named."""
    rows = tuple(
        Threshold(family=family, target=1.0, threshold=families.get(family, threshold), coverage=1.0, accepted=0,
                  wrong=0, lower=0.0, objection="")
        for family in FAMILIES
    )  # fmt: skip
    return Contract(basis=Basis.OWN, thresholds=rows)
