"""Before stage 1, pipeline.registry_file: the hospital's file of patients and stays (CSV, XLSX, XML1) as a listing."""

import re
from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

from pipeline.registry_rows import Listing
from pipeline.registry_xml import XmlChoice, read_xml1
from records.errors import SohoaError


def read_listing(path: Path, choice: XmlChoice | None = None) -> Listing:
    """All lines of a CSV (UTF-8), XLSX or XML1 file; SohoaError when it cannot be read. `choice`: for XML1."""
    if not path.is_file():
        raise SohoaError(f"There is no registry file {path}; give the path of a CSV, XLSX or XML file.")
    if path.suffix.lower() == ".xml":
        return read_xml1(path, choice or XmlChoice())
    headings, lines = _cells(path)
    return Listing(path.name, headings, lines)


def _cells(path: Path) -> tuple[list[str], list[list[str]]]:
    import pandas as pd  # slow: only where a registry is loaded

    readers: dict[str, Callable[[], pd.DataFrame]] = {
        ".csv": lambda: pd.read_csv(
            path, dtype=str, keep_default_na=False, header=None, encoding="utf-8-sig", sep=_separator(path),
            skip_blank_lines=False,
        ),
        ".xlsx": lambda: pd.read_excel(path, dtype=str, keep_default_na=False, header=None),
    }  # fmt: skip
    if path.suffix.lower() not in readers:
        raise SohoaError(f"The registry {path.name} is neither .csv, .xlsx nor .xml; export it as one of them.")
    try:
        frame = readers[path.suffix.lower()]().fillna("")
    except (OSError, ValueError, KeyError, BadZipFile) as error:  # pandas' parser errors are ValueErrors
        at = re.search(r"in (line \d+)", str(error))
        where = f" ({at[1]} has more columns than the heading)" if at else ""
        raise SohoaError(f"The registry {path.name} cannot be read{where}; export it as UTF-8 CSV or XLSX.") from error
    table = [[str(cell) for cell in line] for line in frame.itertuples(index=False, name=None)]
    return (table[0], table[1:]) if table else ([], [])


def _separator(path: Path) -> str:
    """The comma, semicolon or tab that the heading uses most."""
    with path.open(encoding="utf-8-sig") as file:
        heading = file.readline(10_000)
    return max(",;\t", key=heading.count)
