"""Beside the product, training.ner: would a trained recogniser find more in clinical sentences than the rules do?

`python -m training.ner` trains spaCy's statistical NER on the split `dev` of tests/clinical/sentences.jsonl, with the
product's own tokenizer, and compares its exact spans with those of the rules on the split `test`. Nothing is written:
the product takes a recogniser only if it is better there (docs/decisions/0012).
"""

import random
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from spacy.language import Language
from spacy.training import Example
from spacy.util import compounding, fix_random_seed, minibatch

from bench.clinical import ALL, LabelScore, scored, sentences, tally
from extractors.clinical import extract_entities
from extractors.clinical_language import language
from records.clinical import Entity, Label

SEED = 7
DROP = 0.3
BATCHES = (4.0, 32.0, 1.001)  # sentences of a batch: the first, the most, how they grow


def main(
    epochs: Annotated[int, typer.Option(help="Times that every sentence is seen.")] = 40,
) -> None:
    """Train, compare, print."""
    rules = language()
    nlp = trained(rules, sentences("dev"), epochs)
    lines = sentences("test")
    by_rules = scored([tally(line["entities"], extract_entities(line["text"])) for line in lines])
    by_ner = scored([tally(line["entities"], recognised(nlp, line["text"])) for line in lines])
    Console().print(compared(by_rules, by_ner, len(lines), epochs))


def trained(rules: Language, lines: list[dict[str, Any]], epochs: int) -> Language:
    """A pipeline of the same tokens with a recogniser of its own word vectors, trained on labelled sentences."""
    fix_random_seed(SEED)
    nlp = Language(rules.vocab)
    nlp.tokenizer = rules.tokenizer
    recogniser = nlp.add_pipe("ner")
    for label in Label:
        recogniser.add_label(label.value)  # type: ignore[attr-defined]
    examples = [_example(nlp, line) for line in lines]
    optimizer = nlp.initialize(lambda: examples)
    chance, sizes = random.Random(SEED), compounding(*BATCHES)
    for _ in range(epochs):
        chance.shuffle(examples)
        for batch in minibatch(examples, size=sizes):
            nlp.update(batch, drop=DROP, sgd=optimizer)
    return nlp


def _example(nlp: Language, line: dict[str, Any]) -> Example:
    """Spans that begin or end inside a word of the tokenizer are left out: nothing can be learned of them."""
    doc = nlp.make_doc(line["text"])
    spans = [(start, end, label) for start, end, label, _ in line["entities"] if doc.char_span(start, end)]
    return Example.from_dict(doc, {"entities": spans})


def recognised(nlp: Language, text: str) -> list[Entity]:
    """What the recogniser finds, without negation, side or value: it tells spans and labels only."""
    return [
        Entity(start=e.start_char, end=e.end_char, label=Label(e.label_), text=e.text) for e in nlp(text).ents
    ]  # fmt: skip


def compared(rules: list[LabelScore], ner: list[LabelScore], count: int, epochs: int) -> Table:
    """F1 of both by label, with the interval of the whole."""
    table = Table("label", "spans", "rules F1", "NER F1", title=f"{count} sentences, {epochs} epochs of training")
    of_ner = {one.label: one for one in ner}
    labels = {label.value for label in Label} | {ALL}
    for one in (one for one in rules if one.label in labels):
        other = of_ner.get(one.label)
        told = f"{other.f1:.3f} ({other.low:.3f}-{other.high:.3f})" if other else "0"
        table.add_row(one.label, str(one.right + one.missed), f"{one.f1:.3f} ({one.low:.3f}-{one.high:.3f})", told)
    return table


if __name__ == "__main__":
    typer.run(main)
