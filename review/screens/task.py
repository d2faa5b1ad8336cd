"""Stage 8, review.screens.task: a document's doubtful fields, each under its crop, beside the page; one key for each.

What cannot be saved is told in a sentence beside its field, with what was typed still in it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from fastapi import Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection, select
from starlette.background import BackgroundTask, BackgroundTasks

from pipeline.tables import review_task
from records.document_types import DocumentType
from records.documents import ValidatedDocument
from records.errors import LostLease
from review import queue
from review.cards import Card, State
from review.decisions import decide, undo
from review.hints import with_hints
from review.opened import Opened, entered_as, opened
from review.picklists import get_ready, search
from review.policy import Right, Routes
from review.rendering import Transaction, language_of, page, problem, signed_in
from review.restricted import locked, restricted
from review.revisions import MAX_TYPED, Decision, Refused
from review.screens.help import KEYS
from review.screens.pages import crop_of, sheets, warm, warm_coming
from review.second import UNASKED, Stage, entries_of
from review.texts import say

ENTER, INSIST = "enter", "insist"
FILM = "film"
MOST_ASKED = 200  # characters of a search in a pick-list
TOLD = {  # Words that the page's script says, with the blanks that it fills itself.
    "task.left": {"left": "{left}", "all": "{all}"}, "task.crop_fails": {}, "task.error.lost": {},
    "task.error.network": {}, "task.typed": {}, "task.copy": {}, "task.copied": {}, "task.to_queue": {},
    "task.session_still": {},
}  # fmt: skip
Text = Annotated[str, Form()]
Number = Annotated[int, Form()]
routes = Routes()


@routes.get("/task/{document_id}", right=Right.REVIEW)
def show_task(request: Request, conn: Transaction, document_id: str) -> Response:
    """The document's cards and its pages; held by whoever opens it, if nobody else holds it."""
    who, language = signed_in(request), language_of(request)
    found = _opened(request, conn, document_id)
    if locked(conn, who.account_id, found.validated):
        return page(request, "closed.html", 403, document_id=document_id, why=restricted(found.validated))
    lease = queue.take(conn, who.account_id, document_id) or queue.lease_of(conn, document_id, who.account_id)
    if lease is None:
        return RedirectResponse("/queue", status_code=303)
    page_ids = found.validated.document.page_ids
    warm(request.app, conn, page_ids)
    answer = page(
        request, "task.html", document_id=document_id, lease=lease.token, most=MAX_TYPED, file=found.label,
        form=title_of(found.form, language), cards=found.cards, left=found.left,
        crops={card.key: crop_of(request, card) for card in found.cards},
        pages=sheets(request, page_ids), told=TOLD, keys=KEYS, film=found.form.id == FILM,
    )  # fmt: skip
    answer.background = BackgroundTasks(
        [BackgroundTask(warm_coming, request.app, who.account_id), BackgroundTask(get_ready, icd10_of(request))]
    )
    return answer


@routes.post("/task/{document_id}/field/{field}", right=Right.REVIEW)
def decide_field(
    request: Request,
    conn: Transaction,
    document_id: str,
    field: str,
    token: Number,
    decision: Text = ENTER,
    value: Text = "",
) -> Response:
    """Settle one field and give its card; 422 with the card and a sentence where nothing was saved."""
    language = language_of(request)
    card = _card(request, conn, document_id, field)
    if not queue.renewable(conn, document_id, signed_in(request).account_id, token):
        return problem(request, 409, "task.error.lost")
    if card.outcome == UNASKED:
        return _fragment(request, document_id, token, card)
    wanted, value = _said(conn, document_id, card, decision, value)
    if wanted is Decision.CORRECT and not value.strip():
        return _fragment(request, document_id, token, refused_card(card, value, say("task.error.empty", language)))
    try:
        with conn.begin_nested():
            decide(
                conn, _task_id(conn, document_id, field), signed_in(request).account_id, wanted,
                value if wanted is Decision.CORRECT else "", token=token, insist=decision == INSIST,
            )  # fmt: skip
    except LostLease:
        return problem(request, 409, "task.error.lost")
    except Refused as refused:
        told = refused_card(card, value, refused.said(language), insist=refused.insist)
        return _fragment(request, document_id, token, told)
    # What she typed may restrict the document from now on; of her own field she is still told that it is saved.
    return _fragment(request, document_id, token, _only(_opened(request, conn, document_id, field)))


@routes.post("/task/{document_id}/undo", right=Right.REVIEW)
def undo_field(request: Request, conn: Transaction, document_id: str, token: Number, field: Text) -> Response:
    """Take a decision on a field back and give its card, open again and with the lease under which it is decided.

    409 without the card for whoever neither holds the document nor gets it by what she takes back.
    """
    card, account_id = _card(request, conn, document_id, field), signed_in(request).account_id
    try:
        with conn.begin_nested():
            if card.state is State.DONE:
                undo(conn, document_id, field, account_id)
            lease = _lease(conn, document_id, account_id)
    except LostLease:
        return problem(request, 409, "task.error.lost")
    except Refused as refused:
        if queue.lease_of(conn, document_id, account_id) is None:
            return problem(request, 409, "task.error.lost")
        told = card.model_copy(update={"error": refused.said(language_of(request))})
        return _fragment(request, document_id, token, told)
    return _fragment(request, document_id, lease.token, _card(request, conn, document_id, field))


