"""Beside every stage, pipeline.cli_pages: `sohoa page ...`, what a person settles of a page by itself."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.database import engine
from pipeline.settings import settings

app = typer.Typer(no_args_is_help=True, help="Single pages: whose file they are of, and rescans.")
Officer = Annotated[str, typer.Option("--by", help="Who says so.")]


@app.command()
def place(
    pages: Annotated[list[str], typer.Argument(help="Ids of pages in review or loaded.")],
    file: Annotated[str, typer.Option(help="The file they are of, as sohoa trace shows it.")],
    by: Officer,
    reason: Annotated[str, typer.Option(help="Why.")],
) -> None:
    """Put pages into the file they are of: a foreign page elsewhere, or confirmed where it is.

    Example: sohoa page place 3f…-0007 --file KHO-07/0012 --by lan --reason "tên và số khớp bìa"
    """
    from pipeline.placing import place_pages

    with engine(settings()).begin() as conn:
        opened = place_pages(conn, pages, file, by, reason)
    typer.echo(f"{len(pages)} page(s) placed; the next run of the batch puts {opened} page(s) together anew.")


@app.command()
def rescan(page: str, scan: Path, by: Officer) -> None:
    """Take in a page that was scanned anew; once it is read it takes the old page's place.

    Example: sohoa page rescan 3f…-0007 page7.png --by scan-desk
    """
    from pipeline.placing import look_at, take_rescan

    found = look_at(scan)
    with engine(settings()).begin() as conn:
        new = take_rescan(conn, page, scan, by, found)
    typer.echo(f"Taken in as page {new}; the next run of the batch reads it and puts it in place.")
