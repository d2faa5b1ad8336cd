"""Documents that few may see are marked when they are stored; what was told to be loaded is found by document."""

from alembic import op

revision = "0015"
down_revision = "0013"

COLUMNS = """
ALTER TABLE pipeline.document ADD COLUMN restricted boolean NOT NULL DEFAULT false;
CREATE INDEX outbox_document ON pipeline.outbox ((payload ->> 'document_id'));
"""

# Documents stored before say nothing: they are still found to be restricted when their turn comes.
RESTRICTED = """
CREATE FUNCTION review.as_stored() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    NEW.restricted := coalesce(
        (SELECT d.restricted FROM pipeline.document d WHERE d.document_id = NEW.document_id), false);
    RETURN NEW;
END $$;
CREATE TRIGGER waiting_restricted BEFORE INSERT ON review.waiting FOR EACH ROW EXECUTE FUNCTION review.as_stored();
"""


def upgrade() -> None:
    """The column and the index; a document comes into the queue as its row says."""
    for part in (COLUMNS, RESTRICTED):
        op.execute(part)


def downgrade() -> None:
    """Remove them; for development only."""
    op.execute("DROP TRIGGER waiting_restricted ON review.waiting")
    op.execute("DROP FUNCTION review.as_stored")
    op.execute("DROP INDEX pipeline.outbox_document")
    op.execute("ALTER TABLE pipeline.document DROP COLUMN restricted")
