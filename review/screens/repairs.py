"""Stage 8, review.screens.repairs: what an officer changes of a file: put together at once, or read again first."""

from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

from fastapi import Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from pipeline import steps
from review import files, papers, rescans
from review.policy import Right, Routes
from review.rendering import Transaction, for_fragment, language_of, page, problem, signed_in
from review.repairs import ACTIONS, Repairing, RepairRefused, in_hand, to_file
from review.restricted import closed_to
from review.screens.files import LONGEST, SHORTEST
from review.sessions import Account
from review.texts import say

RESCAN, PAPER = "rescan", "paper"
Text = Annotated[str, Form()]
routes = Routes()


class Asked(NamedTuple):
    """Who repairs which file, and why."""

    request: Request
    file_id: str
    who: Account
    reason: str


@routes.post("/files/{file_id}/repair", right=Right.PLACE_PAGES)
def repair(
    request: Request, file_id: str, page_id: Text = "", action: Text = "", value: Text = "", reason: Text = "",
    form: Text = "", target: Text = "",
) -> Response:  # fmt: skip
    """Carry one repair out and show the file as it is then. `action`: of ACTIONS, with its value behind a colon.

    `form`, `target`: the values of the pick-lists for another form and another document.
    """
    name, _, told = action.partition(":")
    act = ACTIONS.get(name)
    if act is None:
        raise RepairRefused("repairs.unclear")
    given = {"type": form, "move": target}.get(name, told) or value
    why = reason.strip()[:LONGEST] or say(f"repairs.why.{name}", "vi")
    asked = Asked(request, file_id, signed_in(request), why)
    return _carried_out(asked, [page_id, given], lambda conn, own: act(conn, own, page_id, given))


@routes.post("/files/{file_id}/place", right=Right.PLACE_PAGES)
def place(
    request: Request, file_id: str, pages: Annotated[list[str], Form()] = [], page_id: Text = "",  # noqa: B006
    label: Text = "", reason: Text = "",
) -> Response:  # fmt: skip
    """Put pages into a file: those that are ticked, else the one that is chosen."""
    why, into = reason.strip(), label.strip()
    chosen = pages or [page_id]
    if not chosen[0] or not into or not SHORTEST <= len(why) <= LONGEST:
        return problem(request, 422, "files.incomplete")
    asked = Asked(request, file_id, signed_in(request), why)
    answer = _carried_out(asked, chosen, lambda conn, own: to_file(conn, own, chosen, into))
    return RedirectResponse("/files", 303) if answer.status_code == 303 else answer


@routes.post("/files/page/{page_id}/ask", right=Right.PLACE_PAGES)
def ask(
    request: Request, conn: Transaction, page_id: str, kind: Text = RESCAN, fault: Text = "", why: Text = "",
    back: Text = "",
) -> Response:  # fmt: skip
    """Ask for a page to be scanned anew, or for its sheet. `fault`: why a rescan; `why`: why the paper."""
    who, own = signed_in(request), files.document_of(conn, page_id)
    if own is None:
        raise RepairRefused("repairs.changed")
    _refuse_closed(conn, who, own.document_id, own.document_type)
    if kind == PAPER:
        papers.ask_paper(conn, page_id, who.account_id, why)
    else:
        rescans.ask_rescan(conn, page_id, who.account_id, [fault], language_of(request))
    if for_fragment(request) or not back.isalnum():
        return page(request, "_asked.html", kind=PAPER if kind == PAPER else RESCAN)
    return RedirectResponse(f"/files/{back}?chosen={page_id}", 303)


def _carried_out(asked: Asked, about: Sequence[str], act: Callable[[Connection, Repairing], None]) -> Response:
    """Enter the rulings, then put the batch's opened files together: what the screen shows next is what stands.

    `about`: the page that is acted on, then any other page or document; 403 where one is closed to the account.
    """
    with asked.request.app.state.engine.begin() as conn:
        held = in_hand(conn, asked.file_id, about[0], asked.who.account_id, asked.reason)
        for own, kind, pages in zip(held.ids, held.types, held.shape, strict=True):
            if {own, *pages} & {*about}:
                _refuse_closed(conn, asked.who, own, kind)
        act(conn, held)
    steps.assemble(held.batch_id)
    return RedirectResponse(f"/files/{asked.file_id}?chosen={about[0]}", 303)


def _refuse_closed(conn: Connection, who: Account, document_id: str, document_type: str) -> None:
    """403 for a restricted document that the account has not opened."""
    if closed_to(conn, who.account_id, document_id, document_type):
        raise HTTPException(403, "glass.closed")
