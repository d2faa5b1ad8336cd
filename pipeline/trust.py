"""Beside stage 10, pipeline.trust: which certificates signatures are judged by, and their revocation lists.

They lie in home/signing as they were handed in; a list may also be fetched from hosts that the settings name, the
only ones to which the product opens a connection of its own.
"""

import hashlib
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from loaders.signing import Trust
from pipeline.settings import Settings
from records.errors import SohoaError

MOST_BYTES = 50 * 10**6  # of a revocation list
TIMEOUT_SECONDS = 30


class Kind(StrEnum):
    """What is handed in."""

    ROOT = "root"
    OTHER = "other"
    CRL = "crl"


def held(settings: Settings) -> Trust:
    """All that was handed in."""
    folder = settings.home / "signing"
    parts = [tuple(path.read_bytes() for path in sorted((folder / kind).glob("*.der"))) for kind in Kind]
    return Trust(*parts)


def add(settings: Settings, kind: Kind, data: bytes) -> str:
    """Keep a certificate or a revocation list (DER or PEM); a newer list of the same issuer takes the older one's
    place. What it is, in words; SohoaError when it is neither."""
    try:
        der, told, name = _list(data) if kind is Kind.CRL else _certificate(data)
    except ValueError as error:
        what = "revocation list" if kind is Kind.CRL else "certificate"
        raise SohoaError(f"This is no {what} in DER or PEM.") from error
    folder = settings.home / "signing" / kind
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    (folder / f"{name}.der").write_bytes(der)
    return told


def fetch(settings: Settings, url: str) -> str:
    """Fetch a revocation list from a host that the settings allow; what it is, in words."""
    host = urlsplit(url).hostname or ""
    if host not in settings.revocation_hosts:
        raise SohoaError(f"'{host}' is not among the hosts that may be asked; see the setting revocation_hosts.")
    try:
        with httpx.stream("GET", url, timeout=TIMEOUT_SECONDS, follow_redirects=False) as answer:
            answer.raise_for_status()
            data = bytearray()
            for part in answer.iter_bytes():
                data += part
                if len(data) > MOST_BYTES:
                    raise SohoaError(f"The revocation list of '{host}' is larger than {MOST_BYTES} bytes.")
    except httpx.HTTPError as error:
        raise SohoaError(f"'{host}' gave no revocation list ({type(error).__name__}); try again later.") from error
    return add(settings, Kind.CRL, bytes(data))


def _certificate(data: bytes) -> tuple[bytes, str, str]:
    load = x509.load_pem_x509_certificate if data.lstrip().startswith(b"-----") else x509.load_der_x509_certificate
    found = load(data)
    der = found.public_bytes(Encoding.DER)
    until = found.not_valid_after_utc.date()
    return der, f"{found.subject.rfc4514_string()}, until {until}", hashlib.sha256(der).hexdigest()[:32]


def _list(data: bytes) -> tuple[bytes, str, str]:
    found = (x509.load_pem_x509_crl if data.lstrip().startswith(b"-----") else x509.load_der_x509_crl)(data)
    issuer = found.issuer.rfc4514_string()
    until = found.next_update_utc.date() if found.next_update_utc else "no day"
    name = hashlib.sha256(issuer.encode()).hexdigest()[:32]
    return found.public_bytes(Encoding.DER), f"{issuer}, {len(list(found))} revoked, next by {until}", name


def read(path: Path) -> bytes:
    """A file's bytes; SohoaError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SohoaError(f"{path} cannot be read ({error.strerror}).") from error
