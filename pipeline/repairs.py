"""Stages 1-4, pipeline.repairs: what an officer rules of single pages, in rows that every later run honours.

A ruling outlives reading and assembling anew. A later one of the same kind takes its place; the audit chain has both.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TypeVar

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline import audit
from pipeline.tables import page, page_repair
from records.base import Frozen
from records.states import PageState

NO_DOUBLE = "no"
HERE = "here"
Shape = Sequence[Sequence[str]]  # the documents of a file in order, each the ids of its pages
Page = TypeVar("Page")


class What(StrEnum):
    """What a ruling is about."""

    DOCUMENT_TYPE = "document_type"
    STARTS = "starts"
    PLACE = "place"
    TURN = "turn"
    DOUBLE = "double"


IN_ITS_FILE = (What.STARTS, What.PLACE)  # rulings that mean nothing in another file
OF_THE_PAPER = (What.DOCUMENT_TYPE, What.STARTS, What.PLACE)  # they hold for a rescan too


class Repair(Frozen):
    """What was ruled of a page; each part as it stands where nobody ruled it.

    `starts`: HERE where a document begins, else the page from which it goes on. `place`: order in its file, from 1.
    `turn`: as `PageImage.turn`, whatever the machine finds. `double`: the page that it is a second scan of, or
    NO_DOUBLE.
    """

    document_type: str = ""
    starts: str = ""
    place: int | None = None
    turn: int | None = None
    double: str = ""


UNTOUCHED = Repair()


def repairs_of(conn: Connection, batch_id: str) -> dict[str, Repair]:
    """page id -> what was ruled of it, of a batch's pages."""
    query = select(page_repair.c.page_id, page_repair.c.what, page_repair.c.value)
    query = query.join(page, page.c.page_id == page_repair.c.page_id).where(page.c.batch_id == batch_id)
    found: dict[str, dict[str, str]] = {}
    for page_id, what, value in conn.execute(query):
        found.setdefault(page_id, {})[what] = value
    return {page_id: Repair.model_validate(told) for page_id, told in found.items()}


def with_earlier(own: Repair, earlier: Iterable[Repair]) -> Repair:
    """A page's rulings, and those of the pages whose place it took where they are of the paper; the newest count."""
    told: dict[str, object] = {}
    for one in (own, *earlier):
        parts = one.model_dump() if one is own else one.model_dump(include={what.value for what in OF_THE_PAPER})
        told |= {what: value for what, value in parts.items() if value not in ("", None) and what not in told}
    return Repair.model_validate(told)


def in_ruled_order(pages: Sequence[Page], place: Callable[[Page], int | None]) -> list[Page]:
    """Pages given in reading order, in the order that was ruled; one that nobody placed stays behind its neighbour."""
    keys, last = [], 0
    for one in pages:
        ruled = place(one)
        last = last if ruled is None else ruled
        keys.append(last)
    return [one for _, one in sorted(zip(keys, pages, strict=True), key=lambda pair: pair[0])]


def rule(
    conn: Connection, what: What, values: Mapping[str, str], officer: str, reason: str, about: str
) -> None:  # fmt: skip
    """Enter rulings of one kind. `values`: page id -> value as it is stored; `about`: the page that was acted on."""
    if not values:
        return
    own = page_repair.c.page_id.in_(list(values)) & (page_repair.c.what == what.value)
    query = select(page_repair.c.page_id, page_repair.c.value).where(own)
    before = {row.page_id: row.value for row in conn.execute(query)}
    told = {"ruled_by": officer, "reason": reason}
    statement = upsert(page_repair).values(
        [{"page_id": page_id, "what": what.value, "value": value, **told} for page_id, value in values.items()]
    )
    new = {"value": statement.excluded.value, "ruled_at": func.clock_timestamp(), **told}
    conn.execute(statement.on_conflict_do_update(index_elements=["page_id", "what"], set_=new))
    # The reason may name a patient: it stays out of the chain.
    audit.record(conn, officer, f"repair:{what.value}", about, {"now": dict(values), "before": before})


