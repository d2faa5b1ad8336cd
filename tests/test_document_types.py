"""The YAML of the forms: what is wrong in one is refused by file and key, what ours say can be done, and a new one."""

import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from PIL import Image

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS.parent), str(TESTS), str(TESTS / "golden")]

import recording  # noqa: E402
from builders import HEIGHT, drawn, fields_on, sheet  # noqa: E402

from extractors import page as page_module  # noqa: E402
from extractors.documents import classify  # noqa: E402
from extractors.rows import fold  # noqa: E402
from loaders.targets import TARGETS  # noqa: E402
from pipeline.document_types import PAIRS, check_document_types, new_document_type  # noqa: E402
from pipeline.result import type_told  # noqa: E402
from pipeline.settings import REPOSITORY  # noqa: E402
from records import code_lists  # noqa: E402
from records.document_types import FOLDER, document_types, shared_groups  # noqa: E402
from records.documents import FieldReading  # noqa: E402
from records.errors import DocumentTypeError, SohoaError  # noqa: E402
from records.pages import PageBox  # noqa: E402
from reporting.forms import with_listing  # noqa: E402
from transformers.values import readings_to_values  # noqa: E402
from validation.checks import document_issues  # noqa: E402

TYPES = document_types()
FORM = {"id": "form", "title": {"vi": "Phiếu", "en": "Form"}, "use": ["patient"]}
NAME = {"name": "patient.name", "kind": "person_name", "labels": ["Họ tên"]}
SHARED = {"patient": [NAME], "boilerplate": ["BỘ Y TẾ"]}
every_type = pytest.mark.parametrize("kind", TYPES.values(), ids=list(TYPES))


@pytest.fixture
def loaded(tmp_path):
    """Loads a folder with one form, its YAML changed, and the shared groups."""

    def load(name="form", **changes):
        (tmp_path / "_shared.yaml").write_text(yaml.safe_dump(SHARED), encoding="utf-8")
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(FORM | changes), encoding="utf-8")
        return document_types(tmp_path)

    return load


# What is refused.


def test_a_form_that_is_right_is_loaded_with_its_shared_fields(loaded):
    form = loaded()["form"]
    assert form.field("patient.name").labels == ("Họ tên",)
    assert form.boilerplate == ("BỘ Y TẾ",)


def test_an_unknown_key_is_refused_with_its_file_and_key(loaded):
    with pytest.raises(DocumentTypeError, match=r"^form\.yaml: colour: "):
        loaded(colour="red")


def test_an_unknown_key_of_a_field_is_refused_with_its_place(loaded):
    with pytest.raises(DocumentTypeError, match=r"^form\.yaml: fields\.1\.label: "):
        loaded(fields=[{"name": "note", "kind": "text", "label": ["Ghi chú"]}])


def test_an_unknown_kind_is_refused_with_its_file_and_key(loaded):
    with pytest.raises(DocumentTypeError, match=r"^form\.yaml: fields\.1\.kind: .*person_name"):
        loaded(fields=[{"name": "note", "kind": "remark"}])


def test_a_missing_key_is_refused(loaded):
    with pytest.raises(DocumentTypeError, match=r"^form\.yaml: tables\.0\.row_key: "):
        loaded(tables=[{"name": "results", "style": "grid", "columns": []}])


def test_a_shared_group_that_does_not_exist_is_refused(loaded):
    with pytest.raises(DocumentTypeError, match=r"^form\.yaml: use: no group 'relatives' in _shared\.yaml$"):
        loaded(use=["patient", "relatives"])


def test_an_id_that_is_not_the_name_of_the_file_is_refused(loaded):
    with pytest.raises(DocumentTypeError, match=r"^letter\.yaml: id: 'form' must be the file's name$"):
        loaded(name="letter")


def test_a_file_that_is_no_yaml_is_refused(tmp_path):
    (tmp_path / "_shared.yaml").write_text("patient: []", encoding="utf-8")
    (tmp_path / "form.yaml").write_text("id: [form", encoding="utf-8")
    with pytest.raises(DocumentTypeError, match=r"^form\.yaml: cannot be read: "):
        document_types(tmp_path)


def test_a_folder_without_shared_groups_is_refused(tmp_path):
    with pytest.raises(DocumentTypeError, match=r"^_shared\.yaml: cannot be read: "):
        document_types(tmp_path)


def test_a_field_of_the_form_itself_takes_the_place_of_the_shared_one(loaded):
    form = loaded(fields=[{"name": "patient.name", "kind": "person_name", "labels": ["Name"]}])["form"]
    assert [f.labels for f in form.fields] == [("Name",)]


# What is refused at start, for it names what does not exist.


def refused(loaded, **changes):
    with pytest.raises(DocumentTypeError) as caught:
        check_document_types(loaded(**changes))
    return str(caught.value)


