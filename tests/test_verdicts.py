"""Stage 7: who may pass without a person, and why."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent)]

from builders import contract  # noqa: E402

from records.document_types import DocumentType, FieldSpec, Names, document_types  # noqa: E402
from records.documents import CONTINUED, Document, FieldReading, FieldValue, Verdict  # noqa: E402
from records.pages import PageBox, Writing  # noqa: E402
from review.texts import texts  # noqa: E402
from validation.confidence import along, estimated  # noqa: E402
from validation.contract import UNPROVEN  # noqa: E402
from validation.features import Around, Support  # noqa: E402
from validation.verdicts import agree, validate  # noqa: E402
from validation.wards import names_a_listed_ward  # noqa: E402
from validation.wholeness import flaw_of  # noqa: E402

FORM = DocumentType(
    id="form",
    title=Names(vi="Phiếu", en="Form"),
    fields=(
        FieldSpec(name="patient.name", kind="person_name", required=True, critical=True, fact=True),
        FieldSpec(name="patient.birth_date", kind="birth_date", critical=True, fact=True),
        FieldSpec(name="patient.insurance_number", kind="insurance_card", critical=True, fact=True),
        FieldSpec(name="patient.ethnicity", kind="ethnicity", fact=True),
        FieldSpec(name="note", kind="text"),
        FieldSpec(name="encounter.days", kind="integer"),
    ),
)
LAB = document_types()["lab_report"]
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
    kind = (LAB if "[" in field else FORM).spec(field).kind
    return FieldValue(reading=reading, kind=kind, value=text, problem=problem, agreed=agreed)


SOUND = (
    value("patient.name", NAME, 1.0, "sohoa 1", others=(NAME,), agreed=1),
    value("note", "Tái khám", 1.0, "sohoa 1", others=("Tái khám",), agreed=1),
)


def judged(*values, witnesses=None, measured=contract(), **more):
    whole = validate(DOCUMENT, values, FORM, witnesses or {}, measured, **more)
    return whole, {j.value.field: (str(j.verdict), j.rule) for j in whole.values}


@pytest.mark.parametrize("measured", [UNPROVEN, contract(words=0.9999)])
def test_a_critical_value_without_a_witness_goes_to_review_unless_measurement_allows_it(measured):
    sure = value("patient.name", NAME, 1.0, others=(NAME, NAME), agreed=2)
    assert judged(sure, measured=measured)[1]["patient.name"] == ("review", "no_witness")
    assert judged(sure)[1]["patient.name"] == ("accept", "confidence")


@pytest.mark.parametrize(
    ("raw", "flaw"),
    [
        ("Ngày uống 2 lần, mỗi lần 1 viên,", "cut_off"),
        ("Truyền tĩnh", "cut_off"),
        ("Ung thư dạ dày (giai đoạn II", "cut_off"),
        ("Tim đều rõ. Phổi thông khí", "cut_off"),
        ("U đại tràng, bờ không đều, kích thước khoảng 3 x 4 cm, xâm lấn", "cut_off"),
        ("U đại tràng, bờ không đều, kích thước khoảng 3 x 4 cm, xâm lấn quanh u.", ""),
        ("Ung thư vú trái giai đoạn IIA (T2NoM0)", "letter_zero"),
        ("Số 6o Phan Bội Châu", "letter_zero"),
        ("T2N0M0, tái khám sau 1 tháng", ""),
        ("Nôn, Mổ cấp cứu lúc 3 giờ", ""),
        ("LÀM BỆNH ÁN (Ký, ghi rõ họ tên)", "form_words"),
    ],
)
def test_running_text_that_cannot_be_whole_goes_to_review_whatever_the_readers_say(raw, flaw):
    assert flaw_of(raw, "long_text", "imaging.findings") == flaw
    assert flaw_of(raw, "person_name", "patient.name") == "", "only running text is looked at"


@pytest.mark.parametrize(
    ("raw", "kind", "field", "flaw"),
    [
        ("Thôn s, Xã An Bình", "address", "patient.address", "letter_zero"),
        ("Số s1 đường Lê Lợi", "address", "patient.address", "letter_zero"),
        ("Thôn 5, Xã An Bình", "address", "patient.address", ""),
        ("ăn", "long_text", "medications[0].dosage", "cut_off"),
        ("120", "text", "medications[0].duration", "cut_off"),
        ("Glucose s% sooml", "text", "medications[0].solvent", "letter_zero"),
        ("Vitamin B1 + B6 +", "drug", "medications[0].drug", "cut_off"),
        ("120 phút", "text", "medications[0].duration", ""),
        ("đau bụng", "text", "exam.reason", ""),
    ],
)
def test_what_an_address_and_an_order_cannot_be_without_goes_to_review(raw, kind, field, flaw):
    assert flaw_of(raw, kind, field) == flaw


@pytest.mark.parametrize(
    ("address", "listed"),
    [
        ("Xã Yên Thọ, Huyện Ý Yên, Tỉnh Nam Định", True),
        ("Xã Yên Tho, Huyện Ý Yên, Tỉnh Nam Định", False),
        ("Số 3, P. Phúc Xá, Q. Ba Đình, TP. Hà Nội", True),
        ("Phường Hồng Hà, Thành phố Hà Nội", True),
        ("Phường Hồng Hà, Quận Ba Đình, Thành phố Hà Nội", False),
        ("Số 53 Trần Phú, Phường Suối Hoa, TP Bắc Ninh, Tỉnh Bắc", False),
        ("Hà Nội", False),
    ],
)
def test_an_address_is_listed_by_its_ward_with_the_very_marks(address, listed):
    assert names_a_listed_ward(address) == listed


def test_a_text_that_goes_on_does_not_pass_though_all_readers_say_the_same():
    told = [judged(value("note", raw, 1.0, others=(raw,), agreed=1))[1]["note"] for raw in ("Tái khám", "Tái khám và")]
    assert told == [("accept", "confidence"), ("review", "cut_off")]


@pytest.mark.parametrize(
    ("raw", "verdict"),
    [
        ("7-06-1973", ("review", "day_cut")),
        ("7/6/1973", ("accept", "confidence")),
        ("07-06-1973", ("accept", "confidence")),
    ],
)
def test_a_critical_day_that_may_have_lost_its_first_digit_needs_a_witness(raw, verdict):
    born = value("patient.birth_date", "1973-06-07", 1.0, others=("1973-06-07",), agreed=1)
    read = born.model_copy(update={"reading": born.reading.model_copy(update={"raw": raw})})
    assert judged(read)[1]["patient.birth_date"] == verdict


def test_a_critical_value_of_which_one_reader_says_otherwise_needs_a_witness():
    differ = value("patient.name", NAME, 1.0, "sohoa 1", others=("NGUYỄN HỮU SAN", NAME), agreed=1)
    whole, by_field = judged(differ)
    assert by_field["patient.name"] == ("review", "no_witness")
    assert whole.values[0].blockers == ("no_witness", "readers_differ")


def test_a_critical_value_by_hand_or_read_once_needs_a_witness_whatever_was_measured():
    by_hand = value("patient.name", NAME, 1.0, others=(NAME,), agreed=1, writing=Writing.HANDWRITTEN)
    assert judged(by_hand)[1]["patient.name"] == ("review", "no_witness")
    assert judged(value("patient.name", NAME, 1.0))[1]["patient.name"] == ("review", "no_witness")


def test_a_critical_value_with_a_witness_is_accepted_and_names_it():
    whole, by_field = judged(value("patient.name", NAME, 0.6), witnesses={"patient.name": [(NAME, "registry")]})
    assert by_field["patient.name"] == ("accept", "witness")
    assert whole.values[0].witness == "registry"
    assert whole.verdict is Verdict.ACCEPT


@pytest.mark.parametrize("text", ["12", "Ung thư vú giai đoạn II (T2N1M0)", "Cisplatin 20mg"])
def test_nothing_passes_on_one_reading_however_sure_it_is(text):
    field = "encounter.days" if text.isdigit() else "note"
    once = value(field, text, 1.0, "sohoa 1", others=("khác",))
    twice = value(field, text, 1.0, "sohoa 1", others=(text,), agreed=1)
    assert judged(once)[1][field] == ("review", "one_reading")
    assert judged(twice)[1][field] == ("accept", "confidence")


@pytest.mark.parametrize(
    ("named", "verdict"),
    [
        ({"others": ("Glucoso",)}, ("review", "row_unnamed")),  # Two readers, two names, and neither is listed.
        ({"others": ("Glucos",), "agreed": 1}, ("accept", "confidence")),
    ],
)
def test_a_figure_of_a_row_whose_test_nobody_knows_goes_to_review(named, verdict):
    figure = value("results[0].value", "5.4", 1.0, others=("5.4",), agreed=1)
    test = value("results[0].test", "Glucos", 1.0, **named)
    whole = validate(DOCUMENT, (test, figure), LAB, {}, contract())
    assert [(str(v.verdict), v.rule) for v in whole.values if v.value.field == "results[0].value"] == [verdict]


def test_a_test_s_name_that_is_but_a_part_of_a_listed_one_names_no_row():
    figure = value("results[0].value", "5.4", 1.0, others=("5.4",), agreed=1)
    test = value("results[0].test", "cầu trung tính", 1.0, others=("cầu trung tính",), agreed=1)
    whole = validate(DOCUMENT, (test, figure), LAB, {}, contract())
    assert [v.rule for v in whole.values if v.value.field == "results[0].value"] == ["row_unnamed"]


def test_a_stage_of_which_one_reader_says_otherwise_goes_to_review_though_two_agree():
    stage, other = "Ung thư vú giai đoạn II (T2N1M0)", "Ung thư vú giai đoạn III (T2N1M0)"
    differ = value("note", stage, 1.0, "sohoa 1", others=(other, stage), agreed=1)
    assert judged(differ)[1]["note"] == ("review", "readers_differ")
    plain = value("note", "Tái khám", 1.0, "sohoa 1", others=("Tải khám", "Tái khám"), agreed=1)
    assert judged(plain)[1]["note"] == ("accept", "confidence")


@pytest.mark.parametrize("engine", ["sohoa 1", "text_layer"])
def test_a_cell_under_the_headings_of_another_page_was_read_once_and_goes_to_review(engine):
    sure = value("encounter.days", "12", 1.0, engine=engine)
    moved = sure.model_copy(update={"reading": sure.reading.model_copy(update={"method": CONTINUED})})
    assert judged(moved)[1]["encounter.days"] == ("review", "one_reading")


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


def test_what_two_readers_say_passes_where_it_is_sure_enough_for_the_contract():
    sure = value("patient.ethnicity", "Kinh", 0.99, others=("Kinh",), agreed=1)
    assert judged(sure)[1]["patient.ethnicity"] == ("accept", "confidence")
    assert judged(sure, measured=contract(figures=0.9999))[1]["patient.ethnicity"] == ("review", "low_confidence")
    assert judged(sure, measured=UNPROVEN)[1]["patient.ethnicity"] == ("review", "unproven")


def test_an_accepted_value_keeps_its_reasons_and_a_doubtful_one_all_that_holds_it_back():
    seen = {"patient.name": [(NAME, "registry")], "patient.ethnicity": [("Kinh", "page-0002")]}
    both = value("patient.ethnicity", "Kinh", 0.99, others=("Kinh",), agreed=1)
    whole, _ = judged(value("patient.name", NAME), both, value("note", "x", 0.5), witnesses=seen, measured=UNPROVEN)
    assert [v.reasons for v in whole.values] == [("registry",), ("same_in_file", "two_readers"), ()]
    assert [v.blockers for v in whole.values] == [(), (), ("one_reading", "unproven")]


def test_every_rule_and_reason_is_told_in_words():
    told = (
        "one_reading",
        "readers_differ",
        "unproven",
        "few_samples",
        "degenerate",
        "over_confident",
        "target_not_met",
        "contradicted",
    )
    assert {f"rule.{rule}" for rule in told} <= set(texts())
    assert {f"reason.{reason}" for reason in ("two_readers", "same_in_file", "registry", "text_layer")} <= set(texts())


def test_readings_of_another_engine_than_the_measured_one_do_not_pass():
    measured = contract().model_copy(update={"engine": "sohoa 2"})
    old = value("encounter.days", "12", 1.0, "sohoa 1", others=("12",), agreed=1)
    assert judged(old, measured=measured)[1]["encounter.days"] == ("review", "unproven")
    assert judged(old, measured=measured.model_copy(update={"engine": "sohoa 1"}))[1]["encounter.days"][0] == "accept"


def test_a_document_is_straight_through_only_if_its_weakest_value_is():
    whole, _ = judged(*SOUND)
    assert whole.verdict is Verdict.ACCEPT
    assert judged(*SOUND[:-1], value("note", "Tái khám"))[0].verdict is Verdict.REVIEW


def test_a_missing_required_field_keeps_the_document_in_review():
    whole, by_field = judged(value("patient.ethnicity", "Kinh", 0.99, others=("Kinh",), agreed=1))
    assert by_field["patient.ethnicity"] == ("accept", "confidence")
    assert whole.verdict is Verdict.REVIEW


BEST = Support(listed=True, witnessed=True)


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ((value("note", "Tái khám", engine="sohoa 1", others=("x",)), Support(), Around()),
         (value("note", "Tái khám", engine="sohoa 1", others=("Tái khám",), agreed=1), Support(), Around())),
        ((value("note", "Tái khám", 0.4, "sohoa 1"), Support(), Around()),
         (value("note", "Tái khám", 0.99, "sohoa 1"), Support(), Around())),
        ((value("note", "Tái khám", engine="sohoa 1"), Support(sound=False), Around()),
         (value("note", "Tái khám", engine="sohoa 1"), Support(), Around())),
        ((value("note", "Tái khám", engine="sohoa 1"), Support(), Around()),
         (value("note", "Tái khám", engine="sohoa 1"), BEST, Around())),
        ((value("note", "Tái khám", engine="sohoa 1"), Support(), Around(confidence=0.5, agreed=0.4)),
         (value("note", "Tái khám", engine="sohoa 1"), Support(), Around(confidence=0.99, agreed=1.0))),
        ((value("note", "Tái khám", engine="sohoa 1", problem="?"), Support(), Around()),
         (value("note", "Tái khám", engine="sohoa 1"), Support(), Around())),
    ],
)  # fmt: skip
def test_more_support_makes_a_value_more_probable(worse, better):
    assert estimated(*worse) < estimated(*better)


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
    _, alone = judged(read_twice("encounter.days", "12", Writing.HANDWRITTEN, agreed=0))
    assert agreed["encounter.days"] == ("accept", "confidence")
    assert alone["encounter.days"] == ("review", "one_reading")


@pytest.mark.parametrize(("field", "text"), [("patient.name", NAME), ("note", "Tái khám"), ("encounter.days", "12")])
def test_what_is_written_by_hand_is_accepted_with_a_second_witness(field, text):
    once = read_twice(field, text, Writing.HANDWRITTEN, agreed=0)
    assert judged(once, witnesses={field: [(text, "registry")]})[1][field] == ("accept", "witness")
    assert judged(once)[1][field][0] == "review"


@pytest.mark.parametrize(("x", "y"), [(-1, 0.0), (0, 0.0), (0.5, 0.25), (1, 0.5), (2, 0.5)])
def test_a_curve_is_straight_between_its_points_and_level_beyond(x, y):
    assert along(((0.0, 0.0), (1.0, 0.5)), x) == y
