"""`python -m bench.workbench`: how long the workbench takes to answer at the pace of twenty officers.

Pages are taken in as by a batch, each as often as it takes for every task to have one that nobody has opened before.
Then uvicorn serves them as `sohoa serve` does; every officer goes from the queue to a document, sees its crops and its
page, saves one value every four seconds, reads the decisions back at the end. Times are those of the browser's side.
"""

import math
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from html import unescape
from itertools import cycle
from pathlib import Path
from typing import Annotated, NamedTuple

import httpx
import typer
from fastapi import FastAPI
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine, func, insert, select, text, update

from bench.home import home_of_its_own
from bench.pages import BenchPage, folder_pages, readable, sample_pages, spread
from bench.readers import PageJob as ReadJob
from bench.readers import read_page
from bench.served import lend_assets
from bench.truth import TruthField, TruthPage
from extractors.images import upright
from extractors.intake import decode_page, inspect
from pipeline import database, ledger, tables
from pipeline.children import Workers
from pipeline.documents import store_document
from pipeline.settings import settings
from pipeline.store import Store
from records.document_types import DocumentType, document_types
from records.documents import Document, FieldReading, FieldValue, JudgedValue, ValidatedDocument, Verdict
from records.pages import Batch, MediaType, PageBox, PageImage
from records.states import PageState
from review import sessions
from review.app import create_app
from review.tables import account
from validation.checks import document_issues

BATCH, ALL = "bench", "all"
PAINTS = 10
SAVE_SECONDS, DOUBTS = 4.0, 3  # of one officer, and in one task, each with its crop
START_SECONDS = 60.0
NOTE = (
    "Milliseconds from request to last byte, at the browser's side. Every task is a page that nobody opened before. "
    "In the database afterwards: {decided} decisions of {saved} saves that were answered."
)
CSRF = re.compile(r'<meta name="csrf" content="([^"]+)"')
TOKEN = re.compile(r'data-token="(\d+)"')
CROP = re.compile(r'<img src="(/crop/[^"]+)"')
PAGE = re.compile(r"/page/[\w.=-]+")
CARD = re.compile(r'hx-post="(/task/[^"]+/field/[^"]+)".*?data-start="([^"]*)"', re.DOTALL)


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


def app() -> FastAPI:
    """The workbench, for uvicorn."""
    return create_app(settings())


def main(
    pages: Annotated[Path | None, typer.Option(help="Folder of scans with their truth; else sample_scans.")] = None,
    officers: Annotated[int, typer.Option(help="How many work at once.")] = 20,
    seconds: Annotated[int, typer.Option(help="How long.")] = 60,
    busy: Annotated[bool, typer.Option("--busy", help="One worker reads pages beside.")] = False,
    paint: Annotated[bool, typer.Option("--paint", help="Then open fresh tasks in Chromium.")] = False,
) -> None:
    """Load the workbench and print median and p99 of its answers."""
    found = readable(folder_pages(pages, None) if pages else sample_pages())
    rounds = math.ceil(seconds / (SAVE_SECONDS * DOUBTS))
    with home_of_its_own() as engine:
        lend_assets()
        take_in(engine, found, officers * (rounds + 1))
        with server() as url, reading(found) if busy else nullcontext():
            timed = load(url, officers, rounds)
            painted = paints(url) if paint else []
        decided = _decisions(engine)
    saved = sum(one.what == "save" and one.status == 200 for one in timed)
    Console().print(answers_table(timed, f"{officers} officers, {seconds} s"))
    if painted:
        told = ", ".join(f"{one:.0f}" for one in sorted(painted))
        Console().print(f"First paint of a task that nobody opened before, ms: {told}", highlight=False)
    Console().print(NOTE.format(decided=decided, saved=saved), style="dim", highlight=False)


def take_in(engine: Engine, pages: Sequence[BenchPage], wanted: int) -> None:
    """At least `wanted` documents of one page with doubtful values; each scan is taken in as often as needed."""
    chosen = [page for page in spread(pages, wanted) if len(_sound(page.truth)) >= DOUBTS]
    originals = [_original(page) for page in chosen]
    store = Store(settings())
    with engine.begin() as conn:
        ledger.open_batch(conn, Batch(batch_id=BATCH, facility="DEMO", folder="bench"))
        for copy in range(math.ceil(wanted / len(chosen))):
            for original in originals:
                _enter(conn, store, original, copy)


