"""Stage 6, transformers.dates: what is printed as a day or an hour becomes a date, a moment or an age."""

import re
from datetime import date, datetime
from typing import NamedTuple

from transformers.text import clean, digits_at_sight, folded

FIRST_YEAR, LAST_YEAR = 1880, 2100
PIVOT = 35  # two-digit years up to it are 20xx: cards are valid a few years ahead, births are older

_HOUR = re.compile(r"(?<=\d)g(?=\d\d(?!\d))|(?<![a-z])g[i1l]?[o0c6]?(?![a-z])|(?<=[\dol])\s?h(?![a-z])")  # 09g10
_MINUTE = re.compile(r"p[hb]?[u]?[t]?(?![a-z])")
_DAY = re.compile(r"ng[a-z]{1,2}(?![a-z])|(?<![a-z])luc(?![a-z])|sinh(?![a-z])")
_MONTH_YEAR = re.compile(r"t[hn]?[a-z]{1,3}[gqyn](?![a-z])|(?<![a-z])n[a-z]m(?![a-z])")
_NUMBER = re.compile(r"(?<![a-z])[0-9oq|!ilsbz]*[0-9][0-9oq|!ilsbz]*(?![a-z0-9])")
_ONLY_LETTERS = re.compile(r"(?<![a-z0-9])[oil|]{1,2}(?=\s*[/:])")  # 'lO/09': no digit to hold on to

_HALF_AN_HOUR = re.compile(r":\s*[a-z]|^\D*:")  # '06 giờ so ngày 3/6/2013', 'giờ 50 ngày 3/6/2013': one of two is lost


class Number(NamedTuple):
    """Digits as read, and the marks (/ : @ for ngày, ~ for phút) between them and the number before."""

    digits: str
    gap: str


# A slash is read as I, l, | or ! between the numbers of a day: '27!02I2019'.
_SLASHED = re.compile(r"(?<!\d)(\d{1,2})[il|!/]{1,2}(\d{2})[il|!/]{1,2}(\d{4})(?!\d)")

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ENGLISH = re.compile(rf"(?<!\d)(\d{{1,2}})[ \-.]?({'|'.join(_MONTHS)})[a-z]*[ \-.]?(\d{{4}})(?!\d)")


def parse_date(raw: str) -> date:
    """'ngày 12 tháng 3 năm 2019' -> date(2019, 3, 12); also '5/3/19', '12.03.2019', '2019-03-12'."""
    day, _ = _day_and_rest(raw)
    return day


def parse_moment(raw: str) -> datetime:
    """'14 giờ 45 phút, ngày 13 tháng 02 năm 2014' -> datetime(2014, 2, 13, 14, 45), the hospital's local time."""
    day, rest = _day_and_rest(raw)
    if not rest:
        raise ValueError("có ngày nhưng không có giờ")
    hour, minute = (rest + [0])[:2] if len(rest) == 1 else rest[:2]
    if hour > 23 or minute > 59:
        raise ValueError(f"không có giờ {hour}:{minute:02d}")
    return datetime(day.year, day.month, day.day, hour, minute)


def date_value(raw: str) -> str:
    """'31/12/2014' -> '2014-12-31'."""
    return parse_date(raw).isoformat()


def moment_value(raw: str) -> str:
    """'12:45 09/10/2023' -> '2023-10-09T12:45'."""
    return parse_moment(raw).isoformat(timespec="minutes")


def birth_value(raw: str) -> str:
    """'01 tháng 09 năm 1986' -> '1986-09-01'; 'năm 1986' -> '1986' (the year alone is common on old paper)."""
    numbers = [n.digits for n in _numbers(_canonical(raw), torn=2)]
    if len(numbers) == 1 and len(numbers[0]) == 4:
        return str(_year(numbers[0]))
    if len(numbers) == 2 and len(numbers[0]) == 4 and int(numbers[1]) < 130:  # 1986 (28 tuổi)
        return str(_year(numbers[0]))
    return date_value(raw)


def parse_age(raw: str) -> str:
    """'28 tuổi' -> '28'; '8 tháng' -> '8 tháng' (infants are written in months)."""
    text = folded(clean(raw))
    found = re.search(r"(?<![a-z0-9])(?=[oilsb|]*[0-9])[0-9oilsb|]{1,3}(?![0-9])", text)
    if not found:
        raise ValueError("không thấy số tuổi")
    number = int(digits_at_sight(found[0]))
    if re.match(r"\s*th[a-z]{1,2}ng", text[found.end() :]):
        return f"{number} tháng"
    if number > 125:
        raise ValueError(f"tuổi {number} không có thật")
    return str(number)


