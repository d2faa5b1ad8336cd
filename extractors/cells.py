"""Stage 5, extractors.cells: take apart what one cell holds together: drug and strength, quantity and unit."""

import re

from extractors.found import Found
from extractors.rows import halves
from records.pages import Word

STRENGTH = re.compile(
    r"\d[\doO]{0,8}(?:[.,]\d{1,9})?\s?(?:mg|mcg|µg|g|ml|UI|IU|%|đơn vị|MBq)"
    r"(?:\s?/\s?\d{0,9}(?:[.,]\d{1,9})?\s?(?:ml|viên|lọ|ống|g|liều))?(?:\b|(?<=%))",
    re.IGNORECASE,
)
ITEM = re.compile(r"^\d{1,2}[.)/]?$")
QUANTITY = re.compile(r"^(\d+(?:[.,]\d+)?)\s*(\D*)$")


def drug_and_strength(field: str, words: list[Word], method: str) -> list[Found]:
    """'Metformin 850mg' as a drug and its strength; the last strength in the text counts."""
    if len(words) > 1 and ITEM.match(words[0].text):
        words = words[1:]
    text, starts = "", []
    for word in words:
        starts.append(len(text))
        text += word.text + " "
    strengths = list(STRENGTH.finditer(text))
    if not words:
        return []
    if not strengths:
        return [Found(f"{field}.drug", "drug", method, (tuple(words),))]
    cut = strengths[-1].start()
    first = max(i for i, s in enumerate(starts) if s <= cut)
    drug, strength = words[:first], words[first:]
    if starts[first] < cut:  # glued: 'Metformin850mg'
        glued = words[first]
        at = cut - starts[first]
        left, right = halves(glued, glued.text[:at], glued.text[at:])
        drug, strength = [*drug, left], [right, *words[first + 1 :]]
    parts = [(drug, "drug"), (strength, "strength")]
    return [Found(f"{field}.{name}", name, method, (tuple(part),)) for part, name in parts if part]


def quantity_and_unit(field: str, words: list[Word], method: str) -> list[Found]:
    """'20 viên' as a quantity and its unit."""
    head, tail = words[:1], words[1:]
    glued = QUANTITY.match(head[0].text) if head else None
    if glued and glued[2].strip() and not tail:
        left, right = halves(head[0], glued[1], glued[2].strip())
        head, tail = [left], [right]
    found = [Found(f"{field}.quantity", "integer", method, (tuple(head),))]
    return found + ([Found(f"{field}.unit", "unit", method, (tuple(tail),))] if tail else [])
