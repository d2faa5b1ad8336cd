"""Stage 4 of a batch, pipeline.doubles: which pages of a file are second scans of others, and which may be."""

from collections.abc import Mapping, Sequence

from extractors.duplicates import may_be_same, same_text
from pipeline.boundaries import ReadPage
from pipeline.children import Workers
from pipeline.reading import PageJob, PairJob, compare_job
from pipeline.repairs import NO_DOUBLE
from records.documents import Issue
from records.pages import MediaType
from records.states import PageState

DOUBTFUL_SLIPS = 4  # numbers that differ, none of them legible on both sheets
MAYBE_DOUBLE = "maybe_duplicate"
DOUBLE = "Có vẻ là bản quét lại của trang {number} ({path}) nhưng vài số đọc không rõ; hãy so hai trang."


def doubled(pages: Sequence[ReadPage], children: Workers) -> tuple[dict[str, str], dict[str, ReadPage]]:
    """Pages that are second scans, by their originals' ids: numbers, text and picture alike. And pages that may be,
    by what they may repeat: all is alike but for a few numbers that were hardly legible.

    Of two sheets the one that came to rest first, else the one that lies first, is the original.
    """
    new = [p for p in pages if p.state is PageState.READ]
    old = [p for p in pages if p.state is not PageState.READ]
    pairs = {
        PairJob(_job(first), _geometry(first), _job(later), _geometry(later), headers=not first.reading.text.whole):
        (first, later)
        for i, later in enumerate(new)
        if not later.replaced  # a rescan was asked for
        and later.repair.double != NO_DOUBLE
        for first in (*old, *new[:i])
        if _look_alike(first, later)
    }  # fmt: skip
    here = {p.page_id for p in pages}
    found = {p.page_id: p.repair.double for p in new if p.repair.double in here - {p.page_id}}
    perhaps: dict[str, ReadPage] = {}
    for pair, same in children.map(compare_job, pairs):
        first, later = pairs[pair]
        if same is not True or first.page_id in found or later.page_id in found:
            continue
        if same_text(first.reading.text, later.reading.text):
            found.setdefault(later.page_id, first.page_id)
        else:
            perhaps.setdefault(later.page_id, first)
    return found, perhaps


def _look_alike(one: ReadPage, other: ReadPage) -> bool:
    """Whether two pages deserve that their pixels are compared."""
    same = same_text(one.reading.text, other.reading.text, slips=DOUBTFUL_SLIPS)
    return same and may_be_same(one.reading.image, other.reading.image)


def proposals(perhaps: Mapping[str, ReadPage]) -> dict[str, tuple[Issue, ...]]:
    """What an officer is asked about pages that may be second scans; nothing is set aside for it."""
    return {
        page_id: (Issue(check=MAYBE_DOUBLE, field="", message=DOUBLE.format(path=p.place[0], number=p.place[2])),)
        for page_id, p in perhaps.items()
    }


def _job(p: ReadPage) -> PageJob:
    media_type = MediaType(p.row["media_type"])
    return PageJob(p.page_id, p.row["scan_id"], media_type, p.row["number"], turn=p.repair.turn)


def _geometry(p: ReadPage) -> str:
    return p.reading.image.model_dump_json()
