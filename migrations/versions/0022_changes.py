"""What the loader changed, in order, for any other system to take over; what others changed is theirs."""

from alembic import op

revision = "0022"
down_revision = "0021"

TABLES = {
    "patient": "patient_id",
    "encounter": "encounter_id",
    "document_reference": "page_id",
    "condition": "row_id",
    "observation": "row_id",
    "procedure": "row_id",
    "medication_statement": "row_id",
    "diagnostic_report": "row_id",
    "imaging_study": "row_id",
    "text_mention": "row_id",
    "provenance": "document_id || '|' || field",
}
KINDS = (("INSERT", "NEW", "loaded"), ("UPDATE", "NEW", "corrected"), ("DELETE", "OLD", "withdrawn"))
OF_OTHERS = [name for name in TABLES if name not in ("text_mention", "provenance")]

# `transaction`: changes of one that is still under way are not handed out yet, or a later one would overtake them.
CHANGES = """
CREATE TABLE emr.change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    transaction bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    changed_at timestamptz NOT NULL DEFAULT now(),
    kind text NOT NULL CONSTRAINT change_kind CHECK (kind IN ('loaded', 'corrected', 'withdrawn')),
    table_name text NOT NULL,
    row_key text NOT NULL,
    batch_id text NOT NULL,
    document_id text NOT NULL,
    content jsonb
);
CREATE INDEX change_batch ON emr.change (batch_id);
CREATE TABLE emr.consumer (
    consumer_id text PRIMARY KEY,
    added_at timestamptz NOT NULL DEFAULT now(),
    after bigint NOT NULL
);
CREATE TABLE emr.confirmation (
    consumer_id text NOT NULL REFERENCES emr.consumer,
    change_id bigint NOT NULL REFERENCES emr.change ON DELETE CASCADE,
    confirmed_at timestamptz NOT NULL DEFAULT now(),
    refused text NOT NULL DEFAULT '',
    PRIMARY KEY (consumer_id, change_id)
);
COMMENT ON COLUMN emr.change.content IS 'the row as it stands since; null where it was withdrawn';
COMMENT ON COLUMN emr.consumer.after IS 'the last change before it was added; what stood then it takes from the tables';
COMMENT ON COLUMN emr.confirmation.refused IS 'why it could not be taken over; empty: it was';
"""

# What a FHIR server holds of a stay: fullUrl -> [search, hash of the content].
SENT = """
CREATE TABLE emr.sent (
    target text NOT NULL,
    encounter_id text NOT NULL,
    batch_id text NOT NULL,
    resources jsonb NOT NULL DEFAULT '{}',
    sent_at timestamptz NOT NULL DEFAULT now(),
    refused text NOT NULL DEFAULT '',
    PRIMARY KEY (target, encounter_id)
);
CREATE INDEX sent_batch ON emr.sent (batch_id);
COMMENT ON COLUMN emr.sent.refused IS 'what the server did not take at the last try; empty: it took all';
GRANT SELECT, INSERT, UPDATE, DELETE ON emr.sent TO loader;
"""

# Statement by statement: a load writes many rows of a table at once. One function a table, so that its plan is kept.
LOG = """
CREATE FUNCTION emr.log_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO emr.change (kind, table_name, row_key, batch_id, document_id)
        SELECT 'withdrawn', '{table}', {key}, {origin} FROM changed_rows AS t;
    ELSE
        INSERT INTO emr.change (kind, table_name, row_key, batch_id, document_id, content)
        SELECT CASE TG_OP WHEN 'INSERT' THEN 'loaded' ELSE 'corrected' END, '{table}', {key}, {origin},
            to_jsonb(t) - 'changed_elsewhere' FROM changed_rows AS t;
    END IF;
    RETURN NULL;
END $$;
"""

# Columns that somebody else has set are theirs from then on: a load leaves them and says where it differs.
ELSEWHERE = """
CREATE FUNCTION emr.note_elsewhere() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was jsonb := CASE WHEN TG_OP = 'UPDATE' THEN to_jsonb(OLD) ELSE '{}' END;
    own text[] := ARRAY['changed_elsewhere', 'converted_from_paper', 'updated_at', 'batch_id', 'document_id'];
BEGIN
    IF pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = TG_RELID), 'USAGE') THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.converted_from_paper := false;
    END IF;
    NEW.changed_elsewhere := ARRAY(
        SELECT jsonb_array_elements_text(coalesce(was -> 'changed_elsewhere', '[]'))
        UNION
        SELECT key FROM jsonb_each_text(to_jsonb(NEW))
        WHERE key <> ALL (own) AND value IS DISTINCT FROM was ->> key
        ORDER BY 1);
    NEW.updated_at := now();
    RETURN NEW;
END $$;
"""

