"""Stage 8, review.drawing: a child's part: an original becomes the upright page and its crops, as JPEG bytes.

Every picture is taken from the pixels of the file in one step; a box comes back from fractions of the page as it lies
in the file to the upright page that it was read on.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.intake import decode_page
from pipeline.reading import PageJob
from pipeline.settings import settings
from pipeline.store import Store
from records.errors import SohoaError
from records.pages import Box, PageImage
from review.tickets import PARTS, Cut

Pixels = NDArray[np.uint8]
Matrix = NDArray[np.float64]

PAGE_LONG_SIDE_PX = 2000
CROP_WIDTH_PX, CROP_HEIGHT_PX = 1000, 1400  # at most
LINE_PX = 48  # how high a line of text is shown at least, where the width allows
LARGEST_SCALE = 4.0
AIR, MOST_AIR = 0.6, 0.015  # around a box: share of its height; of the page's long side at most
QUALITY = 85


class DamagedOriginal(SohoaError):
    """The original is missing from the store, or is not what was handed in."""


class Sheet(NamedTuple):
    """A page and its geometry (`PageImage` as JSON); without geometry it is shown as it lies in the file."""

    job: PageJob
    geometry: str


class Drawing(NamedTuple):
    """What to draw of a page beside the whole of it."""

    sheet: Sheet
    cuts: tuple[Cut, ...]


class Drawn(NamedTuple):
    """JPEG bytes; `crops` in the order of the drawing's cuts."""

    page: bytes
    crops: tuple[bytes, ...]


def draw(asked: Drawing) -> Drawn:
    """The whole page and its crops; DamagedOriginal, or UnreadableScan when it cannot be decoded."""
    rgb = _decoded(asked.sheet.job)
    image = _image(asked.sheet, rgb)
    to_upright = _to_upright(image, rgb)
    crops = tuple(_jpeg(_crop(rgb, to_upright, image, upright_box(image, cut))) for cut in asked.cuts)
    return Drawn(_jpeg(_whole(rgb, to_upright, image)), crops)


def get_ready(_: None) -> None:
    """Nothing: a child that was asked for it has its libraries in memory."""


def upright_box(image: PageImage, cut: Cut) -> Box:
    """The box on the upright page, in its pixels, whose bounds in the file are `cut`.

    The bounds of a skewed line are higher than the line: width and height are solved for, not bounded once more.
    """
    left, top, right, bottom = (part / PARTS for part in cut)
    middle = np.array([(left + right) / 2 * image.file_width_px, (top + bottom) / 2 * image.file_height_px, 1.0])
    bounds = np.array([(right - left) * image.file_width_px, (bottom - top) * image.file_height_px])
    to_file = np.array(image.to_file).reshape(3, 3)
    x, y, w = np.linalg.solve(to_file, middle)
    size = np.linalg.solve(np.abs(_slopes(to_file, x / w, y / w)), bounds)
    width, height = (max(1.0, float(side)) for side in size)
    across, down = float(x / w), float(y / w)
    return Box(left=across - width / 2, top=down - height / 2, right=across + width / 2, bottom=down + height / 2)


def _slopes(to_file: Matrix, x: float, y: float) -> Matrix:
    """How file pixels move per upright pixel at a point: the 2x2 Jacobian of the homography."""
    u, v, w = to_file @ np.array([x, y, 1.0])
    return np.asarray((to_file[:2, :2] - np.outer([u / w, v / w], to_file[2, :2])) / w, np.float64)


def _decoded(job: PageJob) -> Pixels:
    """The page's pixels, HxWx3 RGB; a film of more grey steps comes in eight bits."""
    return decode_page(_original(job.scan_id), job.media_type, job.number, settings().limits)[0]


@lru_cache(maxsize=2)
def _original(scan_id: str) -> bytes:
    try:
        return Store(settings()).get(scan_id)
    except SohoaError as error:
        raise DamagedOriginal(str(error)) from error


def _image(sheet: Sheet, rgb: Pixels) -> PageImage:
    if sheet.geometry:
        return PageImage.model_validate_json(sheet.geometry)
    height, width = rgb.shape[:2]
    return PageImage(
        page_id=sheet.job.page_id, turn=0, skew_degrees=0, width_px=width, height_px=height, file_width_px=width,
        file_height_px=height, to_file=(1, 0, 0, 0, 1, 0, 0, 0, 1), dpi=0, ink=0, blank=False,
    )  # fmt: skip


def _to_upright(image: PageImage, rgb: Pixels) -> Matrix:
    """Homography from the decoded pixels to the upright page, also where a PDF is drawn at another size than read."""
    sizes = np.diag([image.file_width_px / rgb.shape[1], image.file_height_px / rgb.shape[0], 1.0])
    return np.linalg.inv(np.array(image.to_file).reshape(3, 3)) @ sizes


def _whole(rgb: Pixels, to_upright: Matrix, image: PageImage) -> Pixels:
    """The upright page, at most 2,000 pixels long."""
    scale = min(1.0, PAGE_LONG_SIDE_PX / max(image.width_px, image.height_px))
    shrink = scale * max(image.width_px, image.height_px) / max(rgb.shape)
    height, width = rgb.shape[:2]
    if shrink < 0.85:  # Averaged first: taking single pixels of a larger picture leaves ragged letters.
        rgb = np.asarray(cv2.resize(rgb, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA), np.uint8)
    back = np.diag([width / rgb.shape[1], height / rgb.shape[0], 1.0])
    size = max(1, round(image.width_px * scale)), max(1, round(image.height_px * scale))
    return _warped(rgb, np.diag([scale, scale, 1.0]) @ to_upright @ back, size)


def _crop(rgb: Pixels, to_upright: Matrix, image: PageImage, box: Box) -> Pixels:
    """The box with some air around it, at a size that can be read."""
    air = min(AIR * box.height, MOST_AIR * max(image.width_px, image.height_px))
    left, top = max(0.0, box.left - air), max(0.0, box.top - air)
    width = max(1.0, min(image.width_px, box.right + air) - left)
    height = max(1.0, min(image.height_px, box.bottom + air) - top)
    scale = min(max(1.0, LINE_PX / box.height), CROP_WIDTH_PX / width, CROP_HEIGHT_PX / height, LARGEST_SCALE)
    shift = np.array([[1.0, 0.0, -left], [0.0, 1.0, -top], [0.0, 0.0, 1.0]])
    sharp = _warped(rgb, shift @ to_upright, (max(1, round(width)), max(1, round(height))))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(sharp, size, interpolation=how), np.uint8)


def _warped(rgb: Pixels, matrix: Matrix, size: tuple[int, int]) -> Pixels:
    white: Any = (255, 255, 255)
    return np.asarray(
        cv2.warpPerspective(
            rgb, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=white
        ),
        np.uint8,
    )


def _jpeg(rgb: Pixels) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise SohoaError("A page's picture could not be written as JPEG; check the installation of OpenCV.")
    return bytes(data)
