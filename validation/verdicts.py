"""Stage 7, validation.verdicts: values, issues and witnesses become a verdict per value and for the document.

A value is accepted for a stored reason: a second witness (the same normal form on another page of the file, in the
PDF's own text layer or in the registry, or the name beside a code; DOMAIN 7.4, rules 5 and 7), or two readers of
different families that agree, where its probability of being right reaches what the facility's contract asks for its
field. What keeps a value in review is stored as well. Nothing here deletes or changes a value.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from records.base import Frozen
from records.code_lists import entries
from records.document_types import ColumnSpec, DocumentType, FieldSpec
from records.documents import CONTINUED, Document, FieldValue, Issue, JudgedValue, ValidatedDocument, Verdict
from records.pages import PageImage, Writing
from validation.checks import document_issues
from validation.confidence import estimated
from validation.contract import UNPROVEN, Contract
from validation.features import FAMILY_OF, Around, Support, surroundings
from validation.wards import names_a_listed_ward
from validation.wholeness import flaw_of

Witnesses = Mapping[str, Sequence[tuple[str, str]]]

TEXT_LAYER = "text_layer"
LISTS = {
    "ethnicity": "ethnic_groups", "occupation": "occupations", "department": "departments", "drug": "drugs",
    "test_name": "tests", "unit": "units",
}  # fmt: skip
REGISTRY, NAME_BESIDE, DIFFERS = "registry", "name_beside", "differs_from_file"
# One reader makes the same tone error on every page (Ủng thư for Ung thư): its repeats confirm no running text.
FREE_TEXT = frozenset({"text", "long_text", "address", "occupation", "department"})
SIDE = "laterality"  # of a film: always a person's to see
EVIDENCE_RULE = "evidence"
DAYS = frozenset({"date", "birth_date", "moment"})
CUT_DAY = re.compile(r"(?<!\d)[1-9]\s{0,2}(?:[-/.]|th[aá]ng)\s{0,2}0\d")  # '7-06-1973': who pads months pads days
ROW = re.compile(r"\[\d+\]\.")  # of 'results[6].value'
STAGE = re.compile(r"(?i)\bc?p?T[0-4xi]\w{0,3}N[0-3x]|giai đoạn|nhóm máu")
# Digits and small vocabularies; whatever else was written by hand is a person's to read, however sure the readers are.
READABLE_BY_HAND = frozenset(
    {
        "sex", "outcome", "modality", "flag", "unit", "age", "integer", "number", "reference", "date", "birth_date",
        "moment", "phone", "personal_id", "insurance_card", "icd10",
    }
)  # fmt: skip


class Court(Frozen):
    """What values of a document are judged by: its form, the first issue of each field, and see `validate`."""

    form: DocumentType
    issues: Mapping[str, Issue]
    witnesses: Witnesses
    contract: Contract
    settled: Mapping[str, str]
    unnamed: frozenset[str]  # rows of which nobody knows what they are about: 'results[6]'


def validate(
    document: Document,
    values: Sequence[FieldValue],
    document_type: DocumentType,
    witnesses: Witnesses,
    contract: Contract = UNPROVEN,
    *,
    settled: Mapping[str, str] | None = None,
    images: Mapping[str, PageImage] | None = None,
    icd10_path: Path | None = None,
    revision: int = 1,
) -> ValidatedDocument:
    """Judge every value of one document.

    `witnesses`: field -> [(normal form, where it was seen)], the document's own reading not among them.
    `settled`: facts of the file, by field, in normal form: a repeat that agrees is evidence, one that differs an issue.
    `images`: of the document's pages by id, as far as they are known.
    """
    issues = [*document_issues(values, document_type, icd10_path), *_disagreements(values, witnesses, settled or {})]
    by_field: dict[str, Issue] = {}
    for issue in issues:
        by_field.setdefault(issue.field, issue)
    around = surroundings(values, images or {})
    court = Court(
        form=document_type, issues=by_field, witnesses=witnesses, contract=contract, settled=settled or {},
        unnamed=unnamed_rows(values, document_type),
    )  # fmt: skip
    judged = tuple(_judged(v, court, around[v.reading.page_id]) for v in values)
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


def contradict(one: str, other: str, kind: str) -> bool:
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
        against = sorted({source for form, source in seen if contradict(value.value, form, value.kind)})
        fact = settled.get(value.field, "")
        if fact and contradict(value.value, fact, value.kind):
            found.append(differs_from_file(value.field))
        elif against and not (fact and agree(value.value, fact, value.kind)):
            message = f"Khác với {', '.join(map(_place, against[:3]))}; hãy so hai nơi rồi chọn giá trị đúng."
            found.append(Issue(check="witness_disagrees", field=value.field, message=message))
    return found


def differs_from_file(field: str) -> Issue:
    """The finding on a value that contradicts a settled fact of its file."""
    message = "Khác với điều đã chốt cho hồ sơ này; hãy xem trang có đúng người bệnh không."
    return Issue(check=DIFFERS, field=field, message=message)


def _place(source: str) -> str:
    """Where a witness stands, for the officer: the registry, or a page of the file by its number."""
    number = source.rpartition("-")[2]
    return "danh sách người bệnh" if source == REGISTRY else f"trang {int(number)}" if number.isdigit() else source


def _judged(value: FieldValue, court: Court, around: Around) -> JudgedValue:
    spec, issue = court.form.spec(value.field), court.issues.get(value.field)
    witness = _witness(value, court.witnesses)
    sound = issue is None and not flaw_of(value.reading.raw, value.kind, value.field)
    support = Support(listed=is_listed(value, spec), sound=sound, witnessed=bool(witness))
    sure = estimated(value, support, around)
    verdict, rule, blockers = _verdict(value, court, issue, witness, sure)
    reasons = _reasons(value, witness) if verdict is Verdict.ACCEPT else ()
    return JudgedValue(
        value=value, verdict=verdict, rule=rule, witness=witness, confidence=sure, reasons=reasons, blockers=blockers
    )


def _witness(value: FieldValue, witnesses: Witnesses) -> str:
    """Where a second place says the same; '' for none."""
    seen = [w for w in witnesses.get(value.field, ()) if w[1] == REGISTRY or value.kind not in FREE_TEXT]
    found = next((source for form, source in seen if agree(value.value, form, value.kind)), "")
    own = value.reading.engine == TEXT_LAYER and value.reading.method != CONTINUED and not value.problem
    return found or (TEXT_LAYER if own else "")


def _verdict(
    value: FieldValue, court: Court, issue: Issue | None, witness: str, sure: float
) -> tuple[Verdict, str, tuple[str, ...]]:
    """The verdict, the first rule that speaks in order of weight, and all that keeps the value in review."""
    spec = court.form.spec(value.field)
    if value.problem or not value.value:
        return Verdict.REVIEW, "problem", ("problem",)
    if issue:
        return Verdict.REVIEW, f"check:{issue.check}", (f"check:{issue.check}",)
    fact = isinstance(spec, FieldSpec) and spec.fact
    if fact and agree(value.value, court.settled.get(value.field, ""), value.kind):
        return Verdict.EVIDENCE, EVIDENCE_RULE, ()
    if witness and value.kind != SIDE:
        return Verdict.ACCEPT, "text_layer" if witness == TEXT_LAYER else "witness", ()
    critical, unnamed = court.form.is_critical(value.field), _row(value.field) in court.unnamed
    withheld = _withheld(value, court, critical, sure)
    blockers = tuple(_blockers(value, critical=critical, unnamed=unnamed, withheld=withheld))
    return (Verdict.REVIEW, blockers[0], blockers) if blockers else (Verdict.ACCEPT, "confidence", ())


def _withheld(value: FieldValue, court: Court, critical: bool, sure: float) -> str:
    """Why the contract does not let a value pass, as the name of a rule; '' where it does."""
    contract = court.contract
    objection = contract.objection(court.form.id, value.field, value.kind, value.reading.engine, critical)
    below = sure < contract.threshold(value.field, value.kind, critical)
    return objection or ("low_confidence" if below else "")


def _blockers(value: FieldValue, *, critical: bool, unnamed: bool = False, withheld: str = "") -> Iterator[str]:
    """What keeps a value without a second witness from passing, the weightiest first. `unnamed`: nobody knows what its
    row is about; `withheld`: why the contract does not let it pass."""
    by_hand = value.reading.writing is Writing.HANDWRITTEN
    dissent = value.agreed < sum(bool(other.strip()) for other in value.reading.others)
    if critical and (by_hand or withheld or dissent or not value.agreed):
        yield "no_witness"
    if by_hand and value.kind not in READABLE_BY_HAND:
        yield "handwritten"
    if critical and value.kind in DAYS and CUT_DAY.search(value.reading.raw):
        yield "day_cut"
    if flaw := flaw_of(value.reading.raw, value.kind, value.field):
        yield flaw
    if unnamed:
        yield "row_unnamed"
    if not value.agreed:
        yield "one_reading"
    elif dissent and (critical or _is_weighty(value)):
        yield "readers_differ"
    if withheld:
        yield withheld


def unnamed_rows(values: Sequence[FieldValue], form: DocumentType) -> frozenset[str]:
    """Rows whose test or drug is missing, or stands in no list and was read by one reader only or is but a part of a
    listed one: 'cầu trung tính' of 'Bạch cầu trung tính'."""
    keys = {f"{table.name}.{table.row_key}" for table in form.tables}
    named = {
        _row(v.field)
        for v in values
        if ROW.sub(".", v.field) in keys
        and not v.problem
        and (is_listed(v, form.spec(v.field)) or (v.agreed and not _is_part(v)))
    }
    return frozenset(row for v in values if (row := _row(v.field)) and row not in named)


def _is_part(value: FieldValue) -> bool:
    """Whether its words stand in a listed wording of more."""
    words = f" {value.value.casefold()} "
    return any(words in f" {wording.casefold()} " for wording in entries(LISTS.get(value.kind, value.kind)))


def _row(field: str) -> str:
    """'results[6].value' -> 'results[6]'; '' for a field of no table."""
    return field.rpartition(".")[0] if "[" in field else ""


def passes_readers(value: FieldValue, form: DocumentType) -> bool:
    """Whether nothing but its probability would keep a value in review that no check speaks against."""
    sound = bool(value.value) and not value.problem and value.kind in FAMILY_OF
    return sound and not any(_blockers(value, critical=form.is_critical(value.field)))


def _is_weighty(value: FieldValue) -> bool:
    """A dose or a stage (DOMAIN 7.4, rule 7): as with critical values, no reader may say otherwise."""
    return value.kind == "strength" or bool(value.kind in ("text", "long_text") and STAGE.search(value.value))


def _reasons(value: FieldValue, witness: str) -> tuple[str, ...]:
    """Why a value could be accepted: who or what else says the same."""
    place = witness if witness in ("", TEXT_LAYER, REGISTRY, NAME_BESIDE) else "same_in_file"
    return tuple(filter(None, (place, "two_readers" if value.agreed else "")))


def _of_document(judged: Sequence[JudgedValue], issues: Sequence[Issue]) -> Verdict:
    settled = all(v.verdict in (Verdict.ACCEPT, Verdict.EVIDENCE) for v in judged)
    return Verdict.ACCEPT if settled and not issues else Verdict.REVIEW


def is_listed(value: FieldValue, spec: FieldSpec | ColumnSpec | None) -> bool:
    """Whether the list of the value's kind, or of its field, holds it; of an address, the ward with its district."""
    if value.kind == "address":
        return names_a_listed_ward(value.value)
    name = (spec.lexicon if spec else "") or LISTS.get(value.kind, "")
    return bool(name) and value.value in entries(name)
