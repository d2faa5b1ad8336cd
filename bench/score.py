"""After stage 7, bench.score: compares what was read on pages with their truth files and counts what was right.

Pages planted as duplicates or as unreadable files hold nothing to read and are left out.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rapidfuzz.distance import Levenshtein
from rapidfuzz.fuzz import ratio
from rich.table import Table

from bench.truth import Fractions, ReadField, ReadPage, TruthField, TruthPage
from records.base import Frozen
from records.document_types import document_types
from training.intervals import interval

CELL = re.compile(r"^(?P<table>\w+)\[(?P<row>\d+)\]\.(?P<column>\w+)$")
NUMERIC = frozenset({"value", "quantity", "days", "age"})  # the last part of a field's name
RUNNING_TEXT = 40  # characters; from here on one wrong letter in fifty is forgiven
FORGIVEN = 0.02
SIDE_AND_NEGATION = re.compile(r"\d+(?:[.,]\d+)?|\b(?:trái|phải|hai bên|không|chưa)\b")
SAME_ROW = 60.0  # likeness of two rows' keys, 0..100
NOTHING_TO_READ = frozenset({"duplicate_page", "quarantined"})


class Share(Frozen):
    """`right` of `of`."""

    right: int
    of: int

    @property
    def percent(self) -> float:
        return 100 * self.right / self.of if self.of else 0.0


class Interval(Share):
    """A share with its 95 % interval, both ends from 0 to 1."""

    low: float
    high: float


class Tally(Frozen):
    """Fields in truth, fields read with a value, and how many of these are right."""

    fields: int = 0
    read: int = 0
    right: int = 0

    @property
    def right_percent(self) -> float:
        return 100 * self.right / self.fields if self.fields else 0.0

    @property
    def precision_percent(self) -> float:
        return 100 * self.right / self.read if self.read else 0.0


class Miss(Frozen):
    """A field that is not right: missed when `read` is empty, invented when `truth` is."""

    file: str
    page: int
    field: str
    truth: str
    read: str


class Score(Frozen):
    """How well a set of pages was read. `by_field` has all rows of a table together, as `results[].value`."""

    pages: int
    missing_pages: int
    document_types: Share
    rotations: Share
    boxes: Share
    total: Tally
    by_quality: dict[str, Tally]
    by_field: dict[str, Tally]
    misses: tuple[Miss, ...]


class Compared(Frozen):
    """One field of truth and what was read for it; either may be missing."""

    truth: TruthField | None
    read: ReadField | None

    @property
    def name(self) -> str:
        found = self.truth or self.read
        return found.name if found else ""

    @property
    def was_read(self) -> bool:
        return self.read is not None and plain(self.read.value) != ""

    @property
    def right(self) -> bool:
        if self.truth is None or self.read is None or not self.was_read:
            return False
        return says_the_same(self.name, self.truth.value, self.read.value)


def score_pages(truth: Sequence[TruthPage], read: Sequence[ReadPage]) -> Score:
    """Every page of truth with the page read under the same file and number; pages nobody read count as missed."""
    pages = [page for page in truth if page.fault not in NOTHING_TO_READ]
    found = {(page.file, page.page): page for page in read}
    pairs = [(page, found.get((page.file, page.page))) for page in pages]
    compared = [(page, pair) for page, got in pairs for pair in compared_fields(page, got)]
    return Score(
        pages=len(pages),
        missing_pages=sum(got is None for _, got in pairs),
        document_types=_share(got is not None and got.document_type == page.document_type for page, got in pairs),
        rotations=_share(got is not None and got.rotation == page.rotation for page, got in pairs),
        boxes=_share(_on_place(page, pair) for page, pair in compared if pair.right and pair.truth and pair.truth.box),
        total=_tally([pair for _, pair in compared]),
        by_quality=_tallies(compared, lambda page, _: f"{page.writing}/{page.quality}"),
        by_field=_tallies(compared, lambda _, pair: field_group(pair.name)),
        misses=tuple(_miss(page, pair) for page, pair in compared if not pair.right),
    )


def compared_fields(truth: TruthPage, read: ReadPage | None) -> list[Compared]:
    """Plain fields by name; rows of tables by the likeness of their keys, so that one lost row costs one row."""
    ours, theirs = list(truth.fields), list(read.fields) if read else []
    named = {f.name: f for f in theirs if not CELL.match(f.name)}
    wanted = {f.name: f for f in ours if not CELL.match(f.name)}
    pairs = [Compared(truth=wanted.get(name), read=named.get(name)) for name in {**wanted, **named}]
    return pairs + list(_compared_cells(_rows(ours), _rows(theirs)))


def says_the_same(field: str, truth: str, read: str) -> bool:
    """Whether two normal forms agree, case and white space aside.

    Numbers agree as numbers. Running text may differ in 2 % of its letters, never in a number, a side or a negation.
    """
    one, other = plain(truth), plain(read)
    if one == other:
        return True
    if field.rpartition(".")[2] in NUMERIC:
        return _number(one) is not None and _number(one) == _number(other)
    if len(one) < RUNNING_TEXT or SIDE_AND_NEGATION.findall(one) != SIDE_AND_NEGATION.findall(other):
        return False
    return Levenshtein.distance(one, other) <= FORGIVEN * len(one)


def with_interval(right: int, of: int) -> Interval:
    """Wilson's interval; from 0 to 1 where nothing was counted."""
    low, high = interval(right, of) if of else (0.0, 1.0)
    return Interval(right=right, of=of, low=low, high=high)


