"""Training, writing: seeded crops of lines printed, written by hand and stamped, and of things that are no line.

Faces are parted by family: trained on, tuned on (when to stop, how sure to be), measured on. Not one is in two parts.
"""

from __future__ import annotations

import csv
import logging
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from extractors.reader import Gray
from records.pages import Writing
from training import hand, stamps, wear
from training.fonts import WEB, Face, load_faces, signs_of
from training.lines import QUALITIES, Drawn, bend, cut, draw_text, mark_form
from training.texts import Sources, make_text

HANDS = Path(__file__).parent / "data" / "hands.csv"
# Round faces of signs and packets: neither what a form is printed in nor what a hand writes.
NEITHER = ("baloo-2", "coiny", "comfortaa", "lemonada", "lobster", "cmunci")
# Families of faces.csv to tune on; hands.csv says it of its own.
TUNE = (
    "mansalva", "oooh-baby", "licorice", "montecarlo",
    "crimson-pro", "barlow", "mulish", "saira-condensed", "reddit-mono", "LinLibertine", "texgyreschola", "FreeSans",
)  # fmt: skip
# Plain letters without serifs, as people write them where a form asks for capitals.
PLAIN = (
    "dosis", "jura", "exo-2", "darker-grotesque", "sarabun", "bai-jamjuree", "andika", "maven-pro", "signika",
    "afacad", "cabin", "asap", "mulish", "saira", "nunito", "lexend", "k2d", "josefin-sans",
)  # fmt: skip
KINDS = (*Writing, None)  # None: nothing is written there
SHARES = (0.4, 0.38, 0.18, 0.04)
UNMARKED = 0.4  # share of texts without Vietnamese marks, which most faces of real hands lack
ASKEW = 0.3  # share of lines that are not straightened: a page's skew is no stamp's turn
log = logging.getLogger("training")


@dataclass(frozen=True)
class Faces:
    """The faces of one part of the split."""

    printed: list[Face]
    hand: list[Face]
    plain: list[Face]
    bold: list[Face]

    @property
    def names(self) -> dict[str, list[str]]:
        return {"printed": [f.name for f in self.printed], "handwritten": [f.name for f in self.hand]}


@dataclass(frozen=True)
class WrittenLine:
    """A crop, its writing (None: nothing is written there), and how it was made."""

    crop: Gray
    writing: Writing | None
    quality: str
    face: str


def part_of(face: Face) -> str:
    """train | tune | measure, or none where a face of faces.csv is neither print nor hand."""
    if face.name.lower().startswith(NEITHER):
        return "none"
    if face.held_out:
        return "measure"
    return "tune" if face.name.startswith(TUNE) else "train"


def faces_of(part: str) -> Faces:
    """The faces of one part."""
    own = [face for face in load_faces() if part_of(face) == part]
    printed = [face for face in own if face.kind != "hand"]
    plain = [face for face in printed if face.name.lower().startswith(PLAIN)]
    bold = [face for face in printed if any(word in face.name.lower() for word in ("bold", "600", "700"))]
    return Faces(printed, [face for face in own if face.kind == "hand"] + hands(part), plain, bold or printed)


def hands(part: str) -> list[Face]:
    """Faces of hands.csv, drawn after real people's handwriting; most have no Vietnamese letters."""
    with HANDS.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["use"] == part]
    faces = []
    for row in rows:
        path = WEB / row["name"] / "files" / f"{row['name']}-latin-400-normal.woff2"
        if path.exists():
            faces.append(Face(row["name"], path, "hand", 1, part == "measure", row["licence"], signs_of(path)))
        else:
            log.warning("Face left out: %s (training/make_env.sh fetches it)", row["name"])
    return faces


def unmarked(text: str) -> str:
    """'Đỗ Thị Hậu' -> 'Do Thi Hau'."""
    bare = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(sign for sign in bare if not unicodedata.combining(sign))


