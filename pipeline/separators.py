"""Before stage 0, pipeline.separators: which separator sheets a box needs, by the hospital's registry or by count."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from pipeline.tables import registry_stay
from records.errors import SohoaError
from records.separators import LAST, Separator


def stays_of_box(conn: Connection, facility: str, box: str) -> list[str]:
    """Admission numbers of the registry's stays in a box, in order; SohoaError when it knows none."""
    stay = registry_stay.c
    query = select(stay.encounter_number).where(stay.facility_id == facility, stay.box == box)
    found = list(conn.scalars(query.order_by(stay.encounter_number)))
    if not found:
        raise SohoaError(
            f"The registry of facility '{facility}' knows no stay in box '{box}'; load it with: sohoa registry load "
            "FILE, or give --files N without --facility for blank sheets."
        )
    return found


def separators_of_box(
    box: str, stays: Sequence[str], files: int = 0, first: int = 1, sheets: Mapping[int, int] | None = None
) -> list[Separator]:
    """One separator per stay, then blank ones up to `files` in all (0: no blank one), numbered from `first`.

    `sheets`: file number -> its count of sheets. SohoaError when the numbers do not fit together.
    """
    known = sheets or {}
    if files and files < len(stays):
        raise SohoaError(f"The registry knows {len(stays)} files of box '{box}', more than --files {files}.")
    numbers = range(first, first + max(files, len(stays)))
    if not numbers or first < 1 or numbers[-1] > LAST:
        raise SohoaError(f"Files are numbered from 1 to {LAST}; give --files N, and --first where a box goes on.")
    if strange := sorted(set(known) - set(numbers)):
        raise SohoaError(f"--sheets tells of file {strange[0]}, which is not among {numbers[0]} to {numbers[-1]}.")
    filled = [*stays, *[""] * (len(numbers) - len(stays))]
    return [
        Separator(box=box, file_number=number, encounter_number=stay, sheets=known.get(number, 0))
        for number, stay in zip(numbers, filled, strict=True)
    ]


def sheet_counts(given: Sequence[str]) -> dict[int, int]:
    """['12=64', '13=40'] -> {12: 64, 13: 40}: file number and its count of sheets."""
    counts: dict[int, int] = {}
    for one in given:
        number, sign, count = one.partition("=")
        if not (sign and number.isdecimal() and count.isdecimal() and int(count)) or int(number) in counts:
            raise SohoaError(f"--sheets '{one}' is not to be understood; write each file once, as 12=64.")
        counts[int(number)] = int(count)
    return counts
