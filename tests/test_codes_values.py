"""Stages 6 and 7: addresses of both eras, and results checked against their range, their flag and their test."""

import pytest

from records.code_lists import rows
from transformers.addresses import parse_address
from transformers.dates import birth_value, date_value
from transformers.numbers import parse_number, parse_reference, parse_unit
from validation.results import flag_of, result_issues


@pytest.mark.parametrize(
    ("written", "detail", "ward", "now"),
    [
        ("Số 3, Phường Phúc Xá, Quận Ba Đình, Hà Nội", "Số 3", "Phường Phúc Xá", "Phường Hồng Hà, Thành phố Hà Nội"),
        ("12 Lê Lợi, P. Bến Nghé, Q.1, TP. Hồ Chí Minh", "12 Lê Lợi", "Phường Bến Nghé",
         "Phường Sài Gòn, Thành phố Hồ Chí Minh"),
        ("Xóm 3, xa yen tho, Ý Yên, Nam Định", "Xóm 3", "Xã Yên Thọ", "Xã Phong Doanh, Tỉnh Ninh Bình"),
    ],
)  # fmt: skip
def test_an_old_address_keeps_its_words_and_has_the_units_since_2025_beside(written, detail, ward, now):
    found = parse_address(written)
    assert (found.written, found.detail, found.ward, found.era) == (written, detail, ward, "before")
    assert f"{found.ward_now}, {found.province_now}" == now


def test_a_new_address_is_its_own_present_one():
    found = parse_address("Phường Hồng Hà, Thành phố Hà Nội")
    assert (found.era, found.ward_now, found.district) == ("since", "Phường Hồng Hà", "")


@pytest.mark.parametrize(
    "written", ["Xã Hư Cấu, Huyện Ý Yên, Nam Định", "Quận Ba Đình, Hà Nội", "đâu đó", "", "x, " * 50_000]
)
def test_a_ward_that_is_not_listed_is_not_guessed(written):
    found = parse_address(written)
    assert (found.written, found.ward, found.ward_now) == (written, "", "")


def test_a_ward_that_went_into_several_has_no_present_one():
    divided = next(row for row in rows("wards") if ";" in row["successor"])
    found = parse_address(", ".join((divided["name"], divided["district"], divided["province"])))
    assert (found.ward, found.ward_now) == (divided["name"], "") and found.province_now


def test_numbers_units_ranges_and_days_have_one_normal_form():
    assert [parse_number("4,69"), parse_reference("3,9 – 6,4"), parse_unit("umol/L"), parse_unit("G/l")] == [
        "4.69", "3.9-6.4", "µmol/L", "G/L",
    ]  # fmt: skip
    assert (date_value("03/04/2019"), birth_value("năm 1956")) == ("2019-04-03", "1956")


@pytest.mark.parametrize(
    ("value", "reference", "flag"),
    [
        ("5.18", "3.9-4.6", "H"),
        ("3.2", "3.9-4.6", "L"),
        ("3.9", "3.9-4.6", ""),
        ("6", "<5", "H"),
        ("5", "≤5", ""),
        ("0.9", ">1", "L"),
        ("<0.5", "0-5", None),
        ("Âm tính", "Âm tính", None),
        ("5", "", None),
    ],
)
def test_a_flag_is_worked_out_only_where_value_and_range_say_it(value, reference, flag):
    assert flag_of(value, reference) == flag


def row(at=0, **cells):
    return {f"results[{at}].{column}": value for column, value in cells.items()}


def test_a_mark_that_does_not_fit_sends_its_whole_row_to_review():
    found = list(result_issues(row(value="5.18", reference="3.9-6.4", flag="H", test="Glucose")))
    assert {(i.check, i.field) for i in found} == {
        ("flag_differs", f"results[0].{column}") for column in ("value", "reference", "flag")
    }


@pytest.mark.parametrize("flag", ["H", "A"])
def test_a_mark_that_fits_is_no_finding(flag):
    assert list(result_issues(row(value="7.1", reference="3.9-6.4", flag=flag, test="Glucose"))) == []


def test_a_missing_mark_counts_only_on_a_form_that_marks():
    unmarked = row(value="7.1", reference="3.9-6.4", test="Glucose")
    assert list(result_issues(unmarked)) == []
    marked = row(1, value="2", reference="3-5", flag="L", test="Kali")
    assert {i.field for i in result_issues(unmarked | marked)} == {"results[0].value", "results[0].reference"}


def test_a_result_that_no_living_body_shows_goes_to_review_in_its_own_unit_only():
    assert [i.check for i in result_issues(row(test="Kali", unit="mmol/L", value="42"))] == ["implausible_result"]
    assert list(result_issues(row(test="HCT", unit="%", value="42"))) == []
    assert list(result_issues(row(test="Kali", unit="mmol/L", value="4.2"))) == []


def test_every_plausible_range_of_the_list_is_one_and_every_loinc_has_its_form():
    for listed in rows("tests"):
        assert not listed["low"] or not listed["high"] or float(listed["low"]) < float(listed["high"])
        part, _, check = listed["loinc"].partition("-")
        assert not listed["loinc"] or luhn(part) == int(check), listed["name"]


def luhn(digits):
    """The check digit of a LOINC code."""
    doubled = "".join(str(int(d) * (2 if i % 2 == 0 else 1)) for i, d in enumerate(reversed(digits)))
    return -sum(map(int, doubled)) % 10
