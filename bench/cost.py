"""Beside the product, bench.cost: what a page of each class costs, and what a worker costs before its first page.

Cheap first: most paper of a file is indexed only, blank, a separator or a duplicate, and must not pay as a form does.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

from rich.table import Table

from bench.drawn import index_only_page, separator_page
from bench.pages import BenchPage, sample_pages, spread
from bench.peers import WARM_UP
from bench.processes import AtWork, Spent, reader_at_work
from bench.truth import TruthPage
from records.base import Frozen
from records.document_types import document_types

STRUCTURED, INDEX_ONLY, BLANK, SEPARATOR, DUPLICATE = CLASSES = (
    "structured page", "index-only page", "blank page", "separator page", "duplicate page",
)  # fmt: skip
FEWEST = 3  # readings of a class
MIXES = {
    "30 % structured, 70 % index-only": {STRUCTURED: 0.3, INDEX_ONLY: 0.7},
    "30 % structured, 17.5 % each other": {STRUCTURED: 0.3} | dict.fromkeys(CLASSES[1:], 0.175),
}


class ClassCost(Frozen):
    """`cpu_seconds`: mean of the readings; `source`: where the pages come from."""

    page_class: str
    pages: int
    readings: int
    source: str
    cpu_seconds: float


class CostBench(Frozen):
    """All that was measured of one worker. `first`: its first page, on which it opens what it opens late.

    Resident megabytes: `made_mb` when its reader was made, `warm_mb` after the first page, `end_mb` after the last.
    """

    reader: str
    classes: tuple[ClassCost, ...]
    mixes: dict[str, float]
    start: Spent
    first: Spent
    made_mb: float
    warm_mb: float
    end_mb: float
    peak_mb: float


class Sample(Frozen):
    """The pages of one class; `before`: what each comes after, a duplicate after the page that it repeats."""

    page_class: str
    source: str
    pages: tuple[BenchPage, ...]
    before: tuple[BenchPage | None, ...]


def class_of(truth: TruthPage) -> str:
    """The class of a page by its truth."""
    types = document_types()
    if truth.fault == "duplicate_page":
        return DUPLICATE
    if truth.document_type in ("blank", "separator"):
        return f"{truth.document_type} page"
    known = types.get(truth.document_type)
    return INDEX_ONLY if known and known.index_only else STRUCTURED


def samples(found: Sequence[BenchPage], source: str, limit: int, folder: Path) -> list[Sample]:
    """Pages of every class: of those found, else of the sample scans, else drawn into the folder."""
    drawn = [index_only_page(folder), separator_page(folder)]
    sources = {source: found, "sample scans": sample_pages(("awkward",)), "drawn": drawn}
    return [_sample(name, sources, limit) for name in CLASSES]


def measure_cost(reader: str, parts: Sequence[Sample], progress: Callable[[], None]) -> CostBench:
    """One warm worker reads all samples; `progress` is told after each reading."""
    with reader_at_work(reader) as work:
        first, warm_mb = work.read(WARM_UP, WARM_UP.name, 1).spent, work.resident_mb()
        classes = tuple(_class_cost(work, part, progress) for part in parts)
        end_mb = work.resident_mb()
    costs = {one.page_class: one.cpu_seconds for one in classes}
    return CostBench(
        reader=reader, classes=classes, start=work.start, first=first, made_mb=work.made_mb, warm_mb=warm_mb,
        mixes={name: sum(part * costs[kind] for kind, part in mix.items()) for name, mix in MIXES.items()},
        end_mb=end_mb, peak_mb=work.memory.peak_mb,
    )  # fmt: skip


def readings(part: Sample) -> list[tuple[BenchPage | None, BenchPage]]:
    """Its pages, each with what is read before it; again from the first until there are enough."""
    pairs = list(zip(part.before, part.pages, strict=True))
    return pairs * -(-FEWEST // len(pairs))


def cost_table(cost: CostBench) -> Table:
    """One row a class, then what the mixes cost."""
    table = Table("", "pages", "from", "CPU s/page", title=f"{cost.reader}, cost by class of page")
    for one in cost.classes:
        table.add_row(one.page_class, str(one.pages), one.source, f"{one.cpu_seconds:.2f}")
    table.add_section()
    for name, seconds in cost.mixes.items():
        table.add_row(name, "", "", f"{seconds:.2f}", style="bold")
    return table


def worker_table(cost: CostBench) -> Table:
    """What a worker costs by itself."""
    table = Table("", "s", "CPU s", "resident MB", title=f"{cost.reader}, one worker")
    table.add_row("until its reader is made", *_seconds(cost.start), f"{cost.made_mb:.0f}")
    table.add_row("its first page, then it is warm", *_seconds(cost.first), f"{cost.warm_mb:.0f}")
    table.add_row("after the last page", "", "", f"{cost.end_mb:.0f}")
    table.add_row("at its peak", "", "", f"{cost.peak_mb:.0f}")
    return table


def _seconds(spent: Spent) -> tuple[str, str]:
    return f"{spent.wall_seconds:.1f}", f"{spent.cpu_seconds:.1f}"


def _sample(name: str, sources: dict[str, Sequence[BenchPage]], limit: int) -> Sample:
    for source, pages in sources.items():
        if chosen := spread([page for page in pages if class_of(page.truth) == name], limit):
            before = tuple(_before(page, pages) if name == DUPLICATE else None for page in chosen)
            return Sample(page_class=name, source=source, pages=tuple(chosen), before=before)
    raise LookupError(f"no page of class '{name}' is there and none is drawn")


def _before(page: BenchPage, pages: Sequence[BenchPage]) -> BenchPage | None:
    """The page before it in its file, which a planted duplicate repeats."""
    wanted = (page.path, page.truth.page - 1)
    return next((one for one in pages if (one.path, one.truth.page) == wanted), page)


def _class_cost(work: AtWork, part: Sample, progress: Callable[[], None]) -> ClassCost:
    spent = []
    for before, page in readings(part):
        if before:
            _read(work, before)
        spent.append(_read(work, page).cpu_seconds)
        progress()
    return ClassCost(
        page_class=part.page_class, pages=len(part.pages), readings=len(spent), source=part.source,
        cpu_seconds=mean(spent),
    )  # fmt: skip


def _read(work: AtWork, page: BenchPage) -> Spent:
    return work.read(page.path, page.truth.file, page.truth.page).spent
