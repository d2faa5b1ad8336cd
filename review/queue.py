"""Stage 8, review.queue: documents with open tasks go to officers one by one; who has one holds a lease on it.

`review.waiting` has a row for each such document, kept by triggers. A lease runs on the database's clock; its token
grows with each holder, so that one who lost it and does not know is told when saving. Documents of held files wait at
the file questions, restricted ones for somebody who opens them with a reason. A document goes to whoever may do
something in it: not to the only one whose entries wait for a second person, nor but to seniors when entries differ.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    all_,
    delete,
    func,
    literal,
    or_,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline.tables import document, review_task
from records.base import Frozen
from review.policy import Role
from review.restricted import opened, restricted_by, restrictions, said_in
from review.tables import account, lease, waiting

LEASE_SECONDS = 600
MOST_CLOSED = 50  # restricted documents listed at once
ATTEMPTS = 20  # Each failed one means that somebody else got a document.

NOW = func.clock_timestamp()
TOKEN = text("nextval('review.lease_token')")
MOST_COMING = 12  # documents drawn ahead
ORDER = (waiting.c.deadline, waiting.c.place, waiting.c.since, waiting.c.document_id)


class Filters(Frozen):
    """Which documents to hand out; an empty one is none. `box`: how the file's label begins; `field`: has it open."""

    document_type: str = ""
    box: str = ""
    field: str = ""


class Lease(Frozen):
    """Who holds a document until when. `token`: handed in with each save."""

    document_id: str
    account_id: str
    token: int
    until: datetime


class Counts(Frozen):
    """What waits. `documents`: may be handed out now or later, `values`: open tasks in them, `second` and `senior`: of
    those, that wait for another person and for a senior; `taken`: documents held by officers; `stopped`: documents of
    held files; `restricted`: others of which it is known that not everybody may see them; `by_type`: of `documents`,
    most first."""

    documents: int
    values: int
    second: int
    senior: int
    taken: int
    stopped: int
    restricted: int
    by_type: tuple[tuple[str, int], ...]


class Closed(Frozen):
    """A restricted document that waits for somebody who opens it with a reason. `box`: its file's label."""

    document_id: str
    document_type: str
    box: str


def claim(
    conn: Connection, account_id: str, filters: Filters | None = None, seconds: float = LEASE_SECONDS
) -> str | None:
    """The document that the officer goes on with: the one she holds, else the first that is free; None: none is left.

    First by the target's deadline, then by what its form says of the stay, then by age. Commit before it is shown.
    """
    for held in _held(conn, account_id):
        if take(conn, account_id, held, seconds):
            return held
        give_back(conn, held, account_id)
    for kind in _in_turn(conn, account_id, filters or Filters()):
        query = kind.with_for_update(of=document, skip_locked=True)
        for _ in range(ATTEMPTS):
            found: str | None = conn.scalar(query)
            while found is not None and mark_restricted(conn, found):
                found = conn.scalar(query)
            if found is None:
                break
            if take(conn, account_id, found, seconds):
                return found
    return None


def coming(conn: Connection, account_id: str) -> list[str]:
    """The documents handed out next, one for each who is at work and one more: one of them is likely hers."""
    at_work = conn.scalar(select(func.count(lease.c.account_id.distinct())).where(lease.c.until > NOW)) or 0
    kinds = _in_turn(conn, account_id, Filters())
    return list(conn.scalars(kinds[0].limit(min(at_work + 1, MOST_COMING)))) if kinds else []


def take(conn: Connection, account_id: str, document_id: str, seconds: float = LEASE_SECONDS) -> Lease | None:
    """The officer's lease on this document, new or renewed; None when another holds it, when nothing in it is open to
    her, and when it waits elsewhere."""
    conn.execute(select(document.c.document_id).where(document.c.document_id == document_id).with_for_update())
    hers = or_(*_hers(account_id))
    here = select(waiting.c.tasks).where(waiting.c.document_id == document_id, ~waiting.c.held, hers)
    if conn.scalar(here) is None or (_restricted(conn, document_id) and not opened(conn, account_id, document_id)):
        return None
    own = (lease.c.account_id == account_id) & (lease.c.until > NOW)
    new = upsert(lease).values(document_id=document_id, account_id=account_id, token=TOKEN, until=_until(seconds))
    kept = {
        "account_id": account_id, "until": _until(seconds),
        "token": text("CASE WHEN lease.account_id = excluded.account_id AND lease.until > clock_timestamp() "
                      "THEN lease.token ELSE excluded.token END"),
    }  # fmt: skip
    taken = new.on_conflict_do_update(index_elements=["document_id"], set_=kept, where=own | (lease.c.until <= NOW))
    row = conn.execute(taken.returning(*lease.c)).mappings().one_or_none()
    return Lease.model_validate(dict(row)) if row else None


