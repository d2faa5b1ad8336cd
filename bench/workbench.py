"""`python -m bench.workbench`: how long the workbench takes to answer at the pace of twenty officers.

Pages are taken in as by a batch, each as often as it takes for every task to have one that nobody has opened before.
Then uvicorn serves them in a process of its own; every officer opens a document, sees three crops and the page, and
goes on to the next after three saves. Times are those of the browser's side, on this machine.
"""

import math
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from typing import Annotated, NamedTuple

import httpx
import typer
from fastapi import FastAPI, Request, Response
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine, insert, update

from bench.pages import BenchPage, folder_pages, readable, sample_pages, spread
from bench.readers import PageJob as ReadJob
from bench.readers import read_page
from extractors.images import upright
from extractors.intake import decode_page, inspect
from pipeline import database, ledger, tables
from pipeline.children import Workers
from pipeline.keys import ticket_key
from pipeline.settings import settings
from pipeline.store import Store
from records.pages import Batch, Box, MediaType, PageBox, PageImage
from review import sessions
from review.app import create_app
from review.policy import Right, Routes
from review.rendering import Transaction
from review.screens.pages import warm
from review.tables import account
from review.tickets import ticket_for

BATCH = "bench"
SAVE_SECONDS, SAVES = 4.0, 3  # of one officer, and in one task
CROPS = 3
FIELDS = 12  # doubtful ones on a page, each with its crop
START_SECONDS = 60.0
NOTE = (
    "Milliseconds from request to last byte, at the browser's side. Every task is a page that nobody opened before. "
    "Drawn ahead: while its officer is still at the task before."
)


class Task(NamedTuple):
    """A page and the boxes of its first fields."""

    page_id: str
    boxes: tuple[PageBox, ...]


class Original(NamedTuple):
    """A page with its file's bytes, what these are, and its geometry."""

    page: BenchPage
    data: bytes
    found: tuple[MediaType, int]
    shape: PageImage


class Timed(NamedTuple):
    """One answer: `what` was asked for, HTTP status, seconds."""

    what: str
    status: int
    seconds: float


class Officer(NamedTuple):
    """One who is signed in."""

    who: sessions.Account
    browser: httpx.Client


def app() -> FastAPI:
    """The workbench, and the one route that stands for opening the task before."""
    made, routes = create_app(settings()), Routes()

    @routes.get("/bench/{page_id}", right=Right.SEE_PAGES)
    def draw_ahead(request: Request, conn: Transaction, page_id: str) -> Response:
        warm(request, conn, [page_id])
        return Response(status_code=204)

    made.include_router(routes.router)
    return made


def main(
    pages: Annotated[Path | None, typer.Option(help="Folder of scans with their truth; else sample_scans.")] = None,
    officers: Annotated[int, typer.Option(help="How many work at once.")] = 20,
    seconds: Annotated[int, typer.Option(help="How long.")] = 60,
    busy: Annotated[bool, typer.Option("--busy", help="One worker reads pages beside.")] = False,
    cold: Annotated[bool, typer.Option("--cold", help="Nothing is drawn ahead.")] = False,
) -> None:
    """Load the workbench and print median and p99 of its answers."""
    found = readable(folder_pages(pages, None) if pages else sample_pages())
    rounds = math.ceil(seconds / (SAVE_SECONDS * SAVES))
    with tempfile.TemporaryDirectory(prefix="sohoa-bench-") as home:
        os.environ["SOHOA_HOME"] = home
        settings.cache_clear()
        try:
            database.migrate(settings())
            tasks = take_in(database.engine(settings()), found, officers * (rounds + 1))
            with server() as url, reading(found) if busy else _nothing():
                timed = load(url, tasks, officers, rounds, ahead=not cold)
        finally:
            database.stop(settings())
    Console().print(answers_table(timed, f"{officers} officers, {seconds} s"))
    Console().print(NOTE, style="dim", highlight=False)


def take_in(engine: Engine, pages: Sequence[BenchPage], wanted: int) -> list[Task]:
    """At least `wanted` pages with geometry and doubtful fields; each scan is taken in as often as needed."""
    chosen = spread(pages, wanted)
    originals = [_original(page) for page in chosen]
    store = Store(settings())
    with engine.begin() as conn:
        ledger.open_batch(conn, Batch(batch_id=BATCH, facility="DEMO", folder="bench"))
        copies = range(math.ceil(wanted / len(chosen)))
        return [_entered(conn, store, original, copy) for copy in copies for original in originals]


def _original(page: BenchPage) -> Original:
    """A page with its geometry, made without reading it: turned as it lies in the file."""
    data = page.path.read_bytes()
    found = inspect(data, page.path.name, settings().limits)
    rgb, dpi = decode_page(data, found[0], page.truth.page, settings().limits)
    return Original(page, data, found, upright("", rgb, dpi, lambda look: 0).image)


