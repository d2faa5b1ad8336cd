"""Stage 9, loaders.targets: the closed list of places in the EMR that a document type's `emr:` key may name."""

from typing import NamedTuple


class Target(NamedTuple):
    """Where a value goes: table and column of schema `emr`; `row` tells two rows of one document apart.

    `given`: what its label on the form says, as (column, text) of the same row.
    """

    table: str
    column: str
    row: str = ""
    given: tuple[tuple[str, str], ...] = ()


def _same(resource: str, table: str, columns: str) -> dict[str, Target]:
    return {f"{resource}.{column}": Target(table, column) for column in columns.split()}


def _measured(row: str, test: str, unit: str) -> dict[str, Target]:
    """A measure of the body: an observation that the form names and whose unit it prints."""
    return {f"Observation.{row}": Target("observation", "value", row, (("test", test), ("unit", unit)))}


TARGETS: dict[str, Target] = {
    **_same("Patient", "patient", "identifier name birth_date sex ethnicity occupation address phone national_id"),
    **_same("Patient", "patient", "insurance_number insurance_valid_to contact_name"),
    **_same("Encounter", "encounter", "number archive_number department bed days outcome"),
    "Encounter.period_start": Target("encounter", "admitted_at"),
    "Encounter.period_end": Target("encounter", "discharged_at"),
    "Condition.text": Target("condition", "text", "main"),
    "Condition.code": Target("condition", "code", "main"),
    "Condition.stage": Target("condition", "stage", "main"),
    "Condition.tnm": Target("condition", "tnm", "main"),
    "Condition.secondary_text": Target("condition", "text", "secondary"),
    "Condition.secondary_code": Target("condition", "code", "secondary"),
    **_same("Observation", "observation", "test value unit reference flag"),
    **_measured("pulse", "Mạch", "lần/phút"),
    **_measured("temperature", "Nhiệt độ", "°C"),
    **_measured("blood_pressure", "Huyết áp", "mmHg"),
    **_measured("respiration", "Nhịp thở", "lần/phút"),
    **_measured("weight", "Cân nặng", "kg"),
    **_measured("height", "Chiều cao", "cm"),
    **_measured("surface", "Diện tích da", "m²"),
    **_same("DiagnosticReport", "diagnostic_report", "specimen_id collected_at issued_at modality findings conclusion"),
    **_same("DiagnosticReport", "diagnostic_report", "site gross micro doctor"),
    **_same("Procedure", "procedure", "performed_at preop postop procedure anesthesia surgeon"),
    **_same("MedicationStatement", "medication_statement", "drug strength quantity unit dosage"),
    **_same("MedicationStatement", "medication_statement", "solvent route duration"),
    **_same("DocumentReference", "document_reference", "treatment note transfer_to transfer_reason doctor"),
    **_same("DocumentReference", "document_reference", "visited_at reason history past_history family_history general"),
    **_same("DocumentReference", "document_reference", "organs results referral_diagnosis regimen cycle given_at"),
    **_same("ImagingStudy", "imaging_study", "modality taken_on laterality view accession"),
}

# A row is loaded only when all of these are accepted: a result without its test, or a dose without its drug, misleads.
KEY_COLUMNS: dict[str, tuple[str, ...]] = {
    "observation": ("test", "value"),
    "medication_statement": ("drug",),
}

# Facts shared by the documents of a file (and of a patient); settled from all their provenance.
SHARED: dict[str, tuple[str, ...]] = {
    name: tuple(dict.fromkeys(target.column for target in TARGETS.values() if target.table == name))
    for name in ("patient", "encounter")
}

# Where two documents must not differ: they would be two people.
IDENTITY: dict[str, tuple[str, ...]] = {"patient": ("name", "birth_date", "sex", "national_id"), "encounter": ()}


def columns_of(table: str) -> tuple[str, ...]:
    """The columns of a table that hold values of a document."""
    return tuple(dict.fromkeys(t.column for t in TARGETS.values() if t.table == table))
