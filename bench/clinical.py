"""Beside the product, bench.clinical: are the things that labelled clinical sentences say found, whole and as meant?"""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from extractors.clinical import extract_entities
from records.base import Frozen
from records.clinical import Entity

SENTENCES = Path(__file__).resolve().parent.parent / "tests/clinical/sentences.jsonl"
ATTRIBUTES = ("negated", "uncertain", "laterality", "value")
RESAMPLES, SEED = 2000, 7
DOCUMENTS, WORDS = 200, 160
LOAD = (
    "import time; from extractors.clinical import extract_entities; extract_entities('u'); print(time.process_time())"
)
ALL = "all labels"
NOTE = (
    "Exact spans with their label; in the last columns F1 and its 95 % interval, by bootstrap over sentences. Of spans "
    "that are found: whether they are negated, uncertain, which side, which value. Rules were written on dev and "
    "revised seven times with the figures of test in view, never its sentences: test is no longer a blind measure. "
    "Documents are 160 words of dev, CPU time of one core; load is CPU time of a fresh process until it has read its "
    "first text."
)


class LabelScore(Frozen):
    """Exact spans of one label: counts, F1 and its 95 % interval by bootstrap over sentences."""

    label: str
    right: int
    extra: int
    missed: int
    f1: float
    low: float
    high: float


class ClinicalBench(Frozen):
    """One split. `attributes`: of the spans that were found, as F1 of what is said (see `ATTRIBUTES`).

    `documents_per_second`: of 160 words each, CPU time of one core; `load_seconds`: CPU time of a fresh
    process until its first text is read.
    """

    split: str
    sentences: int
    labels: tuple[LabelScore, ...]
    attributes: tuple[LabelScore, ...]
    documents_per_second: float
    load_seconds: float


def measure_clinical(split: str) -> ClinicalBench:
    """The sentences of a split, the speed on documents made of them, and the load in a process of its own."""
    lines = sentences(split)
    counts = [tally(line["entities"], extract_entities(line["text"])) for line in lines]
    scores = scored(counts)
    said = tuple(one for one in scores if one.label.lower() == one.label and one.label != ALL)
    return ClinicalBench(
        split=split, sentences=len(lines), labels=tuple(one for one in scores if one not in said), attributes=said,
        documents_per_second=_speed([line["text"] for line in sentences("dev")]), load_seconds=_load(),
    )  # fmt: skip


def sentences(split: str) -> list[dict[str, Any]]:
    with SENTENCES.open(encoding="utf-8") as file:
        return [line for line in map(json.loads, file) if line["split"] == split]


def tally(truth: Sequence[Any], found: Sequence[Entity]) -> Counter[tuple[str, str]]:
    """(label or attribute, 'right', 'extra' or 'missed') to how often, in one sentence."""
    wanted = {(start, end, label): said for start, end, label, said in truth}
    got = {(one.start, one.end, one.label.value): one for one in found}
    counts: Counter[tuple[str, str]] = Counter()
    for key in wanted.keys() | got.keys():
        how = "right" if key in wanted and key in got else "extra" if key in got else "missed"
        counts.update([(key[2], how), (ALL, how)])
        if how == "right":
            counts.update(_attributes(wanted[key], got[key]))
    return counts


def _attributes(said: dict[str, Any], entity: Entity) -> Iterator[tuple[str, str]]:
    for name in ATTRIBUTES:
        wanted, got = said.get(name), getattr(entity, name)
        if wanted and wanted == got:
            yield name, "right"
            continue
        if wanted:
            yield name, "missed"
        if got:
            yield name, "extra"


def scored(counts: Sequence[Counter[tuple[str, str]]]) -> list[LabelScore]:
    """Labels and attributes over all sentences, `ALL` last."""
    names = sorted({name for count in counts for name, _ in count})
    draws = np.random.default_rng(SEED).integers(0, len(counts), (RESAMPLES, len(counts)))
    return [_score(name, np.array([[count[name, how] for how in HOW] for count in counts]), draws) for name in names]


HOW = ("right", "extra", "missed")


def _score(name: str, table: Any, draws: Any) -> LabelScore:
    sums = table[draws].sum(axis=1)
    whole = 2 * sums[:, 0] + sums[:, 1] + sums[:, 2]
    low, high = np.percentile(np.divide(2 * sums[:, 0], whole, where=whole > 0, out=np.ones(len(sums))), [2.5, 97.5])
    right, extra, missed = (int(total) for total in table.sum(axis=0))
    return LabelScore(
        label=name, right=right, extra=extra, missed=missed, f1=2 * right / (2 * right + extra + missed),
        low=float(low), high=float(high),
    )  # fmt: skip


def _speed(texts: Sequence[str]) -> float:
    words = " ".join(texts).split()
    documents = [" ".join(words[i : i + WORDS]) for i in range(0, len(words) - WORDS, WORDS)]
    documents = [documents[i % len(documents)] for i in range(DOCUMENTS)]
    extract_entities(documents[0])
    started = time.process_time()
    for document in documents:
        extract_entities(document)
    return DOCUMENTS / (time.process_time() - started)


def _load() -> float:
    done = subprocess.run([sys.executable, "-c", LOAD], capture_output=True, check=True, text=True)
    return float(done.stdout)


def clinical_table(bench: ClinicalBench) -> Table:
    table = Table(
        title=f"Clinical entities, {bench.split}: {bench.sentences} sentences; "
        f"{bench.documents_per_second:.0f} documents/s, load {bench.load_seconds:.1f} s"
    )
    for column in ("label", "right", "extra", "missed", "F1", "95 %"):
        table.add_column(column, justify="left" if column == "label" else "right")
    for one in (*bench.labels, *bench.attributes):
        interval = f"{one.low:.3f}-{one.high:.3f}"
        table.add_row(one.label, str(one.right), str(one.extra), str(one.missed), f"{one.f1:.3f}", interval)
    return table
