"""Stage 3: among what the network saw as possible, the language chooses; codes, numbers and names are left alone."""

import hashlib
import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.append(str(Path(__file__).resolve().parents[1]))  # training is no part of the installed product

from extractors import decoding, language, reader
from extractors.language import Language, Weights
from extractors.syllables import is_syllable
from records.errors import SohoaError
from training import language as counting

LETTERS = reader.ASTERNET_ALPHABET
SURE = 0.999
WEIGHTS = Weights(common=0.5, capitals=0.5, name=0.0, syllable=2.0)


def columns(text, doubts=None):
    """Probabilities of a line that reads `text`: each letter, then a blank; doubts: {at: (other, its share)}."""
    rows = []
    for at, letter in enumerate(text):
        other, share = (doubts or {}).get(at, (None, 0.0))
        row = np.full(len(LETTERS) + 1, 1e-6, np.float32)
        row[LETTERS.index(letter) + 1] = SURE - share
        if other:
            row[LETTERS.index(other) + 1] = share
        blank = np.full(len(LETTERS) + 1, 1e-6, np.float32)
        blank[0] = SURE
        rows += [row, blank]
    return np.array(rows)


def doubted(text, wrong, right, share=0.3):
    """A line that reads `text` where the network gave `right` a share for the first letter `wrong`."""
    return columns(text, {text.index(wrong): (right, share)})


@pytest.fixture(scope="module")
def hospital():
    return language.hospital_language()


def small(*lines, weights=WEIGHTS):
    """A language of these lines."""
    words, pairs = {}, {}
    for line in lines:
        chain = [language.START, *line.split()]
        for one, other in zip(chain, [*chain[1:], None], strict=True):
            words[one] = words.get(one, 0) + 1
            if other:
                pairs[one, other] = pairs.get((one, other), 0) + 1
    return Language(words, pairs, sum(words.values()) - len(lines), weights)


def read(scores, model):
    return decoding.text_by_language(scores, LETTERS, model)[0]


# Beam.


def test_the_beam_adds_up_the_ways_to_one_text_where_the_best_column_by_column_does_not():
    scores = np.array([[0.6, 0.4], [0.6, 0.4]], np.float32)  # blank, a
    assert reader.greedy(scores) == []
    texts = dict(decoding.alternatives(scores, "a"))
    assert np.exp(texts["a"]) == pytest.approx(0.4 * 0.4 + 2 * 0.6 * 0.4)
    assert np.exp(texts[""]) == pytest.approx(0.36)
    assert next(iter(texts)) == "a"


def test_a_letter_doubled_needs_a_blank_between():
    scores = np.array([[0.01, 0.99], [0.9, 0.1], [0.01, 0.99]], np.float32)
    texts = decoding.alternatives(scores, "a")
    assert texts[0][0] == "aa"
    assert np.exp(dict(texts)["aa"]) == pytest.approx(0.99 * 0.9 * 0.99)


def test_the_probabilities_of_all_texts_add_up_to_one_when_the_beam_is_wide():
    scores = np.random.default_rng(1).dirichlet((1, 1, 1), 5).astype(np.float32)
    assert sum(np.exp(s) for _, s in decoding.alternatives(scores, "ab", width=1000)) == pytest.approx(1, abs=0.02)


def test_a_line_without_doubts_is_what_the_network_read(hospital):
    text = "Ung thư phổi giai đoạn IIIB (T3N2M0)"
    found, sure = decoding.text_by_language(columns(text), LETTERS, hospital)
    assert found == text
    assert sure > 0.9


def test_an_empty_line_says_nothing(hospital):
    assert decoding.text_by_language(columns(" "), LETTERS, hospital) == ("", 0.0)
    blank = np.zeros((4, len(LETTERS) + 1), np.float32)
    blank[:, 0] = 1
    assert decoding.text_by_language(blank, LETTERS, hospital) == ("", 0.0)


# Language.


