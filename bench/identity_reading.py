"""Before the mix-up run, bench.identity_reading: how the product reads who a page belongs to, as pairs of text.

`python -m bench.identity_reading` reads the sample scans and drawn forms with the product's own reader and writes
`bench/data/identity_readings.json`: per page what each identity field shows and what was read there.
"""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import count, product
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import typer
from pydantic import TypeAdapter

from bench.pages import SAMPLES, sample_pages
from bench.readers import PageJob, read_page
from records.base import Frozen
from records.document_types import document_types
from records.documents import PageReading
from transformers.identity import EVIDENCE
from transformers.values import readings_to_values

READINGS = Path(__file__).parent / "data" / "identity_readings.json"
QUALITIES = ("grey", "scan", "bilevel", "fax", "photo", "hard")
LAYOUTS = ("dotted", "plain", "boxed", "stacked")
HANDS = ("itim", "patrick-hand", "sriracha")
EVERY_HAND = 9  # one drawn page in so many is filled in by hand
FIRST_STAY = 1000  # of drawn pages; the sample scans have the numbers below


class Pair(Frozen):
    """One identity field of a page: `shown` as printed ('': the page has none), `read` verbatim ('': nothing)."""

    field: str
    shown: str
    read: str


class IdentityReading(Frozen):
    """One page: its form, how it was scanned and filled in (`print` or `hand`), and its identity fields."""

    kind: str
    quality: str
    writing: str
    pairs: tuple[Pair, ...]


class Sheet(NamedTuple):
    """A page to read and what its identity fields show."""

    path: Path
    number: int
    kind: str
    quality: str
    writing: str
    shown: dict[str, str]


STORED = TypeAdapter(tuple[IdentityReading, ...])


@cache
def identity_readings() -> tuple[IdentityReading, ...]:
    """The stored measurement."""
    return STORED.validate_json(READINGS.read_bytes())


def main(rounds: int = 10, workers: int = 2) -> None:
    """Read all sample scans, and every form in every layout `rounds` times, each in another quality."""
    with TemporaryDirectory(prefix="sohoa-identity-") as folder:
        sheets = [*_sample_sheets(), *drawn_sheets(Path(folder), rounds)]
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as children:
            found = tuple(children.map(read_identity, sheets))
    READINGS.parent.mkdir(exist_ok=True)
    lines = ",\n".join(one.model_dump_json() for one in found)
    READINGS.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def read_identity(sheet: Sheet) -> IdentityReading:
    """The sheet by the product's reader: what leads each value, beside what stands on the paper."""
    found = identity_values(read_page(PageJob(sheet.path, sheet.number, "neural")))
    fields = [f for f in EVIDENCE if f in sheet.shown or f in found]
    pairs = tuple(Pair(field=f, shown=sheet.shown.get(f, ""), read=found.get(f, "")) for f in fields)
    return IdentityReading(kind=sheet.kind, quality=sheet.quality, writing=sheet.writing, pairs=pairs)


def identity_values(page: PageReading) -> dict[str, str]:
    """field -> the raw text that gave its value, of the identity fields that were found."""
    types = document_types()
    if page.document_type not in types:
        return {}
    values = readings_to_values(page.readings, types[page.document_type])
    return {v.field: v.reading.raw for v in values if v.field in EVIDENCE}


def drawn_sheets(folder: Path, rounds: int) -> Iterator[Sheet]:
    """Forms of patients who are on no sample scan, drawn and degraded as the sample scans are."""
    kinds = sample_module("forms").BODIES
    numbers = count()
    for turn, (kind, layout) in product(range(rounds), product(kinds, LAYOUTS)):
        number = next(numbers)
        step = number + turn  # so that a form is not read in the same quality in every round
        hand = HANDS[turn % len(HANDS)] if step % EVERY_HAND == 0 else ""
        quality = QUALITIES[step % len(QUALITIES)]
        yield draw_sheet(folder, drawn_stay(FIRST_STAY + number), kind, layout, quality, hand=hand, part=turn)


def draw_sheet(
    folder: Path, stay: Any, kind: str, layout: str, quality: str, *, hand: str = "", part: int = 0
) -> Sheet:
    """One form of a stay as a scan of that quality in `folder`."""
    degrade = sample_module("degrade")
    dpi, suffix = degrade.QUALITIES[quality]
    drawn = sample_module("forms").draw_form(stay, kind, layout, dpi, hand=hand, part=part)
    seen = degrade.degrade(drawn.image, quality, seed=int(stay.patient.patient_id) + part)
    path = folder / f"{stay.patient.patient_id}-{kind}-{layout}-{part}.{suffix}"
    path.write_bytes(degrade.encode(seen.image, suffix, dpi))
    shown = {placed.name: placed.shown for placed in drawn.placed if placed.name in EVIDENCE}
    return Sheet(path, 1, kind, quality, "hand" if hand else "print", shown)


def drawn_stay(number: int) -> Any:
    """An invented stay, its story and year by its number."""
    stories = sample_module("generate").COURSES
    story, _ = stories[number % len(stories)]
    return sample_module("people").make_stay(number, story, 2014 + number % 11)


def sample_module(name: str) -> Any:
    """A module of the sample scans' generator, which is a folder of scripts."""
    if str(SAMPLES) not in sys.path:
        sys.path.append(str(SAMPLES))
    return __import__(name)


def _sample_sheets() -> Sequence[Sheet]:
    pages = [page for page in sample_pages(("forms", "files", "awkward")) if not page.truth.fault]
    return [
        Sheet(page.path, page.truth.page, page.truth.document_type, page.truth.quality, page.truth.writing,
              {f.name: f.shown for f in page.truth.fields if f.name in EVIDENCE})
        for page in pages if page.truth.fields
    ]  # fmt: skip


if __name__ == "__main__":
    typer.run(main)
