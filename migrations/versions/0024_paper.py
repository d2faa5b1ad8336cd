"""What becomes of the paper of a converted file, what the law holds, and the register of conversions."""

from alembic import op

revision = "0024"
down_revision = "0023"

PAPER = """
CREATE TABLE pipeline.legal_hold (
    file_id text PRIMARY KEY REFERENCES pipeline.file, reason text NOT NULL, held_by text NOT NULL,
    held_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE pipeline.paper (
    file_id text PRIMARY KEY REFERENCES pipeline.file,
    disposition text NOT NULL CONSTRAINT paper_disposition CHECK (disposition IN ('proposed', 'destroyable')),
    minutes text NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL DEFAULT now(),
    agreed_by text,
    agreed_at timestamptz,
    CONSTRAINT paper_two_people CHECK (agreed_by IS NULL OR agreed_by <> proposed_by),
    CONSTRAINT paper_agreed CHECK ((disposition = 'destroyable') = (agreed_by IS NOT NULL))
);
GRANT SELECT, INSERT, DELETE ON pipeline.legal_hold TO pipeline;
GRANT SELECT, INSERT, UPDATE, DELETE ON pipeline.paper TO pipeline;
GRANT SELECT ON pipeline.legal_hold, pipeline.paper TO review, reporting, auditor;
"""

# One row for each conversion that stands. No name or number of a patient: `file` is what the box's list calls it.
REGISTER = """
CREATE VIEW reporting.conversion_register AS
SELECT c.code, b.facility_id AS facility, c.batch_id AS batch, f.label AS file, c.decision_id AS decision,
    b.target_id AS target, f.retention, f.retained_until,
    (SELECT e.sheets FROM pipeline.expected_file AS e WHERE e.batch_id = c.batch_id AND e.label = f.label) AS sheets,
    c.pages, jsonb_array_length(c.scans) AS scans, c.copy_id AS copy_sha256, c.mark, c.converted_at, c.converted_by,
    c.person, c.organisation, c.signed_id AS signed_sha256, c.signed_at, c.signed_by,
    c.certificate ->> 'serial' AS certificate, c.certificate ->> 'subject' AS certificate_of, c.replaces,
    (SELECT string_agg(DISTINCT d.decided_by, ', ') FROM pipeline.review_decision AS d
        JOIN pipeline.review_task AS t USING (task_id) JOIN pipeline.document AS o USING (document_id)
        WHERE o.file_id = c.file_id) AS reviewers,
    (SELECT count(*) FROM pipeline.sample AS s JOIN pipeline.document AS o USING (document_id)
        WHERE o.file_id = c.file_id AND s.state = 'settled') AS sampled,
    (SELECT count(*) FROM pipeline.sample AS s JOIN pipeline.document AS o USING (document_id)
        WHERE o.file_id = c.file_id AND s.state = 'settled' AND NOT s.was_right) AS sampled_wrong,
    f.encounter_key AS load_id,
    CASE WHEN h.file_id IS NOT NULL THEN 'legal_hold' ELSE coalesce(p.disposition, 'kept') END AS paper,
    p.minutes, p.proposed_by, p.agreed_by
FROM pipeline.conversion AS c
JOIN pipeline.file AS f USING (file_id)
JOIN pipeline.batch AS b ON b.batch_id = c.batch_id
LEFT JOIN pipeline.paper AS p ON p.file_id = c.file_id
LEFT JOIN pipeline.legal_hold AS h ON h.file_id = c.file_id
WHERE f.state <> 'withdrawn' AND NOT EXISTS (SELECT FROM pipeline.conversion AS n WHERE n.replaces = c.code);
GRANT SELECT ON reporting.conversion_register TO pipeline, review, reporting, auditor;
"""

# For the story of a file: where values went, never what they say.
STORY = """
GRANT USAGE ON SCHEMA emr TO auditor;
GRANT SELECT (document_id, field, target_table, target_column, rule, checked) ON emr.provenance TO review, auditor;
GRANT SELECT (document_id, field, label) ON emr.text_mention TO review, auditor;
GRANT SELECT ON emr.load_receipt TO review, auditor;
"""


def upgrade() -> None:
    """The paper of every file is kept until two people have said otherwise."""
    for part in (PAPER, REGISTER, STORY):
        op.execute(part)


def downgrade() -> None:
    """Remove it; for development only."""
    op.execute("DROP VIEW reporting.conversion_register")
    op.execute("DROP TABLE pipeline.paper, pipeline.legal_hold")
    op.execute("REVOKE ALL ON emr.provenance, emr.text_mention, emr.load_receipt FROM review, auditor")
