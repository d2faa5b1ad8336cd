"""Stage 8, review.screens.groups: kinds of values that wait, a set of one kind by keys alone, and what became of it."""

import random
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from review import groups
from review.attention import LAST, LEAST_PERCENT, attention_of, by_officer, closed
from review.groups import NoSet, Outcome
from review.misreadings import MISREADINGS
from review.policy import Right, Routes, may
from review.rendering import Transaction, language_of, page, problem, signed_in
from review.screens.pages import crop_of
from review.screens.queue import today
from review.sessions import Account
from review.texts import say

WIDE = frozenset({"person_name", "moment", "reference", "outcome"})  # kinds whose crops are long
MOST_PLACES = 2 * groups.SIZE
routes = Routes()


@routes.get("/groups", right=Right.REVIEW)
def show(request: Request, conn: Transaction) -> Response:
    """What can be reviewed in groups; to seniors also everybody's attention."""
    return _kinds(request, conn)


@routes.get("/groups/{kind}", right=Right.REVIEW)
def show_set(request: Request, conn: Transaction, kind: str) -> Response:
    """A set of this kind, held by whoever opens it."""
    who, language = _who(request, kind), language_of(request)
    if closed(conn, who.account_id, _today()):
        return _kinds(request, conn, say("groups.closed", language, last=LAST, percent=LEAST_PERCENT))
    try:
        found = groups.hand_out(conn, who.account_id, kind, language, random.SystemRandom())
    except NoSet as none:
        return _kinds(request, conn, say(none.key, language))
    return page(
        request, "groups_set.html", kind=kind, set_id=found.set_id, wide=kind in WIDE,
        tiles=[(one, crop_of(request, one.card)) for one in found.tiles],
    )  # fmt: skip


@routes.post("/groups/{kind}", right=Right.REVIEW)
def save(
    request: Request,
    kind: str,
    set_id: Annotated[int, Form()],
    odd: Annotated[tuple[int, ...], Form(max_length=MOST_PLACES)] = (),
) -> Response:
    """Accept what is not marked, and tell what became of the set."""
    who, language = _who(request, kind), language_of(request)
    done = groups.save(request.app.state.engine, who.account_id, set_id, odd, language)
    if done is None:
        with request.app.state.engine.begin() as conn:
            return _kinds(request, conn, say("groups.gone", language))
    return page(
        request, "groups_done.html", kind=kind, set_id=set_id, accepted=len(done.of(Outcome.ACCEPTED)),
        odd=done.of(Outcome.ODD), refused=done.of(Outcome.REFUSED), checks=done.checks,
        missed=[(one, crop_of(request, one.card)) for one in done.missed],
    )  # fmt: skip


@routes.post("/groups/{kind}/renew", right=Right.REVIEW)
def renew(request: Request, conn: Transaction, kind: str) -> Response:
    """Keep the set for another ten minutes."""
    if groups.renew(conn, _who(request, kind).account_id, kind):
        return Response(status_code=204)
    return problem(request, 409, "groups.gone")


@routes.post("/groups/{kind}/give-back", right=Right.REVIEW)
def give_back(request: Request, conn: Transaction, kind: str) -> Response:
    """Let others have the documents."""
    groups.give_back(conn, _who(request, kind).account_id, kind)
    return RedirectResponse("/groups", 303)


def _kinds(request: Request, conn: Connection, told: str = "") -> Response:
    who = signed_in(request)
    return page(
        request, "groups.html", kinds=groups.waiting_kinds(conn), told=told,
        own=attention_of(conn, who.account_id),
        officers=by_officer(conn, _today()) if may(who.role, Right.AUDIT) else [],
    )  # fmt: skip


def _who(request: Request, kind: str) -> Account:
    """Who asks; 404 for a kind that is not reviewed in groups."""
    if kind not in MISREADINGS:
        raise HTTPException(404)
    return signed_in(request)


def _today() -> datetime:
    return today(datetime.now(UTC))
