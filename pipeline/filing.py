"""Stages 4-7 of a batch, pipeline.filing: the read pages of each file become stored documents and page states."""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

import structlog
from sqlalchemy import Connection, RowMapping, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from extractors.duplicates import may_be_same, same_text
from loaders.context import natural_key
from pipeline import ledger, registry
from pipeline.assembly import AssembledFile, FilePage, assemble_file
from pipeline.children import Workers
from pipeline.database import engine
from pipeline.documents import decided_documents, note_issues, store_document
from pipeline.reading import PageJob, PairJob, compare_job
from pipeline.settings import settings
from pipeline.tables import batch, document, file, page, page_text, receipt, scan
from records.document_types import document_types
from records.documents import PageReading
from records.pages import MediaType
from records.states import IN_PROGRESS, PageState
from transformers.identity import EVIDENCE
from transformers.values import readings_to_values
from validation.verdicts import THRESHOLDS, UNPROVEN

log = structlog.get_logger()
SET_ASIDE = {"blank": PageState.BLANK, "separator": PageState.SEPARATOR}  # what a page is read as -> where it rests
DEMO = "DEMO"  # the only facility whose thresholds may rest on synthetic pages
ID_FACTS = (*EVIDENCE, "encounter.admitted_at", "encounter.discharged_at")
IN_FILE = (PageState.READ, PageState.ASSEMBLED, PageState.LOADED, PageState.IN_REVIEW)


class ReadPage(NamedTuple):
    """A page of a file with its ledger row and what was read."""

    row: RowMapping
    reading: PageReading


def assemble_batch(batch_id: str, children: Workers) -> int:
    """Assemble every file of the batch that has read pages and none left to read; documents of the batch in all."""
    with engine(settings(), "pipeline").connect() as conn:
        facility = conn.scalars(select(batch.c.facility_id).where(batch.c.batch_id == batch_id)).one()
        boundary = conn.scalars(select(batch.c.boundary).where(batch.c.batch_id == batch_id)).one()
        pages = _pages(conn, batch_id)
    for label, group in groupby(pages, key=lambda p: _file_label(p.row["path"], boundary)):
        found = list(group)
        if any(p.row["state"] == PageState.READ.value for p in found):
            _assemble(batch_id, facility, label, found, children)
    with engine(settings(), "pipeline").connect() as conn:
        return conn.scalar(select(func.count()).select_from(document).where(document.c.batch_id == batch_id)) or 0


def _assemble(batch_id: str, facility: str, label: str, pages: list[ReadPage], children: Workers) -> None:
    """One file: blank, separator and doubled sheets set aside, the rest put together, all in one transaction."""
    apart = [p for p in pages if p.reading.document_type in SET_ASIDE]
    doubled = _doubled([p for p in pages if p not in apart], children)
    kept = [p for p in pages if p not in apart and p.row["page_id"] not in doubled]
    file_id = hashlib.sha256(f"{batch_id}\0{label}".encode()).hexdigest()[:24]
    with engine(settings(), "pipeline").begin() as conn:
        for p in apart:
            ledger.move(conn, p.row["page_id"], PageState(p.row["state"]), SET_ASIDE[p.reading.document_type])
        for page_id, first in doubled.items():
            ledger.move(conn, page_id, PageState.READ, PageState.DUPLICATE, duplicate_of=first)
        known = _known(conn, facility, kept)
        icd10 = settings().home / "codes" / "icd10.csv"
        in_order = _in_order(pages, kept)
        proven = THRESHOLDS if facility == DEMO else UNPROVEN
        found = assemble_file(file_id, in_order, document_types(), known, icd10 if icd10.exists() else None, proven)
        _store_file(conn, batch_id, facility, label, pages[0].row["receipt_id"], found)
        settled = decided_documents(conn, batch_id)
        for validated in found.documents:
            if validated.document.document_id not in settled:
                store_document(conn, batch_id, validated)
        note_issues(conn, batch_id, found)
        _move_pages(conn, kept, found)


def _in_order(pages: Sequence[ReadPage], kept: Sequence[ReadPage]) -> list[FilePage]:
    """The pages kept, each told whether the one before it in its scan was read too (blank and doubled ones were)."""
    read = {(p.row["receipt_id"], p.row["number"]) for p in pages}
    return [
        FilePage(
            page_id=p.row["page_id"],
            reading=p.reading,
            follows=(p.row["receipt_id"], p.row["number"] - 1) in read,
        )
        for p in kept
    ]


def _pages(conn: Connection, batch_id: str) -> list[ReadPage]:
    """Read pages of the batch by file and number, those that earlier runs assembled among them."""
    query = (
        select(page, receipt.c.path, scan.c.media_type, page_text.c.image, page_text.c.text, page_text.c.readings,
               page_text.c.document_type, page_text.c.title, page_text.c.type_score, page_text.c.seconds)
        .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
        .join(scan, scan.c.scan_id == page.c.scan_id)
        .join(page_text, page_text.c.page_id == page.c.page_id)
        .where(page.c.batch_id == batch_id,
               page.c.state.in_([s.value for s in IN_FILE]))
        .order_by(receipt.c.path, page.c.receipt_id, page.c.number)
    )  # fmt: skip
    return [ReadPage(row, _reading(row)) for row in conn.execute(query).mappings()]


