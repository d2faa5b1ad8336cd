"""Stage 8, review.screens.unclaimed: lines that nobody claimed, on request, and the value that an officer adds."""

from typing import Annotated

from fastapi import Form, HTTPException, Request, Response
from sqlalchemy import Connection, select

from pipeline.tables import document
from records.document_types import document_types
from records.documents import ValidatedDocument
from records.errors import LostLease
from review.cards import key_of
from review.policy import Right, Routes
from review.rendering import Transaction, language_of, page, problem, signed_in
from review.restricted import locked
from review.revisions import MAX_TYPED, Refused
from review.screens.pages import crop_address
from review.second import as_met, asked_of
from review.sessions import Account
from review.unclaimed import add_value, free_fields, lines_of, settled_fields

Text = Annotated[str, Form()]
routes = Routes()


@routes.get("/task/{document_id}/unclaimed", right=Right.REVIEW)
def show(request: Request, conn: Transaction, document_id: str) -> Response:
    """The lines, each with its crop, and the fields without a value."""
    return _shown(request, conn, document_id)


@routes.post("/task/{document_id}/unclaimed", right=Right.REVIEW)
def add(
    request: Request, conn: Transaction, document_id: str, token: Annotated[int, Form()], line: Text = "",
    field: Text = "", value: Text = "", insist: Text = "",
) -> Response:  # fmt: skip
    """Add a value; the key of its card, or the form again (422) with a sentence where nothing was saved."""
    who = signed_in(request)
    _own(conn, who, document_id)
    try:
        with conn.begin_nested():
            add_value(conn, document_id, field, line, value, who.account_id, token, insist=insist == "yes")
    except LostLease:
        return problem(request, 409, "task.error.lost")
    except Refused as refused:
        return _shown(
            request, conn, document_id, 422, line=line, field=field, value=value,
            error=refused.said(language_of(request)), insist=refused.insist,
        )  # fmt: skip
    return Response(key_of(field), media_type="text/plain")


def _shown(
    request: Request, conn: Connection, document_id: str, status: int = 200, *, line: str = "", field: str = "",
    value: str = "", error: str = "", insist: bool = False,
) -> Response:  # fmt: skip
    who = signed_in(request)
    own = _own(conn, who, document_id)
    form, asked = document_types()[own.document.document_type], asked_of(conn, document_id, who.account_id)
    hidden = {field for field, how in asked.items() if how.hidden}
    lines = lines_of(conn, own)
    # What she enters without sight of the reading may stand on a line: she is shown the paper alone.
    lines = tuple(one.model_copy(update={"text": ""}) for one in lines) if hidden else lines
    fields = free_fields(
        as_met(own, form, asked), form, settled_fields(conn, document_id) | hidden, language_of(request)
    )  # fmt: skip
    return page(
        request, "_unclaimed.html", status, document_id=document_id, lines=lines, fields=fields, most=MAX_TYPED,
        crops={one.key: crop_address(request, one.page_id, one.box) for one in lines},
        line=line or (lines[0].key if lines else ""), field=field, error=error, insist=insist,
        value=value if error else (lines[0].text if lines else ""),
    )  # fmt: skip


def _own(conn: Connection, who: Account, document_id: str) -> ValidatedDocument:
    """The document; 404 where there is none, 403 while it is closed to the account."""
    row = conn.scalar(select(document.c.validated).where(document.c.document_id == document_id))
    if row is None:
        raise HTTPException(404)
    own = ValidatedDocument.model_validate(row)
    if locked(conn, who.account_id, own):
        raise HTTPException(403, "glass.closed")
    return own
