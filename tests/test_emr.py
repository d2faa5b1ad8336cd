"""The EMR holds what the documents say, each value with its source, however often loaded, until it is withdrawn."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.exc import ProgrammingError

from extractors.clinical import extract_entities
from loaders import emr, tables
from loaders.context import LoadContext, PageLink, natural_key, provisional_key
from loaders.targets import TARGETS
from pipeline import database
from pipeline.emr import mentions_of
from records.document_types import DocumentType, document_types
from records.documents import Document, FieldReading, FieldValue, JudgedValue, ValidatedDocument, Verdict
from records.errors import EmrConflict, SohoaError
from records.pages import PageBox

BOX = PageBox(left=0.1, top=0.2, right=0.3, bottom=0.25)
PATIENT, STAY = "DEMO|14763265", "DEMO|18-02212"
VERSIONS = "SELECT xmin::text, ctid::text, t.*"
IDENTITY = {"patient.name": "PHẠM QUỐC GIANG", "patient.id": "14763265", "patient.birth_date": "1956-04-18"}
LETTER = {
    **IDENTITY,
    "encounter.number": "18-02212",
    "encounter.admitted_at": "2018-06-12T21:30",
    "diagnosis.main": "U vú",
}
LAB = {
    "specimen.id": "S-17",
    "results[0].test": "Glucose",
    "results[0].value": "5.4",
    "results[0].unit": "mmol/L",
    "results[1].test": "HBsAg",
    "results[1].value": "Âm tính",
}
LETTER_TYPE = DocumentType.model_validate(
    {
        "id": "discharge_letter",
        "title": {"vi": "Giấy ra viện", "en": "Discharge letter"},
        "fields": [
            {"name": "patient.name", "kind": "person_name", "emr": "Patient.name"},
            {"name": "patient.id", "kind": "identifier", "emr": "Patient.identifier"},
            {"name": "patient.birth_date", "kind": "birth_date", "emr": "Patient.birth_date"},
            {"name": "patient.phone", "kind": "phone", "emr": "Patient.phone"},
            {"name": "patient.age", "kind": "age"},
            {"name": "encounter.number", "kind": "identifier", "emr": "Encounter.number"},
            {"name": "encounter.admitted_at", "kind": "moment", "emr": "Encounter.period_start"},
            {"name": "diagnosis.main", "kind": "long_text", "emr": "Condition.text"},
            {"name": "diagnosis.main.code", "kind": "icd10", "emr": "Condition.code"},
            {"name": "diagnosis.secondary", "kind": "long_text", "emr": "Condition.secondary_text"},
            {"name": "treatment", "kind": "long_text", "emr": "DocumentReference.treatment"},
        ],
    }
)
LAB_TYPE = DocumentType.model_validate(
    {
        "id": "lab_report",
        "title": {"vi": "Phiếu xét nghiệm", "en": "Laboratory report"},
        "fields": [{"name": "specimen.id", "kind": "identifier", "emr": "DiagnosticReport.specimen_id"}],
        "tables": [
            {
                "name": "results",
                "style": "grid",
                "row_key": "test",
                "columns": [
                    {"name": "test", "kind": "test_name", "emr": "Observation.test"},
                    {"name": "value", "kind": "number", "emr": "Observation.value"},
                    {"name": "unit", "kind": "unit", "emr": "Observation.unit"},
                ],
            }
        ],
    }
)


def judged(field: str, value: str, verdict: Verdict = Verdict.ACCEPT, page_id: str = "p1") -> JudgedValue:
    reading = FieldReading(
        field=field,
        raw=value.lower(),
        confidence=0.9,
        page_id=page_id,
        box=BOX,
        engine="tesseract 5",
        method="right_of",
    )
    read = FieldValue(reading=reading, kind="text", value=value)
    return JudgedValue(value=read, verdict=verdict, rule="witness", witness="registry", confidence=0.99)


def validated(
    values: dict[str, str] | Sequence[JudgedValue], document_id: str = "d1", pages: Sequence[str] = ("p1",), **changes
) -> ValidatedDocument:
    held = [judged(f, v, page_id=pages[0]) for f, v in values.items()] if isinstance(values, dict) else values
    document = Document(
        document_id=document_id, file_id="f1", document_type="discharge_letter", edition="tt56", page_ids=tuple(pages)
    )
    whole = {"revision": 1, "verdict": Verdict.ACCEPT} | changes
    return ValidatedDocument(document=document, values=tuple(held), issues=(), **whole)


def context(pages: Sequence[str] = ("p1",), **changes) -> LoadContext:
    links = tuple(
        PageLink(page_id=page, number=n, scan_id="a" * 64, text="GIẤY RA VIỆN", identity_status="confirmed")
        for n, page in enumerate(pages, start=1)
    )
    given = {"batch_id": "b1", "facility": "DEMO", "file_id": "f1", "patient_key": PATIENT, "encounter_key": STAY}
    return LoadContext(**(given | changes), pages=links)


def load_letter(conn: Connection, values=LETTER, **changes) -> emr.LoadReceipt:
    return emr.load_document(conn, validated(values), LETTER_TYPE, context(**changes))


def load_lab(conn: Connection, values=LAB, **changes) -> emr.LoadReceipt:
    return emr.load_document(conn, validated(values, "d2", ("p2",)), LAB_TYPE, context(("p2",), **changes))


def everything(conn: Connection) -> dict[str, list[tuple]]:
    """All rows of the EMR with their row versions."""
    names = [table.name for table in tables.metadata.sorted_tables]
    return {
        name: [tuple(row) for row in conn.execute(text(f"{VERSIONS} FROM emr.{name} t ORDER BY 3, 4"))]
        for name in names
    }


def rows(conn: Connection, name: str) -> list[dict]:
    table = tables.metadata.tables[f"emr.{name}"]
    key = next(iter(table.primary_key.columns))
    return [dict(row) for row in conn.execute(select(table).order_by(key)).mappings()]


def test_the_migrated_schema_is_the_one_the_loader_writes(conn):
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    only_emr = {"include_schemas": True, "include_name": lambda name, kind, _: kind != "schema" or name == "emr"}
    assert compare_metadata(MigrationContext.configure(conn, opts=only_emr), tables.metadata) == []
    for table in tables.metadata.sorted_tables:
        held = {c["name"]: c["nullable"] for c in inspect(conn).get_columns(table.name, schema="emr")}
        assert held == {c.name: c.nullable for c in table.columns}


def test_every_target_is_a_column_of_the_emr():
    for name, target in TARGETS.items():
        assert target.column in tables.metadata.tables[f"emr.{target.table}"].columns, name


def test_every_emr_key_of_the_document_types_is_a_target():
    types = document_types().values()
    specs = [f for t in types for f in t.fields] + [c for t in types for table in t.tables for c in table.columns]
    assert {spec.emr for spec in specs if spec.emr} <= set(TARGETS)
    assert any(spec.emr for spec in specs)


def test_accepted_values_stand_in_their_columns(conn):
    receipt = load_letter(conn)
    load_lab(conn)
    [patient], [encounter], [condition] = rows(conn, "patient"), rows(conn, "encounter"), rows(conn, "condition")
    assert (patient["patient_id"], patient["name"], patient["provisional"]) == (PATIENT, "PHẠM QUỐC GIANG", False)
    assert (encounter["number"], encounter["admitted_at"]) == ("18-02212", "2018-06-12T21:30")
    assert (condition["text"], condition["code"], condition["rank"]) == ("U vú", None, "main")
    assert [(o["test"], o["value"], o["unit"]) for o in rows(conn, "observation")] == [
        ("Glucose", "5.4", "mmol/L"),
        ("HBsAg", "Âm tính", None),
    ]
    assert [str(o["value_number"]) for o in rows(conn, "observation")] == ["5.4", "None"]
    assert rows(conn, "diagnostic_report")[0]["specimen_id"] == "S-17"
    assert receipt.rows == {"document_reference": 1, "condition": 1, "provenance": 6}


def test_loading_twice_changes_nothing(conn):
    load_letter(conn)
    load_lab(conn)
    conn.commit()
    before = everything(conn)
    conn.commit()
    assert load_letter(conn).changed == 0
    assert load_lab(conn).changed == 0
    conn.commit()
    assert everything(conn) == before


def test_every_loaded_value_has_its_page_and_box(conn):
    load_letter(conn)
    load_lab(conn)
    sources = {(p["target_table"], p["target_id"], p["target_column"]): p for p in rows(conn, "provenance")}
    for target in set(TARGETS.values()):
        table = tables.metadata.tables[f"emr.{target.table}"]
        key = next(iter(table.primary_key.columns)).name
        for row in rows(conn, target.table):
            value = row[target.column]
            if value is not None:
                source = sources[target.table, row[key], target.column]
                assert (source["value"], source["raw"]) == (value, value.lower())
                assert source["page_id"] in ("p1", "p2") and source["box"] == BOX.model_dump()
                assert (source["checked"], source["verdict"], source["witness"]) == ("machine", "accept", "registry")
    assert len(sources) == len(LETTER) + len(LAB)


def test_every_page_is_shown_even_when_nothing_on_it_is_accepted(conn):
    held = [judged("patient.name", "PHẠM QUỐC GIANG", Verdict.REVIEW)]
    document = validated(held, pages=("p1", "p2"), verdict=Verdict.REVIEW)
    emr.load_document(conn, document, LETTER_TYPE, context(("p1", "p2")))
    shown = rows(conn, "document_reference")
    assert [(page["page_id"], page["position"], page["page_number"], page["text"]) for page in shown] == [
        ("p1", 1, 1, "GIẤY RA VIỆN"),
        ("p2", 2, 2, "GIẤY RA VIỆN"),
    ]
    assert {page["scan_id"] for page in shown} == {"a" * 64}
    assert rows(conn, "patient")[0]["name"] is None and rows(conn, "provenance") == []


@pytest.mark.parametrize("verdict", [Verdict.REVIEW, Verdict.EVIDENCE, Verdict.REJECT])
def test_only_accepted_values_are_loaded(conn, verdict):
    load_letter(conn, [judged("patient.phone", "0382906074", verdict)])
    assert rows(conn, "patient")[0]["phone"] is None


def test_blank_illegible_not_mentioned_and_negative_are_told_apart(conn):
    values = [
        judged("patient.phone", ""),
        judged("patient.occupation", "", Verdict.REJECT),
        judged("results[0].test", "HBsAg"),
        judged("results[0].value", "Âm tính"),
        judged("results[0].unit", ""),
        judged("results[1].unit", ""),
    ]
    forms = document_types()["lab_report"]
    emr.load_document(conn, validated(values), forms, context())
    told = {row["field"]: (row["value"], row["rule"]) for row in rows(conn, "provenance")}
    assert told == {
        "patient.phone": ("", "blank"),
        "patient.occupation": ("", "illegible"),
        "results[0].test": ("HBsAg", "witness"),
        "results[0].value": ("Âm tính", "witness"),
        "results[0].unit": ("", "blank"),
    }
    [person], [result] = rows(conn, "patient"), rows(conn, "observation")
    assert (person["phone"], person["occupation"], result["value"], result["unit"]) == (None, None, "Âm tính", None)


def test_a_blank_on_one_form_leaves_what_another_says(conn):
    load_letter(conn)
    load_lab(conn, [judged("patient.name", "", page_id="p2")])
    assert rows(conn, "patient")[0]["name"] == LETTER["patient.name"]


def test_a_value_of_a_page_that_the_guard_holds_waits_with_it(conn):
    values = [judged("diagnosis.main", "U vú", page_id="p2"), judged("treatment", "Hóa chất", page_id="p1")]
    emr.load_document(conn, validated(values, pages=("p1", "p2")), LETTER_TYPE, context(("p1",)))
    assert rows(conn, "condition") == []
    assert [page["treatment"] for page in rows(conn, "document_reference")] == ["Hóa chất"]


def test_a_result_without_an_accepted_test_or_value_is_not_loaded(conn):
    half = {"results[0].test": "Glucose", "results[0].unit": "mmol/L"}
    load_lab(conn, [judged(field, value, page_id="p2") for field, value in half.items()])
    assert rows(conn, "observation") == [] and rows(conn, "provenance") == []


def test_a_rejected_document_and_one_without_a_confirmed_page_are_refused(conn):
    with pytest.raises(SohoaError, match="rejected"):
        emr.load_document(conn, validated(LETTER, verdict=Verdict.REJECT), LETTER_TYPE, context())
    with pytest.raises(SohoaError, match="no confirmed page"):
        emr.load_document(conn, validated(LETTER), LETTER_TYPE, context(()))
    with pytest.raises(SohoaError, match="not of document"):
        emr.load_document(conn, validated(LETTER), LETTER_TYPE, context(("p9",)))
    assert not any(everything(conn).values())


def test_a_new_revision_replaces_what_the_earlier_one_wrote(conn):
    load_lab(conn)
    shorter = {field: value for field, value in LAB.items() if "[1]" not in field} | {"results[0].value": "6.1"}
    receipt = emr.load_document(conn, validated(shorter, "d2", ("p2",), revision=2), LAB_TYPE, context(("p2",)))
    assert [(o["test"], o["value"]) for o in rows(conn, "observation")] == [("Glucose", "6.1")]
    assert receipt.changed == 2 + 3  # observations, and the sources of their values
    assert [r["revision"] for r in rows(conn, "load_receipt")] == [1, 2]


def test_a_value_of_an_inherited_page_says_so_in_its_row(conn):
    pages = context(("p1", "p2"))
    second = pages.pages[1].model_copy(update={"identity_status": "inherited"})
    values = [judged("patient.name", "LÊ THỊ CÚC"), judged("treatment", "Cắt gan", page_id="p2")]
    shown = pages.model_copy(update={"pages": (pages.pages[0], second)})
    emr.load_document(conn, validated(values, pages=("p1", "p2")), LETTER_TYPE, shown)
    told = {p["field"]: p["identity_status"] for p in rows(conn, "provenance")}
    assert told == {"patient.name": "confirmed", "treatment": "inherited"}


def test_a_value_that_people_checked_says_so(conn):
    load_letter(conn, reviewers={"patient.name": ("an",), "diagnosis.main": ("an", "binh")})
    checked = {p["field"]: (p["checked"], p["reviewer"]) for p in rows(conn, "provenance")}
    assert checked["patient.name"] == ("one", "an")
    assert checked["diagnosis.main"] == ("two", "an, binh")
    assert checked["patient.id"] == ("machine", None)


SAID = "Ung thư vú trái giai đoạn IIA (T2N0M0)"


def said_in(text: str, field: str = "diagnosis.main") -> dict:
    """The context's share of a document whose text was taken apart."""
    return {"mentions": {field: extract_entities(text)}}


