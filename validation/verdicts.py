"""Stage 7, validation.verdicts: values, issues and witnesses become a verdict per value and for the document.

A critical value is accepted only with a second witness: the same normal form on another page of the file, in the
PDF's own text layer, or in the registry (DOMAIN 7.4, rules 5 and 7). Any other value is accepted when its estimated
probability reaches the threshold of its kind. Nothing here deletes or changes a value.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from records.code_lists import entries
from records.document_types import ColumnSpec, DocumentType, FieldSpec
from records.documents import Document, FieldValue, Issue, JudgedValue, ValidatedDocument, Verdict
from records.pages import Writing
from validation.checks import document_issues
from validation.confidence import estimated

Witnesses = Mapping[str, Sequence[tuple[str, str]]]

TEXT_LAYER = "text_layer"
DEFAULT = "default"
THRESHOLDS: dict[str, float] = {
    DEFAULT: 0.95, "long_text": 0.97, "text": 0.96, "number": 0.97, "strength": 0.97, "drug": 0.97, "integer": 0.96,
    "reference": 0.96, "test_name": 0.96, "icd10": 0.98, "person_name": 0.98,
}  # fmt: skip
# No confidence is enough before accuracy was measured on the facility's own paper: only a second witness counts.
UNPROVEN: dict[str, float] = {DEFAULT: 2.0}
LISTS = {
    "ethnicity": "ethnic_groups", "occupation": "occupations", "department": "departments", "drug": "drugs",
    "test_name": "tests", "unit": "units",
}  # fmt: skip
WITNESSED = 0.995
REGISTRY = "registry"
# One reader makes the same tone error on every page (Ủng thư for Ung thư): its repeats confirm no running text.
FREE_TEXT = frozenset({"text", "long_text", "address", "occupation", "department"})
STAGE = re.compile(r"(?i)\bc?p?T[0-4xi]\w{0,3}N[0-3x]|giai đoạn|nhóm máu")
EVIDENCE_RULE = "evidence"
# Digits and small vocabularies; whatever else was written by hand is a person's to read, however sure the readers are.
READABLE_BY_HAND = frozenset(
    {
        "sex", "outcome", "modality", "flag", "unit", "age", "integer", "number", "reference", "date", "birth_date",
        "moment", "phone", "personal_id", "insurance_card", "icd10",
    }
)  # fmt: skip


def validate(
    document: Document,
    values: Sequence[FieldValue],
    document_type: DocumentType,
    witnesses: Witnesses,
    thresholds: Mapping[str, float] = THRESHOLDS,
    *,
    settled: Mapping[str, str] | None = None,
    icd10_path: Path | None = None,
    revision: int = 1,
) -> ValidatedDocument:
    """Judge every value of one document.

    `witnesses`: field -> [(normal form, where it was seen)], the document's own reading not among them.
    `settled`: facts of the file, by field, in normal form: a repeat that agrees is evidence, one that differs an issue.
    """
    issues = [*document_issues(values, document_type, icd10_path), *_disagreements(values, witnesses, settled or {})]
    by_field: dict[str, Issue] = {}
    for issue in issues:
        by_field.setdefault(issue.field, issue)
    judged = tuple(
        _judged(v, document_type.spec(v.field), by_field.get(v.field), witnesses, thresholds, settled or {})
        for v in values
    )
    return ValidatedDocument(
        document=document, revision=revision, values=judged, issues=tuple(issues), verdict=_of_document(judged, issues)
    )


def agree(one: str, other: str, kind: str) -> bool:
    """Whether two normal forms say the same: a 15-character card and its own last ten digits do."""
    if one == other:
        return True
    if kind == "insurance_card" and {len(one), len(other)} == {10, 15}:
        return one[-10:] == other[-10:]
    if kind in ("text", "long_text", "address", "ethnicity", "occupation", "department"):
        return one.casefold().strip(" .") == other.casefold().strip(" .")
    return False


def _contradict(one: str, other: str, kind: str) -> bool:
    """Different, and not merely less exact: a year does not contradict a birth date, nor a day its moment."""
    if agree(one, other, kind) or (kind in FREE_TEXT and _bare(one) == _bare(other)):
        return False
    if kind in ("birth_date", "moment", "date"):
        shared = min(len(one), len(other))
        return one[:shared] != other[:shared]
    return True


def _bare(text: str) -> str:
    """Letters and digits without tone marks: a tone that differs between two readings is no contradiction."""
    split = unicodedata.normalize("NFD", text.casefold().replace("đ", "d"))
    return "".join(c for c in split if c.isalnum())


def _disagreements(values: Sequence[FieldValue], witnesses: Witnesses, settled: Mapping[str, str]) -> list[Issue]:
    """Sound values that another page, the registry or the settled file contradicts."""
    found = []
    for value in (v for v in values if not v.problem):
        seen = witnesses.get(value.field, ())
        against = sorted({source for form, source in seen if _contradict(value.value, form, value.kind)})
        fact = settled.get(value.field, "")
        if fact and _contradict(value.value, fact, value.kind):
            message = "Khác với điều đã chốt cho hồ sơ này; hãy xem trang có đúng người bệnh không."
            found.append(Issue(check="differs_from_file", field=value.field, message=message))
        elif against and not (fact and agree(value.value, fact, value.kind)):
            message = f"Khác với {', '.join(map(_place, against[:3]))}; hãy so hai nơi rồi chọn giá trị đúng."
            found.append(Issue(check="witness_disagrees", field=value.field, message=message))
    return found


def _place(source: str) -> str:
    """Where a witness stands, for the officer: the registry, or a page of the file by its number."""
    number = source.rpartition("-")[2]
    return "danh sách người bệnh" if source == REGISTRY else f"trang {int(number)}" if number.isdigit() else source


def _judged(
    value: FieldValue,
    spec: FieldSpec | ColumnSpec | None,
    issue: Issue | None,
    witnesses: Witnesses,
    thresholds: Mapping[str, float],
    settled: Mapping[str, str],
) -> JudgedValue:
    seen = [w for w in witnesses.get(value.field, ()) if w[1] == REGISTRY or value.kind not in FREE_TEXT]
    witness = next((source for form, source in seen if agree(value.value, form, value.kind)), "")
    witness = witness or (TEXT_LAYER if value.reading.engine == TEXT_LAYER and not value.problem else "")
    sure = estimated(value, is_listed(value, spec))
    sure = max(sure, WITNESSED) if witness and not value.problem else sure
    verdict, rule = _verdict(value, spec, issue, witness, sure, thresholds, settled)
    return JudgedValue(value=value, verdict=verdict, rule=rule, witness=witness, confidence=_held(sure, rule))


def _verdict(
    value: FieldValue,
    spec: FieldSpec | ColumnSpec | None,
    issue: Issue | None,
    witness: str,
    sure: float,
    thresholds: Mapping[str, float],
    settled: Mapping[str, str],
) -> tuple[Verdict, str]:
    """The first rule that speaks, in order of weight."""
    if value.problem or not value.value:
        return Verdict.REVIEW, "problem"
    if issue:
        return Verdict.REVIEW, f"check:{issue.check}"
    if isinstance(spec, FieldSpec) and spec.fact and agree(value.value, settled.get(value.field, ""), value.kind):
        return Verdict.EVIDENCE, EVIDENCE_RULE
    if witness:
        return Verdict.ACCEPT, "text_layer" if witness == TEXT_LAYER else "witness"
    if isinstance(spec, FieldSpec) and spec.critical:
        return Verdict.REVIEW, "no_witness"
    by_hand = value.reading.writing is Writing.HANDWRITTEN
    if by_hand and value.kind not in READABLE_BY_HAND:
        return Verdict.REVIEW, "handwritten"
    if (by_hand or _needs_agreement(value)) and not value.agreed:
        return Verdict.REVIEW, "low_confidence"
    enough = sure >= thresholds.get(value.kind, thresholds.get(DEFAULT, THRESHOLDS[DEFAULT]))
    return (Verdict.ACCEPT, "confidence") if enough else (Verdict.REVIEW, "low_confidence")


def _needs_agreement(value: FieldValue) -> bool:
    """Doses and stages never pass on one reading, however sure it is (DOMAIN 7.4, rule 7)."""
    return value.kind == "strength" or bool(value.kind in ("text", "long_text") and STAGE.search(value.value))


def _of_document(judged: Sequence[JudgedValue], issues: Sequence[Issue]) -> Verdict:
    settled = all(v.verdict in (Verdict.ACCEPT, Verdict.EVIDENCE) for v in judged)
    return Verdict.ACCEPT if settled and not issues else Verdict.REVIEW


def _held(sure: float, rule: str) -> float:
    """A failed check or a contradiction halves what confidence there was."""
    return round(sure * 0.5, 3) if rule.startswith("check:") else sure


def is_listed(value: FieldValue, spec: FieldSpec | ColumnSpec | None) -> bool:
    """Whether the list of the value's kind, or of its field, holds it."""
    name = (spec.lexicon if spec else "") or LISTS.get(value.kind, "")
    return bool(name) and value.value in entries(name)
