"""Stage 6, transformers.choices: printed words of small vocabularies become codes; names and texts are tidied."""

import re
import unicodedata

from rapidfuzz import fuzz

from records.code_lists import rows
from transformers.text import clean, digits_at_sight, folded

SEX = {"nam": "male", "nu": "female", "male": "male", "female": "female", "m": "male", "f": "female"}
MODALITIES = frozenset({"CT", "MR", "US", "CR", "DX", "MG", "XA", "RF", "NM", "PT"})  # DICOM's codes
MODALITY_WORDS = {"DR": "DX", "MRI": "MR"}
SIDES = {"l": "L", "left": "L", "trai": "L", "t": "L", "r": "R", "right": "R", "phai": "R", "p": "R"}
_TNM = re.compile(r"\bT ?([0-4OIlXx](?:is|[a-d])?) ?[NÑ]{1,2} ?([0-3OIlXx][a-c]?) ?M ?([01OIlXx][a-c]?)(?![A-Za-z0-9])")
_COUNTED = r"(?=(?:viên|ống|gói|lọ)\b)"
_ONE = re.compile(rf"(?<=mỗi lần )[lI|] ?{_COUNTED}")
_GLUED = re.compile(rf"(\d){_COUNTED}")
_NOUGHTS = re.compile(r"(?<=\d)[oO]{1,4}(?=\s?(?:mg|mcg|ml|g|%)(?![A-Za-zÀ-ỹ]))")  # '3oomg'
_SALINE = re.compile(r"\b(Na[Cc][l1I]) ?[oO0](?=,9 ?%)")  # 'NaClo,9%'
# The next label on the line; Giới and Tuổi are names too, unless more follows or small letters tell them apart.
_NEXT_LABEL = r"(?:tu[oổôố]i|gi[oớơ]i)(?:\s*[:;]|\s+(?:t[ií]nh|nam|n[uữ]|\d))"
_AFTER_A_NAME = re.compile(rf"(?i)[,;:]?\s(?:{_NEXT_LABEL}|n[aă]m sinh|ng[aà]y sinh|sinh ng[aà]y|m[aã] s[oố]\b).*$")


def parse_person_name(raw: str) -> str:
    """'Phạm Quốc Giang' -> 'PHẠM QUỐC GIANG' (NFC capitals)."""
    said = _AFTER_A_NAME.sub("", clean(raw))
    *name, last = said.split() or [""]
    if " ".join(name).isupper() and last.lower() in ("tuổi", "giới") and not last.isupper():
        said = " ".join(name)
    text = said.upper().replace("0", "O").replace("|", "I").replace("1", "I")
    text = unicodedata.normalize("NFC", " ".join(text.strip("., ").split()))
    parts = text.split()
    if len(parts) < 2:
        raise ValueError("họ tên phải có ít nhất hai chữ")
    if not all(re.fullmatch(r"[^\W\d_]+(?:[.'’\-][^\W\d_]*)*\.?", part) for part in parts):
        raise ValueError("họ tên chỉ gồm chữ cái")
    return text


def parse_sex(raw: str) -> str:
    """'Nam' -> 'male'; 'NỮ' -> 'female'; both or neither is not a sex."""
    words = re.findall(r"[a-z]+", folded(clean(raw)))
    found = {SEX[word] for word in words if word in SEX} or {SEX[w] for w in ["".join(words)] if w in SEX}
    if len(found) != 1:
        raise ValueError("không rõ nam hay nữ")
    return found.pop()


def parse_outcome(raw: str) -> str:
    """'Đỡ, giảm' -> 'improved'; the printed wording, never the box's number, decides."""
    text = _words(raw)
    scored = [(fuzz.ratio(text, _words(row["name"])), row["code"]) for row in rows("outcomes")]
    best = max(score for score, _ in scored)
    found = {code for score, code in scored if score == best}
    if best < 85 or len(found) != 1:
        raise ValueError("kết quả điều trị không có trong danh sách")
    return found.pop()


def parse_modality(raw: str) -> str:
    """'Siêu âm tuyến giáp' -> 'US'; 'Chụp cắt lớp vi tính ngực' -> 'CT'; 'Cộng hưởng từ' -> 'MR'; 'X-quang' -> 'CR'."""
    code = MODALITY_WORDS.get(clean(raw).upper(), clean(raw).upper())
    if code in MODALITIES:
        return code
    text = f" {_words(raw)} "
    for row in rows("modalities"):
        if f" {_words(row['name'])} " in text:
            return row["code"]
    for row in rows("modalities"):
        wanted = _words(row["name"])
        if 7 <= len(wanted) <= len(text) and fuzz.partial_ratio(wanted, text) >= 85:
            return row["code"]
    raise ValueError("không rõ phương pháp chụp")


def parse_laterality(raw: str) -> str:
    """A film's side by its marker: 'P', 'Phải', 'RIGHT' -> 'R'; 'T' -> 'L'."""
    side = SIDES.get("".join(re.findall(r"[a-z]", folded(clean(raw)))))
    if side is None:
        raise ValueError("không rõ bên phải hay bên trái")
    return side


def parse_text(raw: str) -> str:
    """As printed: NFC, one space between words, no leaders; digits of a stage or a dose where its grammar asks for
    them, and a space behind how many of a drug: 'mỗi lần lviên' -> 'mỗi lần 1 viên'."""
    text = _GLUED.sub(r"\1 ", _ONE.sub("1 ", _TNM.sub(_staged, clean(raw))))
    text = _SALINE.sub(r"\1 0", _NOUGHTS.sub(lambda found: "0" * len(found[0]), text))
    if not any(c.isalnum() for c in text):
        raise ValueError("không có chữ nào")
    return text


def _staged(found: re.Match[str]) -> str:
    """'T 1bNÑ1aMO' -> 'T1bN1aM0'."""
    t, n, m = (digits_at_sight(part[:1]) + part[1:] for part in found.groups())
    return f"T{t}N{n}M{m}"


def _words(raw: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", folded(clean(raw))))
