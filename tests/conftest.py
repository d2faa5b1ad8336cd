"""What tests share: one home with its own embedded PostgreSQL per session, and a clean database per test."""

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import uvicorn
from fastapi import FastAPI
from sqlalchemy import Connection, Engine, text

from pipeline import database
from pipeline import settings as settings_module
from pipeline.settings import Settings
from pipeline.store import Store
from records.pages import Batch

INSTALLED_ASSETS = Path(os.environ.get("SOHOA_HOME") or settings_module.REPOSITORY / "var").resolve() / "assets"
OUTSIDE = ("SOHOA_DATABASE_URL", "SOHOA_AIRFLOW_DATABASE_URL", "SOHOA_STORE_KEY", "SOHOA_AUDIT_KEY")


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A folder for a server of its own. Not pytest's: each pytest that starts closes that to PostgreSQL's user."""
    home = Path(tempfile.mkdtemp(prefix="sohoa-test-"))
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def new_home() -> Iterator[Path]:
    """An empty SOHOA_HOME for one test."""
    with temporary_home() as home:
        yield home


@pytest.fixture(scope="session")
def session_home() -> Iterator[Path]:
    """The SOHOA_HOME of the session."""
    with temporary_home() as home:
        yield home


@pytest.fixture(scope="session")
def settings(session_home: Path) -> Iterator[Settings]:
    """Settings of a temporary home; `pipeline.settings.settings()` returns the same."""
    patch = pytest.MonkeyPatch()
    for name in OUTSIDE:
        patch.delenv(name, raising=False)
    patch.setenv("SOHOA_HOME", str(session_home))
    settings_module.settings.cache_clear()
    chosen = settings_module.settings()
    yield chosen
    database.stop(chosen)
    patch.undo()
    settings_module.settings.cache_clear()


@pytest.fixture(scope="session")
def engine(settings: Settings) -> Engine:
    """The migrated database of the session; take `clean` with it, or `conn`."""
    database.migrate(settings)
    return database.engine(settings)


@pytest.fixture(scope="session")
def assets(settings: Settings) -> Path:
    """What `./run test` installed for the workbench, found in the temporary home as well."""
    link = settings.home / "assets"
    if not link.exists():
        link.symlink_to(INSTALLED_ASSETS)
    return link / "node_modules"


@contextmanager
def served(app: FastAPI, port: int = 0) -> Iterator[str]:
    """An application as uvicorn serves it, on a free port unless told one; its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(20)


def empty(engine: Engine) -> None:
    """Empty every table, but for the facility DEMO; those that hold nothing are let alone, as that takes its time."""
    schemas = "('pipeline', 'emr', 'audit', 'review')"
    tables = f"SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN {schemas}"
    begun = f"pg_sequences WHERE schemaname IN {schemas} AND last_value IS NOT NULL"
    sequences = f"SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false) FROM {begun}"
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # The audit trail refuses otherwise.
        names = [name for name in connection.scalars(text(tables)) if not name.endswith("alembic_version")]
        held = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {name})" for name in names)
        for name in connection.scalars(text(held)).all():
            connection.execute(text(f"DELETE FROM {name}"))
        connection.execute(text(sequences))
        connection.execute(text("INSERT INTO pipeline.facility VALUES ('DEMO', 'Demonstration hospital')"))


@pytest.fixture
def clean(engine: Engine) -> Engine:
    """The engine, with every table emptied and the facility DEMO in place."""
    empty(engine)
    return engine


@pytest.fixture
def conn(clean: Engine) -> Iterator[Connection]:
    """A connection to the clean database; commit it or not."""
    with clean.connect() as connection:
        yield connection


@pytest.fixture
def store(settings: Settings) -> Store:
    """The session's store: originals of other tests may lie in it."""
    return Store(settings)


@pytest.fixture
def batch(conn: Connection, tmp_path: Path) -> str:
    """The id of an open batch on `tmp_path`."""
    from pipeline import ledger

    ledger.open_batch(conn, Batch(batch_id="box-1", facility="DEMO", folder=str(tmp_path)))
    conn.commit()
    return "box-1"
