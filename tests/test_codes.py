"""Set-up: code lists come with source, validity and checksum; a file is loaded whole or refused whole."""

import csv
import hashlib
from datetime import date
from pathlib import Path

import pytest

from extractors.clinical_drugs import drug_names
from pipeline.codes import JOURNAL, altered, load_list
from records import code_lists
from records.code_lists import FOLDER, codes_on, icd10_closed_on, icd10_wordings, read_from, rows
from records.errors import SohoaError
from transformers.addresses import parse_address
from validation.wards import names_a_listed_ward

HEADING = "code,name_en,name_vi,category_ref"
OLD = f"{HEADING}\nI10,,Bệnh lý tăng huyết áp,\nA00,,Bệnh tả,\n"
NEW = f"{HEADING}\nI10,,Tăng huyết áp vô căn,\nU13/9,,Mã mới,\n"


@pytest.fixture
def folder(tmp_path):
    """The hospital's own folder of lists, read in place of the built-in ones for one test."""
    before = list(code_lists._loaded)
    read_from(tmp_path / "codes")
    yield tmp_path / "codes"
    code_lists._loaded[:] = before
    code_lists.forget()


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def refused(match, *given, **how):
    with pytest.raises(SohoaError, match=match):
        load_list(*given, **how)


def test_an_edition_is_put_behind_the_codes_before_it_and_overwrites_none(folder, tmp_path):
    load_list(write(tmp_path / "icd10.csv", OLD), folder)
    loaded = load_list(write(tmp_path / "tt06.csv", NEW), folder, "icd10", date(2026, 7, 1))
    path = folder / "icd10.csv"
    assert loaded.rows == 4
    assert (icd10_closed_on(path, "2026-06-30"), icd10_closed_on(path, "2026-07-01")) == ({"U13.9"}, {"A00"})
    assert {w.name for w in icd10_wordings(path) if w.code == "I10"} >= {
        "Bệnh lý tăng huyết áp",
        "Tăng huyết áp vô căn",
    }
    refused("begins on 2026-07-01 or later", tmp_path / "tt06.csv", folder, "icd10", date(2026, 7, 1))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("code,name_vi\nI10,x\n", "no column name_en, category_ref"),
        (f"{HEADING}\n", "holds no rows"),
        (f"{HEADING}\nI10,,Tăng huyết áp\n", "line 2: has another number of cells"),
        (f"{HEADING}\nI1,,Tăng huyết áp,\n", "line 2: 'I1' is no ICD-10 code"),
        (f"{HEADING}\nI10,,Một,\nI10,,Hai,\n", "'I10' is in force twice"),
        (f"{HEADING},valid_from,valid_to\nI10,,Một,,,2026-06-30\nI10,,Hai,,2026-06-30,\n", "twice on 2026-06-30"),
        (f"{HEADING},valid_from,valid_to\nI10,,Một,,2026-07-01,2026-06-30\n", "valid_from lies after valid_to"),
        (f"{HEADING},valid_from,valid_to\nI10,,Một,,1/7/2026,\n", "days are written 2026-07-01"),
    ],
)
def test_a_poor_file_is_refused_whole_and_the_list_before_it_stays(folder, tmp_path, text, reason):
    load_list(write(tmp_path / "icd10.csv", OLD), folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    refused(reason, write(tmp_path / "icd10.csv", text), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_file_that_has_not_its_checksum_is_refused(folder, tmp_path):
    source = write(tmp_path / "icd10.csv", OLD)
    refused("has not the checksum", source, folder, sha256="0" * 64)
    write(tmp_path / "icd10.csv.sha256", f"{'0' * 64}  icd10.csv\n")
    refused("has not the checksum", source, folder)
    write(tmp_path / "icd10.csv.sha256", f"{hashlib.sha256(source.read_bytes()).hexdigest()}  icd10.csv\n")
    assert load_list(source, folder).rows == 2


def test_a_loaded_list_is_read_in_place_of_the_built_in_one_and_what_it_replaced_is_kept(folder, tmp_path):
    source = write(tmp_path / "departments.csv", "name,valid_from,valid_to,source\nKhoa Mới,,,our hospital\n")
    load_list(source, folder)
    assert [row["name"] for row in rows("departments")] == ["Khoa Mới"]
    load_list(write(source, source.read_text(encoding="utf-8").replace("Mới", "Khác")), folder)
    assert [row["name"] for row in rows("departments")] == ["Khoa Khác"]
    assert [len(list((folder / "earlier").iterdir())), len(read(folder / JOURNAL))] == [1, 2]


def test_what_was_made_of_a_list_is_made_anew_when_another_is_loaded(folder, tmp_path):
    ward = "code,name,district,province,successor,valid_from,valid_to\n1,Xã Mới Tinh,,Tỉnh Nam Định,,2025-07-01,\n"
    address = "Xã Mới Tinh, Tỉnh Nam Định"
    seen = [(parse_address(address).ward, names_a_listed_ward(address), "Sohoamab" in drug_names())]
    load_list(write(tmp_path / "wards.csv", ward), folder)
    load_list(write(tmp_path / "drugs.csv", "name,valid_from,valid_to,source\nSohoamab,,,our hospital\n"), folder)
    seen += [(parse_address(address).ward, names_a_listed_ward(address), "Sohoamab" in drug_names())]
    assert seen == [("", False, False), ("Xã Mới Tinh", True, True)]


def test_a_list_that_was_altered_by_hand_is_told(folder, tmp_path):
    load_list(write(tmp_path / "icd10.csv", OLD), folder)
    assert altered(folder) == []
    write(folder / "icd10.csv", NEW)
    assert altered(folder) == ["icd10"]


def test_rules_for_whole_files_are_refused_as_they_would_be_when_read(folder, tmp_path):
    text = (FOLDER / "retention.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("death")]
    refused("no class 'death'", write(tmp_path / "retention.csv", "\n".join(lines) + "\n"), folder)
    assert not (folder / "retention.csv").exists() and not list(folder.glob("*.new"))


def test_a_list_that_nobody_knows_is_refused(folder, tmp_path):
    refused("There is no list 'stars'", write(tmp_path / "stars.csv", "name\nSirius\n"), folder)


def test_the_lists_of_the_product_have_their_checksums_and_terms():
    sums = (FOLDER / "SHA256SUMS").read_text(encoding="ascii").splitlines()
    told = {name: sha256 for sha256, name in (line.split("  ") for line in sums)}
    lists = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("*.csv")}
    assert lists == told, "after a change: cd records/code_lists && sha256sum *.csv > SHA256SUMS"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.csv")))
def test_no_code_of_the_product_is_in_force_twice(folder, tmp_path, name):
    assert load_list(FOLDER / f"{name}.csv", folder).rows == len(rows(name))


def test_codes_are_those_of_the_day():
    assert "30" in codes_on("provinces", "2025-06-30") and "30" not in codes_on("provinces", "2025-07-01")
    assert len({row["province"] for row in rows("wards") if code_lists.in_force(row, "2025-06-30")}) == 63
    assert len({row["province"] for row in rows("wards") if code_lists.in_force(row, "2025-07-01")}) == 34


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
