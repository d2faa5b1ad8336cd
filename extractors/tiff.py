"""Stage 1, extractors.tiff: counts a TIFF's pages from its directories alone, as the second opinion beside Pillow."""

import struct
from typing import NamedTuple

from records.errors import UnreadableScan

STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES = 273, 279, 324, 325
INTEGERS = {3: "H", 4: "I", 16: "Q"}


class Layout(NamedTuple):
    """How this file writes numbers: byte order, and the sizes of the classic or the BigTIFF layout."""

    order: str
    offset: str
    entry_count: str
    entry_size: int
    inline: int

    def number(self, data: bytes, kind: str, at: int) -> int:
        """One number; struct.error behind the end of the file."""
        return int(struct.unpack_from(self.order + kind, data, at)[0])


def count_tiff_pages(data: bytes, most: int) -> int:
    """The number of page directories, at most `most` + 1; UnreadableScan('damaged_file') when any is cut short or
    the chain runs in a circle."""
    try:
        layout, at = _layout(data)
        seen: set[int] = set()
        while at and len(seen) <= most:
            if at in seen:
                raise UnreadableScan("damaged_file", "its page directories run in a circle")
            seen.add(at)
            at = _next_directory(data, layout, at)
    except struct.error as error:
        raise UnreadableScan("damaged_file", "a page directory is cut off") from error
    return len(seen)


def _layout(data: bytes) -> tuple[Layout, int]:
    order = "<" if data[:2] == b"II" else ">"
    if struct.unpack_from(order + "H", data, 2)[0] == 43:
        layout = Layout(order, "Q", "Q", 20, 8)
        return layout, layout.number(data, "Q", 8)
    layout = Layout(order, "I", "H", 12, 4)
    return layout, layout.number(data, "I", 4)


def _next_directory(data: bytes, layout: Layout, at: int) -> int:
    """Check that this page's pixels lie inside the file; return where the next directory starts, 0 for none."""
    entries = layout.number(data, layout.entry_count, at)
    first = at + struct.calcsize(layout.entry_count)
    numbers = {}
    for index in range(entries):
        entry = first + index * layout.entry_size
        tag = layout.number(data, "H", entry)
        if tag in (STRIP_OFFSETS, STRIP_BYTES, TILE_OFFSETS, TILE_BYTES):
            numbers[tag] = _values(data, layout, entry)
    for offsets, sizes in ((STRIP_OFFSETS, STRIP_BYTES), (TILE_OFFSETS, TILE_BYTES)):
        for start, size in zip(numbers.get(offsets, ()), numbers.get(sizes, ()), strict=False):
            if start + size > len(data):
                raise UnreadableScan("damaged_file", "a page's pixels are cut off")
    return layout.number(data, layout.offset, first + entries * layout.entry_size)


def _values(data: bytes, layout: Layout, entry: int) -> tuple[int, ...]:
    kind = INTEGERS.get(layout.number(data, "H", entry + 2), "")
    count = layout.number(data, layout.offset, entry + 4)
    at = entry + 4 + layout.inline
    if not kind or count > len(data):
        raise UnreadableScan("damaged_file", "a page directory makes no sense")
    if count * struct.calcsize(kind) > layout.inline:
        at = layout.number(data, layout.offset, at)
    return struct.unpack_from(f"{layout.order}{count}{kind}", data, at)
