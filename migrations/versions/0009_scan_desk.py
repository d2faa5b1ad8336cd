"""Which pages somebody wants scanned anew, and what the scan desk needs to take such a scan in."""

from alembic import op

revision = "0009"
down_revision = "0008"

REQUESTS = """
CREATE TABLE review.rescan_request (
    page_id text PRIMARY KEY REFERENCES pipeline.page ON DELETE CASCADE, asked_by text NOT NULL,
    reason text NOT NULL, asked_at timestamptz NOT NULL DEFAULT now(), done_at timestamptz);
CREATE INDEX rescan_request_open ON review.rescan_request (asked_at) WHERE done_at IS NULL;
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON review.rescan_request TO review;
GRANT SELECT ON review.rescan_request TO auditor;
GRANT INSERT ON pipeline.scan, pipeline.receipt, pipeline.page TO review;
GRANT UPDATE ON pipeline.scan TO review;
"""


def upgrade() -> None:
    """The table, and the right of the role `review` to enter the scan of one page."""
    for part in (REQUESTS, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Remove it; for development only."""
    op.execute("DROP TABLE review.rescan_request")
    op.execute("REVOKE INSERT ON pipeline.scan, pipeline.receipt, pipeline.page FROM review")
    op.execute("REVOKE UPDATE ON pipeline.scan FROM review")