@pytest.mark.parametrize(
    ("seen", "wrong", "right", "meant"),
    [
        ("Ung thư phối", "ố", "ổ", "Ung thư phổi"),
        ("Ủng thư vú trái", "Ủ", "U", "Ung thư vú trái"),
        ("siêu âm tuyển giáp", "ể", "ế", "siêu âm tuyến giáp"),
        ("chấn đoán xác định", "ấ", "ẩ", "chẩn đoán xác định"),
        ("UNG THƯ PHỐI", "Ố", "Ổ", "UNG THƯ PHỔI"),
    ],
)
def test_a_tone_mark_is_settled_by_the_neighbours(hospital, seen, wrong, right, meant):
    assert read(doubted(seen, wrong, right), hospital) == meant


def test_a_word_that_the_network_was_sure_of_stays(hospital):
    assert read(doubted("Ung thư phối", "ố", "ổ", share=0.0005), hospital) == "Ung thư phối"


def test_what_the_network_did_not_see_is_never_said(hospital):
    assert read(doubted("Ung thư phối", "ố", "ồ"), hospital) in ("Ung thư phối", "Ung thư phồi")


def test_confidence_is_the_networks_own_share_of_the_chosen_text(hospital):
    _, sure = decoding.text_by_language(doubted("Ung thư phối", "ố", "ổ"), LETTERS, hospital)
    assert sure == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize(
    ("seen", "wrong", "right"),
    [
        ("mã I10 kèm", "I", "1"),
        ("giai đoạn T1N0", "N", "n"),
        ("bệnh viện K cơ sở", "K", "k"),
        ("dùng 13,5 mg", "5", "6"),
        ("nhóm HC mạn", "C", "G"),
        ("kích thước 3x4cm đều", "4", "A"),
    ],
)
def test_codes_and_numbers_are_not_bent(seen, wrong, right):
    other = seen.replace(wrong, right, 1).split()
    model = small(*[" ".join(other).casefold()] * 50)
    assert read(doubted(seen, wrong, right, share=0.45), model) == seen


@pytest.mark.parametrize(
    ("seen", "wrong", "right"),
    [
        ("BSCKII. Trần Quốc Huy khám", "y", "ỷ"),
        ("bác sĩ Nguyễn Thị Mỗ", "ỗ", "ổ"),
        ("ở xã Bình Phối về", "ố", "ổ"),
        ("Trần Văn Gán", "á", "a"),
        ("người nhà là Thân", "â", "ậ"),
    ],
)
def test_names_are_not_bent_towards_common_words(hospital, seen, wrong, right):
    assert read(doubted(seen, wrong, right, share=0.45), hospital) == seen


def test_words_are_told_apart_by_their_letters_and_their_place():
    sentence = "BSCKII. Trần Quốc Huy khám vú. Ung thư VÚ TRÁI T2N0 đã mổ ở Huế"
    assert decoding.word_kinds(sentence.split()) == [
        "code", "name", "name", "name", "common", "common", "common", "common", "capitals", "capitals", "code",
        "common", "common", "common", "name",
    ]  # fmt: skip


# Syllables.


@pytest.mark.parametrize(
    "words",
    [
        "khuỷu Nguyễn HUYẾT phổi Đỗ của oằn ngoèo xoong uống thuở khuya huỳnh",
        "hoà hòa thuỷ thủy khoẻ khỏe",
        "gì gìn giếng già giữa quốc quý quyết quẹo qua",
        "nghiêng ghế kỳ mỹ ý yêu ỉa",
    ],
)
def test_vietnamese_syllables_in_old_and_new_spelling_are_possible(words):
    assert [word for word in words.split() if not is_syllable(word)] == []


@pytest.mark.parametrize(
    "words",
    [
        "phồt mảc thưc viêt",  # a stop without sắc or nặng
        "cim kà ngê gê ghà ngha cuy",  # the other spelling of the onset is due
        "qúy gìa hoaì thíen mùât",  # the tone on the wrong vowel
        "iên bỳ pht tuyêm Paclitaxel IIIB 13 k -",
    ],
)
def test_what_breaks_the_rules_of_spelling_is_no_syllable(words):
    assert [word for word in words.split() if is_syllable(word)] == []
    assert not is_syllable("")


