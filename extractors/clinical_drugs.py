"""Stage 5, extractors.clinical_drugs: drugs, doses, routes and regimens, which explain each other in a sentence."""

import re
from bisect import bisect_left
from collections.abc import Sequence

from extractors.clinical_measures import AMOUNT, Measure, number, take
from records.code_lists import entries, of_lists

COUNTED = re.compile(r"(?:viên|ống|lọ|chai|gói|túi|giọt|nhát|bút|miếng|bơm|đơn vị|đv|iu|ui)", re.IGNORECASE)
ALWAYS_DOSE = re.compile(r"c?Gy|mCi|MBq|.+/\s?(?:m2|m²|kg|ngày|lần|giờ|phút).*", re.IGNORECASE)
ORDINARY = (
    "5-FU|5FU|5-fluorouracil|I-131|I131|G-CSF|NaCl|Xeloda|Herceptin|Avastin|Zometa|Neupogen|Tarceva|Iressa"
    "|Tagrisso|Keytruda|Opdivo"
    "|Nexavar|Glivec|Efferalgan|Panadol|Zofran|Lovenox|Nolvadex|Arimidex|Femara|Zoladex|Casodex|Taxol|Taxotere"
    "|Gemzar|Alimta|Mabthera"
    "|Erbitux|Stivarga|Lenvima|Tecentriq|Imfinzi|Lynparza|Ibrance|Kisqali|Kadcyla|Perjeta|TS-1|S-1|TS-One|UFT"
    "|Dexamethasone|Dexa|Primperan|Nexium"
    "|Berlthyrox|Levothyrox|Diprivan|Propofol|Ketamin|Midazolam|Lidocain|Bupivacain|Adrenalin|Noradrenalin"
    "|Dopamin|Dobutamin"
    "|Heparin|Vitamin K|Transamin|Acid tranexamic|Mannitol|Manitol|Furosemide|Lasix|Diazepam|Fentanyl|Morphine"
    "|Oxycodone|OxyContin|Codein|Pethidin"
    "|Ketorolac|Nefopam|Tramadol|Colistin|Piperacillin|Tazobactam|Augmentin|Tienam|Insulin|Metformine|Thyrozol"
    "|Medrol|Solumedrol"
    "|Depo-Medrol|Zoledronate|Xgeva|Dupixent|Arsenic trioxide|ATRA|Asparaginase|L-Asparaginase|Vinorelbine"
    "|Navelbine|Trabectedin|Eribulin"
    "|Goserelin|Leuprolide|Degarelix|Lanreotid|Octreotide|Methadon|Buprenorphin|Acid folinic|Folinat|Prednisone"
    "|Actinomycin D|Dactinomycin"
    "|Thalidomid|Lenalidomid|Bortezomib|Carfilzomib|Hydroxyurea|Tretinoin|Cyclosporin|Tacrolimus|Mycophenolat"
    "|Smecta|Oresol|Duphalac"
)
ENDINGS = (
    "mab", "nib", "ciclib", "parib", "platin", "taxel", "rubicin", "tecan", "mycin", "micin", "floxacin",
    "prazol", "sartan", "statin", "conazol", "setron", "dipin", "olol", "pril", "cillin", "cilin", "fosfamid",
    "phosphamid", "trexat", "trexed", "citabin", "relin", "lukast", "gliptin", "gliflozin", "dronat", "dronic",
    "posid", "bactam", "penem", "vudin", "fovir", "clovir", "cyclin", "zepam", "zolam", "profen", "coxib",
    "solon", "sone", "thason", "triaxon", "taxim", "xim", "limus", "grastim", "poetin", "xaban", "gatran",
    "parin", "oxetin", "triptylin", "gabalin", "sterid", "lutamid", "teron", "azol",
)  # fmt: skip
LONG_WORD = re.compile(r"(?<![^\W_])[A-Za-z]{6,30}(?:-[A-Za-z]{6,20})?(?![^\W_])")
ROUTE = re.compile(
    r"(?<![^\W_])(?<!ăn )(?:(?:đường )?uống|(?:tiêm )?truyền (?:tĩnh mạch|TM)(?: chậm| liên tục| nhanh| ngoại vi)?"
    r"|tiêm (?:tĩnh mạch|TM)(?: chậm| nhanh)?|tiêm bắp|tiêm dưới da"
    r"|tiêm tủy sống|tiêm nội tủy|nội tủy|tiêm trong da|TTM|TMC|TDD|TB|TM|IV|IM|SC|PO|ngậm(?: dưới lưỡi)?"
    r"|đặt (?:hậu môn|âm đạo|dưới lưỡi|trực tràng)|khí dung"
    r"|bôi(?: da| ngoài da)?|dán(?: da| ngoài da)?|xịt(?: họng| mũi)?|nhỏ (?:mắt|mũi)|hít|bơm bàng quang|dưới da"
    r"|tĩnh mạch)(?![^\W_])",
    re.IGNORECASE,
)
TIMES = re.compile(r"(?<![^\W_])(?:buổi )?(?:sáng|trưa|chiều|tối)(?![^\W_])", re.IGNORECASE)
PERCENT = re.compile(r"\s\d{1,2}(?:[.,]\d{1,2})?\s?[%‰]")
REGIMENS = re.compile(
    r"(?<![^\W_])(?=[A-Zmd37])(?:m?FOLFOX(?:-?[467])?|m?FOLFIRI(?:NOX)?|FOLFOXIRI|XELOX|CAPOX|CapeOx|XELIRI|CAPIRI|FLOT|SOX|LV5FU2|GEMOX|GemOx|GemCis|GEMCIS"
    r"|R-?CHOP|CHOP|CHOEP|R-?CVP|CVP|ABVD|BEACOPP|DHAP|ESHAP|R-?ICE|R-?GDP|GDP|R-?DHAP|Hyper-?CVAD|MVAC|ddMVAC"
    r"|BEP|VIP|TIP|PEB|VAC|mini-CHOP|THP|EC-P|AC-P|TCHP|VDC/IE|VDC|CAV"
    r"|FAC|FEC|FEC-D|CAF|CMF|TAC|TCHP|TCH|AC-TH|AC-THP|AC-T|ACTH|AC-D|EC-T|EC-D|ddAC-T|4AC-4T|4AC-4D|DCF|mDCF|ECF"
    r"|ECX|EOX|EOF|TCX|TCF|TPF|PF|TP|PC|EP|CE|EC|AC|TC|GP|GC|IP|PE|IE|AI|MAP|AP|ICE"
    r"|VAD|VTD|VRD|VCD|MPT|XP|XT|FUFA|FUFOL|EMA-CO|EMACO|MTX|7\s?\+\s?3|3\s?\+\s?7|BR|IVA|OPEC|CEV|CEM|DeGramont"
    r"|Mayo|CDDP|PAC|IFL)(?![^\W_]|-\w)"
)
SHORT = 3  # letters: such a name is one only where the sentence tells of treatment
TREATED = re.compile(
    r"phác đồ|hóa chất|hóa trị|hoá chất|chu kỳ|đợt|hóa xạ|bổ trợ|(?<![^\W_])CK\s?\d|C\dD\d", re.IGNORECASE
)
NAMED = re.compile(
    r"(?i:phác đồ)\s?:?\s?(?:(?i:hóa chất|hóa trị|đa hóa trị)\s)?"
    r"(?P<it>(?:[A-Z]|\d\s?\+|\d(?=[A-Z]))[\w]{0,20}(?:-\w{1,12})?(?:\s?[+/-]\s?[A-Z][\w-]{1,20}){0,4})(?![^\W_])"
)
BETWEEN = re.compile(r"\s?[+/–-]\s?")


