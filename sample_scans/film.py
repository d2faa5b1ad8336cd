"""Sample scans, film: a drawn picture that looks like an X-ray film of a wrist, with the text burnt into it."""

from __future__ import annotations

import cv2
import numpy as np
from faces import print_font
from people import Stay
from PIL import Image, ImageDraw
from sheets import Placed

WIDTH, HEIGHT, DPI = 1400, 1750, 150
# Bones as (x, y, x, y, thickness) in pixels of the film; the break of the radius is drawn apart.
FOREARM = [(600, 1700, 590, 1130, 62), (800, 1700, 812, 1100, 86)]
PALM = [
    (560, 900, 470, 600, 44),
    (640, 880, 620, 560, 44),
    (720, 880, 745, 570, 44),
    (800, 900, 865, 620, 44),
    (880, 960, 1030, 780, 46),
]
FINGERS = [
    (460, 565, 415, 390, 36),
    (617, 520, 605, 310, 38),
    (752, 530, 775, 330, 38),
    (880, 580, 940, 420, 36),
    (1050, 750, 1130, 630, 38),
]
CARPALS = [(610, 1010, 46), (690, 985, 48), (775, 990, 50), (850, 1030, 44), (650, 1070, 44), (745, 1060, 54)]


def draw_film(stay: Stay) -> tuple[Image.Image, list[Placed]]:
    """The film as a grey picture and the burnt-in values with their boxes in its pixels."""
    rng = np.random.default_rng(int(stay.patient.patient_id))
    picture = _soft_tissue() + _bones()
    picture = cv2.GaussianBlur(picture, (0, 0), 3) * _falloff() + rng.normal(0, 3.2, (HEIGHT, WIDTH)) + 14
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8))
    return image, _burn(image, stay)


def _soft_tissue() -> np.ndarray:
    layer = np.zeros((HEIGHT, WIDTH), np.float32)
    _capsule(layer, (700, 1750, 700, 1000, 380), 46)
    _capsule(layer, (690, 1000, 690, 700, 430), 46)
    for bone in FINGERS:
        _capsule(layer, (*bone[:4], bone[4] + 66), 40)
    return cv2.GaussianBlur(layer, (0, 0), 14)


def _bones() -> np.ndarray:
    layer = np.zeros((HEIGHT, WIDTH), np.float32)
    for bone in FOREARM + PALM + FINGERS:
        _capsule(layer, bone, 135)
        _capsule(layer, (*bone[:4], bone[4] // 2), 100)
    for x, y, radius in CARPALS:
        cv2.circle(layer, (x, y), radius, 112, -1, cv2.LINE_AA)
        cv2.circle(layer, (x, y), radius, 150, 7, cv2.LINE_AA)
    cv2.line(layer, (756, 1212), (868, 1180), 34, 9, cv2.LINE_AA)  # the break at the end of the radius
    return layer


def _capsule(layer: np.ndarray, bone: tuple[int, ...], grey: int) -> None:
    x0, y0, x1, y1, thickness = bone
    cv2.line(layer, (x0, y0), (x1, y1), grey, thickness, cv2.LINE_AA)


def _falloff() -> np.ndarray:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    return 1 - 0.35 * (((x - WIDTH / 2) / WIDTH) ** 2 + ((y - HEIGHT / 2) / HEIGHT) ** 2)


def _burn(image: Image.Image, stay: Stay) -> list[Placed]:
    """Patient, number, hospital, date, modality and view in the corners, the side's letter beside the hand."""
    pen, patient = ImageDraw.Draw(image), stay.patient
    taken = stay.admitted_at
    lines = [
        (40, 60, "patient.name", patient.name, patient.name),
        (40, 104, "patient.id", patient.patient_id, patient.patient_id),
        (1050, 60, "", "", "BV MẪU SÔNG XANH"),
        (1050, 104, "film.taken_on", f"{taken:%Y-%m-%d}", f"{taken:%d/%m/%Y}"),
        (1250, 104, "", "", f"{taken:%H:%M}"),
        (40, 1690, "film.modality", "CR", "CR"),
        (110, 1690, "", "", "CỔ TAY"),
        (1280, 1690, "film.view", "AP", "AP"),
    ]
    placed = [_text(pen, *line, size=30) for line in lines]
    placed.append(_text(pen, 1180, 1010, "film.laterality", "R", "R", size=84))
    return [p for p in placed if p.name]


def _text(pen: ImageDraw.ImageDraw, x: int, y: int, name: str, value: str, shown: str, size: int) -> Placed:
    face = print_font("Arimo", True, False, size)
    pen.text((x, y), shown, fill=236, font=face, anchor="ls")
    return Placed(name, value, shown, (x, y - size * 0.86, x + face.getlength(shown), y + size * 0.26))
