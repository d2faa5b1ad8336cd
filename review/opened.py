"""Stage 8, review.opened: a stored document becomes the cards of one officer, who may not see all that is known."""

from collections.abc import Mapping
from statistics import median
from typing import NamedTuple

from sqlalchemy import Connection, select

from pipeline.field_policy import Ask, policy_for
from pipeline.tables import document, field_value, file, page_text
from records.document_types import DocumentType, document_types
from records.documents import Document, ValidatedDocument
from records.pages import PageBox, PageImage
from review import second
from review.cards import Card, State, Surface, cards_of, on_upright
from review.revisions import PERSON, Decision
from review.second import Asked, Entry
from review.texts import say
from review.words import shown

KEPT = "kept"
ALIKE = 40  # documents of the batch and form that are asked where a field mostly lies


class Opened(NamedTuple):
    """A document as it stands, and the card of each of its tasks."""

    document_id: str
    label: str
    form: DocumentType
    validated: ValidatedDocument
    cards: tuple[Card, ...]

    @property
    def left(self) -> int:
        """How many fields still wait for her."""
        return sum(card.state is State.OPEN for card in self.cards)


def opened(conn: Connection, document_id: str, account_id: str, language: str, field: str = "") -> Opened | None:
    """The document with its cards, or with that of one `field`; None when there is no such document.

    Fields that the policy asks only beside others come first, so that they are done while those still wait.
    """
    query = select(document.c.validated, document.c.batch_id, file.c.label)
    query = query.join(file, file.c.file_id == document.c.file_id).where(document.c.document_id == document_id)
    row = conn.execute(query).one_or_none()
    if row is None:
        return None
    validated = ValidatedDocument.model_validate(row.validated)
    form = document_types()[validated.document.document_type]
    asked = second.asked_of(conn, document_id, account_id, field)
    images = geometry_of(conn, validated.document.page_ids)
    tasks = {name: how.decision for name, how in asked.items() if field in ("", name)}
    cards = cards_of(second.as_met(validated, form, asked), form, images, tasks, language)
    met = [_as_met(card, asked[card.field], language) for card in cards]
    placed = _with_places(conn, row.batch_id, validated.document, met)
    cheap = policy_for(conn, row.batch_id)
    placed.sort(key=lambda card: cheap.of(form.id, card.field).ask is not Ask.CHEAP)
    return Opened(document_id, row.label, form, validated, tuple(placed))


def entered_as(entry: Entry, kind: str) -> tuple[Decision, str]:
    """The decision that says the same as somebody's entry, and what is typed for it."""
    if entry.decision in (Decision.ABSENT, Decision.UNREADABLE):
        return entry.decision, ""
    return Decision.CORRECT, entry.value or shown(entry.normal, kind)


def _as_met(card: Card, how: Asked, language: str) -> Card:
    if how.decision in (second.WAITS, second.UNASKED):
        return card.model_copy(update={"fixed": True})
    if how.entered is not None:
        return card.model_copy(update={"outcome": KEPT})
    entries = tuple(_said(entry, card.kind, language) for entry in how.entries)
    return card.model_copy(update={"entries": entries, "blind": how.hidden})


def _said(entry: Entry, kind: str, language: str) -> str:
    said, typed = entered_as(entry, kind)
    return typed if said is Decision.CORRECT else say(f"task.done.{said}", language)


def geometry_of(conn: Connection, page_ids: tuple[str, ...]) -> dict[str, PageImage]:
    """The pages' images as they were read, by page id."""
    query = select(page_text.c.page_id, page_text.c.image).where(page_text.c.page_id.in_(page_ids))
    return {row.page_id: PageImage.model_validate(row.image) for row in conn.execute(query)}


def _with_places(conn: Connection, batch_id: str, own: Document, cards: list[Card]) -> list[Card]:
    """The cards, those whose field was not found with the place where papers of the same print have it."""
    lost = [card.field for card in cards if card.on_page is None and card.state is State.OPEN]
    places = _places(conn, batch_id, own, lost) if lost else {}
    found = []
    for card in cards:
        page_id, where = places.get(card.field, ("", None))
        update = {"page_id": page_id, "on_page": where, "guess": True} if where else {}
        found.append(card.model_copy(update=update))
    return found


def _places(conn: Connection, batch_id: str, own: Document, fields: list[str]) -> Mapping[str, tuple[str, Surface]]:
    """field -> page of this document and the middle of where other documents of its batch, form and edition have it."""
    alike = (
        select(document.c.document_id, document.c.page_ids)
        .where(
            document.c.batch_id == batch_id, document.c.document_type == own.document_type,
            document.c.edition == own.edition, document.c.document_id != own.document_id,
        )
        .limit(ALIKE)
        .subquery()
    )  # fmt: skip
    query = (
        select(field_value.c.field, field_value.c.page_id, field_value.c.box, alike.c.page_ids, page_text.c.image)
        .join(alike, alike.c.document_id == field_value.c.document_id)
        .join(page_text, page_text.c.page_id == field_value.c.page_id)
        .where(field_value.c.field.in_(fields), field_value.c.engine != PERSON)
    )
    found: dict[tuple[str, int], list[Surface]] = {}
    for row in conn.execute(query):
        at = row.page_ids.index(row.page_id) if row.page_id in row.page_ids else len(own.page_ids)
        image, box = PageImage.model_validate(row.image), PageBox.model_validate(row.box)
        if at < len(own.page_ids):
            found.setdefault((row.field, at), []).append(on_upright(image, box))
    most = sorted(found.items(), key=lambda place: len(place[1]))
    return {field: (own.page_ids[at], _middle(boxes)) for (field, at), boxes in most}


def _middle(boxes: list[Surface]) -> Surface:
    """The median of each edge, so that one wrong box moves nothing."""
    return Surface(*(median(edge) for edge in zip(*boxes, strict=True)))
