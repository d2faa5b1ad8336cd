"""`python -m training.abbreviations DATA`: the acrDrAid sentences become extractors/model/abbreviations.json.gz.

DATA holds train_data.json, dev_data.json and dictionary.json. Only the train part teaches: its short forms, and every
place where its sentences write an expansion in full, which is an example of how that expansion is used. The dev part
only measures.
"""

import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import typer
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import LogisticRegression

from extractors.abbreviations import MODEL, Choice, choose, features

Example = tuple[list[str], list[str]]
MOST = 200  # places of one expansion written in full
STRENGTH = 10.0  # inverse of the penalty
SMALLEST = 0.02  # of a weight that is kept
Sentence = dict[str, Any]


def main(data: Path) -> None:
    """Train, measure on the dev part, write the model."""
    train, dev = (json.loads((data / f"{part}_data.json").read_text(encoding="utf-8")) for part in ("train", "dev"))
    dictionary = json.loads((data / "dictionary.json").read_text(encoding="utf-8"))
    choices = fit(train, dictionary)
    stored = {form: choices[form]._asdict() for form in sorted(choices)}
    packed = json.dumps(stored, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    MODEL.write_bytes(gzip.compress(packed, mtime=0))
    print(f"{len(choices)} short forms, {MODEL.stat().st_size} bytes")
    found = right(choices, dev)
    print(f"dev: {found} of {len(dev)} right, {found / len(dev):.4f}")


def right(choices: dict[str, Choice], sentences: list[Sentence]) -> int:
    """How many of the labelled short forms are expanded as labelled."""
    return sum(
        form in choices and choose(choices[form], left, after)[0] == one["expansion"]
        for one in sentences
        for left, form, after in [parts(one)]
    )


def parts(sentence: Sentence) -> tuple[list[str], str, list[str]]:
    """Words before the short form, the form, words after it."""
    text, start = sentence["text"], sentence["start_char_idx"]
    end = start + sentence["length_acronym"]
    return text[:start].split(), text[start:end].strip(), text[end:].split()


def fit(train: list[Sentence], dictionary: dict[str, list[str]]) -> dict[str, Choice]:
    """One linear model for each short form; one that only ever had one meaning is that."""
    own: dict[str, list[tuple[Example, str]]] = defaultdict(list)
    for one in train:
        left, form, after = parts(one)
        own[form].append(((left, after), one["expansion"]))
    full = written_in_full(train, {expansion for listed in dictionary.values() for expansion in listed})
    forms = sorted(
        {*own, *(form for form, listed in dictionary.items() if any(full[one] for one in listed if one in full))}
    )
    return {form: _fit_one(own[form], dictionary.get(form, []), full) for form in forms}


def written_in_full(train: list[Sentence], expansions: set[str]) -> dict[str, list[Example]]:
    """Every expansion to the words around it, wherever a sentence has it in full."""
    by_first: dict[str, list[list[str]]] = defaultdict(list)
    for expansion in sorted(expansions):
        by_first[expansion.split()[0]].append(expansion.split())
    found: dict[str, list[Example]] = defaultdict(list)
    for one in train:
        left, _, after = parts(one)
        middle = one["expansion"].split()
        words = [*left, *middle, *after]
        for i, expansion in _places(words, by_first):
            end = i + len(expansion)
            if end <= len(left) or i >= len(left) + len(middle):
                found[" ".join(expansion)].append((words[:i], words[end:]))
    return found


def _places(words: list[str], by_first: dict[str, list[list[str]]]) -> Iterator[tuple[int, list[str]]]:
    for i, word in enumerate(words):
        for expansion in by_first.get(word, ()):
            if words[i : i + len(expansion)] == expansion:
                yield i, expansion


def _fit_one(own: list[tuple[Example, str]], listed: list[str], full: dict[str, list[Example]]) -> Choice:
    """Places in full weigh together no more than four times as often as the expansion was shortened, plus four."""
    seen = Counter(expansion for _, expansion in own)
    examples, weights = [(around, expansion) for around, expansion in own], [1.0] * len(own)
    for expansion in listed:
        places = full.get(expansion, [])[:MOST]
        examples += [(around, expansion) for around in places]
        weights += [min(1.0, 4 * (seen[expansion] + 1) / max(1, len(places)))] * len(places)
    names = sorted({expansion for _, expansion in examples})
    if len(names) == 1:
        return Choice((names[0],), (0.0,), {})
    vectorizer = DictVectorizer()
    table = vectorizer.fit_transform([dict(features(*around)) for around, _ in examples])
    model = LogisticRegression(C=STRENGTH, max_iter=300)
    model.fit(table, [expansion for _, expansion in examples], sample_weight=weights)
    rows, bias = model.coef_, model.intercept_
    if len(names) == 2:
        rows, bias = np.vstack([-rows / 2, rows / 2]), np.concatenate([-bias / 2, bias / 2])
    kept = {
        name: [round(float(weight), 2) for weight in rows[:, k]]
        for name, k in vectorizer.vocabulary_.items()
        if np.abs(rows[:, k]).max() >= SMALLEST
    }
    return Choice(tuple(model.classes_), tuple(round(float(one), 3) for one in bias), kept)


if __name__ == "__main__":
    typer.run(main)
