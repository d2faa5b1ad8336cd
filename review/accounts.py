"""Stage 8, review.accounts: a name and a password become an account, or a reason why not."""

import re
import threading
import unicodedata
from datetime import date
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, RowMapping, Update, func, insert, select, text, update

from pipeline import audit
from records.errors import SohoaError
from review import sessions
from review.policy import Role
from review.tables import account

MIN_PASSWORD, MAX_PASSWORD = 10, 200
MAX_FAILURES = 5
LOCKED_FOR = text("now() + interval '15 minutes'")
NOBODY = "nobody"  # Who acted, for the audit trail, where a password was wrong.
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")


class Refusal(StrEnum):
    """Why nobody was signed in."""

    FAILED = "failed"
    LOCKED = "locked"


def check_password(conn: Connection, account_id: str, password: str) -> Refusal | None:
    """None when the password is the account's and it may be used. Counts failures; commit whatever comes out.

    After MAX_FAILURES wrong ones in a row nothing is tried for 15 minutes. An account that does not exist, is disabled
    or over takes as long and gets the same answer as a wrong password.
    """
    row = _locked_row(conn, account_id)
    if row is not None and row["locked"]:
        return Refusal.LOCKED
    right = _matches(row["password_hash"] if row is not None and row["usable"] else None, password)
    if row is None or not row["usable"]:
        return Refusal.FAILED
    if not right:
        return _failure(conn, row)
    conn.execute(_of(account_id).values(failures=0, locked_until=None))
    audit.record(conn, account_id, "sign_in", f"account:{account_id}")
    return None


def add(
    conn: Connection, by: str, account_id: str, name: str, role: str, password: str, ends_on: date | None = None
) -> None:
    """Enter an account; SohoaError when its name is taken or cannot be used, the role is none, the password short."""
    if role not in frozenset(Role):
        raise SohoaError(f"'{role}' is no role; use one of {', '.join(Role)}.")
    if not NAME.fullmatch(account_id):
        raise SohoaError(f"'{account_id}' cannot be a user name; use 2 to 64 of a-z, 0-9, dot, dash and underscore.")
    if _row(conn, account_id) is not None:
        raise SohoaError(f"The user '{account_id}' exists; change the password with: sohoa user password {account_id}")
    conn.execute(
        insert(account).values(
            account_id=account_id, name=_normal(name), role=role, ends_on=ends_on, password_hash=_hashed(password)
        )
    )
    audit.record(conn, by, "account:add", f"account:{account_id}", {"role": role, "ends_on": str(ends_on or "")})


def disable(conn: Connection, by: str, account_id: str) -> None:
    """Let nobody in by this account any more, at once; it stays, because decisions name it."""
    _must_exist(conn, account_id)
    conn.execute(_of(account_id).values(active=False))
    sessions.end_all(conn, account_id)
    audit.record(conn, by, "account:disable", f"account:{account_id}")


def set_password(conn: Connection, by: str, account_id: str, password: str) -> None:
    """Give an account a new password, which unlocks it and ends its sessions."""
    _must_exist(conn, account_id)
    conn.execute(_of(account_id).values(password_hash=_hashed(password), failures=0, locked_until=None))
    sessions.end_all(conn, account_id)
    audit.record(conn, by, "account:password", f"account:{account_id}")


def set_language(conn: Connection, account_id: str, language: str) -> None:
    """Keep the language in which an account reads."""
    conn.execute(_of(account_id).values(language=language))


def listed(conn: Connection) -> list[dict[str, object]]:
    """Every account, without its password's hash."""
    columns = (
        account.c.account_id, account.c.name, account.c.role, account.c.active, account.c.ends_on,
        sessions.usable().label("usable"), _LOCKED,
    )  # fmt: skip
    return [dict(row) for row in conn.execute(select(*columns).order_by(account.c.account_id)).mappings()]


_LOCKED = func.coalesce(account.c.locked_until > func.now(), False).label("locked")
_HASHER = PasswordHasher()
_NO_PASSWORD = _HASHER.hash("")
_HASHING = threading.Lock()  # Each hash takes 64 MiB: strangers at the sign-in form get one at a time.


def _locked_row(conn: Connection, account_id: str) -> RowMapping | None:
    if not NAME.fullmatch(account_id):
        return None
    query = select(account, sessions.usable().label("usable"), _LOCKED).where(account.c.account_id == account_id)
    return conn.execute(query.with_for_update()).mappings().one_or_none()


def _failure(conn: Connection, row: RowMapping) -> Refusal:
    failures = row["failures"] + 1
    over = failures >= MAX_FAILURES
    changed = {"failures": 0, "locked_until": LOCKED_FOR} if over else {"failures": failures}
    conn.execute(_of(row["account_id"]).values(**changed))
    audit.record(conn, NOBODY, "sign_in:locked" if over else "sign_in:failed", f"account:{row['account_id']}")
    return Refusal.LOCKED if over else Refusal.FAILED


def _matches(stored: str | None, password: str) -> bool:
    with _HASHING:
        try:
            return _HASHER.verify(stored or _NO_PASSWORD, _normal(password)) and stored is not None
        except (VerificationError, InvalidHashError):
            return False


def _hashed(password: str) -> str:
    typed = _normal(password)
    if not MIN_PASSWORD <= len(typed) <= MAX_PASSWORD:
        raise SohoaError(f"The password must have {MIN_PASSWORD} to {MAX_PASSWORD} characters.")
    return _HASHER.hash(typed)


def _normal(typed: str) -> str:
    # Keyboards compose Vietnamese letters differently, and the same password must stay the same.
    return unicodedata.normalize("NFC", typed)


def _row(conn: Connection, account_id: str) -> str | None:
    return conn.scalar(select(account.c.account_id).where(account.c.account_id == account_id))


def _must_exist(conn: Connection, account_id: str) -> None:
    if _row(conn, account_id) is None:
        raise SohoaError(f"There is no user '{account_id}'; list them with: sohoa user list")


def _of(account_id: str) -> Update:
    return update(account).where(account.c.account_id == account_id)
