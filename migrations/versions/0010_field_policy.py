"""Which fields are asked and which by two persons; how far a task is, and who may go on with it."""

from alembic import op

revision = "0010"
down_revision = "0009"

POLICY = """
CREATE TABLE pipeline.field_policy (
    target_id text NOT NULL DEFAULT '', document_type text NOT NULL DEFAULT '', field text NOT NULL DEFAULT '',
    ask text NOT NULL DEFAULT 'ask' CHECK (ask IN ('ask', 'cheap', 'never')), second boolean NOT NULL DEFAULT false,
    PRIMARY KEY (target_id, document_type, field));
"""

# A task waits for its first entry, for a second one by somebody else, or for a senior who made neither. `stage` of a
# decision: at which of them it was made; `normal`: what it came to.
STAGES = """
ALTER TABLE pipeline.review_task
    ADD COLUMN stage text NOT NULL DEFAULT 'first' CHECK (stage IN ('first', 'second', 'senior')),
    ADD COLUMN first_by text NOT NULL DEFAULT '', ADD COLUMN second_by text NOT NULL DEFAULT '';
ALTER TABLE pipeline.review_decision ADD COLUMN stage text NOT NULL DEFAULT 'first', ADD COLUMN normal text;
ALTER TABLE review.waiting
    ADD COLUMN second int NOT NULL DEFAULT 0, ADD COLUMN senior int NOT NULL DEFAULT 0,
    ADD COLUMN for_all boolean NOT NULL DEFAULT true, ADD COLUMN second_not text NOT NULL DEFAULT '',
    ADD COLUMN senior_not text[] NOT NULL DEFAULT '{}';
"""

# `for_all`: every officer finds something to do in the document. Else `second_not` made all first entries that wait for
# a second one, and `senior_not` had a hand in all that wait for a senior.
QUEUE = """
CREATE OR REPLACE FUNCTION review.refresh(own text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = '' AS $$
BEGIN
    DELETE FROM review.waiting WHERE document_id = own
        AND NOT EXISTS (SELECT FROM pipeline.review_task t WHERE t.document_id = own AND t.state = 'open');
    INSERT INTO review.waiting (document_id, file_id, batch_id, document_type, label, held, deadline, place, since,
        tasks, restricted, second, senior, for_all, second_not, senior_not)
    SELECT d.document_id, d.file_id, d.batch_id, d.document_type, f.label, f.state = 'held',
        coalesce(t.deadline, 'infinity'),
        coalesce(array_position(ARRAY['inpatient_cover', 'discharge_letter', 'pathology_report', 'surgery_report',
            'imaging_report', 'lab_report', 'prescription'], d.document_type), 99), o.since, o.tasks, false, o.second,
        o.senior, o.for_all, o.second_not,
        CASE WHEN o.senior = 0 THEN '{}' ELSE ARRAY(SELECT p.who FROM pipeline.review_task s,
            unnest(ARRAY[s.first_by, s.second_by]) AS p (who)
            WHERE s.document_id = own AND s.state = 'open' AND s.stage = 'senior'
            GROUP BY p.who HAVING count(*) = o.senior ORDER BY p.who) END
    FROM pipeline.document d
    JOIN pipeline.file f USING (file_id)
    JOIN pipeline.batch b ON b.batch_id = d.batch_id
    LEFT JOIN pipeline.target t USING (target_id)
    CROSS JOIN LATERAL (SELECT min(created_at) AS since, count(*) AS tasks,
        count(*) FILTER (WHERE stage = 'second') AS second, count(*) FILTER (WHERE stage = 'senior') AS senior,
        bool_or(stage = 'first') OR count(DISTINCT first_by) FILTER (WHERE stage = 'second') > 1 AS for_all,
        coalesce(min(first_by) FILTER (WHERE stage = 'second'), '') AS second_not
        FROM pipeline.review_task WHERE document_id = own AND state = 'open') o
    WHERE d.document_id = own AND o.tasks > 0
    ON CONFLICT (document_id) DO UPDATE SET (file_id, batch_id, document_type, label, held, deadline, place, since,
        tasks, restricted, second, senior, for_all, second_not, senior_not) = ROW (excluded.file_id,
        excluded.batch_id, excluded.document_type, excluded.label, excluded.held, excluded.deadline, excluded.place,
        excluded.since, excluded.tasks, excluded.restricted, excluded.second, excluded.senior, excluded.for_all,
        excluded.second_not, excluded.senior_not)
    WHERE waiting IS DISTINCT FROM excluded;
END $$;
"""

