"""The command line, pipeline.cli_emr: `sohoa consumer`, the systems that take the EMR's rows over."""

import typer
from sqlalchemy import Engine

from pipeline.cli_common import Json, out, print_rows, ready_engine, who
from records.errors import SohoaError

consumer_app = typer.Typer(help="Systems that take the EMR's rows over (docs/emr.md).", no_args_is_help=True)


@consumer_app.command("add")
def consumer_add(name: str) -> None:
    """Tell a system every change from now on; what stands already it takes from the tables."""
    from loaders import changes
    from pipeline import audit

    with _loader().begin() as conn:
        after = changes.add_consumer(conn, name)
    with ready_engine().begin() as conn:
        audit.record(conn, who(), "consumer:add", f"consumer:{name}", {"after": after})
    out.print(f"{name} is told every change after number {after}.", highlight=False, markup=False)


@consumer_app.command("remove")
def consumer_remove(name: str) -> None:
    """Tell a system nothing any more."""
    from loaders import changes
    from pipeline import audit

    with _loader().begin() as conn:
        if not changes.remove_consumer(conn, name):
            raise SohoaError(f"'{name}' is told nothing; see: sohoa consumer list")
    with ready_engine().begin() as conn:
        audit.record(conn, who(), "consumer:remove", f"consumer:{name}", {})


@consumer_app.command("list")
def consumer_list(as_json: Json = False) -> None:
    """How many changes wait for each system, and what it refused."""
    from loaders import changes

    with _loader().connect() as conn:
        print_rows([row | {"oldest": str(row["oldest"] or "")} for row in changes.consumers(conn)], as_json)
        for one in changes.refusals(conn) if not as_json else ():
            told = f"{one.consumer_id} refused {one.change_id} ({one.table_name}, {one.document_id}): {one.why}"
            out.print(told, highlight=False, markup=False, soft_wrap=True)


def _loader() -> Engine:
    from pipeline.database import engine
    from pipeline.settings import settings

    ready_engine()
    return engine(settings(), "loader")
