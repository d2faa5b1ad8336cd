"""Stage 8, review.screens.persons: pairs of patients who may be one person, side by side, for an officer to rule of."""

from typing import Annotated, Any

from fastapi import Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from records.document_types import document_types
from review import persons
from review.policy import Right, Routes
from review.rendering import Transaction, language_of, page, problem, signed_in
from review.restricted import closed_to
from review.screens.files import LONGEST, SHORTEST
from review.screens.pages import crop_address
from review.words import label_of, shown

Text = Annotated[str, Form()]
routes = Routes()


@routes.get("/persons", right=Right.PLACE_PAGES)
def show(request: Request, conn: Transaction) -> Response:
    """The pairs that wait, and the last ones that were ruled of."""
    language = language_of(request)
    waiting, ruled = ([_listed(conn, row, language) for row in persons.pairs(conn, ruled=r)] for r in (False, True))
    return page(request, "persons.html", waiting=waiting, ruled=ruled)


@routes.get("/persons/{pair_id}", right=Right.PLACE_PAGES)
def show_pair(request: Request, conn: Transaction, pair_id: int) -> Response:
    """Both patients, field by field, each value with its place on the page."""
    return _pair(request, conn, pair_id)


@routes.post("/persons/{pair_id}", right=Right.PLACE_PAGES)
def rule(
    request: Request, conn: Transaction, pair_id: int, ruling: Text = "", before: Text = "", reason: Text = ""
) -> Response:
    """Keep the ruling, '' to take one back, and show the list; 422 without a reason, which stays typed."""
    why = reason.strip()
    if ruling not in ("", *persons.RULINGS):
        return problem(request, 422, "files.incomplete")
    if not SHORTEST <= len(why) <= LONGEST:
        return _pair(request, conn, pair_id, status=422, reason=reason)
    persons.rule(conn, pair_id, ruling, before, signed_in(request).account_id, why)
    return RedirectResponse("/persons", 303)


def _pair(request: Request, conn: Connection, pair_id: int, status: int = 200, reason: str = "") -> Response:
    own = persons.pair(conn, pair_id)
    if own is None:
        raise HTTPException(404)
    sides = [persons.side(conn, own.one_id), persons.side(conn, own.other_id)]
    rows = [_row(request, conn, field, own, sides) for field in persons.FIELDS]
    return page(
        request, "person_pair.html", status, pair=own, sides=sides, reason=reason, shortest=SHORTEST,
        longest=LONGEST, missing=status == 422, rows=[row for row in rows if any(row["cells"])],
    )  # fmt: skip


def _row(request: Request, conn: Connection, field: str, own: Any, sides: list[persons.Side]) -> dict[str, Any]:
    """One field of both: `verdict` good, bad or '', and a cell for each with its crop where that may be seen."""
    verdict = "good" if field in own.agreeing else "bad" if field in own.unlike else ""
    cells = [_cell(request, conn, one.values.get(field)) for one in sides]
    return {"label": _label(field, language_of(request)), "verdict": verdict, "cells": cells}


def _cell(request: Request, conn: Connection, seen: persons.Seen | None) -> dict[str, str] | None:
    if seen is None:
        return None
    if closed_to(conn, signed_in(request).account_id, seen.document_id, seen.document_type):
        return {"value": "", "crop": "", "closed": seen.document_id}
    return {"value": shown(seen.value, seen.kind), "crop": crop_address(request, seen.page_id, seen.box)}


def _listed(conn: Connection, row: Any, language: str) -> dict[str, Any]:
    names = [persons.side(conn, key).name or key for key in (row.one_id, row.other_id)]
    told = {"agreeing": row.agreeing, "unlike": row.unlike}
    return {"row": row, "names": names} | {name: [_label(f, language) for f in fields] for name, fields in told.items()}


def _label(field: str, language: str) -> str:
    """What forms call a field of the patient."""
    form = next(form for form in document_types().values() if any(one.name == field for one in form.fields))
    return label_of(form, field, language=language)
