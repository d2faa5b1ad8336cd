"""After stage 10, loaders.archive_copy: pages become a PDF/A-1b, each with the mark of its conversion. Pure.

The picture of a page is the original's: a JPEG goes in as it is, other pixels without loss. Below it, outside the
picture, a strip bears the mark in words (Decree 137/2024/ND-CP, article 4.1) and a QR code; over it lies what was read,
invisible, so that the copy can be searched.
"""

import io
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import numpy as np
from fpdf import FPDF
from fpdf.enums import TextMode
from fpdf.fonts import TTFFont
from numpy.typing import NDArray
from PIL import Image

from loaders.printed import Modules, add_face, draw_square, qr_modules
from records.clock import VIETNAM
from records.errors import SohoaError

FACE = "Arimo"
MARK = "BẢN ĐIỆN TỬ CHUYỂN ĐỔI TỪ VĂN BẢN GIẤY"
STRIP, LEAST_WIDE = 44.0, 400.0  # points: the strip below each page, and the room that its words need
SIGNATURE = "CoQuanChuyenDoi"  # the field that the organisation signs in
SMALL, SMALLEST = 7.5, 4.0
QR = 36.0
POINTS = 72.0
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<pdfaid:part>1</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance></rdf:Description>
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{words}</rdf:li></rdf:Alt></dc:description>
<dc:identifier>{code}</dc:identifier></rdf:Description>
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<xmp:CreatorTool>{tool}</xmp:CreatorTool><xmp:CreateDate>{moment}</xmp:CreateDate>
<xmp:ModifyDate>{moment}</xmp:ModifyDate></rdf:Description>
<rdf:Description rdf:about="" xmlns:pdf="http://ns.adobe.com/pdf/1.3/">
<pdf:Producer>{tool}</pdf:Producer></rdf:Description>
</rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Mark(NamedTuple):
    """What the law asks a converted document to bear. `code`: by which it is looked up; `person`, `organisation`: who
    converted it."""

    converted_at: datetime
    person: str
    organisation: str
    code: str

    def words(self) -> str:
        """The mark as it is printed on every page."""
        moment = self.converted_at.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S")
        return (
            f"{MARK} - Thời gian chuyển đổi: {moment} - Người chuyển đổi: {self.person} - "
            f"Cơ quan chuyển đổi: {self.organisation} - Mã tra cứu: {self.code}"
        )


class Seen(NamedTuple):
    """Words of the invisible layer that follow each other: their bounds as fractions of the page as it is shown."""

    text: str
    left: float
    top: float
    right: float
    bottom: float


class Sheet(NamedTuple):
    """One page. `picture`: a JPEG's bytes, or pixels (height x width x 3, or height x width); `dpi`: of the picture;
    `turn`: degrees clockwise by which it is turned to be read upright; `heading`: in the outline, where a document
    begins; `words`: on the page as it is shown."""

    picture: bytes | NDArray[np.uint8]
    dpi: float
    turn: int
    heading: str
    words: Sequence[Seen]


def make_copy(sheets: Iterable[Sheet], mark: Mark, title: str) -> bytes:
    """The PDF/A-1b of a file. SohoaError when there is no page, or the typeface is not installed."""
    pdf = FPDF(unit="pt", enforce_compliance="PDF/A-1B")
    add_face(pdf, FACE, "", "Regular")
    pdf.set_auto_page_break(False)
    pdf.set_title(title)
    pdf.set_lang("vi")
    pdf.set_creation_date(mark.converted_at)
    square = qr_modules(mark.code, "M")
    for number, sheet in enumerate(sheets, start=1):
        _add(pdf, sheet, mark, square, number)
    if not pdf.pages:
        raise SohoaError("There is no page to make an archive copy of.")
    return _described(bytes(pdf.output()), mark, title)


def _add(pdf: FPDF, sheet: Sheet, mark: Mark, square: Modules, number: int) -> None:
    picture = io.BytesIO(sheet.picture) if isinstance(sheet.picture, bytes) else _plain(sheet.picture)
    pixels = Image.open(picture).size if isinstance(picture, io.BytesIO) else picture.size
    lying = pixels[0] * POINTS / sheet.dpi, pixels[1] * POINTS / sheet.dpi
    wide, high = lying[::-1] if sheet.turn % 180 else lying
    pdf.add_page(format=(max(wide, LEAST_WIDE), high + STRIP))
    if sheet.heading:
        pdf.start_section(sheet.heading)
    with pdf.rotation(-sheet.turn, wide / 2, high / 2):
        pdf.image(picture, (wide - lying[0]) / 2, (high - lying[1]) / 2, *lying)
    _write_words(pdf, sheet.words, wide, high)
    _stamp(pdf, mark, square, f"{mark.code} - trang {number}", max(wide, LEAST_WIDE), high)


