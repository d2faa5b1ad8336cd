"""Stage 8, review.groups: sound values of one kind, from many documents, become one set; what is not odd is accepted.

Each set holds some false values (review.misreadings), which nothing but the crop gives away; they are no tasks. A set
stands until it is saved: whoever opens it again sees the same tiles, so that comparing two looks tells nothing.
"""

import random
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from itertools import groupby

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from pipeline import facts
from pipeline.documents import OPEN
from pipeline.tables import document, review_task
from records.base import Frozen
from records.errors import LostLease, SohoaError
from review import queue
from review.attention import note
from review.decisions import Decision, Refused, decide
from review.misreadings import MISREADINGS
from review.second import Stage
from review.tables import group_set, group_tile
from review.texts import say
from review.tiles import Shown, Tile, as_shown, current_cards, false_values, open_fields, stands, taken

SIZE = 24  # tiles of a set
ONE_IN = 12  # tiles, about, is a false value; at least one
SET_LOCK = 6


class NoSet(SohoaError):
    """There is no set to hand out. `key`: of review.texts."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class GroupSet(Frozen):
    """A set as it is handed out, in the order of its tiles."""

    set_id: int
    kind: str
    tiles: tuple[Shown, ...]


class Outcome(StrEnum):
    """What became of a real tile."""

    ACCEPTED = "accepted"
    ODD = "odd"
    REFUSED = "refused"


class Saved(Frozen):
    """A real tile after the set was saved. `why`: the sentence where it was refused."""

    tile: Shown
    outcome: Outcome
    why: str = ""


class Finished(Frozen):
    """A saved set. `missed`: the false values that were not marked, of `checks` that it held."""

    saved: tuple[Saved, ...]
    missed: tuple[Shown, ...]
    checks: int

    def of(self, outcome: Outcome) -> list[Saved]:
        """The tiles with this outcome."""
        return [one for one in self.saved if one.outcome is outcome]


def waiting_kinds(conn: Connection) -> dict[str, int]:
    """How many values of each kind can be looked at in sets, the most first."""
    found: Counter[str] = Counter()
    for one in open_fields(conn, MISREADINGS):
        found[one.kind] += one.values
    return dict(found.most_common())


def hand_out(conn: Connection, account_id: str, kind: str, language: str, chance: random.Random) -> GroupSet:
    """The officer's set of a kind: the one that she has not saved yet, else a new one; NoSet when there is none.

    She holds a lease on each real tile's document. Commit before it is shown.
    """
    conn.execute(select(func.pg_advisory_xact_lock(SET_LOCK, func.hashtext(account_id))))
    own = (group_set.c.account_id == account_id) & (group_set.c.kind == kind)
    set_id = conn.scalar(select(group_set.c.set_id).where(own))
    found = _again(conn, account_id, set_id, kind, language) if set_id is not None else None
    if found is None:
        made = _made(conn, account_id, kind, language, chance)
        found = GroupSet(set_id=made, kind=kind, tiles=as_shown(conn, _tiles(conn, made), kind, language))
    return found


def save(engine: Engine, account_id: str, set_id: int, odd: Iterable[int], language: str) -> Finished | None:
    """Accept the real tiles whose places are not `odd`, and note who of the false ones was caught; None when the set is
    no more, as when it was saved before. One transaction per document: what cannot be accepted stays open and says why.
    """
    marked = frozenset(odd)
    with engine.connect() as conn:
        own = (group_set.c.set_id == set_id) & (group_set.c.account_id == account_id)
        kind = conn.scalar(select(group_set.c.kind).where(own))
        tiles = as_shown(conn, _tiles(conn, set_id), kind, language) if kind else ()
    saved = []
    real = sorted((t for t in tiles if t.tile.task_id), key=lambda t: t.tile.document_id)
    for _, those in groupby(real, key=lambda t: t.tile.document_id):
        with engine.begin() as conn:
            saved += [_settled(conn, account_id, one, marked, language) for one in those]
    with engine.begin() as conn:
        if conn.execute(delete(group_set).where(own)).rowcount == 0:
            return None
        checks = [t for t in tiles if not t.tile.task_id]
        note(conn, account_id, str(kind), ((*t.tile.key, t.tile.place in marked) for t in checks))
        _give_back(conn, account_id, saved)
    missed = tuple(t for t in checks if t.tile.place not in marked)
    return Finished(saved=tuple(saved), missed=missed, checks=len(checks))


def renew(conn: Connection, account_id: str, kind: str) -> bool:
    """Prolong the leases of the officer's set; False when she has none."""
    held = _held(conn, account_id, kind)
    for document_id, token in held:
        queue.renew(conn, document_id, account_id, token)
    return bool(held)


def give_back(conn: Connection, account_id: str, kind: str) -> None:
    """Let others have the documents of the officer's set. The set stays hers for when she comes back."""
    for document_id, _ in _held(conn, account_id, kind):
        queue.give_back(conn, document_id, account_id)


