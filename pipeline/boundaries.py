"""Stage 4 of a batch, pipeline.boundaries: turns the read pages of a batch into the parts that are one file each. Pure.

A separator sheet, a scan or a folder bounds a file. Pages that nobody can place stay together and ask an officer; what
one separator says holds up to the next one and no further.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import RowMapping

from pipeline.repairs import UNTOUCHED, Repair
from records.documents import Issue, PageReading
from records.pages import Boundary
from records.separators import Separator, separator_of
from records.states import PageState

BLANK, SEPARATOR, DOUBTFUL = "blank", "separator", "doubtful_separator"  # as which a page is read
NO_SEPARATOR, UNKNOWN_BOX, SHEETS, EMPTY = "no_separator", "unknown_box", "sheet_count", "empty_file"
TWO_FILES = "separators_differ"
STOPPING = frozenset({NO_SEPARATOR, DOUBTFUL, UNKNOWN_BOX, TWO_FILES})
MESSAGES = {
    NO_SEPARATOR: "Trước các trang này không có tờ phân cách; hãy cho biết chúng thuộc hồ sơ nào.",
    DOUBTFUL: "Tờ phân cách này không đọc được mã; hãy cho biết các trang sau nó thuộc hồ sơ nào.",
    UNKNOWN_BOX: "Danh sách của bệnh viện không có hộp {box}; hãy kiểm tra tờ phân cách.",
    TWO_FILES: "Hai tờ phân cách cùng hộp và số hồ sơ ghi hai số vào viện khác nhau; hãy tách trang của từng người.",
    SHEETS: "Tờ phân cách ghi {told} tờ nhưng quét được {found} trang; hãy đếm lại giấy.",
    EMPTY: "Sau tờ phân cách này không có trang nào; hồ sơ chưa quét, không có trên giá hay đang cho mượn?",
}


class ReadPage(NamedTuple):
    """A page of a batch with its ledger row and what was read.

    `place`: path, receipt and number at which it lies, those of `first_id`, which a rescan replaces (else itself).
    `ruled`: the file into which an officer put it, '' where nobody did; `confirmed`: it was this scan that she saw, not
    one before it. `replaced`: pages that stood there before. `repair`: what else an officer ruled of it.
    """

    row: RowMapping
    reading: PageReading
    first_id: str
    place: tuple[str, str, int]
    ruled: str = ""
    replaced: tuple[str, ...] = ()
    repair: Repair = UNTOUCHED
    confirmed: bool = False

    @property
    def page_id(self) -> str:
        return str(self.row["page_id"])

    @property
    def state(self) -> PageState:
        return PageState(self.row["state"])


class Placed(NamedTuple):
    """What says of a page which file it is of: as `ReadPage` has it; `document_type` '' where it is not read yet."""

    place: tuple[str, str, int]
    document_type: str
    said: Separator | None = None
    ruled: str = ""


class Part(NamedTuple):
    """The pages of one file in order, what its separator says, and what an officer is asked about it, by page id."""

    label: str
    pages: list[ReadPage]
    separator: Separator | None = None
    issues: Mapping[str, tuple[Issue, ...]] = {}

    @property
    def stops(self) -> bool:
        """Whether nothing of it may be loaded before an officer has placed its pages."""
        return any(issue.check in STOPPING for issues in self.issues.values() for issue in issues)


def parts_of(pages: Sequence[ReadPage], boundary: Boundary, boxes: Collection[str] = ()) -> list[Part]:
    """The batch's pages by file. `boxes`: those that the registry knows; with none, any box will do."""
    placed = [Placed(p.place, p.reading.document_type, _said(p), p.ruled) for p in pages]
    found: dict[str, list[ReadPage]] = {}
    for page, label in zip(pages, labels_of(placed, boundary), strict=True):
        found.setdefault(label, []).append(page)
    return [_part(label, group, boundary, boxes) for label, group in found.items()]


