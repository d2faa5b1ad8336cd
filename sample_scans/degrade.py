"""Sample scans, degrade: a clean page -> the page as a scanner, fax or camera saw it, with the map of its points."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

# quality -> (dpi the page is drawn in, file suffix)
QUALITIES = {
    "clean": (300, "png"),
    "grey": (200, "jpg"),
    "bilevel": (200, "tif"),
    "scan": (200, "jpg"),
    "fax": (200, "tif"),
    "photo": (190, "jpg"),
    "hard": (150, "jpg"),
}


@dataclass(frozen=True)
class Seen:
    """The picture, still upright, and the 3x3 map from the drawn page's pixels to its pixels."""

    image: Image.Image
    matrix: np.ndarray


def degrade(page: Image.Image, quality: str, seed: int) -> Seen:
    """The same page, quality and seed always give the same picture."""
    makers = {
        "clean": _clean,
        "grey": _grey,
        "bilevel": _bilevel,
        "scan": _scan,
        "fax": _fax,
        "photo": _photo,
        "hard": _hard,
    }
    return makers[quality](np.asarray(page), np.random.default_rng(seed))


def map_box(box: tuple[float, ...], matrix: np.ndarray, size: tuple[int, int]) -> list[int]:
    """The upright box around the mapped corners, in whole pixels inside the picture."""
    left, top, right, bottom = box
    corners = np.float32([[left, top], [right, top], [right, bottom], [left, bottom]])
    moved = cv2.perspectiveTransform(corners[None], matrix)[0]
    low, high = np.floor(moved.min(0)), np.ceil(moved.max(0))
    width, height = size
    return [int(max(0, low[0])), int(max(0, low[1])), int(min(width, high[0])), int(min(height, high[1]))]


def encode(image: Image.Image, suffix: str, dpi: int) -> bytes:
    """File bytes without dates in them."""
    out = io.BytesIO()
    if suffix == "png":
        image.save(out, "PNG", optimize=True, dpi=(dpi, dpi))
    elif suffix == "tif":
        image.save(out, "TIFF", compression="group4", dpi=(dpi, dpi))
    else:
        image.save(out, "JPEG", quality=72 if dpi > 150 else 55, dpi=(dpi, dpi))
    return out.getvalue()


def _clean(page: np.ndarray, rng: np.random.Generator) -> Seen:
    """As drawn: grey for print, few colours where something is in ink."""
    image = Image.fromarray(page)
    colourful = int(np.abs(page[..., 0].astype(int) - page[..., 2]).max()) > 30
    if colourful:
        return Seen(image.quantize(24, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE), np.eye(3))
    return Seen(image.convert("L").quantize(16, dither=Image.Dither.NONE), np.eye(3))


def _grey(page: np.ndarray, rng: np.random.Generator) -> Seen:
    """A good office scanner in grey: hardly any noise, a touch of skew."""
    matrix = _skew(page.shape, rng.uniform(-0.35, 0.35))
    grey = cv2.cvtColor(_warp(page, matrix, (255, 255, 255)), cv2.COLOR_RGB2GRAY)
    soft = cv2.GaussianBlur(grey, (0, 0), 0.5).astype(np.float32) + rng.normal(0, 1.2, grey.shape)
    return Seen(Image.fromarray(_bytes(soft)), matrix)


def _bilevel(page: np.ndarray, rng: np.random.Generator) -> Seen:
    """An office scanner set to black and white: straight, no specks."""
    seen = _grey(page, rng)
    return Seen(Image.fromarray(np.asarray(seen.image) > 150), seen.matrix)


def _scan(page: np.ndarray, rng: np.random.Generator) -> Seen:
    """A colour scanner: paper tint, shading, the reverse side shining through, skew up to one degree."""
    angle = rng.uniform(0.3, 1.1) * rng.choice([-1, 1])
    matrix = _skew(page.shape, angle)
    paper = np.float32([rng.uniform(246, 252), rng.uniform(244, 250), rng.uniform(234, 244)])
    ink = page.astype(np.float32) / 255
    behind = cv2.GaussianBlur(page[:, ::-1], (0, 0), 3).astype(np.float32) / 255
    sheet = ink * paper * (1 - 0.045 * (1 - behind))
    sheet = _warp(sheet, matrix, (206, 205, 203)) * _shading(page.shape, rng, 0.05)[..., None]
    soft = cv2.GaussianBlur(sheet, (0, 0), 0.6) + rng.normal(0, 2.0, page.shape[:2])[..., None]
    return Seen(Image.fromarray(_bytes(soft)), matrix)


