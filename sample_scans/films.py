"""Sample scans, films: single X-rays and CT or MR sheets with burnt-in text, as film scanner or telephone sees them.

`python sample_scans/films.py FOLDER --count 60 --first 0` writes films and the truth beside each. The same number
always gives the same film.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import unicodedata
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import cv2
import numpy as np
from faces import print_font
from people import Stay, make_stay
from PIL import Image, ImageDraw
from stories import BREAST, COLON, GALLSTONE, GASTRIC, THYROID

ANATOMY = Path(__file__).resolve().parent / "anatomy"
HOSPITALS = ("BV MẪU SÔNG XANH", "BENH VIEN MAU SONG XANH", "BỆNH VIỆN ĐA KHOA MẪU", "BV UNG BUOU MAU")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
FINISHES = ("grey8", "grey16", "grey8", "photo")  # how a film became a file, in turn
Rows = list[tuple[str, ...]]
MARGIN = 45  # pixels that a crooked film may lose at its edge


@dataclass(frozen=True)
class Film:
    """One film: its file's bytes and suffix, and what is true of it.

    `turn`: degrees counter-clockwise by which it was laid on the scanner. `grid`: rows and columns of a sheet's frames.
    """

    data: bytes
    suffix: str
    values: dict[str, str]
    finish: str
    turn: int
    mirrored: bool
    grid: tuple[int, int]


def make_film(number: int) -> Film:
    """The film of a number; from 30 on one more wording is used, which development never saw."""
    rng = random.Random(f"film {number}")
    stay = make_stay(7000 + number, rng.choice([BREAST, GASTRIC, GALLSTONE, THYROID, COLON]), rng.randint(2014, 2023))
    values, corners = _burnt_in(stay, rng, number)
    sheet = values["film.modality"] in ("CT", "MR")
    grid = rng.choice([(3, 4), (4, 4), (5, 4), (5, 3)]) if sheet else (1, 1)
    upright = _sheet(values, corners, grid, rng) if sheet else _single(corners, rng)
    finish = FINISHES[number % len(FINISHES)]
    turn, mirrored = rng.choice([0, 0, 0, 90, 180, 180, 270]), rng.random() < 0.3
    laid = np.ascontiguousarray(np.rot90(upright[:, ::-1] if mirrored else upright, turn // 90))
    noise = np.random.default_rng(number)
    data, suffix = _photo(laid, noise) if finish == "photo" else _scan(laid, noise, finish == "grey16")
    return Film(data, suffix, values, finish, turn, mirrored, grid)


# What is burnt in.


def _burnt_in(stay: Stay, rng: random.Random, number: int) -> tuple[dict[str, str], dict[str, Rows]]:
    """True values, and the lines of each corner of a frame: nw, ne, sw, se."""
    wording = WORDINGS[rng.randrange(len(WORDINGS) - (number < 30))]
    modality = rng.choice(["CR", "CR", "CT", "MR", "DX"])
    person, taken = stay.patient, stay.admitted_at.date()
    marked = rng.choice(["L", "R", "R", "L", "P", "T"]) if modality in ("CR", "DX") else ""
    view = rng.choice(["AP", "LAT", "PA"]) if marked else ""
    plain = rng.random() < 0.4
    name = (_bare(person.name) if plain else person.name).upper()
    accession = f"{taken:%y%m}{rng.randint(10000, 99999)}"
    values = {
        "patient.name": name,
        "patient.id": person.patient_id,
        "film.modality": {"DX": "DX"}.get(modality, modality),
        "film.taken_on": f"{taken:%Y-%m-%d}",
        "film.laterality": {"L": "L", "R": "R", "P": "R", "T": "L", "": ""}[marked],
        "film.view": view,
    }
    shown = {
        "name": name, "id": person.patient_id, "born": f"{person.birth_date:%Y}", "sex": person.sex, "acc": accession,
        "hospital": rng.choice(HOSPITALS), "modality": modality, "view": view, "marked": marked,
    }  # fmt: skip
    return {k: v for k, v in values.items() if v}, wording(shown, taken, rng)


def _machine(shown: dict[str, str], taken: date, rng: random.Random) -> dict[str, Rows]:
    """As the makers of scanners burn it: no labels, a date in any of their forms."""
    day = rng.choice([f"{taken:%d/%m/%Y}", f"{taken:%Y-%m-%d}", f"{taken:%d-}{MONTHS[taken.month - 1]}{taken:-%Y}"])
    sex = "M" if shown["sex"] == "male" else "F"
    return {
        "nw": [(shown["name"],), (shown["id"],), (f"{shown['born']} {sex}",)],
        "ne": [
            (shown["hospital"],),
            (day,),
            (f"{rng.randint(7, 16):02d}:{rng.randint(10, 59)}:{rng.randint(10, 59)}",),
        ],
        "sw": [(shown["modality"],), *_settings(shown["modality"], rng)],
        "se": [(shown["view"],), ("W: 400 L: 40",)],
        "marker": [(shown["marked"],)],
    }


def _vietnamese(shown: dict[str, str], taken: date, rng: random.Random) -> dict[str, Rows]:
    """Labels in Vietnamese."""
    sex = "Nam" if shown["sex"] == "male" else "Nữ"
    return {
        "nw": [(f"Họ tên: {shown['name']}",), (f"Mã BN: {shown['id']}",), (f"NS: {shown['born']}  {sex}",)],
        "ne": [(shown["hospital"],), (f"Ngày chụp: {taken:%d/%m/%Y}",)],
        "sw": [(f"{shown['modality']}  Acc: {shown['acc']}",), *_settings(shown["modality"], rng)],
        "se": [(shown["view"],)],
        "marker": [(shown["marked"],)],
    }


def _labelled(shown: dict[str, str], taken: date, rng: random.Random) -> dict[str, Rows]:
    """Labels in English, the hospital first."""
    sex = "M" if shown["sex"] == "male" else "F"
    return {
        "nw": [(shown["hospital"],), (f"Name: {shown['name']}",), (f"PID: {shown['id']}",)],
        "ne": [
            (f"Study Date: {taken:%d.%m.%Y}",),
            (f"DOB: {shown['born']}  Sex: {sex}",),
            (f"Acc No: {shown['acc']}",),
        ],
        "sw": [(f"Modality: {shown['modality']}",)],
        "se": [(f"View: {shown['view']}",) if shown["view"] else ("Zoom 100%",)],
        "marker": [(shown["marked"],)],
    }


def _dicom_style(shown: dict[str, str], taken: date, rng: random.Random) -> dict[str, Rows]:
    """The name in DICOM's own form, everything on the right."""
    return {
        "ne": [
            (shown["name"].replace(" ", "^"),),
            (f"ID {shown['id']}",),
            (f"{taken:%Y/%m/%d}",),
            (shown["hospital"],),
        ],
        "nw": [(shown["modality"],), ("Se: 3",)],
        "sw": [(shown["view"],), *_settings(shown["modality"], rng)],
        "se": [(f"Born {shown['born']}",)],
        "marker": [(shown["marked"],)],
    }


