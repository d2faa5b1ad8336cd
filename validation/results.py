"""Stage 7, validation.results: rows of results become issues where value, range, flag and test do not fit together.

A flag is worked out only to check the reading of its row: what differs goes to review, and nothing worked out here is
stored as a flag, loaded, exported or shown as a finding about the patient.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from records.code_lists import of_lists, rows
from records.documents import Issue

_CELL = re.compile(r"(results\[\d{1,4}\])\.(\w{1,30})")
_RANGE = re.compile(r"(-?\d{1,12}(?:\.\d{1,12})?)-(-?\d{1,12}(?:\.\d{1,12})?)")
_LIMIT = re.compile(r"([<>≤≥])(-?\d{1,12}(?:\.\d{1,12})?)")
HIGH, LOW, ABNORMAL = "H", "L", "A"
FLAG_DIFFERS, IMPLAUSIBLE = "flag_differs", "implausible_result"

Row = dict[str, str]


def result_issues(values: Mapping[str, str]) -> Iterator[Issue]:
    """Findings on rows of results. `values`: field -> normal form, of the sound values of one document."""
    found = _by_row(values)
    marked = any(row.get("flag") for row in found.values())
    for place, row in found.items():
        yield from _flags(place, row, marked)
        yield from _plausible(place, row)


def _by_row(values: Mapping[str, str]) -> dict[str, Row]:
    """'results[3]' -> its cells by column."""
    found: dict[str, Row] = {}
    for field, value in values.items():
        if cell := _CELL.fullmatch(field):
            found.setdefault(cell[1], {})[cell[2]] = value
    return found


def _flags(place: str, row: Row, marked: bool) -> Iterable[Issue]:
    """`marked`: the form marks what is out of range somewhere, so that a row without a mark should be within."""
    expected, told = flag_of(row.get("value", ""), row.get("reference", "")), row.get("flag", "")
    if expected is None or not (told or marked) or told == expected or (told == ABNORMAL and expected):
        return
    message = "Kết quả, trị số tham chiếu và dấu cao thấp của dòng này không khớp nhau; hãy xem lại cả dòng."
    for column in ("value", "reference", "flag"):
        if column in row:
            yield Issue(check=FLAG_DIFFERS, field=f"{place}.{column}", message=message)


def flag_of(value: str, reference: str) -> str | None:
    """What a value is against its range: '5.18', '3.9-4.6' -> 'H'; '' within, None where either does not say."""
    try:
        number = float(value)
    except ValueError:
        return None
    if between := _RANGE.fullmatch(reference):
        low, high = float(between[1]), float(between[2])
        return LOW if number < low else HIGH if number > high else ""
    if limit := _LIMIT.fullmatch(reference):
        mark, bound = limit[1], float(limit[2])
        within = {"<": number < bound, "≤": number <= bound, ">": number > bound, "≥": number >= bound}[mark]
        return "" if within else HIGH if mark in "<≤" else LOW
    return None


def _plausible(place: str, row: Row) -> Iterable[Issue]:
    """A number that no living body shows has lost its decimal comma, or stands beside another unit."""
    low, high = _limits().get((row.get("test", ""), row.get("unit", "")), ("", ""))
    try:
        number = float(row.get("value", ""))
    except ValueError:
        return
    if (low and number < float(low)) or (high and number > float(high)):
        span = f"{low or '…'} - {high or '…'}".replace(".", ",")
        message = f"Kết quả nằm ngoài khoảng có thể của xét nghiệm này ({span}), có thể mất dấu phẩy; hãy xem lại ảnh."
        yield Issue(check=IMPLAUSIBLE, field=f"{place}.value", message=message)


@of_lists
def _limits() -> dict[tuple[str, str], tuple[str, str]]:
    """(test, unit) -> the lowest and the highest plausible number, '' where there is none."""
    return {(r["name"], r["unit"]): (r.get("low", ""), r.get("high", "")) for r in rows("tests")}
