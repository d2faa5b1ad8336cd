"""What was measured of a facility's paper, the thresholds that follow, and what share right people ask of a field."""

from alembic import op

revision = "0016"
down_revision = "0015"

TABLES = """
CREATE TABLE pipeline.contract (
    facility_id text NOT NULL REFERENCES pipeline.facility, family text NOT NULL, target double precision NOT NULL,
    valid_from timestamptz NOT NULL DEFAULT now(), threshold double precision NOT NULL,
    coverage double precision NOT NULL, accepted integer NOT NULL, wrong integer NOT NULL,
    lower double precision NOT NULL, objection text NOT NULL DEFAULT '',
    basis text NOT NULL CHECK (basis IN ('synthetic', 'own')), fingerprint text NOT NULL, engine text NOT NULL,
    evidence jsonb NOT NULL, PRIMARY KEY (facility_id, family, target, valid_from),
    CONSTRAINT synthetic_for_demo_only CHECK (basis <> 'synthetic' OR facility_id = 'DEMO'));
CREATE TABLE pipeline.accuracy_target (
    facility_id text NOT NULL REFERENCES pipeline.facility, field text NOT NULL,
    target double precision NOT NULL CHECK (target > 0 AND target < 1), set_by text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (facility_id, field));
"""

GRANTS = """
GRANT SELECT ON pipeline.contract, pipeline.accuracy_target TO pipeline, review, reporting, auditor;
GRANT INSERT ON pipeline.contract TO pipeline;
"""


def upgrade() -> None:
    """The tables; no facility has a contract before something was measured."""
    for part in (TABLES, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Remove them; for development only."""
    op.execute("DROP TABLE pipeline.accuracy_target")
    op.execute("DROP TABLE pipeline.contract")
