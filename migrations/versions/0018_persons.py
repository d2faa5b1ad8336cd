"""Pairs of patients who may be one person, what officers ruled of them, and indexes that find them."""

from alembic import op

revision = "0018"
down_revision = "0017"

# `ruling`: '' while nobody has decided. `carried_out`: the EMR's links are as the ruling says; `linked`: the patient
# that was merged for it, '' while none is; `refused`: why the EMR did not take the ruling.
PAIRS = """
CREATE TABLE pipeline.person_pair (
    pair_id bigserial PRIMARY KEY, facility_id text NOT NULL REFERENCES pipeline.facility, one_id text NOT NULL,
    other_id text NOT NULL, likeness text NOT NULL, agreeing jsonb NOT NULL, unlike jsonb NOT NULL,
    found_at timestamptz NOT NULL DEFAULT now(), ruling text NOT NULL DEFAULT '' CHECK (ruling IN ('', 'one', 'two')),
    ruled_by text NOT NULL DEFAULT '', reason text NOT NULL DEFAULT '', ruled_at timestamptz,
    carried_out boolean NOT NULL DEFAULT true, linked text NOT NULL DEFAULT '', refused text NOT NULL DEFAULT '',
    UNIQUE (one_id, other_id), CHECK (one_id < other_id));
CREATE INDEX person_pair_open ON pipeline.person_pair (found_at) WHERE ruling = '';
CREATE INDEX person_pair_waiting ON pipeline.person_pair (facility_id) WHERE NOT carried_out;
CREATE INDEX patient_birth ON emr.patient (facility_id, birth_date);
CREATE INDEX patient_national_id ON emr.patient (national_id);
CREATE INDEX patient_insurance ON emr.patient (right(insurance_number, 10));
CREATE INDEX patient_identifier ON emr.patient (identifier);
"""

GRANTS = """
GRANT SELECT, INSERT, UPDATE, DELETE ON pipeline.person_pair TO pipeline;
GRANT USAGE ON SEQUENCE pipeline.person_pair_pair_id_seq TO pipeline;
GRANT SELECT ON pipeline.person_pair TO review, auditor;
GRANT UPDATE (ruling, ruled_by, reason, ruled_at, carried_out, refused) ON pipeline.person_pair TO review;
"""


def upgrade() -> None:
    """The pairs; a ruling and its reason are all that the workbench may write into them."""
    for part in (PAIRS, GRANTS):
        op.execute(part)


def downgrade() -> None:
    """Remove them; for development only."""
    for name in ("patient_identifier", "patient_insurance", "patient_national_id", "patient_birth"):
        op.execute(f"DROP INDEX emr.{name}")
    op.execute("DROP TABLE pipeline.person_pair")
