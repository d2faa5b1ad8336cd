"""Stage 1, extractors.limits: what a file may cost before it is put aside unread."""

from records.base import Frozen


class Limits(Frozen):
    """Checked before anything is decoded. `max_pixels`: of one page."""

    max_pixels: int = 120_000_000
    max_pages: int = 3000
    max_file_bytes: int = 1_000_000_000
