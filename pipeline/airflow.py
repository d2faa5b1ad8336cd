"""Around the stages, pipeline.airflow: turns the settings into an Airflow that is set up, or runs one batch."""

import base64
import importlib
import json
import os
import secrets
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from sqlalchemy import create_engine, inspect
from sqlalchemy.exc import OperationalError

from pipeline import keys, processes
from pipeline.database import airflow_url
from pipeline.settings import Settings
from pipeline.settings import settings as _settings
from records.errors import SohoaError

REPOSITORY = Path(__file__).resolve().parent.parent
AIRFLOW = [sys.executable, "-m", "airflow"]
PORT, USER = 8080, "it"
PASSWORDS = "airflow_users.json"


def environment(settings: Settings, port: int = PORT) -> dict[str, str]:
    """All of Airflow's settings as environment variables; its secrets are made on first use, in home/secrets."""
    url = address(settings, port)
    sections = {
        "CORE": {
            "DAGS_FOLDER": str(REPOSITORY / "dags"),
            "PLUGINS_FOLDER": str(REPOSITORY / "dags" / "plugins"),
            "LOAD_EXAMPLES": "False",
            "EXECUTOR": "CeleryExecutor" if settings.broker_url else "LocalExecutor",
            "EXECUTION_API_SERVER_URL": f"{url}/execution/",
            "PARALLELISM": str(2 * settings.workers + 4),
            "DAGS_ARE_PAUSED_AT_CREATION": "False",
            "FERNET_KEY": _key(settings, "airflow_fernet.key"),
            "SIMPLE_AUTH_MANAGER_USERS": f"{USER}:op",
            "SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(password_file(settings)),
        },
        "DATABASE": {"SQL_ALCHEMY_CONN": airflow_url(settings)},
        "API": {
            "HOST": settings.airflow_host,
            "PORT": str(port),
            "BASE_URL": url,
            "SECRET_KEY": _key(settings, "airflow_api.key"),
        },
        "API_AUTH": {"JWT_SECRET": _key(settings, "airflow_token.key")},
        # A task that a broker lost with its message is handed out again.
        "SCHEDULER": {"TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60", "TASK_QUEUED_TIMEOUT": "120"},
        "LOGGING": {"JSON_LOGS": "True"},
        # The timetables change with a release only; reading them twice a minute would cost a tenth of a core.
        "DAG_PROCESSOR": {"MIN_FILE_PROCESS_INTERVAL": "600", "REFRESH_INTERVAL": "600"},
    }
    if settings.broker_url:
        sections["CELERY"] = {"BROKER_URL": settings.broker_url}
    if settings.statsd:
        host, _, given = settings.statsd.partition(":")
        sections["METRICS"] = {"STATSD_ON": "True", "STATSD_HOST": host, "STATSD_PORT": given}
    flat = {f"AIRFLOW__{name}__{key}": value for name, section in sections.items() for key, value in section.items()}
    # Tasks reach the API server on this machine even where the hospital's proxy is set for everything else.
    reach = {"NO_PROXY": _joined(",", settings.airflow_host, "localhost", os.environ.get("NO_PROXY", ""))}
    code = {"PYTHONPATH": _joined(os.pathsep, str(REPOSITORY), os.environ.get("PYTHONPATH", ""))}
    homes = {"AIRFLOW_HOME": str(folder(settings)), "SOHOA_HOME": str(settings.home.resolve())}
    return flat | reach | code | homes


def prepare(settings: Settings) -> None:
    """Make or migrate the metadata database and set the pools; a moment when nothing changed since last time."""
    pools = {
        "ocr": {"slots": settings.workers, "description": "Chunks of pages read at the same time"},
        "emr_write": {"slots": 1, "description": "Batches written to the EMR at the same time"},
    }
    from pipeline import fitness  # It looks at the readers' models: nothing for the commands that ask how Airflow is.

    fitness.stamp(settings)
    stamp, pool_file = folder(settings) / "prepared.json", folder(settings) / "pools.json"
    wanted = json.dumps({"airflow": version("apache-airflow"), "pools": pools})
    if stamp.exists() and stamp.read_text() == wanted and _has_metadata(airflow_url(settings)):
        return
    pool_file.write_text(json.dumps(pools))
    command(settings, "db", "migrate")
    command(settings, "pools", "import", str(pool_file))
    stamp.write_text(wanted)


