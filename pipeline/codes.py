"""Set-up, pipeline.codes: a file becomes one of the hospital's own code lists in the data folder, whole or not at all.

The lists that come with the product lie in records/code_lists/; one loaded here is read in its place. What it replaces
is kept in codes/earlier/. An edition that begins on a day is put behind the codes that were in force before it, so that
each event keeps the codes of its own day (Circular 06/2026 Art. 6.3: old codes are not overwritten).
"""

import csv
import hashlib
import io
import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from records import code_lists, file_rules
from records.base import Frozen
from records.errors import SohoaError
from transformers.icd_import import COLUMNS as ICD10_COLUMNS

ICD10 = "icd10"
OPTIONAL = ("valid_from", "valid_to")
ONCE = frozenset({ICD10, "provinces", "insurance_groups"})  # one wording of a code on any day
RULES = {file_rules.RETENTION: file_rules.retention_rules, file_rules.EXPECTED: file_rules.expected_forms}
JOURNAL, JOURNAL_COLUMNS = "loaded.csv", ("loaded_at", "list", "file", "file_sha256", "valid_from", "rows", "sha256")

Row = dict[str, str]


class LoadedList(Frozen):
    """A list as it stands after loading. `rows`: of all its editions."""

    name: str
    rows: int
    sha256: str


def load_list(
    source: Path, folder: Path, name: str = "", valid_from: date | None = None, sha256: str = ""
) -> LoadedList:
    """Put a CSV into `folder` as list `name` (default: what the file is called); SohoaError where it is refused.

    `valid_from`: first day of this edition; the rows in force until then end the day before. `sha256`: what the file
    must have, else that in SOURCE.sha256 beside it, where there is one.
    """
    name = name or source.name.split(".")[0]
    data = _checked(source, sha256)
    columns, rows = _rows(source, data, _columns_of(name))
    rows = _icd10(source, rows) if name == ICD10 else rows
    path = folder / f"{name}.csv"
    if valid_from:
        columns, rows = _followed(path, name, columns, rows, valid_from)
    _refuse_overlaps(source, name, rows)
    fresh = _written(path, columns, rows)
    try:
        _refuse_unruly(fresh, name)
    except SohoaError:
        fresh.unlink()
        raise
    _keep(path)
    fresh.replace(path)
    loaded = LoadedList(name=name, rows=len(rows), sha256=_sum(path.read_bytes()))
    _note(folder, source, data, valid_from, loaded)
    code_lists.forget()
    return loaded


def _checked(source: Path, wanted: str) -> bytes:
    try:
        data = source.read_bytes()
        beside = source.with_name(f"{source.name}.sha256")
        wanted = wanted or (beside.read_text(encoding="ascii").split() or [""])[0] if beside.is_file() else wanted
    except (OSError, UnicodeDecodeError) as error:
        raise SohoaError(f"{source} cannot be read; give a CSV in UTF-8 or the folder of the package.") from error
    if wanted and wanted.lower() != _sum(data):
        raise SohoaError(f"{source} has not the checksum {wanted[:12]}…; fetch it again. The list before it stays.")
    return data


def _columns_of(name: str) -> tuple[str, ...]:
    """The columns that a list must have: those of the list that comes with the product."""
    if name == ICD10:
        return ICD10_COLUMNS
    built_in = code_lists.FOLDER / f"{name}.csv"
    if not built_in.is_file():
        known = ", ".join(sorted({ICD10, *(path.stem for path in code_lists.FOLDER.glob("*.csv"))}))
        raise SohoaError(f"There is no list '{name}'; say which it is with --list: {known}.")
    with built_in.open(encoding="utf-8", newline="") as file:
        return tuple(column for column in next(csv.reader(file)) if column not in OPTIONAL)


def _rows(source: Path, data: bytes, needed: Sequence[str]) -> tuple[list[str], list[Row]]:
    try:
        reader = csv.DictReader(io.StringIO(unicodedata.normalize("NFC", data.decode("utf-8-sig"))), strict=True)
        columns, rows = list(reader.fieldnames or ()), list(reader)
    except (UnicodeDecodeError, csv.Error) as error:
        raise SohoaError(f"{source} cannot be read; give a CSV in UTF-8 or the folder of the package.") from error
    lacking = [column for column in needed if column not in columns]
    if lacking:
        raise SohoaError(f"{source} has no column {', '.join(lacking)}; it needs {', '.join(needed)}.")
    if not rows:
        raise SohoaError(f"{source} holds no rows.")
    for line, row in enumerate(rows, 2):
        _refuse_poor(source, line, row)
    return columns, [{column: " ".join(row[column].split()) for column in columns} for row in rows]


