"""Stage 5, extractors.clinical_labs: laboratory values of a clinical text, found by their unit and named backwards."""

import re
from itertools import pairwise

from extractors.clinical_measures import EDGE, NUM, Measure, number
from records.code_lists import entries, of_lists

LAB_UNIT = (
    r"(?:[mµμunp]?mol/l|m?eq/l|[mµμunp]?g/d?l|[mµμunp]?g/ml|g/dl|m?[ui]?[ui]/m?l|[µμk]?[ui]{1,2}/m?l|m?au/ml"
    r"|[gtmk]/l|l/l"
    r"|fl|pg|giây|mm/h|mm/giờ|ml/phút(?:/1[.,]73\s?m2)?|ml/min(?:/1[.,]73\s?m2)?|x?\s?10\^?\d{1,2}/l"
    r"|[mµμu]?g/24\s?(?:h|giờ)|(?:x\s?)?10\^?\d{1,2}/[µμu]?l|[kgt]/[µμu]l|(?:tế bào|tb)/(?:[µμu]l|mm3|ml)|mmhg|g%"
    r"|/mm3|bản sao/ml|copies/ml|mosm/kg|%)"
)
LAB_AMOUNT = re.compile(rf"(?P<number>{NUM})\s?(?P<unit>{LAB_UNIT}){EDGE}", re.IGNORECASE)
BEFORE = re.compile(
    r"(?:(?<!\w)(?:là|tăng|giảm|hạ|còn|cao|thấp|đạt|lên|xuống|mức|ở|đến|khoảng|máu)\b|[\s:=~]|(?P<more>[<>≥≤])){1,12}$"
)


def labs(text: str, taken: bytearray) -> list[Measure]:
    """A number with a unit of the laboratory, from the name of its test: a listed one, else up to three words."""
    found, last = [], 0
    for match in LAB_AMOUNT.finditer(text):
        low = max(last, match.start() - 60)
        between = BEFORE.search(text, low, match.start())
        if between is None or taken.find(1, match.start(), match.end()) >= 0:
            continue
        start = _name_start(text, low, between.start(), match["unit"].lower() in ("%", "mmhg"))
        if start is None or taken.find(1, start, match.end()) >= 0:
            continue
        last = match.end()
        more = {"comparator": between["more"]} if between["more"] else {}
        value = more | {"amount": number(match["number"]), "unit": match["unit"]}
        found.append(Measure(start, last, "LAB", value))
    return found


def _name_start(text: str, low: int, end: int, listed_only: bool) -> int | None:
    """Where the name of a test that ends at `end` begins; None where there is no name."""
    words = list(re.finditer(r"[^\s,;:.()]+(?:\s?\([A-Z]+\))?", text[low:end]))[-5:]
    gaps = [k for k, (one, two) in enumerate(pairwise(words)) if text[low + one.end() : low + two.start()].strip()]
    words = words[gaps[-1] + 1 if gaps else 0 :]
    if not words or words[-1].end() != end - low:
        return None
    for word in words:
        if text[low + word.start() : end].lower() in tests():
            return low + word.start()
    words = words[-3:]
    while words and words[0][0].lower() in NO_TEST:
        words = words[1:]
    return low + words[0].start() if words and not listed_only else None


NO_TEST = frozenset((
    "xét", "nghiệm", "kết", "quả", "định", "lượng", "nồng", "độ", "chỉ", "số", "hiện", "nay", "trước", "sau", "mới",
    "có", "bn", "và", "với", "của", "lúc", "vào", "ra", "viện", "xn", "kq",
))  # fmt: skip


@of_lists
def tests() -> frozenset[str]:
    """Names of laboratory tests in lower case."""
    more = (
        "bạch cầu hạt|bạch cầu đa nhân trung tính|trung tính|đường huyết|đường máu|glucose máu"
        "|urê|ure máu|creatinin máu|creatinine|kali máu|natri máu|canxi máu|calci máu|ca 19-9|ca 15-3|ca 72-4"
        "|ca 125|ca-125|ca19-9"
        "|ca15-3|ca125|ca72-4|beta-hcg|βhcg|beta hcg|hcg|scc-ag|psa tự do|psa toàn phần|bilirubin tp|bilirubin tt"
        "|protein tp|hb a1c"
        "|ast|alt|got|gpt|ldh|ggt|alp|k+|na+|cl-|ca++|ca2+|mg2+|pro-bnp|nt-probnp|d-dimer|tiểu cầu|bạch cầu"
        "|hồng cầu|neutrophil|lympho"
        "|mono|hematocrit|prothrombin|tỷ lệ prothrombin|pt|inr|hba1c|hồng cầu lưới|cortisol|tsh|ft4|ft3|tg"
        "|anti-tg|afp|cea|nse|cyfra 21-1"
    )
    short = ("hct", "hb", "neu", "neut", "lym", "bc", "hc", "tc", "bctt")
    return frozenset([*(name.lower() for name in entries("tests")), *more.split("|"), *short])
