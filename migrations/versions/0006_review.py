"""The workbench: accounts, sessions, which documents wait, who holds which, who viewed which page."""

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
ALTER TABLE pipeline.review_decision ADD COLUMN before jsonb, ADD COLUMN revision int,
    ADD COLUMN undoes bigint UNIQUE REFERENCES pipeline.review_decision;
CREATE INDEX review_decision_task ON pipeline.review_decision (task_id);
CREATE INDEX review_decision_by ON pipeline.review_decision (decided_by, decided_at);
CREATE INDEX review_task_document ON pipeline.review_task (document_id);
CREATE INDEX review_task_field ON pipeline.review_task (field, document_id) WHERE state = 'open';
CREATE INDEX outbox_topic ON pipeline.outbox (topic, outbox_id) WHERE sent_at IS NULL;
CREATE TABLE review.waiting (
    document_id text PRIMARY KEY REFERENCES pipeline.document ON DELETE CASCADE, file_id text NOT NULL,
    batch_id text NOT NULL, document_type text NOT NULL, label text NOT NULL, held boolean NOT NULL,
    deadline date NOT NULL, place int NOT NULL, since timestamptz NOT NULL, tasks int NOT NULL,
    restricted boolean NOT NULL DEFAULT false);
CREATE INDEX waiting_order ON review.waiting (deadline, place, since, document_id)
    WHERE NOT held AND NOT restricted;
CREATE INDEX waiting_type ON review.waiting (document_type, deadline, place, since, document_id)
    WHERE NOT held AND NOT restricted;
CREATE INDEX waiting_file ON review.waiting (file_id);
CREATE INDEX waiting_batch ON review.waiting (batch_id);
"""

# One row per document with open tasks, kept by triggers as its owner: to take the next one is a step along an index,
# however many wait. `place`: the forms that say most of a stay come first; a batch without a target comes last.
# `restricted`: found to be so when its turn came; whatever changes its tasks may change that.
QUEUE = """
CREATE FUNCTION review.refresh(own text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
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
CREATE FUNCTION review.task_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    PERFORM review.refresh(coalesce(NEW.document_id, OLD.document_id));
    RETURN NULL;
END $$;
CREATE FUNCTION review.file_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE review.waiting SET held = (NEW.state = 'held'), label = NEW.label WHERE file_id = NEW.file_id;
    RETURN NULL;
END $$;
CREATE FUNCTION review.target_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = '' AS $$
BEGIN
    UPDATE review.waiting w SET deadline = coalesce(t.deadline, 'infinity')
    FROM pipeline.batch b LEFT JOIN pipeline.target t USING (target_id)
    WHERE b.batch_id = w.batch_id AND to_jsonb(b) ->> TG_ARGV[0] = to_jsonb(NEW) ->> TG_ARGV[0];
    RETURN NULL;
END $$;
CREATE TRIGGER queue_task AFTER INSERT OR UPDATE OR DELETE ON pipeline.review_task
    FOR EACH ROW EXECUTE FUNCTION review.task_changed();
CREATE TRIGGER queue_file AFTER UPDATE OF state, label ON pipeline.file FOR EACH ROW
    WHEN ((OLD.state, OLD.label) IS DISTINCT FROM (NEW.state, NEW.label)) EXECUTE FUNCTION review.file_changed();
CREATE TRIGGER queue_batch AFTER UPDATE OF target_id ON pipeline.batch FOR EACH ROW
    WHEN (OLD.target_id IS DISTINCT FROM NEW.target_id) EXECUTE FUNCTION review.target_changed('batch_id');
CREATE TRIGGER queue_target AFTER UPDATE OF deadline ON pipeline.target FOR EACH ROW
    WHEN (OLD.deadline IS DISTINCT FROM NEW.deadline) EXECUTE FUNCTION review.target_changed('target_id');
REVOKE ALL ON FUNCTION review.refresh FROM PUBLIC;
SELECT review.refresh(document_id) FROM pipeline.review_task WHERE state = 'open' GROUP BY document_id;
"""

GRANTS = """
GRANT USAGE ON SCHEMA review TO review, auditor;
GRANT SELECT, INSERT, UPDATE, DELETE ON review.account, review.session, review.lease TO review;
GRANT SELECT, INSERT ON review.page_view TO review;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA review TO review;
GRANT SELECT, UPDATE (restricted) ON review.waiting TO review;
GRANT SELECT ON review.page_view, review.lease TO auditor;
GRANT SELECT (account_id, name, role, language, active, ends_on, created_at) ON review.account TO auditor;
GRANT DELETE ON pipeline.field_value TO review;
GRANT INSERT ON pipeline.document TO review;
GRANT UPDATE ON pipeline.batch TO review;
"""


def upgrade() -> None:
    """The schema and what the role `review` may do in it."""
    for part in (TABLES, QUEUE, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Remove it; for development only."""
    op.execute("DROP SCHEMA review CASCADE")
    op.execute("ALTER TABLE pipeline.review_decision DROP COLUMN before, DROP COLUMN revision, DROP COLUMN undoes")
    op.execute(
        "DROP INDEX pipeline.review_decision_task, pipeline.review_decision_by, pipeline.review_task_document, "
        "pipeline.review_task_field, pipeline.outbox_topic"
    )
