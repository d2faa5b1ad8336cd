"""After stage 10, loaders.signing: an archive copy gets the organisation's signature (PAdES), and one can be checked.

The certificate's status is asked of revocation lists that were handed in, and the answer goes into the file, so that
it can be checked without a network. Nothing here opens a connection. Rules: Law 20/2023/QH15 article 23, Decree
23/2025/ND-CP (the status is checked before signing and when verifying).
"""

import asyncio
import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from loaders.archive_copy import SIGNATURE
from records.errors import SohoaError

if TYPE_CHECKING:
    from asn1crypto.x509 import Certificate
    from pyhanko.sign.signers import Signer

REASON = "Chuyển đổi từ văn bản giấy"
EXPIRED = "The signing certificate is not valid on {day} (from {start} to {end}); ask the provider for a new one."
REVOKED = "The signing certificate was revoked; do not sign with it, ask the provider for a new one."
NO_STATUS = (
    "No valid revocation list says whether the signing certificate still holds; fetch the provider's newest list and "
    "import it: sohoa signing crl FILE"
)
UNTRUSTED = "The signing certificate leads to no root that is trusted here; import it: sohoa signing root FILE"
NO_KEY = "The key cannot be opened; is it a PKCS#12 file (.p12, .pfx), and its password right?"
NO_TOKEN = (
    "The token '{token}' with the key '{label}' cannot be opened; is it plugged in, the library that of its provider, "
    "and the PIN right?"
)
PURPOSES = {"non_repudiation", "digital_signature"}


class Trust(NamedTuple):
    """What signatures are judged by, as DER or PEM: root certificates, others on the way to them, revocation lists."""

    roots: tuple[bytes, ...] = ()
    others: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()


class Certified(NamedTuple):
    """Whose a certificate is. `serial`: in hexadecimal."""

    subject: str
    issuer: str
    serial: str
    valid_from: datetime
    valid_until: datetime


class Verdict(NamedTuple):
    """What a check of a signature found. `intact`: no byte was changed; `whole`: it covers all but its own proofs;
    `trusted`: its certificate held when it was made, as far as the lists tell; `why`: a sentence where something is
    wrong, else ''."""

    intact: bool
    whole: bool
    trusted: bool
    by: Certified
    signed_at: datetime | None
    why: str

    @property
    def good(self) -> bool:
        """Whether the copy may be relied upon."""
        return self.intact and self.whole and self.trusted


def open_key(pkcs12: bytes, password: str) -> "Signer":
    """The organisation's key with its certificate and those above it; SohoaError when it cannot be opened."""
    from pyhanko.sign.signers import SimpleSigner

    with _quiet():
        try:
            signer: Signer | None = SimpleSigner.load_pkcs12_data(pkcs12, other_certs=(), passphrase=password.encode())
        except (ValueError, TypeError, OSError) as error:
            raise SohoaError(NO_KEY) from error
    if signer is None or signer.signing_cert is None:
        raise SohoaError(NO_KEY)
    return signer


def open_token(library: str, token: str, label: str, pin: str) -> "Signer":
    """A key that stays in its token: `library` is the provider's PKCS#11 module, `token` the token's label, `label`
    that of the certificate and key in it. SohoaError when it cannot be opened."""
    from pkcs11.exceptions import PKCS11Error
    from pyhanko.config.pkcs11 import TokenCriteria
    from pyhanko.sign.pkcs11 import PKCS11Signer, open_pkcs11_session

    with _quiet():
        try:
            session = open_pkcs11_session(library, token_criteria=TokenCriteria(label=token), user_pin=pin)
            own: dict[str, Any] = {"cert_label": label, "key_label": label, "other_certs_to_pull": None}
            signer: Signer = PKCS11Signer(session, **own)
            certified(signer)
            own_key = signer.signing_cert.public_key if signer.signing_cert else None
            if own_key and own_key.algorithm == "ec":  # few tokens hash for an elliptic curve themselves
                signer = PKCS11Signer(session, **own, use_raw_mechanism=True)
        except (PKCS11Error, RuntimeError, LookupError) as error:
            raise SohoaError(NO_TOKEN.format(token=token, label=label)) from error
    return signer


def certified(signer: "Signer") -> Certified:
    """Whose the key is; SohoaError for one without a certificate."""
    if signer.signing_cert is None:
        raise SohoaError(NO_KEY)
    return _certified(signer.signing_cert)


def refuse_unfit(signer: "Signer", trust: Trust) -> None:
    """SohoaError, with what to do, unless the certificate holds now: in time, trusted, not revoked."""
    from pyhanko_certvalidator import CertificateValidator

    own, now = certified(signer), datetime.now(UTC)
    if not own.valid_from <= now <= own.valid_until:
        days = {"start": own.valid_from.date(), "end": own.valid_until.date(), "day": now.date()}
        raise SohoaError(EXPIRED.format(**days))
    context = _context(trust, signer)
    with _quiet():
        try:
            validator = CertificateValidator(signer.signing_cert, validation_context=context)
            asyncio.run(validator.async_validate_usage(PURPOSES))  # type: ignore[no-untyped-call]
        except _refusals() as error:
            raise SohoaError(_sentence(error)) from error


