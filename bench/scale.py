"""`python -m bench.scale`: the ledger, the queue and the views with ten million pages and 100,000 documents in review.

Rows are made in the database, past the product; then the product's own functions are timed: what `sohoa status` and
Prometheus ask, each view, claiming a document, receiving a file, accounting for a batch, the forecast.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine, insert, text

from bench.home import home_of_its_own
from pipeline import ledger, stuck, turns
from pipeline.settings import settings
from pipeline.store import Store
from records.pages import Batch, MediaType
from reporting import batch as status
from reporting import metrics, paces
from review import queue
from review.tables import account

PAGES_A_BOX, PAGES_A_FILE, OPEN = 2000, 20, 20  # OPEN: boxes that are not closed
PART = 500  # boxes made at a time
CLAIMS, OFFICERS, FILES = 200, 20, 50
MAKE = (
    """INSERT INTO pipeline.batch (batch_id, facility_id, folder, created_at, closed_at)
       SELECT 'box-' || n, 'DEMO', '/' || n, now() - n * interval '1 hour', CASE WHEN n > :open THEN now() END
       FROM generate_series(CAST(:first AS int), :last) n""",
    """INSERT INTO pipeline.scan (scan_id, media_type, page_count, size_bytes)
       SELECT encode(sha256((n || '/' || f)::bytea), 'hex'), 'application/pdf', :in_file, 9000000
       FROM generate_series(CAST(:first AS int), :last) n, generate_series(1, CAST(:files AS int)) f""",
    """INSERT INTO pipeline.receipt (receipt_id, batch_id, path, scan_id, outcome)
       SELECT left(encode(sha256((n || '/' || f)::bytea), 'hex'), 20), 'box-' || n, f || '.pdf',
              encode(sha256((n || '/' || f)::bytea), 'hex'), 'received'
       FROM generate_series(CAST(:first AS int), :last) n, generate_series(1, CAST(:files AS int)) f""",
    """INSERT INTO pipeline.page (page_id, batch_id, receipt_id, scan_id, number, state)
       SELECT r.receipt_id || '-' || lpad(p::text, 4, '0'), r.batch_id, r.receipt_id, r.scan_id, p,
              CASE WHEN substr(r.batch_id, 5)::int <= :open AND p % 4 = 0 THEN 'received'
                   WHEN p % 20 = 1 THEN 'blank' WHEN p % 3 = 0 THEN 'in_review' ELSE 'loaded' END
       FROM pipeline.receipt r, generate_series(1, CAST(:in_file AS int)) p
       WHERE substr(r.batch_id, 5)::int BETWEEN :first AND :last""",
)
COUNT = (
    "INSERT INTO pipeline.page_count SELECT batch_id, state, count(*) FROM pipeline.page GROUP BY batch_id, state",
    """INSERT INTO pipeline.page_day SELECT batch_id, current_date - substr(batch_id, 5)::int % 60, '', state, pages
       FROM pipeline.page_count""",
    """INSERT INTO pipeline.file (file_id, batch_id, label) SELECT 'f' || n, 'box-' || (1 + n % :boxes), 'file ' || n
       FROM generate_series(1, CAST(:waiting AS int)) n""",
    """INSERT INTO pipeline.document (document_id, batch_id, file_id, document_type, page_ids, verdict, validated)
       SELECT 'd' || n, 'box-' || (1 + n % :boxes), 'f' || n, 'lab_result', '[]', 'review', '{}'
       FROM generate_series(1, CAST(:waiting AS int)) n""",
    """INSERT INTO review.waiting
           (document_id, file_id, batch_id, document_type, label, held, deadline, place, since, tasks)
       SELECT 'd' || n, 'f' || n, 'box-' || (1 + n % :boxes),
              (ARRAY['lab_result', 'discharge_letter', 'surgery_report'])[1 + n % 3],
              'file ' || n, false, current_date + n % 400, n % 5, now() - n * interval '1 minute', 1 + n % 7
       FROM generate_series(1, CAST(:waiting AS int)) n""",
)  # fmt: skip
LIMITS = {"claim": 10.0, "append a page": 5.0}  # milliseconds; everything else 1000


def fill(engine: Engine, pages: int, waiting: int, told: Callable[[str], None]) -> None:
    """Boxes of 2,000 pages, and documents that wait; counters as the triggers would have left them."""
    boxes = pages // PAGES_A_BOX
    own = {"open": OPEN, "files": PAGES_A_BOX // PAGES_A_FILE, "in_file": PAGES_A_FILE}
    for first in range(1, boxes + 1, PART):
        with engine.begin() as conn:
            _past_triggers(conn)
            for query in MAKE:
                conn.execute(text(query), own | {"first": first, "last": min(first + PART - 1, boxes)})
        told(f"{min(first + PART - 1, boxes) * PAGES_A_BOX:,} pages")
    with engine.begin() as conn:
        _past_triggers(conn)
        for query in COUNT:
            conn.execute(text(query), {"boxes": boxes, "waiting": waiting})
        rows = [{"account_id": f"officer-{n}", "name": f"Officer {n}", "role": "officer"} for n in range(OFFICERS)]
        conn.execute(insert(account), rows)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.execute(text("VACUUM ANALYZE"))


def measure(engine: Engine) -> dict[str, list[float]]:
    """Milliseconds of each question, several times."""
    found = {
        "status, asked": _times(5, lambda _: status.ledger_state()),
        "sohoa status, the command": _times(2, lambda _: _command("status", "--json")),
        "metrics": _times(3, lambda _: list(metrics.Measures(settings()).collect())),
    }
    with engine.connect() as conn:
        views = conn.scalars(text("SELECT viewname FROM pg_views WHERE schemaname = 'reporting' ORDER BY 1")).all()
        for view in views:
            found[f"view {view}"] = _times(
                3, lambda _, name=view: conn.execute(text(f"SELECT * FROM reporting.{name}")).all()
            )
        found["stuck batches"] = _times(3, lambda _: stuck.find(conn))
        found["turns"] = _times(3, lambda _: conn.execute(turns.in_turn()).all())
        found["queue counts"] = _times(3, lambda _: queue.counts(conn))
        found["forecast's paces"] = _times(3, lambda _: paces.line(conn, "DEMO", 1000))
        found["account for a box"] = _times(3, lambda n: ledger.balance(conn, f"box-{n + 1}"))
    found["claim"] = [spent for n in range(CLAIMS) for spent in _claimed(engine, f"officer-{n % OFFICERS}")]
    found["append a page"] = [spent / PAGES_A_FILE for spent in _times(FILES, lambda n: _append(engine, n))]
    return found


def _past_triggers(conn: Connection) -> None:
    conn.execute(text("SET LOCAL session_replication_role = replica"))


def _times(count: int, ask: Callable[[int], Any]) -> list[float]:
    spent = []
    for n in range(count):
        begun = time.perf_counter()
        ask(n)
        spent.append((time.perf_counter() - begun) * 1000)
    return spent


def _command(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pipeline.cli", *arguments], check=True, capture_output=True)


def _claimed(engine: Engine, officer: str) -> list[float]:
    """The next document for one of twenty officers, who has settled the one she had."""
    with engine.begin() as conn:
        settled = "DELETE FROM review.lease WHERE account_id = :own RETURNING document_id"
        for document_id in conn.scalars(text(settled), {"own": officer}).all():
            conn.execute(text("DELETE FROM review.waiting WHERE document_id = :own"), {"own": document_id})
    with engine.begin() as conn:
        spent = _times(1, lambda _: queue.claim(conn, officer))
    with engine.connect() as conn:
        if not conn.scalar(text("SELECT count(*) FROM review.lease WHERE account_id = :own"), {"own": officer}):
            raise SystemExit("no document is left to claim")
    return spent


def _append(engine: Engine, number: int) -> None:
    """A new file of twenty pages, its original kept, as intake does."""
    found = MediaType.PDF, PAGES_A_FILE
    with engine.begin() as conn:
        ledger.receive(conn, Store(settings()), "box-new", f"{number}.pdf", b"%d" % number * 1000, found)


def main(
    pages: Annotated[int, typer.Option(min=2 * PAGES_A_BOX)] = 10_000_000,
    waiting: Annotated[int, typer.Option(min=CLAIMS)] = 100_000,
) -> None:
    """Fill, measure, print; about ten minutes and 8 GB of disk for ten million pages."""
    out = Console(width=110)
    with home_of_its_own() as engine:
        fill(engine, pages, waiting, lambda line: out.print(line, style="dim"))
        with engine.begin() as conn:
            ledger.open_batch(conn, Batch(batch_id="box-new", facility="DEMO", folder="/new"))
        found = measure(engine)
    table = Table(
        "question", "times", "median ms", "worst ms", "asked for", title=f"{pages:,} pages, {waiting:,} to review"
    )
    for name, spent in found.items():
        limit = LIMITS.get(name, 1000.0)
        fine = statistics.median(spent) < limit
        table.add_row(
            name, str(len(spent)), f"{statistics.median(spent):.1f}", f"{max(spent):.1f}", f"< {limit:.0f}",
            style="" if fine else "red",
        )  # fmt: skip
    out.print(table)


if __name__ == "__main__":
    typer.run(main)
