"""Stage 8, review.screens.queue: what waits, of which kind, how the officer's day goes; and on to the next document."""

import json
from datetime import UTC, datetime, time
from typing import Annotated

from fastapi import Cookie, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.background import BackgroundTask

from pipeline.releases import sent_back
from records.clock import VIETNAM
from records.document_types import DocumentType, document_types
from review import queue
from review.attention import attention_of
from review.guard import secure
from review.policy import Right, Routes, may
from review.progress import progress
from review.queue import Filters
from review.rendering import Transaction, account_of, page
from review.screens.pages import warm_coming

CHOSEN = "sohoa_queue"  # The filters last started with, so that the next document is of the same kind.
MAX_FILTER = 120  # characters
Asked = Annotated[str, Query(max_length=MAX_FILTER)]
Given = Annotated[str, Form(max_length=MAX_FILTER)]
routes = Routes()


@routes.get("/queue", right=Right.COUNTS)
def show(
    request: Request, conn: Transaction, document_type: Asked = "", box: Asked = "", field: Asked = ""
) -> Response:
    """What waits; to those who review also the way to it and their own day."""
    return _queue(request, conn, Filters(document_type=document_type, box=box.strip(), field=field.strip()))


def chosen(
    document_type: Given = "",
    box: Given = "",
    field: Given = "",
    filtered: Given = "",
    kept: Annotated[str, Cookie(alias=CHOSEN)] = "",
) -> Filters:
    """The filters of the queue's form (`filtered`), else those of the last start."""
    own = Filters(document_type=document_type, box=box.strip(), field=field.strip())
    return own if filtered else _kept(kept)


@routes.post("/queue/next", right=Right.REVIEW)
def take_next(request: Request, conn: Transaction, filters: Annotated[Filters, Depends(chosen)]) -> Response:
    """To the document that the officer goes on with, or back to the queue when none is left."""
    who = account_of(request)
    found = queue.claim(conn, who.account_id, filters) if who else None
    answer: Response = RedirectResponse(f"/task/{found}", 303) if found else _queue(request, conn, filters, empty=True)
    answer.set_cookie(
        CHOSEN,
        json.dumps(filters.model_dump()),
        httponly=True,
        samesite="strict",
        path="/queue",
        secure=secure(request),
    )
    return answer


def today(now: datetime) -> datetime:
    """Midnight in Vietnam before `now`, in UTC."""
    return datetime.combine(now.astimezone(VIETNAM).date(), time(), VIETNAM).astimezone(UTC)


def _queue(request: Request, conn: Transaction, filters: Filters, *, empty: bool = False) -> Response:
    who = account_of(request)
    reviews = who is not None and may(who.role, Right.REVIEW)
    day = progress(conn, who.account_id, today(datetime.now(UTC))) if who and reviews else None
    answer = page(
        request, "queue.html", counts=queue.counts(conn, filters), filters=filters, progress=day, empty=empty,
        attention=attention_of(conn, who.account_id) if who and reviews else None,
        titles=document_types(), fields=_fields(document_types().get(filters.document_type)),
        sent_back=sent_back(conn) if reviews else [], closed=queue.closed_ones(conn, filters) if reviews else [],
    )  # fmt: skip
    if who and reviews:
        answer.background = BackgroundTask(warm_coming, request.app, who.account_id)
    return answer


def _fields(kind: DocumentType | None) -> list[str]:
    """Fields to choose from: of one type of document, or of all."""
    kinds = [kind] if kind else document_types().values()
    return sorted({spec.name for one in kinds for spec in one.fields})


def _kept(cookie: str) -> Filters:
    """What a browser hands back of the filters; none when it is not ours."""
    try:
        return Filters.model_validate_json(cookie)
    except ValueError:
        return Filters()
