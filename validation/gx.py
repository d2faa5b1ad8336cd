"""Stage 7, validation.gx: the values of a whole batch are judged once by suites generated from the document types.

The only module that touches Great Expectations. Accepted values are judged strictly (form, uniqueness, order of dates);
completeness has a tolerance, because what was not read waits in review anyway. What fails holds the batch. Reports
name rules and fields, never values: no Data Docs, no analytics, no result beyond true and false.
"""

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import pandas as pd

from records.base import Frozen
from records.document_types import ColumnSpec, DocumentType, FieldSpec
from records.documents import ValidatedDocument, Verdict
from records.errors import DocumentTypeError, SohoaError

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext

COLUMNS = ["document_id", "document_type", "field", "value", "verdict"]
COMPLETE_MOSTLY = 0.5  # share of a type's documents that must hold a field which the YAML calls complete
COMPLETE_FROM = 5  # documents: below it one bad scan would hold a batch
SEEN = "seen:"  # prefix of the columns that hold any reading, also one in review

DAY, MOMENT = r"\d{4}-\d{2}-\d{2}", r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}"
CODE = r"[A-Z]\d\d(?:\.\d{1,2})?[†*]?"
FORMS: dict[str, str] = {
    "date": DAY, "moment": MOMENT, "birth_date": rf"{DAY}|\d{{4}}", "age": r"\d{1,3}(?: tháng)?", "integer": r"\d{1,9}",
    "number": r"[<>≤≥]?-?\d+(?:\.\d+)?|\D{2,20}", "insurance_card": r"[A-Z]{2}[1-5]\d{12}|\d{10}",
    "personal_id": r"\d{12}|\d{9}", "phone": r"0\d{9,10}", "icd10": rf"{CODE}(?:;{CODE})*",
    "measure": r"\d+(?:\.\d+)?(?:/\d+(?:\.\d+)?)?",
    "person_name": r"[^\d_a-zàáảãạđêôơư]{4,60}",
}  # fmt: skip
VALUE_SETS: dict[str, list[str]] = {
    "sex": ["male", "female"],
    "outcome": ["recovered", "improved", "unchanged", "worse", "died"],
    "modality": ["CT", "MR", "US", "CR"],
    "flag": ["H", "L"],
}


class FailedExpectation(Frozen):
    """One rule that the batch breaks. `rule`: complete, unique, form, value_set or not_before."""

    document_type: str
    rule: str
    field: str
    message: str


class BatchReport(Frozen):
    """What the suites say of one batch: how many rules were asked, and those that failed."""

    success: bool
    asked: int
    failed: tuple[FailedExpectation, ...]


