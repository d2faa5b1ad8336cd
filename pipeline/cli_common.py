"""The command line, pipeline.cli_common: what its modules share: printing, the database made ready, options."""

import getpass
import json
from datetime import date
from typing import Annotated, Any

import typer
from rich.console import Console

from records.errors import SohoaError

out, err = Console(), Console(stderr=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Facility = Annotated[str, typer.Option(help="The hospital's facility code.")]


def print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    """Rows as lines of key=value, or as one JSON list."""
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
    for row in () if as_json else rows:
        out.print("  ".join(f"{k}={v}" for k, v in row.items()), highlight=False, markup=False)


def ready_engine(role: str = "") -> Any:
    """The database with its newest tables, as a role or its owner."""
    from pipeline.database import engine, migrate
    from pipeline.settings import settings

    migrate(settings())
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


def who() -> str:
    """For the audit trail: the user of this machine who gave the command."""
    return f"machine:{getpass.getuser()}"
