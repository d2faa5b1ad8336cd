"""Stage 7, validation.batch_facts: what a batch says, and what its facility's lists and history say, becomes columns
that a suite asks about; pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from validation.suites import Kind

ADMITTED, DISCHARGED, NUMBER, PATIENT = (
    "encounter.admitted_at", "encounter.discharged_at", "encounter.number", "patient.id",
)  # fmt: skip
NAME, DEPARTMENT, ICD10 = "patient.name", "encounter.department", "icd10"
OWNED = (PATIENT, "patient.insurance_number", "patient.national_id")  # numbers that one person has
LOOKED_AT = (ADMITTED, DISCHARGED, NUMBER, DEPARTMENT, NAME, *OWNED)
COLUMNS = ["document_id", "file_id", "field", "kind", "value", "folded"]
TOGETHER = 2  # years that the papers of a box commonly span
IN_COMMON = 0.9  # share of the days that must lie in them, else the batch has no years in common

Column = pd.Series  # one figure or word for each thing that is asked about
Measure = Mapping[str, tuple["pd.Series[float]", Sequence["pd.Series[float]"]]]


@dataclass(frozen=True)
class BatchFacts:
    """One batch, counted.

    `pages`: the state of each page. `verdicts`: accept or review, of each value. `values`: accepted ones of files that
    nothing stops, see `COLUMNS`; `folded` is without marks. `forms`: for each inpatient file and form that it must
    hold, whether it is there. `stays`, `patients`: numbers of the batch that the registry knows, None where it knows no
    stay at all. `codes`, `departments` (folded): the lists, empty where there is none. `box_years`: first and last year
    of the registry's stays in the batch's box. `proven`: the facility has an accuracy contract. `measures`: by rule and
    what it is about, a figure for each thing in this batch and in each earlier one.
    """

    pages: "pd.Series[str]"
    verdicts: "pd.Series[str]"
    values: pd.DataFrame
    forms: pd.DataFrame
    stays: frozenset[str] | None
    patients: frozenset[str] | None
    codes: frozenset[str]
    departments: frozenset[str]
    box_years: tuple[int, int] | None
    proven: bool
    measures: Mapping[str, Measure]


class Told(NamedTuple):
    """What a rule is asked of. `rows`: whose each is, by document_id, field and value, where it is a document's."""

    kind: Kind
    column: "pd.Series[Any]"
    rows: pd.DataFrame = pd.DataFrame()
    arguments: Mapping[str, Any] = {}
    past: Sequence["pd.Series[Any]"] = ()


def years_of(facts: BatchFacts) -> Told:
    """The years of admission and discharge."""
    rows = facts.values[facts.values["field"].isin([ADMITTED, DISCHARGED])]
    return Told(Kind.BETWEEN, rows["value"].str[:4].astype(int), rows)


def common_years(years: "pd.Series[int]") -> tuple[int, int] | None:
    """The first and last of the consecutive years that hold most, None where they do not hold nearly all."""
    firsts = {int(year): float(years.between(year, year + TOGETHER - 1).mean()) for year in years.unique()}
    first = max(sorted(firsts), key=lambda year: firsts[year], default=0)
    return (first, first + TOGETHER - 1) if firsts and firsts[first] >= IN_COMMON else None


def numbers_of(facts: BatchFacts, field: str) -> Told:
    """The numbers in a field, each once a file."""
    rows = facts.values[facts.values["field"] == field].drop_duplicates(["file_id", "value"])
    return Told(Kind.IN_SET, rows["value"], rows)


def departments_of(facts: BatchFacts) -> Told:
    """The names of departments, without marks."""
    rows = facts.values[facts.values["field"] == DEPARTMENT]
    return Told(Kind.IN_SET, rows["folded"], rows)


def codes_of(facts: BatchFacts) -> Told:
    """The codes of diagnoses one by one; a code with a digit more than the list has counts as the listed one."""
    rows = facts.values[facts.values["kind"] == ICD10]
    rows = rows.assign(value=rows["value"].str.split(";")).explode("value", ignore_index=True)
    bare = rows["value"].str.rstrip("†*")
    return Told(Kind.IN_SET, bare.where(bare.isin(facts.codes), bare.str[:5]), rows)


def owners_of(facts: BatchFacts) -> Iterator[tuple[str, Told]]:
    """For each kind of number that one person has: the numbers, each once for every name that stands in its file."""
    names = facts.values[facts.values["field"] == NAME][["file_id", "folded"]]
    for field in OWNED:
        rows = facts.values[facts.values["field"] == field].drop(columns="folded").merge(names, on="file_id")
        rows = rows.drop_duplicates(["value", "folded"])
        yield field, Told(Kind.UNIQUE, rows["value"], rows)
