"""Passwords that their owner must change, sign-ins under way at the hospital's directory, what waits as counts."""

from alembic import op

revision = "0013"
down_revision = "0012"

SIGN_IN = """
ALTER TABLE review.account ADD COLUMN must_change boolean NOT NULL DEFAULT false;
CREATE TABLE review.sign_in (
    key_hash bytea PRIMARY KEY, state text NOT NULL, nonce text NOT NULL, verifier text NOT NULL,
    redirect_uri text NOT NULL, back text NOT NULL, ends_at timestamptz NOT NULL);
"""

# Whoever may read these sees no table behind them, so no label, name or value.
VIEWS = """
CREATE VIEW reporting.documents_waiting_by_type AS
SELECT document_type, count(*) FILTER (WHERE NOT held) AS documents,
       coalesce(sum(tasks) FILTER (WHERE NOT held), 0)::bigint AS values,
       count(lease.document_id) FILTER (WHERE NOT held) AS taken, count(*) FILTER (WHERE held) AS stopped,
       min(since) AS oldest
FROM review.waiting LEFT JOIN review.lease ON lease.document_id = waiting.document_id AND lease.until > now()
GROUP BY document_type;
CREATE VIEW reporting.documents_loaded_today AS
SELECT count(DISTINCT document_id) AS documents FROM emr.load_receipt
WHERE loaded_at >= date_trunc('day', now(), 'Asia/Ho_Chi_Minh');
"""

GRANTS = """
GRANT SELECT, INSERT, DELETE ON review.sign_in TO review;
GRANT SELECT ON reporting.documents_waiting_by_type, reporting.documents_loaded_today TO reporting, auditor;
"""


def upgrade() -> None:
    """The column, the table, and two views that hold counts only."""
    for part in (SIGN_IN, VIEWS, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Remove them; for development only."""
    op.execute("DROP VIEW reporting.documents_waiting_by_type, reporting.documents_loaded_today")
    op.execute("DROP TABLE review.sign_in")
    op.execute("ALTER TABLE review.account DROP COLUMN must_change")
