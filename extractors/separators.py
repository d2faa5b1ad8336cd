"""Stage 2, extractors.separators: what the barcodes of a separator sheet say, and whether they can be trusted.

The one door to zxing-cpp, for reading. A page with nothing but other barcodes is an ordinary page.
"""

from collections.abc import Iterator
from typing import Any, Literal

from numpy.typing import NDArray

from records.base import Frozen
from records.separators import separator_of

OURS = "SOHOA"  # what the codes of our sheets begin with, those of other editions too
CORNER = 0.36  # of the page's short side: holds the QR code of a sheet that lies 3 degrees askew
QR, BOTH = "QRCode", "Code128,QRCode"

Doubt = Literal["", "unreadable_code", "two_codes"]


class SeparatorLook(Frozen):
    """What a page's barcodes say. `code`: of a separator sheet of ours, else ''.

    `doubt`: why a page with a code of ours is none: `unreadable_code` where its check digits or its content are wrong,
    `two_codes` where two differ. Such a page is for an officer: it may be the border between two patients.
    """

    code: str = ""
    doubt: Doubt = ""


def look_for_separator(rgb: NDArray[Any]) -> SeparatorLook:
    """The page's corners first, where two QR codes stand, then the whole page: a second sheet must not go unseen.

    `rgb`: HxWx3 uint8. The red channel, in which red stamps are pale. 0.02 CPU s a page.
    """
    red = rgb[:, :, 0].copy()
    texts = {text for corner in _corners(red) for text in _texts(corner, QR)} | set(_texts(red, BOTH))
    return _judged({text for text in texts if text.strip().upper().startswith(OURS)})


def _corners(gray: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """The page's four corners."""
    side = max(1, round(CORNER * min(gray.shape)))
    for rows in (slice(side), slice(-side, None)):
        for columns in (slice(side), slice(-side, None)):
            yield gray[rows, columns].copy()


def _texts(gray: NDArray[Any], kinds: str) -> list[str]:
    import zxingcpp

    formats = zxingcpp.barcode_formats_from_str(kinds)
    return [found.text for found in zxingcpp.read_barcodes(gray, formats=formats, try_invert=False)]


def _judged(ours: set[str]) -> SeparatorLook:
    """`ours`: different texts of our own kind."""
    if len(ours) > 1:
        return SeparatorLook(doubt="two_codes")
    code = next(iter(ours), "")
    if code and not separator_of(code):
        return SeparatorLook(doubt="unreadable_code")
    return SeparatorLook(code=code)