WORDINGS = (_machine, _vietnamese, _labelled, _dicom_style)


def _settings(modality: str, rng: random.Random) -> Rows:
    told = {"CT": "120 kV 220 mA", "MR": f"TR {rng.randint(400, 5000)} TE {rng.randint(8, 110)}"}
    return [(told.get(modality, f"{rng.randint(48, 90)} kV {rng.randint(2, 16)} mAs"),)]


def _bare(name: str) -> str:
    parted = unicodedata.normalize("NFD", name.replace("Đ", "D").replace("đ", "d"))
    return "".join(c for c in parted if not unicodedata.combining(c))


# The film itself, upright.


def _single(corners: dict[str, Rows], rng: random.Random) -> np.ndarray:
    high, wide = rng.choice([(2200, 1800), (2500, 2000), (2000, 2400)])
    picture = np.full((high, wide), 8.0, np.float32)
    leg = cv2.imread(str(ANATOMY / "leg.webp"), cv2.IMREAD_GRAYSCALE).astype(np.float32)
    scale = 0.86 * high / leg.shape[0]
    leg = cv2.resize(leg, None, fx=scale, fy=scale)[:, : wide - 40]
    top, left = (high - leg.shape[0]) // 2, (wide - leg.shape[1]) // 2
    picture[top : top + leg.shape[0], left : left + leg.shape[1]] = np.maximum(leg * rng.uniform(0.75, 0.95), 8)
    image = Image.fromarray(picture.astype(np.uint8))
    size = rng.choice([28, 32, 38])
    _corners(image, (MARGIN, MARGIN, wide - MARGIN, high - MARGIN), corners, size)
    letter = corners["marker"][0][0]
    x = rng.choice([0.11, 0.87]) * wide
    lead = print_font("Arimo", True, False, 3 * size)
    ImageDraw.Draw(image).text((x, 0.62 * high), letter, fill=235, font=lead, anchor="mm")
    return np.asarray(image)


