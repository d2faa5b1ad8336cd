"""Stages 1-4, pipeline.placing: what a person settles of a page: whose file it is of, and which scan replaces it.

Nothing is read again for it and nothing is moved at once: the next run of the batch puts its files together anew.
"""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, RowMapping, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline import audit, ledger
from pipeline.children import Workers
from pipeline.reading import inspect_file
from pipeline.repairs import forget_place
from pipeline.settings import settings
from pipeline.store import Store
from pipeline.tables import batch, document, file, page, page_ruling
from records.errors import SohoaError, UnreadableScan
from records.pages import MediaType
from records.states import NEXT, PageState

FILED = (PageState.IN_REVIEW, PageState.ASSEMBLED, PageState.LOADED)  # of a document that was put together
REPLACEABLE = tuple(state.value for state, after in NEXT.items() if PageState.SUPERSEDED in after)


def place_pages(conn: Connection, page_ids: Sequence[str], label: str, officer: str, reason: str) -> int:
    """Say whose file pages are of; the number of pages that the next run puts together anew.

    `label`: of a file of their batch, as `sohoa trace` shows it; a new one where no file has it. Only pages of a
    document, in review or loaded, can be placed; SohoaError names the first that is not.
    """
    rows = [_row(conn, page_id) for page_id in page_ids]
    for row in rows:
        if PageState(row["state"]) not in FILED:
            raise SohoaError(f"Page {row['page_id']} is {row['state']}; only pages in review or loaded can be placed.")
    leaving = _from_elsewhere(conn, page_ids, label)
    forget_place(conn, [one for page_id in leaving for one in _with_replaced(conn, page_id)])
    for row in rows:
        ruling = {"label": label, "ruled_by": officer, "reason": reason}
        statement = upsert(page_ruling).values(page_id=row["page_id"], **ruling)
        conn.execute(statement.on_conflict_do_update(index_elements=["page_id"], set_=ruling))
        audit.record(conn, officer, "place_page", row["page_id"], {"label": label, "reason": reason})
    return sum(_open_again(conn, batch_id, label, page_ids) for batch_id in {row["batch_id"] for row in rows})


def look_at(path: Path) -> tuple[MediaType, int] | UnreadableScan:
    """Type and page count of a file that somebody hands in, found by a child: its bytes may be hostile."""
    with Workers(1, settings()) as children:
        ((_, found),) = children.map(inspect_file, [path])
    return found if isinstance(found, UnreadableScan) else found.found


def take_rescan(
    conn: Connection, page_id: str, path: Path, officer: str, found: tuple[MediaType, int] | UnreadableScan
) -> str:
    """Take in the scan of one page that was asked for anew; the new page's id. Once it is read it takes the old one's
    place, which is kept as superseded. `found`: what `look_at` says of the scan.

    SohoaError when it holds more than one page, cannot be read, is the same bytes, or the old page cannot be replaced.
    """
    old = _row(conn, page_id)
    if old["state"] not in REPLACEABLE:
        raise SohoaError(f"Page {page_id} is {old['state']}; it cannot be replaced by a rescan.")
    if conn.scalar(select(page.c.page_id).where(page.c.replaces == page_id)):
        raise SohoaError(f"A rescan of page {page_id} was taken in before; give the id of that page.")
    if isinstance(found, UnreadableScan):
        raise SohoaError(f"{path.name} cannot be read ({found.code}); scan the page again.")
    if found[1] != 1:
        raise SohoaError(f"{path.name} has {found[1]} pages; a rescan holds the one page that was asked for.")
    name = f"rescan/{page_id}{path.suffix.lower()}"
    taken = ledger.receive(conn, Store(settings()), old["batch_id"], name, path.read_bytes(), found)
    if taken.outcome != "received":
        raise SohoaError(f"{path.name} is the very file that is held already; scan the page again.")
    new = ledger.page_id(taken.receipt_id, 1)
    conn.execute(update(page).where(page.c.page_id == new).values(replaces=page_id))
    conn.execute(update(batch).where(batch.c.batch_id == old["batch_id"]).values(closed_at=None))
    audit.record(conn, officer, "take_rescan", page_id, {"by": new})
    return new


def open_again(conn: Connection, batch_id: str, page_ids: Sequence[str]) -> int:
    """Pages of documents back to `read`, so that their files are put together anew; how many."""
    query = select(page.c.page_id, page.c.state).where(page.c.page_id.in_(page_ids)).order_by(page.c.page_id)
    filed = query.where(page.c.state.in_([state.value for state in FILED]))
    conn.execute(update(batch).where(batch.c.batch_id == batch_id).values(closed_at=None))
    return sum(_to_read(conn, page_id, PageState(state)) for page_id, state in conn.execute(filed).all())


def read_again(conn: Connection, batch_id: str, page_ids: Sequence[str]) -> None:
    """Pages of documents back to `received`: they are read as an officer ruled."""
    open_again(conn, batch_id, page_ids)
    for page_id in page_ids:
        ledger.move(conn, page_id, PageState.READ, PageState.RECEIVED)


def _open_again(conn: Connection, batch_id: str, label: str, page_ids: Sequence[str]) -> int:
    """The pages of the files that these pages lie in and go to back to `read`; how many."""
    here = select(document.c.file_id).join(page, page.c.document_id == document.c.document_id)
    there = select(file.c.file_id).where(file.c.batch_id == batch_id, file.c.label == label)
    files = here.where(page.c.page_id.in_(page_ids)).union(there)
    query = select(page.c.page_id).join(document, document.c.document_id == page.c.document_id)
    return open_again(
        conn, batch_id, conn.scalars(query.where(page.c.batch_id == batch_id, document.c.file_id.in_(files))).all()
    )


def _to_read(conn: Connection, page_id: str, state: PageState) -> bool:
    if state is PageState.LOADED:
        ledger.move(conn, page_id, state, PageState.IN_REVIEW)
        state = PageState.IN_REVIEW
    return ledger.move(conn, page_id, state, PageState.READ)


def _from_elsewhere(conn: Connection, page_ids: Sequence[str], label: str) -> Sequence[str]:
    """Which of these pages lie in a file of another name."""
    query = select(page.c.page_id).join(document, document.c.document_id == page.c.document_id).join(file)
    return conn.scalars(query.where(page.c.page_id.in_(page_ids), file.c.label != label)).all()


def _with_replaced(conn: Connection, page_id: str) -> list[str]:
    """The page, and those whose place it took, the newest first."""
    replaced = conn.scalar(select(page.c.replaces).where(page.c.page_id == page_id))
    return [page_id, *(_with_replaced(conn, replaced) if replaced else [])]


def _row(conn: Connection, page_id: str) -> RowMapping:
    row = conn.execute(select(page).where(page.c.page_id == page_id).with_for_update()).mappings().one_or_none()
    if row is None:
        raise SohoaError(f"There is no page '{page_id}'; sohoa trace FILE shows the ids of a file's pages.")
    return row
