"""Stage 8, review.files: the files that wait as a whole, and any file with its pages and what is asked about each."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, func, select

from pipeline import audit, finished
from pipeline.doubles import DOUBLE
from pipeline.emr import CONFLICT, HELD, keep_standing
from pipeline.placing import FILED
from pipeline.tables import difference, document, file, issue, page, page_text, receipt
from records.base import Frozen
from records.errors import SohoaError
from records.states import IN_PROGRESS, PageState
from review.repairs import documents_of
from transformers.identity import IdentityState

LIMIT = 200  # files shown at once
KEEP = "keep_emr"  # in the audit trail
PLACEABLE = frozenset(state.value for state in FILED)
SHOWN = sorted(PLACEABLE | {state.value for state in IN_PROGRESS})


class WaitingFile(Frozen):
    """A file, in the list one of which something cannot be loaded. `asked`: the checks that ask about its pages."""

    file_id: str
    batch_id: str
    label: str
    pages: int
    asked: tuple[str, ...]


class FilePage(Frozen):
    """One page of a file. `issues`: sentences for the officer; `waits`: it can be placed and repaired; `again`: it
    waits to be read once more; `differs`: the EMR says otherwise than it, which nobody has seen yet."""

    page_id: str
    document_id: str
    number: int
    path: str
    document_type: str
    identity: str
    issues: tuple[str, ...]
    waits: bool
    again: bool = False
    differs: bool = False


def waiting_files(conn: Connection) -> list[WaitingFile]:
    """Files with pages that wait for a person, the oldest batch first: held ones, and those with a page of nobody or a
    document that the EMR did not take. Those just placed are on their way."""
    own = document.c.file_id == file.c.file_id
    pages = select(func.count()).select_from(page).join(document, document.c.document_id == page.c.document_id)
    waiting = select(page.c.page_id).join(document, document.c.document_id == page.c.document_id)
    waiting = waiting.where(own, page.c.state == PageState.IN_REVIEW.value)
    of_nobody = file.c.facts["identity"].op("->>")(page.c.page_id) == IdentityState.UNKNOWN.value
    in_conflict = select(issue.c.issue_id).where(
        issue.c.document_id == document.c.document_id, issue.c.check_name == CONFLICT
    )  # fmt: skip
    asked = (file.c.state == HELD) | of_nobody | in_conflict.exists()
    query = (
        select(file.c.file_id, file.c.batch_id, file.c.label, pages.where(own).scalar_subquery().label("pages"))
        .where(waiting.where(asked).exists())
        .order_by(file.c.batch_id, file.c.label)
        .limit(LIMIT)
    )
    return [
        WaitingFile(**row._asdict(), asked=tuple(sorted({check for _, check, _ in _asked(conn, row.file_id)})))
        for row in conn.execute(query)
    ]


def pages_of(conn: Connection, file_id: str) -> tuple[WaitingFile, list[FilePage]]:
    """A file with its pages in its order; SohoaError when there is none."""
    own = conn.execute(select(file).where(file.c.file_id == file_id)).mappings().one_or_none()
    if own is None:
        raise SohoaError(f"There is no file '{file_id}'; reload the list.")
    asked, rows = _asked(conn, file_id), _rows(conn, file_id)
    told: dict[str, list[str]] = {}
    for page_id, _, message in asked:
        told.setdefault(page_id, []).append(message)
    identity, differing = own["facts"].get("identity", {}), _differing(conn, file_id)
    pages = [
        FilePage(
            page_id=row.page_id, document_id=row.document_id, number=row.number, path=row.path,
            document_type=row.document_type, identity=identity.get(row.page_id, ""),
            issues=tuple(told.get(row.page_id, ())), waits=row.state in PLACEABLE,
            again=row.state == PageState.RECEIVED.value, differs=row.page_id in differing,
        )
        for row in rows
    ]  # fmt: skip
    checks = tuple(sorted({check for _, check, _ in asked}))
    return WaitingFile(
        file_id=file_id, batch_id=own["batch_id"], label=own["label"], pages=len(pages), asked=checks
    ), pages  # fmt: skip


def set_aside(conn: Connection, pages: Sequence[FilePage]) -> list[Any]:
    """Rows (page_id, number, path, duplicate_of) of second scans of these pages, in the order in which they came."""
    query = (
        select(page.c.page_id, page.c.number, receipt.c.path, page.c.duplicate_of)
        .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
        .join(page_text, page_text.c.page_id == page.c.page_id)  # without one it is the very same file
        .where(page.c.duplicate_of.in_([one.page_id for one in pages]), page.c.state == PageState.DUPLICATE.value)
        .order_by(receipt.c.path, page.c.number)
    )
    return list(conn.execute(query))


def documents_in(pages: Sequence[FilePage]) -> list[list[FilePage]]:
    """Pages in their order -> those of each document together."""
    return [list(group) for _, group in groupby(pages, key=lambda one: one.document_id)]


def other_page(pages: Sequence[FilePage], one: FilePage) -> FilePage | None:
    """What a page is compared with: the sheet that it seems to repeat, else the first page that is surely of the file,
    else any other; None in a file of one page."""
    others = [other for other in pages if other.page_id != one.page_id]
    repeated = [o for o in others if is_doubted(one, o)]
    sure = [o for o in others if o.identity == IdentityState.CONFIRMED.value]
    return next(iter((*repeated, *sure, *others)), None)


def is_doubted(one: FilePage, other: FilePage) -> bool:
    """Whether the officer is asked if a page repeats the other one."""
    return DOUBLE.format(path=other.path, number=other.number) in one.issues


def _rows(conn: Connection, file_id: str) -> Sequence[Any]:
    """The pages of a file's documents, document by document as they lie in it."""
    query = (
        select(document.c.document_id, page.c.page_id, page.c.number, page.c.state, receipt.c.path,
               document.c.document_type)
        .join(document, document.c.document_id == page.c.document_id)
        .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
        .where(document.c.file_id == file_id, page.c.state.in_(SHOWN))
    )  # fmt: skip
    rows = {row.page_id: row for row in conn.execute(query)}
    order = [page_id for own in documents_of(conn, file_id) for page_id in own.page_ids]
    return [rows[page_id] for page_id in order if page_id in rows]


