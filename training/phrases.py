"""Training, phrases: makers of what stands in the blanks of a form: codes, numbers, moments, laboratory rows, doses."""

from __future__ import annotations

from random import Random

ROMAN = ("I", "II", "III", "IV", "V", "VI", "IA", "IB", "IIA", "IIB", "IIIA", "IIIB", "IIIC", "IVA", "IVB")
ONSETS = tuple(" b c ch d đ g gh h k kh l m n ng ngh nh p ph qu r s t th tr v x gi".split(" "))  # noqa: SIM905  (the first is none)
RIMES = tuple(
    (  # noqa: SIM905
        "a ai ao au ay ac ach am an ang anh ap at ă ăc ăm ăn ăng ăp ăt â âc âm ân âng âp ât âu ây e ec em en eng eo ep"
        " et ê êch êm ên ênh êp êt êu i ia ich iêc iêm iên iêng iêp iêt iêu im in inh ip it iu o oa oai oan oang oanh"
        " oat oc oe oi om on ong op ot ô ôc ôi ôm ôn ông ôp ôt ơ ơi ơm ơn ơp ơt u ua uân uât uc uê ui um un ung uôc"
        " uôi uôm uôn uông uôt uơ up ut uy uya uyên uyêt uynh ư ưa ưc ưi ưm ưn ưng ươc ươi ươm ươn ương ươp ươt ưt ưu"
        " y yên yêu"
    ).split()
)
STOPS = ("c", "ch", "p", "t")
PREFIXES = ("BN", "HS", "MS", "SV", "GPB", "XN", "CT", "P.", "G")
STAGED = ("giai đoạn", "độ", "típ", "nhóm", "Giai đoạn", "GĐ", "BI-RADS", "TIRADS")
MARKERS = ("ER", "PR", "HER2", "Ki67", "CK7", "TTF-1", "P63")
STRENGTHS = ("mg", "g", "mcg", "µg", "ml", "mg/ml", "UI", "%", "mg/5ml")
MARKS = ("", "\u0300", "\u0301", "\u0309", "\u0303", "\u0323")
CLOSED_MARKS = ("\u0301", "\u0323")
UNITS_OF_DOSE = ("viên", "ống", "lọ", "gói", "chai", "tuýp", "túi", "ml", "mg", "g", "giọt", "UI", "vỉ", "hộp")
TIMES = ("sáng", "trưa", "chiều", "tối", "trước ăn", "sau ăn", "trước khi ngủ", "khi đau", "khi sốt")
ROUTES = ("uống", "tiêm tĩnh mạch", "truyền tĩnh mạch", "tiêm bắp", "tiêm dưới da", "bôi", "ngậm", "xịt", "đặt")


def digits(rng: Random, count: int) -> str:
    return "".join(rng.choice("0123456789") for _ in range(count))


def syllable(rng: Random) -> str:
    """Any onset, rime and tone alike, so that rare tones are seen as often as common ones; decomposed."""
    rime = rng.choice(RIMES)
    mark = rng.choice(CLOSED_MARKS if rime.endswith(STOPS) else MARKS)
    at = tone_place(rime, rng)
    return rng.choice(ONSETS) + rime[: at + 1] + mark + rime[at + 1 :]


def tone_place(rime: str, rng: Random) -> int:
    """Index of the vowel that carries the tone; 'oa', 'oe', 'uy' by the old or the new rule: hòa, hoà."""
    vowels = [i for i, letter in enumerate(rime) if letter in "aăâeêioôơuưy"]
    marked = [i for i in vowels if rime[i] in "ăâêôơư"]
    if marked:
        return marked[-1]
    if len(vowels) == 1 or rime in ("oa", "oe", "uy") and rng.random() < 0.5:
        return vowels[0]
    open_end = vowels[-1] == len(rime) - 1
    return vowels[-2] if open_end and rime not in ("oa", "oe", "uy") else vowels[-1]


def syllables(rng: Random) -> str:
    words = [syllable(rng) for _ in range(rng.randint(1, 8))]
    return " ".join(word.upper() if rng.random() < 0.12 else word for word in words)


def number(rng: Random) -> str:
    """A measured number as forms print it, mostly with a decimal comma: '13,5', '0.87', '1.250,4'."""
    whole = str(rng.choice((rng.randint(0, 9), rng.randint(0, 99), rng.randint(0, 999), rng.randint(1000, 99999))))
    if rng.random() < 0.15 and len(whole) > 3:
        return f"{whole[:-3]}{rng.choice('.,')}{whole[-3:]}"
    if rng.random() < 0.25:
        return whole
    return f"{whole}{rng.choice(',,,.')}{digits(rng, rng.choice((1, 1, 1, 2, 2, 3)))}"


