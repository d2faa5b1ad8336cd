"""Stage 8, review.screens.files: an officer says whose the pages of a file are that waits as a whole."""

from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from pipeline.placing import place_pages
from records.document_types import document_types
from review import files
from review.policy import Right, Routes
from review.rendering import Transaction, account_of, page, problem
from review.restricted import opened, restricted_by, said_in
from review.screens.pages import page_address

SHORTEST, LONGEST = 5, 500  # characters of a reason
routes = Routes()


@routes.get("/files", right=Right.PLACE_PAGES)
def show(request: Request, conn: Transaction) -> Response:
    """All files that wait as a whole."""
    return page(request, "files.html", files=files.waiting_files(conn))


@routes.get("/files/{file_id}", right=Right.PLACE_PAGES)
def show_file(request: Request, conn: Transaction, file_id: str) -> Response:
    """Its pages side by side, each with what is asked about it."""
    found, pages = files.pages_of(conn, file_id)
    addresses = {one.page_id: page_address(request, one.page_id) for one in pages}
    return page(
        request, "file.html", file=found, pages=pages, addresses=addresses, titles=document_types(),
        labels=files.labels(conn, found.batch_id), closed=_closed(request, conn, pages), shortest=SHORTEST,
        longest=LONGEST,
    )  # fmt: skip


@routes.post("/files/{file_id}/place", right=Right.PLACE_PAGES)
def place(
    request: Request,
    conn: Transaction,
    file_id: str,
    pages: Annotated[list[str], Form()] = [],  # noqa: B006
    label: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Put pages into a file; the next run of the batch puts the files together anew."""
    who, why, into = account_of(request), reason.strip(), label.strip()
    if who is None or not pages or not into or not SHORTEST <= len(why) <= LONGEST:
        return problem(request, 422, "files.incomplete")
    held = {one.page_id for one in files.pages_of(conn, file_id)[1]}
    if not held.issuperset(pages):
        return problem(request, 409, "files.changed")
    place_pages(conn, pages, into, who.account_id, why)
    return RedirectResponse("/files", 303)


def _closed(request: Request, conn: Connection, pages: list[files.FilePage]) -> set[str]:
    """Ids of documents whose pictures the reader sees only after giving a reason."""
    who = account_of(request)
    kinds = {one.document_id: one.document_type for one in pages}
    return {
        own for own, kind in kinds.items()
        if restricted_by(kind, said_in(conn, own)) and not (who and opened(conn, who.account_id, own))
    }  # fmt: skip
