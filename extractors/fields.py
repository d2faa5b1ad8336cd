"""Stage 5, extractors.fields: find each labelled field on a page and take the words beside or below it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from extractors.found import Found
from extractors.furniture import asks_for_a_name, is_dated, is_section_title, names_a_hospital, opens_with_label
from extractors.labels import COLUMNS_TOO, NUMBERING, ROMAN, LabelHit, find_labels, folded, parted
from extractors.rows import Row
from records.document_types import DocumentType, FieldSpec
from records.pages import Box, Rulings, Word

# How many rows a value may run over, by kind; kinds not named stay on one row.
WRAPS = {
    "person_name": 3, "moment": 2, "text": 3, "long_text": 30, "address": 3, "department": 2, "occupation": 2,
    "insurance_card": 2, "birth_date": 2,
}  # fmt: skip
REACH = {"person_name": 2.2, "long_text": 1.6}  # how far below a wrapped row may begin, in letter heights
RUNNING = ("long_text", "text", "address")
DATED = ("moment", "date", "birth_date")
PERSON = "patient.name"
OF_LETTERHEAD = ("address", "phone")  # the hospital's own stand above the title, and at the foot, under the same labels
GOES_ON = ("-", "/")  # at the end of a number that wraps in a narrow cell
HALF = re.compile(r"(?i)(?:lúc|giờ)$")  # at the end of a moment's first row: it goes on in the next
DOTS = (".", "…", "·")
YEAR = re.compile(r"\b(?:19|20)\d\d\b")
OVERLAP = 0.3  # of tightly set rows, in letter heights
BOXED = "boxes"  # the method of what was read in squares
BOX_ROOM = 1.15  # letter heights above and below the middle of a label in which its squares stand
FAR_RIGHT = 1e6  # pixels


BoxReader = Callable[[str, Box], tuple[Word, ...] | None]


def no_boxes(mode: str, place: Box) -> None:
    """For pages without an image: there are no squares."""


def find_fields(
    rows: list[Row], document_type: DocumentType, em: float, rulings: Rulings = (), boxes: BoxReader = no_boxes
) -> list[Found]:
    """Each labelled field of the form once, where its label is best and its value is not empty.

    `em`: typical height of a word in pixels; `rulings`: (x, top, bottom) of vertical rulings in pixels; `boxes`: what
    squares right of a label say (see extractors.boxes).
    """
    hits = find_labels(rows, document_type, rulings)
    page = _Page(rows, hits, em, rulings, boxes)
    person = min((h.row for h in hits if h.field == PERSON), default=0)
    best: dict[str, tuple[float, Found]] = {}
    for hit in hits:
        spec = document_type.field(hit.field)
        if spec is None:
            continue
        found = page.value_of(hit, spec)
        if not found or not any(c.isalnum() for c in found.raw):
            continue
        bar = best[hit.field][0] if hit.field in best else 0.0
        if (spec.kind in OF_LETTERHEAD or folded(hit, rows) in COLUMNS_TOO) and page.of_letterhead(hit, person):
            continue
        if hit.weight > bar:
            best[hit.field] = hit.weight, found
    return [found for _, found in best.values()]


@dataclass(frozen=True)
class _Page:
    rows: list[Row]
    hits: list[LabelHit]
    em: float
    rulings: Rulings
    boxes: BoxReader

    def value_of(self, hit: LabelHit, spec: FieldSpec) -> Found | None:
        """What its boxes say, else words right of the label in its cell, off its row, below it, or in the next cell."""
        right = self._right_end(hit)
        boxed = self.boxes(spec.boxes, self._box_room(hit, right)) if spec.boxes else None
        if boxed is not None and spec.boxes != "coded":
            return Found(spec.name, spec.kind, BOXED, (boxed,))
        right = boxed[0].box.left if boxed else right
        cell = min(right, self._ruling_right(hit))
        words, method = self._beside(hit, cell, spec), "label_right"
        if cell < right and spec.kind in WRAPS and sum(c.isalpha() for w in words for c in w.text) < 2:
            words = words if spec.kind in DATED else ()  # a speck in the label's own cell
        if not words and not self._is_heading_of_signature(hit, spec):
            words, method = self._off_row(hit, cell), "label_beside"
        if not words and cell < right and self._value_in_next_cell(hit):
            words, method = self._beside(hit, right, spec), "label_right"
            cell = right if words else cell
        if not words and (below := self._below(hit, cell, spec)):
            return Found(spec.name, spec.kind, "label_below", tuple(below))
        if not words:
            cell, words, method = right, self._beside(hit, right, spec), "label_right"
        if not words or asks_for_a_name(words):
            return None
        taken = [words, *self._continued(hit, words, cell, spec)]
        return Found(spec.name, spec.kind, method, _without_specks(taken))

    def of_letterhead(self, hit: LabelHit, person: int) -> bool:
        """Whether an address, phone or unit is the hospital's: above the patient's name, in its line, at the foot."""
        signed = [
            i
            for i in range(person + 1, len(self.rows))
            if is_dated(self.rows[i].text) and not any(h.field and h.row == i for h in self.hits)
        ]
        of_hospital = names_a_hospital(self.rows[hit.row].text)
        return hit.row < person or of_hospital or (bool(signed) and hit.row > signed[-1])

    def _box_room(self, hit: LabelHit, right: float) -> Box:
        """Where squares of a label may stand."""
        middle, reach = hit.box.middle, BOX_ROOM * self.em
        left = hit.box.right
        return Box(left=left, top=middle - reach, right=min(max(left, right), FAR_RIGHT), bottom=middle + reach)

    def _ruling_right(self, hit: LabelHit) -> float:
        """The ruling that closes the label's cell on the right, in pixels; infinity when there is none."""
        box = hit.box
        return min(
            (x for x, top, bottom in self.rulings if x > box.right and top < box.middle < bottom), default=float("inf")
        )

    def _value_in_next_cell(self, hit: LabelHit) -> bool:
        """Whether rulings close the label's cell on both sides and end above the next row: no value stands below."""
        row, left, right = self._next_row(hit.row, hit.box.bottom, 2.4), self._left_of(hit), self._ruling_right(hit)
        sides = [(x, bottom) for x, top, bottom in self.rulings if top < hit.box.middle < bottom]
        closed = any(left - 2 * self.em < x < left + 0.3 * self.em for x, _ in sides)
        return closed and not any(x == right and row and self.rows[row].middle < bottom for x, bottom in sides)

    def _right_end(self, hit: LabelHit) -> float:
        """Where the next label on the same row begins, in pixels; infinity when there is none."""
        after = [h for h in self.hits if h.row == hit.row and h.first > hit.last]
        if not after:
            return float("inf")
        first = after[0].first
        words = self.rows[hit.row].words
        if first - 1 > hit.last and NUMBERING.match(words[first - 1].text):
            first -= 1
        return words[first].box.left

    def _beside(self, hit: LabelHit, right: float, spec: FieldSpec) -> tuple[Word, ...]:
        words = self.rows[hit.row].words[hit.last + 1 :]
        kept = tuple(w for w in words if w.box.left < right and w.text not in (":", "："))
        return kept if spec.kind == "long_text" else self._before_unknown_label(kept)

    def _before_unknown_label(self, words: tuple[Word, ...]) -> tuple[Word, ...]:
        """The words up to a wide gap behind which a label stands that the form's type does not know."""
        for i in range(1, len(words)):
            if parted(words[i - 1], words[i], self.rulings) and opens_with_label(words[i:]):
                return words[:i]
        return words

    def _off_row(self, hit: LabelHit, right: float) -> tuple[Word, ...]:
        """Words right of the label whose row was cut apart from it by tilt or by a label on two lines."""
        near = [
            w
            for i, row in enumerate(self.rows)
            if i != hit.row
            and abs(row.middle - hit.box.middle) < 1.1 * self.em
            and not self._labels_in(i, hit.box.right, right)
            for w in self._column_of(i, hit.box.right - 0.3 * self.em, min(right, hit.box.right + 5 * self.em))
            if w.confidence > 0.6
        ]
        return tuple(near)

    def _is_heading_of_signature(self, hit: LabelHit, spec: FieldSpec) -> bool:
        """BÁC SĨ ĐIỀU TRỊ is no label near the place and date or a line for a name, nor where no label is capitals."""
        if spec.kind != "text" or hit.colon or not self._shouts(hit):
            return False
        near = self.rows[max(0, hit.row - 2) : hit.row + 4]
        capitals = any(h.field and h.row < hit.row and not h.colon and self._shouts(h) for h in self.hits)
        return not capitals or any(asks_for_a_name(row.words) or is_dated(row.text) for row in near)

    def _shouts(self, hit: LabelHit) -> bool:
        return all(w.text.isupper() for w in self.rows[hit.row].words[hit.first : hit.last + 1])

    def _below(self, hit: LabelHit, right: float, spec: FieldSpec) -> list[tuple[Word, ...]]:
        """Words under a label that stands above its value, as in boxed forms."""
        if self._is_heading_of_signature(hit, spec):
            return []
        row = self._next_row(hit.row, hit.box.bottom, 2.4)
        left = self._left_of(hit) - self.em
        if row is None or self._labels_in(row, left, right):
            return []
        words = self._column_of(row, left, right - 0.4 * self.em)
        if words and ROMAN.match(words[0].text):
            return []
        if not words or words[0].box.left > hit.box.right + 4 * self.em:
            return []
        if _is_signature(words, spec) or asks_for_a_name(words):
            return []
        if spec.kind != "long_text":
            words = self._before_unknown_label(words)
        return [words, *self._continued(hit, words, right, spec, row)]

    def _continued(
        self, hit: LabelHit, words: tuple[Word, ...], right: float, spec: FieldSpec, row: int | None = None
    ) -> list[tuple[Word, ...]]:
        """The further rows of a wrapped value: without labels in its column, close below, before the form's end."""
        index = hit.row if row is None else row
        left, bottom = words[0].box.left - self.em, max(w.box.bottom for w in words)
        taken: list[tuple[Word, ...]] = []
        half = spec.kind == "moment" and bool(HALF.search(words[-1].text))
        cut_off = half or (spec.kind == "identifier" and words[-1].text.endswith(GOES_ON))
        while len(taken) + 1 < (2 if cut_off else WRAPS.get(spec.kind, 1)):
            found = self._next_row(index, bottom, REACH.get(spec.kind, 1.4))
            if found is None or self._ends_form(found, spec):
                break
            said = " ".join(w.text for row in (words, *taken) for w in row)
            if spec.kind in DATED and YEAR.search(said) and (taken or not half):
                break
            margin = self._wrap_margin(hit) if spec.kind in RUNNING or cut_off else left
            if self._labels_in(found, min(margin, hit.box.left), right):
                break
            more = self._column_of(found, margin, right)
            if spec.kind != "long_text":
                if opens_with_label(more):
                    break
                more = self._before_unknown_label(more)
            if cut_off and not more:
                index = found
                continue
            if half and not more[0].text[:1].isdigit():
                break
            if spec.kind == "person_name" and not _goes_on_as_name(words, more):
                break
            if not more or (spec.kind != "long_text" and more[0].box.left > words[0].box.left + 6 * self.em):
                break
            if spec.kind != "person_name" and is_section_title(more, words):
                break
            taken.append(more)
            index, bottom = found, max(w.box.bottom for w in more)
        return taken

    def _column_of(self, row: int, left: float, right: float) -> tuple[Word, ...]:
        """The words of a row that begin between two ends, in pixels; none where its text runs in from the left."""
        second = {i for h in self.hits if h.second and h.row == row for i in range(h.first, h.last + 1)}
        words = [w for i, w in enumerate(self.rows[row].words) if i not in second]
        first = next((i for i, w in enumerate(words) if left <= w.box.left < right), len(words))
        if 0 < first < len(words) and not parted(words[first - 1], words[first], self.rulings):
            return ()
        return tuple(w for w in words[first:] if w.box.left < right)

    def _left_of(self, hit: LabelHit) -> float:
        """Where a label begins, in pixels, its number included."""
        words = self.rows[hit.row].words
        numbered = hit.first > 0 and NUMBERING.match(words[hit.first - 1].text)
        return words[hit.first - 1].box.left if numbered else hit.box.left

    def _wrap_margin(self, hit: LabelHit) -> float:
        """How far left a wrapped row of running text may begin: its label, or further where nothing is before it."""
        first = not any(h.row == hit.row and h.first < hit.first for h in self.hits)
        return hit.box.left - (2 if first else 0.7) * self.em

    def _next_row(self, index: int, bottom: float, reach: float) -> int | None:
        """The next row, when it begins within `reach` letter heights below."""
        for i in range(index + 1, len(self.rows)):
            row = self.rows[i]
            if row.middle <= bottom - OVERLAP * self.em:
                continue
            return i if row.box.top - bottom < reach * self.em else None
        return None

    def _labels_in(self, row: int, left: float, right: float) -> bool:
        return any(h.row == row and not h.second and h.box.right > left and h.box.left < right for h in self.hits)

    def _ends_form(self, row: int, spec: FieldSpec) -> bool:
        """True for the place-and-date line and for headings in capitals over signatures."""
        text = self.rows[row].text
        letters = [c for c in text if c.isalpha()]
        shouting = len(letters) > 6 and sum(c.isupper() for c in letters) > 0.85 * len(letters) and len(text) > 25
        return _is_signature(self.rows[row].words, spec) or shouting


def _is_signature(words: tuple[Word, ...], spec: FieldSpec) -> bool:
    """True for the place-and-date line; a date in words below its own label is none."""
    return spec.kind not in DATED and is_dated(" ".join(w.text for w in words))


def _without_specks(rows: list[tuple[Word, ...]]) -> tuple[tuple[Word, ...], ...]:
    """The rows without what trails the value, as leaders, rulings and specks do, and without dots before it."""
    kept = [list(row) for row in rows]
    while kept and len(kept[0]) > 1 and kept[0][0].text in DOTS:
        kept[0].pop(0)
    while kept and kept[-1] and not any(c.isalnum() for c in kept[-1][-1].text):
        kept[-1].pop()
        if not kept[-1]:
            kept.pop()
    return tuple(tuple(row) for row in kept)


def _goes_on_as_name(words: tuple[Word, ...], more: tuple[Word, ...]) -> bool:
    """A name wraps into one to three words of letters, in capitals when the first row is."""
    text = "".join(w.text for w in more)
    return 0 < len(more) <= 3 and text.isalpha() and text.isupper() == "".join(w.text for w in words).isupper()
