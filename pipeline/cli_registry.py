"""The command line, pipeline.cli_registry: `sohoa registry`, `sohoa target` and `sohoa patient`, by ids and counts."""

import json
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.cli_common import Facility, Json, day, facility_code, out, print_rows, ready_engine
from records.errors import SohoaError

registry_app = typer.Typer(help="Patients and stays of the hospital.", no_args_is_help=True)
target_app = typer.Typer(help="Named deadlines with their legal basis and scope.", no_args_is_help=True)
patient_app = typer.Typer(help="Patients who may be one person; merging is an officer's act.", no_args_is_help=True)

Officer = Annotated[str, typer.Option("--by", help="Who decides.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the merge.")]
Key = Annotated[str, typer.Argument(help="The patient's key, or its number at the facility.")]


@registry_app.command("load")
def registry_load(
    file: Annotated[Path | None, typer.Argument(help="CSV, XLSX or insurance XML1.")] = None,
    facility: Facility = "",
    query: Annotated[Path | None, typer.Option(help="A file with one SELECT, in place of FILE.")] = None,
    sql: Annotated[str, typer.Option(envvar="SOHOA_REGISTRY_URL", help="PostgreSQL that the query reads.")] = "",
    stay_number: Annotated[str, typer.Option(help="XML1: MA_LK or MA_HSBA, whichever the paper prints.")] = "MA_LK",
    visit_type: Annotated[list[str] | None, typer.Option(help="XML1: only this MA_LOAI_KCB; repeat it.")] = None,
) -> None:
    """Load the hospital's patients and stays from a file, or from a query that only reads."""
    from pipeline import registry
    from pipeline.registry_file import read_listing
    from pipeline.registry_sql import read_query
    from pipeline.registry_xml import XmlChoice

    if (file is None) == (query is None):
        raise SohoaError("Give the registry's FILE, or --query FILE with SOHOA_REGISTRY_URL set; not both.")
    choice = XmlChoice(stay_number, tuple(visit_type or ()))
    listing = read_listing(file, choice) if file else read_query(sql, query or Path())
    with ready_engine().begin() as conn:
        counts = registry.load_listing(conn, listing, facility_code(facility))
    out.print(f"{counts.patients} patients, {counts.stays} stays; {counts.changed} rows written.")
    if counts.ignored:
        print("Headings that nobody reads: " + ", ".join(counts.ignored))


@registry_app.command("missing")
def registry_missing(
    facility: Facility = "",
    box: Annotated[list[str] | None, typer.Option(help="Only this box; repeat it for more.")] = None,
    batch: Annotated[list[str] | None, typer.Option(help="Only the boxes from which this batch has files.")] = None,
    target: Annotated[str, typer.Option(help="Only stays in this target's scope.")] = "",
    as_json: Json = False,
) -> None:
    """Stays that the registry knows and the shelf has not shown."""
    from pipeline import registry, scope, targets

    with ready_engine().connect() as conn:
        boxes = [*(box or ()), *(registry.boxes_of(conn, batch) if batch else ())]
        if batch and not boxes:
            raise SohoaError("No file of this batch is in the registry, so its boxes are not known; give --box.")
        found = registry.missing_files(conn, facility_code(facility), boxes)
        if target:
            rule = targets.find_target(conn, target).scope_rule
            covered = set(scope.missing_in_scope(conn, facility_code(facility), rule))
            found = [stay for stay in found if stay in covered]
    if as_json:
        print(json.dumps([stay._asdict() for stay in found], ensure_ascii=False))
    else:
        for stay in found:
            line = f"{stay.box}  {stay.encounter_number}  {stay.archive_number}  {stay.shelf}".rstrip()
            out.print(line, highlight=False, markup=False)


@registry_app.command("shelf")
def registry_shelf(
    stay: Annotated[str, typer.Argument(help="Admission number.")],
    found: Annotated[Literal["not_on_shelf", "on_loan", "clear"], typer.Argument(help="What was found.")],
    by: Officer,
    facility: Facility = "",
) -> None:
    """Enter that a file is not on the shelf or on loan: sohoa registry shelf 19.013225 on_loan --by NAME"""
    from pipeline import registry

    shelf = registry.Shelf("" if found == "clear" else found)
    with ready_engine().begin() as conn:
        registry.note_shelf(conn, facility_code(facility), stay, shelf, by)
    out.print(f"{stay}: {found}.", highlight=False, markup=False)


