"""Training, tune: the weights of the language model, chosen on generated lines -> extractors/model/language.json.

Lines are printed in faces and made of texts that the counts they are tuned with have not seen: one part of the texts
to choose the weights on, another to measure them on. The counts that the product gets hold all texts.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import defaultdict
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from extractors.decoding import Options, best_chain, word_options
from extractors.language import COUNTS, FACTS, Language, Weights, language_of
from extractors.models import OWN
from extractors.reader import LineReader, own_reader
from training.alphabet import is_readable, tidy
from training.fonts import Face, load_faces
from training.intervals import interval
from training.language import counted, part_of, sources, texts
from training.lines import make_crop
from training.texts import MAKERS, Sources, load_sources

QUALITIES = ("scan", "fax", "photo", "hard")
TUNED_ON, CHECKED_ON = 0, 1  # parts of the texts
PROSE = {"phrases": 4, "sentences": 4, "tumours": 2}  # how often a line is taken from each source
LONGEST = 64  # characters of a line of prose
SHOUTED = 0.08  # share of lines in capitals
KINDS = {"prose": 60, "named": 20, "coded": 20}  # per cent; what stands in the line that must not be bent
CANDIDATES: dict[str, tuple[float, ...]] = {
    "common": (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9),
    "capitals": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7),
    "name": (0.0, 0.05, 0.1, 0.15, 0.2, 0.3),
    "syllable": (0.0, 1.0, 2.0, 3.0, 4.0, 6.0),
}
ROUNDS = 2  # through all weights
HARM = 5  # a line that was right and is broken costs as much as so many that were mended bring
log = logging.getLogger("training")


@dataclass(frozen=True)
class Trial:
    """A generated line: what it says, what the network alone reads, what each word may say."""

    kind: str
    quality: str
    truth: str
    plain: str
    words: list[Options]


def write_weights(lines: int, seed: int, folder: Path = OWN) -> Path:
    """Choose the weights, measure them, and write both beside the counts; `lines` per quality, twice."""
    reader, faces = own_reader(), [face for face in load_faces() if face.held_out and face.kind != "hand"]
    language = language_of(counted(texts(frozenset({TUNED_ON, CHECKED_ON}))), Weights())
    seen, unseen = (
        [
            drawn_trial(f"tune/{seed}/{part}/{i}", quality, part, faces, reader)
            for quality in QUALITIES
            for i in range(lines)
        ]
        for part in (TUNED_ON, CHECKED_ON)
    )
    chosen = replace(language, weights=best_weights(seen, language))
    facts = {
        "sha256": hashlib.sha256((folder / COUNTS).read_bytes()).hexdigest(),
        "weights": asdict(chosen.weights),
        "reader": reader.name,
        "seed": seed,
        "tuned_on": measured(seen, chosen),
        "checked_on": measured(unseen, chosen),
    }
    path = folder / FACTS
    path.write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return path


@cache
def held_out(part: int) -> dict[str, list[str]]:
    """Source -> its lines of one part."""
    return {source: [tidy(line) for line in lines if part_of(line) == part] for source, lines in sources().items()}


@cache
def lists() -> Sources:
    """Names, places and drugs for what is put into the lines; without the list under the GPL."""
    return load_sources(Path("no-such-list.csv"))


def drawn_trial(seed: str, quality: str, part: int, faces: list[Face], reader: LineReader) -> Trial:
    """One line made, drawn and read; the same seed gives the same line."""
    rng = Random(f"{seed}/{quality}")
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    face, text = rng.choice(faces), ""
    while not (text and is_readable(text) and face.draws(text)):
        text = tidy(made_text(rng, kind, held_out(part)))
    noise = np.random.default_rng(rng.getrandbits(63))
    crop = make_crop(text, face, quality, rng, noise, 1.0)
    (scores,) = reader.scores([crop])
    return Trial(kind, quality, text, reader.line(scores, crop).text, word_options(scores, reader.alphabet))


def made_text(rng: Random, kind: str, lines: dict[str, list[str]]) -> str:
    """Hospital prose, a value's beginning or the row that goes on; with a name or a code put in at any place."""
    words = rng.choice(lines[rng.choices(list(PROSE), list(PROSE.values()))[0]]).split()
    first = rng.choice((0, rng.randrange(len(words))))
    text = _up_to(" ".join(words[first:]), rng.randint(12, LONGEST))
    if kind != "prose":
        some = text.split()[:7]
        at = rng.randint(0, len(some))
        text = " ".join([*some[:at], _put_in(rng, kind), *some[at:]])
    if rng.random() < SHOUTED:
        return text.upper()
    return text[:1].upper() + text[1:] if first == 0 and rng.random() < 0.85 else text


def _put_in(rng: Random, kind: str) -> str:
    maker = rng.choice(
        ("names", "names", "addresses") if kind == "named" else ("codes", "drugs", "moments", "laboratory")
    )
    return MAKERS[maker](rng, lists())


def _up_to(text: str, longest: int) -> str:
    """Whole words of the text, together no longer than that, at least one."""
    return text if len(text) <= longest else text[: longest + 1].rsplit(" ", 1)[0]


def best_weights(trials: list[Trial], language: Language) -> Weights:
    """Each weight in turn set to the candidate with which most lines come out right and hardly one is broken."""
    best = Weights(common=CANDIDATES["common"][1])
    for _ in range(ROUNDS):
        for name, candidates in CANDIDATES.items():
            tried = [replace(best, **{name: value}) for value in candidates]
            best = max(tried, key=lambda weights: worth(trials, replace(language, weights=weights)))
        log.info("Weights %s", asdict(best))
    return best


def worth(trials: list[Trial], language: Language) -> int:
    """Lines that come out right, less the broken ones by their harm."""
    now = [(trial, chosen_text(trial, language) == trial.truth) for trial in trials]
    return sum(right for _, right in now) - HARM * sum(t.plain == t.truth and not right for t, right in now)


def chosen_text(trial: Trial, language: Language) -> str:
    return " ".join(best_chain(trial.words, language)) if trial.words else ""


def measured(trials: list[Trial], language: Language) -> dict[str, dict[str, Any]]:
    """Group -> lines, shares exact without and with the language (95 % intervals), how many it broke."""
    groups: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for trial in trials:
        plain, now = trial.plain == trial.truth, chosen_text(trial, language) == trial.truth
        for group in ("all", trial.quality, trial.kind):
            groups[group].append((plain, now))
    return {group: _shares(results) for group, results in groups.items()}


def _shares(results: list[tuple[bool, bool]]) -> dict[str, Any]:
    count, plain, now = len(results), sum(one for one, _ in results), sum(other for _, other in results)
    broken = sum(one and not other for one, other in results)
    return {"lines": count, "network_alone": _told(plain, count), "with_language": _told(now, count), "broken": broken}


def _told(right: int, count: int) -> str:
    """'81.0 % (79.2-82.7)'."""
    low, high = interval(right, count)
    return f"{100 * right / count:.1f} % ({100 * low:.1f}-{100 * high:.1f})"
