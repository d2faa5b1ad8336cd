"""Training, fonts: the faces listed in data/faces.csv as TrueType files whose every letter is checked.

Debian's faces are used where they lie; web faces (@fontsource) come as three subsets each and are joined once into
training/cache/faces. A face that lacks a Vietnamese letter is refused by name and training goes on without it.
"""

from __future__ import annotations

import csv
import io
import logging
import os
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from fontTools import merge
from fontTools.ttLib import TTFont, TTLibError
from PIL import ImageFont

from training.alphabet import CORE

HERE = Path(__file__).resolve().parent
LIST = HERE / "data" / "faces.csv"
WEB = HERE / "cache" / "node_modules" / "@fontsource"
JOINED = HERE / "cache" / "faces"
SYSTEM = (Path("/usr/share/fonts"), Path("/usr/share/texmf/fonts"))
SUBSETS = ("latin", "latin-ext", "vietnamese")
LAYOUT_TABLES = ("GPOS", "GSUB", "GDEF", "kern", "STAT", "DSIG", "fvar", "gvar", "avar", "HVAR", "MVAR")
log = logging.getLogger("training")


class BadFace(ValueError):
    """A face that cannot be used; the message names it."""


@dataclass(frozen=True)
class Face:
    """One style of a family; `weight` is how often it is drawn, `held_out` faces are only measured on."""

    name: str
    path: Path
    kind: str  # print | mono | hand
    weight: int
    held_out: bool
    licence: str
    signs: frozenset[str] = field(repr=False, default=frozenset())

    def draws(self, text: str) -> bool:
        return all(character in self.signs for character in text)


def load_faces() -> list[Face]:
    """All faces of the list that are installed and whole; the others are named in the log."""
    faces, missing = [], []
    with LIST.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            try:
                faces.append(_checked(row))
            except BadFace as problem:
                missing.append(str(problem))
    for problem in missing:
        log.warning("Face left out: %s", problem)
    if not any(not face.held_out for face in faces):
        raise BadFace("no face is installed; run training/make_env.sh first")
    return faces


def _checked(row: dict[str, str]) -> Face:
    """The face of one row of the list; BadFace where it is not installed or lacks a letter."""
    path = _system_file(row["file"]) if row["source"] == "debian" else joined(row["file"])
    characters = signs_of(path)
    lacking = [character for character in CORE if character not in characters]
    if lacking:
        raise BadFace(f"{row['name']} lacks {''.join(lacking[:12])!r} ({len(lacking)} letters)")
    if has_one_case(path):
        raise BadFace(f"{row['name']} draws small letters as capitals")
    return Face(row["name"], path, row["kind"], int(row["weight"]), row["use"] == "measure", row["licence"], characters)


def signs_of(path: Path) -> frozenset[str]:
    """The characters that a font file can draw; BadFace where it is none."""
    try:
        with TTFont(path, lazy=True) as font:
            return frozenset(map(chr, font.getBestCmap()))
    except (OSError, TTLibError) as error:
        raise BadFace(f"{path} is not a readable font ({error})") from error


def has_one_case(path: Path) -> bool:
    """True for faces whose a, e, g, r look like A, E, G, R: they would teach the wrong case."""
    font = open_face(path, 40)
    return all(font.getmask(letter).getbbox() == font.getmask(letter.upper()).getbbox() for letter in "aegr")


@lru_cache
def _system_index() -> dict[str, Path]:
    return {path.name: path for folder in SYSTEM for path in sorted(folder.rglob("*.[to]tf"))}


def _system_file(name: str) -> Path:
    if name not in _system_index():
        raise BadFace(f"{name} is not installed (training/fonts.txt names its Debian package)")
    return _system_index()[name]


def joined(name: str) -> Path:
    """'lora-400-italic' -> the TrueType file joined from the web subsets of that style."""
    target = JOINED / f"{name}.ttf"
    if target.exists():
        return target
    family, weight, style = name.rsplit("-", 2)
    parts = [WEB / family / "files" / f"{family}-{subset}-{weight}-{style}.woff2" for subset in SUBSETS]
    absent = [part.name for part in parts if not part.exists()]
    if absent:
        raise BadFace(f"{name}: {absent[0]} is not there (training/make_env.sh fetches @fontsource/{family})")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        whole = merge.Merger().merge([_bare(part) for part in parts])
    except (AssertionError, AttributeError, KeyError, TypeError, ValueError, OSError, TTLibError) as error:
        raise BadFace(f"{name}: its subsets cannot be joined ({type(error).__name__}: {error})") from error
    part = target.with_suffix(f".{os.getpid()}.part")  # both training processes may be joining this face
    whole.save(part)
    part.replace(target)
    return target


def _bare(part: Path) -> io.BytesIO:
    """A web subset as plain TrueType without layout tables, which cannot be joined."""
    font = TTFont(part, recalcTimestamp=False)
    font.flavor = None
    for table in LAYOUT_TABLES:
        if table in font:
            del font[table]
    out = io.BytesIO()
    font.save(out)
    out.seek(0)
    return out


@lru_cache(maxsize=200)
def open_face(path: Path, pixels: int) -> ImageFont.FreeTypeFont:
    """The face at an em of so many pixels."""
    return ImageFont.truetype(str(path), pixels, layout_engine=ImageFont.Layout.BASIC)
