"""Stage 8, review.screens.quality: what the suites say of each batch, in counts; the values behind it for seniors."""

from fastapi import HTTPException, Request, Response

from pipeline import releases
from review import desk, quality
from review.policy import Right, Routes, may
from review.rendering import Transaction, language_of, page, signed_in
from validation.suites import Severity

routes = Routes()


@routes.get("/quality", right=Right.QUALITY)
def show(request: Request, conn: Transaction) -> Response:
    """The newest batches, and how many rules each broke."""
    return page(request, "qualities.html", batches=quality.newest(conn))


@routes.get("/quality/{batch_id}", right=Right.QUALITY)
def show_batch(request: Request, conn: Transaction, batch_id: str) -> Response:
    """One of them, rule by rule and form by form; 404 where it is not known."""
    state, language, who = quality.state_of(conn, batch_id), language_of(request), signed_in(request)
    if state is None:
        raise HTTPException(404)
    stops, warns = (releases.noted(conn, batch_id, severity) for severity in (Severity.STOP, Severity.WARN))
    failures = releases.with_breaches(conn, batch_id, warns if may(who.role, Right.RELEASE) else [])
    return page(
        request, "quality.html", batch_id=batch_id, state=state, lines=quality.lines(conn, batch_id, language),
        forms=quality.forms(conn, batch_id, stops, language), stops=[desk.sentence(one, language) for one in stops],
        warns=[desk.sentence(one, language) for one in warns],
        failures=[one for one in desk.told(conn, who.account_id, failures, language) if one.rows],
    )  # fmt: skip