def code(rng: Random) -> str:
    """Identifiers, measures, stages and other short strings where one wrong character matters."""
    year = f"{rng.randint(5, 27):02d}"
    shapes = (
        lambda: f"{year}{rng.choice('/-.')}{digits(rng, rng.choice((4, 5, 6)))}",
        lambda: digits(rng, rng.choice((6, 8, 10, 12))),
        lambda: f"{rng.choice(PREFIXES)}{rng.choice(('', ' ', '-'))}{digits(rng, rng.choice((2, 3, 5, 8)))}",
        lambda: insurance(rng),
        lambda: insurance(rng),
        lambda: telephone(rng),
        lambda: icd(rng),
        lambda: icd(rng),
        lambda: number(rng),
        lambda: number(rng),
        lambda: (
            number(rng) + rng.choice(("%", " %", "°C", " mm", "mm", "cm", " cm", " kg", " mmHg", " ml", "cm²", " m²"))
        ),
        lambda: "x".join(number(rng) for _ in range(rng.choice((2, 3)))) + rng.choice(("", "cm", " cm", "mm", " mm")),
        lambda: f"{rng.randint(80, 190)}/{rng.randint(40, 110)}" + rng.choice(("", " mmHg", "mmHg")),
        lambda: stage(rng),
        lambda: stage(rng),
        lambda: f"{rng.choice(STAGED)} {rng.choice(ROMAN)}",
        lambda: f"{rng.choice(MARKERS)} ({rng.choice(('+', '-', '1+', '2+', '3+', '90%', '15%'))})",
        lambda: f"{rng.choice(('+', '-', '±', '<', '>', '≤', '≥', '~', '×'))}{rng.choice(('', ' '))}{number(rng)}",
        lambda: str(rng.randint(0, 99)),
        lambda: f"{rng.randint(1, 12)}/{rng.randint(1, 12)}",
        lambda: f"{number(rng)} {rng.choice('–-')} {number(rng)}",
    )
    return rng.choice(shapes)()


def insurance(rng: Random) -> str:
    parts = (
        rng.choice(("DN", "HT", "CK", "GD", "TE", "HN", "CH", "BT", "HC", "XK", "SV", "CN")),
        digits(rng, 1),
        digits(rng, 2),
    )
    tail = rng.choice(((digits(rng, 10),), (digits(rng, 2), digits(rng, 3), digits(rng, 5))))
    return rng.choice(("", " ", " ", "-")).join(parts + tail)


def telephone(rng: Random) -> str:
    gap = rng.choice(("", " ", " ", ".", "-"))
    return f"0{digits(rng, 3)}{gap}{digits(rng, 3)}{gap}{digits(rng, 3)}"


def icd(rng: Random) -> str:
    tail = rng.choice(("", f".{digits(rng, 1)}", f".{digits(rng, 1)}", f".{digits(rng, 2)}"))
    return f"{rng.choice('ABCDEFGHIJKLMNOPQRSTUVWXYZ')}{digits(rng, 2)}{tail}" + rng.choice(("", "", "", "*"))


def stage(rng: Random) -> str:
    prefix = rng.choice(("", "", "p", "c", "yp"))
    tumour = rng.choice(("Tis", "T0", "T1", "T1a", "T1c", "T2", "T2b", "T3", "T4", "T4b", "Tx"))
    nodes, spread = rng.choice(("N0", "N1", "N1a", "N2", "N2b", "N3", "Nx")), rng.choice(("M0", "M0", "M1", "Mx"))
    text = f"{prefix}{tumour}{nodes}{spread}"
    return rng.choice((text, f"({text})", f"{rng.choice(ROMAN)} ({text})", f"giai đoạn {rng.choice(ROMAN)} ({text})"))


