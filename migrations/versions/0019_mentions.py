"""What loaded texts say, each thing with its place in the text."""

from alembic import op

revision = "0019"
down_revision = "0018"

MENTIONS = """
CREATE TABLE emr.text_mention (
    row_id text PRIMARY KEY, encounter_id text NOT NULL REFERENCES emr.encounter, occurrence integer NOT NULL,
    field text NOT NULL, start_at integer NOT NULL, end_at integer NOT NULL, label text NOT NULL, text text NOT NULL,
    negated boolean NOT NULL, uncertain boolean NOT NULL, laterality text NOT NULL, value jsonb, section text NOT NULL,
    batch_id text NOT NULL, document_id text NOT NULL, updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX text_mention_encounter ON emr.text_mention (encounter_id);
CREATE INDEX text_mention_document ON emr.text_mention (document_id);
CREATE INDEX text_mention_batch ON emr.text_mention (batch_id);
CREATE INDEX text_mention_said ON emr.text_mention (label, text);
COMMENT ON COLUMN emr.text_mention.field IS 'as in provenance: where the text stands';
COMMENT ON COLUMN emr.text_mention.start_at IS 'first character in provenance.value, from 0';
COMMENT ON COLUMN emr.text_mention.end_at IS 'past the last character';
COMMENT ON COLUMN emr.text_mention.laterality IS 'left | right | both, or empty';
COMMENT ON COLUMN emr.text_mention.value IS 'of a measure, in the units of its label';
GRANT SELECT, INSERT, UPDATE, DELETE ON emr.text_mention TO loader;
"""


def upgrade() -> None:
    """The table; its rows go with their document's others."""
    op.execute(MENTIONS)


def downgrade() -> None:
    """Remove it; for development only."""
    op.execute("DROP TABLE emr.text_mention")
