"""Stages 1-5, pipeline.reading: what a worker child does for one file (inspect it) and for one page (read it)."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from extractors.intake import decode_page, inspect, read_scan
from pipeline.settings import settings
from pipeline.store import Store
from records.documents import PageReading
from records.errors import UnreadableScan
from records.pages import MediaType


class PageJob(NamedTuple):
    """One page to read; `number` counts from 1. What an officer ruled: `document_type`, '' as it looks; `turn`, as
    `PageImage.turn`, None as it is found."""

    page_id: str
    scan_id: str
    media_type: MediaType
    number: int
    document_type: str = ""
    turn: int | None = None


class Inspected(NamedTuple):
    """What a file's bytes are; `scan_id` is their SHA-256."""

    scan_id: str
    found: tuple[MediaType, int] | UnreadableScan


def inspect_file(path: Path) -> Inspected:
    """Type and page count of a file, and which bytes that is true of; UnreadableScan when none could be taken in."""
    limits = settings().limits
    data = read_scan(path, limits)
    scan_id = hashlib.sha256(data).hexdigest()
    try:
        return Inspected(scan_id, inspect(data, path.name, limits))
    except UnreadableScan as error:
        return Inspected(scan_id, error)


def read_job(job: PageJob) -> PageReading:
    """Everything read on one page; UnreadableScan when it cannot be decoded."""
    from extractors.page import read_born_digital, read_image

    data = scan_bytes(job.scan_id)
    if job.turn is None:  # Text that lies as an officer saw it lie wrong is not trusted.
        found = read_born_digital(job.page_id, data, job.media_type, job.number, job.document_type)
        if found:
            return found
    rgb, dpi = decode_page(data, job.media_type, job.number, settings().limits)
    return read_image(job.page_id, rgb, dpi, job.media_type, settings().reader, job.document_type, job.turn)


class PairJob(NamedTuple):
    """Two pages that may be the same sheet, as (job, geometry as JSON) each.

    `headers`: only their headers were read, and two sheets of one patient may have these alike.
    """

    one: PageJob
    one_image: str
    other: PageJob
    other_image: str
    headers: bool = False


def compare_job(pair: PairJob) -> bool:
    """Whether two pages are the same sheet to the eye and, where only headers were compared, in all their text too."""
    from extractors.duplicates import same_picture, same_text
    from extractors.page import read_all
    from records.pages import PageImage

    jobs = (pair.one, pair.one_image), (pair.other, pair.other_image)
    sheets = [_decoded(job) for job, _ in jobs]
    images = [PageImage.model_validate_json(image) for _, image in jobs]
    if not same_picture((images[0], sheets[0][0]), (images[1], sheets[1][0])):
        return False
    if not pair.headers:
        return True
    reader = settings().reader
    one, other = (
        read_all(job.page_id, rgb, dpi, reader, job.turn) for (job, _), (rgb, dpi) in zip(jobs, sheets, strict=True)
    )
    return same_text(one, other)


def _decoded(job: PageJob) -> tuple[NDArray[Any], float]:
    return decode_page(scan_bytes(job.scan_id), job.media_type, job.number, settings().limits)


@lru_cache(maxsize=2)
def scan_bytes(scan_id: str) -> bytes:
    """The original, re-hashed when taken from the store."""
    return Store(settings()).get(scan_id)
