"""The labelled clinical sentences: exact spans, few enough words to disagree on, enough of each kind to measure."""

import json
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

SENTENCES = [json.loads(line) for line in (Path(__file__).parent / "clinical/sentences.jsonl").open(encoding="utf-8")]
STATED = {"DIAGNOSIS", "FINDING", "LYMPH_NODE", "HISTOLOGY", "PROCEDURE"}
VALUED = {
    "TNM": dict, "STAGE": str, "SIZE": list, "RECEPTOR": dict, "SUV": (int, float), "STRENGTH": dict, "DOSE": dict,
    "CYCLE": dict, "DATE": str, "VITAL_SIGN": dict, "LAB": dict,
}  # fmt: skip
PLAIN = {"SITE", "GRADE", "DRUG", "ROUTE", "FREQUENCY", "REGIMEN", "PERSON", "HOSPITAL"}
SIDED = STATED - {"HISTOLOGY"} | {"SITE"}
SIDE_WORDS = {"left": ("trái", "(t)"), "right": ("phải", "(p)"), "both": ("hai ", "2 ")}
LABELS = STATED | set(VALUED) | PLAIN


def entities(split=None):
    """Every (sentence, words of the span, label, attributes)."""
    for sentence in SENTENCES:
        if split in (None, sentence["split"]):
            for start, end, label, attributes in sentence["entities"]:
                yield sentence, sentence["text"][start:end], label, attributes


def test_every_line_has_its_columns_and_is_there_once():
    assert all(list(line) == ["id", "split", "genre", "text", "entities"] for line in SENTENCES)
    assert {line["split"] for line in SENTENCES} == {"dev", "test"}
    assert len({line["id"] for line in SENTENCES}) == len(SENTENCES)
    assert len({" ".join(line["text"].lower().split()) for line in SENTENCES}) == len(SENTENCES)


def test_every_text_is_nfc():
    assert [line["id"] for line in SENTENCES if not unicodedata.is_normalized("NFC", line["text"])] == []


def test_spans_lie_in_the_text_in_order_and_never_overlap():
    for line in SENTENCES:
        edges = [edge for start, end, *_ in line["entities"] for edge in (start, end)]
        assert all(before <= after for before, after in pairwise([0, *edges, len(line["text"])])), line["id"]


def test_a_span_is_whole_words_without_outer_punctuation():
    for line in SENTENCES:
        for start, end, *_ in line["entities"]:
            words = line["text"][start:end]
            assert words and words == words.strip(" \n.,;:?!"), (line["id"], words)
            assert words.count("(") == words.count(")"), (line["id"], words)
            assert not cuts_a_word(line["text"], start), (line["id"], words)
            assert not cuts_a_word(line["text"], end), (line["id"], words)


def cuts_a_word(text, edge):
    return 0 < edge < len(text) and text[edge - 1].isalnum() and text[edge].isalnum()


def test_every_label_carries_its_own_attributes():
    for line, words, label, attributes in entities():
        allowed = {"negated", "uncertain"} if label in STATED else {"value"} if label in VALUED else set()
        assert label in LABELS, (line["id"], words)
        assert set(attributes) - {"laterality"} == allowed, (line["id"], words)
        assert label not in VALUED or isinstance(attributes["value"], VALUED[label]), (line["id"], words)
        assert all(isinstance(attributes[name], bool) for name in allowed - {"value"}), (line["id"], words)


def test_laterality_is_given_exactly_where_a_side_word_is_in_the_span():
    for line, words, label, attributes in entities():
        side = attributes.get("laterality")
        found = [name for name, cues in SIDE_WORDS.items() if any(cue in words.lower() for cue in cues)]
        if label not in SIDED or "laterality" not in attributes:
            assert side is None, (line["id"], words)
            assert label not in SIDED or not {"left", "right"} & set(found), (line["id"], words)
        else:
            assert side in found, (line["id"], words)


@pytest.mark.parametrize("label", sorted(LABELS))
def test_there_are_enough_of_each_label_to_measure(label):
    assert Counter(name for _, _, name, _ in entities("test"))[label] >= 15


def test_there_are_enough_sentences_negations_doubts_and_sides_to_measure():
    splits = Counter(line["split"] for line in SENTENCES)
    attributes = [given for *_, given in entities("test")]
    assert splits["test"] >= 300 and splits["dev"] >= 200
    assert sum(given.get("negated", False) for given in attributes) >= 60
    assert sum(given.get("uncertain", False) for given in attributes) >= 40
    assert sum("laterality" in given for given in attributes) >= 50