class WritingGenerator:
    """Makes lines of one part of the faces; the same seed string gives the same line."""

    def __init__(self, sources: Sources, faces: Faces) -> None:
        self.sources, self.faces = sources, faces
        self.makers: dict[Writing | None, Callable[..., tuple[Drawn, Face]]] = {
            Writing.PRINTED: self._printed,
            Writing.HANDWRITTEN: self._handwritten,
            Writing.STAMPED: self._stamped,
        }

    def line(self, seed: str, writing: Writing | None, quality: str = "") -> WrittenLine:
        rng = Random(seed)
        quality = quality or rng.choices(list(QUALITIES), [weight for weight, _, _ in QUALITIES.values()])[0]
        noise = np.random.default_rng(rng.getrandbits(63))
        _, low, high = QUALITIES[quality]
        em = round(low + (high - low) * rng.random() ** 1.4)
        if writing is None:
            return WrittenLine(nothing(em, quality, rng, noise), None, quality, "")
        drawn, face = self.makers[writing](em, rng, noise)
        ink = mark_form(drawn.ink, drawn, rng, 1.0)
        if writing is not Writing.STAMPED and rng.random() < ASKEW:
            ink, box = stamps.turned(ink, drawn.box, rng.gauss(0, 1.3))
        else:
            ink, box = bend(ink, drawn.box, em, writing is Writing.HANDWRITTEN, rng, 1.0)
        return WrittenLine(
            cut(wear.WEAR[quality](ink, rng, noise, 1.0), box, em, rng, 1.0), writing, quality, face.name
        )

    def _printed(self, em: int, rng: Random, noise: np.random.Generator) -> tuple[Drawn, Face]:
        """Mostly as set; at times struck by a typewriter, by needles, or in small capitals."""
        text = self._text(rng)
        face, draw = _able(self.faces.printed, text + text.upper(), rng), rng.random()
        if face.kind == "mono" and draw < 0.45:
            return hand.draw_typed(text, face, em, rng), face
        if draw < 0.04:
            return hand.draw_small_capitals(text, face, em), face
        drawn = draw_text(text, face, em, rng, 1.0)
        if face.kind == "mono" and draw > 0.8:
            return Drawn(wear.dot_matrix(drawn.ink, em), drawn.box, drawn.baseline, em), face
        return drawn, face

    def _handwritten(self, em: int, rng: Random, noise: np.random.Generator) -> tuple[Drawn, Face]:
        """A handwriting-like face as it is or made uneven, or plain letters made very uneven."""
        text = self._text(rng)
        if self.faces.plain and rng.random() < 0.3:
            face = _able(self.faces.plain, text, rng)
            return hand.draw_by_hand(text, face, em, rng.uniform(0.6, 1.3), rng, noise), face
        face = _able(self.faces.hand, text, rng)
        if rng.random() < 0.45:
            return draw_text(text, face, em, rng, 1.0), face
        return hand.draw_by_hand(text, face, round(1.1 * em), 1.2 * rng.random() ** 1.5, rng, noise), face

    def _stamped(self, em: int, rng: Random, noise: np.random.Generator) -> tuple[Drawn, Face]:
        text = self._text(rng, stamped=0.8)
        face = _able(self.faces.bold if rng.random() < 0.7 else self.faces.printed, text, rng)
        return stamps.draw_stamp(text, face, round(1.2 * em), rng, noise), face

    def _text(self, rng: Random, stamped: float = 0.07) -> str:
        """Words of stamps are also printed and written, and stamps say other things: the words must not tell."""
        if rng.random() < stamped:
            text = stamps.stamp_words(rng, self.sources.families, self.sources.givens)
        else:
            text = make_text(rng, self.sources)
        text = text.upper() if rng.random() < 0.15 else text
        return unmarked(text) if rng.random() < UNMARKED else text


def nothing(em: int, quality: str, rng: Random, noise: np.random.Generator) -> Gray:
    """Bare paper, specks, rulings, or grain, as large as a line's crop."""
    ink = np.zeros((round(em * rng.uniform(0.8, 1.8)), round(em * rng.uniform(0.8, 12))), np.float32)
    for _ in range(rng.choice((0, 0, 1, 2))):
        thick = rng.randint(1, max(1, em // 8))
        if rng.random() < 0.5:
            ink[rng.randrange(len(ink)) :][:thick] = rng.uniform(0.3, 1)
        else:
            ink[:, rng.randrange(ink.shape[1]) :][:, :thick] = rng.uniform(0.3, 1)
    ink[noise.random(ink.shape) < rng.choice((0, 0.002, 0.02, 0.2))] = rng.uniform(0.3, 1)
    return wear.WEAR[quality](ink, rng, noise, 1.0)


def _able(faces: list[Face], text: str, rng: Random) -> Face:
    """One of the faces that have every sign of the text; any of them where none has."""
    for _ in range(12):
        face = rng.choice(faces)
        if face.draws(text):
            return face
    return rng.choice([face for face in faces if face.draws(text)] or faces)
