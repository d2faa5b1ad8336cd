"""After stage 10, reporting.register: the conversion register, a row for each conversion that stands."""

from typing import Any

from sqlalchemy import Connection, text

COLUMNS = (
    "code", "facility", "batch", "file", "target", "decision", "retention", "retained_until", "sheets", "pages",
    "scans", "copy_sha256", "mark", "converted_at", "converted_by", "person", "organisation", "signed_sha256",
    "signed_at", "signed_by", "certificate", "certificate_of", "replaces", "reviewers", "sampled",
    "sampled_wrong", "load_id", "paper", "minutes", "proposed_by", "agreed_by",
)  # fmt: skip


def rows(conn: Connection, batch_id: str = "") -> list[dict[str, str]]:
    """The register as text, the oldest conversion first; '' for what is not there. `batch_id`: of one batch."""
    asked = text(
        f"SELECT {', '.join(COLUMNS)} FROM reporting.conversion_register WHERE :batch IN ('', batch) "
        "ORDER BY converted_at, code"
    )
    return [{name: _told(row[name]) for name in COLUMNS} for row in conn.execute(asked, {"batch": batch_id}).mappings()]


def _told(value: Any) -> str:
    return "" if value is None else value.isoformat() if hasattr(value, "isoformat") else str(value)
