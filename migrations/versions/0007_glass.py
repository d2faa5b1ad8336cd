"""Who opened which restricted document, why and until when."""

from alembic import op

revision = "0007"
down_revision = "0006"

GLASS = """
CREATE TABLE review.glass (
    glass_id bigserial PRIMARY KEY, account_id text NOT NULL, document_id text NOT NULL,
    reason text NOT NULL CHECK (length(reason) >= 10), at timestamptz NOT NULL DEFAULT now(),
    until timestamptz NOT NULL);
CREATE INDEX glass_document ON review.glass (document_id, account_id);
"""

GRANTS = """
GRANT SELECT, INSERT ON review.glass TO review;
GRANT USAGE ON SEQUENCE review.glass_glass_id_seq TO review;
GRANT SELECT ON review.glass TO auditor;
"""


def upgrade() -> None:
    """The table, which the workbench may add to and never change."""
    for part in (GLASS, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Remove it; for development only."""
    op.execute("DROP TABLE review.glass")
