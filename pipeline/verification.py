"""Scrubbing, pipeline.verification: originals and archive copies re-hashed, ledger, receipts, audit chain checked."""

from sqlalchemy import select

from pipeline import audit, ledger, stamps
from pipeline.database import engine, migrate
from pipeline.settings import settings
from pipeline.store import Store
from pipeline.tables import conversion, scan
from records.errors import SohoaError


def verify() -> tuple[list[str], int]:
    """(faults as sentences, originals re-hashed)."""
    migrate(settings())
    store = Store(settings())
    with engine(settings()).begin() as conn:
        faults = ledger.balance(conn) + audit.verify(conn)
        scan_ids = conn.scalars(select(scan.c.scan_id).order_by(scan.c.scan_id)).all()
        copies = conn.execute(select(conversion.c.copy_id, conversion.c.signed_id).order_by(conversion.c.code)).all()
    for kept in (*scan_ids, *(one for pair in copies for one in pair if one)):
        try:
            store.get(kept)
        except SohoaError as error:
            faults.append(str(error))
    with engine(settings(), "pipeline").begin() as conn:
        stamps.put(conn, stamps.VERIFIED, str(len(faults)))
    return faults, len(scan_ids)