def _hers(account_id: str) -> list[ColumnElement[bool]]:
    """The ways in which a document has something for this officer; each has its own index."""
    senior = select(account.c.account_id).where(account.c.account_id == account_id, account.c.role == Role.SENIOR)
    apart = literal(account_id) != all_(waiting.c.senior_not)
    return [
        waiting.c.for_all,
        ~waiting.c.for_all & (waiting.c.second > 0) & (waiting.c.second_not != account_id),
        ~waiting.c.for_all & (waiting.c.senior > 0) & apart & senior.exists(),
    ]


def _in_turn(conn: Connection, account_id: str, filters: Filters) -> list[Select[Any]]:
    """For each way, the query for its first free document; the way whose document comes first in the queue is first."""
    kinds = [next_free(filters, way) for way in _hers(account_id)]
    heads = [
        kind.with_only_columns(literal(place).label("way"), *ORDER, maintain_column_froms=True).subquery()
        for place, kind in enumerate(kinds)
    ]
    first = union_all(*(select(head) for head in heads)).subquery()
    order = [first.c[column.name] for column in ORDER]
    return [kinds[place] for place in conn.scalars(select(first.c.way).order_by(*order))]


def next_free(filters: Filters, way: ColumnElement[bool] = waiting.c.for_all) -> Select[Any]:
    """The query for the first free document; as it stands, of those that have something for everybody."""
    return (
        select(waiting.c.document_id)
        .join(document, document.c.document_id == waiting.c.document_id)
        .where(*free(way), *_like(filters))
        .order_by(*ORDER)
        .limit(1)
    )


def free(way: ColumnElement[bool] = waiting.c.for_all) -> tuple[ColumnElement[bool], ...]:
    """What holds of a document (`waiting`) that may be handed out now; as it stands, to everybody."""
    return ~waiting.c.held, ~waiting.c.restricted, way, _for_everybody(), ~_leased().exists()


def lease_of(conn: Connection, document_id: str, account_id: str) -> Lease | None:
    """The officer's lease on a document, unless it has run out."""
    own = (lease.c.document_id == document_id) & (lease.c.account_id == account_id) & (lease.c.until > NOW)
    row = conn.execute(select(lease).where(own)).mappings().one_or_none()
    return Lease.model_validate(dict(row)) if row else None


def renew(conn: Connection, document_id: str, account_id: str, token: int, seconds: float = LEASE_SECONDS) -> bool:
    """Prolong a lease; False when it was given back or somebody else took it. One that ran out and that nobody took
    since lives again. Locks it until the end of the transaction."""
    done = conn.execute(update(lease).where(_own(document_id, account_id, token)).values(until=_until(seconds)))
    return done.rowcount == 1


def holds(conn: Connection, document_id: str, account_id: str, token: int) -> bool:
    """Whether the lease with this token still stands."""
    own = _own(document_id, account_id, token) & (lease.c.until > NOW)
    return conn.scalar(select(lease.c.token).where(own)) is not None


def renewable(conn: Connection, document_id: str, account_id: str, token: int) -> bool:
    """Whether `renew` would prolong the lease; locks nothing, for the document is to be locked before its lease."""
    return conn.scalar(select(lease.c.token).where(_own(document_id, account_id, token))) is not None


def held_by_another(conn: Connection, document_id: str, account_id: str) -> bool:
    """Whether some other officer has the document now."""
    other = (lease.c.document_id == document_id) & (lease.c.account_id != account_id) & (lease.c.until > NOW)
    return conn.scalar(select(lease.c.token).where(other)) is not None