def _original(page: BenchPage) -> Original:
    """A page with its geometry, made without reading it: turned as it lies in the file."""
    data = page.path.read_bytes()
    found = inspect(data, page.path.name, settings().limits)
    rgb, dpi = decode_page(data, found[0], page.truth.page, settings().limits)
    return Original(page, data, found, upright("", rgb, dpi, lambda look: 0).image)


def _enter(conn: Connection, store: Store, original: Original, copy: int) -> None:
    page, data, found, shape = original
    data += b"\n" * copy  # Other bytes, so that it is no duplicate; the picture is the same.
    given = ledger.receive(conn, store, BATCH, f"{copy}-{page.path.name}", data, found)
    page_id = ledger.page_id(given.receipt_id, page.truth.page)
    geometry = shape.model_copy(update={"page_id": page_id}).model_dump(mode="json")
    conn.execute(insert(tables.page_text).values(page_id=page_id, engine="", image=geometry, text={}))
    conn.execute(insert(tables.file).values(file_id=f"f-{page_id}", batch_id=BATCH, label=f"B01/{copy}"))
    doubtful = _doubtful(page.truth, page_id)
    store_document(conn, BATCH, doubtful)
    of_page = update(tables.page).where(tables.page.c.page_id == page_id)
    conn.execute(of_page.values(document_id=doubtful.document.document_id, state=PageState.IN_REVIEW.value))


def _doubtful(truth: TruthPage, page_id: str) -> ValidatedDocument:
    """The page's true values as a reader would give them; the first of them wait for an officer."""
    kind = document_types()[truth.document_type]
    own = Document(
        document_id=f"d-{page_id}", file_id=f"f-{page_id}", document_type=kind.id, edition="", page_ids=(page_id,)
    )
    values = [_judged(truth, kind, field, page_id, at < DOUBTS) for at, field in enumerate(_sound(truth))]
    return ValidatedDocument(document=own, revision=1, values=tuple(values), issues=(), verdict=Verdict.REVIEW)


def _sound(truth: TruthPage) -> list[TruthField]:
    """Fields with a value and a place, of which no check says anything when they stand together."""
    kind = document_types()[truth.document_type]
    fields = [f for f in truth.fields if f.box and f.value and kind.spec(f.name)]
    values = [_judged(truth, kind, f, "p", doubtful=False).value for f in fields]
    faulty = {issue.field for issue in document_issues(values, kind, None)}
    return [f for f in fields if f.name not in faulty]


def _judged(truth: TruthPage, kind: DocumentType, field: TruthField, page_id: str, doubtful: bool) -> JudgedValue:
    left, top, right, bottom = truth.in_file(field.box or (0, 0, 0, 0)) or (0, 0, 1, 1)
    box = PageBox(left=min(left, right), top=min(top, bottom), right=max(left, right), bottom=max(top, bottom))
    reading = FieldReading(
        field=field.name, raw=field.shown or field.value, confidence=0.5, page_id=page_id, box=box, engine="sohoa",
        method="label",
    )  # fmt: skip
    spec = kind.spec(field.name)
    value = FieldValue(reading=reading, kind=spec.kind if spec else "text", value=field.value)
    verdict, rule = (Verdict.REVIEW, "low_confidence") if doubtful else (Verdict.ACCEPT, "witness")
    return JudgedValue(value=value, verdict=verdict, rule=rule, confidence=0.5)


def _decisions(engine: Engine) -> int:
    with engine.connect() as conn:
        return conn.scalar(select(func.count()).select_from(tables.review_decision)) or 0


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


def load(url: str, officers: int, rounds: int) -> list[Timed]:
    """What every officer was answered in so many tasks; they begin one after the other, a save's time apart."""
    staff = [_signed_in(url, f"officer-{number}") for number in range(officers)]

    def work(number: int) -> list[Timed]:
        time.sleep(SAVE_SECONDS * DOUBTS * number / officers)
        return [one for _ in range(rounds) for one in _one_task(staff[number])]

    with ThreadPoolExecutor(officers) as threads:
        return [one for found in threads.map(work, range(officers)) for one in found]


