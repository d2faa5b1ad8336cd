"""Stage 8, review.revisions: an officer's decision on one value becomes the document's next revision. Pure.

What she types passes the parser of its kind and the document's checks, and nothing else: no list and no syllable
repairs it, for what she saw on the paper may be in no list.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from records.document_types import DocumentType
from records.documents import Document, FieldReading, FieldValue, Issue, JudgedValue, ValidatedDocument, Verdict
from records.errors import SohoaError
from records.pages import PageBox
from review.sentences import in_language
from review.texts import say
from transformers.parsers import PARSERS
from validation.checks import document_issues

REVIEWED, ILLEGIBLE = "reviewed", "illegible"
BY_TWO, BY_SENIOR = "reviewed_by_two", "reviewed_by_senior"  # two persons' entries agreed; a senior chose
BY_PERSON = frozenset({REVIEWED, BY_TWO, BY_SENIOR})
PERSON, TYPED = "person", "typed"  # engine and method of a value that no machine found
WHOLE_PAGE = PageBox(left=0, top=0, right=1, bottom=1)
MAX_TYPED = 2_000  # characters
LINE_SPACE = "\t\n\r"
UNSEEN = frozenset({"Cc", "Cf", "Co", "Cs"})  # Unicode categories that show nothing on a screen
UNFILLED = frozenset({"required", "row_without_name"})  # findings on what is not there, whatever is typed elsewhere
IMPOSSIBLE = frozenset({"real_day", "code_listed"})  # findings that no paper excuses


class Decision(StrEnum):
    """What an officer says of a value: as read, otherwise, blank on the paper, or not to be read by anybody."""

    ACCEPT = "accept"
    CORRECT = "correct"
    ABSENT = "absent"
    UNREADABLE = "unreadable"


class Refused(SohoaError):
    """A decision that was not saved. `insist`: it is saved when the officer says again that the paper has it so."""

    def __init__(self, key: str, *, insist: bool = False, **told: object) -> None:
        super().__init__(say(key, "en", **told))
        self.key, self.insist, self.told = key, insist, told

    def said(self, language: str) -> str:
        """The sentence for the officer."""
        told = {name: in_language(str(what), language) if name == "why" else what for name, what in self.told.items()}
        return say(self.key, language, **told)


def typed_text(value: str) -> str:
    """'  Nguye\u0302\u0303n ' -> 'Nguyễn': NFC, without space around; Refused for what cannot be text on a form."""
    text = unicodedata.normalize("NFC", value).strip()
    if len(text) > MAX_TYPED:
        raise Refused("decide.too_long", characters=len(text), most=MAX_TYPED)
    if any(c not in LINE_SPACE and unicodedata.category(c) in UNSEEN for c in text):
        raise Refused("decide.control")
    return text


def normal(text: str, kind: str) -> str:
    """The normal form of a text, which may itself be one: '2019-02-01T08:00' stays."""
    if kind == "moment" and len(text) == len("2019-02-01T08:00") and text[10] == "T":
        return datetime.fromisoformat(text).isoformat(timespec="minutes")
    return PARSERS[kind](text)


def not_found(document: Document, document_type: DocumentType, field: str) -> JudgedValue:
    """What stands for a field that no machine found: nothing, on the document's first page."""
    spec = document_type.spec(field)
    if spec is None:
        raise Refused("decide.no_field", field=field)
    reading = FieldReading(
        field=field, raw="", confidence=1.0, page_id=document.page_ids[0], box=WHOLE_PAGE, engine=PERSON, method=TYPED
    )
    own = FieldValue(reading=reading, kind=spec.kind, value="")
    return JudgedValue(value=own, verdict=Verdict.REVIEW, rule="check:required", confidence=0.0)


def decided(judged: JudgedValue, decision: Decision, typed: str = "", rule: str = REVIEWED) -> JudgedValue:
    """The value as the officer has it; Refused when it is none of its kind. An illegible one is rejected, so that
    nothing of it is loaded. `rule`: how it came to be settled."""
    own = judged.value
    if decision is Decision.UNREADABLE:
        nothing = own.model_copy(update={"value": "", "problem": ""})
        return _settled(judged, nothing, verdict=Verdict.REJECT, rule=ILLEGIBLE, confidence=0.0)
    if decision is Decision.ABSENT:
        return _settled(judged, own.model_copy(update={"value": "", "problem": ""}), rule=rule)
    if decision is Decision.ACCEPT:
        value = _parsed(own, own.value) if own.problem or not own.value else own.value
        return _settled(judged, own.model_copy(update={"value": value, "problem": ""}), rule=rule)
    corrected = own.model_copy(update={"value": _parsed(own, typed), "problem": ""})
    if own.reading.engine == PERSON:
        corrected = corrected.model_copy(update={"reading": own.reading.model_copy(update={"raw": typed})})
    return _settled(judged, corrected, rule=rule)


