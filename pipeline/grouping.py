"""Stage 4 of one patient file, pipeline.grouping: which pages are one document, and which pages it lacks. Pure."""

from collections.abc import Collection, Sequence

from extractors.page_numbers import PageNumber, printed_number
from records.base import Frozen
from records.documents import Issue, PageReading

OTHER = "other"
MISSING_PAGE, PAGE_ORDER = "missing_page", "page_order"
LACKING = "Trang này in số {printed} nhưng hồ sơ không có trang {lacks}; hãy tìm tờ còn thiếu hoặc quét lại."

MISPLACED = "Trang này in số {printed} nhưng không nằm ngay sau trang {before}; hãy xếp lại thứ tự trong hồ sơ."


class FilePage(Frozen):
    """A page of a file, in file order, neither blank nor a duplicate.

    `follows`: the page before it in the scan is of this file too, nothing between them is missing. `place_id`: the
    page whose place a rescan took, so that the document stays the same one. `starts`: an officer said that a document
    begins here, or goes on from the page before.
    """

    page_id: str
    reading: PageReading
    follows: bool = True
    place_id: str = ""
    starts: bool | None = None


def group_pages(pages: Sequence[FilePage], ours: Collection[str] | None = None) -> list[list[FilePage]]:
    """Pages of one form together: a page without its own title, and of no other kind, goes on from the last, unless
    an officer said otherwise.

    A page that seems to be another patient's (not in `ours`; None: all are) never shares a document with one that
    is not.
    """
    own = {p.page_id for p in pages} if ours is None else ours
    groups: list[list[FilePage]] = []
    for page in pages:
        if groups and _goes_on(groups[-1], page) and (page.page_id in own) == (groups[-1][0].page_id in own):
            groups[-1].append(page)
        else:
            groups.append([page])
    return groups


def _goes_on(group: Sequence[FilePage], page: FilePage) -> bool:
    """As an officer said; else whether a page without a title may belong to the form before it; where both print their
    numbers, by these."""
    if page.starts is not None:
        return not page.starts
    if page.reading.titled or page.reading.document_type not in (OTHER, group_type(group)):
        return False
    one, other = printed_number(group[-1].reading.text), printed_number(page.reading.text)
    if other is None:
        return page.follows
    return one == other.before or (one is None and page.follows and other.number > 1)


def missing_pages(groups: Sequence[Sequence[FilePage]]) -> dict[str, tuple[Issue, ...]]:
    """Pages that print their number where the file lacks the one before or behind, by page id."""
    printed = [[printed_number(page.reading.text) for page in group] for group in groups]
    there = {number for group in printed for number in group if number}
    found: dict[str, tuple[Issue, ...]] = {}
    for group, numbers in zip(groups, printed, strict=True):
        for i, (page, number) in enumerate(zip(group, numbers, strict=True), start=1):
            if number and (lacks := _lacking(number, there, goes_on=i < len(group))):
                message = LACKING.format(printed=f"{number.number}/{number.total}", lacks=lacks)
                found[page.page_id] = (Issue(check=MISSING_PAGE, field="", message=message),)
    return found


def _lacking(number: PageNumber, there: Collection[PageNumber], *, goes_on: bool) -> int:
    """Which neighbour of a page is not there, 0 when none; `goes_on`: a page of its form without number follows."""
    if number.number > 1 and number.before not in there:
        return number.number - 1
    return 0 if number.number == number.total or goes_on or number.after in there else number.number + 1


def misplaced_pages(groups: Sequence[Sequence[FilePage]]) -> dict[str, tuple[Issue, ...]]:
    """Pages that print a number, the one before it lies in the file and not before them; by page id. Where two pages
    print the same, or an officer said where the document begins, nobody is asked."""
    pages = [page for group in groups for page in group]
    printed = [printed_number(page.reading.text) for page in pages]
    found: dict[str, tuple[Issue, ...]] = {}
    for previous, page, number in zip([None, *printed], pages, printed, strict=False):
        if not number or number.number == 1 or page.starts is not None or previous == number.before:
            continue
        if printed.count(number) == 1 == printed.count(number.before):
            told = MISPLACED.format(printed=f"{number.number}/{number.total}", before=number.before.number)
            found[page.page_id] = (Issue(check=PAGE_ORDER, field="", message=told),)
    return found


def group_type(group: Sequence[FilePage]) -> str:
    """The document type of a group: its first page's."""
    return group[0].reading.document_type
