"""Training, language: counts of words and of word pairs in hospital texts -> extractors/model/language.tsv.gz.

Sources are those whose terms allow it; the Vietnamese ICD-10 list is left out, since its package is under the GPL.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

from extractors.language import COUNTS, START, bare
from training import phrases
from training.texts import LISTS, SENTENCES, checked_lines, column, form_labels

PHRASES = Path(__file__).parent / "data" / "hospital_phrases.txt"
NAMED = (
    "departments", "occupations", "facilities", "body_sites", "anesthesia", "outcomes", "ethnic_groups", "provinces",
    "drugs",
)  # fmt: skip
DOSES = 1500  # generated ways of taking a drug
WEIGHTS = {"phrases": 6, "names": 3, "sentences": 1}  # how often a line of each source counts


def write_language(path: Path = COUNTS) -> Path:
    """Count and write: 'word TAB count' and 'word TAB word TAB count', sorted, gzip without a time stamp."""
    words: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for text, weight in texts():
        before = START
        words[START] += weight
        for word in text.split():
            this = bare(word)
            if not this:
                continue
            words[this] += weight
            pairs[before, this] += weight
            before = this
    lines = [f"{word}\t{count}" for word, count in sorted(words.items())]
    lines += [f"{one}\t{other}\t{count}" for (one, other), count in sorted(pairs.items())]
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))
    return path


def texts() -> Iterator[tuple[str, int]]:
    """Every line of the sources and how often it counts."""
    for line in checked_lines(PHRASES):
        yield line, WEIGHTS["phrases"]
    for line in checked_lines(SENTENCES):
        yield line, WEIGHTS["sentences"]
    names = column(LISTS / "neoplasm_names_vi.csv", "name_vi") + column(LISTS / "oncology_aliases_vi.csv", "alias_vi")
    names += [name for part in NAMED for name in column(LISTS / f"{part}.csv", "name")]
    for name in names + form_labels():
        yield name, WEIGHTS["names"]
    rng, drugs = Random(1), column(LISTS / "drugs.csv", "name")
    for _ in range(DOSES):
        yield phrases.drug(rng, drugs), 1
