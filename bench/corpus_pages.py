"""Before the corpus, bench.corpus_pages: invented stays in faces and layouts that a part has for itself, as scans.

Three parts share no stay, no face, no layout and no sentence: `train` fits the model, `fit` sets thresholds, `proof`
is what both are judged on.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple
from unicodedata import normalize

from bench.identity_reading import sample_module
from bench.pages import SAMPLES
from records.code_lists import entries
from training import phrases
from training.alphabet import is_readable
from training.fonts import HERE as TRAINING
from training.fonts import WEB, BadFace, joined
from training.texts import icd10_path

PARTS = ("train", "fit", "proof")
FORMS = (
    "inpatient_cover", "discharge_letter", "record_summary", "transfer_letter", "lab_report", "lab_report",
    "imaging_report", "pathology_report", "surgery_report", "prescription", "admission_exam", "outpatient_record",
    "chemotherapy_order",
)  # fmt: skip
# (wording and order of the blanks, how label and value share the line)
LAYOUTS: dict[str, tuple[tuple[str, str], ...]] = {
    "train": (("dotted", "line"), ("plain", "line"), ("boxed", "box"), ("stacked", "stack")),
    "fit": (("plain", "box"), ("boxed", "line"), ("stacked", "line"), ("dotted", "stack")),
    "proof": (("dotted", "box"), ("stacked", "box"), ("plain", "stack"), ("boxed", "stack")),
}
FACES: dict[str, tuple[str, ...]] = {
    "train": ("Arimo", "Tinos", "source-serif-4", "open-sans", "roboto", "merriweather", "inter"),
    "fit": ("lora", "alegreya", "lexend", "noto-serif", "ibm-plex-sans"),
    "proof": ("be-vietnam-pro", "roboto-slab", "nunito", "k2d", "josefin-sans", "source-sans-3"),
}
HANDS: dict[str, tuple[str, ...]] = {
    "train": ("mansalva", "grandstander", "shantell-sans", "oooh-baby", "farsan"),
    "fit": ("patrick-hand", "playpen-sans"),
    "proof": ("itim", "sriracha", "dancing-script"),
}
QUALITIES = {"clean": 22, "grey": 15, "scan": 27, "bilevel": 8, "fax": 9, "photo": 9, "hard": 10}  # per cent
BY_HAND, STAMPED, TURNED = 0.16, 0.08, 0.15
STAMPS = ("BẢN SAO", "ĐÃ THANH TOÁN", "ĐÃ TRẢ KẾT QUẢ", "LƯU HỒ SƠ")
PAGES = 4  # of a file
BROAD = ("ABCDEGIJKLMR", 58)  # chapters of ICD-10 that any patient may have; letters of a name on one line


class TooTall(ValueError):
    """A form with so much on it that no size of type makes it fit."""


class Drawn(NamedTuple):
    """A page to be read: the bytes of its file, the file's suffix, and what is true of it."""

    data: bytes
    suffix: str
    truth: dict[str, Any]


def file_pages(part: str, number: int, folder: Path) -> Iterator[Drawn]:
    """The pages of one invented patient file. `folder`: where joined faces are put."""
    rng = Random(f"{part} {number}")
    stay, layout = invented_stay(part, rng), rng.choice(LAYOUTS[part])
    kinds = [kind for kind in rng.sample(FORMS, len(FORMS)) if kind != "chemotherapy_order" or stay.story.infusions]
    for at, kind in enumerate(kinds[:PAGES]):
        with suppress(TooTall):
            yield _page(part, stay, kind, layout, rng, folder, at)


def _page(part: str, stay: Any, kind: str, layout: tuple[str, str], rng: Random, folder: Path, at: int) -> Drawn:
    degrade = sample_module("degrade")
    quality = rng.choices(list(QUALITIES), list(QUALITIES.values()))[0]
    hand = str(_hand(rng.choice(HANDS[part]))) if rng.random() < BY_HAND else ""
    stamp = rng.choice(STAMPS) if rng.random() < STAMPED else ""
    dpi, suffix = degrade.QUALITIES[quality]
    face = rng.choice(FACES[part])
    sheet = _sheet(stay, kind, layout, dpi, rng, folder, face=face, hand=hand, part=at, stamp=stamp)
    seen = degrade.degrade(sheet.image, quality, seed=rng.getrandbits(32))
    rotation = rng.choice((90, 180, 270)) if rng.random() < TURNED else 0
    size = seen.image.size
    truth = {
        "document_type": kind, "layout": "-".join(layout), "quality": quality, "writing": "hand" if hand else "print",
        "rotation": rotation, "upright_size": list(size), "face": Path(hand).name or face,
        "fields": [
            {"name": p.name, "value": p.value, "shown": p.shown, "box": degrade.map_box(p.box, seen.matrix, size)}
            for p in sheet.placed
        ],
    }  # fmt: skip
    picture = seen.image.rotate(rotation, expand=True) if rotation else seen.image
    return Drawn(degrade.encode(picture, suffix, dpi), suffix, truth)