def labels_of(pages: Sequence[Placed], boundary: Boundary) -> list[str]:
    """The label of the file that each page of a batch, in reading order, is of."""
    labels = _by_separator(pages) if boundary is Boundary.SEPARATOR else [_by_path(p, boundary) for p in pages]
    return [page.ruled or label for page, label in zip(pages, labels, strict=True)]


def in_reading_order(place: tuple[str, str, int]) -> tuple[list[tuple[int, str]], str, int]:
    """Sorts 'scan 10.pdf' behind 'scan 2.pdf', as people and scanners number their files."""
    path, receipt, number = place
    return [(int(n or 0), text) for n, text in re.findall(r"(\d{1,15})|(\D+|\d{16,})", path)], receipt, number


def label_of(separator: Separator) -> str:
    """'KHO-07/0012': the box and the number of the file in it."""
    return f"{separator.box}/{separator.file_number:04d}"


def fits(sheets: int, pages: int) -> bool:
    """Whether so many pages are so many sheets (0: any): a sheet has one side or two, as the scanner was set."""
    return not sheets or pages in (sheets, 2 * sheets)


def _by_path(page: Placed, boundary: Boundary) -> str:
    """What a file is called: its scan, or its folder."""
    path = page.place[0]
    return path.rpartition("/")[0] or "." if boundary is Boundary.FOLDER else path


def _by_separator(pages: Sequence[Placed]) -> list[str]:
    """The label of each page: its separator's; where there is none that can be read, the place of the first page."""
    labels: list[str] = []
    label = ""
    for page in pages:
        if page.said:
            label = label_of(page.said)
        elif not label or page.document_type == DOUBTFUL:
            label = f"{page.place[0]}#{page.place[2]}"
        labels.append(label)
    return labels


def _said(page: ReadPage) -> Separator | None:
    return separator_of(page.reading.text.text) if page.reading.document_type == SEPARATOR else None


def _part(label: str, pages: list[ReadPage], boundary: Boundary, boxes: Collection[str]) -> Part:
    if boundary is not Boundary.SEPARATOR:
        return Part(label, pages)
    sheets = [(page, said) for page in pages if (said := _said(page)) and label_of(said) == label]
    content = [page for page in pages if page.reading.document_type != SEPARATOR]
    separator = sheets[0][1] if sheets else None
    asked = _asked(sheets[0][0] if sheets else None, separator, content, boxes)
    if len({said.encounter_number for _, said in sheets if said.encounter_number}) > 1:
        asked = _issue(next(iter(content), sheets[0][0]), TWO_FILES) | asked
    return Part(label, pages, separator, asked)


def _asked(
    sheet: ReadPage | None, said: Separator | None, content: list[ReadPage], boxes: Collection[str]
) -> dict[str, tuple[Issue, ...]]:
    """What is asked about a file that separators bound, by the page where it is shown."""
    open_ones = [page for page in content if not page.ruled and _can_be_placed(page)]
    if sheet is None or said is None:
        if not open_ones:
            return {}
        first = open_ones[0]
        return _issue(first, DOUBTFUL if first.reading.document_type == DOUBTFUL else NO_SEPARATOR)
    if not content:
        return _issue(sheet, EMPTY)
    found = sum(page.state is not PageState.DUPLICATE for page in content)
    if boxes and said.box not in boxes and open_ones:
        return _issue(open_ones[0], UNKNOWN_BOX, box=said.box)
    return _issue(content[0], SHEETS, told=said.sheets, found=found) if not fits(said.sheets, found) else {}


def _can_be_placed(page: ReadPage) -> bool:
    """Whether an officer can say whose the page is: not of a blank or doubled one, nor of one that is loaded."""
    waiting = page.state in (PageState.READ, PageState.ASSEMBLED, PageState.IN_REVIEW)
    return waiting and page.reading.document_type not in (BLANK, SEPARATOR)


def _issue(page: ReadPage, check: str, **told: object) -> dict[str, tuple[Issue, ...]]:
    return {page.page_id: (Issue(check=check, field="", message=MESSAGES[check].format(**told)),)}
