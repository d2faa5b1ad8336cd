"""Stage 6, transformers.numbers: results, reference ranges, strengths, units and flags become their normal forms."""

import re

from records.code_lists import entries
from transformers.text import clean, digits_at_sight, folded

COMPARATORS = {"<": "<", ">": ">", "≤": "≤", "≥": "≥", "<=": "≤", ">=": "≥", "=<": "≤", "=>": "≥"}
QUALITATIVE = {
    "am tinh": "Âm tính", "duong tinh": "Dương tính", "(-)": "Âm tính", "(+)": "Dương tính", "vet": "Vết",
    "negative": "Negative", "positive": "Positive", "khong phan ung": "Không phản ứng", "co phan ung": "Có phản ứng",
}  # fmt: skip
FLAGS = {
    "h": "H", "l": "L", "↑": "H", "↓": "L", "cao": "H", "thap": "L", "tang": "H", "giam": "L", "high": "H", "low": "L",
    "hh": "H", "ll": "L", "|": "L", "1": "L", "i": "L",
}  # fmt: skip
STRENGTH_UNITS = {
    "mg": "mg", "rng": "mg", "mq": "mg", "ing": "mg", "g": "g", "q": "g", "mcg": "mcg", "mcq": "mcg", "meg": "mcg",
    "µg": "µg", "μg": "µg", "ml": "ml", "m1": "ml", "ui": "UI", "iu": "IU", "u": "U", "%": "%", "mmol": "mmol",
    "meq": "mEq", "mui": "MUI", "miu": "MIU", "l": "l",
}  # fmt: skip
_MEASURE = re.compile(r"(?=[OolI|.,]{0,3}\d)([\dOolI|.,]{1,9})(?:\s?/\s?(\d[\dOolI|]{0,4}))?")
_NUMERAL = re.compile(r"(?P<sign>[-+]?)(?P<digits>\d{1,3}(?: \d{3})+(?:[.,]\d+)?|[\d.,]+)")


def parse_number(raw: str) -> str:
    """'4,69' -> '4.69'; '1 250' -> '1250'; '< 0,5' -> '<0.5'; 'âm tính' -> 'Âm tính'; '1.250' is undecided."""
    text = clean(raw)
    word = QUALITATIVE.get(folded(text).strip(" ."))
    if word:
        return word
    text = re.sub(r"(?<=\d)\s*(?:[HL*↑↓]|\([HL]\))\s*$", "", text).strip(" .")
    found = re.match(r"(<=|>=|=<|=>|[<>≤≥])\s*", text)
    return (COMPARATORS[found[1]] if found else "") + _decimal(text[found.end() :] if found else text)


def parse_integer(raw: str) -> str:
    """'17 ngày' -> '17'; '07' -> '7'."""
    found = re.match(r"(?=[OoIl|]*\d)[\dOoIl|]{1,9}(?![\w.,]*\d)", clean(raw).lstrip(". "))
    if not found:
        raise ValueError("không phải số nguyên")
    return str(int(digits_at_sight(found[0])))


def parse_reference(raw: str) -> str:
    """'3,9 - 6,4' -> '3.9-6.4'; '≤ 0,5' -> '≤0.5'; 'Âm tính' stays."""
    text = clean(raw).strip("()[] ")
    if found := re.fullmatch(r"(<=|>=|=<|=>|[<>≤≥])\s*(.+)", text):
        return COMPARATORS[found[1]] + _decimal(found[2])
    parts = re.split(r"\s?(?:\.{2,}|[-–—−~÷])\s?", text)
    if len(parts) == 2 and all(any(c.isdigit() for c in p) for p in parts):
        low, high = (_decimal(p) for p in parts)
        if float(low) >= float(high):
            raise ValueError("cận dưới không nhỏ hơn cận trên")
        return f"{low}-{high}"
    if any(c.isdigit() for c in text) and not any(c.isalpha() for c in text):
        raise ValueError("trị số tham chiếu gồm hai số hoặc một dấu so sánh và một số")
    if not text:
        raise ValueError("không có ký tự nào")
    return text


