"""In the bench, bench.suites: a made-up batch of many values -> seconds that its data-quality suites take."""

import time

import pandas as pd
from rich.table import Table

from records.base import Frozen
from records.document_types import document_types
from validation.batch_facts import COLUMNS, BatchFacts
from validation.batch_suite import Question, answers, batch_suite
from validation.gx import COLUMNS as VALUES
from validation.gx import check_batch

VALUES_ASKED = 100_000
CELLS = 20  # rows of a laboratory sheet
NOTE = (
    "One cover and one laboratory sheet a file, values made up, all sound, in one frame of pandas; a first check, on a "
    "hundredth of the values, has loaded Great Expectations and is not counted."
)
COVER = {
    "patient.name": "NGUYỄN HỮU SƠN", "patient.sex": "male", "encounter.admitted_at": "2014-02-13T14:45",
    "encounter.discharged_at": "2014-03-01T11:45", "diagnosis.main.code": "C50.9", "encounter.department": "Khoa Nội",
}  # fmt: skip


class SuiteTime(Frozen):
    """Wall seconds of one check. `rows`: values in the frame; `asked`: rules asked, of which `failed`."""

    rows: int
    asked: int
    failed: int
    forms_seconds: float
    batch_seconds: float


def measure_suites(rows: int = VALUES_ASKED) -> SuiteTime:
    """Check a batch of so many values, form by form and as a whole."""
    _check(rows // 100)
    return _check(rows)


def _check(rows: int) -> SuiteTime:
    files = max(rows // (len(COVER) + 4 + 3 * CELLS), 1)
    frame = pd.DataFrame([row for n in range(files) for row in _file(n)], columns=VALUES)
    started = time.perf_counter()
    forms = check_batch(frame, document_types())
    middle = time.perf_counter()
    questions = [one for one in answers(batch_suite("DEMO"), _facts(frame)) if isinstance(one, Question)]
    whole = check_batch(frame.iloc[:0], {}, questions)
    ended = time.perf_counter()
    return SuiteTime(
        rows=len(frame), asked=forms.asked + whole.asked, failed=len(forms.failed) + len(whole.failed),
        forms_seconds=middle - started, batch_seconds=ended - middle,
    )  # fmt: skip


def _file(number: int) -> list[tuple[str, str, str, str, str]]:
    """The values of a cover and a laboratory sheet."""
    cover = COVER | {"encounter.number": f"14/{number:06d}", "patient.id": f"19{number:06d}"}
    rows = [(f"c{number}", "inpatient_cover", field, value, "accept") for field, value in cover.items()]
    sheet = {"patient.name": COVER["patient.name"], "report.issued_at": "2014-02-14T08:00"}
    rows += [(f"l{number}", "lab_report", field, value, "accept") for field, value in sheet.items()]
    for row in range(CELLS):
        cells = {"name": "Glucose", "value": f"{row}.5", "unit": "mmol/L"}
        told = [(f"results[{row}].{column}", value) for column, value in cells.items()]
        rows += [(f"l{number}", "lab_report", field, value, "accept") for field, value in told]
    return rows


def _facts(frame: pd.DataFrame) -> BatchFacts:
    covers = frame[frame["document_type"] == "inpatient_cover"]
    kinds = covers["field"].map({"diagnosis.main.code": "icd10"}).fillna("text")
    parts = [covers["document_id"], covers["document_id"], covers["field"], kinds, covers["value"], covers["value"]]
    values = pd.concat(parts, axis=1, keys=COLUMNS)
    lists = {field: frozenset(covers[covers["field"] == field]["value"]) for field in covers["field"].unique()}
    women = pd.Series([0.0, 1.0] * (len(covers) // 16))
    return BatchFacts(
        pages=pd.Series(["assembled"] * len(covers)), verdicts=frame["verdict"], values=values,
        forms=pd.DataFrame({"form": "Giấy ra viện", "there": [True] * len(covers)}, dtype=object),
        stays=lists["encounter.number"], patients=lists["patient.id"], codes=frozenset({"C50.9"}),
        departments=lists["encounter.department"], box_years=(2014, 2014), proven=True,
        measures={"women": {"": (women, [women] * 3)}},
    )  # fmt: skip


def suites_table(found: SuiteTime) -> Table:
    """The seconds as a table of one row."""
    table = Table("values", "rules asked", "failed", "by form s", "as a whole s", "all s")
    seconds = (found.forms_seconds, found.batch_seconds, found.forms_seconds + found.batch_seconds)
    table.add_row(f"{found.rows:,}", str(found.asked), str(found.failed), *(f"{s:.1f}" for s in seconds))
    return table
