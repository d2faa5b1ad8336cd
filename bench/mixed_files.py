"""In the mix-up run, bench.mixed_files: whole files of invented patients, and pages of other people put into them.

A page is made from what its form shows and what would be read of that (`bench.identity_noise`), or drawn and read.
"""

import random
from pathlib import Path
from typing import NamedTuple

from bench.identity_noise import Noise
from bench.identity_reading import LAYOUTS, QUALITIES, draw_sheet, drawn_stay, sample_module
from bench.near_people import NEAR, Stay, same_ward
from bench.readers import PageJob, read_page
from pipeline.grouping import FilePage
from records.documents import FieldReading, PageReading
from records.pages import PageBox, PageImage, PageText
from transformers.identity import BIRTH, EVIDENCE, NAME

PAGES = 60  # of a file
FOREIGN = 5  # pages put into one file, each another person's
RUN = "separator missing"  # a whole other file behind this one
RUN_EVERY = 7  # files
DRAWN_PAGES = 6  # of a drawn file, one of them foreign

# What a page of a file's middle shows of its patient, and in how many of a hundred pages. A form shows what the sample
# forms print; the rest are the sheets of the ward, and pages without a word about whose they are.
FORM, SILENT = "form", "silent"
SHOWS: dict[str, tuple[int, tuple[str, ...]]] = {
    FORM: (40, ()),
    "name and admission number": (18, (NAME, "encounter.number")),
    "name and patient number": (8, (NAME, "patient.id")),
    "name and birth date": (6, (NAME, BIRTH)),
    "name": (7, (NAME,)),
    "birth date": (1, (BIRTH,)),
    SILENT: (20, ()),
}
SHEETS = ("treatment_sheet", "nursing_sheet", "consent")


class Leaf(NamedTuple):
    """One page of a file: whose it is, how it came there ('': it belongs), what it shows, and what was read of it."""

    owner: Stay
    foreign: str
    shown: dict[str, str]
    page: FilePage


def mixed_file(number: int, noise: Noise, rng: random.Random) -> list[Leaf]:
    """A file with pages of other patients at random places, or with another file behind it."""
    leaves = own_file(any_patient(rng), noise, rng)
    if number % RUN_EVERY == 0:
        return leaves + own_file(same_ward(leaves[0].owner, rng), noise, rng, rng.randint(5, PAGES), RUN)
    kind = list(NEAR)[number % len(NEAR)]
    for _ in range(FOREIGN):
        other = NEAR[kind](leaves[0].owner, rng)
        leaves.insert(rng.randint(1, len(leaves)), _leaf(other, _shows(rng), noise, rng, kind))
    return leaves


def own_file(owner: Stay, noise: Noise, rng: random.Random, pages: int = PAGES, foreign: str = "") -> list[Leaf]:
    """A cover, a discharge letter, and between them what a stay leaves behind."""
    cover = _leaf(owner, FORM, noise, rng, foreign, "inpatient_cover")
    middle = [_leaf(owner, _shows(rng), noise, rng, foreign) for _ in range(pages - 2)]
    return [cover, *middle, _leaf(owner, FORM, noise, rng, foreign, "discharge_letter")]


def drawn_file(number: int, folder: Path, rng: random.Random) -> list[Leaf]:
    """A short file in one quality with one page of someone else, drawn into `folder` and read."""
    owner, quality = any_patient(rng), QUALITIES[number % len(QUALITIES)]
    kind = list(NEAR)[number % len(NEAR)]
    owners = [(owner, "")] * (DRAWN_PAGES - 1)
    owners.insert(rng.randint(1, len(owners)), (NEAR[kind](owner, rng), kind))
    return [_drawn_leaf(folder, stay, foreign, quality, part, rng) for part, (stay, foreign) in enumerate(owners)]


def _drawn_leaf(folder: Path, owner: Stay, foreign: str, quality: str, part: int, rng: random.Random) -> Leaf:
    form = rng.choice(list(sample_module("forms").BODIES))
    sheet = draw_sheet(folder, owner, form, rng.choice(LAYOUTS), quality, part=part)
    reading = read_page(PageJob(sheet.path, sheet.number, "neural"))
    return Leaf(owner, foreign, sheet.shown, FilePage(page_id=reading.image.page_id, reading=reading))


def any_patient(rng: random.Random) -> Stay:
    return drawn_stay(rng.randint(200, 9_999_999))


def _shows(rng: random.Random) -> str:
    return rng.choices(list(SHOWS), [share for share, _ in SHOWS.values()])[0]


def _leaf(owner: Stay, shows: str, noise: Noise, rng: random.Random, foreign: str, kind: str = "") -> Leaf:
    layout = rng.choice(LAYOUTS)
    form = kind or rng.choice(list(sample_module("forms").BODIES))
    facts = _facts(owner, form, layout)
    wanted = _printed(form, layout) if shows == FORM else SHOWS[shows][1]
    shown = {field: facts[field] for field in wanted if field in facts}
    looks = form if shows == FORM else "other" if shows == SILENT else rng.choice(SHEETS)
    read = noise.read(shown, rng) if shown else {}
    page_id = f"{rng.getrandbits(64):016x}"
    reading = _reading(page_id, looks, read, titled=shows != SILENT)
    return Leaf(owner, foreign, shown, FilePage(page_id=page_id, reading=reading))


def _facts(owner: Stay, form: str, layout: str) -> dict[str, str]:
    """Identity field -> as a form of that layout prints it."""
    facts = sample_module("facts")
    return {f: v.shown for f, v in facts.facts_of(owner, form, facts.STYLES[layout], 0).items() if f in EVIDENCE}


def _printed(form: str, layout: str) -> list[str]:
    """The identity fields that this form shows."""
    forms = sample_module("forms")
    body = forms.SHOWN_IDENTITY.get(form, forms.WHO)
    named = [name for row in forms.IDENTITY[layout] for name, _ in row if name in body and name in EVIDENCE]
    return [*named, *forms.NUMBERS.get(form, ["encounter.number", "patient.id"])]


def _reading(page_id: str, document_type: str, read: dict[str, str], titled: bool) -> PageReading:
    box = PageBox(left=0.1, top=0.1, right=0.2, bottom=0.12)
    found = tuple(
        FieldReading(field=f, raw=raw, confidence=0.9, page_id=page_id, box=box, engine="neural", method="label_right")
        for f, raw in read.items()
    )
    image = PageImage(
        page_id=page_id, turn=0, skew_degrees=0, width_px=1654, height_px=2339, file_width_px=1654,
        file_height_px=2339, to_file=(1, 0, 0, 0, 1, 0, 0, 0, 1), dpi=200, ink=0.05, blank=False,
    )  # fmt: skip
    return PageReading(
        image=image, text=PageText(page_id=page_id, engine="neural", lines=()), document_type=document_type,
        titled=titled, score=100, readings=found, seconds=0,
    )  # fmt: skip
