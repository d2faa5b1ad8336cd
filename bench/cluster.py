"""`python -m bench.cluster`: a batch through the real scheduler with Celery workers, each in its own network namespace.

PostgreSQL, Redis, Airflow's processes, the poller and the workbench run beside the workers on this machine, as root.
The workers reach Redis and Airflow over the network and share the data folder. Rate: pages per second between the
first and the last page that was read. With `--kill worker` the first worker and all it started get SIGKILL in
mid-batch, with `--kill broker` Redis, which comes back empty after 20 seconds, with `--kill machine` all that runs,
PostgreSQL too.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import psutil
import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, create_engine

from bench.home import home_of_its_own
from bench.served import (
    SERVE,
    airflow_cpu,
    box,
    children,
    lend_assets,
    one,
    read,
    until,
    until_airflow_answers,
    variables,
)  # fmt: skip
from pipeline import airflow, ledger, processes, turns
from pipeline.database import airflow_url
from pipeline.settings import settings
from records.pages import Batch

HERE = "10.77.0.1"  # on the loopback interface, routed to from every namespace
BROKER_PORT, PASSWORD = 6399, "bench"
BATCH, READS = "box-bench", "ocr"
STOP_SECONDS, RUN_SECONDS, AWAY_SECONDS = 120, 1800, 20
NOTE = (
    "Airflow: scheduler, API server, DAG processor, triggerer and Redis, as a share of both cores from the first page "
    "read to the last. Lost: pages that nobody read and nobody knows when the run is over; doubled: pages read twice."
)


class Fault(StrEnum):
    """What gets SIGKILL in mid-batch: the first of two workers; Redis, which is started again after a while; all that
    runs, PostgreSQL too, and all is started again, as after a power cut."""

    NONE = "none"
    WORKER = "worker"
    BROKER = "broker"
    MACHINE = "machine"


class Run(NamedTuple):
    """One batch. `after_kill`: seconds from SIGKILL to the end of the run."""

    workers: int
    pages: int
    seconds: float
    rate: float
    airflow: dict[str, float]
    state: str
    lost: int
    doubled: int
    after_kill: float | None


def measure(workers: int, pages: int, chunk: int, fault: Fault = Fault.NONE) -> Run:
    """One batch of so many pages by so many workers with one core each."""
    with ExitStack() as held:
        engine = held.enter_context(home_of_its_own())
        home = settings().home
        lend_assets()
        own = variables(
            SOHOA_AIRFLOW_HOST=HERE, SOHOA_WORKERS=str(workers), SOHOA_CHUNK_PAGES=str(chunk),
            SOHOA_BROKER_URL=f"redis://:{PASSWORD}@{HERE}:{BROKER_PORT}/0",
        )  # fmt: skip
        held.enter_context(_address())
        started = held.enter_context(children())
        nets = [held.enter_context(_namespace(n)) for n in range(1, workers + 1)]
        redis, first = _start(started, nets, own)
        folder = box(home / "scans", pages)
        with engine.begin() as conn:
            ledger.open_batch(conn, Batch(batch_id=BATCH, facility="DEMO", folder=str(folder)))
            turns.queue(conn, [BATCH])
        begun, killed = time.monotonic(), None
        until(RUN_SECONDS, lambda: read(engine) > 0, "nothing is read")
        before, at = airflow_cpu(), time.monotonic()
        if fault is not Fault.NONE:
            until(RUN_SECONDS, lambda: read(engine) >= pages // 4, "nothing more is read")
            killed = time.monotonic()
        if fault is Fault.WORKER:
            _kill(first.pid)
        elif fault is Fault.BROKER:
            _kill(redis.pid)
            time.sleep(AWAY_SECONDS)
            started(_redis(), own, "redis")
        elif fault is Fault.MACHINE:
            _kill_all(home)
            _start(started, nets, own)
        until(RUN_SECONDS, lambda: read(engine) >= pages, "not all is read")
        both = (time.monotonic() - at) * (os.cpu_count() or 1)
        share = {name: (spent - before[name]) / both for name, spent in airflow_cpu().items()}
        state = until(RUN_SECONDS, lambda: _state(), "the run does not end")
        ended = time.monotonic()
        return Run(
            workers, pages, ended - begun, _rate(engine), share, state, *_faults(engine, pages),
            ended - killed if killed else None,
        )  # fmt: skip


def _start(started: Any, nets: Sequence[str], own: Mapping[str, str]) -> tuple[processes.Child, processes.Child]:
    """Redis, `sohoa serve` and a worker in each namespace; the first and the first worker."""
    redis: processes.Child = started(_redis(), own, "redis")
    started(SERVE, own, "serve")
    until_airflow_answers(HERE)
    working = [_worker(started, net, n, own) for n, net in enumerate(nets, 1)]
    return redis, working[0]


def _redis() -> list[str]:
    return [
        "redis-server", "--port", str(BROKER_PORT), "--bind", HERE, "--requirepass", PASSWORD, "--save", "",
        "--appendonly", "no",
    ]  # fmt: skip


def _worker(started: Any, net: str, number: int, own: Mapping[str, str]) -> processes.Child:
    command = [sys.executable, "-m", "pipeline.cli", "worker", "--name", f"reader-{number}", "--queues", READS]
    child: processes.Child = started(["ip", "netns", "exec", net, *command], own, f"reader-{number}")
    return child


@contextmanager
def _address() -> Iterator[None]:
    _ip("addr", "add", f"{HERE}/32", "dev", "lo")
    try:
        yield
    finally:
        _ip("addr", "del", f"{HERE}/32", "dev", "lo")


@contextmanager
def _namespace(number: int) -> Iterator[str]:
    """A namespace that reaches nothing but HERE."""
    net, ours, theirs = f"sohoa{number}", f"so{number}a", f"so{number}b"
    _ip("netns", "add", net)
    try:
        _ip("link", "add", ours, "type", "veth", "peer", "name", theirs)
        _ip("link", "set", theirs, "netns", net)
        _ip("addr", "add", f"10.77.{number}.1/24", "dev", ours)
        _ip("link", "set", ours, "up")
        for command in (
            ("addr", "add", f"10.77.{number}.2/24", "dev", theirs), ("link", "set", theirs, "up"),
            ("link", "set", "lo", "up"), ("route", "add", HERE, "via", f"10.77.{number}.1"),
        ):  # fmt: skip
            _ip("-n", net, *command)
        yield net
    finally:
        _ip("netns", "del", net)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _rate(engine: Engine) -> float:
    query = "SELECT (count(*) - 1) / extract(epoch FROM max(created_at) - min(created_at)) FROM pipeline.page_text"
    return float(one(engine, query)[0])


def _faults(engine: Engine, pages: int) -> tuple[int, int]:
    """Pages lost and pages doubled."""
    with engine.connect() as conn:
        counts = ledger.counts(conn, BATCH)[BATCH]
    kept = sum(n for state, n in counts.items() if state != "received")
    moves = one(
        engine, "SELECT coalesce(sum(pages), 0) FROM pipeline.page_day WHERE was = 'received' AND state = 'read'"
    )
    return pages - kept, max(0, int(moves[0]) - pages)


def _state() -> str:
    metadata = create_engine(airflow_url(settings()))
    try:
        found = one(metadata, f"SELECT max(state) FROM dag_run WHERE partition_key = '{BATCH}'")[0]
    finally:
        metadata.dispose()
    return found if found in ("success", "failed") else ""


def _kill_all(home: Path) -> None:
    """Whatever was started for this home, PostgreSQL included."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            told = [*process.cmdline(), process.environ().get("SOHOA_HOME", "")]
            if process.pid != os.getpid() and any(str(home) in one for one in told):
                process.kill()
    until(STOP_SECONDS, lambda: not processes.answers(HERE, airflow.PORT), "Airflow still answers")


