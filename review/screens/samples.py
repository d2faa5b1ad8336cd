"""Stage 8, review.screens.samples: blind samples keyed one by one, what they say, and families that are stopped."""

from typing import Annotated

from fastapi import Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from pipeline import drift
from records.errors import SohoaError
from review import samples
from review.cards import Card
from review.opened import Opened
from review.policy import Right, Routes, may
from review.rendering import Transaction, language_of, page, signed_in
from review.restricted import LONGEST, SHORTEST, locked, reason_of
from review.revisions import MAX_TYPED, Decision, Refused
from review.samples import Asker
from review.screens.help import WITHOUT_FILE
from review.screens.pages import crop_of, sheets, warm
from review.screens.task import ENTER, INSIST, TOLD, decision_of, refused_card, title_of
from review.second import Stage
from review.texts import say

NO_LEASE = 0
Text = Annotated[str, Form()]
routes = Routes()


@routes.get("/samples", right=Right.REVIEW)
def show(request: Request, conn: Transaction) -> Response:
    """How many samples wait; to seniors also what they say, and which families are stopped."""
    return _overview(request, conn)


@routes.post("/samples/next", right=Right.REVIEW)
def go_on(request: Request, conn: Transaction) -> Response:
    """To a document with a sample for her, else back."""
    following = samples.next_document(conn, _who(request))
    return RedirectResponse(f"/samples/{following}" if following else "/samples", 303)


@routes.get("/samples/{document_id}", right=Right.REVIEW)
def show_document(request: Request, conn: Transaction, document_id: str) -> Response:
    """The document's samples on the screen of the real work; back to the start when nothing waits for her here."""
    found = _opened(request, conn, document_id)
    if found is None:
        return RedirectResponse("/samples", 303)
    page_ids = found.validated.document.page_ids
    warm(request.app, conn, page_ids)
    return page(
        request, "samples_task.html", document_id=document_id, place=f"/samples/{document_id}", home="/samples",
        lease=NO_LEASE, most=MAX_TYPED, file=found.label, form=title_of(found.form, language_of(request)),
        cards=found.cards, left=found.left, crops={card.key: crop_of(request, card) for card in found.cards},
        pages=sheets(request, page_ids), told=TOLD, keys=WITHOUT_FILE,
    )  # fmt: skip


@routes.post("/samples/{document_id}/field/{field}", right=Right.REVIEW)
def answer(
    request: Request, conn: Transaction, document_id: str, field: str, decision: Text = ENTER, value: Text = ""
) -> Response:
    """Keep what she reads and give the card; 422 with a sentence where nothing was saved."""
    card, language = _card(request, conn, document_id, field), language_of(request)
    if card.outcome:
        return _fragment(request, document_id, card)
    wanted, typed = _said(conn, document_id, card, decision, value)
    if wanted is Decision.CORRECT and not typed.strip():
        return _fragment(request, document_id, refused_card(card, value, say("task.error.empty", language)))
    try:
        with conn.begin_nested():
            samples.answer(conn, document_id, field, _who(request), wanted, typed, insist=decision == INSIST)
    except Refused as refused:
        return _fragment(request, document_id, refused_card(card, value, refused.said(language), insist=refused.insist))
    return _fragment(request, document_id, _card(request, conn, document_id, field))


@routes.post("/samples/{document_id}/renew", right=Right.REVIEW)
def renew(request: Request, conn: Transaction, document_id: str) -> Response:
    """Nobody holds a sample: the first answer counts."""
    return Response(status_code=204 if _opened(request, conn, document_id) else 404)


@routes.post("/samples/alarm/{number}", right=Right.RELEASE)
def reopen(request: Request, conn: Transaction, number: int, reason: Text = "") -> Response:
    """Let a stopped family pass again, for a reason; 422 with what was typed where it has none."""
    try:
        drift.reopen(conn, number, _who(request).account_id, reason_of(reason))
    except ValueError:
        return _overview(request, conn, "release.reason_length", number, reason, 422)
    except SohoaError:
        return _overview(request, conn, "samples.not_stopped", code=422)
    return RedirectResponse("/samples", 303)


def _overview(
    request: Request, conn: Connection, refused: str = "", at: int = 0, reason: str = "", code: int = 200
) -> Response:
    who, language = _who(request), language_of(request)
    return page(
        request, "samples.html", code, waiting=samples.waiting(conn, who), at=at, reason=reason[:LONGEST],
        refused=say(refused, language) if refused else "", shortest=SHORTEST, longest=LONGEST,
        alarms=drift.open_alarms(conn), estimates=samples.estimates(conn) if who.senior else [],
    )  # fmt: skip


def _who(request: Request) -> Asker:
    who = signed_in(request)
    return Asker(who.account_id, may(who.role, Right.RELEASE))


def _opened(request: Request, conn: Connection, document_id: str, field: str = "") -> Opened | None:
    """The document's samples; 403 while it is closed to the account."""
    found = samples.opened(conn, document_id, _who(request), language_of(request), field)
    if found is not None and locked(conn, _who(request).account_id, found.validated):
        raise HTTPException(403, "glass.closed")
    return found


def _card(request: Request, conn: Connection, document_id: str, field: str) -> Card:
    found = _opened(request, conn, document_id, field)
    if found is None or not found.cards:
        raise HTTPException(404)
    return found.cards[0]


def _said(conn: Connection, document_id: str, card: Card, wanted: str, typed: str) -> tuple[Decision, str]:
    if card.entries and wanted in (Stage.FIRST, Stage.SECOND):
        return samples.said(samples.sample_of(conn, document_id, card.field), wanted)
    return decision_of(card, wanted, typed), typed


def _fragment(request: Request, document_id: str, card: Card) -> Response:
    """One card for the page that stands."""
    return page(
        request, "_field.html", 422 if card.error else 200, document_id=document_id, place=f"/samples/{document_id}",
        lease=NO_LEASE, most=MAX_TYPED, card=card, crop=crop_of(request, card),
    )  # fmt: skip
