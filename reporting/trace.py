"""After stage 10, reporting.trace: one page's or document's whole story, by ids and states; never page content."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, RowMapping, or_, select, text

from pipeline import trust
from pipeline.database import engine
from pipeline.settings import settings
from pipeline.store import Store
from pipeline.tables import (
    conversion,
    document,
    field_value,
    file,
    issue,
    legal_hold,
    page,
    page_text,
    paper,
    receipt,
)
from records.errors import SohoaError

PROVENANCE = text(
    "SELECT target_table, target_column, field, rule, checked FROM emr.provenance"
    " WHERE document_id = :id ORDER BY target_table, field"
)
MOMENT = "%Y-%m-%d %H:%M:%S %z"
DECISIONS = text(
    "SELECT t.field, d.decision, d.decided_by, d.decided_at, EXISTS (SELECT FROM pipeline.review_decision AS u"
    " WHERE u.undoes = d.decision_id) AS undone FROM pipeline.review_decision AS d"
    " JOIN pipeline.review_task AS t USING (task_id)"
    " WHERE t.document_id = :id AND d.undoes IS NULL ORDER BY d.decision_id"
)
RECEIPTS = text("SELECT target, revision, rows, loaded_at FROM emr.load_receipt WHERE document_id = :id ORDER BY 2, 1")
VIEWS = text(
    "SELECT account_id, count(*) AS times, max(at) AS last FROM review.page_view WHERE page_id = :id"
    " GROUP BY account_id ORDER BY account_id"
)
MENTIONS = text(
    "SELECT field, label, count(*) AS times FROM emr.text_mention WHERE document_id = :id GROUP BY 1, 2 ORDER BY 1, 2"
)


def story(identifier: str, role: str = "") -> Iterator[str]:
    """Lines about a page, receipt, scan, document or file id, a file's path or the code of a conversion; SohoaError
    when nobody knows it. `role`: of the database, by default its owner."""
    with engine(settings(), role).connect() as conn:
        pages = _pages(conn, identifier)
        if not pages:
            raise SohoaError(
                f"Nothing is known by '{identifier}'; give a page, receipt, document, file or scan id, a path, "
                "or a look-up code."
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
                page.c.document_id.in_(
                    select(document.c.document_id)
                    .join(conversion, conversion.c.file_id == document.c.file_id)
                    .where(conversion.c.code == identifier)
                ),
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
    for view in conn.execute(VIEWS, {"id": row["page_id"]}):
        yield f"  seen by {view.account_id} {view.times} times, last {view.last:{MOMENT}}"


def _document_lines(conn: Connection, document_id: str) -> Iterator[str]:
    own = conn.execute(select(document).where(document.c.document_id == document_id)).mappings().one()
    kind = f"{own['document_type']} {own['edition']}".rstrip()
    yield f"document {document_id}: {kind}, revision {own['revision']}, {own['verdict']}"
    query = select(field_value).where(field_value.c.document_id == document_id).order_by(field_value.c.field)
    for value in conn.execute(query).mappings():
        witness = f", witness {value['witness']}" if value["witness"] else ""
        rule = f"{value['rule']}{witness}, confidence {value['confidence']:.3f}"
        yield f"  {value['field']}: {value['verdict']} by {rule}"
    for one in conn.execute(DECISIONS, {"id": document_id}):
        undone = ", taken back" if one.undone else ""
        yield f"  {one.field}: {one.decision} by {one.decided_by} at {one.decided_at:{MOMENT}}{undone}"
    for load in conn.execute(RECEIPTS, {"id": document_id}):
        rows = sum(load.rows.values())
        yield f"  loaded into {load.target}: revision {load.revision}, {rows} rows at {load.loaded_at:{MOMENT}}"
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
        yield from _conversion_lines(conn, row["file_id"])
        if volume := row["facts"].get("volume"):
            yield f"  volume {volume}, others of the stay: {_other_volumes(conn, row) or 'none'}"


def _conversion_lines(conn: Connection, file_id: str) -> Iterator[str]:
    """Every conversion of a file, what its signature is worth now, and what becomes of its paper."""
    query = select(conversion).where(conversion.c.file_id == file_id).order_by(conversion.c.converted_at)
    for row in conn.execute(query).mappings():
        yield f"  conversion {row['code']}: {row['mark']}"
        yield f"    {row['pages']} pages, copy {row['copy_id']}, decision {row['decision_id']}"
        if row["signed_id"]:
            by = (row["certificate"] or {}).get("subject", "")
            yield f"    signed {row['signed_id']} at {row['signed_at']:{MOMENT}} by {by}"
            yield f"    {_signature(row['signed_id'])}"
    own = conn.execute(select(paper).where(paper.c.file_id == file_id)).mappings().one_or_none()
    if own:
        agreed = f", agreed by {own['agreed_by']}" if own["agreed_by"] else ""
        yield f"  paper {own['disposition']} by {own['proposed_by']}{agreed}, minutes {own['minutes']}"
    held = conn.scalar(select(legal_hold.c.held_by).where(legal_hold.c.file_id == file_id))
    yield f"  paper held by law, noted by {held}" if held else "  no legal hold" if own else "  paper kept"


def _signature(signed_id: str) -> str:
    from loaders.signing import check

    try:
        found = check(Store(settings()).get(signed_id), trust.held(settings()))
    except SohoaError as error:
        return f"the signature cannot be checked: {error}"
    return "the signature is good" if found and found.good else f"the signature is not good: {found and found.why}"


def _other_volumes(conn: Connection, row: RowMapping) -> str:
    """The volumes of a file's stay but itself, as they name themselves."""
    query = select(file.c.facts["volume"].astext).where(file.c.encounter_key == row["encounter_key"])
    told = conn.scalars(query.where(file.c.file_id != row["file_id"])).all()
    return ", ".join(sorted(volume for volume in told if volume))
