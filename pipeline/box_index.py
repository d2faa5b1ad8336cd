"""Stage 1, pipeline.box_index: the scanning vendor's list beside the scans (CSV, XLSX or XML) says whose each file is.

Its word is a second witness beside what the pages say, as a separator's is; it never places a page by itself.
"""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import parse
from sqlalchemy import Connection, delete, insert

from pipeline.registry_file import read_listing
from pipeline.registry_rows import ALIASES, heading_key
from pipeline.tables import expected_file
from records.base import Frozen
from records.errors import SohoaError
from records.pages import Boundary
from transformers.text import clean

SUFFIXES = (".csv", ".xlsx", ".xml")
NAMES = {
    "path": ("path", "file", "file name", "filename", "tên file", "tên tệp", "tệp", "đường dẫn", "folder", "thư mục"),
    "encounter_number": ("encounter_number", *ALIASES["encounter_number"]),
    "patient_id": ("patient_id", *ALIASES["patient_id"]),
    "sheets": ("sheets", "số tờ", "sheet count", "tổng số tờ"),
}
Record = dict[str, str]


class Expected(Frozen):
    """What a list says of one file. `path`: its scan or folder, in the batch's folder; `sheets`: 0 where unknown."""

    path: str
    encounter_number: str = ""
    patient_id: str = ""
    sheets: int = 0


def read_index(folder: Path) -> list[Expected]:
    """The index at the top of a folder; empty where there is none. SohoaError where it is broken or there are two.

    An index is a list with a column for the scan or folder and one for the admission or patient number.
    """
    found = {path: rows for path in sorted(folder.iterdir()) if (rows := _index(path))}
    if len(found) > 1:
        raise SohoaError(f"{' and '.join(path.name for path in found)} both list the scans; leave one of them.")
    return next(iter(found.values()), [])


def store_index(conn: Connection, batch_id: str, rows: Sequence[Expected], boundary: Boundary) -> None:
    """Write the list in place of what an earlier one said; rows by file as the batch's boundary names it.

    Without a list what an earlier one said stays: folders are cleared, and late sheets come by themselves.
    """
    if not rows:
        return
    conn.execute(delete(expected_file).where(expected_file.c.batch_id == batch_id))
    told: dict[str, dict[str, object]] = {}
    for row in rows:
        label = (PurePosixPath(row.path).parent.as_posix() if _is_scan(row.path) else row.path) or "."
        label = row.path if boundary is Boundary.SCAN else label
        values = row.model_dump(exclude={"path"})
        if told.setdefault(label, values) != values:
            raise SohoaError(f"The index says two things of {label}; mend it and start again.")
    if told:
        conn.execute(insert(expected_file), [{"batch_id": batch_id, "label": label, **v} for label, v in told.items()])


def _is_scan(path: str) -> bool:
    return bool(re.search(r"\.\w{2,5}$", path))


def _index(path: Path) -> list[Expected]:
    """The rows of a file that is such a list, else none."""
    if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or not path.is_file() or path.is_symlink():
        return []
    records = _from_xml(path) if path.suffix.lower() == ".xml" else _from_table(path)
    return [row for number, record in enumerate(records, 1) if (row := _row(path.name, number, record))]


def _from_table(path: Path) -> list[Record]:
    try:
        listing = read_listing(path)
    except SohoaError as error:
        raise SohoaError(f"The list {path.name} beside the scans cannot be read; mend it or move it away.") from error
    names = [_name(heading) for heading in listing.headings]
    if not _lists_files(names):
        return []
    return [{n: clean(c) for n, c in zip(names, cells, strict=True) if n} for cells in listing.rows]


def _from_xml(path: Path) -> list[Record]:
    """Every element whose attributes or children name a file and whose it is."""
    try:
        root = parse(path).getroot()
    except (OSError, ParseError, DefusedXmlException, UnicodeDecodeError) as error:
        raise SohoaError(f"The index {path.name} cannot be read ({type(error).__name__}); export it again.") from error
    found = []
    for element in root.iter():
        pairs = [*element.attrib.items(), *((child.tag, child.text or "") for child in element)]
        record = {name: clean(text) for tag, text in pairs if (name := _name(tag.rpartition("}")[2]))}
        if _lists_files(list(record)):
            found.append(record)
    return found


def _lists_files(names: Sequence[str]) -> bool:
    return "path" in names and ("encounter_number" in names or "patient_id" in names)


def _name(heading: str) -> str:
    key = heading_key(heading)
    return next((name for name, forms in NAMES.items() if key in {heading_key(form) for form in forms}), "")


def _row(source: str, number: int, record: Record) -> Expected | None:
    """A record in normal form, None for an empty one."""
    path = record.get("path", "").replace("\\", "/").removeprefix("./").rstrip("/")
    sheets = record.get("sheets", "")
    if not path:
        return None
    if path.startswith("/") or ".." in PurePosixPath(path).parts or not (sheets or "0").isdecimal():
        raise SohoaError(f"{source}, record {number}: the path or the number of sheets is none; mend it.")
    return Expected(
        path=path,
        encounter_number=record.get("encounter_number", ""),
        patient_id=record.get("patient_id", ""),
        sheets=int(sheets or 0),
    )
