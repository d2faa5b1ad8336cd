"""Schema emr: FHIR-named tables that the loader writes, and nobody else."""

from alembic import op

revision = "0002"
down_revision = "0001"

STAMPS = """
    batch_id text NOT NULL,
    document_id text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()"""

SHARED = f"""
CREATE SCHEMA emr;
CREATE SEQUENCE emr.provenance_sequence;

CREATE TABLE emr.patient (
    patient_id text PRIMARY KEY,
    facility_id text NOT NULL,
    provisional boolean NOT NULL,
    identifier text, name text, birth_date text, sex text, ethnicity text, occupation text, address text, phone text,
    national_id text, insurance_number text, insurance_valid_to text, contact_name text,{STAMPS}
);
CREATE INDEX patient_batch ON emr.patient (batch_id);

CREATE TABLE emr.encounter (
    encounter_id text PRIMARY KEY,
    patient_id text NOT NULL REFERENCES emr.patient,
    facility_id text NOT NULL,
    provisional boolean NOT NULL,
    number text, archive_number text, department text, bed text, admitted_at text, discharged_at text, days text,
    outcome text,{STAMPS}
);
CREATE INDEX encounter_patient ON emr.encounter (patient_id);
CREATE INDEX encounter_batch ON emr.encounter (batch_id);

CREATE TABLE emr.document_reference (
    page_id text PRIMARY KEY,
    encounter_id text NOT NULL REFERENCES emr.encounter,
    file_id text NOT NULL,
    type text NOT NULL,
    edition text NOT NULL,
    position integer NOT NULL,
    scan_id text NOT NULL,
    page_number integer NOT NULL,
    text text NOT NULL,
    identity_status text NOT NULL
        CONSTRAINT document_reference_identity CHECK (identity_status IN ('confirmed', 'inherited')),
    state text NOT NULL,
    treatment text, note text, transfer_to text, transfer_reason text, doctor text,{STAMPS}
);
COMMENT ON COLUMN emr.document_reference.position IS 'place of the page in its document, from 1';
COMMENT ON COLUMN emr.document_reference.scan_id IS 'SHA-256 of the original file in the store';
COMMENT ON COLUMN emr.document_reference.page_number IS 'place of the page in that file, from 1';
COMMENT ON COLUMN emr.document_reference.state IS 'FHIR status: current | superseded | entered-in-error';
CREATE INDEX document_reference_encounter ON emr.document_reference (encounter_id);
CREATE INDEX document_reference_document ON emr.document_reference (document_id);
CREATE INDEX document_reference_file ON emr.document_reference (file_id);
CREATE INDEX document_reference_batch ON emr.document_reference (batch_id);
CREATE INDEX document_reference_words ON emr.document_reference USING gin (to_tsvector('simple', text));

CREATE TABLE emr.provenance (
    document_id text NOT NULL,
    field text NOT NULL,
    target_table text NOT NULL,
    target_id text NOT NULL,
    target_column text NOT NULL,
    value text NOT NULL,
    raw text NOT NULL,
    page_id text NOT NULL,
    box jsonb NOT NULL,
    engine text NOT NULL,
    method text NOT NULL,
    confidence real NOT NULL,
    rule text NOT NULL,
    witness text NOT NULL,
    verdict text NOT NULL,
    checked text NOT NULL CONSTRAINT provenance_checked CHECK (checked IN ('machine', 'one', 'two')),
    reviewer text,
    batch_id text NOT NULL,
    sequence bigint NOT NULL DEFAULT nextval('emr.provenance_sequence'),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (document_id, field)
);
COMMENT ON COLUMN emr.provenance.box IS 'fractions of the page as it lies in the file';
CREATE INDEX provenance_target ON emr.provenance (target_table, target_id);
CREATE INDEX provenance_batch ON emr.provenance (batch_id);

CREATE TABLE emr.load_receipt (
    document_id text NOT NULL,
    revision integer NOT NULL,
    target text NOT NULL,
    batch_id text NOT NULL,
    rows jsonb NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (document_id, revision, target)
);
CREATE INDEX load_receipt_batch ON emr.load_receipt (batch_id);
"""

OF_DOCUMENT = {
    "condition": """rank text NOT NULL CONSTRAINT condition_rank CHECK (rank IN ('main', 'secondary')),
    text text, code text, stage text, tnm text""",
    "observation": """test text, value text, unit text, reference text, flag text,
    value_number numeric GENERATED ALWAYS AS
        (CASE WHEN value ~ '^-?[0-9]{1,12}([.][0-9]{1,12})?$' THEN value::numeric END) STORED""",
    "procedure": "performed_at text, preop text, postop text, procedure text, anesthesia text, surgeon text",
    "medication_statement": "drug text, strength text, quantity text, unit text, dosage text",
    "diagnostic_report": """specimen_id text, collected_at text, issued_at text, modality text, findings text,
    conclusion text, site text, gross text, micro text, doctor text""",
    "imaging_study": "modality text, taken_on text, laterality text, view text",
}

GRANTS = """
GRANT USAGE ON SCHEMA emr TO loader;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA emr TO loader;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA emr TO loader;
"""


def upgrade() -> None:
    """All tables of the EMR, and the loader's rights on them; no other role has any."""
    op.execute(SHARED)
    for name, columns in OF_DOCUMENT.items():
        op.execute(
            f"""CREATE TABLE emr.{name} (
    row_id text PRIMARY KEY,
    encounter_id text NOT NULL REFERENCES emr.encounter,
    occurrence integer NOT NULL,
    {columns},{STAMPS}
);
CREATE INDEX {name}_encounter ON emr.{name} (encounter_id);
CREATE INDEX {name}_document ON emr.{name} (document_id);
CREATE INDEX {name}_batch ON emr.{name} (batch_id);"""
        )
    op.execute(GRANTS)


def downgrade() -> None:
    """Remove the EMR; for development only."""
    op.execute("DROP SCHEMA emr CASCADE")
