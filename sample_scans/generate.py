"""Sample scans, generate: write every sample file with its exact truth beside it, and the hospital's list.

A development tool: `python sample_scans/generate.py` rewrites the folder; the same code and fonts give the same pages.
"""

from __future__ import annotations

import csv
import io
import json
import zlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pikepdf
from born_digital import DPI as DIGITAL_DPI
from born_digital import draw_born_digital, new_pdf
from degrade import QUALITIES, degrade, encode, map_box
from faces import HERE
from film import DPI as FILM_DPI
from film import draw_film
from forms import draw_form
from people import Stay, make_stay
from PIL import Image
from sheets import Placed
from stories import (
    APPENDIX,
    BREAST,
    COLON,
    DIABETES,
    FIBROID,
    GALLSTONE,
    GASTRIC,
    PNEUMONIA,
    THYROID,
    WRIST,
)

# Patients by number: story, year of the stay. 10 showed an old nine-digit identity card; 16 and 17 have no scans.
COURSES = [
    (BREAST, 2019),
    (GASTRIC, 2023),
    (GALLSTONE, 2020),
    (THYROID, 2022),
    (COLON, 2021),
    (WRIST, 2021),
    (APPENDIX, 2018),
    (PNEUMONIA, 2017),
    (FIBROID, 2020),
    (DIABETES, 2023),
    (COLON, 2016),
    (BREAST, 2024),
    (GASTRIC, 2018),
    (GALLSTONE, 2022),
    (PNEUMONIA, 2021),
    (APPENDIX, 2019),
    (FIBROID, 2018),
    (DIABETES, 2020),
]
OLD_CARDS = {10}
STAYS = [make_stay(n, story, year, n in OLD_CARDS) for n, (story, year) in enumerate(COURSES)]


@dataclass(frozen=True)
class Page:
    """One sheet to draw: whose, which form, how it looks, how it was scanned and turned."""

    who: int
    kind: str
    layout: str
    quality: str = "grey"
    hand: str = ""
    part: int = 0
    rotation: int = 0
    stamp: str = ""
    again: int = 0  # counts the scans of one and the same sheet
    fault: str = ""


