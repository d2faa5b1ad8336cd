"""Stage 7, validation.checks: named rules turn the values of one document into issues an officer can act on.

A document type names rules in its YAML (`checks: [not_before encounter.admitted_at]`); other rules follow from a
field's kind. Rules and their limits: DOMAIN 2. A value that already has a problem is not checked again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path

from records.base import Frozen
from records.code_lists import icd10_closed_on, icd10_complete
from records.document_types import DocumentType
from records.documents import FieldValue, Issue
from records.errors import DocumentTypeError
from validation.kinds import KIND_CHECKS
from validation.results import result_issues


class Facts(Frozen):
    """What the rules may look at: the sound values of one document by field, kinds by field, the loaded ICD-10 list."""

    values: Mapping[str, str]
    kinds: Mapping[str, str]
    icd10_path: Path | None = None

    def of_kind(self, kind: str) -> str:
        """The first value of that kind, or ''."""
        return next((v for f, v in self.values.items() if self.kinds[f] == kind), "")


NAMELESS = "Dòng này không đọc được tên; hãy xem ảnh và gõ tên của dòng."
Finding = tuple[str, tuple[str, ...]]  # what is wrong, and the other fields it may come from
Check = Callable[[Facts, str, Sequence[str]], Finding | None]


def document_issues(
    values: Iterable[FieldValue], document_type: DocumentType, icd10_path: Path | None = None
) -> tuple[Issue, ...]:
    """All findings on one document: of kinds, of named checks, and of required fields that were not found."""
    found = list(values)
    sound = [v for v in found if v.value and not v.problem]
    facts = Facts(
        values={v.field: v.value for v in sound}, kinds={v.field: v.kind for v in sound}, icd10_path=icd10_path
    )
    issues = [
        *_of_kinds(facts), *_of_another_day(facts), *_named(facts, document_type), *_missing(found, document_type),
        *_nameless(found, document_type), *result_issues(facts.values),
    ]  # fmt: skip
    return tuple({(i.check, i.field): i for i in issues}.values())


def _of_kinds(facts: Facts) -> Iterable[Issue]:
    for field, value in facts.values.items():
        for name, rule in KIND_CHECKS.get(facts.kinds[field], {}).items():
            if message := rule(value, facts.icd10_path):
                yield Issue(check=name, field=field, message=message)


def _of_another_day(facts: Facts) -> Iterable[Issue]:
    """Codes of an edition of ICD-10 that was not in force on the day of the discharge (Circular 06/2026)."""
    ended = facts.values.get("encounter.discharged_at", "")[:10]
    if not ended or not icd10_complete(facts.icd10_path):
        return
    closed = icd10_closed_on(facts.icd10_path, ended) if facts.icd10_path else frozenset()
    for field in (f for f, kind in facts.kinds.items() if kind == "icd10"):
        for code in (c.rstrip("†*") for c in facts.values[field].split(";")):
            if code in closed:
                message = f"Mã {code} không có trong danh mục ICD-10 của ngày {as_written(ended)}; hãy xem lại ảnh."
                yield Issue(check="code_in_force", field=field, message=message)


def _named(facts: Facts, document_type: DocumentType) -> Iterable[Issue]:
    for spec in document_type.fields:
        for words in (check.split() for check in spec.checks):
            if words[0] not in CHECKS:
                raise DocumentTypeError(f"{document_type.id}.yaml: {spec.name}: checks: there is no check '{words[0]}'")
            if spec.name not in facts.values:
                continue
            finding = CHECKS[words[0]](facts, spec.name, words[1:])
            for field in (spec.name, *finding[1]) if finding else ():
                yield Issue(check=words[0], field=field, message=finding[0] if finding else "")


def _nameless(found: Sequence[FieldValue], document_type: DocumentType) -> Iterable[Issue]:
    """Cells of rows that do not say what they are of: nobody can use one before a person has completed the row."""
    there = {v.field for v in found}
    keys = {table.name: table.row_key for table in document_type.tables}
    for field in sorted(there):
        row, _, column = field.rpartition(".")
        key = keys.get(row.partition("[")[0], "")
        if "[" in row and column != key and f"{row}.{key}" not in there:
            yield Issue(check="row_without_name", field=f"{row}.{key}", message=NAMELESS)
            yield Issue(check="row_without_name", field=field, message=NAMELESS)


def _missing(found: Sequence[FieldValue], document_type: DocumentType) -> Iterable[Issue]:
    read = {v.field for v in found if v.value}
    for spec in document_type.fields:
        if spec.required and spec.name not in read:
            label = f"“{spec.labels[0]}”" if spec.labels else spec.name
            yield Issue(
                check="required", field=spec.name, message=f"Không tìm thấy {label}; hãy xem ảnh và gõ vào nếu có."
            )


def not_before(facts: Facts, field: str, arguments: Sequence[str]) -> Finding | None:
    """`not_before other`: this date or moment is the same as the other's or later, at the precision both have."""
    other = arguments[0]
    early, late = facts.values.get(other, ""), facts.values[field]
    shared = min(len(early), len(late))
    if not early or late[:shared] >= early[:shared]:
        return None
    return f"{as_written(late)} sớm hơn {as_written(early)} là mốc phải có trước; hãy xem lại cả hai ngày.", (other,)


