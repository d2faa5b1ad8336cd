"""Stage 8, review.screens.scans: the scan desk: what came of the paper, file by file, and pages to scan anew."""

from typing import Annotated

from fastapi import FastAPI, File, Form, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

from review import rescans, scans
from review.papers import open_papers
from review.policy import Right, Routes
from review.rendering import Transaction, account_of, for_fragment, language_of, page, problem

routes = Routes()


@routes.get("/scans/:newest/renew", right=Right.SCAN)  # No batch can have this name.
@routes.get("/scans", right=Right.SCAN)
def show(request: Request, conn: Transaction) -> Response:
    """The newest batches, and the pages that are to be scanned anew. An open page asks for it by itself as `renew`."""
    return page(
        request, "scans.html", batches=scans.newest_batches(conn), requests=rescans.open_requests(conn),
        papers=open_papers(conn),
    )  # fmt: skip


@routes.get("/scans/{batch_id}/renew", right=Right.SCAN)
@routes.get("/scans/{batch_id}", right=Right.SCAN)
def show_batch(request: Request, conn: Transaction, batch_id: str) -> Response:
    """One batch, file by file."""
    files = scans.files_of(conn, batch_id, language_of(request), _looked(request.app))
    return page(request, "scan_batch.html", batch_id=batch_id, files=files)


@routes.post("/scans/ask/{page_id}", right=Right.SCAN)
def ask(request: Request, conn: Transaction, page_id: str, reason: Annotated[list[str], Form()] = []) -> Response:  # noqa: B006
    """Ask for a page anew."""
    return _to_batch(rescans.ask_rescan(conn, page_id, _name(request), reason, language_of(request)))


@routes.post("/scans/take-back/{page_id}", right=Right.SCAN)
def take_back(request: Request, conn: Transaction, page_id: str) -> Response:
    """The page will do after all."""
    return _to_batch(rescans.take_back(conn, page_id, _name(request), language_of(request)))


@routes.get("/scans/rescan/{page_id}", right=Right.SCAN)
def form(request: Request, conn: Transaction, page_id: str) -> Response:
    """Where the scan of one page is handed in."""
    found = rescans.open_requests(conn, page_id)
    if not found:
        return problem(request, 409, "scans.not_asked")
    return page(request, "rescan.html", wanted=found[0], endings=",".join(sorted(rescans.ENDINGS)))


@routes.post("/scans/rescan/{page_id}", right=Right.SCAN)
def hand_in(
    request: Request, conn: Transaction, page_id: str, scan: Annotated[UploadFile | None, File()] = None
) -> Response:
    """Take in the scan of the page; the next run of its batch reads it."""
    if scan is None or not scan.filename:
        return problem(request, 422, "scans.no_file")
    settings, language = request.app.state.settings, language_of(request)
    done = rescans.hand_in(conn, settings, page_id, scan.filename, scan.file, _name(request), language)
    if for_fragment(request):
        return Response(status_code=204, headers={"HX-Redirect": f"/scans/{done}"})
    return _to_batch(done)


def _to_batch(batch_id: str) -> RedirectResponse:
    return RedirectResponse(f"/scans/{batch_id}", 303)


def _name(request: Request) -> str:
    who = account_of(request)
    return who.account_id if who else ""


def _looked(app: FastAPI) -> scans.Looked:
    """The application's memory of the faults of pages."""
    if not hasattr(app.state, "looked"):
        app.state.looked = scans.Looked()
    looked: scans.Looked = app.state.looked
    return looked
