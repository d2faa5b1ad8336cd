"""Stage 2: a sheet of two pages side by side is told by its fold, and its rows are not mixed."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path[:0] = [str(Path(__file__).parent)]

from builders import LINES, drawn, in_colour  # noqa: E402

from extractors.page import read_image  # noqa: E402
from extractors.rows import page_to_rows  # noqa: E402
from extractors.spreads import fold_of  # noqa: E402
from records.pages import MediaType  # noqa: E402

LEFT = ("TIỀN SỬ BỆNH", "Bản thân: khỏe mạnh", "Gia đình: chưa ghi nhận gì", "Khám bệnh: tỉnh, tiếp xúc tốt")
RIGHT = ("GIẤY RA VIỆN", "Họ và tên người bệnh: LÊ THỊ CÚC", "Số vào viện: 19.013225", "Chẩn đoán: Viêm phổi thùy")
A4 = (1240, 1754)


def spread(gap=0):
    left, right = drawn(LEFT * 5, A4), drawn(RIGHT * 5, A4)
    return np.hstack([left[:, : A4[0] - gap], right[:, gap:]])


def test_the_fold_of_an_open_sheet_lies_between_its_pages():
    assert fold_of(spread()) == pytest.approx(A4[0], abs=0.06 * 2 * A4[0])


@pytest.mark.parametrize(
    "page",
    [drawn(LINES * 5, A4), np.ascontiguousarray(drawn(["Một dòng chữ dài " * 9] * 20, (2480, 1754)))],
    ids=["upright", "lines from edge to edge"],
)
def test_a_single_page_has_no_fold(page):
    assert fold_of(page) == 0


def test_a_page_with_ink_on_one_half_only_has_no_fold():
    assert fold_of(np.hstack([drawn(LINES * 5, A4), np.full((A4[1], A4[0]), 255, np.uint8)])) == 0


def test_rows_of_two_pages_side_by_side_are_read_one_page_after_the_other():
    found = read_image("p", in_colour(spread()), 150, MediaType.PNG, "neural")
    rows = [row.text for row in page_to_rows(found.text)]
    assert rows.index("TIỀN SỬ BỆNH") < rows.index("GIẤY RA VIỆN") and len(rows) == 40
    read = {r.field: r.raw for r in found.readings}
    assert found.document_type == "discharge_letter" and read["patient.name"] == "LÊ THỊ CÚC"
    assert read["encounter.number"] == "19.013225"
