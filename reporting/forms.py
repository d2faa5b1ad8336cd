"""The known forms on one page, reporting.forms: docs/document-types.md is written anew from the YAML files."""

from collections.abc import Iterable, Iterator, Mapping

from records.document_types import DocumentType, FieldSpec
from records.errors import SohoaError

LISTING = "## The forms and their fields\n"

Groups = Mapping[str, tuple[FieldSpec, ...]]


def with_listing(page: str, types: Mapping[str, DocumentType], shared: Groups) -> str:
    """docs/document-types.md with everything after its last heading written anew from the YAML files."""
    head, mark, _ = page.partition(LISTING)
    if not mark:
        raise SohoaError(f"docs/document-types.md has no heading '{LISTING.strip()}'; put it back.")
    return head + LISTING + "\n" + "\n".join(_listing(types, shared)) + "\n"


def _listing(types: Mapping[str, DocumentType], shared: Groups) -> Iterator[str]:
    yield "Written from the YAML files by `sohoa document-type list --write`. Only the first label is shown.\n"
    yield "| id | Vietnamese title | English | groups it uses | editions | read |\n|---|---|---|---|---|---|"
    for kind in sorted(types.values(), key=lambda t: (t.index_only, t.id)):
        yield _type_row(kind)
    for group, fields in shared.items():
        yield f"\n### Group `{group}`\n"
        yield from _field_table(fields)
    for kind in types.values():
        if not kind.index_only or set(kind.fields) - {f for fields in shared.values() for f in fields}:
            yield from _type_part(kind, shared)


def _type_row(kind: DocumentType) -> str:
    editions = ", ".join(f"`{e.id}`{_when(e.since, e.until)}" for e in kind.editions)
    groups = ", ".join(f"`{group}`" for group in kind.use)
    read = "index only" if kind.index_only else "fields"
    return f"| `{kind.id}` | {kind.title.vi} | {kind.title.en} | {groups or '–'} | {editions or '–'} | {read} |"


def _when(since: str, until: str) -> str:
    return (f" from {since}" if since else "") + (f" until {until}" if until else "")


def _type_part(kind: DocumentType, shared: Groups) -> Iterator[str]:
    """The form's own fields and its tables."""
    joined = {field for group in kind.use for field in shared[group]}
    own = [field for field in kind.fields if field not in joined]
    yield f"\n### `{kind.id}`: {kind.title.vi}\n\n{kind.legal}.\n"
    if own:
        yield from _field_table(own)
    for names in dict.fromkeys(table.name for table in kind.tables):
        same = [table for table in kind.tables if table.name == names]
        yield f"\nRows `{names}[i]`, {' or '.join(t.style for t in same)}, row key `{same[0].row_key}`:\n"
        yield "| column | kind | first heading | EMR |\n|---|---|---|---|"
        yield from (f"| `.{c.name}` | {c.kind} | {_first(c.headings)} | {_code(c.emr)} |" for c in same[0].columns)


def _field_table(fields: Iterable[FieldSpec]) -> Iterator[str]:
    yield "| field | kind | first label | marks | checks | EMR |\n|---|---|---|---|---|---|"
    for f in fields:
        marks = [mark for mark in ("required", "critical", "fact") if getattr(f, mark)]
        marks += [f"boxes: {f.boxes}"] if f.boxes else []
        checks = ", ".join(f"`{check}`" for check in f.checks)
        yield (
            f"| `{f.name}` | {f.kind} | {_first(f.labels)} | {', '.join(marks) or '–'} | {checks or '–'} "
            f"| {_code(f.emr)} |"
        )


def _first(labels: tuple[str, ...]) -> str:
    return labels[0] if labels else "–"


def _code(emr: str) -> str:
    return f"`{emr}`" if emr else "–"
