"""Training, language: counts of words and of word pairs in hospital texts -> extractors/model/language.tsv.gz.

Sources are those whose terms allow it; the Vietnamese ICD-10 list is left out, since its package is under the GPL.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from zlib import crc32

from extractors.language import COUNTS, FACTS, START, bare
from extractors.models import OWN
from extractors.syllables import is_syllable
from training import phrases
from training.texts import LISTS, SENTENCES, checked_lines, column, form_labels

PHRASES = Path(__file__).parent / "data" / "hospital_phrases.txt"
NAMED = (
    "departments", "occupations", "facilities", "body_sites", "anesthesia", "outcomes", "ethnic_groups", "provinces",
    "drugs", "address_words", "modalities", "tests",
)  # fmt: skip
DOSES = 1500  # generated ways of taking a drug
WEIGHTS = {"phrases": 6, "tumours": 3, "names": 3, "sentences": 1, "doses": 1}  # how often a line of each source counts
SELDOM = 3  # a word counted less that is no syllable is two words run together: 'trướckích'
PARTS = 10  # that the texts fall into; some are left out of the counts while weights are tuned


def write_language(path: Path = OWN / COUNTS) -> Path:
    """Count all texts and write them, gzip without a time stamp."""
    path.write_bytes(gzip.compress(counted(texts()).encode(), mtime=0))
    return path


def fits(path: Path) -> bool:
    """True when the weights beside the counts were tuned for these."""
    facts = path.with_name(FACTS)
    wanted = json.loads(facts.read_text(encoding="utf-8"))["sha256"] if facts.exists() else ""
    return bool(wanted == hashlib.sha256(path.read_bytes()).hexdigest())


def counted(lines: Iterator[tuple[str, int]]) -> str:
    """Lines and how often each counts -> 'word TAB count' and 'word TAB word TAB count', sorted."""
    words: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for text, weight in lines:
        bared = [START, *filter(None, map(bare, text.split()))]
        for one, other in zip(bared, [*bared[1:], ""], strict=True):
            words[one] += weight
            if other:
                pairs[one, other] += weight
    kept = {word for word, count in words.items() if count >= SELDOM or not _run_together(word)}
    rows = [f"{word}\t{count}" for word, count in sorted(words.items()) if word in kept]
    rows += [f"{one}\t{other}\t{count}" for (one, other), count in sorted(pairs.items()) if {one, other} <= kept]
    return "\n".join(rows) + "\n"


def _run_together(word: str) -> bool:
    return word.isalpha() and not word.isascii() and not is_syllable(word)


def texts(left_out: frozenset[int] = frozenset()) -> Iterator[tuple[str, int]]:
    """Every line of the sources and how often it counts, but those of the parts that are left out."""
    for source, lines in sources().items():
        yield from ((line, WEIGHTS[source]) for line in lines if part_of(line) not in left_out)


def sources() -> dict[str, list[str]]:
    """Source -> its lines."""
    names = column(LISTS / "neoplasm_names_vi.csv", "name_vi") + column(LISTS / "oncology_aliases_vi.csv", "alias_vi")
    rng, drugs = Random(1), column(LISTS / "drugs.csv", "name")
    return {
        "phrases": checked_lines(PHRASES),
        "sentences": checked_lines(SENTENCES),
        "tumours": names,
        "names": [name for part in NAMED for name in column(LISTS / f"{part}.csv", "name")] + form_labels(),
        "doses": [phrases.drug(rng, drugs) for _ in range(DOSES)],
    }


def part_of(line: str) -> int:
    """Which part a line belongs to; lines that begin with the same three words share one, so that none is half seen."""
    return crc32(" ".join(line.casefold().split()[:3]).encode()) % PARTS
