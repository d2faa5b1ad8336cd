"""Stage 8, review.files: the files that wait as a whole, with their pages and what an officer is asked about each."""

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from pipeline.emr import HELD
from pipeline.tables import document, file, issue, page, receipt
from records.base import Frozen
from records.errors import SohoaError
from records.states import PageState
from transformers.identity import IdentityState

LIMIT = 200  # files shown at once
CONFLICT = "emr_conflict"  # what the EMR did not take; asked of a document as a whole


class WaitingFile(Frozen):
    """A file of which something cannot be loaded. `asked`: the checks that ask about its pages."""

    file_id: str
    batch_id: str
    label: str
    pages: int
    asked: tuple[str, ...]


class FilePage(Frozen):
    """One page of a file in its order. `issues`: sentences for the officer; `waits`: it can be placed."""

    page_id: str
    document_id: str
    number: int
    path: str
    document_type: str
    identity: str
    issues: tuple[str, ...]
    waits: bool


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
    """A file that waits with its pages; SohoaError when it does not wait."""
    found = next((one for one in waiting_files(conn) if one.file_id == file_id), None)
    if found is None:
        raise SohoaError(f"The file '{file_id}' does not wait for anybody; reload the list.")
    identity = conn.scalars(select(file.c.facts).where(file.c.file_id == file_id)).one().get("identity", {})
    told: dict[str, list[str]] = {}
    for page_id, _, message in _asked(conn, file_id):
        told.setdefault(page_id, []).append(message)
    query = (
        select(
            document.c.document_id,
            page.c.page_id,
            page.c.number,
            page.c.state,
            receipt.c.path,
            document.c.document_type,
        )
        .join(document, document.c.document_id == page.c.document_id)
        .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
        .where(document.c.file_id == file_id)
        .order_by(receipt.c.path, page.c.number)
    )
    return found, [
        FilePage(
            page_id=row.page_id, document_id=row.document_id, number=row.number, path=row.path,
            document_type=row.document_type, identity=identity.get(row.page_id, ""),
            issues=tuple(told.get(row.page_id, ())), waits=row.state == PageState.IN_REVIEW.value,
        )
        for row in conn.execute(query)
    ]  # fmt: skip


def labels(conn: Connection, batch_id: str) -> Sequence[str]:
    """What the files of a batch are called."""
    return conn.scalars(select(file.c.label).where(file.c.batch_id == batch_id).order_by(file.c.label)).all()


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
