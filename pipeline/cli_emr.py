"""The command line, pipeline.cli_emr: what leaves the EMR: `sohoa consumer`, `sohoa export ...`, `sohoa send ...`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.cli_common import Json, err, out, print_rows, ready_engine, recorded
from records.errors import SohoaError

Batch = Annotated[str, typer.Option("--batch", help="The batch whose stays are meant.")]
Out = Annotated[Path, typer.Option("--out", help="A new folder, which you alone may read: patient data.")]

consumer_app = typer.Typer(help="Systems that take the EMR's rows over (docs/emr.md).", no_args_is_help=True)


export_app = typer.Typer(help="Patient data into a folder, in a standard form.", no_args_is_help=True)
send_app = typer.Typer(help="Patient data to another system.", no_args_is_help=True)


@export_app.command("fhir")
def export_fhir(batch: Batch, folder: Out) -> None:
    """A FHIR R4 transaction Bundle for each stay of a batch."""
    from pipeline import fhir

    ready_engine()
    done = fhir.export(batch, folder)
    recorded("export:fhir", f"batch:{batch}", {"stays": done})
    out.print(f"{done} stays written to {folder}.", highlight=False, markup=False, soft_wrap=True)


@export_app.command("hosobenhan")
def export_hosobenhan(
    batch: Batch,
    folder: Out,
    structure: Annotated[
        Path | None, typer.Option(help="The Ministry's own structure, as loaders/hosobenhan.yaml.")
    ] = None,
) -> None:
    """HoSoBenhAn of each stay of a batch in XML and JSON, and where each value stands on paper."""
    from loaders import hosobenhan
    from pipeline import packages

    ready_engine()
    _told(
        "export:hosobenhan",
        f"batch:{batch}",
        packages.export_hosobenhan(batch, folder, structure or hosobenhan.FILE),
        folder,
    )


@export_app.command("archive")
def export_archive(batch: Batch, folder: Out) -> None:
    """An archive package (AIP) of each signed copy of a batch; exits 1 when a file is left."""
    from pipeline import packages

    ready_engine()
    _told("export:archive", f"batch:{batch}", packages.export_archive(batch, folder), folder)


@export_app.command("handover")
def export_handover(
    code: Annotated[str, typer.Argument(help="The look-up code of a conversion.")], folder: Out
) -> None:
    """All of one converted file for an inspector: signed copy, HoSoBenhAn, signature report, its story."""
    from pipeline import packages
    from reporting import trace

    story = "\n".join(trace.story(code))
    _told("export:handover", f"conversion:{code}", packages.hand_over(code, folder, story), folder)


@export_app.command("dicom")
def export_dicom(batch: Batch, folder: Out) -> None:
    """A DICOM file of each film of a batch; exits 1 when one is left."""
    from pipeline import films

    ready_engine()
    _told("export:dicom", f"batch:{batch}", films.export(batch, folder), folder)


@send_app.command("pacs")
def send_pacs(
    url: Annotated[str, typer.Argument(help="https://HOST/dicom-web, or dicom://AETITLE@HOST:PORT.")], batch: Batch
) -> None:
    """Bring a PACS up to the films of a batch; again as often as you like. Exits 1 when a film is not there."""
    from pipeline import films

    ready_engine()
    came = films.send(url, batch)
    told = {"sent": came.sent, "stood": came.stood, "linked": came.linked, "left": len(came.left)}
    recorded("send:pacs", f"batch:{batch}", {"url": url, **told})
    out.print(
        f"{came.sent} films sent and given back, {came.stood} stood, {came.linked} linked to their originals, "
        f"{len(came.left)} left.",
        highlight=False,
        soft_wrap=True,
    )
    for page, sentence in came.outdated:
        err.print(f"{page}: {sentence}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    _left(came.left)


@send_app.command("fhir")
def send_fhir(url: str, batch: Batch) -> None:
    """Bring a FHIR R4 server up to a batch; again as often as you like. Exits 1 when a stay was not taken."""
    from pipeline import fhir

    ready_engine()
    done = fhir.send(url, batch)
    recorded("send:fhir", f"batch:{batch}", {"url": url, "taken": done.taken, "refused": len(done.refused)})
    out.print(f"{done.taken} stays taken, {len(done.refused)} not.", highlight=False)
    for sentence in done.refused:
        err.print(sentence, style="red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(1 if done.refused else 0)


def _told(action: str, what: str, done: Any, folder: Path) -> None:
    """Record what was written where, print it, and end with 1 when something was left."""
    recorded(action, what, {"done": done.done, "left": len(done.left)})
    out.print(f"{done.done} written to {folder}.", highlight=False, markup=False, soft_wrap=True)
    _left(done.left)


def _left(left: Sequence[tuple[str, str]]) -> None:
    """Each that was left, with its sentence; ends with 1 when there is one."""
    for label, why in left:
        err.print(f"{label}: {why}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(1 if left else 0)


@consumer_app.command("add")
def consumer_add(name: str) -> None:
    """Tell a system every change from now on; what stands already it takes from the tables."""
    from loaders import changes

    with ready_engine("loader").begin() as conn:
        after = changes.add_consumer(conn, name)
    recorded("consumer:add", f"consumer:{name}", {"after": after})
    out.print(f"{name} is told every change after number {after}.", highlight=False, markup=False)


@consumer_app.command("remove")
def consumer_remove(name: str) -> None:
    """Tell a system nothing any more."""
    from loaders import changes

    with ready_engine("loader").begin() as conn:
        if not changes.remove_consumer(conn, name):
            raise SohoaError(f"'{name}' is told nothing; see: sohoa consumer list")
    recorded("consumer:remove", f"consumer:{name}", {})


@consumer_app.command("list")
def consumer_list(as_json: Json = False) -> None:
    """How many changes wait for each system, and what it refused."""
    from loaders import changes

    with ready_engine("loader").connect() as conn:
        print_rows([row | {"oldest": str(row["oldest"] or "")} for row in changes.consumers(conn)], as_json)
        for one in changes.refusals(conn) if not as_json else ():
            told = f"{one.consumer_id} refused {one.change_id} ({one.table_name}, {one.document_id}): {one.why}"
            out.print(told, highlight=False, markup=False, soft_wrap=True)
