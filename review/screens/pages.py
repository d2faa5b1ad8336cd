"""Stage 8, review.screens.pages: a ticket becomes the picture of a page or of a crop; every look is logged.

What is restricted is shown to nobody before that account has given a reason.
"""

import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, NamedTuple

from fastapi import FastAPI, Form, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from sqlalchemy import Connection, Engine, Interval, Row, Select, Text, bindparam, cast, func, insert, select

from pipeline.keys import ticket_key
from pipeline.reading import PageJob
from pipeline.tables import document, field_value, page, page_text, scan
from records.documents import Verdict
from records.pages import MediaType, PageBox
from review import queue
from review.cards import Card
from review.drawing import Sheet
from review.images import ImageFault, Images
from review.policy import Right, Routes
from review.rendering import Transaction, for_fragment, language_of, problem, signed_in
from review.restricted import break_glass, opened, reason_of, restricted_by, said_in
from review.tables import page_view
from review.texts import say
from review.tickets import Cut, Ticket, cut_of, open_ticket, ticket_for

WHOLE, CROPS = "page", "crops"
ONCE = timedelta(minutes=10)  # Crops of one page seen by one account in this time are one look.
VIEW_LOCK = 5
MOST_CUTS = 200  # of one page, drawn ahead
routes = Routes()
_making = threading.Lock()


class Look(NamedTuple):
    """A page that somebody wants to see. `document_id`: the page's own id where no document holds it."""

    sheet: Sheet
    document_id: str
    document_type: str


@routes.get("/crop/{ticket}", right=Right.SEE_PAGES)
def crop(request: Request, ticket: str) -> Response:
    """One field's crop as JPEG."""
    allowed = _allowed(request, ticket)
    if allowed.cut is None:
        raise HTTPException(404)
    return _shown(request, allowed)


@routes.get("/page/{ticket}", right=Right.SEE_PAGES)
def whole_page(request: Request, ticket: str) -> Response:
    """The whole upright page as JPEG, at most 2,000 pixels long."""
    allowed = _allowed(request, ticket)
    if allowed.cut is not None:
        raise HTTPException(404)
    return _shown(request, allowed)


@routes.post("/glass/{document_id}", right=Right.SEE_PAGES)
def open_restricted(
    request: Request, conn: Transaction, document_id: str, reason: Annotated[str, Form()] = ""
) -> Response:
    """Open a restricted document for this account for 30 minutes; the reason is kept."""
    why = _class_of(conn, document_id)
    if why:
        try:
            given = reason_of(reason)
        except ValueError:
            return problem(request, 422, "glass.reason")
        break_glass(conn, signed_in(request).account_id, document_id, why, given)
    if for_fragment(request):
        return Response(status_code=204, headers={"HX-Refresh": "true"})
    return RedirectResponse(f"/task/{document_id}", status_code=303)


def crop_address(request: Request, page_id: str, box: PageBox) -> str:
    """Where this session finds the crop of a box for the next 30 minutes."""
    return f"/crop/{_ticket(request, page_id, box)}"


def page_address(request: Request, page_id: str) -> str:
    """Where this session finds the whole page for the next 30 minutes."""
    return f"/page/{_ticket(request, page_id, None)}"


def crop_of(request: Request, card: Card) -> str:
    """The address of a card's crop, '' where nothing was found on the page."""
    return crop_address(request, card.page_id, card.box) if card.box else ""


def sheets(request: Request, page_ids: Sequence[str]) -> list[dict[str, str]]:
    """A document's pages for the viewer: where each is and what it is called."""
    language, count = language_of(request), len(page_ids)
    return [
        {"page_id": one, "url": page_address(request, one), "name": say("task.page_of", language, number=at, all=count)}
        for at, one in enumerate(page_ids, start=1)
    ]


def warm(app: FastAPI, conn: Connection, page_ids: Iterable[str]) -> None:
    """Draw pages that will be asked for next, beside the caller; unknown ids are passed over."""
    looks = (_look(conn, page_id) for page_id in page_ids)
    images_of(app).warm([look.sheet for look in looks if look])


def warm_coming(app: FastAPI, account_id: str) -> None:
    """Draw the pages of the documents that are handed out next."""
    with app.state.engine.connect() as conn:
        coming = select(document.c.page_ids).where(document.c.document_id.in_(queue.coming(conn, account_id)))
        warm(app, conn, [one for page_ids in conn.scalars(coming) for one in page_ids])


def images_of(app: FastAPI) -> Images:
    """The application's pictures; its children start with the first call."""
    with _making:
        if not hasattr(app.state, "images"):
            app.state.images = Images(app.state.settings, partial(_likely_cuts, app.state.engine))
        images: Images = app.state.images
        return images


def _ticket(request: Request, page_id: str, box: PageBox | None) -> str:
    return ticket_for(_key(request), signed_in(request), page_id, box, datetime.now(UTC))


