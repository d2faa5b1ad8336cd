"""The task screen offers codes for a name and today's unit of an old address; it enters neither."""

import pytest

from records.documents import Verdict
from review.hints import with_hints
from tests.test_review_task import cards, document, judged

ADDRESS = "Số 3, Phường Phúc Xá, Quận Ba Đình, Hà Nội"
CODE = "diagnosis.main.code"


@pytest.fixture(scope="module")
def icd10(tmp_path_factory):
    path = tmp_path_factory.mktemp("codes") / "icd10.csv"
    path.write_text("code,name_en,name_vi,category_ref\nI10,,Bệnh lý tăng huyết áp,\nA00,,Bệnh tả,\n", encoding="utf-8")
    return path


def hinted(asked, path, *values, decision="", **card):
    validated = document(*values)
    met = [one.model_copy(update=card) for one in cards(validated, {asked: decision})]
    return [one.hints for one in with_hints(met, validated, path, "vi")]


def test_a_code_that_was_not_found_has_candidates_for_its_name_and_no_value(icd10):
    named = judged("diagnosis.main", "Tăng huyết áp")
    [hints] = hinted(CODE, icd10, named)
    assert hints[0].startswith("Mã của những tên bệnh") and hints[1] == "I10 Tăng huyết áp"
    [card] = cards(document(named), {CODE: ""})
    assert (card.value, card.typed) == ("", "")


@pytest.mark.parametrize("how", [{"decision": "accept"}, {"blind": True}])
def test_who_must_not_see_what_was_read_or_has_decided_gets_no_hint(icd10, how):
    assert hinted(CODE, icd10, judged("diagnosis.main", "Tăng huyết áp"), **how) == [()]


def test_an_old_address_is_told_where_it_lies_now():
    told = judged("patient.address", ADDRESS, verdict=Verdict.REVIEW)
    [hints] = hinted("patient.address", None, told)
    assert hints == ("Từ 01/07/2025 nơi này thuộc Phường Hồng Hà, Thành phố Hà Nội; giá trị vẫn ghi như trên giấy.",)


def test_an_address_that_nobody_knows_has_no_hint():
    assert hinted("patient.address", None, judged("patient.address", "Xã Hư Cấu, Hà Nội")) == [()]