@target_app.command("add")
def target_add(
    target_id: str,
    name: Annotated[str, typer.Option()],
    deadline: Annotated[str, typer.Option(help="Day, as 2026-12-31.")],
    legal_basis: Annotated[str, typer.Option(help="Circular and article, or the director's decision.")],
    scope: Annotated[str, typer.Option(help="Which stays it covers, as the decision words it.")] = "",
    box: Annotated[list[str] | None, typer.Option(help="Only stays of this box; repeat it for more.")] = None,
    department: Annotated[list[str] | None, typer.Option(help="Only stays of this department; repeat it.")] = None,
    discharged: Annotated[str, typer.Option(help="Only these days, as 2018-01-01..2019-12-31; may be open.")] = "",
    kept_beyond: Annotated[str, typer.Option(help="Leave out what need not be kept beyond this day.")] = "",
) -> None:
    """Add a named deadline and the stays it covers."""
    from pipeline import targets
    from pipeline.scope import ScopeRule

    since, until = _days(discharged)
    rule = ScopeRule(
        boxes=tuple(box or ()), departments=tuple(department or ()), discharged_from=since, discharged_until=until,
        kept_beyond=day(kept_beyond) if kept_beyond else None,
    )  # fmt: skip
    added = targets.Target(
        target_id=target_id, name=name, legal_basis=legal_basis, scope=scope, deadline=day(deadline), scope_rule=rule
    )
    with ready_engine().begin() as conn:
        targets.add_target(conn, added)
    out.print(f"Target {target_id} stands, due {deadline}.")


@target_app.command("list")
def target_list(as_json: Json = False) -> None:
    """All targets by deadline."""
    from pipeline import targets

    with ready_engine().connect() as conn:
        print_rows([t.model_dump(mode="json") for t in targets.list_targets(conn)], as_json)


@target_app.command("show")
def target_show(target_id: str, facility: Facility = "", as_json: Json = False) -> None:
    """A target's stays: in scope, with a file, missing, and those left out."""
    from pipeline import scope, targets

    with ready_engine().connect() as conn:
        rule = targets.find_target(conn, target_id).scope_rule
        found = scope.progress(conn, facility_code(facility), rule)
    print_rows([{"target": target_id} | found._asdict()], as_json)


@patient_app.command("candidates")
def patient_candidates(facility: Facility = "", as_json: Json = False) -> None:
    """Pairs of patients who may be one person, and in which fields they agree; nothing is merged."""
    from pipeline import patients

    with ready_engine("loader").connect() as conn:
        found = patients.candidates(conn, facility_code(facility))
    if as_json:
        print_rows([pair.model_dump(mode="json") for pair in found], True)
        return
    for pair in found:
        unlike = f"; unlike: {', '.join(pair.unlike)}" if pair.unlike else ""
        line = f"{pair.one}  {pair.other}  by {pair.likeness}: {', '.join(pair.agreeing)}{unlike}"
        out.print(line, highlight=False, markup=False, soft_wrap=True)


@patient_app.command("merge")
def patient_merge(
    patient: Key,
    word: Annotated[str, typer.Argument(metavar="INTO", help="The word 'into'.")],
    other: Key,
    by: Officer,
    reason: Reason,
    facility: Facility = "",
    despite_differences: Annotated[
        bool, typer.Option("--despite-differences", help="One of the two has a wrong name, birth or sex.")
    ] = False,
) -> None:
    """Enter that a patient is the same person as another: sohoa patient merge A INTO B --by NAME --reason WHY."""
    from pipeline import patients

    if word.upper() != "INTO":
        raise SohoaError("Say which patient is merged into which: sohoa patient merge A INTO B")
    one, into = _key(patient, facility), _key(other, facility)
    with ready_engine("loader").begin() as conn:
        unlike = patients.merge(conn, one, into, by, reason, despite_differences)
    noted = f" They differ in {', '.join(unlike)}." if unlike else ""
    line = f"{one} stands under {into}.{noted} Undo with: sohoa patient unmerge {one}"
    out.print(line, highlight=False, markup=False, soft_wrap=True)


@patient_app.command("unmerge")
def patient_unmerge(patient: Key, by: Officer, reason: Reason, facility: Facility = "") -> None:
    """Undo a merge: the patient stands for itself again, with all its rows."""
    from pipeline import patients

    key = _key(patient, facility)
    with ready_engine("loader").begin() as conn:
        patients.unmerge(conn, key, by, reason)
    out.print(f"{key} stands for itself again.", highlight=False, markup=False, soft_wrap=True)


@patient_app.command("history")
def patient_history(patient: Key, facility: Facility = "", as_json: Json = False) -> None:
    """Every merge that a patient was part of, who decided it, and what was undone."""
    from pipeline import patients

    with ready_engine("loader").connect() as conn:
        found = patients.history(conn, _key(patient, facility))
    rows = [{name: value for name, value in row._asdict().items() if value is not None} for row in found]
    print_rows([{name: str(value) for name, value in row.items()} for row in rows], as_json)


def _key(given: str, facility: str) -> str:
    """'14763265' -> 'DEMO|14763265'; a whole key stays."""
    return given if "|" in given else f"{facility_code(facility)}|{given}"


def _days(given: str) -> tuple[date | None, date | None]:
    """'2018-01-01..2019-12-31' -> its two days; either side may be empty."""
    since, dots, until = given.partition("..")
    if given and not dots:
        raise SohoaError(f"'{given}' is not a span of days; write it as 2018-01-01..2019-12-31.")
    return (day(since) if since else None), (day(until) if until else None)
