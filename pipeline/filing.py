"""Stages 4-7 of a batch, pipeline.filing: the read pages of each file become stored documents and page states."""

import hashlib
from collections import Counter
from collections.abc import Collection, Container, Iterator, Mapping, Sequence

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from loaders.context import natural_key
from pipeline import facts, ledger, registry
from pipeline.assembly import AssembledFile, assemble_file
from pipeline.batch_pages import SET_ASIDE, in_full, pages_of
from pipeline.boundaries import SEPARATOR, Part, ReadPage, parts_of
from pipeline.carrying import carry_decisions, drop_pageless, kept_decisions, with_carried
from pipeline.children import Workers
from pipeline.contracts import contract_in_force
from pipeline.database import engine
from pipeline.documents import decided_documents, note_issues, store_document
from pipeline.doubles import doubled, proposals
from pipeline.emr import HELD, SHOWN
from pipeline.grouping import FilePage
from pipeline.placing import FILED
from pipeline.repairs import begins, in_ruled_order
from pipeline.repeats import settled_documents
from pipeline.settings import settings
from pipeline.standing import file_standing
from pipeline.tables import batch, document, expected_file, file, page
from records.document_types import document_types
from records.documents import FieldValue, Issue
from records.pages import Boundary
from records.states import IN_PROGRESS, PageState
from transformers.identity import EVIDENCE, IdentityState, compare_numbers
from transformers.values import readings_to_values

NAMED = ("encounter.number", "patient.id")  # what a separator or an index tells of a file
NAMED_OTHERWISE = "named_otherwise"
OTHERWISE = "Tờ phân cách hay danh sách ghi số “{named}” nhưng trang ghi “{read}”; hãy cho biết trang thuộc hồ sơ nào."
ID_FACTS = (*EVIDENCE, "encounter.admitted_at", "encounter.discharged_at")


def assemble_batch(batch_id: str, children: Workers) -> int:
    """Assemble every file of the batch that has newly read pages; documents of the batch in all.

    Where separators bound files, all waits until every page is read: the next one may be a separator. Of two runs of
    one batch the second waits for the first.
    """
    with engine(settings(), "pipeline").begin() as alone:
        ledger.hold_batch(alone, batch_id, ledger.BATCH_LOCK)
        return _assemble_batch(batch_id, children)


def _assemble_batch(batch_id: str, children: Workers) -> int:
    with engine(settings(), "pipeline").connect() as conn:
        row = conn.execute(select(batch).where(batch.c.batch_id == batch_id)).mappings().one()
        facility, boundary = row["facility_id"], Boundary(row["boundary"])
        unread = ledger.counts(conn, batch_id).get(batch_id, {}).get(PageState.RECEIVED.value, 0)
        pages = [] if unread and boundary is Boundary.SEPARATOR else pages_of(conn, batch_id)
        boxes = registry.known_boxes(conn, facility) if boundary is Boundary.SEPARATOR else set()
        read_again = _read_again(conn, batch_id)
    parts = parts_of(pages, boundary, boxes)
    for part in parts:
        if part.label not in read_again and any(p.state is PageState.READ for p in part.pages):
            with engine(settings(), "pipeline").connect() as conn:
                whole = part._replace(pages=in_full(conn, part.pages))
            _assemble(batch_id, facility, whole, children)
    with engine(settings(), "pipeline").begin() as conn:
        if pages:
            drop_pageless(conn, batch_id)
            _drop_emptied(conn, batch_id, labels=[part.label for part in parts])
        return conn.scalar(select(func.count()).select_from(document).where(document.c.batch_id == batch_id)) or 0


def _read_again(conn: Connection, batch_id: str) -> Collection[str]:
    """Labels of files that wait whole, because a page of one of their documents is with the readers again."""
    query = select(file.c.label).join(document, document.c.file_id == file.c.file_id)
    query = query.join(page, page.c.document_id == document.c.document_id)
    own = (page.c.batch_id == batch_id) & (page.c.state == PageState.RECEIVED.value)
    return set(conn.scalars(query.where(own)))