def run_in_process(
    dag_id: str, batch_id: str, settings: Settings | None = None, tick: Callable[[], None] = lambda: None
) -> bool:
    """Run one batch through a DAG without a scheduler, in a child with a clean environment; True when it succeeded.

    `tick` is called twice a second meanwhile. What Airflow says goes to home/airflow/logs/in_process.log.
    """
    settings = settings or _settings()
    prepare(settings)
    child = start(settings, "in_process", [sys.executable, "-m", "pipeline.airflow", "run", dag_id, batch_id])
    try:
        while child.poll() is None:
            tick()
            time.sleep(0.5)
    finally:
        processes.stop([child])
    return child.returncode == 0


def address(settings: Settings, port: int = PORT) -> str:
    """Where Airflow's pages and API answer."""
    return f"http://{settings.airflow_host}:{port}"


def reached_at(settings: Settings) -> str:
    """Where another process reaches them: in a container as its AIRFLOW__API__BASE_URL says."""
    return os.environ.get("AIRFLOW__API__BASE_URL") or address(settings)


def log_path(settings: Settings, name: str) -> Path:
    """Where a process of Airflow, or the workbench, writes what it has to say."""
    logs = folder(settings) / "logs"
    logs.mkdir(exist_ok=True)
    return logs / f"{name}.log"


def password_file(settings: Settings) -> Path:
    """The file with the password of Airflow's only user; made here, so that Airflow makes and prints none."""
    keys.secret(settings, PASSWORDS, lambda: json.dumps({USER: secrets.token_urlsafe(18)}))
    return settings.home.resolve() / "secrets" / PASSWORDS


def _key(settings: Settings, name: str) -> str:
    """32 random bytes in URL-safe base 64 (as Fernet wants them), the same at every call."""
    return keys.secret(settings, name, lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode("ascii"))


def folder(settings: Settings) -> Path:
    made = settings.home.resolve() / "airflow"
    made.mkdir(parents=True, exist_ok=True)
    return made


def start(settings: Settings, name: str, command: list[str], port: int = PORT, **extra: str) -> processes.Child:
    """One process with Airflow's settings, and none that this shell happens to have."""
    return processes.start(command, own_variables() | environment(settings, port) | extra, log_path(settings, name))


def own_variables() -> dict[str, str]:
    """The variables of this shell, but for those that it happens to have for Airflow."""
    return {key: value for key, value in os.environ.items() if not key.startswith("AIRFLOW")}


def _joined(separator: str, *parts: str) -> str:
    return separator.join(part for part in parts if part)


def _has_metadata(url: str) -> bool:
    engine = create_engine(url)
    try:
        return inspect(engine).has_table("dag_run")
    except OperationalError:
        return False
    finally:
        engine.dispose()


def command(settings: Settings, *arguments: str) -> None:
    """Run one of Airflow's own commands; SohoaError where it fails."""
    child = start(settings, "set_up", [*AIRFLOW, *arguments])
    if child.wait():
        told = log_path(settings, "set_up")
        raise SohoaError(f"airflow {' '.join(arguments[:2])} failed; {told} says why; mend it, then run ./run setup.")


def _run(dag_id: str, batch_id: str) -> bool:
    """Here, in this process: dag.test() of one batch."""
    make = getattr(importlib.import_module(f"dags.{dag_id}"), dag_id)
    run = make().test(run_conf={"batch": batch_id})
    return bool(run.state == "success")


def _become(arguments: list[str]) -> None:
    """Turn into `airflow ARGUMENTS` with these settings; in a container its AIRFLOW__ variables win. A Celery worker
    that is not fit is refused."""
    if arguments[:1] == ["celery"]:
        from pipeline import fitness

        fitness.refuse(_settings())
    own = {key: value for key, value in os.environ.items() if key.startswith("AIRFLOW__")}
    os.execve(sys.executable, [*AIRFLOW, *arguments], dict(os.environ) | environment(_settings()) | own)


def main(arguments: list[str]) -> int:
    """`run DAG BATCH`: in this process. `prepare`: metadata database and pools. Anything else: a command of Airflow."""
    if arguments[:1] == ["run"]:
        return 0 if _run(*arguments[1:]) else 1
    if arguments == ["prepare"]:
        prepare(_settings())
        return 0
    _become(arguments)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SohoaError as refused:
        sys.exit(f"sohoa: {refused}")
