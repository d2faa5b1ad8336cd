"""What examinations and chemotherapy orders say: text sections of their pages, and how a drug is given."""

from alembic import op

revision = "0004"
down_revision = "0003"

COLUMNS = {
    "document_reference": "visited_at reason history past_history family_history general organs results "
    "referral_diagnosis regimen cycle given_at",
    "medication_statement": "solvent route duration",
}


def upgrade() -> None:
    """The columns, all text and empty at first."""
    for table, names in COLUMNS.items():
        added = ", ".join(f"ADD COLUMN {name} text" for name in names.split())
        op.execute(f"ALTER TABLE emr.{table} {added}")


def downgrade() -> None:
    """Without the columns; for development only."""
    for table, names in COLUMNS.items():
        gone = ", ".join(f"DROP COLUMN {name}" for name in names.split())
        op.execute(f"ALTER TABLE emr.{table} {gone}")
