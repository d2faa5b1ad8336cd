"""Stages 1-10, pipeline.steps: one batch from folder to EMR rows. Ids in, counts out; every step may be repeated.

The page table is the truth: a step takes the pages that are in its state and moves them on, each in its own
transaction, so that a killed run goes on where it stopped.
"""

import hashlib
import random
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, RowMapping, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from extractors.intake import find_scans, read_scan, relative_name
from pipeline import contracts, documents, filing, fitness, leases, ledger, turns
from pipeline.batch_pages import rulings_of
from pipeline.box_index import read_index, store_index
from pipeline.children import Workers
from pipeline.database import engine
from pipeline.reading import Inspected, PageJob, inspect_file, read_job
from pipeline.repairs import UNTOUCHED, Repair, sent_back
from pipeline.settings import settings
from pipeline.stage_times import number, timed
from pipeline.store import Store
from pipeline.tables import batch, document, page, page_text, receipt, scan
from records.base import Frozen
from records.documents import PageReading, ValidatedDocument
from records.errors import SohoaError, UnreadableScan
from records.pages import Batch, MediaType
from records.states import PageState

log = structlog.get_logger()
Progress = Callable[[int], None]


class Received(Frozen):
    """What a folder gave. `new`: files taken in now; `skipped`: (path, reason) of what was left where it is."""

    files: int
    new: int
    skipped: tuple[tuple[str, str], ...]


@timed("receive", attrgetter("new"))
def receive(wanted: Batch, workers: Workers | None = None) -> Received:
    """Take the folder's scans into the store and the ledger, each with its receipt; given before, it stays as it is."""
    folder = Path(wanted.folder)
    paths, skipped = find_scans(folder)
    index = read_index(folder)
    with engine(settings(), "pipeline").begin() as conn:
        ledger.open_batch(conn, wanted)
        store_index(conn, wanted.batch_id, index, wanted.boundary)
    new = 0
    with workers_for(workers) as children:
        inspected_files = _inspected(children, paths)
        for path in paths:  # in order: of two files with the same bytes the first by name is the original
            inspected = inspected_files[path]
            data, found = _whole(path, inspected)
            if isinstance(found, UnreadableScan) and found.code == "still_growing":
                skipped.append((path, found.code))
                continue
            with engine(settings(), "pipeline").begin() as conn:
                name = relative_name(folder, path)
                new += ledger.receive(conn, Store(settings()), wanted.batch_id, name, data, found).new
    left = tuple((relative_name(folder, path), reason) for path, reason in skipped)
    log.info("received", batch=wanted.batch_id, files=len(paths), new=new, skipped=len(left))
    return Received(files=len(paths), new=new, skipped=left)


def _inspected(children: Workers, paths: Sequence[Path]) -> dict[Path, Inspected | UnreadableScan]:
    """What each file is; one whose reader died is looked at once more, it may have been killed for no fault of it."""
    found = dict(children.map(inspect_file, paths))
    died = [
        path for path in paths if (f := found[path]) and isinstance(f, UnreadableScan) and f.code == "reading_failed"
    ]
    return found | dict(children.map(inspect_file, died))


def _whole(
    path: Path, inspected: Inspected | UnreadableScan
) -> tuple[bytes | None, tuple[MediaType, int] | UnreadableScan]:
    """The bytes that were inspected and what they are; a file that changed meanwhile waits for the next run."""
    try:
        data = read_scan(path, settings().limits)
    except UnreadableScan as error:
        return None, error
    if isinstance(inspected, UnreadableScan):
        return data, inspected
    if hashlib.sha256(data).hexdigest() != inspected.scan_id:
        return None, UnreadableScan("still_growing", "changed while it was taken in")
    return data, inspected.found


def list_chunks(batch_id: str) -> list[list[str]]:
    """Receive the batch's folder, then give its unread pages in chunks, whole runs of a scan together."""
    with engine(settings(), "pipeline").connect() as conn:
        row = conn.execute(select(batch).where(batch.c.batch_id == batch_id)).mappings().one_or_none()
    if row is None:
        raise SohoaError(f"There is no batch '{batch_id}'; make it with: sohoa batch create FOLDER --batch {batch_id}")
    receive(Batch(batch_id=batch_id, facility=row["facility_id"], folder=row["folder"], boundary=row["boundary"]))
    ids, size = waiting(batch_id), settings().chunk_pages
    return [ids[i : i + size] for i in range(0, len(ids), size)]


def waiting(batch_id: str) -> list[str]:
    """Ids of the pages that nobody has read yet, in the order of their files."""
    query = (
        select(page.c.page_id)
        .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
        .where(page.c.batch_id == batch_id, page.c.state == PageState.RECEIVED.value)
        .order_by(receipt.c.path, page.c.number)
    )
    with engine(settings(), "pipeline").connect() as conn:
        return list(conn.scalars(query))


