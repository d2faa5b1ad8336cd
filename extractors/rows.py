"""Stage 5, extractors.rows: order the words of a page into rows, left to right, top to bottom."""

import re
import unicodedata
from dataclasses import dataclass
from statistics import median

from records.pages import Box, Line, PageText, Word, around

LEADER = re.compile(r"^[.…·_,:;'`~^*|=—–\-]{2,}\w?$|^\w?[.…·_]{3,}$")
SPECK = re.compile(r"^[.…·_'`~^|—–,;]$")
GLUED_LABEL = re.compile(r"^(.*[^\W\d_]\)?[:：]|[^\W\d_]{2,}-?\d{1,2}[:：]|1\d[:：](?=[.…·_]*[A-Z]\d\d))(\S+)$")
GLUED_COLON = re.compile(r"^([:：])(?:[.…·_]+(?=\w)|(?=[^\W\d_]))(\S+)$")
GLUED_NUMBER = re.compile(r"^(\d{1,2}(?:[.)]|[/-](?=.[.a-zà-ỹ]))|[-–•](?=[^\W\d_]))([^\W\d_].*)$")
GLUED_LEADER = re.compile(r"^[.…·_]+(?=\w)|(?<=\w)[.…·_]{2,}$")


@dataclass(frozen=True)
class Row:
    """Words that stand on one line of the page, left to right, across all columns."""

    words: tuple[Word, ...]

    @property
    def box(self) -> Box:
        return around([w.box for w in self.words])

    @property
    def text(self) -> str:
        return " ".join(w.text for w in self.words)

    @property
    def middle(self) -> float:
        """The typical vertical middle of its words, in pixels."""
        return median(w.box.middle for w in self.words)


def fold(text: str) -> str:
    """Letters and digits only, no tone marks, no case: 'Số vào viện:' -> 'sovaovien'. For labels, never for values."""
    text = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return "".join(c for c in text if c.isalnum())


def page_to_rows(page: PageText) -> list[Row]:
    """Rows of a page, top to bottom; leaders and specks dropped, glued labels ('NB:1476') split from their values.

    Of a folded sheet the rows left of the fold come first.
    """
    segments = [s for line in page.lines if (s := _clean(line))]
    sides = [s for s in segments if s[0].box.left < page.fold], [s for s in segments if s[0].box.left >= page.fold]
    return [row for side in sides for row in _rows(side, letter_height(segments))]


def _rows(segments: list[list[Word]], em: float) -> list[Row]:
    rows: list[list[Word]] = []
    for segment in sorted(segments, key=lambda s: s[0].box.left):
        row = _row_left_of(segment, rows, em)
        if row is None:
            rows.append(list(segment))
        else:
            row.extend(segment)
    ordered = [Row(words=tuple(sorted(words, key=lambda w: w.box.left))) for words in rows]
    return sorted(ordered, key=lambda r: r.middle)


def text_height(page: PageText) -> float:
    """Typical height in pixels of a word on the page."""
    return letter_height([list(line.words) for line in page.lines])


def letter_height(segments: list[list[Word]]) -> float:
    """Typical height of a word's box in pixels; 40 for a page without words."""
    heights = [w.box.height for words in segments for w in words if len(w.text) > 1]
    return median(heights) if heights else 40.0


def _clean(line: Line) -> list[Word]:
    words = [w for word in line.words for w in _split(_without_leaders(word))]
    return [w for w in words if not LEADER.match(w.text) and not _is_speck(w)]


def _is_speck(word: Word) -> bool:
    """A mark that stands for nothing: a lone dot or stroke, or what the reader itself hardly believes."""
    if SPECK.match(word.text):
        return word.confidence < 0.8
    letters = sum(c.isalnum() for c in word.text)
    return word.confidence < (0.5 if letters == 0 and "%" not in word.text else 0.2 if letters <= 2 else 0.0)


def _without_leaders(word: Word) -> Word:
    """'..Nam....' -> 'Nam', with its share of the box."""
    found = GLUED_LEADER.search(word.text)
    if not found or LEADER.match(word.text):
        return word
    left, right = halves(word, word.text[: found.end()], word.text[found.end() :])
    if found.start():
        left, _ = halves(word, word.text[: found.start()], word.text[found.start() :])
        return left
    return _without_leaders(right)


def _split(word: Word) -> list[Word]:
    for pattern in (GLUED_COLON, GLUED_NUMBER, GLUED_LABEL):
        if found := pattern.match(word.text):
            left, right = halves(word, found[1], found[2])
            return [*_split(left), *_split(_without_leaders(right))]
    return [word]


def halves(word: Word, first: str, second: str) -> tuple[Word, Word]:
    """A word cut where its text is cut, as if all letters were equally wide."""
    cut = word.box.left + word.box.width * len(first) / len(word.text)
    left = Word(text=first, confidence=word.confidence, box=word.box.model_copy(update={"right": cut}))
    return left, Word(text=second, confidence=word.confidence, box=word.box.model_copy(update={"left": cut}))


def _row_left_of(segment: list[Word], rows: list[list[Word]], em: float) -> list[Word] | None:
    """The row that a segment continues: nearest in height at its right end, and not overlapping it."""
    start = median(w.box.middle for w in segment[:3])
    near = [
        (abs(median(w.box.middle for w in row[-3:]) - start), i)
        for i, row in enumerate(rows)
        if row[-1].box.right < segment[0].box.left + 0.7 * em
    ]
    if not near:
        return None
    distance, index = min(near)
    return rows[index] if distance < 0.55 * em else None
