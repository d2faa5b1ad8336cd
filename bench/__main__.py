"""`python -m bench`: accuracy, time and memory of sohoa and its peers on the same pages and lines."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.clinical import NOTE as CLINICAL_NOTE
from bench.clinical import clinical_table, measure_clinical
from bench.cost import cost_table, measure_cost, readings, samples, worker_table
from bench.growth import SIZES, WORKERS, growth_figures, growth_table, measure_growth
from bench.icd10 import NOTE as ICD10_NOTE
from bench.icd10 import PAIRS, icd10_tables, measure_icd10
from bench.lines import LINE_READERS, agreement_table, compare_lines, lines_table, values_in
from bench.mixup import CLEAN, FILES, RENDERED, measure_mixup, mixup_tables
from bench.mixup import NOTE as MIXUP_NOTE
from bench.officer import NOTE as OFFICER_NOTE
from bench.officer import measure_officer, officer_table
from bench.pages import SAMPLES, BenchPage, folder_pages, readable, sample_pages, spread
from bench.peers import compare, peers_figures, peers_table
from bench.readers import BY_DEFAULT, READERS
from bench.score import score_table
from bench.separators import measure_separators, separators_table, steps
from bench.suites import NOTE as SUITES_NOTE
from bench.suites import measure_suites, suites_table
from pipeline.settings import settings
from records.base import Frozen
from records.errors import SohoaError

SUBSET = 12
NOTE = (
    "Each has read one page before the clock starts. CPU: of the reader and the programs it starts; peak: resident "
    "memory of all of them at one moment. Truth holds values, not whole pages, so of shown values of 4 characters or "
    "more: in the text stand those that are there verbatim, white space aside; CER is edits from each value to the "
    "stretch of the page's text most like it; WER is words of each value against the words of that stretch. Tone "
    "marks and punctuation count, in words spaces too; case does not, nor what stands right before or after. '-': not "
    "told by this reader. Synthetic pages: figures for comparison, not for a hospital's paper."
)
LINE_NOTE = (
    "Values of all these pages, cut out by their true boxes and read as scanned, neither cleaned nor straightened; in "
    "brackets 95 % intervals (Wilson). Exact: every character, case and punctuation. CPU: of one line at a time; "
    "lines/CPU s: of all lines. Memory: what opening and using the reader adds to what is resident."
)
COST_NOTE = (
    "Mean CPU seconds from the file to checked values in a warm worker; a class of one or two pages is read three "
    "times or more. Duplicate: a sheet's second scan, right after its first. Drawn: no sample scan is of this class."
)
SEPARATORS_NOTE = (
    "Sheets as `sohoa separators` prints them, at 200 dpi 3 degrees askew, blurred, grainy, as JPEG of quality 50, "
    "upside down. Ordinary pages are these as scanned, then degraded alike, until there are 100. CPU: of the look for "
    "a separator alone, one thread."
)
GROWTH_NOTE = "Pages are repeated to these numbers. CPU and pages/s include the start of every worker."


class Wanted(Frozen):
    """What is asked for. `found`: all pages; `chosen`: those that the readers are compared on; `folder`: of --pages."""

    found: tuple[BenchPage, ...]
    chosen: tuple[BenchPage, ...]
    folder: Path | None
    one_truth: bool
    readers: tuple[str, ...]
    limit: int
    sizes: tuple[int, ...]
    rendered: int


def main(
    pages: Annotated[
        Path | None, typer.Option(help="Folder of scans; else the forms and files of sample_scans.")
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="Truth of those scans; else the truth files beside them.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write figures and misses here.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All pages, not a spread of a dozen.")] = False,
    limit: Annotated[int, typer.Option(help="How many pages, spread over the folder.")] = SUBSET,
    reader: Annotated[list[str] | None, typer.Option(help=f"Of pages: {', '.join(READERS)}; may be repeated.")] = None,
    only: Annotated[
        Literal["pages", "lines", "cost", "separators", "mixup", "growth", "officer", "suites", "icd10", "clinical"]
        | None,
        typer.Option(help="One part; else all but mixup, growth, officer, suites, icd10 and clinical."),
    ] = None,
    growth: Annotated[bool, typer.Option("--growth", help="Also 1 and 2 workers on many pages: many minutes.")] = False,
    size: Annotated[list[int] | None, typer.Option(help="Pages of --growth, may be repeated; else 50 and 500.")] = None,
    rendered: Annotated[int, typer.Option(help="Files of --only mixup that are drawn and read.")] = RENDERED,
) -> None:
    """Read the same pages with sohoa and its peers, then single lines with several line readers, and compare.

    Then what a page of each class costs and whether separators are read; and, only where asked for, how cost grows
    with workers and pages.
    """
    parts = [only] if only else ["pages", "lines", "cost", "separators", *(["growth"] if growth else [])]
    try:
        found = folder_pages(pages, truth) if pages else sample_pages()
        wanted = Wanted(
            found=tuple(found), chosen=tuple(spread(readable(found), 0 if everything else limit)), folder=pages,
            one_truth=truth is not None, readers=_chosen(reader), limit=limit, sizes=tuple(size or SIZES),
            rendered=rendered,
        )  # fmt: skip
        figures = {part: PARTS[part](wanted, Console()) for part in parts}
    except SohoaError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False, markup=False)
        raise typer.Exit(2) from error
    if json_file:
        json_file.write_text(json.dumps(figures, ensure_ascii=False, indent=1), encoding="utf-8")


def _pages(wanted: Wanted, console: Console) -> Any:
    """The same pages by every reader, and what the first of them missed."""
    console.print(f"{len(wanted.chosen)} pages, {len(wanted.readers)} readers, one thread each.", highlight=False)
    with _bar() as bar:
        tasks = {name: bar.add_task(name, total=len(wanted.chosen)) for name in wanted.readers}
        scores = compare(wanted.chosen, wanted.readers, lambda name: bar.advance(tasks[name]))
    if first := scores[0].score:
        console.print(score_table(first, title=scores[0].reader))
    console.print(peers_table(scores))
    console.print(NOTE, style="dim", highlight=False)
    return peers_figures(scores)


def _lines(wanted: Wanted, console: Console) -> Any:
    """The values of all pages, line by line."""
    found = readable(wanted.found)
    console.print(f"Lines of {len(found)} pages, {len(LINE_READERS)} readers, one thread each.", highlight=False)
    values = list(values_in(None if wanted.one_truth else wanted.folder, found))
    with _bar() as bar:
        tasks = {name: bar.add_task(name, total=len(values)) for name in LINE_READERS}
        result = compare_lines(values, lambda name: bar.advance(tasks[name]))
    console.print(lines_table(result))
    console.print(agreement_table(result))
    console.print(LINE_NOTE, style="dim", highlight=False)
    return result.model_dump(mode="json")


def _cost(wanted: Wanted, console: Console) -> Any:
    """What a page of each class costs the product, and its worker by itself."""
    source = "the folder" if wanted.folder else "sample scans"
    with tempfile.TemporaryDirectory(prefix="sohoa-bench-") as folder, _bar() as bar:
        parts = samples(wanted.found, source, wanted.limit, Path(folder))
        task = bar.add_task("cost by class of page", total=sum(len(readings(part)) for part in parts))
        cost = measure_cost("sohoa", parts, lambda: bar.advance(task))
    console.print(cost_table(cost))
    console.print(worker_table(cost))
    console.print(COST_NOTE, style="dim", highlight=False)
    return cost.model_dump(mode="json")


def _separators(wanted: Wanted, console: Console) -> Any:
    """Printed sheets as poorly scanned as they come, and pages that are none."""
    with tempfile.TemporaryDirectory(prefix="sohoa-bench-") as folder, _bar() as bar:
        task = bar.add_task("separators", total=steps())
        rows = measure_separators(wanted.found, Path(folder), lambda: bar.advance(task))
    console.print(separators_table(rows))
    console.print(SEPARATORS_NOTE, style="dim", highlight=False)
    return [row.model_dump(mode="json") for row in rows]


def _mixup(wanted: Wanted, console: Console) -> Any:
    """Pages of other patients in generated files; the pages of --pages have no part in it."""
    with _bar() as bar:
        task = bar.add_task("mix-up", total=FILES + CLEAN + FILES // 4 + CLEAN // 4 + wanted.rendered)
        parts = measure_mixup(FILES, CLEAN, wanted.rendered, progress=lambda: bar.advance(task))
    console.print(mixup_tables(parts))
    console.print(MIXUP_NOTE, style="dim", highlight=False)
    return [part.model_dump(mode="json") for part in parts]


def _growth(wanted: Wanted, console: Console) -> Any:
    """One and two workers on every size."""
    with _bar() as bar:
        runs = [(workers, size) for size in wanted.sizes for workers in WORKERS]
        tasks = {run: bar.add_task(f"{run[0]} worker(s), {run[1]} pages", total=run[1]) for run in runs}
        grown = measure_growth(
            readable(wanted.found), wanted.sizes, lambda workers, size: bar.advance(tasks[workers, size])
        )
    console.print(growth_table(grown))
    console.print(GROWTH_NOTE, style="dim", highlight=False)
    return growth_figures(grown)


def _officer(wanted: Wanted, console: Console) -> Any:
    """The tasks that the pages give, by what each design of the workbench asks of them."""
    costs = measure_officer(wanted.folder or SAMPLES, readable(wanted.found), Console(stderr=True))
    console.print(officer_table(costs))
    console.print(OFFICER_NOTE, style="dim", highlight=False)
    return [cost.model_dump(mode="json") for cost in costs]


def _suites(_: Wanted, console: Console) -> Any:
    """The data-quality suites on a batch of many values."""
    found = measure_suites()
    console.print(suites_table(found))
    console.print(SUITES_NOTE, style="dim", highlight=False)
    return found.model_dump(mode="json")


def _icd10(wanted: Wanted, console: Console) -> Any:
    """Misread codes and names by the list that is loaded; the pages of --pages have no part in it."""
    with _bar() as bar:
        task = bar.add_task("ICD-10", total=PAIRS)
        found = measure_icd10(settings().home / "codes" / "icd10.csv", progress=lambda: bar.advance(task))
    for table in icd10_tables(found):
        console.print(table)
    console.print(ICD10_NOTE, style="dim", highlight=False)
    return found.model_dump(mode="json")


def _clinical(_: Wanted, console: Console) -> Any:
    """The labelled clinical sentences; no page is read."""
    measured = [measure_clinical(split) for split in ("dev", "test")]
    for one in measured:
        console.print(clinical_table(one))
    console.print(CLINICAL_NOTE, style="dim", highlight=False)
    return [one.model_dump(mode="json") for one in measured]


PARTS: dict[str, Callable[[Wanted, Console], Any]] = {
    "pages": _pages,
    "lines": _lines,
    "cost": _cost,
    "separators": _separators,
    "mixup": _mixup,
    "growth": _growth,
    "officer": _officer,
    "suites": _suites,
    "clinical": _clinical,
    "icd10": _icd10,
}


def _chosen(wanted: list[str] | None) -> tuple[str, ...]:
    unknown = [name for name in wanted or () if name not in READERS]
    if unknown:
        raise SohoaError(f"'{unknown[0]}' is not a reader; choose from {', '.join(READERS)}.")
    return tuple(wanted or BY_DEFAULT)


def _bar() -> Progress:
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True))


if __name__ == "__main__":
    typer.run(main)