NOTE = {"name": "note", "kind": "text", "labels": ["Ghi chú"]}
COLUMN = {"name": "drug", "kind": "drug", "headings": ["Thuốc"]}
ROWS = {"name": "medications", "style": "grid", "row_key": "drug", "columns": [COLUMN]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"fields": [NOTE | {"emr": "Patient.shoe_size"}]}, "fields.1 (note).emr: 'Patient.shoe_size' is not a place"),
        ({"fields": [NOTE | {"checks": ["rhymes"]}]}, "fields.1 (note).checks: there is no check 'rhymes'"),
        ({"fields": [NOTE | {"checks": ["not_before day"]}]}, "checks: 'not_before day' compares with 'day', which"),
        ({"fields": [NOTE | {"lexicon": "spells"}]}, "fields.1 (note).lexicon: there is no list 'spells' in"),
        ({"tables": [ROWS | {"columns": [COLUMN | {"emr": "Drug.name"}]}]}, "columns.0 (drug).emr: 'Drug.name' is"),
        ({"tables": [ROWS | {"row_key": "price"}]}, "tables.0 (medications).row_key: 'price' is none of its columns"),
        ({"expectations": ["complete: note"]}, "expectations: 'complete: note' is not 'complete: FIELD or unique:"),
        ({"expectations": ["sorted: patient.name"]}, "expectations: 'sorted: patient.name' is not"),
    ],
)
def test_what_does_not_exist_is_refused_with_file_key_and_reason(loaded, change, said):
    message = refused(loaded, **change)
    assert message.startswith("form.yaml: ") and said in message


def test_two_forms_with_one_title_are_refused(loaded, tmp_path):
    loaded()
    for name, title in (("letter", "GIẤY MỜI"), ("notice", "Giấy mời")):
        own = FORM | {"id": name, "titles": [title]}
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    document_types.cache_clear()
    said = r"^notice\.yaml: titles: 'Giấy mời' is a title of letter\.yaml already$"
    with pytest.raises(DocumentTypeError, match=said):
        check_document_types(document_types(tmp_path))


# Ours.


def test_ours_pass_the_check_at_start():
    check_document_types(TYPES)


def test_the_forms_that_are_read_and_the_papers_that_are_only_indexed_are_there():
    indexed = {k for k, kind in TYPES.items() if kind.index_only}
    assert indexed >= {
        "anesthesia_sheet",
        "consent",
        "consultation",
        "cost_list",
        "film",
        "identity_card",
        "insurance_card",
        "nursing_sheet",
        "other",
        "treatment_sheet",
        "vital_signs_chart",
    }
    assert set(TYPES) - indexed == {
        "admission_exam",
        "chemotherapy_order",
        "outpatient_record",
        "discharge_letter",
        "imaging_report",
        "inpatient_cover",
        "lab_report",
        "pathology_report",
        "prescription",
        "record_summary",
        "surgery_report",
        "transfer_letter",
    }


def test_every_file_in_the_folder_is_a_form():
    assert {path.stem for path in FOLDER.glob("*.yaml")} == {"_shared", *TYPES}


def specs_of(kind):
    return [*kind.fields, *(c for t in kind.tables for c in t.columns)]


@every_type
def test_every_lexicon_is_a_list_that_is_not_empty(kind):
    assert all(code_lists.entries(s.lexicon) for s in specs_of(kind) if s.lexicon)


@every_type
def test_no_label_stands_for_two_fields_of_one_form(kind):
    fields = {}
    for spec in kind.fields:
        for label in spec.labels:
            assert fields.setdefault(fold(label), spec.name) == spec.name, label


@every_type
def test_no_heading_stands_for_two_columns_of_one_table(kind):
    for table in kind.tables:
        count = Counter(fold(h) for column in table.columns for h in {fold(h) for h in column.headings})
        assert not [h for h, n in count.items() if n > 1]


@every_type
def test_field_names_are_unique(kind):
    assert [n for n, count in Counter(f.name for f in kind.fields).items() if count > 1] == []


@every_type
def test_what_is_only_indexed_promises_no_checks_and_all_name_the_patient(kind):
    assert not (kind.index_only and kind.expectations)
    assert kind.field("patient.name") is not None or kind.id == "doubtful_separator"  # it is of no patient


@every_type
def test_every_fact_is_settled_in_the_shared_tables_of_the_file(kind):
    tables = {TARGETS[f.emr].table for f in kind.fields if f.fact and f.emr}
    assert tables <= {"patient", "encounter", "condition"}


@every_type
def test_editions_follow_each_other_without_a_gap_in_the_order_newest_first(kind):
    spans = [(e.since or "0000", e.until or "9999") for e in kind.editions]
    assert spans == sorted(spans, reverse=True)
    assert all(since <= until for since, until in spans)


