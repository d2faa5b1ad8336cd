"""Beside stage 8, pipeline.cli_pilot: `sohoa pilot` and `sohoa sample`, how right the machine is on this paper."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli_common import Facility, Json, facility_code, out, print_rows, ready_engine, who
from records.errors import SohoaError

pilot_app = typer.Typer(help="Files keyed twice, by which a hospital gets its own contract.", no_args_is_help=True)
sample_app = typer.Typer(help="Blind samples of what passes without a person.", no_args_is_help=True)


@pilot_app.command("start")
def pilot_start(batch: Annotated[str, typer.Option(help="A batch that is read and that nobody has reviewed.")]) -> None:
    """Have two persons key every value of a batch, neither seeing the machine's; again for late sheets."""
    from pipeline import pilot

    with ready_engine().begin() as conn:
        waiting = pilot.start(conn, batch, who())
    out.print(f"{waiting} values of batch {batch} wait to be keyed by two persons.", highlight=False, markup=False)


@pilot_app.command("report")
def pilot_report(
    facility: Facility = "",
    to: Annotated[Path | None, typer.Option("--out", help="Write the page here (HTML, to be printed on A4).")] = None,
) -> None:
    """What the pilot says: accuracy with bounds, thresholds, officer seconds, forecast, and what is still missing."""
    from reporting import pilot

    with ready_engine().connect() as conn:
        told = pilot.report(conn, facility_code(facility), datetime.now(UTC))
    if to is None:
        print(json.dumps(told.model_dump(mode="json"), ensure_ascii=False))
        return
    try:
        to.write_text(pilot.page_of(told), encoding="utf-8")
    except OSError as error:
        raise SohoaError(f"{to} cannot be written; give the path of a file in a folder that exists.") from error
    out.print(f"{told.files} files, {told.keyed} values: {to}", highlight=False, markup=False, soft_wrap=True)


@pilot_app.command("adopt")
def pilot_adopt(facility: Facility = "") -> None:
    """Make what was keyed the facility's contract; families without evidence stay in review."""
    from pipeline import pilot
    from validation.contract import NEVER

    code = facility_code(facility)
    with ready_engine().begin() as conn:
        made = pilot.adopt(conn, code, who())
    for row in made.thresholds:
        told = f"from {row.threshold:.4f}" if row.threshold < NEVER else row.objection.replace("_", " ")
        out.print(f"{row.family} at {100 * row.target:g} %: {told}", highlight=False, markup=False)
    out.print(f"The contract of {code} stands; documents read from now on follow it.", highlight=False, markup=False)


@sample_app.command("share")
def sample_share(
    percent: Annotated[float, typer.Argument(help="Of the values that pass, how many per cent are keyed again.")],
    facility: Facility = "",
    form: Annotated[str, typer.Option(help="Only on this form (its id); else on all.")] = "",
    field: Annotated[str, typer.Option(help="Only this field, as patient.name or results[].value; else all.")] = "",
) -> None:
    """Set which share becomes blind samples; 2 per cent where nothing is set."""
    from pipeline import sampling

    with ready_engine().begin() as conn:
        sampling.set_share(conn, facility_code(facility), percent / 100, form, field, who())
    out.print(f"{percent:g} % of what passes is sampled from now on.", highlight=False, markup=False)


@sample_app.command("accuracy")
def sample_accuracy(
    facility: Facility = "",
    by: Annotated[
        str, typer.Option(help="family, field, form, scanner, batch, edition, software, rule or week.")
    ] = "family",
    as_json: Json = False,
) -> None:
    """What the samples say, with 95 % intervals, and what officers made of the values in doubt."""
    from pipeline import drift, sampling

    code = facility_code(facility)
    with ready_engine().connect() as conn:
        found = sampling.accuracy_by(conn, code, by)
        corrected = drift.corrections_by(conn, code, by) if by in drift.BY else {}
    none = drift.Corrections(0, 0)
    groups = sorted({*corrected, *(one.group for one in found)})
    samples = {one.group: one for one in found}
    rows = []
    for group in groups:
        told = (samples.get(group) or sampling.estimate(group, [])).model_dump()
        rows.append(told | {f"review_{k}": v for k, v in corrected.get(group, none)._asdict().items()})
    print_rows(rows, as_json)
