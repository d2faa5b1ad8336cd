"""Stages 0-8, pipeline.tables: the tables of schemas pipeline and audit, as the newest migration leaves them."""

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(schema="pipeline")

EMPTY, NOW = text("''"), text("now()")


def _key(name: str) -> Column[str]:
    return Column(name, Text, primary_key=True)


def _text(name: str, default: object = None) -> Column[str]:
    return Column(name, Text, nullable=False, server_default=default)  # type: ignore[arg-type]


def _to(name: str, table: str, *, null: bool = False, **options: object) -> Column[str]:
    return Column(name, Text, ForeignKey(f"pipeline.{table}"), nullable=null, **options)  # type: ignore[arg-type]


def _at(name: str, *, null: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=null, server_default=None if null else NOW)


facility = Table("facility", metadata, _key("facility_id"), _text("name"))

target = Table(
    "target", metadata, _key("target_id"), _text("name"), _text("legal_basis", EMPTY), _text("scope", EMPTY),
    Column("deadline", Date, nullable=False), _at("created_at"),
    Column("scope_rule", JSONB, nullable=False, server_default=text("'{}'")),
)  # fmt: skip

decision = Table(
    "decision", metadata, _key("decision_id"), _text("number"), Column("signed_on", Date, nullable=False),
    _text("scope", EMPTY), _to("target_id", "target.target_id", null=True),
)  # fmt: skip

batch = Table(
    "batch", metadata, _key("batch_id"), _to("facility_id", "facility.facility_id"), _text("folder"),
    _text("boundary", text("'scan'")), _to("target_id", "target.target_id", null=True),
    _text("state", text("'open'")), Column("held_because", Text), _at("created_at"), _at("closed_at", null=True),
    Column("urgent", Boolean, nullable=False, server_default=text("false")), _at("queued_at", null=True),
    _at("begun_at", null=True), Index("batch_queued", "queued_at", postgresql_where=text("queued_at IS NOT NULL")),
)  # fmt: skip

# The batch '' stands for all.
pause = Table("pause", metadata, _key("batch_id"), _text("reason"), _text("paused_by"), _at("paused_at"))

installation = Table("installation", metadata, _key("name"), _text("value"), _at("stamped_at"))

stage_time = Table(
    "stage_time", metadata, Column("day", Date, primary_key=True), _key("stage"),
    Column("runs", BigInteger, nullable=False), Column("pages", BigInteger, nullable=False),
    Column("seconds", Double, nullable=False),
)  # fmt: skip

scan = Table(
    "scan", metadata, _key("scan_id"), _text("media_type"), Column("page_count", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False), _at("created_at"), CheckConstraint("page_count >= 0"),
)  # fmt: skip

receipt = Table(
    "receipt", metadata, _key("receipt_id"), _to("batch_id", "batch.batch_id"), _text("path"),
    _to("scan_id", "scan.scan_id", null=True), _text("outcome"), Column("reason_code", Text), _at("received_at"),
    Index("receipt_batch", "batch_id", "path"), Index("receipt_scan", "scan_id"),
)  # fmt: skip

page = Table(
    "page", metadata, _key("page_id"), _to("batch_id", "batch.batch_id"), _to("receipt_id", "receipt.receipt_id"),
    _to("scan_id", "scan.scan_id", null=True), Column("number", Integer, nullable=False), _text("state"),
    _text("reason", EMPTY), Column("duplicate_of", Text), Column("document_id", Text), Column("lease_owner", Text),
    _at("lease_until", null=True), Column("token", BigInteger, nullable=False, server_default=text("0")),
    _at("updated_at"), UniqueConstraint("receipt_id", "number"), Index("page_batch_state", "batch_id", "state"),
    _to("replaces", "page.page_id", null=True), Index("page_document", "document_id"), Index("page_scan", "scan_id"),
    Index("page_replaces", "replaces", unique=True, postgresql_where=text("replaces IS NOT NULL")),
)  # fmt: skip

