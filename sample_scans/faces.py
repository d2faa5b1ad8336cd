"""Sample scans, faces: open the printed faces, and join a handwriting face's web subsets into one font."""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

from fontTools import merge
from fontTools.ttLib import TTFont
from PIL import ImageFont

HERE = Path(__file__).resolve().parent
PRINT_FOLDER = Path("/usr/share/fonts/truetype/croscore")
HANDS = ("patrick-hand", "itim", "sriracha")
SUBSETS = ("latin", "latin-ext", "vietnamese")
LAYOUT_TABLES = ("GPOS", "GSUB", "GDEF", "kern", "STAT", "DSIG")


def print_font(family: str, bold: bool, italic: bool, pixels: int) -> ImageFont.FreeTypeFont:
    face = {(0, 0): "Regular", (1, 0): "Bold", (0, 1): "Italic", (1, 1): "BoldItalic"}[bold, italic]
    return _open_font(str(PRINT_FOLDER / f"{family}-{face}.ttf"), pixels)


def hand_font(name: str, pixels: int) -> ImageFont.FreeTypeFont:
    return _open_hand(name, pixels)


@lru_cache
def _open_font(path: str, pixels: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, pixels, layout_engine=ImageFont.Layout.BASIC)


@lru_cache
def _open_hand(name: str, pixels: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(io.BytesIO(merged_hand(name)), pixels, layout_engine=ImageFont.Layout.BASIC)


@lru_cache
def merged_hand(name: str) -> bytes:
    """The three web subsets of a handwriting face as one TrueType file, without its layout tables."""
    parts = [_bare_subset(name, subset) for subset in SUBSETS]
    options = merge.Options()
    options.drop_tables = list(LAYOUT_TABLES)
    whole = merge.Merger(options=options).merge(parts)
    out = io.BytesIO()
    whole.save(out)
    return out.getvalue()


def _bare_subset(name: str, subset: str) -> io.BytesIO:
    font = TTFont(HERE / "fonts" / name / f"{name}-{subset}-400-normal.woff2", recalcTimestamp=False)
    font.flavor = None
    for table in LAYOUT_TABLES:
        if table in font:
            del font[table]
    out = io.BytesIO()
    font.save(out)
    out.seek(0)
    return out
