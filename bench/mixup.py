"""Beside the product, bench.mixup: pages of other patients put into files at random; which would be loaded unseen.

`python -m bench.mixup`. The bulk is assembled from pages read with the measured errors of our reader; a smaller part
is drawn, read and then assembled. What is counted is a page by itself: also where another page stops its file.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.table import Table
from scipy.stats import binomtest

from bench.identity_noise import Noise, error_rates, rates_table
from bench.identity_reading import identity_readings
from bench.mixed_files import RUN, Leaf, any_patient, drawn_file, mixed_file, own_file
from bench.near_people import Stay
from pipeline.assembly import assemble_file
from records.base import Frozen
from records.document_types import document_types
from transformers.identity import BIRTH, NAME, PLACED, IdentityState

FILES, CLEAN, RENDERED = 400, 600, 20
SEED = 2025
KNOWN_EVERY = 2  # files: one that the registry knows, one that it does not
OWN, SHARED, NOTHING = "evidence of their own", "only what both patients share", "no evidence"
EVIDENCE = (OWN, SHARED, NOTHING)
SORTS = ("all qualities", "fax and hand only", "drawn and read")
NOTE = (
    "In brackets 95 % bounds (Clopper and Pearson). Foreign pages: each alone inside a file of 60 pages, or a whole "
    "other file behind it. Loadable: confirmed or inherited, so in the EMR before anybody looks. A foreign page that "
    "shows nothing of its patient and lies in an unbroken run is inherited: nobody can find it from the page, and it "
    "is marked as inherited in the EMR. Nor can anybody find one that shows only a name which both patients bear. A "
    "page waits where it supports nothing enough; only a conflict stops its file. All qualities: grey, scan, bilevel, "
    "fax, photo and hard alike, one page in nine by hand."
)


class Fate(Frozen):
    """Pages of one sort by what the guard says of them. `kind`: of foreign page; '' for a file's own."""

    kind: str
    evidence: str
    states: dict[str, int]

    @property
    def pages(self) -> int:
        return sum(self.states.values())

    @property
    def loadable(self) -> int:
        return sum(self.states.get(state, 0) for state in PLACED)


class Mixup(Frozen):
    """Counts of one part. `clean`: files without a foreign page; `stopped`: those that a conflict stops even so."""

    sort: str
    files: int
    clean: int
    stopped: int
    fates: tuple[Fate, ...]

    def of(self, evidence: str, *, foreign: bool) -> Fate:
        """All pages of these together."""
        found = [fate for fate in self.fates if fate.evidence == evidence and bool(fate.kind) is foreign]
        states = sum((Counter(fate.states) for fate in found), Counter[str]())
        return Fate(kind="all" if foreign else "", evidence=evidence, states=states)


def main(
    files: Annotated[int, typer.Option(help="Files with foreign pages.")] = FILES,
    clean: Annotated[int, typer.Option(help="Files without.")] = CLEAN,
    rendered: Annotated[int, typer.Option(help="Short files that are drawn and read, 8 CPU seconds each.")] = RENDERED,
    seed: Annotated[int, typer.Option(help="The same seed gives the same files.")] = SEED,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the counts here.")] = None,
) -> None:
    """Count which pages of other patients the guard lets through, and which files it stops for nothing."""
    console = Console()
    console.print(rates_table(error_rates(identity_readings())))
    parts = measure_mixup(files, clean, rendered, seed)
    console.print(mixup_tables(parts))
    console.print(NOTE, style="dim", highlight=False)
    if json_file:
        counts = [part.model_dump(mode="json") for part in parts]
        json_file.write_text(json.dumps(counts, ensure_ascii=False, indent=1), encoding="utf-8")


