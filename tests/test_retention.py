"""How long a file is kept, which forms it lacks, and how both lists are refused when they cannot be right."""

import sys
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, update

sys.path[:0] = [str(Path(__file__).parent)]

from builders import page_reading  # noqa: E402

from pipeline import ledger, tables  # noqa: E402
from pipeline.assembly import assemble_file  # noqa: E402
from pipeline.documents import store_document  # noqa: E402
from pipeline.grouping import FilePage  # noqa: E402
from pipeline.registry import MissingFile, load_listing  # noqa: E402
from pipeline.registry_rows import Listing  # noqa: E402
from pipeline.scope import Progress, ScopeRule, missing_in_scope, progress  # noqa: E402
from pipeline.standing import file_standing  # noqa: E402
from records.code_lists import FOLDER  # noqa: E402
from records.document_types import document_types  # noqa: E402
from records.errors import SohoaError  # noqa: E402
from records.file_rules import expected_forms, retention_rules  # noqa: E402
from records.pages import MediaType  # noqa: E402
from reporting.trace import story  # noqa: E402
from transformers.retention import retention_of  # noqa: E402
from validation.completeness import completeness  # noqa: E402

OUTCOME, CODE, OTHERS, MAIN = (
    "encounter.outcome", "diagnosis.main.code", "diagnosis.secondary.code", "diagnosis.main",
)  # fmt: skip
IN_2018, IN_2026 = date(2018, 6, 20), date(2026, 3, 1)


def kept(*said: tuple[str, str], ended: date | None = IN_2018) -> tuple[str, date | None]:
    found = retention_of(said, ended, retention_rules())
    return found.code, found.until


# The class and its last day.


def test_an_ordinary_file_is_kept_ten_years_from_the_end_of_the_year():
    assert kept() == ("ordinary", date(2028, 12, 31))
    assert kept(ended=date(2018, 12, 31)) == kept(ended=date(2018, 1, 1)) == ("ordinary", date(2028, 12, 31))


def test_a_death_anywhere_lengthens_it_and_the_longest_class_wins():
    assert kept((OUTCOME, "died")) == ("death", date(2048, 12, 31))
    assert kept((OUTCOME, "improved")) == kept()
    assert kept((CODE, "F32.1")) == ("mental", date(2038, 12, 31))
    assert kept((CODE, "F32.1"), (OUTCOME, "improved"), (OUTCOME, "died")) == ("death", date(2048, 12, 31))


@pytest.mark.parametrize(
    ("said", "before", "since"),
    [
        ((MAIN, "Gãy xương đùi do TAI NẠN LAO ĐỘNG"), ("work_accident", 2033), ("work_accident", 2046)),
        ((MAIN, "Chấn thương sọ não, tai nạn giao thông"), ("ordinary", 2028), ("traffic_accident", 2046)),
        ((OTHERS, "S06.0;V23.4"), ("ordinary", 2028), ("traffic_accident", 2046)),
        ((CODE, "Z94.0"), ("ordinary", 2028), ("transplant", 2046)),
        ((CODE, "Z41.1"), ("ordinary", 2028), ("cosmetic", 2046)),
        ((CODE, "Z41.2"), ("ordinary", 2028), ("ordinary", 2036)),
        ((CODE, "G30.0"), ("ordinary", 2028), ("ordinary", 2036)),
    ],
)
def test_the_rules_are_those_in_force_when_the_treatment_ended(said, before, since):
    assert kept(said) == (before[0], date(before[1], 12, 31))
    assert kept(said, ended=IN_2026) == (since[0], date(since[1], 12, 31))


def test_the_day_on_which_the_rules_change_belongs_to_the_new_ones():
    said = (CODE, "V23.4")
    assert kept(said, ended=date(2025, 6, 30))[0] == "ordinary"
    assert kept(said, ended=date(2025, 7, 1))[0] == "traffic_accident"


def test_a_file_whose_end_nobody_knows_has_a_class_and_no_last_day():
    assert kept((OUTCOME, "died"), ended=None) == ("death", None)


# The forms.

WHOLE = {"inpatient_cover": 1, "admission_exam": 1, "treatment_sheet": 4, "nursing_sheet": 3, "discharge_letter": 1}


def missing(found: dict[str, int], day: date | None = IN_2018) -> tuple[str, ...]:
    return completeness(found, day, expected_forms()).missing


