"""Films in the PACS: which studies and instances stand for which pages, and where they are to be had."""

from alembic import op

revision = "0025"
down_revision = "0024"

STUDY = """
ALTER TABLE emr.imaging_study ADD COLUMN accession text, ADD COLUMN study_uid text, ADD COLUMN retrieve_url text;
ALTER TABLE emr.document_reference ADD COLUMN retrieve_url text;
COMMENT ON COLUMN emr.imaging_study.study_uid IS 'StudyInstanceUID in the PACS, once it was confirmed there';
COMMENT ON COLUMN emr.imaging_study.retrieve_url IS 'of the study in the PACS';
COMMENT ON COLUMN emr.document_reference.retrieve_url IS 'of the page in the PACS; null for paper';
"""

# One row for each instance that was offered to a PACS. It counts once the PACS has given it back (`held_at`).
INSTANCE = """
CREATE TABLE emr.film_instance (
    pacs text NOT NULL,
    sop_uid text NOT NULL,
    page_id text NOT NULL,
    document_id text NOT NULL,
    encounter_id text NOT NULL,
    batch_id text NOT NULL,
    study_uid text NOT NULL,
    state text NOT NULL CONSTRAINT film_instance_state CHECK (state IN ('offered', 'held', 'linked', 'replaced')),
    retrieve_url text NOT NULL DEFAULT '',
    offered_at timestamptz NOT NULL DEFAULT now(),
    held_at timestamptz,
    refused text NOT NULL DEFAULT '',
    PRIMARY KEY (pacs, sop_uid),
    CONSTRAINT film_instance_held CHECK ((state IN ('held', 'linked')) <= (held_at IS NOT NULL))
);
CREATE INDEX film_instance_batch ON emr.film_instance (batch_id);
CREATE INDEX film_instance_page ON emr.film_instance (page_id);
COMMENT ON COLUMN emr.film_instance.study_uid IS 'of the films themselves, or of the original that they are linked to';
COMMENT ON COLUMN emr.film_instance.held_at IS 'when the PACS gave it back with the same pixels';
COMMENT ON COLUMN emr.film_instance.refused IS 'why it is not there yet; empty: it is, or was not tried';
GRANT SELECT, INSERT, UPDATE, DELETE ON emr.film_instance TO loader;
GRANT SELECT ON emr.film_instance TO pipeline, review, reporting, auditor;
"""

# A film and the report on it: the same stay, the same kind of picture, written within a month of it.
REPORT = """
CREATE VIEW emr.film_report AS
SELECT s.row_id AS film, r.row_id AS report, s.encounter_id, s.document_id AS film_document,
    r.document_id AS report_document
FROM emr.imaging_study AS s
JOIN emr.diagnostic_report AS r ON r.encounter_id = s.encounter_id
    AND replace(r.modality, 'DX', 'CR') = replace(s.modality, 'DX', 'CR')
WHERE s.taken_on IS NOT NULL AND left(r.issued_at, 10) >= s.taken_on
    AND left(r.issued_at, 10)::date <= s.taken_on::date + 31;
GRANT SELECT ON emr.film_report TO loader, consumer, pipeline, review, reporting;
"""


def upgrade() -> None:
    """Nothing that stands changes; films have been indexed before without a PACS."""
    for part in (STUDY, INSTANCE, REPORT):
        op.execute(part)


def downgrade() -> None:
    """Remove it; for development only."""
    op.execute("DROP VIEW emr.film_report")
    op.execute("DROP TABLE emr.film_instance")
    op.execute("ALTER TABLE emr.document_reference DROP COLUMN retrieve_url")
    op.execute("ALTER TABLE emr.imaging_study DROP COLUMN accession, DROP COLUMN study_uid, DROP COLUMN retrieve_url")
