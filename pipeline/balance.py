"""Stages 1-8, pipeline.balance: the ledger's totals, and each place where receipts, pages and counters disagree."""

import re

from sqlalchemy import Connection, func, select, text

from pipeline.tables import batch, page_count
from records.states import AT_REST

LARGE = 200_000  # pages, up to which all are asked about at once


def counts(conn: Connection, batch_id: str | None = None) -> dict[str, dict[str, int]]:
    """Pages by batch and state, from the counters; a state without pages is left out, a batch without pages is {}."""
    _settle(conn)
    joined = batch.outerjoin(page_count, batch.c.batch_id == page_count.c.batch_id)
    rows = select(batch.c.batch_id, page_count.c.state, page_count.c.pages).select_from(joined)
    if batch_id is not None:
        rows = rows.where(batch.c.batch_id == batch_id)
    found: dict[str, dict[str, int]] = {}
    for row in conn.execute(rows.order_by(batch.c.batch_id, page_count.c.state)):
        states = found.setdefault(row.batch_id, {})
        if row.pages:
            states[row.state] = row.pages
    return found


def balance(conn: Connection, batch_id: str | None = None) -> list[str]:
    """Each disagreement between receipts, page rows and counters as a sentence; empty when the ledger balances."""
    return _disagreements(conn, None if batch_id is None else [batch_id])


def balance_now(conn: Connection) -> tuple[list[str], int | None]:
    """As `balance`, in a moment: in a large ledger only batches that are open are asked about, the others every night
    (`sohoa verify`). The sentences, and how many batches were asked about; None: all."""
    if (conn.scalar(select(func.sum(page_count.c.pages))) or 0) <= LARGE:
        return _disagreements(conn, None), None
    opened = list(conn.scalars(select(batch.c.batch_id).where(batch.c.closed_at.is_(None))))
    return _disagreements(conn, opened), len(opened)


def _disagreements(conn: Connection, batches: list[str] | None) -> list[str]:
    _settle(conn)
    sentences: list[str] = []
    of = "true" if batches is None else "{0}.batch_id = ANY(:batches)"
    for query, sentence in DISAGREEMENTS:
        asked = re.sub(r"OF\((\w+)\)", lambda found: of.format(found[1]), query)
        rows = conn.execute(text(asked), {"batches": batches, "at_rest": [state.value for state in AT_REST]})
        sentences.extend(sentence.format(**row) for row in rows.mappings())
    return sentences


NOT_ON_ITS_RECEIPT = "Batch {batch_id}: page {page_id} is in the ledger but on no receipt; run 'sohoa trace {page_id}'."
# OF(table): its rows of the batches that are asked about.
DISAGREEMENTS = (
    (
        """SELECT batch_id, state, coalesce(counter.pages, 0) AS counted, coalesce(rows.pages, 0) AS there
           FROM (SELECT * FROM pipeline.page_count WHERE OF(page_count)) AS counter FULL JOIN
               (SELECT batch_id, state, count(*)::int AS pages FROM pipeline.page WHERE OF(page)
                GROUP BY batch_id, state) AS rows
               USING (batch_id, state)
           WHERE coalesce(counter.pages, 0) <> coalesce(rows.pages, 0) ORDER BY batch_id, state""",
        "Batch {batch_id}: the counter says {counted} pages are '{state}', the ledger has {there}; run 'sohoa verify'.",
    ),
    (
        """SELECT receipt.batch_id, receipt.receipt_id,
               CASE WHEN outcome = 'quarantined' THEN 1 ELSE coalesce(scan.page_count, 0) END AS received,
               count(page.page_id) AS there
           FROM pipeline.receipt LEFT JOIN pipeline.scan USING (scan_id) LEFT JOIN pipeline.page
               ON page.receipt_id = receipt.receipt_id AND page.batch_id = receipt.batch_id
               AND CASE WHEN outcome = 'quarantined' THEN page.number = 0
                   ELSE page.number BETWEEN 1 AND scan.page_count END
           WHERE OF(receipt)
           GROUP BY receipt.receipt_id, scan.scan_id
           HAVING CASE WHEN outcome = 'quarantined' THEN 1 ELSE coalesce(scan.page_count, 0) END
               <> count(page.page_id) ORDER BY receipt.batch_id, receipt.receipt_id""",
        "Batch {batch_id}: receipt {receipt_id} is for {received} pages, the ledger has {there}; hand it in again.",
    ),
    (
        """SELECT page.batch_id, page.page_id FROM pipeline.page JOIN pipeline.receipt USING (receipt_id)
           LEFT JOIN pipeline.scan ON scan.scan_id = receipt.scan_id
           WHERE (page.batch_id <> receipt.batch_id OR page.number < 0
                  OR page.number > CASE WHEN outcome = 'quarantined' THEN 0 ELSE coalesce(scan.page_count, 0) END
                  OR (page.number = 0 AND outcome <> 'quarantined'))
             AND OF(page)
           ORDER BY page.batch_id, page.page_id""",
        NOT_ON_ITS_RECEIPT,
    ),
    (
        """SELECT page.batch_id, page.page_id FROM pipeline.receipt JOIN pipeline.page USING (receipt_id)
           WHERE page.batch_id <> receipt.batch_id AND OF(receipt) AND NOT OF(page)
           ORDER BY page.batch_id, page.page_id""",
        NOT_ON_ITS_RECEIPT,
    ),
    (
        """SELECT page.batch_id, page.page_id FROM pipeline.page LEFT JOIN pipeline.page AS first
               ON first.page_id = page.duplicate_of
           WHERE page.state = 'duplicate' AND (first.page_id IS NULL OR first.page_id = page.page_id)
             AND OF(page) ORDER BY page.batch_id, page.page_id""",
        "Batch {batch_id}: page {page_id} is a duplicate of no page in the ledger; run 'sohoa trace {page_id}'.",
    ),
    (
        """SELECT batch_id, count(*) AS pages FROM pipeline.batch JOIN pipeline.page USING (batch_id)
           WHERE batch.closed_at IS NOT NULL AND NOT page.state = ANY(:at_rest) AND OF(page)
           GROUP BY batch_id ORDER BY batch_id""",
        "Batch {batch_id} is closed but {pages} of its pages are still in progress; run it again.",
    ),
)


def _settle(conn: Connection) -> None:
    """Bring the counters up to what this transaction has moved; else they follow at its commit."""
    conn.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    conn.execute(text("SET CONSTRAINTS ALL DEFERRED"))