def test_a_whole_inpatient_file_lacks_nothing_and_either_of_two_forms_serves():
    assert missing(WHOLE) == missing(WHOLE, None) == ()
    assert missing(WHOLE | {"nursing_sheet": 0, "vital_signs_chart": 1}) == ()
    assert completeness(WHOLE, IN_2018, expected_forms()).found == dict(sorted(WHOLE.items()))


def test_what_is_not_there_is_named():
    assert missing({"treatment_sheet": 1}) == (
        "Bìa hồ sơ bệnh án", "Phiếu khám bệnh vào viện", "Phiếu chăm sóc, theo dõi", "Giấy ra viện",
    )  # fmt: skip


def test_a_form_that_another_one_calls_for_is_expected_with_it_only():
    assert missing(WHOLE | {"surgery_report": 1}) == ("Giấy cam kết",)
    assert missing(WHOLE | {"chemotherapy_order": 2, "consent": 1}) == ()
    assert missing(WHOLE | {"anesthesia_sheet": 1, "consent": 1}) == ("Phiếu phẫu thuật/thủ thuật",)


@pytest.mark.parametrize("found", [{}, {"lab_report": 2}, {"outpatient_record": 1, "prescription": 3}])
def test_nothing_is_expected_of_what_is_no_inpatient_file(found):
    assert completeness(found, IN_2018, expected_forms()).expected == ()


# Lists that cannot be right.


def refused(folder: Path, name: str, old: str, new: str) -> str:
    """Why the list is refused after one change."""
    text = (FOLDER / f"{name}.csv").read_text(encoding="utf-8")
    assert old in text
    path = folder / f"{name}.csv"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SohoaError) as error:
        (retention_rules if name == "retention" else expected_forms)(path)
    return str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("code,name,years", "code,name,year", "line 1: year: the columns must be"),
        (",words,", ",", "line 1: words: the columns must be"),
        ("trú,10,", "trú,ten,", "line 2: years: "),
        ("trú,10,", "trú,0,", "line 2: years: "),
        ("2025-06-30", "30/06/2025", "line 2: valid_to: "),
        (",,2025-06-30", ",2025-07-02,2025-06-30", "line 2: valid_from: "),
        ("2025-06-30", "2025-07-30", "line 6: valid_from: overlaps line 2, also 'ordinary'"),
        ("2025-06-30", "2025-05-30", "no class 'ordinary' from 2025-05-31 on"),
        ("\nordinary", "\ncommon", "no class 'ordinary' from 1900-01-01 on"),
        ("F00-F99", "F0-F9", "line 4: icd10: "),
        ("\ndeath,", "\ndeath,x,", "line 3: more cells than columns"),
        ("Z94;T86", "Z94,T86", "more cells than columns"),
        ('"Circular 53/2017/TT-BYT, second-hand"', "", "line 3: source: "),
    ],
)
def test_a_retention_list_that_cannot_be_right_is_refused(tmp_path, old, new, reason):
    said = refused(tmp_path, "retention", old, new)
    assert "retention.csv: " in said and reason in said


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("\ninpatient_cover", "\ninpatient_covers", "line 2: forms: there is no document type 'inpatient_covers'"),
        (",surgery_report;", ",surgeries;", "line 12: when: there is no document type 'surgeries'"),
        (",yes,", ",maybe,", "line 2: inpatient: "),
        ("\ninpatient_cover,", "\n,", "line 2: forms: "),
        ("forms,name", "form,name", "line 1: form: the columns must be"),
        ("2023-12-31", "2024-01-01", "line 3: valid_from: overlaps line 2, also 'inpatient_cover'"),
    ],
)
def test_a_list_of_forms_that_cannot_be_right_is_refused(tmp_path, old, new, reason):
    said = refused(tmp_path, "expected_forms", old, new)
    assert "expected_forms.csv: " in said and reason in said


def test_a_list_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "retention.csv").write_bytes("code,name\nx,Bùi".encode("utf-16"))
    with pytest.raises(SohoaError, match="retention.csv cannot be read"):
        retention_rules(tmp_path / "retention.csv")


# A file's row.

LIEU = {"patient.name": "NGUYỄN KIM LIỄU", "patient.id": "19666357", "encounter.number": "19.013225"}
DATES = {"encounter.admitted_at": "08:00 02/05/2019", "encounter.discharged_at": "09:00 12/05/2019"}
HEADINGS = ("patient_id", "name", "encounter_number", "discharged_at", "main_code", "outcome", "box", "department")


