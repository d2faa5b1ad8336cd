"""Stages 9-10, pipeline.emr: loads the documents of a batch into the EMR, then moves their pages in the ledger.

Two roles, two transactions: the EMR's rows are committed first; a run that dies between the two loads the same rows
again, which changes nothing, and then moves the pages.
"""

from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy import Connection, RowMapping, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import aliased

from extractors.clinical import extract_entities
from loaders.context import Difference, LoadContext, PageLink
from loaders.emr import load_document, withdraw_document
from loaders.tables import document_reference
from pipeline import ledger
from pipeline.database import engine
from pipeline.settings import settings
from pipeline.tables import batch, difference, document, file, issue, page, page_text, review_decision, review_task
from records.clinical import Entity, Label
from records.document_types import document_types
from records.documents import ValidatedDocument, Verdict
from records.errors import EmrConflict, SohoaError
from records.pages import PageText
from records.states import PageState

log = structlog.get_logger()
SAYING = ("text", "long_text")  # kinds of running text
SHOWN = ("confirmed", "inherited")
HELD = "held"
CONFLICT = "emr_conflict"  # what the EMR did not take; asked of a document as a whole
NOT_TAKEN = "Giấy này chưa nạp được vào bệnh án điện tử; hãy xem trang có đúng hồ sơ không, nếu đúng thì báo quản trị."
DIFFERS = (
    "Trong bệnh án điện tử đã có người ghi {label} là “{stands}”, giấy ghi “{value}”; bệnh án được giữ nguyên, hãy xem "
    "rồi xác nhận."
)
# A document is loaded whole: what stands in the EMR of its pages that were loaded before stays there.
IN_DOCUMENT = tuple(state.value for state in (PageState.ASSEMBLED, PageState.LOADED, PageState.IN_REVIEW))


def load_batch(batch_id: str) -> int:
    """Load every assembled document whose file the guard has not stopped; the number of documents loaded now."""
    with engine(settings(), "pipeline").begin() as alone:
        ledger.hold_batch(alone, batch_id, ledger.LOAD_LOCK)
        facility = alone.scalars(select(batch.c.facility_id).where(batch.c.batch_id == batch_id)).one()
        ids = alone.scalars(_assembled(batch_id)).all()
        done = sum(_load_one(batch_id, facility, document_id) for document_id in ids)
    log.info("loaded", batch=batch_id, documents=done)
    return done


def withdraw_ceased(batch_id: str) -> int:
    """Take out of the EMR what pages of the batch do not make any more, or make in another file; how many documents."""
    still = select(document.c.document_id).where(
        document.c.document_id == document_reference.c.document_id, document.c.file_id == document_reference.c.file_id
    )  # fmt: skip
    query = select(document_reference.c.document_id).where(document_reference.c.batch_id == batch_id, ~still.exists())
    with engine(settings(), "loader").begin() as conn:
        ceased = conn.scalars(query.distinct().order_by(document_reference.c.document_id)).all()
        for document_id in ceased:
            withdraw_document(conn, document_id)
    if ceased:
        log.info("withdrawn", batch=batch_id, documents=len(ceased))
    return len(ceased)


def _assembled(batch_id: str):  # type: ignore[no-untyped-def]
    return (
        select(page.c.document_id)
        .join(document, document.c.document_id == page.c.document_id)
        .join(file, file.c.file_id == document.c.file_id)
        .where(page.c.batch_id == batch_id, page.c.state == PageState.ASSEMBLED.value, file.c.state != HELD)
        .group_by(page.c.document_id)
        .order_by(page.c.document_id)
    )


def _load_one(batch_id: str, facility: str, document_id: str) -> bool:
    with engine(settings(), "pipeline").connect() as conn:
        stored = conn.execute(
            select(document, file.c.patient_key, file.c.encounter_key, file.c.facts)
            .join(file, file.c.file_id == document.c.file_id)
            .where(document.c.document_id == document_id)
        ).mappings().one()  # fmt: skip
        pages = _page_links(conn, stored)
        reviewers = _reviewers(conn, document_id)
    validated = ValidatedDocument.model_validate(stored["validated"])
    context = LoadContext(
        batch_id=batch_id, facility=facility, file_id=stored["file_id"], patient_key=stored["patient_key"],
        encounter_key=stored["encounter_key"], pages=pages, reviewers=reviewers, mentions=mentions_of(validated),
    )  # fmt: skip
    try:
        with engine(settings(), "loader").begin() as conn:
            receipt = load_document(conn, validated, document_types()[stored["document_type"]], context)
    except EmrConflict as conflict:
        return _send_to_review(batch_id, validated, conflict.said_vi or str(conflict))
    except SohoaError as error:  # the others of the batch go on
        log.warning("not loaded", document=document_id, why=str(error))
        return _send_to_review(batch_id, validated, NOT_TAKEN)
    differs = _unseen(document_id, receipt.differs)
    settled = validated.verdict is Verdict.ACCEPT and not differs
    _move(
        batch_id,
        validated,
        PageState.LOADED if settled else PageState.IN_REVIEW,
        _told(differs, stored["document_type"]),
    )
    return True


