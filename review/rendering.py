"""Stage 8, review.rendering: what every screen shares: a page in the reader's language, and one transaction."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from sqlalchemy import Connection

from review.policy import Right, may
from review.sentences import in_language
from review.sessions import Account
from review.texts import LANGUAGES, say

LANGUAGE_COOKIE = "sohoa_language"
PLACES = (  # The header's links.
    ("/queue", Right.COUNTS), ("/groups", Right.REVIEW), ("/files", Right.PLACE_PAGES), ("/scans", Right.SCAN),
    ("/release", Right.RELEASE), ("/quality", Right.QUALITY), ("/health", Right.HEALTH),
    ("/archive", Right.ARCHIVE), ("/trace", Right.AUDIT),    ("/help", Right.SIGNED_IN),
)  # fmt: skip


def language_of(request: Request) -> str:
    """The account's language, else that of the cookie, else Vietnamese."""
    who = account_of(request)
    chosen = who.language if who else request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else LANGUAGES[0]


def account_of(request: Request) -> Account | None:
    """Who asks; None before sign-in."""
    who: Account | None = getattr(request.state, "account", None)
    return who


def signed_in(request: Request) -> Account:
    """Who asks; 401 before sign-in."""
    who = account_of(request)
    if who is None:
        raise HTTPException(401)
    return who


def page(request: Request, template: str, code: int = 200, **shown: Any) -> HTMLResponse:
    """A template of review/templates with `shown`, and with `t`, `said`, `language`, `account` and `csrf`."""
    return _TEMPLATES.TemplateResponse(request, template, shown, status_code=code)


def problem(request: Request, status: int, key: str, sentence: str = "") -> HTMLResponse:
    """An error in words: `sentence`, else the text of `key`; a fragment for htmx, else a whole page."""
    told = sentence or say(key, language_of(request))
    template = "problem.html" if for_fragment(request) else "error.html"
    return page(request, template, status, sentence=told, status=status)


def for_fragment(request: Request) -> bool:
    """Whether htmx asks, which puts the answer into the page that stands."""
    return request.headers.get("HX-Request") == "true"


def transaction(request: Request) -> Iterator[Connection]:
    """A transaction as the role `review`, committed when the route's function ends without an error."""
    with request.app.state.engine.begin() as conn:
        yield conn


# Of scope "function": the commit comes before the answer, so that nobody is told of what is not kept.
Transaction = Annotated[Connection, Depends(transaction, scope="function")]


def _always(request: Request) -> dict[str, Any]:
    language = language_of(request)
    return {
        "t": partial(_text, language), "said": partial(in_language, language=language), "language": language,
        "account": account_of(request), "csrf": getattr(request.state, "csrf", ""), "may": may, "places": PLACES,
    }  # fmt: skip


def _text(language: str, key: str, **told: object) -> str:
    return say(key, language, **told)


_TEMPLATES = Jinja2Templates(Path(__file__).resolve().parent / "templates", context_processors=[_always])