def listed(*rows: tuple[str, ...]) -> Listing:
    return Listing("r.csv", HEADINGS, rows)


def standing(conn: Connection, *pages: tuple[str, dict[str, str]]) -> dict:
    given = [FilePage(page_id=f"p{n}", reading=page_reading(f"p{n}", *page)) for n, page in enumerate(pages)]
    found = assemble_file("f", given, document_types(), {})
    return file_standing(conn, "DEMO", found.documents, found.identity, found.facts)


COVER = ("inpatient_cover", LIEU | {"encounter.outcome": "Tử vong"})
LETTER = ("discharge_letter", LIEU | DATES)


def test_a_files_row_says_its_class_its_last_day_and_what_it_lacks(conn):
    row = standing(conn, COVER, LETTER)
    assert (row["retention"], row["retained_until"]) == ("death", date(2049, 12, 31))
    assert row["forms"]["missing"] == ["Phiếu khám bệnh vào viện", "Tờ điều trị", "Phiếu chăm sóc, theo dõi"]
    assert row["forms"]["found"] == {"discharge_letter": 1, "inpatient_cover": 1}


def test_a_page_of_another_patient_lengthens_nothing(conn):
    foreign = {"patient.name": "TRẦN VĂN BÌNH", "patient.id": "88112299", "encounter.outcome": "Tử vong"}
    row = standing(conn, LETTER, LETTER, ("inpatient_cover", foreign))
    assert (row["retention"], row["forms"]["found"]) == ("ordinary", {"discharge_letter": 2})


def test_the_registry_gives_the_day_and_the_diagnosis_that_no_page_tells(conn):
    load_listing(conn, listed(("19666357", "A", "19.013225", "2017-05-12", "F20.0", "", "T1", "")), "DEMO")
    told = standing(conn, ("inpatient_cover", LIEU), ("discharge_letter", LIEU))
    assert (told["retention"], told["retained_until"]) == ("mental", date(2037, 12, 31))


@pytest.mark.parametrize("stay", ["19.013225", "21.000001"])
def test_a_death_that_the_registry_tells_later_upgrades_the_file(conn, batch, stay):
    row = {"file_id": "f", "batch_id": batch, "label": "a", "retention": "ordinary", "retained_until": "2029-12-31"}
    facts = {"patient.id": "19666357", "encounter.number": "19.013225", "encounter.discharged_at": "2019-05-12"}
    conn.execute(insert(tables.file).values(row | {"patient_key": "DEMO|19666357", "facts": facts}))
    load_listing(conn, listed(("19666357", "A", stay, "2021-05-12", "", "Đỡ", "", "")), "DEMO")
    assert conn.scalar(select(tables.file.c.retention)) == "ordinary"
    load_listing(conn, listed(("19666357", "A", stay, "2021-05-12", "", "Tử vong", "", "")), "DEMO")
    kept_as, until = conn.execute(select(tables.file.c.retention, tables.file.c.retained_until)).one()
    assert (kept_as, until) == ("death", date(2049, 12, 31))


# The registry as scope and denominator of targets.

STAYS = listed(
    ("1", "A", "16-1", "2016-03-24", "C18.2", "", "T02", "Nội"),
    ("2", "B", "16-2", "2016-04-01", "F20.0", "", "T02", "Nội"),
    ("3", "C", "17-3", "2017-01-09", "C18.2", "", "T03", "Nội"),
    ("4", "D", "17-4", "2017-02-09", "C18.2", "5", "T03", "Ngoại"),
    ("5", "E", "xx-5", "", "C18.2", "", "T03", "Ngoại"),
)


