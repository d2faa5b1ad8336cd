"""The hospital's registry is loaded whole or not at all, vouches for what was read, and names what is missing."""

import sys
from base64 import b64encode
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, insert, select, text

sys.path[:0] = [str(Path(__file__).parent)]

from builders import page_reading  # noqa: E402

from pipeline import tables  # noqa: E402
from pipeline.assembly import assemble_file  # noqa: E402
from pipeline.grouping import FilePage  # noqa: E402
from pipeline.registry import (  # noqa: E402
    MissingFile,
    Stay,
    boxes_of,
    find_stay,
    load_listing,
    load_registry,
    missing_files,
    witnesses_for,
)
from pipeline.registry_rows import registry_birth, registry_moment, registry_outcome, registry_sex  # noqa: E402
from pipeline.registry_sql import read_query  # noqa: E402
from pipeline.registry_xml import XmlChoice  # noqa: E402
from pipeline.targets import Decision, Target, add_decision, add_target, list_decisions, list_targets  # noqa: E402
from records.document_types import document_types  # noqa: E402
from records.errors import SohoaError  # noqa: E402

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
        ("r.txt", b"x", "neither .csv, .xlsx nor .xml"),
        ("r.csv", b"", "cannot be read"),
        ("r.xlsx", b"not a workbook", "cannot be read"),
        ("ragged.csv", b"patient_id,name\n1,A\n2,B,C\n", "line 3 has more columns"),
        ("latin.csv", "patient_id,name\n1,Bùi\n".encode("latin-1"), "cannot be read"),
        ("r.csv", b"patient_id,names\n1,A\n", "has no column name"),
        ("r.csv", b"patient_id,name\n", "has no lines"),
        ("r.xml", b"<a><b></a>", "ParseError after record 0"),
        ("r.xml", b"<DSACH/>", "has no records"),
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
        (registry_birth, "195604000000", "1956"),
        (registry_birth, "202305191530", "2023-05-19"),
        (registry_moment, "20180612", "2018-06-12"),
        (registry_moment, "2018-06-12 00:00:00", "2018-06-12T00:00"),
        (registry_moment, "2018-06-12T21:30", "2018-06-12T21:30"),
        (registry_moment, "12/06/2018", "2018-06-12"),
        (registry_sex, "Nữ", "female"),
        (registry_sex, "2", "female"),
        (registry_sex, "3", ""),
        (registry_outcome, "5", "died"),
        (registry_outcome, "7", ""),
        (registry_outcome, "Đỡ, giảm", "improved"),
        (registry_outcome, "died", "died"),
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


# Insurance XML1.

XML1 = {
    "MA_LK": "LK-16-1", "MA_BN": "16879944", "HO_TEN": "Bùi Công Lộc", "NGAY_SINH": "196912010000", "GIOI_TINH": "1",
    "MA_THE_BHYT": "GD4333386251590;CH4333386251590", "SO_CCCD": "192233309", "DIA_CHI": "Xã Phụng Công",
    "DIEN_THOAI": "0382906074", "NGAY_VAO": "201603151030", "NGAY_RA": "201603241045", "MA_BENH_CHINH": "C18.2",
    "KET_QUA_DTRI": "5", "MA_LOAI_KCB": "03", "MA_HSBA": "16-06196", "MA_KHOA": "K1902",
}  # fmt: skip


def record(root: str = "TONG_HOP", **fields: str) -> str:
    return f"<{root}>{''.join(f'<{tag}>{value}</{tag}>' for tag, value in fields.items())}</{root}>"


def envelope(*files: tuple[str, str]) -> str:
    held = "".join(
        f"<FILEHOSO><LOAIHOSO>{kind}</LOAIHOSO><NOIDUNGFILE>{content}</NOIDUNGFILE></FILEHOSO>"
        for kind, content in files
    )
    return f"<GIAMDINHHS><THONGTINHOSO><DANHSACHHOSO><HOSO>{held}</HOSO></DANHSACHHOSO></THONGTINHOSO></GIAMDINHHS>"


def coded(text: str) -> str:
    return b64encode(text.encode()).decode()


def written(folder: Path, xml: str) -> Path:
    path = folder / "xml1.xml"
    path.write_text(xml, encoding="utf-8")
    return path


OUTPATIENT = XML1 | {"MA_LK": "LK-16-2", "MA_LOAI_KCB": "01", "MA_HSBA": ""}
DISCHARGE = record("CHI_TIEU_DU_LIEU_GIAY_RA_VIEN", MA_LK="LK-16-1", SO_LUU_TRU="16.018588")