def held_until(batch_id: str) -> datetime | None:
    """When a chunk of the batch may ask again (UTC); None when it may begin now, and on this worker."""
    now = datetime.now(UTC)
    with engine(settings(), "pipeline").connect() as conn:
        if unfit := fitness.objection(conn, now):
            log.warning("unfit", why=unfit)
            return now + turns.AGAIN
        return turns.held_until(conn, batch_id, now)


@timed("read", number)
def extract(page_ids: Sequence[str], workers: Workers | None = None, progress: Progress | None = None) -> int:
    """Read pages in child processes; each is committed by itself. The number of pages read or put aside now."""
    if not page_ids:
        return 0
    with engine(settings(), "pipeline").begin() as conn:
        tokens = dict(leases.lease(conn, page_ids, leases.this_process(), leases.LEASE_SECONDS))
        todo = jobs(conn, list(tokens))
    done = 0
    again: list[PageJob] = []
    with workers_for(workers) as children, leases.kept(engine(settings(), "pipeline"), tokens):
        for job, found in chain(children.map(read_job, todo), _second_tries(children, again)):
            if isinstance(found, UnreadableScan) and found.code == "reading_failed" and job not in again:
                again.append(job)  # its process may have been killed for no fault of the page
                continue
            with engine(settings(), "pipeline").begin() as conn:
                done += _keep(conn, job.page_id, tokens[job.page_id], found)
            if progress:
                progress(1)
    log.info("read", pages=done)
    return done


def read_elsewhere(page_ids: Sequence[str]) -> datetime | None:
    """When to ask again (UTC) for pages that another process has leased, it may have died; None when all are read."""
    query = select(page.c.page_id).where(page.c.page_id.in_(page_ids), page.c.state == PageState.RECEIVED.value)
    with engine(settings(), "pipeline").connect() as conn:
        left = conn.execute(query.limit(1)).one_or_none()
    return datetime.now(UTC) + timedelta(seconds=leases.LEASE_SECONDS) if left else None


def _second_tries(children: Workers, jobs: list[PageJob]) -> Iterator[tuple[PageJob, PageReading | UnreadableScan]]:
    """Read once more what failed; begun when the first round is over, so `jobs` is whole by then."""
    yield from children.map(read_job, list(jobs))


@timed("assemble", number)
def assemble(batch_id: str, workers: Workers | None = None) -> int:
    """Put read pages together into files and documents with verdicts; the number of documents of the batch."""
    with workers_for(workers) as children:
        return filing.assemble_batch(batch_id, children)


def repair(batch_id: str) -> int:
    """Carry out what officers ruled of pages: read those sent back, put their files together, take what is no document
    any more out of the EMR; the number of pages read."""
    from pipeline import emr

    with engine(settings(), "pipeline").connect() as conn:
        again = sent_back(conn, batch_id)
    done = extract(again)
    with engine(settings(), "pipeline").connect() as conn:
        counts = ledger.counts(conn, batch_id).get(batch_id, {})
    if counts.get(PageState.READ.value) and not counts.get(PageState.RECEIVED.value):  # else its own run will
        assemble(batch_id)
    emr.withdraw_ceased(batch_id)
    return done


@timed("check", lambda _: 0)
def check(batch_id: str) -> bool:
    """Ask the data-quality suites about the batch as a whole; a failure holds it, and is written to its issues as
    a warning is.

    True when the batch may be loaded: nothing failed, or a senior accepted all that does (`pipeline.releases`).
    """
    from pipeline import quality, releases
    from records.document_types import document_types
    from validation.gx import check_batch, frame_of

    with engine(settings(), "pipeline").connect() as conn:
        waiting_pages = ledger.counts(conn, batch_id).get(batch_id, {}).get(PageState.ASSEMBLED.value, 0)
        held = conn.scalar(select(batch.c.state).where(batch.c.batch_id == batch_id)) == "held"
    if not waiting_pages and not held:
        return True  # nothing to load, nothing to ask
    with engine(settings(), "pipeline").connect() as conn:
        rows = conn.scalars(select(document.c.validated).where(document.c.batch_id == batch_id)).all()
        questions = quality.questions_of(conn, batch_id)
    frame = frame_of(ValidatedDocument.model_validate(row) for row in rows)
    report = check_batch(frame, document_types(), questions)
    why = "; ".join(one.told for one in report.stops)
    with engine(settings(), "pipeline").begin() as conn:
        conn.execute(select(batch.c.state).where(batch.c.batch_id == batch_id).with_for_update())
        passed = report.success or releases.covers(conn, batch_id, report.stops)
        now = {"state": "open", "held_because": None} if passed else {"state": "held", "held_because": why}
        conn.execute(update(batch).where(batch.c.batch_id == batch_id).values(now))
        documents.note_batch_issues(conn, batch_id, report.failed)
    told = {"asked": report.asked, "failed": len(report.stops), "warned": len(report.failed) - len(report.stops)}
    log.info("checked", batch=batch_id, passed=passed, **told)
    return passed