def revised(
    before: ValidatedDocument,
    document_type: DocumentType,
    new: JudgedValue,
    decision: Decision,
    *,
    insist: bool = False,
    icd10_path: Path | None = None,
) -> ValidatedDocument:
    """The next revision with `new` in place of its field's value, checked anew.

    Refused when a check finds fault with it: not where the fault may lie in another value that still waits, nor in
    what was shown with the value that she accepts and no person decided against. `insist`: she was
    told and the paper has it so.
    """
    after = _with(before, new.value.field, new)
    found = document_issues((v.value for v in after.values), document_type, icd10_path)
    known = {_key(i) for i in document_issues((v.value for v in before.values), document_type, icd10_path)}
    if decision in (Decision.ACCEPT, Decision.CORRECT):
        _refuse(new.value.field, found, known, _waiting(after, found), _by_person(after), decision, insist)
    return _judged(before, after, found, known)


def restored(
    now: ValidatedDocument,
    document_type: DocumentType,
    field: str,
    old: JudgedValue | None,
    issues: Iterable[Issue],
    icd10_path: Path | None = None,
) -> ValidatedDocument:
    """The next revision with a field's value as it was before a decision (None: not found), and its `issues` then."""
    after = _with(now, field, old)
    found = document_issues((v.value for v in after.values), document_type, icd10_path)
    known = {_key(i) for i in document_issues((v.value for v in now.values), document_type, icd10_path)}
    again = now.model_copy(update={"issues": (*now.issues, *(i for i in issues if i.field == field))})
    return _judged(again, after, found, known)


def _settled(
    judged: JudgedValue,
    own: FieldValue,
    *,
    verdict: Verdict = Verdict.ACCEPT,
    rule: str = REVIEWED,
    confidence: float = 1.0,
) -> JudgedValue:
    witness = judged.witness if own.value == judged.value.value else ""
    new = {"value": own, "verdict": verdict, "rule": rule, "witness": witness, "confidence": confidence}
    return judged.model_copy(update=new | {"reasons": (), "blockers": ()})


def _parsed(own: FieldValue, text: str) -> str:
    if not text:
        raise Refused("decide.nothing", field=own.field)
    try:
        return normal(text, own.kind)
    except ValueError as error:
        raise Refused("decide.no_value", field=own.field, why=error) from error


def _with(document: ValidatedDocument, field: str, new: JudgedValue | None) -> ValidatedDocument:
    """The document with `new` where the field's value stood, at the end when it had none; None: without it."""
    there = any(v.value.field == field for v in document.values)
    swapped = tuple(new if v.value.field == field else v for v in document.values)
    values = tuple(v for v in (*swapped, *(() if there else (new,))) if v is not None)
    return document.model_copy(update={"values": values})


def _waiting(document: ValidatedDocument, found: Iterable[Issue]) -> set[str]:
    """Fields that a person must still look at: doubtful values, and required ones that nobody found."""
    there = {v.value.field for v in document.values}
    missing = {i.field for i in found if i.check == "required" and i.field not in there}
    return missing | {v.value.field for v in document.values if v.verdict is Verdict.REVIEW}


def _by_person(document: ValidatedDocument) -> set[str]:
    """Fields whose value a person has settled."""
    return {v.value.field for v in document.values if v.rule in BY_PERSON}


def _refuse(
    field: str,
    found: Iterable[Issue],
    known: set[tuple[str, str]],
    waiting: set[str],
    by_person: set[str],
    decision: Decision,
    insist: bool,
) -> None:
    """Raise the first finding that this value makes and nobody has answered for."""
    for message, issues in _findings(found).items():
        fields = {i.field for i in issues}
        others = fields - {field}
        new = any(_key(i) not in known for i in issues)
        shown = decision is Decision.ACCEPT and not new and not others & by_person
        impossible = issues[0].check in IMPOSSIBLE and field in fields
        concerns = new or field in fields
        if impossible or (concerns and not shown and not insist and not others & waiting):
            raise Refused("decide.check", insist=not impossible, field=field, why=message)


def _findings(found: Iterable[Issue]) -> Mapping[str, list[Issue]]:
    """Issues by their message: a check that compares two fields names both."""
    by_message: dict[str, list[Issue]] = {}
    for issue in found:
        if issue.check not in UNFILLED:
            by_message.setdefault(issue.message, []).append(issue)
    return by_message


def _judged(
    before: ValidatedDocument, after: ValidatedDocument, found: tuple[Issue, ...], known: set[tuple[str, str]]
) -> ValidatedDocument:
    """Issues of settled fields are settled; the document is accepted when nothing is left in doubt.

    `known`: what the document's own checks found before; its other issues, as of a witness, stay.
    """
    waiting = _waiting(after, found)
    issues = {_key(i): i for i in (*(i for i in before.issues if _key(i) not in known), *found)}
    left = tuple(i for i in issues.values() if not i.field or i.field in waiting)
    verdict = Verdict.REVIEW if left or waiting else Verdict.ACCEPT
    return after.model_copy(update={"revision": before.revision + 1, "issues": left, "verdict": verdict})


def _key(issue: Issue) -> tuple[str, str]:
    return issue.check, issue.field
