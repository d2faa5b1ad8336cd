"""Clinical entities, by the guideline in tests/clinical/README.md, on sentences that no rule was written from."""

import json
import sys
import unicodedata
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.clinical import ALL, scored, sentences, tally
from extractors.clinical import LONGEST_WORD, expand_abbreviations, extract_entities, flatten
from extractors.clinical_language import language


@pytest.fixture(scope="module")
def scores():
    counts = [tally(line["entities"], extract_entities(line["text"])) for line in sentences("test")]
    return {one.label: one for one in scored(counts)}


def test_nine_of_ten_spans_of_unseen_sentences_are_exact(scores):
    assert scores[ALL].f1 >= 0.90


@pytest.mark.parametrize("attribute", ["negated", "uncertain", "laterality", "value"])
def test_what_is_said_of_a_found_span_is_as_labelled(scores, attribute):
    assert scores[attribute].f1 >= 0.95


@pytest.mark.parametrize("label", ["SIZE", "TNM", "STAGE", "DATE", "RECEPTOR", "SUV", "VITAL_SIGN", "LYMPH_NODE"])
def test_measures_are_nearly_always_exact(scores, label):
    assert scores[label].f1 >= 0.92


def said(text, *names):
    return [(one.text, *(getattr(one, name) for name in names)) for one in extract_entities(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Không sốt, ho.", [("sốt", True), ("ho", True)]),
        ("Không sốt nhưng ho.", [("sốt", True), ("ho", False)]),
        ("Bờ không đều, nốt đặc 8 mm.", [("nốt đặc", False), ("8 mm", False)]),
        (
            "Không thấy di căn gan, nốt phổi phải 6 mm.",
            [("di căn gan", True), ("nốt phổi phải", False), ("6 mm", False)],
        ),
        ("Hạch cổ: không.", [("Hạch cổ", True)]),
        ("Không có chống chỉ định xạ trị.", [("xạ trị", False)]),
    ],
)
def test_a_denial_reaches_its_list_and_no_further(text, expected):
    assert said(text, "negated") == expected


@pytest.mark.parametrize(
    "text", ["Nghi ung thư phổi.", "TD ung thư phổi.", "Chưa loại trừ ung thư phổi.", "Ung thư phổi?"]
)
def test_what_is_left_open_is_uncertain_and_not_denied(text):
    assert [(one.uncertain, one.negated) for one in extract_entities(text)] == [(True, False)]


def test_sides_stages_and_sizes_are_normalised_and_the_words_kept():
    found = extract_entities("Ung thư vú trái giai đoạn 3, u 2,4 x 1,9 cm, ypT1bN1aMx.")
    assert [(one.label, one.text, one.laterality or one.value) for one in found] == [
        ("DIAGNOSIS", "Ung thư vú trái", "left"),
        ("STAGE", "giai đoạn 3", "III"),
        ("FINDING", "u", None),
        ("SIZE", "2,4 x 1,9 cm", [24, 19]),
        ("TNM", "ypT1bN1aMx", {"prefix": "yp", "T": "1b", "N": "1a", "M": "x"}),
    ]


def test_an_entity_knows_the_heading_it_stands_under():
    found = extract_entities("Mô tả: u phổi phải.\nKết luận: ung thư phổi phải.")
    assert [one.section for one in found] == ["findings", "conclusion"]


def test_departments_give_no_places():
    assert extract_entities("Chuyển khoa Ngoại lồng ngực.") == ()


@pytest.mark.parametrize(
    "text",
    [
        "U  phổi\r\n\tphải  15 mm",
        unicodedata.normalize("NFD", "U phổi phải, ung thư gan"),
        "\x00u\x1fphổi phải\ufeff",
        "hoá trị",
    ],
)
def test_every_span_is_in_the_text_whatever_its_spaces_and_form(text):
    found, whole = extract_entities(text), unicodedata.normalize("NFC", text)
    assert found and all(whole[one.start : one.end] == one.text for one in found)


HOSTILE = {
    "one word": "a" * 100_000, "digits": "1" * 100_000, "brackets": "(" * 100_000, "points": ". " * 50_000,
    "hyphens": "1-" * 50_000, "control": "\x00\x1f" * 50_000, "one letter": "u " * 50_000,
    "denials": "không u, " * 11_000, "tumours": "cT1 N1 M0 " * 10_000, "names": "Nguyễn Văn " * 9_000,
    "scripts": "u phổi ☃ 漢字 العربية русский 😀 " * 3_500,
    "decomposed": unicodedata.normalize("NFD", "không thấy di căn gan 12 mm, " * 2_500),
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_is_taken_and_its_work_grows_with_its_length_only(text):
    found, whole = extract_entities(text), unicodedata.normalize("NFC", text)
    assert all(whole[one.start : one.end] == one.text for one in found)
    assert len(language()(flatten(text[:2000])[0])) <= 2 * len(text[:2000])
    assert max(map(len, flatten(text)[0].split(" "))) <= LONGEST_WORD


def test_the_pipeline_has_its_components_by_name():
    assert language().pipe_names == [
        "clinical_sentences", "clinical_sections", "clinical_abbreviations", "entity_ruler", "clinical_terms",
        "clinical_measures", "clinical_phrases",
    ]  # fmt: skip


def test_a_short_form_is_expanded_by_the_words_around_it():
    one = "thành bụng không thấy khối bt"
    other = "nang ở bt trái kích thước"
    assert [found.expansion for found in expand_abbreviations(one)] == ["bất thường"]
    assert [found.expansion for found in expand_abbreviations(other)] == ["buồng trứng"]


def test_no_term_is_listed_twice_in_one_part():
    import yaml

    path = Path(__file__).parent.parent / "extractors/clinical_terms.yaml"
    for part, words in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        assert len(words) == len(set(words)), (part, json.dumps(words, ensure_ascii=False)[:80])