def plain(value: str) -> str:
    """NFC, lower case, single spaces, no stops at either end. Tone marks stay."""
    return " ".join(unicodedata.normalize("NFC", value).casefold().split()).strip(" .,;:")


def field_group(name: str) -> str:
    """'results[3].value' -> 'results[].value'."""
    return re.sub(r"\[\d+\]", "[]", name)


def score_table(score: Score, title: str = "") -> Table:
    """The score for a terminal: all fields, then by writing and quality, then by field, the worst first."""
    table = Table("", "fields", "right %", "precision %", title=title or None)
    table.add_row("all", *_cells(score.total), style="bold")
    for name, tally in sorted(score.by_quality.items()):
        table.add_row(name, *_cells(tally))
    table.add_section()
    for name, tally in sorted(score.by_field.items(), key=lambda item: item[1].right_percent):
        table.add_row(name, *_cells(tally))
    table.caption = ", ".join(
        f"{name} {share.right}/{share.of}"
        for name, share in (
            ("document type", score.document_types),
            ("rotation", score.rotations),
            ("boxes on place", score.boxes),
        )
    )
    return table


Rows = dict[str, list[dict[str, Any]]]


def _rows(fields: Sequence[TruthField] | Sequence[ReadField]) -> Rows:
    """table -> its rows in order -> column -> field."""
    found: dict[str, dict[int, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for field in fields:
        if cell := CELL.match(field.name):
            found[cell["table"]][int(cell["row"])].setdefault(cell["column"], field)
    return {table: [rows[i] for i in sorted(rows)] for table, rows in found.items()}


def _compared_cells(ours: Rows, theirs: Rows) -> Iterator[Compared]:
    for table in {**ours, **theirs}:
        for one, other in _matched(ours.get(table, []), theirs.get(table, []), _row_keys().get(table, "")):
            for column in {**one, **other}:
                yield Compared(truth=one.get(column), read=other.get(column))


def _matched(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]], key: str
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Rows in pairs, the most alike first and among equals those nearest in order; rows left alone have no partner."""
    likeness = [
        (_likeness(one, other, key), -abs(i - j), i, j) for i, one in enumerate(ours) for j, other in enumerate(theirs)
    ]
    left, right = set(range(len(ours))), set(range(len(theirs)))
    for like, _, i, j in sorted(likeness, reverse=True):
        if like >= SAME_ROW and i in left and j in right:
            left.remove(i)
            right.remove(j)
            yield ours[i], theirs[j]
    yield from ((ours[i], {}) for i in sorted(left))
    yield from (({}, theirs[j]) for j in sorted(right))


def _likeness(one: dict[str, Any], other: dict[str, Any], key: str) -> float:
    return ratio(plain(one[key].value), plain(other[key].value)) if key in one and key in other else 0.0


def _row_keys() -> dict[str, str]:
    """table -> the column that tells its rows apart."""
    return {table.name: table.row_key for kind in document_types().values() for table in kind.tables}


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return None


def _on_place(page: TruthPage, pair: Compared) -> bool:
    """The box read covers at least half of the true one and is at most six times as large."""
    true = page.in_file(pair.truth.box) if pair.truth and pair.truth.box else None
    box = pair.read.box if pair.read else None
    if true is None or box is None:
        return False
    across = min(true[2], box[2]) - max(true[0], box[0])
    down = min(true[3], box[3]) - max(true[1], box[1])
    both = max(0.0, across) * max(0.0, down)
    return both >= 0.5 * _area(true) and _area(box) <= 6 * _area(true)


def _area(box: Fractions) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _share(answers: Iterator[bool]) -> Share:
    told = list(answers)
    return Share(right=sum(told), of=len(told))


def _tally(pairs: Sequence[Compared]) -> Tally:
    return Tally(
        fields=sum(p.truth is not None for p in pairs),
        read=sum(p.was_read for p in pairs),
        right=sum(p.right for p in pairs),
    )


def _tallies(
    compared: Sequence[tuple[TruthPage, Compared]], group: Callable[[TruthPage, Compared], str]
) -> dict[str, Tally]:
    groups: dict[str, list[Compared]] = defaultdict(list)
    for page, pair in compared:
        groups[group(page, pair)].append(pair)
    return {name: _tally(pairs) for name, pairs in groups.items()}


def _miss(page: TruthPage, pair: Compared) -> Miss:
    return Miss(
        file=page.file,
        page=page.page,
        field=pair.name,
        truth=pair.truth.value if pair.truth else "",
        read=pair.read.value if pair.read else "",
    )


def _cells(tally: Tally) -> tuple[str, str, str]:
    return str(tally.fields), f"{tally.right_percent:.1f}", f"{tally.precision_percent:.1f}"
