"""Beside stage 10, loaders.printed: what the product's own PDFs are drawn with: typefaces, and QR codes as squares."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zxingcpp
from fpdf import FPDF
from numpy.typing import NDArray

from records.errors import SohoaError

FACES = Path("/usr/share/fonts/truetype/croscore")  # of the package fonts-croscore, which ./run installs

Modules = NDArray[np.bool_]


def add_face(pdf: FPDF, face: str, style: str, name: str) -> None:
    """A typeface of FACES in one of its styles ('Regular', 'Bold'); SohoaError when it is not installed."""
    try:
        pdf.add_font(face, style, FACES / f"{face}-{name}.ttf")
    except FileNotFoundError as error:
        raise SohoaError(f"The typeface {face} is not there; run: apt-get install fonts-croscore") from error


def modules_of(barcode: zxingcpp.Barcode) -> Modules:
    """A code as modules, True where black, quiet zones left out."""
    black: Modules = np.asarray(barcode.to_image(scale=1, add_quiet_zones=False)) == 0
    return black


def qr_modules(code: str, level: str) -> Modules:
    """The QR code as square modules. `level`: how much of it may be lost, 'L' to 'H'."""
    return modules_of(zxingcpp.create_barcode(code, zxingcpp.BarcodeFormat.QRCode, ec_level=level))


def draw_square(pdf: FPDF, square: Modules, left: float, top: float, side: float) -> None:
    """A square code, in the unit of the document."""
    module = side / len(square)
    for row, modules in enumerate(square):
        for start, end in runs(modules):
            pdf.rect(left + start * module, top + row * module, (end - start) * module, module, style="F")


def runs(modules: Modules) -> Iterator[tuple[int, int]]:
    """Black runs of a row: (first module, one past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], modules, [False])).astype(np.int8)))
    return zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