def _sheet(values: dict[str, str], corners: dict[str, Rows], grid: tuple[int, int], rng: random.Random) -> np.ndarray:
    rows, columns = grid
    side, gutter = 700, 10
    name = "head.webp" if values["film.modality"] == "CT" else "shoulder.webp"
    slice_ = Image.open(ANATOMY / name).convert("L").resize((side - 2 * gutter, side - 2 * gutter))
    image = Image.new("L", (columns * side + 2 * MARGIN, rows * side + 2 * MARGIN), 4)
    size = rng.choice([20, 22])
    for i in range(rows * columns):
        x, y = MARGIN + (i % columns) * side, MARGIN + (i // columns) * side
        frame = np.asarray(slice_).astype(np.float32) * (0.7 + 0.3 * rng.random())
        image.paste(Image.fromarray(frame.astype(np.uint8)), (x + gutter, y + gutter))
        told = corners | {"sw": [*corners.get("sw", []), (f"Im: {i + 1}",)]}
        _corners(image, (x + gutter, y + gutter, x + side - gutter, y + side - gutter), told, size)
    return np.asarray(image)


def _corners(image: Image.Image, frame: tuple[int, int, int, int], corners: dict[str, Rows], size: int) -> None:
    pen, face = ImageDraw.Draw(image), print_font("Arimo", False, False, size)
    left, top, right, bottom = frame
    air, step = 0.6 * size + 10, round(1.35 * size)
    for corner in ("nw", "ne", "sw", "se"):
        lines = [row[0] for row in corners.get(corner, []) if row[0]]
        for i, line in enumerate(lines):
            x = left + air if corner.endswith("w") else right - air
            y = top + air + i * step if corner.startswith("n") else bottom - air - (len(lines) - i) * step
            pen.text((x, y), line, fill=240, font=face, anchor="la" if corner.endswith("w") else "ra")


# How it became a file.


def _scan(film: np.ndarray, rng: np.random.Generator, deep: bool) -> tuple[bytes, str]:
    """A film digitiser: a little crooked, the edge in sight or cut, noise; 16 bits use a part of their range."""
    high, wide = film.shape
    turn = cv2.getRotationMatrix2D((wide / 2, high / 2), rng.uniform(-2, 2), 1)
    turn[:, 2] += rng.integers(-12, 12, 2)
    seen = cv2.warpAffine(film, turn, (wide, high), flags=cv2.INTER_AREA, borderValue=250).astype(np.float32)
    seen = cv2.GaussianBlur(seen, (0, 0), 0.7) + rng.normal(0, 2.5, seen.shape)
    out = io.BytesIO()
    if deep:
        levels = Image.fromarray((np.clip(seen, 0, 255) * 190 + 900).astype(np.uint16))
        levels.save(out, "TIFF", compression="tiff_deflate", dpi=(150, 150))
        return out.getvalue(), "tif"
    Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=85, dpi=(150, 150))
    return out.getvalue(), "jpg"


def _photo(film: np.ndarray, rng: np.random.Generator) -> tuple[bytes, str]:
    """A telephone before a light box: perspective, the box's light around the film, glare, soft focus."""
    high, wide = film.shape
    edge = 0.06 * min(high, wide)
    at = np.float32([[0, 0], [wide, 0], [wide, high], [0, high]])
    inward = np.float32([[1, 1], [-1, 1], [-1, -1], [1, -1]]) + rng.uniform(-0.5, 0.5, (4, 2)).astype(np.float32)
    view = cv2.getPerspectiveTransform(at, at + edge * inward)
    seen = cv2.warpPerspective(film, view, (wide, high), flags=cv2.INTER_AREA, borderValue=246)
    seen = cv2.GaussianBlur(seen, (0, 0), 0.9).astype(np.float32) * 0.86 + 22
    y, x = np.mgrid[0:high, 0:wide].astype(np.float32)
    cx, cy = rng.uniform(0.3, 0.7) * wide, rng.uniform(0.3, 0.7) * high
    glare = 38 * np.exp(-(((x - cx) / (0.16 * wide)) ** 2 + ((y - cy) / (0.1 * high)) ** 2))
    seen = seen * (1 - 0.12 * x / wide) + glare + rng.normal(0, 3, seen.shape)
    tinted = np.stack([seen * 0.97, seen, seen * 1.02], axis=2)
    out = io.BytesIO()
    Image.fromarray(np.clip(tinted, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=80)
    return out.getvalue(), "jpg"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--count", type=int, default=60)
    asked.add_argument("--first", type=int, default=0)
    given = asked.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    for number in range(given.first, given.first + given.count):
        film = make_film(number)
        path = given.folder / f"film_{number:03d}.{film.suffix}"
        path.write_bytes(film.data)
        told = {
            "file": path.name, "finish": film.finish, "turn": film.turn, "mirrored": film.mirrored, "grid": film.grid,
            "values": film.values,
        }  # fmt: skip
        path.with_suffix(".truth.json").write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