def moment(rng: Random) -> str:
    """A date, a time or both, in the ways forms and people write them."""
    day, month, year = rng.randint(1, 31), rng.randint(1, 12), rng.randint(1930, 2029)
    hour, minute = rng.randint(0, 23), rng.choice((0, 5, 10, 15, 20, 30, 45, rng.randint(0, 59)))
    d, m = rng.choice(((f"{day:02d}", f"{month:02d}"), (str(day), str(month))))
    mark = rng.choice("///-.")
    date = rng.choice(
        (
            f"{d}{mark}{m}{mark}{year}",
            f"{d}{mark}{m}{mark}{year}",
            f"{d}{mark}{m}{mark}{year % 100:02d}",
            f"{d} tháng {m} năm {year}",
            f"ngày {d} tháng {m} năm {year}",
            f"Ngày {d} tháng {m} năm {year}",
            f"{year}-{month:02d}-{day:02d}",
        )
    )
    time = rng.choice(
        (
            f"{hour:02d}:{minute:02d}",
            f"{hour} giờ {minute:02d} phút",
            f"{hour:02d} giờ {minute:02d} phút",
            f"{hour}h{minute:02d}",
            f"{hour:02d}h{minute:02d}'",
            f"{hour:02d}:{minute:02d}:{digits(rng, 2)}",
        )
    )
    return rng.choice(
        (date, date, f"{time}, {date}", f"{time} {date}", f"{date} {time}", time, str(year), f"{m}/{year}")
    )


def laboratory(rng: Random, tests: list[tuple[str, str]], units: list[str]) -> str:
    """Cells of a laboratory row, alone or side by side: 'Glucose 5,6 mmol/L 3,9 - 6,4 H'."""
    name, unit = rng.choice(tests)
    if rng.random() < 0.3 or not unit:
        unit = rng.choice(
            (
                *units,
                "µmol/L",
                "10³/µL",
                "10⁹/L".replace("⁹", "^9"),
                "mL/phút/1,73m²",
                "µg/mL",
                "µIU/mL",
                "x10³/µL",
                "m²",
                "°C",
                "mm³",
            )
        )
    low, high = number(rng), number(rng)
    dash = rng.choice((" - ", "-", " – ", "–"))
    reference = rng.choice(
        (
            f"{low}{dash}{high}",
            f"{low}{dash}{high}",
            f"({low}{dash}{high})",
            f"< {high}",
            f"≤ {high}",
            f"≥ {low}",
            f"<{high}",
            f"≤{high}",
        )
    )
    value = rng.choice(
        (number(rng), number(rng), number(rng), rng.choice(("Âm tính", "Dương tính", "(+)", "(-)", "Nhóm A", "Rh (+)")))
    )
    cells = rng.choice(
        (
            (name,),
            (unit,),
            (unit,),
            (value,),
            (reference,),
            (reference,),
            (value, unit),
            (name, value),
            (name, value, unit),
            (value, unit, reference),
            (reference, unit),
            (value, rng.choice("HL")),
        )
    )
    return " ".join(cells)


def drug(rng: Random, drugs: list[str]) -> str:
    """A drug with its strength, or how to take it."""
    strength = f"{rng.choice((rng.randint(1, 1000), number(rng)))}{rng.choice(('', ' '))}{rng.choice(STRENGTHS)}"
    dose = f"{rng.choice(('', '0'))}{rng.randint(1, 9)} {rng.choice(UNITS_OF_DOSE)}"
    shapes = (
        rng.choice(drugs),
        f"{rng.choice(drugs)} {strength}",
        f"{rng.choice(drugs)} {strength}",
        strength,
        dose,
        f"Ngày {rng.choice(ROUTES)} {rng.randint(1, 4)} lần, mỗi lần {dose}",
        f"{rng.choice(ROUTES)} {dose}/ngày",
        f"{rng.choice(TIMES)} {dose}, {rng.choice(TIMES)} {dose}",
        f"x {digits(rng, 2)} {rng.choice(UNITS_OF_DOSE)}",
    )
    return rng.choice(shapes)


def alike(rng: Random) -> str:
    """Strings of characters that are easily taken for each other."""
    pool = rng.choice(
        (
            "l1I|!",
            "0OoQD",
            "ổốồỗộôỏó",
            "ẩấầẫậâảá",
            "ểếềễệêẻé",
            "ởớờỡợơ",
            "ửứừữựưủú",
            "5S8B6",
            "2Z7?",
            ".,;:",
            "rnm",
            "clđd",
            "ĩỉíì",
            "ỷỹýỳy",
            "gq9y",
            "uvưy",
            "VU",
            "IJ1l",
            "tfí",
        )
    )
    return "".join(rng.choice(pool + rng.choice((pool, " ", "n"))) for _ in range(rng.randint(2, 12))).strip() or "l1"
