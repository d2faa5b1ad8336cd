"""Stage 1, extractors.intake: turns a folder into the scans in it, and a file's bytes into its type and page count."""

import fnmatch
import io
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from extractors.decode import BROKEN_IMAGE, check_size, decode_page, open_image
from extractors.limits import Limits
from extractors.tiff import count_tiff_pages
from records.errors import SohoaError, UnreadableScan
from records.pages import MediaType

__all__ = ["Limits", "decode_page", "find_scans", "inspect", "read_scan", "relative_name"]

SUFFIXES = frozenset({".pdf", ".tif", ".tiff", ".jpg", ".jpeg", ".png", ".dcm"})
IGNORE_FILE = ".sohoaignore"
FRESH_SECONDS, STABLE_SECONDS, PATIENCE_SECONDS = 2.0, 1.0, 10.0
PDF_END_BYTES = 4096  # A whole PDF says %%EOF near its end; some scanners append a kilobyte.

Skipped = tuple[Path, str]


def find_scans(folder: Path) -> tuple[list[Path], list[Skipped]]:
    """The scans below a folder, sorted, and what was left out as (path, reason).

    Reasons: hidden, ignored, not_a_scan, link, unreadable, still_growing. SohoaError when there is nothing to take in.
    """
    if not folder.is_dir():
        raise SohoaError(f"{folder} is not a folder; give the folder that holds the scans.")
    skipped: list[Skipped] = []
    try:
        patterns = _ignore_patterns(folder)
        files = list(_walk(folder, folder, patterns, skipped))
    except OSError as error:
        raise SohoaError(f"{folder} cannot be read ({error.strerror}); ask IT for access to it.") from error
    growing = set(_growing(files))
    skipped += [(path, "still_growing") for path in growing]
    if not files:
        raise SohoaError(f"{folder} holds no scans; put PDF, TIFF, JPEG, PNG or DICOM files into it.")
    whole = [path for path in files if path not in growing]
    return (
        sorted(whole, key=lambda path: relative_name(folder, path)),
        sorted(skipped, key=lambda left: relative_name(folder, left[0])),
    )


def relative_name(folder: Path, path: Path) -> str:
    """The name of a scan in receipts and results: relative, with /; bytes that are no UTF-8 are replaced."""
    return os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", errors="replace")


def read_scan(path: Path, limits: Limits) -> bytes:
    """All bytes of a file that kept still meanwhile; UnreadableScan('too_large', 'still_growing', 'damaged_file')."""
    try:
        before = path.stat()
        if before.st_size > limits.max_file_bytes:
            raise UnreadableScan("too_large", f"{before.st_size} bytes")
        data = path.read_bytes()
        after = path.stat()
    except OSError as error:
        raise UnreadableScan("damaged_file", error.strerror or "") from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or len(data) != after.st_size:
        raise UnreadableScan("still_growing")
    return data


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
    return _agreed(pages, directories)


def _count_pdf(data: bytes, limits: Limits) -> int:
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(data) as pdf:
            pages = len(pdf)
    except pypdfium2.PdfiumError as error:
        raise UnreadableScan(_why_not_opened(data), "PDFium cannot open it") from error
    if pages > limits.max_pages:
        raise UnreadableScan("too_many_pages", str(pages))
    # PDFium mends a cut file silently and leaves the lost pages out.
    if b"%%EOF" not in data[-PDF_END_BYTES:]:
        raise UnreadableScan("damaged_file", "its end is missing")
    return _agreed(pages, _walk_pdf(data, limits))


def _why_not_opened(data: bytes) -> str:
    """Ask PDFium itself: a PDF without pages opens, and the error code would be that of an earlier file."""
    import pypdfium2.raw as pdfium

    opened = pdfium.FPDF_LoadMemDocument64(data, len(data), None)
    if opened:
        pdfium.FPDF_CloseDocument(opened)
        return "no_pages"
    closed = (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY)
    return "encrypted_pdf" if pdfium.FPDF_GetLastError() in closed else "damaged_file"