def give_back(conn: Connection, document_id: str, account_id: str) -> None:
    """End the officer's lease; somebody else's stays."""
    conn.execute(delete(lease).where(lease.c.document_id == document_id, lease.c.account_id == account_id))


def counts(conn: Connection, filters: Filters | None = None) -> Counts:
    """What waits, of the kind asked for."""
    like, here = _like(filters or Filters()), waiting.c.document_id == lease.c.document_id
    closed = _closed()
    rows = conn.execute(
        select(
            waiting.c.document_type, waiting.c.held, closed.label("closed"), func.count().label("documents"),
            func.sum(waiting.c.tasks).label("values"), func.sum(waiting.c.second).label("second"),
            func.sum(waiting.c.senior).label("senior"),
        )
        .where(*like)
        .group_by(waiting.c.document_type, waiting.c.held, closed)
    ).all()  # fmt: skip
    free = [row for row in rows if not (row.held or row.closed)]
    taken = select(func.count()).select_from(lease).join(waiting, here)
    return Counts(
        documents=sum(row.documents for row in free),
        values=sum(row.values for row in free),
        second=sum(row.second for row in free),
        senior=sum(row.senior for row in free),
        taken=conn.scalar(taken.where(lease.c.until > NOW, ~waiting.c.held, *like)) or 0,
        stopped=sum(row.documents for row in rows if row.held),
        restricted=sum(row.documents for row in rows if row.closed and not row.held),
        by_type=tuple(sorted(((r.document_type, r.documents) for r in free), key=lambda kind: (-kind[1], kind[0]))),
    )


def closed_ones(conn: Connection, filters: Filters | None = None) -> list[Closed]:
    """The first restricted documents of the kind asked for, as they would be handed out."""
    query = (
        select(waiting.c.document_id, waiting.c.document_type, waiting.c.label.label("box"))
        .where(~waiting.c.held, _closed(), *_like(filters or Filters()))
        .order_by(*ORDER)
        .limit(MOST_CLOSED)
    )
    return [Closed.model_validate(dict(row)) for row in conn.execute(query).mappings()]


def _held(conn: Connection, account_id: str) -> Sequence[str]:
    own = (lease.c.account_id == account_id) & (lease.c.until > NOW)
    return conn.scalars(select(lease.c.document_id).where(own).order_by(lease.c.token)).all()


def mark_restricted(conn: Connection, document_id: str) -> bool:
    """Leave a restricted document out from now on; whether it is one."""
    if not _restricted(conn, document_id):
        return False
    conn.execute(update(waiting).where(waiting.c.document_id == document_id).values(restricted=True))
    return True


def _restricted(conn: Connection, document_id: str) -> str:
    kind = conn.scalars(select(document.c.document_type).where(document.c.document_id == document_id)).one()
    return restricted_by(kind, said_in(conn, document_id))


def _own(document_id: str, account_id: str, token: int) -> ColumnElement[bool]:
    return (lease.c.document_id == document_id) & (lease.c.account_id == account_id) & (lease.c.token == token)


def _until(seconds: float) -> Any:
    return NOW + func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def _leased() -> Select[Any]:
    return select(lease.c.token).where(lease.c.document_id == waiting.c.document_id, lease.c.until > NOW)


def _for_everybody() -> ColumnElement[bool]:
    """Of a type that is not restricted as a whole; what its values restrict shows when its turn comes."""
    return waiting.c.document_type.not_in(sorted({kind for one in restrictions() for kind in one.document_types}))


def _closed() -> ColumnElement[bool]:
    return waiting.c.restricted | ~_for_everybody()


def _like(filters: Filters) -> list[ColumnElement[bool]]:
    where = []
    if filters.document_type:
        where.append(waiting.c.document_type == filters.document_type)
    if filters.box:
        where.append(func.starts_with(waiting.c.label, filters.box))
    if filters.field:
        own = (review_task.c.document_id == waiting.c.document_id) & (review_task.c.state == "open")
        where.append(select(review_task.c.task_id).where(own, review_task.c.field == filters.field).exists())
    return where
