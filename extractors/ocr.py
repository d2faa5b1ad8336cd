"""Stage 3, extractors.ocr: turn a clean page image into words with boxes and confidences.

The one door to Tesseract: the witness of the neural reader, and the reader that works alone where that is not wanted.
"""

import os
import re
import shutil
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from extractors.films import Lie
from extractors.images import LARGEST_LONG_SIDE_PX, CleanPage, Gray
from extractors.readers import Reader, ReadLines, ValueText
from records.errors import SohoaError
from records.pages import Box, Line, Word, around

os.environ.setdefault("OMP_THREAD_LIMIT", "1")

SPARSE, LINE, BLOCK = 11, 7, 6  # Tesseract page segmentation modes
INK = 140  # grey level below which a pixel of a clean page is ink
OSD_SURE = 1.0  # below this confidence of Tesseract's orientation, both ways up are tried
LANGUAGES = ("vie", "eng", "osd")


class Tesseract(ABC):
    """What both ways to Tesseract share."""

    name: str
    long_side = LARGEST_LONG_SIDE_PX

    def turn(self, page: Gray) -> int:
        return page_turn(page, self)

    def lie(self, paper: Gray, ruled_turn: int | None) -> Lie:
        """Never mirrored: what reads nothing there tells nothing."""
        return Lie(self.turn(paper) if ruled_turn is None else ruled_turn, mirrored=False)

    def open(self, page: CleanPage) -> ReadLines:
        return ReadLines(self.lines(page.text), page.text.shape[0])

    def figures(self, image: Gray, boxes: Sequence[Box]) -> list[Line]:
        return [Line(words=())] * len(boxes)

    def read_value(self, page: CleanPage, rows: Sequence[Box], kind: str, first: ValueText) -> ValueText:
        """What the page's lines said, and the value read once more by itself as another view."""
        again, _ = self.read_crop(page.text, around(list(rows)), len(rows))
        return ValueText(first.text, first.confidence, (again,))

    @abstractmethod
    def lines(self, image: Gray) -> tuple[Line, ...]:
        """Every line that Tesseract finds anywhere on the image."""

    @abstractmethod
    def read_crop(self, image: Gray, box: Box, lines: int = 1) -> tuple[str, float]:
        """Text and confidence (0..1) of one place read by itself; `lines`: how many text lines it holds."""


@dataclass
class TesseractReader(Tesseract):
    """Warm Tesseract through tesserocr: Vietnamese for pages, Vietnamese and English for crops as a second view."""

    name: str = "tesseract"
    _engines: dict[tuple[str, int], Any] = field(default_factory=dict)

    def lines(self, image: Gray) -> tuple[Line, ...]:
        engine = self._engine("vie", SPARSE)
        engine.SetImage(Image.fromarray(image))
        engine.SetSourceResolution(300)
        engine.Recognize()
        return tuple(_lines(engine))

    def read_crop(self, image: Gray, box: Box, lines: int = 1) -> tuple[str, float]:
        crop = padded(image, box)
        engine = self._engine("vie+eng", LINE if lines <= 1 else BLOCK)
        engine.SetImage(Image.fromarray(crop))
        engine.SetSourceResolution(300)
        text = tidy(engine.GetUTF8Text())
        return text, max(0, engine.MeanTextConf()) / 100

    def _engine(self, language: str, mode: int) -> Any:
        import tesserocr

        if (language, mode) not in self._engines:
            try:
                self._engines[language, mode] = tesserocr.PyTessBaseAPI(path=tessdata(), lang=language, psm=mode)
            except RuntimeError as error:
                raise SohoaError(missing_language(language)) from error
        return self._engines[language, mode]


@dataclass
class PortableReader(Tesseract):
    """The tesseract program through pytesseract: slower, needs no compiled binding."""

    name: str = "tesseract-portable"

    def lines(self, image: Gray) -> tuple[Line, ...]:
        import pytesseract

        data = pytesseract.image_to_data(
            Image.fromarray(image), lang="vie", config=f"--psm {SPARSE} --dpi 300", output_type=pytesseract.Output.DICT
        )
        rows: dict[tuple[int, int, int], list[Word]] = {}
        for i, text in enumerate(data["text"]):
            if tidy(text):
                key = (data["block_num"][i], data["par_num"][i], data["line_num"][i])
                left, top = data["left"][i], data["top"][i]
                box = Box(left=left, top=top, right=left + data["width"][i], bottom=top + data["height"][i])
                rows.setdefault(key, []).append(
                    Word(text=tidy(text), confidence=max(0, data["conf"][i]) / 100, box=box)
                )
        return tuple(Line(words=tuple(words)) for words in rows.values())

    def read_crop(self, image: Gray, box: Box, lines: int = 1) -> tuple[str, float]:
        import pytesseract

        mode = LINE if lines <= 1 else BLOCK
        data = pytesseract.image_to_data(
            Image.fromarray(padded(image, box)),
            lang="vie+eng",
            config=f"--psm {mode}",
            output_type=pytesseract.Output.DICT,
        )
        words = [(tidy(t), c) for t, c in zip(data["text"], data["conf"], strict=True) if tidy(t)]
        confidence = sum(max(0, c) for _, c in words) / (100 * len(words)) if words else 0.0
        return " ".join(t for t, _ in words), confidence


