"""Before stage 1, pipeline.registry_rows: what a source of the registry holds becomes checked rows in normal forms.

Faults name the line and the column, never what stands there: it is patient data, and messages end in logs.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from records.base import Frozen
from records.errors import SohoaError
from transformers.choices import parse_outcome, parse_sex
from transformers.dates import birth_value, date_value, moment_value
from transformers.identifiers import parse_icd10, parse_insurance_card, parse_personal_id
from transformers.text import clean, folded

PATIENT = ("patient_id", "name", "birth_date", "sex", "insurance_number", "national_id", "address", "phone")
STAY = (
    "encounter_number", "patient_id", "archive_number", "admitted_at", "discharged_at", "department", "main_code",
    "outcome", "box",
)  # fmt: skip
COLUMNS = tuple(dict.fromkeys(PATIENT + STAY))
SHOWN_FAULTS = 10

# Headings as hospitals write them, and the names of insurance XML1; compared without marks, case and punctuation.
ALIASES: dict[str, tuple[str, ...]] = {
    "patient_id": ("mã bệnh nhân", "mã người bệnh", "mã BN", "MA_BN", "PID"),
    "name": ("họ tên", "họ và tên", "họ tên người bệnh", "họ tên bệnh nhân", "HO_TEN"),
    "birth_date": ("ngày sinh", "ngày tháng năm sinh", "năm sinh", "NGAY_SINH"),
    "sex": ("giới", "giới tính", "GIOI_TINH"),
    "insurance_number": ("số thẻ BHYT", "thẻ BHYT", "mã thẻ BHYT", "MA_THE_BHYT", "MA_THE"),
    "national_id": ("số CCCD", "CCCD", "số định danh", "số định danh cá nhân", "CMND", "SO_CCCD"),
    "address": ("địa chỉ", "DIA_CHI"),
    "phone": ("điện thoại", "số điện thoại", "DIEN_THOAI"),
    "encounter_number": ("số vào viện", "mã vào viện", "số bệnh án", "MA_LK", "sovaovien"),
    "archive_number": ("số lưu trữ", "mã lưu trữ", "SO_LUU_TRU"),
    "admitted_at": ("ngày vào viện", "ngày vào", "vào viện", "NGAY_VAO"),
    "discharged_at": ("ngày ra viện", "ngày ra", "ra viện", "NGAY_RA"),
    "department": ("khoa", "khoa điều trị", "MA_KHOA"),
    "main_code": ("mã bệnh", "mã ICD-10", "mã ICD", "mã bệnh chính", "MA_BENH", "MA_BENH_CHINH"),
    "outcome": ("kết quả điều trị", "tình trạng ra viện", "KET_QUA_DTRI"),
    "box": ("hộp", "thùng", "kho", "hộp lưu trữ"),
}


class Listing(NamedTuple):
    """A source of the registry as it is written. `unit`: what its rows are called, counted from `first`."""

    name: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    unit: str = "line"
    first: int = 2


class RegistryRow(Frozen):
    """One row of the source in normal forms; empty where it says nothing. `line`: its number in the source."""

    line: int
    values: dict[str, str]


class RegistryRows(Frozen):
    """A registry without a fault. `ignored`: headings that nobody reads here."""

    rows: tuple[RegistryRow, ...]
    ignored: tuple[str, ...]


def checked_rows(listing: Listing) -> RegistryRows:
    """All rows of a source; SohoaError lists the first faults by row and column."""
    names = [_column(heading) for heading in listing.headings]
    _refuse_headings(listing.name, names)
    rows, faults = [], []
    for line, cells in enumerate(listing.rows, start=listing.first):
        if any(cell.strip() for cell in cells):
            row, found = _row(line, dict(zip(names, cells, strict=True)))
            rows.append(row)
            faults += found
    faults += _contradictions(rows, listing.unit)
    if not rows:
        raise SohoaError(f"The registry {listing.name} has no {listing.unit}s; export it again.")
    if faults:
        raise SohoaError(_sentence(listing, faults))
    ignored = tuple(h for h, n in zip(listing.headings, names, strict=True) if not n)
    return RegistryRows(rows=tuple(rows), ignored=ignored)


def _column(heading: str) -> str:
    """'Họ và tên' -> 'name'; a heading that nobody reads -> ''."""
    key = heading_key(heading)
    return next((c for c in COLUMNS if key in {heading_key(a) for a in (c, *ALIASES[c])}), "")


def heading_key(heading: str) -> str:
    return re.sub(r"[^a-z0-9]", "", folded(heading))


def _refuse_headings(source: str, names: list[str]) -> None:
    for wanted in ("patient_id", "name"):
        if wanted not in names:
            raise SohoaError(f"The registry {source} has no column {wanted}; its columns are {', '.join(COLUMNS)}.")
    twice = next((name for name in names if name and names.count(name) > 1), "")
    if twice:
        raise SohoaError(f"The registry {source} has two columns for {twice}; leave one.")


def _row(line: int, cells: dict[str, str]) -> tuple[RegistryRow, list[str]]:
    values, faults = dict.fromkeys(COLUMNS, ""), []
    for column in COLUMNS:
        raw = clean(cells.get(column, ""))
        try:
            values[column] = PARSERS[column](raw) if raw else ""
        except ValueError:
            faults.append(f"{line}, column {column}: {EXPECTED[column]}")
    needed = ["patient_id", "name"] + ["encounter_number"] * any(values[column] for column in STAY[2:])
    empty = [column for column in needed if not cells.get(column, "").strip()]
    faults += [f"{line}, column {column}: must not be empty" for column in empty]
    return RegistryRow(line=line, values=values), faults


def _contradictions(rows: list[RegistryRow], unit: str) -> Iterator[str]:
    """Lines that give one patient or one stay two meanings."""
    for key, others in (("patient_id", PATIENT[1:4]), ("encounter_number", STAY[1:])):
        first: dict[str, RegistryRow] = {}
        for row in rows:
            known = first.setdefault(row.values[key], row) if row.values[key] else row
            for other in others:
                if row.values[other] != known.values[other]:
                    yield f"{row.line}, column {other}: differs from {unit} {known.line} with the same {key}"


def _sentence(listing: Listing, faults: list[str]) -> str:
    more = f"; and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
    shown = "; ".join(f"{listing.unit} {fault}" for fault in faults[:SHOWN_FAULTS])
    return f"The registry {listing.name} was not loaded; correct these and load it again: {shown}{more}."


def registry_moment(raw: str) -> str:
    """'2018-06-12 21:30:00', '201806122130' or '12/06/2018 21:30' -> '2018-06-12T21:30'; a day alone stays a day."""
    found = re.fullmatch(r"(\d{4})-?(\d\d)-?(\d\d)(?:[T ]?(\d\d):?(\d\d)(?::?\d\d(?:\.0+)?)?)?", raw)
    if found and not found[4]:
        return date_value(f"{found[1]}-{found[2]}-{found[3]}")
    if found:
        return moment_value(f"{found[4]}:{found[5]} {found[3]}/{found[2]}/{found[1]}")
    return moment_value(raw) if ":" in raw or "giờ" in raw else date_value(raw)


def registry_birth(raw: str) -> str:
    """'1956-04-18 00:00:00', '195604180000' or '18/04/1956' -> '1956-04-18'; '1956' or XML1's '19560000' -> '1956'.

    A newborn's hour is left out, and so is a month without its day.
    """
    if re.fullmatch(r"\d{6}00(0000)?", raw):
        return raw[:4]
    compact = re.fullmatch(r"\d{12}|\d{4}-?\d\d-?\d\d(?:[T ]?00:?00(?::?00(?:\.0+)?)?)?", raw)
    return registry_moment(raw)[:10] if compact else birth_value(raw)


def registry_sex(raw: str) -> str:
    """'Nam', 'male' or XML1's '1' -> 'male'; 'Nữ', 'female' or '2' -> 'female'; XML1's '3', undetermined -> ''."""
    if raw == "3":
        return ""
    known = {"1": "male", "2": "female", "male": "male", "female": "female", "m": "male", "f": "female"}
    return known.get(raw.lower()) or parse_sex(raw)


def registry_outcome(raw: str) -> str:
    """'Đỡ, giảm', 'improved' or the digit of the record cover, '2' -> 'improved'; other digits tell nothing: ''."""
    digits = {"1": "recovered", "2": "improved", "3": "unchanged", "4": "worse", "5": "died"}
    if raw.isdigit():
        return digits.get(raw, "")
    return raw if raw in digits.values() else parse_outcome(raw)


def registry_number(raw: str) -> str:
    """As written, but '|' is refused: it parts the natural keys."""
    if "|" in raw:
        raise ValueError("'|' in a number")
    return raw


PARSERS: dict[str, Callable[[str], str]] = dict.fromkeys(COLUMNS, str) | {
    "patient_id": registry_number,
    "encounter_number": registry_number,
    "name": str.upper,
    "birth_date": registry_birth,
    "sex": registry_sex,
    "insurance_number": parse_insurance_card,
    "national_id": parse_personal_id,
    "phone": lambda raw: re.sub(r"\D", "", raw),
    "admitted_at": registry_moment,
    "discharged_at": registry_moment,
    "main_code": parse_icd10,
    "outcome": registry_outcome,
}

EXPECTED: dict[str, str] = {
    "patient_id": "must not hold '|'",
    "encounter_number": "must not hold '|'",
    "birth_date": "not a date such as 1956-04-18, 18/04/1956 or 1956",
    "sex": "not a sex such as Nam, Nữ, male, female, 1 or 2",
    "insurance_number": "not an insurance number of 15 or 10 characters",
    "national_id": "not a personal ID of 12 or 9 digits",
    "admitted_at": "not a moment such as 2018-06-12T21:30 or 12/06/2018 21:30",
    "discharged_at": "not a moment such as 2018-06-12T21:30 or 12/06/2018 21:30",
    "main_code": "not an ICD-10 code such as C50.9",
    "outcome": "not an outcome such as Khỏi, Tử vong or a digit of KET_QUA_DTRI",
}