CONSUMERS = """
CREATE VIEW emr.consumer_state AS
SELECT consumer_id,
    count(change_id) FILTER (WHERE confirmed_at IS NULL) AS waiting,
    count(change_id) FILTER (WHERE refused <> '') AS refused,
    min(changed_at) FILTER (WHERE confirmed_at IS NULL) AS oldest
FROM emr.consumer LEFT JOIN emr.change ON change_id > after LEFT JOIN emr.confirmation USING (consumer_id, change_id)
GROUP BY consumer_id;
CREATE FUNCTION emr.next_changes(consumer text, most integer DEFAULT 1000) RETURNS SETOF emr.change
LANGUAGE sql STABLE AS $$
    SELECT c.* FROM emr.change AS c JOIN emr.consumer AS who ON who.consumer_id = consumer AND c.change_id > who.after
    WHERE c.transaction < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
        AND NOT EXISTS (SELECT FROM emr.confirmation AS done
            WHERE done.consumer_id = consumer AND done.change_id = c.change_id)
    ORDER BY c.change_id LIMIT most
$$;
CREATE FUNCTION emr.confirm(consumer text, ids bigint[]) RETURNS bigint LANGUAGE sql AS $$
    WITH done AS (INSERT INTO emr.confirmation (consumer_id, change_id)
        SELECT consumer, unnest(ids) ON CONFLICT DO NOTHING RETURNING 1)
    SELECT count(*) FROM done
$$;
CREATE FUNCTION emr.refuse(consumer text, id bigint, why text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO emr.confirmation (consumer_id, change_id, refused)
    SELECT consumer, id, left(why, 500) WHERE why <> '' ON CONFLICT DO NOTHING
$$;
"""

# Patient data: pipeline and review alone.
DIFFERENCES = """
CREATE TABLE pipeline.difference (
    document_id text NOT NULL REFERENCES pipeline.document ON DELETE CASCADE, field text NOT NULL,
    page_id text NOT NULL, place text NOT NULL, value text NOT NULL, stands text NOT NULL, seen_by text,
    seen_at timestamptz, PRIMARY KEY (document_id, field));
GRANT SELECT, INSERT, UPDATE, DELETE ON pipeline.difference TO pipeline;
GRANT SELECT, UPDATE ON pipeline.difference TO review;
GRANT UPDATE (state) ON pipeline.sample TO pipeline;
"""

GRANTS = """
GRANT SELECT, INSERT, DELETE ON emr.change TO loader;
GRANT SELECT, INSERT, DELETE ON emr.consumer TO loader;
GRANT SELECT, INSERT, DELETE ON emr.confirmation TO loader;
GRANT USAGE ON SCHEMA emr TO consumer, pipeline, review, reporting;
GRANT SELECT ON emr.consumer_state TO loader, consumer, pipeline, review, reporting;
GRANT SELECT ON emr.patient, emr.encounter, emr.document_reference, emr.condition, emr.observation, emr.procedure,
    emr.medication_statement, emr.diagnostic_report, emr.imaging_study, emr.text_mention, emr.provenance,
    emr.patient_link, emr.patient_standing, emr.encounter_standing, emr.change, emr.consumer TO consumer;
GRANT SELECT, INSERT ON emr.confirmation TO consumer;
"""


def upgrade() -> None:
    """Every row says that it comes from paper; from now on each change of one is told."""
    op.execute(CHANGES + SENT + ELSEWHERE + CONSUMERS)
    for name, key in TABLES.items():
        op.execute(f"ALTER TABLE emr.{name} ADD COLUMN converted_from_paper boolean NOT NULL DEFAULT true")
        _log(name, key, "batch_id, document_id")
    _log("patient_link", "link_id", "'', ''")
    for name in OF_OTHERS:
        op.execute(f"ALTER TABLE emr.{name} ADD COLUMN changed_elsewhere text[] NOT NULL DEFAULT '{{}}'")
        op.execute(f"""
            CREATE TRIGGER {name}_elsewhere BEFORE INSERT OR UPDATE ON emr.{name}
            FOR EACH ROW WHEN (current_user <> 'loader') EXECUTE FUNCTION emr.note_elsewhere()""")
    op.execute(DIFFERENCES + GRANTS)


def downgrade() -> None:
    """Remove it; for development only."""
    for name in (*TABLES, "patient_link"):
        for _, _, kind in KINDS:
            op.execute(f"DROP TRIGGER {name}_{kind} ON emr.{name}")
        op.execute(f"DROP FUNCTION emr.log_{name}")
    for name in TABLES:
        op.execute(f"ALTER TABLE emr.{name} DROP COLUMN converted_from_paper")
    for name in OF_OTHERS:
        op.execute(f"DROP TRIGGER {name}_elsewhere ON emr.{name}; ALTER TABLE emr.{name} DROP COLUMN changed_elsewhere")
    op.execute("DROP FUNCTION emr.next_changes, emr.confirm, emr.refuse, emr.note_elsewhere")
    op.execute("DROP VIEW emr.consumer_state")
    op.execute("REVOKE UPDATE (state) ON pipeline.sample FROM pipeline")
    op.execute("DROP TABLE emr.confirmation, emr.consumer, emr.change, emr.sent, pipeline.difference")


def _log(table: str, key: str, origin: str) -> None:
    op.execute(LOG.format(table=table, key=key, origin=origin))
    for operation, old_or_new, kind in KINDS:
        op.execute(f"""
            CREATE TRIGGER {table}_{kind} AFTER {operation} ON emr.{table}
            REFERENCING {old_or_new} TABLE AS changed_rows FOR EACH STATEMENT WHEN (current_user = 'loader')
            EXECUTE FUNCTION emr.log_{table}()""")
