"""Stage 7, validation.kinds: rules that follow from a value's kind alone, whatever the form (DOMAIN 2)."""

import re
from collections.abc import Callable
from pathlib import Path

from records.code_lists import ICD10_FORM, codes, entries, icd10_codes, icd10_complete

KindCheck = Callable[[str, Path | None], str]

NAME = re.compile(r"[^\W\d_]+(?:[.'’\-][^\W\d_]*)*(?: [^\W\d_]+(?:[.'’\-][^\W\d_]*)*){1,7}")
CARD = re.compile(r"[A-Z]{2}[1-5]\d{12}|\d{10}")
MOBILE_OR_LANDLINE = re.compile(r"0[35789]\d{8}|02\d{8,9}|01[2689]\d{8}|0[2-8]\d{7,9}")
LONGEST_SYLLABLE = 7  # NGHIÊNG
EARLIEST = "1900-01-01"
LATEST_YEAR = 2100
LARGEST_RESULT = 10_000_000
NOT_VIETNAMESE = frozenset("FJWZ")
DEFENCE_CARDS = frozenset({"97", "98", "99"})


def real_day(value: str, _: Path | None) -> str:
    """Dates on forms lie between 1900 and 2100; a real calendar day is the parser's business."""
    if value[:10] >= EARLIEST[: len(value[:10])] and int(value[:4]) <= LATEST_YEAR:
        return ""
    return f"Năm {value[:4]} nằm ngoài khoảng có thể; hãy xem lại ảnh."


def name_letters(value: str, _: Path | None) -> str:
    """A name has two to eight syllables of Vietnamese letters, none longer than seven."""
    if not NAME.fullmatch(value):
        return "Họ tên có ký tự lạ hoặc quá dài; hãy xem lại ảnh."
    odd = [s for s in value.split() if len(s) > LONGEST_SYLLABLE or set(s) & NOT_VIETNAMESE]
    return f"Họ tên có {len(odd)} chữ không theo vần tiếng Việt; hãy xem lại ảnh." if odd else ""


def card_form(value: str, _: Path | None) -> str:
    """Old cards: group, benefit, province, ten digits; cards since 2021: the ten digits alone."""
    if not CARD.fullmatch(value):
        return "Thẻ BHYT không đúng dạng 15 hoặc 10 ký tự; hãy xem lại ảnh."
    if len(value) == 10:
        return ""
    if value[:2] not in codes("insurance_groups"):
        return f"Nhóm đối tượng {value[:2]} không có trong danh sách thẻ BHYT; hãy xem lại hai chữ đầu."
    if value[3:5] not in codes("provinces") | DEFENCE_CARDS:
        return f"Mã tỉnh {value[3:5]} trên thẻ BHYT không có trong danh sách; hãy xem lại ảnh."
    return ""


def personal_id_province(value: str, _: Path | None) -> str:
    """Digits 1-3 of a 12-digit ID: a province of registration (001-096), or a country for those born abroad (101+)."""
    if len(value) != 12:
        return ""
    known = value[0] == "0" and value[1:3] in codes("provinces")
    if known or int(value[:3]) > 100:
        return ""
    return f"Mã tỉnh {value[:3]} của số định danh không có trong danh sách; hãy xem lại ảnh."


def identifier_letters(value: str, _: Path | None) -> str:
    """Numbers that hospitals give are plain letters, digits and separators, with a digit among them."""
    plain = value.isascii() and any(c.isdigit() for c in value)
    return "" if plain else "Mã số có ký tự lạ; hãy xem lại ảnh."


def ethnic_group_listed(value: str, _: Path | None) -> str:
    """One of the 54 groups or a foreigner: a closed list."""
    listed = {name.casefold() for name in entries("ethnic_groups")}
    return "" if value.casefold() in listed else "Dân tộc không có trong danh mục; hãy xem lại ảnh."


def code_listed(value: str, icd10_path: Path | None) -> str:
    """Each code has the grammar of ICD-10 and, where the list is loaded, stands in it."""
    listed = icd10_codes(icd10_path)
    for code in value.split(";"):
        if not ICD10_FORM.fullmatch(code):
            return f"Mã {code} không đúng dạng ICD-10; hãy xem lại ảnh."
        bare = code.rstrip("†*")
        if icd10_complete(icd10_path) and bare not in listed and bare[:5] not in listed:
            return f"Mã {code} không có trong danh mục ICD-10; hãy xem lại ảnh."
    return ""


def phone_prefix(value: str, _: Path | None) -> str:
    """Mobile 03, 05, 07, 08, 09; landline 02; numbers before 2018 as they were printed."""
    return "" if MOBILE_OR_LANDLINE.fullmatch(value) else "Đầu số điện thoại lạ; hãy xem lại ảnh."


def plausible_number(value: str, _: Path | None) -> str:
    """A result is not negative and not absurdly large; words such as 'Âm tính' pass."""
    try:
        number = float(value.lstrip("<>≤≥"))
    except ValueError:
        return ""
    return "" if abs(number) <= LARGEST_RESULT else "Số lớn bất thường, có thể mất dấu phẩy; hãy xem lại ảnh."


def plausible_age(value: str, _: Path | None) -> str:
    """Nobody on a form is older than 120."""
    return "Tuổi lớn hơn 120; hãy xem lại ảnh." if value.isdigit() and int(value) > 120 else ""


def micro_or_pico(value: str, _: Path | None) -> str:
    """Readers that do not know the letter µ agree on p: such a unit is never settled by their agreement."""
    micro = "µ" + value[1:]
    doubtful = value.startswith("p") and micro in entries("units")
    return f"Đơn vị này có thể là {micro}; hãy xem lại ảnh." if doubtful else ""


KIND_CHECKS: dict[str, dict[str, KindCheck]] = {
    "person_name": {"name_letters": name_letters},
    "date": {"real_day": real_day},
    "birth_date": {"real_day": real_day},
    "moment": {"real_day": real_day},
    "insurance_card": {"card_form": card_form},
    "personal_id": {"personal_id_province": personal_id_province},
    "icd10": {"code_listed": code_listed},
    "identifier": {"identifier_letters": identifier_letters},
    "ethnicity": {"ethnic_group_listed": ethnic_group_listed},
    "phone": {"phone_prefix": phone_prefix},
    "number": {"plausible_number": plausible_number},
    "age": {"plausible_age": plausible_age},
    "unit": {"micro_or_pico": micro_or_pico},
}
