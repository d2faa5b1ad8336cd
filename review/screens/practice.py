"""Stage 8, review.screens.practice: a new officer settles twenty tasks of sample pages and is told at once how it went.

The round lives in the server's memory, by account; the pipeline's tables are neither read nor written.
"""

import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from statistics import median
from typing import Annotated, NamedTuple
from urllib.parse import quote

from fastapi import Form, HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from records.base import Frozen
from review.cards import Card, cards_of, key_of
from review.policy import Right, Routes
from review.practice import RIGHT, Sheet, answer, sheets
from review.practice_pictures import crop, whole_page
from review.progress import AWAY
from review.rendering import language_of, page, signed_in
from review.revisions import MAX_TYPED, Decision, Refused
from review.screens.help import KEYS, WITHOUT_FILE
from review.screens.task import ENTER, INSIST, TOLD, decision_of, icd10_of, refused_card, title_of
from review.texts import say

Text = Annotated[str, Form()]
Task = tuple[int, str]  # a sheet's number and a field
NO_LEASE = 0
routes = Routes()
_entering = threading.Lock()  # Two answers of one officer may come at once.


class Answer(Frozen):
    """`lesson`: RIGHT, or what was missed; `seconds` since the answer before, None after a pause."""

    decision: Decision
    lesson: str
    seconds: float | None


class Round(Frozen):
    """What an officer answered. `first`: counts; `now`: what stands, less what she took back; `last_at`: UTC."""

    first: Mapping[Task, Answer] = {}
    now: Mapping[Task, Answer] = {}
    last_at: datetime


class Told(NamedTuple):
    """What is said of an answer. `written`: what stands on the paper, in words where that is nothing."""

    lesson: str
    written: str


class Missed(NamedTuple):
    """A field that was not right at the first try."""

    form: str
    label: str
    lesson: str
    written: str


@routes.get("/practice", right=Right.REVIEW)
def show(request: Request) -> Response:
    """The way in; once all is answered, how many were right at the first try and how long each took."""
    first, language = _round(request).first, language_of(request)
    seconds = [one.seconds for one in first.values() if one.seconds is not None]
    return page(
        request, "practice.html", all=len(_all_tasks()), answered=len(first),
        right=sum(one.lesson == RIGHT for one in first.values()),
        seconds=round(median(seconds), 1) if seconds else None,
        missed=[
            _missed(sheets()[number - 1], field, one.lesson, language)
            for (number, field), one in first.items() if one.lesson != RIGHT
        ],
        keys=KEYS,
    )  # fmt: skip


@routes.post("/practice/start", right=Right.REVIEW)
def start(request: Request) -> Response:
    """Begin a new round."""
    _rounds(request)[signed_in(request).account_id] = Round(last_at=datetime.now(UTC))
    return RedirectResponse("/practice/1", status_code=303)


@routes.post("/practice/next", right=Right.REVIEW)
def go_on(request: Request) -> Response:
    """To the first page with a field that is open, else to the result."""
    now = _round(request).now
    left = next((number for number, field in _all_tasks() if (number, field) not in now), None)
    return RedirectResponse(f"/practice/{left}" if left else "/practice", status_code=303)


@routes.get("/practice/{number}", right=Right.REVIEW)
def show_sheet(request: Request, number: int) -> Response:
    """One page and its tasks, on the screen of the real work."""
    sheet, language = _sheet(number), language_of(request)
    cards = _cards(request, sheet)
    left = sum(card.state == "open" for card in cards)
    here = {"page_id": cards[0].page_id, "url": f"/practice/{number}/page"}
    name = say("task.page_of", language, number=number, all=len(sheets()))
    return page(
        request, "practice_task.html", document_id=f"practice-{number}", place=f"/practice/{number}", home="/practice",
        card_template="practice_field.html", lease=NO_LEASE, most=MAX_TYPED, file=say("practice.file", language),
        form=title_of(sheet.form, language), cards=cards, left=left, crops=_crops(sheet, cards),
        pages=[here | {"name": name}], told=TOLD, keys=WITHOUT_FILE, number=number, all=len(sheets()),
        answers=_answers(request, sheet),
    )  # fmt: skip


@routes.post("/practice/{number}/field/{field}", right=Right.REVIEW)
def answer_field(request: Request, number: int, field: str, decision: Text = ENTER, value: Text = "") -> Response:
    """Compare an answer with the paper and say what it missed; 422 where the real screen would not save it either."""
    sheet, language = _sheet(number), language_of(request)
    card = _card(request, sheet, field)
    wanted = decision_of(card, decision, value)
    if wanted is Decision.CORRECT and not value.strip():
        return _fragment(request, sheet, refused_card(card, value, say("task.error.empty", language)))
    try:
        lesson = answer(sheet, field, wanted, value, insist=decision == INSIST, icd10_path=icd10_of(request))
    except Refused as refused:
        return _fragment(request, sheet, refused_card(card, value, refused.said(language), insist=refused.insist))
    _enter(request, (number, field), wanted, lesson)
    return _fragment(request, sheet, _card(request, sheet, field))


