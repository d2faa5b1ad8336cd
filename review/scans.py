"""Stage 8, review.scans: a batch's pages -> what the scan desk sees of each file: sheets, questions, pages to look at.

Places and numbers only: whoever scans sees the paper, and no content of a page here.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from itertools import groupby

from sqlalchemy import ColumnElement, Connection, RowMapping, ScalarSelect, case, func, select, text

from pipeline.boundaries import SEPARATOR, Placed, fits, in_reading_order, labels_of
from pipeline.placing import REPLACEABLE
from pipeline.tables import batch, expected_file, issue, page, page_count, page_ruling, page_text, receipt
from records.base import Frozen
from records.errors import SohoaError
from records.pages import Boundary, PageImage, PageText
from records.quarantine import QUARANTINE
from records.separators import separator_of
from records.states import PageState
from review.faults import EDGE, Read, faults_of
from review.rescans import is_open
from review.tables import rescan_request

NEWEST = 50  # batches shown at once
MOST_LOOKED_AT = 100_000  # pages whose faults are remembered
ASKED = (
    "no_separator", "doubtful_separator", "unknown_box", "sheet_count", "empty_file", "missing_page", "maybe_duplicate",
)  # fmt: skip
UNREAD = frozenset({PageState.RECEIVED, PageState.READ})
Reading = tuple[str, datetime]  # a page's id and when it last changed
GONE = (PageState.SUPERSEDED.value, PageState.WITHDRAWN.value)


class Standing(StrEnum):
    """What may be done with a file's paper. `look`: put back once its pages of doubtful quality were looked at."""

    READING = "reading"
    OPEN = "open"
    LOOK = "look"
    BACK = "back"


class BatchLine(Frozen):
    """A batch of the list. `asked`: questions about its boundaries; `rescans`: pages that are to be scanned anew."""

    batch_id: str
    pages: int
    unread: int
    quarantined: int
    asked: int
    rescans: int
    held: bool


class DeskPage(Frozen):
    """A page in the hand of whoever scans: where it lies, never what it says. `number` 0: a whole file.

    `faults`: of review.faults; `reason`: why it was put aside; `asked`: a rescan is asked for; `may_ask`: it can be.
    """

    page_id: str
    path: str
    number: int
    state: PageState
    faults: tuple[str, ...] = ()
    reason: str = ""
    sentences: tuple[str, ...] = ()
    asked: bool = False
    may_ask: bool = False


class PaperFile(Frozen):
    """One file of a batch. `expected`: sheets that its separator or the vendor's index tells, 0 when neither does."""

    label: str
    expected: int
    pages: tuple[DeskPage, ...]
    waits: bool  # Other pages of the batch may still bound it.

    def count(self, *states: PageState) -> int:
        """Pages in these states."""
        return sum(one.state in states for one in self.pages)

    @property
    def unread(self) -> int:
        return self.count(*UNREAD)

    @property
    def blank(self) -> int:
        return self.count(PageState.BLANK)

    @property
    def duplicate(self) -> int:
        return self.count(PageState.DUPLICATE)

    @property
    def quarantined(self) -> int:
        return self.count(PageState.QUARANTINED)

    @property
    def found(self) -> int:
        """Pages with something on them that were read."""
        apart = self.unread + self.blank + self.duplicate + self.quarantined
        return len(self.pages) - apart - self.count(PageState.SEPARATOR)

    @property
    def fits(self) -> bool:
        """Whether the pages are as many as the sheets have sides, as far as somebody has told."""
        return fits(self.expected, self.found + self.blank)

    @property
    def asking(self) -> tuple[DeskPage, ...]:
        """Pages about which something is asked."""
        return tuple(one for one in self.pages if one.sentences)

    @property
    def put_aside(self) -> tuple[DeskPage, ...]:
        return tuple(one for one in self.pages if one.state is PageState.QUARANTINED)

    @property
    def doubtful(self) -> tuple[DeskPage, ...]:
        """Pages to look at again."""
        return tuple(one for one in self.pages if one.faults)

    @property
    def blanks(self) -> tuple[DeskPage, ...]:
        return tuple(one for one in self.pages if one.state is PageState.BLANK)

    @property
    def standing(self) -> Standing:
        if self.waits or self.unread:
            return Standing.READING
        if self.asking or self.put_aside or not self.fits or any(one.asked for one in self.pages):
            return Standing.OPEN
        return Standing.LOOK if self.doubtful else Standing.BACK


