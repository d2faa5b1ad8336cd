"""HoSoBenhAn: eleven groups in XML and JSON, dates and empty values as asked, and the source of every value."""

import json
from xml.etree import ElementTree

import pytest
import yaml

from loaders import hosobenhan
from loaders.stays import stay_of
from pipeline import database, packages
from records.errors import SohoaError
from tests.conftest import empty
from tests.emr_samples import STAY, load_every_form

GROUPS = [
    "ThongTinBenhNhan", "ThongTinVaoVien", "ThongTinDieuTri", "YLenhThuocVatTu", "PhieuChiDinh",
    "KetQuaChanDoanHinhAnh", "KetQuaXetNghiem", "GiayChuyenVien", "HoSoCapCuu", "PhieuThuThuat", "PhieuPhauThuat",
]  # fmt: skip


@pytest.fixture(scope="module")
def stay(engine, settings):
    """A stay with a document of every form."""
    empty(engine)
    with database.engine(settings, "loader").begin() as conn:
        load_every_form(conn)
        return stay_of(conn, STAY)


def made(stay, structure=hosobenhan.FILE):
    return hosobenhan.made_of(stay, hosobenhan.structure(structure))


def with_patient(stay, **changes):
    return stay._replace(patient=stay.patient | changes)


def leaves(value, path=""):
    """(path, text) of every value."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from leaves(inner, f"{path}[{at}]")
    else:
        yield path, value


def test_the_eleven_groups_are_there_each_with_the_admission_number(stay):
    found = made(stay).values["HoSoBenhAn"]
    assert [name for name in found if name != "phienban"] == GROUPS
    elements = [one for name in GROUPS for one in (found[name] if isinstance(found[name], list) else [found[name]])]
    assert {one["sovaovien"] for one in elements} == {"19.000001"}


def test_dates_moments_words_and_empty_values_are_as_asked(stay):
    found = made(with_patient(stay, occupation=None)).values["HoSoBenhAn"]
    person, cured = found["ThongTinBenhNhan"], found["ThongTinDieuTri"]
    assert (person["ngaysinh"], person["gioitinh"], person["nghenghiep"]) == ("18/04/1956", "Nữ", "")
    assert cured["ngaygiovaovien"] == "01/02/2019 08:00:00.000" and cured["ngaygioravien"] == "09/02/2019 10:30:00.000"
    assert cured["cdravien_benhchinh_maicd"] == "C50.9" and cured["tnm"] == "cT2N0M0"
    of_a_year = made(with_patient(stay, birth_date="1956")).values["HoSoBenhAn"]
    assert of_a_year["ThongTinBenhNhan"]["ngaysinh"] == "1956", "no day is made up"


def test_a_form_makes_an_element_and_its_rows_a_list(stay):
    (result,) = made(stay).values["HoSoBenhAn"]["KetQuaXetNghiem"]
    assert [row["pkqxn_tenxetnghiem"] for row in result["pkqxn_ds_kqxn"]] == ["Hồng cầu", "Hồng cầu"]
    assert result["pkqxn_ds_kqxn"][0] | {"trisothamchieu": "3.9 - 5.4", "donvi": "T/L"} == result["pkqxn_ds_kqxn"][0]
    assert "H" not in result["pkqxn_ds_kqxn"][0].values(), "the mark of high or low is not passed on"


def test_every_value_has_its_source(stay):
    found = made(stay)
    for path, value in leaves(found.values["HoSoBenhAn"]):
        if value and path != "phienban":
            told = found.sources[path]
            assert told["page_id"] and told["box"], path
    main = found.sources["ThongTinDieuTri.cdravien_benhchinh_tenicd"]
    assert main["document"] == "discharge_letter" and main["raw"] == "ung thư vú trái giai đoạn iia ct2n0m0"
    assert (main["checked"], main["reviewer"]) == ("two", "an, binh")


def test_xml_and_json_say_the_same(stay):
    found = made(stay)
    root = ElementTree.fromstring(found.xml())
    assert root.tag == "HoSoBenhAn"
    assert root.findtext("ThongTinBenhNhan/hoten") == "TRẦN THỊ MẪU"
    tests = root.findall("KetQuaXetNghiem/pkqxn_ds_kqxn/pkqxn_kqxn/pkqxn_tenxetnghiem")
    assert [one.text for one in tests] == ["Hồng cầu", "Hồng cầu"]
    in_xml = sorted((one.text or "") for one in root.iter() if not len(one))
    in_json = sorted(value for _, value in leaves(found.values["HoSoBenhAn"]))
    assert [one for one in in_xml if one.strip()] == [one for one in in_json if one]


def test_a_value_that_is_too_long_is_left_out_and_named(stay):
    long = [row | {"code": "C50.9 và C77"} for row in stay.tables["condition"]]
    found = made(stay._replace(tables=stay.tables | {"condition": long}))
    path = "ThongTinDieuTri.cdravien_benhchinh_maicd"
    assert dict(leaves(found.values["HoSoBenhAn"]))[path] == ""
    assert found.sources[path]["left_out"] == hosobenhan.TOO_LONG


def test_the_ministrys_own_structure_can_be_named(stay, tmp_path):
    own = yaml.safe_load(hosobenhan.FILE.read_text(encoding="utf-8"))
    own["edition"], own["groups"] = "CV292", own["groups"][:1]
    own["groups"][0]["fields"] = [{"name": "HO_TEN", "from": "patient.name"}]
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(own, allow_unicode=True), encoding="utf-8")
    assert made(stay, path).values["HoSoBenhAn"] == {
        "phienban": "CV292", "ThongTinBenhNhan": {"sovaovien": "19.000001", "HO_TEN": "TRẦN THỊ MẪU"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"from": "patient.shoe_size"}, "not a place in the EMR"), ({"from": "pg_roles.name"}, "not a place"),
        ({"from": "condition.third.text"}, "not a place"), ({"name": "họ tên"}, "groups"), ({"as": "shout"}, "groups"),
    ],
)  # fmt: skip
def test_a_structure_with_a_fault_is_refused_with_its_place(tmp_path, change, said):
    own = yaml.safe_load(hosobenhan.FILE.read_text(encoding="utf-8"))
    own["groups"][0]["fields"][0] |= change
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump(own, allow_unicode=True), encoding="utf-8")
    with pytest.raises(SohoaError, match=said):
        hosobenhan.structure(path)


@pytest.mark.slow
def test_the_export_writes_three_files_for_each_stay(batch, settings, tmp_path):
    with database.engine(settings, "loader").begin() as conn:
        load_every_form(conn, batch)
    done = packages.export_hosobenhan(batch, tmp_path / "out")
    assert done.done == 1
    (folder,) = (tmp_path / "out").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == ["HoSoBenhAn.json", "HoSoBenhAn.xml", "nguon.json"]
    assert json.loads((folder / "HoSoBenhAn.json").read_text("utf-8"))["HoSoBenhAn"]["phienban"] == "CV365-2025-06"
    with pytest.raises(SohoaError, match="new folder"):
        packages.export_hosobenhan(batch, tmp_path / "out")
    with pytest.raises(SohoaError, match="no batch"):
        packages.export_hosobenhan("NONE", tmp_path / "other")
