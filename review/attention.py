"""Stage 8, review.attention: values shown falsely on purpose, and who noticed, become a figure per officer.

It never touches the record: what is noted is an account, a moment, a kind and whether the false value was marked.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Integer, Interval, bindparam, cast, func, insert, select

from review.tables import account, attention

PERIOD = timedelta(days=30)
LAST, LEAST_PERCENT = 40, 80  # Of the last 40, so many must be caught; else group review is closed for the day.


class Attention(NamedTuple):
    """Of so many false values that were shown in the last 30 days, how many were caught."""

    shown: int
    caught: int


class OfficersAttention(NamedTuple):
    """The same for one officer. `closed`: group review is closed to her today."""

    name: str
    shown: int
    caught: int
    closed: bool


def note(conn: Connection, account_id: str, kind: str, checks: Iterable[tuple[str, str, bool]]) -> None:
    """Keep whether an officer caught these: (document id, field, caught)."""
    rows = [
        {"account_id": account_id, "kind": kind, "document_id": document_id, "field": field, "caught": caught}
        for document_id, field, caught in checks
    ]
    if rows:
        conn.execute(insert(attention), rows)


def attention_of(conn: Connection, account_id: str) -> Attention:
    """An officer's own figure."""
    counted = select(func.count(), func.coalesce(func.sum(_CAUGHT), 0)).where(recent(account_id))
    return Attention(*conn.execute(counted).one())


def closed(conn: Connection, account_id: str, today: datetime) -> bool:
    """Whether too many of the last 40 were missed, the latest of them since `today` began.

    She is asked again on the next day: the first set of that day opens or closes it. A new officer is not waited for
    until 40 were shown: more misses than 40 allow are too many.
    """
    last = select(attention.c.caught, attention.c.shown_at).where(recent(account_id))
    rows = conn.execute(last.order_by(attention.c.attention_id.desc()).limit(LAST)).all()
    missed = sum(not row.caught for row in rows)
    return missed * 100 > LAST * (100 - LEAST_PERCENT) and rows[0].shown_at >= today


def by_officer(conn: Connection, today: datetime) -> list[OfficersAttention]:
    """The figure of everybody to whom false values were shown in the last 30 days, by name."""
    query = (
        select(account.c.account_id, account.c.name, func.count().label("shown"), func.sum(_CAUGHT).label("caught"))
        .join(attention, attention.c.account_id == account.c.account_id)
        .where(attention.c.shown_at > _since())
        .group_by(account.c.account_id)
        .order_by(account.c.name, account.c.account_id)
    )
    return [
        OfficersAttention(row.name, row.shown, row.caught, closed(conn, row.account_id, today))
        for row in conn.execute(query).all()
    ]


_CAUGHT = cast(attention.c.caught, Integer)


def recent(account_id: str) -> ColumnElement[bool]:
    """Whether a row of `attention` is this officer's, of the last 30 days."""
    return (attention.c.account_id == account_id) & (attention.c.shown_at > _since())


def _since() -> ColumnElement[datetime]:
    return func.now() - bindparam("period", PERIOD, Interval)