def sign(copy: bytes, signer: "Signer", trust: Trust, place: str) -> bytes:
    """The copy with the signature and, behind it, the proofs of the certificate's status. SohoaError as `refuse_unfit`.

    `place`: the organisation, as the signature names it. A copy that is signed already is refused.
    """
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import fields, signers

    refuse_unfit(signer, trust)
    writer = IncrementalPdfFileWriter(io.BytesIO(copy))
    if list(fields.enumerate_sig_fields(writer, filled_status=True)):
        raise SohoaError("This copy is signed already; it is signed once.")
    told = signers.PdfSignatureMetadata(
        field_name=SIGNATURE, md_algorithm="sha256", subfilter=fields.SigSeedSubFilter.PADES, reason=REASON,
        location=place, validation_context=_context(trust, signer), embed_validation_info=True,
    )  # fmt: skip
    with _quiet():
        try:
            signed: Any = signers.sign_pdf(writer, told, signer=signer, existing_fields_only=True)
        except _refusals() as error:
            raise SohoaError(_sentence(error)) from error
    return bytes(signed.getvalue())


def check(signed: bytes, trust: Trust) -> Verdict | None:
    """What the signature of a copy is worth; None where it has none. SohoaError when it is no PDF that can be read."""
    from pyhanko.pdf_utils.misc import PdfError
    from pyhanko.pdf_utils.reader import PdfFileReader

    with _quiet():
        try:
            found = PdfFileReader(io.BytesIO(signed)).embedded_signatures
        except (PdfError, ValueError) as error:
            raise SohoaError("The signed copy cannot be opened; it was changed or cut off.") from error
        return _verdict(found[0], trust) if found else None


def _verdict(signature: Any, trust: Trust) -> Verdict:
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko.sign.validation.status import SignatureCoverageLevel

    own = _certified(signature.signer_cert)
    try:
        status = validate_pdf_signature(signature, _context(trust, None, moment=signature.self_reported_timestamp))
    except _refusals() as error:
        return Verdict(False, False, False, own, signature.self_reported_timestamp, _sentence(error))
    whole = status.coverage in (SignatureCoverageLevel.ENTIRE_FILE, SignatureCoverageLevel.ENTIRE_REVISION)
    whole = whole and (status.coverage is SignatureCoverageLevel.ENTIRE_FILE or status.docmdp_ok is True)
    why = "" if status.intact and status.valid else "The copy was changed after it was signed."
    why = why or ("" if whole else "Something was added to the copy after it was signed.")
    why = why or ("" if status.trusted else UNTRUSTED)
    intact = bool(status.intact and status.valid)
    return Verdict(intact, whole, bool(status.trusted), own, signature.self_reported_timestamp, why)


def _context(trust: Trust, signer: "Signer | None", moment: datetime | None = None) -> Any:
    """Nothing is fetched; without a revocation list that covers the certificate it is not trusted."""
    from pyhanko_certvalidator import ValidationContext

    others = [one for der in trust.others for one in _certificates(der)]
    if signer is not None:
        others += list(signer.cert_registry)
    return ValidationContext(
        trust_roots=[one for der in trust.roots for one in _certificates(der)], other_certs=others,
        crls=[_unarmoured(one) for one in trust.crls], allow_fetching=False, revocation_mode="require", moment=moment,
    )  # fmt: skip


def _certificates(data: bytes) -> "Sequence[Certificate]":
    from asn1crypto import pem
    from asn1crypto.x509 import Certificate

    parts = [der for _, _, der in pem.unarmor(data, multiple=True)] if pem.detect(data) else [data]
    return [Certificate.load(der, strict=True) for der in parts]


def _unarmoured(data: bytes) -> bytes:
    from asn1crypto import pem

    return pem.unarmor(data)[2] if pem.detect(data) else data


def _certified(certificate: "Certificate") -> Certified:
    validity = certificate["tbs_certificate"]["validity"]
    return Certified(
        subject=certificate.subject.human_friendly,
        issuer=certificate.issuer.human_friendly,
        serial=f"{certificate.serial_number:x}",
        valid_from=validity["not_before"].native,
        valid_until=validity["not_after"].native,
    )


def _refusals() -> tuple[type[Exception], ...]:
    from pyhanko.sign.general import SigningError, UnacceptableSignerError
    from pyhanko.sign.validation.errors import SignatureValidationError
    from pyhanko_certvalidator import errors

    return SigningError, UnacceptableSignerError, SignatureValidationError, errors.PathError, errors.ValidationError


def _sentence(error: BaseException) -> str:
    """What is wrong with the certificate, for somebody who can act."""
    from pyhanko_certvalidator import errors

    reasons: list[BaseException] = [error]
    while reasons[-1].__cause__ is not None:
        reasons.append(reasons[-1].__cause__)
    for one in reasons:
        if isinstance(one, errors.RevokedError):
            return REVOKED
        if isinstance(one, (errors.ExpiredError, errors.NotYetValidError)):
            return "The signing certificate, or one above it, is out of its time; ask the provider."
        if isinstance(one, (errors.InsufficientRevinfoError, errors.CRLValidationIndeterminateError)):
            return NO_STATUS
        if isinstance(one, errors.PathBuildingError):
            return UNTRUSTED
    told = " ".join(str(one) for one in reasons)
    if "revoked" in told:
        return REVOKED
    return NO_STATUS if "revocation" in told.lower() else f"The certificate cannot be used: {type(error).__name__}."


@contextmanager
def _quiet() -> Iterator[None]:
    """pyHanko logs whole tracebacks of what is said in a sentence here."""
    loggers = [logging.getLogger(name) for name in ("pyhanko", "pyhanko_certvalidator")]
    before = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for one, level in zip(loggers, before, strict=True):
            one.setLevel(level)