def _reading(row: RowMapping) -> PageReading:
    return PageReading.model_validate(
        {"image": row["image"], "text": row["text"], "readings": row["readings"], "document_type": row["document_type"],
         "titled": row["title"], "score": row["type_score"], "seconds": row["seconds"]}
    )  # fmt: skip


def _file_label(path: str, boundary: str) -> str:
    """What one patient file is called: its scan, or its folder."""
    return path.rpartition("/")[0] or "." if boundary == "folder" else path


def _doubled(pages: Sequence[ReadPage], children: Workers) -> dict[str, str]:
    """page id -> the page of which it is a second scan: numbers, text and picture alike.

    Of two sheets the one that came to rest first, else the one that lies first, is the original.
    """
    new = [p for p in pages if p.row["state"] == PageState.READ.value]
    old = [p for p in pages if p.row["state"] != PageState.READ.value]
    pairs = [
        PairJob(_job(first), _geometry(first), _job(later), _geometry(later), headers=not first.reading.text.whole)
        for i, later in enumerate(new)
        for first in (*old, *new[:i])
        if _look_alike(first, later)
    ]
    found: dict[str, str] = {}
    for pair, same in children.map(compare_job, pairs):
        if same is True and pair.one.page_id not in found:
            found.setdefault(pair.other.page_id, pair.one.page_id)
    return found


def _look_alike(one: ReadPage, other: ReadPage) -> bool:
    """Whether two pages deserve that their pixels are compared."""
    return may_be_same(one.reading.image, other.reading.image) and same_text(one.reading.text, other.reading.text)


def _job(p: ReadPage) -> PageJob:
    return PageJob(p.row["page_id"], p.row["scan_id"], MediaType(p.row["media_type"]), p.row["number"])


def _geometry(p: ReadPage) -> str:
    return p.reading.image.model_dump_json()


def _known(conn: Connection, facility: str, pages: Sequence[ReadPage]) -> dict[str, str]:
    """What the registry says of this file, when two of the values read on it find the same stay."""
    types = document_types()
    votes: dict[str, dict[str, int]] = {}
    for p in pages:
        for value in readings_to_values(p.reading.readings, types[p.reading.document_type]):
            if value.field in ID_FACTS and not value.problem:
                votes.setdefault(value.field, {}).setdefault(value.value, 0)
                votes[value.field][value.value] += 1
    read = {field: max(forms, key=lambda f: forms[f]) for field, forms in votes.items()}
    stay = registry.find_stay(conn, facility, read)
    return registry.witnesses_for(conn, facility, stay.encounter_number, stay.patient_id) if stay else {}


def _store_file(
    conn: Connection, batch_id: str, facility: str, label: str, receipt_id: str, found: AssembledFile
) -> None:
    row = {
        "batch_id": batch_id, "receipt_id": receipt_id, "label": label, "state": "held" if found.held else "open",
        "patient_key": natural_key(facility, found.file_id, found.facts.get("patient.id", "")),
        "encounter_key": natural_key(facility, found.file_id, found.facts.get("encounter.number", "")),
        "facts": found.facts | {"identity": {p: str(s) for p, s in found.identity.items()}},
    }  # fmt: skip
    statement = upsert(file).values(file_id=found.file_id, **row)
    conn.execute(statement.on_conflict_do_update(index_elements=["file_id"], set_=row))
    gone = [v.document.document_id for v in found.documents]
    conn.execute(delete(document).where(document.c.file_id == found.file_id, document.c.document_id.not_in(gone)))


def _move_pages(conn: Connection, pages: Sequence[ReadPage], found: AssembledFile) -> None:
    """Pages to `assembled`; of a stopped file, and pages that nobody can place, to review."""
    owner = {p: v.document.document_id for v in found.documents for p in v.document.page_ids}
    for p in pages:
        page_id = p.row["page_id"]
        if p.row["state"] != PageState.READ.value:
            continue
        waits = found.held or str(found.identity[page_id]) == "unknown"
        new = PageState.IN_REVIEW if waits else PageState.ASSEMBLED
        ledger.move(conn, page_id, PageState.READ, new, document_id=owner[page_id])


def close_if_done(conn: Connection, batch_id: str, counts: Mapping[str, int]) -> None:
    """Close a batch in which nothing is in progress; open it again when something came in."""
    busy = any(counts.get(state.value) for state in IN_PROGRESS)
    stamp = None if busy else func.coalesce(batch.c.closed_at, func.clock_timestamp())
    conn.execute(update(batch).where(batch.c.batch_id == batch_id).values(closed_at=stamp))
