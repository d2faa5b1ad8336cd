"""Stage 5, extractors.boxes: small squares beside a label: which of them is ticked, what digits stand in a chain.

What the reader of lines makes of squares is noise (D, O, □), so they are found in the picture: `find_squares` by their
four sides. A tick is ink inside; digits are read as one line once the sides are gone.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import cv2
import numpy as np

from extractors.images import Gray
from records.pages import Box, Word, around

INK = 190  # grey level below which a pixel of a page with its rulings is ink
SMALLEST, LARGEST = 0.55, 2.2  # side of a square in letter heights
CELL = 0.85  # letter heights: a cell is higher than the digit in it, and than the hole of a D or a 0
SPECKS = 0.08  # share of ink on paper at most
FREE = 0.15  # letter heights of paper at either side of a square, which letters of a word lack
SQUARE = 0.6, 1.55  # width to height of a square or of a cell for one digit
STRAIGHT = 0.42  # of a letter height: shortest stroke that may be a side
EMPTY, TICKED = 0.03, 0.07  # share of ink inside; between them nobody can say
COVERED = 0.84  # of each side of a square, corners included, is ink; round letters have less than 0.8
CORNER = 0.07  # of a side by which it reaches past the hole
THICK = 0.15  # letter heights: a side at most
INSIDE = 0.16  # of a square's side, left out on each side: the side itself and its shadow
APART = 0.5  # of a square's side: cells of one chain stand closer
LINE_HEIGHT = 48  # pixels of a digit cell in the line that is read
TALLER = 0.3  # of a square's side by which a line of text reaches over and under it
OFF_LINE = 0.3  # of a region's height by which the middle of a square may lie off that of the region
IN_DOUBT = 0.5
NUMBERING = re.compile(r"^\W*\d{1,2}\s*[.)]?\s*(?=[^\W\d])")
NUMBERED = re.compile(r"(\d)\s?[.)]\s?([^\d]{1,40})")

ReadCrop = Callable[[Gray, Box], tuple[str, float]]


@dataclass(frozen=True)
class Boxed:
    """What boxes say: the text that was ticked or written in them ('' for none), confidence 0..1, and its place."""

    text: str
    confidence: float
    box: Box


@dataclass(frozen=True)
class Boxes:
    """The boxes of one page. `gray`: the upright page with its rulings; `em`: typical height of a word in pixels."""

    gray: Gray
    em: float
    read: ReadCrop

    def __call__(self, mode: str, place: Box) -> tuple[Word, ...] | None:
        """What boxes right of a label say as one word, none where they are empty; None where there are no boxes.

        `mode`: choice, digits, or coded: of these only where they stand matters, their word has no text.
        """
        region = place.model_copy(update={"right": min(place.right, self.gray.shape[1])})
        if mode == "coded":
            chains = find_chains(self.gray, region, self.em)
            squares = [cell for chain in chains for cell in chain] or find_squares(self.gray, region, self.em)
            return (Word(text="", confidence=1.0, box=around(squares)),) if squares else None
        boxed = self.choice(region) if mode == "choice" else self.digits(region)
        if boxed is None:
            return None
        return (Word(text=boxed.text, confidence=boxed.confidence, box=boxed.box),) if boxed.text else ()

    def choice(self, region: Box) -> Boxed | None:
        """The word whose square is ticked in a region right of a label; None where there are no squares.

        Two ticked squares give both words, and one that is neither empty nor ticked a confidence that accepts nothing.
        Of several numbered words before one square, that whose number is written in it.
        """
        squares = find_squares(self.gray, region, self.em)
        options = _options(squares, region)
        if not options:
            return None
        words = without(self.gray, region, squares, self.em)
        if len(options) == 1:
            return self._by_number(words, region, squares[0])
        inks = [ink_inside(self.gray, square) for square, _ in options]
        chosen = [i for i, ink in enumerate(inks) if ink >= TICKED]
        doubt = len(chosen) > 1 or any(EMPTY < ink < TICKED for ink in inks)
        place = around([square for square, _ in options])
        if not chosen:
            return Boxed("", IN_DOUBT if doubt else 1.0, place)
        texts, sure = zip(*(self._word(words, options[i][1]) for i in chosen), strict=True)
        place = around([box for i in chosen for box in options[i]])
        return Boxed(" ".join(texts), IN_DOUBT if doubt else min(sure), place)

    def digits(self, region: Box) -> Boxed | None:
        """What stands in the chains of cells in a region, as one text; None where there are no two cells."""
        chains = find_chains(self.gray, region, self.em)
        cells = [cell for chain in chains for cell in chain]
        if len(cells) < 2:
            return None
        marks = [mark for cell in cells if (mark := mark_inside(self.gray, cell)) is not None]
        if not marks:
            return Boxed("", 1.0, around(cells))
        text, sure = self._line(marks)
        return Boxed(text, sure if len(text) == len(marks) else min(sure, IN_DOUBT), around(cells))

    def _by_number(self, words: Gray, region: Box, square: Box) -> Boxed:
        """The word printed with the number in the square; where that is unclear all that is there, in doubt."""
        text, sure = self.read(words, _beside(square, region.left, region.right))
        printed = {number: word.strip(" .,:;") for number, word in NUMBERED.findall(text)}
        mark = mark_inside(self.gray, square)
        number, known = self._line([mark]) if mark is not None else ("", 0.0)
        place = around([square, _beside(square, region.left, square.left)])
        if len(printed) > 1 and number in printed:
            return Boxed(printed[number], min(sure, known), place)
        return Boxed(f"{text} {number}".strip(), IN_DOUBT, place)

    def _line(self, marks: Sequence[Gray]) -> tuple[str, float]:
        """Marks read as one line, without spaces."""
        line = _in_one_line(marks)
        text, sure = self.read(line, Box(left=0, top=0, right=line.shape[1], bottom=line.shape[0]))
        return "".join(text.split()), sure

    def _word(self, words: Gray, place: Box) -> tuple[str, float]:
        """The printed word of an option, without its number."""
        text, sure = self.read(words, place)
        return NUMBERING.sub("", text).strip(" .,:;"), sure


def find_squares(gray: Gray, region: Box, em: float) -> list[Box]:
    """Squares that lie whole in a region, left to right: four straight sides, or blacked out altogether."""
    ink, left, top = _ink_of(gray, region)
    if not ink.size:
        return []
    sides = _sides(ink, em)
    found = [*_holes(sides), *_outlined(sides, em)]
    level = [box for box in found if abs(box.middle - ink.shape[0] / 2) < OFF_LINE * ink.shape[0]]
    whole = [box for box in level if _like_a_square(box, em) and _enclosed(ink, box, em) and _alone(ink, box, em)]
    return sorted((_moved(box, left, top) for box in _apart(whole)), key=lambda box: box.left)


def find_chains(gray: Gray, region: Box, em: float) -> list[list[Box]]:
    """Cells that stand in rows side by side, each row cut evenly: a stroke across a cell does not halve it."""
    ink, left, top = _ink_of(gray, region)
    if not ink.size:
        return []
    level = [h for h in _holes(_sides(ink, em)) if abs(h.middle - ink.shape[0] / 2) < OFF_LINE * ink.shape[0]]
    cells = sorted((h for h in level if _enclosed(ink, h, em)), key=lambda box: box.left)
    high = [c for c in cells if CELL * em < c.height < LARGEST * em and c.width < LARGEST * em]
    wide = [c.width for c in high if _like_a_square(c, em)]
    chains: list[list[Box]] = []
    for cell in high if wide else ():
        if chains and cell.left - chains[-1][-1].right < APART * median(wide) and _level(cell, chains[-1][-1]):
            chains[-1].append(cell)
        else:
            chains.append([cell])
    return [_evenly([_moved(c, left, top) for c in chain], median(wide)) for chain in chains]


def ink_inside(gray: Gray, square: Box) -> float:
    """Share of dark pixels inside a square, its sides left out."""
    inner = _inner(gray, square)
    return float((inner < INK - 30).mean()) if inner.size else 0.0


def without(gray: Gray, region: Box, squares: Sequence[Box], em: float) -> Gray:
    """The page with paper where squares of a region and the marks in them were, also where these leave the square."""
    left, top, right, bottom = (round(v) for v in (region.left, region.top, region.right, region.bottom))
    words = gray.copy()
    part = words[max(0, top) : bottom, max(0, left) : right]
    _, labels = cv2.connectedComponents((part < INK).astype(np.uint8), connectivity=8)
    gone: set[int] = set()
    air = _thick(em)
    for square in squares:
        x, y = round(square.left) - max(0, left), round(square.top) - max(0, top)
        rows = slice(max(0, y - air), y + round(square.height) + air)
        columns = slice(max(0, x - air), x + round(square.width) + air)
        gone |= set(np.unique(labels[rows, columns]).tolist()) - {0}
    part[cv2.dilate(np.isin(labels, list(gone)).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0] = 255
    return words


def mark_inside(gray: Gray, cell: Box) -> Gray | None:
    """What is written in a cell, cut to its ink, without the cell's sides; None when it is empty."""
    crop = gray[round(cell.top) + 1 : round(cell.bottom) - 1, round(cell.left) + 1 : round(cell.right) - 1].copy()
    if not crop.size:
        return None
    _, labels, stats, _ = cv2.connectedComponentsWithStats((crop < INK).astype(np.uint8))
    strokes = np.isin(labels, [i for i in range(1, len(stats)) if _a_stroke(stats[i], cell)])
    if not strokes.any():
        return None
    crop[~strokes] = 255
    ys, xs = np.nonzero(strokes)
    return np.asarray(crop[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1], np.uint8)


