"""Stage 3, extractors.reader: crops of one line -> text with a probability and a place for every character.

Three networks behind one class: our own (training/ makes it, with the functions of this module), asterocr's and
PP-OCRv6's, which reads digits and codes but drops Vietnamese letters. All are CTC: a class per column, blanks between.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.models import ASTERNET, DIGITS, OWN, open_borrowed, open_own

Gray = NDArray[np.uint8]
Floats = NDArray[np.float32]
HEIGHT = 32  # pixels of a line, the network's input height
STRIDE = 4  # input columns per output column
MIN_WIDTH, MAX_WIDTH = 32, 1600  # pixels at HEIGHT
BATCH_PIXELS = 4096  # width of all lines of one batch, padding included
VIETNAMESE = "aàáảãạăằắẳẵặâầấẩẫậbcdđeèéẻẽẹêềếểễệfghiìíỉĩịjklmnoòóỏõọôồốổỗộơờớởỡợpqrstuùúủũụưừứửữựvwxyỳýỷỹỵz"
ASTERNET_ALPHABET = VIETNAMESE + VIETNAMESE.upper() + "0123456789" + " ,.-:;\"'?!()[]{}/%+$&=*#@_\\<>°"
ASTERNET_WIDEST = 1024  # pixels; its network takes no more than 256 columns
DIGITS_HEIGHT, DIGITS_STRIDE = 48, 8


@dataclass(frozen=True)
class Character:
    """One character as read: its probability 0..1, and the columns it takes, in pixels of the crop."""

    text: str
    probability: float
    left: float
    right: float


@dataclass(frozen=True)
class LineText:
    """One line as read. `confidence`: estimated probability 0..1 that every character is right."""

    characters: tuple[Character, ...]
    confidence: float

    @property
    def text(self) -> str:
        return "".join(c.text for c in self.characters)


@dataclass(frozen=True)
class LineReader:
    """A network with its alphabet and the form its input takes.

    `alphabet`: class k is alphabet[k - 1], class 0 the blank. `prepare`: grey crop -> [channels, height, width].
    `calibration`: rising (product of probabilities, share of lines exact), measured on lines never trained on.
    """

    name: str
    session: Any
    alphabet: Sequence[str]
    prepare: Callable[[Gray], Floats]
    height: int = HEIGHT
    stride: int = STRIDE
    time_first: bool = False
    widest: int = MAX_WIDTH
    calibration: tuple[tuple[float, float], ...] = ((0.0, 0.0), (1.0, 1.0))

    def read(self, crops: Sequence[Gray]) -> list[LineText]:
        """Each crop's text by the best class of each column."""
        return [self.line(scores, crop) for scores, crop in zip(self.scores(crops), crops, strict=True)]

    def scores(self, crops: Sequence[Gray]) -> list[Floats]:
        """Probabilities [columns, classes] of each crop; crops of like width share a batch."""
        ready = [self.prepare(crop) for crop in crops]
        found: dict[int, Floats] = {}
        for group in _groups([line.shape[2] for line in ready]):
            out = self.session.run(None, {self.session.get_inputs()[0].name: stack([ready[i] for i in group])})[0]
            for row, i in zip(out.transpose(1, 0, 2) if self.time_first else out, group, strict=True):
                found[i] = row[: -(-ready[i].shape[2] // self.stride)]
        return [found[i] for i in range(len(crops))]

    def line(self, scores: Floats, crop: Gray) -> LineText:
        """A crop's text from its probabilities [columns, classes]."""
        scale = self._scale(crop)
        characters = _stripped(
            tuple(
                Character(self.alphabet[c - 1], float(p), first * scale, min((last + 1) * scale, crop.shape[1]))
                for c, p, first, last in greedy(scores)
            )
        )
        if not characters:
            return LineText((), 0.0)
        xs, ys = zip(*self.calibration, strict=True)
        sure = float(np.prod([c.probability for c in characters]))
        return LineText(characters, float(np.interp(sure, xs, ys)))

    def _scale(self, crop: Gray) -> float:
        """Pixels of the crop per output column; a very long line is squeezed to the widest that the network takes."""
        high, wide = crop.shape
        shown = min(wide * self.height / high, self.widest)
        return float(wide / shown * self.stride)


def own_reader(folder: Path = OWN) -> LineReader:
    """The line reader that training/ made; SohoaError where the model is missing, altered or cut short."""
    session, facts = open_own(folder)
    calibration = tuple((float(x), float(y)) for x, y in facts.get("calibration") or ((0, 0), (1, 1)))
    return LineReader(
        f"sohoa {facts['version']}", _Exponential(session), facts["alphabet"], to_input, calibration=calibration
    )


def aster_reader() -> LineReader:
    """asterocr's network: all Vietnamese letters, no µ and no ²; its probabilities are far too high."""
    session = _Exponential(open_borrowed(ASTERNET))
    return LineReader("asterocr", session, ASTERNET_ALPHABET, _to_asternet, time_first=True, widest=ASTERNET_WIDEST)


def digit_reader() -> LineReader:
    """PP-OCRv6's network: digits, Latin letters and signs; most Vietnamese letters come out without their marks."""
    session = open_borrowed(DIGITS)
    alphabet = [*session.get_modelmeta().custom_metadata_map["character"].splitlines(), " "]
    return LineReader("pp-ocrv6", session, alphabet, _to_digits, height=DIGITS_HEIGHT, stride=DIGITS_STRIDE)


def greedy(scores: Floats) -> list[tuple[int, float, int, int]]:
    """Probabilities [columns, classes] -> (class, probability, first column, last column) of each run but blanks."""
    best = scores.argmax(1)
    edges = np.flatnonzero(np.diff(best, prepend=-1, append=-1))
    runs = [(int(best[a]), int(a), int(b)) for a, b in zip(edges[:-1], edges[1:], strict=True) if best[a]]
    return [(c, float(scores[a:b, c].max()), a, b - 1) for c, a, b in runs]


def to_height(crop: Gray) -> Gray:
    """The crop scaled to 32 pixels of height, its proportions kept, at least 32 and at most 1600 wide."""
    height, width = crop.shape
    wide = round(width * HEIGHT / height)
    kind = cv2.INTER_AREA if height > HEIGHT else cv2.INTER_LINEAR
    line = cv2.resize(crop, (min(max(wide, 8), MAX_WIDTH), HEIGHT), interpolation=kind)
    short = MIN_WIDTH - line.shape[1]
    padded = cv2.copyMakeBorder(line, 0, 0, 0, short, cv2.BORDER_REPLICATE) if short > 0 else line
    return padded.astype(np.uint8, copy=False)


def to_input(crop: Gray) -> Floats:
    """Grey crop of one line -> [1, 32, width], 0 for its paper and 1 for its darkest ink. Training uses the same."""
    line = to_height(crop).astype(np.float32)
    ranked = np.sort(line, axis=None)
    paper, ink = ranked[int(0.85 * len(ranked))], ranked[int(0.005 * len(ranked))]
    scaled: Floats = np.clip((paper - line) / max(40.0, paper - ink), 0, 1)
    return scaled[np.newaxis]


def stack(lines: Sequence[Floats]) -> Floats:
    """Lines [c, h, w] of different widths -> one batch [n, c, h, widest], zeros to the right, width a multiple of 4."""
    channels, height, _ = lines[0].shape
    widest = max(line.shape[2] for line in lines)
    batch = np.zeros((len(lines), channels, height, -(-widest // STRIDE) * STRIDE), np.float32)
    for i, line in enumerate(lines):
        batch[i, :, :, : line.shape[2]] = line
    return batch


@dataclass(frozen=True)
class _Exponential:
    """A session whose network gives logarithms of probabilities."""

    inner: Any

    def get_inputs(self) -> Any:
        return self.inner.get_inputs()

    def run(self, names: None, feed: dict[str, Floats]) -> list[Floats]:
        return [np.exp(self.inner.run(names, feed)[0])]


def _to_asternet(crop: Gray) -> Floats:
    """-1 black, 1 white, three like channels."""
    wide = min(max(MIN_WIDTH, round(crop.shape[1] * HEIGHT / crop.shape[0])), ASTERNET_WIDEST)
    line = cv2.resize(crop, (-(-wide // STRIDE) * STRIDE, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.repeat(line[np.newaxis].astype(np.float32) / 127.5 - 1, 3, axis=0)


def _to_digits(crop: Gray) -> Floats:
    """-1 black, 1 white, three like channels; at least 320 wide, padded with mid grey."""
    wide = min(max(8, round(crop.shape[1] * DIGITS_HEIGHT / crop.shape[0])), MAX_WIDTH)
    line = cv2.resize(crop, (wide, DIGITS_HEIGHT)).astype(np.float32) / 127.5 - 1
    padded = np.pad(line, ((0, 0), (0, max(0, 320 - wide))))
    return np.repeat(padded[np.newaxis], 3, axis=0)


def _groups(widths: list[int]) -> list[list[int]]:
    """Lines sorted by width, in batches that waste little on padding."""
    groups: list[list[int]] = []
    for i in sorted(range(len(widths)), key=lambda at: widths[at]):
        if groups and (len(groups[-1]) + 1) * widths[i] <= BATCH_PIXELS and widths[i] <= 1.3 * widths[groups[-1][0]]:
            groups[-1].append(i)
        else:
            groups.append([i])
    return groups


def _stripped(characters: tuple[Character, ...]) -> tuple[Character, ...]:
    """NFC, without spaces at either end and with one space between words."""
    kept: list[Character] = []
    for c in characters:
        if not c.text.isspace() or (kept and not kept[-1].text.isspace()):
            kept.append(Character(unicodedata.normalize("NFC", c.text), c.probability, c.left, c.right))
    return tuple(kept[:-1] if kept and kept[-1].text.isspace() else kept)
