"""Stage 8, review.screens.login: sign in, here or at the hospital's directory; sign out; choose the language."""

from typing import Annotated

import structlog
from fastapi import Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from review import accounts, openid, sessions
from review.accounts import Refusal
from review.guard import secure
from review.policy import Right, Routes
from review.rendering import LANGUAGE_COOKIE, Transaction, account_of, page
from review.texts import LANGUAGES

FIRST, DIRECTORY = "/queue", "/login/directory"
YEAR = 365 * 24 * 3600  # seconds
Text = Annotated[str, Form()]
routes = Routes()
log = structlog.get_logger()


@routes.get("/", right=Right.SIGNED_IN)
def begin() -> Response:
    """Where everybody's work begins."""
    return _to(FIRST)


@routes.get("/login", right=Right.OPEN)
def form(request: Request, back: str = "") -> Response:
    """The sign-in form."""
    return _to(_own(back)) if account_of(request) else _form(request, 200, back=_own(back))


@routes.post("/login", right=Right.OPEN)
def sign_in(request: Request, conn: Transaction, account: Text = "", password: Text = "", back: Text = "") -> Response:
    """A session for the right password; else the form again, with the reason."""
    name = account.strip().lower()
    refusal = accounts.check_password(conn, name, password)
    if refusal:
        return _form(request, 401, refusal, back=_own(back), typed=name)
    answer = _to(_own(back))
    start_session(request, conn, answer, name)
    return answer


@routes.get("/login/directory", right=Right.OPEN)
def ask_directory(request: Request, back: str = "") -> Response:
    """On to the hospital's directory, with a cookie that says who began."""
    directory = _directory(request)
    begun = openid.pending(str(request.url_for("hear_directory")), _own(back))
    try:
        address = openid.address_of(directory, begun)
    except openid.Unreachable as error:
        return _not_signed_in(request, 502, "unreachable", error)
    with request.app.state.engine.begin() as conn:
        key = openid.keep(conn, begun)
    answer = _to(address)
    # Lax: the browser comes back from another site.
    answer.set_cookie(
        openid.COOKIE, key, max_age=int(openid.LASTS.total_seconds()), httponly=True, samesite="lax", path=DIRECTORY,
        secure=secure(request),
    )  # fmt: skip
    return answer


@routes.get("/login/directory/back", right=Right.OPEN)
def hear_directory(request: Request, code: str = "", state: str = "") -> Response:
    """A session for somebody of whom the directory speaks and who has an account; the role is the account's."""
    directory = _directory(request)
    with request.app.state.engine.begin() as conn:
        begun = openid.take(conn, request.cookies.get(openid.COOKIE, ""), state)
    if begun is None or not code:
        return _not_signed_in(request, 401, "unproven")
    try:
        person = openid.person(directory, begun, code)
    except openid.Unproven as error:
        return _not_signed_in(request, 401, "unproven", error)
    except openid.Unreachable as error:
        return _not_signed_in(request, 502, "unreachable", error)
    with request.app.state.engine.begin() as conn:
        name = accounts.of_directory(conn, person.subject, person.username)
        if name is None:
            return _not_signed_in(request, 403, Refusal.UNKNOWN)
        # A page that goes on by itself: on a way that began elsewhere the browser would keep the strict cookie back.
        answer = page(request, "login_done.html", back=begun.back)
        start_session(request, conn, answer, name)
    _forget_directory(request, answer)
    return answer


@routes.post("/logout", right=Right.OWN_ACCOUNT)
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


def start_session(request: Request, conn: Connection, answer: Response, account_id: str) -> None:
    """A new session for the account in place of the browser's old one, and its cookie."""
    sessions.end(conn, request.cookies.get(sessions.COOKIE, ""))
    token = sessions.start(conn, account_id, request.app.state.settings.review_session_hours)
    answer.set_cookie(sessions.COOKIE, token, httponly=True, samesite="strict", path="/", secure=secure(request))


def _form(request: Request, code: int, refusal: str = "", back: str = "/", typed: str = "") -> Response:
    asked = request.app.state.directory is not None
    return page(request, "login.html", code, refusal=refusal, back=back, typed=typed, directory=asked)


def _directory(request: Request) -> openid.Directory:
    found: openid.Directory | None = request.app.state.directory
    if found is None:
        raise HTTPException(404)
    return found


def _not_signed_in(request: Request, code: int, why: str, error: Exception | None = None) -> Response:
    """The sign-in form with the reason; the log has ours, which holds nothing of the person."""
    log.warning("directory", why=why, error=str(error or ""))
    answer = _form(request, code, why)
    _forget_directory(request, answer)
    return answer


def _forget_directory(request: Request, answer: Response) -> None:
    answer.delete_cookie(openid.COOKIE, path=DIRECTORY, httponly=True, samesite="lax", secure=secure(request))


def _to(path: str) -> RedirectResponse:
    return RedirectResponse(path, status_code=303)


def _own(path: str) -> str:
    """The path if it is one of this application, else the first; '//elsewhere' and '/\\elsewhere' are not."""
    plain = path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"
