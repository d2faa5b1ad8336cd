"""Stage 8, review.tiles: open values of one kind, and settled ones with something false in their place, become tiles.

Nothing but the crop tells a tile with a false value (review.misreadings) from a real one.
"""

import random
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, partial
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    exists,
    func,
    literal_column,
    select,
    text,
    tuple_,
)

from pipeline.field_policy import policy_for
from pipeline.tables import document, field_value, page, review_task
from records.base import Frozen
from records.document_types import document_types
from records.documents import ValidatedDocument
from review import queue
from review.attention import recent
from review.cards import Card, cards_of
from review.misreadings import misread
from review.restricted import restricted
from review.tables import attention, waiting
from review.words import shown

POOL = 50  # settled values among which false ones are made
ROUNDS = 5  # of looking for more when values turn out to be unfit

Key = tuple[str, str]  # document id and field


class Tile(Frozen):
    """A value of a set. `value`: as shown, in normal form; `task_id`, `token`: None for a false value."""

    place: int
    document_id: str
    field: str
    task_id: str | None
    value: str
    token: int | None

    @property
    def key(self) -> Key:
        return self.document_id, self.field


class Shown(Frozen):
    """A tile as it is looked at. `written`: what it says; `card`: its field as it stands, with what is true."""

    tile: Tile
    written: str
    card: Card


class Waiting(NamedTuple):
    """How many values of a field wait that one person may settle. `field`: columns of a table as `results[].value`."""

    batch_id: str
    document_type: str
    field: str
    kind: str
    values: int


def open_fields(conn: Connection, kinds: Iterable[str]) -> list[Waiting]:
    """The fields of these kinds that wait, without those that two persons must enter."""
    of_batch = cache(partial(policy_for, conn))
    counted = _open_values().where(field_value.c.kind.in_(kinds)).order_by(None)
    columns = (waiting.c.batch_id, waiting.c.document_type, _FIELD, field_value.c.kind)
    query = counted.with_only_columns(*columns, func.count())
    found = (Waiting(*row) for row in conn.execute(query.group_by(*columns)))
    return [one for one in found if not of_batch(one.batch_id).of(one.document_type, one.field).second]


def taken(conn: Connection, account_id: str, kind: str, most: int, language: str) -> list[dict[str, Any]]:
    """Real values for a set, whose documents are this officer's from now on."""
    fields = [(one.batch_id, one.document_type, one.field) for one in open_fields(conn, [kind])]
    found: list[dict[str, Any]] = []
    tried: set[str] = set()
    place = tuple_(waiting.c.batch_id, waiting.c.document_type, _FIELD)
    for _ in range(ROUNDS if fields else 0):
        query = _open_values().where(field_value.c.kind == kind, place.in_(fields), waiting.c.document_id.not_in(tried))
        rows = conn.execute(query.limit(most - len(found)).with_for_update(of=document, skip_locked=True)).all()
        cards = current_cards(conn, [(row.document_id, row.field) for row in rows], language)
        for document_id, those in groupby(rows, key=lambda row: str(row.document_id)):
            tried.add(document_id)
            sound = [row for row in those if stands(cards.get((document_id, row.field)), row.value, kind)]
            if queue.mark_restricted(conn, document_id) or not sound:
                continue
            lease = queue.take(conn, account_id, document_id)
            found += [{**row._asdict(), "token": lease.token} for row in sound if lease]
        if not rows or len(found) >= most:
            break
    return found


def _open_values() -> Select[Any]:
    """Open tasks on values against which no check speaks, of documents that anybody may have now, as they come."""
    task, value = review_task.c, field_value.c
    return (
        select(waiting.c.document_id, task.task_id, task.field, value.value)
        .select_from(waiting)
        .join(document, document.c.document_id == waiting.c.document_id)
        .join(review_task, task.document_id == waiting.c.document_id)
        .join(field_value, (value.document_id == task.document_id) & (value.field == task.field))
        .where(
            *queue.free(), task.state == "open", task.stage == "first",
            ~func.starts_with(task.reason, "check:"), value.value != "", value.problem == "",
        )
        .order_by(*queue.ORDER, task.field)
    )  # fmt: skip