class Looked:
    """Faults of pages, worked out once per reading: a batch's text is much, and the desk asks every half minute."""

    def __init__(self) -> None:
        self._known: dict[Reading, tuple[str, ...]] = {}

    def faults(self, conn: Connection, readings: Sequence[Reading]) -> dict[str, tuple[str, ...]]:
        """page id -> names of faults, of pages given with the moment at which they last changed."""
        if len(self._known) > MOST_LOOKED_AT:
            self._known.clear()
        known = dict(self._known)
        new = _faults(conn, [reading[0] for reading in readings if reading not in known])
        self._known |= new
        known |= new
        return {reading[0]: known.get(reading, ()) for reading in readings}


# Counted by the database: of a page's words, some 50 kB, six figures are wanted.
_READ = text("""
    SELECT page_id, p.updated_at, image, document_type, engine, coalesce((t.text ->> 'whole')::boolean, true) AS whole,
        w.words, coalesce(w.confidence, 0) AS confidence, l.cut_lines
    FROM pipeline.page p
    JOIN pipeline.page_text t USING (page_id)
    CROSS JOIN LATERAL (SELECT count(*) AS words, avg(c::real) AS confidence
        FROM jsonb_path_query(t.text, '$.lines[*].words[*].confidence') c) w
    CROSS JOIN LATERAL (SELECT count(*) AS cut_lines FROM jsonb_array_elements(t.text -> 'lines') line
        WHERE jsonb_path_exists(line, '$.words[*].box ? (@.left <= $near || @.right >= $far)', jsonb_build_object(
            'near', :edge * (image ->> 'width_px')::int, 'far', (1 - :edge) * (image ->> 'width_px')::int))) l
    WHERE page_id = ANY(:ids)""")


def _faults(conn: Connection, page_ids: Sequence[str]) -> dict[Reading, tuple[str, ...]]:
    rows = conn.execute(_READ, {"ids": list(page_ids), "edge": EDGE}).mappings()
    return {
        (row["page_id"], row["updated_at"]): faults_of(
            PageImage.model_validate(row["image"]), Read(**{name: row[name] for name in Read.model_fields}),
            row["document_type"],
        )
        for row in rows
    }  # fmt: skip


def newest_batches(conn: Connection) -> list[BatchLine]:
    """Batches in progress, then those that came to rest last."""
    states = (PageState.RECEIVED.value, PageState.READ.value), (PageState.QUARANTINED.value,)
    unread, quarantined = (_pages_in(page_count.c.state.in_(names)) for names in states)
    asked = select(func.count()).where(issue.c.batch_id == batch.c.batch_id, issue.c.check_name.in_(ASKED))
    asked_anew = select(func.count()).select_from(rescan_request).join(page, page.c.page_id == rescan_request.c.page_id)
    query = select(
        batch.c.batch_id, _pages_in(page_count.c.state.not_in(GONE)).label("pages"), unread.label("unread"),
        quarantined.label("quarantined"), asked.scalar_subquery().label("asked"),
        asked_anew.where(page.c.batch_id == batch.c.batch_id, is_open()).scalar_subquery().label("rescans"),
        (batch.c.state == "held").label("held"),
    ).order_by(batch.c.closed_at.desc().nulls_first(), batch.c.created_at.desc())  # fmt: skip
    return [BatchLine(**row._asdict()) for row in conn.execute(query.limit(NEWEST))]


def _pages_in(states: ColumnElement[bool]) -> ScalarSelect[int]:
    """Pages of the batch in these states."""
    own = (page_count.c.batch_id == batch.c.batch_id) & states
    return select(func.coalesce(func.sum(page_count.c.pages), 0)).where(own).scalar_subquery()


