"""Stage 6: what is printed on paper, with the misreadings of OCR, becomes normal forms; laws by Hypothesis."""

import contextlib
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transformers.dates import parse_date, parse_moment
from transformers.parsers import PARSERS

READ_AS = [
    ("person_name", "Phạm Quốc Giang", "PHẠM QUỐC GIANG"),
    ("person_name", "NGUYỄN VĂN T0ÀN .......", "NGUYỄN VĂN TOÀN"),
    ("person_name", "nguyễn văn A  Tuổi: 35", "NGUYỄN VĂN A"),
    ("birth_date", "01 tháng 09 năm 1986", "1986-09-01"),
    ("birth_date", "0l/09/l986", "1986-09-01"),
    ("birth_date", "năm 1986", "1986"),
    ("birth_date", "1986 (28 tuổi)", "1986"),
    ("date", "31/12/2014", "2014-12-31"),
    ("date", "lO/O9/2014", "2014-09-10"),
    ("date", "31⁄12⁄2014", "2014-12-31"),
    ("date", "13022014", "2014-02-13"),
    ("date", "2019-03-05", "2019-03-05"),
    ("moment", "14 giờ 45 phút, ngày 13 tháng 02 năm 2014", "2014-02-13T14:45"),
    ("moment", "l4 gió 45 phut, ngày l3 thảng O2 nam 20l4", "2014-02-13T14:45"),
    ("moment", "14giờ45phút,ngày13tháng02năm2014", "2014-02-13T14:45"),
    ("moment", "14 giờ 45 phút, ngày 1 3 tháng 0 2 năm 2 014", "2014-02-13T14:45"),
    ("moment", "12:45 09/10/2023", "2023-10-09T12:45"),
    ("moment", "15:20 09/10/2023", "2023-10-09T15:20"),
    ("moment", "09/10/2023 12:45", "2023-10-09T12:45"),
    ("moment", "10h30 ngày 5/3/19", "2019-03-05T10:30"),
    ("age", "28 tuổi", "28"),
    ("age", "8 tháng tuổi", "8 tháng"),
    ("integer", "07 viên", "7"),
    ("integer", "07 (bảy)", "7"),
    ("measure", "36,8 °C", "36.8"),
    ("measure", "130/80 mmHg", "130/80"),
    ("measure", "88 lần/phút", "88"),
    ("measure", "1,54 m2", "1.54"),
    ("number", "4,69", "4.69"),
    ("number", "10 ,04", "10.04"),
    ("number", "1.250,5", "1250.5"),
    ("number", "1 250", "1250"),
    ("number", "1.250.000", "1250000"),
    ("number", "5,18 H", "5.18"),
    ("number", "< 0,5", "<0.5"),
    ("number", "âm tinh", "Âm tính"),
    ("sex", "Nam", "male"),
    ("sex", "NŨ", "female"),
    ("outcome", "Đỡ, giảm", "improved"),
    ("outcome", "Không thay đồi", "unchanged"),
    ("modality", "Siêu âm tuyến giáp", "US"),
    ("modality", "Chụp CLVT ngực", "CT"),
    ("modality", "Chụp cát lớp vi tinh", "CT"),
    ("modality", "Chụp cộng hưởng từ vú có tiêm thuốc đối quang từ", "MR"),
    ("modality", "X-quang ngực thẳng", "CR"),
    ("insurance_card", "DN 4 22 41 160 39900", "DN4224116039900"),
    ("insurance_card", "5V 4 36 OO l94 499l5", "SV4360019449915"),
    ("insurance_card", "7912345678", "7912345678"),
    ("personal_id", "022 086 719 9OO", "022086719900"),
    ("personal_id", "012345678", "012345678"),
    ("phone", "0534 299 064", "0534299064"),
    ("phone", "+84 912 345 678", "0912345678"),
    ("icd10", "C5O.9", "C50.9"),
    ("icd10", "c509", "C50.9"),
    ("icd10", "C 18,7", "C18.7"),
    ("icd10", "A17.0†", "A17.0†"),
    ("icd10", "G07*", "G07*"),
    ("icd10", "E11.9; I10", "E11.9;I10"),
    ("identifier", "14 / 6298O", "14/62980"),
    ("identifier", "24.05.06.046537", "24.05.06.046537"),
    ("reference", "3,9 - 6,4", "3.9-6.4"),
    ("reference", "3,9 – 6,4", "3.9-6.4"),
    ("reference", "< 5", "<5"),
    ("reference", "≤ 0,5", "≤0.5"),
    ("strength", "85O mg", "850mg"),
    ("strength", "2,5mg", "2,5mg"),
    ("unit", "umol/L", "µmol/L"),
    ("unit", "mmol/1", "mmol/L"),
    ("unit", "mmoVL", "mmol/L"),
    ("unit", "G/l", "G/L"),
    ("unit", "g/l", "g/L"),
    ("unit", "Viên", "viên"),
    ("text", "Ung thư vú (T 2NÑ1MO)", "Ung thư vú (T2N1M0)"),
    ("text", "Ung thư tuyến giáp (TlbN1aM0)", "Ung thư tuyến giáp (T1bN1aM0)"),
    ("flag", "↑", "H"),
    ("flag", "Thấp", "L"),
    ("long_text", "Mô u  gồm\ncác tế bào , nhân lớn .....", "Mô u gồm các tế bào, nhân lớn"),
]


