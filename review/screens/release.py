"""Stage 8, review.screens.release: a senior loads a batch in spite of its failed checks, or sends it back."""

from typing import Annotated

from fastapi import Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from pipeline import ledger, releases
from pipeline.releases import ChangedSince, Decision
from review import desk
from review.policy import Right, Routes
from review.rendering import Transaction, account_of, language_of, page
from review.restricted import LONGEST, SHORTEST, reason_of
from review.texts import say

Text = Annotated[str, Form()]
routes = Routes()


@routes.get("/release", right=Right.RELEASE)
def show(request: Request, conn: Transaction) -> Response:
    """All batches that their checks hold."""
    return page(request, "releases.html", batches=desk.held_batches(conn, language_of(request)))


@routes.get("/release/{batch_id}", right=Right.RELEASE)
def show_batch(request: Request, conn: Transaction, batch_id: str) -> Response:
    """One of them with the values behind each failure."""
    return _batch(request, conn, batch_id)


@routes.post("/release/{batch_id}", right=Right.RELEASE)
def decide(
    request: Request, conn: Transaction, batch_id: str, decision: Text = "", reason: Text = "", shown: Text = ""
) -> Response:
    """Accept what fails, or send the batch back; 422 with what was typed where nothing was saved."""
    who = account_of(request)
    if who is None or decision not in set(Decision):
        return _batch(request, conn, batch_id, "release.choose", reason, 422)
    try:
        why = reason_of(reason)
    except ValueError:
        return _batch(request, conn, batch_id, "release.reason_length", reason, 422)
    _held(request, conn, batch_id)
    try:
        releases.decide(conn, batch_id, who.account_id, Decision(decision), why, shown)
    except ChangedSince:
        return _batch(request, conn, batch_id, "release.changed", reason, 409)
    return RedirectResponse("/release", 303)


def _batch(
    request: Request, conn: Connection, batch_id: str, refused: str = "", reason: str = "", code: int = 200
) -> Response:
    who, language = account_of(request), language_of(request)
    held, failures = _held(request, conn, batch_id), releases.failures_of(conn, batch_id)
    return page(
        request, "release.html", code, batch=held, shown=releases.fingerprint(failures),
        failures=desk.told(conn, who.account_id if who else "", failures, language),
        counts=ledger.counts(conn, batch_id).get(batch_id, {}), refused=say(refused, language) if refused else "",
        reason=reason[:LONGEST], shortest=SHORTEST, longest=LONGEST,
    )  # fmt: skip


def _held(request: Request, conn: Connection, batch_id: str) -> desk.HeldBatch:
    """404 when the batch is not held, as after its loading."""
    found = next((one for one in desk.held_batches(conn, language_of(request)) if one.batch_id == batch_id), None)
    if found is None:
        raise HTTPException(404)
    return found
