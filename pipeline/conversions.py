"""After stage 10, pipeline.conversions: a batch's files as they would be converted, and the conversions that stand."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, select

from pipeline.batch_pages import in_file_order
from pipeline.emr import HELD
from pipeline.registry import WITHDRAWN
from pipeline.tables import batch, conversion, document, facility, file, page
from records.states import IN_PROGRESS, PageState

OPEN = frozenset({*IN_PROGRESS, PageState.IN_REVIEW})
GONE = (PageState.SUPERSEDED.value, PageState.WITHDRAWN.value)
HELD_VI, OPEN_VI = "hồ sơ đang bị giữ vì nghi lẫn trang", "còn {pages} trang chưa xong"
EMPTY_VI = "không có trang nào để chuyển đổi"


class FileToConvert(NamedTuple):
    """A file with the pages of its documents in order: rows (page_id, document_id, document_type, scan_id, state)."""

    file_id: str
    label: str
    state: str
    pages: list[Any]


def organisation_of(conn: Connection, batch_id: str) -> str:
    """The name of the hospital that a batch is of."""
    query = select(facility.c.name).join(batch, batch.c.facility_id == facility.c.facility_id)
    return str(conn.scalars(query.where(batch.c.batch_id == batch_id)).one())


def files_of(conn: Connection, batch_id: str) -> list[FileToConvert]:
    """Files of the batch that were not withdrawn, each with the pages that it shows."""
    rows = conn.execute(
        select(
            file.c.file_id, file.c.label, file.c.state.label("file_state"), page.c.page_id, page.c.scan_id,
            page.c.state, document.c.document_id, document.c.document_type,
        )
        .select_from(file)
        .outerjoin(document, document.c.file_id == file.c.file_id)
        .outerjoin(page, page.c.document_id == document.c.document_id)
        .where(file.c.batch_id == batch_id, file.c.state != WITHDRAWN)
        .order_by(file.c.label, file.c.file_id)
    ).all()  # fmt: skip
    order = {p: at for at, p in enumerate(in_file_order(conn, batch_id, [row.page_id for row in rows if row.page_id]))}
    found: dict[str, FileToConvert] = {}
    for row in rows:
        own = found.setdefault(row.file_id, FileToConvert(row.file_id, row.label, row.file_state, []))
        if row.page_id and row.state not in GONE:
            own.pages.append(row)
    return [one._replace(pages=sorted(one.pages, key=lambda row: order[row.page_id])) for one in found.values()]


def why_not(one: FileToConvert) -> str:
    """Why a file cannot be converted yet, in Vietnamese; '' when it can."""
    if one.state == HELD:
        return HELD_VI
    opened = sum(row.state in OPEN for row in one.pages)
    return OPEN_VI.format(pages=opened) if opened else "" if one.pages else EMPTY_VI


def content_of(one: FileToConvert) -> str:
    """What the copy of a file is made of: another content asks for another copy."""
    told = [(row.page_id, row.scan_id, row.document_id, row.document_type) for row in one.pages]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def latest(batch_id: str) -> Any:
    """The conversions that stand, with the label of their file: none replaces them, and the file was not withdrawn."""
    newer = conversion.alias("newer")
    replaced = select(newer.c.code).where(newer.c.replaces == conversion.c.code).exists()
    query = select(conversion, file.c.label).join(file, file.c.file_id == conversion.c.file_id)
    own = (conversion.c.batch_id == batch_id) & (file.c.state != WITHDRAWN)
    return query.where(own, ~replaced).order_by(conversion.c.converted_at, conversion.c.code)


def standing_in(conn: Connection, batch_id: str) -> dict[str, RowMapping]:
    """file id -> its conversion that stands."""
    return {row["file_id"]: row for row in conn.execute(latest(batch_id)).mappings()}


def copies_of(conn: Connection, batch_id: str) -> Sequence[RowMapping]:
    """The conversions of a batch that stand, the oldest first."""
    return conn.execute(latest(batch_id)).mappings().all()