def _drop_emptied(conn: Connection, batch_id: str, labels: Sequence[str]) -> None:
    """Remove files whose pages an officer has all placed elsewhere."""
    has_document = select(document.c.document_id).where(document.c.file_id == file.c.file_id).exists()
    conn.execute(delete(file).where(file.c.batch_id == batch_id, file.c.label.not_in(labels), ~has_document))


def _assemble(batch_id: str, facility: str, part: Part, children: Workers) -> None:
    """One file: blank, separator and doubled sheets set aside, the rest put together, all in one transaction."""
    apart = [p for p in part.pages if p.reading.document_type in SET_ASIDE or p.state in SET_ASIDE.values()]
    present = in_ruled_order(
        [p for p in part.pages if p not in apart and p.state is not PageState.DUPLICATE], lambda p: p.repair.place
    )
    second, perhaps = doubled(present, children)
    kept = [p for p in present if p.page_id not in second]
    file_id = hashlib.sha256(f"{batch_id}\0{part.label}".encode()).hexdigest()[:24]
    with engine(settings(), "pipeline").begin() as conn:
        _lock(conn, file_id, part.pages)
        again, before = _stopped(conn, file_id), _revisions(conn, file_id)
        _set_aside(conn, apart, second)
        named = _expected(conn, batch_id, part)
        known = _known(conn, facility, kept, named)
        icd10 = settings().home / "codes" / "icd10.csv"
        ruled = _ruled(kept)
        turned = {p.page_id for p in kept if p.state is PageState.READ and p.repair.turn is not None}
        in_order = _in_order(part.pages, kept)
        proven = contract_in_force(conn, facility)
        decided = facts.decided_facts(conn, file_id, {p.page_id for p in kept})
        found = assemble_file(
            file_id, in_order, document_types(), known, icd10 if icd10.exists() else None, proven, ruled, decided
        )
        found = found.asking(part.issues, stops=part.stops).asking(proposals(perhaps))
        unlike = _named_otherwise(kept, named)
        found = found.asking(unlike, stops=bool(unlike))
        carried = carry_decisions(conn, batch_id, found.documents)
        settled = decided_documents(conn, batch_id)
        _store_file(conn, batch_id, facility, part.label, part.pages[0].row["receipt_id"], found, settled)
        for validated in settled_documents(found.documents, found.identity, decided):
            kept_one = kept_decisions(conn, validated, settled, turned)
            stored = store_document(conn, batch_id, with_carried(kept_one, carried))
            changed = stored.revision != before.get(stored.document.document_id, stored.revision)
            again |= set(stored.document.page_ids) if changed else set()
        _supersede(conn, [p for p in kept if found.identity[p.page_id] is not IdentityState.CONFLICT])
        note_issues(conn, batch_id, found, [one for p in part.pages for one in (p.page_id, *p.replaced)])
        _move_pages(conn, kept, found, again)
        facts.settle_facts(conn, file_id)


def _set_aside(conn: Connection, apart: Sequence[ReadPage], doubled: Mapping[str, str]) -> None:
    for p in apart:
        if p.state is PageState.READ:
            ledger.move(conn, p.page_id, p.state, SET_ASIDE[p.reading.document_type])
    for page_id, first in doubled.items():
        ledger.move(conn, page_id, PageState.READ, PageState.DUPLICATE, duplicate_of=first)


def _lock(conn: Connection, file_id: str, pages: Sequence[ReadPage]) -> None:
    """Nobody decides on a document of the file meanwhile: what was decided before is seen, what comes later waits."""
    conn.execute(select(file.c.file_id).where(file.c.file_id == file_id).with_for_update(key_share=True))
    ids = {p.row["document_id"] for p in pages if p.row["document_id"]}
    own = (document.c.file_id == file_id) | document.c.document_id.in_(ids)
    conn.execute(select(document.c.document_id).where(own).order_by(document.c.document_id).with_for_update())


