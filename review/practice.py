"""Stage 8, review.practice: sample pages with their truth become an officer's practice: twenty tasks, each answer told.

Nothing here reads or writes a database: the pages are invented, what is typed goes no further than the sentence that
answers it.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from pipeline.settings import REPOSITORY
from records.base import Frozen
from records.document_types import ColumnSpec, DocumentType, FieldSpec, document_types
from records.documents import Document, FieldReading, FieldValue, JudgedValue, ValidatedDocument, Verdict
from records.pages import PageBox
from review.revisions import REVIEWED, Decision, decided, normal, revised, typed_text
from transformers.lexicons import lexicons
from transformers.text import folded
from transformers.values import reading_to_value
from validation.contract import UNPROVEN
from validation.verdicts import validate

FILE = Path(__file__).resolve().parent / "practice.yaml"
SCANS = REPOSITORY / "sample_scans"
ENGINE, METHOD = "sohoa", "label_right"
CONFIDENCE = 0.8  # of every reading, since the words and not the figure are to be looked at
Pixels = tuple[int, int, int, int]  # left, top, right, bottom
RIGHT = "right"


class Asked(Frozen):
    """One task. `read`: what stands in the input; `others`: other readings; `spoilt`: what was done to the paper."""

    read: str
    others: tuple[str, ...] = ()
    spoilt: Literal["", "blank", "blot"] = ""


class Paper(NamedTuple):
    """What stands on the paper: `decision` CORRECT with the normal form and the text as written, else neither."""

    decision: Decision
    value: str = ""
    written: str = ""


class Sheet(NamedTuple):
    """A page of the practice. `places`: field -> its pixels on the scan; `papers`: field -> what stands there."""

    number: int
    scan: Path
    size: tuple[int, int]
    form: DocumentType
    validated: ValidatedDocument
    asked: Mapping[str, Asked]
    places: Mapping[str, Pixels]
    papers: Mapping[str, Paper]


@cache
def sheets() -> tuple[Sheet, ...]:
    """The pages in their order, numbered from 1."""
    listed = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return tuple(_sheet(number, one) for number, one in enumerate(listed, 1))


def answer(sheet: Sheet, field: str, decision: Decision, typed: str, *, insist: bool, icd10_path: Path | None) -> str:
    """What an answer missed: RIGHT or the name of a lesson; Refused where the workbench itself would not save it."""
    before = next(v for v in sheet.validated.values if v.value.field == field)
    new = decided(before, decision, typed_text(typed) if decision is Decision.CORRECT else "")
    revised(sheet.validated, sheet.form, new, decision, insist=insist, icd10_path=icd10_path)
    return lesson(sheet.papers[field], decision, new.value.value)


def lesson(paper: Paper, decision: Decision, value: str) -> str:
    """'tone' for Ủng where the paper has Ung; 'digits', 'letters'; else what the decision should have been."""
    if paper.decision is not Decision.CORRECT:
        return RIGHT if decision is paper.decision else str(paper.decision)
    if decision in (Decision.ABSENT, Decision.UNREADABLE):
        return "legible"
    if value == paper.value:
        return RIGHT
    if folded(value) == folded(paper.value):
        return "tone"
    return "digits" if _digits(value) != _digits(paper.value) else "letters"


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit() or c in ".,")


def _sheet(number: int, listed: Mapping[str, Any]) -> Sheet:
    scan = SCANS / listed["scan"]
    (page,) = json.loads(scan.with_suffix(".truth.json").read_text(encoding="utf-8"))
    form, size = document_types()[page["document_type"]], tuple(page["upright_size"])
    asked = {field: Asked.model_validate(one) for field, one in listed["asked"].items()}
    places = {one["name"]: tuple(one["box"]) for one in page["fields"]}
    written = {one["name"]: one["shown"] for one in page["fields"]}
    document = Document(
        document_id=f"practice-{number}",
        file_id="",
        document_type=form.id,
        edition="",
        page_ids=(f"practice-{number}",),
    )
    values = [
        _value(document, form, field, asked.get(field, Asked(read=text)), _box(places[field], size))
        for field, text in written.items()
        if form.spec(field)
    ]
    papers = {field: _paper(one, form, field, written[field]) for field, one in asked.items()}
    judged = _judged(document, form, values, asked)
    return Sheet(number, scan, size, form, judged, asked, {f: places[f] for f in asked}, papers)


def _box(place: Pixels, size: tuple[int, int]) -> PageBox:
    (left, top, right, bottom), (width, height) = place, size
    return PageBox(left=left / width, top=top / height, right=right / width, bottom=bottom / height)


def _value(document: Document, form: DocumentType, field: str, asked: Asked, box: PageBox) -> FieldValue:
    reading = FieldReading(
        field=field, raw=asked.read, confidence=CONFIDENCE, page_id=document.page_ids[0], box=box, engine=ENGINE,
        method=METHOD, others=asked.others,
    )  # fmt: skip
    return reading_to_value(reading, _spec(form, field), lexicons())


def _paper(asked: Asked, form: DocumentType, field: str, written: str) -> Paper:
    if asked.spoilt:
        return Paper(Decision.ABSENT if asked.spoilt == "blank" else Decision.UNREADABLE)
    return Paper(Decision.CORRECT, normal(written, _spec(form, field).kind), written)


def _spec(form: DocumentType, field: str) -> FieldSpec | ColumnSpec:
    spec = form.spec(field)
    if spec is None:
        raise KeyError(field)
    return spec


def _judged(
    document: Document, form: DocumentType, values: list[FieldValue], asked: Mapping[str, Asked]
) -> ValidatedDocument:
    """What is asked waits, with the rule that a hospital without measurements would give it; the rest is settled."""
    found = validate(document, values, form, {}, UNPROVEN)
    return found.model_copy(
        update={"values": tuple(v if v.value.field in asked else _settled(v) for v in found.values)}
    )


def _settled(judged: JudgedValue) -> JudgedValue:
    return judged.model_copy(update={"verdict": Verdict.ACCEPT, "rule": REVIEWED})
