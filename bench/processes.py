"""Beside the product, bench.processes: readers in processes of their own, and what these cost.

Each gets one thread. Time is CPU time of the process and of the programs it starts; memory is the most that all of
them held at one moment, looked at twenty times a second from outside.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import psutil

from bench.peer_readers import PEERS
from bench.truth import ReadPage
from pipeline.children import ONE_THREAD
from records.base import Frozen
from records.errors import SohoaError

REPOSITORY = Path(__file__).resolve().parents[1]
PEERS_PYTHON = REPOSITORY / ".venv-bench" / "bin" / "python"
LOOK_SECONDS = 0.05
MEGABYTE = 1_000_000


class Spent(Frozen):
    """CPU seconds are user and system, programs that were started included."""

    cpu_seconds: float
    wall_seconds: float


class PageRun(Frozen):
    """One page by one reader."""

    page: ReadPage
    text: str
    spent: Spent


class AtWork:
    """One reader in a fresh process, made. `start`, `made_mb`: what that took. Use `reader_at_work`."""

    def __init__(self, reader: str, process: subprocess.Popen[str], memory: "Memory", begun: float) -> None:
        self._reader, self._process, self.memory = reader, process, memory
        self._answer()
        self.start = Spent(cpu_seconds=cpu_seconds(process.pid), wall_seconds=time.perf_counter() - begun)
        self.made_mb = tree_mb(process.pid)

    def read(self, path: Path, file: str, number: int) -> PageRun:
        """One page of `path`, which truth calls `file`."""
        before, clock = cpu_seconds(self._process.pid), time.perf_counter()
        self._ask([str(path.resolve()), number])
        found = self._answer()
        wall = time.perf_counter() - clock
        spent = Spent(cpu_seconds=cpu_seconds(self._process.pid) - before, wall_seconds=wall)
        page = ReadPage(file=file, page=number, **{key: found[key] for key in found if key != "text"})
        return PageRun(page=page, text=found["text"], spent=spent)

    def resident_mb(self) -> float:
        """What it holds now, programs that it started included."""
        return tree_mb(self._process.pid)

    def _ask(self, question: list[Any]) -> None:
        pipe = self._process.stdin
        if pipe is None:
            raise RuntimeError("the reader's process was started without a pipe")
        try:
            pipe.write(json.dumps(question) + "\n")
            pipe.flush()
        except BrokenPipeError:
            raise SohoaError(_ended(self._reader)) from None

    def _answer(self) -> Any:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise SohoaError(_ended(self._reader))
        return json.loads(line)


@contextmanager
def reader_at_work(reader: str) -> Iterator[AtWork]:
    """The reader in a process of its own; SohoaError when it ends before its last page."""
    begun = time.perf_counter()
    with subprocess.Popen(
        [python_of(reader), "-m", "bench.worker", reader], cwd=REPOSITORY, env={**os.environ, **ONE_THREAD},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
    ) as process, Memory(lambda: [process.pid]) as memory:  # fmt: skip
        yield AtWork(reader, process, memory, begun)


def python_of(reader: str) -> str:
    """The interpreter of the environment that the reader lives in."""
    if reader not in PEERS:
        return sys.executable
    if not PEERS_PYTHON.is_file():
        raise SohoaError(f"The environment of the peers is not there; make it with bench/make_env.sh ('{reader}').")
    return str(PEERS_PYTHON)


class Memory:
    """Looks at processes until closed. `peak_mb`: the most that one of them held with the programs it started."""

    def __init__(self, roots: Callable[[], Iterable[int]]) -> None:
        self.peak_mb = 0.0
        self._roots = roots
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(LOOK_SECONDS):
            self.peak_mb = max([self.peak_mb, *(tree_mb(pid) for pid in self._roots())])


def tree_mb(pid: int) -> float:
    """Resident memory of a process and all that it started, in megabytes of 1,000,000 bytes."""
    return sum(_resident(process) for process in _tree(pid)) / MEGABYTE


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of all that it started, ended ones that it waited for included."""
    return sum(_spent(process) for process in _tree(pid))


def _tree(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def _spent(process: psutil.Process) -> float:
    try:
        return float(sum(process.cpu_times()[:4]))  # user, system, and both of its ended children
    except psutil.NoSuchProcess:
        return 0.0


def _ended(reader: str) -> str:
    return f"The reader '{reader}' ended before its last page; see what it printed above."


# Single lines: crops are handed to the reader by pickle, so it must be one of this environment.


@contextmanager
def line_reader_at_work(
    reader: str, make: Callable[[], Callable[[Any], str]]
) -> Iterator[Callable[[list[Any] | None], Any]]:
    """A fresh process with what `make` makes, as a function: crops -> (text, CPU seconds) of each; None -> its memory.

    Memory: megabytes that are resident now and were not at the start, without and with NumPy and OpenCV.
    """
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    os.environ.update(ONE_THREAD)
    child = context.Process(target=_answer_lines, args=(make, theirs), daemon=True)
    child.start()
    theirs.close()

    def ask(crops: list[Any] | None) -> Any:
        ours.send(crops)
        return ours.recv()

    try:
        yield ask
    except (EOFError, ConnectionError) as error:
        raise SohoaError(f"The reader '{reader}' ended before its last line; see what it printed above.") from error
    child.join()


def _answer_lines(make: Callable[[], Callable[[Any], str]], theirs: Connection) -> None:
    """In the child: make the reader, read what is sent, until asked for the memory."""
    bare = tree_mb(os.getpid())
    import cv2

    cv2.setNumThreads(1)
    libraries = tree_mb(os.getpid())
    read = make()
    while (crops := theirs.recv()) is not None:
        theirs.send([_timed(read, crop) for crop in crops])
    end = tree_mb(os.getpid())
    theirs.send((end - libraries, end - bare))


def _timed(read: Callable[[Any], str], crop: Any) -> tuple[str, float]:
    begun = time.process_time()
    text = read(crop)
    return text, time.process_time() - begun