def _named_otherwise(pages: Sequence[ReadPage], named: tuple[str, str]) -> dict[str, tuple[Issue, ...]]:
    """A question where the pages tell a number and none of them the one that the separator or the index names."""
    told = list(_sound_values([p for p in pages if not p.ruled])) if any(named) else []
    asked: dict[str, tuple[Issue, ...]] = {}
    for field, number in zip(NAMED, named, strict=True):
        read = [(page_id, value.value) for page_id, value in told if value.field == field and value.value]
        if number and read and all(compare_numbers(other, number) < 1 for _, other in read):
            message = OTHERWISE.format(named=number, read=read[0][1])
            asked[read[0][0]] = (Issue(check=NAMED_OTHERWISE, field=field, message=message),)
    return asked


def _ruled(pages: Sequence[ReadPage]) -> set[str]:
    """Pages that an officer said to be this file's: a rescan only where it tells nothing else, for it may be of another
    sheet than the one she saw."""
    told = {page_id for page_id, value in _sound_values(pages) if value.field in EVIDENCE}
    return {p.page_id for p in pages if p.ruled and (p.confirmed or p.page_id not in told)}


def _sound_values(pages: Sequence[ReadPage]) -> Iterator[tuple[str, FieldValue]]:
    """Every value that could be parsed, with the id of its page."""
    types = document_types()
    for p in pages:
        for value in readings_to_values(p.reading.readings, types[p.reading.document_type]):
            if not value.problem:
                yield p.page_id, value


def _supersede(conn: Connection, pages: Sequence[ReadPage]) -> None:
    """The pages whose place these have taken come to rest."""
    replaced = [earlier for p in pages for earlier in p.replaced]
    query = select(page.c.page_id, page.c.state).where(page.c.page_id.in_(replaced))
    for page_id, state in conn.execute(query.where(page.c.state != PageState.SUPERSEDED.value)).all():
        ledger.move(conn, page_id, PageState(state), PageState.SUPERSEDED)


def _expected(conn: Connection, batch_id: str, part: Part) -> tuple[str, str]:
    """Admission and patient number that the separator or the vendor's index tells of a file, '' each when neither."""
    if part.separator:
        return part.separator.encounter_number, ""
    own = (expected_file.c.batch_id == batch_id) & (expected_file.c.label == part.label)
    row = conn.execute(select(expected_file.c.encounter_number, expected_file.c.patient_id).where(own)).one_or_none()
    return (row.encounter_number, row.patient_id) if row else ("", "")


def _in_order(pages: Sequence[ReadPage], kept: Sequence[ReadPage]) -> list[FilePage]:
    """The pages kept, each told whether the one before it in its scan was read too (blank and doubled ones were)."""
    read = {p.place[1:] for p in pages if p.reading.document_type != SEPARATOR}
    return [
        FilePage(
            page_id=p.page_id,
            reading=p.reading,
            follows=(p.place[1], p.place[2] - 1) in read,
            place_id=p.first_id,
            starts=begins(p.repair.starts, (before.page_id, *before.replaced) if before else ()),
        )
        for before, p in zip([None, *kept], kept, strict=False)
    ]


def _known(
    conn: Connection, facility: str, pages: Sequence[ReadPage], expected: tuple[str, str] = ("", "")
) -> dict[str, str]:
    """What the registry says of this file: of the stay that the separator or the index names, else of the one that two
    of the values read on it find. `expected`: admission and patient number, themselves witnesses of what is read.
    """
    if any(expected):
        named = dict(zip(NAMED, expected, strict=True))
        said = registry.witnesses_for(conn, facility, *(number or None for number in expected))
        return said | {field: number for field, number in named.items() if number}
    votes: dict[str, Counter[str]] = {}
    for _, value in _sound_values(pages):
        if value.field in ID_FACTS:
            votes.setdefault(value.field, Counter())[value.value] += 1
    read = {field: max(forms, key=lambda f: forms[f]) for field, forms in votes.items()}
    stay = registry.find_stay(conn, facility, read)
    return registry.witnesses_for(conn, facility, stay.encounter_number, stay.patient_id) if stay else {}


