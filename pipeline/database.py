"""Before stage 0, pipeline.database: turns the settings into a migrated PostgreSQL that answers."""

import os
from functools import cache
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, ProgrammingError

from pipeline import embedded
from pipeline.keys import password
from pipeline.settings import REPOSITORY, Settings
from records.errors import SohoaError

ROLES = ("pipeline", "loader", "review", "reporting", "auditor", "consumer")
DATABASE = "sohoa"
DRIVER = "postgresql+psycopg"
MIGRATE_LOCK = 4


def connect_url(settings: Settings, role: str = "", *, keep_running: bool = False) -> str:
    """The SQLAlchemy URL (with its password: never log it) of the database; starts the embedded server when needed.

    `role`: connect as that role (embedded server only); empty: the owner. `keep_running`: the embedded server
    outlives this process (for `serve`, which calls `stop`).
    """
    if settings.database_url:
        return _server_url(settings.database_url).render_as_string(hide_password=False)
    sockets = embedded.start(settings, keep_running=keep_running)
    return _socket_url(DRIVER, role or embedded.OWNER, settings, DATABASE, sockets)


def airflow_url(settings: Settings, *, keep_running: bool = False) -> str:
    """The URL (psycopg2) of Airflow's own metadata database `airflow` in the same server, made when missing."""
    if settings.airflow_database_url:
        return settings.airflow_database_url
    if settings.database_url:
        url = _server_url(settings.database_url).set(drivername="postgresql+psycopg2", database="airflow")
        return url.render_as_string(hide_password=False)
    sockets = embedded.start(settings, keep_running=keep_running)
    return _socket_url("postgresql+psycopg2", embedded.AIRFLOW, settings, embedded.AIRFLOW, sockets)


def engine(settings: Settings, role: str = "") -> Engine:
    """An engine that has answered once; one per process, settings and role. On a server of the hospital the role is
    taken with SET ROLE. SohoaError when the database does not answer."""
    return _engine(settings, role, os.getpid())


def migrate(settings: Settings) -> None:
    """Make the roles and bring the tables to the newest edition; two processes may ask at once."""
    with engine(settings).connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock, 0)"), {"lock": MIGRATE_LOCK})
        connection.commit()
        try:
            _make_roles(connection, settings)
            _upgrade(connection)
            connection.commit()
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock, 0)"), {"lock": MIGRATE_LOCK})
            connection.commit()


def make_current(settings: Settings) -> None:
    """As `migrate`, at once where the tables are of the newest edition already."""
    newest = max(path.stem for path in (REPOSITORY / "migrations" / "versions").glob("[0-9]*.py")).partition("_")[0]
    try:
        with engine(settings).connect() as connection:
            if connection.scalar(text("SELECT version_num FROM pipeline.alembic_version")) == newest:
                return
    except ProgrammingError:  # There are no tables at all.
        pass
    migrate(settings)


def stop(settings: Settings) -> None:
    """Stop the embedded server, whoever uses it."""
    _engine.cache_clear()
    if not settings.database_url:
        embedded.stop(settings)


@cache
def _engine(settings: Settings, role: str, _process: int) -> Engine:
    # Errors that are printed must not show parameters: they are patient data.
    url = connect_url(settings, role)
    made = create_engine(url, pool_pre_ping=True, hide_parameters=True, connect_args={"connect_timeout": 10})
    if role and settings.database_url:
        _take_role(made, role)
    try:
        with made.connect() as connection:
            connection.execute(text("SELECT 1"))
    except OperationalError as error:
        raise SohoaError(_no_answer(make_url(url))) from error
    except ProgrammingError as error:
        raise SohoaError(
            f"The database refuses the role '{role}'; run 'sohoa init' or ask its administrator."
        ) from error
    return made


def _take_role(made: Engine, role: str) -> None:
    if role not in ROLES:
        raise SohoaError(f"'{role}' is no database role; use one of {', '.join(ROLES)}.")

    @event.listens_for(made, "connect")
    def set_role(connection, _record):  # type: ignore[no-untyped-def]
        with connection.cursor() as cursor:
            cursor.execute(f"SET ROLE {role}")
        connection.commit()


def _no_answer(url: URL) -> str:
    where = (
        f"{url.host or url.query.get('host', 'the local socket')}{f':{url.port}' if url.port else ''}/{url.database}"
    )
    return f"The database {where} does not answer or refuses '{url.username}'; start it or correct SOHOA_DATABASE_URL."


def _server_url(given: str) -> URL:
    try:
        url = make_url(given)
    except ArgumentError as error:
        raise SohoaError(
            "SOHOA_DATABASE_URL is not a URL; write postgresql://user:password@host:5432/database."
        ) from error
    if url.drivername.split("+")[0] not in ("postgresql", "postgres"):
        raise SohoaError(f"SOHOA_DATABASE_URL names '{url.drivername}'; only PostgreSQL is supported.")
    return url.set(drivername=DRIVER)


def _socket_url(driver: str, role: str, settings: Settings, database: str, sockets: str) -> str:
    # Slashes stay as they are: a percent sign would be an interpolation in Airflow's configuration.
    return f"{driver}://{role}:{password(settings, role)}@/{database}?host={quote(sockets, safe='/')}"


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(REPOSITORY / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _make_roles(connection: Connection, settings: Settings) -> None:
    have = set(connection.execute(text("SELECT rolname FROM pg_roles")).scalars())
    try:
        for role in ROLES:
            if role not in have:
                connection.execute(text(f"CREATE ROLE {role} NOLOGIN"))
            if not settings.database_url:
                connection.execute(text(f"ALTER ROLE {role} LOGIN PASSWORD '{password(settings, role)}'"))
                connection.execute(text(f"GRANT CONNECT ON DATABASE {DATABASE} TO {role}"))
        connection.commit()
    except DBAPIError as error:
        raise SohoaError(
            f"The database user may not create the roles {', '.join(ROLES)}; ask its administrator to create them."
        ) from error
