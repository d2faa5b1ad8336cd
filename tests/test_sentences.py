"""Whatever a check or a parser says in Vietnamese has an English twin."""

import ast
import re
from pathlib import Path

import pytest

from review.sentences import in_language

ROOT = Path(__file__).resolve().parents[1]
SAYING = (
    "validation/checks.py", "validation/kinds.py", "validation/results.py", "validation/verdicts.py",
    "pipeline/boundaries.py",
    "pipeline/doubles.py", "pipeline/filing.py", "pipeline/grouping.py", "pipeline/emr.py", "loaders/facts.py",
    "transformers/values.py", "transformers/coding.py", "transformers/choices.py", "transformers/dates.py",
    "transformers/identifiers.py", "transformers/numbers.py",
)  # fmt: skip
VIETNAMESE = re.compile("[àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵ]", re.IGNORECASE)


def said(path):
    """The sentences of a module, with 7 in each blank: those with a semicolon, and what a ValueError says."""
    pending = [ast.parse((ROOT / path).read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            yield from filter(VIETNAMESE.search, [filled(node.exc.args[0])])
        elif isinstance(node, ast.Constant | ast.JoinedStr):
            text = re.sub(r"\{\w+\}", "7", filled(node))
            yield from filter(VIETNAMESE.search, [text] if "; " in text else [])
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):  # no docstring
            pending += ast.iter_child_nodes(node)


def filled(node):
    if isinstance(node, ast.JoinedStr):
        return "".join(map(filled, node.values))
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "7"


@pytest.mark.parametrize("path", SAYING)
def test_every_sentence_has_a_twin(path):
    assert [s for s in said(path) if VIETNAMESE.search(in_language(s, "en"))] == []


@pytest.mark.parametrize(
    ("stored", "english"),
    [
        (
            "Tuổi 46 không khớp năm sinh 1957 vào năm 2019; hãy xem lại tuổi và ngày sinh.",
            "Age 46 does not fit a birth in 1957 in the year 2019; look at age and date of birth again.",
        ),
        (
            "Khác với danh sách người bệnh, trang 3; hãy so hai nơi rồi chọn giá trị đúng.",
            "Differs from the list of patients, page 3; compare both places and choose what is right.",
        ),
        (
            "Trang này dường như của người bệnh khác: trang ghi họ tên “TRẦN VĂN BÌNH”, số vào viện “1”; hồ sơ ghi "
            "họ tên “LÊ THỊ CÚC”, số vào viện “2”. Hãy so với ảnh trang và bìa hồ sơ rồi chuyển trang hoặc xác nhận.",
            "This page seems to be another patient's: the page says name “TRẦN VĂN BÌNH”, admission number “1”; the "
            "file says name “LÊ THỊ CÚC”, admission number “2”. Compare with the page and the file's cover, then move "
            "the page or confirm it.",
        ),
        (
            "Chưa chắc trang này thuộc hồ sơ: trang ghi ngày sinh “01/09/1960”; hồ sơ ghi ngày sinh “01/09/1960”. "
            "Hãy so với ảnh trang và bìa hồ sơ rồi chuyển trang hoặc xác nhận.",
            "It is not sure that this page is of the file: the page says date of birth “01/09/1960”; the file says "
            "date of birth “01/09/1960”. Compare with the page and the file's cover, then move the page or confirm it.",
        ),
        (
            "Hai giấy của một người bệnh ghi ngày sinh khác nhau; hãy so hai hồ sơ.",
            "Two documents of one patient do not have the same date of birth; compare the two files.",
        ),
        (
            "Trang không có thông tin người bệnh đọc được; hãy xem ảnh và xác nhận trang thuộc hồ sơ nào.",
            "No patient could be read on the page; look at it and say whose file it is of.",
        ),
        (
            "Không đọc được “Số định danh”: số định danh phải có 9 hoặc 12 chữ số, đọc được 7; hãy xem ảnh và gõ lại.",
            "“Số định danh” could not be read: a personal ID has 9 or 12 digits, 7 were read; look at the image and "
            "type it.",
        ),
    ],
)
def test_names_and_numbers_go_into_the_twin_as_they_are(stored, english):
    assert in_language(stored, "en") == english
    assert in_language(stored, "vi") == stored


def test_a_sentence_that_nobody_translated_is_told_as_it_is_stored():
    assert in_language("Hồ sơ đã đóng.", "en") == "Hồ sơ đã đóng."
