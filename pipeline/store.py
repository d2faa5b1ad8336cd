"""Stage 1, pipeline.store: the one door to the originals; bytes become an encrypted object known by their SHA-256."""

import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipeline.keys import store_key, sync_folder
from pipeline.settings import Settings
from records.errors import SohoaError

MAGIC = b"SOHOA1\0\0"
NONCE_BYTES = 12
SCAN_ID = re.compile(r"[0-9a-f]{64}")


class Store:
    """Originals under home/store, each AES-256-GCM with its own nonce; written once, checked at every use."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.home / "store"
        self._cipher = AESGCM(store_key(settings))
        self._check_key(self.folder / "key.check")

    def put(self, data: bytes) -> str:
        """Keep the bytes and return their scan id; on return they survive a power cut. A broken copy is mended."""
        scan_id = hashlib.sha256(data).hexdigest()
        if not self._sound(scan_id):
            nonce = secrets.token_bytes(NONCE_BYTES)
            sealed = MAGIC + nonce + self._cipher.encrypt(nonce, data, scan_id.encode("ascii"))
            self._write(self._path(scan_id), sealed)
        return scan_id

    def get(self, scan_id: str) -> bytes:
        """The original bytes, re-hashed; SohoaError when the object is missing or differs."""
        try:
            sealed = self._path(scan_id).read_bytes()
        except FileNotFoundError as error:
            raise SohoaError(
                f"The original {scan_id} is missing from the store; restore it from the backup."
            ) from error
        except OSError as error:
            raise SohoaError(f"The original {scan_id} cannot be read ({error.strerror}); check the disk.") from error
        return self._opened(scan_id, sealed)

    def has(self, scan_id: str) -> bool:
        """Whether an object of this id lies in the store (unchecked)."""
        return self._path(scan_id).exists()

    def scan_ids(self) -> Iterator[str]:
        """All ids in the store, sorted."""
        for path in sorted(self.folder.glob("??/??/*")):
            if SCAN_ID.fullmatch(path.name):
                yield path.name

    def _sound(self, scan_id: str) -> bool:
        try:
            self.get(scan_id)
        except SohoaError:
            return False
        return True

    def _check_key(self, path: Path) -> None:
        """A wrong key must neither pass for damage nor seal originals: `key.check` opens with the right one only."""
        try:
            if not path.exists():
                nonce = secrets.token_bytes(NONCE_BYTES)
                self._write(path, nonce + self._cipher.encrypt(nonce, MAGIC, None))
            sealed = path.read_bytes()
            self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
        except InvalidTag as error:
            raise SohoaError(
                f"The key does not open the store {self.folder}; give it the key it was made with."
            ) from error
        except OSError as error:
            raise SohoaError(f"The store {self.folder} cannot be read ({error.strerror}); check its owner.") from error

    def _opened(self, scan_id: str, sealed: bytes) -> bytes:
        start = len(MAGIC) + NONCE_BYTES
        damaged = f"The original {scan_id} differs from what was handed in; restore it from the backup."
        if not sealed.startswith(MAGIC):
            raise SohoaError(damaged)
        try:
            data = self._cipher.decrypt(sealed[len(MAGIC) : start], sealed[start:], scan_id.encode("ascii"))
        except InvalidTag as error:
            raise SohoaError(damaged) from error
        if hashlib.sha256(data).hexdigest() != scan_id:
            raise SohoaError(damaged)
        return data

    def _write(self, path: Path, sealed: bytes) -> None:
        try:
            self._make_folder(path.parent)
            temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(sealed)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
            sync_folder(path.parent)
        except OSError as error:
            raise SohoaError(
                f"The store {self.folder} cannot be written ({error.strerror}); free or mend it."
            ) from error

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        self._make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)

    def _path(self, scan_id: str) -> Path:
        if not SCAN_ID.fullmatch(scan_id):
            raise SohoaError(f"'{scan_id[:80]}' is not a scan id; it must be 64 hexadecimal digits.")
        return self.folder / scan_id[:2] / scan_id[2:4] / scan_id