page_ruling = Table(
    "page_ruling", metadata, _to("page_id", "page.page_id", primary_key=True), _text("label"), _text("ruled_by"),
    _text("reason"), _at("ruled_at"),
)  # fmt: skip

page_count = Table(
    "page_count", metadata, _key("batch_id"), _key("state"), Column("pages", Integer, nullable=False)
)  # fmt: skip

page_day = Table(
    "page_day", metadata, _key("batch_id"), Column("day", Date, primary_key=True), _key("was"), _key("state"),
    Column("pages", Integer, nullable=False), Index("page_day_day", "day"),
)  # fmt: skip

outbox = Table(
    "outbox", metadata, Column("outbox_id", BigInteger, primary_key=True), _text("topic"), _text("key"),
    Column("payload", JSONB, nullable=False), _at("created_at"), _at("sent_at", null=True), UniqueConstraint("key"),
    Index("outbox_waiting", "outbox_id", postgresql_where=text("sent_at IS NULL")),
    Index("outbox_topic", "topic", "outbox_id", postgresql_where=text("sent_at IS NULL")),
    Index("outbox_document", text("(payload ->> 'document_id')")),
)  # fmt: skip

page_text = Table(
    "page_text", metadata, _to("page_id", "page.page_id", primary_key=True), _text("engine"),
    Column("image", JSONB, nullable=False), Column("text", JSONB, nullable=False),
    Column("readings", JSONB, nullable=False, server_default=text("'[]'")), _text("document_type", EMPTY),
    Column("type_score", REAL, nullable=False, server_default=text("0")),
    Column("title", Boolean, nullable=False, server_default=text("false")),
    Column("seconds", REAL, nullable=False, server_default=text("0")), _at("created_at"), _text("made_by", EMPTY),
)  # fmt: skip

# What a page would give if it were read by the software of now; `changes`: [[field, before, after]].
rereading = Table(
    "rereading", metadata, _to("page_id", "page.page_id", primary_key=True), _to("batch_id", "batch.batch_id"),
    Column("found", JSONB, nullable=False), Column("changes", JSONB, nullable=False), _text("made_by"), _at("read_at"),
    Index("rereading_batch", "batch_id"),
)  # fmt: skip

forecast_day = Table(
    "forecast_day", metadata, _to("target_id", "target.target_id", primary_key=True),
    Column("day", Date, primary_key=True), Column("told", JSONB, nullable=False),
)  # fmt: skip

file = Table(
    "file", metadata, _key("file_id"), _to("batch_id", "batch.batch_id"),
    _to("receipt_id", "receipt.receipt_id", null=True), _text("label"), _text("state", text("'open'")),
    Column("patient_key", Text), Column("encounter_key", Text),
    Column("facts", JSONB, nullable=False, server_default=text("'{}'")), _text("retention", EMPTY),
    Column("retained_until", Date), Column("forms", JSONB, nullable=False, server_default=text("'{}'")),
    Index("file_batch", "batch_id"), Index("file_encounter", "encounter_key"), Index("file_patient", "patient_key"),
)  # fmt: skip

expected_file = Table(
    "expected_file", metadata, _to("batch_id", "batch.batch_id", primary_key=True), _key("label"),
    _text("encounter_number", EMPTY), _text("patient_id", EMPTY),
    Column("sheets", Integer, nullable=False, server_default=text("0")), CheckConstraint("sheets >= 0"),
)  # fmt: skip

document = Table(
    "document", metadata, _key("document_id"), _to("batch_id", "batch.batch_id"), _to("file_id", "file.file_id"),
    _text("document_type"), _text("edition", EMPTY), Column("page_ids", JSONB, nullable=False),
    Column("revision", Integer, nullable=False, server_default=text("1")), _text("verdict"),
    Column("validated", JSONB, nullable=False), _at("updated_at"), Index("document_batch", "batch_id"),
    Column("restricted", Boolean, nullable=False, server_default=text("false")), Index("document_file", "file_id"),
)  # fmt: skip

