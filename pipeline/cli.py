"""The command line, pipeline.cli: `sohoa`. Exits 2 with one sentence when something must be mended first."""

import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from pipeline import (
    cli_accuracy,
    cli_archive,
    cli_batch,
    cli_emr,
    cli_forecast,
    cli_lists,
    cli_pages,
    cli_paper,
    cli_pilot,
    cli_policy,
    cli_serve,
)
from pipeline.cli_common import Facility, Json, day, err, facility_code, out, print_rows, ready_engine
from pipeline.cli_registry import patient_app, registry_app, target_app
from pipeline.cli_users import user_app
from records.errors import SohoaError
from records.pages import Boundary

app = typer.Typer(
    help="Paper medical records into rows of the EMR.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
decision_app = typer.Typer(help="The director's decisions.", no_args_is_help=True)
facility_app = typer.Typer(help="The hospitals whose paper is converted.", no_args_is_help=True)
review_app = typer.Typer(help="What the machine doubts.", no_args_is_help=True)
app.add_typer(registry_app, name="registry")
app.add_typer(target_app, name="target")
app.add_typer(patient_app, name="patient")
app.add_typer(decision_app, name="decision")
app.add_typer(cli_batch.app, name="batch")
app.add_typer(cli_emr.consumer_app, name="consumer")
app.add_typer(cli_archive.archive_app, name="archive")
app.add_typer(cli_archive.signing_app, name="signing")
app.add_typer(cli_paper.register_app, name="register")
app.add_typer(cli_paper.paper_app, name="paper")
app.add_typer(cli_emr.export_app, name="export")
app.add_typer(cli_emr.send_app, name="send")
app.add_typer(cli_lists.codes_app, name="codes")
app.add_typer(cli_lists.form_app, name="document-type")
app.add_typer(review_app, name="review")
app.add_typer(facility_app, name="facility")
app.add_typer(cli_pages.app, name="page")
app.add_typer(cli_policy.app, name="policy")
app.add_typer(cli_pilot.pilot_app, name="pilot")
app.add_typer(cli_pilot.sample_app, name="sample")
app.add_typer(user_app, name="user")
app.command()(cli_forecast.forecast)
app.command()(cli_accuracy.accuracy)
app.command()(cli_serve.serve)
app.command()(cli_serve.worker)


def main() -> None:
    """Run the command line; a SohoaError becomes one sentence on standard error and exit code 2."""
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        app()
    except SohoaError as error:
        err.print(f"sohoa: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(2)


@app.command()
def migrate(
    folder: Path,
    batch: Annotated[str, typer.Option(help="Id of the batch; default from the folder's name and path.")] = "",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the result here (docs/result.md).")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Reading processes; 0: as set in SOHOA_WORKERS.")] = 0,
    facility: Facility = "",
    file_boundary: Annotated[Boundary, typer.Option(help="Where one patient file ends.")] = Boundary.SCAN,
    reread: Annotated[bool, typer.Option(help="Read everything again, after a change of software.")] = False,
) -> None:
    """Read, check and load a folder of scans."""
    from pipeline.migrate import migrate_folder, wanted_batch
    from pipeline.result import write_result
    from pipeline.settings import settings
    from reporting import batch as report

    if json_file and (json_file.is_dir() or not json_file.resolve().parent.is_dir()):
        raise SohoaError(f"{json_file} cannot be written; give the path of a file in a folder that exists.")
    wanted = wanted_batch(folder, batch, facility, file_boundary)
    result = migrate_folder(wanted, workers or settings().workers, err, reread)
    if json_file:
        write_result(json_file, result)
    report.print_batch(out, wanted.batch_id)


@app.command()
def init(
    demo: Annotated[bool, typer.Option(help="Also load the demonstration registry and target.")] = False,
) -> None:
    """Make the data folder, its keys, the database and the code lists; safe to run again."""
    from pipeline import first_run

    first_run.init(out, demo)


@app.command()
def demo() -> None:
    """Migrate the sample scans through the Airflow DAG and show what happened."""
    from pipeline import demo as demonstration

    demonstration.run(out)


@facility_app.command("add")
def facility_add(code: str, name: str) -> None:
    """Enter a hospital by the code its batches carry; its name may be corrected by adding it again."""
    from sqlalchemy.dialects.postgresql import insert

    from pipeline.tables import facility

    row = insert(facility).values(facility_id=code, name=name)
    with ready_engine().begin() as conn:
        conn.execute(row.on_conflict_do_update(index_elements=["facility_id"], set_={"name": name}))
    out.print(f"Facility {code} stands.")


@app.command()
def status(as_json: Json = False) -> None:
    """The ledger by batch and state; exits 1 when it does not balance."""
    from reporting import batch as report

    counts, faults = report.ledger_state()
    if as_json:
        print(json.dumps({"batches": counts, "balanced": not faults, "faults": faults}, ensure_ascii=False))
    else:
        report.print_status(out, counts, faults)
    raise typer.Exit(1 if faults else 0)


