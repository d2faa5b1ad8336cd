"""Stage 7, validation.batch_suite: the figures of a whole batch become the questions of the suite in batch_suite.yaml.

What cannot be asked, for want of things to count, of a list or of a history, is said so and not passed in silence.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd
import yaml
from pydantic import Field, ValidationError

from records.base import Frozen
from records.document_types import Names, document_types
from records.errors import SohoaError
from validation.batch_facts import (
    NUMBER,
    PATIENT,
    BatchFacts,
    Told,
    codes_of,
    common_years,
    departments_of,
    numbers_of,
    owners_of,
    years_of,
)
from validation.suites import Expectation, FailedExpectation, Kind, Severity

FILE = Path(__file__).resolve().parent / "batch_suite.yaml"
STEP = 0.05  # of a share: a failure accepted at 72 % is another one at 76 %
STATES = ("blank", "duplicate", "quarantined")
AROUND = 1  # years before and after a window that still pass


class BatchRule(Frozen):
    """One rule of the batch as a whole; see the head of the YAML. What it is about is a blank of `title` and `says`."""

    severity: Severity
    least: int = Field(ge=1)
    at_most: float = Field(default=0, ge=0, lt=1)
    slack: float = Field(default=0, ge=0)
    figure: Literal["share", "number"] = "share"
    title: Names
    says: Names

    def sentence(self, language: str, field: str) -> str:
        """What is said when it fails."""
        said = self.says.vi if language == "vi" else self.says.en
        return said.format(field=about(field, language))

    def name(self, language: str, field: str) -> str:
        """What it counts."""
        return (self.title.vi if language == "vi" else self.title.en).format(field=about(field, language))


class History(Frozen):
    """Which earlier batches speak: at least `batches` of the `newest`, each of `files` or more; `z` sigmas are far."""

    batches: int = Field(ge=2)
    newest: int = Field(ge=2)
    files: int = Field(ge=1)
    z: float = Field(gt=0)


class BatchSuite(Frozen):
    """The hand-written suite with a facility's own bounds."""

    history: History
    rules: dict[str, BatchRule]


class Question(NamedTuple):
    """A rule with what it is asked of. `told`: the column; `rows`: whose each of it is, by document_id, field, value;
    `measured`: the share that breaks it, or the mean or median; `low`, `high`: between which that may lie."""

    own: BatchRule
    asked: Expectation
    told: "pd.Series[Any]"
    rows: pd.DataFrame
    measured: float
    low: float
    high: float

    @property
    def broken(self) -> bool:
        """Whether the figure lies outside its bounds, as Great Expectations would say."""
        return not self.low <= self.measured <= self.high


class NotAsked(NamedTuple):
    """A rule that was not asked. `why`: few, no_registry, no_box, no_common_years, no_list, unproven or no_history."""

    own: BatchRule
    rule: str
    field: str
    why: str


Answer = Question | NotAsked
Asked = Iterator[tuple[str, Told | str]]  # what a rule is about, and what it is asked of or why it is not


