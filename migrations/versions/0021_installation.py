"""What is installed and when what happened last; times of stages; what other software would read; daily forecasts."""

from alembic import op

revision = "0021"
down_revision = "0020"

# `begun_at`: when a batch had its turn last.
INSTALLATION = """
ALTER TABLE pipeline.batch ADD COLUMN begun_at timestamptz;
CREATE TABLE pipeline.installation (
    name text PRIMARY KEY, value text NOT NULL, stamped_at timestamptz NOT NULL DEFAULT now());
GRANT SELECT, INSERT, UPDATE ON pipeline.installation TO pipeline;
GRANT SELECT ON pipeline.installation TO loader, review, reporting, auditor;
"""

TIMES = """
CREATE TABLE pipeline.stage_time (
    day date NOT NULL, stage text NOT NULL, runs bigint NOT NULL, pages bigint NOT NULL,
    seconds double precision NOT NULL, PRIMARY KEY (day, stage));
GRANT SELECT, INSERT, UPDATE ON pipeline.stage_time TO pipeline;
GRANT SELECT ON pipeline.stage_time TO review, reporting, auditor;
GRANT USAGE ON SCHEMA reporting TO pipeline, review;
GRANT SELECT ON reporting.documents_waiting_by_type TO pipeline, review;
"""

# The readings of `rereading` are patient data: pipeline alone, as with page_text.
REREADING = """
ALTER TABLE pipeline.page_text ADD COLUMN made_by text NOT NULL DEFAULT '';
CREATE TABLE pipeline.rereading (
    page_id text PRIMARY KEY REFERENCES pipeline.page, batch_id text NOT NULL REFERENCES pipeline.batch,
    found jsonb NOT NULL, changes jsonb NOT NULL, made_by text NOT NULL, read_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX rereading_batch ON pipeline.rereading (batch_id);
GRANT SELECT, INSERT, UPDATE, DELETE ON pipeline.rereading TO pipeline;
"""

FORECASTS = """
CREATE TABLE pipeline.forecast_day (
    target_id text NOT NULL REFERENCES pipeline.target, day date NOT NULL, told jsonb NOT NULL,
    PRIMARY KEY (target_id, day));
GRANT SELECT, INSERT, UPDATE ON pipeline.forecast_day TO pipeline;
GRANT SELECT ON pipeline.forecast_day TO review, reporting, auditor;
"""


def upgrade() -> None:
    """The software is stamped at the next set-up; what read a page until now is not known."""
    for part in (INSTALLATION, TIMES, REREADING, FORECASTS):
        op.execute(part)


def downgrade() -> None:
    """Remove them; for development only."""
    op.execute("DROP TABLE pipeline.installation, pipeline.stage_time, pipeline.rereading, pipeline.forecast_day")
    op.execute("ALTER TABLE pipeline.batch DROP COLUMN begun_at")
    op.execute("ALTER TABLE pipeline.page_text DROP COLUMN made_by")
