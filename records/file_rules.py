"""Rules for whole files as data: how long a file is kept and which forms it must hold, from records/code_lists/.

A list that cannot be right is refused whole, with its file, line, column and reason.
"""

import csv
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from records.base import Frozen
from records.code_lists import FOLDER
from records.document_types import document_types
from records.errors import SohoaError

RETENTION, EXPECTED = "retention", "expected_forms"
ORDINARY, DEATH = "ordinary", "death"
FIRST_DAY, LAST_DAY = date(1900, 1, 1), date(9999, 12, 31)

ICD10_RANGE = r"^[A-Z]\d\d(\.\d{1,2}|-[A-Z]\d\d)?$"


def _parts(cell: object) -> object:
    return tuple(part.strip() for part in cell.split(";") if part.strip()) if isinstance(cell, str) else cell


def _day(unlimited: date) -> BeforeValidator:
    return BeforeValidator(lambda cell: unlimited if cell == "" else cell)


Parts = Annotated[tuple[str, ...], BeforeValidator(_parts)]
Codes = Annotated[tuple[Annotated[str, Field(pattern=ICD10_RANGE)], ...], BeforeValidator(_parts)]
Yes = Annotated[bool, BeforeValidator(lambda cell: {"yes": True, "": False}.get(cell, cell))]


class DatedRule(Frozen):
    """A rule of a list with the days, inclusive, between which it was in force, and where it comes from."""

    name: str = Field(min_length=1)
    valid_from: Annotated[date, _day(FIRST_DAY)]
    valid_to: Annotated[date, _day(LAST_DAY)]
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> "DatedRule":
        if self.valid_from > self.valid_to:
            raise ValueError("valid_from lies after valid_to")
        return self

    @property
    def key(self) -> str:
        """What only one rule may stand for on a day."""
        raise NotImplementedError

    def in_force(self, day: date) -> bool:
        return self.valid_from <= day <= self.valid_to


class RetentionRule(DatedRule):
    """A retention class. `years`: after the end of the year in which the treatment ended; `outcome`, `icd10` (codes,
    their beginnings or ranges) and `words` of the diagnosis: what puts a file into it, each by itself."""

    code: str = Field(pattern=r"^[a-z_]+$")
    years: int = Field(ge=1, le=200)
    outcome: str
    icd10: Codes
    words: Parts

    @property
    def key(self) -> str:
        return self.code


class ExpectedForm(DatedRule):
    """A form that an inpatient file must hold. `forms`: document types, any of which serves; `when`: document types
    that call for it, empty: always; `inpatient`: only inpatient files hold it, so it tells one."""

    forms: Parts = Field(min_length=1)
    when: Parts
    inpatient: Yes

    @property
    def key(self) -> str:
        return ";".join(self.forms)


Rule = TypeVar("Rule", bound=DatedRule)


@cache
def retention_rules(path: Path = FOLDER / f"{RETENTION}.csv") -> tuple[RetentionRule, ...]:
    """The retention classes of every era; SohoaError when the list is wrong or `ordinary` or `death` has a gap."""
    rules = _rules(path, RetentionRule)
    for needed in (ORDINARY, DEATH):
        next_day = FIRST_DAY
        for rule in sorted((rule for rule in rules if rule.code == needed), key=lambda rule: rule.valid_from):
            if rule.valid_from > next_day:
                break
            next_day = min(rule.valid_to, LAST_DAY - timedelta(1)) + timedelta(1)
        if next_day < LAST_DAY:
            raise SohoaError(f"{path.name}: code: no class '{needed}' from {next_day} on; every day needs one.")
    return rules


@cache
def expected_forms(path: Path = FOLDER / f"{EXPECTED}.csv") -> tuple[ExpectedForm, ...]:
    """The forms of an inpatient file in every era; SohoaError when the list is wrong or names an unknown type."""
    rules = _rules(path, ExpectedForm)
    known = document_types()
    for line, rule in enumerate(rules, start=2):
        for column, names in (("forms", rule.forms), ("when", rule.when)):
            for name in names:
                if name not in known:
                    raise SohoaError(f"{path.name}: line {line}: {column}: there is no document type '{name}'.")
    return rules


def _rules(path: Path, kind: type[Rule]) -> tuple[Rule, ...]:
    columns, rows = _read(path)
    wanted = list(kind.model_fields)
    wrong = [name for name in columns if name not in wanted] or [name for name in wanted if name not in columns]
    if wrong:
        raise SohoaError(f"{path.name}: line 1: {wrong[0]}: the columns must be {', '.join(sorted(wanted))}.")
    rules = tuple(_rule(path, line, kind, row) for line, row in enumerate(rows, start=2))
    _refuse_overlaps(path, rules)
    return rules


def _read(path: Path) -> tuple[Sequence[str], list[dict[str, Any]]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, restval="")
            return reader.fieldnames or (), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SohoaError(f"Code list {path.name} cannot be read; write it as CSV in UTF-8.") from error


def _rule(path: Path, line: int, kind: type[Rule], row: Mapping[str, Any]) -> Rule:
    if None in row:
        raise SohoaError(f"{path.name}: line {line}: more cells than columns; put names with a comma between quotes.")
    try:
        return kind.model_validate(dict(row))
    except ValidationError as error:
        first = error.errors()[0]
        column = str(first["loc"][0]) if first["loc"] else "valid_from"
        raise SohoaError(f"{path.name}: line {line}: {column}: {first['msg']}") from error


def _refuse_overlaps(path: Path, rules: Sequence[DatedRule]) -> None:
    for later, rule in enumerate(rules):
        for earlier, other in enumerate(rules[:later]):
            if rule.key == other.key and rule.valid_from <= other.valid_to and other.valid_from <= rule.valid_to:
                raise SohoaError(
                    f"{path.name}: line {later + 2}: valid_from: overlaps line {earlier + 2}, also '{rule.key}'."
                )
