"""Stage 1, pipeline.store: the one door to the originals; bytes become an encrypted object known by their SHA-256."""

import hashlib
import re
import secrets
from collections.abc import Iterator

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipeline.keys import store_key
from pipeline.object_store import objects_at
from pipeline.settings import Settings
from records.errors import SohoaError

MAGIC = b"SOHOA1\0\0"
NONCE_BYTES = 12
KEY_CHECK = "key.check"
SCAN_ID = re.compile(r"[0-9a-f]{64}")


class Store:
    """Originals in home/store or at `store_url`, each AES-256-GCM with its own nonce; written once, checked at every
    use. What leaves this machine is sealed already."""

    def __init__(self, settings: Settings) -> None:
        self._where = settings.store_url or str(settings.home / "store")
        self._objects = objects_at(settings.store_url, settings.home / "store")
        self._cipher = AESGCM(store_key(settings))
        self._check_key()

    def put(self, data: bytes) -> str:
        """Keep the bytes and return their scan id; on return they survive a power cut. A broken copy is mended."""
        scan_id = hashlib.sha256(data).hexdigest()
        if not self._sound(scan_id):
            nonce = secrets.token_bytes(NONCE_BYTES)
            sealed = MAGIC + nonce + self._cipher.encrypt(nonce, data, scan_id.encode("ascii"))
            self._write(_name(scan_id), sealed)
        return scan_id

    def get(self, scan_id: str) -> bytes:
        """The original bytes, re-hashed; SohoaError when the object is missing or differs."""
        try:
            sealed = self._objects.read(_name(scan_id))
        except FileNotFoundError as error:
            raise SohoaError(
                f"The original {scan_id} is missing from the store; restore it from the backup."
            ) from error
        except OSError as error:
            raise SohoaError(f"The original {scan_id} cannot be read ({error.strerror}); check the disk.") from error
        return self._opened(scan_id, sealed)

    def has(self, scan_id: str) -> bool:
        """Whether an object of this id lies in the store (unchecked)."""
        try:
            return self._objects.exists(_name(scan_id))
        except OSError as error:
            raise SohoaError(f"The store {self._where} cannot be read ({error.strerror}); mend it.") from error

    def scan_ids(self) -> Iterator[str]:
        """All ids in the store, sorted."""
        for name in self._objects.names():
            if SCAN_ID.fullmatch(found := name.rpartition("/")[2]):
                yield found

    def _sound(self, scan_id: str) -> bool:
        try:
            self.get(scan_id)
        except SohoaError:
            return False
        return True

    def _check_key(self) -> None:
        """A wrong key must neither pass for damage nor seal originals: `key.check` opens with the right one only."""
        try:
            if not self._objects.exists(KEY_CHECK):
                nonce = secrets.token_bytes(NONCE_BYTES)
                self._write(KEY_CHECK, nonce + self._cipher.encrypt(nonce, MAGIC, None))
            sealed = self._objects.read(KEY_CHECK)
            self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
        except InvalidTag as error:
            raise SohoaError(
                f"The key does not open the store {self._where}; give it the key it was made with."
            ) from error
        except OSError as error:
            raise SohoaError(f"The store {self._where} cannot be read ({error.strerror}); check its owner.") from error

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

    def _write(self, name: str, sealed: bytes) -> None:
        try:
            self._objects.write(name, sealed)
        except OSError as error:
            raise SohoaError(
                f"The store {self._where} cannot be written ({error.strerror}); free or mend it."
            ) from error


def _name(scan_id: str) -> str:
    if not SCAN_ID.fullmatch(scan_id):
        raise SohoaError(f"'{scan_id[:80]}' is not a scan id; it must be 64 hexadecimal digits.")
    return f"{scan_id[:2]}/{scan_id[2:4]}/{scan_id}"
