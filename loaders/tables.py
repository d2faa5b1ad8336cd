"""Stage 9, loaders.tables: the EMR as tables of schema `emr`, named as HL7 FHIR R4 in snake case.

Values are the normal forms of the document types, kept as text (a year-only birth date is `1956`, a day without its
hour `2018-06-12`); what the paper says, letter by letter, is `provenance.raw`. No foreign key leaves the schema, so
that it can lie in the hospital's own database.
"""

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    func,
    text,
)  # fmt: skip
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(schema="emr")


def _texts(*names: str) -> list[Column[str]]:
    return [Column(name, Text) for name in names]


def _stamps(*, shown: bool = True) -> list[Column]:  # type: ignore[type-arg]
    """Where the row comes from: which batch and document wrote it first, and when it last changed. `changed_elsewhere`:
    columns that somebody else than the loader has set, on the tables that are shown to others as the record."""
    elsewhere: Column[list[str]] = Column("changed_elsewhere", ARRAY(Text), nullable=False, server_default=text("'{}'"))
    return [
        Column("converted_from_paper", Boolean, nullable=False, server_default=text("true")),
        *([elsewhere] if shown else []),
        Column("batch_id", Text, nullable=False),
        Column("document_id", Text, nullable=False),
        Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    ]


def _of_document(name: str, *columns: Column, shown: bool = True) -> Table:  # type: ignore[type-arg]
    """A table whose rows belong to one document; `row_id` = document | row | occurrence."""
    return Table(
        name,
        metadata,
        Column("row_id", Text, primary_key=True),
        Column("encounter_id", Text, ForeignKey("emr.encounter.encounter_id"), nullable=False),
        Column("occurrence", Integer, nullable=False),
        *columns,
        *_stamps(shown=shown),
        Index(f"{name}_encounter", "encounter_id"),
        Index(f"{name}_document", "document_id"),
        Index(f"{name}_batch", "batch_id"),
    )


patient = Table(
    "patient",
    metadata,
    Column("patient_id", Text, primary_key=True),
    Column("facility_id", Text, nullable=False),
    Column("provisional", Boolean, nullable=False),
    *_texts("identifier", "name", "birth_date", "sex", "ethnicity", "occupation", "address", "phone", "national_id"),
    *_texts("insurance_number", "insurance_valid_to", "contact_name"),
    *_stamps(),
    Index("patient_batch", "batch_id"),
    Index("patient_birth", "facility_id", "birth_date"),
    Index("patient_national_id", "national_id"),
    Index("patient_insurance", text('"right"(insurance_number, 10)')),
    Index("patient_identifier", "identifier"),
)

encounter = Table(
    "encounter",
    metadata,
    Column("encounter_id", Text, primary_key=True),
    Column("patient_id", Text, ForeignKey("emr.patient.patient_id"), nullable=False),
    Column("facility_id", Text, nullable=False),
    Column("provisional", Boolean, nullable=False),
    *_texts("number", "archive_number", "department", "bed", "admitted_at", "discharged_at", "days", "outcome"),
    *_stamps(),
    Index("encounter_patient", "patient_id"),
    Index("encounter_batch", "batch_id"),
)

condition = _of_document(
    "condition",
    Column("rank", Text, CheckConstraint("rank in ('main', 'secondary')", name="condition_rank"), nullable=False),
    *_texts("text", "code", "stage", "tnm"),
)

NUMBER = r"CASE WHEN value ~ '^-?[0-9]{1,12}([.][0-9]{1,12})?$' THEN value::numeric END"
observation = _of_document(
    "observation",
    *_texts("test", "value", "unit", "reference", "flag"),
    Column("value_number", Numeric, Computed(NUMBER, persisted=True)),
)

procedure = _of_document("procedure", *_texts("performed_at", "preop", "postop", "procedure", "anesthesia", "surgeon"))

medication_statement = _of_document(
    "medication_statement",
    *_texts("drug", "strength", "quantity", "unit", "dosage"),
    *_texts("solvent", "route", "duration"),
)

diagnostic_report = _of_document(
    "diagnostic_report",
    *_texts("specimen_id", "collected_at", "issued_at", "modality", "findings", "conclusion"),
    *_texts("site", "gross", "micro", "doctor"),
)

