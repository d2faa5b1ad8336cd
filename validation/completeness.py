"""Stage 7, validation.completeness: the forms found in an inpatient file against those it must hold. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date

from records.base import Frozen
from records.file_rules import ExpectedForm


class Completeness(Frozen):
    """Forms of a file. `expected`, `missing`: names from the list, in its order; `found`: documents by type.

    Nothing is expected of what is no inpatient file, such as a loose sheet.
    """

    expected: tuple[str, ...]
    missing: tuple[str, ...]
    found: dict[str, int]


def completeness(found: Mapping[str, int], day: date | None, forms: Sequence[ExpectedForm]) -> Completeness:
    """What is there and what is missing by the list in force on `day`, the end of the stay (None: the newest list)."""
    listed = [form for form in forms if form.in_force(day or date.max)]
    inpatient = any(form.inpatient and _any(form.forms, found) for form in listed)
    due = [form for form in listed if inpatient and (not form.when or _any(form.when, found))]
    return Completeness(
        expected=tuple(form.name for form in due),
        missing=tuple(form.name for form in due if not _any(form.forms, found)),
        found=dict(sorted(found.items())),
    )


def _any(names: Sequence[str], found: Mapping[str, int]) -> bool:
    return any(found.get(name) for name in names)