def _kill(pid: int) -> None:
    for process in [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]:
        with suppress(psutil.Error):
            process.kill()


def main(
    pages: Annotated[int, typer.Option(min=8)] = 120,
    workers: Annotated[list[int] | None, typer.Option(help="1 and 2 unless told otherwise.")] = None,
    chunk: Annotated[int, typer.Option(min=1, max=200, help="Pages a task.")] = 20,
    kill: Annotated[Fault, typer.Option(help="What is killed in mid-batch, of two workers.")] = Fault.NONE,
) -> None:
    """Compare numbers of workers, or kill one."""
    if os.geteuid() or not shutil.which("redis-server"):
        raise SystemExit("As root, with redis-server and iproute2.")
    counts = workers or ([1, 2] if kill is Fault.NONE else [2])
    runs = [measure(count, pages, chunk, kill) for count in counts]
    table = Table(
        "workers", "pages", "s", "pages/s", "ratio", "Airflow", "state", "lost", "doubled", "s after the kill"
    )
    for run in runs:
        table.add_row(
            str(run.workers), str(run.pages), f"{run.seconds:.0f}", f"{run.rate:.2f}", f"{run.rate / runs[0].rate:.2f}",
            f"{sum(run.airflow.values()):.1%}", run.state, str(run.lost), str(run.doubled),
            "-" if run.after_kill is None else f"{run.after_kill:.0f}",
        )  # fmt: skip
    parts = [f"{name} {share:.1%}" for name, share in runs[-1].airflow.items()]
    Console(width=120).print(table, NOTE, "Airflow in the last run: " + ", ".join(parts))


if __name__ == "__main__":
    typer.run(main)
