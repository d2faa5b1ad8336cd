"""Stage 7, validation.suites: a document type becomes what is asked of all its documents in a batch; pure, and without
Great Expectations, which `validation.gx` alone knows."""

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

from records.base import Frozen
from records.document_types import ColumnSpec, DocumentType, FieldSpec
from records.errors import DocumentTypeError

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
    "modality": ["CT", "MR", "US", "CR", "DX", "MG", "XA", "RF", "NM", "PT"],
    "laterality": ["L", "R"],
    "flag": ["H", "L"],
}
MESSAGES = {
    "complete": "Hơn một nửa số phiếu không đọc được trường này; hãy kiểm tra chất lượng quét hoặc mẫu phiếu.",
    "unique": "Một số đã chấp nhận xuất hiện trên nhiều phiếu; hãy xem có trùng hồ sơ hay đọc sai.",
    "form": "Có giá trị đã chấp nhận không đúng dạng; giữ lô lại và báo IT.",
    "value_set": "Có giá trị đã chấp nhận ngoài danh sách; giữ lô lại và báo IT.",
    "not_before": "Có phiếu đã chấp nhận mà ngày sau lại sớm hơn ngày trước; hãy xem lại các ngày.",
}


class Severity(StrEnum):
    """What a failure does. STOP: it holds the batch until a senior releases it; WARN: it is told and holds nothing."""

    STOP = "stop"
    WARN = "warn"


class Kind(StrEnum):
    """How a column is asked. AFTER is of two columns, MEAN and MEDIAN are of the whole, the others of each value."""

    PRESENT = "present"
    UNIQUE = "unique"
    MATCHES = "matches"
    IN_SET = "in_set"
    NOT_IN_SET = "not_in_set"
    BETWEEN = "between"
    AFTER = "after"
    MEAN = "mean"
    MEDIAN = "median"


class Expectation(Frozen):
    """One thing that a suite asks. `document_type`: '' where it is asked of the batch as a whole; `message`: what is
    said when it fails; `columns`: of the frame; `arguments`: by the names of Great Expectations."""

    document_type: str
    rule: str
    field: str
    message: str
    severity: Severity = Severity.STOP
    kind: Kind
    columns: tuple[str, ...]
    arguments: Mapping[str, Any] = {}

    def failed(self) -> "FailedExpectation":
        """What is reported when the batch breaks it."""
        own = {name: getattr(self, name) for name in FailedExpectation.model_fields}
        return FailedExpectation(**own)


class FailedExpectation(Frozen):
    """One rule that the batch breaks. `document_type`: '' for a rule of the batch as a whole."""

    document_type: str
    rule: str
    field: str
    message: str
    severity: Severity = Severity.STOP

    @property
    def told(self) -> str:
        """The message, after the form that it is about."""
        return f"{self.document_type}: {self.message}" if self.document_type else self.message


class BatchReport(Frozen):
    """What the suites say of one batch: how many rules were asked, and those that failed; warnings are no failure."""

    asked: int
    failed: tuple[FailedExpectation, ...]

    @property
    def stops(self) -> tuple[FailedExpectation, ...]:
        """What holds the batch."""
        return tuple(one for one in self.failed if one.severity is Severity.STOP)

    @property
    def success(self) -> bool:
        """Whether nothing holds it."""
        return not self.stops


def form_suite(document_type: DocumentType, documents: int = COMPLETE_FROM) -> tuple[Expectation, ...]:
    """The rules for one document a row; completeness is asked from `COMPLETE_FROM` documents on."""
    return (*_declared(document_type, documents), *_shapes(document_type.id, document_type.fields, ""))


def row_suite(document_type: DocumentType) -> tuple[Expectation, ...]:
    """The rules for one row of the form's tables a row."""
    found = [e for table in document_type.tables for e in _shapes(document_type.id, table.columns, f"{table.name}.")]
    return tuple({(e.rule, e.field): e for e in found}.values())


def _declared(document_type: DocumentType, documents: int) -> Iterator[Expectation]:
    """`expectations: [complete: F, unique: F]` and the date pairs of `checks: [not_before F]`."""
    for line in document_type.expectations:
        rule, _, field = (part.strip() for part in line.partition(":"))
        if rule == "complete" and documents >= COMPLETE_FROM:
            yield _of(document_type.id, rule, field, Kind.PRESENT, SEEN + field, mostly=COMPLETE_MOSTLY)
        elif rule == "unique":
            yield _of(document_type.id, rule, field, Kind.UNIQUE, field)
        elif rule != "complete":
            raise DocumentTypeError(f"{document_type.id}.yaml: expectations: '{line}' is neither complete nor unique")
    for spec in document_type.fields:
        for other in (c.split()[1] for c in spec.checks if c.startswith("not_before ")):
            pair = {"or_equal": True, "ignore_row_if": "either_value_is_missing"}
            yield _of(document_type.id, "not_before", spec.name, Kind.AFTER, spec.name, other, **pair)


def _shapes(type_id: str, specs: Iterable[FieldSpec | ColumnSpec], prefix: str) -> Iterator[Expectation]:
    for spec in specs:
        name = prefix + spec.name
        if spec.kind in FORMS:
            yield _of(type_id, "form", name, Kind.MATCHES, name, regex=rf"^(?:{FORMS[spec.kind]})$")
        if spec.kind in VALUE_SETS:
            yield _of(type_id, "value_set", name, Kind.IN_SET, name, value_set=VALUE_SETS[spec.kind])


def _of(type_id: str, rule: str, field: str, kind: Kind, *columns: str, **arguments: Any) -> Expectation:
    return Expectation(
        document_type=type_id, rule=rule, field=field, message=MESSAGES[rule], kind=kind, columns=columns,
        arguments=arguments,
    )  # fmt: skip