@timed("load", number)
def load(batch_id: str) -> int:
    """Load the documents of confirmed files into the EMR; what is in doubt waits in review. The number loaded."""
    from pipeline import emr, persons

    done = emr.load_batch(batch_id)
    persons.find_pairs(batch_id)
    return done


def account(batch_id: str) -> dict[str, int]:
    """Pages by state; SohoaError when the ledger does not balance. A batch without work in progress is closed.

    Of what passed without a person since, some values become blind samples.
    """
    from pipeline import sampling

    with engine(settings(), "pipeline").begin() as conn:
        faults = ledger.balance(conn, batch_id)
        if faults:
            raise SohoaError("The ledger does not balance: " + " ".join(faults))
        counts = ledger.counts(conn, batch_id).get(batch_id, {})
        filing.close_if_done(conn, batch_id, counts)
        sampling.draw(conn, batch_id, random.SystemRandom())
    log.info("accounted", batch=batch_id, **counts)
    return counts


def reread(batch_id: str) -> int:
    """Send the batch's pages back to be read again, after a change of software; the number sent back.

    Documents on which a person has decided something stay as they are.
    """
    again = (PageState.LOADED, PageState.IN_REVIEW, PageState.BLANK, PageState.READ)
    with engine(settings(), "pipeline").begin() as conn:
        decided = documents.decided_documents(conn, batch_id)
        query = select(page.c.page_id, page.c.state, page.c.document_id)
        states = [s.value for s in (*again, PageState.ASSEMBLED)]
        found = conn.execute(query.where(page.c.batch_id == batch_id, page.c.state.in_(states))).all()
        rows = [(page_id, state) for page_id, state, document_id in found if document_id not in decided]
        for page_id, state in rows:
            if state == PageState.ASSEMBLED:
                ledger.move(conn, page_id, PageState.ASSEMBLED, PageState.READ)
                state = PageState.READ.value
            ledger.move(conn, page_id, PageState(state), PageState.RECEIVED)
        conn.execute(update(batch).where(batch.c.batch_id == batch_id).values(closed_at=None))
    return len(rows)


@contextmanager
def workers_for(given: Workers | None) -> Iterator[Workers]:
    """Workers of the caller, left running; else own ones, ended at the end."""
    workers = given or Workers(settings().workers, settings())
    try:
        yield workers
    finally:
        if given is None:
            workers.close()


def jobs(
    conn: Connection, page_ids: Sequence[str], states: Collection[PageState] = (PageState.RECEIVED,)
) -> list[PageJob]:
    """What is to be read of the pages that are in these states, as officers ruled it."""
    query = (
        select(page.c.page_id, page.c.batch_id, page.c.scan_id, scan.c.media_type, page.c.number)
        .join(scan, scan.c.scan_id == page.c.scan_id)
        .where(page.c.page_id.in_(page_ids), page.c.state.in_([state.value for state in states]))
        .order_by(page.c.page_id)
    )
    rows = conn.execute(query).mappings().all()
    ruled: dict[str, Repair] = {}
    for batch_id in {row["batch_id"] for row in rows}:
        ruled |= rulings_of(conn, batch_id, [row["page_id"] for row in rows if row["batch_id"] == batch_id])
    return [_job(row, ruled.get(row["page_id"], UNTOUCHED)) for row in rows]


def _job(row: RowMapping, ruled: Repair) -> PageJob:
    own = row["page_id"], row["scan_id"], MediaType(row["media_type"]), row["number"]
    return PageJob(*own, document_type=ruled.document_type, turn=ruled.turn)


def _keep(conn: Connection, page_id: str, token: int, found: PageReading | UnreadableScan) -> bool:
    """Store what was read and move the page on; False when another worker has taken it meanwhile."""
    if isinstance(found, UnreadableScan):
        return ledger.move(conn, page_id, PageState.RECEIVED, PageState.QUARANTINED, found.code, token=token)
    if not ledger.move(conn, page_id, PageState.RECEIVED, PageState.READ, token=token):
        return False
    row = text_row(found)
    statement = upsert(page_text).values(page_id=page_id, **row)
    conn.execute(statement.on_conflict_do_update(index_elements=["page_id"], set_=row))
    return True


def text_row(found: PageReading) -> dict[str, Any]:
    """A reading as its row of page_text."""
    return {
        "engine": found.text.engine, "image": found.image.model_dump(mode="json"),
        "text": found.text.model_dump(mode="json"),
        "readings": [r.model_dump(mode="json") for r in found.readings], "document_type": found.document_type,
        "type_score": found.score, "title": found.titled, "seconds": found.seconds,
        "made_by": contracts.made_by(found.document_type),
    }  # fmt: skip