def _plain(pixels: NDArray[np.uint8]) -> Image.Image:
    """Pixels in the fewest bits that hold them: grey where no colour is, black and white where no grey is."""
    gray = pixels if pixels.ndim == 2 else pixels[:, :, 0]
    if pixels.ndim == 3 and not (pixels == gray[:, :, np.newaxis]).all():
        return Image.fromarray(pixels)
    levels = np.unique(gray)
    return Image.fromarray(gray == 255) if set(levels.tolist()) <= {0, 255} else Image.fromarray(gray)


def _write_words(pdf: FPDF, words: Sequence[Seen], wide: float, high: float) -> None:
    face = pdf.fonts[FACE.lower()]
    known = face.cmap if isinstance(face, TTFFont) else {}
    with pdf.local_context(text_mode=TextMode.INVISIBLE):
        for word in words:
            text = "".join(letter for letter in CONTROL.sub("", word.text) if ord(letter) in known)
            width, height = (word.right - word.left) * wide, (word.bottom - word.top) * high
            if not text or width <= 0 or height <= 0:
                continue
            pdf.set_font(FACE, size=height)
            pdf.set_stretching(100)  # or the width below would be that of the word before
            pdf.set_stretching(100 * width / max(pdf.get_string_width(text), 0.01))
            pdf.text(word.left * wide, word.bottom * high - 0.2 * height, text)
    pdf.set_stretching(100)


def _stamp(pdf: FPDF, mark: Mark, square: Modules, page: str, wide: float, high: float) -> None:
    margin = (STRIP - QR) / 2
    draw_square(pdf, square, wide - margin - QR, high + margin, QR)
    room, words = wide - QR - 4 * margin, mark.words().split(" - ")
    lines = [f"{words[0]} - {words[1]}", " - ".join(words[2:]), page]
    size = SMALL
    for line in lines[:2]:
        pdf.set_font(FACE, size=SMALL)
        size = min(size, max(SMALLEST, SMALL * room / pdf.get_string_width(line)))
    pdf.set_font(FACE, size=size)
    for at, line in enumerate(lines):
        pdf.text(margin, high + margin + 8 + at * (STRIP - 2 * margin - 6) / 2.2, line)


def _add_field(pdf: Any) -> None:
    """A place for the signature, invisible and empty: PDF/A asks of every field how it looks."""
    from pikepdf import Array, Dictionary, Name

    looks = pdf.make_stream(b"", Type=Name.XObject, Subtype=Name.Form, BBox=Array([0, 0, 0, 0]))
    page = pdf.pages[0]
    field = pdf.make_indirect(
        Dictionary(
            Type=Name.Annot, Subtype=Name.Widget, FT=Name.Sig, T=SIGNATURE, F=4, Rect=Array([0, 0, 0, 0]), P=page.obj,
            AP=Dictionary(N=looks),
        )
    )  # fmt: skip
    page.obj.Annots = Array([*page.obj.get("/Annots", []), field])
    pdf.Root.AcroForm = Dictionary(Fields=Array([field]))


def _described(made: bytes, mark: Mark, title: str) -> bytes:
    """With the metadata of PDF/A in XMP, schema by schema; what fpdf writes some validators do not find."""
    import pikepdf

    out = io.BytesIO()
    moment = mark.converted_at.astimezone(VIETNAM).isoformat(timespec="seconds")
    with pikepdf.open(io.BytesIO(made)) as pdf:
        packet = XMP.format(
            title=escape(title), words=escape(mark.words()), code=escape(mark.code), moment=moment, tool="sohoa"
        )
        pdf.Root.Metadata = pdf.make_stream(packet.encode())
        pdf.Root.Metadata.Type, pdf.Root.Metadata.Subtype = pikepdf.Name.Metadata, pikepdf.Name.XML
        _add_field(pdf)
        if "/Info" in pdf.trailer:
            del pdf.trailer["/Info"]
        pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.disable, fix_metadata_version=False)
    return out.getvalue()
