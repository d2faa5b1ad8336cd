"""Stages 0-3: a batch of scans, their pages as images, and the text read on them."""

from enum import StrEnum

from records.base import Frozen

Rulings = tuple[tuple[int, int, int], ...]  # (x, top, bottom) in pixels of each vertical ruling of an upright page


class Box(Frozen):
    """Pixels, origin at the top left of the upright, deskewed page image."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """The vertical middle, in pixels."""
        return (self.top + self.bottom) / 2


class PageBox(Frozen):
    """Fractions 0..1 of the page as it lies in the file (neither turned nor deskewed), origin at its top left."""

    left: float
    top: float
    right: float
    bottom: float


def around(boxes: list[Box]) -> Box:
    """The smallest box that holds all boxes; ValueError when there are none."""
    return Box(
        left=min(b.left for b in boxes),
        top=min(b.top for b in boxes),
        right=max(b.right for b in boxes),
        bottom=max(b.bottom for b in boxes),
    )


class Boundary(StrEnum):
    """Where one patient file ends and the next begins."""

    SCAN = "scan"
    FOLDER = "folder"
    SEPARATOR = "separator"


class Batch(Frozen):
    """Scans handed over together: one facility and one box or shelf range."""

    batch_id: str
    facility: str
    folder: str
    boundary: Boundary = Boundary.SCAN


class MediaType(StrEnum):
    PDF = "application/pdf"
    TIFF = "image/tiff"
    JPEG = "image/jpeg"
    PNG = "image/png"
    DICOM = "application/dicom"


class Scan(Frozen):
    """One file from the scanner, known by the SHA-256 of its bytes (64 hex digits)."""

    scan_id: str
    media_type: MediaType
    page_count: int
    size_bytes: int


class PageImage(Frozen):
    """An upright page: how it was turned and where its pixels lie in the file.

    `turn`: degrees counter-clockwise by which the upright page was turned to look as it does in the file.
    `to_file`: row-major 3x3 homography from upright pixels to pixels of the page as it lies in the file.
    `ink`: share of dark pixels, 0..1, after background division. `mirrored`: a film that lies on its face: the upright
    page was mirrored before it was turned. `frames`: rows and columns of a sheet of films.
    """

    page_id: str
    turn: int
    skew_degrees: float
    width_px: int
    height_px: int
    file_width_px: int
    file_height_px: int
    to_file: tuple[float, ...]
    dpi: float
    ink: float
    blank: bool
    fingerprint: str = ""
    mirrored: bool = False
    frames: tuple[int, int] = (1, 1)

    def in_file(self, box: Box) -> PageBox:
        """Where a box of the upright image lies on the page in the file."""
        a, b, c, d, e, f, g, h, i = self.to_file
        corners = [(box.left, box.top), (box.right, box.top), (box.right, box.bottom), (box.left, box.bottom)]
        xs, ys = [], []
        for x, y in corners:
            w = g * x + h * y + i
            xs.append((a * x + b * y + c) / w / self.file_width_px)
            ys.append((d * x + e * y + f) / w / self.file_height_px)
        return PageBox(left=_clip(min(xs)), top=_clip(min(ys)), right=_clip(max(xs)), bottom=_clip(max(ys)))


def _clip(fraction: float) -> float:
    return max(0.0, min(1.0, fraction))


class Writing(StrEnum):
    """How a line came onto the paper."""

    PRINTED = "printed"
    HANDWRITTEN = "handwritten"
    STAMPED = "stamped"


class Word(Frozen):
    """One word as read; confidence 0..1 as the engine gave it, not calibrated."""

    text: str
    confidence: float
    box: Box


class Line(Frozen):
    """Words on one baseline, left to right."""

    words: tuple[Word, ...]

    @property
    def text(self) -> str:
        return " ".join(w.text for w in self.words)

    @property
    def box(self) -> Box:
        return around([w.box for w in self.words])


class PageText(Frozen):
    """The text of one page in reading order. `engine` names the reader; 'text_layer' is the PDF's own.

    `whole`: False where only its header was read, since nothing more is promised of such a page. `fold`: where the
    sheet is folded between two pages side by side, in pixels from the left; 0 for a single page. `rulings`: vertical
    ones of the upright page.
    """

    page_id: str
    engine: str
    lines: tuple[Line, ...]
    whole: bool = True
    fold: float = 0.0
    rulings: Rulings = ()

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)
