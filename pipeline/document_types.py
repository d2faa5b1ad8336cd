"""Document types at start, pipeline.document_types: what a YAML names must exist; the stubs of a new form.

Keys and kinds are checked where a YAML is loaded (records.document_types). Checks, parsers, places in the EMR and code
lists belong to the stages, so they are looked up here, where all stages meet.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from extractors.rows import fold
from loaders.targets import TARGETS
from records import code_lists
from records.document_types import ColumnSpec, DocumentType, FieldSpec, TableSpec
from records.errors import DocumentTypeError, SohoaError
from transformers.parsers import PARSERS
from validation.checks import CHECKS

NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
PAIRS = Path("tests") / "golden" / "pairs"
EXPECTATIONS = ("complete", "unique")

Fault = tuple[str, str]  # key, reason


def check_document_types(types: Mapping[str, DocumentType]) -> None:
    """DocumentTypeError with file, key and reason for the first thing that a type names and that does not exist."""
    for kind in types.values():
        for key, reason in _faults(kind):
            raise DocumentTypeError(f"{kind.id}.yaml: {key}: {reason}")
    owners: dict[str, str] = {}
    for kind in types.values():
        for title in kind.titles:
            owner = owners.setdefault(fold(title), kind.id)
            if owner != kind.id:
                raise DocumentTypeError(f"{kind.id}.yaml: titles: '{title}' is a title of {owner}.yaml already")


def _faults(kind: DocumentType) -> Iterator[Fault]:
    for index, field in enumerate(kind.fields):
        yield from _faults_of(field, f"fields.{index} ({field.name})")
        yield from _check_faults(field, kind, f"fields.{index} ({field.name}).checks")
    for index, table in enumerate(kind.tables):
        yield from _table_faults(table, f"tables.{index} ({table.name})")
    for expectation in kind.expectations:
        rule, _, name = expectation.partition(": ")
        if rule not in EXPECTATIONS or kind.field(name) is None:
            yield "expectations", f"'{expectation}' is not '{': FIELD or '.join(EXPECTATIONS)}: FIELD' of this form"


def _faults_of(spec: FieldSpec | ColumnSpec, key: str) -> Iterator[Fault]:
    """What is wrong with a blank or a column by itself."""
    if spec.kind not in PARSERS:
        yield f"{key}.kind", f"nothing reads the kind '{spec.kind}'"
    if spec.emr and spec.emr not in TARGETS:
        yield f"{key}.emr", f"'{spec.emr}' is not a place in the EMR; use one of loaders/targets.py"
    if spec.lexicon and not (code_lists.FOLDER / f"{spec.lexicon}.csv").is_file():
        yield f"{key}.lexicon", f"there is no list '{spec.lexicon}' in records/code_lists/"


def _check_faults(field: FieldSpec, kind: DocumentType, key: str) -> Iterator[Fault]:
    for check in field.checks:
        name, *arguments = check.split()
        if name not in CHECKS:
            yield key, f"there is no check '{name}'; use one of validation/checks.py"
        for other in arguments:
            if not _is_number(other) and kind.field(other) is None:
                yield key, f"'{check}' compares with '{other}', which is not on this form"


def _table_faults(table: TableSpec, key: str) -> Iterator[Fault]:
    for index, column in enumerate(table.columns):
        yield from _faults_of(column, f"{key}.columns.{index} ({column.name})")
    if table.row_key not in {column.name for column in table.columns}:
        yield f"{key}.row_key", f"'{table.row_key}' is none of its columns"


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def new_document_type(name: str, root: Path) -> list[Path]:
    """Write the stubs of a new form: its YAML and the truth of its golden page. `root`: of the repository.

    SohoaError where the name is none or the form exists.
    """
    if not NAME.fullmatch(name):
        raise SohoaError(f"'{name}' cannot name a form; use small letters, digits and '_', as in lab_report.")
    form, truth = root / "document_types" / f"{name}.yaml", root / PAIRS / f"{name}.truth.json"
    for path in (form, truth):
        if path.exists():
            raise SohoaError(f"{path} exists already; choose another name or edit it.")
    truth.parent.mkdir(parents=True, exist_ok=True)
    form.write_text(_yaml_stub(name), encoding="utf-8")
    truth.write_text(json.dumps(_truth_stub(name), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return [form, truth]


def _yaml_stub(name: str) -> str:
    shown = name.replace("_", " ")
    return f"""# What the keys mean: docs/document-types.md. Give title and labels as they are printed.
id: {name}
title: {{vi: {shown}, en: {shown.capitalize()}}}
legal: Circular, annex and form; what was in force before
titles: ["{shown.upper()}"]
editions: []
use: [patient, encounter]
fields:
  - {{name: note, kind: long_text, labels: [Ghi chú], emr: DocumentReference.note}}
expectations: ["complete: patient.name"]
"""


def _truth_stub(name: str) -> list[dict[str, object]]:
    """Truth of a page in the form of sample_scans/README.md; the page itself is drawn or scanned beside it."""
    fields = [{"name": "patient.name", "value": ""}]
    return [{"file": f"{name}.png", "page": 1, "document_type": name, "rotation": 0, "fields": fields}]
