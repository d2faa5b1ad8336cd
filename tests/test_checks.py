"""Stage 7: rules find what cannot be true and say it to the officer."""

import pytest

from records.code_lists import codes, codes_on, entries, icd10_codes, rows
from records.document_types import DocumentType, FieldSpec, Names, document_types
from records.documents import FieldReading, FieldValue
from records.errors import DocumentTypeError, SohoaError
from records.pages import PageBox
from validation.checks import CHECKS, document_issues

FORM = DocumentType(
    id="form",
    title=Names(vi="Phiếu", en="Form"),
    fields=(
        FieldSpec(name="patient.name", kind="person_name", labels=("Họ tên",), required=True),
        FieldSpec(name="patient.birth_date", kind="birth_date"),
        FieldSpec(name="patient.age", kind="age", checks=("age_matches_birth_date",)),
        FieldSpec(name="patient.sex", kind="sex"),
        FieldSpec(
            name="patient.national_id",
            kind="personal_id",
            checks=("personal_id_matches_sex", "personal_id_matches_birth_year"),
        ),
        FieldSpec(name="patient.insurance_number", kind="insurance_card"),
        FieldSpec(name="encounter.admitted_at", kind="moment"),
        FieldSpec(name="encounter.discharged_at", kind="moment", checks=("not_before encounter.admitted_at",)),
        FieldSpec(name="encounter.days", kind="integer", checks=("days_match_stay",)),
        FieldSpec(name="diagnosis.main.code", kind="icd10"),
        FieldSpec(name="encounter.number", kind="identifier"),
        FieldSpec(name="patient.ethnicity", kind="ethnicity"),
        FieldSpec(name="results.unit", kind="unit"),
    ),
)
SOUND = {
    "patient.name": "NGUYỄN HỮU SƠN",
    "patient.birth_date": "1986-09-01",
    "patient.age": "28",
    "patient.sex": "male",
    "patient.national_id": "022086719900",
    "patient.insurance_number": "DN4224116039900",
    "encounter.admitted_at": "2014-02-13T14:45",
    "encounter.discharged_at": "2014-03-01T11:45",
    "encounter.days": "17",
    "diagnosis.main.code": "C18.7",
}


def values(**changed):
    told = SOUND | {k.replace("__", "."): v for k, v in changed.items()}
    box = PageBox(left=0, top=0, right=1, bottom=1)
    return [
        FieldValue(
            reading=FieldReading(
                field=f, raw=v, confidence=0.9, page_id="p", box=box, engine="tesseract", method="label"
            ),
            kind=FORM.field(f).kind,
            value=v,
        )
        for f, v in told.items()
        if v is not None
    ]


def found(icd10_path=None, **changed):
    return {(i.check, i.field) for i in document_issues(values(**changed), FORM, icd10_path)}


def test_a_sound_document_has_no_issues():
    assert found() == set()


def test_a_discharge_before_admission_is_found_at_both_dates():
    issues = found(encounter__discharged_at="2014-02-10T11:45", encounter__days=None)
    assert issues == {("not_before", "encounter.discharged_at"), ("not_before", "encounter.admitted_at")}


def test_a_discharge_on_the_day_of_admission_is_judged_at_the_precision_both_have():
    assert found(encounter__discharged_at="2014-02-13", encounter__days=None) == set()


def test_days_of_stay_may_count_the_first_day_or_not():
    assert found(encounter__days="16") == set()
    assert ("days_match_stay", "encounter.days") in found(encounter__days="71")


def test_an_age_two_years_off_the_birth_date_is_found():
    assert found(patient__age="29") == set()
    assert ("age_matches_birth_date", "patient.birth_date") in found(patient__age="82")


def test_a_personal_id_of_the_other_sex_is_found():
    assert ("personal_id_matches_sex", "patient.national_id") in found(patient__sex="female")


def test_a_personal_id_of_another_year_is_found():
    assert ("personal_id_matches_birth_year", "patient.national_id") in found(patient__national_id="022085719900")


@pytest.mark.parametrize("unit", ["pmol/L", "pg/mL"])
def test_a_unit_that_may_have_lost_its_micro_is_in_doubt(unit):
    assert found(results__unit=unit) == {("micro_or_pico", "results.unit")}


@pytest.mark.parametrize("unit", ["µmol/L", "mmol/L", "pg", "phút", "g/L", "%"])
def test_a_unit_that_cannot_be_micro_is_sound(unit):
    assert found(results__unit=unit) == set()


