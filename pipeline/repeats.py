"""Stage 7, pipeline.repeats: what repeats a fact that a person has decided becomes evidence, or a finding. Pure."""

from collections.abc import Mapping, Sequence

from records.document_types import DocumentType, document_types
from records.documents import FieldReading, FieldValue, Issue, JudgedValue, ValidatedDocument, Verdict
from records.pages import PageBox
from transformers.identity import PLACED
from validation.verdicts import DIFFERS, EVIDENCE_RULE, contradict, differs_from_file

UNREAD = "known_fact"  # rule of a repeat that cannot be read or was not found, and need not be
DIFFERENT, REQUIRED = f"check:{DIFFERS}", "required"
WHOLE_PAGE = PageBox(left=0, top=0, right=1, bottom=1)


def is_fact(kind: DocumentType, field: str) -> bool:
    """Whether a field says something of the file and not of its form."""
    spec = kind.field(field)
    return spec is not None and spec.fact


def is_placed(validated: ValidatedDocument, identity: Mapping[str, str]) -> bool:
    """Whether every page of a document is surely its file's. `identity`: page id -> state."""
    return all(identity.get(page_id) in PLACED for page_id in validated.document.page_ids)


def settled_by(validated: ValidatedDocument, known: Mapping[str, str]) -> ValidatedDocument:
    """A document with its doubtful repeats of known facts settled; one that contradicts is an issue of its own.

    A repeat that cannot be read or was not found says nothing: it is set aside.
    """
    kind = document_types()[validated.document.document_type]
    there = {v.value.field for v in validated.values}
    missing = [i.field for i in validated.issues if i.check == REQUIRED and i.field in known and i.field not in there]
    values, issues = [], list(validated.issues)
    for judged in (*validated.values, *(_not_found(validated, kind, field) for field in missing)):
        field, fact = judged.value.field, known.get(judged.value.field, "")
        if fact and is_fact(kind, field) and judged.verdict is Verdict.REVIEW and judged.rule != DIFFERENT:
            judged = _compared(judged, fact)
            issues = [i for i in issues if i.field != field]
            issues += [differs_from_file(field)] if judged.rule == DIFFERENT else []
        values.append(judged)
    return validated if values == list(validated.values) else with_values(validated, values, issues)


def settled_documents(
    documents: Sequence[ValidatedDocument], identity: Mapping[str, str], known: Mapping[str, str]
) -> list[ValidatedDocument]:
    """The documents of a file as `settled_by` leaves those that take part. `identity`: page id -> state."""
    return [settled_by(d, known) if is_placed(d, identity) else d for d in documents]


def with_values(
    validated: ValidatedDocument, values: Sequence[JudgedValue], issues: Sequence[Issue]
) -> ValidatedDocument:
    """A document with these values and issues, and the verdict that follows."""
    doubtful = issues or any(v.verdict is Verdict.REVIEW for v in values)
    verdict = Verdict.REVIEW if doubtful else Verdict.ACCEPT
    return validated.model_copy(update={"values": tuple(values), "issues": tuple(issues), "verdict": verdict})


def _not_found(validated: ValidatedDocument, kind: DocumentType, field: str) -> JudgedValue:
    """What stands for a fact that was not found on its form."""
    reading = FieldReading(
        field=field, raw="", confidence=0.0, page_id=validated.document.page_ids[0], box=WHOLE_PAGE, engine="",
        method=UNREAD,
    )  # fmt: skip
    spec = kind.field(field)
    value = FieldValue(reading=reading, kind=spec.kind if spec else "", value="")
    return JudgedValue(value=value, verdict=Verdict.REVIEW, rule=f"check:{REQUIRED}", confidence=0.0)


def _compared(judged: JudgedValue, fact: str) -> JudgedValue:
    value = judged.value
    if value.problem or not value.value:
        return judged.model_copy(update={"verdict": Verdict.REJECT, "rule": UNREAD})
    if contradict(value.value, fact, value.kind):
        return judged.model_copy(update={"rule": DIFFERENT})
    return judged.model_copy(update={"verdict": Verdict.EVIDENCE, "rule": EVIDENCE_RULE, "blockers": ()})
