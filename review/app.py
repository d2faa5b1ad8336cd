"""Stage 8, review.app: settings -> the workbench's web application; a route without a right is refused at start."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, RedirectResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount

from pipeline.database import engine
from pipeline.settings import Settings
from records.errors import LostLease, SohoaError
from review.guard import guard, with_headers
from review.openid import directory
from review.policy import MUST_CHANGE, Right, Routes, right_of
from review.rendering import for_fragment, language_of, problem
from review.texts import texts

HERE = Path(__file__).resolve().parent
SCREENS = (
    "login", "account", "queue", "task", "groups", "pages", "files", "repairs", "persons",
    "unclaimed", "release", "quality", "health", "samples", "scans", "practice", "trace", "archive",
    "help",
)  # fmt: skip
ASSETS = {  # Of all that npm installs, what a page may ask for.
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "openseadragon/openseadragon.min.js": "openseadragon/build/openseadragon/openseadragon.min.js",
}
assets = Routes()
log = structlog.get_logger()


def create_app(settings: Settings) -> FastAPI:
    """The application, on the database role `review`; SohoaError for a route that names no right, or a text missing."""
    texts()
    app = FastAPI(title="sohoa", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_while_served)
    app.state.settings, app.state.engine = settings, engine(settings, "review")
    app.state.directory = directory(settings)
    app.middleware("http")(guard)
    app.exception_handler(HTTPException)(_refused)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(SohoaError)(_impossible)
    app.exception_handler(Exception)(_failed)
    app.include_router(assets.router)
    for name in SCREENS:
        app.include_router(importlib.import_module(f"review.screens.{name}").routes.router)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    refuse_routes_without_right(app.routes)
    return app


@asynccontextmanager
async def _while_served(app: FastAPI) -> AsyncIterator[None]:
    """What draws pages is ready before the first officer asks, and gone with the last."""
    from review.screens.pages import images_of

    images = images_of(app)
    await asyncio.wait([asyncio.wrap_future(images.started)])  # Without them the rest is served all the same.
    try:
        yield
    finally:
        images.close()


def refuse_routes_without_right(routes: list[BaseRoute]) -> None:
    """SohoaError names a route that was entered past `Routes`."""
    for route in routes:
        static = isinstance(route, Mount) and route.path == "/static"
        if not static and not (isinstance(route, APIRoute) and right_of(route)):
            raise SohoaError(f"The route {getattr(route, 'path', route)} names no right; enter it by Routes.")


def assets_folder(settings: Settings) -> Path:
    """Where review/assets/install.sh puts the files of ASSETS."""
    return settings.home / "assets" / "node_modules"


@assets.get("/assets/{name:path}", right=Right.OPEN)
def asset(request: Request, name: str) -> Response:
    """A file of another project, as installed at set-up."""
    path = assets_folder(request.app.state.settings) / ASSETS.get(name, "")
    if not path.is_file():
        raise HTTPException(404)
    return FileResponse(path)


async def _refused(request: Request, error: HTTPException) -> Response:
    if error.status_code == 401 and _is_visit(request):
        return RedirectResponse(f"/login?back={quote(request.url.path)}", status_code=303)
    if error.detail == MUST_CHANGE and _is_visit(request):
        return RedirectResponse("/account", status_code=303)
    keys = (error.detail, f"error.{error.status_code}", "error.404")
    return problem(request, error.status_code, next(key for key in keys if key in texts()))


async def _invalid(request: Request, _: RequestValidationError) -> Response:
    return problem(request, 422, "error.422")


async def _impossible(request: Request, error: SohoaError) -> Response:
    """409 only for a lost lease; the sentence of any other error where it is worded for the reader, else to the log."""
    if isinstance(error, LostLease):
        return problem(request, 409, "task.error.lost")
    said = getattr(error, "said", None)
    if said is None:
        log.warning("refused", path=request.url.path, why=str(error))
    return problem(request, 422, "error.409", said(language_of(request)) if said else "")


async def _failed(request: Request, _: Exception) -> Response:
    return with_headers(request, problem(request, 500, "error.500"))


def _is_visit(request: Request) -> bool:
    """Whether a person opens a page, not a script or a picture."""
    return request.method == "GET" and not for_fragment(request) and "text/html" in request.headers.get("accept", "")
