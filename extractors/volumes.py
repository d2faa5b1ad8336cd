"""Stage 4, extractors.volumes: which volume of a stay's papers a page says that it opens, such as 'Tập 1/2'."""

import re
from typing import NamedTuple

from records.pages import PageText

OWN_LINE = re.compile(
    r"^(?:hồ sơ bệnh án|hồ sơ|bệnh án)?\W*(?:tập|quyển)\s*[:.]?\s*(\d{1,2}|[IVX]{1,4})"
    r"(?:\s*(?:/|trên|trong số)\s*(\d{1,2}|[IVX]{1,4})(?:\s*(?:tập|quyển))?)?\W*$",
    re.IGNORECASE,
)
ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")


class Volume(NamedTuple):
    """The number of a volume, from 1, and how many the stay has; 0 where that is not said."""

    number: int
    total: int

    def __str__(self) -> str:
        return f"{self.number}/{self.total}" if self.total else str(self.number)


def printed_volume(page: PageText) -> Volume | None:
    """The volume told in a line of its own, None where none or two are told.

    A number of a receipt book ('Quyển số: 12') and an exercise ('Tập 2 lần') are none.
    """
    said = [found for line in page.lines if (found := OWN_LINE.match(line.text.strip()))]
    told = {Volume(_number(found[1]), _number(found[2] or "0")) for found in said}
    possible = {v for v in told if v.number >= 1 and (not v.total or 1 < v.total >= v.number)}
    return possible.pop() if len(possible) == 1 else None


def _number(text: str) -> int:
    """'2' or 'II' as 2; 0 for letters that are no number."""
    if text.isdigit():
        return int(text)
    return ROMAN.index(text.upper()) + 1 if text.upper() in ROMAN else 0