def frame_of(documents: Iterable[ValidatedDocument]) -> pd.DataFrame:
    """One row per value; a document without values keeps one row with an empty field, so that it counts."""
    rows = [
        (d.document.document_id, d.document.document_type, field, value, verdict)
        for d in documents
        for field, value, verdict in [(v.value.field, v.value.value, str(v.verdict)) for v in d.values]
        or [("", "", "")]
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def check_batch(frame: pd.DataFrame, document_types: Mapping[str, DocumentType]) -> BatchReport:
    """Judge one batch. `frame`: one row per value with `COLUMNS`; types it names that are not known are an error."""
    asked, failed = 0, []
    for type_id, part in frame.groupby("document_type", sort=True):
        if str(type_id) not in document_types:
            raise SohoaError(f"The batch holds documents of type '{type_id}', which has no YAML in document_types/.")
        document_type = document_types[str(type_id)]
        for wide, suite in _frames_and_suites(part, document_type):
            for rule, success in _outcomes(wide, suite):
                asked += 1
                if not success:
                    failed.append(FailedExpectation(document_type=document_type.id, **rule))
    return BatchReport(success=not failed, asked=asked, failed=tuple(failed))


def suite_for(document_type: DocumentType, documents: int = COMPLETE_FROM) -> "ExpectationSuite":
    """The rules for one document a row; completeness is asked from `COMPLETE_FROM` documents on."""
    return _suite(f"{document_type.id}", [*_declared(document_type, documents), *_forms(document_type.fields, "")])


def row_suite_for(document_type: DocumentType) -> "ExpectationSuite":
    """The rules for one row of the form's tables a row."""
    found = [e for table in document_type.tables for e in _forms(table.columns, f"{table.name}.")]
    return _suite(f"{document_type.id}.rows", list({str(e.meta): e for e in found}.values()))


def _frames_and_suites(part: pd.DataFrame, document_type: DocumentType) -> Iterator[tuple[pd.DataFrame, Any]]:
    documents = part["document_id"].nunique()
    in_row = part["field"].str.contains("[", regex=False)
    yield _by_document(part[~in_row], part["document_id"].unique()), suite_for(document_type, documents)
    if document_type.tables:
        yield _by_row(part[in_row]), row_suite_for(document_type)


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


def _outcomes(wide: pd.DataFrame, suite: "ExpectationSuite") -> Iterator[tuple[dict[str, str], bool]]:
    """Each rule with its success; a rule about a column that no value filled is decided without asking."""
    asked = [e for e in suite.expectations if set(_columns_of(e)) <= set(wide.columns)]
    for expectation in suite.expectations:
        if expectation not in asked:
            yield dict(expectation.meta or {}), (expectation.meta or {})["rule"] != "complete"
    if asked and len(wide):
        yield from _validated(wide.reset_index(drop=True), asked)


def _validated(wide: pd.DataFrame, asked: list[Any]) -> Iterator[tuple[dict[str, str], bool]]:
    asset = _context().data_sources.pandas_default.add_dataframe_asset("values") if not _assets() else _assets()[0]
    definitions = asset.batch_definitions or [asset.add_batch_definition_whole_dataframe("whole")]
    batch = definitions[0].get_batch({"dataframe": wide})
    for result in batch.validate(_suite("asked", asked), result_format="BOOLEAN_ONLY").results:
        config = result.expectation_config
        meta = dict((config.meta if config else None) or {})
        if "'raised_exception': True" in str(result.exception_info):
            raise SohoaError(
                f"The batch check '{meta['rule']}' of {meta['field']} could not run; ask IT to look at it."
            )
        yield meta, bool(result.success)


def _declared(document_type: DocumentType, documents: int) -> Iterator[Any]:
    """`expectations: [complete: F, unique: F]` and the date pairs of `checks: [not_before F]`."""
    for line in document_type.expectations:
        rule, _, field = (part.strip() for part in line.partition(":"))
        if rule == "complete" and documents >= COMPLETE_FROM:
            yield _expectation(
                "ExpectColumnValuesToNotBeNull", rule, field, column=SEEN + field, mostly=COMPLETE_MOSTLY
            )
        elif rule == "unique":
            yield _expectation("ExpectColumnValuesToBeUnique", rule, field, column=field)
        elif rule != "complete":
            raise DocumentTypeError(f"{document_type.id}.yaml: expectations: '{line}' is neither complete nor unique")
    for spec in document_type.fields:
        for other in (c.split()[1] for c in spec.checks if c.startswith("not_before ")):
            pair = {
                "column_A": spec.name,
                "column_B": other,
                "or_equal": True,
                "ignore_row_if": "either_value_is_missing",
            }
            yield _expectation("ExpectColumnPairValuesAToBeGreaterThanB", "not_before", spec.name, **pair)


def _forms(specs: Iterable[FieldSpec | ColumnSpec], prefix: str) -> Iterator[Any]:
    for spec in specs:
        name = prefix + spec.name
        if spec.kind in FORMS:
            form = rf"^(?:{FORMS[spec.kind]})$"
            yield _expectation("ExpectColumnValuesToMatchRegex", "form", name, column=name, regex=form)
        if spec.kind in VALUE_SETS:
            allowed = VALUE_SETS[spec.kind]
            yield _expectation("ExpectColumnValuesToBeInSet", "value_set", name, column=name, value_set=allowed)


MESSAGES = {
    "complete": "Hơn một nửa số phiếu không đọc được trường này; hãy kiểm tra chất lượng quét hoặc mẫu phiếu.",
    "unique": "Một số đã chấp nhận xuất hiện trên nhiều phiếu; hãy xem có trùng hồ sơ hay đọc sai.",
    "form": "Có giá trị đã chấp nhận không đúng dạng; giữ lô lại và báo IT.",
    "value_set": "Có giá trị đã chấp nhận ngoài danh sách; giữ lô lại và báo IT.",
    "not_before": "Có phiếu đã chấp nhận mà ngày sau lại sớm hơn ngày trước; hãy xem lại các ngày.",
}


def _expectation(name: str, rule: str, field: str, **arguments: Any) -> Any:
    meta = {"rule": rule, "field": field, "message": MESSAGES[rule]}
    return getattr(_gx().expectations, name)(meta=meta, **arguments)


def _columns_of(expectation: Any) -> list[str]:
    found = [getattr(expectation, key, None) for key in ("column", "column_A", "column_B")]
    return [column for column in found if column]


def _suite(name: str, expectations: list[Any]) -> "ExpectationSuite":
    suite: ExpectationSuite = _gx().ExpectationSuite(name=re.sub(r"\W", "_", name), expectations=expectations)
    return suite


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
