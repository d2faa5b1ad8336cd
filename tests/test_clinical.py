"""The words that carry a finding's meaning: two readings that differ in one of them do not agree."""

import pytest

from extractors.clinical import meaning


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Không thấy u phổi phải, 15x8mm.", ("không thấy", "phải", "15x8mm")),
        ("Ung thư đại tràng giai đoạn IIIA (T3N1M0)", ("giai đoạn iiia", "t3n1m0")),
        ("Xạ trị điều biến liều 70Gy", ("70gy",)),
        ("Khối thùy trái 2,5 cm", ("trái", "2,5")),
        ("Nhu mô đều", ()),
    ],
)
def test_numbers_sides_negations_and_stages_are_found_in_order(text, expected):
    assert meaning(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Có dịch ổ bụng", "Không có dịch ổ bụng"),
        ("Khối thùy trái", "Khối thùy phải"),
        ("Hạch 7mm", "Hạch 17mm"),
        ("giai đoạn II", "giai đoạn III"),
        ("(T3N1M0)", "(T3N1M1)"),
    ],
)
def test_texts_that_say_different_things_have_different_meanings(one, other):
    assert meaning(one) != meaning(other)


def test_a_tone_mark_read_wrong_elsewhere_changes_no_meaning():
    assert meaning("Ủng thư phối phải 15x8mm") == meaning("Ung thư phổi phải 15x8mm")
