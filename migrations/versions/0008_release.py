"""What seniors decided about batches that their checks hold."""

from alembic import op

revision = "0008"
down_revision = "0007"

RELEASE = """
CREATE TABLE review.release (
    release_id bigserial PRIMARY KEY, batch_id text NOT NULL REFERENCES pipeline.batch, decided_by text NOT NULL,
    decision text NOT NULL CHECK (decision IN ('accept', 'send_back')),
    reason text NOT NULL CHECK (length(reason) BETWEEN 10 AND 500), failed jsonb NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX release_batch ON review.release (batch_id, release_id);
"""

# Two batches may fail the same check.
ISSUES = """
ALTER TABLE pipeline.issue DROP CONSTRAINT issue_once, ADD CONSTRAINT issue_once
    UNIQUE NULLS NOT DISTINCT (batch_id, document_id, page_id, check_name, field);
"""

GRANTS = """
GRANT SELECT, INSERT ON review.release TO review;
GRANT USAGE ON SEQUENCE review.release_release_id_seq TO review;
GRANT USAGE ON SCHEMA review TO pipeline;
GRANT SELECT ON review.release TO pipeline, auditor;
"""


def upgrade() -> None:
    """The table, which the workbench may add to and never change; issues once per batch."""
    for part in (RELEASE, ISSUES, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Remove it; for development only."""
    op.execute("DROP TABLE review.release")
    op.execute(
        "ALTER TABLE pipeline.issue DROP CONSTRAINT issue_once, ADD CONSTRAINT issue_once "
        "UNIQUE NULLS NOT DISTINCT (document_id, page_id, check_name, field)"
    )
    op.execute("REVOKE USAGE ON SCHEMA review FROM pipeline")