INDEXES = """
DROP INDEX review.waiting_order, review.waiting_type;
CREATE INDEX waiting_order ON review.waiting (deadline, place, since, document_id)
    WHERE NOT held AND NOT restricted AND for_all;
CREATE INDEX waiting_type ON review.waiting (document_type, deadline, place, since, document_id)
    WHERE NOT held AND NOT restricted AND for_all;
CREATE INDEX waiting_second ON review.waiting (deadline, place, since, document_id)
    WHERE NOT held AND NOT restricted AND NOT for_all AND second > 0;
CREATE INDEX waiting_senior ON review.waiting (deadline, place, since, document_id)
    WHERE NOT held AND NOT restricted AND NOT for_all AND senior > 0;
"""

GRANTS = "GRANT SELECT ON pipeline.field_policy TO pipeline, review, reporting, auditor;"


def upgrade() -> None:
    """The policy, which the command line writes; the stages of a task; the queue as the stages have it."""
    for part in (POLICY, STAGES, QUEUE, INDEXES, GRANTS):
        op.execute(part)


BEFORE = """
DROP INDEX review.waiting_order, review.waiting_type, review.waiting_second, review.waiting_senior;
CREATE INDEX waiting_order ON review.waiting (deadline, place, since, document_id) WHERE NOT held AND NOT restricted;
CREATE INDEX waiting_type ON review.waiting (document_type, deadline, place, since, document_id)
    WHERE NOT held AND NOT restricted;
CREATE OR REPLACE FUNCTION review.refresh(own text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = '' AS $$
BEGIN
    DELETE FROM review.waiting WHERE document_id = own
        AND NOT EXISTS (SELECT FROM pipeline.review_task t WHERE t.document_id = own AND t.state = 'open');
    INSERT INTO review.waiting
    SELECT d.document_id, d.file_id, d.batch_id, d.document_type, f.label, f.state = 'held',
        coalesce(t.deadline, 'infinity'),
        coalesce(array_position(ARRAY['inpatient_cover', 'discharge_letter', 'pathology_report', 'surgery_report',
            'imaging_report', 'lab_report', 'prescription'], d.document_type), 99), o.since, o.tasks, false
    FROM pipeline.document d
    JOIN pipeline.file f USING (file_id)
    JOIN pipeline.batch b ON b.batch_id = d.batch_id
    LEFT JOIN pipeline.target t USING (target_id)
    CROSS JOIN LATERAL (SELECT min(created_at) AS since, count(*) AS tasks FROM pipeline.review_task
        WHERE document_id = own AND state = 'open') o
    WHERE d.document_id = own AND o.tasks > 0
    ON CONFLICT (document_id) DO UPDATE SET (file_id, batch_id, document_type, label, held, deadline, place, since,
        tasks, restricted) = ROW (excluded.file_id, excluded.batch_id, excluded.document_type, excluded.label,
        excluded.held, excluded.deadline, excluded.place, excluded.since, excluded.tasks, excluded.restricted)
    WHERE waiting IS DISTINCT FROM excluded;
END $$;
ALTER TABLE review.waiting DROP COLUMN second, DROP COLUMN senior, DROP COLUMN for_all, DROP COLUMN second_not,
    DROP COLUMN senior_not;
ALTER TABLE pipeline.review_decision DROP COLUMN stage, DROP COLUMN normal;
ALTER TABLE pipeline.review_task DROP COLUMN stage, DROP COLUMN first_by, DROP COLUMN second_by;
DROP TABLE pipeline.field_policy;
"""


def downgrade() -> None:
    """Remove them; for development only."""
    op.execute(BEFORE)
