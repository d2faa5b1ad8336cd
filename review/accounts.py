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

MIN_PASSWORD, MAX_PASSWORD = 12, 200
MAX_FAILURES = 5
LOCKED_FOR = text("now() + interval '15 minutes'")
NOBODY = "nobody"  # Who acted, for the audit trail, where a password was wrong.
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,63}")
BY_NAME = "name:"  # How a subject begins that is the directory's user name, until the person signs in first.


class Refusal(StrEnum):
    """Why nobody was signed in."""

    FAILED = "failed"
    LOCKED = "locked"
    UNKNOWN = "unknown"


class Fault(StrEnum):
    """Why a new password of one's own was not taken."""

    DIFFERENT = "different"
    LENGTH = "length"
    NAME = "name"
    SAME = "same"


def check_password(conn: Connection, account_id: str, password: str) -> Refusal | None:
    """None when the password is the account's and it may be used. Counts failures; commit whatever comes out.

    After MAX_FAILURES wrong ones in a row nothing is tried for 15 minutes. An account that does not exist, is disabled
    or over takes as long and gets the same answer as a wrong password.
    """
    refusal = _checked(conn, account_id, password)
    if refusal is None:
        audit.record(conn, account_id, "sign_in", f"account:{account_id}")
    return refusal


def of_directory(conn: Connection, subject: str, username: str) -> str | None:
    """The account that IT linked to this person of the hospital's directory, None where none may be used.

    One linked by user name is bound to the subject now: the name may be another's one day.
    """
    own = account.c.subject.in_((subject, f"{BY_NAME}{username}")) & sessions.usable()
    found = conn.execute(select(account.c.account_id, account.c.subject).where(own).with_for_update()).all()
    linked = next((row for row in found if row.subject == subject), next(iter(found), None))
    if linked is None or subject.startswith(BY_NAME) or _another_of(conn, subject, linked.account_id):
        return None
    if linked.subject != subject:
        link(conn, linked.account_id, linked.account_id, subject)
    audit.record(conn, linked.account_id, "sign_in:directory", f"account:{linked.account_id}")
    return str(linked.account_id)


def change_password(conn: Connection, account_id: str, old: str, new: str, again: str) -> Fault | Refusal | None:
    """Give oneself a new password, which ends all sessions of the account; None when done.

    A wrong old one counts as at the sign-in form: commit whatever comes out.
    """
    fault = password_fault(account_id, old, new, again) or _checked(conn, account_id, old)
    if fault is None:
        conn.execute(_of(account_id).values(password_hash=_hashed(new), must_change=False))
        sessions.end_all(conn, account_id)
        audit.record(conn, account_id, "account:own_password", f"account:{account_id}")
    return fault


def password_fault(account_id: str, old: str, new: str, again: str) -> Fault | None:
    """What is wrong with a new password, whatever the old one is."""
    typed = _normal(new)
    if typed != _normal(again):
        return Fault.DIFFERENT
    if not MIN_PASSWORD <= len(typed) <= MAX_PASSWORD:
        return Fault.LENGTH
    if typed.strip().lower() == account_id:
        return Fault.NAME
    return Fault.SAME if typed == _normal(old) else None


def add(
    conn: Connection, by: str, account_id: str, name: str, role: str, password: str | None,
    ends_on: date | None = None, *, subject: str | None = None, temporary: bool = False,
) -> None:  # fmt: skip
    """Enter an account; SohoaError when its name is taken or cannot be used, the role is none, the password short.

    `password` None: the account signs in at the hospital's directory alone; `subject`: who it is there, or BY_NAME and
    the user name; `temporary`: the password must be changed at the first sign-in.
    """
    if role not in frozenset(Role):
        raise SohoaError(f"'{role}' is no role; use one of {', '.join(Role)}.")
    if not NAME.fullmatch(account_id):
        raise SohoaError(f"'{account_id}' cannot be a user name; use 2 to 64 of a-z, 0-9, dot, dash and underscore.")
    if _row(conn, account_id) is not None:
        raise SohoaError(f"The user '{account_id}' exists; change the password with: sohoa user password {account_id}")
    conn.execute(
        insert(account).values(
            account_id=account_id, name=_normal(name), role=role, ends_on=ends_on,
            password_hash=_hashed(password) if password is not None else None,
            must_change=temporary and password is not None,
        )
    )  # fmt: skip
    audit.record(conn, by, "account:add", f"account:{account_id}", {"role": role, "ends_on": str(ends_on or "")})
    if subject:
        link(conn, by, account_id, subject)


def link(conn: Connection, by: str, account_id: str, subject: str) -> None:
    """Let a person of the hospital's directory sign in by this account; SohoaError when they have another."""
    _must_exist(conn, account_id)
    if taken := _another_of(conn, subject, account_id):
        raise SohoaError(f"The subject '{subject}' is linked to the user '{taken}' already.")
    conn.execute(_of(account_id).values(subject=subject))
    audit.record(conn, by, "account:link", f"account:{account_id}", {"subject": subject})


def disable(conn: Connection, by: str, account_id: str) -> None:
    """Let nobody in by this account any more, at once; it stays, because decisions name it."""
    _must_exist(conn, account_id)
    conn.execute(_of(account_id).values(active=False))
    sessions.end_all(conn, account_id)
    audit.record(conn, by, "account:disable", f"account:{account_id}")


def set_password(conn: Connection, by: str, account_id: str, password: str) -> None:
    """Give an account a temporary password, which unlocks it, ends its sessions, and is changed at its sign-in."""
    _must_exist(conn, account_id)
    changed = {"password_hash": _hashed(password), "must_change": True, "failures": 0, "locked_until": None}
    conn.execute(_of(account_id).values(**changed))
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


def _checked(conn: Connection, account_id: str, password: str) -> Refusal | None:
    row = _locked_row(conn, account_id)
    if row is not None and row["locked"]:
        return Refusal.LOCKED
    right = _matches(row["password_hash"] if row is not None and row["usable"] else None, password)
    if row is None or not row["usable"]:
        return Refusal.FAILED
    if not right:
        return _failure(conn, row)
    conn.execute(_of(account_id).values(failures=0, locked_until=None))
    return None


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


def _another_of(conn: Connection, subject: str, account_id: str) -> str | None:
    """The account that a person of the directory has besides this one, also where it may not be used any more."""
    other = select(account.c.account_id).where(account.c.subject == subject, account.c.account_id != account_id)
    return conn.scalar(other)


def _of(account_id: str) -> Update:
    return update(account).where(account.c.account_id == account_id)
