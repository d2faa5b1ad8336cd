"""Stages 1-5, pipeline.reading: what a worker child does for one file (inspect it) and for one page (read it)."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from extractors.intake import decode_page, inspect, read_scan
from pipeline.settings import settings
from pipeline.store import Store
from records.documents import PageReading
from records.errors import UnreadableScan
from records.pages import MediaType


class PageJob(NamedTuple):
    """One page to read; `number` counts from 1."""

    page_id: str
    scan_id: str
    media_type: MediaType
    number: int


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

    data = _scan(job.scan_id)
    found = read_born_digital(job.page_id, data, job.media_type, job.number)
    if found:
        return found
    rgb, dpi = decode_page(data, job.media_type, job.number, settings().limits)
    return read_image(job.page_id, rgb, dpi, job.media_type, settings().reader)


class PairJob(NamedTuple):
    """Two pages that may be the same sheet, as (job, geometry as JSON) each."""

    one: PageJob
    one_image: str
    other: PageJob
    other_image: str


def compare_job(pair: PairJob) -> bool:
    """Whether two pages are the same sheet to the eye."""
    from extractors.duplicates import same_picture
    from records.pages import PageImage

    def page(job: PageJob, image: str) -> tuple[PageImage, object]:
        rgb, _ = decode_page(_scan(job.scan_id), job.media_type, job.number, settings().limits)
        return PageImage.model_validate_json(image), rgb

    return same_picture(page(pair.one, pair.one_image), page(pair.other, pair.other_image))  # type: ignore[arg-type]


@lru_cache(maxsize=2)
def _scan(scan_id: str) -> bytes:
    """The original, re-hashed when taken from the store."""
    return Store(settings()).get(scan_id)
