"""`python -m bench`: accuracy, time and memory of sohoa and its peers on the same pages, one thread each."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.pages import folder_pages, sample_pages, spread
from bench.peers import ReaderScore, compare, peers_table
from bench.readers import READERS
from bench.score import score_table
from records.errors import SohoaError

SUBSET = 12
NOTE = (
    "CPU of the reader and the programs it starts, per page; peak: resident memory of all of them at one moment; "
    "values in text: shown values of 4 characters or more standing verbatim in the page's text; CER: edits from each "
    "of them to the stretch of text most like it. Synthetic pages: figures for comparison, not for a hospital's paper."
)


def main(
    pages: Annotated[
        Path | None, typer.Option(help="Folder of scans; else the forms and files of sample_scans.")
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="Truth of those scans; else the truth files beside them.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write figures and misses here.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All pages, not a spread of a dozen.")] = False,
    limit: Annotated[int, typer.Option(help="How many pages, spread over the folder.")] = SUBSET,
    reader: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(READERS)}; may be repeated.")] = None,
) -> None:
    """Read the same pages with sohoa and its peers, and compare."""
    console = Console()
    try:
        found = folder_pages(pages, truth) if pages else sample_pages()
        readers = _chosen(reader)
    except SohoaError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False, markup=False)
        raise typer.Exit(2) from error
    chosen = found if everything else spread(found, limit)
    console.print(f"{len(chosen)} of {len(found)} pages, {len(readers)} readers, one thread each.", highlight=False)
    with _bar() as bar:
        tasks = {name: bar.add_task(name, total=len(chosen)) for name in readers}
        scores = compare(chosen, readers, lambda name: bar.advance(tasks[name]))
    console.print(score_table(scores[0].score, title=scores[0].reader))
    console.print(peers_table(scores))
    console.print(NOTE, style="dim", highlight=False)
    if json_file:
        json_file.write_text(json.dumps(_figures(scores), ensure_ascii=False, indent=1), encoding="utf-8")


def _chosen(wanted: list[str] | None) -> list[str]:
    unknown = [name for name in wanted or () if name not in READERS]
    if unknown:
        raise SohoaError(f"'{unknown[0]}' is not a reader; choose from {', '.join(READERS)}.")
    return wanted or list(READERS)


def _bar() -> Progress:
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def _figures(scores: list[ReaderScore]) -> list[dict[str, Any]]:
    """Everything that was counted, with percentages beside the counts."""
    return [
        one.model_dump(mode="json")
        | {
            "right_percent": round(one.score.total.right_percent, 2),
            "precision_percent": round(one.score.total.precision_percent, 2),
            "text_error_percent": round(one.text.error_percent, 2),
        }
        for one in scores
    ]


if __name__ == "__main__":
    typer.run(main)