@pytest.fixture
def stays(conn: Connection, batch: str) -> Connection:
    """Five stays; of 16-1 two volumes were handed in, of 17-3 one file that was withdrawn."""
    load_listing(conn, STAYS, "DEMO")
    for file_id, stay, state in (("f1", "16-1", "open"), ("f2", "16-1", "open"), ("f3", "17-3", "withdrawn")):
        row = {"file_id": file_id, "batch_id": batch, "label": file_id, "state": state}
        conn.execute(insert(tables.file).values(row | {"encounter_key": f"DEMO|{stay}"}))
    return conn


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        (ScopeRule(), Progress(5, 1, 4, 0, 0)),
        (ScopeRule(boxes=("T02",)), Progress(2, 1, 1, 0, 0)),
        (ScopeRule(departments=("Ngoại",)), Progress(2, 0, 2, 0, 0)),
        (ScopeRule(discharged_until=date(2016, 12, 31)), Progress(2, 1, 1, 0, 1)),
        (ScopeRule(discharged_from=date(2017, 1, 9)), Progress(2, 0, 2, 0, 1)),
        (ScopeRule(kept_beyond=date(2026, 12, 31)), Progress(4, 0, 4, 1, 0)),
        (ScopeRule(kept_beyond=date(2027, 12, 31)), Progress(3, 0, 3, 2, 0)),
        (ScopeRule(kept_beyond=date(2026, 12, 30)), Progress(5, 1, 4, 0, 0)),
    ],
    ids=["all", "box", "department", "until", "from", "ends 2026", "ends 2027", "the day before"],
)
def test_the_registry_is_the_denominator_of_a_target(stays, rule, found):
    assert progress(stays, "DEMO", rule) == found
    assert len(list(missing_in_scope(stays, "DEMO", rule))) == found.missing
    assert progress(stays, "HN01", rule) == Progress(0, 0, 0, 0, 0)


def test_what_a_file_says_of_its_retention_goes_before_what_the_registry_does(stays):
    rule = ScopeRule(boxes=("T02",), kept_beyond=date(2026, 12, 31))
    assert progress(stays, "DEMO", rule) == Progress(1, 0, 1, 1, 0)
    stays.execute(update(tables.file).where(tables.file.c.file_id == "f2").values(retained_until=date(2046, 12, 31)))
    assert progress(stays, "DEMO", rule) == Progress(2, 1, 1, 0, 0)
    assert list(missing_in_scope(stays, "DEMO", rule)) == [MissingFile("16-2", "", "T02")]


def test_the_story_of_a_file_tells_how_long_it_is_kept_and_what_it_lacks(conn, store, batch):
    receipt = ledger.receive(conn, store, batch, "a.pdf", b"retention", (MediaType.PDF, 1))
    page_id = ledger.page_id(receipt.receipt_id, 1)
    page = FilePage(page_id=page_id, reading=page_reading(page_id, *COVER))
    found = assemble_file("file-1", [page], document_types(), {})
    row = file_standing(conn, "DEMO", found.documents, found.identity, found.facts)
    conn.execute(insert(tables.file).values(file_id="file-1", batch_id=batch, label="a.pdf", **row))
    [cover] = found.documents
    store_document(conn, batch, cover)
    conn.execute(update(tables.page).values(document_id=cover.document.document_id))
    conn.commit()
    for known_by in ("file-1", "a.pdf", cover.document.document_id):
        said = list(story(known_by))
        assert "file file-1 (batch box-1): open" in said
        assert "  kept as death until its end is known" in said
        assert any(line.startswith("  5 forms expected, missing: Phiếu khám bệnh vào viện, ") for line in said)
    assert not any("LIỄU" in line for line in said)


def test_the_story_of_a_volume_tells_which_others_of_its_stay_are_there(conn, store, batch):
    receipt = ledger.receive(conn, store, batch, "a.pdf", b"volume", (MediaType.PDF, 1))
    row = {"batch_id": batch, "encounter_key": "DEMO|1"}
    for number in (1, 3):
        facts = {"volume": f"{number}/3"}
        conn.execute(insert(tables.file).values(file_id=f"v{number}", label=f"{number}.pdf", facts=facts, **row))
    other = row | {"encounter_key": "DEMO|2"}
    conn.execute(insert(tables.file).values(file_id="w", label="w.pdf", facts={"volume": "2/2"}, **other))
    document_row = {"document_id": "d", "document_type": "other", "edition": "", "page_ids": [], "revision": 1}
    document_row |= {"verdict": "accept", "validated": {}, "batch_id": batch, "file_id": "v1"}
    conn.execute(insert(tables.document).values(**document_row))
    conn.execute(update(tables.page).where(tables.page.c.receipt_id == receipt.receipt_id).values(document_id="d"))
    conn.commit()
    assert "  volume 1/3, others of the stay: 3/3" in list(story("v1"))