@routes.post("/practice/{number}/undo", right=Right.REVIEW)
def undo_field(request: Request, number: int, field: Text) -> Response:
    """Open a field again; its first answer still counts."""
    sheet = _sheet(number)
    with _entering:
        was = _round(request)
        kept = {task: one for task, one in was.now.items() if task != (number, field)}
        _rounds(request)[signed_in(request).account_id] = was.model_copy(update={"now": kept})
    return _fragment(request, sheet, _card(request, sheet, field))


@routes.post("/practice/{number}/renew", right=Right.REVIEW)
def renew(number: int) -> Response:
    """Nothing is held, so nothing runs out."""
    _sheet(number)
    return Response(status_code=204)


@routes.get("/practice/{number}/page", right=Right.REVIEW)
def picture(number: int) -> Response:
    """The whole sample page as JPEG."""
    return Response(whole_page(_sheet(number).number), media_type="image/jpeg")


@routes.get("/practice/{number}/crop/{field}", right=Right.REVIEW)
def crop_picture(number: int, field: str) -> Response:
    """One field's crop as JPEG."""
    if field not in _sheet(number).asked:
        raise HTTPException(404)
    return Response(crop(number, field), media_type="image/jpeg")


def _all_tasks() -> list[Task]:
    return [(sheet.number, field) for sheet in sheets() for field in sheet.asked]


def _sheet(number: int) -> Sheet:
    if not 1 <= number <= len(sheets()):
        raise HTTPException(404)
    return sheets()[number - 1]


def _rounds(request: Request) -> dict[str, Round]:
    """The rounds of everybody, account by account."""
    state = request.app.state
    if not hasattr(state, "practice"):
        state.practice = {}
    rounds: dict[str, Round] = state.practice
    return rounds


def _round(request: Request) -> Round:
    return _rounds(request).get(signed_in(request).account_id, Round(last_at=datetime.now(UTC)))


def _enter(request: Request, task: Task, decision: Decision, lesson: str) -> None:
    now = datetime.now(UTC)
    with _entering:
        was = _round(request)
        seconds = (now - was.last_at).total_seconds() if now - was.last_at <= AWAY else None
        given = Answer(decision=decision, lesson=lesson, seconds=seconds)
        first = was.first if task in was.first else {**was.first, task: given}
        _rounds(request)[signed_in(request).account_id] = Round(first=first, now={**was.now, task: given}, last_at=now)


def _cards(request: Request, sheet: Sheet) -> tuple[Card, ...]:
    now = _round(request).now
    tasks = {f: str(now[sheet.number, f].decision) if (sheet.number, f) in now else "" for f in sheet.asked}
    return cards_of(sheet.validated, sheet.form, {}, tasks, language_of(request))


def _card(request: Request, sheet: Sheet, field: str) -> Card:
    found = next((card for card in _cards(request, sheet) if card.field == field), None)
    if found is None:
        raise HTTPException(404)
    return found


def _answers(request: Request, sheet: Sheet) -> dict[str, Told]:
    """What is said of each answer on a page, by the key of its card."""
    now, language = _round(request).now, language_of(request)
    return {
        key_of(field): Told(one.lesson, _written(sheet, field, language))
        for (number, field), one in now.items()
        if number == sheet.number
    }


def _written(sheet: Sheet, field: str, language: str) -> str:
    paper = sheet.papers[field]
    nothing = {Decision.ABSENT: "practice.empty", Decision.UNREADABLE: "practice.illegible"}
    return say(nothing[paper.decision], language) if paper.decision in nothing else paper.written


def _missed(sheet: Sheet, field: str, lesson: str, language: str) -> Missed:
    (card,) = cards_of(sheet.validated, sheet.form, {}, {field: ""}, language)
    return Missed(title_of(sheet.form, language), card.label, lesson, _written(sheet, field, language))


def _fragment(request: Request, sheet: Sheet, card: Card) -> Response:
    return page(
        request, "practice_field.html", 422 if card.error else 200, card=card, crop=_crops(sheet, (card,))[card.key],
        place=f"/practice/{sheet.number}", lease=NO_LEASE, most=MAX_TYPED, answers=_answers(request, sheet),
    )  # fmt: skip


def _crops(sheet: Sheet, cards: tuple[Card, ...]) -> dict[str, str]:
    return {card.key: f"/practice/{sheet.number}/crop/{quote(card.field)}" for card in cards}
