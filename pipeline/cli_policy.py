"""Beside stage 8, pipeline.cli_policy: `sohoa policy ...`, which fields a person is asked, and which two are."""

from typing import Annotated

import typer
from sqlalchemy import Engine

from pipeline.cli_common import Json, out, print_rows, ready_engine, who
from records.errors import SohoaError

app = typer.Typer(help="Which fields are asked of a person, and which of two.", no_args_is_help=True)
Target = Annotated[str, typer.Option("--target", help="Only in this target's batches; else in all.")]
Form = Annotated[str, typer.Option("--form", help="Only on this form (its id); else on all.")]
Field = Annotated[str, typer.Option("--field", help="Only this field, as patient.name or results[].value; else all.")]


@app.command("set")
def policy_set(
    target: Target = "",
    form: Form = "",
    field: Field = "",
    ask: Annotated[str, typer.Option(help="ask, cheap (while another field is asked) or never (not loaded).")] = "ask",
    second: Annotated[
        bool, typer.Option("--second/--one", help="Two persons, each blind to the other, or one.")
    ] = False,
) -> None:
    """Enter a policy in place of the one of the same target, form and field; documents that wait follow it at once."""
    from pipeline import field_policy

    try:
        wanted = field_policy.Ask(ask)
    except ValueError as error:
        raise SohoaError(f"'{ask}' is no way to ask; use ask, cheap or never.") from error
    row = field_policy.FieldPolicy(target_id=target, document_type=form, field=field, ask=wanted, second=second)
    engine = ready_engine()
    with engine.begin() as conn:
        field_policy.put(conn, row, who())
    _follow(engine, target, form)


@app.command("list")
def policy_list(as_json: Json = False) -> None:
    """All policies; of those that fit a field the one of the target counts, then that of the field, then the form's."""
    from pipeline import field_policy

    with ready_engine().connect() as conn:
        rows = field_policy.listed(conn)
    names = {"target_id": "target", "document_type": "form"}
    print_rows([{names.get(k, k): v for k, v in row.model_dump(mode="json").items()} for row in rows], as_json)


@app.command("remove")
def policy_remove(target: Target = "", form: Form = "", field: Field = "") -> None:
    """Take a policy out; documents that wait follow what counts now."""
    from pipeline import field_policy

    engine = ready_engine()
    with engine.begin() as conn:
        field_policy.remove(conn, target, form, field, who())
    _follow(engine, target, form)


def _follow(engine: Engine, target: str, form: str) -> None:
    """Batch by batch, each in its own transaction."""
    from pipeline import policy_change
    from review.decisions import settle_kept

    change, settled = policy_change.Change(), 0
    with engine.connect() as conn:
        batches = policy_change.batches_of(conn, target)
    for batch_id in batches:
        with engine.begin() as conn:
            change = change.and_also(policy_change.ask_anew(conn, batch_id, form))
            settled += settle_kept(conn, batch_id)
    told = f"{change.opened} tasks opened, {change.closed} closed, {settled} settled by the one entry they had;"
    out.print(f"{told} {change.sent} documents go on to be loaded.", highlight=False, markup=False, soft_wrap=True)