def _options(squares: list[Box], region: Box) -> list[tuple[Box, Box]]:
    """(square, place of its word) for each: words stand before their squares or after them, all alike."""
    if not squares:
        return []
    first = squares[0].left - region.left > 1.2 * squares[0].width
    edges = [region.left, *(s.right for s in squares)] if first else [*(s.left for s in squares[1:]), region.right]
    return [
        (s, _beside(s, edge, s.left) if first else _beside(s, s.right, edge))
        for s, edge in zip(squares, edges, strict=False)
    ]


def _beside(square: Box, left: float, right: float) -> Box:
    """The line of text on which a square stands, between two edges."""
    air = TALLER * square.height
    return Box(left=left, top=square.top - air, right=max(left, right), bottom=square.bottom + air)


def _ink_of(gray: Gray, region: Box) -> tuple[Gray, int, int]:
    """Mask of ink in a region, and where the region begins."""
    left, top = max(0, round(region.left)), max(0, round(region.top))
    crop = gray[top : max(top, round(region.bottom)), left : max(left, min(gray.shape[1], round(region.right)))]
    return (crop < INK).astype(np.uint8) * 255, left, top


def _sides(ink: Gray, em: float) -> Gray:
    """Straight strokes across and down, small gaps in them closed."""
    long = max(5, round(STRAIGHT * em))
    closed = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    across = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((1, long), np.uint8))
    down = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((long, 1), np.uint8))
    return np.asarray(cv2.dilate(cv2.bitwise_or(across, down), np.ones((3, 3), np.uint8)), np.uint8)


