"""Training, wear: ink on paper -> the grey picture a scanner, fax or camera makes of it, by quality."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import cv2
import numpy as np
from numpy.typing import NDArray

Ink = NDArray[np.float32]
Gray = NDArray[np.uint8]
Wear = Callable[[Ink, Random, np.random.Generator, float], Gray]


def dot_matrix(ink: Ink, em: int) -> Ink:
    """The line as needles print it: round dots on a grid of about nine per em."""
    step = max(2, round(em / 9))
    rows, columns = np.indices(ink.shape) % step - (step - 1) / 2
    dots = (np.hypot(rows, columns) <= 0.6 * step).astype(np.float32)
    return cv2.GaussianBlur(cv2.dilate(ink, np.ones((2, 2))) * (0.25 + 0.75 * dots), (0, 0), 0.5)


def clean(ink: Ink, rng: Random, noise: np.random.Generator, hardness: float) -> Gray:
    """As drawn, perhaps in coloured or thinner ink, perhaps stored as JPEG."""
    page = 255 * (1 - ink * rng.uniform(0.6, 1))
    return _jpeg(_bytes(page), rng.randint(60, 95)) if rng.random() < 0.3 else _bytes(page)


def scan(ink: Ink, rng: Random, noise: np.random.Generator, hardness: float) -> Gray:
    """A 200 dpi colour or grey scan: paper tint, shading, the reverse shining through, light noise."""
    ink = _marks(_uneven(ink, rng, noise), rng, hardness)
    paper = rng.uniform(200, 255) * _shading(ink.shape, noise, rng.uniform(0, 0.08))
    page = paper * (1 - ink * rng.uniform(0.55, 1)) * _behind(ink, rng, 0.12)
    page = _blurred(page, rng.uniform(0.35, 0.9)) + noise.normal(0, rng.uniform(0.5, 5), ink.shape)
    return _jpeg(_bytes(page), rng.randint(45, 90))


def hard(ink: Ink, rng: Random, noise: np.random.Generator, hardness: float) -> Gray:
    """150 dpi, faded, folded, grainy, strongly compressed."""
    ink = _marks(_uneven(ink, rng, noise), rng, hardness)
    if rng.random() < 0.12 * hardness:
        ink = ink + _crease(ink.shape, rng)
    paper = rng.uniform(170, 245) * _shading(ink.shape, noise, rng.uniform(0, 0.2))
    page = paper * (1 - np.minimum(ink, 1) * rng.uniform(0.42, 0.92)) * _behind(ink, rng, 0.2)
    page = _blurred(page, rng.uniform(0.4, 0.95)) + noise.normal(0, rng.uniform(1, 8), ink.shape)
    return _jpeg(_bytes(page), rng.randint(30, 75))


def photo(ink: Ink, rng: Random, noise: np.random.Generator, hardness: float) -> Gray:
    """A telephone's picture: uneven light, shadow, blur of focus or of a moving hand."""
    ink = _marks(ink, rng, hardness)
    paper = rng.uniform(140, 250) * _shading(ink.shape, noise, rng.uniform(0.05, 0.4))
    page = paper * (1 - ink * rng.uniform(0.55, 0.95))
    page = _blurred(page, rng.uniform(0.5, 1.15))
    if rng.random() < 0.25 * hardness:
        page = _moved(page, rng)
    return _jpeg(_bytes(page + noise.normal(0, rng.uniform(0.5, 6), ink.shape)), rng.randint(40, 90))


def fax(ink: Ink, rng: Random, noise: np.random.Generator, hardness: float) -> Gray:
    """Black and white through a rough threshold, with specks and lost lines."""
    rough = cv2.GaussianBlur(noise.normal(0, 60, ink.shape).astype(np.float32), (0, 0), rng.uniform(0.7, 1.1))
    page = (
        _blurred(255 * (1 - ink * rng.uniform(0.75, 1)), rng.uniform(0.4, 0.95))
        + rough * rng.uniform(0, 1.1) * hardness
    )
    black = page < rng.uniform(125, 195)
    black |= noise.random(ink.shape) < rng.choice((0, 0.0003, 0.003)) * hardness
    if rng.random() < 0.1 * hardness:
        black[rng.randrange(len(black))] = rng.random() < 0.3
    return np.where(black, np.uint8(0), np.uint8(255))