def test_what_an_accepted_text_says_stands_beside_it_with_its_place(conn):
    load_letter(conn, LETTER | {"diagnosis.main": SAID}, **said_in(SAID))
    told = rows(conn, "text_mention")
    assert [(m["label"], m["text"], m["laterality"]) for m in told] == [
        ("DIAGNOSIS", "Ung thư vú trái", "left"),
        ("STAGE", "giai đoạn IIA", ""),
        ("TNM", "T2N0M0", ""),
    ]
    values = {p["field"]: p["value"] for p in rows(conn, "provenance")}
    assert all(values[m["field"]][m["start_at"] : m["end_at"]] == m["text"] for m in told)
    assert told[2]["value"] == {"T": "2", "N": "0", "M": "0"}


def test_stage_and_tnm_of_the_main_diagnosis_have_columns_and_the_same_source(conn):
    load_letter(conn, LETTER | {"diagnosis.main": SAID}, **said_in(SAID), reviewers={"diagnosis.main": ("an",)})
    [condition] = rows(conn, "condition")
    assert (condition["stage"], condition["tnm"]) == ("IIA", "T2N0M0")
    source = {p["field"]: p for p in rows(conn, "provenance")}["diagnosis.main.tnm"]
    assert (source["target_column"], source["raw"], source["method"], source["checked"]) == (
        "tnm", "T2N0M0", "stated", "one",
    )  # fmt: skip