field_value = Table(
    "field_value", metadata,
    Column("document_id", Text, ForeignKey("pipeline.document.document_id", ondelete="CASCADE"), primary_key=True),
    _key("field"), _text("value"), _text("raw"), _text("kind"), Column("confidence", REAL, nullable=False),
    _text("verdict"), _text("rule", EMPTY), _text("witness", EMPTY), _text("problem", EMPTY),
    _to("page_id", "page.page_id"), Column("box", JSONB, nullable=False), _text("engine"), _text("method", EMPTY),
    Index("field_value_settled", "kind", "document_id", postgresql_where=text(
        "verdict = 'accept' AND value <> '' AND (rule LIKE 'reviewed%' OR witness <> '')")),
)  # fmt: skip

issue = Table(
    "issue", metadata, Column("issue_id", BigInteger, primary_key=True), _to("batch_id", "batch.batch_id"),
    Column("document_id", Text), Column("page_id", Text), _text("check_name"), _text("field", EMPTY),
    _text("message"), Index("issue_batch", "batch_id"),
    UniqueConstraint(
        "batch_id", "document_id", "page_id", "check_name", "field", name="issue_once",
        postgresql_nulls_not_distinct=True,
    ),
)  # fmt: skip

review_task = Table(
    "review_task", metadata, _key("task_id"), _to("batch_id", "batch.batch_id"), Column("document_id", Text),
    Column("page_id", Text), _text("field", EMPTY), _text("reason"), _text("state", text("'open'")),
    _at("created_at"), _text("stage", text("'first'")), _text("first_by", EMPTY), _text("second_by", EMPTY),
    Index("review_task_batch", "batch_id", "state"), Index("review_task_document", "document_id"),
    Index("review_task_field", "field", "document_id", postgresql_where=text("state = 'open'")),
)  # fmt: skip

review_decision = Table(
    "review_decision", metadata, Column("decision_id", BigInteger, primary_key=True),
    _to("task_id", "review_task.task_id"), _text("decided_by"), _text("decision"), Column("value", Text),
    _at("decided_at"), Column("before", JSONB), Column("revision", Integer),
    Column("undoes", BigInteger, ForeignKey("pipeline.review_decision.decision_id"), unique=True),
    _text("stage", text("'first'")), Column("normal", Text),
    Index("review_decision_task", "task_id"), Index("review_decision_by", "decided_by", "decided_at"),
)  # fmt: skip

registry_patient = Table(
    "registry_patient", metadata, _to("facility_id", "facility.facility_id", primary_key=True), _key("patient_id"),
    _text("name"), _text("birth_date", EMPTY), _text("sex", EMPTY), _text("insurance_number", EMPTY),
    _text("national_id", EMPTY), _text("address", EMPTY), _text("phone", EMPTY),
    Index("registry_patient_national", "facility_id", "national_id"),
    Index("registry_patient_insurance", "facility_id", "insurance_number"),
)  # fmt: skip

registry_stay = Table(
    "registry_stay", metadata, _to("facility_id", "facility.facility_id", primary_key=True),
    _key("encounter_number"), _text("patient_id"), _text("archive_number", EMPTY), _text("admitted_at", EMPTY),
    _text("discharged_at", EMPTY), _text("department", EMPTY), _text("main_code", EMPTY), _text("box", EMPTY),
    _text("outcome", EMPTY), _text("shelf", EMPTY), Index("registry_stay_patient", "facility_id", "patient_id"),
    Index("registry_stay_box", "facility_id", "box"), Index("registry_stay_archive", "facility_id", "archive_number"),
)  # fmt: skip

