"""Beside the product, bench.growth: how the cost grows with workers and pages, in the product's own worker children."""

import os
import resource
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from typing import Any

import psutil
from rich.table import Table

from bench.pages import BenchPage
from bench.processes import Memory
from bench.readers import PageJob, read_page
from pipeline.children import Workers
from pipeline.settings import settings
from records.base import Frozen
from records.errors import UnreadableScan

WORKERS = (1, 2)
SIZES = (50, 500)  # pages


class Growth(Frozen):
    """So many pages by so many workers, starts of workers included. `worker_mb`: the most that one of them held."""

    workers: int
    pages: int
    unread: int
    seconds: float
    cpu_seconds: float
    worker_mb: float

    @property
    def pages_per_second(self) -> float:
        return self.pages / self.seconds

    @property
    def cpu_seconds_per_page(self) -> float:
        return self.cpu_seconds / self.pages


def measure_growth(
    pages: Sequence[BenchPage], sizes: Sequence[int], progress: Callable[[int, int], None]
) -> tuple[Growth, ...]:
    """Every size with one and with two workers; `progress` is told (workers, size) after each page."""
    return tuple(_grown(pages, workers, size, progress) for size in sizes for workers in WORKERS)


def growth_table(runs: Sequence[Growth]) -> Table:
    """One row a run; the speed-up is over one worker on as many pages."""
    alone = {run.pages: run.seconds for run in runs if run.workers == 1}
    table = Table(
        "pages", "workers", "pages/s", "speed-up", "CPU s/page", "MB a worker", "unread", title="sohoa, how cost grows"
    )
    for run in runs:
        table.add_row(
            str(run.pages), str(run.workers), f"{run.pages_per_second:.2f}", f"{alone[run.pages] / run.seconds:.2f}",
            f"{run.cpu_seconds_per_page:.2f}", f"{run.worker_mb:.0f}", str(run.unread),
        )  # fmt: skip
    return table


def growth_figures(runs: Sequence[Growth]) -> list[dict[str, Any]]:
    """Everything that was counted, and what follows from it."""
    return [
        run.model_dump(mode="json")
        | {
            "pages_per_second": round(run.pages_per_second, 3),
            "cpu_seconds_per_page": round(run.cpu_seconds_per_page, 3),
        }
        for run in runs
    ]


def jobs(pages: Sequence[BenchPage], size: int) -> list[PageJob]:
    """So many pages: those given, again from the first as often as needed."""
    return [PageJob(page.path, page.truth.page, "auto") for page in islice(cycle(pages), size)]


def _grown(pages: Sequence[BenchPage], count: int, size: int, progress: Callable[[int, int], None]) -> Growth:
    unread, clock, before = 0, time.perf_counter(), _cpu_of_ended_children()
    with Memory(_children) as memory, Workers(count, settings()) as workers:
        for _, result in workers.map(read_page, jobs(pages, size)):
            unread += isinstance(result, UnreadableScan)
            progress(count, size)
        seconds = time.perf_counter() - clock
    spent = _cpu_of_ended_children() - before
    return Growth(
        workers=count, pages=size, unread=unread, seconds=seconds, cpu_seconds=spent, worker_mb=memory.peak_mb
    )


def _children() -> list[int]:
    return [child.pid for child in psutil.Process(os.getpid()).children()]


def _cpu_of_ended_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
