"""Stage 8, review.sessions: a random token in the browser is a session in the database, until it is idle or over."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, delete, func, insert, literal, or_, select, text, update

from review.tables import account, session

COOKIE = "sohoa_session"
TOKEN_BYTES = 32
TOUCH = timedelta(minutes=1)
TODAY = text("(now() AT TIME ZONE 'Asia/Ho_Chi_Minh')::date")


@dataclass(frozen=True)
class Account:
    """Who is signed in, for the time of one request. `csrf`: what this session's forms must carry; `must_change`: the
    password is one that somebody else set; `local`: there is a password, not only the hospital's directory."""

    account_id: str
    name: str
    role: str
    language: str
    csrf: str
    must_change: bool = False
    local: bool = True


def start(conn: Connection, account_id: str, hours: int) -> str:
    """Begin a session that ends after `hours` at the latest; the token for the browser. Sweeps ended ones away."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    conn.execute(delete(session).where(session.c.ends_at < func.now()))
    conn.execute(
        insert(session).values(
            session_hash=_hash(token), account_id=account_id, csrf=secrets.token_urlsafe(TOKEN_BYTES),
            ends_at=func.now() + literal(timedelta(hours=hours)),
        )
    )  # fmt: skip
    return token


def find(conn: Connection, token: str, idle_minutes: int, *, touch: bool = True) -> Account | None:
    """The account of a session that has not ended, whose account may still be used; `touch`: somebody did something."""
    key = _hash(token)
    row = conn.execute(
        select(
            account.c.account_id, account.c.name, account.c.role, account.c.language, session.c.csrf, session.c.seen_at,
            (session.c.seen_at < func.now() - literal(TOUCH)).label("stale"), account.c.must_change,
            account.c.password_hash.is_not(None).label("local"),
        )
        .join(account)
        .where(
            session.c.session_hash == key, session.c.ends_at > func.now(), usable(),
            session.c.seen_at > func.now() - literal(timedelta(minutes=idle_minutes)),
        )
    ).one_or_none()  # fmt: skip
    if row is None:
        return None
    if touch and row.stale:
        conn.execute(update(session).where(session.c.session_hash == key).values(seen_at=func.now()))
    return Account(
        row.account_id, row.name, row.role, row.language, row.csrf, must_change=row.must_change, local=row.local
    )


def end(conn: Connection, token: str) -> None:
    """Remove the session of a token."""
    conn.execute(delete(session).where(session.c.session_hash == _hash(token)))


def end_all(conn: Connection, account_id: str) -> None:
    """Remove every session of an account."""
    conn.execute(delete(session).where(session.c.account_id == account_id))


def usable() -> ColumnElement[bool]:
    """Whether an account may be used today, by Vietnam's calendar; the day `ends_on` is its last."""
    return account.c.active & or_(account.c.ends_on.is_(None), account.c.ends_on >= TODAY)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
