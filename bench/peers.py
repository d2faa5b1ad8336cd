"""Beside the product, bench.peers: the same pages read by sohoa and by its peers, each in a process of its own."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from bench.pages import SAMPLES, BenchPage
from bench.processes import PageRun, Spent, reader_at_work
from bench.score import Score, Share, score_pages
from bench.text import TextScore, text_score
from records.base import Frozen

WARM_UP = SAMPLES / "awkward" / "upside_down.jpg"  # read by each before the clock starts; among no pages to compare
NONE = "-"


class ReaderRun(Frozen):
    """All pages by one reader. `start`: until it was made; `peak_mb`: resident, with the programs that it starts."""

    reader: str
    pages: tuple[PageRun, ...]
    start: Spent
    peak_mb: float


class ReaderScore(Frozen):
    """One column of the table. `score`: None for a reader that gives text only."""

    reader: str
    score: Score | None
    text: TextScore
    cpu_seconds_per_page: float
    wall_seconds_per_page: float
    start: Spent
    peak_mb: float


def compare(pages: Sequence[BenchPage], readers: Sequence[str], progress: Callable[[str], None]) -> list[ReaderScore]:
    """Every reader on the same pages, one after the other; `progress` is told the reader after each page."""
    return [score_run(run_reader(reader, pages, progress), pages) for reader in readers]


def run_reader(reader: str, pages: Sequence[BenchPage], progress: Callable[[str], None]) -> ReaderRun:
    """One reader in a fresh process; SohoaError when it ends before its last page."""
    runs = []
    with reader_at_work(reader) as work:
        work.read(WARM_UP, WARM_UP.name, 1)
        for page in pages:
            runs.append(work.read(page.path, page.truth.file, page.truth.page))
            progress(reader)
    return ReaderRun(reader=reader, pages=tuple(runs), start=work.start, peak_mb=work.memory.peak_mb)


def score_run(run: ReaderRun, pages: Sequence[BenchPage]) -> ReaderScore:
    """Accuracy and cost of one run."""
    truths, read = [page.truth for page in pages], [found.page for found in run.pages]
    return ReaderScore(
        reader=run.reader,
        score=score_pages(truths, read) if any(page.document_type for page in read) else None,
        text=text_score(truths, [found.text for found in run.pages]),
        cpu_seconds_per_page=sum(p.spent.cpu_seconds for p in run.pages) / len(run.pages),
        wall_seconds_per_page=sum(p.spent.wall_seconds for p in run.pages) / len(run.pages),
        start=run.start,
        peak_mb=run.peak_mb,
    )


def peers_table(scores: Sequence[ReaderScore]) -> Table:
    """One column a reader, in 80 characters where all take part."""
    headings = (one.reader.replace("-", " ") for one in scores)
    table = Table(Column(no_wrap=True), *headings, box=SIMPLE_HEAD, padding=0)
    for name, told in OF_FIELDS.items():
        table.add_row(name, *(told(one.score) if one.score else NONE for one in scores))
    table.add_section()
    for name, cell in OF_TEXT_AND_COST.items():
        table.add_row(name, *(cell(one) for one in scores))
    return table


def peers_figures(scores: Sequence[ReaderScore]) -> list[dict[str, Any]]:
    """Everything that was counted, with percentages beside the counts."""
    return [
        one.model_dump(mode="json")
        | {
            "right_percent": round(one.score.total.right_percent, 2) if one.score else None,
            "precision_percent": round(one.score.total.precision_percent, 2) if one.score else None,
            "text_error_percent": round(one.text.error_percent, 2),
            "text_word_error_percent": round(one.text.word_error_percent, 2),
        }
        for one in scores
    ]


def _share(share: Share) -> str:
    return f"{share.right}/{share.of}"


OF_FIELDS: dict[str, Callable[[Score], str]] = {
    "fields right %": lambda score: f"{score.total.right_percent:.1f}",
    "precision %": lambda score: f"{score.total.precision_percent:.1f}",
    "document type": lambda score: _share(score.document_types),
    "rotation": lambda score: _share(score.rotations),
    "boxes on place": lambda score: _share(score.boxes) if score.boxes.right else NONE,
}
OF_TEXT_AND_COST: dict[str, Callable[[ReaderScore], str]] = {
    "in the text %": lambda one: f"{one.text.found.percent:.1f}",
    "page CER %": lambda one: f"{one.text.error_percent:.1f}",
    "page WER %": lambda one: f"{one.text.word_error_percent:.1f}",
    "CPU s/page": lambda one: f"{one.cpu_seconds_per_page:.2f}",
    "wall s/page": lambda one: f"{one.wall_seconds_per_page:.2f}",
    "peak MB": lambda one: f"{one.peak_mb:.0f}",
    "start CPU s": lambda one: f"{one.start.cpu_seconds:.1f}",
}
