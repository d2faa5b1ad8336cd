"""Stage 8, review.practice_pictures: a page of the practice, spoilt where a task wants it, becomes JPEG bytes.

Only sample scans of this project are decoded here; a hospital's originals are drawn by review.images.
"""

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from records.errors import SohoaError
from review.practice import Pixels, Sheet, sheets

Image = NDArray[np.uint8]
AIR = 0.35  # around a box, as a part of its height
CROP_HEIGHT_PX = 64
PAGE_HEIGHT_PX = 2000
QUALITY = 70
PAPER_PERCENTILE = 90  # of the grey levels of a place: its paper, not its writing
INK = (92, 62, 48)  # blue, green, red
BLOTS = ((0.12, 0.55, 0.15), (0.34, 0.45, 0.19), (0.58, 0.55, 0.20), (0.82, 0.5, 0.17))  # middle, radius: of the box


@cache
def whole_page(number: int) -> bytes:
    """The whole page as JPEG."""
    image = _spoilt_page(number)
    scale = min(1.0, PAGE_HEIGHT_PX / image.shape[0])
    return _jpeg(_sized(image, scale))


@cache
def crop(number: int, field: str) -> bytes:
    """One task's place with a little of what is around it, as JPEG."""
    image = _spoilt_page(number)
    left, top, right, bottom = sheets()[number - 1].places[field]
    air = round(AIR * (bottom - top))
    part = image[max(0, top - air) : bottom + air, max(0, left - air) : right + air]
    return _jpeg(_sized(np.asarray(part, np.uint8), max(1.0, CROP_HEIGHT_PX / part.shape[0])))


@cache
def _spoilt_page(number: int) -> Image:
    sheet = sheets()[number - 1]
    image = cv2.imdecode(np.frombuffer(sheet.scan.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise SohoaError(f"{sheet.scan.name} is damaged; restore the folder sample_scans.")
    page = np.asarray(image, np.uint8)
    for field, asked in sheet.asked.items():
        if asked.spoilt:
            _spoil(page, sheet, field, asked.spoilt)
    return page


def _spoil(page: Image, sheet: Sheet, field: str, how: str) -> None:
    left, top, right, bottom = place = sheet.places[field]
    if how == "blank":
        part = page[top:bottom, left:right]
        part[:] = np.percentile(part, PAPER_PERCENTILE, axis=(0, 1))
        return
    for across, down, radius in BLOTS:
        _blot(page, place, across, down, radius)
    cv2.GaussianBlur(page[top:bottom, left:right], (5, 5), 0, dst=page[top:bottom, left:right])


def _blot(page: Image, place: Pixels, across: float, down: float, radius: float) -> None:
    left, top, right, bottom = place
    middle = round(left + across * (right - left)), round(top + down * (bottom - top))
    axes = round(radius * (right - left)), round(0.42 * (bottom - top))
    cv2.ellipse(page, middle, axes, 8.0, 0.0, 360.0, INK, -1, cv2.LINE_AA)


def _sized(image: Image, scale: float) -> Image:
    if scale == 1.0:
        return image
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=how), np.uint8)


def _jpeg(image: Image) -> bytes:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise SohoaError("A picture could not be written as JPEG; check the installation of OpenCV.")
    return bytes(data)