def test_an_id_province_that_does_not_exist_is_found():
    assert ("personal_id_province", "patient.national_id") in found(patient__national_id="003086719900")


def test_an_old_nine_digit_id_is_not_asked_for_a_province():
    assert found(patient__national_id="012345678") == set()


@pytest.mark.parametrize("card", ["ZZ4224116039900", "DN4034116039900", "DN9224116039900"])
def test_a_card_of_an_unknown_group_province_or_benefit_is_found(card):
    assert ("card_form", "patient.insurance_number") in found(patient__insurance_number=card)


@pytest.mark.parametrize("number", ["1ó", "Mà BN", "AB"])
def test_a_number_with_other_letters_or_without_a_digit_is_found(number):
    assert found(**{"encounter.number": number}) == {("identifier_letters", "encounter.number")}


def test_an_ethnic_group_outside_the_54_is_found():
    assert found(**{"patient.ethnicity": "Tàu"}) == {("ethnic_group_listed", "patient.ethnicity")}
    assert found(**{"patient.ethnicity": "Tày"}) == set()


def test_a_ten_digit_card_is_sound():
    assert found(patient__insurance_number="4116039900") == set()


def test_a_name_with_a_foreign_cluster_is_found():
    assert ("name_letters", "patient.name") in found(patient__name="NGUYỄN WJSƠNXXXX")


def test_without_the_loaded_list_only_the_grammar_of_a_code_is_checked():
    assert found(diagnosis__main__code="C99.9") == set()
    assert ("code_listed", "diagnosis.main.code") in found(diagnosis__main__code="C1")


def test_with_the_loaded_list_a_code_outside_it_is_found(tmp_path):
    path = tmp_path / "icd10.csv"
    path.write_text("code,name_en,name_vi,category_ref\nC18.7,,,\n", encoding="utf-8")
    assert found(path) == set()
    assert ("code_listed", "diagnosis.main.code") in found(path, diagnosis__main__code="C99.9")
    assert "C50.9" in icd10_codes(path)


def test_a_required_field_that_was_not_read_is_found():
    assert found(patient__name=None) == {("required", "patient.name")}


def test_an_unknown_check_names_the_yaml_and_the_field():
    form = FORM.model_copy(update={"fields": (FieldSpec(name="patient.name", kind="person_name", checks=("shiny",)),)})
    with pytest.raises(DocumentTypeError, match="form.yaml: patient.name"):
        document_issues(values(), form)


def test_every_check_named_in_the_document_types_exists():
    named = {check.split()[0] for t in document_types().values() for f in t.fields for check in f.checks}
    assert named <= set(CHECKS)


def test_every_lexicon_named_in_the_document_types_exists():
    for document_type in document_types().values():
        columns = [c for t in document_type.tables for c in t.columns]
        for spec in (*document_type.fields, *columns):
            assert not spec.lexicon or entries(spec.lexicon)


def test_code_lists_are_complete_and_dated():
    assert len([r for r in rows("ethnic_groups") if r["code"] <= "54"]) >= 54
    assert len(codes("provinces")) == 63
    assert len({r["successor"] or r["name"] for r in rows("provinces") if not r["valid_from"]}) == 34
    assert "02" in codes_on("provinces", "2024-06-30")
    assert "02" not in codes_on("provinces", "2025-07-01")
    with pytest.raises(SohoaError, match="no_such_list"):
        rows("no_such_list")


def cells(**read):
    box = PageBox(left=0, top=0, right=1, bottom=1)
    how = {"confidence": 0.9, "page_id": "p", "box": box, "engine": "e", "method": "table"}
    names = {field.replace("__", "."): raw for field, raw in read.items()}
    return [
        FieldValue(reading=FieldReading(field=f"results[{f}", raw=v, **how), kind="text", value=v)
        for f, v in names.items()
    ]


def test_all_cells_of_a_row_without_its_name_wait_for_a_person():
    read = cells(**{"0].test": "WBC", "0].value": "12.5", "1].value": "4.51", "1].unit": "T/L"})
    issues = document_issues(read, document_types()["lab_report"])
    nameless = [i.field for i in issues if i.check == "row_without_name"]
    assert nameless == ["results[1].test", "results[1].unit", "results[1].value"], "and its name is asked for"
