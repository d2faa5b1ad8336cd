"""Training, lines: one generated line of text -> its grey crop, drawn, worn and cut as a form's blank would be.

Pixels, origin at the top left. The page is drawn at the resolution it would be scanned in, so that small print comes
out small, and only the finished crop is scaled to the network's 32 pixels (extractors/reader.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from extractors.reader import Gray
from training import wear
from training.fonts import Face, open_face
from training.texts import LONGEST, Sources, make_text

Ink = NDArray[np.float32]  # 0 paper, 1 full ink
HAND_SHARE = 0.33
# quality -> (weight, smallest and largest em in pixels); small print at 150 dpi and scans weigh most
QUALITIES = {
    "clean": (14, 26, 46),
    "scan": (28, 18, 34),
    "hard": (26, 15, 25),
    "fax": (14, 18, 34),
    "bilevel": (5, 20, 46),
    "photo": (13, 17, 34),
}


@dataclass(frozen=True)
class Sample:
    """A crop, what it says, and how it was made."""

    crop: Gray
    text: str
    face: str
    quality: str


@dataclass(frozen=True)
class Drawn:
    """Ink on a canvas with a wide margin; the line's box on it and its baseline."""

    ink: Ink
    box: tuple[float, float, float, float]
    baseline: float
    em: int


class Generator:
    """Makes lines: the same seed string gives the same line; `hardness` 0 (plain and short) to 1 (everything)."""

    def __init__(self, sources: Sources, faces: list[Face], qualities: tuple[str, ...] = tuple(QUALITIES)) -> None:
        self.sources = sources
        self.printed = [face for face in faces if face.kind != "hand"]
        self.hand = [face for face in faces if face.kind == "hand"]
        self.qualities = qualities

    def line(self, seed: str, hardness: float = 1.0, hand_share: float = HAND_SHARE) -> Sample:
        rng = Random(seed)
        text = make_text(rng, self.sources, longest=round(10 + (LONGEST - 10) * hardness))
        quality = self._quality(rng, hardness)
        face = self._face(rng, text, rng.random() < hand_share)
        noise = np.random.default_rng(rng.getrandbits(63))
        return Sample(make_crop(text, face, quality, rng, noise, hardness), text, face.name, quality)

    def _quality(self, rng: Random, hardness: float) -> str:
        if rng.random() > hardness and "clean" in self.qualities:
            return "clean"
        return rng.choices(self.qualities, [QUALITIES[quality][0] for quality in self.qualities])[0]

    def _face(self, rng: Random, text: str, hand: bool) -> Face:
        """A face that has every sign of the text; few web faces have arrows or Greek."""
        pool = self.hand if hand and self.hand or not self.printed else self.printed
        weights = [face.weight for face in pool]
        for _ in range(12):
            face = rng.choices(pool, weights)[0]
            if face.draws(text):
                return face
        able = [face for face in self.printed + self.hand if face.draws(text)]
        if not able:
            raise ValueError(f"no face draws {text!r}; install the packages of training/fonts.txt")
        return rng.choice(able)


def make_crop(text: str, face: Face, quality: str, rng: Random, noise: np.random.Generator, hardness: float) -> Gray:
    """Draw, mark, bend, wear and cut one line."""
    _, low, high = QUALITIES[quality]
    em = round(low + (high - low) * rng.random() ** 1.4)  # small sizes more often
    drawn = draw_text(text, face, em, rng, hardness)
    ink = drawn.ink
    if face.kind == "mono" and rng.random() < 0.18 * hardness:
        ink = wear.dot_matrix(ink, em)
    ink = mark_form(ink, drawn, rng, hardness)
    ink, box = bend(ink, drawn.box, em, face.kind == "hand", rng, hardness)
    page = wear.WEAR[quality](ink, rng, noise, hardness)
    return cut(page, box, em, rng, hardness)


def draw_text(text: str, face: Face, em: int, rng: Random, hardness: float) -> Drawn:
    """The text in one face; at times spread, with wide gaps, or (handwriting) with words that dance on the line."""
    font = open_face(face.path, em)
    up, down = font.getmetrics()
    up, down = min(up, round(1.5 * em)), min(down, round(0.8 * em))
    margin = round(0.9 * em)
    shown = text.replace(" ", rng.choice(("  ", "   "))) if rng.random() < 0.06 else text
    spread = rng.uniform(0.03, 0.22) * em if rng.random() < 0.08 * hardness else 0.0
    dance = face.kind == "hand" and rng.random() < 0.5 * hardness
    width = font.getlength(shown) + (spread + 0.1 * em * dance) * len(shown)
    canvas = Image.new("L", (int(width) + 2 * margin + em, up + down + 2 * margin))
    draw, baseline = ImageDraw.Draw(canvas), margin + up
    right = _put(draw, shown, margin, baseline, font, rng, spread, 0.05 * em if dance else 0.0)
    ink = np.asarray(canvas, np.float32) / 255
    inked = np.flatnonzero(ink.max(axis=1) > 0.12)  # some faces draw beyond the height they claim
    top, bottom = (inked[0], inked[-1] + 1) if len(inked) else (margin, baseline)
    if rng.random() > 0.4:  # boxes from a form's cells are as high as the face, boxes found in a scan as its ink
        top, bottom = min(margin, top), max(margin + up + down, bottom)
    return Drawn(ink, (margin, top, right, bottom), baseline, em)


