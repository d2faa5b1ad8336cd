"""Stage 4 of a batch, pipeline.batch_pages: its read pages in reading order, where they lie or were put."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, case, select

from pipeline.boundaries import SEPARATOR, ReadPage, in_reading_order
from pipeline.repairs import UNTOUCHED, Repair, in_ruled_order, repairs_of, with_earlier
from pipeline.tables import page, page_ruling, page_text, receipt, scan
from records.documents import PageReading
from records.states import PageState

SET_ASIDE = {"blank": PageState.BLANK, "separator": PageState.SEPARATOR}  # what a page is read as -> where it rests
READ = tuple(page_text.c[name] for name in ("image", "document_type", "title", "type_score", "seconds"))
IN_FILE = (PageState.READ, PageState.ASSEMBLED, PageState.LOADED, PageState.IN_REVIEW)


def pages_of(conn: Connection, batch_id: str) -> list[ReadPage]:
    """Read pages of the batch in reading order, those that earlier runs put in their place among them.

    A rescan stands where the page lay that it replaces, which is left out. Of what was read they have the form, and
    separators their text: `in_full` has the rest, which would take seconds for thousands of pages.
    """
    sheet = case((page_text.c.document_type == SEPARATOR, page_text.c.text)).label("text")
    query = (
        select(page, receipt.c.path, scan.c.media_type, *READ, sheet)
        .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
        .join(scan, scan.c.scan_id == page.c.scan_id)
        .join(page_text, page_text.c.page_id == page.c.page_id)
        .where(page.c.batch_id == batch_id,
               page.c.state.in_([s.value for s in (*IN_FILE, *SET_ASIDE.values(), PageState.DUPLICATE)]))
    )  # fmt: skip
    rows = conn.execute(query).mappings().all()
    places, repairs = _places(conn, batch_id), repairs_of(conn, batch_id)
    found = []
    for row in rows:
        earlier = _earlier(row["page_id"], places)
        first = earlier[-1] if earlier else row["page_id"]
        ruled = next((places[p].ruled for p in (row["page_id"], *earlier) if places[p].ruled), "")
        repair = _repair(row["page_id"], earlier, repairs)
        place, seen = places[first].place, bool(places[row["page_id"]].ruled)
        found.append(ReadPage(row, _reading(row, repair), first, place, ruled, tuple(earlier), repair, seen))
    taken = {p for one in found if _takes_its_place(one) for p in one.replaced}
    return sorted((p for p in found if p.page_id not in taken), key=lambda p: in_reading_order(p.place))


def in_full(conn: Connection, pages: Sequence[ReadPage]) -> list[ReadPage]:
    """These pages with all that was read on them."""
    query = select(page_text.c.page_id, *READ, page_text.c.text, page_text.c.readings)
    own = page_text.c.page_id.in_([p.page_id for p in pages])
    rows = {row["page_id"]: row for row in conn.execute(query.where(own)).mappings()}
    return [p._replace(reading=_reading(rows[p.page_id], p.repair)) for p in pages]


def in_file_order(conn: Connection, batch_id: str, page_ids: Collection[str]) -> list[str]:
    """Pages of one file in the order in which they are put together."""
    places, repairs = _places(conn, batch_id), repairs_of(conn, batch_id)
    earlier = {page_id: _earlier(page_id, places) for page_id in page_ids}
    as_they_lie = sorted(page_ids, key=lambda p: in_reading_order(places[[p, *earlier[p]][-1]].place))
    return in_ruled_order(as_they_lie, lambda p: _repair(p, earlier[p], repairs).place)


def rulings_of(conn: Connection, batch_id: str, page_ids: Collection[str]) -> dict[str, Repair]:
    """page id -> what an officer ruled of it or of the paper that it shows; without those of which nobody ruled."""
    repairs = repairs_of(conn, batch_id)
    places = _places(conn, batch_id) if repairs else {}
    found = {p: _repair(p, _earlier(p, places), repairs) for p in page_ids if p in places}
    return {p: repair for p, repair in found.items() if repair != UNTOUCHED}


def _takes_its_place(p: ReadPage) -> bool:
    """Whether a rescan shows the page it was asked for: a blank or doubled sheet, or a separator, does not."""
    return p.reading.document_type not in SET_ASIDE and p.state is not PageState.DUPLICATE


class _Place(NamedTuple):
    """The page that this one replaces or '', where it was handed in, and the file an officer put it into."""

    replaces: str
    place: tuple[str, str, int]
    ruled: str


def _places(conn: Connection, batch_id: str) -> dict[str, _Place]:
    """page id -> its place, of every page of the batch."""
    query = (
        select(page.c.page_id, page.c.replaces, receipt.c.path, receipt.c.receipt_id, page.c.number,
               page_ruling.c.label)
        .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
        .outerjoin(page_ruling, page_ruling.c.page_id == page.c.page_id)
        .where(page.c.batch_id == batch_id)
    )  # fmt: skip
    return {
        row.page_id: _Place(row.replaces or "", (row.path, row.receipt_id, row.number), row.label or "")
        for row in conn.execute(query)
    }


def _earlier(page_id: str, places: Mapping[str, _Place]) -> list[str]:
    """The pages that stood where this one stands now, the newest first."""
    replaced = places[page_id].replaces
    return [replaced, *_earlier(replaced, places)] if replaced else []


def _repair(page_id: str, earlier: list[str], repairs: Mapping[str, Repair]) -> Repair:
    return with_earlier(repairs.get(page_id, UNTOUCHED), (repairs.get(p, UNTOUCHED) for p in earlier))


def _reading(row: RowMapping, repair: Repair) -> PageReading:
    """What was read; of the form that an officer named, also where it was read as another one."""
    read = PageReading.model_validate(
        {"image": row["image"], "text": row["text"] or {"page_id": row["page_id"], "engine": "", "lines": ()},
         "readings": row.get("readings") or (), "document_type": row["document_type"], "titled": row["title"],
         "score": row["type_score"], "seconds": row["seconds"]}
    )  # fmt: skip
    if repair.document_type in ("", read.document_type) or read.document_type in SET_ASIDE:
        return read
    return read.model_copy(update={"document_type": repair.document_type, "titled": False})