def test_a_possible_syllable_wins_over_an_impossible_one_of_like_probability():
    empty = small("bệnh nhân")
    assert read(doubted("bị phồt nặng", "ồ", "ố", share=0.45), empty) == "bị phốt nặng"
    assert read(doubted("ông Phồt", "ồ", "ố", share=0.45), empty) == "ông Phốt"


def test_a_counted_word_that_is_no_syllable_is_not_at_a_disadvantage():
    assert not is_syllable("morphin")
    model = small("tiêm morphin")
    assert model.knows("morphin") and model.knows("phốt") and not model.knows("phồt")
    assert read(doubted("tiêm morphin", "i", "ỉ", share=0.45), model) == "tiêm morphin"


@given(st.sampled_from(["", "b", "ch", "kh", "ng", "tr"]), st.sampled_from("cpt"), st.sampled_from("aáàảãạ"))
def test_a_stop_takes_no_tone_but_sac_and_nang(onset, stop, vowel):
    assert is_syllable(onset + vowel + stop) == (vowel in "áạ")


# Files.


@pytest.fixture
def folder(tmp_path):
    for name in (language.COUNTS, language.FACTS):
        shutil.copy(language.OWN / name, tmp_path)
    return tmp_path


def test_the_language_beside_the_model_is_small_whole_and_read_quickly(folder):
    begun = time.process_time()
    found = language.hospital_language(folder)
    assert time.process_time() - begun < 1
    assert (folder / language.COUNTS).stat().st_size < 1_500_000
    assert found.words["phổi"] > 100 and found.weights.common > 0


@pytest.mark.parametrize("name", [language.COUNTS, language.FACTS])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(SohoaError, match=f"{name}.*restore it"):
        language.hospital_language(folder)


@pytest.mark.parametrize("name", [language.COUNTS, language.FACTS])
def test_a_file_cut_short_is_named(folder, name):
    path = folder / name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SohoaError, match=f"{name}.*restore it"):
        language.hospital_language(folder)


def test_weights_for_other_counts_are_refused(folder):
    (folder / language.COUNTS).write_bytes(b"other counts")
    with pytest.raises(SohoaError, match=r"language\.tsv\.gz is not the one it should be"):
        language.hospital_language(folder)


def test_the_weights_were_measured_on_lines_that_the_counts_have_not_seen():
    facts = json.loads((language.OWN / language.FACTS).read_text(encoding="utf-8"))
    assert facts["sha256"] == hashlib.sha256((language.OWN / language.COUNTS).read_bytes()).hexdigest()
    checked = facts["checked_on"]["all"]
    assert checked["lines"] >= 1000
    assert checked["broken"] <= 0.01 * checked["lines"]


# Counts.


def test_words_and_pairs_are_counted_by_weight_and_words_run_together_are_not():
    counts = counting.counted(iter([("Ung thư (phổi)", 3), ("ung thưphổi", 1)]))
    assert counts.splitlines() == [
        "\u0002\t4", "phổi\t3", "thư\t3", "ung\t4",
        "\u0002\tung\t4", "thư\tphổi\t3", "ung\tthư\t3",
    ]  # fmt: skip
    assert language.language_of(counts, Weights()).total == 10


def test_the_parts_left_out_are_not_counted_and_no_source_is_the_list_under_the_gpl():
    whole, rest = (list(counting.texts(frozenset(left))) for left in ((), (0, 1)))
    assert {counting.part_of(line) for line, _ in rest} == set(range(2, counting.PARTS))
    assert 0.7 < len(rest) / len(whole) < 0.9
    assert set(counting.sources()) == {"phrases", "sentences", "tumours", "names", "doses"}