def _put(
    draw: ImageDraw.ImageDraw, text: str, left: float, baseline: float, font, rng: Random, spread: float, dance: float
) -> float:  # type: ignore[no-untyped-def]
    """Write the text whole, by letter (spread) or by word (dance); the right end in pixels."""
    if not spread and not dance:
        draw.text((left, baseline), text, fill=255, font=font, anchor="ls")
        return left + font.getlength(text)
    for piece in text if spread else text.replace(" ", " \0").split("\0"):
        height = baseline + (rng.gauss(0, dance) if dance else 0)
        draw.text((left, height), piece, fill=255, font=font, anchor="ls")
        left += font.getlength(piece) + spread + (rng.uniform(-0.5, 2) * dance if dance else 0)
    return left - spread


def mark_form(ink: Ink, drawn: Drawn, rng: Random, hardness: float) -> Ink:
    """What a form prints around a value: leader dots, ruled lines, cell edges, the lines above and below."""
    height, width = ink.shape
    left, top, right, bottom = drawn.box
    em, thick = drawn.em, max(1, round(drawn.em * rng.uniform(0.02, 0.07)))
    level = int(drawn.baseline + em * rng.uniform(0.04, 0.3))
    form = np.zeros_like(ink)
    if rng.random() < 0.22 * hardness:  # dotted leader, under the value or only after it
        start = 0 if rng.random() < 0.7 else int(right + 0.2 * em)
        step = max(2, round(em * rng.uniform(0.1, 0.34)))
        for x in range(start + rng.randrange(step), width, step):
            form[level : level + thick, x : x + thick] = 1
    elif rng.random() < 0.12 * hardness:  # ruled line, perhaps dashed
        form[level : level + thick] = 1
        if rng.random() < 0.3:
            form[:, np.arange(width) % max(4, em // 3) < em // 9] = 0
    if rng.random() < 0.12 * hardness:  # edges of a cell
        for y in (int(top - em * rng.uniform(0, 0.35)), int(bottom + em * rng.uniform(0, 0.35))):
            if rng.random() < 0.7 and 0 <= y < height:
                form[y : y + thick] = 1
        for x in (int(left - em * rng.uniform(0.15, 0.6)), int(right + em * rng.uniform(0.15, 0.6))):
            if rng.random() < 0.4 and 0 <= x < width:
                form[:, x : x + thick] = 1
    if rng.random() < 0.15 * hardness:  # neighbours: the same ink again, a line further up or down
        gap = int((bottom - top) * rng.uniform(1.0, 1.3)) * rng.choice((-1, 1))
        form = np.maximum(form, np.roll(_slid(ink, gap), rng.randrange(width), axis=1))
    return np.maximum(ink, form * rng.uniform(0.35, 1.0))


def _slid(ink: Ink, rows: int) -> Ink:
    """The ink moved down by so many rows, nothing wrapped around."""
    moved = np.zeros_like(ink)
    if 0 < abs(rows) < len(ink):
        moved[max(0, rows) : len(ink) + min(0, rows)] = ink[max(0, -rows) : len(ink) - max(0, rows)]
    return moved


def bend(
    ink: Ink, box: tuple[float, float, float, float], em: int, hand: bool, rng: Random, hardness: float
) -> tuple[Ink, tuple[float, float, float, float]]:
    """Skew, slant and perspective that straightening left behind; the box is that of the bent line."""
    if rng.random() > (0.85 if hand else 0.6) * hardness:
        return ink, box
    height, width = ink.shape
    left, top, right, bottom = box
    # A long line drifts far at the same angle: at most 0.45 em from end to end.
    limit = min(1.6, np.degrees(0.45 * em / max(right - left, em)))
    angle = np.radians(rng.uniform(-limit, limit))
    slant = rng.uniform(-0.12, 0.3) if hand else rng.uniform(-0.05, 0.05)
    middle = (height / 2, width / 2)
    matrix = np.array(
        [[rng.uniform(0.9, 1.1), -slant, slant * middle[0]], [np.tan(angle), 1, -np.tan(angle) * middle[1]], [0, 0, 1]]
    )
    matrix[0, 2] += 0.02 * width * rng.random()
    if rng.random() < 0.3:
        matrix[2, 0] = rng.uniform(-0.06, 0.06) / width
    wide = int(width * 1.12) + em
    bent = cv2.warpPerspective(ink, matrix, (wide, height), flags=cv2.INTER_LINEAR)
    corners = np.float32([[[left, top], [right, top], [right, bottom], [left, bottom]]])
    moved = cv2.perspectiveTransform(corners, matrix)[0]
    return bent, (moved[:, 0].min(), moved[:, 1].min(), moved[:, 0].max(), moved[:, 1].max())


def cut(page: Gray, box: tuple[float, float, float, float], em: int, rng: Random, hardness: float) -> Gray:
    """The crop: the line's box with a little more or less on every side."""
    left, top, right, bottom = box
    loose = em * (0.06 + 0.32 * hardness * rng.random() ** 2)
    top, bottom = top - loose * rng.uniform(-0.1, 1), bottom + loose * rng.uniform(-0.1, 1)
    left, right = (
        left - em * rng.uniform(-0.01, 0.5) * rng.random(),
        right + em * rng.uniform(-0.01, 0.6) * rng.random(),
    )
    height, width = page.shape
    x0, y0 = max(0, int(left)), max(0, int(top))
    x1, y1 = min(width, max(int(right) + 1, x0 + 4)), min(height, max(int(bottom) + 1, y0 + 8))
    return np.ascontiguousarray(page[y0:y1, x0:x1])
