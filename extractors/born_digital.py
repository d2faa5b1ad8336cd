"""Stage 3, extractors.born_digital: take the words of a PDF page from its own text layer, where that can be trusted.

The one door to pdfplumber.
"""

import io
import unicodedata

import pdfplumber
from pdfplumber.page import Page

from records.pages import Box, Line, PageImage, PageText, Word

TEXT_LAYER = "text_layer"
DPI = 300.0
FEWEST_LETTERS = 60
MOST_UNKNOWN = 0.02  # share of characters without a Unicode meaning
MOST_IMAGE = 0.5  # share of the page under images: beyond it the text is an OCR layer under a scan


def text_layer(page_id: str, pdf: bytes, number: int) -> tuple[PageImage, PageText] | None:
    """Words and geometry of a page (from 1) at 300 dpi, or None where the page must be read as an image."""
    with pdfplumber.open(io.BytesIO(pdf)) as document:
        page = document.pages[number - 1]
        if not is_trustworthy(page):
            return None
        scale = DPI / 72
        lines = tuple(_lines(page, scale))
        width, height = round(float(page.width) * scale), round(float(page.height) * scale)
    image = PageImage(
        page_id=page_id, turn=0, skew_degrees=0.0, width_px=width, height_px=height, file_width_px=width,
        file_height_px=height, to_file=(1, 0, 0, 0, 1, 0, 0, 0, 1), dpi=DPI, ink=0.05, blank=False,
    )  # fmt: skip
    return image, PageText(page_id=page_id, engine=TEXT_LAYER, lines=lines)


def is_trustworthy(page: Page) -> bool:
    """True for upright, visible, decodable text that is not an OCR layer laid under a scanned picture."""
    chars = page.chars
    text = "".join(c["text"] for c in chars)
    if len(text.strip()) < FEWEST_LETTERS:
        return False
    unknown = sum(c in "\ufffd\u0000" or unicodedata.category(c) in ("Co", "Cn") for c in text) + text.count("(cid:")
    upright = sum(bool(c.get("upright", True)) for c in chars)
    covered = sum(abs((i["x1"] - i["x0"]) * (i["bottom"] - i["top"])) for i in page.images) / float(
        page.width * page.height
    )
    return unknown <= MOST_UNKNOWN * len(text) and upright > 0.9 * len(chars) and covered < MOST_IMAGE


def _lines(page: Page, scale: float) -> list[Line]:
    """Words in rows, split at spaces and at gaps of a third of their size."""
    rows: dict[float, list[Word]] = {}
    for found in page.extract_words(x_tolerance_ratio=0.33, keep_blank_chars=False, use_text_flow=False):
        top, bottom = float(found["top"]) * scale, float(found["bottom"]) * scale
        row = next((t for t in rows if abs(t - top) < 0.5 * (bottom - top)), top)
        box = Box(left=float(found["x0"]) * scale, top=top, right=float(found["x1"]) * scale, bottom=bottom)
        text = unicodedata.normalize("NFC", found["text"])
        rows.setdefault(row, []).append(Word(text=text, confidence=1.0, box=box))
    return [Line(words=tuple(sorted(words, key=lambda w: w.box.left))) for _, words in sorted(rows.items())]
