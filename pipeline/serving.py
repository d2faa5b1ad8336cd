"""Around the stages, pipeline.serving: Airflow, the poller, the workbench and Celery workers under one supervisor."""

import os
import shutil
import sys
import threading
import time
from pathlib import Path

from pipeline import airflow, keys, processes
from pipeline.airflow import AIRFLOW, PORT, REPOSITORY, USER, log_path
from pipeline.settings import Settings
from records.errors import SohoaError

PROCESSES = {
    "api-server": [*AIRFLOW, "api-server"],
    "scheduler": [*AIRFLOW, "scheduler", "--skip-serve-logs"],
    "dag-processor": [*AIRFLOW, "dag-processor"],
    "triggerer": [*AIRFLOW, "triggerer", "--skip-serve-logs"],
    "outbox": [sys.executable, "-m", "pipeline.outbox"],
}
WORKBENCH = [sys.executable, "-m", "review"]
LOOPBACK, BROKER_PORT = "127.0.0.1", 6390
READS, OFFICE = "ocr", "default,intake,emr"  # queues; what is no reading never waits behind a long chunk
ONE = {"SOHOA_WORKERS": "1"}  # The pool `ocr` spreads chunks over the cores: each task reads its pages one by one.
START_SECONDS = 120
AGAIN_SECONDS = 10


def serve(settings: Settings, port: int = PORT, readers: int = 0) -> None:
    """Keep all of them until Ctrl-C or SIGTERM. A Celery worker that dies is started again; when another process does,
    the others are stopped and SohoaError says so.

    `readers`: so many Celery workers that read, with a Redis of our own; 0: the scheduler does the work, or where
    `broker_url` is set, workers on other machines (`sohoa worker`). With workers one more does what is no reading.
    """
    for wanted in (settings.airflow_host, port), (LOOPBACK, settings.review_port):
        _refuse_a_taken_port(*wanted)
    own_broker = readers > 0 and not settings.broker_url
    if own_broker:
        settings = settings.model_copy(update={"broker_url": _broker_url(settings)})
    airflow.prepare(settings)
    stopping = processes.stop_on_signals()
    workers = worker_commands(settings, readers)
    children: dict[str, processes.Child] = {}
    working: dict[str, processes.Child] = {}
    try:
        if own_broker:
            children["redis"] = _start_broker(settings)
        for name, command in PROCESSES.items():
            reads = name == "scheduler" and not settings.broker_url
            children[name] = airflow.start(settings, name, command, port, **ONE if reads else {})
        children["review"] = _start_workbench(settings)
        working = {name: _start_worker(settings, name, command, port) for name, command in workers.items()}
        _announce(settings, port, children, stopping)
        while not stopping.wait(1) and not processes.first_dead(children):
            if (died := processes.first_dead(working)) and not stopping.wait(AGAIN_SECONDS):
                working[died] = _start_worker(settings, died, workers[died], port)
        dead = processes.first_dead(children)
    finally:
        processes.stop([*children.values(), *working.values()])
    if dead and not stopping.is_set():
        raise SohoaError(f"The process {dead} stopped, so all were stopped; {log_path(settings, dead)} says why.")


def worker_commands(settings: Settings, readers: int) -> dict[str, list[str]]:
    """The commands of so many workers that read, which share the slots of the pool `ocr`, and of one for the rest."""
    if not settings.broker_url:
        return {}
    each = max(1, settings.workers // max(1, readers))
    reading = {f"reader-{n}": worker_command(settings, f"reader-{n}", READS, each) for n in range(1, readers + 1)}
    return reading | {"office": worker_command(settings, "office", OFFICE, 2)}


def worker_command(settings: Settings, name: str, queues: str, tasks: int) -> list[str]:
    """A Celery worker of that name, which does so many tasks of the queues ('ocr,emr') at once."""
    pid = str(_pid_file(settings, name))
    own = ["--queues", queues, "--concurrency", str(tasks), "--celery-hostname", name, "--pid", pid]
    alone = ["--skip-serve-logs", "--without-mingle", "--without-gossip"]
    return [sys.executable, "-m", "pipeline.airflow", "celery", "worker", *alone, *own]


def become_worker(settings: Settings, name: str, queues: str, tasks: int) -> None:
    """Turn this process into that worker."""
    _pid_file(settings, name).unlink(missing_ok=True)
    command = worker_command(settings, name, queues, tasks)
    os.execve(command[0], command, os.environ | {"PYTHONPATH": str(REPOSITORY)} | ONE)


def _start_worker(settings: Settings, name: str, command: list[str], port: int) -> processes.Child:
    _pid_file(settings, name).unlink(missing_ok=True)
    return airflow.start(settings, name, command, port, **ONE)


def _pid_file(settings: Settings, name: str) -> Path:
    """Celery's; one that a killed worker left behind would keep the next from starting."""
    return airflow.folder(settings) / f"{name}.pid"


def _broker_url(settings: Settings) -> str:
    """A Redis of our own on this machine, behind a password: whoever writes to it starts tasks."""
    if shutil.which("redis-server") is None:
        raise SohoaError("Workers need Redis: apt-get install redis-server; or name one in SOHOA_BROKER_URL.")
    _refuse_a_taken_port(settings.airflow_host, BROKER_PORT)
    return f"redis://:{keys.password(settings, 'broker')}@{settings.airflow_host}:{BROKER_PORT}/0"


def _start_broker(settings: Settings) -> processes.Child:
    """Redis that keeps nothing: what it lost with a crash the scheduler hands out again."""
    own = f"bind {settings.airflow_host}\nport {BROKER_PORT}\nrequirepass {keys.password(settings, 'broker')}\n"
    kept = f'{own}save ""\nappendonly no\n'
    keys.secret(settings, "redis.conf", lambda: kept)
    command = ["redis-server", str(settings.home.resolve() / "secrets" / "redis.conf")]
    return processes.start(command, airflow.own_variables(), log_path(settings, "redis"))


def _start_workbench(settings: Settings) -> processes.Child:
    """Without Airflow's settings: its keys are no business of the workbench."""
    wanted = {"SOHOA_HOME": str(settings.home.resolve()), "PYTHONPATH": str(REPOSITORY)}
    return processes.start(WORKBENCH, airflow.own_variables() | wanted, log_path(settings, "review"))


def _refuse_a_taken_port(host: str, port: int) -> None:
    if processes.answers(host, port):
        raise SohoaError(f"Port {port} on {host} is taken by another program; stop that one or choose another port.")


def _announce(settings: Settings, port: int, children: dict[str, processes.Child], stopping: threading.Event) -> None:
    said = {
        (settings.airflow_host, port): f"Airflow    {airflow.address(settings, port)}    user {USER}, password in "
        f"{airflow.password_file(settings)}",
        (LOOPBACK, settings.review_port): f"Workbench  http://{LOOPBACK}:{settings.review_port}    accounts: "
        "sohoa user add",
    }
    until = time.monotonic() + START_SECONDS
    while (
        not all(processes.answers(*wanted) for wanted in said)
        and not processes.first_dead(children)
        and time.monotonic() < until
        and not stopping.wait(0.5)
    ):
        pass
    if answering := [line for wanted, line in said.items() if processes.answers(*wanted)]:
        print(*answering, "Stop with Ctrl-C.", sep="\n", flush=True)
