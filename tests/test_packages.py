"""Archive packages: METS, PREMIS and EAD are valid and tell of the files; the hand-over pack has all of one file."""

import hashlib
from datetime import UTC, datetime

import pytest
from lxml import etree

from loaders import aip
from loaders.signing import open_key
from pipeline import archive, packages
from records.errors import SohoaError
from tests.test_archive import BY, PASSWORD, authority, copies, decided, originals, settle_all, told  # noqa: F401

pytestmark = pytest.mark.slow

MOMENT = datetime(2026, 11, 27, 3, 4, 5, tzinfo=UTC)
DESCRIBED = aip.Described(
    number="19.0001", title="Hồ sơ bệnh án 19.0001", organisation="Bệnh viện Mẫu", fonds="Bệnh viện Mẫu",
    since="2019-02-01", until="2019-02-09", sheets=4, retention="10 năm, đến hết 31/12/2029", mode="Hạn chế người xem",
    code="MAU-7Q2K", created_at=MOMENT, events=(
        aip.Event("digitization", MOMENT, "BẢN ĐIỆN TỬ CHUYỂN ĐỔI", "Trần Thị An"),
        aip.Event("digital signature generation", MOMENT, "CN=Bệnh viện Mẫu", "Bệnh viện Mẫu"),
    ),
)  # fmt: skip
NAMES = {"m": aip.METS, "p": aip.PREMIS, "e": aip.EAD, "x": aip.XLINK}


class Carried(etree.Resolver):
    """What a schema takes from the internet lies beside it."""

    def resolve(self, url, _, context):
        return self.resolve_filename(str(aip.SCHEMAS / url.rsplit("/", 1)[1]), context)


def schema(name):
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Carried())
    return etree.XMLSchema(etree.parse(str(aip.SCHEMAS / name), parser))


@pytest.fixture(scope="module")
def files():
    return aip.package(DESCRIBED, b"%PDF-1.4 signed", {"HoSoBenhAn.xml": b"<HoSoBenhAn/>"})


@pytest.mark.parametrize(
    ("path", "by"),
    [("METS.xml", "mets.xsd"), ("representations/rep1/METS.xml", "mets.xsd"), (aip.PREMIS_PATH, "premis.xsd"),
     (aip.EAD_PATH, "ead3.xsd")],
)  # fmt: skip
def test_it_is_valid_by_the_schema_that_travels_with_it(files, path, by):
    checker, read = schema(by), etree.fromstring(files[path])
    assert checker.validate(read), checker.error_log
    read.append(etree.SubElement(read, "strange"))
    assert not checker.validate(read), "the schema tells a fault"
    assert files[f"schemas/{by}"]


def test_every_file_is_listed_with_its_hash_and_size(files):
    mets = etree.fromstring(files["METS.xml"])
    listed = {}
    for one in mets.iterfind(".//m:file", NAMES):
        path = one.find("m:FLocat", NAMES).get(f"{{{aip.XLINK}}}href")
        listed[path] = (one.get("CHECKSUM"), one.get("SIZE"), one.get("CHECKSUMTYPE"))
    for one in mets.iterfind(".//m:mdRef", NAMES):
        listed[one.get(f"{{{aip.XLINK}}}href")] = (one.get("CHECKSUM"), one.get("SIZE"), one.get("CHECKSUMTYPE"))
    unlisted = set(files) - set(listed)
    assert unlisted == {"METS.xml", "representations/rep1/METS.xml"}
    for path, (digest, size, kind) in listed.items():
        assert (digest, size) == (hashlib.sha256(files[path]).hexdigest(), str(len(files[path]))) and kind == "SHA-256"


def test_links_inside_lead_somewhere_and_moments_are_vietnams(files):
    for path in ("METS.xml", "representations/rep1/METS.xml"):
        mets = etree.fromstring(files[path])
        ids = {one.get("ID") for one in mets.iter() if one.get("ID")}
        used = [one.get("FILEID") for one in mets.iterfind(".//m:fptr", NAMES)]
        used += [one.get(name) for one in mets.iter() for name in ("DMDID", "ADMID") if one.get(name)]
        assert used and set(used) <= ids
        assert mets.find("m:metsHdr", NAMES).get("CREATEDATE") == "2026-11-27T10:04:05+07:00"
    premis = etree.fromstring(files[aip.PREMIS_PATH])
    digest = premis.findtext(".//p:messageDigest", namespaces=NAMES)
    assert digest == hashlib.sha256(b"%PDF-1.4 signed").hexdigest()
    assert [one.text for one in premis.iterfind(".//p:agentName", NAMES)] == ["Trần Thị An", "Bệnh viện Mẫu"]
    ead = etree.fromstring(files[aip.EAD_PATH])
    assert ead.findtext(".//e:unitid", namespaces=NAMES) == "19.0001"
    assert "10 năm" in ead.findtext(".//e:appraisal/e:p", namespaces=NAMES)


@pytest.fixture
def signed(originals, decided, batch, clean, authority):  # noqa: F811
    """A batch of two files, one of them converted and signed."""
    archive.make(batch, *BY, "T1")
    archive.sign(batch, open_key(authority.organisation(), PASSWORD), "an", told(clean, batch).mark)
    return batch


def test_signed_copies_become_packages_and_others_are_left_with_the_reason(signed, clean, tmp_path, store):
    settle_all(clean)
    archive.make(signed, *BY)
    done = packages.export_archive(signed, tmp_path / "aip")
    assert done.done == 1 and done.left == (("2.jpg", "bản lưu trữ chưa được ký số"),)
    (folder,) = (tmp_path / "aip").iterdir()
    assert folder.name.startswith("urn_uuid_")
    (row,) = [row for row in copies(clean, signed) if row["signed_id"]]
    pdf = folder / "representations" / "rep1" / "data" / f"{row['code']}.pdf"
    assert hashlib.sha256(pdf.read_bytes()).hexdigest() == row["signed_id"]
    assert (folder / "documentation" / "HoSoBenhAn.xml").exists()
    assert schema("mets.xsd").validate(etree.fromstring((folder / "METS.xml").read_bytes()))
    assert schema("ead3.xsd").validate(etree.fromstring((folder / aip.EAD_PATH).read_bytes()))


def test_the_hand_over_pack_has_the_copy_its_values_its_signature_and_its_story(signed, clean, tmp_path):
    (row,) = copies(clean, signed)
    packages.hand_over(row["code"], tmp_path / "pack", "câu chuyện")
    names = sorted(path.name for path in (tmp_path / "pack").iterdir())
    assert names == sorted(
        [f"{row['code']}.pdf", "HoSoBenhAn.json", "HoSoBenhAn.xml", "chu-ky-so.txt", "ho-so.txt", "nguon.json"]
    )
    report = (tmp_path / "pack" / "chu-ky-so.txt").read_text("utf-8")
    assert "Kết quả: chữ ký hợp lệ" in report and "Bệnh viện Mẫu" in report


def test_an_unknown_code_or_an_unsigned_copy_is_not_handed_over(originals, decided, batch, clean, tmp_path):  # noqa: F811
    archive.make(batch, *BY, "T1")
    (row,) = copies(clean, batch)
    with pytest.raises(SohoaError, match="not signed"):
        packages.hand_over(row["code"], tmp_path / "a", "")
    with pytest.raises(SohoaError, match="no conversion"):
        packages.hand_over("NONE", tmp_path / "b", "")
    assert list(tmp_path.iterdir()) == []