def _walk_pdf(data: bytes, limits: Limits) -> int:
    """The second count: pdfminer walks the page tree, whatever its /Count says."""
    from pdfminer.pdfdocument import PDFDocument
    from pdfminer.pdfexceptions import PDFException
    from pdfminer.pdfpage import PDFPage
    from pdfminer.pdfparser import PDFParser
    from pdfminer.psexceptions import PSException

    pages = 0
    try:
        for _ in PDFPage.create_pages(PDFDocument(PDFParser(io.BytesIO(data)))):
            pages += 1
            if pages > limits.max_pages:
                break
    except (PDFException, PSException, RecursionError, AttributeError, AssertionError, *BROKEN_IMAGE) as error:
        raise UnreadableScan("damaged_file", f"pdfminer: {type(error).__name__}") from error
    return pages


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


def _agreed(first: int, second: int) -> int:
    if first != second:
        raise UnreadableScan("page_count_differs", f"{first} and {second}")
    return first


COUNTERS: dict[MediaType, Callable[[bytes, Limits], int]] = {
    MediaType.PDF: _count_pdf,
    MediaType.TIFF: _count_tiff,
    MediaType.JPEG: _count_picture,
    MediaType.PNG: _count_picture,
    MediaType.DICOM: _count_dicom,
}


def _walk(top: Path, folder: Path, patterns: list[str], skipped: list[Skipped]) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda e: e.name):
        path = Path(entry.path)
        reason = _left_out(entry, relative_name(top, path), patterns)
        if reason and not (folder == top and entry.name == IGNORE_FILE):
            skipped.append((path, reason))
        elif not reason and entry.is_dir(follow_symlinks=False):
            try:
                yield from _walk(top, path, patterns, skipped)
            except PermissionError:
                skipped.append((path, "unreadable"))
        elif not reason:
            yield path


def _left_out(entry: os.DirEntry[str], name: str, patterns: list[str]) -> str:
    if entry.name.startswith("."):
        return "hidden"
    if entry.is_symlink():
        return "link"  # It may lead out of the folder, or round in a circle.
    directory = entry.is_dir(follow_symlinks=False)
    if any(_matches(name, pattern, directory) for pattern in patterns):
        return "ignored"
    if directory:
        return ""
    if os.path.splitext(entry.name)[1].lower() not in SUFFIXES or not entry.is_file():
        return "not_a_scan"
    return "" if os.access(entry.path, os.R_OK) else "unreadable"


def _ignore_patterns(folder: Path) -> list[str]:
    path = folder / IGNORE_FILE
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _matches(name: str, pattern: str, directory: bool) -> bool:
    """As in .gitignore: '*.tmp' anywhere, 'old/' folders only, '/a/b.pdf' and 'a/*.pdf' from the top."""
    if pattern.endswith("/"):
        if not directory:
            return False
        pattern = pattern.rstrip("/")
    whole = "/" in pattern
    return fnmatch.fnmatchcase(name if whole else name.rpartition("/")[2], pattern.lstrip("/"))


def _growing(files: list[Path]) -> Iterator[Path]:
    """Files that did not keep still for a second, looked at for ten seconds at most, all of them together."""
    looks = {path: _look(path) for path in files}
    now = time.time()
    fresh = {path for path, look in looks.items() if look is None or now - look[1] / 1e9 < FRESH_SECONDS}
    since = dict.fromkeys(fresh, time.monotonic())
    until = time.monotonic() + PATIENCE_SECONDS
    while fresh and time.monotonic() < until:
        time.sleep(0.2)
        for path in list(fresh):
            look = _look(path)
            if look != looks[path]:
                looks[path], since[path] = look, time.monotonic()
            elif look is not None and time.monotonic() - since[path] >= STABLE_SECONDS:
                fresh.remove(path)
    yield from fresh


def _look(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_size, found.st_mtime_ns
