"""Stage 5, extractors.clinical: the words of a finding that carry its meaning: numbers, sides, negations, stages.

The one door to spaCy. Two readings of a text that differ in one of these do not agree, however alike they look.
"""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spacy.language import Language

SIDES = ("trái", "phải", "hai bên", "hai phổi", "hai vú")
NEGATIONS = ("không", "chưa", "không thấy", "chưa thấy", "âm tính", "loại trừ")
STAGE = [{"LOWER": "giai"}, {"LOWER": "đoạn"}, {"TEXT": {"REGEX": r"^(?:0|[IV]{1,3}[ABC]?\d?|[ABCD])$"}}]
TNM = [{"TEXT": {"REGEX": r"^\(?[cpy]{0,2}T(?:is|[0-4][a-d]{0,2}|x)N[0-3x][a-c]?M[01x]\)?$"}}]
NUMBER = [{"TEXT": {"REGEX": r"^\D{0,2}\d[\d.,x]*(?:mm|cm|m|%|Gy|mg|ml)?\W?$"}}]


def meaning(text: str) -> tuple[str, ...]:
    """'Không thấy u phổi phải, 15x8mm.' -> ('không thấy', 'phải', '15x8mm'), in order and in lower case."""
    return tuple(span.text.strip(".,;:()").lower() for span in _language()(text).ents)


@cache
def _language() -> "Language":
    """Vietnamese with spaCy's own tokenizer: the one for 'vi' wants another package or splits at spaces only."""
    import spacy
    from spacy.tokenizer import Tokenizer
    from spacy.util import compile_prefix_regex, compile_suffix_regex

    language = spacy.blank("vi", config={"nlp": {"tokenizer": {"use_pyvi": False}}})
    language.tokenizer = Tokenizer(
        language.vocab,
        prefix_search=compile_prefix_regex([r"[(\[\"']"]).search,
        suffix_search=compile_suffix_regex([r"[.,;:!?)\]\"']"]).search,
    )
    ruler = language.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    phrases = [("side", p) for p in SIDES] + [("negation", p) for p in NEGATIONS]
    patterns = [("stage", STAGE), ("tnm", TNM), ("number", NUMBER), *phrases]
    ruler.add_patterns([{"label": label, "pattern": pattern} for label, pattern in patterns])  # type: ignore[attr-defined]
    return language