def _icd10(source: Path, rows: Sequence[Row]) -> list[Row]:
    """Codes as they are written: the Ministry's file of 2026 has U13/9 for U13.9."""
    found = [row | {"code": row["code"].replace("/", ".")} for row in rows]
    for line, row in enumerate(found, 2):
        if not code_lists.ICD10_FORM.fullmatch(row["code"]):
            raise SohoaError(f"{source}, line {line}: '{row['code']}' is no ICD-10 code.")
    return found


def _refuse_poor(source: Path, line: int, row: Mapping[str, str]) -> None:
    """Refuse a row with too few or too many cells, without code and name, or with days that are none."""
    if None in row or None in row.values():
        raise SohoaError(f"{source}, line {line}: has another number of cells than the heading.")
    if not any(row.get(column, "").strip() for column in ("code", "name", "alias_vi", "name_vi")):
        raise SohoaError(f"{source}, line {line}: has neither code nor name.")
    try:
        first, last = (date.fromisoformat(row[c]) if row.get(c) else None for c in OPTIONAL)
    except ValueError as error:
        raise SohoaError(f"{source}, line {line}: days are written 2026-07-01 ({error}).") from error
    if first and last and first > last:
        raise SohoaError(f"{source}, line {line}: valid_from lies after valid_to.")


def _followed(
    path: Path, name: str, columns: Sequence[str], rows: Iterable[Row], valid_from: date
) -> tuple[list[str], list[Row]]:
    """The rows before, closed on the day before, and behind them the new edition."""
    before = path if path.is_file() or name == ICD10 else code_lists.FOLDER / path.name
    earlier = [dict(row) for row in code_lists.read(before)] if before.is_file() else []
    day, eve = valid_from.isoformat(), (valid_from - timedelta(days=1)).isoformat()
    for row in earlier:
        row["valid_to"] = min(row.get("valid_to") or code_lists.LAST_DAY, eve)
        if (row.get("valid_from") or "") >= day:
            raise SohoaError(f"An edition of {name} that begins on {day} or later is loaded already; nothing changed.")
    fresh = [row | {"valid_from": row.get("valid_from") or day, "valid_to": row.get("valid_to", "")} for row in rows]
    every = list(dict.fromkeys((*columns, *(column for row in earlier[:1] for column in row), *OPTIONAL)))
    return every, [*earlier, *fresh]


def _refuse_overlaps(source: Path, name: str, rows: Iterable[Row]) -> None:
    """Refuse two rows of one code (of one wording, where a code has several) that are in force on the same day."""
    spans: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for row in rows:
        key = (row["code"],) if name in ONCE else tuple(v for c, v in row.items() if c not in (*OPTIONAL, "source"))
        spans.setdefault(key, []).append((row.get("valid_from") or "", row.get("valid_to") or code_lists.LAST_DAY))
    for key, found in spans.items():
        found.sort()
        for (_, end), (start, _) in zip(found, found[1:], strict=False):
            if start <= end:
                raise SohoaError(f"{source}: '{key[0]}' is in force twice on {start or end}. The list before it stays.")


def _refuse_unruly(fresh: Path, name: str) -> None:
    """Rules for whole files are read as they will be read."""
    if name in RULES:
        RULES[name].cache_clear()
        RULES[name](fresh)


def _written(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> Path:
    """The list under another name beside its place, safely on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        file.flush()
        os.fsync(file.fileno())
    return fresh


def _keep(path: Path) -> None:
    """What stood there until now, by its checksum."""
    if path.is_file():
        kept = path.parent / "earlier" / f"{path.stem}-{_sum(path.read_bytes())[:12]}.csv"
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(path.read_bytes())


def _note(folder: Path, source: Path, data: bytes, valid_from: date | None, loaded: LoadedList) -> None:
    journal = folder / JOURNAL
    new = not journal.exists()
    with journal.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(JOURNAL_COLUMNS)
        at = datetime.now(UTC).isoformat(timespec="seconds")
        day = valid_from.isoformat() if valid_from else ""
        writer.writerow((at, loaded.name, source.name, _sum(data), day, loaded.rows, loaded.sha256))


def loaded(folder: Path) -> list[LoadedList]:
    """What was last loaded of each list, by name."""
    if not (folder / JOURNAL).is_file():
        return []
    last = {row["list"]: row for row in code_lists.read(folder / JOURNAL)}
    return [LoadedList(name=n, rows=int(row["rows"]), sha256=row["sha256"]) for n, row in sorted(last.items())]


def altered(folder: Path) -> list[str]:
    """Loaded lists that are no longer what was loaded, by name."""
    paths = {one.sha256: folder / f"{one.name}.csv" for one in loaded(folder)}
    return [p.stem for sha256, p in paths.items() if not p.is_file() or _sum(p.read_bytes()) != sha256]


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
