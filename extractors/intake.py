"""Stage 1, extractors.intake: turns a file's bytes into its type and its page count, or into the reason why not."""

import io
from collections.abc import Callable

from extractors.decode import BROKEN_IMAGE, decode_page, open_image
from extractors.folder import find_scans, read_scan, relative_name
from extractors.limits import Limits, check_size
from extractors.pdf import agreed, count_pdf_pages, jpeg_of_page
from extractors.tiff import count_tiff_pages
from records.errors import UnreadableScan
from records.pages import MediaType

__all__ = ["Limits", "decode_page", "find_scans", "inspect", "own_jpeg", "read_scan", "relative_name"]

ORIENTATION = 0x0112  # the EXIF tag


def inspect(data: bytes, path_name: str, limits: Limits) -> tuple[MediaType, int]:
    """What the bytes are and how many pages they have, by two independent counts; the name decides nothing.

    UnreadableScan with a code of records.quarantine. Pages are not decoded, except a picture that is one page.
    """
    if not data:
        raise UnreadableScan("empty_file", path_name)
    if len(data) > limits.max_file_bytes:
        raise UnreadableScan("too_large", f"{len(data)} bytes")
    media_type = _media_type(data)
    if media_type is None:
        raise UnreadableScan("wrong_type", path_name)
    pages = COUNTERS[media_type](data, limits)
    if pages == 0:
        raise UnreadableScan("no_pages", path_name)
    return media_type, pages


def own_jpeg(data: bytes, media_type: MediaType, number: int, limits: Limits) -> bytes | None:
    """The JPEG of a page as the scanner made it, where the file holds one that needs no turning and has the colours of
    RGB or grey; else None."""
    found = data if media_type is MediaType.JPEG else None
    if media_type is MediaType.PDF:
        found = jpeg_of_page(data, number, limits)
    if found is None:
        return None
    try:
        with open_image(found, limits) as image:
            plain = image.format == "JPEG" and image.mode in ("RGB", "L") and image.getexif().get(ORIENTATION, 1) == 1
    except UnreadableScan:
        return None
    return found if plain else None


def _media_type(data: bytes) -> MediaType | None:
    if data.startswith(b"\xff\xd8\xff"):
        return MediaType.JPEG
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return MediaType.PNG
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return MediaType.TIFF
    if data[128:132] == b"DICM":
        return MediaType.DICOM
    return MediaType.PDF if b"%PDF-" in data[:1024] else None


def _count_picture(data: bytes, limits: Limits) -> int:
    """A JPEG or PNG is one page; it is decoded, because a cut one opens like a whole one."""
    with open_image(data, limits) as image:
        try:
            image.load()
        except BROKEN_IMAGE as error:
            raise UnreadableScan("damaged_file", type(error).__name__) from error
    return 1


def _count_tiff(data: bytes, limits: Limits) -> int:
    directories = count_tiff_pages(data, limits.max_pages)
    if directories > limits.max_pages:
        raise UnreadableScan("too_many_pages", f"more than {limits.max_pages}")
    with open_image(data, limits) as image:
        try:
            pages = int(getattr(image, "n_frames", 1))
            for number in range(pages):
                image.seek(number)
                check_size(*image.size, limits)
        except BROKEN_IMAGE as error:
            raise UnreadableScan("damaged_file", type(error).__name__) from error
    return agreed(pages, directories)


def _count_dicom(data: bytes, limits: Limits) -> int:
    """A film is one page, however many frames it has."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        film = pydicom.dcmread(io.BytesIO(data), specific_tags=["Rows", "Columns", "PixelData"])
        check_size(int(film.get("Columns", 0)), int(film.get("Rows", 0)), limits)
    except (InvalidDicomError, AttributeError, NotImplementedError, *BROKEN_IMAGE) as error:
        raise UnreadableScan("damaged_file", type(error).__name__) from error
    return 1 if "PixelData" in film else 0


COUNTERS: dict[MediaType, Callable[[bytes, Limits], int]] = {
    MediaType.PDF: count_pdf_pages,
    MediaType.TIFF: _count_tiff,
    MediaType.JPEG: _count_picture,
    MediaType.PNG: _count_picture,
    MediaType.DICOM: _count_dicom,
}