@pytest.mark.parametrize(("kind", "raw", "value"), READ_AS)
def test_a_reading_becomes_its_normal_form(kind, raw, value):
    assert PARSERS[kind](raw) == value


REFUSED = [
    ("identifier", "24-"),
    ("date", "31/02/2014"),
    ("date", "ngày .... tháng 3 năm 2019"),
    ("moment", "13/02/2014"),
    ("moment", "25:10 13/02/2014"),
    ("moment", "08 giờ 05 phút, ngày 03 tháng 10r năm 2015"),
    ("moment", "08 giờ 05 phút, ngày .. tháng 03 năm 2015"),
    ("moment", "08 giờ .. phút, ngày 03 tháng 10 năm 2015"),
    ("sex", "Nam/Nữ"),
    ("insurance_card", "0N 4 22 41 160 39900"),
    ("insurance_card", "DN 9 22 41 160 39900"),
    ("insurance_card", "DN 4 22 41 160 3990"),
    ("personal_id", "02208671990"),
    ("phone", "12345"),
    ("icd10", "U13/9"),
    ("icd10", "Ung thư"),
    ("number", "1.250"),
    ("number", "1 13"),
    ("reference", "6,4 - 3,9"),
    ("reference", "39 6,4"),
    ("unit", "xyz"),
    ("person_name", "NGUYỄN"),
    ("person_name", "14/62980"),
    ("long_text", "......."),
]


@pytest.mark.parametrize(("kind", "raw"), REFUSED)
def test_what_is_undecided_is_refused_and_never_invented(kind, raw):
    with pytest.raises(ValueError, match="."):
        PARSERS[kind](raw)


@pytest.mark.parametrize("kind", sorted(PARSERS))
@given(raw=st.text(max_size=60))
def test_a_parser_fails_only_with_value_error(kind, raw):
    with contextlib.suppress(ValueError):
        assert isinstance(PARSERS[kind](raw), str)


DAYS = st.dates(date(1900, 1, 1), date(2099, 12, 31))
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2099, 12, 31)).map(lambda d: d.replace(second=0, microsecond=0))


@given(day=DAYS, form=st.sampled_from(["%d/%m/%Y", "ngày %d tháng %m năm %Y", "%d.%m.%Y", "%d-%m-%Y", "%Y-%m-%d"]))
def test_a_printed_day_is_read_back(day, form):
    assert parse_date(day.strftime(form)) == day


@given(
    moment=MOMENTS,
    form=st.sampled_from(
        ["%H giờ %M phút, ngày %d tháng %m năm %Y", "%H:%M %d/%m/%Y", "%d/%m/%Y %H:%M", "%Hh%M ngày %d/%m/%Y"]
    ),
)
def test_a_printed_moment_is_read_back(moment, form):
    assert parse_moment(moment.strftime(form)) == moment


def test_to_take_a_picture_is_no_method():
    with pytest.raises(ValueError, match="phương pháp"):
        PARSERS["modality"]("Chụp")


@pytest.mark.parametrize("raw", ["09g15 03/06/2013", "9g15 ngày 03/06/2013", "09 giờ 15 phút ngày 03/06/2013"])
def test_minutes_behind_a_g_are_minutes(raw):
    assert PARSERS["moment"](raw) == "2013-06-03T09:15"


def test_minutes_of_which_two_stand_there_are_refused():
    with pytest.raises(ValueError, match="phút"):
        PARSERS["moment"]("14g10 45 phút 13/02/2014")


@pytest.mark.parametrize("raw", ["06 giờ so ngày 03/06/2013", "giờ 50 ngày 03/06/2013", ": 50 03/06/2013"])
def test_a_moment_that_lost_its_hour_or_its_minutes_is_refused(raw):
    with pytest.raises(ValueError, match="giờ"):
        parse_moment(raw)
    assert parse_moment("6 giờ ngày 03/06/2013") == datetime(2013, 6, 3, 6)


@given(day=DAYS)
def test_a_day_reads_the_same_where_the_scan_shows_l_for_1_and_o_for_0(day):
    assert parse_date(day.strftime("ngày %d tháng %m năm %Y").replace("1", "l").replace("0", "O")) == day


@given(benefit=st.integers(1, 5), rest=st.from_regex(r"[0-9]{12}", fullmatch=True))
def test_a_card_printed_in_groups_is_read_back(benefit, rest):
    printed = f"HT {benefit} {rest[:2]} {rest[2:4]} {rest[4:7]} {rest[7:]}"
    assert PARSERS["insurance_card"](printed) == printed.replace(" ", "")
    assert PARSERS["insurance_card"](printed.replace("0", "O").replace("1", "l")) == printed.replace(" ", "")


@given(whole=st.integers(0, 9999), part=st.from_regex(r"[0-9]{0,2}", fullmatch=True))
def test_a_number_with_a_decimal_comma_is_read_back(whole, part):
    assert PARSERS["number"](f"{whole},{part}" if part else str(whole)) == (f"{whole}.{part}" if part else str(whole))


@given(code=st.from_regex(r"[A-Z][0-9]{2}(\.[0-9]{1,2})?[†*]?", fullmatch=True))
def test_an_icd10_code_is_read_back(code):
    assert PARSERS["icd10"](code) == code
