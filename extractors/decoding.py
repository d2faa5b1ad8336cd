"""Stage 3, extractors.decoding: what else a word may say, by the network's own probabilities; the best chain of words.

Nearly all misreadings of Vietnamese print are tone marks, where the network hesitates between two letters. The words
it was sure of stay; for the others a model of the language weighs the alternatives among their neighbours.
"""

from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

from extractors.language import START, Language
from extractors.reader import greedy

Floats = NDArray[np.float32]
Options = list[tuple[str, float]]  # what a word may say, with logarithms of probabilities, best first
WEIGHT = 0.5  # of the language beside the network
SURE = 0.995  # a word all of whose characters are as sure as this is not questioned
FEW = 8  # alternatives of a word that are weighed
WIDTH = 12  # prefixes kept per column
LIKELY = 0.003  # probability below which a class is not followed in a column
LOWEST = -1e9


def text_by_language(scores: Floats, alphabet: Sequence[str], language: Language) -> tuple[str, float]:
    """Probabilities [columns, classes] of a line -> its likeliest text in this language, and how sure its words are."""
    words = _words(scores, alphabet)
    if not words:
        return "", 0.0
    chosen = best_chain(words, language, WEIGHT)
    shares = [_share(text, options) for text, options in zip(chosen, words, strict=True)]
    return " ".join(chosen), float(np.prod(shares))


def _words(scores: Floats, alphabet: Sequence[str]) -> list[Options]:
    """What each word of a line may say: one text where the network was sure, else the likeliest few."""
    groups: list[list[tuple[int, float, int, int]]] = [[]]
    for run in greedy(scores):
        if alphabet[run[0] - 1] == " ":
            groups.append([])
        else:
            groups[-1].append(run)
    groups = [group for group in groups if group]
    starts = [0, *(group[-1][3] + 1 for group in groups)]
    ends = [*(group[0][2] for group in groups[1:]), len(scores)]
    return [_options(g, scores[a:b], alphabet) for g, a, b in zip(groups, starts, ends, strict=False)]


def _options(group: list[tuple[int, float, int, int]], columns: Floats, alphabet: Sequence[str]) -> Options:
    text = "".join(alphabet[c - 1] for c, *_ in group)
    sure = [p for _, p, _, _ in group]
    plain = (text, float(np.log(np.maximum(sure, 1e-9)).sum()))
    if min(sure) > SURE:
        return [plain]
    found = [(other.strip(), s) for other, s in alternatives(columns, alphabet) if " " not in other.strip()]
    return [(other, s) for other, s in found if other][:FEW] or [plain]


def _share(text: str, options: Options) -> float:
    """Probability of the chosen text among the options, by the network alone."""
    if len(options) == 1:
        return float(np.exp(options[0][1]))
    return float(np.exp(dict(options)[text]) / sum(np.exp(s) for _, s in options))


def alternatives(scores: Floats, alphabet: Sequence[str], width: int = WIDTH) -> Options:
    """Probabilities [columns, classes] -> (text, log probability) of the likeliest texts, best first (CTC beam)."""
    beams: dict[str, tuple[float, float]] = {"": (0.0, LOWEST)}  # text -> ending in a blank, ending in its last letter
    for column in scores:
        grown: dict[str, tuple[float, float]] = {}
        likely = [(int(c), log(float(column[c]))) for c in np.flatnonzero(column > LIKELY)]
        for text, (blank, letter) in beams.items():
            both = _either(blank, letter)
            for number, sure in likely:
                if number == 0:
                    _add(grown, text, both + sure, LOWEST)
                    continue
                character = alphabet[number - 1]
                if text.endswith(character):
                    _add(grown, text, LOWEST, letter + sure)
                    _add(grown, text + character, LOWEST, blank + sure)
                else:
                    _add(grown, text + character, LOWEST, both + sure)
        beams = dict(sorted(grown.items(), key=lambda item: -_either(*item[1]))[:width])
    return sorted(((text, _either(*ends)) for text, ends in beams.items()), key=lambda pair: -pair[1])


def best_chain(words: Sequence[Options], language: Language, weight: float) -> list[str]:
    """One text per word, such that network and language together find the chain likeliest (Viterbi)."""
    paths: dict[str, tuple[float, list[str]]] = {START: (0.0, [])}
    for options in words:
        reached: dict[str, tuple[float, list[str]]] = {}
        for text, sure in options:
            score, path = max(
                ((total + weight * language.score(before, text), way) for before, (total, way) in paths.items()),
                key=lambda pair: pair[0],
            )
            if text not in reached or score + sure > reached[text][0]:
                reached[text] = (score + sure, [*path, text])
        paths = reached
    return max(paths.values(), key=lambda pair: pair[0])[1]


def _add(beams: dict[str, tuple[float, float]], text: str, blank: float, letter: float) -> None:
    old = beams.get(text, (LOWEST, LOWEST))
    beams[text] = (_either(old[0], blank), _either(old[1], letter))


def _either(one: float, other: float) -> float:
    """log(exp(one) + exp(other))."""
    high, low = max(one, other), min(one, other)
    return high if low < high - 30 else high + float(np.log1p(np.exp(low - high)))
