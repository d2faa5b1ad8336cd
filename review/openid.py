"""Stage 8, review.openid: a sign-in at the hospital's directory (OpenID Connect) becomes the person it speaks of.

Authorization code with PKCE (RFC 7636), state and nonce; what is under way stays in review.sign_in, and the browser
holds a key to it that works once. Nothing is asked of any host but the issuer's.
"""

import hashlib
import hmac
import secrets
import ssl
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import Connection, delete, func, insert, literal

from pipeline.settings import Settings
from records.base import Frozen
from records.errors import SohoaError
from review.tables import sign_in

COOKIE = "sohoa_directory"
LASTS = timedelta(minutes=10)
TIMEOUT_SECONDS = 10
LEEWAY_SECONDS = 60  # between the two machines' clocks
SIGNED_WITH = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")  # Public keys only.
HERE = frozenset({"127.0.0.1", "localhost", "::1"})


class Directory(Frozen):
    """Where the hospital's people sign in, and as what the workbench is known there."""

    issuer: str
    client_id: str
    client_secret: str


class Pending(Frozen):
    """A sign-in under way: what its end must fit. `back`: where the person wanted to go."""

    state: str
    nonce: str
    verifier: str
    redirect_uri: str
    back: str


class Person(Frozen):
    """Whom the directory speaks of. `subject`: theirs for ever; `username`: may be given to another one day."""

    subject: str
    username: str


class Unreachable(SohoaError):
    """The directory does not answer, or not as OpenID Connect says."""


class Unproven(SohoaError):
    """What came back does not prove who somebody is."""


def directory(settings: Settings) -> Directory | None:
    """The directory of the settings, None where none is named; SohoaError for one that is named by halves or that
    would be spoken to in the open."""
    given = {name: getattr(settings, f"oidc_{name}") for name in Directory.model_fields}
    if not any(given.values()):
        return None
    if missing := [f"SOHOA_OIDC_{name.upper()}" for name, value in given.items() if not value]:
        raise SohoaError(f"For sign-in at the hospital's directory {', '.join(missing)} must be set, too.")
    address = urlsplit(given["issuer"])
    if address.scheme != "https" and not (address.scheme == "http" and address.hostname in HERE):
        raise SohoaError("SOHOA_OIDC_ISSUER must begin with https://.")
    return Directory(**given)


def address_of(chosen: Directory, pending: Pending) -> str:
    """Where the browser goes to sign in; Unreachable when the directory does not say."""
    with _client() as client:
        address = _endpoint(_metadata(client, chosen), chosen, "authorization_endpoint")
    wanted = prepare_grant_uri(
        address, chosen.client_id, "code", pending.redirect_uri, "openid profile", pending.state, nonce=pending.nonce,
        code_challenge=create_s256_code_challenge(pending.verifier), code_challenge_method="S256",
    )  # fmt: skip
    return str(wanted)


def pending(redirect_uri: str, back: str) -> Pending:
    """A sign-in that begins."""
    return Pending(
        state=secrets.token_urlsafe(32), nonce=secrets.token_urlsafe(32), verifier=secrets.token_urlsafe(48),
        redirect_uri=redirect_uri, back=back,
    )  # fmt: skip


def keep(conn: Connection, begun: Pending) -> str:
    """Keep a sign-in for LASTS; its key, for the browser. Sweeps ended ones away."""
    key = secrets.token_urlsafe(32)
    conn.execute(delete(sign_in).where(sign_in.c.ends_at < func.now()))
    conn.execute(insert(sign_in).values(key_hash=_hash(key), ends_at=func.now() + literal(LASTS), **begun.model_dump()))
    return key


