"""The code lists, built in or loaded by the hospital: a CSV's name becomes its rows, entries, or codes in force."""

import csv
import re
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

from records.errors import SohoaError

FOLDER = Path(__file__).resolve().parent / "code_lists"
NEOPLASMS, ALIASES = "neoplasm_names_vi", "oncology_aliases_vi"
ICD10_FORM = re.compile(r"[A-Z]\d\d(\.\d{1,2})?[†*]?")
LAST_DAY = "9999-12-31"

Made = TypeVar("Made", bound=Callable[..., Any])
_loaded: list[Path] = []
_forgets: list[Callable[[], None]] = []


class Wording(NamedTuple):
    """A name by which the ICD-10 list, or a list made for this project, calls a code."""

    code: str
    name: str


def read_from(folder: Path) -> None:
    """Lists that lie in `folder` are read in place of the built-in ones of the same name, from now on."""
    if _loaded != [folder]:
        _loaded[:] = [folder]
        forget()


def forget() -> None:
    """Read every list anew when it is next asked for, and make anew what was made of one."""
    for clear in _forgets:
        clear()


def of_lists(made: Made, most: int | None = None) -> Made:
    """A function whose last `most` answers (None: all) are kept until lists are read anew: for what is made of them."""
    kept = lru_cache(maxsize=most)(made)
    _forgets.append(kept.cache_clear)
    return cast(Made, kept)


@of_lists
def rows(name: str) -> tuple[dict[str, str], ...]:
    """All rows of list `name` by column; SohoaError when there is no such list."""
    found = (folder / f"{name}.csv" for folder in _loaded)
    return read(next((path for path in found if path.is_file()), FOLDER / f"{name}.csv"))


@of_lists
def entries(name: str) -> tuple[str, ...]:
    """The wordings of list `name` in the order of the file, each once."""
    column = "alias_vi" if name == ALIASES else "name_vi" if name == NEOPLASMS else "name"
    return tuple(dict.fromkeys(row[column] for row in rows(name) if row.get(column)))


@of_lists
def codes(name: str) -> frozenset[str]:
    """All codes of list `name`, whenever they were in force."""
    return frozenset(row["code"] for row in rows(name))


def name_of(name: str, code: str) -> str:
    """The first wording of a code of list `name`; the code itself where the list has it not."""
    return next((row["name"] for row in rows(name) if row["code"] == code), code)


def codes_on(name: str, day: str) -> frozenset[str]:
    """The codes of list `name` in force on an ISO day; empty limits are open."""
    return frozenset(row["code"] for row in rows(name) if in_force(row, day))


def in_force(row: dict[str, str], day: str) -> bool:
    """Whether a row of any list was valid on an ISO day."""
    return (row.get("valid_from") or "") <= day <= (row.get("valid_to") or LAST_DAY)


@of_lists
def icd10_rows(path: Path) -> tuple[dict[str, str], ...]:
    """The rows of the loaded ICD-10 list, of every edition in it."""
    return read(path)


@of_lists
def icd10_codes(path: Path | None = None) -> frozenset[str]:
    """ICD-10 codes of the list loaded at set-up and of the lists made for this project.

    `path`: the loaded CSV, or None. Without it the result holds the project's own codes only; see `icd10_complete`.
    """
    own = codes(NEOPLASMS) | codes(ALIASES)
    if not icd10_complete(path) or path is None:
        return own
    return own | frozenset(row["code"] for row in icd10_rows(path))


@partial(of_lists, most=64)  # days: each document asks of its own, each save of it again
def icd10_closed_on(path: Path, day: str) -> frozenset[str]:
    """Codes of the loaded list that stand in no edition in force on an ISO day."""
    listed = icd10_rows(path)
    return frozenset(row["code"] for row in listed) - frozenset(row["code"] for row in listed if in_force(row, day))


@of_lists
def icd10_wordings(path: Path | None = None) -> tuple[Wording, ...]:
    """What codes are called in Vietnamese, each wording of a code once; the names made for this project among them."""
    listed = icd10_rows(path) if path is not None and icd10_complete(path) else ()
    named = [Wording(row["code"], row["name_vi"]) for row in (*listed, *rows(NEOPLASMS))]
    named += [Wording(row["code"], row["alias_vi"]) for row in rows(ALIASES)]
    return tuple(dict.fromkeys(wording for wording in named if wording.name))


def icd10_complete(path: Path | None) -> bool:
    """True when the whole list is loaded, so that a code outside it may be doubted."""
    return path is not None and path.is_file()


def read(path: Path) -> tuple[dict[str, str], ...]:
    """The rows of a list's file; SohoaError when it cannot be read."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return tuple(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise SohoaError(f"Code list {path.name} cannot be read; load it again with `sohoa codes load`.") from error
