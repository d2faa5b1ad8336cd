"""Stage 1 to 2, extractors.pdf: turns a PDF's bytes into its page count, and a page into pixels (PDFium's one door).

PDFium is used by one thread of a process at a time.
"""

import io
import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from extractors.limits import Limits, check_size
from records.errors import UnreadableScan

if TYPE_CHECKING:
    import pypdfium2

RENDER_DPI = 300.0
POINTS = 72.0
END_BYTES = 4096  # A whole PDF says %%EOF near its end; some scanners append a kilobyte.
BROKEN_PDF = (OSError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, AssertionError)


def count_pdf_pages(data: bytes, limits: Limits) -> int:
    """The number on which two readers agree; UnreadableScan with a code of records.quarantine."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(data) as pdf:
            pages = len(pdf)
    except pypdfium2.PdfiumError as error:
        raise UnreadableScan(_why_not_opened(data), "PDFium cannot open it") from error
    if pages > limits.max_pages:
        raise UnreadableScan("too_many_pages", str(pages))
    # PDFium mends a cut file silently and leaves the lost pages out.
    if b"%%EOF" not in data[-END_BYTES:]:
        raise UnreadableScan("damaged_file", "its end is missing")
    return agreed(pages, _walk_pdf(data, limits))


def _why_not_opened(data: bytes) -> str:
    """Ask PDFium itself: a PDF without pages opens, and the error code would be that of an earlier file."""
    import pypdfium2.raw as pdfium

    opened = pdfium.FPDF_LoadMemDocument64(data, len(data), None)
    if opened:
        pdfium.FPDF_CloseDocument(opened)
        return "no_pages"
    closed = (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY)
    return "encrypted_pdf" if pdfium.FPDF_GetLastError() in closed else "damaged_file"


def _walk_pdf(data: bytes, limits: Limits) -> int:
    """The second count: pdfminer walks the page tree, whatever its /Count says."""
    from pdfminer.pdfdocument import PDFDocument
    from pdfminer.pdfexceptions import PDFException
    from pdfminer.pdfpage import PDFPage
    from pdfminer.pdfparser import PDFParser
    from pdfminer.psexceptions import PSException

    pages = 0
    try:
        for _ in PDFPage.create_pages(PDFDocument(PDFParser(io.BytesIO(data)))):
            pages += 1
            if pages > limits.max_pages:
                break
    except (PDFException, PSException, RecursionError, *BROKEN_PDF) as error:
        raise UnreadableScan("damaged_file", f"pdfminer: {type(error).__name__}") from error
    return pages


def decode_pdf(data: bytes, number: int, limits: Limits) -> tuple[NDArray[np.uint8], float]:
    """A PDF page's whole MediaBox: a scanned page in the pixels of its image, any other at 300 dpi if allowed."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(data) as pdf:
            if not 1 <= number <= len(pdf):
                raise UnreadableScan("page_unreadable", f"no page {number}")
            if pdf.get_formtype():
                pdf.init_forms()  # Else what was filled in stays invisible.
            page = pdf[number - 1]
            _show_all(page, data, number)
            width, height, dpi = _pixel_size(page, limits)
            return _rendered(page, width, height), dpi
    except pypdfium2.PdfiumError as error:
        raise UnreadableScan("page_unreadable", "PDFium cannot open it") from error