@app.command()
def verify(as_json: Json = False) -> None:
    """Re-hash every original and check ledger, receipts and the audit chain; exits 1 when something is wrong."""
    from pipeline import verification

    faults, held = verification.verify()
    if as_json:
        print(json.dumps({"originals": held, "sound": not faults, "faults": faults}, ensure_ascii=False))
    else:
        for fault in faults:
            err.print(fault, style="red", highlight=False, markup=False)
        out.print(f"{held} originals re-hashed; {'all is sound' if not faults else f'{len(faults)} faults'}.")
    raise typer.Exit(1 if faults else 0)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Whether each part works now; exits 1 when one does not. What to do then: docs/runbooks.md."""
    from pipeline.settings import settings
    from reporting import health

    found = health.parts(settings())
    if as_json:
        print_rows([one.model_dump(mode="json") for one in found], True)
    else:
        colours = {health.State.OK: "green", health.State.WARN: "yellow", health.State.FAIL: "red"}
        for one in found:
            out.print(f"{one.state.upper():5} {one.name:10} {one.figure}", style=colours[one.state], highlight=False)
        if health.worst(found) is not health.State.OK:
            out.print("What to do, part by part: docs/runbooks.md")
    raise typer.Exit(1 if health.worst(found) is health.State.FAIL else 0)


@app.command()
def separators(
    box: Annotated[str, typer.Option(help="Name of the box, as on the shelf.")],
    pdf: Annotated[Path, typer.Option("--out", help="Write the sheets here (PDF, A4, to be printed at 100 %).")],
    files: Annotated[int, typer.Option(min=0, help="How many files; with a registry: stays and blank sheets.")] = 0,
    facility: Annotated[str, typer.Option(help="Pre-fill from the registry of this facility.")] = "",
    first: Annotated[int, typer.Option(min=1, help="Number of the first file.")] = 1,
    sheets: Annotated[list[str] | None, typer.Option(help="Sheets of a file, as 12=64; may be repeated.")] = None,
) -> None:
    """Print separator sheets for the files of a box: one per stay of the registry, or numbered blanks."""
    from pipeline import separators as planned
    from reporting.separator_sheets import print_separators

    stays: list[str] = []
    if facility or not files:
        with ready_engine().connect() as conn:
            stays = planned.stays_of_box(conn, facility_code(facility), box)
    wanted = planned.separators_of_box(box, stays, files, first, planned.sheet_counts(sheets or []))
    print_separators(wanted, pdf)
    out.print(f"{len(wanted)} sheets, {len(stays)} with an admission number.")


@decision_app.command("add")
def decision_add(
    decision_id: str,
    number: Annotated[str, typer.Option()],
    signed_on: Annotated[str, typer.Option(help="Day, as 2026-01-31.")],
    scope: Annotated[str, typer.Option()] = "",
    target: Annotated[str, typer.Option(help="The target whose conversion it orders.")] = "",
) -> None:
    """Enter a decision of the director on converting paper records."""
    from pipeline import targets

    with ready_engine().begin() as conn:
        if target:
            targets.find_target(conn, target)
        made = targets.Decision(
            decision_id=decision_id, number=number, signed_on=day(signed_on), scope=scope, target_id=target or None
        )
        targets.add_decision(conn, made)
    print(f"Decision {number} of {signed_on} stands.")


@review_app.command("tasks")
def review_tasks(batch: str, as_json: Json = False) -> None:
    """The open tasks of a batch, by ids."""
    from review import decisions

    with ready_engine().connect() as conn:
        print_rows([t.model_dump() for t in decisions.open_tasks(conn, batch)], as_json)


@review_app.command("decide")
def review_decide(
    task: str,
    decision: Annotated[str, typer.Argument(help="accept, correct, absent or unreadable")],
    officer: Annotated[str, typer.Option(help="Who decides.")],
    value: Annotated[str, typer.Option(help="What stands on the page, for correct.")] = "",
) -> None:
    """Settle one doubtful value; a document without doubts is loaded at the batch's next load."""
    from review import decisions

    try:
        chosen = decisions.Decision(decision)
    except ValueError as error:
        raise SohoaError(f"'{decision}' is no decision; use accept, correct, absent or unreadable.") from error
    with ready_engine().begin() as conn:
        after = decisions.decide(conn, task, officer, chosen, value)
    out.print(f"Revision {after.revision} of document {after.document.document_id}: {after.verdict}")


@app.command()
def load(batch: str) -> None:
    """Load what has been settled since, when the batch passes its checks; safe to repeat."""
    from pipeline import outbox, releases, steps

    engine = ready_engine()
    loaded = outbox.load_reviewed(batch)
    steps.account(batch)
    if loaded is None:
        with engine.connect() as conn:
            why = "; ".join(one.told for one in releases.noted(conn, batch))
        raise SohoaError(f"Batch {batch} is held by its checks and nothing was loaded: {why}. A senior may release it.")
    out.print(f"{loaded} documents loaded.")


@app.command()
def trace(identifier: str) -> None:
    """One file's, page's or document's story by ids and states."""
    from reporting.trace import story

    ready_engine()
    for line in story(identifier):
        out.print(line, highlight=False, markup=False)


if __name__ == "__main__":
    main()