FORMS = [
    Page(6, "inpatient_cover", "dotted", "clean"),
    Page(12, "inpatient_cover", "stacked", "scan", "itim"),
    Page(7, "inpatient_cover", "boxed", "hard", stamp="BẢN SAO"),
    Page(7, "discharge_letter", "plain", "clean"),
    Page(8, "discharge_letter", "dotted", "photo", "patrick-hand"),
    Page(13, "discharge_letter", "boxed", "scan", rotation=90),
    Page(9, "record_summary", "boxed", "clean"),
    Page(10, "record_summary", "dotted", "scan"),
    Page(14, "transfer_letter", "stacked", "scan"),
    Page(9, "transfer_letter", "plain", "fax", "sriracha"),
    Page(9, "lab_report", "boxed", "clean", part=2),
    Page(6, "lab_report", "stacked", "scan", part=1),
    Page(12, "lab_report", "plain", "fax", part=1),
    Page(13, "lab_report", "dotted", "photo", part=0),
    Page(5, "imaging_report", "dotted", "scan"),
    Page(14, "imaging_report", "boxed", "photo"),
    Page(8, "pathology_report", "plain", "clean"),
    Page(12, "pathology_report", "stacked", "hard", stamp="ĐÃ TRẢ KẾT QUẢ"),
    Page(15, "surgery_report", "boxed", "scan", rotation=270),
    Page(6, "surgery_report", "dotted", "clean", "patrick-hand"),
    Page(5, "prescription", "stacked", "clean"),
    Page(13, "prescription", "plain", "scan", "sriracha"),
    Page(14, "prescription", "dotted", "fax", rotation=90),
    Page(7, "admission_exam", "dotted", "clean"),
    Page(13, "admission_exam", "boxed", "scan"),
    Page(9, "outpatient_record", "plain", "clean"),
    Page(11, "outpatient_record", "dotted", "scan"),
    Page(11, "chemotherapy_order", "boxed", "clean"),
    Page(10, "chemotherapy_order", "dotted", "scan"),
]
FILES = {
    "file_01.pdf": [
        Page(0, "inpatient_cover", "dotted", "scan"),
        Page(0, "lab_report", "boxed"),
        Page(0, "lab_report", "boxed", part=1),
        Page(0, "imaging_report", "stacked"),
        Page(0, "imaging_report", "stacked", "scan", part=1),
        Page(0, "surgery_report", "plain"),
        Page(0, "pathology_report", "dotted"),
        Page(0, "prescription", "boxed"),
        Page(0, "discharge_letter", "dotted", "scan"),
    ],
    "file_02.pdf": [
        Page(1, "inpatient_cover", "stacked"),
        Page(1, "lab_report", "boxed"),
        Page(1, "lab_report", "boxed", part=2),
        Page(1, "imaging_report", "dotted", rotation=90),
        Page(1, "surgery_report", "dotted", "scan", "patrick-hand"),
        Page(1, "pathology_report", "plain"),
        Page(1, "prescription", "plain"),
        Page(1, "discharge_letter", "plain", "scan"),
    ],
    "file_03.pdf": [
        Page(2, "inpatient_cover", "plain"),
        Page(2, "lab_report", "stacked"),
        Page(2, "imaging_report", "plain", "scan"),
        Page(2, "imaging_report", "plain", part=1),
        Page(2, "surgery_report", "boxed"),
        Page(2, "pathology_report", "boxed", "scan"),
        Page(2, "discharge_letter", "boxed"),
    ],
    "file_04.tif": [
        Page(3, kind, layout, "bilevel", part=part)
        for kind, layout, part in [
            ("inpatient_cover", "boxed", 0),
            ("lab_report", "dotted", 1),
            ("imaging_report", "boxed", 0),
            ("surgery_report", "stacked", 0),
            ("pathology_report", "stacked", 0),
            ("discharge_letter", "stacked", 0),
        ]
    ],
}
ODD_FILES = {
    "same_page_twice.pdf": [
        Page(15, "discharge_letter", "dotted", "scan"),
        Page(15, "discharge_letter", "dotted", "scan", again=1, fault="duplicate_page"),
        Page(15, "lab_report", "boxed", part=1),
    ],
    "foreign_page_inside.pdf": [
        Page(10, "inpatient_cover", "plain"),
        Page(10, "lab_report", "boxed"),
        Page(8, "lab_report", "boxed", part=1, fault="foreign_page"),
        Page(10, "imaging_report", "plain"),
        Page(10, "discharge_letter", "plain", "scan"),
    ],
    "upside_down.jpg": [Page(11, "discharge_letter", "plain", "scan", rotation=180)],
}
LOCKED = Page(11, "lab_report", "boxed")
CUT_SHORT = Page(14, "lab_report", "stacked", "scan")


def main(out: Path = HERE) -> None:
    """Write the whole folder."""
    for folder in ("forms", "files", "awkward"):
        (out / folder).mkdir(exist_ok=True)
    for page in FORMS:
        write_case(out, f"forms/{form_name(page)}", [page])
    for name, pages in FILES.items():
        write_case(out, f"files/{name}", pages)
    for name, pages in ODD_FILES.items():
        write_case(out, f"awkward/{name}", pages)
    write_blank(out, "awkward/blank_page.jpg")
    write_unreadable(out)
    write_born_digital(out, "born_digital.pdf")
    write_film(out, "film.png")
    write_registry(out / "registry.csv", STAYS)


def form_name(page: Page) -> str:
    """discharge_letter_boxed_scan_r90.jpg"""
    turned = f"r{page.rotation}" if page.rotation else ""
    parts = [page.kind, page.layout, page.quality, "hand" if page.hand else "", turned]
    return "_".join(p for p in parts if p) + f".{QUALITIES[page.quality][1]}"