def paints(url: str) -> list[float]:
    """Milliseconds to the first contentful paint of fresh tasks in Debian's Chromium, the first of all included."""
    from playwright.sync_api import sync_playwright

    officer = _signed_in(url, "painter")
    found = []
    with sync_playwright() as started:
        chromium = started.chromium.launch(executable_path="/usr/bin/chromium")
        context = chromium.new_context(viewport={"width": 1366, "height": 768}, base_url=url)
        context.add_cookies([{"name": sessions.COOKIE, "value": officer.cookies[sessions.COOKIE], "url": url}])
        for _ in range(PAINTS):
            csrf = _in(CSRF, officer.get("/queue").text)
            shown = context.new_page()
            shown.goto(officer.post("/queue/next", data={"csrf": csrf}).headers["location"], wait_until="load")
            found.append(float(shown.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")))
            shown.close()
            with database.engine(settings()).begin() as conn:  # The next one is fresh too.
                conn.execute(text("DELETE FROM review.waiting USING review.lease WHERE lease.account_id = 'painter' "
                                  "AND waiting.document_id = lease.document_id"))  # fmt: skip
                conn.execute(text("DELETE FROM review.lease WHERE account_id = 'painter'"))
        chromium.close()
    return found


def _one_task(browser: httpx.Client) -> list[Timed]:
    """Queue, next document, its crops at once, its page, then one save after the other."""
    begun, timed = time.monotonic(), []
    queue, one = _timed(browser, "queue", "/queue")
    csrf = _in(CSRF, queue.text)
    given, two = _timed(browser, "next", "/queue/next", {"csrf": csrf})
    shown, three = _timed(browser, "task", given.headers["location"])
    timed += [one, two, three]
    with ThreadPoolExecutor(DOUBTS) as connections:
        timed += [
            found[1] for found in connections.map(lambda at: _timed(browser, "crop", at), CROP.findall(shown.text))
        ]
    timed.append(_timed(browser, "page", _in(PAGE, shown.text))[1])
    for number, (address, value) in enumerate(CARD.findall(shown.text), start=1):
        time.sleep(max(0.0, begun + number * SAVE_SECONDS - time.monotonic()))
        save = {"csrf": csrf, "token": _in(TOKEN, shown.text), "decision": "enter", "value": unescape(value)}
        timed.append(_timed(browser, "save", address, save)[1])
    return timed


def _in(pattern: re.Pattern[str], text: str) -> str:
    """What the pattern finds first; LookupError when the page is not what it should be."""
    found = pattern.search(text)
    if found is None:
        raise LookupError(f"{pattern.pattern} is not on the page")
    return found[found.re.groups]


def _timed(
    browser: httpx.Client, what: str, where: str, form: Mapping[str, str] | None = None
) -> tuple[httpx.Response, Timed]:
    clock = time.perf_counter()
    answer = browser.post(where, data=dict(form)) if form else browser.get(where)
    return answer, Timed(what, answer.status_code, time.perf_counter() - clock)


def _signed_in(url: str, name: str) -> httpx.Client:
    with database.engine(settings()).begin() as conn:
        conn.execute(insert(account).values(account_id=name, name=name, role="officer"))
        token = sessions.start(conn, name, 1)
    return httpx.Client(base_url=url, cookies={sessions.COOKIE: token}, timeout=60)


def answers_table(timed: Sequence[Timed], title: str) -> Table:
    """One row per kind of answer."""
    table = Table("answer", "count", "failed", "median ms", "p99 ms", "slowest ms", title=title)
    for what in (*sorted({one.what for one in timed}), ALL):
        own = sorted(one.seconds * 1000 for one in timed if what in (one.what, ALL))
        bad = sum(one.status >= 400 for one in timed if what in (one.what, ALL))
        p99 = own[math.ceil(0.99 * len(own)) - 1]
        table.add_row(
            what, str(len(own)), str(bad), f"{own[len(own) // 2]:.1f}", f"{p99:.1f}", f"{own[-1]:.1f}"
        )  # fmt: skip
    return table


if __name__ == "__main__":
    typer.run(main)
