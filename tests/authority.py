"""A test certificate authority: a root, an organisation's signing key as PKCS#12, and its revocation list."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

PASSWORD = "mật khẩu thử"


class Authority:
    """A root that certifies an organisation and says which certificates it took back."""

    def __init__(self, name="Thử nghiệm CA"):
        self.key, self.name = ec.generate_private_key(ec.SECP256R1()), _name(name)
        self.root = self._certificate(self.name, self.key.public_key(), timedelta(days=3650), ca=True)
        self.revoked = []

    def _certificate(self, subject, public, lasts, *, ca=False, start=None):
        start = start or datetime.now(UTC) - timedelta(days=1)
        usage = dict.fromkeys(
            ("key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
        )
        usage |= {"digital_signature": not ca, "content_commitment": not ca, "key_cert_sign": ca, "crl_sign": ca}
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(public)
        made = made.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(start + lasts)
        made = made.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        made = made.add_extension(x509.KeyUsage(**usage), critical=True)
        own = x509.SubjectKeyIdentifier.from_public_key(public)
        made = made.add_extension(own, critical=False)
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return made.add_extension(above, critical=False).sign(self.key, hashes.SHA256())

    def organisation(self, name="Bệnh viện Mẫu", *, expired=False, revoked=False):
        """PKCS#12 bytes of a signing key."""
        key = ec.generate_private_key(ec.SECP256R1())
        start = datetime.now(UTC) - timedelta(days=800 if expired else 1)
        own = self._certificate(_name(name), key.public_key(), timedelta(days=400), start=start)
        if revoked:
            self.revoked.append(own.serial_number)
        protection = serialization.BestAvailableEncryption(PASSWORD.encode())
        return pkcs12.serialize_key_and_certificates(name.encode(), key, own, [self.root], protection)

    def root_der(self):
        return self.root.public_bytes(serialization.Encoding.DER)

    def crl(self, *, old=False):
        """The revocation list in DER; `old`: one that has run out."""
        now = datetime.now(UTC) - timedelta(days=90 if old else 0)
        made = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        made = made.last_update(now - timedelta(hours=1)).next_update(now + timedelta(days=7))
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        made = made.add_extension(x509.CRLNumber(1), critical=False).add_extension(above, critical=False)
        for serial in self.revoked:
            gone = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now - timedelta(hours=2))
            made = made.add_revoked_certificate(gone.build())
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def _name(text):
    return x509.Name(
        [x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"), x509.NameAttribute(NameOID.COMMON_NAME, text)]
    )  # fmt: skip
