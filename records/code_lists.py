"""The code lists in records/code_lists/: a CSV's name becomes its rows, its entries, or the codes in force."""

import csv
import re
from functools import cache
from pathlib import Path

from records.errors import SohoaError

FOLDER = Path(__file__).resolve().parent / "code_lists"
NEOPLASMS, ALIASES = "neoplasm_names_vi", "oncology_aliases_vi"
ICD10_FORM = re.compile(r"[A-Z]\d\d(\.\d{1,2})?[†*]?")


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """All rows of list `name` by column; SohoaError when there is no such list."""
    return _read(FOLDER / f"{name}.csv")


@cache
def entries(name: str) -> tuple[str, ...]:
    """The wordings of list `name` in the order of the file, each once."""
    column = "alias_vi" if name == ALIASES else "name_vi" if name == NEOPLASMS else "name"
    return tuple(dict.fromkeys(row[column] for row in rows(name) if row.get(column)))


@cache
def codes(name: str) -> frozenset[str]:
    """All codes of list `name`, whenever they were in force."""
    return frozenset(row["code"] for row in rows(name))


def codes_on(name: str, day: str) -> frozenset[str]:
    """The codes of list `name` in force on an ISO day; empty limits are open."""
    return frozenset(
        row["code"] for row in rows(name) if row.get("valid_from", "") <= day <= (row.get("valid_to") or "9999-12-31")
    )


@cache
def icd10_codes(path: Path | None = None) -> frozenset[str]:
    """ICD-10 codes of the list loaded at set-up and of the lists made for this project.

    `path`: the loaded CSV, or None. Without it the result holds the project's own codes only; see `icd10_complete`.
    """
    own = codes(NEOPLASMS) | codes(ALIASES)
    if not icd10_complete(path) or path is None:
        return own
    return own | frozenset(row["code"] for row in _read(path))


def icd10_complete(path: Path | None) -> bool:
    """True when the whole list is loaded, so that a code outside it may be doubted."""
    return path is not None and path.is_file()


def _read(path: Path) -> tuple[dict[str, str], ...]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return tuple(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise SohoaError(f"Code list {path.name} cannot be read; load it again with `sohoa codes load`.") from error
