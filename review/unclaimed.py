"""Stage 8, review.unclaimed: lines of a document that no field took, and the value that an officer finds in one."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert as upsert

from extractors.labels import find_labels
from extractors.rows import Row, fold, page_to_rows
from pipeline import facts
from pipeline.documents import store_document, task_id_of
from pipeline.tables import document, page_text, review_task
from records.base import Frozen
from records.document_types import DocumentType, document_types
from records.documents import JudgedValue, ValidatedDocument, Verdict
from records.pages import Box, PageBox, PageImage, PageText, Word, around
from review.decisions import decide
from review.revisions import WHOLE_PAGE, Decision, Refused, not_found
from review.words import label_of

FEWEST = 2  # letters or digits of what may be a value
GAP = 1.1  # heights of a word; farther apart two words are not one value
RULE = "added"  # why a field is asked for that no machine found
ROW = re.compile(r"^(\w+)\[(\d+)\]\.")


class UnclaimedLine(Frozen):
    """Words side by side that no field took. `key`: of the line while the page is not read anew."""

    key: str
    page_id: str
    text: str
    box: PageBox


class FreeField(Frozen):
    """A field of the form without a value."""

    field: str
    label: str


def unclaimed_lines(
    text: PageText, image: PageImage, form: DocumentType, claimed: Collection[PageBox]
) -> tuple[UnclaimedLine, ...]:
    """Lines of a page outside the boxes of its readings (`claimed`), without the form's labels, headings and titles."""
    rows = page_to_rows(text)
    labels = {(hit.row, n) for hit in find_labels(rows, form) for n in range(hit.first, hit.last + 1)}
    printed = _printed(form)
    found: list[UnclaimedLine] = []
    for at, row in enumerate(rows):
        left = [n for n, word in enumerate(row.words) if (at, n) not in labels and not _within(word, image, claimed)]
        for run in [] if _is_title(row, form) else _runs(row, left):
            told = " ".join(word.text for word in run)
            if len(fold(told)) >= FEWEST and fold(told) not in printed:
                box = image.in_file(around([word.box for word in run]))
                key = f"{text.page_id}:{len(found)}"
                found.append(UnclaimedLine(key=key, page_id=text.page_id, text=told, box=box))
    return tuple(found)


def free_fields(
    validated: ValidatedDocument, form: DocumentType, settled: Collection[str], language: str
) -> tuple[FreeField, ...]:
    """The form's fields without a value, then cells of its tables up to a new row. `settled`: decided to be empty."""
    filled = {v.value.field for v in validated.values if v.value.value} | set(settled)
    names = {v.value.field: v.value.value for v in validated.values if "[" in v.value.field}
    fields = [spec.name for spec in form.fields]
    for table in form.tables:
        rows = range(_next_row(names, table.name) + 1)
        fields += [f"{table.name}[{n}].{column.name}" for n in rows for column in table.columns]
    return tuple(
        FreeField(field=f, label=label_of(form, f, names, language)) for f in fields if f not in filled
    )  # fmt: skip


def lines_of(conn: Connection, validated: ValidatedDocument) -> tuple[UnclaimedLine, ...]:
    """The lines of a document's pages that no field took, page by page."""
    own, form = validated.document, document_types()[validated.document.document_type]
    query = select(page_text.c.page_id, page_text.c.image, page_text.c.text)
    pages = {row.page_id: row for row in conn.execute(query.where(page_text.c.page_id.in_(own.page_ids)))}
    return tuple(
        line
        for page_id in own.page_ids
        if page_id in pages
        for line in unclaimed_lines(
            PageText.model_validate(pages[page_id].text),
            PageImage.model_validate(pages[page_id].image),
            form,
            _claimed(validated.values, page_id),
        )
    )


def settled_fields(conn: Connection, document_id: str) -> frozenset[str]:
    """Fields of a document on which somebody has decided."""
    own = (review_task.c.document_id == document_id) & (review_task.c.state == "decided")
    return frozenset(conn.scalars(select(review_task.c.field).where(own)))


def add_value(
    conn: Connection, document_id: str, field: str, key: str, typed: str, officer: str, token: int, *,
    insist: bool = False,
) -> None:  # fmt: skip
    """Enter what an officer types for a field, with an unclaimed line as its place; checked as any correction.

    Refused when the line is not there any more or the field has a value; LostLease as `decide`.
    """
    facts.lock_file(conn, document_id)
    row = conn.execute(select(document).where(document.c.document_id == document_id).with_for_update()).mappings().one()
    now = ValidatedDocument.model_validate(row["validated"])
    form = document_types()[row["document_type"]]
    line = next((line for line in lines_of(conn, now) if line.key == key), None)
    free = {one.field for one in free_fields(now, form, settled_fields(conn, document_id), "vi")}
    if line is None or field not in free:
        raise Refused("unclaimed.changed")
    empty = not_found(now.document, form, field)
    there = empty.value.reading.model_copy(update={"page_id": line.page_id, "box": line.box})
    place = empty.model_copy(update={"value": empty.value.model_copy(update={"reading": there}), "rule": RULE})
    values = (*(v for v in now.values if v.value.field != field), place)
    asked = now.model_copy(update={"values": values, "verdict": Verdict.REVIEW})
    store_document(conn, row["batch_id"], asked)
    task = {"batch_id": row["batch_id"], "document_id": document_id, "field": field, "reason": RULE, "state": "open"}
    task_id = task_id_of(document_id, field)
    opened = upsert(review_task).values(task_id=task_id, **task)
    conn.execute(opened.on_conflict_do_update(index_elements=["task_id"], set_={"state": "open"}))
    decide(conn, task_id, officer, Decision.CORRECT, typed, token=token, insist=insist)


def _claimed(values: Iterable[JudgedValue], page_id: str) -> list[PageBox]:
    """Where a document's values were read on a page; one that a person typed has no place of its own."""
    readings = [v.value.reading for v in values]
    return [reading.box for reading in readings if reading.page_id == page_id and reading.box != WHOLE_PAGE]


def _within(word: Word, image: PageImage, boxes: Iterable[PageBox]) -> bool:
    """Whether a word's middle lies in one of these boxes of the file."""
    middle = image.in_file(_middle(word.box))
    return any(b.left <= middle.left <= b.right and b.top <= middle.top <= b.bottom for b in boxes)


def _middle(box: Box) -> Box:
    across = (box.left + box.right) / 2
    return Box(left=across, top=box.middle, right=across, bottom=box.middle)


def _runs(row: Row, kept: Sequence[int]) -> Iterator[list[Word]]:
    """The kept words of a row, parted where others stood or a wide gap is."""
    run: list[Word] = []
    for before, at in pairwise([-2, *kept]):
        word = row.words[at]
        if run and (at != before + 1 or word.box.left - run[-1].box.right > GAP * word.box.height):
            yield run
            run = []
        run.append(word)
    if run:
        yield run


def _is_title(row: Row, form: DocumentType) -> bool:
    text = fold(row.text)
    return any(fold(title) in text for title in form.titles)


def _printed(form: DocumentType) -> frozenset[str]:
    """What the form prints besides the labels of its fields, folded."""
    headings = [h for table in form.tables for column in table.columns for h in (*column.headings, *column.labels)]
    others = [h for table in form.tables for h in (*table.headings, *table.stop)]
    return frozenset(map(fold, (*headings, *others, *form.boilerplate)))


def _next_row(names: Mapping[str, str], table: str) -> int:
    rows = [int(row[2]) for row in map(ROW.match, names) if row and row[1] == table]
    return max(rows, default=-1) + 1