def _holes(sides: Gray) -> list[Box]:
    """What straight strokes enclose on all four sides, as boxes without them."""
    outlines, tree = cv2.findContours(sides, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if tree is None:
        return []
    rects = [cv2.boundingRect(o) for o, node in zip(outlines, tree[0], strict=True) if node[3] >= 0]
    return [Box(left=x, top=y, right=x + w, bottom=y + h) for x, y, w, h in rects]


def _outlined(sides: Gray, em: float) -> list[Box]:
    """What straight strokes stand around, also where a mark or the ink of a blacked out square leaves no hole."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(sides)
    side = _thick(em) // 2 + 1
    return [
        Box(left=x + side, top=y + side, right=x + w - side, bottom=y + h - side)
        for x, y, w, h, _ in stats[1:].tolist()
        if min(w, h) > 2 * side
    ]


def _enclosed(ink: Gray, hole: Box, em: float) -> bool:
    """Whether ink runs along all four sides of a hole from corner to corner, as round letters do not."""
    x, y, x2, y2 = (round(v) for v in (hole.left, hole.top, hole.right, hole.bottom))
    thick = _thick(em)
    past = max(1, round(CORNER * min(x2 - x, y2 - y)))
    across, down = slice(max(0, x - past), x2 + past), slice(max(0, y - past), y2 + past)
    sides = (
        ink[max(0, y - thick) : y + 1, across],
        ink[y2 - 1 : y2 + thick, across],
        ink[down, max(0, x - thick) : x + 1].T,
        ink[down, x2 - 1 : x2 + thick].T,
    )
    return all(side.size > 0 and float((side > 0).mean(1).max()) >= COVERED for side in sides)


def _alone(ink: Gray, box: Box, em: float) -> bool:
    """Whether paper lies left and right of a square at its middle height."""
    wide, third = max(2, round(FREE * em)), box.height / 3
    rows = slice(round(box.top + third), round(box.bottom - third))
    left, right = round(box.left) - _thick(em), round(box.right) + _thick(em)
    strips = ink[rows, max(0, left - wide) : max(0, left)], ink[rows, right : right + wide]
    return all(not strip.size or float((strip > 0).mean()) < SPECKS for strip in strips)


def _thick(em: float) -> int:
    """Pixels of a square's side at most."""
    return max(3, round(THICK * em))


def _like_a_square(box: Box, em: float) -> bool:
    low, high = SMALLEST * em, LARGEST * em
    return low < box.width < high and low < box.height < high and SQUARE[0] < box.width / box.height < SQUARE[1]


def _apart(boxes: Sequence[Box]) -> list[Box]:
    """The larger of boxes that lie in each other."""
    kept: list[Box] = []
    for box in sorted(boxes, key=lambda b: -b.width * b.height):
        if not any(
            box.left < k.right and k.left < box.right and box.top < k.bottom and k.top < box.bottom for k in kept
        ):
            kept.append(box)
    return kept


def _evenly(cells: list[Box], wide: float) -> list[Box]:
    """A chain from its first cell to its last, cut into as many equal cells as fit; `wide`: a usual cell, in pixels."""
    whole = around(cells)
    side = median([max(1.0, b.left - a.right) for a, b in pairwise(cells)] or [1.0])
    count = max(1, round((whole.width + side) / (wide + side)))
    step = (whole.width + side) / count
    return [
        whole.model_copy(update={"left": whole.left + i * step, "right": whole.left + (i + 1) * step - side})
        for i in range(count)
    ]


def _level(one: Box, other: Box) -> bool:
    return abs(one.middle - other.middle) < 0.3 * max(one.height, other.height)


def _moved(box: Box, left: float, top: float) -> Box:
    return Box(left=box.left + left, top=box.top + top, right=box.right + left, bottom=box.bottom + top)


def _inner(gray: Gray, box: Box) -> Gray:
    air = INSIDE * min(box.width, box.height)
    return gray[round(box.top + air) : round(box.bottom - air), round(box.left + air) : round(box.right - air)]


def _a_stroke(stats: Sequence[int], cell: Box) -> bool:
    """A mark of a pen: high enough for a digit, and not just the shadow of a side along an edge of the cell."""
    left, wide, high = (int(stats[i]) for i in (cv2.CC_STAT_LEFT, cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT))
    on_edge = left == 0 or left + wide >= cell.width - 3
    return high > 0.3 * cell.height and not (on_edge and wide < 0.12 * cell.width)


def _in_one_line(marks: Sequence[Gray]) -> Gray:
    """Marks side by side on white at one height, spaced like print."""
    scale = LINE_HEIGHT / max(m.shape[0] for m in marks)
    line: list[Gray] = [np.full((LINE_HEIGHT, LINE_HEIGHT // 2), 255, np.uint8)]
    for mark in marks:
        wide, high = max(1, round(mark.shape[1] * scale)), max(1, round(mark.shape[0] * scale))
        small = np.asarray(cv2.resize(mark, (wide, high), interpolation=cv2.INTER_AREA), np.uint8)
        above = (LINE_HEIGHT - high) // 2
        padded = np.pad(small, ((above, LINE_HEIGHT - high - above), (0, LINE_HEIGHT // 6)), constant_values=255)
        line.append(padded)
    line.append(np.full((LINE_HEIGHT, LINE_HEIGHT // 2), 255, np.uint8))
    return np.pad(np.hstack(line), ((LINE_HEIGHT // 4, LINE_HEIGHT // 4), (0, 0)), constant_values=255)
