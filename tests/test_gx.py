"""Stage 7: the suites of a whole batch, generated from the document types."""

import pandas as pd
import pytest

from records.document_types import DocumentType, document_types
from records.errors import DocumentTypeError, SohoaError
from validation.gx import COLUMNS, check_batch
from validation.suites import form_suite, row_suite


def batch(count=6, **changed):
    rows = []
    for n in range(count):
        told = {
            "patient.name": "NGUYỄN HỮU SƠN",
            "patient.sex": "male",
            "encounter.number": f"14/6298{n}",
            "encounter.admitted_at": "2014-02-13T14:45",
            "encounter.discharged_at": "2014-03-01T11:45",
            **{k.replace("__", "."): v for k, v in changed.items()},
        }
        rows += [(f"d{n}", "inpatient_cover", f, v, "accept") for f, v in told.items() if v is not None]
    return pd.DataFrame(rows, columns=COLUMNS)


def failed(frame):
    report = check_batch(frame, document_types())
    assert report.success == (not report.failed)
    return {(f.rule, f.field) for f in report.failed}


def test_a_sound_batch_passes():
    assert failed(batch()) == set()


def test_one_number_on_two_covers_holds_the_batch():
    assert failed(batch(encounter__number="14/62980")) == {("unique", "encounter.number")}


def test_what_is_blank_on_paper_is_no_value_that_could_be_wrong_or_double():
    assert failed(batch(encounter__number="", patient__sex="")) == {("complete", "encounter.number")}


def test_an_accepted_discharge_before_admission_holds_the_batch():
    assert failed(batch(encounter__discharged_at="2014-02-01T00:00")) == {("not_before", "encounter.discharged_at")}


def test_an_accepted_value_out_of_its_form_or_set_holds_the_batch():
    held = failed(batch(patient__sex="Nam", encounter__admitted_at="13/02/2014"))
    assert {("value_set", "patient.sex"), ("form", "encounter.admitted_at")} <= held


def test_what_waits_in_review_is_not_judged_for_its_form():
    frame = batch()
    frame.loc[frame.field == "patient.sex", ["value", "verdict"]] = ["Nam?", "review"]
    assert failed(frame) == set()


def test_a_few_unread_names_do_not_hold_a_batch_but_most_do():
    frame = batch()
    names = frame.index[frame.field == "patient.name"]
    assert failed(frame.drop(names[:3])) == set()
    assert failed(frame.drop(names[:4])) == {("complete", "patient.name")}
    assert failed(frame.drop(names)) == {("complete", "patient.name")}


def test_a_small_batch_is_not_asked_for_completeness():
    assert failed(batch(count=2, patient__name=None)) == set()


def test_cells_of_tables_are_judged_row_by_row():
    cells = [("d", "lab_report", f"results[{n}].value", value, "accept") for n, value in enumerate(["4.69", "1,2"])]
    assert failed(pd.DataFrame(cells, columns=COLUMNS)) == {("form", "results.value")}


def test_a_report_holds_no_values():
    report = check_batch(batch(patient__sex="Nam", encounter__number="14/62980"), document_types())
    assert "14/62980" not in report.model_dump_json()
    assert "Nam" not in report.model_dump_json()


def test_a_type_without_yaml_is_an_error():
    frame = pd.DataFrame([("d", "poem", "", "", "")], columns=COLUMNS)
    with pytest.raises(SohoaError, match="poem"):
        check_batch(frame, document_types())


def test_every_document_type_makes_its_suites():
    for document_type in document_types().values():
        for suite in (form_suite(document_type), row_suite(document_type)):
            assert len({(one.rule, one.field) for one in suite}) == len(suite)
        assert bool(row_suite(document_type)) <= bool(document_type.tables)


def test_an_expectation_that_nobody_knows_is_refused():
    base = document_types()["inpatient_cover"].model_dump()
    odd = DocumentType.model_validate(base | {"expectations": ("shiny: patient.name",)})
    with pytest.raises(DocumentTypeError, match="shiny"):
        form_suite(odd)