def _entered(conn: Connection, store: Store, original: Original, copy: int) -> Task:
    page, data, found, shape = original
    data += b"\n" * copy  # Other bytes, so that it is no duplicate; the picture is the same.
    given = ledger.receive(conn, store, BATCH, f"{copy}-{page.path.name}", data, found)
    page_id = ledger.page_id(given.receipt_id, page.truth.page)
    own = {"document_id": f"d-{page_id}", "file_id": f"f-{page_id}", "batch_id": BATCH}
    geometry = shape.model_copy(update={"page_id": page_id}).model_dump(mode="json")
    conn.execute(insert(tables.page_text).values(page_id=page_id, engine="", image=geometry, text={}))
    conn.execute(insert(tables.file).values(file_id=own["file_id"], batch_id=BATCH, label=""))
    kind = {"document_type": page.truth.document_type, "page_ids": [page_id], "verdict": "review"}
    conn.execute(insert(tables.document).values(**own, **kind, validated={}))
    of_page = update(tables.page).where(tables.page.c.page_id == page_id)
    conn.execute(of_page.values(document_id=own["document_id"]))
    task = Task(page_id, tuple(shape.in_file(box) for box in _boxes(shape)))
    conn.execute(insert(tables.field_value), [_field(own["document_id"], task, at) for at in range(FIELDS)])
    return task


def _boxes(shape: PageImage) -> Iterator[Box]:
    """Lines of text at even steps down the page, in pixels of the upright page."""
    for at in range(FIELDS):
        top = shape.height_px * (0.1 + 0.8 * at / FIELDS)
        yield Box(left=shape.width_px * 0.3, top=top, right=shape.width_px * 0.7, bottom=top + shape.height_px * 0.013)


def _field(document_id: str, task: Task, at: int) -> dict[str, object]:
    return {
        "document_id": document_id, "field": f"field[{at}]", "value": "", "raw": "", "kind": "text", "confidence": 0.5,
        "verdict": "review", "page_id": task.page_id, "box": task.boxes[at].model_dump(), "engine": "",
    }  # fmt: skip


@contextmanager
def server() -> Iterator[str]:
    """The workbench under uvicorn in a process of its own; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "bench.workbench:app", "--factory", "--port", str(port)]
    with subprocess.Popen([*command, "--log-level", "warning"]) as process:
        try:
            _wait_for(f"http://127.0.0.1:{port}/login")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait_for(url: str) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            httpx.get(url)
            return
        except httpx.TransportError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


@contextmanager
def reading(pages: Sequence[BenchPage]) -> Iterator[None]:
    """One worker reads one page after the other until the end of the block."""
    done = threading.Event()

    def read_on() -> None:
        with Workers(1, settings()) as workers:
            for page in cycle(pages):
                if done.is_set():
                    return
                list(workers.map(read_page, [ReadJob(page.path, page.truth.page, "auto")]))

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        yield
    finally:
        done.set()
        reader.join()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def load(url: str, tasks: Sequence[Task], officers: int, rounds: int, *, ahead: bool) -> list[Timed]:
    """What every officer was answered in so many tasks, which begin one after the other. The children have started
    before; where pages are drawn ahead, each officer's first task does not count, since its page was not."""
    staff = [_signed_in(url, f"officer-{number}") for number in range(officers)]
    staff[0].browser.get(_page_address(staff[0], tasks[-1]))

    def work(number: int) -> list[Timed]:
        own, officer, timed = tasks[number::officers], staff[number], []
        begin = time.monotonic() + SAVE_SECONDS * SAVES * number / officers
        for at in range(rounds):
            time.sleep(max(0.0, begin + at * SAVE_SECONDS * SAVES - time.monotonic()))
            timed += _one_task(officer, own[at])
            if ahead:
                officer.browser.get(f"/bench/{own[at + 1].page_id}")
        return timed if not ahead else timed[CROPS + 1 :]

    with ThreadPoolExecutor(officers) as threads:
        return [one for found in threads.map(work, range(officers)) for one in found]


def _one_task(officer: Officer, task: Task) -> list[Timed]:
    """Three crops at once, then the page, as a browser asks for them."""
    crops = [f"/crop/{_ticket(officer, task, box)}" for box in task.boxes[:CROPS]]
    with ThreadPoolExecutor(CROPS) as connections:
        timed = list(connections.map(lambda where: _timed(officer, "crop", where), crops))
    return [*timed, _timed(officer, "page", _page_address(officer, task))]


def _timed(officer: Officer, what: str, where: str) -> Timed:
    clock = time.perf_counter()
    answer = officer.browser.get(where)
    return Timed(what, answer.status_code, time.perf_counter() - clock)


def _page_address(officer: Officer, task: Task) -> str:
    return f"/page/{_ticket(officer, task, None)}"


def _ticket(officer: Officer, task: Task, box: PageBox | None) -> str:
    return ticket_for(ticket_key(settings()), officer.who, task.page_id, box, datetime.now(UTC))


def _signed_in(url: str, name: str) -> Officer:
    with database.engine(settings()).begin() as conn:
        conn.execute(insert(account).values(account_id=name, name=name, role="officer"))
        token = sessions.start(conn, name, 1)
        who = sessions.find(conn, token, 30)
    if who is None:
        raise RuntimeError("a session that was just begun is not there")
    return Officer(who, httpx.Client(base_url=url, cookies={sessions.COOKIE: token}, timeout=60))


def answers_table(timed: Sequence[Timed], title: str) -> Table:
    """One row per kind of answer."""
    table = Table("answer", "count", "not 200", "median ms", "p99 ms", "slowest ms", title=title)
    for what in sorted({one.what for one in timed}):
        own = sorted(one.seconds * 1000 for one in timed if one.what == what)
        bad = sum(one.status != 200 for one in timed if one.what == what)
        p99 = own[math.ceil(0.99 * len(own)) - 1]
        table.add_row(
            what, str(len(own)), str(bad), f"{own[len(own) // 2]:.1f}", f"{p99:.1f}", f"{own[-1]:.1f}"
        )  # fmt: skip
    return table


if __name__ == "__main__":
    typer.run(main)
