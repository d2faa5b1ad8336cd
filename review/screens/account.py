"""Stage 8, review.screens.account: who somebody is here, and a password of their own."""

from typing import Annotated

from fastapi import Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from review import accounts
from review.accounts import MAX_PASSWORD, MIN_PASSWORD
from review.policy import Right, Routes
from review.rendering import Transaction, account_of, page
from review.screens.login import start_session

Text = Annotated[str, Form()]
routes = Routes()


@routes.get("/account", right=Right.OWN_ACCOUNT)
def show(request: Request, done: bool = False) -> Response:
    """Name, role, and the form for a new password where there is one; `done`: it was changed."""
    return _page(request, done=done)


@routes.post("/account", right=Right.OWN_ACCOUNT)
def change(request: Request, conn: Transaction, old: Text = "", new: Text = "", again: Text = "") -> Response:
    """A new password ends every session of the account; this browser gets a new one."""
    who = account_of(request)
    if who is None or not who.local:
        raise HTTPException(409)
    if fault := accounts.change_password(conn, who.account_id, old, new, again):
        return _page(request, 422, fault=fault)
    answer = RedirectResponse("/account?done=true", status_code=303)
    start_session(request, conn, answer, who.account_id)
    return answer


def _page(request: Request, code: int = 200, fault: str = "", done: bool = False) -> Response:
    return page(request, "account.html", code, fault=fault, done=done, shortest=MIN_PASSWORD, longest=MAX_PASSWORD)
