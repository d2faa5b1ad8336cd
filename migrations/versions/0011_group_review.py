"""Group review: sets of values of one kind that an officer looks through at once, and how attentive she was."""

from alembic import op

revision = "0011"
down_revision = "0010"

# A set lives until it is saved; its tiles hold patient text and go with it. A tile without a task is a check of
# attention: `value` is what was shown, not what the paper says.
TABLES = """
CREATE TABLE review.group_set (
    set_id bigserial PRIMARY KEY, account_id text NOT NULL REFERENCES review.account, kind text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(), UNIQUE (account_id, kind));
CREATE TABLE review.group_tile (
    set_id bigint NOT NULL REFERENCES review.group_set ON DELETE CASCADE, place int NOT NULL,
    document_id text NOT NULL REFERENCES pipeline.document ON DELETE CASCADE, field text NOT NULL, task_id text,
    value text NOT NULL, token bigint, PRIMARY KEY (set_id, place), CHECK ((task_id IS NULL) = (token IS NULL)));
CREATE INDEX group_tile_document ON review.group_tile (document_id);
CREATE TABLE review.attention (
    attention_id bigserial PRIMARY KEY, account_id text NOT NULL REFERENCES review.account,
    shown_at timestamptz NOT NULL DEFAULT now(), kind text NOT NULL, document_id text NOT NULL, field text NOT NULL,
    caught boolean NOT NULL);
CREATE INDEX attention_account ON review.attention (account_id, shown_at);
"""

# Values that are beyond doubt, of which such checks are made.
SETTLED = """
CREATE INDEX field_value_settled ON pipeline.field_value (kind, document_id)
    WHERE verdict = 'accept' AND value <> '' AND (rule LIKE 'reviewed%' OR witness <> '');
"""

GRANTS = """
GRANT SELECT, INSERT, DELETE ON review.group_set TO review;
GRANT SELECT, INSERT, UPDATE (token), DELETE ON review.group_tile TO review;
GRANT SELECT, INSERT ON review.attention TO review;
GRANT USAGE ON SEQUENCE review.group_set_set_id_seq, review.attention_attention_id_seq TO review;
GRANT SELECT ON review.attention TO auditor;
"""


def upgrade() -> None:
    """The tables; what was noted of attention is added to and never changed."""
    for part in (TABLES, SETTLED, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Remove them; for development only."""
    op.execute("DROP TABLE review.group_tile, review.group_set, review.attention")
    op.execute("DROP INDEX pipeline.field_value_settled")