def check_languages() -> None:
    """SohoaError when Tesseract or one of its languages is missing, saying which package brings it."""
    if shutil.which("tesseract") is None:
        raise SohoaError("The program tesseract is not installed; install it with: apt-get install tesseract-ocr")
    for language in LANGUAGES:
        if not os.path.exists(os.path.join(tessdata(), f"{language}.traineddata")):
            raise SohoaError(missing_language(language))


def missing_language(language: str) -> str:
    """What to do about a language that Tesseract lacks."""
    package = "tesseract-ocr" if language.endswith("eng") else f"tesseract-ocr-{language}"
    return f"Tesseract has no '{language}' data in {tessdata()}; install it with: apt-get install {package}"


def tessdata() -> str:
    """Folder of Tesseract's language data: TESSDATA_PREFIX, else where Debian keeps it."""
    return os.environ.get("TESSDATA_PREFIX") or "/usr/share/tesseract-ocr/5/tessdata"


def page_turn(page: Gray, reader: Tesseract) -> int:
    """How far a clean page was turned: Tesseract's orientation, checked by reading where it is unsure.

    Degrees counter-clockwise, 0 for a page that tells nothing.
    """
    turn, sure = _orientation(page)
    if sure >= OSD_SURE:
        return turn
    tries = (turn, (turn + 180) % 360) if sure > 0 else (0, 180, 90, 270)
    return max(tries, key=lambda t: _legibility(page, t, reader))


def osd_turn(page: Gray) -> int | None:
    """Tesseract's orientation in degrees counter-clockwise; None where it is unsure."""
    turn, sure = _orientation(page)
    return turn if sure >= OSD_SURE else None


def _orientation(page: Gray) -> tuple[int, float]:
    """Degrees counter-clockwise and Tesseract's confidence, 0 for a page with too few characters to tell."""
    import pytesseract

    try:
        found = pytesseract.image_to_osd(
            Image.fromarray(page),
            config="--psm 0 -c min_characters_to_try=5 --dpi 300",
            output_type=pytesseract.Output.DICT,
        )
        return int(found["rotate"]) % 360, float(found["orientation_conf"])
    except pytesseract.TesseractNotFoundError as error:
        raise SohoaError("tesseract is not installed; install it with: apt-get install tesseract-ocr") from error
    except pytesseract.TesseractError:
        return 0, 0.0


def _legibility(page: Gray, turn: int, reader: Tesseract) -> float:
    """How much confident text a reading finds in the upper half of the page after undoing a turn."""
    image = np.ascontiguousarray(np.rot90(page, -turn // 90))
    band = image[: image.shape[0] // 2]
    words = [w for line in reader.lines(band) for w in line.words]
    return sum(w.confidence * len(w.text) for w in words if w.confidence > 0.6 and len(w.text) > 2)


def peek_at(image: Gray, reader: Reader, em: float, cell: Box) -> Word | None:
    """What stands in a table cell that the page reader passed over; None when it holds no ink the size of a letter."""
    left, top, right, bottom = (max(0, round(v)) for v in (cell.left + 6, cell.top, cell.right - 6, cell.bottom))
    ys, xs = np.nonzero(image[top:bottom, left:right] < INK)
    if len(xs) == 0 or np.ptp(ys) < 0.4 * em or not 0.1 * em < np.ptp(xs) < 8 * em:
        return None
    box = Box(left=left + xs.min(), top=top + ys.min(), right=left + xs.max() + 1, bottom=top + ys.max() + 1)
    text, confidence = reader.read_crop(image, box)
    return Word(text=text, confidence=confidence, box=box) if any(c.isalnum() or c == "%" for c in text) else None


def padded(image: Gray, box: Box, margin: int = 8, white: int = 12) -> Gray:
    """The crop of a box with some air around it, on white."""
    height, width = image.shape
    top, bottom = max(0, int(box.top) - margin), min(height, int(box.bottom) + margin)
    left, right = max(0, int(box.left) - margin), min(width, int(box.right) + margin)
    return np.pad(image[top:bottom, left:right], white, constant_values=255)


def tidy(text: str) -> str:
    """NFC, control characters gone, one space between words, Tesseract's fraction slash as a plain one."""
    text = unicodedata.normalize("NFC", text).replace("\u2044", "/")
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in text)).strip()


def _lines(engine: Any) -> list[Line]:
    """Tesseract's own lines, each with its words."""
    from tesserocr import RIL, iterate_level

    lines: list[Line] = []
    words: list[Word] = []
    for item in iterate_level(engine.GetIterator(), RIL.WORD):
        if item.IsAtBeginningOf(RIL.TEXTLINE) and words:
            lines.append(Line(words=tuple(words)))
            words = []
        if item.Empty(RIL.WORD):
            continue
        text, box = tidy(item.GetUTF8Text(RIL.WORD) or ""), item.BoundingBox(RIL.WORD)
        if text and box:
            place = Box(left=box[0], top=box[1], right=box[2], bottom=box[3])
            words.append(Word(text=text, confidence=max(0.0, item.Confidence(RIL.WORD)) / 100, box=place))
    if words:
        lines.append(Line(words=tuple(words)))
    return lines