def _sheet(
    stay: Any, kind: str, layout: tuple[str, str], dpi: int, rng: Random, folder: Path, *, face: str, **how: Any
) -> Any:
    """The form in a style of its own; smaller where it would not fit on the page."""
    forms, sheets = sample_module("forms"), sample_module("sheets")
    (wording, kind_of_line), size = layout, rng.uniform(10.2, 12.6)
    style = sheets.Style(
        wording, str(_printed(face, folder)), size, rng.uniform(6.6, 8.2), kind_of_line, dots=rng.random() < 0.4,
        numbered=rng.random() < 0.3 and kind_of_line != "stack", bold_labels=rng.random() < 0.25,
        bold_values=rng.random() < 0.35, table=rng.choice(("grid", "rules", "bare")),
    )  # fmt: skip
    usual = forms.STYLES[wording]
    try:
        for shrink in (1.0, 0.92, 0.84, 0.76):
            forms.STYLES[wording] = replace(style, size=size * shrink, leading=style.leading * shrink)
            try:
                return forms.draw_form(stay, kind, wording, dpi, **how)
            except ValueError:
                continue
    finally:
        forms.STYLES[wording] = usual
    raise TooTall(f"{kind} in {face} does not fit on a page")


@cache
def _printed(face: str, folder: Path) -> Path | str:
    """A family as `sample_scans.faces.print_font` takes it: a path to which -Regular.ttf and the like are added."""
    if face[0].isupper():
        return face
    for name, weight, slant in (("Regular", 400, "normal"), ("Bold", 700, "normal"), ("Italic", 400, "italic"),
                                ("BoldItalic", 700, "italic")):  # fmt: skip
        target = folder / f"{face}-{name}.ttf"
        if not target.exists():
            target.symlink_to(_nearest(face, weight, slant))
    return folder / face


def _nearest(face: str, weight: int, slant: str) -> Path:
    for style in (f"{weight}-{slant}", f"{weight}-normal", "600-normal", "400-normal"):
        try:
            return joined(f"{face}-{style}")
        except BadFace:
            continue
    raise BadFace(f"{face} is not there; run training/make_env.sh first")


def _hand(name: str) -> Path | str:
    """A handwriting face as `sample_scans.faces.hand_font` takes it."""
    if (SAMPLES / "fonts" / name).is_dir():
        return name
    return WEB / name / "files" / name


def invented_stay(part: str, rng: Random) -> Any:
    """A stay whose person, numbers, diagnoses, drugs and sentences are drawn anew."""
    people, stories = sample_module("people"), sample_module("generate").COURSES
    story = _story(part, rng, rng.choice(stories)[0])
    stay = people.make_stay(rng.randint(10_000, 9_999_999), story, rng.randint(2012, 2025))
    year, serial = stay.admitted_at.year % 100, rng.randint(1000, 98999)
    number = rng.choice((f"{year:02d}.{serial:06d}", f"{year:02d}/{serial:05d}", f"{year:02d}{serial:06d}"))
    return replace(
        stay, patient=_person(stay.patient, rng), encounter_number=number,
        department=rng.choice(entries("departments")), doctor=_doctor(rng), surgeon=_doctor(rng),
        archive_number=f"{year:02d}-{rng.randint(1000, 89999):05d}",
    )  # fmt: skip


def _person(person: Any, rng: Random) -> Any:
    family = rng.choice(entries("family_names")[:40])
    middle = rng.choice(
        ("Thị", "Văn", "Ngọc", "Minh", "Đức", "Thu", "Hữu", "Thanh", rng.choice(entries("given_names")))
    )
    name = f"{family} {middle} {rng.choice(entries('given_names'))}"
    listed = rng.random() < 0.6
    return replace(
        person, name=name.upper() if listed else person.name, address=_address(person.address, rng),
        ethnicity=rng.choice(entries("ethnic_groups")) if rng.random() < 0.2 else person.ethnicity,
    )  # fmt: skip