def _day_and_rest(raw: str) -> tuple[date, list[int]]:
    """The day, and the numbers outside it in order (hour and minute, if any)."""
    text = _canonical(raw)
    failure = ValueError("không đủ ngày, tháng, năm")
    for torn in (1, 2, 0):
        try:
            return _day_among(_split_glued(_numbers(text, torn)), text)
        except ValueError as error:
            failure = error
    raise failure


def _day_among(numbers: list[Number], text: str) -> tuple[date, list[int]]:
    at = _year_at(numbers)
    if at >= 2 and not re.search("[@:~]", numbers[at - 1].gap + numbers[at].gap):
        day, month, year, rest = numbers[at - 2], numbers[at - 1], numbers[at], numbers[: at - 2] + numbers[at + 1 :]
    elif at == 0 and len(numbers) >= 3:  # 2019-03-12
        year, month, day, rest = numbers[0], numbers[1], numbers[2], numbers[3:]
    else:
        raise ValueError("không đủ ngày, tháng, năm")
    if len(rest) == 1 and ("~" in text or _HALF_AN_HOUR.search(text)):
        raise ValueError("có giờ nhưng không có phút")
    if len(rest) > 2 and "~" in text:  # '14g10 45 phút': was it 'giờ' that was read as g10?
        raise ValueError("không rõ số phút")
    hours = [int(n.digits) for n in rest] if len(rest) >= 2 or ":" in text else []
    whole = _year(year.digits)
    try:
        return date(whole, int(month.digits), int(day.digits)), hours
    except ValueError as error:
        raise ValueError(f"không có ngày {day.digits}/{month.digits}/{year.digits}") from error


def _canonical(raw: str) -> str:
    """'14 giờ 45 phút, ngày 13 tháng 02 năm 2014' -> '14 : 45 ~ , @ 13 / 02 / 2014'."""
    text = _ENGLISH.sub(lambda m: f"{m[1]}/{_MONTHS.index(m[2]) + 1}/{m[3]}", folded(clean(raw)))
    text = _SLASHED.sub(r"\1/\2/\3", text)
    for pattern, mark in ((_DAY, " @ "), (_MONTH_YEAR, " / "), (_HOUR, " : "), (_MINUTE, " ~ ")):
        text = pattern.sub(mark, text)
    return _ONLY_LETTERS.sub(lambda m: digits_at_sight(m[0]), text)


def _numbers(text: str, torn: int = 0) -> list[Number]:
    """Each number in order with the marks before it; ValueError when a digit belongs to no number ('10r').

    `torn`: 1 joins single digits ('1 3' -> 13), 2 years too ('2 014' -> 2014), 0 neither.
    """
    if re.search(r"\d", _NUMBER.sub("", text)):
        raise ValueError("có chữ lẫn trong số")
    out: list[Number] = []
    gap = ""
    for segment in re.split(r"([/:,;.()@~\-])", text):
        found = [digits_at_sight(n) for n in _NUMBER.findall(segment)]
        joined = "".join(found)
        year = torn == 2 and len(joined) == 4 and _is_year(joined)
        if len(found) > 1 and (year or (torn and len(found) == len(joined) == 2)):
            found = [joined]
        out += [Number(digits, gap if index == 0 else "") for index, digits in enumerate(found)]
        gap = "" if found else gap + segment
    return out


def _split_glued(numbers: list[Number]) -> list[Number]:
    """'13022014' -> 13, 02, 2014; '022014' -> 02, 2014; '1302' before a year -> 13, 02."""
    out: list[Number] = []
    for index, number in enumerate(numbers):
        parts = _parts(number.digits, last=index == len(numbers) - 1)
        out += [Number(part, number.gap if at == 0 else "") for at, part in enumerate(parts)]
    return out


def _parts(digits: str, last: bool) -> list[str]:
    if len(digits) == 8:
        day_first = _is_year(digits[4:])
        return [digits[:2], digits[2:4], digits[4:]] if day_first else [digits[:4], digits[4:6], digits[6:]]
    if (len(digits) == 6 and _is_year(digits[2:])) or (len(digits) == 4 and not last and not _is_year(digits)):
        return [digits[:2], digits[2:]]
    return [digits]


def _year_at(numbers: list[Number]) -> int:
    """Index of the year: the last number of four digits, else the third (or fifth) number of two."""
    whole = [i for i, n in enumerate(numbers) if len(n.digits) == 4 and _is_year(n.digits)]
    if whole:
        return whole[-1]
    if len(numbers) in (3, 5) and all(len(n.digits) <= 2 for n in numbers):
        return len(numbers) - 1
    return -1


def _is_year(text: str) -> bool:
    return text.isdigit() and FIRST_YEAR <= int(text) <= LAST_YEAR


def _year(text: str) -> int:
    if len(text) == 2:
        return int(text) + (2000 if int(text) <= PIVOT else 1900)
    if not _is_year(text):
        raise ValueError(f"năm {text} không có thật")
    return int(text)