_FIELD: ColumnElement[str] = literal_column(r"regexp_replace(field_value.field, '\[\d+\]', '[]')")


def false_values(
    conn: Connection, account_id: str, kind: str, wanted: int, language: str, chance: random.Random
) -> list[dict[str, Any]]:
    """Settled values with something else in their place; rather those that the officer was not shown of late."""
    pool = _settled_values(conn, account_id, kind, chance, again=False)
    pool = pool or _settled_values(conn, account_id, kind, chance, again=True)
    chance.shuffle(pool)
    cards = current_cards(conn, [(row.document_id, row.field) for row in pool], language)
    found = []
    for row in pool:
        card, false = cards.get((row.document_id, row.field)), misread(row.value, kind, chance)
        if false and card and card.box and card.value == shown(row.value, kind) and card.value != shown(false, kind):
            found.append({**row._asdict(), "value": false, "task_id": None, "token": None})
    return found[:wanted]


def _settled_values(conn: Connection, account_id: str, kind: str, chance: random.Random, *, again: bool) -> list[Any]:
    """Values beyond doubt from documents around a place taken by chance; document ids are hashes."""
    start = chance.randbytes(8).hex()
    known = exists().where(
        recent(account_id), attention.c.document_id == field_value.c.document_id,
        attention.c.field == field_value.c.field,
    )  # fmt: skip
    query = (
        select(field_value.c.document_id, field_value.c.field, field_value.c.value)
        .join(page, (page.c.page_id == field_value.c.page_id) & (page.c.document_id == field_value.c.document_id))
        .where(field_value.c.kind == kind, _BEYOND_DOUBT, *([] if again else [~known]))
        .order_by(field_value.c.document_id, field_value.c.field)
    )
    after = conn.execute(query.where(field_value.c.document_id >= start).limit(POOL)).all()
    before = conn.execute(query.where(field_value.c.document_id < start).limit(POOL - len(after))).all()
    return [*after, *before]


# As the index of the migration has it, in its words.
_BEYOND_DOUBT = text(
    "field_value.verdict = 'accept' AND field_value.value <> '' "
    "AND (field_value.rule LIKE 'reviewed%' OR field_value.witness <> '')"
)


def as_shown(conn: Connection, tiles: Sequence[Tile], kind: str, language: str) -> tuple[Shown, ...]:
    """The tiles with their cards; a tile whose document is restricted by now is left out."""
    cards = current_cards(conn, [tile.key for tile in tiles], language)
    return tuple(
        Shown(tile=tile, written=shown(tile.value, kind), card=cards[tile.key]) for tile in tiles if tile.key in cards
    )


def current_cards(conn: Connection, wanted: Iterable[Key], language: str) -> Mapping[Key, Card]:
    """The card of each field that is still there, of documents that everybody may see."""
    fields: dict[str, dict[str, str]] = {}
    for document_id, field in wanted:
        fields.setdefault(document_id, {})[field] = ""
    query = select(document.c.document_id, document.c.validated).where(document.c.document_id.in_(list(fields)))
    found = {}
    for row in conn.execute(query):
        validated = ValidatedDocument.model_validate(row.validated)
        if not restricted(validated):
            there = {v.value.field for v in validated.values} & fields[row.document_id].keys()
            form = document_types()[validated.document.document_type]
            for card in cards_of(validated, form, {}, dict.fromkeys(there, ""), language):
                found[row.document_id, card.field] = card
    return found


def stands(card: Card | None, value: str, kind: str) -> bool:
    """Whether the field still holds this value, with a place on the page and nothing that speaks against it."""
    return bool(card and card.box and card.sound and not card.reasons and card.value == shown(value, kind))
