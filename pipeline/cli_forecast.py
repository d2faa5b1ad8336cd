"""The command line, pipeline.cli_forecast: `sohoa forecast`, when it will be done and what would change that."""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pipeline.cli_common import Facility, Json, facility_code, out, print_rows, ready_engine

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from reporting.forecast import Forecast, Stage
    from reporting.paces import Change

More = Annotated[int, typer.Option(help="How many more, or fewer.")]
Now = Annotated[int, typer.Option(min=1, help="How many there are now.")]


def forecast(
    target: Annotated[str, typer.Argument(help="A target; its stays without a file are still to be scanned.")] = "",
    pages: Annotated[int, typer.Option(min=0, help="Pages still on the shelf, instead of what the registry says.")] = 0,
    officers: More = 0,
    officers_now: Now = 1,
    scanners: More = 0,
    scanners_now: Now = 1,
    servers: More = 0,
    servers_now: Now = 1,
    review: Annotated[
        float, typer.Option(min=0, help="Pages in review against now: 1.2 after a higher accuracy target.")
    ] = 1.0,
    facility: Facility = "",
    as_json: Json = False,
) -> None:
    """When the work will be done, by the pace of the last 60 days; with options, also what they would change."""
    from reporting.paces import Change

    asked = Change(officers, officers_now, scanners, scanners_now, servers, servers_now, review)
    with ready_engine().connect() as conn:
        told = [
            _told(conn, facility_code(facility), target, pages, change) for change in dict.fromkeys((Change(), asked))
        ]
    if as_json:
        print_rows([{"asked": at > 0} | one.model_dump(mode="json") for at, (_, one) in enumerate(told)], True)
        return
    _print_stages(told[-1][0])
    for at, (_, one) in enumerate(told):
        out.print(f"{'With the change' if at else 'As it goes now'}: {sentence(one)}", highlight=False, soft_wrap=True)


def _told(
    conn: "Connection", facility: str, target: str, pages: int, change: "Change"
) -> tuple[list["Stage"], "Forecast"]:
    from pipeline import targets
    from reporting import paces

    return paces.of_target(conn, facility, targets.find_target(conn, target) if target else None, pages, change)


def sentence(told: "Forecast") -> str:
    """The forecast in words."""
    if told.unmeasured:
        return f"no forecast yet; too few days of work are measured for: {', '.join(told.unmeasured)}."
    if told.middle is None:
        return f"not within 20 years; {told.binding} is too slow."
    if not told.binding:
        return "all is done."
    late = "later than 20 years" if told.high is None else f"{told.high:%Y-%m-%d}"
    parts = [f"done about {told.middle:%Y-%m-%d} (8 of 10 cases: {told.low:%Y-%m-%d} to {late})"]
    if told.probability is not None:
        parts.append(f"in time with {100 * told.probability:.0f} %")
    if told.slack is not None:
        parts.append(f"{told.slack} days to spare" if told.slack >= 0 else f"{-told.slack} days too late at worst")
    return f"{', '.join(parts)}; {told.binding} takes longest ({100 * told.sure:.0f} % of cases)."


def _print_stages(stages: list[Any]) -> None:
    table = Table("stage", "pages waiting", "of the stage before", "pages a day", "days of work measured")
    for one in stages:
        worked = sum(day.pages > 0 for day in one.days)
        table.add_row(one.name, f"{one.waiting:,.0f}", f"{100 * one.share:.0f} %", f"{one.pace:,.0f}", str(worked))
    out.print(table)
