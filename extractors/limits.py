"""Stage 1, extractors.limits: what a file may cost before it is put aside unread."""

from records.base import Frozen
from records.errors import UnreadableScan


class Limits(Frozen):
    """Checked before anything is decoded. `max_pixels`: of one page."""

    max_pixels: int = 120_000_000
    max_pages: int = 3000
    max_file_bytes: int = 1_000_000_000


def check_size(width: float, height: float, limits: Limits) -> None:
    """UnreadableScan('too_large') when a page would have more pixels than allowed."""
    if width * height > limits.max_pixels:
        raise UnreadableScan("too_large", f"{width:.0f} x {height:.0f} pixels")
