"""Stage 5, extractors.clinical_names: persons and hospitals of a clinical text, by title, family name and capitals."""

import re
import unicodedata

from extractors.clinical_measures import Measure, take
from records.code_lists import entries, of_lists

UPPER = "".join(
    letter for letter in map(chr, range(0x41, 0x1EFA)) if letter.isupper() and unicodedata.category(letter) == "Lu"
    and unicodedata.name(letter).startswith("LATIN")
)  # fmt: skip
CAP = rf"[{UPPER}][^\W\d_]{{0,11}}"
JOINING = (
    r"(?:tỉnh|huyện|thành|phố|quận|thị|xã|phường|khu|vực|vùng|và|đa|chuyên|khoa|hữu|nghị|trung|ương|quốc|tế|quân"
    r"|dân|y|học|cổ|truyền"
    r"|dược|ung|bướu|phụ|sản|nhi|đồng|phổi|lao|bệnh|tâm|thần|nhiệt|đới|mắt|răng|hàm|mặt|tim|mạch|nội|tiết|da|liễu"
    r"|huyết|máu|chỉnh|hình"
    r"|phục|hồi|chức|năng|điều|dưỡng|lão|giao|thông|vận|tải|công|an|bưu|điện|đại|cơ|sở|số|bỏng|TP\.?|-)"
)
HOSPITAL = re.compile(
    r"(?<![^\W_])(?:[Bb]ệnh [Vv]iện|BỆNH VIỆN|[Bb][Vv]\.?|BV[A-ZĐ]{1,4}|TTYT"
    r"|[Tt]rung [Tt]âm (?:[Yy] [Tt]ế|[Uu]ng [Bb]ướu|[Cc]hẩn đoán)"
    r"|TRUNG TÂM Y TẾ"
    r"|[Tt]rạm [Yy] [Tt]ế|TYT|[Pp]hòng [Kk]hám|PKĐK|Viện)"
    rf"(?:\s(?:{JOINING}\s){{0,3}}(?:{CAP}|108|103|105|110|175|198|199|354|30-4)(?![^\W_])){{1,9}}"
    r"(?:\s(?:khoa|bướu|sản|phổi|đồng|học cổ truyền|cổ truyền|truyền|dược|đới|thần|liễu|tế|ương|tiết|y|tim mạch"
    r"|mạch|hình|năng)(?![^\W_]))?"
)
DEPARTMENT = re.compile(
    r"(?<![^\W_])(?:[Kk]hoa|[Pp]hòng|[Bb]ộ môn)"
    r"(?:[\s-]{1,3}(?!(?:ngày|điều|với|để|vì|do|từ|đã|lúc|khám|sau|trước|có|theo|lâm|và|bệnh|BV"
    r"|Bệnh)(?![^\W_]))[^\W\d_]{1,8}(?![^\W_])){1,4}"
)
TITLE = (
    r"(?:PGS|GS|TS|ThS|ThS\.BS|BS|BSCK(?:I{1,2}|[12])|BSNT|CK(?:I{1,2}|[12])|ĐD|ĐDV|KTV|DS|NHS|[Bb]ác s[ĩỹ]"
    r"|[Đđ]iều dưỡng|[Ôô]ng|[Bb]à"
    r"|[Aa]nh|[Cc]hị|[Cc]háu|[Bb]é|[Ee]m|[Cc]ô|[Nn]gười nhà|[Bb]ệnh nhân|BN|[Nn]gười bệnh|[Hh]ọ tên|[Hh]ọ và tên|HỌ TÊN"
    r"|[Kk]ỹ thuật viên|[Dd]ược sĩ|[Tt]hư ký|[Cc]on trai|[Cc]on gái|[Vv]ợ|[Cc]hồng|[Mm]ẹ|[Bb]ố|viên chính"
    r"|[Mm]ổ chính|[Pp]hụ mổ|[Tt]ên)"
)
TITLED = re.compile(rf"(?<![^\W_]){TITLE}(?:\sNB|\sBN)?[.:]?\s?:?\s?(?P<it>{CAP}(?:\s{CAP}){{1,4}})(?![^\W_])")
CAPITALS = re.compile(rf"(?<![^\W_])(?P<first>{CAP})(?:\s{CAP}){{2,4}}(?![^\W_])")
NO_NAME = re.compile(rf"(?:{TITLE}|CKI{{1,2}}|[Bb]ệnh|[Vv]iện|[Kk]hoa|ThS|BSNT)[.:]?\s", re.UNICODE)


def names(text: str) -> list[Measure]:
    """Hospitals with their word, departments too, and persons without their title."""
    found = [Measure(*match.span(), "HOSPITAL") for match in HOSPITAL.finditer(text)]
    found += [Measure(*match.span(), "DEPARTMENT") for match in DEPARTMENT.finditer(text)]
    taken = bytearray(len(text))
    for one in found:
        take(taken, one.start, one.end)
    for pattern in (TITLED, CAPITALS):
        for match in pattern.finditer(text):
            start, end = match.span("it") if pattern is TITLED else match.span()
            if pattern is TITLED:
                while again := NO_NAME.match(text, start, end):
                    start = again.end()
            elif match["first"].title() not in _families():
                continue
            if len(text[start:end].split()) > 1 and take(taken, start, end):
                found.append(Measure(start, end, "PERSON"))
    return found


@of_lists
def _families() -> frozenset[str]:
    return frozenset(entries("family_names"))
