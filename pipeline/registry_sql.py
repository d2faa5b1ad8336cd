"""Before stage 1, pipeline.registry_sql: a query on the hospital's own database as a listing; reads, never writes.

The server is told so three times: the session's default, the transaction, and a cursor, for which PostgreSQL takes
one SELECT and nothing else. The address holds a password: it is never printed, and errors name only what is wrong.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

from pipeline.registry_rows import Listing
from records.errors import SohoaError

SCHEMES = ("postgresql://", "postgres://", "postgresql+psycopg://")
SESSION = "-c default_transaction_read_only=on -c statement_timeout=600000 -c TimeZone=Asia/Ho_Chi_Minh"
ROWS_AT_ONCE = 5000
ABOUT_NAMES = "42"  # SQLSTATE class of syntax, names and rights: its messages hold no data


def read_query(url: str, query_file: Path) -> Listing:
    """What the SELECT in `query_file` (UTF-8) gives on the PostgreSQL at `url`; its column names are the headings."""
    if not url.startswith(SCHEMES):
        raise SohoaError("The registry's database must be a PostgreSQL: give postgresql://user:password@host/database.")
    query = _query(query_file)
    with _connect(url.replace("+psycopg", "", 1)) as conn:
        conn.read_only = True
        try:
            return _listing(conn, query_file.name, query)
        except psycopg.Error as error:
            raise SohoaError(f"The query {query_file.name} was refused: {_reason(error)}. Correct it.") from None


def _connect(url: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(url, options=SESSION, connect_timeout=10)
    except psycopg.Error as error:
        raise SohoaError(f"The registry's database does not answer ({type(error).__name__}); check its URL.") from None


def _query(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig").strip().rstrip(";").rstrip()
    except (OSError, UnicodeDecodeError) as error:
        raise SohoaError(f"The query {path} cannot be read; give the path of a text file in UTF-8.") from error
    if not text:
        raise SohoaError(f"The query {path} is empty; write one SELECT.")
    return text


def _listing(conn: psycopg.Connection[Any], name: str, query: str) -> Listing:
    with conn.cursor(name="registry") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        cursor.execute(query.encode())
        headings = [column.name for column in cursor.description or ()]
        return Listing(name, headings, [[_cell(value) for value in row] for row in cursor], unit="row", first=1)


def _cell(value: object) -> str:
    """Moments without their zone: the session's clock is Viet Nam's."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=None).isoformat(" ", "seconds")
    return "" if value is None else str(value)


def _reason(error: psycopg.Error) -> str:
    code = error.sqlstate or ""
    detail = error.diag.message_primary if code.startswith(ABOUT_NAMES) else ""
    return f"{type(error).__name__}{f' ({detail})' if detail else ''}"
