"""Stage 3, extractors.language: how likely one word follows another in hospital Vietnamese, from counts of word pairs.

The counts come from `python -m training language`; words are compared in lower case without the punctuation around
them. Numbers, codes and names are not judged: they all get the same score.
"""

import gzip
from dataclasses import dataclass
from functools import cache
from math import log
from pathlib import Path

START = "\u0002"
COUNTS = Path(__file__).resolve().parent / "model" / "language.tsv.gz"
EDGES = " .,;:()[]\"'!?-–+/*•"
PAIR, WORD = 0.7, 0.25  # weights of the pair's share and the word's own; the rest is for syllables never counted
UNJUDGED = log(1e-4)
STRANGE = 1e-7  # a word that was never counted


@dataclass(frozen=True)
class Language:
    """Counts of words and of neighbouring words."""

    words: dict[str, int]
    pairs: dict[tuple[str, str], int]
    total: int

    def score(self, before: str, word: str) -> float:
        """Logarithm of the probability of `word` after `before`."""
        this = bare(word)
        if not this.isalpha():
            return UNJUDGED
        previous = before if before == START else bare(before)
        count = self.words.get(this, 0)
        together = self.pairs.get((previous, this), 0) / max(1, self.words.get(previous, 0))
        return log(PAIR * together + WORD * count / self.total + STRANGE)


def bare(word: str) -> str:
    """'(Phổi,' -> 'phổi'."""
    return word.strip(EDGES).casefold()


@cache
def hospital_language() -> Language:
    """The counts beside the model, read once."""
    words: dict[str, int] = {}
    pairs: dict[tuple[str, str], int] = {}
    with gzip.open(COUNTS, "rt", encoding="utf-8") as lines:
        for line in lines:
            *key, count = line.rstrip("\n").split("\t")
            if len(key) == 1:
                words[key[0]] = int(count)
            else:
                pairs[key[0], key[1]] = int(count)
    return Language(words, pairs, sum(count for word, count in words.items() if word != START))
