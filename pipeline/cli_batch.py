"""The command line, pipeline.cli_batch: `sohoa batch ...`, the batches of scans, by ids and counts."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli_common import Facility, Json, out, print_rows, ready_engine, who
from records.errors import SohoaError
from records.pages import Boundary

app = typer.Typer(help="Batches of scans.", no_args_is_help=True)


@app.command("create")
def batch_create(
    folder: Path, batch: str = "", facility: Facility = "", file_boundary: Boundary = Boundary.SCAN
) -> None:
    """Enter a batch for Airflow to migrate."""
    from pipeline import ledger
    from pipeline.migrate import wanted_batch

    wanted = wanted_batch(folder, batch, facility, file_boundary)
    with ready_engine().begin() as conn:
        ledger.open_batch(conn, wanted)
    print(wanted.batch_id)


@app.command("list")
def batch_list(as_json: Json = False) -> None:
    """All batches with their pages by state."""
    from reporting import batch as report

    counts, _ = report.ledger_state()
    print_rows([{"batch": b} | states for b, states in counts.items()], as_json)


@app.command("release")
def batch_release(
    batch: str,
    by: Annotated[str, typer.Option(help="User name of the senior who decides.")],
    reason: Annotated[str, typer.Option(help="Why, in 10 to 500 letters.")],
) -> None:
    """Let a held batch be loaded in spite of the checks that it fails now; a new failure holds it again."""
    from pipeline import audit, releases
    from review import accounts
    from review.policy import Right, may
    from review.restricted import reason_of

    try:
        why = reason_of(reason)
    except ValueError as error:
        raise SohoaError(f"The reason cannot be kept: {error}.") from error
    with ready_engine().begin() as conn:
        seniors = {a["account_id"] for a in accounts.listed(conn) if a["usable"] and may(str(a["role"]), Right.RELEASE)}
        if by not in seniors:
            raise SohoaError(f"'{by}' may not release a batch; name a senior: sohoa user list")
        releases.decide(conn, batch, by, releases.Decision.ACCEPT, why)
        audit.record(conn, who(), "release:command", f"batch:{batch}", {"by": by})
    out.print(f"Batch {batch} may be loaded.", highlight=False, markup=False)
