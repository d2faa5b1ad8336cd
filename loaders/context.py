"""Stages 9-10, loaders.context: what a load is told about its file, the natural keys, and the receipt it gives back."""

from typing import Literal

from pydantic import Field

from records.base import Frozen
from records.clinical import Entity

Checked = Literal["machine", "one", "two"]
TARGET = "emr"


class PageLink(Frozen):
    """One page to show in the EMR. `number`: its place in the scan, from 1; `text`: what was read on it."""

    page_id: str
    number: int
    scan_id: str
    text: str
    identity_status: Literal["confirmed", "inherited"]


class LoadContext(Frozen):
    """What the document itself does not know. `reviewers`: who confirmed a field (none: the machine alone);
    `mentions`: what the normal form of a running text says, by field."""

    batch_id: str
    facility: str
    file_id: str
    patient_key: str
    encounter_key: str
    pages: tuple[PageLink, ...]
    reviewers: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    mentions: dict[str, tuple[Entity, ...]] = Field(default_factory=dict)


class Difference(Frozen):
    """A value that did not go into the EMR, as somebody else has set its place ('patient.phone'): what the document
    says, what stands there."""

    field: str
    page_id: str
    place: str
    value: str
    stands: str


class LoadReceipt(Frozen):
    """What the EMR now holds of a document. `rows`: by table; `changed`: rows that this load wrote or took away;
    `differs`: values of it that stand otherwise in the EMR, as somebody else has set them."""

    document_id: str
    revision: int
    target: str
    batch_id: str
    rows: dict[str, int]
    changed: int
    differs: tuple[Difference, ...] = ()


def natural_key(facility: str, file_id: str, number: str = "") -> str:
    """'DEMO|14763265'; without a number that can be trusted 'DEMO|provisional|<file_id>'."""
    if not number or "|" in number:  # Readers take 1 for |: such a number names nobody.
        return provisional_key(facility, file_id)
    return f"{facility}|{number}"


def provisional_key(facility: str, file_id: str) -> str:
    """The key of a patient or stay whose number is not known yet."""
    return f"{facility}|provisional|{file_id}"


def is_provisional(key: str) -> bool:
    return key.split("|")[1:2] == ["provisional"]


def checked_by(reviewers: tuple[str, ...]) -> Checked:
    """('an', 'binh') -> 'two'; each person counts once."""
    levels: tuple[Checked, ...] = ("machine", "one", "two")
    return levels[min(2, len(set(reviewers)))]