@pytest.mark.parametrize("text", ["Theo dõi ung thư vú giai đoạn II", "Giai đoạn I, giai đoạn II", "U vú"])
def test_a_stage_in_doubt_or_said_twice_has_no_column(conn, text):
    load_letter(conn, LETTER | {"diagnosis.main": text}, **said_in(text))
    [condition] = rows(conn, "condition")
    assert (condition["text"], condition["stage"]) == (text, None)


def test_a_text_that_was_corrected_says_only_what_it_says_now(conn):
    load_letter(conn, LETTER | {"diagnosis.main": SAID}, **said_in(SAID))
    load_letter(conn, LETTER | {"diagnosis.main": "U vú"}, **said_in("U vú"))
    assert [m["text"] for m in rows(conn, "text_mention")] == ["U vú"]
    assert "diagnosis.main.stage" not in {p["field"] for p in rows(conn, "provenance")}


def test_only_accepted_texts_are_taken_apart():
    held = [judged("diagnosis.main", SAID), judged("treatment", SAID, Verdict.REVIEW), judged("doctor", "BS. Võ An")]
    assert list(mentions_of(validated(held))) == ["diagnosis.main"]


def test_a_file_without_numbers_stands_under_provisional_keys(conn):
    key = provisional_key("DEMO", "f1")
    load_letter(conn, {"patient.name": "PHẠM QUỐC GIANG"}, patient_key=key, encounter_key=key)
    assert [(p["patient_id"], p["provisional"]) for p in rows(conn, "patient")] == [("DEMO|provisional|f1", True)]
    assert [(e["encounter_id"], e["provisional"]) for e in rows(conn, "encounter")] == [("DEMO|provisional|f1", True)]


