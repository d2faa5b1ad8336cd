"""Beside the product, bench.officer: what the workbench asks of pages becomes seconds of a modelled officer.

A model, not a measurement: it compares designs on the same tasks, and a pilot's measured seconds replace it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, text

from bench.home import home_of_its_own
from bench.pages import BenchPage
from bench.person import KEY, THINK, Item, field_seconds, question_seconds, second_seconds, tile_seconds
from pipeline.migrate import migrate_folder, wanted_batch
from pipeline.settings import settings
from records.base import Frozen
from records.document_types import DocumentType, document_types
from review.groups import SIZE
from review.words import shown

INDEX_HEADER = ("patient.name", "patient.id", "encounter.number")  # what an index-only page repeats of its file
BATCH = "officer"
MIX = {"structured": 30, "index-only": 70}  # pages of 100
FILE_CHECKS = ("foreign_patient", "no_identity", "missing_page", "maybe_duplicate", "separators_differ")
NOTE = (
    "Keystroke-level model: 0.28 s a key, 1.35 s a mental preparation (Card, Moran, Newell 1980); 0.25 s a fixation of "
    "8 letters (Rayner 1998). A field is read twice, in its crop and in its input. What differs is typed anew in Telex "
    "or mended by words, whichever is shorter. Keys: on fields only accepted; one Enter more for each document. "
    "Of index-only pages only what repeats the file's facts is counted. It compares designs; it measures nobody."
)


class Asked(Frozen):
    """All that is there to be asked. `pages`: of structured forms; `questions`: pages that wait for a file question."""

    items: tuple[Item, ...]
    pages: int
    questions: int


class Design(NamedTuple):
    """What is asked (`of`), whether sound values come in sets, whether two persons enter what is critical."""

    name: str
    of: Callable[[Sequence[Item]], list[Item]]
    groups: bool = False
    second: bool = False
    index: bool = False


class Cost(Frozen):
    """What a design costs. `fields`: asked; seconds of 100 pages of MIX; `keys`: per field that is only accepted."""

    design: str
    fields: int
    accepted: int
    corrected: int
    keyed: int
    documents: int
    keys: float
    seconds_per_page: float
    seconds_per_100: float


def everything(items: Sequence[Item]) -> list[Item]:
    """Every value that was found or is missing."""
    return list(items)


def doubtful(items: Sequence[Item]) -> list[Item]:
    """Without what was accepted; each repeat of a file's fact by itself."""
    return [one for one in items if one.state != "accept"]


def facts_once(items: Sequence[Item]) -> list[Item]:
    """A fact of the file in one of its documents."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for one in (one for one in items if one.state == "review"):
        if one.spec is not None and one.spec.fact:
            if (one.file_id, one.field) in seen:
                continue
            seen.add((one.file_id, one.field))
        kept.append(one)
    return kept


def optional_cheap(items: Sequence[Item]) -> list[Item]:
    """Optional fields only where another field of their document is asked."""
    asked = facts_once(items)
    opened = {one.document_id for one in asked if one.needed}
    return [one for one in asked if one.needed or one.document_id in opened]


def optional_never(items: Sequence[Item]) -> list[Item]:
    """Critical and required fields only; the others stay as read, with their image, and are not loaded."""
    return [one for one in facts_once(items) if one.needed]


DESIGNS = (
    Design("everything on the page", everything, index=True),
    Design("doubtful values only", doubtful, index=True),
    Design("+ facts of a file once", facts_once),
    Design("+ sets of one kind", facts_once, groups=True),
    Design("+ policy: optional fields cheap", optional_cheap, groups=True),
    Design("+ policy: optional fields never", optional_never, groups=True),
    Design("+ two persons for critical fields", optional_never, groups=True, second=True),
)


def measure_officer(folder: Path, pages: Sequence[BenchPage], console: Console) -> list[Cost]:
    """Migrate the folder in a home of its own, then say what each design costs on it."""
    with home_of_its_own() as engine:
        migrate_folder(wanted_batch(folder, BATCH), settings().workers, console)
        with engine.connect() as conn:
            asked = asked_of(conn, folder, pages)
    return [cost_of(design, asked) for design in DESIGNS]


def asked_of(conn: Connection, folder: Path, pages: Iterable[BenchPage]) -> Asked:
    """The batch's values beside their truth. Pages without truth, and index-only ones, are left out."""
    known = {(page.path.relative_to(folder).as_posix(), page.truth.page): page.truth.fields for page in pages}
    truths = {place: {field.name: field for field in fields} for place, fields in known.items()}
    items, counted = [], set()
    for row in conn.execute(text(VALUES), {"batch": BATCH}).mappings():
        form, truth = document_types()[row["document_type"]], truths.get((row["path"], row["number"]))
        if truth is None or form.index_only:
            continue
        counted.add((row["path"], row["number"]))
        there = truth.get(row["field"])
        items.append(_item(row, form, there.value if there else "", there.shown if there else ""))
    questions = conn.scalar(text(QUESTIONS), {"batch": BATCH, "checks": list(FILE_CHECKS)}) or 0
    return Asked(items=tuple(items), pages=len(counted), questions=questions)


