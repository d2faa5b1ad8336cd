"""Stage 9, loaders.rows: accepted values of a document become rows of the EMR tables. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from loaders.context import LoadContext, checked_by
from loaders.tables import OF_DOCUMENT
from loaders.targets import KEY_COLUMNS, TARGETS, Target, columns_of
from records.clinical import Label
from records.document_types import DocumentType
from records.documents import JudgedValue, ValidatedDocument, Verdict
from records.errors import SohoaError

ROW_FIELD = re.compile(r"(?P<table>\w{1,60})\[(?P<index>\d{1,4})\]\.")

STATED = "stated"  # the method of a value that was taken out of a text

Row = dict[str, Any]


class Placed(NamedTuple):
    """An accepted value and the place in the EMR that it goes to. `part_of`: the field in whose text it stands."""

    judged: JudgedValue
    target: Target
    target_id: str
    occurrence: int
    part_of: str = ""


class EmrRows(NamedTuple):
    """All that one document puts into the EMR. `tables`: rows by table, ready to upsert."""

    pages: list[Row]
    tables: dict[str, list[Row]]
    provenance: list[Row]


def rows_for_emr(validated: ValidatedDocument, document_type: DocumentType, context: LoadContext) -> EmrRows:
    """The rows of a document: every page, and the values whose verdict is accept.

    A field that a person found blank or illegible puts nothing into its column, and its provenance says which of the
    two it is; one that is not mentioned has no provenance, and a negative finding is a value like any other.
    """
    found = list(place_values(validated, document_type, context))
    placed = _whole_rows([p for p in found if not p.judged.absence])
    placed += [part for one in placed for part in _stated_parts(one, context)]
    loaded = {p.target_id for p in placed}
    empty = [p for p in found if p.judged.absence and (p.target.table not in OF_DOCUMENT or p.target_id in loaded)]
    return EmrRows(
        pages=_page_rows(validated, context, placed),
        tables=_document_rows(validated, context, placed) | _mention_rows(validated, context, placed),
        provenance=[_provenance_row(p, validated, context) for p in (*placed, *empty)],
    )


def place_values(validated: ValidatedDocument, document_type: DocumentType, context: LoadContext) -> Iterator[Placed]:
    """Accepted values and settled absences with a target, each field once; those of a page that the guard still holds
    wait with it."""
    seen: set[str] = set()
    shown = {page.page_id for page in context.pages}
    for judged in validated.values:
        field, spec = judged.value.field, document_type.spec(judged.value.field)
        if not _ready(judged, shown) or not spec or not spec.emr or field in seen:
            continue
        if spec.emr not in TARGETS:
            where = f"{document_type.id}.yaml: {field}"
            raise SohoaError(f"{where}: '{spec.emr}' is not a place in the EMR; use one of loaders/targets.py.")
        seen.add(field)
        yield _placed(judged, TARGETS[spec.emr], validated.document.document_id, context)


def _ready(judged: JudgedValue, shown: set[str]) -> bool:
    settled = judged.absence is not None or judged.verdict is Verdict.ACCEPT
    return settled and judged.value.reading.page_id in shown


def _placed(judged: JudgedValue, target: Target, document_id: str, context: LoadContext) -> Placed:
    row = ROW_FIELD.match(judged.value.field)
    occurrence = int(row["index"]) if row else 0
    stem = row["table"] if row else target.table + (f".{target.row}" if target.row else "")
    keys = {
        "patient": context.patient_key,
        "encounter": context.encounter_key,
        "document_reference": judged.value.reading.page_id,
    }
    return Placed(judged, target, keys.get(target.table, f"{document_id}|{stem}|{occurrence}"), occurrence)


def _whole_rows(placed: list[Placed]) -> list[Placed]:
    """Without the values of rows whose key columns are not all accepted."""
    held: dict[str, set[str]] = defaultdict(set)
    for value in placed:
        held[value.target_id] |= {value.target.column, *dict(value.target.given)}
    return [p for p in placed if held[p.target_id].issuperset(KEY_COLUMNS.get(p.target.table, ()))]


def _stated_parts(placed: Placed, context: LoadContext) -> Iterator[Placed]:
    """The stage and the TNM that a main diagnosis states itself, once and without doubt, as values of its row."""
    if (placed.target.table, placed.target.column, placed.target.row) != ("condition", "text", "main"):
        return
    value = placed.judged.value
    mentions = context.mentions.get(value.field, ())
    if any(said.uncertain or said.negated for said in mentions):
        return
    for label, column in ((Label.STAGE, "stage"), (Label.TNM, "tnm")):
        said = [mention for mention in mentions if mention.label is label]
        if len(said) == 1:
            normal = str(said[0].value) if label is Label.STAGE else said[0].text
            reading = value.reading.model_copy(
                update={"field": f"{value.field}.{column}", "raw": said[0].text, "method": STATED, "others": ()}
            )
            part = value.model_copy(update={"reading": reading, "value": normal})
            judged = placed.judged.model_copy(update={"value": part})
            yield Placed(
                judged, placed.target._replace(column=column), placed.target_id, placed.occurrence, value.field
            )


def _mention_rows(validated: ValidatedDocument, context: LoadContext, placed: list[Placed]) -> dict[str, list[Row]]:
    """What the texts of a document say, each with its place in the text."""
    document_id = validated.document.document_id
    rows = [
        said.model_dump(exclude={"start", "end"})
        | {
            "row_id": f"{document_id}|{field}|{said.start}",
            "encounter_id": context.encounter_key,
            "occurrence": at,
            "field": field,
            "start_at": said.start,
            "end_at": said.end,
            "label": said.label.value,
            "batch_id": context.batch_id,
            "document_id": document_id,
        }
        for field in (p.judged.value.field for p in placed)
        for at, said in enumerate(context.mentions.get(field, ()))
    ]
    return {"text_mention": rows} if rows else {}


def _document_rows(validated: ValidatedDocument, context: LoadContext, placed: list[Placed]) -> dict[str, list[Row]]:
    rows: dict[str, dict[str, Row]] = defaultdict(dict)
    for value in placed:
        table = value.target.table
        if table not in OF_DOCUMENT:
            continue
        row = rows[table].setdefault(value.target_id, _empty_row(value, validated, context))
        row[value.target.column] = value.judged.value.value
    return {table: list(found.values()) for table, found in rows.items()}


def _empty_row(value: Placed, validated: ValidatedDocument, context: LoadContext) -> Row:
    row: Row = dict.fromkeys(columns_of(value.target.table)) | dict(value.target.given)
    if value.target.table == "condition":
        row["rank"] = value.target.row
    return row | {
        "row_id": value.target_id,
        "encounter_id": context.encounter_key,
        "occurrence": value.occurrence,
        "batch_id": context.batch_id,
        "document_id": validated.document.document_id,
    }


def _page_rows(validated: ValidatedDocument, context: LoadContext, placed: list[Placed]) -> list[Row]:
    sections: dict[str, Row] = defaultdict(dict)
    for value in placed:
        if value.target.table == "document_reference":
            sections[value.target_id][value.target.column] = value.judged.value.value
    document = validated.document
    return [
        dict.fromkeys(columns_of("document_reference"))
        | {
            "page_id": page.page_id,
            "encounter_id": context.encounter_key,
            "file_id": context.file_id,
            "type": document.document_type,
            "edition": document.edition,
            "position": document.page_ids.index(page.page_id) + 1,
            "scan_id": page.scan_id,
            "page_number": page.number,
            "text": page.text,
            "identity_status": page.identity_status,
            "state": "current",
            "batch_id": context.batch_id,
            "document_id": document.document_id,
        }
        | sections[page.page_id]
        for page in context.pages
    ]


def _provenance_row(placed: Placed, validated: ValidatedDocument, context: LoadContext) -> Row:
    judged, reading = placed.judged, placed.judged.value.reading
    reviewers = context.reviewers.get(placed.part_of or reading.field, ())
    return {
        "document_id": validated.document.document_id,
        "field": reading.field,
        "target_table": placed.target.table,
        "target_id": placed.target_id,
        "target_column": placed.target.column,
        "value": judged.value.value,
        "raw": reading.raw,
        "page_id": reading.page_id,
        "identity_status": next(p.identity_status for p in context.pages if p.page_id == reading.page_id),
        "box": reading.box.model_dump(),
        "engine": reading.engine,
        "method": reading.method,
        "confidence": judged.confidence,
        "rule": judged.absence or judged.rule,
        "witness": judged.witness,
        "verdict": judged.verdict.value,
        "checked": checked_by(reviewers),
        "reviewer": ", ".join(dict.fromkeys(reviewers)) or None,
        "batch_id": context.batch_id,
    }
