"""Document types: what each paper form is called, holds, and means; loaded from the YAML files in document_types/."""

from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ValidationError

from records.base import Frozen
from records.errors import DocumentTypeError

FOLDER = Path(__file__).resolve().parent.parent / "document_types"

Kind = Literal[
    "person_name", "birth_date", "date", "moment", "age", "integer", "number", "sex", "outcome", "modality",
    "insurance_card", "personal_id", "phone", "icd10", "identifier", "text", "long_text", "address", "ethnicity",
    "occupation", "department", "drug", "strength", "unit", "reference", "flag", "test_name", "measure",
    "laterality",
]  # fmt: skip
Boxes = Literal["", "choice", "digits", "coded"]


class Names(Frozen):
    """One thing in both languages of the screens."""

    vi: str
    en: str


class Edition(Frozen):
    """A printed version of the form and the days (ISO, inclusive) on which it was in force."""

    id: str
    since: str = ""
    until: str = ""


class FieldSpec(Frozen):
    """One blank on the form: how it is labelled, what it holds, how it is checked, where it goes in the EMR.

    `critical`: goes to review unless it has a second witness. `fact`: of the patient file, settled once, repeated
    as evidence. `lexicon`: list in records/code_lists/ whose entry nearest to the reading is proposed. `boxes`: what
    small squares hold where the form has them: choice a tick beside one of several words, digits one digit each,
    coded the number of what is printed before them, which is left out, for its list changes with the form.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...] = ()
    required: bool = False
    critical: bool = False
    fact: bool = False
    checks: tuple[str, ...] = ()
    lexicon: str = ""
    boxes: Boxes = ""
    emr: str = ""


class ColumnSpec(Frozen):
    """One column of a table: `headings` as printed; `labels` where rows are blocks with a label before the value."""

    name: str
    kind: Kind
    headings: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    lexicon: str = ""
    emr: str = ""


class TableSpec(Frozen):
    """Rows of the form: `style` grid has headings above its columns, numbered has '1.' before each row's first line."""

    name: str
    style: Literal["grid", "numbered"]
    columns: tuple[ColumnSpec, ...]
    row_key: str
    headings: tuple[str, ...] = ()
    stop: tuple[str, ...] = ()


class DocumentType(Frozen):
    """A kind of form. `titles`: anchors as printed, most telling first; `boilerplate`: labels that end a value.

    `yields`: its titles stand as labels on other forms too, so that any other title on the page comes first.
    `told_as`: its name in the result file, whose names are agreed; '' where that is its id.
    `may_be_anothers`: files keep it of relatives too, so that it stops no file and speaks for no other page.
    """

    id: str
    title: Names
    legal: str = ""
    titles: tuple[str, ...] = ()
    editions: tuple[Edition, ...] = ()
    use: tuple[str, ...] = ()
    fields: tuple[FieldSpec, ...] = ()
    tables: tuple[TableSpec, ...] = ()
    boilerplate: tuple[str, ...] = ()
    expectations: tuple[str, ...] = ()
    index_only: bool = False
    yields: bool = False
    may_be_anothers: bool = False
    told_as: str = ""

    def field(self, name: str) -> FieldSpec | None:
        """The specification of a plain field, or None."""
        return next((f for f in self.fields if f.name == name), None)

    def column(self, field: str) -> ColumnSpec | None:
        """The column of a row field such as `results[3].value`, or None."""
        table, _, name = field.partition(".")
        stem = table.split("[")[0]
        return next((c for t in self.tables if t.name == stem for c in t.columns if c.name == name), None)

    def spec(self, field: str) -> FieldSpec | ColumnSpec | None:
        """The specification of a field or row field."""
        return self.column(field) if "[" in field else self.field(field)

    def is_critical(self, field: str) -> bool:
        """Whether a plain field is critical; one of a row never is."""
        own = self.field(field)
        return own is not None and own.critical


def title_of(document_type: str) -> str:
    """The Vietnamese title of a form; its id where no such form is known."""
    known = document_types().get(document_type)
    return known.title.vi if known else document_type


@cache
def document_types(folder: Path = FOLDER) -> dict[str, DocumentType]:
    """All document types by id, shared field groups joined in; DocumentTypeError names file, key and reason."""
    shared = _read(folder / "_shared.yaml")
    found = {}
    for path in sorted(folder.glob("[a-z]*.yaml")):
        raw = _read(path)
        for group in raw.get("use", []):
            if group not in shared:
                raise DocumentTypeError(f"{path.name}: use: no group '{group}' in _shared.yaml")
            own = {f["name"] for f in raw.get("fields", [])}
            raw["fields"] = [f for f in shared[group] if f["name"] not in own] + raw.get("fields", [])
        raw["boilerplate"] = [*shared.get("boilerplate", []), *raw.get("boilerplate", [])]
        found[path.stem] = _typed(path, raw)
    return found


def shared_groups(folder: Path = FOLDER) -> dict[str, tuple[FieldSpec, ...]]:
    """The groups of fields in _shared.yaml by name."""
    shared = _read(folder / "_shared.yaml")
    return {group: tuple(map(FieldSpec.model_validate, shared[group])) for group in shared if group != "boilerplate"}


def _read(path: Path) -> dict[str, Any]:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise DocumentTypeError(f"{path.name}: cannot be read: {error}") from error


def _typed(path: Path, raw: dict[str, Any]) -> DocumentType:
    try:
        found = DocumentType.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise DocumentTypeError(f"{path.name}: {key}: {first['msg']}") from error
    if found.id != path.stem:
        raise DocumentTypeError(f"{path.name}: id: '{found.id}' must be the file's name")
    return found
