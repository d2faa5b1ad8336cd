"""Beside every stage, pipeline.keys: keys and passwords in home/secrets, made on first use, readable by one user."""

import base64
import binascii
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from pipeline.settings import Settings
from records.errors import SohoaError

KEY_BYTES = 32


def store_key(settings: Settings) -> bytes:
    """The 32 bytes that encrypt the store: SOHOA_STORE_KEY (base64), else home/secrets/store.key."""
    given = os.environ.get("SOHOA_STORE_KEY")
    if given:
        return _decoded(given, "SOHOA_STORE_KEY")
    path = settings.home / "secrets" / "store.key"
    # A new key would make every original unreadable for ever.
    if not path.exists() and next((settings.home / "store").glob("??/??/*"), None) is not None:
        raise SohoaError(f"The store has originals but its key {path} is missing; restore the key from the backup.")
    return _decoded(secret(settings, "store.key", _new_key), str(path))


def audit_key(settings: Settings) -> bytes:
    """The 32 bytes of the audit chain's HMAC: SOHOA_AUDIT_KEY (base64), else home/secrets/audit.key."""
    given = os.environ.get("SOHOA_AUDIT_KEY")
    return _decoded(given or secret(settings, "audit.key", _new_key), "SOHOA_AUDIT_KEY or home/secrets/audit.key")


def ticket_key(settings: Settings) -> bytes:
    """The 32 bytes of the HMAC in the addresses of page images: home/secrets/ticket.key."""
    return _decoded(secret(settings, "ticket.key", _new_key), "home/secrets/ticket.key")


def password(settings: Settings, role: str) -> str:
    """The password of a database role of the embedded server."""
    return secret(settings, f"{role}.password", lambda: secrets.token_hex(24))


def secret(settings: Settings, name: str, make: Callable[[], str]) -> str:
    """The text of home/secrets/NAME; made once, even when two processes ask at the same time."""
    folder = settings.home / "secrets"
    path = folder / name
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            _write_once(path, make())
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SohoaError(f"The secret {path} cannot be used ({error.strerror}); check the folder's owner.") from error


def _write_once(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(temporary, path)  # Fails when another process was first; then its secret counts.
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")


def _decoded(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise SohoaError(f"{where} is not base64; it must be {KEY_BYTES} bytes in base64.") from error
    if len(key) != KEY_BYTES:
        raise SohoaError(f"{where} holds {len(key)} bytes; it must be {KEY_BYTES} bytes in base64.")
    return key
