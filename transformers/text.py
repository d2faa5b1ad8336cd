"""Stage 6, transformers.text: raw readings become tidy text, and text becomes its forms without tones or marks."""

import re
import unicodedata

TONES = dict.fromkeys(map(ord, "\u0300\u0301\u0303\u0309\u0323"))  # grave, acute, tilde, hook, dot below
MARKS = TONES | dict.fromkeys(map(ord, "\u0302\u0306\u031b"))  # circumflex, breve, horn
SLASHES = str.maketrans({"\u2044": "/", "\u2215": "/", "\u00a0": " ", "\u200b": None, "\ufeff": None})
LEADERS = re.compile(r"(?:\.\s?){3,}|_{2,}|…+|(?:·\s?){2,}")
MAX_LENGTH = 20_000

# Letters that OCR writes for a digit, and back; used only where the grammar says which of the two must stand.
TO_DIGIT = str.maketrans("OoQDIl|!iSsBZz", "00001111155822")
_NEXT_WORD = re.compile(r"(?<=\S)[\s,;:]+(?=[^\W\d_]{3})(?![0-9OoQDIl|!iSsBZz]+\b)")


def clean(raw: str) -> str:
    """'Ung  thư vú ......' -> 'Ung thư vú': NFC, no control characters or leaders, one space between words."""
    text = unicodedata.normalize("NFC", raw[:MAX_LENGTH]).translate(SLASHES)
    text = "".join(c if c.isprintable() else " " for c in text)
    text = LEADERS.sub(" ", text)
    text = re.sub(r" ([,;:.!?)\]])", r"\1", " ".join(text.split()))
    return text.strip(" :;,_|·").strip()


def without_tones(text: str) -> str:
    """'Chẩn đoán' -> 'chân đoan': lower case, vowels keep their quality, tone marks are gone."""
    return _without(text, TONES)


def folded(text: str) -> str:
    """'Chẩn đoán' -> 'chan doan': lower case, no marks at all. One letter in, one letter out."""
    return _without(text, MARKS).replace("đ", "d")


def digits_at_sight(text: str) -> str:
    """'20l4' -> '2014': every letter that looks like a digit becomes it."""
    return text.translate(TO_DIGIT)


def before_words(text: str) -> str:
    """'0534 299 064 Nghề nghiệp' -> '0534 299 064': the part before the first word of three letters or more."""
    return _NEXT_WORD.split(text, maxsplit=1)[0]


def _without(text: str, marks: dict[int, None]) -> str:
    decomposed = unicodedata.normalize("NFD", text.lower())
    return unicodedata.normalize("NFC", decomposed.translate(marks))