def _made(conn: Connection, account_id: str, kind: str, language: str, chance: random.Random) -> int:
    """A new set; its real tiles are taken only when there are false ones to go with them."""
    wanted = max(1, SIZE // ONE_IN + chance.choice((-1, 0, 1)))
    checks = false_values(conn, account_id, kind, wanted, language, chance)
    if not checks:
        raise NoSet("groups.unmeasured" if waiting_kinds(conn).get(kind) else "groups.nothing")
    real = taken(conn, account_id, kind, SIZE - len(checks), language)
    if not real:
        raise NoSet("groups.nothing")
    tiles = [*real, *checks[: max(1, len(checks) * len(real) // (SIZE - len(checks)))]]
    chance.shuffle(tiles)
    new = insert(group_set).values(account_id=account_id, kind=kind).returning(group_set.c.set_id)
    set_id: int = conn.execute(new).scalar_one()
    conn.execute(insert(group_tile), [{**tile, "set_id": set_id, "place": at} for at, tile in enumerate(tiles)])
    return set_id


def _again(conn: Connection, account_id: str, set_id: int, kind: str, language: str) -> GroupSet | None:
    """A set that was not saved, with what can still be looked at of it; None, and it is no more, when that is not both
    real and false values."""
    there = as_shown(conn, _tiles(conn, set_id), kind, language)
    wanted = sorted({t.tile.document_id for t in there if t.tile.task_id})
    facts.lock_files(conn, document.c.document_id.in_(wanted))
    leases = {document_id: queue.take(conn, account_id, document_id) for document_id in wanted}
    kept = []
    for one in there:
        lease, tile = leases.get(one.tile.document_id), one.tile
        if tile.task_id and lease and _open(conn, tile.task_id) and stands(one.card, tile.value, kind):
            kept.append(one.model_copy(update={"tile": tile.model_copy(update={"token": lease.token})}))
            own = (group_tile.c.set_id == set_id) & (group_tile.c.place == tile.place)
            conn.execute(update(group_tile).where(own).values(token=lease.token))
        elif not tile.task_id and one.card.sound and one.written != one.card.value:
            kept.append(one)
    if {bool(one.tile.task_id) for one in kept} != {True, False}:
        give_back(conn, account_id, kind)
        conn.execute(delete(group_set).where(group_set.c.set_id == set_id))
        return None
    places = [one.tile.place for one in kept]
    conn.execute(delete(group_tile).where(group_tile.c.set_id == set_id, group_tile.c.place.not_in(places)))
    return GroupSet(set_id=set_id, kind=kind, tiles=tuple(kept))


def _open(conn: Connection, task_id: str) -> bool:
    """Whether the value still waits for its first entry: a second person is blind to it."""
    own = (review_task.c.task_id == task_id) & (review_task.c.state == OPEN) & (review_task.c.stage == Stage.FIRST)
    return conn.scalar(select(review_task.c.task_id).where(own)) is not None


def _tiles(conn: Connection, set_id: int) -> list[Tile]:
    query = select(group_tile).where(group_tile.c.set_id == set_id).order_by(group_tile.c.place)
    return [
        Tile.model_validate({n: v for n, v in row.items() if n != "set_id"}) for row in conn.execute(query).mappings()
    ]


def _settled(conn: Connection, account_id: str, one: Shown, marked: frozenset[int], language: str) -> Saved:
    """Accept one tile, unless it is marked or is not as it was shown."""
    tile = one.tile
    if tile.place in marked:
        return Saved(tile=one, outcome=Outcome.ODD)
    facts.lock_file(conn, tile.document_id)
    conn.execute(select(document.c.document_id).where(document.c.document_id == tile.document_id).with_for_update())
    if not stands(current_cards(conn, [tile.key], language).get(tile.key), tile.value, one.card.kind):
        return Saved(tile=one, outcome=Outcome.REFUSED, why=say("groups.changed", language))
    try:
        with conn.begin_nested():
            decide(conn, str(tile.task_id), account_id, Decision.ACCEPT, token=tile.token)
    except LostLease:
        return Saved(tile=one, outcome=Outcome.REFUSED, why=say("groups.lost", language))
    except Refused as refused:
        return Saved(tile=one, outcome=Outcome.REFUSED, why=refused.said(language))
    return Saved(tile=one, outcome=Outcome.ACCEPTED)


def _give_back(conn: Connection, account_id: str, saved: Iterable[Saved]) -> None:
    """Leases end, but of documents with a value to look at singly: those she is handed next."""
    kept = {one.tile.tile.document_id for one in saved if one.outcome is not Outcome.ACCEPTED}
    for document_id in sorted({one.tile.tile.document_id for one in saved} - kept):
        queue.give_back(conn, document_id, account_id)


def _held(conn: Connection, account_id: str, kind: str) -> list[tuple[str, int]]:
    """(document id, token) of the officer's set, in one order for all."""
    query = (
        select(group_tile.c.document_id, group_tile.c.token)
        .join(group_set, group_set.c.set_id == group_tile.c.set_id)
        .where(group_set.c.account_id == account_id, group_set.c.kind == kind, group_tile.c.token.is_not(None))
        .distinct()
        .order_by(group_tile.c.document_id)
    )
    return [(row.document_id, row.token) for row in conn.execute(query)]
