"""Stages 4-7: pages become documents, readings become typed values, values get a verdict."""

from enum import StrEnum

from records.base import Frozen
from records.pages import PageBox, PageImage, PageText, Writing

CONTINUED = "continued"  # the method of cells under headings of the page before: read once, by the page's lines


class Document(Frozen):
    """The pages of one form. `document_id`: hash of its page ids; `file_id`: the patient file it belongs to."""

    document_id: str
    file_id: str
    document_type: str
    edition: str
    page_ids: tuple[str, ...]


class FieldReading(Frozen):
    """What was read for one field, with its source.

    `field`: name as in the document type, rows as `results[0].value`. `confidence`: 0..1 as the engine gave it.
    `others`: other readings of the same place (another view or engine), verbatim. `writing`: how it seems to be
    written; a value of a PDF's own text is printed.
    """

    field: str
    raw: str
    confidence: float
    page_id: str
    box: PageBox
    engine: str
    method: str
    others: tuple[str, ...] = ()
    writing: Writing = Writing.PRINTED


class FieldValue(Frozen):
    """What a reading means. `value` is the normal form of the best reading, also when there is a `problem`.

    `agreed`: how many of the reading's `others` have the same normal form.
    """

    reading: FieldReading
    kind: str
    value: str
    problem: str = ""
    agreed: int = 0

    @property
    def field(self) -> str:
        return self.reading.field


class Verdict(StrEnum):
    ACCEPT = "accept"
    REVIEW = "review"
    EVIDENCE = "evidence"
    REJECT = "reject"


class Issue(Frozen):
    """One finding of a check, worded for the officer who acts on it. `field` is empty for the whole document."""

    check: str
    field: str
    message: str


class Absence(StrEnum):
    """Why a field has no value; a negative finding is a value, and a field that is not mentioned has neither."""

    BLANK = "blank"
    ILLEGIBLE = "illegible"


class JudgedValue(Frozen):
    """A value with its verdict, the rule that gave it, and the second witness that confirms it (empty: none).

    `confidence`: estimated probability that the value is right, 0..1. `reasons`: why an accepted value could be, by
    name; `blockers`: all that keeps a value in review, the weightiest first.
    """

    value: FieldValue
    verdict: Verdict
    rule: str
    witness: str = ""
    confidence: float
    reasons: tuple[str, ...] = ()
    blockers: tuple[str, ...] = ()

    @property
    def absence(self) -> Absence | None:
        """What a person found in place of a value: nothing on the paper, or nothing that can be read."""
        if self.value.value:
            return None
        return {Verdict.ACCEPT: Absence.BLANK, Verdict.REJECT: Absence.ILLEGIBLE}.get(self.verdict)


class ValidatedDocument(Frozen):
    """A document ready to load or to review. `revision` counts from 1."""

    document: Document
    revision: int
    values: tuple[JudgedValue, ...]
    issues: tuple[Issue, ...]
    verdict: Verdict


class PageReading(Frozen):
    """All that reading one page gave: stages 2, 3 and 5 together. `document_type` is what this page alone looks like.

    `titled`: its own title says so. `engine`: what read it. `seconds`: CPU seconds spent.
    """

    image: PageImage
    text: PageText
    document_type: str
    titled: bool
    score: float
    readings: tuple[FieldReading, ...]
    seconds: float
