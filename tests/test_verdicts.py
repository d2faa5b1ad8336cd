"""Stage 7: who may pass without a person, and why."""

import pytest

from records.document_types import DocumentType, FieldSpec, Names
from records.documents import Document, FieldReading, FieldValue, Verdict
from records.pages import PageBox, Writing
from validation.confidence import along, estimated
from validation.verdicts import agree, validate

FORM = DocumentType(
    id="form",
    title=Names(vi="Phiếu", en="Form"),
    fields=(
        FieldSpec(name="patient.name", kind="person_name", required=True, critical=True, fact=True),
        FieldSpec(name="patient.insurance_number", kind="insurance_card", critical=True, fact=True),
        FieldSpec(name="patient.ethnicity", kind="ethnicity", fact=True),
        FieldSpec(name="note", kind="text"),
        FieldSpec(name="encounter.days", kind="integer"),
    ),
)
DOCUMENT = Document(document_id="d", file_id="f", document_type="form", edition="", page_ids=("p",))
NAME = "NGUYỄN HỮU SƠN"


def value(
    field, text, confidence=0.9, engine="tesseract 5.3", others=(), agreed=0, problem="", writing=Writing.PRINTED
):
    box = PageBox(left=0, top=0, right=1, bottom=1)
    reading = FieldReading(
        field=field, raw=text, confidence=confidence, page_id="p", box=box, engine=engine, method="label",
        others=others, writing=writing,
    )  # fmt: skip
    return FieldValue(reading=reading, kind=FORM.field(field).kind, value=text, problem=problem, agreed=agreed)


def judged(*values, witnesses=None, **more):
    whole = validate(DOCUMENT, values, FORM, witnesses or {}, **more)
    return whole, {j.value.field: (str(j.verdict), j.rule) for j in whole.values}


def test_a_critical_value_without_a_witness_goes_to_review_however_sure_the_engine_is():
    _, by_field = judged(value("patient.name", NAME, 1.0, others=(NAME, NAME), agreed=2))
    assert by_field["patient.name"] == ("review", "no_witness")


def test_a_critical_value_with_a_witness_is_accepted_and_names_it():
    whole, by_field = judged(value("patient.name", NAME, 0.6), witnesses={"patient.name": [(NAME, "registry")]})
    assert by_field["patient.name"] == ("accept", "witness")
    assert whole.values[0].witness == "registry"
    assert whole.verdict is Verdict.ACCEPT


def test_the_text_layer_of_a_born_digital_page_is_a_witness():
    _, by_field = judged(value("patient.name", NAME, 1.0, engine="text_layer"))
    assert by_field["patient.name"] == ("accept", "text_layer")


def test_a_witness_that_disagrees_is_an_issue_and_sends_the_value_to_review():
    seen = {"patient.name": [(NAME, "page 2"), ("NGUYỄN HỮU SÂN", "registry")]}
    whole, by_field = judged(value("patient.name", NAME), witnesses=seen)
    assert by_field["patient.name"] == ("review", "check:witness_disagrees")
    assert [i.check for i in whole.issues] == ["witness_disagrees"]
    assert NAME not in whole.issues[0].message


def test_a_repeat_of_a_settled_fact_is_evidence_and_a_different_one_an_issue():
    _, same = judged(value("patient.name", NAME), settled={"patient.name": NAME})
    whole, other = judged(value("patient.name", "TRẦN THỊ LAN"), settled={"patient.name": NAME})
    assert same["patient.name"] == ("evidence", "evidence")
    assert other["patient.name"] == ("review", "check:differs_from_file")
    assert whole.verdict is Verdict.REVIEW


def test_a_card_agrees_with_its_own_last_ten_digits():
    assert agree("DN4224116039900", "4116039900", "insurance_card")
    assert not agree("DN4224116039900", "4116039901", "insurance_card")


def test_a_year_of_birth_is_no_witness_for_a_day_and_no_contradiction_either():
    assert not agree("1986-09-01", "1986", "birth_date")


def test_a_value_with_a_problem_goes_to_review_even_with_a_witness():
    _, by_field = judged(value("note", "??", problem="Không đọc được"), witnesses={"note": [("??", "page 2")]})
    assert by_field["note"] == ("review", "problem")


def test_a_failing_check_goes_to_review_even_with_a_witness():
    card = "ZZ4224116039900"
    seen = {"patient.insurance_number": [(card, "page 2")]}
    _, by_field = judged(value("patient.name", NAME), value("patient.insurance_number", card), witnesses=seen)
    assert by_field["patient.insurance_number"] == ("review", "check:card_form")


