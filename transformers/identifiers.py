"""Stage 6, transformers.identifiers: printed card, ID, phone, code and file numbers become their normal forms.

What a misread character must be follows from its place (DOMAIN 2): letters where letters stand, digits elsewhere.
"""

import re

from records.code_lists import codes
from transformers.text import before_words, clean, digits_at_sight

CARD = re.compile(r"[A-Z]{2}[1-5]\d{12}")
LETTERS_FOR = {"0": "DOQC", "8": "B", "5": "S", "1": "ITL", "6": "G", "2": "Z", "4": "A", "7": "T", "|": "I"}
LETTER_FOR = {
    "0": "O", "8": "B", "5": "S", "1": "I", "6": "G", "2": "Z", "4": "A", "|": "I", "[": "I", "]": "I", "!": "I",
    "€": "C", "¢": "C",
}  # fmt: skip


def parse_insurance_card(raw: str) -> str:
    """'DN 4 22 41 160 39900' -> 'DN4224116039900'; ten digits (cards since 2021) stay ten."""
    text = re.sub(r"[^A-Za-z0-9|]", "", before_words(clean(raw)))
    if len(text) == 10:
        return _digits(text, (10,), "số BHXH")
    if len(text) != 15:
        raise ValueError(f"thẻ BHYT phải có 15 hoặc 10 ký tự, đọc được {len(text)}")
    card = _group(text[:2].upper()) + digits_at_sight(text[2:])
    if not CARD.fullmatch(card):
        raise ValueError("thẻ BHYT không đúng dạng: hai chữ, mức hưởng 1-5, mười hai số")
    return card


def parse_personal_id(raw: str) -> str:
    """'022 086 719 900' -> '022086719900'; nine digits (old identity cards) are never padded."""
    return _digits(_compact(raw), (12, 9), "số định danh")


def parse_phone(raw: str) -> str:
    """'0534 299 064' -> '0534299064'; '+84 912 345 678' -> '0912345678'; old 11-digit numbers stay."""
    text = before_words(clean(raw))
    if text.startswith(("+84", "(+84)")):
        text = "0" + re.sub(r"^\(?\+84\)?", "", text)
    phone = _digits(re.sub(r"[\s.\-()]", "", text), (10, 11), "số điện thoại")
    if not phone.startswith("0"):
        raise ValueError("số điện thoại phải bắt đầu bằng 0")
    return phone


def parse_icd10(raw: str) -> str:
    """'C5O.9' -> 'C50.9'; 'C509' -> 'C50.9'; several codes are joined: 'E11.9; I10' -> 'E11.9;I10'."""
    parts = [p for p in re.split(r";|,\s|\s(?=[A-Z]\d)", _without_brackets(clean(raw))) if p.strip()]
    if not parts:
        raise ValueError("không thấy mã ICD-10")
    return ";".join(dict.fromkeys(_icd10(part) for part in parts))


def parse_identifier(raw: str) -> str:
    """'14 / 6298O' -> '14/62980': as printed, but no space round / and -, and no letter O or l among digits."""
    text = re.sub(r"\s?([/\-])\s?", r"\1", clean(raw)).strip("., ")
    if not any(c.isalnum() for c in text):
        raise ValueError("không có ký tự nào")
    if text.endswith(("-", "/")):
        raise ValueError("số bị cắt ở cuối dòng")
    return re.sub(r"(?<=\d)[Ool|I]+(?=\d|$|[/.\-]\d)|(?<=[/.\-])[Ool|I]+(?=\d)", lambda m: digits_at_sight(m[0]), text)


def _icd10(part: str) -> str:
    text = re.sub(r"\s", "", part).replace(",", ".").replace("-", ".").replace("+", "†").replace("..", ".")
    found = re.fullmatch(r"([A-Za-z0-9|!\[\]€¢])([A-Za-z0-9|!]{2})\.?([A-Za-z0-9|!]{0,2})\.?([†*]?)", text)
    if not found:
        raise ValueError("mã ICD-10 gồm một chữ, hai số, có thể thêm dấu chấm và một hai số")
    letter = LETTER_FOR.get(found[1], found[1].upper())
    stem, rest = digits_at_sight(found[2]), digits_at_sight(found[3])
    if not letter.isalpha() or not stem.isdigit() or (rest and not rest.isdigit()):
        raise ValueError("mã ICD-10 gồm một chữ, hai số, có thể thêm dấu chấm và một hai số")
    return f"{letter}{stem}{'.' if rest else ''}{rest}{found[4]}"


def _without_brackets(text: str) -> str:
    """'[C50.9]' -> 'C50.9', but '[10' stays: a bracket before digits is a capital I."""
    text = text.strip("() .").rstrip("]")
    return text[1:] if text.startswith("[") and text[1:2].isalpha() else text


def _group(two: str) -> str:
    """The two letters of a card: a digit there becomes the letter it looks like, the listed group before any other."""
    choices = [LETTERS_FOR.get(c, c) for c in two]
    pairs = [a + b for a in choices[0] for b in choices[1]]
    listed = [pair for pair in pairs if pair in codes("insurance_groups")]
    if len(listed) == 1:
        return listed[0]
    if two.isalpha():
        return two
    raise ValueError("hai chữ đầu thẻ BHYT không rõ" + (f": có thể là {' hoặc '.join(listed)}" if listed else ""))


def _compact(raw: str) -> str:
    return re.sub(r"[\s.\-]", "", before_words(clean(raw)))


def _digits(text: str, lengths: tuple[int, ...], what: str) -> str:
    repaired = digits_at_sight(text)
    if not repaired.isdigit() or not repaired.isascii():
        raise ValueError(f"{what} chỉ gồm chữ số")
    if len(repaired) not in lengths:
        raise ValueError(f"{what} phải có {' hoặc '.join(map(str, lengths))} chữ số, đọc được {len(repaired)}")
    return repaired
