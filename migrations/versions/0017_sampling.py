"""Blind samples of accepted values, the alarms that they raise, and the batches of a pilot."""

from alembic import op

revision = "0017"
down_revision = "0016"

# `passed`: of a stratum, the sum of the probabilities of all values that came by, from a random start; whoever takes
# it past a whole number is in the sample. `drawn`: documents whose values came by.
SAMPLES = """
CREATE TABLE pipeline.sample_share (
    facility_id text NOT NULL REFERENCES pipeline.facility, document_type text NOT NULL DEFAULT '',
    field text NOT NULL DEFAULT '', share double precision NOT NULL CHECK (share >= 0 AND share <= 1),
    PRIMARY KEY (facility_id, document_type, field));
CREATE TABLE pipeline.sample_stratum (
    batch_id text NOT NULL REFERENCES pipeline.batch, document_type text NOT NULL, field text NOT NULL,
    scanner text NOT NULL, seen integer NOT NULL, passed double precision NOT NULL,
    PRIMARY KEY (batch_id, document_type, field, scanner));
CREATE TABLE pipeline.drawn (document_id text PRIMARY KEY, drawn_at timestamptz NOT NULL DEFAULT now());
CREATE TABLE pipeline.sample (
    sample_id bigserial PRIMARY KEY, facility_id text NOT NULL REFERENCES pipeline.facility,
    batch_id text NOT NULL REFERENCES pipeline.batch, document_id text NOT NULL, field text NOT NULL,
    document_type text NOT NULL, edition text NOT NULL, scanner text NOT NULL, software text NOT NULL,
    engine text NOT NULL, kind text NOT NULL, family text NOT NULL, rule text NOT NULL, value text NOT NULL,
    confidence double precision NOT NULL, target double precision NOT NULL,
    probability double precision NOT NULL CHECK (probability > 0 AND probability <= 1),
    asked_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL DEFAULT 'asked' CHECK (state IN ('asked', 'senior', 'settled')),
    officer text NOT NULL DEFAULT '', decision text NOT NULL DEFAULT '', answer text NOT NULL DEFAULT '',
    answered_at timestamptz, agreed boolean, settled_by text NOT NULL DEFAULT '', final text NOT NULL DEFAULT '',
    settled_at timestamptz, was_right boolean, UNIQUE (document_id, field),
    CHECK (settled_by = '' OR agreed OR settled_by <> officer));
CREATE INDEX sample_waiting ON pipeline.sample (state, asked_at) WHERE state IN ('asked', 'senior');
CREATE INDEX sample_settled ON pipeline.sample (facility_id, family, settled_at) WHERE state = 'settled';
"""

DRIFT = """
CREATE TABLE pipeline.drift_alarm (
    alarm_id bigserial PRIMARY KEY, facility_id text NOT NULL REFERENCES pipeline.facility, family text NOT NULL,
    raised_at timestamptz NOT NULL DEFAULT now(), samples integer NOT NULL, wrong integer NOT NULL,
    reopened_by text, reopened_at timestamptz, reason text CHECK (length(reason) >= 10));
CREATE UNIQUE INDEX drift_alarm_open ON pipeline.drift_alarm (facility_id, family) WHERE reopened_at IS NULL;
"""

PILOT = """
CREATE TABLE pipeline.pilot (
    batch_id text PRIMARY KEY REFERENCES pipeline.batch, started_by text NOT NULL, fingerprint text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(), ended_at timestamptz);
"""

GRANTS = """
GRANT SELECT ON pipeline.sample_share, pipeline.sample_stratum, pipeline.drawn, pipeline.sample, pipeline.drift_alarm,
    pipeline.pilot TO pipeline, review, reporting, auditor;
GRANT INSERT, UPDATE ON pipeline.sample_stratum, pipeline.drawn TO pipeline;
GRANT INSERT ON pipeline.sample TO pipeline;
GRANT UPDATE (state, officer, decision, answer, answered_at, agreed, settled_by, final, settled_at, was_right)
    ON pipeline.sample TO review;
GRANT INSERT ON pipeline.drift_alarm TO review;
GRANT UPDATE (reopened_by, reopened_at, reason) ON pipeline.drift_alarm TO review;
GRANT USAGE ON SEQUENCE pipeline.sample_sample_id_seq TO pipeline;
GRANT USAGE ON SEQUENCE pipeline.drift_alarm_alarm_id_seq TO review;
"""


def upgrade() -> None:
    """The tables; an officer's answer and a senior's reason are all that the workbench may write into them."""
    for part in (SAMPLES, DRIFT, PILOT, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Remove them; for development only."""
    for name in ("pilot", "drift_alarm", "sample", "drawn", "sample_stratum", "sample_share"):
        op.execute(f"DROP TABLE pipeline.{name}")