@pytest.mark.parametrize("form", ["list", "envelope", "envelope without base64"])
def test_xml1_is_understood_as_a_plain_list_and_in_its_envelope(conn, tmp_path, form):
    if form == "list":
        xml = f'<?xml version="1.0" encoding="utf-8"?><DSACH>{record(**XML1)}{record(**OUTPATIENT)}</DSACH>'
    else:
        coder = coded if form == "envelope" else str
        referral = ("XML13", coder(record("CHITIEU", **XML1 | {"MA_LK": "LK-9"})))
        kinds = ("XML1", record(**XML1)), ("XML7", DISCHARGE), ("XML1", record(**OUTPATIENT))
        xml = envelope(*((kind, coder(content)) for kind, content in kinds), referral)
    assert load_registry(conn, written(tmp_path, xml), "DEMO").stays == 2
    row = conn.execute(select(tables.registry_stay).where(text("encounter_number = 'LK-16-1'"))).mappings().one()
    assert (row["admitted_at"], row["discharged_at"]) == ("2016-03-15T10:30", "2016-03-24T10:45")
    assert (row["main_code"], row["outcome"], row["department"]) == ("C18.2", "died", "K1902")
    assert row["archive_number"] == ("" if form == "list" else "16.018588")
    person = conn.execute(select(tables.registry_patient)).mappings().one()
    assert (person["name"], person["birth_date"], person["sex"]) == ("BÙI CÔNG LỘC", "1969-12-01", "male")
    assert (person["insurance_number"], person["national_id"]) == ("GD4333386251590", "192233309")


def test_xml1_gives_the_stays_of_a_kind_under_the_number_that_the_paper_prints(conn, tmp_path):
    path = written(tmp_path, f"<A>{record(**XML1)}{record(**OUTPATIENT)}</A>")
    assert load_registry(conn, path, "DEMO", XmlChoice("MA_HSBA", ("03",))).stays == 1
    assert conn.scalar(select(tables.registry_stay.c.encounter_number)) == "16-06196"
    with pytest.raises(SohoaError, match="record 2, column encounter_number: must not be empty"):
        load_registry(conn, path, "DEMO", XmlChoice("MA_HSBA"))
    with pytest.raises(SohoaError, match="'HO_TEN' holds no stay number"):
        load_registry(conn, path, "DEMO", XmlChoice("HO_TEN"))


def test_the_names_before_2023_and_a_passport_are_understood(conn, tmp_path):
    old = {tag: value for tag, value in XML1.items() if tag not in ("MA_THE_BHYT", "MA_BENH_CHINH")}
    old |= {"MA_THE": "GD4333386251590", "MA_BENH": "C18.2", "SO_CCCD": "C1234567"}
    load_registry(conn, written(tmp_path, f"<A>{record(**old)}</A>"), "DEMO")
    person = conn.execute(select(tables.registry_patient)).mappings().one()
    assert (person["insurance_number"], person["national_id"]) == ("GD4333386251590", "")
    assert conn.scalar(select(tables.registry_stay.c.main_code)) == "C18.2"


@pytest.mark.parametrize(
    ("xml", "fault"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "DTDForbidden"),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><a>&b;</a>', "DTDForbidden"),
        (envelope(("XML1", coded('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'))), "DTDForbidden"),
        (envelope(("XML1", "not base64!")), "Error"),
        (envelope(("XML1", coded("<TONG_HOP><MA_LK>"))), "ParseError"),
    ],
)
def test_an_xml_that_could_reach_out_or_is_damaged_is_refused(conn, tmp_path, xml, fault):
    with pytest.raises(SohoaError, match=f"xml1.xml cannot be read .*{fault}"):
        load_registry(conn, written(tmp_path, xml), "DEMO")
    assert count(conn) == (0, 0)


def test_a_bad_record_is_named_and_none_of_the_file_is_loaded(conn, tmp_path):
    wrong = record(**XML1 | {"MA_LK": "LK-3", "NGAY_RA": "20160332"})
    with pytest.raises(SohoaError, match="record 2, column discharged_at: not a moment") as error:
        load_registry(conn, written(tmp_path, f"<A>{record(**XML1)}{wrong}</A>"), "DEMO")
    assert "20160332" not in str(error.value) and count(conn) == (0, 0)


# A query on the hospital's database.

SELECTED = """SELECT '16879944' AS "Mã BN", 'Bùi Công Lộc' AS ho_ten, date '1969-12-01' AS ngay_sinh,
    '16-06196' AS sovaovien, timestamptz '2016-03-15 10:30+07' AS ngay_vao, NULL AS khoa,
    '100%' AS note WHERE 'a%s' LIKE 'a%';
"""


