"""Beside stage 7, pipeline.cli_accuracy: `sohoa accuracy`, what was measured, what is accepted, what a target costs."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pipeline.cli_common import Facility, Json, facility_code, out, ready_engine, who

if TYPE_CHECKING:
    from pipeline.accuracy import Cost

Target = Annotated[
    list[str] | None, typer.Option("--target", help="A target to be weighed, as FIELD=99.8; may be repeated.")
]
Save = Annotated[bool, typer.Option("--save", help="Let the targets stand from now on.")]


def accuracy(facility: Facility = "", target: Target = None, save: Save = False, as_json: Json = False) -> None:
    """Measured accuracy, thresholds and coverage per family of fields; with --target what another target would cost."""
    from pipeline import accuracy as costs
    from pipeline import contracts

    wanted = [costs.asked(text) for text in target or []]
    code = facility_code(facility)
    with ready_engine().begin() as conn:
        measured = contracts.stored(conn, code)
        changed = contracts.changed(measured) if measured else []
        contract = contracts.contract_in_force(conn, code)
        weighed = [costs.cost_of(measured, contract, one) for one in wanted] if measured else []
        if save:
            for one in wanted:
                contracts.set_target(conn, code, one.field, one.target, who())
    rows = costs.costs(measured) if measured else []
    told: dict[str, Any] = {
        "facility": code, "basis": measured.basis.value if measured else "none", "changed": changed,
        "seconds_per_value": costs.SECONDS, "pages": costs.PAGES, "families": [row.model_dump() for row in rows],
        "targets": [{"now": now.model_dump(), "then": then.model_dump()} for now, then in weighed],
        "saved": bool(save and wanted),
    }  # fmt: skip
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
        return
    _print(told, rows, weighed)


def _print(told: dict[str, Any], rows: list["Cost"], weighed: list[tuple["Cost", "Cost"]]) -> None:
    if told["basis"] == "none":
        out.print(f"Nothing was measured on the paper of {told['facility']}: every value without a second witness goes "
                  "to review.", highlight=False)  # fmt: skip
        return
    if told["changed"]:
        out.print(f"Changed since it was measured: {', '.join(told['changed'])}. The thresholds are not applied; every "
                  "value without a second witness goes to review.", style="red", highlight=False)  # fmt: skip
    words = {"synthetic": "generated pages, for the demonstration only", "own": "this facility's own paper"}
    out.print(f"Accuracy of {told['facility']}, measured on {words[told['basis']]}", highlight=False)
    out.print(_table([(row.what, row) for row in rows]))
    for now, then in weighed:
        out.print(_table([(f"{now.what} now", now), (f"{then.what} then", then)]))
    out.print(f"Hours: officers' hours for {told['pages']:,} pages, at {told['seconds_per_value']:g} seconds a value "
              "(a stated model).", highlight=False)  # fmt: skip


def _table(rows: list[tuple[str, "Cost"]]) -> Table:
    table = Table(
        "", "target", "accepted from", "cover", "wrong/accepted", "right % (95 %)", "scores", "hours", box=None
    )
    for name, row in rows:
        right = "" if row.accuracy is None else f"{100 * row.accuracy:.2f} ({100 * row.low:.2f}-{100 * row.high:.2f})"
        table.add_row(
            name, f"{100 * row.target:g}", _from(row), f"{100 * row.coverage:.0f} %", f"{row.wrong}/{row.accepted}",
            right, row.verdict.replace("_", " "), f"{row.hours:,.0f}",
        )  # fmt: skip
    return table


def _from(row: "Cost") -> str:
    """The threshold, or why there is none."""
    if row.threshold is not None:
        return f"{row.threshold:.4f}"
    return (
        f"none: {row.short} too few" if row.objection == "few_samples" else f"none: {row.objection.replace('_', ' ')}"
    )
