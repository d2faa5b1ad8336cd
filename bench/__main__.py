"""`python -m bench`: accuracy, time and memory of sohoa and its peers on the same pages and lines."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.lines import LINE_READERS, LineBench, agreement_table, compare_lines, lines_table, values_in
from bench.pages import BenchPage, folder_pages, sample_pages, spread
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
LINE_NOTE = (
    "Values of all these pages, cut out by their true boxes and read as scanned, neither cleaned nor straightened; in "
    "brackets 95 % intervals (Wilson). Exact: every character, case and punctuation. CPU: of one line at a time; "
    "lines/CPU s: of all lines. Memory: what opening and using the reader adds to what is resident."
)


def main(
    pages: Annotated[
        Path | None, typer.Option(help="Folder of scans; else the forms and files of sample_scans.")
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="Truth of those scans; else the truth files beside them.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write figures and misses here.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All pages, not a spread of a dozen.")] = False,
    limit: Annotated[int, typer.Option(help="How many pages, spread over the folder.")] = SUBSET,
    reader: Annotated[list[str] | None, typer.Option(help=f"Of pages: {', '.join(READERS)}; may be repeated.")] = None,
    only: Annotated[Literal["pages", "lines"] | None, typer.Option(help="One of the two parts; else both.")] = None,
) -> None:
    """Read the same pages with sohoa and its peers, then single lines with several line readers, and compare."""
    console = Console()
    try:
        found = folder_pages(pages, truth) if pages else sample_pages()
        readers = _chosen(reader)
    except SohoaError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False, markup=False)
        raise typer.Exit(2) from error
    figures: dict[str, Any] = {}
    if only != "lines":
        chosen = found if everything else spread(found, limit)
        console.print(f"{len(chosen)} of {len(found)} pages, {len(readers)} readers, one thread each.", highlight=False)
        figures["pages"] = _page_figures(_compared_pages(chosen, readers, console))
    if only != "pages":
        console.print(f"Lines of {len(found)} pages, {len(LINE_READERS)} readers, one thread each.", highlight=False)
        figures["lines"] = _compared_lines(None if truth else pages, found, console).model_dump(mode="json")
    if json_file:
        json_file.write_text(json.dumps(figures, ensure_ascii=False, indent=1), encoding="utf-8")


def _compared_pages(chosen: list[BenchPage], readers: list[str], console: Console) -> list[ReaderScore]:
    with _bar() as bar:
        tasks = {name: bar.add_task(name, total=len(chosen)) for name in readers}
        scores = compare(chosen, readers, lambda name: bar.advance(tasks[name]))
    console.print(score_table(scores[0].score, title=scores[0].reader))
    console.print(peers_table(scores))
    console.print(NOTE, style="dim", highlight=False)
    return scores


def _compared_lines(folder: Path | None, found: list[BenchPage], console: Console) -> LineBench:
    values = list(values_in(folder, found))
    with _bar() as bar:
        tasks = {name: bar.add_task(name, total=len(values)) for name in LINE_READERS}
        result = compare_lines(values, lambda name: bar.advance(tasks[name]))
    console.print(lines_table(result))
    console.print(agreement_table(result))
    console.print(LINE_NOTE, style="dim", highlight=False)
    return result


def _chosen(wanted: list[str] | None) -> list[str]:
    unknown = [name for name in wanted or () if name not in READERS]
    if unknown:
        raise SohoaError(f"'{unknown[0]}' is not a reader; choose from {', '.join(READERS)}.")
    return wanted or list(READERS)


def _bar() -> Progress:
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


def _page_figures(scores: list[ReaderScore]) -> list[dict[str, Any]]:
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