def jpeg_of_page(data: bytes, number: int, limits: Limits) -> bytes | None:
    """The JPEG that alone covers a page, as it is in the file; None where the page is anything else."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(data) as pdf:
            page = pdf[number - 1]
            _show_all(page, data, number)
            wide, high = page.get_size()
            covering, alone = _full_page_image(page, wide, high, limits)
            images = [one for one in page.get_objects(max_depth=4) if isinstance(one, pypdfium2.PdfImage)]
            if covering is None or not alone or page.get_rotation() or len(images) != 1:
                return None
            if images[0].get_filters() != ["DCTDecode"]:
                return None
            return bytes(images[0].get_data(decode_simple=False))
    except pypdfium2.PdfiumError:
        return None


def _show_all(page: "pypdfium2.PdfPage", data: bytes, number: int) -> None:
    """Undo a CropBox that hides part of the paper. PDFium does not look up an inherited MediaBox: pdfminer does."""
    box = page.get_mediabox(fallback_ok=False)
    if box is None and (b"/CropBox" in data or b"/ObjStm" in data):
        box = _inherited_mediabox(data, number)
    if box is not None and box[2] > box[0] and box[3] > box[1]:
        page.set_cropbox(*box)


def _inherited_mediabox(data: bytes, number: int) -> tuple[float, float, float, float] | None:
    from pdfminer.pdfpage import PDFPage

    found = next(iter(PDFPage.get_pages(io.BytesIO(data), pagenos={number - 1})), None)
    if found is None:
        return None
    left, bottom, right, top = found.mediabox
    return float(left), float(bottom), float(right), float(top)


def _pixel_size(page: "pypdfium2.PdfPage", limits: Limits) -> tuple[int, int, float]:
    """(width, height, dpi) to render at, as the page is shown (its /Rotate included)."""
    wide, high = page.get_size()
    if not (wide > 0 and high > 0):
        raise UnreadableScan("page_unreadable", "a page without size")
    scanned, alone = _full_page_image(page, wide, high, limits)
    if scanned is not None and alone:
        width, height = _stretched(*scanned, wide / high)
        check_size(width, height, limits)
        return width, height, width / wide * POINTS
    most = math.sqrt(limits.max_pixels / (wide * high)) * POINTS
    dpi = min(max(RENDER_DPI, scanned[0] / wide * POINTS if scanned else 0), most)
    return max(1, int(wide * dpi / POINTS)), max(1, int(high * dpi / POINTS)), dpi


def _full_page_image(
    page: "pypdfium2.PdfPage", wide: float, high: float, limits: Limits
) -> tuple[tuple[float, float] | None, bool]:
    """The pixels that the page has across and down when one image covers it, and whether nothing is drawn over it.

    Rendering at exactly this size gives back the scanner's own pixels. Invisible text (a search layer) counts as
    nothing; a letterhead behind printed text must not lower the text's resolution.
    """
    import pypdfium2
    import pypdfium2.raw as pdfium

    found, alone = None, True
    for drawn in page.get_objects(max_depth=4):
        if isinstance(drawn, pypdfium2.PdfImage):
            across, down = drawn.get_px_size()
            check_size(across, down, limits)
            found = _covering(drawn, page.get_rotation(), wide, high) or found
        elif drawn.type == pdfium.FPDF_PAGEOBJ_TEXT:
            alone &= pdfium.FPDFTextObj_GetTextRenderMode(drawn) == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE
        elif drawn.type != pdfium.FPDF_PAGEOBJ_FORM:
            alone = False
    return found, alone


def _covering(image: "pypdfium2.PdfImage", turn: int, wide: float, high: float) -> tuple[float, float] | None:
    """The page's pixels by the measure of this image, as shown; None when it does not cover the page."""
    left, bottom, right, top = image.get_bounds()
    across, down = image.get_px_size()
    if image.level or min(across, down) < 300 or (right - left) * (top - bottom) < 0.97 * wide * high:
        return None
    if turn in (90, 270):
        return down * wide / (top - bottom), across * high / (right - left)
    return across * wide / (right - left), down * high / (top - bottom)


def _stretched(across: float, down: float, shape: float) -> tuple[int, int]:
    """Exact when the pixels are square on the paper; else (fax: 204 x 98 dpi) the coarser direction is stretched."""
    if abs(across / down / shape - 1) < 0.02:
        return round(across), round(down)
    if across / shape > down:
        return round(across), round(across / shape)
    return round(down * shape), round(down)


def _rendered(page: "pypdfium2.PdfPage", width: int, height: int) -> NDArray[np.uint8]:
    import pypdfium2
    import pypdfium2.raw as pdfium

    # Not page.render(): it rounds the size up, and one pixel more makes PDFium resample a whole scanned page.
    bitmap = pypdfium2.PdfBitmap.new_native(width, height, format=pdfium.FPDFBitmap_BGR, rev_byteorder=True)
    bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
    flags = pdfium.FPDF_ANNOT | pdfium.FPDF_REVERSE_BYTE_ORDER
    pdfium.FPDF_RenderPageBitmap(bitmap, page, 0, 0, width, height, 0, flags)
    if page.formenv:
        pdfium.FPDF_FFLDraw(page.formenv, bitmap, page, 0, 0, width, height, 0, flags)
    return np.array(bitmap.to_numpy(), dtype=np.uint8)


def agreed(first: int, second: int) -> int:
    """Two independent counts of one file's pages, if they are the same."""
    if first != second:
        raise UnreadableScan("page_count_differs", f"{first} and {second}")
    return first
