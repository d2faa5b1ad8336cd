"""The ledger, texts, documents, review, registry and outbox; the audit chain; progress by batch; roles and grants."""

from alembic import op

revision = "0001"
down_revision = None

LEDGER = """
CREATE TABLE pipeline.facility (facility_id text PRIMARY KEY, name text NOT NULL);
CREATE TABLE pipeline.target (
    target_id text PRIMARY KEY, name text NOT NULL, legal_basis text NOT NULL DEFAULT '',
    scope text NOT NULL DEFAULT '', deadline date NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE pipeline.decision (
    decision_id text PRIMARY KEY, number text NOT NULL, signed_on date NOT NULL, scope text NOT NULL DEFAULT '');
CREATE TABLE pipeline.batch (
    batch_id text PRIMARY KEY, facility_id text NOT NULL REFERENCES pipeline.facility, folder text NOT NULL,
    boundary text NOT NULL DEFAULT 'scan' CHECK (boundary IN ('scan', 'folder', 'separator')),
    target_id text REFERENCES pipeline.target, state text NOT NULL DEFAULT 'open', held_because text,
    created_at timestamptz NOT NULL DEFAULT now(), closed_at timestamptz);
CREATE TABLE pipeline.scan (
    scan_id text PRIMARY KEY CHECK (scan_id ~ '^[0-9a-f]{64}$'), media_type text NOT NULL,
    page_count int NOT NULL CHECK (page_count >= 0), size_bytes bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE pipeline.receipt (
    receipt_id text PRIMARY KEY, batch_id text NOT NULL REFERENCES pipeline.batch, path text NOT NULL,
    scan_id text REFERENCES pipeline.scan,
    outcome text NOT NULL CHECK (outcome IN ('received', 'already_held', 'quarantined')), reason_code text,
    received_at timestamptz NOT NULL DEFAULT now(), CHECK ((outcome = 'quarantined') = (reason_code IS NOT NULL)));
CREATE INDEX receipt_batch ON pipeline.receipt (batch_id, path);
CREATE INDEX receipt_scan ON pipeline.receipt (scan_id);
CREATE TABLE pipeline.page (
    page_id text PRIMARY KEY, batch_id text NOT NULL REFERENCES pipeline.batch,
    receipt_id text NOT NULL REFERENCES pipeline.receipt, scan_id text REFERENCES pipeline.scan, number int NOT NULL,
    state text NOT NULL CHECK (state IN ('received', 'read', 'assembled', 'loaded', 'in_review', 'blank', 'duplicate',
        'separator', 'quarantined', 'superseded', 'withdrawn')),
    reason text NOT NULL DEFAULT '', duplicate_of text, document_id text, lease_owner text, lease_until timestamptz,
    token bigint NOT NULL DEFAULT 0, updated_at timestamptz NOT NULL DEFAULT now(), UNIQUE (receipt_id, number));
CREATE INDEX page_batch_state ON pipeline.page (batch_id, state);
CREATE INDEX page_document ON pipeline.page (document_id);
CREATE INDEX page_scan ON pipeline.page (scan_id);
CREATE TABLE pipeline.page_count (
    batch_id text NOT NULL, state text NOT NULL, pages int NOT NULL, PRIMARY KEY (batch_id, state));
CREATE TABLE pipeline.outbox (
    outbox_id bigserial PRIMARY KEY, topic text NOT NULL, key text NOT NULL UNIQUE, payload jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(), sent_at timestamptz);
CREATE INDEX outbox_waiting ON pipeline.outbox (outbox_id) WHERE sent_at IS NULL;
INSERT INTO pipeline.facility VALUES ('DEMO', 'Demonstration hospital');
"""

# Deferred to the commit and one writer per batch at a time there: the counters are hot rows, and two transactions
# that touch them in different orders would deadlock.
COUNTERS = """
CREATE FUNCTION pipeline.count_page() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.state = NEW.state AND OLD.batch_id = NEW.batch_id THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        PERFORM pg_advisory_xact_lock(1, hashtext(OLD.batch_id));
        INSERT INTO pipeline.page_count VALUES (OLD.batch_id, OLD.state, -1)
        ON CONFLICT (batch_id, state) DO UPDATE SET pages = page_count.pages - 1;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM pg_advisory_xact_lock(1, hashtext(NEW.batch_id));
        INSERT INTO pipeline.page_count VALUES (NEW.batch_id, NEW.state, 1)
        ON CONFLICT (batch_id, state) DO UPDATE SET pages = page_count.pages + 1;
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER count_page AFTER INSERT OR DELETE OR UPDATE ON pipeline.page
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pipeline.count_page();
"""