def test_a_file_moves_to_its_numbers_when_they_become_known(conn):
    key = provisional_key("DEMO", "f1")
    load_letter(conn, {"patient.name": "PHẠM QUỐC GIANG", "diagnosis.main": "U vú"}, patient_key=key, encounter_key=key)
    load_lab(conn)
    assert [(p["patient_id"], p["name"]) for p in rows(conn, "patient")] == [(PATIENT, "PHẠM QUỐC GIANG")]
    assert [e["encounter_id"] for e in rows(conn, "encounter")] == [STAY]
    assert {page["encounter_id"] for page in rows(conn, "document_reference")} == {STAY}
    assert {p["target_id"] for p in rows(conn, "provenance") if p["target_table"] == "patient"} == {PATIENT}


def test_a_corrected_number_moves_the_whole_file(conn):
    load_letter(conn)
    load_lab(conn, patient_key="DEMO|14763266")
    assert [(p["patient_id"], p["name"]) for p in rows(conn, "patient")] == [("DEMO|14763266", "PHẠM QUỐC GIANG")]


def test_an_officer_can_move_a_provisional_patient(conn):
    key = provisional_key("DEMO", "f1")
    load_letter(conn, patient_key=key)
    emr.rekey(conn, "patient", key, PATIENT)
    [patient], [encounter] = rows(conn, "patient"), rows(conn, "encounter")
    assert (patient["patient_id"], patient["name"], patient["provisional"]) == (PATIENT, "PHẠM QUỐC GIANG", False)
    assert encounter["patient_id"] == PATIENT
    load_letter(conn)
    assert rows(conn, "patient") == [patient]


