"""Archive copies: valid PDF/A with every pixel, found by their words, marked, signed once, no byte to be changed."""

import io
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from PIL import Image

from loaders.archive_copy import Mark, Seen, Sheet, make_copy
from loaders.signing import Trust, check, open_key, open_token, refuse_unfit, sign
from records.errors import SohoaError
from tests.authority import PASSWORD, Authority

MARK = Mark(datetime(2026, 11, 27, 3, 4, 5, tzinfo=UTC), "Nguyễn Thị Mẫu", "Bệnh viện Mẫu", "MAU-7Q2K-9F")
WORDS = [Seen("Chẩn", 0.1, 0.1, 0.2, 0.13), Seen("đoán:", 0.22, 0.1, 0.33, 0.13), Seen("thiếu☐µ²", 0.1, 0.3, 0.4, 0.33)]
JARS = ("preflight", "pdfbox2", "xmpbox", "fontbox2", "commons-logging", "javax.activation", "jaxb-api", "jaxb-runtime")


def noise(*shape):
    return np.random.default_rng(5).integers(0, 255, shape).astype(np.uint8)


def jpeg(mode="RGB"):
    held = io.BytesIO()
    Image.fromarray(noise(300, 200, 3)).convert(mode).save(held, "JPEG", quality=80)
    return held.getvalue()


SHEETS = [
    Sheet(jpeg(), 30, 0, "Giấy ra viện", WORDS),
    Sheet(noise(300, 200, 3), 30, 90, "Phiếu xét nghiệm", WORDS),
    Sheet(np.repeat(noise(300, 200)[:, :, np.newaxis], 3, axis=2), 34, 180, "", WORDS),
    Sheet(np.where(noise(300, 200) > 128, 255, 0).astype(np.uint8), 30, 270, "", WORDS),
    Sheet(jpeg("L"), 30, 0, "", ()),
]


@pytest.fixture(scope="module")
def copy():
    return make_copy(SHEETS, MARK, "Hồ sơ 19.0001")


@pytest.fixture(scope="module")
def authority():
    return Authority()


@pytest.fixture(scope="module")
def trust(authority):
    return Trust(roots=(authority.root_der(),), crls=(authority.crl(),))


@pytest.fixture(scope="module")
def signed(copy, authority, trust):
    return sign(copy, open_key(authority.organisation(), PASSWORD), trust, "Bệnh viện Mẫu")


def tool(name):
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed here: apt-get install qpdf poppler-utils default-jre-headless")
    return found


def preflight(path):
    """What Apache PDFBox says of a file as PDF/A-1b."""
    jars = [Path(f"/usr/share/java/{name}.jar") for name in JARS]
    if missing := [jar.stem for jar in jars if not jar.exists()]:
        pytest.skip(f"not installed here: {missing}; apt-get install libpdfbox2-java libjaxb-api-java libjaxb-java")
    asked = [tool("java"), "-cp", ":".join(map(str, jars)), "org.apache.pdfbox.preflight.Validator_A1b", str(path)]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout


def images(pdf):
    return [next(iter(page.get_images().values())) for page in pdf.pages]


def test_every_pixel_is_in_it_and_a_jpeg_as_it_came(copy):
    with pikepdf.open(io.BytesIO(copy)) as pdf:
        first, colour, gray, ink, _ = images(pdf)
        assert first.read_raw_bytes() == SHEETS[0].picture
        assert (np.asarray(pikepdf.PdfImage(colour).as_pil_image()) == SHEETS[1].picture).all()
        assert (np.asarray(pikepdf.PdfImage(gray).as_pil_image()) == SHEETS[2].picture[:, :, 0]).all()
        shown = np.asarray(pikepdf.PdfImage(ink).as_pil_image().convert("L"))
        assert (shown == SHEETS[3].picture).all()
        assert gray.ColorSpace == "/DeviceGray" and ink.BitsPerComponent == 1


def test_the_mark_of_the_law_is_on_every_page_outside_the_picture(copy, tmp_path):
    (tmp_path / "a.pdf").write_bytes(copy)
    with pikepdf.open(io.BytesIO(copy)) as pdf:
        heights = [float(page.mediabox[3]) for page in pdf.pages]
    assert heights == pytest.approx([764, 524, 300 * 72 / 34 + 44, 524, 764], abs=0.1), "44 points below each picture"
    asked = [tool("pdftotext"), "-layout", str(tmp_path / "a.pdf"), "-"]
    pages = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split("\f")[:-1]
    assert len(pages) == len(SHEETS)
    for number, page in enumerate(pages, start=1):
        flat = re.sub(r"\s+", " ", page)
        for part in (
            "BẢN ĐIỆN TỬ CHUYỂN ĐỔI TỪ VĂN BẢN GIẤY", "Thời gian chuyển đổi: 27/11/2026 10:04:05",
            "Người chuyển đổi: Nguyễn Thị Mẫu", "Cơ quan chuyển đổi: Bệnh viện Mẫu", "Mã tra cứu: MAU-7Q2K-9F",
            f"trang {number}",
        ):  # fmt: skip
            assert part in flat, (number, part)