CONTENT = """
CREATE TABLE pipeline.page_text (
    page_id text PRIMARY KEY REFERENCES pipeline.page, engine text NOT NULL, image jsonb NOT NULL, text jsonb NOT NULL,
    readings jsonb NOT NULL DEFAULT '[]', document_type text NOT NULL DEFAULT '', type_score real NOT NULL DEFAULT 0,
    title boolean NOT NULL DEFAULT false, seconds real NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE pipeline.file (
    file_id text PRIMARY KEY, batch_id text NOT NULL REFERENCES pipeline.batch,
    receipt_id text REFERENCES pipeline.receipt, label text NOT NULL, state text NOT NULL DEFAULT 'open',
    patient_key text, encounter_key text, facts jsonb NOT NULL DEFAULT '{}');
CREATE INDEX file_batch ON pipeline.file (batch_id);
CREATE TABLE pipeline.document (
    document_id text PRIMARY KEY, batch_id text NOT NULL REFERENCES pipeline.batch,
    file_id text NOT NULL REFERENCES pipeline.file, document_type text NOT NULL, edition text NOT NULL DEFAULT '',
    page_ids jsonb NOT NULL, revision int NOT NULL DEFAULT 1, verdict text NOT NULL, validated jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX document_batch ON pipeline.document (batch_id);
CREATE INDEX document_file ON pipeline.document (file_id);
CREATE TABLE pipeline.field_value (
    document_id text NOT NULL REFERENCES pipeline.document ON DELETE CASCADE, field text NOT NULL,
    value text NOT NULL, raw text NOT NULL, kind text NOT NULL, confidence real NOT NULL, verdict text NOT NULL,
    rule text NOT NULL DEFAULT '', witness text NOT NULL DEFAULT '', problem text NOT NULL DEFAULT '',
    page_id text NOT NULL REFERENCES pipeline.page, box jsonb NOT NULL, engine text NOT NULL,
    method text NOT NULL DEFAULT '', PRIMARY KEY (document_id, field));
CREATE TABLE pipeline.issue (
    issue_id bigserial PRIMARY KEY, batch_id text NOT NULL REFERENCES pipeline.batch, document_id text, page_id text,
    check_name text NOT NULL, field text NOT NULL DEFAULT '', message text NOT NULL,
    CONSTRAINT issue_once UNIQUE NULLS NOT DISTINCT (document_id, page_id, check_name, field));
CREATE INDEX issue_batch ON pipeline.issue (batch_id);
CREATE TABLE pipeline.review_task (
    task_id text PRIMARY KEY, batch_id text NOT NULL REFERENCES pipeline.batch, document_id text, page_id text,
    field text NOT NULL DEFAULT '', reason text NOT NULL, state text NOT NULL DEFAULT 'open',
    created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX review_task_batch ON pipeline.review_task (batch_id, state);
CREATE TABLE pipeline.review_decision (
    decision_id bigserial PRIMARY KEY, task_id text NOT NULL REFERENCES pipeline.review_task,
    decided_by text NOT NULL, decision text NOT NULL, value text, decided_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE pipeline.registry_patient (
    facility_id text NOT NULL REFERENCES pipeline.facility, patient_id text NOT NULL, name text NOT NULL,
    birth_date text NOT NULL DEFAULT '', sex text NOT NULL DEFAULT '', insurance_number text NOT NULL DEFAULT '',
    national_id text NOT NULL DEFAULT '', address text NOT NULL DEFAULT '', phone text NOT NULL DEFAULT '',
    PRIMARY KEY (facility_id, patient_id));
CREATE TABLE pipeline.registry_stay (
    facility_id text NOT NULL REFERENCES pipeline.facility, encounter_number text NOT NULL, patient_id text NOT NULL,
    archive_number text NOT NULL DEFAULT '', admitted_at text NOT NULL DEFAULT '',
    discharged_at text NOT NULL DEFAULT '', department text NOT NULL DEFAULT '', main_code text NOT NULL DEFAULT '',
    box text NOT NULL DEFAULT '', PRIMARY KEY (facility_id, encounter_number));
CREATE INDEX registry_stay_patient ON pipeline.registry_stay (facility_id, patient_id);
"""

