"""Beside every stage, pipeline.processes: turns commands into supervised processes of which none is left behind."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

GRACE_SECONDS = 20

Child = subprocess.Popen[bytes]


def start(command: list[str], environment: Mapping[str, str], log: Path) -> Child:
    """Start a process in its own session, its output added to `log`; it is told to end even if this one is killed."""
    with log.open("ab") as file:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,  # Ctrl-C reaches only the supervisor, which stops the others in order.
        )


def stop(children: list[Child]) -> None:
    """Ask the processes to end, then kill whatever is left of them and of all that they started."""
    family = [process for child in children if child.poll() is None for process in _with_descendants(child.pid)]
    for child in children:
        if child.poll() is None:
            child.terminate()
    _, alive = psutil.wait_procs(family, timeout=GRACE_SECONDS)
    for process in alive:
        process.kill()
    for child in children:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)  # One that died by itself leaves its workers in its group.
        child.wait()


def first_dead(children: Mapping[str, Child]) -> str:
    """The name of a process that has ended, or nothing."""
    return next((name for name, child in children.items() if child.poll() is not None), "")


def stop_on_signals() -> threading.Event:
    """An event that Ctrl-C, SIGTERM and the closing of the terminal set, instead of ending this process."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    return stopping


def answers(host: str, port: int) -> bool:
    """Whether something listens there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def _with_descendants(pid: int) -> list[psutil.Process]:
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