def _store_file(
    conn: Connection,
    batch_id: str,
    facility: str,
    label: str,
    receipt_id: str,
    found: AssembledFile,
    settled: Collection[str],
) -> None:
    """The file's row. Documents that its pages no longer make go, but not one on which a person has decided: it goes
    where its pages went."""
    row = {
        "batch_id": batch_id, "receipt_id": receipt_id, "label": label, "state": "held" if found.held else "open",
        "patient_key": natural_key(facility, found.file_id, found.facts.get("patient.id", "")),
        "encounter_key": natural_key(facility, found.file_id, found.facts.get("encounter.number", "")),
        "facts": found.facts | {"identity": {p: str(s) for p, s in found.identity.items()}},
    } | file_standing(conn, facility, found.documents, found.identity, found.facts)  # fmt: skip
    statement = upsert(file).values(file_id=found.file_id, **row)
    conn.execute(statement.on_conflict_do_update(index_elements=["file_id"], set_=row))
    stay = [*(v.document.document_id for v in found.documents), *settled]
    conn.execute(delete(document).where(document.c.file_id == found.file_id, document.c.document_id.not_in(stay)))


def _stopped(conn: Connection, file_id: str) -> set[str]:
    """Pages that the guard stopped when the file was put together before."""
    row = conn.execute(select(file.c.state, file.c.facts).where(file.c.file_id == file_id)).one_or_none()
    identity: dict[str, str] = row.facts.get("identity", {}) if row else {}
    return {page_id for page_id, state in identity.items() if row and (row.state == HELD or state not in SHOWN)}


def _revisions(conn: Connection, file_id: str) -> dict[str, int]:
    """The revisions of the file's documents, by document."""
    query = select(document.c.document_id, document.c.revision).where(document.c.file_id == file_id)
    return {row.document_id: row.revision for row in conn.execute(query)}


def _move_pages(conn: Connection, pages: Sequence[ReadPage], found: AssembledFile, again: Container[str]) -> None:
    """Pages to `assembled`; of a stopped file, and pages that nobody can place, to review.

    Pages that came to rest before go on too where another document holds them now, or where something is to be loaded
    `again`: their document says something else now, or the guard stopped them and does so no more.
    """
    owner = {p: v.document.document_id for v in found.documents for p in v.document.page_ids}
    now = _states(conn, pages)
    for p in pages:
        state, waits = now[p.page_id], found.held or found.identity[p.page_id] is IdentityState.UNKNOWN
        other = p.row["document_id"] != owner[p.page_id]
        anew = p.page_id in again and not waits and state in (PageState.IN_REVIEW, PageState.LOADED)
        if state is not PageState.READ and not other and not anew:
            continue
        if state is PageState.LOADED:
            ledger.move(conn, p.page_id, PageState.LOADED, PageState.IN_REVIEW)
            state = PageState.IN_REVIEW
        new = PageState.IN_REVIEW if waits else PageState.ASSEMBLED
        if state is new:
            conn.execute(update(page).where(page.c.page_id == p.page_id).values(document_id=owner[p.page_id]))
        else:
            ledger.move(conn, p.page_id, state, new, document_id=owner[p.page_id])


def _states(conn: Connection, pages: Sequence[ReadPage]) -> dict[str, PageState]:
    """The pages' states. What was decided or loaded since they were listed counts; what else became of one does not."""
    query = select(page.c.page_id, page.c.state).where(page.c.page_id.in_([p.page_id for p in pages]))
    now = {row.page_id: PageState(row.state) for row in conn.execute(query)}
    return {p.page_id: now[p.page_id] if {p.state, now[p.page_id]}.issubset(FILED) else p.state for p in pages}


def close_if_done(conn: Connection, batch_id: str, counts: Mapping[str, int]) -> None:
    """Close a batch in which nothing is in progress; open it again when something came in."""
    busy = any(counts.get(state.value) for state in IN_PROGRESS)
    stamp = None if busy else func.coalesce(batch.c.closed_at, func.clock_timestamp())
    conn.execute(update(batch).where(batch.c.batch_id == batch_id).values(closed_at=stamp))
