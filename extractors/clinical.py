"""Stage 5, extractors.clinical: a clinical text becomes the things it says, each with its place in the text.

The one door to spaCy. Transcription only: nothing is concluded that is not written.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from extractors.clinical_phrases import sides
from records.clinical import Abbreviation, Entity, Label

if TYPE_CHECKING:
    from spacy.language import Language

WORDS, SHORT_FORMS = "clinical_sentences", "clinical_abbreviations"  # components; the second needs the first only
SIDED = frozenset({"DIAGNOSIS", "FINDING", "LYMPH_NODE", "PROCEDURE", "SITE"})
MEANING = re.compile(
    r"(?<![^\s(\[\"'])(?:(?i:giai đoạn) (?:0|[IV]{1,3}[ABC]?\d?|[ABCD])"
    r"|[cpy]{0,2}T(?:is|[0-4][a-d]{0,2}|x)N[0-3x][a-c]?M[01x]"
    r"|[^\d\s]{0,2}\d[\d.,x]*(?:mm|cm|m|%|Gy|mg|ml)?[^\w\s]?"
    r"|(?i:không thấy|chưa thấy|không|chưa|âm tính|loại trừ|hai bên|hai phổi|hai vú|trái"
    r"|phải))(?=[.,;:!?)\]\"']*(?:\s|$))"
)
NO_LETTER = re.compile(r"[^\S ]|[\x00-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
LONGEST_WORD = 80  # characters; the tokenizer takes the square of a word's length
LONG = re.compile(rf"\S{{{LONGEST_WORD + 1}}}")
MISPLACED = re.compile(r"(?<![qQ])(?:[oO][àáảãạ]|[oO][èéẻẽẹ]|[uU][ỳýỷỹỵ])(?![^\W_])")
PLACED = {
    "oà": "òa", "oá": "óa", "oả": "ỏa", "oã": "õa", "oạ": "ọa", "oè": "òe", "oé": "óe", "oẻ": "ỏe", "oẽ": "õe",
    "oẹ": "ọe",
    "uỳ": "ùy", "uý": "úy", "uỷ": "ủy", "uỹ": "ũy", "uỵ": "ụy",
}  # fmt: skip


def meaning(text: str) -> tuple[str, ...]:
    """'Không thấy u phổi phải, 15x8mm.' -> ('không thấy', 'phải', '15x8mm'), in order and in lower case.

    Two readings of a text that differ in one of these do not agree, however alike they look.
    """
    return tuple(match[0].strip(".,;:()").lower() for match in MEANING.finditer(text))


def extract_entities(text: str) -> tuple[Entity, ...]:
    """Everything that is said in `text`, in order, spans never overlapping; see tests/clinical/README.md.

    Offsets are characters of the text in NFC. Any text is taken; a line break or control character counts as a space.
    """
    text = unicodedata.normalize("NFC", text)
    flat, offsets = flatten(text)
    doc = _pipeline()(flat, disable=[SHORT_FORMS])
    found = []
    for start, end, label, value, said in doc._.found:
        low, high = _origin(offsets, start, end)
        found.append(
            Entity(
                start=low, end=high, label=Label(label), text=text[low:high], negated=said == "negated",
                uncertain=said == "uncertain", laterality=sides(flat[start:end]) if label in SIDED else "",
                value=value, section=_section(doc._.sections, start),
            )
        )  # fmt: skip
    return tuple(found)


def expand_abbreviations(text: str) -> tuple[Abbreviation, ...]:
    """Every known short form with its most likely meaning there; offsets as of `extract_entities`."""
    text = unicodedata.normalize("NFC", text)
    flat, offsets = flatten(text)
    nlp = _pipeline()
    doc = nlp(flat, disable=[name for name in nlp.pipe_names if name not in (WORDS, SHORT_FORMS)])
    return tuple(
        Abbreviation(start=low, end=high, text=text[low:high], expansion=expansion, confidence=sure)
        for start, end, expansion, sure in doc._.abbreviations
        for low, high in [_origin(offsets, start, end)]
    )


def _pipeline() -> "Language":
    """Built for the first text: who reads pages needs nothing but `meaning`."""
    from extractors.clinical_language import language

    return language()


def _origin(offsets: Sequence[int], start: int, end: int) -> tuple[int, int]:
    return (offsets[start], offsets[end - 1] + 1) if offsets else (start, end)


def flatten(text: str) -> tuple[str, list[int]]:
    """The text with single spaces and the tone mark where this project's words have it ('hoá' as 'hóa').

    A word without end is broken. With it the place of each character in `text`, empty where nothing has moved.
    """
    flat = NO_LETTER.sub(" ", text)
    flat = MISPLACED.sub(lambda match: _placed(match[0]), flat)
    if "  " not in flat and not LONG.search(flat):
        return flat, []
    kept = [i for i, one in enumerate(flat) if one != " " or (i and flat[i - 1] != " ")]
    letters, places, run = [], [], 0
    for i in kept:
        run = 0 if flat[i] == " " else run + 1
        if run > LONGEST_WORD:
            letters.append(" ")
            places.append(i - 1)
            run = 1
        letters.append(flat[i])
        places.append(i)
    return "".join(letters), places


def _placed(pair: str) -> str:
    placed = PLACED[pair.lower()]
    return placed if pair.islower() else placed.upper() if pair.isupper() else placed.capitalize()


def _section(sections: Sequence[tuple[int, str]], start: int) -> str:
    return next((kind for where, kind in reversed(sections) if where <= start), "")
