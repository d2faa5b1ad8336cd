"""Stage 7, validation.gx: the values of a whole batch are judged once by its suites, form by form and as a whole.

The only module that touches Great Expectations. Accepted values are judged strictly (form, uniqueness, order of dates);
completeness has a tolerance, because what was not read waits in review anyway. Reports name rules and fields, never
values: no Data Docs, no analytics, no result beyond true and false.
"""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import pandas as pd

from records.document_types import DocumentType
from records.documents import ValidatedDocument, Verdict
from records.errors import SohoaError
from validation.batch_suite import Question
from validation.suites import SEEN, BatchReport, Expectation, FailedExpectation, Kind, Severity, form_suite, row_suite

if TYPE_CHECKING:
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext

COLUMNS = ["document_id", "document_type", "field", "value", "verdict"]
NAMES = {
    Kind.PRESENT: "ExpectColumnValuesToNotBeNull",
    Kind.UNIQUE: "ExpectColumnValuesToBeUnique",
    Kind.MATCHES: "ExpectColumnValuesToMatchRegex",
    Kind.IN_SET: "ExpectColumnValuesToBeInSet",
    Kind.NOT_IN_SET: "ExpectColumnValuesToNotBeInSet",
    Kind.BETWEEN: "ExpectColumnValuesToBeBetween",
    Kind.AFTER: "ExpectColumnPairValuesAToBeGreaterThanB",
    Kind.MEAN: "ExpectColumnMeanToBeBetween",
    Kind.MEDIAN: "ExpectColumnMedianToBeBetween",
}
SEVERITIES = {Severity.STOP: "critical", Severity.WARN: "warning"}

Asked = tuple[pd.DataFrame, Sequence[Expectation]]


def frame_of(documents: Iterable[ValidatedDocument]) -> pd.DataFrame:
    """One row per value; a document without values keeps one row with an empty field, so that it counts."""
    rows = [
        (d.document.document_id, d.document.document_type, field, value, verdict)
        for d in documents
        for field, value, verdict in [(v.value.field, v.value.value, str(v.verdict)) for v in d.values]
        or [("", "", "")]
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def check_batch(
    frame: pd.DataFrame, document_types: Mapping[str, DocumentType], questions: Sequence[Question] = ()
) -> BatchReport:
    """Judge one batch. `frame`: one row per value with `COLUMNS`, where a type that is not known is an error;
    `questions`: what is asked of the batch as a whole."""
    asked = 0
    failed: list[FailedExpectation] = []
    for wide, suite in [*_by_form(frame, document_types), *_as_a_whole(questions)]:
        for expectation, success in _outcomes(wide, suite):
            asked += 1
            if not success:
                failed.append(expectation.failed())
    return BatchReport(asked=asked, failed=tuple(failed))


def _by_form(frame: pd.DataFrame, document_types: Mapping[str, DocumentType]) -> Iterator[Asked]:
    for type_id, part in frame.groupby("document_type", sort=True):
        if str(type_id) not in document_types:
            raise SohoaError(f"The batch holds documents of type '{type_id}', which has no YAML in document_types/.")
        document_type = document_types[str(type_id)]
        documents = part["document_id"].nunique()
        in_row = part["field"].str.contains("[", regex=False)
        yield _by_document(part[~in_row], part["document_id"].unique()), form_suite(document_type, documents)
        if document_type.tables:
            yield _by_row(part[in_row]), row_suite(document_type)


def _as_a_whole(questions: Sequence[Question]) -> Iterator[Asked]:
    """One frame with a column per question; shorter ones end in nulls, which nobody asks about."""
    if questions:
        columns = {one.asked.columns[0]: one.told.reset_index(drop=True) for one in questions}
        yield pd.DataFrame(columns), [one.asked for one in questions]


def _by_document(part: pd.DataFrame, ids: Any) -> pd.DataFrame:
    """One row per document: accepted values under the field's name, any value under `seen:` and the name."""
    seen = part[(part["value"] != "") & (part["field"] != "")].assign(field=SEEN + part["field"])
    accepted = part[(part["verdict"] == Verdict.ACCEPT) & (part["value"] != "")]
    both = pd.concat([accepted, seen]).drop_duplicates(["document_id", "field"])
    return both.pivot(index="document_id", columns="field", values="value").reindex(ids).astype(object)


def _by_row(part: pd.DataFrame) -> pd.DataFrame:
    """One row per table row, accepted cells only: results[3].value of document d -> row (d, results[3])."""
    cells = part[(part["verdict"] == Verdict.ACCEPT) & (part["value"] != "")]
    split = cells["field"].str.extract(r"^(?P<row>(?P<table>\w+)\[\d+\])\.(?P<column>\w+)$")
    cells = cells.assign(row=split["row"], column=split["table"] + "." + split["column"])
    cells = cells.drop_duplicates(["document_id", "row", "column"])
    return cells.pivot(index=["document_id", "row"], columns="column", values="value").astype(object)


def _outcomes(wide: pd.DataFrame, suite: Sequence[Expectation]) -> Iterator[tuple[Expectation, bool]]:
    """Each rule with its success; a rule about a column that no value filled is decided without asking."""
    asked = [e for e in suite if set(e.columns) <= set(wide.columns)]
    yield from ((e, e.kind is not Kind.PRESENT) for e in suite if e not in asked)
    if asked and len(wide):
        yield from _validated(wide.reset_index(drop=True), asked)


def _validated(wide: pd.DataFrame, asked: Sequence[Expectation]) -> Iterator[tuple[Expectation, bool]]:
    asset = _context().data_sources.pandas_default.add_dataframe_asset("values") if not _assets() else _assets()[0]
    definitions = asset.batch_definitions or [asset.add_batch_definition_whole_dataframe("whole")]
    batch = definitions[0].get_batch({"dataframe": wide})
    suite = _gx().ExpectationSuite(name="asked", expectations=[_made(n, e) for n, e in enumerate(asked)])
    for result in batch.validate(suite, result_format="BOOLEAN_ONLY").results:
        expectation = asked[result.expectation_config.meta["number"]]
        if "'raised_exception': True" in str(result.exception_info):
            about = expectation.field or "the batch"
            raise SohoaError(f"The batch check '{expectation.rule}' of {about} could not run; ask IT to look at it.")
        yield expectation, bool(result.success)


def _made(number: int, asked: Expectation) -> Any:
    """An expectation as Great Expectations has it. `number`: by which its result is known again."""
    names = ("column_A", "column_B") if asked.kind is Kind.AFTER else ("column",)
    columns = dict(zip(names, asked.columns, strict=True))
    kind = getattr(_gx().expectations, NAMES[asked.kind])
    return kind(meta={"number": number}, severity=SEVERITIES[asked.severity], **columns, **asked.arguments)


def _assets() -> list[Any]:
    return list(_context().data_sources.pandas_default.assets)


@cache
def _context() -> "EphemeralDataContext":
    """One context in memory, without progress bars."""
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context: EphemeralDataContext = _gx().get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


@cache
def _gx() -> Any:
    """Great Expectations, imported late (8 s) and with its analytics off before it looks."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    return great_expectations
