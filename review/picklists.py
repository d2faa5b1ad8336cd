"""Stage 8, review.picklists: what an officer types finds listed wordings and codes, whatever marks she leaves out."""

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import nsmallest
from pathlib import Path
from typing import NamedTuple

from records.code_lists import ALIASES, FOLDER, NEOPLASMS, entries, of_lists, rows
from records.document_types import ColumnSpec, FieldSpec
from transformers.lexicons import BY_KIND
from transformers.text import folded

MOST = 12
WORD = re.compile(r"[^\W_]+(?:\.\d+)?")
ICD10, DISEASES, PLACES = "icd10", "diseases", "places"
BY_FIELD_KIND = {**BY_KIND, "icd10": ICD10, "address": PLACES, "outcome": "outcomes"}
# Several codes stand in one field, and a place ends an address: only what is behind the last mark is looked up.
SEPARATORS = {ICD10: ";", PLACES: ","}


class Choice(NamedTuple):
    """A line of a pick-list: what goes into the field, and what explains it."""

    value: str
    name: str = ""


class _Line(NamedTuple):
    choice: Choice
    key: str
    words: tuple[str, ...]


def pick_list_of(spec: FieldSpec | ColumnSpec | None) -> str:
    """The list that a field picks from: its lexicon, that of its kind, diseases for a diagnosis in words; '' none."""
    if spec is None:
        return ""
    words_of_a_diagnosis = spec.name.startswith("diagnosis") and spec.kind in ("text", "long_text")
    return spec.lexicon or (DISEASES if words_of_a_diagnosis else BY_FIELD_KIND.get(spec.kind, ""))


def search(name: str, asked: str, icd10_path: Path | None = None, most: int = MOST) -> tuple[Choice, ...]:
    """The lines that hold every part asked for, nearest first; KeyError for no such list."""
    parts = folded(asked).split()
    found = [line for line in _lines(name, icd10_path) if all(part in line.key for part in parts)]
    return tuple(line.choice for line in nsmallest(most, found, key=lambda line: _distance(line, parts)))


def get_ready(icd10_path: Path | None) -> None:
    """Have the long lists in memory before somebody types."""
    for name in (ICD10, DISEASES):
        _lines(name, icd10_path)


def _distance(line: _Line, parts: Sequence[str]) -> tuple[bool, int, int]:
    """Lines that begin with what was asked, then those where its parts are whole words, then their beginnings."""
    whole = sum(part not in line.words for part in parts)
    begun = sum(f" {part}" not in f" {line.key}" for part in parts)
    return not line.key.startswith(" ".join(parts)), whole, begun


@of_lists
def _lines(name: str, icd10_path: Path | None) -> tuple[_Line, ...]:
    listed = LISTS[name](icd10_path) if name in LISTS else _wordings(name)
    return tuple(map(_line, dict.fromkeys(listed)))


def _line(choice: Choice) -> _Line:
    key = folded(f"{choice.value} {choice.name}").strip()
    return _Line(choice=choice, key=key, words=tuple(WORD.findall(key)))


def _wordings(name: str) -> Iterable[Choice]:
    if name not in {path.stem for path in FOLDER.glob("*.csv")}:
        raise KeyError(name)
    return [Choice(value=wording) for wording in entries(name)]


def _icd10(path: Path | None) -> Iterable[Choice]:
    return [Choice(value=code, name=name) for code, name in _disease_names(path)]


def _diseases(path: Path | None) -> Iterable[Choice]:
    aliases = [Choice(value=row["alias_vi"], name=row["code"]) for row in rows(ALIASES)]
    return [*aliases, *(Choice(value=name, name=code) for code, name in _disease_names(path) if name)]


def _disease_names(path: Path | None) -> Sequence[tuple[str, str]]:
    """(code, Vietnamese name, else the English one), by code; the names made for this project win."""
    named: dict[str, str] = {}
    if path and path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            named = {row["code"]: row["name_vi"] or row["name_en"] for row in csv.DictReader(file)}
    named |= {row["code"]: row["name_vi"] for row in rows(NEOPLASMS) if row["name_vi"]}
    return sorted(named.items())


def _places(_: Path | None) -> Iterable[Choice]:
    return [
        Choice(value=row["name"], name=f"→ {row['successor']}" if row.get("successor") else "")
        for row in rows("provinces")
    ]  # fmt: skip


LISTS: Mapping[str, Callable[[Path | None], Iterable[Choice]]] = {
    ICD10: _icd10, DISEASES: _diseases, PLACES: _places,
}  # fmt: skip
