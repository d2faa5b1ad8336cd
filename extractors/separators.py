"""Stage 2, extractors.separators: what the barcode of a separator sheet says.

The one door to zxing-cpp. A page with any other barcode is an ordinary page.
"""

import re
from typing import Any

from numpy.typing import NDArray

PREFIX = "SOHOA1/"
CODE = re.compile(r"^SOHOA1/[ -)+-~]{1,80}\*\d\d$")


def separator_code(rgb: NDArray[Any]) -> str:
    """The code on a separator sheet of ours, upside down or turned too; '' on any other page. `rgb`: HxWx3 uint8."""
    import zxingcpp

    formats = zxingcpp.barcode_formats_from_str("Code128,QRCode")
    texts = {found.text for found in zxingcpp.read_barcodes(rgb[:, :, 0].copy(), formats=formats, try_invert=False)}
    codes = {text for text in texts if CODE.match(text) and with_check(text[len(PREFIX) : -3]) == text}
    return codes.pop() if len(codes) == 1 else ""


def with_check(content: str) -> str:
    """'KHO-07/0012' -> 'SOHOA1/KHO-07/0012*' and two check digits, so that a misread code is none (ISO 7064, 97-10)."""
    number = 0
    for byte in content.encode("ascii"):
        number = (number * 1000 + byte) % 97
    return f"{PREFIX}{content}*{98 - number * 100 % 97:02d}"
