"""Stage 8, review.screens.login: sign in, sign out, choose the language; where somebody begins."""

from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from review import accounts, sessions
from review.guard import secure
from review.policy import Right, Routes
from review.rendering import LANGUAGE_COOKIE, Transaction, account_of, page
from review.texts import LANGUAGES

FIRST = "/queue"
YEAR = 365 * 24 * 3600  # seconds
Text = Annotated[str, Form()]
routes = Routes()


@routes.get("/", right=Right.SIGNED_IN)
def begin() -> Response:
    """Where everybody's work begins."""
    return _to(FIRST)


@routes.get("/login", right=Right.OPEN)
def form(request: Request, back: str = "") -> Response:
    """The sign-in form."""
    return _to(_own(back)) if account_of(request) else page(request, "login.html", back=_own(back), typed="")


@routes.post("/login", right=Right.OPEN)
def sign_in(request: Request, conn: Transaction, account: Text = "", password: Text = "", back: Text = "") -> Response:
    """A session for the right password; else the form again, with the reason."""
    name = account.strip().lower()
    refusal = accounts.check_password(conn, name, password)
    if refusal:
        return page(request, "login.html", 401, refusal=refusal, back=_own(back), typed=name)
    sessions.end(conn, request.cookies.get(sessions.COOKIE, ""))
    token = sessions.start(conn, name, request.app.state.settings.review_session_hours)
    answer = _to(_own(back))
    answer.set_cookie(sessions.COOKIE, token, httponly=True, samesite="strict", path="/", secure=secure(request))
    return answer


@routes.post("/logout", right=Right.SIGNED_IN)
def sign_out(request: Request, conn: Transaction) -> Response:
    """The session is removed here, not only forgotten by the browser."""
    sessions.end(conn, request.cookies.get(sessions.COOKIE, ""))
    answer = _to("/login")
    answer.delete_cookie(sessions.COOKIE, path="/", httponly=True, samesite="strict", secure=secure(request))
    return answer


@routes.post("/language", right=Right.OPEN)
def choose_language(request: Request, conn: Transaction, language: Text = "", back: Text = "") -> Response:
    """Vietnamese or English, kept in the account and in the browser."""
    answer = _to(_own(back))
    if language in LANGUAGES:
        who = account_of(request)
        if who:
            accounts.set_language(conn, who.account_id, language)
        answer.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR, httponly=True, samesite="strict", path="/")
    return answer


def _to(path: str) -> RedirectResponse:
    return RedirectResponse(path, status_code=303)


def _own(path: str) -> str:
    """The path if it is one of this application, else the first; '//elsewhere' and '/\\elsewhere' are not."""
    plain = path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"
