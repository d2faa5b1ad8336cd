"""The hospital's registry is loaded whole or not at all, vouches for what was read, and names what is missing."""

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select, text

from pipeline import tables
from pipeline.registry import MissingFile, Stay, find_stay, load_registry, missing_files, witnesses_for
from pipeline.registry_file import registry_birth, registry_moment, registry_sex
from pipeline.targets import Decision, Target, add_decision, add_target, list_decisions, list_targets
from records.errors import SohoaError

HEADING = (
    "patient_id,name,birth_date,sex,insurance_number,national_id,address,phone,encounter_number,archive_number,"
    "admitted_at,discharged_at,department,main_code,box"
)
LOC = '16879944,Bùi Công Lộc,1969-12-01,Nam,GD4333386251590,192233309,"Xã Phụng Công, Hưng Yên",038 290 6074,'
FIRST_STAY = "16-06196,16.018588,2016-03-15T10:30,24/03/2016 10:45,Ngoại Tiêu hóa,C18.2,T02"
SECOND_STAY = "17-00001,17.000001,2017-01-02,2017-01-09,Ngoại Tiêu hóa,C18.2,T03"
DUYEN = (
    "18447165,ĐINH BÍCH DUYÊN,1967,2,,040167301166,,,"
    "18-07819,18.023458,201806010935,2018-06-08 09:30:00,Phụ sản,D25.1,T03"
)
SAMPLE = [LOC + FIRST_STAY, LOC + SECOND_STAY, DUYEN]