VALUES = """
SELECT d.file_id, d.document_id, d.document_type, r.path, p.number, v.field, v.kind, v.value, v.verdict, v.problem,
    v.rule FROM pipeline.document d JOIN pipeline.field_value v USING (document_id)
JOIN pipeline.page p ON p.page_id = v.page_id JOIN pipeline.receipt r USING (receipt_id) WHERE d.batch_id = :batch
UNION ALL
SELECT d.file_id, d.document_id, d.document_type, r.path, p.number, t.field, '', '', 'review', '', t.reason
FROM pipeline.review_task t JOIN pipeline.document d USING (document_id)
JOIN pipeline.page p ON p.page_id = d.page_ids->>0 JOIN pipeline.receipt r USING (receipt_id)
WHERE d.batch_id = :batch AND t.state IN ('open', 'elsewhere')
AND NOT EXISTS (SELECT FROM pipeline.field_value v WHERE v.document_id = d.document_id AND v.field = t.field)
ORDER BY file_id, document_id, field
"""
QUESTIONS = """
SELECT count(DISTINCT page_id) FROM pipeline.issue WHERE batch_id = :batch AND check_name = ANY(:checks)
AND page_id IS NOT NULL
"""


def _item(row: Mapping[str, str], form: DocumentType, normal: str, written: str) -> Item:
    return Item(
        file_id=row["file_id"], document_id=row["document_id"], document_type=form.id, field=row["field"],
        kind=row["kind"], read=shown(row["value"], row["kind"]), paper=written,
        right=bool(normal) and row["value"] == normal,
        state="review" if row["verdict"] == "reject" else row["verdict"],
        checked=bool(row["problem"]) or row["rule"].startswith("check:"),
    )  # fmt: skip


def cost_of(design: Design, asked: Asked) -> Cost:
    """The seconds and keys of a design."""
    wanted = design.of(asked.items)
    alone = [one for one in wanted if not (design.groups and one.in_groups)]
    together = [one for one in wanted if design.groups and one.in_groups]
    odd = [one for one in together if not one.right]  # They come as tasks after all.
    documents = len({one.document_id for one in [*alone, *odd]})
    seconds = documents * (THINK + KEY) + sum(map(field_seconds, [*alone, *odd])) + sum(map(tile_seconds, together))
    if design.second:
        critical = [one for one in wanted if one.spec is not None and one.spec.critical]
        seconds += sum(map(second_seconds, critical))
    per_page = seconds / asked.pages
    questions = question_seconds() * asked.questions / asked.pages
    index = index_seconds(asked) if design.index else 0.0
    accepted = [one for one in wanted if one.right]
    by_card = sum(one.right for one in alone)
    return Cost(
        design=design.name, fields=len(wanted), accepted=len(accepted),
        corrected=sum(bool(one.read) and not one.right for one in wanted), keyed=sum(not one.read for one in wanted),
        documents=documents, keys=(by_card + (len(accepted) - by_card) / SIZE) / max(1, len(accepted)),
        seconds_per_page=per_page + questions,
        seconds_per_100=MIX["structured"] * (per_page + questions) + MIX["index-only"] * index,
    )  # fmt: skip


def index_seconds(asked: Asked) -> float:
    """An index-only page whose header is asked: as long as the header's fields take on structured pages."""
    header = [one for one in asked.items if one.field in INDEX_HEADER and one.right]
    if not header:
        return 0.0
    times = {
        field: [field_seconds(one) for one in same]
        for field, same in groupby(sorted(header, key=lambda one: one.field), key=lambda one: one.field)
    }
    return THINK + KEY + sum(sum(own) / len(own) for own in times.values())


def officer_table(costs: Sequence[Cost]) -> Table:
    """One row per design; `change` to the one above it."""
    title = f"Officer seconds per 100 pages, {MIX['structured']} structured and {MIX['index-only']} index-only"
    headings = (
        "asked",
        "accepted",
        "corrected",
        "keyed",
        "documents",
        "keys/accepted",
        "s/structured page",
        "s/100 pages",
    )
    table = Table("design", *headings, "change", title=title)
    before: float | None = None
    for one in costs:
        change = "" if before is None else f"{one.seconds_per_100 / before - 1:+.0%}"
        table.add_row(
            one.design, str(one.fields), str(one.accepted), str(one.corrected), str(one.keyed), str(one.documents),
            f"{one.keys:.2f}", f"{one.seconds_per_page:.1f}", f"{one.seconds_per_100:.0f}", change,
        )  # fmt: skip
        before = one.seconds_per_100
    return table
