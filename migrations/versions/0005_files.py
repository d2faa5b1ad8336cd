"""A vendor's index, where an officer put a page, what a rescan replaces, what is not there, how sure a page is ours."""

from alembic import op

revision = "0005"
down_revision = "0004"

FILES = """
CREATE TABLE pipeline.expected_file (
    batch_id text NOT NULL REFERENCES pipeline.batch, label text NOT NULL,
    encounter_number text NOT NULL DEFAULT '', patient_id text NOT NULL DEFAULT '',
    sheets int NOT NULL DEFAULT 0 CHECK (sheets >= 0), PRIMARY KEY (batch_id, label));
CREATE TABLE pipeline.page_ruling (
    page_id text PRIMARY KEY REFERENCES pipeline.page, label text NOT NULL, ruled_by text NOT NULL,
    reason text NOT NULL, ruled_at timestamptz NOT NULL DEFAULT now());
ALTER TABLE pipeline.page ADD COLUMN replaces text REFERENCES pipeline.page;
CREATE UNIQUE INDEX page_replaces ON pipeline.page (replaces) WHERE replaces IS NOT NULL;
ALTER TABLE pipeline.registry_stay ADD COLUMN shelf text NOT NULL DEFAULT ''
    CHECK (shelf IN ('', 'not_on_shelf', 'on_loan'));
ALTER TABLE emr.provenance ADD COLUMN identity_status text NOT NULL DEFAULT 'confirmed';
COMMENT ON COLUMN emr.provenance.identity_status IS 'of the page: see the guard';
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON pipeline.expected_file, pipeline.page_ruling TO pipeline;
GRANT SELECT ON pipeline.expected_file, pipeline.page_ruling TO loader, review, auditor;
GRANT INSERT, UPDATE ON pipeline.page_ruling TO review;
"""


def upgrade() -> None:
    """The two tables, and the column of the ledger."""
    for part in (FILES, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Remove them; for development only."""
    op.execute("ALTER TABLE emr.provenance DROP COLUMN identity_status")
    op.execute("ALTER TABLE pipeline.registry_stay DROP COLUMN shelf")
    op.execute("ALTER TABLE pipeline.page DROP COLUMN replaces")
    op.execute("DROP TABLE pipeline.page_ruling, pipeline.expected_file")
