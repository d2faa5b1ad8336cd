"""After stage 10, pipeline.archive: files become signed archive copies, under the director's decision for their target.

Making and signing are two steps. `make` converts each file of which nothing is open any more; `statement` is the page
that the director reads; `sign` signs what that page spoke of, and nothing else. All can be run again: a file is
converted anew only where it is another one than its copy.
"""

import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import structlog
from sqlalchemy import Connection, delete, insert, select, update

from loaders.archive_copy import Mark, Seen, Sheet, make_copy
from pipeline import conversions, ledger, steps, targets, trust
from pipeline.children import Workers
from pipeline.database import engine
from pipeline.pictures import Picture, picture
from pipeline.settings import settings
from pipeline.statement import statement_of
from pipeline.store import Store
from pipeline.tables import batch, conversion, document, file, page_text
from records.base import Frozen
from records.document_types import title_of
from records.errors import SohoaError, UnreadableScan
from records.pages import Box, Line, PageImage, PageText, Word, around
from records.states import PageState

if TYPE_CHECKING:
    from pyhanko.sign.signers import Signer

log = structlog.get_logger()
LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # none that is taken for another
CODE_LETTERS = 12
DAMAGED_VI = "có trang không mở được trong kho"


class Made(Frozen):
    """What a run converted. `copies`: made now; `stood`: files whose copy is up to date; `left`: (file, why not)."""

    copies: int
    stood: int
    left: tuple[tuple[str, str], ...]


class _Order(NamedTuple):
    """What a run converts by: the batch, the director's decision, and who does it (account, full name, hospital)."""

    batch_id: str
    decision_id: str
    converted_by: str
    person: str
    organisation: str


def make(batch_id: str, account_id: str, person: str, target_id: str = "", workers: Workers | None = None) -> Made:
    """Make the archive copy of each finished file of a batch. SohoaError without a director's decision for its target.

    `account_id`, `person`: who converts, as the mark names them; `target_id`: ties the batch to a target, once.
    """
    with engine(settings(), "pipeline").begin() as conn:
        decided = _decision(conn, batch_id, target_id)
        organisation = conversions.organisation_of(conn, batch_id)
        order = _Order(batch_id, decided.decision_id, account_id, person, organisation)
        files = conversions.files_of(conn, batch_id)
        standing = conversions.standing_in(conn, batch_id)
    copies, stood, left = 0, 0, []
    with steps.workers_for(workers) as children:
        for one in files:
            if why := conversions.why_not(one):
                left.append((one.label, why))
            elif one.file_id in standing and standing[one.file_id]["content"] == conversions.content_of(one):
                stood += 1
            else:
                try:
                    _convert(one, order, children)
                    copies += 1
                except UnreadableScan as error:
                    log.warning("not_converted", file=one.file_id, code=error.code)
                    left.append((one.label, DAMAGED_VI))
    log.info("converted", batch=batch_id, copies=copies, stood=stood, left=len(left))
    return Made(copies=copies, stood=stood, left=tuple(left))


def sign(batch_id: str, signer: "Signer", by: str, mark: str) -> int:
    """Sign every copy of a batch that waits; how many. SohoaError, and nothing signed, where the statement is not the
    one that was read (`mark`) or the certificate does not hold. `signer`: see `loaders.signing.open_key`."""
    from loaders.signing import certified, refuse_unfit
    from loaders.signing import sign as put_signature

    judged_by = trust.held(settings())
    refuse_unfit(signer, judged_by)
    own, store, done = certified(signer), Store(settings()), 0
    told = {"subject": own.subject, "issuer": own.issuer, "serial": own.serial, "until": own.valid_until.isoformat()}
    with engine(settings(), "pipeline").begin() as conn:
        ledger.hold_batch(conn, batch_id, ledger.BATCH_LOCK, ledger.LOAD_LOCK)
        if statement_of(conn, batch_id).mark != mark:
            raise SohoaError("The statement is not the one that was read; read it again: sohoa archive statement BATCH")
        waiting = conn.execute(conversions.latest(batch_id).where(conversion.c.signed_id.is_(None))).mappings().all()
        for row in waiting:
            signed = put_signature(store.get(row["copy_id"]), signer, judged_by, row["organisation"])
            values = {
                "signed_id": store.put(signed), "signed_at": datetime.now(UTC), "signed_by": by, "certificate": told,
            }  # fmt: skip
            conn.execute(update(conversion).where(conversion.c.code == row["code"]).values(values))
            done += 1
    log.info("signed", batch=batch_id, copies=done)
    return done


def document_copy(document_id: str, workers: Workers | None = None) -> bytes:
    """A PDF/A-1b of one document of a converted file, under the mark and look-up code of that conversion. SohoaError
    where its file was not converted, or has changed since."""
    with engine(settings(), "pipeline").connect() as conn:
        own = conn.execute(select(document).where(document.c.document_id == document_id)).mappings().one_or_none()
        if own is None:
            raise SohoaError(f"There is no document '{document_id}'; see: sohoa trace PATH")
        files = {one.file_id: one for one in conversions.files_of(conn, own["batch_id"])}
        row = conversions.standing_in(conn, own["batch_id"]).get(own["file_id"])
    whole = files.get(own["file_id"])
    if whole is None or row is None or row["content"] != conversions.content_of(whole):
        raise SohoaError(f"The file of '{document_id}' is not converted as it is now; first: sohoa archive make")
    part = whole._replace(pages=[one for one in whole.pages if one.document_id == document_id])
    with steps.workers_for(workers) as children:
        sheets = _sheets(part, children)
    mark = Mark(row["converted_at"], row["person"], row["organisation"], row["code"])
    return make_copy(sheets, mark, f"{title_of(own['document_type'])} - hồ sơ {whole.label}")


