"""Stage 5, extractors.abbreviations: a short form of a clinical text becomes what it most likely stands for there.

A linear model for each short form, over the words around it; `python -m training.abbreviations` makes it, from the
MIT-licensed acrDrAid sentences: see model/ABBREVIATIONS.md. It knows lower-case forms of imaging reports only.
"""

import gzip
import json
import math
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

MODEL = Path(__file__).with_name("model") / "abbreviations.json.gz"
NEAR, FAR = 8, 40  # words on each side


class Choice(NamedTuple):
    """The expansions of one short form. `weights`: of a feature, one for each expansion; absent: none."""

    expansions: tuple[str, ...]
    bias: tuple[float, ...]
    weights: dict[str, list[float]]


def expansions(words: Sequence[str]) -> Iterator[tuple[int, str, float]]:
    """Which words of a text are known short forms: their number, their likeliest expansion, its probability."""
    choices = _choices()
    for i, word in enumerate(words):
        if word in choices:
            yield i, *choose(choices[word], words[max(0, i - FAR) : i], words[i + 1 : i + 1 + FAR])


def choose(choice: Choice, left: Sequence[str], right: Sequence[str]) -> tuple[str, float]:
    """The likeliest expansion and its probability, 0..1. `left`, `right`: the words around, in the text's order."""
    scores = list(choice.bias)
    for name, value in features(left, right):
        for k, weight in enumerate(choice.weights.get(name, ())):
            scores[k] += weight * value
    best = max(scores)
    total = sum(math.exp(score - best) for score in scores)
    return choice.expansions[scores.index(best)], round(1 / total, 4)


def features(left: Sequence[str], right: Sequence[str]) -> Iterator[tuple[str, float]]:
    """Words by their place next to the short form, the pairs there, and the words further off without a place."""
    before = ["<s>", *(word.lower() for word in left[-FAR:])]
    after = [*(word.lower() for word in right[:FAR]), "</s>"]
    for i, word in enumerate(reversed(before[-3:]), 1):
        yield f"l{i}={word}", 1.0
    for i, word in enumerate(after[:3], 1):
        yield f"r{i}={word}", 1.0
    yield f"ll={' '.join(before[-2:])}", 1.0
    yield f"rr={' '.join(after[:2])}", 1.0
    yield f"lr={before[-1]} {after[0]}", 1.0
    for word in {*before[-NEAR:], *after[:NEAR]}:
        yield f"b={word}", 0.5
    for word in {*before[:-NEAR], *after[NEAR:]}:
        yield f"g={word}", 0.3


@cache
def _choices() -> dict[str, Choice]:
    stored = json.loads(gzip.decompress(MODEL.read_bytes()))
    return {form: Choice(tuple(one["expansions"]), tuple(one["bias"]), one["weights"]) for form, one in stored.items()}
