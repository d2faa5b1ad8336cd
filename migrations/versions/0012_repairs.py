"""What officers rule of single pages, for every later reading and assembling; sheets that they ask to see on paper."""

from alembic import op

revision = "0012"
down_revision = "0011"

REPAIRS = """
CREATE TABLE pipeline.page_repair (
    page_id text NOT NULL REFERENCES pipeline.page,
    what text NOT NULL CHECK (what IN ('document_type', 'starts', 'place', 'turn', 'double')),
    value text NOT NULL, ruled_by text NOT NULL, reason text NOT NULL, ruled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (page_id, what));
CREATE TABLE review.paper_request (
    page_id text PRIMARY KEY REFERENCES pipeline.page ON DELETE CASCADE, asked_by text NOT NULL,
    reason text NOT NULL, asked_at timestamptz NOT NULL DEFAULT now(), done_at timestamptz, done_by text);
CREATE INDEX paper_request_open ON review.paper_request (asked_at) WHERE done_at IS NULL;
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON pipeline.page_repair TO pipeline, review;
GRANT SELECT ON pipeline.page_repair TO loader, auditor;
GRANT SELECT, INSERT, UPDATE ON review.paper_request TO review;
GRANT SELECT ON review.paper_request TO auditor;
"""


def upgrade() -> None:
    """The two tables and who may write them."""
    for part in (REPAIRS, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Remove them; for development only."""
    op.execute("DROP TABLE review.paper_request, pipeline.page_repair")