def _address(usual: str, rng: Random) -> str:
    if rng.random() < 0.3:
        return usual
    front = rng.choice(
        (f"Thôn {rng.randint(1, 14)}", f"Số {rng.randint(2, 300)} đường {_place(rng)}", f"Tổ {rng.randint(1, 30)}")
    )
    return f"{front}, Xã {_place(rng)}, Huyện {_place(rng)}, Tỉnh {rng.choice(entries('provinces'))}"


def _place(rng: Random) -> str:
    """'Khì Kày': two syllables that Vietnamese could have."""
    return " ".join(normalize("NFC", phrases.syllable(rng)).capitalize() for _ in range(2))


def _doctor(rng: Random) -> str:
    title = rng.choice(("BS.", "ThS.BS.", "BSCKI.", "BSCKII.", "TS.BS."))
    given = entries("given_names")
    return f"{title} {rng.choice(entries('family_names'))} {rng.choice(given)} {rng.choice(given)}"


def _story(part: str, rng: Random, story: Any) -> Any:
    main, main_code = rng.choice(_diagnoses(part))
    other, other_code = rng.choice(_diagnoses(part))
    stories = sample_module("stories")
    exam = stories.Imaging
    imaging = tuple(
        exam(one.request, one.modality, _sentences(part, rng, 2), _sentences(part, rng, 1)) for one in story.imaging
    )
    own = story if rng.random() < 0.35 else replace(
        story, main=main, main_code=main_code, secondary=other, secondary_code=other_code, imaging=imaging,
        postop=_phrase(part, rng), gross=_sentences(part, rng, 1), micro=_sentences(part, rng, 2),
        pathology=_phrase(part, rng), treatment=_phrase(part, rng), note=_phrase(part, rng),
        transfer_to=rng.choice(entries("facilities")), procedure=_phrase(part, rng),
        anesthesia=rng.choice(entries("anesthesia")), site=rng.choice(entries("body_sites")),
    )  # fmt: skip
    drugs = tuple(_drug(stories.Drug, rng) for _ in range(rng.randint(3, 5)))
    return replace(own, drugs=drugs, outcome=rng.choice(("recovered", "improved", "unchanged", "worse")))


def _drug(make: Any, rng: Random) -> Any:
    strength = rng.choice(("5mg", "10mg", "20mg", "40mg", "250mg", "500mg", "1g", "100mcg", "850mg", "75mg", "1,5g"))
    unit = rng.choice(("viên", "ống", "lọ", "gói"))
    times, each = rng.randint(1, 3), rng.randint(1, 2)
    when = rng.choice(("trước ăn", "sau ăn", "buổi tối", "buổi sáng", "khi đau", "trước khi ngủ"))
    dosage = f"Ngày uống {times} lần, mỗi lần {each} {unit}, {when}"
    return make(rng.choice(entries("drugs")), strength, rng.randint(5, 90), unit, dosage)


def _phrase(part: str, rng: Random) -> str:
    return rng.choice(_own(part, "hospital_phrases.txt", 90))


def _sentences(part: str, rng: Random, count: int) -> str:
    return ". ".join(s[:1].upper() + s[1:] for s in rng.sample(_own(part, "report_sentences.txt", 110), count)) + "."


@cache
def _own(part: str, name: str, longest: int) -> Sequence[str]:
    """This part's third of the lines."""
    lines = (TRAINING / "data" / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines[PARTS.index(part) :: len(PARTS)] if 8 <= len(line) <= longest]


@cache
def _diagnoses(part: str) -> Sequence[tuple[str, str]]:
    """(name, code) of this part's third of ICD-10, of chapters that any patient may have."""
    chapters, longest = BROAD
    with icd10_path().open(encoding="utf-8", newline="") as file:
        rows = [(r["name_vi"], r["code"]) for r in csv.DictReader(file)]
    fit = [row for row in rows if row[1][0] in chapters and 6 <= len(row[0]) <= longest and is_readable(row[0])]
    return fit[PARTS.index(part) :: len(PARTS)]