AUDIT = """
CREATE SCHEMA audit;
CREATE TABLE audit.event (
    event_id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), actor text NOT NULL, action text NOT NULL,
    object text NOT NULL, detail jsonb NOT NULL DEFAULT '{}', previous bytea, hash bytea NOT NULL);
CREATE FUNCTION audit.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit.event is insert-only';
END $$;
CREATE TRIGGER insert_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.event
    FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse();
"""

REPORTING = """
CREATE SCHEMA reporting;
CREATE VIEW reporting.conversion_progress_by_batch AS
SELECT batch.batch_id, batch.facility_id, batch.target_id, batch.state, batch.created_at, batch.closed_at,
       coalesce(sum(pages), 0)::bigint AS pages,
       coalesce(sum(pages) FILTER (WHERE page_count.state IN ('received', 'read', 'assembled')), 0)::bigint
           AS in_progress,
       coalesce(sum(pages) FILTER (WHERE page_count.state = 'loaded'), 0)::bigint AS loaded,
       coalesce(sum(pages) FILTER (WHERE page_count.state = 'in_review'), 0)::bigint AS in_review,
       coalesce(sum(pages) FILTER (WHERE page_count.state = 'blank'), 0)::bigint AS blank,
       coalesce(sum(pages) FILTER (WHERE page_count.state = 'duplicate'), 0)::bigint AS duplicate,
       coalesce(sum(pages) FILTER (WHERE page_count.state = 'separator'), 0)::bigint AS separator,
       coalesce(sum(pages) FILTER (WHERE page_count.state = 'quarantined'), 0)::bigint AS quarantined,
       coalesce(sum(pages) FILTER (WHERE page_count.state = 'superseded'), 0)::bigint AS superseded,
       coalesce(sum(pages) FILTER (WHERE page_count.state = 'withdrawn'), 0)::bigint AS withdrawn
FROM pipeline.batch LEFT JOIN pipeline.page_count USING (batch_id)
GROUP BY batch.batch_id;
"""

GRANTS = """
GRANT USAGE ON SCHEMA pipeline TO pipeline, loader, review, auditor;
GRANT USAGE ON SCHEMA reporting TO pipeline, reporting, auditor;
GRANT USAGE ON SCHEMA audit TO pipeline, loader, review, auditor;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA pipeline TO pipeline;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA pipeline TO pipeline;
GRANT SELECT ON ALL TABLES IN SCHEMA pipeline TO loader, review, auditor;
GRANT UPDATE ON pipeline.page, pipeline.document, pipeline.file TO loader, review;
GRANT INSERT ON pipeline.outbox, pipeline.issue TO loader, review;
GRANT INSERT, UPDATE ON pipeline.page_count TO loader, review;
GRANT INSERT, UPDATE ON pipeline.review_task, pipeline.field_value TO review;
GRANT INSERT ON pipeline.review_decision TO review;
GRANT USAGE ON SEQUENCE pipeline.outbox_outbox_id_seq, pipeline.issue_issue_id_seq TO loader, review;
GRANT USAGE ON SEQUENCE pipeline.review_decision_decision_id_seq TO review;
GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO pipeline, reporting, auditor;
GRANT SELECT, INSERT ON audit.event TO pipeline, loader, review;
GRANT USAGE ON SEQUENCE audit.event_event_id_seq TO pipeline, loader, review;
GRANT SELECT ON audit.event TO auditor;
"""


def upgrade() -> None:
    """All tables of the first edition."""
    for part in (LEDGER, COUNTERS, CONTENT, AUDIT, REPORTING, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Remove everything; for development only."""
    op.execute("DROP SCHEMA reporting, audit CASCADE")
    op.execute(
        "DROP TABLE pipeline.review_decision, pipeline.review_task, pipeline.registry_stay, pipeline.registry_patient, "
        "pipeline.issue, pipeline.field_value, pipeline.document, pipeline.file, pipeline.page_text, pipeline.outbox, "
        "pipeline.page_count, pipeline.page, pipeline.receipt, pipeline.scan, pipeline.batch, pipeline.decision, "
        "pipeline.target, pipeline.facility"
    )
    op.execute("DROP FUNCTION pipeline.count_page")