@routes.post("/task/{document_id}/renew", right=Right.REVIEW)
def renew(request: Request, conn: Transaction, document_id: str, token: Number) -> Response:
    """Keep the document for another ten minutes."""
    _refuse_closed(request, conn, _opened(request, conn, document_id).validated)
    if queue.renew(conn, document_id, signed_in(request).account_id, token):
        return Response(status_code=204)
    return problem(request, 409, "task.error.lost")


@routes.post("/task/{document_id}/give-back", right=Right.REVIEW)
def give_back(request: Request, conn: Transaction, document_id: str) -> Response:
    """Let the next officer have the document."""
    queue.give_back(conn, document_id, signed_in(request).account_id)
    return RedirectResponse("/queue", status_code=303)


@routes.get("/pick/{name}", right=Right.REVIEW)
def pick(request: Request, name: str, q: str = "") -> Response:
    """The lines of a pick-list that fit what was typed."""
    try:
        found = search(name, q[:MOST_ASKED], icd10_of(request))
    except KeyError as error:
        raise HTTPException(404) from error
    return page(request, "_pick.html", choices=found)


def icd10_of(request: Request) -> Path:
    """The list loaded at set-up; it may not be there."""
    home: Path = request.app.state.settings.home
    return home / "codes" / "icd10.csv"


def _opened(request: Request, conn: Connection, document_id: str, field: str = "") -> Opened:
    """The document as this officer meets it; 404 when there is no such document."""
    found = opened(conn, document_id, signed_in(request).account_id, language_of(request), field)
    if found is None:
        raise HTTPException(404)
    return found._replace(cards=with_hints(found.cards, found.validated, icd10_of(request), language_of(request)))


def _said(conn: Connection, document_id: str, card: Card, said: str, typed: str) -> tuple[Decision, str]:
    """The decision, and what is typed for it: a senior may say that the first or the second entry is right."""
    if card.entries and said in (Stage.FIRST, Stage.SECOND):
        own = review_task.c.task_id == _task_id(conn, document_id, card.field)
        entries = entries_of(conn, conn.execute(select(review_task).where(own)).mappings().one())
        return entered_as(next(entry for entry in entries if entry.stage == said), card.kind)
    return decision_of(card, said, typed), typed


def _task_id(conn: Connection, document_id: str, field: str) -> str:
    own = (review_task.c.document_id == document_id) & (review_task.c.field == field)
    return str(conn.scalars(select(review_task.c.task_id).where(own)).one())


def _lease(conn: Connection, document_id: str, account_id: str) -> queue.Lease:
    """The officer's lease, taken where nobody has one; LostLease when she cannot have it."""
    lease = queue.take(conn, account_id, document_id) or queue.lease_of(conn, document_id, account_id)
    if lease is None:
        raise LostLease(say("decide.lost", "en"))
    return lease


def _card(request: Request, conn: Connection, document_id: str, field: str) -> Card:
    """The card of a field; 403 while its document is closed to the account, 404 when there is none."""
    found = _opened(request, conn, document_id, field)
    _refuse_closed(request, conn, found.validated)
    return _only(found)


def _only(found: Opened) -> Card:
    if not found.cards:
        raise HTTPException(404)
    return found.cards[0]


def _refuse_closed(request: Request, conn: Connection, validated: ValidatedDocument) -> None:
    """403 for a restricted document that the account has not opened with a reason."""
    if locked(conn, signed_in(request).account_id, validated):
        raise HTTPException(403, "glass.closed")


def decision_of(card: Card, said: str, typed: str) -> Decision:
    """What a key means: Enter accepts what was read, or what was typed in its place."""
    if said in (Decision.ABSENT, Decision.UNREADABLE):
        return Decision(said)
    return Decision.ACCEPT if typed.strip() == card.value != "" else Decision.CORRECT


def refused_card(card: Card, typed: str, sentence: str, *, insist: bool = False) -> Card:
    return card.model_copy(update={"typed": typed, "error": sentence, "insist": insist})


def _fragment(request: Request, document_id: str, token: int, card: Card) -> Response:
    """One card for the page that stands."""
    shown: Mapping[str, Any] = {"document_id": document_id, "lease": token, "most": MAX_TYPED, "card": card}
    return page(request, "_field.html", 422 if card.error else 200, crop=crop_of(request, card), **shown)


def title_of(form: DocumentType, language: str) -> str:
    return form.title.vi if language == "vi" else form.title.en