def _fax(page: np.ndarray, rng: np.random.Generator) -> Seen:
    """Black and white through a threshold, with specks and a dropped line or two."""
    matrix = _skew(page.shape, rng.uniform(-0.7, 0.7))
    grey = cv2.cvtColor(_warp(page, matrix, (255, 255, 255)), cv2.COLOR_RGB2GRAY).astype(np.float32)
    rough = cv2.GaussianBlur(grey, (0, 0), 0.8) + cv2.GaussianBlur(
        rng.normal(0, 60, grey.shape).astype(np.float32), (0, 0), 0.9
    )
    black = rough < 168
    black |= rng.random(grey.shape) < 0.0003
    for row in rng.integers(0, grey.shape[0], 2):
        black[row] = False
    return Seen(Image.fromarray(~black), matrix)


def _photo(page: np.ndarray, rng: np.random.Generator) -> Seen:
    """A telephone's camera over a desk: perspective, uneven light, a little blur."""
    height, width = page.shape[:2]
    matrix = _perspective(width, height, rng)
    size = (round(width * 1.08), round(height * 1.07))
    desk = np.float32([rng.uniform(90, 130), rng.uniform(70, 95), rng.uniform(50, 75)])
    mask = cv2.warpPerspective(np.ones((height, width), np.float32), matrix, size)[..., None]
    paper = page.astype(np.float32) / 255 * np.float32([243, 240, 230])
    seen = cv2.warpPerspective(paper, matrix, size, flags=cv2.INTER_AREA) * mask + desk * (1 - mask)
    light = _shading(seen.shape, rng, 0.22)[..., None]
    soft = cv2.GaussianBlur(seen * light, (0, 0), 0.85) + rng.normal(0, 2.2, seen.shape[:2])[..., None]
    return Seen(Image.fromarray(_bytes(soft)), matrix)


def _hard(page: np.ndarray, rng: np.random.Generator) -> Seen:
    """Low resolution, faded ink, a fold across the sheet, strong skew, grain."""
    matrix = _skew(page.shape, rng.uniform(1.0, 2.0) * rng.choice([-1, 1]))
    faded = 255 - (255 - page.astype(np.float32)) * 0.78
    sheet = faded / 255 * np.float32([238, 232, 214])
    sheet = _warp(sheet, matrix, (120, 118, 114)) * _shading(page.shape, rng, 0.12)[..., None]
    sheet *= _fold(page.shape, rng)[..., None]
    soft = cv2.GaussianBlur(sheet, (0, 0), 0.7) + rng.normal(0, 5, page.shape[:2])[..., None]
    return Seen(Image.fromarray(_bytes(soft)), matrix)


def _skew(shape: tuple[int, ...], degrees: float) -> np.ndarray:
    height, width = shape[:2]
    return np.vstack([cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0), [0, 0, 1]])


def _warp(page: np.ndarray, matrix: np.ndarray, border: tuple[int, int, int]) -> np.ndarray:
    height, width = page.shape[:2]
    return cv2.warpPerspective(
        page, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_CONSTANT, borderValue=border
    )


def _perspective(width: int, height: int, rng: np.random.Generator) -> np.ndarray:
    """Each corner moved inwards by its own small amount, the whole put on a desk a little larger than the page."""
    corners = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
    inward = np.float32([[1, 1], [-1, 1], [-1, -1], [1, -1]])
    shift = rng.uniform(0.0, 0.045, (4, 2)).astype(np.float32) * np.float32([width, height]) * inward
    return cv2.getPerspectiveTransform(corners, corners + shift + np.float32([width * 0.04, height * 0.035]))


def _shading(shape: tuple[int, ...], rng: np.random.Generator, depth: float) -> np.ndarray:
    """Slow changes of light, 1 - depth to 1."""
    coarse = rng.random((4, 3)).astype(np.float32)
    return 1 - depth * cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def _fold(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A dark crease with a light lip about the middle of the sheet."""
    at = shape[0] * rng.uniform(0.46, 0.56)
    away = np.arange(shape[0], dtype=np.float32) - at
    profile = 1 - 0.28 * np.exp(-((away / 2.2) ** 2)) - 0.07 * np.exp(-((away / 30) ** 2))
    return np.repeat(profile[:, None], shape[1], axis=1).astype(np.float32)


def _bytes(picture: np.ndarray) -> np.ndarray:
    return picture.clip(0, 255).astype(np.uint8)
