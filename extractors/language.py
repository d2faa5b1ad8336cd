"""Stage 3, extractors.language: how likely one word follows another in hospital Vietnamese, from counts of word pairs.

The counts and the weights they have beside the network come from `python -m training language --tune`; words are
compared in lower case without the punctuation around them.
"""

import gzip
from dataclasses import dataclass, field
from functools import cache
from math import log
from pathlib import Path
from typing import Literal

from extractors.models import OWN, content_of, facts_of
from extractors.syllables import is_syllable

START = "\u0002"
COUNTS, FACTS = "language.tsv.gz", "language.json"
EDGES = " .,;:()[]\"'!?-–+/*•"
PAIR, WORD = 0.85, 0.1  # weights of the pair's share and the word's own; the rest is for syllables never counted
STRANGE = 3e-7  # a word that was never counted
Kind = Literal["common", "capitals", "name", "code"]  # of a word, by its letters and its place in the sentence


@dataclass(frozen=True)
class Weights:
    """How much the language counts beside the network, by kind of word; `syllable`: what a word loses that is none."""

    common: float = 0.0
    capitals: float = 0.0
    name: float = 0.0
    syllable: float = 0.0

    def of(self, kind: Kind) -> float:
        return {"common": self.common, "capitals": self.capitals, "name": self.name, "code": 0.0}[kind]


@dataclass(frozen=True)
class Language:
    """Counts of words and of neighbouring words."""

    words: dict[str, int]
    pairs: dict[tuple[str, str], int]
    total: int
    weights: Weights = field(default_factory=Weights)

    def score(self, before: str, word: str) -> float:
        """Logarithm of the probability of a bare word after another, after START or after nothing known ('')."""
        together = self.pairs.get((before, word), 0) / max(1, self.words.get(before, 0))
        return log(PAIR * together + WORD * self.words.get(word, 0) / self.total + STRANGE)

    def knows(self, word: str) -> bool:
        """True for a bare word that was counted or can be a syllable; the counted ones are drugs and abbreviations."""
        return word in self.words or is_syllable(word)


def bare(word: str) -> str:
    """'(Phổi,' -> 'phổi'."""
    return word.strip(EDGES).casefold()


@cache
def hospital_language(folder: Path = OWN) -> Language:
    """Counts and weights of a folder; SohoaError where a file is missing, altered or made for other counts."""
    weights, wanted = facts_of(folder / FACTS, lambda facts: (Weights(**facts["weights"]), str(facts["sha256"])))
    return language_of(gzip.decompress(content_of(folder / COUNTS, wanted)).decode(), weights)


def language_of(counts: str, weights: Weights) -> Language:
    """Lines 'word TAB count' and 'word TAB word TAB count' -> the language."""
    words: dict[str, int] = {}
    pairs: dict[tuple[str, str], int] = {}
    for line in counts.splitlines():
        one, *other, count = line.split("\t")
        if other:
            pairs[one, other[0]] = int(count)
        else:
            words[one] = int(count)
    return Language(words, pairs, sum(words.values()) - words.get(START, 0), weights)
