"""Training, alphabet: the 252 classes of the reader, and text <-> class numbers.

Class 0 is the blank of CTC; the rest are Vietnamese letters in NFC, printable ASCII and the signs of hospital forms.
"""

from __future__ import annotations

import unicodedata

BLANK = 0
VOWELS = "aăâeêioôơuưy"
TONES = ("", "\u0300", "\u0301", "\u0309", "\u0303", "\u0323")  # ngang, huyền, sắc, hỏi, ngã, nặng
ASCII = "".join(map(chr, range(32, 127)))
SIGNS = "µ²³≤≥°±–×÷“”•½¼¾→αβγ§‰"
# What looks alike on paper is one class: a reader cannot tell them apart and nobody on a form means to.
ALIKE = str.maketrans(
    {"’": "'", "‘": "'", "—": "–", "−": "-", "‐": "-", "…": "...", "μ": "µ", "\u00a0": " ", "Ð": "Đ", "′": "'"}
)


def vietnamese_letters() -> str:
    """'aàáảãạ...ýỷỹỵ', both cases, and đĐ; each one NFC code point."""
    small = [unicodedata.normalize("NFC", vowel + tone) for vowel in VOWELS for tone in TONES]
    return "".join(small) + "".join(small).upper() + "đĐ"


LETTERS = vietnamese_letters()
CORE = "".join(dict.fromkeys(ASCII + LETTERS))  # every face must draw these
CHARACTERS = CORE + SIGNS
CLASSES = 1 + len(CHARACTERS)
NUMBERS = {character: number for number, character in enumerate(CHARACTERS, start=1)}


def tidy(text: str) -> str:
    """NFC, one form of each sign, one space between words: 'a  b…' -> 'a b...'."""
    return " ".join(unicodedata.normalize("NFC", text).translate(ALIKE).split())


def is_readable(text: str) -> bool:
    """True when every character is a class."""
    return all(character in NUMBERS for character in text)


def to_classes(text: str) -> list[int]:
    """'Aa' -> [34, 66]; ValueError names the character that is no class."""
    for character in text:
        if character not in NUMBERS:
            raise ValueError(f"{character!r} (U+{ord(character):04X}) of {text!r} is not in the reader's alphabet")
    return [NUMBERS[character] for character in text]


def to_text(classes: list[int]) -> str:
    """The text of the best class per column: repeats merged, blanks dropped (greedy CTC)."""
    kept = [c for i, c in enumerate(classes) if c != BLANK and (i == 0 or c != classes[i - 1])]
    return "".join(CHARACTERS[c - 1] for c in kept)
