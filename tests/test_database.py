"""The database: it starts by itself, is shared, asks for passwords, survives a kill, says when it does not answer."""

import os
import signal
import subprocess
import sys
import time

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import make_url, select, text
from sqlalchemy.exc import DBAPIError

from pipeline import audit, database, embedded, tables
from pipeline.settings import Settings
from records.errors import SohoaError
from review import tables as review_tables

USE = """
import sys, time
from pipeline.settings import settings
from pipeline import database
database.migrate(settings())
engine = database.engine(settings())
print("ready", flush=True)
sys.stdin.readline()
"""


def another_process(home, code=USE):
    environment = {**os.environ, "SOHOA_HOME": str(home)}
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process


def running(home):
    return embedded._server_pid(home / "pg")


@pytest.mark.parametrize(
    ("metadata", "schemas"), [(tables.metadata, ("pipeline", "audit")), (review_tables.metadata, ("review",))]
)
def test_the_tables_are_those_of_the_migrations(conn, metadata, schemas):
    def ours(thing, _name, kind, _reflected, _other):
        if kind == "foreign_key_constraint":  # to another schema's table: the migration's alone
            return thing.referred_table.schema in schemas
        return kind != "table" or (thing.schema in schemas and thing.name != "alembic_version")

    context = MigrationContext.configure(
        conn,
        opts={"include_schemas": True, "include_object": ours, "compare_type": True, "compare_server_default": True},
    )
    assert compare_metadata(context, metadata) == []


def test_migrating_again_changes_nothing(engine, settings):
    database.migrate(settings)


def test_no_role_gets_in_without_its_password(engine, settings):
    sockets = str(make_url(database.connect_url(settings)).query["host"])
    for role in (*database.ROLES, "postgres", "airflow"):
        with pytest.raises(psycopg.OperationalError, match="no password|password"):
            psycopg.connect(host=sockets, user=role, dbname="sohoa")
    for path in (settings.home / "secrets").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600


def test_the_server_listens_on_no_network(engine):
    with engine.connect() as conn:
        assert conn.scalar(text("SHOW listen_addresses")) == ""


def test_each_role_may_do_its_own_work_only(clean, settings):
    with database.engine(settings, "reporting").connect() as conn:
        conn.execute(text("SELECT * FROM reporting.conversion_progress_by_batch"))
        with pytest.raises(DBAPIError, match="permission denied"):
            conn.execute(text("SELECT * FROM pipeline.page_text"))
    with database.engine(settings, "auditor").connect() as conn:
        conn.execute(select(tables.event))
        with pytest.raises(DBAPIError, match="permission denied"):
            conn.execute(text("INSERT INTO pipeline.facility VALUES ('X', 'X')"))
    url = database.airflow_url(settings).replace("+psycopg2", "")
    with psycopg.connect(url) as airflow:
        assert airflow.execute("SELECT current_database()").fetchone() == ("airflow",)
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(url.replace("/airflow?", "/sohoa?"))


def test_the_airflow_address_has_nothing_that_a_configuration_would_interpolate(settings):
    assert "%" not in database.airflow_url(settings)


@pytest.mark.slow
def test_a_second_process_shares_the_server_and_the_last_one_stops_it(new_home):
    first, second = another_process(new_home), another_process(new_home)
    assert first.stdout.readline() == second.stdout.readline() == "ready\n"
    pid = running(new_home)
    first.communicate("\n")
    assert running(new_home) == pid
    second.communicate("\n")
    assert running(new_home) is None


@pytest.mark.slow
def test_after_the_kill_of_a_user_the_next_one_goes_on_and_still_stops_it(new_home):
    killed = another_process(new_home)
    assert killed.stdout.readline() == "ready\n"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    after = another_process(new_home)
    assert after.stdout.readline() == "ready\n"
    after.communicate("\n")
    assert running(new_home) is None


@pytest.mark.slow
def test_a_user_that_was_killed_does_not_keep_the_server_of_the_last_one_running(new_home):
    last, killed = another_process(new_home), another_process(new_home)
    assert last.stdout.readline() == killed.stdout.readline() == "ready\n"
    killed.kill()
    killed.wait()
    last.communicate("\n")
    assert running(new_home) is None


@pytest.mark.slow
def test_after_the_kill_of_the_server_itself_the_next_one_restarts_it(new_home):
    user = another_process(new_home)
    assert user.stdout.readline() == "ready\n"
    os.kill(running(new_home), signal.SIGKILL)
    (new_home / "pg" / ".handle_pids.json").write_text("[12")  # Cut off while it was written.
    user.kill()
    user.wait()
    time.sleep(0.5)
    after = another_process(new_home)
    assert after.stdout.readline() == "ready\n"
    after.communicate("\n")
    assert running(new_home) is None