def other_file(conn: Connection, values: dict[str, str], **changes) -> emr.LoadReceipt:
    given = context(("p9",), **({"file_id": "f9", "batch_id": "b9"} | changes))
    return emr.load_document(conn, validated(values, "d9", ("p9",)), LETTER_TYPE, given)


def test_two_names_under_one_patient_number_stop_the_second_document_whole(conn):
    load_letter(conn)
    before = everything(conn)
    with pytest.raises(EmrConflict, match="two values of name") as error:
        other_file(conn, {**IDENTITY, "patient.name": "LÊ THỊ MAI"}, encounter_key="DEMO|19-1")
    assert everything(conn) == before
    assert "MAI" not in str(error.value) and "14763265" not in str(error.value)


def test_a_stay_of_another_patient_is_refused(conn):
    load_letter(conn)
    with pytest.raises(EmrConflict, match="another patient number"):
        other_file(conn, {"diagnosis.main": "U vú"}, patient_key="DEMO|99")


def test_a_year_of_birth_does_not_contradict_the_date(conn):
    load_letter(conn)
    other_file(conn, {"patient.birth_date": "1956"})
    assert rows(conn, "patient")[0]["birth_date"] == "1956-04-18"


def test_withdrawing_a_batch_takes_its_rows_back_out(conn):
    load_letter(conn)
    load_lab(conn)
    removed = emr.withdraw_batch(conn, "b1").removed
    assert not any(everything(conn).values())
    assert [removed[name] for name in ("patient", "encounter", "observation", "document_reference")] == [1, 1, 2, 2]
    assert emr.withdraw_batch(conn, "b1").removed["document_reference"] == 0


