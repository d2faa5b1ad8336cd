"""Stage 8, review.screens.files: a file's pages in its order, by document; an officer settles what is asked of them."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from records.document_types import document_types
from review import files, rescans
from review.papers import close_paper, open_papers
from review.policy import Right, Routes
from review.rendering import Transaction, page, signed_in
from review.repairs import NOT_FOR_PEOPLE
from review.restricted import closed_to
from review.screens.pages import page_address

SHORTEST, LONGEST = 5, 500  # characters of a reason
routes = Routes()


@routes.get("/files", right=Right.PLACE_PAGES)
def show(request: Request, conn: Transaction) -> Response:
    """All files that wait as a whole, and the sheets that somebody asked for."""
    return page(request, "files.html", files=files.waiting_files(conn), papers=open_papers(conn))


@routes.get("/files/{file_id}", right=Right.PLACE_PAGES)
def show_file(request: Request, conn: Transaction, file_id: str, chosen: str = "") -> Response:
    """Its pages in order, each with what is asked about it. `chosen`: the page on which the keys act."""
    found, pages = files.pages_of(conn, file_id)
    closed = _closed(request, conn, pages)
    aside = files.set_aside(conn, [one for one in pages if one.document_id not in closed])
    shown = [*(one.page_id for one in pages if one.document_id not in closed), *(one.page_id for one in aside)]
    asked = next((one.page_id for one in pages if one.issues), pages[0].page_id if pages else "")
    return page(
        request, "file.html", file=found, documents=files.documents_in(pages), closed=closed, titles=document_types(),
        aside=aside, addresses={page_id: page_address(request, page_id) for page_id in shown},
        chosen=chosen if chosen in {one.page_id for one in pages} else asked, forms=_forms(),
        labels=files.labels(conn, found.batch_id), shortest=SHORTEST, longest=LONGEST,
        rescans={one.page_id for one in rescans.open_requests(conn)}, papers={one.page_id for one in open_papers(conn)},
    )  # fmt: skip


@routes.get("/files/of/{document_id}", right=Right.PLACE_PAGES)
def of_document(conn: Transaction, document_id: str) -> Response:
    """The file that a document is of, at the document's first page."""
    own = files.file_of(conn, document_id)
    if own is None:
        raise HTTPException(404)
    return RedirectResponse(f"/files/{own.file_id}?chosen={own.page_ids[0]}", 303)


@routes.get("/files/{file_id}/compare/{page_id}", right=Right.PLACE_PAGES)
def compare(request: Request, conn: Transaction, file_id: str, page_id: str, other: str = "") -> Response:
    """Two pages of a file side by side: the one that is asked about, and `other` or what it is best compared with."""
    found, pages = files.pages_of(conn, file_id)
    one = next((p for p in pages if p.page_id == page_id), None)
    if one is None:
        raise HTTPException(404)
    beside = next((p for p in pages if p.page_id == other != page_id), None) or files.other_page(pages, one)
    if beside is None:
        return RedirectResponse(f"/files/{file_id}", 303)
    closed = _closed(request, conn, pages)
    return page(
        request, "file_compare.html", file=found, one=one, beside=beside, pages=pages, titles=document_types(),
        closed=closed, doubted=files.is_doubted(one, beside),
        addresses={p.page_id: page_address(request, p.page_id) for p in (one, beside)},
    )  # fmt: skip


@routes.post("/files/papers/{page_id}/close", right=Right.PLACE_PAGES)
def close(request: Request, conn: Transaction, page_id: str, back: Annotated[str, Form()] = "") -> Response:
    """The sheet was seen."""
    close_paper(conn, page_id, signed_in(request).account_id)
    return RedirectResponse(f"/files/{back}" if back.isalnum() else "/files", 303)


@routes.post("/files/{file_id}/keep", right=Right.PLACE_PAGES)
def keep(request: Request, conn: Transaction, file_id: str, document_id: Annotated[str, Form()] = "") -> Response:
    """What the EMR says otherwise than this document stands; the officer has seen it."""
    files.keep_emr(conn, file_id, document_id, signed_in(request).account_id)
    return RedirectResponse(f"/files/{file_id}", 303)


def _closed(request: Request, conn: Connection, pages: Sequence[files.FilePage]) -> set[str]:
    """Ids of documents whose pictures the reader sees only after giving a reason."""
    who = signed_in(request)
    kinds = {one.document_id: one.document_type for one in pages}
    return {own for own, kind in kinds.items() if closed_to(conn, who.account_id, own, kind)}


def _forms() -> list[str]:
    """The forms that a document may be said to be, by their Vietnamese titles."""
    return sorted(document_types().keys() - NOT_FOR_PEOPLE, key=lambda kind: document_types()[kind].title.vi)
