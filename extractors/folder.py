"""Stage 1, extractors.folder: turns a folder into the scans in it that are whole, and a list of what was left out."""

import fnmatch
import os
import time
from collections.abc import Iterator
from pathlib import Path

from extractors.limits import Limits
from records.errors import SohoaError, UnreadableScan

SUFFIXES = frozenset({".pdf", ".tif", ".tiff", ".jpg", ".jpeg", ".png", ".dcm"})
IGNORE_FILE = ".sohoaignore"
FRESH_SECONDS, STABLE_SECONDS, PATIENCE_SECONDS = 2.0, 1.0, 10.0

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
