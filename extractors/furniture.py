"""Stage 5, extractors.furniture: words of a page become what they are besides values: dates over signatures, titles."""

import re
from collections.abc import Sequence

from extractors.rows import fold
from records.pages import Word

SIGNED = re.compile(r"ngay.{0,12}thang.{0,8}nam")
HINTED = re.compile(r"(?i)ngày\s?[/,]\s?tháng")
SIGN_HERE = re.compile("ghirohoten|^kyghi|^kyten|^kyvaghi")  # (Ký, ghi rõ họ tên)
HOSPITAL = re.compile("benhvien|trungtamyte|phongkham|hotline|website|email")
UNKNOWN_LABEL = 5  # words at most of a label that the form's type does not know


def is_dated(text: str) -> bool:
    """Whether a row is the place-and-date line over signatures; the hint (ngày/tháng/năm) makes none."""
    return bool(SIGNED.search(fold(text))) and not HINTED.search(text)


def asks_for_a_name(words: Sequence[Word]) -> bool:
    """Whether words stand below the heading of a signature, in brackets: sign, and write your name."""
    return bool(SIGN_HERE.search(fold(" ".join(w.text for w in words))))


def names_a_hospital(text: str) -> bool:
    """Whether a row is of a letterhead or of the foot of a page."""
    return bool(HOSPITAL.search(fold(text)))


def opens_with_label(words: Sequence[Word]) -> bool:
    """Whether a label that the form's type may not know comes first: a capital, and a colon soon after it."""
    label = next((words[: i + 1] for i, w in enumerate(words[:UNKNOWN_LABEL]) if w.text.endswith((":", "："))), ())
    return bool(label) and label[0].text[:1].isupper() and all(w.text.strip(":：").isalpha() for w in label)


def is_section_title(words: Sequence[Word], above: Sequence[Word]) -> bool:
    """A row in capitals under a value that is not; one capital code is no title."""
    text, over = (" ".join(w.text for w in row) for row in (words, above))
    return sum(c.isalpha() for c in text) >= 4 and text.isupper() and not over.isupper()