def test_other_values_pass_by_confidence_alone():
    _, sure = judged(value("patient.ethnicity", "Kinh", 0.99, others=("Kinh",), agreed=1))
    _, unsure = judged(value("note", "Tái khám", 0.7))
    assert sure["patient.ethnicity"] == ("accept", "confidence")
    assert unsure["note"] == ("review", "low_confidence")


def test_a_stage_never_passes_on_one_reading():
    once = value("note", "Ung thư vú giai đoạn II (T2N1M0)", 1.0)
    _, alone = judged(once, thresholds={"text": 0.5})
    _, agreed = judged(once.model_copy(update={"agreed": 1}), thresholds={"text": 0.5})
    assert (alone["note"][0], agreed["note"][0]) == ("review", "accept")


def test_a_missing_required_field_keeps_the_document_in_review():
    whole, by_field = judged(value("patient.ethnicity", "Kinh", 0.99))
    assert by_field["patient.ethnicity"] == ("accept", "confidence")
    assert whole.verdict is Verdict.REVIEW


def test_agreement_and_lists_raise_confidence_and_disagreement_lowers_it():
    alone = estimated(value("note", "Tái khám"))
    assert estimated(value("note", "Tái khám", others=("x",), agreed=1)) > alone
    assert estimated(value("note", "Tái khám"), listed=True) > alone
    assert estimated(value("note", "Tái khám", others=("x",))) < alone
    assert estimated(value("note", "Tái khám", engine="text_layer")) == 0.99


# Handwriting.


def read_twice(field, text, writing, agreed=1):
    """A value of which the engine is sure and that a second reader sees alike."""
    return value(field, text, 1.0, "sohoa 1", others=(text,), agreed=agreed, writing=writing)


@pytest.mark.parametrize(("field", "text"), [("note", "Tái khám sau một tháng"), ("patient.ethnicity", "Kinh")])
def test_words_written_by_hand_go_to_review_however_sure_and_agreed(field, text):
    _, printed = judged(read_twice(field, text, Writing.PRINTED))
    _, stamped = judged(read_twice(field, text, Writing.STAMPED))
    _, by_hand = judged(read_twice(field, text, Writing.HANDWRITTEN))
    assert printed[field] == stamped[field] == ("accept", "confidence")
    assert by_hand[field] == ("review", "handwritten")


def test_a_number_written_by_hand_passes_only_when_two_readers_agree():
    _, agreed = judged(read_twice("encounter.days", "12", Writing.HANDWRITTEN))
    _, alone = judged(read_twice("encounter.days", "12", Writing.HANDWRITTEN, agreed=0), thresholds={"integer": 0.5})
    _, printed = judged(read_twice("encounter.days", "12", Writing.PRINTED, agreed=0), thresholds={"integer": 0.5})
    assert agreed["encounter.days"] == printed["encounter.days"] == ("accept", "confidence")
    assert alone["encounter.days"] == ("review", "low_confidence")


def test_a_number_written_by_hand_that_readers_agree_on_but_hardly_believe_goes_to_review():
    unsure = value(
        "encounter.days", "12", 0.5, "sohoa 1", others=("12",), agreed=1, writing=Writing.HANDWRITTEN
    )  # fmt: skip
    assert judged(unsure)[1]["encounter.days"] == ("review", "low_confidence")


@pytest.mark.parametrize(("field", "text"), [("patient.name", NAME), ("note", "Tái khám"), ("encounter.days", "12")])
def test_what_is_written_by_hand_is_accepted_with_a_second_witness(field, text):
    once = read_twice(field, text, Writing.HANDWRITTEN, agreed=0)
    assert judged(once, witnesses={field: [(text, "registry")]})[1][field] == ("accept", "witness")
    assert judged(once)[1][field][0] == "review"


def test_agreement_on_what_is_written_by_hand_says_less_than_on_print():
    by_hand, printed = (
        estimated(value("encounter.days", "12", others=("12",), agreed=1, writing=w))
        for w in (Writing.HANDWRITTEN, Writing.PRINTED)
    )
    assert estimated(value("encounter.days", "12")) < by_hand < printed


@pytest.mark.parametrize(("x", "y"), [(-1, 0.0), (0, 0.0), (0.5, 0.25), (1, 0.5), (2, 0.5)])
def test_a_curve_is_straight_between_its_points_and_level_beyond(x, y):
    assert along(((0.0, 0.0), (1.0, 0.5)), x) == y
