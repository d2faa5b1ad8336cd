"""Training, hand: letters of a face -> a line as a pen writes it: uneven in size and height, bent, thick and thin.

Every letter is put down and bent anew, so that what is learnt is the unevenness of a hand and not the face. The same
two tricks, much smaller, make a typewriter and small capitals, which are print.
"""

from __future__ import annotations

from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from training.fonts import Face, open_face
from training.lines import Drawn, Ink

Floats = NDArray[np.float32]


def draw_by_hand(text: str, face: Face, em: int, unevenness: float, rng: Random, noise: np.random.Generator) -> Drawn:
    """The text as one hand writes it; `unevenness` 0 (as neat as the face) to 1 (a hurried hand)."""
    ink = _put_unevenly(text, face, em, unevenness, rng)
    ink = _slanted(ink, rng.uniform(-0.1, 0.4) * unevenness)
    ink = _bent(ink, 1.2 * em, 0.07 * em * unevenness, noise)
    ink = _bent(ink, 0.4 * em, 0.025 * em * unevenness, noise)
    return inked(_pressed(ink, em, unevenness, rng, noise), em)


def draw_typed(text: str, face: Face, em: int, rng: Random) -> Drawn:
    """As a typewriter strikes: each letter a little high or low, black or grey."""
    canvas, left, baseline = _canvas(text, face, em)
    font, struck = open_face(face.path, em), rng.uniform(0, 0.035) * em
    for letter in text:
        black = round(255 * rng.uniform(0.55, 1))
        place = (left, baseline + rng.gauss(0, struck))
        ImageDraw.Draw(canvas).text(place, letter, fill=black, font=font, anchor="ls")
        left += font.getlength(letter)
    return inked(np.asarray(canvas, np.float32) / 255, em)


def draw_small_capitals(text: str, face: Face, em: int) -> Drawn:
    """Small letters as capitals of four fifths of the size."""
    canvas, left, baseline = _canvas(text.upper(), face, em)
    for letter in text:
        font = open_face(face.path, em if letter == letter.upper() else round(0.8 * em))
        ImageDraw.Draw(canvas).text((left, baseline), letter.upper(), fill=255, font=font, anchor="ls")
        left += font.getlength(letter.upper())
    return inked(np.asarray(canvas, np.float32) / 255, em)


def inked(ink: Ink, em: int) -> Drawn:
    """The ink with the box around it; a baseline guessed where there is no face to ask."""
    rows, columns = np.flatnonzero(ink.max(axis=1) > 0.12), np.flatnonzero(ink.max(axis=0) > 0.12)
    if not len(rows):
        return Drawn(ink, (em, em, 2 * em, 2 * em), 2 * em, em)
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    return Drawn(ink, (int(columns[0]), top, int(columns[-1]) + 1, bottom), bottom - 0.2 * (bottom - top), em)


def _canvas(text: str, face: Face, em: int) -> tuple[Image.Image, float, float]:
    """An empty canvas, and where the first letter's baseline begins on it."""
    font = open_face(face.path, em)
    up, down = (min(part, most * em) for part, most in zip(font.getmetrics(), (1.5, 0.8), strict=True))
    size = (int(1.25 * font.getlength(text)) + 3 * em, int(up + down) + 3 * em)
    return Image.new("L", size), 1.2 * em, 1.4 * em + up


def _put_unevenly(text: str, face: Face, em: int, unevenness: float, rng: Random) -> Ink:
    """Letter by letter: size and place wander slowly and jump a little."""
    canvas, left, baseline = _canvas(text, face, em)
    draw, drift = ImageDraw.Draw(canvas), 0.0
    slope = rng.gauss(0, 0.015) * unevenness
    for letter in text:
        font = open_face(face.path, max(8, round(em * (1 + rng.gauss(0, 0.09) * unevenness))))
        drift = 0.8 * drift + rng.gauss(0, 0.03) * em * unevenness
        place = (left, baseline + drift + slope * left + rng.gauss(0, 0.02) * em * unevenness)
        draw.text(place, letter, fill=255, font=font, anchor="ls")
        left += font.getlength(letter) + rng.uniform(-0.05, 0.08) * em * unevenness
        left += rng.uniform(0, 0.5) * em * unevenness if letter == " " else 0
    return np.asarray(canvas, np.float32) / 255


def _slanted(ink: Ink, slant: float) -> Ink:
    height, width = ink.shape
    matrix = np.float32([[1, -slant, slant * height / 2], [0, 1, 0]])
    return cv2.warpAffine(ink, matrix, (width, height))


def _bent(ink: Ink, wave: float, reach: float, noise: np.random.Generator) -> Ink:
    """Every point moved by about `reach` pixels, neighbours within `wave` pixels alike."""
    height, width = ink.shape
    shape = (max(2, round(height / wave) + 1), max(2, round(width / wave) + 1))
    moved = [
        cv2.resize(noise.normal(0, reach, shape).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
        for _ in range(2)
    ]
    rows, columns = np.indices(ink.shape, dtype=np.float32)
    return cv2.remap(ink, columns + moved[0], rows + moved[1], cv2.INTER_LINEAR)


def _pressed(ink: Ink, em: int, unevenness: float, rng: Random, noise: np.random.Generator) -> Ink:
    """The stroke thicker or thinner, all along and from place to place."""
    blurred = cv2.GaussianBlur(ink, (0, 0), max(0.5, 0.03 * em))
    blurred /= max(0.2, float(np.percentile(blurred[ink > 0.4], 60))) if (ink > 0.4).any() else 1.0
    shape = (3, max(2, ink.shape[1] // (2 * em)))
    pressure = cv2.resize(noise.normal(0, 0.08, shape).astype(np.float32), (ink.shape[1], ink.shape[0]))
    level = np.clip(0.5 + rng.uniform(-0.3, 0.15) * unevenness + pressure * unevenness, 0.15, 0.7)
    return np.clip((blurred - level) * 3 + 0.5, 0, 1).astype(np.float32)
