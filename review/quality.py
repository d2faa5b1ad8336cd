"""Stage 8, review.quality: what the suites say of a batch, in words and counts, without a value of a document."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from pipeline.documents import BATCH_CHECKS
from pipeline.quality import answers_of
from pipeline.tables import batch, document, field_value, issue
from records.document_types import document_types
from records.documents import Verdict
from review.texts import say
from validation.batch_suite import Answer, NotAsked, Question, about
from validation.suites import FailedExpectation, Severity, form_suite, row_suite

NEWEST = 100  # batches that are listed


class Standing(StrEnum):
    """How a rule stands: GOOD; WARN or STOP, by what its failure does; or it was not asked."""

    GOOD = "good"
    WARN = "warn"
    STOP = "stop"
    NOT_ASKED = "not_asked"


class Listed(NamedTuple):
    """A batch with how many rules its last check found broken, by what that does."""

    batch_id: str
    state: str
    stops: int
    warns: int


class Line(NamedTuple):
    """A rule of the batch as a whole, with its figures as they are now. `why`: it was not asked."""

    title: str
    things: int
    measured: str
    allowed: str
    holds: bool
    standing: Standing
    why: str = ""


class Form(NamedTuple):
    """Documents of one form and their values. `rules`: of its suite, of which `failed` did in the last check; `share`:
    percent of the values that were accepted."""

    title: str
    documents: int
    rules: int
    failed: int
    accepted: int
    review: int
    share: int


def newest(conn: Connection) -> list[Listed]:
    """The newest batches."""
    counts = [
        func.count(issue.c.issue_id).filter(issue.c.check_name.like(f"{BATCH_CHECKS[severity]}:%"))
        for severity in (Severity.STOP, Severity.WARN)
    ]
    own = (issue.c.batch_id == batch.c.batch_id) & issue.c.document_id.is_(None) & issue.c.page_id.is_(None)
    query = (
        select(batch.c.batch_id, batch.c.state, *counts)
        .outerjoin(issue, own)
        .group_by(batch.c.batch_id)
        .order_by(batch.c.created_at.desc(), batch.c.batch_id)
        .limit(NEWEST)
    )
    return [Listed(*row) for row in conn.execute(query)]


def state_of(conn: Connection, batch_id: str) -> str | None:
    """'open' or 'held'; None where there is no such batch."""
    state: str | None = conn.scalar(select(batch.c.state).where(batch.c.batch_id == batch_id))
    return state


def lines(conn: Connection, batch_id: str, language: str) -> list[Line]:
    """The suite of the batch as a whole, asked now."""
    return [_line(one, language) for one in answers_of(conn, batch_id)]


def _line(answer: Answer, language: str) -> Line:
    if isinstance(answer, NotAsked):
        rule = answer.own
        title, why = rule.name(language, answer.field), say(f"quality.why.{answer.why}", language, least=rule.least)
        return Line(title, 0, "", "", rule.severity is Severity.STOP, Standing.NOT_ASKED, why)
    asked = answer.asked
    standing = Standing(asked.severity.value) if answer.broken else Standing.GOOD
    title = answer.own.name(language, asked.field)
    return Line(
        title, len(answer.told), _figure(answer, answer.measured, language), _allowed(answer, language),
        asked.severity is Severity.STOP, standing,
    )  # fmt: skip


def _allowed(question: Question, language: str) -> str:
    """'≤ 60 %' of a share that may only be small, '36 % – 64 %' of a figure that has a history."""
    high = _figure(question, question.high, language)
    if question.low <= 0 and question.own.slack == 0:
        return f"≤ {high}"
    return f"{_figure(question, max(question.low, 0), language)} – {high}"


def _figure(question: Question, value: float, language: str) -> str:
    """0.125 -> '12,5 %' in Vietnamese; a figure that is no share as it is."""
    told = f"{100 * value:.1f} %" if question.own.figure == "share" else f"{value:.1f}"
    told = told.replace(".0 ", " ").removesuffix(".0")
    return told.replace(".", ",") if language == "vi" else told


def forms(conn: Connection, batch_id: str, stops: Iterable[FailedExpectation], language: str) -> list[Form]:
    """The batch's forms, those with most documents first. `stops`: what holds the batch since its last check."""
    accepted = func.count().filter(field_value.c.verdict == Verdict.ACCEPT.value)
    review = func.count().filter(field_value.c.verdict == Verdict.REVIEW.value)
    query = (
        select(document.c.document_type, func.count(document.c.document_id.distinct()), accepted, review)
        .outerjoin(field_value, field_value.c.document_id == document.c.document_id)
        .where(document.c.batch_id == batch_id)
        .group_by(document.c.document_type)
    )
    rows = conn.execute(query.order_by(func.count(document.c.document_id.distinct()).desc(), document.c.document_type))
    failed = Counter(one.document_type for one in stops)
    return [_form(kind, documents, failed[kind], yes, no, language) for kind, documents, yes, no in rows]


def _form(kind: str, documents: int, failed: int, accepted: int, review: int, language: str) -> Form:
    form = document_types()[kind]
    share = round(100 * accepted / (accepted + review)) if accepted + review else 0
    rules = len(form_suite(form, documents)) + len(row_suite(form))
    return Form(about(kind, language), documents, rules, failed, accepted, review, share)
