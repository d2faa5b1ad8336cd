"""Stage 8, review.repairs: an officer's repair of a file (split, join, order, form, turn, move) becomes rulings.

What only changes how pages lie together is put together at once by whoever calls `pipeline.steps.assemble`; what has
to be read again waits for the next run, which the outbox starts.
"""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select

from pipeline import ledger, repairs
from pipeline.batch_pages import in_file_order
from pipeline.finished import TOPIC
from pipeline.placing import FILED, open_again, place_pages, read_again
from pipeline.repairs import NO_DOUBLE, Shape, What, places_ruled, rule, starts_ruled
from pipeline.tables import document, file, outbox, page, page_text
from records.document_types import document_types
from records.errors import SohoaError
from records.states import PageState
from review import queue
from review.texts import say
from transformers.identity import IdentityState

NOT_FOR_PEOPLE = frozenset({"doubtful_separator"})  # forms that only a machine speaks of
TURNS = {"left": 270, "around": 180, "right": 90}  # degrees by which the upright page is to be turned clockwise


class RepairRefused(SohoaError):
    """A repair that cannot be, in the reader's language."""

    def __init__(self, key: str, **told: object) -> None:
        super().__init__(say(key, "en", **told))
        self.key, self.told = key, told

    def said(self, language: str) -> str:
        """The sentence for the officer."""
        return say(self.key, language, **self.told)


class Repairing(NamedTuple):
    """A file in hand. `shape`: its documents in order, each its pages; `types`, `ids`: of these documents."""

    file_id: str
    label: str
    batch_id: str
    shape: list[list[str]]
    types: list[str]
    ids: list[str]
    identity: Mapping[str, str]
    officer: str
    reason: str

    def at(self, page_id: str) -> int:
        """Which document a page is of; RepairRefused where the file was put together anew since."""
        found = next((n for n, pages in enumerate(self.shape) if page_id in pages), None)
        if found is None:
            raise RepairRefused("repairs.changed")
        return found


def in_hand(conn: Connection, file_id: str, page_id: str, officer: str, reason: str) -> Repairing:
    """The file with its documents locked; RepairRefused where the page is not there or cannot be ruled of now."""
    own = conn.execute(select(file).where(file.c.file_id == file_id).with_for_update(key_share=True)).mappings().first()
    if own is None:
        raise RepairRefused("repairs.changed")
    rows = documents_of(conn, file_id, lock=True)
    found = Repairing(
        file_id=file_id, label=own["label"], batch_id=own["batch_id"], shape=[list(r.page_ids) for r in rows],
        types=[r.document_type for r in rows], ids=[r.document_id for r in rows],
        identity=own["facts"].get("identity", {}), officer=officer, reason=reason,
    )  # fmt: skip
    found.at(page_id)
    return found


def documents_of(conn: Connection, file_id: str, *, lock: bool = False) -> list[Any]:
    """Rows (document_id, batch_id, document_type, page_ids) of a file's documents in the file's order."""
    query = select(document.c.document_id, document.c.batch_id, document.c.document_type, document.c.page_ids)
    query = query.where(document.c.file_id == file_id).order_by(document.c.document_id)
    rows = conn.execute(query.with_for_update() if lock else query).all()
    if not rows:
        return []
    order = in_file_order(conn, rows[0].batch_id, [one for row in rows for one in row.page_ids])
    return sorted(rows, key=lambda row: order.index(row.page_ids[0]))


def split(conn: Connection, own: Repairing, page_id: str, _value: str) -> None:
    """A document begins at this page."""
    _reshape(conn, own, page_id, repairs.split, "repairs.starts_already")


def join(conn: Connection, own: Repairing, page_id: str, _value: str) -> None:
    """The page's document goes on from the one before it, unless that seems to be of another patient."""
    at = own.at(page_id)
    if at > 0 and _foreign(own, own.shape[at - 1]) != _foreign(own, own.shape[at]):
        raise RepairRefused("repairs.other_patient")
    _reshape(conn, own, page_id, repairs.joined, "repairs.nothing_before")


def shift(conn: Connection, own: Repairing, page_id: str, value: str) -> None:
    """The page one place back or on. `value`: back or on."""
    by = {"back": -1, "on": 1}.get(value, 0)
    _reshape(conn, own, page_id, lambda shape, moved: repairs.shifted(shape, moved, by), "repairs.at_the_end")


def move_behind(conn: Connection, own: Repairing, page_id: str, value: str) -> None:
    """The page to the end of another document of the file. `value`: that document's id."""
    if value not in own.ids:
        raise RepairRefused("repairs.changed")
    target = own.shape[own.ids.index(value)]
    if _foreign(own, target) != _foreign(own, [page_id]):
        raise RepairRefused("repairs.other_patient")
    _reshape(conn, own, page_id, lambda shape, moved: repairs.moved(shape, moved, target[-1]), "repairs.there_already")


def retype(conn: Connection, own: Repairing, page_id: str, value: str) -> None:
    """The page's document is of another form: its pages are read again as that, and stay one document."""
    at = own.at(page_id)
    if value not in document_types() or value in NOT_FOR_PEOPLE:
        raise RepairRefused("repairs.no_such_form")
    if value == own.types[at]:
        raise RepairRefused("repairs.form_already")
    pages = own.shape[at]
    _refuse(conn, own, pages)
    rule(conn, What.DOCUMENT_TYPE, dict.fromkeys(pages, value), own.officer, own.reason, page_id)
    rule(conn, What.STARTS, repairs.one_document(pages), own.officer, own.reason, page_id)
    read_again(conn, own.batch_id, pages)
    _tell(conn, own)


