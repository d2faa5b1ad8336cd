"""The workbench: accounts, sessions, who holds which document, who viewed which page."""

from alembic import op

revision = "0006"
down_revision = "0005"

TABLES = """
CREATE SCHEMA review;
CREATE TABLE review.account (
    account_id text PRIMARY KEY CHECK (account_id ~ '^[a-z0-9][a-z0-9._-]{1,63}$'), name text NOT NULL,
    role text NOT NULL CHECK (role IN ('operator', 'officer', 'senior', 'auditor', 'it', 'manager')),
    password_hash text, subject text UNIQUE, language text NOT NULL DEFAULT 'vi' CHECK (language IN ('vi', 'en')),
    active boolean NOT NULL DEFAULT true, ends_on date, failures int NOT NULL DEFAULT 0, locked_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE review.session (
    session_hash bytea PRIMARY KEY, account_id text NOT NULL REFERENCES review.account, csrf text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), seen_at timestamptz NOT NULL DEFAULT now(),
    ends_at timestamptz NOT NULL);
CREATE INDEX session_account ON review.session (account_id);
CREATE TABLE review.lease (
    document_id text PRIMARY KEY REFERENCES pipeline.document ON DELETE CASCADE,
    account_id text NOT NULL REFERENCES review.account, token bigint NOT NULL, until timestamptz NOT NULL);
CREATE INDEX lease_account ON review.lease (account_id);
CREATE SEQUENCE review.lease_token;
CREATE TABLE review.page_view (
    view_id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), account_id text NOT NULL,
    page_id text NOT NULL, what text NOT NULL, reason text NOT NULL DEFAULT '');
CREATE INDEX page_view_page ON review.page_view (page_id);
ALTER TABLE pipeline.review_decision ADD COLUMN before jsonb, ADD COLUMN revision int;
"""

GRANTS = """
GRANT USAGE ON SCHEMA review TO review, auditor;
GRANT SELECT, INSERT, UPDATE, DELETE ON review.account, review.session, review.lease TO review;
GRANT SELECT, INSERT ON review.page_view TO review;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA review TO review;
GRANT SELECT ON review.page_view, review.lease TO auditor;
GRANT SELECT (account_id, name, role, language, active, ends_on, created_at) ON review.account TO auditor;
GRANT DELETE ON pipeline.field_value TO review;
GRANT UPDATE ON pipeline.batch TO review;
"""


def upgrade() -> None:
    """The schema and what the role `review` may do in it."""
    for part in (TABLES, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Remove it; for development only."""
    op.execute("ALTER TABLE pipeline.review_decision DROP COLUMN before, DROP COLUMN revision")
    op.execute("DROP SCHEMA review CASCADE")