def prescriptions(
    text: str,
    sentences: Sequence[tuple[int, int]],
    drugs: Sequence[tuple[int, int]],
    taken: bytearray,
    times: list[Measure],
) -> list[Measure]:
    """DRUG, REGIMEN, STRENGTH, DOSE, ROUTE and those FREQUENCY of `times` that belong to one.

    `sentences`, `drugs`: from and to in characters; `taken`: non-zero where another has the characters.
    """
    taken, found = bytearray(taken), []
    agents = _regimens(text, _drugs(text, drugs, taken), taken)
    starts, hours = [one.start for one in agents], [one.start for one in times]
    for low, high in sentences:
        mine = agents[bisect_left(starts, low) : bisect_left(starts, high)]
        found += _sentence(text, low, high, mine, taken, times[bisect_left(hours, low) : bisect_left(hours, high)])
    return found


def _sentence(
    text: str, low: int, high: int, agents: list[Measure], taken: bytearray, times: list[Measure]
) -> list[Measure]:
    amounts = [match for match in AMOUNT.finditer(text, low, high) if taken.find(1, match.start(), match.end()) < 0]
    treated = bool(agents) and bool(TREATED.search(text, low, high))
    kept = [one for one in agents if one.label == "DRUG" or one.end - one.start > SHORT or treated]
    if not kept:
        return [_dose(match) for match in amounts if ALWAYS_DOSE.fullmatch(match["unit"]) and "/" not in match["unit"]]
    for one in [*kept, *times]:
        take(taken, one.start, one.end)
    doses = [_strength_or_dose(text, high, kept, amounts, match) for match in amounts]
    for dose in doses:
        take(taken, dose.start, dose.end)
    routes = [Measure(*m.span(), "ROUTE") for m in ROUTE.finditer(text, low, high) if take(taken, *m.span())]
    hours = [Measure(*m.span(), "FREQUENCY") for m in TIMES.finditer(text, low, high) if take(taken, *m.span())]
    return [*kept, *doses, *routes, *hours, *times]