def _unseen(document_id: str, differs: Sequence[Difference]) -> list[Difference]:
    """Note where the document differs from what others have set in the EMR; those that nobody has looked at yet."""
    rows = [one.model_dump() | {"document_id": document_id} for one in differs]
    with engine(settings(), "pipeline").begin() as conn:
        own = difference.c.document_id == document_id
        conn.execute(delete(difference).where(own, difference.c.field.not_in([one.field for one in differs])))
        for row in rows:
            new = upsert(difference).values(row)
            changed = or_(*(difference.c[name] != row[name] for name in ("place", "value", "stands")))
            anew = row | {"seen_by": None, "seen_at": None}
            key = ["document_id", "field"]
            conn.execute(new.on_conflict_do_update(index_elements=key, set_=anew, where=changed))
        waiting = set(conn.scalars(select(difference.c.field).where(own, difference.c.seen_by.is_(None))))
    return [one for one in differs if one.field in waiting]


def _told(differs: Sequence[Difference], document_type: str) -> dict[str, str]:
    """field -> a sentence for the officer."""
    specs = {one.field: document_types()[document_type].spec(one.field) for one in differs}
    labels = {field: spec.labels[0] if spec and spec.labels else field for field, spec in specs.items()}
    return {one.field: DIFFERS.format(label=labels[one.field], **one.model_dump()) for one in differs}


def keep_standing(conn: Connection, document_id: str, who: str) -> int:
    """An officer has seen where the EMR says otherwise than the document and lets it stand; how many values."""
    own = (difference.c.document_id == document_id) & difference.c.seen_by.is_(None)
    seen = {"seen_by": who, "seen_at": func.clock_timestamp()}
    return conn.execute(update(difference).where(own).values(seen)).rowcount


def mentions_of(validated: ValidatedDocument) -> dict[str, tuple[Entity, ...]]:
    """What the accepted texts of a document say, by field; names of persons stand in fields of their own."""
    texts = {
        one.value.field: one.value.value
        for one in validated.values
        if one.verdict is Verdict.ACCEPT and one.value.kind in SAYING and one.value.value
    }
    said = {field: extract_entities(text) for field, text in texts.items()}
    clinical = {field: tuple(e for e in found if e.label is not Label.PERSON) for field, found in said.items()}
    return {field: found for field, found in clinical.items() if found}


def _page_links(conn: Connection, stored: RowMapping) -> tuple[PageLink, ...]:
    """The document's pages that the guard lets through, with their text."""
    query = (
        select(page.c.page_id, page.c.number, page.c.scan_id, page_text.c.text)
        .join(page_text, page_text.c.page_id == page.c.page_id)
        .where(page.c.document_id == stored["document_id"], page.c.state.in_(IN_DOCUMENT))
        .order_by(page.c.page_id)
    )
    identity = stored["facts"].get("identity", {})
    return tuple(
        PageLink(
            page_id=row.page_id, number=row.number, scan_id=row.scan_id, text=PageText.model_validate(row.text).text,
            identity_status=identity[row.page_id],
        )
        for row in conn.execute(query)
        if identity.get(row.page_id) in SHOWN
    )  # fmt: skip


def _reviewers(conn: Connection, document_id: str) -> dict[str, tuple[str, ...]]:
    """Who decided each field of the document as it stands: not whose decision was taken back, nor whose entry came to
    something else than the last one."""
    taken_back = aliased(review_decision)
    query = (
        select(review_task.c.field, review_decision.c.decided_by, review_decision.c.normal)
        .join(review_task, review_task.c.task_id == review_decision.c.task_id)
        .outerjoin(taken_back, taken_back.c.undoes == review_decision.c.decision_id)
        .where(
            review_task.c.document_id == document_id, review_decision.c.undoes.is_(None),
            taken_back.c.decision_id.is_(None),
        )
        .order_by(review_decision.c.decision_id.desc())
    )  # fmt: skip
    found: dict[str, tuple[str, ...]] = {}
    last: dict[str, str | None] = {}
    for field, officer, normal in conn.execute(query):
        if normal == last.setdefault(field, normal):
            found[field] = (*found.get(field, ()), officer)
    return {field: tuple(dict.fromkeys(reversed(officers))) for field, officers in found.items()}


def _move(
    batch_id: str, validated: ValidatedDocument, new: PageState, conflicts: Mapping[str, str] | None = None
) -> None:
    """Move the document's pages on, unless an officer has revised it meanwhile: then they wait for the next load.

    `conflicts`: why the EMR did not take it ('') or a field of it; what it had against it before is settled.
    """
    own = validated.document.document_id
    same = select(document.c.document_id).where(
        document.c.document_id == own, document.c.revision == validated.revision
    )  # fmt: skip
    with engine(settings(), "pipeline").begin() as conn:
        _note_conflicts(conn, batch_id, own, conflicts or {})
        if conn.scalar(same.with_for_update()) is None:
            return
        for page_id in conn.scalars(
            select(page.c.page_id).where(page.c.document_id == own, page.c.state == PageState.ASSEMBLED.value)
        ).all():
            ledger.move(conn, page_id, PageState.ASSEMBLED, new)


def _send_to_review(batch_id: str, validated: ValidatedDocument, message: str) -> bool:
    _move(batch_id, validated, PageState.IN_REVIEW, {"": message})
    return False


def _note_conflicts(conn: Connection, batch_id: str, document_id: str, conflicts: Mapping[str, str]) -> None:
    own = {"batch_id": batch_id, "document_id": document_id, "check_name": CONFLICT}
    conn.execute(delete(issue).where(*(issue.c[name] == value for name, value in own.items())))
    for field, message in conflicts.items():
        conn.execute(insert(issue).values(own | {"field": field, "message": message}))
