"""Stage 5, extractors.numbered: read lists of numbered blocks, such as the drugs of a prescription."""

import re
from collections.abc import Callable
from itertools import pairwise

from rapidfuzz.distance import Levenshtein

from extractors.cells import STRENGTH, drug_and_strength, quantity_and_unit
from extractors.found import Found
from extractors.rows import Row, fold
from records.document_types import ColumnSpec, TableSpec
from records.pages import Word

EndOf = Callable[[int], int]

NUMBERED = re.compile(r"^(\d{1,2})[.)/]$")
COUNT = re.compile(
    r"^([x×])?\s*\d{1,4}\s*\(?(?:viên|lọ|ống|gói|chai|tuýp|tube|hộp|túi|vỉ|bút|miếng|nang|bình)\)?$", re.IGNORECASE
)


def numbered_blocks(rows: list[Row], spec: TableSpec, end_of: EndOf) -> tuple[list[Found], int, int]:
    """Blocks such as '1. Metformin 850mg  Số lượng: 7 viên / Cách dùng: ...', the number often lost by the reader.

    What was found, and the rows (first, past the last) it fills; `end_of`: where a table ends that began before a row.
    """
    labels = tuple(fold(label) for c in spec.columns for label in c.labels)
    labelled = [i for i, row in enumerate(rows) if any(_label_at(row, label) is not None for label in labels)]
    told = sorted({*labelled, *(i for i, row in enumerate(rows) if _is_item(row))})
    if not told:
        return [], 0, 0
    end = end_of(told[-1] + 1)
    starts = [i for i in range(max(0, told[0] - 1), told[-1] + 1) if _starts_block(rows, i, labels)]
    found: list[Found] = []
    for index, (first, after) in enumerate(pairwise([*starts, end])):
        found += _block(rows[first:after], f"{spec.name}[{index}]", spec)
    return (found, starts[0], end) if starts else ([], 0, 0)


def _starts_block(rows: list[Row], i: int, labels: tuple[str, ...]) -> bool:
    """A row that opens with the key: numbered, or with a label later on it, or just above a row that opens with one."""
    at = [p for label in labels if (p := _label_at(rows[i], label)) is not None]
    if 0 in at:
        return False
    if at or _is_item(rows[i]):
        return True
    below = i + 1 < len(rows) and any(_label_at(rows[i + 1], label) == 0 for label in labels)
    return below and (bool(NUMBERED.match(rows[i].words[0].text)) or bool(STRENGTH.search(rows[i].text)))


def _is_item(row: Row) -> bool:
    """A number, a drug, its strength and how many: '1. Metformin 850mg   x 28 viên'."""
    numbered = NUMBERED.match(row.words[0].text) and STRENGTH.search(row.text)
    return bool(numbered) and bool(_without_count(list(row.words))[1])


def _label_at(row: Row, label: str) -> int | None:
    """Index of the word where a folded label with a colon begins on a row, or None; item numbers do not count."""
    words = [w for w in row.words if not NUMBERED.match(w.text)]
    for first in range(len(words)):
        text = ""
        for word in words[first : first + 4]:
            text += fold(word.text)
            if word.text.endswith((":", ";")) and Levenshtein.normalized_similarity(text, label) >= 0.8:
                return first
    return None


def _block(rows: list[Row], field: str, spec: TableSpec) -> list[Found]:
    """Parts of one numbered block; words before the first label are the key."""
    head = list(rows[0].words[1:] if NUMBERED.match(rows[0].words[0].text) else rows[0].words)
    words = head + [w for row in rows[1:] for w in row.words]
    cuts = _label_cuts(words, spec)
    key = words[: min(cuts[0][0], len(head))] if cuts else head
    key, counted = _without_count(key) if all(c.name != "quantity" for _, _, c in cuts) else (key, [])
    found = drug_and_strength(field, key, "numbered")
    if counted:
        found += quantity_and_unit(field, counted, "numbered")
    if not cuts and (rest := words[len(head) :]):
        found.append(Found(f"{field}.dosage", "long_text", "numbered", (tuple(rest),)))
    for (_, past, column), following in zip(cuts, [*cuts[1:], None], strict=False):
        part = words[past : following[0] if following else len(words)]
        if part and column.name == "quantity":
            same_row = [w for w in part if w.box.middle < part[0].box.bottom]
            found += quantity_and_unit(field, same_row, "numbered")
            if len(same_row) < len(part) and not any(c.name == "dosage" for _, _, c in cuts):
                found.append(Found(f"{field}.dosage", "long_text", "numbered", (tuple(part[len(same_row) :]),)))
        elif part:
            found.append(Found(f"{field}.{column.name}", column.kind, "numbered", (tuple(part),)))
    return found


def _without_count(key: list[Word]) -> tuple[list[Word], list[Word]]:
    """'Metformin 850mg x 28 viên' as the drug's words and its quantity with the unit."""
    for i in range(max(1, len(key) - 3), len(key)):
        text = " ".join(w.text for w in key[i:])
        if found := COUNT.match(text):
            return key[:i], key[i + (key[i].text == found[1]) :]
    return key, []


def _label_cuts(words: list[Word], spec: TableSpec) -> list[tuple[int, int, ColumnSpec]]:
    """(first word, word past the label, column) for each label with a colon, in order."""
    cuts = []
    for column in spec.columns:
        for label in column.labels:
            size = len(label.split())
            for i in range(len(words) - size + 1):
                text = " ".join(w.text for w in words[i : i + size])
                if Levenshtein.normalized_similarity(fold(text), fold(label)) >= 0.8 and text.rstrip().endswith(
                    (":", ";")
                ):
                    cuts.append((i, i + size, column))
    unique = {c[2].name: c for c in sorted(cuts, key=lambda c: (c[0], -c[1]), reverse=True)}
    return sorted(unique.values(), key=lambda c: c[0])