event = Table(
    "event", metadata, Column("event_id", BigInteger, primary_key=True), _at("at"), _text("actor"), _text("action"),
    _text("object"), Column("detail", JSONB, nullable=False, server_default=text("'{}'")),
    Column("previous", LargeBinary), Column("hash", LargeBinary, nullable=False), schema="audit",
)  # fmt: skip

page_repair = Table(
    "page_repair", metadata, _to("page_id", "page.page_id", primary_key=True), _key("what"), _text("value"),
    _text("ruled_by"), _text("reason"), _at("ruled_at"),
)  # fmt: skip

conversion = Table(
    "conversion", metadata, _key("code"), _to("file_id", "file.file_id"), _to("batch_id", "batch.batch_id"),
    _to("decision_id", "decision.decision_id"), _text("content"), Column("pages", Integer, nullable=False),
    Column("scans", JSONB, nullable=False), _text("mark"),
    Column("converted_at", DateTime(timezone=True), nullable=False), _text("converted_by"), _text("person"),
    _text("organisation"), _text("copy_id"), Column("signed_id", Text), _at("signed_at", null=True),
    Column("signed_by", Text), Column("certificate", JSONB), _to("replaces", "conversion.code", null=True),
    Index("conversion_file", "file_id", "converted_at"), Index("conversion_batch", "batch_id"),
    Index("conversion_replaces", "replaces", unique=True, postgresql_where=text("replaces IS NOT NULL")),
    CheckConstraint("(signed_id IS NULL) = (signed_at IS NULL)", name="conversion_signed"),
)  # fmt: skip

legal_hold = Table(
    "legal_hold", metadata, _to("file_id", "file.file_id", primary_key=True), _text("reason"), _text("held_by"),
    _at("held_at"),
)  # fmt: skip

paper = Table(
    "paper", metadata, _to("file_id", "file.file_id", primary_key=True), _text("disposition"), _text("minutes"),
    _text("proposed_by"), _at("proposed_at"), Column("agreed_by", Text), _at("agreed_at", null=True),
    CheckConstraint("disposition IN ('proposed', 'destroyable')", name="paper_disposition"),
    CheckConstraint("agreed_by IS NULL OR agreed_by <> proposed_by", name="paper_two_people"),
    CheckConstraint("(disposition = 'destroyable') = (agreed_by IS NOT NULL)", name="paper_agreed"),
)  # fmt: skip

field_policy = Table(
    "field_policy", metadata, Column("target_id", Text, primary_key=True, server_default=EMPTY),
    Column("document_type", Text, primary_key=True, server_default=EMPTY),
    Column("field", Text, primary_key=True, server_default=EMPTY), _text("ask", text("'ask'")),
    Column("second", Boolean, nullable=False, server_default=text("false")),
)  # fmt: skip

contract = Table(
    "contract", metadata, _to("facility_id", "facility.facility_id", primary_key=True), _key("family"),
    Column("target", Double, primary_key=True),
    Column("valid_from", DateTime(timezone=True), primary_key=True, server_default=NOW),
    Column("threshold", Double, nullable=False), Column("coverage", Double, nullable=False),
    Column("accepted", Integer, nullable=False), Column("wrong", Integer, nullable=False),
    Column("lower", Double, nullable=False), _text("objection", EMPTY), _text("basis"), _text("fingerprint"),
    _text("engine"), Column("evidence", JSONB, nullable=False),
    CheckConstraint("basis IN ('synthetic', 'own')", name="contract_basis_check"),
    CheckConstraint("basis <> 'synthetic' OR facility_id = 'DEMO'", name="synthetic_for_demo_only"),
)  # fmt: skip

accuracy_target = Table(
    "accuracy_target", metadata, _to("facility_id", "facility.facility_id", primary_key=True), _key("field"),
    Column("target", Double, nullable=False), _text("set_by"), _at("set_at"),
    CheckConstraint("target > 0 AND target < 1", name="accuracy_target_target_check"),
)  # fmt: skip