def measure_mixup(
    files: int, clean: int, rendered: int, seed: int = SEED, progress: Callable[[], None] = lambda: None
) -> list[Mixup]:
    """The bulk, a quarter as many files of the worst pages only, and the drawn files; `progress` after each file."""
    pages = identity_readings()
    worst = [page for page in pages if page.quality == "fax" or page.writing == "hand"]
    found = [
        _bulk(SORTS[0], Noise(pages), files, clean, seed, progress),
        _bulk(SORTS[1], Noise(worst), files // 4, clean // 4, seed, progress),
    ]
    with TemporaryDirectory(prefix="sohoa-mixup-") as folder:
        rng = random.Random(seed)
        drawn = [drawn_file(number, Path(folder), rng) for number in range(rendered)]
    return [*found, _counted(SORTS[2], drawn, [], progress)]


def _bulk(sort: str, noise: Noise, files: int, clean: int, seed: int, progress: Callable[[], None]) -> Mixup:
    rng = random.Random(seed)
    mixed = (mixed_file(number, noise, rng) for number in range(files))
    whole = (own_file(any_patient(rng), noise, rng) for _ in range(clean))
    return _counted(sort, mixed, whole, progress)


def _counted(
    sort: str, mixed: Iterable[list[Leaf]], whole: Iterable[list[Leaf]], progress: Callable[[], None]
) -> Mixup:
    """Both kinds of files assembled one by one."""
    fates: Counter[tuple[str, str, str]] = Counter()
    numbers, stops = [0, 0], 0
    for is_clean, part in enumerate((mixed, whole)):
        for number, leaves in enumerate(part):
            found, held = judged_pages(leaves, known=number % KNOWN_EVERY == 0)
            fates.update(found)
            numbers[is_clean] += 1
            stops += held and bool(is_clean)
            progress()
    return Mixup(sort=sort, files=numbers[0], clean=numbers[1], stopped=stops, fates=_fates(fates))


def judged_pages(leaves: Sequence[Leaf], known: bool) -> tuple[Counter[tuple[str, str, str]], bool]:
    """((kind of foreign page, its evidence, state) -> pages, whether the file is stopped).

    Foreign are the pages of whom the guard does not take the file for: of two files in a row it may be the first.
    """
    registry = _registry(leaves[0].owner) if known else {}
    found = assemble_file("file", [leaf.page for leaf in leaves], document_types(), registry)
    states = [found.identity[leaf.page.page_id] for leaf in leaves]
    people = [leaf.owner.patient.patient_id for leaf in leaves]
    sure = Counter(who for who, state in zip(people, states, strict=True) if state is IdentityState.CONFIRMED)
    patient = sure.most_common(1)[0][0] if sure else people[0]
    of_patient = _registry(leaves[people.index(patient)].owner)
    run = RUN if any(leaf.foreign == RUN for leaf in leaves) else ""
    fates: Counter[tuple[str, str, str]] = Counter()
    for leaf, who, state in zip(leaves, people, states, strict=True):
        kind = "" if who == patient else run or leaf.foreign
        fates[kind, _evidence(leaf, of_patient if kind else {}), state] += 1
    return fates, found.held


def _evidence(leaf: Leaf, patient: Mapping[str, str]) -> str:
    """What a page shows: of its own patient, or nothing that sets it apart from this one's pages."""
    own = _registry(leaf.owner)
    if not leaf.shown:
        return NOTHING
    return OWN if any(own[field] != patient.get(field) for field in leaf.shown) else SHARED


def mixup_tables(parts: Sequence[Mixup]) -> Group:
    """A table of foreign pages and of own pages and files for each part."""
    return Group(*(table for part in parts if part.fates for table in (_foreign_table(part), _own_table(part))))


def _foreign_table(part: Mixup) -> Table:
    table = Table("foreign pages", "they show", "pages", "conflict", "waits", "loadable", title=f"Mix-up, {part.sort}")
    rows = [fate for fate in part.fates if fate.kind]
    for fate in [*rows, *(part.of(evidence, foreign=True) for evidence in EVIDENCE)]:
        table.add_row(
            fate.kind, fate.evidence, str(fate.pages), str(fate.states.get("conflict", 0)),
            str(fate.states.get("unknown", 0)), bounds(fate.loadable, fate.pages),
        )  # fmt: skip
    return table


def _own_table(part: Mixup) -> Table:
    table = Table("of the file itself", "count", title=f"The files' own pages, {part.sort}")
    for evidence in EVIDENCE:
        fate = part.of(evidence, foreign=False)
        for state in IdentityState:
            if fate.states.get(state):
                table.add_row(f"pages with {evidence}: {state}", bounds(fate.states[state], fate.pages))
    if part.clean:
        table.add_row("files of 60 pages stopped by a false conflict", bounds(part.stopped, part.clean))
    return table


def bounds(hits: int, of: int) -> str:
    """'0 of 1000 (0.00 to 0.37 %)': 95 % by Clopper and Pearson."""
    if not of:
        return "-"
    low, high = binomtest(hits, of).proportion_ci(0.95, "exact")
    return f"{hits} of {of} ({100 * low:.2f} to {100 * high:.2f} %)"


def _registry(stay: Stay) -> dict[str, str]:
    patient = stay.patient
    return {
        NAME: patient.name, BIRTH: patient.birth_date.isoformat(), "patient.id": patient.patient_id,
        "patient.insurance_number": patient.insurance_number, "patient.national_id": patient.national_id,
        "encounter.number": stay.encounter_number, "encounter.archive_number": stay.archive_number,
    }  # fmt: skip


def _fates(counts: Counter[tuple[str, str, str]]) -> tuple[Fate, ...]:
    sorts = sorted(
        {(kind, evidence) for kind, evidence, _ in counts}, key=lambda sort: (EVIDENCE.index(sort[1]), sort[0])
    )
    return tuple(
        Fate(
            kind=kind, evidence=evidence, states={s: n for (k, e, s), n in counts.items() if (k, e) == (kind, evidence)}
        )
        for kind, evidence in sorts
    )


if __name__ == "__main__":
    typer.run(main)