def take(conn: Connection, key: str, state: str) -> Pending | None:
    """The sign-in of this key, once; None where there is none, it has ended, or the state is that of another."""
    gone = delete(sign_in).where(sign_in.c.key_hash == _hash(key), sign_in.c.ends_at > func.now())
    columns = [sign_in.c[name] for name in Pending.model_fields]
    row = conn.execute(gone.returning(*columns)).mappings().one_or_none()
    found = Pending.model_validate(dict(row)) if row else None
    return found if found and hmac.compare_digest(found.state.encode(), state.encode()) else None


def person(chosen: Directory, begun: Pending, code: str) -> Person:
    """Whom a code stands for, by an id token of this issuer, for us, in time, with its signature and our nonce;
    Unproven, Unreachable."""
    with _client() as client:
        metadata = _metadata(client, chosen)
        token = _token(client, chosen, _endpoint(metadata, chosen, "token_endpoint"), begun, code)
        keys = _told(client.get, _endpoint(metadata, chosen, "jwks_uri"))
    claims = _proven(chosen, begun, token, keys)
    return Person(subject=claims["sub"], username=_words(claims.get("preferred_username")))


def _proven(chosen: Directory, begun: Pending, token: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    options = {
        "iss": {"essential": True, "value": chosen.issuer},
        "aud": {"essential": True, "value": chosen.client_id},
    }
    known = {"nonce": begun.nonce, "client_id": chosen.client_id, "access_token": token.get("access_token")}
    try:
        read = jwt.decode(_words(token.get("id_token")), KeySet.import_key_set(keys), algorithms=SIGNED_WITH)  # type: ignore[arg-type]
        claims: dict[str, Any] = CodeIDToken(read.claims, read.header, options, known)
        claims.validate(leeway=LEEWAY_SECONDS)  # type: ignore[attr-defined]
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Unproven(f"The directory's id token is not good: {type(error).__name__}") from error
    if not _words(claims["sub"]):
        raise Unproven("The directory's id token names nobody")
    return claims


def _token(client: httpx.Client, chosen: Directory, address: str, begun: Pending, code: str) -> dict[str, Any]:
    asked = {
        "grant_type": "authorization_code", "code": code, "redirect_uri": begun.redirect_uri,
        "code_verifier": begun.verifier,
    }  # fmt: skip
    own = (quote(chosen.client_id, safe=""), quote(chosen.client_secret, safe=""))  # RFC 6749, 2.3.1
    try:
        return _told(client.post, address, data=asked, auth=own)
    except Unreachable as error:
        cause = error.__cause__
        if isinstance(cause, httpx.HTTPStatusError) and cause.response.status_code in (400, 401):
            raise Unproven(f"The directory refuses the code ({cause.response.status_code})") from error
        raise


def _metadata(client: httpx.Client, chosen: Directory) -> dict[str, Any]:
    """What the issuer says of itself (OpenID Connect Discovery 1.0)."""
    told = _told(client.get, chosen.issuer.rstrip("/") + "/.well-known/openid-configuration")
    if told.get("issuer") != chosen.issuer:
        raise Unreachable("The directory calls itself by another name than SOHOA_OIDC_ISSUER")
    return told


def _endpoint(metadata: dict[str, Any], chosen: Directory, name: str) -> str:
    """An address of the directory, on the issuer's own host."""
    address, own = urlsplit(_words(metadata.get(name))), urlsplit(chosen.issuer)
    if (address.scheme, address.netloc) != (own.scheme, own.netloc):
        raise Unreachable(f"The directory's {name} is not on the issuer's host")
    return address.geturl()


def _told(ask: Any, address: str, **more: Any) -> dict[str, Any]:
    try:
        told = ask(address, **more).raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise Unreachable(f"The directory does not answer at {urlsplit(address).path}") from error
    if not isinstance(told, dict):
        raise Unreachable(f"The directory answers no JSON object at {urlsplit(address).path}")
    return told


def _client() -> httpx.Client:
    """No proxy, no redirect; certificates as this machine trusts them, the hospital's own authority among them."""
    return httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, verify=ssl.create_default_context())


def _words(told: object) -> str:
    return told if isinstance(told, str) else ""


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