def test_withdrawing_a_batch_leaves_what_another_one_uses(conn):
    load_letter(conn, {**LETTER, "patient.phone": "0382906074"})
    other_file(conn, {"patient.name": "PHẠM QUỐC GIANG", "diagnosis.main": "U vú"}, encounter_key="DEMO|19-1")
    emr.withdraw_batch(conn, "b1")
    [patient] = rows(conn, "patient")
    assert (patient["name"], patient["phone"]) == ("PHẠM QUỐC GIANG", None)
    assert (patient["batch_id"], patient["document_id"]) == ("b9", "d9")
    assert [e["encounter_id"] for e in rows(conn, "encounter")] == ["DEMO|19-1"]
    assert [c["document_id"] for c in rows(conn, "condition")] == ["d9"]


def test_a_withdrawn_batch_can_be_loaded_again(conn):
    load_letter(conn)
    emr.withdraw_batch(conn, "b1")
    assert load_letter(conn).rows == {"document_reference": 1, "condition": 1, "provenance": 6}
    assert len(rows(conn, "load_receipt")) == 1


def test_a_page_that_was_put_into_another_document_stands_once(conn):
    load_letter(conn)
    emr.load_document(conn, validated(LETTER, "d1+2", ("p1", "p2")), LETTER_TYPE, context(("p1", "p2")))
    assert [page["document_id"] for page in rows(conn, "document_reference")] == ["d1+2", "d1+2"]
    assert [c["document_id"] for c in rows(conn, "condition")] == ["d1+2"]
    assert rows(conn, "patient")[0]["document_id"] == "d1+2"


def test_a_number_that_was_misread_with_a_bar_names_nobody():
    assert natural_key("DEMO", "f1", "1476|265") == natural_key("DEMO", "f1") == "DEMO|provisional|f1"
    assert natural_key("DEMO", "f1", "14763265") == PATIENT


def test_only_the_loader_may_write_the_emr(clean, settings):
    with database.engine(settings, "loader").begin() as loader:
        load_letter(loader)
        assert loader.execute(select(func.count()).select_from(tables.patient)).scalar() == 1
    for role in ("pipeline", "review", "reporting"):
        refused = pytest.raises(ProgrammingError, match="permission denied")
        with database.engine(settings, role).connect() as other, refused:
            other.execute(select(tables.patient.c.patient_id))


def test_a_vital_sign_becomes_an_observation_named_by_its_label(conn):
    values = {"vitals.pulse": "88", "vitals.blood_pressure": "130/80"}
    exam = document_types()["admission_exam"]
    emr.load_document(conn, validated(IDENTITY | values), exam, context())
    found = {o["test"]: (o["value"], o["unit"]) for o in rows(conn, "observation")}
    assert found == {"Mạch": ("88", "lần/phút"), "Huyết áp": ("130/80", "mmHg")}
    assert {p["field"] for p in rows(conn, "provenance")} == {*IDENTITY, *values}
