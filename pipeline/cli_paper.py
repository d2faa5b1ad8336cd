"""The command line, pipeline.cli_paper: `sohoa register ...` and `sohoa paper ...`, conversions and their paper."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli_common import Json, out, people, print_rows, ready_engine, who, write_private
from records.errors import SohoaError

register_app = typer.Typer(help="The register of conversions.", no_args_is_help=True)
paper_app = typer.Typer(help="What becomes of the paper of converted files; two people decide.", no_args_is_help=True)
Code = Annotated[str, typer.Argument(help="The look-up code of the conversion.")]
By = Annotated[str, typer.Option(help="User name of who says so: a senior or a manager.")]


@register_app.command("list")
def register_list(
    batch: Annotated[str, typer.Option(help="Only this batch.")] = "",
    csv_file: Annotated[Path | None, typer.Option("--out", help="Write it as CSV into a new file.")] = None,
    as_json: Json = False,
) -> None:
    """A row for each conversion that stands: counts, hashes, mark, signature, reviewers, sample, load, paper."""
    from reporting import register

    with ready_engine("reporting").connect() as conn:
        rows = register.rows(conn, batch)
    if csv_file:
        write_private(csv_file, register.COLUMNS, [[row[name] for name in register.COLUMNS] for row in rows])
        return
    print_rows([{k: v for k, v in row.items() if v or as_json} for row in rows], as_json)


@paper_app.command("check")
def paper_check(code: Code) -> None:
    """What speaks against destroying the paper of a conversion; exits 1 when something does."""
    from pipeline import paper

    with ready_engine("pipeline").connect() as conn:
        found = paper.against(conn, code)
    for sentence in found:
        out.print(sentence, highlight=False, markup=False)
    raise typer.Exit(1 if found else 0)


@paper_app.command("propose")
def paper_propose(
    code: Code, by: By, minutes: Annotated[str, typer.Option(help="Number of the council's minutes.")]
) -> None:
    """The first of two people proposes that the paper may be destroyed."""
    from pipeline import paper

    with _as(by, "propose", f"conversion:{code}") as conn:
        paper.propose(conn, code, by, minutes)


@paper_app.command("agree")
def paper_agree(code: Code, by: By) -> None:
    """The second person agrees: the paper is marked destroyable, and nothing more."""
    from pipeline import paper

    with _as(by, "agree", f"conversion:{code}") as conn:
        paper.agree(conn, code, by)


@paper_app.command("keep")
def paper_keep(code: Code, by: By) -> None:
    """The paper is kept after all."""
    from pipeline import paper

    with _as(by, "keep", f"conversion:{code}") as conn:
        if not paper.take_back(conn, code):
            raise SohoaError(f"The paper of '{code}' is kept already.")


@paper_app.command("hold")
def paper_hold(file: str, by: By, reason: Annotated[str, typer.Option(help="Who needs the file, and why.")]) -> None:
    """A court, an inspector or a dispute needs a file (its id): its paper is kept until it is released."""
    from pipeline import paper

    with _as(by, "hold", f"file:{file}") as conn:
        paper.hold(conn, file, by, reason)


@paper_app.command("release")
def paper_release(file: str, by: By) -> None:
    """The hold of a file is over."""
    from pipeline import paper

    with _as(by, "release", f"file:{file}") as conn:
        if not paper.release(conn, file):
            raise SohoaError(f"The file '{file}' is not held.")


@contextmanager
def _as(by: str, what: str, of: str) -> Iterator[Any]:
    """A transaction in which somebody who may decides on paper, and which says so in the audit trail."""
    from pipeline import audit
    from review.policy import Right

    with ready_engine().begin() as conn:
        if by not in people(conn, Right.ARCHIVE):
            raise SohoaError(f"'{by}' may not decide on paper; name a senior or a manager: sohoa user list")
        yield conn
        audit.record(conn, who(), f"paper:{what}", of, {"by": by})
