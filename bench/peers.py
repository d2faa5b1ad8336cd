"""Beside the product, bench.peers: the same pages read by sohoa and by its peers, each alone in a process of its own.

Each reader gets one thread. Time is CPU time of its process and of the programs it starts; memory is the most that
all of them held at one moment, looked at twenty times a second.
"""

import os
import resource
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
from rapidfuzz.distance import Levenshtein
from rapidfuzz.fuzz import partial_ratio_alignment
from rich.table import Table

from bench.pages import BenchPage
from bench.readers import READERS
from bench.score import Score, Share, score_pages
from bench.truth import ReadPage, TruthPage
from records.base import Frozen

ONE_THREAD = ("OMP_THREAD_LIMIT", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
LOOK_SECONDS = 0.05
FEWEST_LETTERS = 4  # shorter values ('Nữ', 'L') stand on any page by chance


class PageRun(Frozen):
    """One page by one reader. `cpu_seconds`: user and system, programs it started included."""

    page: ReadPage
    text: str
    cpu_seconds: float
    wall_seconds: float


class ReaderRun(Frozen):
    """All pages by one reader. `start_cpu_seconds`: imports and set-up; `peak_mb`: resident, children included."""

    reader: str
    pages: tuple[PageRun, ...]
    start_cpu_seconds: float
    peak_mb: float


class TextScore(Frozen):
    """The text of pages against the values that truth shows.

    `found`: shown values of four characters or more that stand verbatim in the page's text, case and white space
    aside. `errors` of `letters`: edit distance from each of them to the stretch of text that is most like it.
    """

    found: Share
    errors: int
    letters: int

    @property
    def error_percent(self) -> float:
        return 100 * self.errors / self.letters if self.letters else 0.0


class ReaderScore(Frozen):
    """One line of the table."""

    reader: str
    score: Score
    text: TextScore
    cpu_seconds_per_page: float
    wall_seconds_per_page: float
    start_cpu_seconds: float
    peak_mb: float


def compare(pages: Sequence[BenchPage], readers: Sequence[str], progress: Callable[[str], None]) -> list[ReaderScore]:
    """Every reader on the same pages, one after the other; `progress` is told the reader after each page."""
    return [score_run(run_reader(reader, pages, progress), pages) for reader in readers]


def run_reader(reader: str, pages: Sequence[BenchPage], progress: Callable[[str], None]) -> ReaderRun:
    """One reader in a fresh process."""
    context = get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    for name in ONE_THREAD:
        os.environ[name] = "1"
    jobs = [(page.path, page.truth.file, page.truth.page) for page in pages]
    child = context.Process(target=_work, args=(reader, jobs, theirs), daemon=True)
    child.start()
    theirs.close()
    told = list(_receive(ours, reader, len(jobs), progress))
    child.join()
    runs, (start, peak) = told[:-1], told[-1]
    return ReaderRun(reader=reader, pages=tuple(runs), start_cpu_seconds=start, peak_mb=peak)


def score_run(run: ReaderRun, pages: Sequence[BenchPage]) -> ReaderScore:
    """Accuracy and cost of one run."""
    truths = [page.truth for page in pages]
    return ReaderScore(
        reader=run.reader,
        score=score_pages(truths, [found.page for found in run.pages]),
        text=text_score(truths, [found.text for found in run.pages]),
        cpu_seconds_per_page=sum(p.cpu_seconds for p in run.pages) / len(run.pages),
        wall_seconds_per_page=sum(p.wall_seconds for p in run.pages) / len(run.pages),
        start_cpu_seconds=run.start_cpu_seconds,
        peak_mb=run.peak_mb,
    )


def text_score(truths: Sequence[TruthPage], texts: Sequence[str]) -> TextScore:
    """See TextScore; the pages and their texts in the same order."""
    found = errors = letters = values = 0
    for truth, text in zip(truths, texts, strict=True):
        page = _closed(text)
        for shown in {_closed(f.shown) for f in truth.fields}:
            if len(shown) >= FEWEST_LETTERS:
                wrong = 0 if shown in page else _errors(shown, page)
                found, values = found + (wrong == 0), values + 1
                errors, letters = errors + wrong, letters + len(shown)
    return TextScore(found=Share(right=found, of=values), errors=errors, letters=letters)


@contextmanager
def at_work(reader: str, make: Callable[[], Callable[[Any], str]]) -> Iterator[Callable[[list[Any] | None], Any]]:
    """A fresh process with what `make` makes, as a function: crops -> (text, CPU seconds) of each; None -> its memory.

    Memory: megabytes that are resident now and were not at the start, without and with NumPy and OpenCV.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    for name in ONE_THREAD:
        os.environ[name] = "1"
    child = context.Process(target=_answer, args=(make, theirs), daemon=True)
    child.start()
    theirs.close()

    def ask(crops: list[Any] | None) -> Any:
        ours.send(crops)
        return ours.recv()

    try:
        yield ask
    except (EOFError, ConnectionError) as error:
        raise RuntimeError(f"The reader '{reader}' ended before its last line; see what it printed above.") from error
    child.join()


def peers_table(scores: Sequence[ReaderScore]) -> Table:
    """One column a reader."""
    table = Table("", *(one.reader for one in scores))
    for name, cell in LINES.items():
        table.add_row(name, *(cell(one) for one in scores))
    return table


def _share(share: Share) -> str:
    return f"{share.right}/{share.of}"


LINES: dict[str, Callable[[ReaderScore], str]] = {
    "fields right %": lambda one: f"{one.score.total.right_percent:.1f}",
    "precision %": lambda one: f"{one.score.total.precision_percent:.1f}",
    "document type": lambda one: _share(one.score.document_types),
    "rotation": lambda one: _share(one.score.rotations),
    "boxes on place": lambda one: _share(one.score.boxes) if one.score.boxes.right else "none given",
    "values in the text %": lambda one: f"{one.text.found.percent:.1f}",
    "CER of the text %": lambda one: f"{one.text.error_percent:.1f}",
    "CPU s/page": lambda one: f"{one.cpu_seconds_per_page:.2f}",
    "wall s/page": lambda one: f"{one.wall_seconds_per_page:.2f}",
    "peak memory MB": lambda one: f"{one.peak_mb:.0f}",
    "start-up CPU s": lambda one: f"{one.start_cpu_seconds:.1f}",
}


def _closed(text: str) -> str:
    """NFC, lower case, no white space: how lines are broken and words are spaced is not judged."""
    return "".join(unicodedata.normalize("NFC", text).casefold().split())


def _errors(shown: str, page: str) -> int:
    """Edits from a value to the stretch of the page most like it; a page without text has them all wrong."""
    place = partial_ratio_alignment(shown, page) if len(page) >= len(shown) else None
    stretch = page[place.dest_start : place.dest_end] if place else page
    return min(len(shown), Levenshtein.distance(shown, stretch))


def _receive(
    ours: Connection, reader: str, pages: int, progress: Callable[[str], None]
) -> Iterator[PageRun | tuple[float, float]]:
    """What the child sends: a run per page, then (start, peak). EOFError when it died."""
    try:
        for _ in range(pages):
            yield ours.recv()
            progress(reader)
        yield ours.recv()
    except EOFError as error:
        raise RuntimeError(f"The reader '{reader}' ended before its last page; see what it printed above.") from error


def _work(reader: str, jobs: Sequence[tuple[Path, str, int]], theirs: Connection) -> None:
    """In the child: make the reader, read every page, send each as it is done."""
    memory = _Memory()
    read = READERS[reader]()
    start = cpu_seconds()
    for path, file, number in jobs:
        before, clock = cpu_seconds(), time.perf_counter()
        text, page = read(path, number)
        theirs.send(
            PageRun(
                page=page.model_copy(update={"file": file, "page": number}),
                text=text,
                cpu_seconds=cpu_seconds() - before,
                wall_seconds=time.perf_counter() - clock,
            )
        )
    theirs.send((start, memory.peak_mb()))
    theirs.close()


def _answer(make: Callable[[], Callable[[Any], str]], theirs: Connection) -> None:
    """In the child: make the reader, read what is sent, until asked for the memory."""
    bare = resident_mb()
    import cv2

    cv2.setNumThreads(1)
    libraries = resident_mb()
    read = make()
    while (crops := theirs.recv()) is not None:
        theirs.send([_timed(read, crop) for crop in crops])
    end = resident_mb()
    theirs.send((end - libraries, end - bare))


def _timed(read: Callable[[Any], str], crop: Any) -> tuple[str, float]:
    begun = time.process_time()
    text = read(crop)
    return text, time.process_time() - begun


def resident_mb() -> float:
    """Of this process, in megabytes of 1,000,000 bytes."""
    return _resident(psutil.Process()) / 1_000_000


def cpu_seconds() -> float:
    """User and system time of this process and of all children that have ended."""
    usages = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


class _Memory:
    """Looks at the resident memory of this process and its children until asked for the highest sum.

    A child's own ru_maxrss cannot be used: it starts at what its parent held.
    """

    def __init__(self) -> None:
        self._highest = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def peak_mb(self) -> float:
        """The highest sum, in megabytes of 1,000,000 bytes."""
        self._done.set()
        self._thread.join()
        return self._highest / 1_000_000

    def _look(self) -> None:
        me = psutil.Process()
        while not self._done.wait(LOOK_SECONDS):
            self._highest = max(self._highest, sum(_resident(p) for p in (me, *me.children(recursive=True))))


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return 0
