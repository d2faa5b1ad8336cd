"""Stage 6: a printed ICD-10 code and the name beside it are read together; a name alone makes no code."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[1])]

from builders import page_reading  # noqa: E402

from bench.icd10 import measure_coding, misread_pairs  # noqa: E402
from pipeline.assembly import assemble_file  # noqa: E402
from pipeline.grouping import FilePage  # noqa: E402
from records.code_lists import icd10_wordings  # noqa: E402
from records.document_types import document_types  # noqa: E402
from records.documents import FieldReading, FieldValue, Verdict  # noqa: E402
from records.pages import PageBox  # noqa: E402
from transformers.coding import (  # noqa: E402
    Names,
    Standing,
    candidates,
    code_beside_name,
    names_of,
    with_names,
)

LISTED = {
    "I10": "Bệnh lý tăng huyết áp",
    "T10": "Gãy xương của chi trên, tầm chưa xác định",
    "L10": "Pemphigus",
    "L11": "Rối loạn tiêu gai khác",
    "E11": "Bệnh đái tháo đường không phụ thuộc insuline",
    "J18.9": "Viêm phổi, không đặc hiệu",
    "J15.9": "Viêm phổi do vi khuẩn, không đặc hiệu",
    "K29.7": "Viêm dạ dày, không đặc hiệu",
    "S68.9": "Chấn thương cắt cụt cổ tay và bàn tay tầm chưa xác định",
    "S58.9": "Chấn thương cắt cụt cẳng tay tầm chưa xác định",
}


@pytest.fixture(scope="module")
def listed(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("codes") / "icd10.csv"
    lines = [f'{code},,"{name}",' for code, name in LISTED.items()]
    path.write_text("\n".join(["code,name_en,name_vi,category_ref", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def names(listed) -> Names:
    return names_of(listed)


@pytest.mark.parametrize("read", ["110", "[10", "|10", "!10", "I10", "l10", "I1O", "I 10", "lI0"])
def test_a_misread_code_is_put_right_where_the_name_bears_it_out(names, read):
    found = code_beside_name((read,), "Tăng huyết áp", names)
    assert (found.code, found.standing in (Standing.BORNE_OUT, Standing.REPAIRED)) == ("I10", True)


def test_letters_among_the_digits_are_digits(names):
    assert code_beside_name(("Ell",), "Đái tháo đường", names).code == "E11"


def test_a_well_formed_wrong_code_is_caught_by_its_name_and_never_passes_by_itself(names):
    found = code_beside_name(("T10",), "Tăng huyết áp", names)
    assert (found.code, found.standing) == ("I10", Standing.REREAD)


def test_a_code_of_another_disease_is_against_its_name_and_stays_as_read(names):
    found = code_beside_name(("K29.7",), "Viêm phổi", names)
    assert (found.code, found.standing) == ("K29.7", Standing.AGAINST)
    assert found.instead.startswith("J18.9")


@pytest.mark.parametrize(("read", "name"), [("C18.7", "Ung thư đại tràng"), ("E11", "Đái tháo đường")])
def test_a_code_that_says_more_than_its_name_stands(names, read, name):
    assert code_beside_name((read,), name, names).standing is Standing.OPEN


def test_a_small_l_is_what_the_name_says_and_else_unclear(names, listed):
    assert code_beside_name(("l10",), "Pemphigus", names).code == "L10"
    (value,) = with_names([a_value("diagnosis.main.code", "icd10", "l10", "L10")], listed).values
    assert "L10 hay I10" in value.problem


def test_a_name_that_says_little_leaves_the_code_as_it_was_read(names, listed):
    given = [a_value("diagnosis.main", "text", "Theo dõi sau mổ"), a_value("diagnosis.main.code", "icd10", "K29.7")]
    assert with_names(given, listed) == (tuple(given), frozenset())


def test_no_code_is_made_from_a_name_alone(listed):
    given = [a_value("diagnosis.main", "text", "Viêm phổi, không đặc hiệu")]
    assert with_names(given, listed).values == tuple(given)
    assert [c.code for c in candidates("Viêm phổi, không đặc hiệu (J18.9)", listed, 2)][:1] == ["J18.9"]


def test_without_the_list_nothing_is_judged_or_offered(tmp_path):
    given = (a_value("diagnosis.main", "text", "Tăng huyết áp"), a_value("diagnosis.main.code", "icd10", "T10"))
    assert with_names(given, tmp_path / "none.csv").values == given
    assert candidates("Tăng huyết áp", None) == ()


def test_a_name_of_100_000_letters_is_read_in_bounded_time(names):
    assert code_beside_name(("I10",), "ấ\u0301\x00𝒳(" * 20_000, names) is not None


@pytest.mark.parametrize(
    ("read", "code", "verdict", "rule"),
    [
        ("110", "I10", Verdict.ACCEPT, "witness"),
        ("T10", "I10", Verdict.REVIEW, "problem"),
        ("K29.7", "K29.7", Verdict.REVIEW, "problem"),
        ("", None, None, None),
    ],
)
def test_in_a_file_the_name_is_the_second_witness_of_its_code(listed, read, code, verdict, rule):
    told = {"diagnosis.main": "Tăng huyết áp", "diagnosis.main.code": read}
    page = page_reading("1", "discharge_letter", {field: raw for field, raw in told.items() if raw})
    (letter,) = assemble_file("f", [FilePage(page_id="1", reading=page)], document_types(), {}, listed).documents
    found = next((v for v in letter.values if v.value.field == "diagnosis.main.code"), None)
    assert (found and found.value.value, found and found.verdict, found and found.rule) == (code, verdict, rule)
    assert found is None or code != "I10" or verdict is Verdict.REVIEW or found.witness == "name_beside"


def test_of_misread_pairs_nearly_all_are_right_and_none_passes_wrong():
    own = icd10_wordings(None)
    found = measure_coding(list(misread_pairs(own, 600, codes=600)), Names(own), lambda: None)
    assert found.codes >= 200 and found.right >= 0.97 * found.pairs and found.accepted >= 0.8 * found.pairs
    assert found.wrong == 0, found.wrong_pairs


def a_value(field, kind, raw, value=""):
    return FieldValue(reading=reading(field, raw), kind=kind, value=value or raw)


def reading(field, raw):
    box = PageBox(left=0, top=0, right=1, bottom=1)
    return FieldReading(field=field, raw=raw, confidence=0.9, page_id="1", box=box, engine="sohoa", method="label")
