"""Stage 8, review.screens.health: whether each part of the installation works now, for IT staff; counts alone."""

from fastapi import Request, Response

from reporting import health
from review.policy import Right, Routes
from review.rendering import page

routes = Routes()


@routes.get("/health", right=Right.HEALTH)
def show(request: Request) -> Response:
    """Each part with its state, what was found, and what to do where it is not well."""
    found = health.parts(request.app.state.settings, "review")
    return page(request, "health.html", parts=found, worst=health.worst(found))
