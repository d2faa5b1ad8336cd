"""Stage 1, pipeline.object_store: sealed objects by name, in a folder of this machine or, through fsspec, elsewhere."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pipeline.keys import sync_folder

NAMES = "[0-9a-f]" * 2


class Objects(Protocol):
    """Where objects lie. Names are 'ab/cd/abcd…', or one word. Every way fails as OSError, a missing object as
    FileNotFoundError."""

    def read(self, name: str) -> bytes:
        """All bytes of an object."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Put an object there whole or not at all; on return it is there for good."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is such an object."""
        ...

    def names(self) -> Iterator[str]:
        """The names of all objects that lie two folders deep, sorted."""
        ...


def objects_at(url: str, folder: Path) -> Objects:
    """The objects at a URL of fsspec (s3://bucket/prefix); of this machine for file:///path, and in `folder` for ''."""
    protocol, _, path = url.partition("://")
    if not url or protocol == "file":
        return Folder(Path(path) if url else folder)
    return Remote(url)


class Folder:
    """Files of one user, each written beside its place, synced, and moved there: they survive a power cut."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, name: str) -> bytes:
        """As `Objects` says."""
        return (self._folder / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """As `Objects` says."""
        path = self._folder / name
        self._make_folder(path.parent)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)

    def exists(self, name: str) -> bool:
        """As `Objects` says."""
        return (self._folder / name).exists()

    def names(self) -> Iterator[str]:
        """As `Objects` says."""
        for path in sorted(self._folder.glob(f"{NAMES}/{NAMES}/*")):
            yield str(path.relative_to(self._folder))

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


class Remote:
    """Objects behind a URL that fsspec knows. A service that stores an object whole and answers then, as S3 does, is
    asked for; what it lists is never remembered."""

    def __init__(self, url: str) -> None:
        import fsspec

        self._fs, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
        self._root = str(root).rstrip("/")
        self._away = _errors_of(url)

    def read(self, name: str) -> bytes:
        """As `Objects` says."""
        with self._told():
            return bytes(self._fs.cat_file(self._at(name)))

    def write(self, name: str, data: bytes) -> None:
        """As `Objects` says; what the service then has is as long as what was sent."""
        with self._told():
            self._fs.pipe_file(self._at(name), data)
            if self._fs.info(self._at(name))["size"] != len(data):
                raise OSError(5, "the service kept other bytes than it was given")

    def exists(self, name: str) -> bool:
        """As `Objects` says."""
        with self._told():
            return bool(self._fs.exists(self._at(name)))

    def names(self) -> Iterator[str]:
        """As `Objects` says."""
        with self._told():
            found = self._fs.glob(f"{self._root}/{NAMES}/{NAMES}/*")
        yield from sorted(str(path).removeprefix(f"{self._root}/") for path in found)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except self._away as error:
            raise OSError(5, f"the service does not answer ({type(error).__name__})") from error


def _errors_of(url: str) -> tuple[type[Exception], ...]:
    """What the client of a protocol raises beside OSError."""
    if not url.startswith("s3://"):
        return ()
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError
