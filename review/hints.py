"""Stage 8, review.hints: what may help an officer with a field: codes for the name beside it, an address of today.

Hints are shown and never entered: what is saved is what she types or accepts.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from records.documents import ValidatedDocument
from review.cards import Card, State
from review.texts import say
from transformers.addresses import parse_address
from transformers.coding import CODE, NAME_SUFFIX, candidates

OFFERED = 3  # codes
LIKELY = 0.5  # likeness of a name below which a code is not worth a look
ADDRESS = "address"


def with_hints(
    cards: Iterable[Card], validated: ValidatedDocument, icd10_path: Path | None, language: str
) -> tuple[Card, ...]:
    """The cards, those that still wait with their hints; whoever must not see what was read gets none."""
    values = {judged.value.field: judged.value.value for judged in validated.values}
    return tuple(
        card.model_copy(update={"hints": _hints(card, values, icd10_path, language)})
        if card.state is State.OPEN and not card.blind
        else card
        for card in cards
    )


def _hints(card: Card, values: Mapping[str, str], icd10_path: Path | None, language: str) -> tuple[str, ...]:
    if card.kind == CODE and card.field.endswith(NAME_SUFFIX):
        found = candidates(values.get(card.field.removesuffix(NAME_SUFFIX), ""), icd10_path, OFFERED)
        likely = [f"{one.code} {one.name}" for one in found if one.likeness >= LIKELY]
        return (say("hint.codes", language), *likely) if likely else ()
    if card.kind == ADDRESS and card.value:
        found_at = parse_address(card.value)
        units = ", ".join(filter(None, (found_at.ward_now, found_at.province_now)))
        return (say("hint.address", language, units=units),) if found_at.era == "before" and units else ()
    return ()
