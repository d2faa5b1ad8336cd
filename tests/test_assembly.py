"""Stages 4-7 of one patient file: pages in, documents with verdicts out. Nothing here needs a database."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent)]

from builders import contract, page_reading  # noqa: E402

from pipeline.assembly import assemble_file, document_values  # noqa: E402
from pipeline.grouping import FilePage  # noqa: E402
from records.document_types import document_types  # noqa: E402
from records.documents import Verdict  # noqa: E402
from validation.contract import UNPROVEN  # noqa: E402

TYPES = document_types()
CUC = {"patient.name": "LÊ THỊ CÚC", "patient.id": "14003728"}
BINH = {"patient.name": "TRẦN VĂN BÌNH", "patient.id": "99118822"}


def file_pages(*pages, engine="tesseract"):
    """Pages '1', '2' ... of (document type, what was read) or (type, what was read, titled)."""
    given = []
    for i, (kind, read, *titled) in enumerate(pages, start=1):
        reading = page_reading(str(i), kind, read, titled=all(titled), engine=engine)
        given.append(FilePage(page_id=str(i), reading=reading))
    return given


def assembled(*pages, registry=None, **how):
    return assemble_file("file", file_pages(*pages, **how), TYPES, registry or {})


def verdicts(document):
    """field -> (verdict, rule)."""
    return {v.value.field: (v.verdict, v.rule) for v in document.values}


# Witnesses.


def test_a_critical_value_is_accepted_when_another_document_of_the_file_says_the_same():
    first, _ = assembled(("discharge_letter", CUC), ("lab_report", CUC)).documents
    assert verdicts(first)["patient.name"] == (Verdict.ACCEPT, "witness")
    assert {v.witness for v in first.values} == {"2"}


def test_a_critical_value_without_a_second_witness_goes_to_review():
    (only,) = assembled(("discharge_letter", CUC)).documents
    assert set(verdicts(only).values()) == {(Verdict.REVIEW, "no_witness")}


def test_the_registry_is_a_witness():
    (only,) = assembled(("lab_report", CUC), registry=CUC).documents
    assert set(verdicts(only).values()) == {(Verdict.ACCEPT, "witness")}
    assert {v.witness for v in only.values} == {"registry"}


def test_the_text_layer_of_a_born_digital_page_is_a_witness():
    (only,) = assembled(("lab_report", CUC), engine="text_layer").documents
    assert set(verdicts(only).values()) == {(Verdict.ACCEPT, "text_layer")}


@pytest.mark.parametrize(("measured", "verdict"), [(contract(), Verdict.ACCEPT), (UNPROVEN, Verdict.REVIEW)])
def test_before_accuracy_was_measured_no_confidence_is_enough(measured, verdict):
    (page,) = file_pages(("lab_report", {"patient.phone": "0912345678"}))
    (phone,) = (one.model_copy(update={"others": (one.raw,)}) for one in page.reading.readings)
    twice = page.model_copy(update={"reading": page.reading.model_copy(update={"readings": (phone,)})})
    (only,) = assemble_file("file", [twice], TYPES, {}, contract=measured).documents
    assert verdicts(only)["patient.phone"][0] is verdict


def test_two_pages_of_one_document_are_no_two_witnesses():
    found = assembled(("lab_report", CUC), ("lab_report", CUC, False))
    (only,) = found.documents
    assert only.document.page_ids == ("1", "2")
    assert set(verdicts(only).values()) == {(Verdict.REVIEW, "no_witness")}


def test_the_witness_of_another_value_sends_both_to_review():
    stay = {"encounter.number": "19.005521"}
    slip = CUC | {"patient.id": "14003729"}
    first, second = assembled(("lab_report", CUC | stay), ("prescription", slip | stay)).documents
    assert {verdicts(d)["patient.id"] for d in (first, second)} == {(Verdict.REVIEW, "check:witness_disagrees")}
    assert verdicts(first)["patient.name"] == (Verdict.ACCEPT, "witness")


def test_one_misreading_among_many_pages_contradicts_nothing():
    slip = CUC | {"patient.id": "14003729"}
    kinds = ("lab_report", "prescription", "imaging_report")
    found = assembled(*((kind, CUC) for kind in kinds), ("surgery_report", slip)).documents
    assert [verdicts(document)["patient.id"] for document in found] == [
        (Verdict.ACCEPT, "witness"),
        (Verdict.EVIDENCE, "evidence"),
        (Verdict.EVIDENCE, "evidence"),
        (Verdict.REVIEW, "check:differs_from_file"),
    ]


def test_only_facts_of_the_file_witness_each_other():
    read = CUC | {"specimen.id": "M123", "report.issued_at": "10:00 12/03/2019"}
    first, second = assembled(("lab_report", read), ("pathology_report", read)).documents
    assert "witness" not in {rule for f, (_, rule) in verdicts(first).items() if f not in CUC}
    assert "evidence" not in {rule for f, (_, rule) in verdicts(second).items() if f not in CUC}


def test_a_reading_that_could_not_be_parsed_is_no_witness():
    day = "patient.birth_date"
    first, _ = assembled(("lab_report", CUC | {day: "01/09/1960"}), ("prescription", CUC | {day: "bảy"})).documents
    assert verdicts(first)[day] == (Verdict.REVIEW, "no_witness")


# Repeats.


def test_a_repeat_of_an_accepted_fact_is_evidence():
    _, second = assembled(("lab_report", CUC), ("prescription", CUC)).documents
    assert set(verdicts(second).values()) == {(Verdict.EVIDENCE, "evidence")}


def test_a_fact_is_settled_only_by_a_page_that_told_it_earlier():
    first, second, third = assembled(
        ("lab_report", {"patient.id": CUC["patient.id"]}), ("prescription", CUC), ("surgery_report", CUC)
    ).documents
    assert verdicts(first)["patient.id"][0] is Verdict.ACCEPT
    assert verdicts(second) == {
        "patient.name": (Verdict.ACCEPT, "witness"),
        "patient.id": (Verdict.EVIDENCE, "evidence"),
    }
    assert verdicts(third)["patient.name"] == (Verdict.EVIDENCE, "evidence")


def test_a_fact_in_review_settles_nothing():
    found = assembled(("lab_report", {"patient.id": "14003728"}), ("prescription", {"patient.name": "LÊ THỊ CÚC"}))
    assert found.facts == {}
    assert {v.verdict for d in found.documents for v in d.values} == {Verdict.REVIEW}


def test_the_facts_of_a_file_are_what_two_witnesses_agree_on_and_the_numbers_of_the_registry():
    assert assembled(("lab_report", CUC), ("prescription", CUC)).facts == CUC
    listed = {"patient.id": "14003728", "encounter.number": "2019/5521", "patient.sex": "female"}
    assert assembled(("lab_report", {}), registry=listed).facts == {
        "patient.id": "14003728",
        "encounter.number": "2019/5521",
    }


# Pages of another patient.


def test_a_page_of_another_patient_holds_the_file_and_says_so():
    found = assembled(("discharge_letter", CUC), ("lab_report", CUC), ("prescription", BINH))
    assert found.held
    assert {page: str(state) for page, state in found.identity.items()} == {
        "1": "confirmed",
        "2": "confirmed",
        "3": "conflict",
    }
    assert [i.check for i in found.page_issues["3"]] == ["foreign_patient"]
    assert not {"1", "2"} & set(found.page_issues)


def test_the_officer_is_told_what_the_page_says_and_what_the_file_says():
    found = assembled(("discharge_letter", CUC), ("lab_report", CUC), ("prescription", BINH))
    assert found.page_issues["3"][0].message == (
        "Trang này dường như của người bệnh khác: "
        "trang ghi họ tên “TRẦN VĂN BÌNH”, mã người bệnh “99118822”; "
        "hồ sơ ghi họ tên “LÊ THỊ CÚC”, mã người bệnh “14003728”. "
        "Hãy so với ảnh trang và bìa hồ sơ rồi chuyển trang hoặc xác nhận."
    )


def test_a_relatives_identity_card_waits_for_an_officer_and_holds_no_file():
    card = {"patient.name": "TRẦN VĂN BÌNH", "patient.national_id": "001088012345"}
    found = assembled(("discharge_letter", CUC), ("identity_card", card), ("lab_report", CUC))
    assert not found.held
    assert [str(found.identity[page]) for page in "123"] == ["confirmed", "unknown", "confirmed"]
    assert [i.check for i in found.page_issues["2"]] == ["no_identity"]
    assert set(found.page_issues) == {"2"}
    assert found.page_issues["2"][0].message.startswith(
        "Chưa chắc trang này thuộc hồ sơ: trang ghi họ tên “TRẦN VĂN BÌNH”, số định danh “001088012345”; "
        "hồ sơ ghi họ tên “LÊ THỊ CÚC”. "
    )
    alone = assembled(("identity_card", card))
    assert "hồ sơ chưa ghi." in alone.page_issues["1"][0].message


def test_both_sides_are_told_of_a_page_in_doubt_too():
    twin = {"patient.name": "LÊ THỊ CỤC"}
    found = assembled(("discharge_letter", CUC), ("lab_report", CUC), ("prescription", twin))
    (issue,) = found.page_issues["3"]
    assert (issue.check, found.held) == ("no_identity", False)
    assert "trang ghi họ tên “LÊ THỊ CỤC”; hồ sơ ghi họ tên “LÊ THỊ CÚC”" in issue.message


def test_a_birth_date_that_agrees_is_told_on_both_sides_and_is_not_enough():
    found = assembled(("discharge_letter", {"patient.birth_date": "01/09/1960"}))
    assert "trang ghi ngày sinh “01/09/1960”; hồ sơ ghi ngày sinh “01/09/1960”" in found.page_issues["1"][0].message


def test_pages_in_doubt_bear_no_witness_and_settle_no_fact():
    twin = {"patient.name": "LÊ THỊ CỤC", "patient.id": "14003729", "patient.phone": "0912345678"}
    found = assembled(
        ("discharge_letter", twin), ("lab_report", CUC), ("prescription", twin), ("surgery_report", CUC), registry=CUC
    )
    assert [str(state) for state in found.identity.values()] == ["unknown", "confirmed", "unknown", "confirmed"]
    assert verdicts(found.documents[0])["patient.phone"][1] != "witness"
    assert found.facts == CUC


def test_a_twin_s_name_that_no_list_knows_is_not_drawn_to_the_patient_s():
    thoa = {"patient.name": "LÊ THỊ THOA"}
    found = assembled(
        ("discharge_letter", thoa), ("lab_report", thoa), ("prescription", {"patient.name": "LÊ THỊ THÒA"})
    )
    assert str(found.identity["3"]) == "unknown"


@pytest.mark.parametrize("read", [{}, {"patient.name": "CÚC"}], ids=["nothing read", "nothing that can be parsed"])
def test_a_form_that_should_say_whose_it_is_and_does_not_is_never_inherited(read):
    found = assembled(("discharge_letter", CUC), ("lab_report", CUC), ("prescription", read))
    assert str(found.identity["3"]) == "unknown"


def test_a_page_without_title_and_name_behind_a_page_of_the_file_is_inherited():
    found = assembled(("discharge_letter", CUC), ("lab_report", CUC), ("lab_report", {}, False))
    assert str(found.identity["3"]) == "inherited"


def test_pages_behind_one_that_an_officer_has_placed_are_inherited():
    pages = file_pages(("discharge_letter", CUC), ("prescription", {}), ("other", {}, False))
    states = [assemble_file("file", pages, TYPES, {}, ruled=ruled).identity for ruled in ((), ("2",))]
    assert [[str(state) for state in found.values()] for found in states] == [
        ["confirmed", "unknown", "unknown"],
        ["confirmed", "confirmed", "inherited"],
    ]


def test_nothing_of_a_foreign_page_is_accepted():
    read = BINH | {"patient.ethnicity": "Kinh"}
    found = assembled(("discharge_letter", CUC), ("lab_report", CUC), ("prescription", read), engine="text_layer")
    foreign = found.documents[2]
    assert {v.verdict for v in foreign.values} == {Verdict.REVIEW} == {foreign.verdict}
    assert verdicts(foreign)["patient.ethnicity"] == (Verdict.REVIEW, "check:foreign_patient")


def test_the_values_of_a_foreign_page_never_witness():
    phone = {"patient.phone": "0912345678", "patient.insurance_number": "GD4013001234567"}
    found = assembled(
        ("discharge_letter", CUC | phone), ("lab_report", CUC), ("prescription", BINH | phone), ("surgery_report", CUC)
    )
    assert verdicts(found.documents[0])["patient.insurance_number"] == (Verdict.REVIEW, "no_witness")
    assert set(phone) & set(found.facts) <= {"patient.phone"}


def test_the_facts_of_a_file_are_not_those_of_its_foreign_page():
    found = assembled(("discharge_letter", BINH), ("lab_report", CUC), ("prescription", CUC))
    assert str(found.identity["1"]) == "conflict"
    assert found.facts == CUC


@pytest.mark.parametrize("kind", ["other", "lab_report"])
def test_a_foreign_page_without_a_title_is_found_though_it_seems_to_go_on_from_the_last(kind):
    found = assembled(("discharge_letter", CUC), ("lab_report", CUC), (kind, BINH, False))
    assert found.held and str(found.identity["3"]) == "conflict"


def test_nothing_is_accepted_from_a_foreign_page_inside_a_document_of_ours():
    named = {"encounter.number": "2019/5521"}
    foreign = {"patient.id": "99118822", "patient.name": "TRẦN VĂN BÌNH", "patient.ethnicity": "Kinh"}
    found = assembled(
        ("discharge_letter", CUC | named), ("lab_report", named), ("lab_report", foreign, False), engine="text_layer"
    )
    assert str(found.identity["3"]) == "conflict"
    accepted = {v.value.reading.page_id for d in found.documents for v in d.values if v.verdict is Verdict.ACCEPT}
    assert "3" not in accepted


def test_a_page_that_tells_nothing_at_the_start_waits_for_a_person():
    found = assembled(("other", {}), ("lab_report", CUC), ("prescription", CUC))
    assert not found.held
    assert [i.check for i in found.page_issues["1"]] == ["no_identity"]
    assert list(found.page_issues) == ["1"]


# Documents of several pages.


def rows_of(*pages):
    values = document_values(file_pages(*pages), TYPES)
    return {v.field: v.reading.raw for v in values}


def test_the_rows_of_later_pages_are_numbered_on():
    assert rows_of(
        ("lab_report", {"results[0].test": "WBC", "results[0].value": "5,1", "results[1].test": "RBC"}),
        ("lab_report", {"results[0].test": "HGB", "results[0].value": "130"}, False),
        ("lab_report", {"results[0].test": "PLT"}, False),
    ) == {
        "results[0].test": "WBC",
        "results[0].value": "5,1",
        "results[1].test": "RBC",
        "results[2].test": "HGB",
        "results[2].value": "130",
        "results[3].test": "PLT",
    }


def test_a_field_is_taken_from_the_page_on_which_it_stands_first():
    assert rows_of(("lab_report", CUC), ("lab_report", BINH | {"patient.phone": "0912345678"}, False)) == CUC | {
        "patient.phone": "0912345678"
    }


def test_a_value_keeps_the_page_on_which_it_was_read():
    pages = file_pages(("lab_report", CUC), ("lab_report", {"results[0].test": "WBC"}, False))
    assert {v.field: v.reading.page_id for v in document_values(pages, TYPES)} == {
        "patient.name": "1",
        "patient.id": "1",
        "results[0].test": "2",
    }


def test_a_continuation_page_that_looked_like_other_paper_is_read_by_the_document_it_belongs_to():
    found = assembled(("lab_report", CUC), ("other", {"patient.phone": "0912345678"}, False))
    (only,) = found.documents
    assert only.document.document_type == "lab_report"
    assert "patient.phone" in verdicts(only)


def test_a_document_is_known_by_its_pages():
    one, again = (assembled(("lab_report", CUC)).documents[0].document for _ in range(2))
    longer = assembled(("lab_report", CUC), ("lab_report", {}, False)).documents[0].document
    assert one == again and one.document_id != longer.document_id
    assert one.file_id == "file"


def test_a_file_without_pages_has_no_documents():
    found = assembled()
    assert (found.documents, found.identity, found.facts, found.held) == ((), {}, {}, False)
