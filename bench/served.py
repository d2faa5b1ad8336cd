"""In the bench, bench.served: what measurements of a whole `sohoa serve` share: processes, a box, waiting, its CPU."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image
from sqlalchemy import Engine, text

from bench.pages import readable, sample_pages
from pipeline import airflow, processes
from pipeline.settings import REPOSITORY, settings

AIRFLOW = ("scheduler", "api-server", "dag-processor", "triggerer", "redis-server")
START_SECONDS = 120
SERVE = [sys.executable, "-m", "pipeline.cli", "serve"]


def lend_assets() -> None:
    """The workbench's scripts, that `sohoa serve` finds them in a home of its own."""
    (settings().home / "assets").symlink_to(REPOSITORY / "var" / "assets")


def variables(**more: str) -> dict[str, str]:
    """Those of a process of this home, with others of `sohoa` or Python; the workbench on a port of its own."""
    own = {"SOHOA_HOME": str(settings().home), "SOHOA_REVIEW_PORT": "8099", "PYTHONPATH": str(REPOSITORY)}
    return airflow.own_variables() | own | more


@contextmanager
def children() -> Iterator[Callable[[list[str], Mapping[str, str], str], processes.Child]]:
    """Start processes by (command, variables, name of the log); the last that was started is stopped first."""
    held: list[processes.Child] = []

    def start(command: list[str], own: Mapping[str, str], log: str) -> processes.Child:
        held.append(processes.start(command, own, settings().home / f"{log}.log"))
        return held[-1]

    try:
        yield start
    finally:
        processes.stop(held[::-1])


def until_airflow_answers(host: str = "127.0.0.1") -> None:
    """Wait for `sohoa serve`."""
    until(START_SECONDS, lambda: processes.answers(host, airflow.PORT), "Airflow does not answer")


def until(seconds: float, ask: Callable[[], Any], why: str) -> Any:
    """The first answer that is true; SystemExit with the ends of all logs where there is none in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.5)
    logs = sorted(settings().home.glob("*.log")) + sorted(settings().home.glob("airflow/logs/*.log"))
    tails = [f"{log.name}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-8:]) for log in logs]
    raise SystemExit("\n".join([*tails, f"{why} within {seconds:.0f} s."]))


def box(folder: Path, pages: int, seed: int = 0) -> Path:
    """So many sample pages, each with grain of its own, so that none is another's duplicate by its bytes."""
    folder.mkdir(parents=True)
    sources = [page.path for page in readable(sample_pages(("forms",))) if page.path.suffix == ".jpg"]
    for number in range(pages):
        grain = np.random.default_rng([seed, number])
        with Image.open(sources[number % len(sources)]) as image:
            pixels = np.asarray(image.convert("RGB")).astype(np.int16)
        noisy = pixels + grain.integers(-2, 3, pixels.shape[:2])[..., None]
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(
            folder / f"{number:04}.jpg", quality=90, dpi=(200, 200)
        )
    return folder


def one(engine: Engine, query: str) -> Any:
    """The only row of a query."""
    with engine.connect() as conn:
        return conn.execute(text(query)).one()


def read(engine: Engine) -> int:
    """Pages that were read until now."""
    return int(one(engine, "SELECT count(*) FROM pipeline.page_text")[0])


def airflow_cpu() -> dict[str, float]:
    """CPU seconds of each of Airflow's own processes and of all that they started and saw end."""
    spent = dict.fromkeys(AIRFLOW, 0.0)
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            line = " ".join(process.cmdline()).replace("_", "-")  # They name themselves "airflow api_server".
            own = next((name for name in AIRFLOW if name in line), None)
            if own and ("airflow" in line or own == "redis-server"):
                spent[own] += sum(process.cpu_times()[:4])
    return spent
