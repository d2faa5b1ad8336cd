"""Stage 7, validation.wholeness: running text that its readers agree on and that still cannot be whole. Pure.

Readers see the same strip of the page, so they agree where the strip ends too early, where it takes in what is printed
for the signature, and where a zero looks like a letter. The patterns are those of values that were wrong though all
readers agreed, on the generated pages of `bench.corpus`, part `fit`.
"""

import re

TEXTS = ("text", "long_text", "address", "drug")
LONG = 50  # letters from which the text of a finding ends with a full stop
UNSTOPPED = ("diagnosis", "patient", "surgery.pre", "surgery.post", "treatment")  # fields that name, and end without
# After these words of a phrase something follows.
GOES_ON = frozenset(
    {
        "sau", "trước", "và", "có", "của", "với", "ở", "do", "theo", "cho",
        "từ", "đến", "không", "thấy", "mỗi", "các", "một", "bờ", "mật", "ranh",
        "lần", "bị", "kèm", "tại", "hai", "tĩnh", "bên", "buổi", "khi", "tỉnh",
    }
)  # fmt: skip
# A house or hamlet of which the number may be a letter: 'Thôn s', 'Số s1'.
NUMBERLESS = re.compile(r"\b(?:[Ss]ố|[Tt]hôn|[Tt]ổ|[Nn]gõ|[Đđ]ội|[Xx]óm|[Ấấ]p|[Kk]hóm) (?:[A-Za-z]\b|[A-Za-z]\d)")
LETTER_DOSE = re.compile(r"(?<![A-Za-zÀ-ỹ])[sS] ?%|(?<![A-Za-zÀ-ỹ])[sSlI][oO0]{1,3} ?m[lg]\b")  # 's%', 'soml'
TAKEN = "medications"  # how a drug is taken opens with a capital and says how much and how long in figures and a unit
ZERO = re.compile(r"N[oO](?![a-zà-ỹ])|M[oO](?![A-Za-zÀ-ỹ])|\d[oO](?![A-Za-zÀ-ỹ])")
SIGNED = re.compile(r"ghi rõ họ tên|\bký,", re.IGNORECASE)
NEXT_SENTENCE = re.compile(r"[a-zà-ỹ]\. [A-ZÀ-Ỹ]")


def flaw_of(raw: str, kind: str, field: str) -> str:
    """'cut_off', 'letter_zero', 'form_words', or '' for text that may be whole. `raw`: as it was read."""
    text = raw.strip()
    if kind not in TEXTS or not text:
        return ""
    if SIGNED.search(text):
        return "form_words"
    if ZERO.search(text) or LETTER_DOSE.search(text) or (kind == "address" and NUMBERLESS.search(text)):
        return "letter_zero"
    taken = field.startswith(TAKEN) and (text[0].islower() or text.isdigit() or text.endswith("%"))
    return "cut_off" if taken or _goes_on(text) or _unstopped(text, kind, field) else ""


def _goes_on(text: str) -> bool:
    open_brackets = text.count("(") != text.count(")")
    return open_brackets or text[-1] in ",;:-(/+" or text.lower().split()[-1] in GOES_ON


def _unstopped(text: str, kind: str, field: str) -> bool:
    """Sentences of which the last one has no end."""
    if text.endswith((".", ")", "!", "?")):
        return False
    finding = kind == "long_text" and len(text) >= LONG and not field.startswith(UNSTOPPED)
    return finding or bool(NEXT_SENTENCE.search(text))
