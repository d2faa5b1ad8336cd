"""The command line, pipeline.cli_batch: `sohoa batch ...`, the batches of scans, by ids and counts."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli_common import Facility, Json, out, people, print_rows, ready_engine, recorded, who, write_private
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
def batch_list(
    stuck: Annotated[bool, typer.Option("--stuck", help="Only those that nobody works on any more, and why.")] = False,
    cure: Annotated[bool, typer.Option("--cure", help="Let the stuck ones wait for their turn again.")] = False,
    as_json: Json = False,
) -> None:
    """All batches with their pages by state."""
    from reporting import batch as report

    if stuck or cure:
        _list_stuck(cure, as_json)
        return
    counts, _ = report.ledger_state()
    print_rows([{"batch": b} | states for b, states in counts.items()], as_json)


def _list_stuck(cure: bool, as_json: bool) -> None:
    from pipeline import audit
    from pipeline import stuck as stranded

    with ready_engine().begin() as conn:
        found = stranded.cure(conn) if cure else stranded.find(conn)
        for one in found if cure else ():
            audit.record(conn, who(), "batch:queue", f"batch:{one.batch_id}", {"stuck": one.pages})
    if as_json:
        print_rows([one.model_dump() for one in found], True)
        return
    for one in found:
        out.print(f"{one.batch_id} waits again" if cure else one.told, highlight=False, markup=False, soft_wrap=True)
    if not found:
        out.print("No batch is stuck.")


@app.command("release")
def batch_release(
    batch: str,
    by: Annotated[str, typer.Option(help="User name of the senior who decides.")],
    reason: Annotated[str, typer.Option(help="Why, in 10 to 500 letters.")],
) -> None:
    """Let a held batch be loaded in spite of the checks that it fails now; a new failure holds it again."""
    from pipeline import audit, releases
    from review.policy import Right
    from review.restricted import reason_of

    try:
        why = reason_of(reason)
    except ValueError as error:
        raise SohoaError(f"The reason cannot be kept: {error}.") from error
    with ready_engine().begin() as conn:
        if by not in people(conn, Right.RELEASE):
            raise SohoaError(f"'{by}' may not release a batch; name a senior: sohoa user list")
        releases.decide(conn, batch, by, releases.Decision.ACCEPT, why)
        audit.record(conn, who(), "release:command", f"batch:{batch}", {"by": by})
    out.print(f"Batch {batch} may be loaded.", highlight=False, markup=False)


@app.command("undo")
def batch_undo(
    batch: str,
    reason: Annotated[str, typer.Option(help="Why, in 10 to 500 letters.")],
    as_json: Json = False,
) -> None:
    """Take a batch back out of the EMR; what others have changed there since is left, and named."""
    from pipeline import undo as undoing

    if not 10 <= len(reason.strip()) <= 500:
        raise SohoaError("The reason cannot be kept: write 10 to 500 letters.")
    done = undoing.undo(batch)
    recorded("batch:undo", f"batch:{batch}", done.model_dump(mode="json") | {"reason": reason})
    if as_json:
        print_rows([done.model_dump(mode="json")], True)
        return
    say = functools.partial(out.print, highlight=False, markup=False, soft_wrap=True)
    say(f"Batch {batch}: {done.pages} pages withdrawn, {sum(done.removed.values())} rows taken out of the EMR.")
    for table, rows in done.left.items():
        say(f"Left in emr.{table}: {rows}, changed by others since; see the column changed_elsewhere.")
    for other in done.read_again:
        say(f"Batch {other} waits for its turn again: sheets of it were set aside as doubles of these.")


@app.command("changes")
def batch_changes(
    batch: str,
    csv_file: Annotated[
        Path | None, typer.Option("--out", help="Write every change with its values here (CSV): patient data.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What the DAG `reprocess` would replace, counted by form and field; nothing is replaced before it is told to."""
    from pipeline import reprocess

    with ready_engine().connect() as conn:
        print_rows(reprocess.report(conn, batch), as_json)
        if csv_file:
            write_private(csv_file, ("page", "field", "before", "after"), reprocess.changes(conn, batch))


@app.command("queue")
def batch_queue(batches: list[str]) -> None:
    """Let batches wait for their turn; Airflow starts them in order."""
    from pipeline import audit, turns

    with ready_engine().begin() as conn:
        queued = turns.queue(conn, batches)
        for one in queued:
            audit.record(conn, who(), "batch:queue", f"batch:{one}", {})
    out.print(f"{len(queued)} batches wait, {len(batches) - len(queued)} did already.")


@app.command("turns")
def batch_turns(as_json: Json = False) -> None:
    """The batches that wait, the next first, and what rests."""
    from pipeline import turns

    with ready_engine().connect() as conn:
        waiting = [{"batch": row.batch_id, "urgent": row.urgent} for row in conn.execute(turns.in_turn())]
        resting = turns.resting(conn)
    print_rows(waiting, as_json)
    for name, reason in resting.items() if not as_json else ():
        out.print(f"{name or 'Everything'} rests: {reason}", style="yellow", highlight=False, markup=False)


@app.command("urgent")
def batch_urgent(batch: str, off: Annotated[bool, typer.Option("--off", help="No longer.")] = False) -> None:
    """The patient is back: read this batch before all others."""
    from pipeline import audit, turns

    with ready_engine().begin() as conn:
        turns.hurry(conn, batch, on=not off)
        audit.record(conn, who(), "batch:urgent", f"batch:{batch}", {"on": not off})
    out.print(f"Batch {batch} {'waits like the others' if off else 'is read next'}.", highlight=False, markup=False)


@app.command("pause")
def batch_pause(
    reason: Annotated[str, typer.Option(help="Why, for whoever looks at the queue.")],
    batch: Annotated[str, typer.Argument(help="A batch; none: everything.")] = "",
) -> None:
    """Begin no chunk of a batch, or of any, until it is resumed; chunks under way are finished."""
    from pipeline import audit, turns

    with ready_engine().begin() as conn:
        turns.rest(conn, batch, who(), reason)
        audit.record(conn, who(), "batch:pause", f"batch:{batch or '*'}", {"reason": reason})
    out.print(f"{batch or 'Everything'} rests.", highlight=False, markup=False)


@app.command("resume")
def batch_resume(batch: Annotated[str, typer.Argument(help="A batch; none: everything.")] = "") -> None:
    """Go on with what was paused."""
    from pipeline import audit, turns

    with ready_engine().begin() as conn:
        went = turns.resume(conn, batch)
        audit.record(conn, who(), "batch:resume", f"batch:{batch or '*'}", {"rested": went})
    out.print(f"{batch or 'Everything'} {'goes on' if went else 'did not rest'}.", highlight=False, markup=False)