def test_a_stale_process_number_of_somebody_else_does_not_pass_for_the_server(tmp_path):
    (tmp_path / "pg").mkdir()
    (tmp_path / "pg" / "postmaster.pid").write_text(f"{os.getpid()}\n{tmp_path}\n")
    assert running(tmp_path) is None


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://u:hush@127.0.0.1:1/x", "127.0.0.1:1/x does not answer"),
        ("postgresql://u:hush@/x?host=/nowhere", "/nowhere/x does not answer"),
        ("mysql://u:hush@host/x", "only PostgreSQL"),
        ("not a url", "is not a URL"),
    ],
)
def test_a_database_that_does_not_answer_is_one_sentence_without_the_password(url, sentence, tmp_path):
    with pytest.raises(SohoaError, match=sentence) as caught:
        database.engine(Settings(home=tmp_path, database_url=url))
    assert "hush" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_server_of_the_hospital_is_used_with_its_roles_and_its_own_airflow_database(settings, engine, tmp_path):
    owner = database.connect_url(settings).replace("+psycopg", "")
    other = Settings(home=tmp_path, database_url=owner)
    database.migrate(other)
    with database.engine(other, "auditor").connect() as conn:
        assert conn.scalar(text("SELECT current_user")) == "auditor"
        with pytest.raises(DBAPIError, match="permission denied"):
            conn.execute(text("DELETE FROM pipeline.page"))
    assert make_url(database.airflow_url(other)).database == "airflow"
    assert make_url(database.airflow_url(other)).drivername == "postgresql+psycopg2"
    assert not (tmp_path / "pg").exists()


def test_the_audit_chain_refuses_changes_and_shows_them(conn, settings):
    for number in range(3):
        audit.record(conn, "officer-1", "view", f"page-{number}", {"n": number, "share": 0.10, "vi": "hồ sơ"})
    audit.anchor(conn, settings)
    conn.commit()
    assert audit.verify(conn) == []
    for statement in ("UPDATE audit.event SET actor = 'x'", "DELETE FROM audit.event", "TRUNCATE audit.event"):
        with pytest.raises(DBAPIError, match="insert-only"), conn.begin_nested():
            conn.execute(text(statement))
    forged = {
        "UPDATE audit.event SET actor = 'x' WHERE object = 'page-1'": "was changed",
        "UPDATE audit.event SET detail = '{}' WHERE object = 'page-2'": "was changed",
        "DELETE FROM audit.event WHERE object = 'page-1'": "an event is missing",
        "DELETE FROM audit.event WHERE object = 'page-2'": "missing in it",
        "UPDATE audit.event SET previous = decode('00', 'hex') WHERE object = 'page-0'": "was changed",
    }
    for statement, sentence in forged.items():
        conn.execute(text("SET LOCAL session_replication_role = replica"))
        conn.execute(text(statement))
        found = audit.verify(conn)
        assert any(sentence in line for line in found), (statement, found)
        conn.rollback()
    (settings.home / "audit.anchors").unlink()


def test_progress_by_batch_counts_each_page_once(conn, store, batch):
    from pipeline import ledger
    from records.pages import MediaType

    ledger.receive(conn, store, batch, "a.pdf", b"progress", (MediaType.PDF, 3))
    conn.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    row = conn.execute(text("SELECT * FROM reporting.conversion_progress_by_batch")).one()
    assert (row.batch_id, row.pages, row.in_progress, row.loaded) == (batch, 3, 3, 0)


def test_tables_of_the_newest_edition_are_left_alone_and_older_ones_are_brought_up(engine, settings, monkeypatch):
    asked = []
    monkeypatch.setattr(database, "migrate", lambda given: asked.append(given))
    database.make_current(settings)
    assert asked == []
    with engine.begin() as connection:
        connection.execute(text("UPDATE pipeline.alembic_version SET version_num = '0019'"))
    try:
        database.make_current(settings)
    finally:
        with engine.begin() as connection:
            connection.execute(text("UPDATE pipeline.alembic_version SET version_num = :now"), {"now": newest()})
    assert asked == [settings]


def newest():
    return sorted(path.stem for path in (database.REPOSITORY / "migrations/versions").glob("0*.py"))[-1][:4]
