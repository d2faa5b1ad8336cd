"""Stages 1-5, pipeline.children: turns (function, items) into results, each worked out in a child that may die.

Decoders and OCR meet hostile bytes. A child has kernel limits on memory, CPU seconds and file size; one that dies or
takes too long costs the page it held, never its siblings. Run as `python -m pipeline.children FD` it is such a child.
"""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

from pipeline.settings import REPOSITORY, Settings
from records.errors import SohoaError, UnreadableScan

Item = TypeVar("Item")
Result = TypeVar("Result")

ITEMS_PER_CHILD = 200
START_SECONDS = 60  # Importing the readers for the first page.
MAX_FILE_BYTES = 1 << 30
ONE_THREAD = dict.fromkeys(("OMP_THREAD_LIMIT", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class Workers:
    """`count` children that work through items; use as a context manager, or call `close`."""

    def __init__(self, count: int, settings: Settings) -> None:
        self._settings = settings
        self._count = max(1, count)
        self._children: list[_Child] = []

    def map(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, Result | UnreadableScan]]:
        """(item, result) as they get done, in any order; UnreadableScan for an item that could not be read.

        `function` must be importable by its module and name; items and results are pickled. An unexpected error in
        it ends the child and gives UnreadableScan('reading_failed'); any other SohoaError is raised here.
        """
        waiting = iter(items)
        busy: dict[_Child, Item] = {}
        try:
            while self._hand_out(function, waiting, busy) or busy:
                done = [(busy.pop(child), child.take()) for child in self._ready(busy)]
                self._hand_out(function, waiting, busy)
                for item, result in done:
                    if isinstance(result, SohoaError) and not isinstance(result, UnreadableScan):
                        raise result
                    yield item, result
        finally:
            for child in busy:
                child.kill()

    def close(self) -> None:
        """End all children."""
        for child in self._children:
            child.kill()
        self._children.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _hand_out(self, function: Callable[..., Any], waiting: Iterator[Any], busy: "dict[_Child, Any]") -> bool:
        """Give every idle child an item; whether any was given."""
        given = False
        while len(busy) < self._count:
            try:
                item = next(waiting)
            except StopIteration:
                break
            busy[self._give(function, item, busy)] = item
            given = True
        return given

    def _give(self, function: Callable[..., Any], item: Any, busy: "dict[_Child, Any]") -> "_Child":
        while True:
            child = self._idle(busy)
            try:
                child.give(function, item)
                return child
            except BrokenPipeError:  # It died while idle: not this item's fault.
                if child.served == 0:
                    raise SohoaError("A reading process dies at its start; run 'sohoa doctor'.") from None
                child.kill()

    def _idle(self, busy: "dict[_Child, Any]") -> "_Child":
        kept = []
        for child in self._children:
            if child.usable or child in busy:
                kept.append(child)
            else:
                child.kill()
        self._children = kept
        for child in self._children:
            if child not in busy:
                return child
        self._children.append(_Child(self._settings))
        return self._children[-1]

    def _ready(self, busy: "dict[_Child, Any]") -> "list[_Child]":
        """The children that are done, dead or out of time; waits for the first."""
        left = min(child.until for child in busy) - time.monotonic()
        done = wait([child.pipe for child in busy], timeout=max(0.0, left))
        now = time.monotonic()
        return [child for child in busy if child.pipe in done or child.until <= now]


class _Child:
    """The parent's side of one child process."""

    def __init__(self, settings: Settings) -> None:
        here, there = socket.socketpair()
        self.pipe = Connection(here.detach())
        self.seconds = settings.page_seconds
        self.served = 0
        self.until = 0.0
        self.dead = False
        with there:
            limits = [str(settings.page_memory_mb), str(settings.page_seconds)]
            # Not multiprocessing: inside an Airflow task a daemonic process may not have children.
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.children", str(there.fileno()), *limits],
                pass_fds=[there.fileno()],
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(_paths())},
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def usable(self) -> bool:
        return not self.dead and self.served < ITEMS_PER_CHILD and self.process.poll() is None

    def give(self, function: Callable[..., Any], item: Any) -> None:
        self.pipe.send((function, item))
        self.until = time.monotonic() + self.seconds + (START_SECONDS if self.served == 0 else 0)

    def take(self) -> Any:
        """The result; UnreadableScan('reading_failed') when the child died or has run out of time."""
        self.served += 1
        try:
            if self.pipe.poll():
                return self.pipe.recv()
            why = f"not done in {self.seconds} s"
        except (EOFError, ConnectionResetError):
            why = f"its process ended with {self.process.wait()}"
        self.kill()
        return UnreadableScan("reading_failed", why)

    def kill(self) -> None:
        """End the child and whatever it started (Tesseract)."""
        if not self.dead:
            self.dead = True
            self.pipe.close()
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _paths() -> list[str]:
    return [str(REPOSITORY), *(path for path in sys.path if path)]


def main(arguments: list[str]) -> None:
    """The child: one item after the other until the parent's end of the pipe is closed."""
    handle, memory_mb, seconds = (int(argument) for argument in arguments)
    sys.excepthook = _quiet
    _limit(resource.RLIMIT_AS, memory_mb << 20)
    _limit(resource.RLIMIT_FSIZE, MAX_FILE_BYTES)
    _limit(resource.RLIMIT_CORE, 0)  # A core dump would hold the patient's page.
    pipe = Connection(handle)
    while True:
        try:
            given = _next(pipe)
            if given is None:
                return
            _limit_cpu(seconds)
            result = given[0](given[1])
        except SohoaError as error:
            result = error
        except ImportError as error:  # Every page would fail like this one.
            result = SohoaError(f"The reading process cannot import {error.name}; run './run setup'.")
        signal.alarm(0)
        try:
            pipe.send(result)
        except BrokenPipeError:  # The parent is gone.
            return


def _next(pipe: "Connection[Any, Any]") -> tuple[Callable[[Any], Any], Any] | None:
    """The function and its item; None when the parent has closed its end."""
    try:
        function, item = pipe.recv()
    except EOFError:
        return None
    return function, item


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _limit_cpu(seconds: int) -> None:
    """This item's own seconds, and an alarm that ends a child whose parent was killed."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + seconds + START_SECONDS
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))
    signal.alarm(2 * (seconds + START_SECONDS))


def _quiet(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say where a child broke, never with what: the message may hold words of the page."""
    places = []
    while trace is not None:
        frame: FrameType = trace.tb_frame
        places.append(f"{os.path.basename(frame.f_code.co_filename)}:{trace.tb_lineno}")
        trace = trace.tb_next
    print(f"sohoa: a reading process ended with {kind.__name__} at {' > '.join(places[-4:])}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
