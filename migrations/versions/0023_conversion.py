"""Which file was converted when, by whom, under which decision, and what the signed copy is."""

from alembic import op

revision = "0023"
down_revision = "0022"

# `copy_id`, `signed_id`: SHA-256 of the PDF/A in the store. `content`: hash of what the copy was made of; a file whose
# content changed after signing gets another row.
CONVERSION = """
ALTER TABLE pipeline.decision ADD COLUMN target_id text REFERENCES pipeline.target;
CREATE TABLE pipeline.conversion (
    code text PRIMARY KEY,
    file_id text NOT NULL REFERENCES pipeline.file,
    batch_id text NOT NULL REFERENCES pipeline.batch,
    decision_id text NOT NULL REFERENCES pipeline.decision,
    content text NOT NULL,
    pages integer NOT NULL,
    scans jsonb NOT NULL,
    mark text NOT NULL,
    converted_at timestamptz NOT NULL,
    converted_by text NOT NULL,
    person text NOT NULL,
    organisation text NOT NULL,
    copy_id text NOT NULL,
    signed_id text,
    signed_at timestamptz,
    signed_by text,
    certificate jsonb,
    replaces text REFERENCES pipeline.conversion,
    CONSTRAINT conversion_signed CHECK ((signed_id IS NULL) = (signed_at IS NULL))
);
CREATE UNIQUE INDEX conversion_replaces ON pipeline.conversion (replaces) WHERE replaces IS NOT NULL;
CREATE INDEX conversion_file ON pipeline.conversion (file_id, converted_at);
CREATE INDEX conversion_batch ON pipeline.conversion (batch_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON pipeline.conversion TO pipeline;
GRANT SELECT ON pipeline.conversion TO review, reporting, auditor;
"""


def upgrade() -> None:
    """Decisions made before name no target: nothing is converted under them until they do."""
    op.execute(CONVERSION)


def downgrade() -> None:
    """Remove it; for development only."""
    op.execute("DROP TABLE pipeline.conversion")
    op.execute("ALTER TABLE pipeline.decision DROP COLUMN target_id")