@pytest.fixture
def hospital(clean, settings):
    """The URL of the database that stands in for the hospital's."""
    from pipeline import database

    return database.connect_url(settings)


def queried(folder: Path, url: str, query: str):
    (folder / "stays.sql").write_text(query, encoding="utf-8")
    return read_query(url, folder / "stays.sql")


def test_a_query_gives_patients_and_stays(conn, hospital, tmp_path):
    counts = load_listing(conn, queried(tmp_path, hospital, SELECTED), "DEMO")
    assert (counts.patients, counts.stays, counts.ignored) == (1, 1, ("note",))
    assert witnesses_for(conn, "DEMO", "16-06196", "16879944")["encounter.admitted_at"] == "2016-03-15T10:30"
    assert witnesses_for(conn, "DEMO", "16-06196", "16879944")["patient.birth_date"] == "1969-12-01"


@pytest.mark.parametrize(
    "query",
    [
        "DELETE FROM pipeline.facility",
        "SELECT 1; DELETE FROM pipeline.facility",
        "SELECT 1; COMMIT; BEGIN; SET TRANSACTION READ WRITE; DELETE FROM pipeline.facility",
        "WITH gone AS (DELETE FROM pipeline.facility RETURNING facility_id) SELECT facility_id FROM gone",
        "SELECT nextval('pipeline.outbox_outbox_id_seq')",
        "SELECT set_config('transaction_read_only', 'off', false)",
    ],
)
def test_a_query_that_writes_is_refused_and_changes_nothing(conn, hospital, tmp_path, query):
    with pytest.raises(SohoaError, match="query stays.sql was refused"):
        queried(tmp_path, hospital, query)
    assert conn.scalar(select(func.count()).select_from(tables.facility)) == 1


@pytest.mark.parametrize(
    ("url", "query", "sentence"),
    [
        ("oracle://scott:tiger@host/x", "SELECT 1", "must be a PostgreSQL"),
        ("postgresql://scott:tiger@127.0.0.1:1/x", "SELECT 1", "does not answer"),
        ("postgresql://scott:tiger@host/x?nonsense=1", "SELECT 1", "does not answer"),
        ("", "  ;", "is empty"),
        ("", "SELECT nobody FROM nowhere", r"UndefinedTable \(relation .nowhere. does not exist\)"),
        ("", "SELECT 'Bùi Công Lộc'::int", r"refused: InvalidTextRepresentation\. Correct"),
    ],
)
def test_a_query_that_cannot_run_is_one_sentence_without_password_or_data(hospital, tmp_path, url, query, sentence):
    with pytest.raises(SohoaError, match=sentence) as error:
        queried(tmp_path, url or hospital, query)
    assert "tiger" not in str(error.value) and "Lộc" not in str(error.value)


def test_a_query_file_that_is_not_there_is_named(hospital, tmp_path):
    with pytest.raises(SohoaError, match="none.sql cannot be read"):
        read_query(hospital, tmp_path / "none.sql")


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
    assert missing_files(known, "DEMO") == lacking
    assert missing_files(known, "DEMO", ["T02"]) == [] and missing_files(known, "DEMO", ["T03"]) == lacking


def test_the_boxes_of_a_batch_are_those_of_the_stays_it_has_files_of(known, batch):
    assert boxes_of(known, [batch]) == []
    known.execute(insert(tables.file).values(file_id="f1", batch_id=batch, label="a", encounter_key="DEMO|18-07819"))
    assert boxes_of(known, [batch]) == ["T03"]
    assert [m.encounter_number for m in missing_files(known, "DEMO", boxes_of(known, [batch]))] == ["17-00001"]


def test_a_file_that_was_withdrawn_is_missing_again(known, batch):
    row = {"file_id": "f1", "batch_id": batch, "label": "a", "encounter_key": "DEMO|16-06196", "state": "withdrawn"}
    known.execute(insert(tables.file).values(row))
    assert len(missing_files(known, "DEMO")) == 3 and boxes_of(known, [batch]) == []


def test_what_the_registry_says_as_well_has_its_second_witness(known):
    read = {"patient.name": "BÙI CÔNG LỘC", "patient.id": "16879944", "encounter.number": "16-06196"}
    page = FilePage(page_id="p", reading=page_reading("p", "discharge_letter", read))
    said = witnesses_for(known, "DEMO", *reversed(find_stay(known, "DEMO", read)))
    for registry_says, witness in ((said, "registry"), ({}, "")):
        [letter] = assemble_file("f", [page], document_types(), registry_says).documents
        assert {v.witness for v in letter.values if v.value.field in read} == {witness}


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
