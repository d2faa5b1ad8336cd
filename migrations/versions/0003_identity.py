"""One person behind several patients; retention and forms of a file; outcome of a stay; which stays a target covers."""

from alembic import op

revision = "0003"
down_revision = "0002"

LINKS = """
CREATE TABLE emr.patient_link (
    link_id bigserial PRIMARY KEY,
    patient_id text NOT NULL,
    into_id text NOT NULL,
    linked_by text NOT NULL,
    reason text NOT NULL,
    linked_at timestamptz NOT NULL DEFAULT now(),
    undone_by text,
    undone_reason text,
    undone_at timestamptz,
    CONSTRAINT patient_link_two CHECK (patient_id <> into_id),
    CONSTRAINT patient_link_undone CHECK (num_nulls(undone_by, undone_reason, undone_at) IN (0, 3))
);
CREATE UNIQUE INDEX patient_link_once ON emr.patient_link (patient_id) WHERE undone_at IS NULL;
CREATE INDEX patient_link_into ON emr.patient_link (into_id);
"""

# The rows of a merged patient stay where their documents put them; these views say whose they are now.
PERSONS = """
CREATE VIEW emr.patient_standing AS
WITH RECURSIVE way AS (
    SELECT patient_id, into_id FROM emr.patient_link WHERE undone_at IS NULL
    UNION
    SELECT way.patient_id, next.into_id FROM way
    JOIN emr.patient_link AS next ON next.patient_id = way.into_id AND next.undone_at IS NULL
)
SELECT patient.patient_id, coalesce(ends.into_id, patient.patient_id) AS standing_id
FROM emr.patient LEFT JOIN (
    SELECT way.patient_id, way.into_id FROM way
    WHERE NOT EXISTS (SELECT FROM way AS on_ WHERE on_.patient_id = way.into_id)
) AS ends USING (patient_id);
CREATE VIEW emr.encounter_standing AS
SELECT encounter.*, patient_standing.standing_id
FROM emr.encounter JOIN emr.patient_standing USING (patient_id);
"""

FILES = """
ALTER TABLE pipeline.file ADD COLUMN retention text NOT NULL DEFAULT '', ADD COLUMN retained_until date,
    ADD COLUMN forms jsonb NOT NULL DEFAULT '{}';
CREATE INDEX file_encounter ON pipeline.file (encounter_key);
CREATE INDEX file_patient ON pipeline.file (patient_key);
ALTER TABLE pipeline.registry_stay ADD COLUMN outcome text NOT NULL DEFAULT '';
CREATE INDEX registry_stay_box ON pipeline.registry_stay (facility_id, box);
CREATE INDEX registry_stay_archive ON pipeline.registry_stay (facility_id, archive_number);
CREATE INDEX registry_patient_national ON pipeline.registry_patient (facility_id, national_id);
CREATE INDEX registry_patient_insurance ON pipeline.registry_patient (facility_id, insurance_number);
ALTER TABLE pipeline.target ADD COLUMN scope_rule jsonb NOT NULL DEFAULT '{}';
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE ON emr.patient_link TO loader;
GRANT SELECT ON emr.patient_standing, emr.encounter_standing TO loader;
GRANT USAGE ON SEQUENCE emr.patient_link_link_id_seq TO loader;
"""


def upgrade() -> None:
    """Links between patients, what a file must be kept for and hold, and indexes for finding a stay."""
    for part in (LINKS, PERSONS, FILES, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Remove them; for development only."""
    op.execute("DROP VIEW emr.encounter_standing, emr.patient_standing")
    op.execute("DROP TABLE emr.patient_link")
    op.execute("ALTER TABLE pipeline.target DROP COLUMN scope_rule")
    op.execute(
        "DROP INDEX pipeline.registry_stay_box, pipeline.registry_stay_archive, pipeline.registry_patient_national, "
        "pipeline.registry_patient_insurance, pipeline.file_encounter, pipeline.file_patient"
    )
    op.execute("ALTER TABLE pipeline.registry_stay DROP COLUMN outcome")
    op.execute("ALTER TABLE pipeline.file DROP COLUMN retention, DROP COLUMN retained_until, DROP COLUMN forms")
