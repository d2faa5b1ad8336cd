"""After stage 10, pipeline.pictures: what a worker child does for a page of an archive copy: its picture, untouched."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractors.intake import decode_page, own_jpeg
from pipeline.reading import PageJob, scan_bytes
from pipeline.settings import settings
from records.errors import SohoaError, UnreadableScan
from records.pages import MediaType


class Picture(NamedTuple):
    """A page's picture: the JPEG of the original where it has one, else its pixels; its resolution in dpi."""

    picture: bytes | NDArray[np.uint8]
    dpi: float


def picture(job: PageJob) -> Picture:
    """The picture of a page as it lies in the original; UnreadableScan when it is damaged or cannot be decoded."""
    try:
        data = scan_bytes(job.scan_id)
    except UnreadableScan:
        raise
    except SohoaError as error:
        raise UnreadableScan("page_unreadable", "the original in the store") from error
    pixels, dpi = decode_page(data, job.media_type, job.number, settings().limits)
    return Picture(_untouched(data, job, pixels), dpi)


def _untouched(data: bytes, job: PageJob, pixels: NDArray[Any]) -> bytes | NDArray[np.uint8]:
    """The scanner's own JPEG, if it shows just these pixels."""
    found = own_jpeg(data, job.media_type, job.number, settings().limits)
    if found is None:
        return pixels
    if found is data:  # the pixels were decoded from it
        return found
    shown, _ = decode_page(found, MediaType.JPEG, 1, settings().limits)
    return found if shown.shape == pixels.shape and _alike(shown, pixels) else pixels


def _alike(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Two decoders may differ by a step or two in a pixel; another turn or another picture differs by far more."""
    far = np.abs(one[::7, ::7].astype(np.int16) - other[::7, ::7])
    return bool(far.mean() < 3)
