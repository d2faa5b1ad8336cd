"""Beside the product, bench.person: a modelled officer: seconds of a look, a thought and a key, and of a whole task."""

import math
import re
import unicodedata

from records.base import Frozen
from records.document_types import FieldSpec, document_types
from review.groups import ONE_IN, SIZE
from review.misreadings import MISREADINGS

# Card, Moran, Newell, The keystroke-level model for user performance time with interactive systems, CACM 23(7), 1980.
KEY = 0.28  # seconds a keystroke of an average non-secretary typist, 40 words a minute
THINK = 1.35  # seconds of one mental preparation
# Rayner, Eye movements in reading and information processing, Psychological Bulletin 124(3), 1998.
FIXATION = 0.25  # seconds, silent reading: 0.225 to 0.25
SPAN = 8  # letters from one fixation to the next: 7 to 9
# Assumed, for want of a source.
PAGE_LOOK = 10 * FIXATION  # a label found on a page that is searched
REASON = 10  # letters of the reason that a file question wants
TILES_A_THOUGHT = 4  # tiles of a set judged in one mental preparation: a row of them


class Item(Frozen):
    """A value of a document, or a field that was not found. `read`: as it would be shown, '' not found; `paper`: what
    is written there, '' blank; `right`: both have one normal form; `state`: accept, evidence or review.

    `checked`: a check speaks against it.
    """

    file_id: str
    document_id: str
    document_type: str
    field: str
    kind: str
    read: str
    paper: str
    right: bool
    state: str
    checked: bool

    @property
    def spec(self) -> FieldSpec | None:
        return document_types()[self.document_type].field(self.field)

    @property
    def needed(self) -> bool:
        """Whether the EMR is the worse without it: critical or required on its form."""
        return self.spec is not None and (self.spec.critical or self.spec.required)

    @property
    def in_groups(self) -> bool:
        """Whether its value may stand in a set of one kind."""
        return bool(self.read) and not self.checked and self.kind in MISREADINGS


def field_seconds(one: Item) -> float:
    """Look at crop and input, decide, and one key; or type."""
    look = glance(one.paper) + glance(one.read) if one.read else PAGE_LOOK + glance(one.paper)
    if one.right:
        return look + THINK + KEY
    if not one.paper:
        return look + THINK + 2 * KEY  # Alt+B
    return look + THINK + min(typing(one.paper) + THINK, mending(one.read, one.paper)) + KEY


def tile_seconds(one: Item) -> float:
    """A value in a set: looked at, with its share of a thought, of the false values and of the one key; odd: marked."""
    share = THINK / TILES_A_THOUGHT + KEY / SIZE
    marked = 0.0 if one.right else THINK + 2 * KEY
    return (glance(one.paper) + glance(one.read) + share) * ONE_IN / (ONE_IN - 1) + marked


def second_seconds(one: Item) -> float:
    """Another person enters it from the paper alone."""
    return glance(one.paper) + THINK + typing(one.paper) + KEY


def question_seconds() -> float:
    """Two pages compared, three decisions, a reason typed."""
    return 2 * PAGE_LOOK + 3 * THINK + (6 + REASON) * KEY


def glance(written: str) -> float:
    """Seconds to read a text once."""
    return max(1, math.ceil(len(written) / SPAN)) * FIXATION


def typing(written: str) -> float:
    """Seconds to type a text in Telex."""
    return strokes(written) * KEY


def strokes(written: str) -> int:
    """'Ủng thư' -> 9 in Telex: a key a letter, one for each mark, capitals not counted, for case does not matter."""
    return len(unicodedata.normalize("NFD", re.sub("[đĐ]", "dd", written)))


def mending(read: str, written: str) -> float:
    """Seconds to go to each word that differs, by words, and write it anew."""
    old, new = read.split(), written.split()
    if len(old) != len(new):
        return math.inf
    wrong = [word for was, word in zip(old, new, strict=True) if was != word]
    return len(new) * KEY + sum(THINK + (strokes(word) + 2) * KEY for word in wrong)