def _allowed(request: Request, given: str) -> Ticket:
    """What a ticket allows; 404 for one that allows nothing, as for one that never was."""
    found = open_ticket(_key(request), signed_in(request), given, datetime.now(UTC))
    if found is None:
        raise HTTPException(404)
    return found


def _shown(request: Request, ticket: Ticket) -> Response:
    """The picture, once the look is logged; else a sentence. No connection is held while a child draws."""
    who = signed_in(request)
    with request.app.state.engine.connect() as conn:
        look = _look(conn, ticket.page_id)
        if look is None:
            raise HTTPException(404)
        why = _why(conn, look)
        reason = opened(conn, who.account_id, look.document_id) if why else ""
        logged = ticket.cut is not None and _seen(conn, who.account_id, ticket.page_id)
    if why and not reason:
        return _sentence(request, 403, "glass.closed")
    try:
        picture = _picture(images_of(request.app), look.sheet, ticket.cut)
    except ImageFault as fault:
        return _sentence(request, fault.status, fault.key)
    if not logged:
        with request.app.state.engine.begin() as conn:
            _log(conn, who.account_id, ticket, reason)
    return Response(picture, media_type="image/jpeg")


def _picture(images: Images, sheet: Sheet, cut: Cut | None) -> bytes:
    return images.page(sheet) if cut is None else images.crop(sheet, cut)


def _look(conn: Connection, page_id: str) -> Look | None:
    row = conn.execute(_LOOKS.where(page.c.page_id == page_id)).one_or_none()
    return _look_of(row) if row else None


def _look_of(row: Row[tuple[str, ...]]) -> Look:
    job = PageJob(row.page_id, row.scan_id, MediaType(row.media_type), row.number)
    return Look(Sheet(job, row.geometry), row.document_id or row.page_id, row.document_type)


_LOOKS: Select[tuple[str, ...]] = (
    select(
        page.c.page_id, page.c.scan_id, page.c.number, scan.c.media_type, page.c.document_id,
        func.coalesce(cast(page_text.c.image, Text), "").label("geometry"),
        func.coalesce(document.c.document_type, page_text.c.document_type, "").label("document_type"),
    )
    .join(scan, scan.c.scan_id == page.c.scan_id)
    .outerjoin(page_text, page_text.c.page_id == page.c.page_id)
    .outerjoin(document, document.c.document_id == page.c.document_id)
)  # fmt: skip


def _why(conn: Connection, look: Look) -> str:
    return restricted_by(look.document_type, said_in(conn, look.document_id))


def _class_of(conn: Connection, document_id: str) -> str:
    """The class that restricts a document, or a page that no document holds; 404 when there is neither."""
    kind = conn.scalar(select(document.c.document_type).where(document.c.document_id == document_id))
    if kind is not None:
        return restricted_by(kind, said_in(conn, document_id))
    look = _look(conn, document_id)
    if look is None or look.document_id != document_id:
        raise HTTPException(404)
    return _why(conn, look)


def _seen(conn: Connection, account_id: str, page_id: str) -> bool:
    recent = page_view.c.at > func.now() - bindparam("once", ONCE, Interval)
    own = (page_view.c.account_id == account_id) & (page_view.c.page_id == page_id) & (page_view.c.what == CROPS)
    return conn.scalar(select(page_view.c.view_id).where(own, recent).limit(1)) is not None


def _log(conn: Connection, account_id: str, ticket: Ticket, reason: str) -> None:
    """One row per look at a whole page; one per ten minutes for a page's crops, also when three come at once."""
    if ticket.cut is not None:
        look = func.hashtext(f"{account_id} {ticket.page_id}")
        conn.execute(select(func.pg_advisory_xact_lock(VIEW_LOCK, look)))
        if _seen(conn, account_id, ticket.page_id):
            return
    what = WHOLE if ticket.cut is None else CROPS
    conn.execute(insert(page_view).values(account_id=account_id, page_id=ticket.page_id, what=what, reason=reason))


def _likely_cuts(engine: Engine, page_id: str) -> list[Cut]:
    """The boxes of a page's doubtful values."""
    holder = select(page.c.document_id).where(page.c.page_id == page_id).scalar_subquery()
    doubtful = (field_value.c.page_id == page_id) & (field_value.c.verdict == Verdict.REVIEW.value)
    query = select(field_value.c.box).where(field_value.c.document_id == holder, doubtful).limit(MOST_CUTS)
    with engine.connect() as conn:
        return [cut_of(PageBox.model_validate(box)) for box in conn.scalars(query)]


def _key(request: Request) -> bytes:
    return ticket_key(request.app.state.settings)


def _sentence(request: Request, status: int, key: str) -> Response:
    """Why there is no picture, for whoever asked for one: plain words."""
    return PlainTextResponse(say(key, language_of(request)), status_code=status)
