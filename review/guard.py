"""Stage 8, review.guard: before a screen is reached, who asks and whether the form is ours; after it, the headers."""

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from review import sessions
from review.policy import Right, may
from review.rendering import problem

FORM_COOKIE = "sohoa_form"  # Shows, before there is a session, that the form came from here.
FORM_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
MAX_BODY = 1_000_000  # bytes
SCANS = "/scans/rescan/"  # where a whole scan may be handed in
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
UNATTENDED = "/renew"  # What an open page sends by itself must not keep its session alive.
FILES = ("/static/", "/assets/")
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


async def guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Fill `request.state.account` and `.csrf`, refuse what was not sent from one of our pages, add the headers."""
    files = request.url.path.startswith(FILES)
    request.state.account = None if files else await run_in_threadpool(_account, request)
    request.state.csrf = _token(request)
    refused = None if request.method in SAFE else await _refusal(request)
    response = refused or await call_next(request)
    if response.headers.get("content-type", "").startswith("text/html"):
        _hand_out_token(request, response)
    return with_headers(request, response)


def with_headers(request: Request, response: Response) -> Response:
    """The answer with HEADERS; only our own style sheets and scripts may be kept by the browser."""
    response.headers.update(HEADERS)
    kept = request.url.path.startswith(FILES) and response.status_code < 400
    response.headers["Cache-Control"] = "no-cache" if kept else "no-store"
    return response


def secure(request: Request) -> bool:
    """Whether cookies may be bound to https."""
    return request.url.scheme == "https"


def _account(request: Request) -> sessions.Account | None:
    token = request.cookies.get(sessions.COOKIE)
    if not token:
        return None
    minutes = request.app.state.settings.review_idle_minutes
    with request.app.state.engine.begin() as conn:
        return sessions.find(conn, token, minutes, touch=not request.url.path.endswith(UNATTENDED))


def _token(request: Request) -> str:
    """The session's; before there is one, that of FORM_COOKIE, or a new one, which no form can carry yet."""
    if request.state.account is not None:
        return str(request.state.account.csrf)
    held = request.cookies.get(FORM_COOKIE, "")
    return held if FORM_TOKEN.fullmatch(held) else secrets.token_urlsafe(32)


def _hand_out_token(request: Request, response: Response) -> None:
    if request.state.account is None and request.cookies.get(FORM_COOKIE) != request.state.csrf:
        response.set_cookie(
            FORM_COOKIE, request.state.csrf, httponly=True, samesite="strict", path="/", secure=secure(request)
        )


async def _refusal(request: Request) -> Response | None:
    length = request.headers.get("content-length", "")
    if not (length.isdecimal() and int(length) <= _most(request)):
        return problem(request, 413, "error.413")
    if hmac.compare_digest((await _given_token(request)).encode(), request.state.csrf.encode()):
        return None
    if request.state.account is None and sessions.COOKIE in request.cookies:
        return problem(request, 401, "error.401")
    return problem(request, 403, "error.csrf")


def _most(request: Request) -> int:
    """Bytes that may be sent: a scan by those who may, if their token can be compared before the scan is read."""
    who = request.state.account
    scan = request.url.path.startswith(SCANS) and who is not None and may(who.role, Right.SCAN)
    if scan and "X-CSRF-Token" in request.headers:
        return int(request.app.state.settings.limits.max_file_bytes) + MAX_BODY
    return MAX_BODY


async def _given_token(request: Request) -> str:
    header = request.headers.get("X-CSRF-Token")
    if header is not None:
        return header
    await request.body()  # Kept, so that the route can read it again.
    try:
        given = (await request.form()).get("csrf")
    except HTTPException:  # Not a form that can be read.
        return ""
    return given if isinstance(given, str) else ""
