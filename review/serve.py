"""Stage 8, review.serve: the workbench until it is told to stop; requests under way are finished first."""

import logging
import traceback
from types import TracebackType

import uvicorn

from pipeline.database import migrate
from pipeline.settings import Settings
from records.errors import SohoaError
from review.app import ASSETS, assets_folder, create_app

FINISH_SECONDS = 10


def serve(settings: Settings) -> None:
    """Answer until SIGTERM or Ctrl-C; SohoaError when the pages' scripts were never installed."""
    missing = [name for name, path in ASSETS.items() if not (assets_folder(settings) / path).is_file()]
    if missing:
        raise SohoaError(f"{assets_folder(settings)} lacks {', '.join(missing)}; run ./run setup.")
    migrate(settings)
    logging.getLogger("uvicorn.access").addFilter(without_query)
    logging.getLogger("uvicorn.error").addFilter(without_message)
    uvicorn.run(
        create_app(settings), host=settings.review_host, port=settings.review_port, server_header=False,
        log_level="info", timeout_graceful_shutdown=FINISH_SECONDS,
    )  # fmt: skip


def without_query(record: logging.LogRecord) -> bool:
    """Leave out of a line of the access log what follows '?': somebody may have typed it."""
    if isinstance(record.args, tuple) and len(record.args) == 5:
        client, method, path, *rest = record.args
        record.args = (client, method, str(path).partition("?")[0], *rest)
    return True


def without_message(record: logging.LogRecord) -> bool:
    """Say of an error its kind and where it was raised: its message may hold what stands on a page."""
    if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
        kind, _, trace = record.exc_info
        record.msg = f"{record.getMessage().strip()}: {kind.__name__} at {_places(trace)}"
        record.args, record.exc_info, record.exc_text = (), None, None
    return True


def _places(trace: TracebackType | None) -> str:
    return " < ".join(f"{frame.filename}:{frame.lineno}" for frame in reversed(traceback.extract_tb(trace)))