def bilevel(ink: Ink, rng: Random, noise: np.random.Generator, hardness: float) -> Gray:
    """An office scanner set to black and white: clean edges, steps in the slopes."""
    soft = _blurred(255 * (1 - ink), 0.5)
    return np.where(soft < rng.uniform(120, 190), np.uint8(0), np.uint8(255))


WEAR: dict[str, Wear] = {"clean": clean, "scan": scan, "hard": hard, "photo": photo, "fax": fax, "bilevel": bilevel}


def _marks(ink: Ink, rng: Random, hardness: float) -> Ink:
    """At times a piece of a stamp or a stroke of a pen across the line."""
    if rng.random() > 0.07 * hardness:
        return ink
    height, width = ink.shape
    marks = np.zeros_like(ink)
    thick = max(1, height // 40)
    if rng.random() < 0.6:  # two rings of a round stamp
        centre = (rng.randrange(width), rng.randrange(-height, 2 * height))
        for radius in (height * rng.uniform(0.9, 2.2), height * 0.8):
            cv2.circle(marks, centre, round(radius), 1.0, thick, cv2.LINE_AA)
    else:
        ends = [(rng.randrange(width), rng.randrange(height)) for _ in range(2)]
        cv2.line(marks, ends[0], ends[1], 1.0, thick, cv2.LINE_AA)
    return np.maximum(ink, marks * rng.uniform(0.25, 0.75))


def _uneven(ink: Ink, rng: Random, noise: np.random.Generator) -> Ink:
    """Thicker or thinner ink, or a ribbon that gave more here than there."""
    draw = rng.random()
    if draw < 0.12:
        return np.clip(cv2.GaussianBlur(ink, (0, 0), 0.7) * 1.7, 0, 1)
    if draw < 0.22:
        return np.clip(ink * 1.3 - 0.3, 0, 1)
    return ink * _shading(ink.shape, noise, 0.55) if draw < 0.3 else ink


def _behind(ink: Ink, rng: Random, depth: float) -> Ink | float:
    """The reverse side shining through: the line itself mirrored and blurred, lighter."""
    if rng.random() > 0.25:
        return 1.0
    return 1 - rng.uniform(0.02, depth) * cv2.GaussianBlur(
        np.roll(ink[:, ::-1], rng.randrange(1, 30), axis=0), (0, 0), 2
    )


def _crease(shape: tuple[int, ...], rng: Random) -> Ink:
    """A fold along the line or across it."""
    axis = rng.random() < 0.75
    length = shape[0] if axis else shape[1]
    away = np.arange(length, dtype=np.float32) - rng.uniform(0, length)
    profile = rng.uniform(0.1, 0.4) * np.exp(-((away / rng.uniform(1, 2.5)) ** 2)) + 0.08 * np.exp(-((away / 20) ** 2))
    return np.broadcast_to(profile[:, None] if axis else profile, shape).astype(np.float32)


def _shading(shape: tuple[int, ...], noise: np.random.Generator, depth: float) -> Ink:
    """Slow changes of light, 1 - depth to 1."""
    coarse = noise.random((2, 5)).astype(np.float32)
    return 1 - np.float32(depth) * cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)


def _blurred(page: Ink, sigma: float) -> Ink:
    return cv2.GaussianBlur(page.astype(np.float32), (0, 0), sigma)


def _moved(page: Ink, rng: Random) -> Ink:
    """Motion blur of two to four pixels along the line or down it."""
    length = rng.randint(2, 4)
    return cv2.blur(page, (length, 1) if rng.random() < 0.5 else (1, length))


def _bytes(page: Ink) -> Gray:
    return np.clip(page, 0, 255).astype(np.uint8)


def _jpeg(page: Gray, quality: int) -> Gray:
    encoded = cv2.imencode(".jpg", page, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
