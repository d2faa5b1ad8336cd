"""After stage 10, reporting.batch: a batch as tables for the terminal, counts and ids only; never page content."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, func, select, text

from pipeline import ledger, registry
from pipeline.database import engine, make_current
from pipeline.settings import settings
from pipeline.tables import batch, document, field_value, page, receipt, registry_stay
from records.document_types import document_types
from records.quarantine import QUARANTINE

EMR_TABLES = (
    "patient", "encounter", "condition", "observation", "procedure", "medication_statement", "diagnostic_report",
    "imaging_study", "text_mention", "document_reference", "provenance",
)  # fmt: skip


def ledger_state() -> tuple[dict[str, dict[str, int]], list[str]]:
    """(pages by batch and state, sentences about what does not balance)."""
    make_current(settings())
    with engine(settings()).begin() as conn:
        counts = ledger.counts(conn)
        faults, _ = ledger.balance_now(conn)
        return counts, faults


def print_status(out: Console, counts: Mapping[str, Mapping[str, int]], faults: Sequence[str]) -> None:
    """The ledger as a table, batches down and states across."""
    states = sorted({state for found in counts.values() for state in found})
    table = Table("batch", *states, "pages")
    for name, found in counts.items():
        table.add_row(name, *(str(found.get(s, 0)) for s in states), str(sum(found.values())))
    out.print(table)
    for fault in faults:
        out.print(fault, style="red", highlight=False, markup=False)
    out.print("The ledger balances." if not faults else "The ledger does not balance.")


def print_batch(out: Console, batch_id: str) -> None:
    """One batch: pages by state, documents by type, what was put aside, and what the shelf lacks."""
    with engine(settings()).begin() as conn:
        _print_pages(out, conn, batch_id)
        _print_documents(out, conn, batch_id)
        _print_quarantine(out, conn, batch_id)
        _print_emr(out, conn, batch_id)
        _print_missing(out, conn, batch_id)
        held = conn.scalar(select(batch.c.held_because).where(batch.c.batch_id == batch_id))
    if held:
        out.print(
            f"The batch is held by its data-quality checks: {held}", style="yellow", highlight=False, markup=False
        )


def _print_pages(out: Console, conn: Connection, batch_id: str) -> None:
    counts = ledger.counts(conn, batch_id).get(batch_id, {})
    faults = ledger.balance(conn, batch_id)
    table = Table("state", "pages", title=f"Pages of batch {batch_id}")
    for state, pages in sorted(counts.items(), key=lambda item: -item[1]):
        table.add_row(state, str(pages))
    table.add_section()
    table.add_row("received", str(sum(counts.values())))
    out.print(table)
    out.print("The ledger balances." if not faults else " ".join(faults), style="green" if not faults else "red")


def _print_documents(out: Console, conn: Connection, batch_id: str) -> None:
    verdict = field_value.c.verdict
    own = field_value.c.document_id
    query = (
        select(
            document.c.document_type,
            func.count(document.c.document_id.distinct()),
            func.count(own.distinct()).filter(verdict == "accept"),
            func.count().filter(verdict == "accept"),
            func.count().filter(verdict == "evidence"),
            func.count().filter(verdict.in_(["review", "reject"])),
        )
        .outerjoin(field_value, own == document.c.document_id)
        .where(document.c.batch_id == batch_id)
        .group_by(document.c.document_type)
        .order_by(document.c.document_type)
    )
    table = Table("document type", "documents", "with accepted", "accepted", "evidence", "in review", title="Fields")
    types, rows = document_types(), conn.execute(query).all()
    for kind, *numbers in rows:
        table.add_row(types[kind].title.vi, *map(str, numbers))
    out.print(table)
    reading = [row for row in rows if row[2]]
    out.print(f"{sum(r[2] for r in reading)} documents of {len(reading)} types have accepted values.")


def _print_quarantine(out: Console, conn: Connection, batch_id: str) -> None:
    query = (
        select(receipt.c.path, page.c.number, page.c.reason)
        .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
        .where(page.c.batch_id == batch_id, page.c.state == "quarantined")
        .order_by(receipt.c.path, page.c.number)
    )
    rows = conn.execute(query).all()
    if rows:
        table = Table("quarantined", "page", "why", "what to do")
        for path, number, code in rows:
            reason = QUARANTINE[code]
            table.add_row(Text(path), str(number or "-"), code, f"{reason.vi} / {reason.en}")
        out.print(table)


def _print_emr(out: Console, conn: Connection, batch_id: str) -> None:
    table = Table("EMR table", "rows of this batch")
    for name in EMR_TABLES:
        rows = conn.scalar(text(f"SELECT count(*) FROM emr.{name} WHERE batch_id = :batch"), {"batch": batch_id})
        table.add_row(f"emr.{name}", str(rows))
    out.print(table)


def _print_missing(out: Console, conn: Connection, batch_id: str) -> None:
    """What the shelf lacks in the boxes from which this batch has files; in all of them while it has none."""
    facility = conn.scalars(select(batch.c.facility_id).where(batch.c.batch_id == batch_id)).one()
    boxes = registry.boxes_of(conn, [batch_id])
    missing = registry.missing_files(conn, facility, boxes)
    stays = select(func.count()).select_from(registry_stay).where(registry_stay.c.facility_id == facility)
    known = conn.scalar(stays.where(registry_stay.c.box.in_(boxes)) if boxes else stays) or 0
    if not known:
        out.print("No registry is loaded; load it with: sohoa registry load FILE")
        return
    where = f" in box {', '.join(boxes)}" if boxes else ""
    found = f"{known - len(missing)} were found on the shelf, {len(missing)} were not:"
    out.print(f"The registry knows {known} stays{where}; {found}", highlight=False, markup=False)
    for stay in missing[:10]:
        out.print(
            f"  box {stay.box or '?'}: admission {stay.encounter_number}, archive {stay.archive_number or '-'}",
            highlight=False,
        )
    if len(missing) > 10:
        out.print(f"  and {len(missing) - 10} more: sohoa registry missing")