def forget_place(conn: Connection, page_ids: Iterable[str]) -> None:
    """Drop the rulings of pages that hold within one file: they go to another."""
    own = page_repair.c.page_id.in_(list(page_ids))
    conn.execute(delete(page_repair).where(own, page_repair.c.what.in_([what.value for what in IN_ITS_FILE])))


def sent_back(conn: Connection, batch_id: str) -> list[str]:
    """Pages of a batch that wait to be read as an officer ruled."""
    ruled = select(page_repair.c.page_id).where(page_repair.c.page_id == page.c.page_id).exists()
    query = select(page.c.page_id).where(page.c.batch_id == batch_id, page.c.state == PageState.RECEIVED.value, ruled)
    return list(conn.scalars(query.order_by(page.c.page_id)))


# The shape of a file


def split(shape: Shape, page_id: str) -> list[list[str]]:
    """A document begins at this page; ValueError where one does already."""
    at, within = _find(shape, page_id)
    if within == 0:
        raise ValueError(page_id)
    own = list(shape[at])
    return [*map(list, shape[:at]), own[:within], own[within:], *map(list, shape[at + 1 :])]


def joined(shape: Shape, page_id: str) -> list[list[str]]:
    """This page's document goes on from the one before it; ValueError where there is none or it does already."""
    at, within = _find(shape, page_id)
    if at == 0 or within > 0:
        raise ValueError(page_id)
    return [*map(list, shape[: at - 1]), [*shape[at - 1], *shape[at]], *map(list, shape[at + 1 :])]


def shifted(shape: Shape, page_id: str, by: int) -> list[list[str]]:
    """The page one place on (`by` 1) or back (-1) in its document; at its end the whole document changes places with
    its neighbour. ValueError at the end of the file."""
    at, within = _find(shape, page_id)
    new = [list(pages) for pages in shape]
    there = within + by
    if 0 <= there < len(new[at]):
        new[at][within], new[at][there] = new[at][there], new[at][within]
    elif 0 <= at + by < len(new):
        new[at], new[at + by] = new[at + by], new[at]
    else:
        raise ValueError(page_id)
    return new


def moved(shape: Shape, page_id: str, behind: str) -> list[list[str]]:
    """The page at the end of the document that page `behind` is of; ValueError where it is of it already."""
    at, within = _find(shape, page_id)
    to, _ = _find(shape, behind)
    if at == to:
        raise ValueError(page_id)
    new = [list(pages) for pages in shape]
    new[to].append(new[at].pop(within))
    return [pages for pages in new if pages]


def starts_ruled(before: Shape, after: Shape) -> dict[str, str]:
    """page id -> what is ruled of its start, in each document that changed or stands behind another one now."""
    were = {tuple(pages): tuple(before[i - 1]) if i else () for i, pages in enumerate(before)}
    told: dict[str, str] = {}
    for i, pages in enumerate(after):
        previous = tuple(after[i - 1]) if i else ()
        if were.get(tuple(pages)) != previous:
            told |= one_document(pages)
    return told


def one_document(page_ids: Sequence[str]) -> dict[str, str]:
    """page id -> what is ruled of its start where these pages make one document."""
    return dict(zip(page_ids, (HERE, *page_ids[:-1]), strict=True))


def begins(said: str, before: Collection[str]) -> bool | None:
    """Whether a document begins at a page of whose start an officer `said` this; None where nobody did. `before`: the
    page before it, by all ids that its place had. Where that is another one now, nobody said that the page goes on."""
    return said not in before if said else None


def places_ruled(before: Shape, after: Shape) -> dict[str, str]:
    """page id -> its place from 1, of all pages where their order changed."""
    was, now = ([page_id for pages in shape for page_id in pages] for shape in (before, after))
    return {} if was == now else {page_id: str(n) for n, page_id in enumerate(now, start=1)}


def _find(shape: Shape, page_id: str) -> tuple[int, int]:
    """Which document a page is of, and where in it; ValueError where it is of none."""
    for at, pages in enumerate(shape):
        if page_id in pages:
            return at, list(pages).index(page_id)
    raise ValueError(page_id)
