"""After the readers, bench.text: the text read on pages against the values that truth shows on them.

Truth holds values, not whole pages, so each value is held against the stretch of the page's text most like it. What
stands right before or after that stretch is not judged.
"""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein
from rapidfuzz.fuzz import partial_ratio_alignment

from bench.score import Share
from bench.truth import TruthPage
from records.base import Frozen

FEWEST_LETTERS = 4  # shorter values ('Nữ', 'L') stand on any page by chance


class TextScore(Frozen):
    """The text of pages against the values that truth shows, of four characters or more; case aside.

    `found`: values that stand verbatim in the page's text, white space aside. `errors` of `letters`: edits from each
    of them to the stretch of text most like it. `word_errors` of `words`: words to change, add or take away between
    each of them and that stretch; a tone mark, a comma or a missing space makes a word wrong.
    """

    found: Share
    errors: int
    letters: int
    word_errors: int
    words: int

    @property
    def error_percent(self) -> float:
        return 100 * self.errors / self.letters if self.letters else 0.0

    @property
    def word_error_percent(self) -> float:
        return 100 * self.word_errors / self.words if self.words else 0.0


class Stretch(NamedTuple):
    """Part of a text, and the fewest edits that turn it into what was looked for."""

    start: int
    end: int
    edits: int


class Text(NamedTuple):
    """A text in lower case, NFC. `closed`: without white space; `places`: where its characters stand in `spaced`."""

    spaced: str
    closed: str
    places: tuple[int, ...]

    def words(self, start: int, end: int) -> list[str]:
        """The words of a stretch of the closed text, as the spaces part them."""
        return self.spaced[self.places[start] : self.places[end - 1] + 1].split() if end > start else []


def text_score(truths: Sequence[TruthPage], texts: Sequence[str]) -> TextScore:
    """See TextScore; the pages and their texts in the same order."""
    counts = [
        _value_score(shown, page)
        for truth, page in zip(truths, map(text_of, texts), strict=True)
        for shown in {text_of(field.shown) for field in truth.fields}
        if len(shown.closed) >= FEWEST_LETTERS
    ]
    found, errors, letters, word_errors, words = map(sum, zip(*counts, strict=True)) if counts else (0,) * 5
    return TextScore(
        found=Share(right=found, of=len(counts)), errors=errors, letters=letters, word_errors=word_errors, words=words
    )


def text_of(raw: str) -> Text:
    """'Họ  TÊN' -> 'họ tên', 'họtên' and where the six letters stand."""
    spaced = " ".join(unicodedata.normalize("NFC", raw).casefold().split())
    places = tuple(i for i, letter in enumerate(spaced) if letter != " ")
    return Text(spaced, spaced.replace(" ", ""), places)


def nearest(shown: str, page: str) -> Stretch:
    """The stretch of the page that the fewest edits turn into what is shown; verbatim where it stands so."""
    if (place := page.find(shown)) >= 0:
        return Stretch(place, place + len(shown), 0)
    first, last = 0, len(page)
    if len(page) > 2 * len(shown) and (near := partial_ratio_alignment(shown, page)):
        first, last = max(0, near.dest_start - len(shown)), near.dest_end + len(shown)
    found = _nearest_within(shown, page[first:last])
    return Stretch(first + found.start, first + found.end, found.edits)


def _value_score(shown: Text, page: Text) -> tuple[int, int, int, int, int]:
    """(found, errors, letters, word errors, words) of one value."""
    words = shown.spaced.split()
    stretch = nearest(shown.closed, page.closed)
    read = words if shown.spaced in page.spaced else page.words(stretch.start, stretch.end)
    wrong = min(len(words), Levenshtein.distance(words, read))
    return int(stretch.edits == 0), stretch.edits, len(shown.closed), wrong, len(words)


def _nearest_within(shown: str, window: str) -> Stretch:
    """Sellers' algorithm (1980): edit distance where a stretch may begin and end anywhere."""
    row = [(0, start) for start in range(len(window) + 1)]  # (edits, where the stretch starts) for each end
    for count, letter in enumerate(shown, start=1):
        row = _next_row(row, letter, window, count)
    end, (edits, start) = min(enumerate(row), key=lambda cell: cell[1][0])
    return Stretch(start, end, edits)


def _next_row(above: list[tuple[int, int]], letter: str, window: str, count: int) -> list[tuple[int, int]]:
    row = [(count, 0)]
    for column, other in enumerate(window):
        (same, start), (less, start_less), (more, start_more) = above[column], above[column + 1], row[column]
        row.append(min((same + (letter != other), start), (less + 1, start_less), (more + 1, start_more)))
    return row