def render(page: Page) -> tuple[Image.Image, dict]:
    """The picture as it lies in the file, and its truth without file and page."""
    dpi = QUALITIES[page.quality][0]
    sheet = draw_form(STAYS[page.who], page.kind, page.layout, dpi, hand=page.hand, part=page.part, stamp=page.stamp)
    seen = degrade(sheet.image, page.quality, zlib.crc32(repr(replace(page, rotation=0, fault="")).encode()))
    size = seen.image.size
    truth = {
        "document_type": page.kind,
        "layout": page.layout,
        "quality": page.quality,
        "writing": "hand" if page.hand else "print",
        "rotation": page.rotation,
        "upright_size": list(size),
        "dpi": dpi,
        "fields": [_field(placed, map_box(placed.box, seen.matrix, size)) for placed in sheet.placed],
    }
    if page.fault:
        truth["fault"] = page.fault
    return seen.image.rotate(page.rotation, expand=True) if page.rotation else seen.image, truth


def write_case(out: Path, name: str, pages: list[Page]) -> None:
    """Draw a case's pages into one file and put the truth beside it."""
    drawn = [render(page) for page in pages]
    pictures = [(picture, truth["dpi"]) for picture, truth in drawn]
    save = {"pdf": as_pdf, "tif": as_tiff}.get(name.rsplit(".", 1)[1], as_picture)
    (out / name).write_bytes(save(pictures, name))
    write_truth(out, name, [truth for _, truth in drawn])


def as_picture(pictures: list[tuple[Image.Image, int]], name: str) -> bytes:
    [(picture, dpi)] = pictures
    return encode(picture, name.rsplit(".", 1)[1], dpi)


def as_pdf(pictures: list[tuple[Image.Image, int]], name: str) -> bytes:
    """One JPEG a page, in its true size."""
    pdf = new_pdf()
    for picture, dpi in pictures:
        width, height = (pixels * 25.4 / dpi for pixels in picture.size)
        pdf.add_page(
            orientation="landscape" if width > height else "portrait", format=(min(width, height), max(width, height))
        )
        pdf.image(io.BytesIO(encode(picture, "jpg", dpi)), 0, 0, width, height)
    return bytes(pdf.output())


def as_tiff(pictures: list[tuple[Image.Image, int]], name: str) -> bytes:
    """Black and white, CCITT group 4, one or many pages."""
    (first, dpi), rest = pictures[0], [picture for picture, _ in pictures[1:]]
    out = io.BytesIO()
    first.save(out, "TIFF", compression="group4", dpi=(dpi, dpi), save_all=True, append_images=rest)
    return out.getvalue()


def write_truth(out: Path, name: str, pages: list[dict]) -> None:
    """<case>.truth.json beside the case; a truth may name its own page number."""
    whole = [{"file": name, "page": number, **page} for number, page in enumerate(pages, 1)]
    path = (out / name).with_suffix(".truth.json")
    path.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_blank(out: Path, name: str) -> None:
    """The empty back of a sheet: a little noise, the front shining through."""
    front = np.asarray(draw_form(STAYS[15], "discharge_letter", "dotted", 200).image.convert("L"), np.float32)[:, ::-1]
    rng = np.random.default_rng(7)
    soft = np.asarray(Image.fromarray(front.astype(np.uint8)).reduce(4).resize(front.shape[::-1]))
    paper = 247 - (255 - soft) * 0.025
    picture = Image.fromarray((paper + rng.normal(0, 1.6, front.shape)).clip(0, 255).astype(np.uint8))
    (out / name).write_bytes(encode(picture, "jpg", 200))
    write_truth(
        out,
        name,
        [
            {
                "document_type": "blank",
                "layout": "",
                "quality": "scan",
                "writing": "print",
                "rotation": 0,
                "upright_size": list(picture.size),
                "dpi": 200,
                "fields": [],
            }
        ],
    )