def document_of(conn: Connection, page_id: str) -> Any:
    """Row (document_id, document_type, file_id) of the document that a page is of; None where it is of none."""
    query = select(document.c.document_id, document.c.document_type, document.c.file_id)
    query = query.join(page, page.c.document_id == document.c.document_id).where(page.c.page_id == page_id)
    return conn.execute(query).one_or_none()


def file_of(conn: Connection, document_id: str) -> Any:
    """Row (file_id, page_ids) of a document; None where there is none."""
    query = select(document.c.file_id, document.c.page_ids).where(document.c.document_id == document_id)
    return conn.execute(query).one_or_none()


def labels(conn: Connection, batch_id: str) -> Sequence[str]:
    """What the files of a batch are called."""
    return conn.scalars(select(file.c.label).where(file.c.batch_id == batch_id).order_by(file.c.label)).all()


def keep_emr(conn: Connection, file_id: str, document_id: str, account_id: str) -> None:
    """The officer has seen that the EMR says otherwise than a document of the file and lets that stand; the document
    goes back to be loaded. SohoaError when nothing of it waits for that."""
    query = select(document.c.batch_id, document.c.revision)
    own = conn.execute(
        query.where(document.c.document_id == document_id, document.c.file_id == file_id).with_for_update()
    ).one_or_none()
    seen = keep_standing(conn, document_id, account_id) if own else 0
    if own is None or not seen:
        raise SohoaError("This was confirmed already; reload the file.")
    audit.record(conn, account_id, KEEP, f"document:{document_id}", {"values": seen})
    if not finished.open_left(conn, document_id):
        finished.ready_to_load(conn, own.batch_id, document_id, own.revision)


def _differing(conn: Connection, file_id: str) -> set[str]:
    """First pages of the documents in which nobody has seen yet that the EMR says otherwise."""
    query = select(document.c.page_ids[0].astext).join(difference, difference.c.document_id == document.c.document_id)
    return set(conn.scalars(query.where(document.c.file_id == file_id, difference.c.seen_by.is_(None))))


def _asked(conn: Connection, file_id: str) -> list[tuple[str, str, str]]:
    """(page id, check, sentence) of every question about a page of the file, or about a document at its first page."""
    of_pages = (
        select(issue.c.page_id, issue.c.check_name, issue.c.message)
        .join(page, page.c.page_id == issue.c.page_id)
        .join(document, document.c.document_id == page.c.document_id)
        .where(document.c.file_id == file_id, issue.c.document_id.is_(None))
        .order_by(issue.c.issue_id)
    )
    of_documents = (
        select(document.c.page_ids[0].astext.label("page_id"), issue.c.check_name, issue.c.message)
        .join(document, document.c.document_id == issue.c.document_id)
        .where(document.c.file_id == file_id, issue.c.check_name == CONFLICT)
        .order_by(issue.c.issue_id)
    )
    return [
        (row.page_id, row.check_name, row.message) for query in (of_pages, of_documents) for row in conn.execute(query)
    ]