@pytest.mark.parametrize("page", [1, 2, 3, 4])
def test_what_was_read_is_found_by_its_words_and_lies_where_it_stands(copy, tmp_path, page):
    """On a turned page the words lie as it is shown."""
    (tmp_path / "a.pdf").write_bytes(copy)
    asked = [tool("pdftotext"), "-bbox", "-f", str(page), "-l", str(page), str(tmp_path / "a.pdf"), "-"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    size = re.search(r'<page width="([\d.]+)" height="([\d.]+)"', told)
    wide, high = float(size[1]), float(size[2]) - 44
    bounds = re.search(r'xMin="([\d.]+)" yMin="[\d.]+" xMax="([\d.]+)" yMax="([\d.]+)">Chẩn<', told)
    left, right, bottom = (float(one) for one in bounds.groups())
    assert left == pytest.approx(0.1 * wide, abs=1) and right == pytest.approx(0.2 * wide, abs=1)
    assert 0.1 * high < bottom < 0.15 * high
    second = re.search(r'xMin="([\d.]+)" yMin="[\d.]+" xMax="([\d.]+)" yMax="[\d.]+">đoán:<', told)
    left, right = (float(one) for one in second.groups())
    assert left == pytest.approx(0.22 * wide, abs=1) and right == pytest.approx(0.33 * wide, abs=1)


def test_the_code_of_a_page_leads_to_its_record(copy):
    import pypdfium2
    import zxingcpp

    page = pypdfium2.PdfDocument(copy)[2]
    read = zxingcpp.read_barcodes(np.asarray(page.render(scale=4).to_pil()))
    assert [one.text for one in read] == [MARK.code]


def test_the_outline_leads_to_the_documents(copy):
    with pikepdf.open(io.BytesIO(copy)) as pdf, pdf.open_outline() as outline:
        assert [one.title for one in outline.root] == ["Giấy ra viện", "Phiếu xét nghiệm"]


@pytest.mark.slow
def test_pdfbox_and_qpdf_take_it_before_and_after_signing(copy, signed, tmp_path):
    for name, data in (("copy", copy), ("signed", signed)):
        path = tmp_path / f"{name}.pdf"
        path.write_bytes(data)
        assert "is a valid PDF/A-1b file" in preflight(path), name
        assert subprocess.run([tool("qpdf"), "--check", str(path)], capture_output=True, check=False).returncode == 0
    spoilt = copy.replace(b"<pdfaid:part>1</pdfaid:part>", b"<pdfaid:part>7</pdfaid:part>")
    (tmp_path / "spoilt.pdf").write_bytes(spoilt)
    assert spoilt != copy and "is a valid" not in preflight(tmp_path / "spoilt.pdf")


def test_a_copy_without_pages_is_refused():
    with pytest.raises(SohoaError, match="no page"):
        make_copy([], MARK, "")


def test_the_signature_says_who_and_holds_without_a_network(signed, trust):
    found = check(signed, Trust(roots=trust.roots))
    assert found.intact and found.whole
    assert not found.trusted or found.good, "the list travels in the file"
    found = check(signed, trust)
    assert found.good and found.why == ""
    assert "Bệnh viện Mẫu" in found.by.subject and "Thử nghiệm CA" in found.by.issuer
    assert abs((datetime.now(UTC) - found.signed_at).total_seconds()) < 600


def test_an_unsigned_copy_has_no_verdict_and_one_is_signed_once(copy, signed, authority, trust):
    assert check(copy, trust) is None
    with pytest.raises(SohoaError, match="signed already"):
        sign(signed, open_key(authority.organisation(), PASSWORD), trust, "Bệnh viện Mẫu")


@pytest.mark.parametrize("where", [0.05, 0.2, 0.4, 0.6])
def test_a_changed_byte_is_noticed(copy, signed, trust, where):
    changed = bytearray(signed)
    changed[int(len(copy) * where)] ^= 1
    try:
        found = check(bytes(changed), trust)
    except SohoaError:
        return
    assert not found.good and found.why


def test_what_is_added_behind_the_signature_is_noticed(signed, trust):
    held = io.BytesIO()
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    writer = IncrementalPdfFileWriter(io.BytesIO(signed))
    writer.root["/Added"] = writer.root["/Type"]
    writer.update_root()
    writer.write(held)
    assert not check(held.getvalue(), trust).good


@pytest.mark.parametrize(
    ("how", "said"), [({"expired": True}, "not valid on"), ({"revoked": True}, "was revoked"), ({}, "")]
)
def test_a_certificate_that_does_not_hold_signs_nothing(copy, how, said):
    authority = Authority()
    signer = open_key(authority.organisation(**how), PASSWORD)
    trust = Trust(roots=(authority.root_der(),), crls=(authority.crl(),))
    if not said:
        refuse_unfit(signer, trust)
        return
    with pytest.raises(SohoaError, match=said):
        sign(copy, signer, trust, "Bệnh viện Mẫu")


def test_without_a_valid_list_or_a_trusted_root_it_signs_nothing(copy, authority):
    signer = open_key(authority.organisation(), PASSWORD)
    for crls in ((), (authority.crl(old=True),)):
        with pytest.raises(SohoaError, match="revocation list"):
            sign(copy, signer, Trust(roots=(authority.root_der(),), crls=crls), "Bệnh viện Mẫu")
    stranger = Authority("Người lạ")
    with pytest.raises(SohoaError, match="no root"):
        sign(copy, signer, Trust(roots=(stranger.root_der(),), crls=(authority.crl(),)), "Bệnh viện Mẫu")


def test_a_signature_of_a_stranger_is_not_trusted(copy, trust):
    stranger = Authority("Người lạ")
    theirs = Trust(roots=(stranger.root_der(),), crls=(stranger.crl(),))
    found = check(sign(copy, open_key(stranger.organisation(), PASSWORD), theirs, "Bệnh viện Mẫu"), trust)
    assert found.intact and not found.good and "root" in found.why


def test_a_wrong_password_or_another_file_is_no_key(authority):
    for data, password in ((authority.organisation(), "sai"), (b"no key", PASSWORD)):
        with pytest.raises(SohoaError, match="cannot be opened"):
            open_key(data, password)


@pytest.mark.slow
def test_pdfsig_verifies_it_with_the_root_in_its_store(signed, authority, tmp_path):
    root, path = tmp_path / "root.der", tmp_path / "signed.pdf"
    root.write_bytes(authority.root_der())
    path.write_bytes(signed)
    store = f"sql:{tmp_path}"
    subprocess.run([tool("certutil"), "-N", "-d", store, "--empty-password"], check=True, capture_output=True)
    added = [tool("certutil"), "-A", "-d", store, "-n", "root", "-t", "CT,C,C", "-i", str(root)]
    subprocess.run(added, check=True, capture_output=True)
    asked = [tool("pdfsig"), "-nssdir", str(tmp_path), str(path)]
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    assert "Signature is Valid" in told and "Certificate is Trusted" in told, told
    changed = bytearray(signed)
    changed[2000] ^= 1
    path.write_bytes(bytes(changed))
    told = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    assert "Signature is Valid" not in told


@pytest.fixture
def token(authority, tmp_path, monkeypatch):
    """A token as software, with the organisation's key in it: (library, label of the token, label of the key, PIN)."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12

    library = Path("/usr/lib/softhsm/libsofthsm2.so")
    if not library.exists():
        pytest.skip("the token in software is not installed here: apt-get install softhsm2")
    import pkcs11
    from pkcs11.util.x509 import decode_x509_certificate

    (tmp_path / "tokens").mkdir()
    where = f"directories.tokendir = {tmp_path / 'tokens'}\nobjectstore.backend = file\n"
    (tmp_path / "softhsm2.conf").write_text(where)
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm2.conf"))
    util = tool("softhsm2-util")
    made = [util, "--init-token", "--free", "--label", "benhvien", "--pin", "1234", "--so-pin", "4321"]
    subprocess.run(made, check=True, capture_output=True)
    key, certificate, _ = pkcs12.load_key_and_certificates(authority.organisation(), PASSWORD.encode())
    pem = tmp_path / "key.pem"
    pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    put = [util, "--import", str(pem), "--token", "benhvien", "--label", "kyso", "--id", "01", "--pin", "1234"]
    subprocess.run(put, check=True, capture_output=True)
    loaded = pkcs11.lib(str(library))
    loaded.reinitialize()
    with loaded.get_token(token_label="benhvien").open(rw=True, user_pin="1234") as session:
        attributes = decode_x509_certificate(certificate.public_bytes(Encoding.DER))
        named = {pkcs11.Attribute.TOKEN: True, pkcs11.Attribute.LABEL: "kyso", pkcs11.Attribute.ID: b"\x01"}
        session.create_object(attributes | named)
    return str(library), "benhvien", "kyso", "1234"


@pytest.mark.slow
def test_a_key_that_stays_in_its_token_signs(copy, token, trust):
    signed = sign(copy, open_token(*token), trust, "Bệnh viện Mẫu")
    found = check(signed, trust)
    assert found.good and "Bệnh viện Mẫu" in found.by.subject


@pytest.mark.slow
@pytest.mark.parametrize(("at", "wrong"), [(1, "another"), (2, "another"), (3, "0000")])
def test_a_token_that_cannot_be_opened_is_told(token, at, wrong):
    asked = [*token]
    asked[at] = wrong
    with pytest.raises(SohoaError, match="cannot be opened"):
        open_token(*asked)
