"""Stage 8, review.policy: which role may do what. A route without a right is answered to nobody."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.routing import APIRoute

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
MUST_CHANGE = "account.must_change"  # why somebody is refused everything else; a key of texts.yaml
RIGHT = "x-right"  # where a route's description (OpenAPI) says its right


class Role(StrEnum):
    """What somebody is in the workbench; one role each."""

    OPERATOR = "operator"
    OFFICER = "officer"
    SENIOR = "senior"
    AUDITOR = "auditor"
    IT = "it"
    MANAGER = "manager"


class Right(StrEnum):
    """What a route needs. OPEN: nothing, not even an account; OWN_ACCOUNT: any account, even one whose password must be
    changed first; SIGNED_IN: any other."""

    OPEN = "open"
    OWN_ACCOUNT = "own_account"
    SIGNED_IN = "signed_in"
    REVIEW = "review"
    SEE_PAGES = "see_pages"
    PLACE_PAGES = "place_pages"
    SCAN = "scan"
    RELEASE = "release"
    QUALITY = "quality"
    COUNTS = "counts"
    HEALTH = "health"
    AUDIT = "audit"
    ARCHIVE = "archive"
    ACCOUNTS = "accounts"


_OFFICERS = frozenset({Role.OFFICER, Role.SENIOR})
POLICY: dict[Right, frozenset[Role]] = {
    Right.OPEN: frozenset(Role),
    Right.OWN_ACCOUNT: frozenset(Role),
    Right.SIGNED_IN: frozenset(Role),
    Right.REVIEW: _OFFICERS,
    Right.SEE_PAGES: _OFFICERS | {Role.AUDITOR},
    Right.PLACE_PAGES: _OFFICERS,
    Right.SCAN: frozenset({Role.OPERATOR, Role.SENIOR}),
    Right.RELEASE: frozenset({Role.SENIOR}),
    Right.QUALITY: frozenset({Role.SENIOR, Role.AUDITOR, Role.MANAGER}),
    Right.COUNTS: frozenset(Role),
    Right.HEALTH: frozenset({Role.IT, Role.SENIOR, Role.MANAGER}),
    Right.AUDIT: frozenset({Role.AUDITOR, Role.SENIOR}),
    Right.ARCHIVE: frozenset({Role.SENIOR, Role.MANAGER}),
    Right.ACCOUNTS: frozenset({Role.IT}),
}


def may(role: str, right: Right) -> bool:
    """Whether the policy allows it."""
    return Role(role) in POLICY[right]


class Routes:
    """Routes that each name the right they need: `@routes.get("/queue", right=Right.REVIEW)`."""

    def __init__(self) -> None:
        self.router = APIRouter()

    def get(self, path: str, *, right: Right, **options: Any) -> Decorator:
        """Enter a route for reading; `options`: of `APIRouter.add_api_route`."""
        return self._enter("GET", path, right, options)

    def post(self, path: str, *, right: Right, **options: Any) -> Decorator:
        """Enter a route that changes something."""
        return self._enter("POST", path, right, options)

    def _enter(self, method: str, path: str, right: Right, options: dict[str, Any]) -> Decorator:
        def enter(endpoint: Callable[..., Any]) -> Callable[..., Any]:
            self.router.add_api_route(
                path, endpoint, methods=[method], dependencies=[Depends(_needs(right))],
                openapi_extra={RIGHT: right.value}, **options,
            )  # fmt: skip
            return endpoint

        return enter


def right_of(route: APIRoute) -> Right | None:
    """The right that a route names, None for one that was entered past `Routes`."""
    named = (route.openapi_extra or {}).get(RIGHT)
    return Right(named) if named else None


def _needs(right: Right) -> Callable[[Request], None]:
    def allowed(request: Request) -> None:
        who = getattr(request.state, "account", None)
        if right is Right.OPEN:
            return
        if who is None:
            raise HTTPException(401)
        if who.must_change and right is not Right.OWN_ACCOUNT:
            raise HTTPException(403, MUST_CHANGE)
        if not may(who.role, right):
            raise HTTPException(403)

    return allowed