def _dose(match: re.Match[str], label: str = "DOSE") -> Measure:
    return Measure(*match.span(), label, {"amount": number(match["number"]), "unit": match["unit"]})


def _strength_or_dose(
    text: str, high: int, agents: list[Measure], amounts: list[re.Match[str]], match: re.Match[str]
) -> Measure:
    """The content of one tablet where tablets are counted after it, or it is taken so many times a day by mouth."""
    if COUNTED.match(match["unit"]) or ALWAYS_DOSE.fullmatch(match["unit"]):
        return _dose(match)
    before = any(one.start < match.start() for one in agents)
    after = min((one.start for one in agents if one.start > match.end()), default=high)
    counted = any(match.end() <= one.start() < after and COUNTED.match(one["unit"]) for one in amounts)
    rest = text[match.end() : after].lower()
    daily = ("lần/ngày" in rest and "uống" in rest) or "ngày/lần" in rest
    return _dose(match, "STRENGTH" if before and (counted or daily) else "DOSE")


def _drugs(text: str, listed: Sequence[tuple[int, int]], taken: bytearray) -> list[Measure]:
    """The listed ones, and long words that end as the international names do; with the per cent of a solution."""
    own = bytearray(taken)
    words = [match.span() for match in LONG_WORD.finditer(text) if match[0].lower().rstrip("e").endswith(ENDINGS)]
    found = []
    for start, end in [*listed, *(match.span() for match in SUGAR.finditer(text)), *words]:
        percent = PERCENT.match(text, end)
        end = percent.end() if percent else end
        if take(own, start, end):
            found.append(Measure(start, end, "DRUG"))
    return sorted(found)


@of_lists
def drug_names() -> tuple[str, ...]:
    """Those of the code list and of this module, also with the last e of their English spelling."""
    names = [name for name in (*entries("drugs"), *ORDINARY.split("|")) if name.lower() not in NOT_ALONE]
    return tuple(dict.fromkeys(form for name in names for form in (name, name + "e")))


NOT_ALONE = {"glucose", "albumin", "natri", "kali", "sắt"}
SUGAR = re.compile(r"(?<![^\W_])(?:glucose|albumin)(?=\s\d{1,2}\s?%)", re.IGNORECASE)


def _regimens(text: str, drugs: list[Measure], taken: bytearray) -> list[Measure]:
    """Drugs, and regimens: after 'phác đồ', by their name, or of drugs joined by a plus sign."""
    own = bytearray(taken)
    named = [Measure(*m.span("it"), "REGIMEN") for m in NAMED.finditer(text) if take(own, *m.span("it"))]
    agents = [one for one in drugs if take(own, one.start, one.end)]
    agents += [Measure(*m.span(), "REGIMEN") for m in REGIMENS.finditer(text) if take(own, *m.span())]
    joined: list[Measure] = []
    for one in sorted(agents):
        if joined and BETWEEN.fullmatch(text, joined[-1].end, one.start):
            joined[-1] = Measure(joined[-1].start, one.end, "REGIMEN")
        else:
            joined.append(one)
    return sorted([*joined, *named])
