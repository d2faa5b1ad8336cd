"""The command line, pipeline.cli_common: what its modules share: printing, the database made ready, options."""

import csv
import getpass
import io
import json
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from records.errors import SohoaError

FORMULA = ("=", "+", "-", "@", "\t", "\r")
out, err = Console(), Console(stderr=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Facility = Annotated[str, typer.Option(help="The hospital's facility code.")]


def print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Rows as lines of key=value, or as one JSON list."""
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
    for row in () if as_json else rows:
        out.print("  ".join(f"{k}={v}" for k, v in row.items()), highlight=False, markup=False)


def write_private(path: Path, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A new CSV that its owner alone may read, no cell of which a spreadsheet takes for a formula."""
    from loaders.private_files import new_file

    with io.TextIOWrapper(new_file(path), encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(headings)
        writer.writerows(["'" + cell if cell.startswith(FORMULA) else cell for cell in row] for row in rows)


def ready_engine(role: str = "") -> Any:
    """The database with its newest tables, as a role or its owner."""
    from pipeline.database import engine, make_current
    from pipeline.settings import settings

    make_current(settings())
    return engine(settings(), role)


def day(text: str) -> date:
    """'2026-12-31' -> that day; SohoaError says how to write one."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SohoaError(f"'{text}' is not a day; write it as 2026-12-31.") from error


def facility_code(given: str) -> str:
    """The facility given, else that of the settings."""
    from pipeline.settings import settings

    return given or settings().facility


def recorded(action: str, object: str, detail: dict[str, Any]) -> None:
    """Write an act of this command, which has its own transactions, into the audit trail."""
    from pipeline import audit

    with ready_engine().begin() as conn:
        audit.record(conn, who(), action, object, detail)


def people(conn: Any, right: Any) -> dict[str, str]:
    """Account -> full name of everybody who may do something in the workbench. `right`: a `review.policy.Right`."""
    from review import accounts
    from review.policy import may

    return {
        str(a["account_id"]): str(a["name"])
        for a in accounts.listed(conn)
        if a["usable"] and may(str(a["role"]), right)
    }


def who() -> str:
    """For the audit trail: the user of this machine who gave the command."""
    return f"machine:{getpass.getuser()}"