def test_the_specification_of_a_row_field_is_that_of_its_column():
    lab = TYPES["lab_report"]
    assert lab.spec("results[12].value").kind == "number"
    assert lab.spec("patient.name").kind == "person_name"
    assert lab.spec("results[0].colour") is None is lab.spec("colour")


def test_a_boxed_number_is_read_only_where_the_field_itself_is_a_number():
    coded = {f.name for kind in TYPES.values() for f in kind.fields if f.boxes == "coded"}
    written = {f.kind for kind in TYPES.values() for f in kind.fields if f.boxes == "digits"}
    assert coded == {"patient.ethnicity", "patient.occupation"}
    assert written == {"personal_id", "insurance_card", "icd10"}


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("BỆNH ÁN UNG BƯỚU", "inpatient_cover"),
        ("BỆNH ÁN BỎNG", "inpatient_cover"),
        ("BỆNH ÁN NGOẠI TRÚ", "outpatient_record"),
        ("PHIẾU KHÁM BỆNH VÀO VIỆN", "admission_exam"),
    ],
)
@pytest.mark.parametrize("number", ["MS: 12/BV-01", "MS: 13/BV1"])
def test_the_number_of_a_form_says_nothing_about_its_type(title, number, kind):
    art = f"BỘ Y TẾ                    {number}\n\n          {title}\nHọ tên: LÊ THỊ CÚC"
    assert classify(sheet(art).rows, HEIGHT, TYPES).document_type == kind


@pytest.mark.parametrize(
    ("art", "kind"),
    [
        ("SỐ THẺ BẢO HIỂM Y TẾ: HS4010112345678\nGIẤY RA VIỆN", "discharge_letter"),
        ("SỐ CĂN CƯỚC CÔNG DÂN: 001086012345\nĐƠN THUỐC", "prescription"),
        ("BẢO HIỂM XÃ HỘI VIỆT NAM\nTHẺ BẢO HIỂM Y TẾ\nMã số: 0123456789", "insurance_card"),
        ("CĂN CƯỚC CÔNG DÂN\nCitizen Identity Card\nSố / No.: 001086012345", "identity_card"),
        ("GIẤY CAM KẾT CHẤP NHẬN PHẪU THUẬT, THỦ THUẬT VÀ GÂY MÊ HỒI SỨC", "consent"),
        ("TRÍCH BIÊN BẢN HỘI CHẨN PHẪU THUẬT", "consultation"),
        ("BẢNG KÊ CHI PHÍ ĐIỀU TRỊ NỘI TRÚ", "cost_list"),
        ("PHIẾU THEO DÕI CHỨC NĂNG SỐNG", "vital_signs_chart"),
        ("PHIẾU THEO DÕI ĐIỀU TRỊ", "treatment_sheet"),
        ("PHIẾU THEO DÕI VÀ CHĂM SÓC", "nursing_sheet"),
        ("PHIẾU THEO DÕI TRUYỀN DỊCH", "infusion_sheet"),
        ("PHIẾU TRUYỀN MÁU", "transfusion_sheet"),
        ("KHOA HUYẾT HỌC - TRUYỀN MÁU\nPHIẾU XÉT NGHIỆM HUYẾT HỌC", "lab_report"),
        ("PHIẾU CÔNG KHAI THUỐC", "other"),
        ("BẢNG KIỂM AN TOÀN PHẪU THUẬT", "surgical_safety_checklist"),
        ("PHIẾU ĐIỆN TIM", "ecg_report"),
        ("PHÒNG NỘI SOI\nPHIẾU NỘI SOI", "endoscopy_report"),
        ("PHIẾU PHẪU THUẬT NỘI SOI", "surgery_report"),
        ("PHÒNG NỘI SOI\nPHIẾU SIÊU ÂM", "imaging_report"),
    ],
)
def test_titles_of_one_paper_do_not_take_the_pages_of_another(art, kind):
    assert classify(sheet(art).rows, HEIGHT, TYPES).document_type == kind


def test_only_papers_without_an_agreed_name_are_told_under_another():
    told = {k for k, kind in TYPES.items() if kind.told_as}
    papers = {"ecg_report", "endoscopy_report", "infusion_sheet", "surgical_safety_checklist", "transfusion_sheet"}
    assert told == papers and {type_told(k) for k in papers} == {"other"}
    assert [type_told(k) for k in ("lab_report", "blank", "")] == ["lab_report", "blank", ""]


def test_a_photocopy_of_a_card_says_whose_it_is():
    read = fields_on(
        "CĂN CƯỚC CÔNG DÂN\nSố / No.: 001086012345\nHọ và tên / Full name:\nNGUYỄN VĂN AN\n"
        "Ngày sinh / Date of birth: 01/02/1986\nGiới tính / Sex: Nam   Quốc tịch / Nationality: Việt Nam",
        "identity_card",
    )
    assert read["patient.national_id"] == "001086012345"
    assert (read["patient.name"], read["patient.sex"]) == ("NGUYỄN VĂN AN", "Nam")


