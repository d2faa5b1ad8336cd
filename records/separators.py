"""Stage 0, records.separators: what a separator sheet says (box, file, admission number, sheets), and its code."""

import re
import unicodedata
from urllib.parse import quote, unquote

from records.base import Frozen
from records.errors import SohoaError

PREFIX = "SOHOA1/"
CODE = re.compile(r"^SOHOA1/[ -)+-~]{1,80}\*\d\d$")
CONTENT = re.compile(r"(?P<box>[^/]+)/(?P<file>\d{4})(?:/(?P<encounter>[^/]*)(?:/(?P<sheets>[1-9]\d{0,3}))?)?")
LAST = 9999  # file of a box, and sheet of a file
TOO_LONG = (
    "The box '{box}' and its admission numbers are too long for a barcode; shorten the name of the box. Letters with "
    "marks need six to nine places each."
)
UNESCAPED = " !\"#$&'(),-.:;<=>?@[\\]^_`{|}~+"  # besides letters and digits; '/', '*' and '%' have a meaning here


class Separator(Frozen):
    """What stands before a file of a box. `encounter_number`: '', `sheets`: 0 where it was not known at printing."""

    box: str
    file_number: int
    encounter_number: str = ""
    sheets: int = 0

    def code(self) -> str:
        """'SOHOA1/KHO-07/0012/18.023458/64*14'; what is unknown at the end is left out, other signs are '%' and hex.

        SohoaError says what cannot stand on a sheet.
        """
        _refuse_text("name of a box", self.box, empty=False)
        _refuse_text("admission number", self.encounter_number, empty=True)
        _refuse_number("number of a file", self.file_number, lowest=1)
        _refuse_number("count of sheets", self.sheets, lowest=0)
        parts = (self.box, f"{self.file_number:04d}", self.encounter_number, str(self.sheets or ""))
        code = with_check("/".join(quote(part, safe=UNESCAPED) for part in parts).rstrip("/"))
        if not CODE.match(code):
            raise SohoaError(TOO_LONG.format(box=self.box))
        return code


def separator_of(code: str) -> Separator | None:
    """What the code of one of our sheets says; None for every other text, also where the check digits are wrong."""
    if not has_check(code):
        return None
    found = CONTENT.fullmatch(code[len(PREFIX) : -3])
    if not found:
        return None
    said = Separator(
        box=unquote(found["box"]),
        file_number=int(found["file"]),
        encounter_number=unquote(found["encounter"] or ""),
        sheets=int(found["sheets"] or 0),
    )
    return said if _writes(said, code) else None


def has_check(code: str) -> bool:
    """Whether the text is of our form and its check digits are right."""
    return bool(CODE.match(code)) and with_check(code[len(PREFIX) : -3]) == code


def with_check(content: str) -> str:
    """'KHO-07/0012' -> 'SOHOA1/KHO-07/0012*' and two check digits, so that a misread code is none (ISO 7064, 97-10)."""
    number = 0
    for byte in content.encode("ascii"):
        number = (number * 1000 + byte) % 97
    return f"{PREFIX}{content}*{98 - number * 100 % 97:02d}"


def _writes(said: Separator, code: str) -> bool:
    """Each separator has one code: a text that says the same in other signs was not printed here."""
    try:
        return said.code() == code
    except SohoaError:
        return False


def _refuse_text(name: str, text: str, empty: bool) -> None:
    if not text and not empty:
        raise SohoaError(f"The {name} is empty; give the one that stands on the shelf.")
    if text != text.strip() or not text.isprintable() or text != unicodedata.normalize("NFC", text):
        raise SohoaError(
            f"The {name} {text!a} begins or ends with a space or holds a sign that cannot be printed; write it again."
        )


def _refuse_number(name: str, number: int, lowest: int) -> None:
    if not lowest <= number <= LAST:
        raise SohoaError(f"{number} is no {name}; it lies between {lowest} and {LAST}.")