def batch_suite(facility: str, own: Path | None = None) -> BatchSuite:
    """The suite of a facility. `own`: the data folder's batch_suite.yaml; SohoaError names what is wrong in it."""
    suite = _written()
    if own is None or not own.exists():
        return suite
    try:
        changed = (yaml.safe_load(own.read_text(encoding="utf-8")) or {}).get(facility) or {}
        rules = {name: rule.model_dump() for name, rule in suite.rules.items()}
        for name, bounds in (changed.get("rules") or {}).items():
            rules[name] |= _bounds(name, bounds)
        history = suite.history.model_dump() | (changed.get("history") or {})
        return BatchSuite.model_validate({"history": history, "rules": rules})
    except (OSError, yaml.YAMLError, AttributeError, TypeError) as error:
        raise SohoaError(f"{own} cannot be read ({error}); write facility, then rules, then their bounds.") from error
    except KeyError as error:
        raise SohoaError(f"{own.name}: {facility}: rules: there is no rule {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ": ".join(map(str, first["loc"]))
        raise SohoaError(f"{own.name}: {facility}: {where}: {first['msg']}") from error


def _bounds(name: str, bounds: Mapping[str, Any]) -> Mapping[str, Any]:
    if foreign := bounds.keys() - {"severity", "least", "at_most", "slack"}:
        raise KeyError(f"{name}: {min(foreign)}")
    return bounds


@cache
def _written() -> BatchSuite:
    return BatchSuite.model_validate(yaml.safe_load(FILE.read_text(encoding="utf-8")))


def answers(suite: BatchSuite, facts: BatchFacts) -> Iterator[Answer]:
    """Each rule of the suite, once per thing that it is about, in the order of the YAML."""
    for name, rule in suite.rules.items():
        for field, told in SOURCES[name](facts, name):
            if isinstance(told, str):
                yield NotAsked(rule, name, field, told)
            elif len(told.column) < rule.least:
                yield NotAsked(rule, name, field, "few")
            else:
                yield _history(suite, name, field, told) if name in HISTORICAL else _asked(rule, name, field, told)


def behind(question: Question) -> list[tuple[str, str, str]]:
    """(document_id, field, value) of what breaks a rule; where it is a figure of the whole, a mark for each step that
    it lies beyond its bound, so that who accepts it accepts no worse."""
    if question.asked.kind in BREAKS and "document_id" in question.rows:
        broken = BREAKS[question.asked.kind](question.told, question.asked.arguments)
        rows = question.rows[broken.to_numpy()]
        return list(rows[["document_id", "field", "value"]].itertuples(index=False, name=None))
    if not question.broken:
        return []
    beyond = max(question.low - question.measured, question.measured - question.high)
    return [("", question.asked.field, f"+{step}") for step in range(math.floor(beyond / STEP) + 1)]


def _asked(rule: BatchRule, name: str, field: str, told: Told) -> Answer:
    arguments = dict(told.arguments)
    broken = float(BREAKS[told.kind](told.column, arguments).mean())
    if told.kind is not Kind.UNIQUE:
        arguments["mostly"] = 1 - rule.at_most
    return Question(
        rule, _expectation(rule, name, field, told.kind, arguments), told.column, told.rows, broken, 0, rule.at_most
    )


def _history(suite: BatchSuite, name: str, field: str, told: Told) -> Answer:
    """A figure against those of earlier batches: their mean, give or take what chance and their own spread explain."""
    rule = suite.rules[name]
    past = [column for column in told.past if len(column) >= rule.least]
    if len(past) < suite.history.batches:
        return NotAsked(rule, name, field, "no_history")
    middle = "median" if told.kind is Kind.MEDIAN else "mean"
    figures = pd.Series([float(getattr(column, middle)()) for column in past])
    within = float(pd.concat(past).var(ddof=0)) * (math.pi / 2 if middle == "median" else 1)
    room = suite.history.z * math.sqrt(float(figures.var()) + within / len(told.column)) + rule.slack
    low, high = float(figures.mean()) - room, float(figures.mean()) + room
    arguments = {"min_value": low, "max_value": high}
    asked = _expectation(rule, name, field, told.kind, arguments)
    return Question(rule, asked, told.column, told.rows, float(getattr(told.column, middle)()), low, high)


def _expectation(rule: BatchRule, name: str, field: str, kind: Kind, arguments: Mapping[str, Any]) -> Expectation:
    return Expectation(
        document_type="", rule=name, field=field, message=rule.sentence("vi", field), severity=rule.severity, kind=kind,
        columns=(f"{name}:{field}",), arguments=arguments,
    )  # fmt: skip


def about(field: str, language: str) -> str:
    """'lab_report' -> its title; 'patient.id' -> its first label; anything else is a name already."""
    types = document_types()
    if field in types:
        return types[field].title.vi if language == "vi" else types[field].title.en
    specs = (spec for form in types.values() if (spec := form.field(field)) and spec.labels)
    return next((spec.labels[0] for spec in specs), field)


def rule_of(failed: FailedExpectation) -> BatchRule:
    """The rule of the batch as a whole that failed, as it is written."""
    return _written().rules[failed.rule]


def _states(facts: BatchFacts, name: str) -> Asked:
    yield "", Told(Kind.NOT_IN_SET, facts.pages, arguments={"value_set": [name]})


def _review(facts: BatchFacts, _: str) -> Asked:
    """Where nothing was measured everything goes to review, which says nothing of the scans."""
    yield "", Told(Kind.NOT_IN_SET, facts.verdicts, arguments={"value_set": ["review"]}) if facts.proven else "unproven"


def _lacks(facts: BatchFacts, _: str) -> Asked:
    for form, files in facts.forms.groupby("form", sort=True):
        yield str(form), Told(Kind.IN_SET, files["there"], arguments={"value_set": [True]})


def _box_window(facts: BatchFacts, _: str) -> Asked:
    yield "", _within(years_of(facts), facts.box_years) if facts.box_years else "no_box"


def _common_window(facts: BatchFacts, _: str) -> Asked:
    told = years_of(facts)
    years, otherwise = common_years(told.column), "no_common_years" if len(told.column) else "few"
    yield "", _within(told, years) if years else otherwise


def _within(told: Told, years: tuple[int, int]) -> Told:
    return told._replace(arguments={"min_value": years[0] - AROUND, "max_value": years[1] + AROUND})


def _owners(facts: BatchFacts, _: str) -> Asked:
    yield from owners_of(facts)


def _stays(facts: BatchFacts, _: str) -> Asked:
    yield "", "no_registry" if facts.stays is None else _listed(numbers_of(facts, NUMBER), facts.stays)


def _patients(facts: BatchFacts, _: str) -> Asked:
    yield "", "no_registry" if facts.patients is None else _listed(numbers_of(facts, PATIENT), facts.patients)


def _codes(facts: BatchFacts, _: str) -> Asked:
    yield "", _listed(codes_of(facts), facts.codes) if facts.codes else "no_list"


def _departments(facts: BatchFacts, _: str) -> Asked:
    yield "", _listed(departments_of(facts), facts.departments) if facts.departments else "no_list"


def _listed(told: Told, known: frozenset[str]) -> Told:
    """Asked against what of the list the batch says, so that a long list costs nothing; never against an empty one."""
    return told._replace(arguments={"value_set": sorted(known & set(told.column)) or [""]})


def _measured(facts: BatchFacts, name: str) -> Asked:
    kind = Kind.MEDIAN if name == "stay_days" else Kind.MEAN
    for field, (now, past) in facts.measures.get(name, {}).items():
        yield field, Told(kind, now, past=past)


HISTORICAL = ("women", "stay_days", "lab_rows", "form_share")
SOURCES: dict[str, Callable[[BatchFacts, str], Asked]] = {
    **dict.fromkeys(STATES, _states), "review": _review, "file_lacks": _lacks, "box_window": _box_window,
    "common_window": _common_window, "one_owner": _owners, "unknown_stay": _stays, "unknown_patient": _patients,
    "unlisted_code": _codes, "unlisted_department": _departments,
    **dict.fromkeys(HISTORICAL, _measured),
}  # fmt: skip
BREAKS: dict[Kind, Callable[["pd.Series[Any]", Mapping[str, Any]], "pd.Series[bool]"]] = {
    Kind.IN_SET: lambda told, how: ~told.isin(how["value_set"]),
    Kind.NOT_IN_SET: lambda told, how: told.isin(how["value_set"]),
    Kind.BETWEEN: lambda told, how: ~told.between(how["min_value"], how["max_value"]),
    Kind.UNIQUE: lambda told, _: told.duplicated(keep=False),
}
