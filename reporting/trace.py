"""After stage 10, reporting.trace: one page's or document's whole story, by ids and states; never page content."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, RowMapping, or_, select, text

from pipeline.database import engine
from pipeline.settings import settings
from pipeline.tables import document, field_value, file, issue, page, page_text, receipt
from records.errors import SohoaError

PROVENANCE = text(
    "SELECT target_table, target_column, field, rule, checked FROM emr.provenance"
    " WHERE document_id = :id ORDER BY target_table, field"
)
MENTIONS = text(
    "SELECT field, label, count(*) AS times FROM emr.text_mention WHERE document_id = :id GROUP BY 1, 2 ORDER BY 1, 2"
)


def story(identifier: str) -> Iterator[str]:
    """Lines about a page, receipt, scan, document or file id or a file's path; SohoaError when nobody knows it."""
    with engine(settings()).connect() as conn:
        pages = _pages(conn, identifier)
        if not pages:
            raise SohoaError(
                f"Nothing is known by '{identifier}'; give a page, receipt, document, file or scan id, or a path."
            )
        for row in pages:
            yield from _page_lines(conn, row)
        for document_id in dict.fromkeys(r["document_id"] for r in pages if r["document_id"]):
            yield from _document_lines(conn, document_id)
        yield from _file_lines(conn, {r["document_id"] for r in pages})


def _pages(conn: Connection, identifier: str) -> list[Any]:
    query = (
        select(page, receipt.c.path, receipt.c.outcome, receipt.c.received_at, page_text.c.engine, page_text.c.seconds)
        .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
        .outerjoin(page_text, page_text.c.page_id == page.c.page_id)
        .where(
            or_(
                page.c.page_id == identifier, page.c.receipt_id == identifier, page.c.document_id == identifier,
                page.c.scan_id == identifier, receipt.c.path == identifier,
                page.c.document_id.in_(select(document.c.document_id).where(document.c.file_id == identifier)),
            )
        )
        .order_by(page.c.batch_id, receipt.c.path, page.c.number)
    )  # fmt: skip
    return list(conn.execute(query).mappings())


def _page_lines(conn: Connection, row: Any) -> Iterator[str]:
    yield f"page {row['page_id']} (batch {row['batch_id']}, {row['path']}, page {row['number']}): {row['state']}"
    yield f"  receipt {row['receipt_id']} {row['outcome']} at {row['received_at']:%Y-%m-%d %H:%M:%S %z}"
    yield f"  scan {row['scan_id']}"
    if row["reason"]:
        yield f"  reason {row['reason']}"
    if row["duplicate_of"]:
        yield f"  duplicate of {row['duplicate_of']}"
    if row["engine"]:
        yield f"  read by {row['engine']} in {row['seconds']:.2f} CPU seconds"
    for found in conn.execute(select(issue.c.check_name, issue.c.field).where(issue.c.page_id == row["page_id"])):
        yield f"  issue {found.check_name} {found.field}".rstrip()


def _document_lines(conn: Connection, document_id: str) -> Iterator[str]:
    own = conn.execute(select(document).where(document.c.document_id == document_id)).mappings().one()
    kind = f"{own['document_type']} {own['edition']}".rstrip()
    yield f"document {document_id}: {kind}, revision {own['revision']}, {own['verdict']}"
    query = select(field_value).where(field_value.c.document_id == document_id).order_by(field_value.c.field)
    for value in conn.execute(query).mappings():
        witness = f", witness {value['witness']}" if value["witness"] else ""
        rule = f"{value['rule']}{witness}, confidence {value['confidence']:.3f}"
        yield f"  {value['field']}: {value['verdict']} by {rule}"
    for loaded in conn.execute(PROVENANCE, {"id": document_id}):
        yield f"  emr.{loaded.target_table}.{loaded.target_column} from {loaded.field}, checked by {loaded.checked}"
    for said in conn.execute(MENTIONS, {"id": document_id}):
        yield f"  emr.text_mention: {said.times} {said.label} in {said.field}"


def _file_lines(conn: Connection, document_ids: set[str | None]) -> Iterator[str]:
    """The patient files of these documents: how long they are kept, which forms they lack."""
    query = select(file).distinct().join(document, document.c.file_id == file.c.file_id)
    query = query.where(document.c.document_id.in_([own for own in document_ids if own]))
    for row in conn.execute(query.order_by(file.c.file_id)).mappings():
        forms = row["forms"]
        yield f"file {row['file_id']} (batch {row['batch_id']}): {row['state']}"
        yield f"  kept as {row['retention'] or 'unknown'} until {row['retained_until'] or 'its end is known'}"
        if forms.get("expected"):
            lacking = ", ".join(forms["missing"]) or "none"
            yield f"  {len(forms['expected'])} forms expected, missing: {lacking}"
        if volume := row["facts"].get("volume"):
            yield f"  volume {volume}, others of the stay: {_other_volumes(conn, row) or 'none'}"


def _other_volumes(conn: Connection, row: RowMapping) -> str:
    """The volumes of a file's stay but itself, as they name themselves."""
    query = select(file.c.facts["volume"].astext).where(file.c.encounter_key == row["encounter_key"])
    told = conn.scalars(query.where(file.c.file_id != row["file_id"])).all()
    return ", ".join(sorted(volume for volume in told if volume))