def turn(conn: Connection, own: Repairing, page_id: str, value: str) -> None:
    """The page lies otherwise: it is read again, turned. `value`: left, around or right, seen from how it is shown."""
    if value not in TURNS:
        raise RepairRefused("repairs.unclear")
    _refuse(conn, own, [page_id])
    lies = conn.scalar(select(page_text.c.image["turn"].as_integer()).where(page_text.c.page_id == page_id)) or 0
    rule(conn, What.TURN, {page_id: str((lies + TURNS[value]) % 360)}, own.officer, own.reason, page_id)
    read_again(conn, own.batch_id, [page_id])
    _tell(conn, own)


def double(conn: Connection, own: Repairing, page_id: str, value: str) -> None:
    """The page is a second scan of another one of the file, or of none. `value`: that page's id, or NO_DOUBLE."""
    if value == page_id or (value != NO_DOUBLE and value not in sum(own.shape, [])):
        raise RepairRefused("repairs.changed")
    pages = own.shape[own.at(page_id)]
    _refuse(conn, own, pages, together=True)
    rule(conn, What.DOUBLE, {page_id: value}, own.officer, own.reason, page_id)
    open_again(conn, own.batch_id, pages)
    _tell(conn, own)


def apart(conn: Connection, own: Repairing, page_id: str, value: str) -> None:
    """A sheet that was set aside as a second scan of this page is none, and is put into its file again. `value`: its
    page id."""
    read = select(page_text.c.page_id).where(page_text.c.page_id == page.c.page_id).exists()
    aside = select(page.c.page_id).where(page.c.page_id == value, page.c.duplicate_of == page_id, read)
    if conn.scalar(aside.where(page.c.state == PageState.DUPLICATE.value).with_for_update()) is None:
        raise RepairRefused("repairs.changed")
    _refuse(conn, own, own.shape[own.at(page_id)], together=True)
    rule(conn, What.DOUBLE, {value: NO_DOUBLE}, own.officer, own.reason, value)
    ledger.move(conn, value, PageState.DUPLICATE, PageState.IN_REVIEW, duplicate_of=None)
    ledger.move(conn, value, PageState.IN_REVIEW, PageState.READ)
    open_again(conn, own.batch_id, own.shape[own.at(page_id)])
    _tell(conn, own)


def to_file(conn: Connection, own: Repairing, page_ids: Sequence[str], label: str) -> None:
    """Pages into the file of another name, or confirmed in their own."""
    _refuse(conn, own, [one for page_id in page_ids for one in own.shape[own.at(page_id)]], together=True)
    place_pages(conn, page_ids, label, own.officer, own.reason)
    _tell(conn, own)


ACTIONS: dict[str, Callable[[Connection, Repairing, str, str], None]] = {
    "split": split, "join": join, "shift": shift, "move": move_behind, "type": retype, "turn": turn, "double": double,
    "apart": apart,
}  # fmt: skip


def _reshape(
    conn: Connection, own: Repairing, page_id: str, change: Callable[[Shape, str], list[list[str]]], impossible: str
) -> None:
    """Rule what turns the file's documents into those that they should be. `impossible`: the text if it cannot be."""
    try:
        after = change(own.shape, page_id)
    except ValueError as error:
        raise RepairRefused(impossible) from error
    starts, places = starts_ruled(own.shape, after), places_ruled(own.shape, after)
    touched = {one for pages in own.shape if set(pages) & set(starts) for one in pages} | {page_id}
    _refuse(conn, own, touched, together=True)
    rule(conn, What.STARTS, starts, own.officer, own.reason, page_id)
    rule(conn, What.PLACE, places, own.officer, own.reason, page_id)
    open_again(conn, own.batch_id, sorted(touched))
    _tell(conn, own)


def _refuse(conn: Connection, own: Repairing, page_ids: Collection[str], *, together: bool = False) -> None:
    """RepairRefused where a page does not lie in the file any more, or another officer has its document. `together`:
    the file is put together at once, so that none of its pages may be with the readers, or wait for another repair."""
    filed = {state.value for state in FILED}
    if together:
        under_way = page.c.state.in_([PageState.RECEIVED.value, PageState.READ.value])
        if conn.scalar(select(page.c.page_id).where(page.c.document_id.in_(own.ids), under_way).limit(1)):
            raise RepairRefused("repairs.being_read")
    states = select(page.c.state).where(page.c.page_id.in_(page_ids))
    for state in conn.scalars(states.with_for_update()):
        if state == PageState.WITHDRAWN.value:
            raise RepairRefused("repairs.withdrawn")
        if state not in filed:
            raise RepairRefused("repairs.being_read")
    for at in {own.at(page_id) for page_id in page_ids}:
        if queue.held_by_another(conn, own.ids[at], own.officer):
            raise RepairRefused("repairs.held")


def _foreign(own: Repairing, page_ids: Collection[str]) -> bool:
    return any(own.identity.get(page_id) == IdentityState.CONFLICT.value for page_id in page_ids)


def _tell(conn: Connection, own: Repairing) -> None:
    """Let the next run know: the one that loads what persons have decided carries it out."""
    told = {"batch_id": own.batch_id, "file_id": own.file_id}
    key = f"{TOPIC}:repair:{own.file_id}:{secrets.token_hex(8)}"
    conn.execute(insert(outbox).values(topic=TOPIC, key=key, payload=told))
