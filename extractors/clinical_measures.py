"""Stage 5, extractors.clinical_measures: the numbers, dates, stages and doses of a clinical text, with their values.

Every pattern is bounded: no repeat stands in a repeat, so a hostile text costs time in proportion to its length.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

NUM = r"\d{1,9}(?:[.,]\d{1,6})?"
EDGE = r"(?![^\W_])"
SEP = r"\s?(?:[:=~≈]|là|khoảng)?\s?"
DAYS, MONTHS = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])"
YEAR = r"(?:19|20)\d\d"
ROMAN = r"(?:IV|I{1,3}|[0-4])"
ROMANS = {"1": "I", "2": "II", "3": "III", "4": "IV"}
LENGTHS = {"mm": 1, "cm": 10}
RECEPTORS = {"er": "ER", "pr": "PR", "pgr": "PR", "her": "HER2", "ki": "Ki-67"}
NOT_A_SIZE = re.compile(
    r"(?:cách|sâu|breslow|vỏ dày|lát cắt|lệch|đẩy|di lệch|bề dày|clark|độ dày|bước nhảy|cung răng|cung răng trên"
    r"|rộng rãi|rìa an toàn)"
    r"[^.,;:()\d]{0,24}$",
    re.IGNORECASE,
)


class Measure(NamedTuple):
    """`start`, `end`: characters of the text; `value`: as in tests/clinical/README.md, None for a label without one."""

    start: int
    end: int
    label: str
    value: Any = None


def measures(text: str) -> list[Measure]:
    """Those of `text` in order; where two overlap, the kind that comes first in PATTERNS has the words."""
    taken = bytearray(len(text))
    found = []
    for label, pattern, value in PATTERNS:
        for match in pattern.finditer(text):
            start, end = match.span("it") if "it" in pattern.groupindex else match.span()
            if start == end or taken.find(1, start, end) >= 0:
                continue
            meant = value(match)
            if meant is SKIP:
                continue
            taken[start:end] = b"\x01" * (end - start)
            found.append(Measure(start, end, label, meant))
    return sorted(found, key=lambda one: one.start)


def take(taken: bytearray, start: int, end: int) -> bool:
    """Whether the characters were free; they are taken now."""
    free = taken.find(1, start, end) < 0
    if free:
        taken[start:end] = b"\x01" * (end - start)
    return free


SKIP = object()


def number(written: str) -> float | int:
    """'12,5' -> 12.5; '1.250' -> 1250, for a point before three digits parts thousands; '46' -> 46."""
    if re.fullmatch(r"[1-9]\d{0,2}\.\d{3}", written):
        return int(written.replace(".", ""))
    value = float(written.replace(",", "."))
    return int(value) if value.is_integer() else value


def _nothing(match: re.Match[str]) -> Any:
    return None


def _date(match: re.Match[str]) -> Any:
    """As exact as written: a day, a month or a year in ISO 8601."""
    day, month, year = (match[f"{part}1"] or match[f"{part}2"] for part in "dmy")
    month, year = month or match["m3"], year or match["y3"] or match["y4"]
    return "-".join([year, *(f"{int(part):02}" for part in (month, day) if part)])


def _tnm(match: re.Match[str]) -> Any:
    parts = {"prefix": match["prefix"], "T": match["t"], "N": match["n"], "M": match["m"]}
    if not match["prefix"] and sum(bool(match[name]) for name in "tnm") < 2:
        return SKIP
    return {name: part.lower() for name, part in parts.items() if part}


def _stage(match: re.Match[str]) -> Any:
    return ROMANS.get(match["roman"], match["roman"].upper()) + (match["letter"] or "").upper()


def _size(match: re.Match[str]) -> Any:
    """In millimetres, in the order written."""
    if NOT_A_SIZE.search(match.string, max(0, match.start() - 40), match.start()):
        return SKIP
    factor = LENGTHS[match["unit"].lower()]
    return [_whole(number(one) * factor) for one in re.findall(NUM, match["numbers"])]


def _whole(value: float) -> float | int:
    value = round(value, 3)
    return int(value) if value == int(value) else value


def _suv(match: re.Match[str]) -> Any:
    return number(match["number"])


def _receptor(match: re.Match[str]) -> Any:
    names = [RECEPTORS[name] for name in re.findall(r"her|ki|pgr|er|pr", match["names"].lower())]
    said = match["said"].lower()
    value: dict[str, Any] = {"names": names}
    result = [
        RESULTS.get(one, one) for one in re.findall(r"[0-3]\+|\+{1,3}|âm tính|dương tính|(?<=\()[-–](?=\))", said)
    ]
    result = [one for one in result if one[0].isdigit()] or result
    if score := re.search(r"(\d)\s?điểm|\(\s?([0-3])\s?\)$", said):
        value |= {"score": int(score[1])} if score[1] else {"result": score[2]}
    elif result:
        value |= {"result": result[-1]}
    if percent := re.search(rf"([<>≥≤])?\s?({NUM})(?:\s?-\s?({NUM}))?\s?%", said):
        value |= {"comparator": percent[1]} if percent[1] else {}
        value |= {"percent": [number(percent[2]), number(percent[3])] if percent[3] else number(percent[2])}
    return value


RESULTS = {
    "âm tính": "negative", "-": "negative", "–": "negative", "dương tính": "positive", "+": "positive",
    "++": "2+", "+++": "3+",
}  # fmt: skip


def _amount(match: re.Match[str]) -> Any:
    """The number and the unit as written; both numbers of a blood pressure."""
    said: dict[str, Any] = {"comparator": match["more"]} if "more" in match.re.groupindex and match["more"] else {}
    second = match["second"] if "second" in match.re.groupindex else None
    said["amount"] = [number(match["number"]), number(second)] if second else number(match["number"])
    return said | ({"unit": match["unit"]} if match["unit"] else {})


def _cycle(match: re.Match[str]) -> Any:
    if match["count"]:
        counted = [int(one) for one in re.findall(r"\d+", match["count"])]
        return {"count": counted[0] if len(counted) == 1 else counted} | (
            {"of": int(match["whole"])} if match["whole"] else {}
        )
    said = {"number": match["number"] or match["c"], "of": match["of"], "day": match["day"]}
    return {name: int(one) for name, one in said.items() if one}


def _pattern(regex: str, flags: int = re.IGNORECASE) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?:{regex}){EDGE}", flags)


RECEPTOR = r"(?:HER\s?-?\s?2(?:\s?/\s?neu)?|Ki\s?-?\s?67|ER|PR|PgR)"
SAID = (
    rf"(?:\(\s?(?:[0-3]?\+{{1,3}}|[-–]|[0-3]|(?:[0-3]?\+{{1,3}}\s?,\s?)?{NUM}(?:\s?-\s?{NUM})?\s?%)\s?\)|[0-3]\+"
    rf"|\+{{1,3}}|(?:đều\s)?(?:âm tính|dương tính)(?:\s(?:mạnh|yếu|vừa|trung bình|ổ))?"
    rf"|(?:khoảng|tỷ lệ|>|<|≥|≤|~)?\s?{NUM}(?:\s?-\s?{NUM})?\s?%|\d\s?điểm)"
)
GRADES = r"(?:IV|I{1,3}|[1-4](?!\s?[.,/]?\d)(?:-[1-4])?)"
VITALS = (
    r"mạch|nhịp tim|tần số tim|huyết áp|nhiệt độ|thân nhiệt|nhịp thở|tần số thở|SpO2|cân nặng|chiều cao|BMI|S da|BSA"
    r"|diện tích da|diện tích bề mặt da|diện tích cơ thể|diện tích bề mặt cơ thể|HATT|HATTr|HA|NT|CN|CC|M|T|t°|P|nặng"
)
VITAL_UNIT = (
    r"(?:lần/phút|lần/ph|lần/p|l/phút|l/ph|l/p|ck/phút|ck/ph|ck/p|chu kỳ/phút|nhịp/phút|mmHg"
    r"|độ C|độ|[o°º]\s?C|kg/m2|kg/m²|kg|m2|m²|cm|m|%)"
)
DOSE_UNIT = (
    r"(?:(?:mg|mcg|µg|μg|g|ml|IU|UI|đơn vị|đv|viên|ống|lọ|chai|gói|túi|giọt|nhát|bút|miếng|bơm)"
    r"(?:\s?/\s?(?:m2|m²|kg|ngày|lần|giờ|phút|\d{1,3}(?:[.,]\d)?\s?ml|ml|\d{1,4}(?:[.,]\d)?\s?mg)){0,2}|c?Gy|mCi|MBq)"
)
PATTERNS: list[tuple[str, re.Pattern[str], Callable[[re.Match[str]], Any]]] = [
    ("DATE", _pattern(
        rf"(?:ngày\s)?(?P<d1>{DAYS})\s?[/.-]\s?(?P<m1>{MONTHS})\s?[/.-]\s?(?P<y1>{YEAR})"
        rf"|(?:ngày\s(?P<d2>{DAYS})\s)?tháng\s(?P<m2>{MONTHS})(?:\snăm\s|\s?[/.-]\s?)(?P<y2>{YEAR})"
        rf"|năm\s(?P<y3>{YEAR})|(?<![/.-])(?P<m3>{MONTHS})/(?P<y4>{YEAR})"
    ), _date),
    ("TNM", _pattern(
        r"(?=[a-z]{0,2}[TNM][0-4xi])(?P<prefix>[cu]|y?p|yc|rp?|a)?(?:T(?P<t>is|a(?=N)|[0-4](?:mi|[a-d])?|x)(?:\(m\))?)?"
        r"[\s,]{0,2}(?:(?:y?[cp])?N(?P<n>[0-3](?:mi|[a-d])?|x|\+)(?:\((?:sn|i\+|i-"
        r"|\d{1,2}/\d{1,2})\))?)?[\s,]{0,2}(?:[cp]?M(?P<m>[01][a-d]?|x))?(?<![\s,])"
    ), _tnm),
    ("STAGE", _pattern(
        r"(?:figo\s)?(?:giai đoạn|gđ|figo|stage|ann arbor)(?:\s(?:bệnh|lâm sàng|figo|ann arbor))?\s?:?\s?"
        rf"(?P<roman>{ROMAN})(?P<letter>[A-E][1-3]?)?"
    ), _stage),
    ("SUV", _pattern(rf"SUV\s?-?(?:max|mean|peak)?\s?(?:[:=~≈<>]|là|khoảng|tới|đến|đạt)?\s?(?P<number>{NUM})"), _suv),
    ("RECEPTOR", re.compile(
        rf"(?<![^\W_])(?P<names>{RECEPTOR}(?:\s?(?:/|,|và)\s?{RECEPTOR}){{0,3}})"
        rf"\s?[:=]?\s?(?P<said>{SAID}(?:\s?,?\s?{SAID}){{0,3}}){EDGE}", re.IGNORECASE
    ), _receptor),
    ("GRADE", _pattern(
        rf"gleason\s?(?:score\s?|điểm\s?)?:?\s?\d{{1,2}}(?:\s?\(?\s?\d\s?\+\s?\d\s?\)?"
        rf"|\s?\+\s?\d(?:\s?=\s?\d{{1,2}})?)?"
        rf"|(?:độ|grade)\s(?:mô\shọc|biệt\shóa|ác\stính|nhân|fuhrman|edmondson(?:-steiner)?|who|figo"
        rf"|nottingham)\s?:?\s?(?:{GRADES}|cao|thấp|trung gian)"
        rf"|(?:fuhrman|edmondson(?:-steiner)?|who|who/isup|nottingham|fnclcc|grade|grad|sbr)\s(?:độ\s|grade\s)?{GRADES}"
        r"|biệt\shóa\s(?:cao|tốt|vừa|kém|trung bình|rõ|thấp)(?:\s?(?:-|đến|tới)\s?(?:vừa|kém|cao))?|(?:kém"
        r"|không)\sbiệt\shóa|G[1-4]"
    ), _nothing),
    ("DEGREE", _pattern(
        rf"nyha\s(?:độ\s)?{GRADES}|child(?:\s?-\s?pugh)?\s[ABC]|bậc\s{GRADES}"
        rf"|độ\s(?:{GRADES}|cao|thấp(?!\shơn)|trung gian)"
    ), _nothing),
    ("VITAL_SIGN", _pattern(
        rf"(?P<name>{VITALS})\s?(?:[:=~]|là|khoảng)?\s?(?P<number>{NUM})(?:\s?/\s?(?P<second>\d{{2,3}}))?"
        rf"(?:\s?(?P<unit>{VITAL_UNIT}))?"
    ), lambda match: _vital(match)),
    ("LAB", _pattern(rf"(?:INR|pH(?:\smáu)?)\s?[:=]?\s?(?P<number>{NUM})(?P<unit>)"), _amount),
    ("CYCLE", _pattern(
        r"(?P<count>\d{1,2}(?:\s?-\s?\d{1,2})?)(?:/(?P<whole>\d{1,2}))?\s(?:chu kỳ|đợt|CK)|(?:chu kỳ|đợt"
        r"|CK(?!\s?\d{1,2}(?:\s?[(+]|/\d|\s?âm|\s?dương)))\s?(?:thứ\s|số\s)?"
        r"(?P<number>\d{1,2})(?:\s?/\s?(?P<of>\d{1,2}))?|C(?P<c>\d{1,2})\s?D(?P<day>\d{1,2})"
    ), _cycle),
    ("FREQUENCY", _pattern(
        r"(?:ngày|tuần|tháng)\s(?:uống\s|tiêm\s)?(?:\d{1,2}(?:\s?-\s?\d)?|một|hai|ba|bốn)\slần"
        r"|(?:\d{1,2}(?:\s?-\s?\d)?|một|hai|ba|bốn)\slần\s?(?:/|một|mỗi|trong|trên)\s?(?:ngày|tuần|tháng)"
        r"|mỗi\s\d{1,2}(?:\s?-\s?\d{1,2})?\s?(?:giờ|h|ngày|tuần|tháng)|mỗi\s(?:ngày|tuần|tháng|tối|sáng)"
        r"|\d{1,2}\s?(?:ngày|tuần|tháng|giờ|h)\s?/\s?(?:lần|1 lần)"
        r"|(?:hàng|hằng)\s(?:ngày|tuần|tháng)|cách\sngày|chia\s\d\slần"
        r"|ngày\s(?:thứ\s)?\d{1,2}(?:\s?(?:,|-|và|đến)\s?(?:ngày\s)?\d{1,2}){0,4}(?!\s?(?:/|[.,]?\d|viên|gói|ống"
        r"|lọ|tháng|mg|ml|g))"
        r"|[ND]\d{1,2}(?:\s?(?:,|-|và)\s?[ND]?\d{1,2}){0,4}"
    ), _nothing),
    ("SIZE", _pattern(
        rf"(?P<numbers>{NUM}(?:\s?(?:mm|cm)?\s?[x×*]\s?{NUM}){{0,2}}|{NUM}\s?-\s?{NUM})\s?(?P<unit>mm"
        rf"|cm)(?!\s?(?:/|hg|h2o))"
    ), _size),
    ("DOSE", _pattern(r"(?P<unit>AUC)\s?=?\s?(?P<number>\d)"), lambda match: _amount(match)),
]  # fmt: skip
AMOUNT = _pattern(rf"(?P<number>{NUM})\s?(?P<unit>{DOSE_UNIT})")
LONG_VITALS = re.compile(r"mạch|nhịp|tần|huyết|nhiệt|thân|spo2|cân|chiều|bmi|s da|bsa|diện", re.IGNORECASE)


def _vital(match: re.Match[str]) -> Any:
    """A short name needs its unit ('T 2' is none), a blood pressure its unit or its second number."""
    if match["name"].lower() in ("ha", "huyết áp") and not (match["second"] or match["unit"]):
        return SKIP
    if not LONG_VITALS.match(match["name"]):
        units = {"t": r"đ|[o°º]", "m": "l|ck|n|c", "p": "l|ck|kg", "nt": "l|n", "cn": "kg", "cc": "c?m", "nặng": "kg"}
        wanted = units.get(match["name"].lower(), "")
        if match["name"].lower() != "ha" and not (match["unit"] and re.match(wanted, match["unit"])):
            return SKIP
    return _amount(match)