def _decision(conn: Connection, batch_id: str, target_id: str) -> targets.Decision:
    """The decision for the batch's target, to which it is tied now at the latest."""
    row = conn.execute(select(batch).where(batch.c.batch_id == batch_id).with_for_update()).mappings().one_or_none()
    if row is None:
        raise SohoaError(f"There is no batch '{batch_id}'; see: sohoa batch list")
    own = row["target_id"] or target_id
    if not own:
        raise SohoaError(
            f"Batch '{batch_id}' belongs to no target yet; name the one that it is converted for: --target"
        )
    if target_id and own != target_id:
        raise SohoaError(f"Batch '{batch_id}' is converted for the target '{own}' already.")
    targets.find_target(conn, own)
    found = targets.decision_for(conn, own)
    conn.execute(update(batch).where(batch.c.batch_id == batch_id).values(target_id=own))
    return found


def _convert(one: conversions.FileToConvert, order: _Order, children: Workers) -> None:
    """Make and keep the copy of a file; it takes the place of one that was not signed, and follows one that was."""
    sheets = _sheets(one, children)
    with engine(settings(), "pipeline").connect() as conn:
        facility_id = conn.scalars(select(batch.c.facility_id).where(batch.c.batch_id == order.batch_id)).one()
    mark = Mark(datetime.now(UTC).replace(microsecond=0), order.person, order.organisation, new_code(facility_id))
    row = order._asdict() | {
        "code": mark.code, "file_id": one.file_id, "content": conversions.content_of(one), "pages": len(sheets),
        "mark": mark.words(), "copy_id": Store(settings()).put(make_copy(sheets, mark, f"Hồ sơ {one.label}")),
        "converted_at": mark.converted_at, "scans": sorted({p.scan_id for p in one.pages}),
    }  # fmt: skip
    with engine(settings(), "pipeline").begin() as conn:
        conn.execute(select(file.c.file_id).where(file.c.file_id == one.file_id).with_for_update())
        own = conversions.latest(order.batch_id).where(conversion.c.file_id == one.file_id)
        before = conn.execute(own).mappings().one_or_none()
        if before and not before["signed_id"]:
            row["replaces"] = before["replaces"]
            conn.execute(delete(conversion).where(conversion.c.code == before["code"]))
        elif before:
            row["replaces"] = before["code"]
        conn.execute(insert(conversion).values(row))


def _sheets(one: conversions.FileToConvert, children: Workers) -> list[Sheet]:
    """The pages of a file with picture, words and headings. UnreadableScan when one cannot be decoded."""
    ids = [row.page_id for row in one.pages]
    with engine(settings(), "pipeline").connect() as conn:
        jobs = steps.jobs(conn, ids, list(PageState))
        query = select(page_text.c.page_id, page_text.c.image, page_text.c.text).where(page_text.c.page_id.in_(ids))
        texts = {row.page_id: row for row in conn.execute(query)}
    pictures: dict[str, Picture] = {}
    for job, found in children.map(picture, jobs):
        if isinstance(found, UnreadableScan):
            raise found
        pictures[job.page_id] = found
    sheets, before = [], ""
    for row in one.pages:
        heading = title_of(row.document_type) if row.document_id != before else ""
        before = row.document_id
        image, words = _words(texts.get(row.page_id))
        held = pictures[row.page_id]
        sheets.append(Sheet(held.picture, held.dpi, image.turn % 360 if image else 0, heading, words))
    return sheets


def _words(row: Any) -> tuple[PageImage | None, list[Seen]]:
    """The geometry of a page and what was read on it as fractions of the page as it is shown, line by line."""
    if row is None:
        return None, []
    image, text = PageImage.model_validate(row.image), PageText.model_validate(row.text)
    turn, seen = image.turn % 360, []
    for line in text.lines:
        _, top, _, bottom = shown(turn, _in_file(image, line.box.model_copy(update=_middle(line.box))))
        for run in _runs(line):
            left, _, right, _ = shown(turn, _in_file(image, around([word.box for word in run])))
            seen.append(Seen(" ".join(word.text for word in run), left, top, right, bottom))
    return image, seen


def _runs(line: Line) -> Iterator[list[Word]]:
    """Words of a line that follow each other closely: one piece of text, as a viewer would take them."""
    run: list[Word] = []
    for word in line.words:
        if run and word.box.left - run[-1].box.right > line.box.bottom - line.box.top:
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _middle(box: Box) -> dict[str, float]:
    """A sliver in the middle of a line: a skewed line's bounds are higher than the line."""
    middle = (box.left + box.right) / 2
    return {"left": middle - 1, "right": middle + 1}


def _in_file(image: PageImage, box: Box) -> tuple[float, float, float, float]:
    found = image.in_file(box)
    return found.left, found.top, found.right, found.bottom


def shown(turn: int, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """A box of the page as it lies in the file, on the page turned back by `turn` degrees clockwise (fractions)."""
    left, top, right, bottom = box
    return {
        0: (left, top, right, bottom), 90: (1 - bottom, left, 1 - top, right),
        180: (1 - right, 1 - bottom, 1 - left, 1 - top), 270: (top, 1 - right, bottom, 1 - left),
    }[turn]  # fmt: skip


def new_code(facility_id: str) -> str:
    """'DEMO-7K2M-9QXF-3C5T': a code that nobody guesses and that can be read out."""
    letters = "".join(secrets.choice(LETTERS) for _ in range(CODE_LETTERS))
    return "-".join([facility_id, *(letters[at : at + 4] for at in range(0, CODE_LETTERS, 4))])
