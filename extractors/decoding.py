"""Stage 3, extractors.decoding: what else a word may say, by the network's own probabilities; the best chain of words.

Nearly all misreadings of Vietnamese print are tone marks, where the network hesitates between two letters. The words
it was sure of stay; for the others a model of the language weighs the alternatives among their neighbours. Only what
the network saw as possible is ever chosen. Codes are left to the network, names nearly so.
"""

from collections.abc import Sequence
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from extractors.language import EDGES, START, Kind, Language, bare
from extractors.reader import greedy

Floats = NDArray[np.float32]
Run = tuple[int, float, int, int]  # class, probability, first and last column
Options = list[tuple[str, float]]  # what a word may say, with logarithms of probabilities, best first
Paths = dict[str, tuple[float, tuple[str, ...]]]  # last bare word -> score, texts so far
SURE = 0.995  # a word all of whose characters are as sure as this is not questioned
FEW = 12  # alternatives of a word that are weighed
WIDTH = 16  # prefixes kept per column
LIKELY = 0.001  # probability below which a class is not followed in a column
SENTENCE_ENDS = (".", ":", ";", "!", "?", "-", "–", "+", "•", "*")


def text_by_language(scores: Floats, alphabet: Sequence[str], language: Language) -> tuple[str, float]:
    """Probabilities [columns, classes] of a line -> its likeliest text in this language, and how sure its words are."""
    words = word_options(scores, alphabet)
    if not words:
        return "", 0.0
    chosen = best_chain(words, language)
    shares = [_share(text, options) for text, options in zip(chosen, words, strict=True)]
    return " ".join(chosen), float(np.prod(shares))


def word_options(scores: Floats, alphabet: Sequence[str]) -> list[Options]:
    """What each word of a line may say: one text where the network was sure, else the likeliest few."""
    groups: list[list[Run]] = [[]]
    spaces: list[Run] = []
    for run in greedy(scores):
        if alphabet[run[0] - 1] == " ":
            spaces.append(run)
            groups.append([])
        else:
            groups[-1].append(run)
    starts = [0, *(last + 1 for *_, last in spaces)]
    ends = [*(first for _, _, first, _ in spaces), len(scores)]
    return [_options(g, scores[a:b], alphabet) for g, a, b in zip(groups, starts, ends, strict=True) if g]


def _options(group: list[Run], columns: Floats, alphabet: Sequence[str]) -> Options:
    text = "".join(alphabet[c - 1] for c, *_ in group)
    sure = [p for _, p, _, _ in group]
    plain = (text, float(np.log(np.maximum(sure, 1e-9)).sum()))
    if min(sure) > SURE:
        return [plain]
    found = [(other, s) for other, s in alternatives(columns, alphabet) if other and " " not in other]
    return found[:FEW] or [plain]


def _share(text: str, options: Options) -> float:
    """Probability of the chosen text among the options, by the network alone."""
    if len(options) == 1:
        return exp(options[0][1])
    return exp(dict(options)[text]) / sum(exp(s) for _, s in options)


def alternatives(scores: Floats, alphabet: Sequence[str], width: int = WIDTH) -> Options:
    """Probabilities [columns, classes] -> (text, log probability) of the likeliest texts, best first (CTC beam)."""
    beams = {"": (1.0, 0.0)}  # text -> probability that it ends in a blank, in its last letter
    for likely in _likely_classes(scores):
        grown: dict[str, tuple[float, float]] = {}
        for text, (blank, letter) in beams.items():
            for number, sure in likely:
                character = alphabet[number - 1] if number else ""
                if not character:
                    _add(grown, text, (blank + letter) * sure, 0.0)
                elif text.endswith(character):
                    _add(grown, text, 0.0, letter * sure)
                    _add(grown, text + character, 0.0, blank * sure)
                else:
                    _add(grown, text + character, 0.0, (blank + letter) * sure)
        beams = _best(grown, width)
    return [(text, log(sum(ends))) for text, ends in sorted(beams.items(), key=lambda beam: -sum(beam[1]))]


def _likely_classes(scores: Floats) -> list[list[tuple[int, float]]]:
    """For each column the classes worth following, with their probabilities."""
    columns: list[list[tuple[int, float]]] = [[] for _ in scores]
    at, numbers = np.nonzero(scores > LIKELY)
    for column, number, sure in zip(at.tolist(), numbers.tolist(), scores[at, numbers].tolist(), strict=True):
        columns[column].append((number, sure))
    return columns


def _add(beams: dict[str, tuple[float, float]], text: str, blank: float, letter: float) -> None:
    old = beams.get(text, (0.0, 0.0))
    beams[text] = (old[0] + blank, old[1] + letter)


def _best(beams: dict[str, tuple[float, float]], width: int) -> dict[str, tuple[float, float]]:
    """The likeliest few; none at all where a long word's probabilities have shrunk to nothing."""
    ranked = sorted(beams, key=lambda text: -sum(beams[text]))[:width]
    return {text: beams[text] for text in ranked if sum(beams[text])}


def best_chain(words: Sequence[Options], language: Language) -> list[str]:
    """One text per word, such that network and language together find the chain likeliest (Viterbi)."""
    read = [options[0][0] for options in words]
    paths: Paths = {START if read[0][:1].isupper() else "": (0.0, ())}
    for options, kind in zip(words, word_kinds(read), strict=True):
        paths = _longer(paths, options[:1] if kind == "code" else options, kind, language)
    return list(max(paths.values(), key=lambda path: path[0])[1])


def _longer(paths: Paths, options: Options, kind: Kind, language: Language) -> Paths:
    """The best path to each thing that the next word may say."""
    weight, reached = language.weights.of(kind), Paths()
    for text, sure in options:
        word = bare(text)
        likely = [(total + weight * language.score(before, word), way) for before, (total, way) in paths.items()]
        total, way = max(likely, key=lambda path: path[0])
        total += sure - (0.0 if language.knows(word) else language.weights.syllable)
        if word not in reached or total > reached[word][0]:
            reached[word] = (total, (*way, text))
    return reached


def word_kinds(words: Sequence[str]) -> list[Kind]:
    """'BSCKII. Trần Quốc Huy khám vú' -> code, name, name, name, common, common."""
    letters = [word.strip(EDGES) for word in words]
    return [
        _kind(letters[max(0, i - 1) : i], word, letters[i + 1 : i + 2], _begins(words, i))
        for i, word in enumerate(letters)
    ]


def _kind(before: list[str], word: str, after: list[str], begins: bool) -> Kind:
    if not word.isalpha() or (word.isupper() and word.isascii()):
        return "code"
    if word.isupper() and len(word) > 1:
        return "capitals"
    among_names = any(other[:1].isupper() for other in (*before, *after))
    return "name" if word[:1].isupper() and (among_names or not begins) else "common"


def _begins(words: Sequence[str], at: int) -> bool:
    """True for the first word of a line or of a sentence."""
    return at == 0 or words[at - 1].endswith(SENTENCE_ENDS)