def write_unreadable(out: Path) -> None:
    """Files that no reader can open, each listed as page 0."""
    locked = out / "awkward/encrypted.pdf"
    picture, truth = render(LOCKED)
    with pikepdf.open(io.BytesIO(as_pdf([(picture, truth["dpi"])], locked.name))) as pdf:
        pdf.save(locked, encryption=pikepdf.Encryption(owner="sample-owner", user="sample-user"))
    picture, truth = render(CUT_SHORT)
    whole = encode(picture, "jpg", truth["dpi"])
    (out / "awkward/truncated.jpg").write_bytes(whole[: int(len(whole) * 0.4)])
    (out / "awkward/not_a_pdf.pdf").write_text("Đây là tệp văn bản, không phải PDF.\n", encoding="utf-8")
    (out / "awkward/empty.pdf").write_bytes(b"")
    for name in ("encrypted.pdf", "truncated.jpg", "not_a_pdf.pdf", "empty.pdf"):
        write_truth(
            out,
            f"awkward/{name}",
            [
                {
                    "page": 0,
                    "document_type": "unreadable",
                    "layout": "",
                    "quality": "",
                    "writing": "",
                    "rotation": 0,
                    "upright_size": [0, 0],
                    "dpi": 0,
                    "fields": [],
                    "fault": "quarantined",
                }
            ],
        )


def write_born_digital(out: Path, name: str) -> None:
    data, pages = draw_born_digital(STAYS[4])
    (out / name).write_bytes(data)
    size = [round(210 * DIGITAL_DPI / 25.4), round(297 * DIGITAL_DPI / 25.4)]
    write_truth(
        out,
        name,
        [
            {
                "document_type": kind,
                "layout": "digital",
                "quality": "clean",
                "writing": "print",
                "rotation": 0,
                "upright_size": size,
                "dpi": DIGITAL_DPI,
                "fields": [_field(p, map_box(p.box, np.eye(3), size)) for p in placed],
            }
            for kind, placed in pages
        ],
    )


def write_film(out: Path, name: str) -> None:
    picture, placed = draw_film(STAYS[5])
    (out / name).write_bytes(encode(picture, "png", FILM_DPI))
    write_truth(
        out,
        name,
        [
            {
                "document_type": "film",
                "layout": "film",
                "quality": "clean",
                "writing": "print",
                "rotation": 0,
                "upright_size": list(picture.size),
                "dpi": FILM_DPI,
                "fields": [_field(p, map_box(p.box, np.eye(3), picture.size)) for p in placed],
            }
        ],
    )


def write_registry(path: Path, stays: list[Stay]) -> None:
    """The hospital's own list of patients and stays, in the order of their numbers."""
    rows = [registry_row(stay, box=f"T{number // 6 + 1:02d}") for number, stay in enumerate(stays)]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(sorted(rows, key=lambda row: row["patient_id"]))


def registry_row(stay: Stay, box: str) -> dict[str, str]:
    person = {name: str(value) for name, value in asdict(stay.patient).items()}
    columns = ["patient_id", "name", "birth_date", "sex", "insurance_number", "national_id", "address", "phone"]
    return {column: person[column] for column in columns} | {
        "encounter_number": stay.encounter_number,
        "archive_number": stay.archive_number,
        "admitted_at": f"{stay.admitted_at:%Y-%m-%dT%H:%M}",
        "discharged_at": f"{stay.discharged_at:%Y-%m-%dT%H:%M}",
        "department": stay.department,
        "main_code": stay.story.main_code,
        "box": box,
    }


def _field(placed: Placed, box: list[int]) -> dict:
    return {"name": placed.name, "value": placed.value, "shown": placed.shown, "box": box}


if __name__ == "__main__":
    main()
