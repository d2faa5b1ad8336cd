"""Stage 4, extractors.page_numbers: what a page prints of its own number, such as 'Trang 2/3'."""

import re
from typing import NamedTuple

from records.pages import PageText

PRINTED = re.compile(r"\b(?:trang|tờ số|page)\s*[:.]?\s*(\d{1,3})\s*(?:/|trên|of)\s*(\d{1,3})(?![\d/])", re.IGNORECASE)


class PageNumber(NamedTuple):
    """The number of a page and how many its document has, both from 1."""

    number: int
    total: int

    @property
    def before(self) -> "PageNumber":
        return PageNumber(self.number - 1, self.total)

    @property
    def after(self) -> "PageNumber":
        return PageNumber(self.number + 1, self.total)


def printed_number(page: PageText) -> PageNumber | None:
    """The number that a page prints of itself, None where it prints none or two different ones."""
    found = {PageNumber(int(one), int(of)) for line in page.lines for one, of in PRINTED.findall(line.text)}
    possible = {n for n in found if 1 <= n.number <= n.total}
    return possible.pop() if len(possible) == 1 else None
