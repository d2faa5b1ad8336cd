"""Beside every stage, pipeline.cli_users: `sohoa user ...`, who may sign in to the review workbench, and as what."""

import sys
from typing import Annotated

import typer

from pipeline.cli_common import Json, day, out, print_rows, ready_engine, who

user_app = typer.Typer(help="Accounts and roles of the review workbench.", no_args_is_help=True)
User = Annotated[str, typer.Argument(help="User name: a-z, 0-9, dot, dash and underscore.")]
SUBJECT = "Who it is in the hospital's directory: the claim sub, or name: and the user name there."
FromInput = Annotated[bool, typer.Option("--password-stdin", help="Take the password from standard input, not asked.")]


@user_app.command("add")
def user_add(
    user: User,
    name: Annotated[str, typer.Option(help="The person's name, as the screens show it.")],
    role: Annotated[str, typer.Option(help="operator, officer, senior, auditor, it or manager.")],
    until: Annotated[str, typer.Option(help="The account's last day, as 2026-12-31.")] = "",
    subject: Annotated[str, typer.Option(help=SUBJECT)] = "",
    password_stdin: FromInput = False,
) -> None:
    """Enter an account; a temporary password is asked for, but not with --subject."""
    from review import accounts

    ends_on = day(until) if until else None
    password = None if subject and not password_stdin else _password(password_stdin)
    with ready_engine().begin() as conn:
        accounts.add(conn, who(), user, name, role, password, ends_on, subject=subject or None, temporary=True)
    out.print(f"User {user} may sign in as {role}.", highlight=False, markup=False)


@user_app.command("link")
def user_link(user: User, subject: Annotated[str, typer.Argument(help=SUBJECT)]) -> None:
    """Let an account that stands sign in at the hospital's directory too."""
    from review import accounts

    with ready_engine().begin() as conn:
        accounts.link(conn, who(), user, subject)
    out.print(f"User {user} may sign in at the hospital's directory.", highlight=False, markup=False)


@user_app.command("disable")
def user_disable(user: User) -> None:
    """Let an account in no more, and end its sessions at once."""
    from review import accounts

    with ready_engine().begin() as conn:
        accounts.disable(conn, who(), user)
    out.print(f"User {user} may not sign in any more.", highlight=False, markup=False)


@user_app.command("password")
def user_password(user: User, password_stdin: FromInput = False) -> None:
    """Give an account a temporary password, which also unlocks it and ends its sessions."""
    from review import accounts

    password = _password(password_stdin)
    with ready_engine().begin() as conn:
        accounts.set_password(conn, who(), user, password)
    out.print(f"User {user} has a new password.", highlight=False, markup=False)


@user_app.command("list")
def user_list(as_json: Json = False) -> None:
    """All accounts: role, last day, whether they may sign in now."""
    from review import accounts

    with ready_engine().connect() as conn:
        rows = accounts.listed(conn)
    print_rows([row | {"ends_on": str(row["ends_on"] or "")} for row in rows], as_json)


def _password(from_input: bool) -> str:
    """Never an argument: other users of the machine can see those."""
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
