"""Stage 8, review.cards: a document in doubt becomes cards in reading order, one per field to be looked at."""

import hashlib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from records.base import Frozen
from records.document_types import DocumentType
from records.documents import Issue, JudgedValue, ValidatedDocument
from records.pages import PageBox, PageImage
from review import words
from review.drawing import upright_box
from review.picklists import SEPARATORS, pick_list_of
from review.revisions import PERSON, not_found
from review.sentences import in_language
from review.tickets import cut_of

LONG = frozenset({"text", "long_text", "address"})
LONG_FROM = 60  # characters from which a value needs more than one line
LINE = 0.01  # of the page's height: boxes nearer than that stand on one line


class Surface(NamedTuple):
    """Where a box lies on the upright page, in fractions 0..1 of its width and height."""

    left: float
    top: float
    width: float
    height: float


class State(StrEnum):
    """Whether a field still waits for a decision."""

    OPEN = "open"
    DONE = "done"


class Card(Frozen):
    """One field as it is shown. `value`: what was read, as an officer writes it; `typed`: what stands in the input.

    `sound`: the value is one of its kind. `box`: on the page as it lies in the file, None where nothing was found.
    `reasons`: what speaks against the value; `why`: the rule. `outcome`: the decision, once there is one; `fixed`: the
    reader cannot take it back. `insist`: `error` is a doubt that the paper may overrule. `entries`: what two persons
    entered, between whom a senior decides. `guess`: nothing was found, and `on_page` is where the form mostly has the
    field. `blind`: what was read is kept from the reader. `hints`: what may help, line by line; see `review.hints`.
    """

    field: str
    key: str
    label: str
    kind: str
    value: str
    typed: str
    sound: bool
    raw: str
    read_by: str
    surety: words.Surety
    sure_words: str
    why: str
    reasons: tuple[str, ...]
    others: tuple[words.OtherReading, ...]
    page_id: str
    box: PageBox | None
    on_page: Surface | None
    pick: str
    separator: str
    long: bool
    state: State = State.OPEN
    outcome: str = ""
    fixed: bool = False
    error: str = ""
    insist: bool = False
    entries: tuple[str, ...] = ()
    guess: bool = False
    blind: bool = False
    hints: tuple[str, ...] = ()


def cards_of(
    validated: ValidatedDocument,
    form: DocumentType,
    images: Mapping[str, PageImage],
    tasks: Mapping[str, str],
    language: str,
) -> tuple[Card, ...]:
    """A card per task, by page, then from the top left; fields that the machine did not find come last.

    `images`: of the document's pages, by page id. `tasks`: field -> decision, '' while it is open.
    """
    values = {v.value.field: v for v in validated.values}
    asked = [values.get(field) or not_found(validated.document, form, field) for field in tasks]
    names = {field: v.value.value for field, v in values.items() if "[" in field}
    cards = [
        _card(v, form, validated.issues, images.get(v.value.reading.page_id), names, tasks[v.value.field], language)
        for v in asked
    ]
    return tuple(sorted(cards, key=lambda card: _place(card, validated.document.page_ids)))


def key_of(field: str) -> str:
    """A field as part of an element's id: 'results[0].value' -> 'f3a91c07d2'."""
    return "f" + hashlib.sha256(field.encode()).hexdigest()[:10]


def on_upright(image: PageImage | None, box: PageBox) -> Surface:
    """A box of the page in the file on the upright page; as it is where the page's turn is not known."""
    if image is None:
        return Surface(box.left, box.top, box.right - box.left, box.bottom - box.top)
    there, wide, high = upright_box(image, cut_of(box)), image.width_px, image.height_px
    return Surface(
        *(round(n, 5) for n in (there.left / wide, there.top / high, there.width / wide, there.height / high))
    )


def _card(
    judged: JudgedValue,
    form: DocumentType,
    issues: Sequence[Issue],
    image: PageImage | None,
    names: Mapping[str, str],
    outcome: str,
    language: str,
) -> Card:
    value, reading = judged.value, judged.value.reading
    shown = words.shown(value.value, value.kind)
    reasons = (value.problem, *(i.message for i in issues if i.field == value.field))
    told = tuple(dict.fromkeys(in_language(reason, language) for reason in reasons if reason))
    pick, found = pick_list_of(form.spec(value.field)), reading.engine != PERSON
    return Card(
        field=value.field, key=key_of(value.field), label=words.label_of(form, value.field, names, language),
        kind=value.kind, value=shown, typed=shown, sound=bool(value.value) and not value.problem,
        raw=reading.raw.strip(), read_by=words.read_by(reading.engine, language),
        surety=words.surety(judged.confidence),
        sure_words=words.sure_words(judged.confidence, language) if reading.raw.strip() else "",
        why=words.why(judged.rule, language), reasons=told,
        others=words.other_readings(judged), page_id=reading.page_id, box=reading.box if found else None,
        on_page=on_upright(image, reading.box) if found else None, pick=pick, separator=SEPARATORS.get(pick, ""),
        long=value.kind in LONG and len(shown) > LONG_FROM, state=State.DONE if outcome else State.OPEN,
        outcome=outcome,
    )  # fmt: skip


def _place(card: Card, page_ids: Sequence[str]) -> tuple[int, int, float]:
    """Where a card stands in reading order."""
    if card.on_page is None or card.page_id not in page_ids:
        return len(page_ids), 0, 0
    where = card.on_page
    return page_ids.index(card.page_id), round((where.top + where.height / 2) / LINE), where.left