def not_after(facts: Facts, field: str, arguments: Sequence[str]) -> Finding | None:
    """`not_after other`: this date or moment is the same as the other's or earlier."""
    other = arguments[0]
    late, early = facts.values.get(other, ""), facts.values[field]
    shared = min(len(early), len(late))
    if not late or early[:shared] <= late[:shared]:
        return None
    return f"{as_written(early)} muộn hơn {as_written(late)} là mốc phải có sau; hãy xem lại cả hai ngày.", (other,)


def age_matches_birth_date(facts: Facts, field: str, _: Sequence[str]) -> Finding | None:
    """The printed age is within a year of the difference of years at the document's earliest moment."""
    born, on, age = facts.of_kind("birth_date"), _document_day(facts), facts.values[field]
    if not born or not on or not age.isdigit():
        return None
    if abs(int(on[:4]) - int(born[:4]) - int(age)) <= 1:
        return None
    message = f"Tuổi {age} không khớp năm sinh {born[:4]} vào năm {on[:4]}; hãy xem lại tuổi và ngày sinh."
    return message, _fields_of(facts, "birth_date")


def personal_id_matches_sex(facts: Facts, field: str, _: Sequence[str]) -> Finding | None:
    """Digit 4 of a 12-digit ID is even for men, odd for women (Decree 137/2015, second-hand)."""
    number, sex = facts.values[field], facts.of_kind("sex")
    if len(number) != 12 or not sex or (int(number[3]) % 2 == 0) == (sex == "male"):
        return None
    return "Chữ số thứ tư của số định danh không khớp giới tính; hãy xem lại cả hai.", _fields_of(facts, "sex")


def personal_id_matches_birth_year(facts: Facts, field: str, _: Sequence[str]) -> Finding | None:
    """Digits 4-6 of a 12-digit ID give century and year of birth."""
    number, born = facts.values[field], facts.of_kind("birth_date")
    if len(number) != 12 or not born:
        return None
    year = 1900 + 100 * (int(number[3]) // 2) + int(number[4:6])
    if year == int(born[:4]):
        return None
    message = f"Số định danh cho năm sinh {year}, trên phiếu là {born[:4]}; hãy xem lại cả hai."
    return message, _fields_of(facts, "birth_date")


def days_match_stay(facts: Facts, field: str, arguments: Sequence[str]) -> Finding | None:
    """Days of stay are the days between admission and discharge, the first day counted or not.

    Arguments: the fields of both moments (default: those of the encounter).
    """
    names = tuple(arguments) or ("encounter.admitted_at", "encounter.discharged_at")
    start, end = (facts.values.get(name, "")[:10] for name in names)
    if len(start) < 10 or len(end) < 10 or not facts.values[field].isdigit():
        return None
    days = (date.fromisoformat(end) - date.fromisoformat(start)).days
    if int(facts.values[field]) in (days, days + 1):
        return None
    return f"Số ngày điều trị {facts.values[field]} không khớp ngày vào và ra viện ({days} ngày); hãy xem lại.", names


def within(facts: Facts, field: str, arguments: Sequence[str]) -> Finding | None:
    """`within 30 43.5`: each number of the measure lies between the two (DOMAIN 2: what no living body shows)."""
    low, high = (float(argument) for argument in arguments)
    if all(low <= number <= high for number in _numbers(facts.values[field])):
        return None
    return f"{facts.values[field]} nằm ngoài khoảng {low:g} - {high:g}, có thể mất dấu phẩy; hãy xem lại ảnh.", ()


def falling(facts: Facts, field: str, _: Sequence[str]) -> Finding | None:
    """Of a blood pressure the second number is the smaller."""
    numbers = _numbers(facts.values[field])
    if numbers == sorted(numbers, reverse=True) and len(set(numbers)) == len(numbers) == 2:
        return None
    return "Huyết áp gồm hai số, số sau nhỏ hơn số trước; hãy xem lại ảnh.", ()


CHECKS: dict[str, Check] = {
    "not_before": not_before,
    "not_after": not_after,
    "age_matches_birth_date": age_matches_birth_date,
    "personal_id_matches_sex": personal_id_matches_sex,
    "personal_id_matches_birth_year": personal_id_matches_birth_year,
    "days_match_stay": days_match_stay,
    "within": within,
    "falling": falling,
}


def _numbers(measure: str) -> list[float]:
    """'120/80' -> [120.0, 80.0]."""
    return [float(part) for part in measure.split("/")]


def _document_day(facts: Facts) -> str:
    """The earliest moment on the document, as the day at which an age was true; '' when there is none."""
    return min((v for f, v in facts.values.items() if facts.kinds[f] == "moment"), default="")


def _fields_of(facts: Facts, kind: str) -> tuple[str, ...]:
    return tuple(f for f in facts.values if facts.kinds[f] == kind)


def as_written(iso: str) -> str:
    """'2014-02-13T14:45' -> '14:45 13/02/2014'."""
    day, _, hour = iso.partition("T")
    return f"{hour} {'/'.join(reversed(day.split('-')))}".strip()