def files_of(conn: Connection, batch_id: str, language: str, looked: Looked) -> list[PaperFile]:
    """Files of a batch in the order of their paper, then those that were told of and not scanned.

    SohoaError when there is no such batch.
    """
    said = conn.scalar(select(batch.c.boundary).where(batch.c.batch_id == batch_id))
    if said is None:
        raise SohoaError(f"There is no batch '{batch_id}'; reload the list.")
    boundary = Boundary(said)
    rows = _in_order(conn.execute(_PAGES.where(page.c.batch_id == batch_id)).mappings().all())
    labels = labels_of([placed for placed, _ in rows], boundary)
    expected = _expected(conn, batch_id) | _told(labels, rows)
    pages = _desk_pages(conn, batch_id, rows, language, looked)
    waits = boundary is Boundary.SEPARATOR and any(one.state in UNREAD for one in pages)
    own: dict[str, list[DeskPage]] = {label: [] for label in labels}
    for label, one in zip(labels, pages, strict=True):
        own[label].append(one)
    own |= {label: [] for label in expected if label not in own}
    return [
        PaperFile(label=label, expected=expected.get(label, 0), pages=tuple(its), waits=waits)
        for label, its in own.items()
    ]


_PAGES = (
    select(
        page.c.page_id, page.c.number, page.c.state, page.c.reason, page.c.replaces, page.c.updated_at, receipt.c.path,
        receipt.c.receipt_id, func.coalesce(page_text.c.document_type, "").label("document_type"),
        case((page_text.c.document_type == SEPARATOR, page_text.c.text)).label("code"),
        func.coalesce(page_ruling.c.label, "").label("ruled"), rescan_request.c.page_id.is_not(None).label("asked"),
    )
    .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
    .outerjoin(page_text, page_text.c.page_id == page.c.page_id)
    .outerjoin(page_ruling, page_ruling.c.page_id == page.c.page_id)
    .outerjoin(rescan_request, (rescan_request.c.page_id == page.c.page_id) & is_open())
)  # fmt: skip


def _in_order(rows: Iterable[RowMapping]) -> list[tuple[Placed, RowMapping]]:
    """The pages that count, each at the place of the page that was handed in first there."""
    known = {row["page_id"]: row for row in rows}
    replaced = {row["replaces"] for row in known.values()}
    here = [row for row in known.values() if row["state"] not in GONE and row["page_id"] not in replaced]
    placed = [(_placed(row, known), row) for row in here]
    return sorted(placed, key=lambda pair: in_reading_order(pair[0].place))


def _placed(row: RowMapping, known: Mapping[str, RowMapping]) -> Placed:
    first = row
    while first["replaces"] in known:
        first = known[first["replaces"]]
    said = separator_of(PageText.model_validate(row["code"]).text) if row["code"] else None
    return Placed((first["path"], first["receipt_id"], first["number"]), row["document_type"], said, row["ruled"])


def _expected(conn: Connection, batch_id: str) -> dict[str, int]:
    query = select(expected_file.c.label, expected_file.c.sheets).where(expected_file.c.batch_id == batch_id)
    return {row.label: row.sheets for row in conn.execute(query.order_by(expected_file.c.label))}


def _told(labels: Sequence[str], rows: Sequence[tuple[Placed, RowMapping]]) -> dict[str, int]:
    """What the separators say; the first of a file counts."""
    told: dict[str, int] = {}
    for label, (placed, _) in zip(labels, rows, strict=True):
        if placed.said and not placed.ruled:
            told.setdefault(label, placed.said.sheets)
    return told


def _desk_pages(
    conn: Connection, batch_id: str, rows: Sequence[tuple[Placed, RowMapping]], language: str, looked: Looked
) -> list[DeskPage]:
    faults = looked.faults(conn, [(r["page_id"], r["updated_at"]) for _, r in rows if r["document_type"]])
    query = select(issue.c.page_id, issue.c.message).where(issue.c.batch_id == batch_id, issue.c.check_name.in_(ASKED))
    asked = conn.execute(query.order_by(issue.c.page_id, issue.c.issue_id)).all()
    sentences = {page_id: tuple(row.message for row in group) for page_id, group in groupby(asked, lambda r: r.page_id)}
    return [
        DeskPage(
            page_id=row["page_id"], path=placed.place[0], number=placed.place[2], state=PageState(row["state"]),
            faults=faults.get(row["page_id"], ()), reason=_reason(row, language), asked=row["asked"],
            sentences=sentences.get(row["page_id"], ()), may_ask=row["state"] in REPLACEABLE and row["number"] > 0,
        )
        for placed, row in rows
    ]  # fmt: skip


def _reason(row: RowMapping, language: str) -> str:
    """Why a page was put aside, in words."""
    known = QUARANTINE.get(row["reason"]) if row["state"] == PageState.QUARANTINED.value else None
    return "" if known is None else known.vi if language == "vi" else known.en
