"""The command line, pipeline.cli_archive: `sohoa archive ...` and `sohoa signing ...`, the copies that stand in law."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli_common import Json, err, out, people, print_rows, ready_engine, recorded, who
from records.errors import SohoaError

archive_app = typer.Typer(help="Archive copies: PDF/A with the mark of their conversion, signed.", no_args_is_help=True)
signing_app = typer.Typer(help="What signatures are judged by.", no_args_is_help=True)
Batch = Annotated[str, typer.Option("--batch", help="The batch whose files are meant.")]


@archive_app.command("make")
def archive_make(
    batch: Batch,
    by: Annotated[str, typer.Option(help="User name of who converts; the mark bears their full name.")],
    target: Annotated[str, typer.Option(help="The target that the batch is converted for, at the first time.")] = "",
) -> None:
    """Make the archive copy of every file of which nothing is open; exits 1 when some are left."""
    from pipeline import archive
    from review.policy import Right

    with ready_engine().connect() as conn:
        names = people(conn, Right.SIGNED_IN)
    if by not in names:
        raise SohoaError(f"There is no user '{by}' who may convert; see: sohoa user list")
    done = archive.make(batch, by, names[by], target)
    recorded("archive:make", f"batch:{batch}", {"by": by, "copies": done.copies, "left": len(done.left)})
    out.print(f"{done.copies} copies made, {done.stood} stood, {len(done.left)} files left.", highlight=False)
    for label, why in done.left:
        err.print(f"{label}: {why}", style="yellow", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(1 if done.left else 0)


@archive_app.command("statement")
def archive_statement(batch: Batch, as_json: Json = False) -> None:
    """The page that is read before a box is signed, and the mark by which it is named."""
    from pipeline.statement import statement_of

    with ready_engine("pipeline").connect() as conn:
        told = statement_of(conn, batch)
    if as_json:
        print_rows([told.model_dump(mode="json")], True)
        return
    for sentence in (*told.words(), f"Mã của tờ trình này: {told.mark}"):
        out.print(sentence, highlight=False, markup=False, soft_wrap=True)


@archive_app.command("sign")
def archive_sign(
    batch: Batch,
    statement: Annotated[str, typer.Option(help="The mark of the statement that the director has read.")],
    key: Annotated[
        Path | None, typer.Option(help="The organisation's key and certificate (PKCS#12: .p12, .pfx).")
    ] = None,
    token: Annotated[str, typer.Option(help="Instead of a file: the label of the token that holds the key.")] = "",
    label: Annotated[str, typer.Option(help="Of the key in the token.")] = "",
    library: Annotated[str, typer.Option(help="The PKCS#11 module of the token's provider.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the key's password, or the token's PIN, here.")
    ] = False,
) -> None:
    """Sign every copy of a batch that waits, once, with the organisation's certificate."""
    import sys

    from loaders.signing import open_key, open_token
    from pipeline import archive, trust

    if (key is None) == (not token):
        raise SohoaError("Name the key: either --key FILE, or --token, --label and --library.")
    ready_engine()
    password = sys.stdin.readline().rstrip("\n") if password_stdin else typer.prompt("Password", hide_input=True)
    signer = open_key(trust.read(key), password) if key else open_token(library, token, label, password)
    done = archive.sign(batch, signer, who(), statement)
    recorded("archive:sign", f"batch:{batch}", {"copies": done, "statement": statement})
    out.print(f"{done} copies signed.", highlight=False)


@archive_app.command("document")
def archive_document(
    document: str,
    pdf: Annotated[Path, typer.Option("--out", help="A new file for the PDF/A: patient data.")],
) -> None:
    """A PDF/A of one document of a converted file, under that conversion's mark; it is not signed."""
    from loaders.private_files import write_file
    from pipeline import archive

    ready_engine()
    write_file(pdf, archive.document_copy(document))
    recorded("archive:document", f"document:{document}", {})


@archive_app.command("check")
def archive_check(file: Path) -> None:
    """What the signature of a copy is worth by what was handed in; exits 1 unless it is good."""
    from loaders.signing import check
    from pipeline import trust
    from pipeline.settings import settings

    found = check(trust.read(file), trust.held(settings()))
    if found is None:
        raise SohoaError(f"{file} is not signed.")
    signed = found.signed_at.isoformat(timespec="seconds") if found.signed_at else "no time"
    told = found.why or "The signature is good: nothing was changed, and the certificate held."
    for line in (told, f"By {found.by.subject} ({found.by.serial}), certified by {found.by.issuer}, on {signed}"):
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(0 if found.good else 1)


def _hand_in(kind: str, file: Path) -> None:
    from pipeline import trust
    from pipeline.settings import settings

    told = trust.add(settings(), trust.Kind(kind), trust.read(file))
    recorded(f"signing:{kind}", "signing", {"what": told})
    out.print(told, highlight=False, markup=False, soft_wrap=True)


@signing_app.command("root")
def signing_root(file: Path) -> None:
    """Trust a root certificate."""
    _hand_in("root", file)


@signing_app.command("other")
def signing_other(file: Path) -> None:
    """Keep a certificate between a root and the organisation's."""
    _hand_in("other", file)


@signing_app.command("crl")
def signing_crl(source: str) -> None:
    """Keep a revocation list: a file, or the address of one on a host of the setting `revocation_hosts`."""
    from pipeline import trust
    from pipeline.settings import settings

    if not source.startswith(("http://", "https://")):
        _hand_in("crl", Path(source))
        return
    told = trust.fetch(settings(), source)
    recorded("signing:crl", "signing", {"what": told})
    out.print(told, highlight=False, markup=False, soft_wrap=True)
