"""What pages did on each day, for the forecast; batches that wait their turn, hurry, or rest."""

from alembic import op

revision = "0020"
down_revision = "0019"

# As in 0001, with the day in Vietnam on which a page went from one state (`was`; '' when it was received) to another.
COUNTER = """
CREATE OR REPLACE FUNCTION pipeline.count_page() RETURNS trigger LANGUAGE plpgsql AS $$
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
        INSERT INTO pipeline.page_day VALUES (
            NEW.batch_id, (now() AT TIME ZONE 'Asia/Ho_Chi_Minh')::date,
            CASE TG_OP WHEN 'INSERT' THEN '' ELSE OLD.state END, NEW.state, 1)
        ON CONFLICT (batch_id, day, was, state) DO UPDATE SET pages = page_day.pages + 1;
    END IF;
    RETURN NULL;
END $$;
"""

DAYS = """
CREATE TABLE pipeline.page_day (
    batch_id text NOT NULL, day date NOT NULL, was text NOT NULL, state text NOT NULL, pages int NOT NULL,
    PRIMARY KEY (batch_id, day, was, state));
CREATE INDEX page_day_day ON pipeline.page_day (day);
INSERT INTO pipeline.page_day
SELECT p.batch_id, (r.received_at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date, '', 'received', count(*)
FROM pipeline.page p JOIN pipeline.receipt r USING (receipt_id) GROUP BY 1, 2;
GRANT SELECT, INSERT, UPDATE ON pipeline.page_day TO pipeline, loader, review;
GRANT SELECT ON pipeline.page_day TO reporting, auditor;
"""

# `pause`: the batch '' stands for all. `urgent`: the patient is back; `queued_at`: it waits for its turn to be read.
TURNS = """
ALTER TABLE pipeline.batch ADD COLUMN urgent boolean NOT NULL DEFAULT false, ADD COLUMN queued_at timestamptz;
CREATE INDEX batch_queued ON pipeline.batch (queued_at) WHERE queued_at IS NOT NULL;
CREATE TABLE pipeline.pause (
    batch_id text PRIMARY KEY, reason text NOT NULL, paused_by text NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT now());
GRANT SELECT, INSERT, UPDATE, DELETE ON pipeline.pause TO pipeline;
GRANT SELECT ON pipeline.pause TO review, auditor;
"""


def upgrade() -> None:
    """Days from now on; of what was done before only what was received is known by its day."""
    for part in (COUNTER, DAYS, TURNS):
        op.execute(part)


def downgrade() -> None:
    """Remove them; for development only. The counter goes on without days."""
    op.execute(COUNTER.replace(COUNTER[COUNTER.index("        INSERT INTO pipeline.page_day") :
                                       COUNTER.index("    END IF;\n    RETURN NULL;\nEND")], ""))  # fmt: skip
    op.execute("DROP TABLE pipeline.page_day, pipeline.pause")
    op.execute("ALTER TABLE pipeline.batch DROP COLUMN urgent, DROP COLUMN queued_at")