def test_the_page_of_documentation_is_up_to_date():
    page = (REPOSITORY / "docs" / "document-types.md").read_text(encoding="utf-8")
    assert page == with_listing(page, TYPES, shared_groups()), "Run `sohoa document-type list --write`."


def vital_sign_issues(**measures):
    box = PageBox(left=0, top=0, right=1, bottom=1)
    fields = {f"vitals.{name}": value for name, value in measures.items()}
    readings = [
        FieldReading(field=f, raw=v, confidence=0.9, page_id="p", box=box, engine="tesseract", method="label_right")
        for f, v in fields.items()
    ]
    exam = TYPES["admission_exam"]
    return {i.field for i in document_issues(readings_to_values(readings, exam), exam) if i.field in fields}


def test_a_vital_sign_that_lost_its_comma_or_order_is_doubted():
    assert vital_sign_issues(temperature="36,8 °C", pulse="88 lần/phút", blood_pressure="130/80 mmHg") == set()
    assert vital_sign_issues(temperature="368") == {"vitals.temperature"}
    for pressure in ("80/130", "130", "130/800"):
        assert vital_sign_issues(blood_pressure=pressure) == {"vitals.blood_pressure"}


# A new one.


def test_the_stubs_of_a_new_form_are_loaded_and_wait_for_their_page(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "document_types")
    form, truth = new_document_type("hearing_test", tmp_path)
    types = document_types(form.parent)
    check_document_types(types)
    assert types["hearing_test"].titles == ("HEARING TEST",)
    assert truth == tmp_path / PAIRS / "hearing_test.truth.json"
    assert json.loads(truth.read_text(encoding="utf-8"))[0]["document_type"] == "hearing_test"


@pytest.mark.parametrize("name", ["Hearing", "hearing-test", "../hearing", ""])
def test_a_name_that_cannot_name_a_form_is_refused(tmp_path, name):
    with pytest.raises(SohoaError, match="cannot name a form"):
        new_document_type(name, tmp_path)


def test_a_form_that_exists_is_not_written_over(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "document_types")
    with pytest.raises(SohoaError, match="exists already"):
        new_document_type("lab_report", tmp_path)


HEARING = {
    "id": "hearing_test",
    "title": {"vi": "Phiếu đo thính lực", "en": "Hearing test"},
    "titles": ["PHIẾU ĐO THÍNH LỰC"],
    "use": ["patient", "encounter"],
    "fields": [
        {"name": "hearing.left", "kind": "integer", "labels": ["Tai trái"]},
        {"name": "hearing.conclusion", "kind": "long_text", "labels": ["Kết luận"], "emr": "DocumentReference.note"},
    ],
}
HEARING_PAGE = (
    "BỆNH VIỆN MẪU SÔNG XANH",
    "PHIẾU ĐO THÍNH LỰC",
    "Họ và tên: NGUYỄN VĂN BÌNH",
    "Số vào viện: 21.004217",
    "Tai trái: 45 dB",
    "Kết luận: Nghe kém hai tai",
)
HEARING_TRUTH = {
    "patient.name": "NGUYỄN VĂN BÌNH",
    "encounter.number": "21.004217",
    "hearing.left": "45",
    "hearing.conclusion": "Nghe kém hai tai",
}


def test_a_new_form_is_one_yaml_and_one_golden_pair_and_no_code(tmp_path, monkeypatch):
    shutil.copytree(FOLDER, tmp_path / "document_types")
    form, truth = new_document_type("hearing_test", tmp_path)
    form.write_text(yaml.safe_dump(HEARING, allow_unicode=True), encoding="utf-8")
    [page] = json.loads(truth.read_text(encoding="utf-8"))
    page["fields"] = [{"name": n, "value": v} for n, v in HEARING_TRUTH.items()]
    truth.write_text(json.dumps([page], ensure_ascii=False), encoding="utf-8")
    Image.fromarray(drawn(HEARING_PAGE, size=(1240, 900), letters=34)).save(truth.parent / page["file"], dpi=(150, 150))
    types = document_types(form.parent)
    check_document_types(types)
    for module in (page_module, recording):
        monkeypatch.setattr(module, "document_types", lambda: types)
    monkeypatch.setattr(recording, "PAIRS", truth.parent)
    [case] = recording.golden_pairs()
    found = recording.outcome(recording.read_again(case))
    assert found["document_type"] == case.name == "hearing_test"
    assert {field: read["value"] for field, read in found["fields"].items()} == HEARING_TRUTH
    assert recording.score(case, found).misses == ()
