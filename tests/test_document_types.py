"""The YAML of the forms: what is wrong in one is refused by file and key, and what ours say can be done."""

from collections import Counter

import pytest
import yaml

from extractors.rows import fold
from loaders.targets import TARGETS
from records import code_lists
from records.document_types import FOLDER, document_types
from records.errors import DocumentTypeError
from transformers.parsers import PARSERS
from validation.checks import CHECKS

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


# Ours.


def test_the_nine_forms_and_the_papers_that_are_only_indexed_are_there():
    indexed = {k for k, kind in TYPES.items() if kind.index_only}
    assert indexed == {"consent", "film", "nursing_sheet", "other", "treatment_sheet"}
    assert set(TYPES) - indexed == {
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
def test_every_emr_target_exists(kind):
    assert {s.emr for s in specs_of(kind)} - {""} <= set(TARGETS)


@every_type
def test_every_check_exists_and_what_it_compares_with_is_on_the_form(kind):
    named = [check.split() for spec in kind.fields for check in spec.checks]
    assert {words[0] for words in named} <= set(CHECKS)
    assert {field for words in named for field in words[1:]} <= {f.name for f in kind.fields}


@every_type
def test_every_kind_has_a_parser(kind):
    assert {s.kind for s in specs_of(kind)} <= set(PARSERS)


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
def test_the_key_of_every_table_is_one_of_its_columns(kind):
    assert all(t.row_key in {c.name for c in t.columns} for t in kind.tables)


@every_type
def test_field_names_are_unique(kind):
    assert [n for n, count in Counter(f.name for f in kind.fields).items() if count > 1] == []


@every_type
def test_expectations_name_fields_of_the_form(kind):
    assert {e.partition(": ")[2] for e in kind.expectations} <= {f.name for f in kind.fields}


@every_type
def test_what_is_only_indexed_promises_no_checks_and_what_is_not_names_the_patient(kind):
    assert not (kind.index_only and kind.expectations)
    assert kind.field("patient.name") is not None


@every_type
def test_every_fact_is_settled_in_the_shared_tables_of_the_file(kind):
    tables = {TARGETS[f.emr].table for f in kind.fields if f.fact and f.emr}
    assert tables <= {"patient", "encounter", "condition"}


def test_titles_are_unique_across_forms():
    owners = {}
    for kind in TYPES.values():
        for title in kind.titles:
            assert owners.setdefault(fold(title), kind.id) == kind.id, title


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