sample_share = Table(
    "sample_share", metadata, _to("facility_id", "facility.facility_id", primary_key=True),
    Column("document_type", Text, primary_key=True, server_default=EMPTY),
    Column("field", Text, primary_key=True, server_default=EMPTY), Column("share", Double, nullable=False),
)  # fmt: skip

sample_stratum = Table(
    "sample_stratum", metadata, _to("batch_id", "batch.batch_id", primary_key=True), _key("document_type"),
    _key("field"), _key("scanner"), Column("seen", Integer, nullable=False), Column("passed", Double, nullable=False),
)  # fmt: skip

# Where others have set a value of the EMR otherwise than the document says, and who has seen that.
difference = Table(
    "difference", metadata,
    Column("document_id", Text, ForeignKey("pipeline.document.document_id", ondelete="CASCADE"), primary_key=True),
    _key("field"), _text("page_id"), _text("place"), _text("value"), _text("stands"), Column("seen_by", Text),
    _at("seen_at", null=True),
)  # fmt: skip

drawn = Table("drawn", metadata, _key("document_id"), _at("drawn_at"))

sample = Table(
    "sample", metadata, Column("sample_id", BigInteger, primary_key=True), _to("facility_id", "facility.facility_id"),
    _to("batch_id", "batch.batch_id"), _text("document_id"), _text("field"), _text("document_type"), _text("edition"),
    _text("scanner"), _text("software"), _text("engine"), _text("kind"), _text("family"), _text("rule"),
    _text("value"), Column("confidence", Double, nullable=False), Column("target", Double, nullable=False),
    Column("probability", Double, nullable=False), _at("asked_at"), _text("state", text("'asked'")),
    _text("officer", EMPTY), _text("decision", EMPTY), _text("answer", EMPTY), _at("answered_at", null=True),
    Column("agreed", Boolean), _text("settled_by", EMPTY), _text("final", EMPTY), _at("settled_at", null=True),
    Column("was_right", Boolean), UniqueConstraint("document_id", "field"),
    Index("sample_waiting", "state", "asked_at", postgresql_where=text("state IN ('asked', 'senior')")),
    Index("sample_settled", "facility_id", "family", "settled_at", postgresql_where=text("state = 'settled'")),
)  # fmt: skip

drift_alarm = Table(
    "drift_alarm", metadata, Column("alarm_id", BigInteger, primary_key=True),
    _to("facility_id", "facility.facility_id"), _text("family"), _at("raised_at"),
    Column("samples", Integer, nullable=False), Column("wrong", Integer, nullable=False), Column("reopened_by", Text),
    _at("reopened_at", null=True), Column("reason", Text),
    Index("drift_alarm_open", "facility_id", "family", unique=True, postgresql_where=text("reopened_at IS NULL")),
)  # fmt: skip

pilot = Table(
    "pilot", metadata, _to("batch_id", "batch.batch_id", primary_key=True), _text("started_by"), _text("fingerprint"),
    _at("started_at"), _at("ended_at", null=True),
)  # fmt: skip

person_pair = Table(
    "person_pair", metadata, Column("pair_id", BigInteger, primary_key=True),
    _to("facility_id", "facility.facility_id"),
    _text("one_id"), _text("other_id"), _text("likeness"), Column("agreeing", JSONB, nullable=False),
    Column("unlike", JSONB, nullable=False), _at("found_at"), _text("ruling", EMPTY), _text("ruled_by", EMPTY),
    _text("reason", EMPTY), _at("ruled_at", null=True),
    Column("carried_out", Boolean, nullable=False, server_default=text("true")), _text("linked", EMPTY),
    _text("refused", EMPTY), UniqueConstraint("one_id", "other_id"), CheckConstraint("one_id < other_id"),
    Index("person_pair_open", "found_at", postgresql_where=text("ruling = ''")),
    Index("person_pair_waiting", "facility_id", postgresql_where=text("NOT carried_out")),
)  # fmt: skip