def registry(folder: Path, lines: list[str], heading: str = HEADING) -> Path:
    path = folder / "registry.csv"
    path.write_text("\n".join([heading, *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def known(conn: Connection, tmp_path: Path) -> Connection:
    load_registry(conn, registry(tmp_path, SAMPLE), "DEMO")
    return conn


def count(conn: Connection) -> tuple[int, int]:
    held = [select(func.count()).select_from(table) for table in (tables.registry_patient, tables.registry_stay)]
    return tuple(conn.execute(query).scalar() for query in held)


def test_patients_and_stays_stand_in_normal_form(known):
    patient = known.execute(select(tables.registry_patient).where(text("patient_id = '16879944'"))).mappings().one()
    assert (patient["name"], patient["sex"], patient["phone"]) == ("BÙI CÔNG LỘC", "male", "0382906074")
    stays = known.execute(select(tables.registry_stay).order_by(text("encounter_number"))).mappings().all()
    assert [(s["encounter_number"], s["patient_id"], s["admitted_at"], s["discharged_at"]) for s in stays] == [
        ("16-06196", "16879944", "2016-03-15T10:30", "2016-03-24T10:45"),
        ("17-00001", "16879944", "2017-01-02", "2017-01-09"),
        ("18-07819", "18447165", "2018-06-01T09:35", "2018-06-08T09:30"),
    ]


def test_a_registry_loaded_twice_changes_nothing(conn, tmp_path):
    first = load_registry(conn, registry(tmp_path, SAMPLE), "DEMO")
    assert (first.patients, first.stays, first.changed) == (2, 3, 5)
    again = load_registry(conn, registry(tmp_path, SAMPLE), "DEMO")
    assert (again.patients, again.stays, again.changed) == (2, 3, 0)
    assert count(conn) == (2, 3)


def test_a_bad_row_is_named_by_line_and_column_and_nothing_is_loaded(conn, tmp_path):
    bad = DUYEN.replace("1967", "31/02/1967").replace("18447165", "18447166").replace(",2,", ",x,")
    with pytest.raises(SohoaError) as error:
        load_registry(conn, registry(tmp_path, [*SAMPLE, bad]), "DEMO")
    assert "line 5, column birth_date: not a date" in str(error.value)
    assert "line 5, column sex" in str(error.value)
    assert "31/02/1967" not in str(error.value), "a message may end in a log"
    assert count(conn) == (0, 0)


def test_one_stay_of_two_patients_is_a_fault(conn, tmp_path):
    twice = DUYEN.replace("18-07819", "16-06196")
    fault = "line 4, column patient_id: differs from line 2 with the same encounter_number"
    with pytest.raises(SohoaError, match=fault):
        load_registry(conn, registry(tmp_path, [LOC + FIRST_STAY, LOC + SECOND_STAY, twice]), "DEMO")


def test_a_long_list_of_faults_is_cut_short(conn, tmp_path):
    lines = [f"{n},,,,,,,,,,,,,," for n in range(30)]
    with pytest.raises(SohoaError, match="and 20 more"):
        load_registry(conn, registry(tmp_path, lines), "DEMO")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "There is no registry file"),
        ("r.txt", b"x", "neither .csv nor .xlsx"),
        ("r.csv", b"", "cannot be read"),
        ("r.xlsx", b"not a workbook", "cannot be read"),
        ("ragged.csv", b"patient_id,name\n1,A\n2,B,C\n", "line 3 has more columns"),
        ("latin.csv", "patient_id,name\n1,Bùi\n".encode("latin-1"), "cannot be read"),
        ("r.csv", b"patient_id,names\n1,A\n", "has no column name"),
        ("r.csv", b"patient_id,name\n", "has no lines"),
        ("r.csv", "patient_id,name,Họ tên\n1,A,B\n".encode(), "two columns for name"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_sentence(conn, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SohoaError, match=message):
        load_registry(conn, tmp_path / name, "DEMO")


def test_a_facility_that_is_not_known_is_refused(conn, tmp_path):
    with pytest.raises(SohoaError, match="'HN01' is not known"):
        load_registry(conn, registry(tmp_path, SAMPLE), "HN01")


def test_vietnamese_headings_and_a_semicolon_are_understood(conn, tmp_path):
    heading = "Mã BN;Họ và tên;Ngày sinh;Giới tính;Số vào viện;Ngày vào viện;Hộp;Ghi chú riêng"
    path = registry(tmp_path, ["0042;Bùi Công Lộc;01/12/1969;Nam;16-06196;15/03/2016 10:30;T02;x"], heading)
    assert load_registry(conn, path, "DEMO").ignored == ("Ghi chú riêng",)
    assert witnesses_for(conn, "DEMO", "16-06196", "0042") == {
        "patient.id": "0042",
        "patient.name": "BÙI CÔNG LỘC",
        "patient.birth_date": "1969-12-01",
        "patient.sex": "male",
        "encounter.number": "16-06196",
        "encounter.admitted_at": "2016-03-15T10:30",
    }


def test_a_workbook_with_real_dates_is_understood(conn, tmp_path):
    from datetime import datetime

    from openpyxl import Workbook

    book = Workbook()
    book.active.append(["patient_id", "name", "birth_date", "encounter_number", "admitted_at"])
    book.active.append([16879944, "Bùi Công Lộc", date(1969, 12, 1), "16-06196", datetime(2016, 3, 15, 10, 30)])
    book.active.append([42, "Đinh Bích Duyên", 1967, None, None])
    book.save(tmp_path / "registry.xlsx")
    counts = load_registry(conn, tmp_path / "registry.xlsx", "DEMO")
    assert (counts.patients, counts.stays) == (2, 1)
    said = witnesses_for(conn, "DEMO", "16-06196", "16879944")
    assert (said["patient.birth_date"], said["encounter.admitted_at"]) == ("1969-12-01", "2016-03-15T10:30")
    assert witnesses_for(conn, "DEMO", patient_id="42")["patient.birth_date"] == "1967"


@pytest.mark.parametrize(
    ("parse", "raw", "value"),
    [
        (registry_birth, "19560000", "1956"),
        (registry_birth, "195604180000", "1956-04-18"),
        (registry_birth, "1956-04-18 00:00:00", "1956-04-18"),
        (registry_birth, "18/04/1956", "1956-04-18"),
        (registry_moment, "20180612", "2018-06-12"),
        (registry_moment, "2018-06-12 00:00:00", "2018-06-12T00:00"),
        (registry_moment, "2018-06-12T21:30", "2018-06-12T21:30"),
        (registry_moment, "12/06/2018", "2018-06-12"),
        (registry_sex, "Nữ", "female"),
        (registry_sex, "2", "female"),
    ],
)
def test_dates_and_sexes_are_read_as_hospitals_write_them(parse, raw, value):
    assert parse(raw) == value


def test_a_number_given_alone_does_not_vouch_for_itself(known):
    assert "encounter.number" not in witnesses_for(known, "DEMO", encounter_number="18-07819")
    assert witnesses_for(known, "DEMO", encounter_number="18-07819")["patient.id"] == "18447165"
    alone = witnesses_for(known, "DEMO", patient_id="18447165")
    assert "patient.id" not in alone and alone["encounter.number"] == "18-07819"


def test_two_numbers_that_disagree_have_no_witness(known):
    assert witnesses_for(known, "DEMO", "18-07819", "16879944") == {}
    assert witnesses_for(known, "DEMO", "99-99999", "16879944") == {}
    assert witnesses_for(known, "DEMO", patient_id="1") == witnesses_for(known, "DEMO") == {}


def test_a_patient_with_two_stays_vouches_for_neither(known):
    assert not [field for field in witnesses_for(known, "DEMO", patient_id="16879944") if field.startswith("encounter")]


def test_a_stay_is_found_by_two_values_that_agree(known):
    loc, first = {"patient.name": "BUI CÔNG LỘC"}, Stay("16879944", "16-06196")
    day = {"patient.id": "16879944", "encounter.admitted_at": "2016-03-15T10:30"}
    assert find_stay(known, "DEMO", {**loc, "encounter.number": "16-06196"}) == first
    assert find_stay(known, "DEMO", {**loc, "patient.id": "16879944", "encounter.archive_number": "16.018588"}) == first
    assert find_stay(known, "DEMO", {**loc, **day}) == first
    assert find_stay(known, "DEMO", {**loc, "patient.insurance_number": "GD4333386251590"}) == Stay("16879944", None)
    duyen = {"patient.national_id": "040167301166", "patient.birth_date": "1967-07-20"}
    assert find_stay(known, "DEMO", duyen) == Stay("18447165", "18-07819")


def test_one_number_or_another_name_finds_nobody(known):
    assert find_stay(known, "DEMO", {"patient.id": "16879944"}) is None
    assert find_stay(known, "DEMO", {"patient.id": "16879944", "patient.name": "ĐINH BÍCH DUYÊN"}) is None
    both = {"patient.id": "16879944", "encounter.number": "16-06196", "patient.name": "ĐINH BÍCH DUYÊN"}
    assert find_stay(known, "DEMO", both) is None
    assert find_stay(known, "DEMO", {}) is None


def test_stays_without_a_file_are_missing(known, batch):
    known.execute(
        insert(tables.file).values(file_id="f1", batch_id=batch, label="a.pdf", encounter_key="DEMO|16-06196")
    )
    lacking = [MissingFile("17-00001", "17.000001", "T03"), MissingFile("18-07819", "18.023458", "T03")]
    assert missing_files(known, "DEMO") == missing_files(known, "DEMO", [batch]) == lacking
    assert len(missing_files(known, "DEMO", ["box-2"])) == 3


def test_a_target_is_added_once_and_never_changed_silently(conn):
    target = Target(target_id="emr-2026", name="EMR", legal_basis="TT13", scope="all", deadline=date(2026, 12, 31))
    assert add_target(conn, target) and not add_target(conn, target)
    assert list_targets(conn) == [target]
    with pytest.raises(SohoaError, match="other particulars"):
        add_target(conn, target.model_copy(update={"deadline": date(2027, 1, 1)}))
    with pytest.raises(SohoaError, match="cannot be a target_id"):
        add_target(conn, target.model_copy(update={"target_id": "a b"}))


def test_decisions_are_listed_newest_first(conn):
    old = Decision(decision_id="qd-1", number="12/QĐ-BV", signed_on=date(2025, 8, 1), scope="kho A")
    new = Decision(decision_id="qd-2", number="3/QĐ-BV", signed_on=date(2026, 1, 5), scope="kho B")
    assert add_decision(conn, old) and add_decision(conn, new)
    assert list_decisions(conn) == [new, old]