def parse_strength(raw: str) -> str:
    """'85O mg' -> '850mg'; '500mg/125mg'; the decimal mark stays as printed: '2,5mg'."""
    text = clean(raw).strip("()[]. ")
    return "/".join(_strength(part) for part in re.split(r"\s?/\s?", text))


def parse_measure(raw: str) -> str:
    """'36,8 °C' -> '36.8'; '120/80 mmHg' -> '120/80'; '1,62 m2' -> '1.62': a measure without its unit."""
    found = _MEASURE.match(clean(raw).lstrip(". "))
    if not found:
        raise ValueError("không phải số đo")
    return "/".join(_decimal(part) for part in found.groups() if part)


def parse_unit(raw: str) -> str:
    """'umol/1' -> 'µmol/L', 'G/l' -> 'G/L', 'Viên' -> 'viên': the listed unit that OCR may have meant."""
    text = clean(raw).strip("()[].,' ")
    if text in entries("units"):
        return text
    same = [unit for unit in entries("units") if _unit_key(unit) == _unit_key(text)]
    alike = [unit for unit in same if unit[0] == text[0]] or same
    if len(alike) != 1:
        raise ValueError("đơn vị không có trong danh sách" if not alike else "đơn vị không rõ chữ hoa hay chữ thường")
    return alike[0]


def parse_flag(raw: str) -> str:
    """'Cao', '↑', 'H' -> 'H'; 'Thấp', '↓', 'L' -> 'L'; '*', which says neither, -> 'A' (abnormal, as in HL7)."""
    text = clean(raw).strip("() .")
    flag = "A" if text and not text.strip("*") else FLAGS.get(folded(text).strip("() .*"))
    if flag is None:
        raise ValueError("không phải dấu cao hoặc thấp")
    return flag


def _decimal(text: str) -> str:
    """Digits with a decimal point, as precise as printed; comma or point decides by what surrounds it."""
    tidy = re.sub(r"\s?([.,])\s?", r"\1", digits_at_sight(text.strip())).strip(".,")
    found = _NUMERAL.fullmatch(tidy)
    if not found:
        raise ValueError("không phải một số")
    sign, digits = "-" if found["sign"] == "-" else "", found["digits"].replace(" ", "")
    marks = re.findall(r"[.,]", digits)
    if len(marks) > 1:
        digits = _with_thousands(digits, marks)
    elif marks == ["."] and re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", digits):
        raise ValueError("không rõ dấu chấm là phần nghìn hay phần thập phân")
    whole, _, part = digits.replace(",", ".").partition(".")
    if not whole:
        raise ValueError("không phải một số")
    return sign + str(int(whole)) + (f".{part}" if part else "")


def _with_thousands(digits: str, marks: list[str]) -> str:
    """'1.250.000' -> '1250000'; '1.250,5' -> '1250,5'."""
    if len(set(marks)) == 1 and re.fullmatch(r"\d{1,3}(?:[.,]\d{3})+", digits):
        return re.sub(r"[.,]", "", digits)
    if re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:,\d{3})+\.\d+", digits):
        return digits.replace(marks[0], "").replace(marks[-1], ",")
    raise ValueError("không phải một số")


def _strength(part: str) -> str:
    found = re.fullmatch(r"([\dOoIl|S]{0,9}[.,]?[\dOoIl|S]{0,9})\s?([a-zA-Zµμ%]{1,8}1?)", part)
    if found and found[2].lower() in STRENGTH_UNITS:
        number = digits_at_sight(found[1])
        if re.fullmatch(r"\d+(?:[.,]\d+)?", number) or not number:
            return number + STRENGTH_UNITS[found[2].lower()]
    raise ValueError("hàm lượng gồm một số và đơn vị")


def _unit_key(unit: str) -> str:
    """What a unit looks like to OCR: µ is u, '/', '1', 'I' and 'l' are one stroke, and v is two."""
    text = unit.replace(" ", "").lower().replace("µ", "u").replace("μ", "u")
    text = re.sub(r"[/1i|l!\\]", "l", text.replace("v", "ll"))
    return folded(text)