imaging_study = _of_document(
    "imaging_study",
    *_texts("modality", "taken_on", "laterality", "view", "accession"),
    Column("study_uid", Text, comment="StudyInstanceUID in the PACS, once it was confirmed there"),
    Column("retrieve_url", Text, comment="of the study in the PACS"),
)

# One row for each thing that a loaded text says, as the text has it and no more (OMOP's NOTE_NLP).
text_mention = _of_document(
    "text_mention",
    Column("field", Text, nullable=False, comment="as in provenance: where the text stands"),
    Column("start_at", Integer, nullable=False, comment="first character in provenance.value, from 0"),
    Column("end_at", Integer, nullable=False, comment="past the last character"),
    Column("label", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("negated", Boolean, nullable=False),
    Column("uncertain", Boolean, nullable=False),
    Column("laterality", Text, nullable=False, comment="left | right | both, or empty"),
    Column("value", JSONB(none_as_null=True), comment="of a measure, in the units of its label"),
    Column("section", Text, nullable=False),
    shown=False,
)
Index("text_mention_said", text_mention.c.label, text_mention.c.text)

# One row per page: the image (scan and page number), its searchable text, and the text sections that stand on it.
document_reference = Table(
    "document_reference",
    metadata,
    Column("page_id", Text, primary_key=True),
    Column("encounter_id", Text, ForeignKey("emr.encounter.encounter_id"), nullable=False),
    Column("file_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("edition", Text, nullable=False),
    Column("position", Integer, nullable=False, comment="place of the page in its document, from 1"),
    Column("scan_id", Text, nullable=False, comment="SHA-256 of the original file in the store"),
    Column("page_number", Integer, nullable=False, comment="place of the page in that file, from 1"),
    Column("text", Text, nullable=False),
    Column(
        "identity_status",
        Text,
        CheckConstraint("identity_status in ('confirmed', 'inherited')", name="document_reference_identity"),
        nullable=False,
    ),
    Column("state", Text, nullable=False, comment="FHIR status: current | superseded | entered-in-error"),
    *_texts("treatment", "note", "transfer_to", "transfer_reason", "doctor"),
    *_texts("visited_at", "reason", "history", "past_history", "family_history", "general", "organs", "results"),
    *_texts("referral_diagnosis", "regimen", "cycle", "given_at"),
    Column("retrieve_url", Text, comment="of the page in the PACS; null for paper"),
    *_stamps(),
    Index("document_reference_encounter", "encounter_id"),
    Index("document_reference_document", "document_id"),
    Index("document_reference_file", "file_id"),
    Index("document_reference_batch", "batch_id"),
    Index("document_reference_words", text("to_tsvector('simple', text)"), postgresql_using="gin"),
)

# One row per loaded value. `value` is the normal form that this document gave, also where another document's stands.
provenance = Table(
    "provenance",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("field", Text, primary_key=True),
    Column("target_table", Text, nullable=False),
    Column("target_id", Text, nullable=False),
    Column("target_column", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("raw", Text, nullable=False),
    Column("page_id", Text, nullable=False),
    Column("identity_status", Text, nullable=False, server_default="confirmed", comment="of the page: see the guard"),
    Column("box", JSONB, nullable=False, comment="fractions of the page as it lies in the file"),
    Column("engine", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("confidence", REAL, nullable=False),
    Column("rule", Text, nullable=False),
    Column("witness", Text, nullable=False),
    Column("verdict", Text, nullable=False),
    Column(
        "checked",
        Text,
        CheckConstraint("checked in ('machine', 'one', 'two')", name="provenance_checked"),
        nullable=False,
    ),
    Column("reviewer", Text),
    Column("batch_id", Text, nullable=False),
    Column("converted_from_paper", Boolean, nullable=False, server_default=text("true")),
    Column("sequence", BigInteger, nullable=False, server_default=text("nextval('emr.provenance_sequence')")),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("provenance_target", "target_table", "target_id"),
    Index("provenance_batch", "batch_id"),
)

load_receipt = Table(
    "load_receipt",
    metadata,
    Column("document_id", Text, primary_key=True),
    Column("revision", Integer, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("batch_id", Text, nullable=False),
    Column("rows", JSONB, nullable=False),
    Column("loaded_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Index("load_receipt_batch", "batch_id"),
)

# Which patients an officer found to be one person; a link undone stays as history. `patient_standing` follows them.
patient_link = Table(
    "patient_link",
    metadata,
    Column("link_id", BigInteger, primary_key=True),
    Column("patient_id", Text, nullable=False),
    Column("into_id", Text, nullable=False),
    Column("linked_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("linked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    *_texts("undone_by", "undone_reason"),
    Column("undone_at", DateTime(timezone=True)),
    CheckConstraint("patient_id <> into_id", name="patient_link_two"),
    Index("patient_link_once", "patient_id", unique=True, postgresql_where=text("undone_at IS NULL")),
    Index("patient_link_into", "into_id"),
)

# What the loader did to a row, in order: other systems follow it. See docs/emr.md.
change = Table(
    "change",
    metadata,
    Column("change_id", BigInteger, Identity(always=True), primary_key=True),
    Column("transaction", BigInteger, nullable=False, server_default=text("pg_current_xact_id()::text::bigint")),
    Column("changed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column(
        "kind",
        Text,
        CheckConstraint("kind in ('loaded', 'corrected', 'withdrawn')", name="change_kind"),
        nullable=False,
    ),
    *(Column(name, Text, nullable=False) for name in ("table_name", "row_key", "batch_id", "document_id")),
    Column("content", JSONB, comment="the row as it stands since; null where it was withdrawn"),
    Index("change_batch", "batch_id"),
)

consumer = Table(
    "consumer",
    metadata,
    Column("consumer_id", Text, primary_key=True),
    Column("added_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("after", BigInteger, nullable=False, comment=
        "the last change before it was added; what stood then it takes from the tables"),
)  # fmt: skip

confirmation = Table(
    "confirmation",
    metadata,
    Column("consumer_id", Text, ForeignKey("emr.consumer.consumer_id"), primary_key=True),
    Column("change_id", BigInteger, ForeignKey("emr.change.change_id", ondelete="CASCADE"), primary_key=True),
    Column("confirmed_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("refused", Text, nullable=False, server_default=text("''"), comment=
        "why it could not be taken over; empty: it was"),
)  # fmt: skip

sent = Table(
    "sent",
    metadata,
    Column("target", Text, primary_key=True),
    Column("encounter_id", Text, primary_key=True),
    Column("batch_id", Text, nullable=False),
    Column("resources", JSONB, nullable=False, server_default=text("'{}'")),
    Column("sent_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("refused", Text, nullable=False, server_default=text("''"), comment=
        "what the server did not take at the last try; empty: it took all"),
    Index("sent_batch", "batch_id"),
)  # fmt: skip

# One row for each instance that was offered to a PACS; it counts once the PACS has given it back.
film_instance = Table(
    "film_instance",
    metadata,
    Column("pacs", Text, primary_key=True),
    Column("sop_uid", Text, primary_key=True),
    *(Column(name, Text, nullable=False) for name in ("page_id", "document_id", "encounter_id", "batch_id")),
    Column("study_uid", Text, nullable=False, comment=
        "of the films themselves, or of the original that they are linked to"),
    Column(
        "state",
        Text,
        CheckConstraint("state in ('offered', 'held', 'linked', 'replaced')", name="film_instance_state"),
        nullable=False,
    ),
    Column("retrieve_url", Text, nullable=False, server_default=text("''")),
    Column("offered_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("held_at", DateTime(timezone=True), comment="when the PACS gave it back with the same pixels"),
    Column("refused", Text, nullable=False, server_default=text("''"), comment=
        "why it is not there yet; empty: it is, or was not tried"),
    CheckConstraint("(state in ('held', 'linked')) <= (held_at is not null)", name="film_instance_held"),
    Index("film_instance_batch", "batch_id"),
    Index("film_instance_page", "page_id"),
)  # fmt: skip

# Tables whose rows belong to one document; the others (patient, encounter) are shared by many.
OF_DOCUMENT: dict[str, Table] = {
    table.name: table
    for table in (
        condition, observation, procedure, medication_statement, diagnostic_report, imaging_study, text_mention,
    )
}  # fmt: skip
