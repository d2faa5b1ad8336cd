"""Stage 8, review.screens.archive: what a director reads before a box is signed; counts and sentences, no content."""

from fastapi import HTTPException, Request, Response
from sqlalchemy import func, select

from pipeline.statement import statement_of
from pipeline.tables import conversion
from records.errors import SohoaError
from review.policy import Right, Routes
from review.rendering import Transaction, page

LIMIT = 200  # boxes shown at once
routes = Routes()


@routes.get("/archive", right=Right.ARCHIVE)
def boxes(request: Request, conn: Transaction) -> Response:
    """Boxes with archive copies, those that wait for a signature first."""
    waiting = func.count().filter(conversion.c.signed_id.is_(None))
    query = (
        select(conversion.c.batch_id, waiting.label("waiting"), func.count().label("copies"))
        .group_by(conversion.c.batch_id)
        .order_by(waiting.desc(), conversion.c.batch_id)
        .limit(LIMIT)
    )
    return page(request, "archive.html", boxes=conn.execute(query).all())


@routes.get("/archive/{batch_id}", right=Right.ARCHIVE)
def statement(request: Request, conn: Transaction, batch_id: str) -> Response:
    """The page itself, with the mark that `sohoa archive sign` asks for."""
    try:
        told = statement_of(conn, batch_id)
    except SohoaError as error:
        raise HTTPException(404) from error
    return page(request, "statement.html", told=told)
