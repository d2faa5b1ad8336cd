"""A folder becomes EMR rows step by step: who vouches for a value, what stops a file or a batch, and what a repeat adds."""

import os
import time
from collections import Counter
from pathlib import Path

import pikepdf
import pytest
from rich.console import Console
from sqlalchemy import text

from pipeline import emr, filing, ledger, steps
from pipeline.migrate import migrate_folder, wanted_batch
from pipeline.registry import missing_files
from reporting.batch import print_batch

SAMPLES = Path(__file__).resolve().parents[1] / "sample_scans"
BATCH = "box-17"
CRITICAL = {"patient.name": "NGUYỄN KIM LIỄU", "patient.id": "19666357", "encounter.number": "19.013225"}
EMR_TABLES = (
    "patient", "encounter", "condition", "observation", "procedure", "medication_statement", "diagnostic_report",
    "imaging_study", "document_reference", "provenance",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path, clean):
    path = tmp_path / BATCH
    path.mkdir()
    return path


def put(folder: Path, name: str, source: str, *numbers: int) -> Path:
    """A PDF of some pages of a sample, an hour old: intake waits for files that were written just now."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with pikepdf.open(SAMPLES / source) as whole, pikepdf.new() as part:
        part.docinfo["/Title"] = name
        for number in numbers:
            part.pages.append(whole.pages[number - 1])
        part.save(path, deterministic_id=True)
    os.utime(path, (time.time() - 3600,) * 2)
    return path


def migrated(folder: Path, **options) -> dict:
    return migrate_folder(wanted_batch(folder, BATCH, **options), 2, Console(quiet=True))


def rows(engine, query: str, **values) -> list:
    with engine.connect() as conn:
        return list(conn.execute(text(query), values).mappings())


def emr_rows(engine) -> dict[str, list[dict]]:
    """Every row of the EMR, but for the moment it was written."""
    query = "SELECT to_jsonb(t) - 'updated_at' AS row FROM emr.{} AS t"
    return {name: sorted((r["row"] for r in rows(engine, query.format(name))), key=str) for name in EMR_TABLES}


def row_counts(engine) -> dict[str, int]:
    names = rows(engine, "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname = 'pipeline'")
    counts = {r["name"]: rows(engine, f"SELECT count(*) AS n FROM {r['name']}")[0]["n"] for r in names}
    return counts | {f"emr.{name}": len(found) for name, found in emr_rows(engine).items()}


def fields(page: dict) -> dict[str, dict]:
    return {field["name"]: field for field in page["fields"]}


def without_seconds(result: dict) -> dict:
    return result | {"pages": [{k: v for k, v in page.items() if k != "seconds"} for page in result["pages"]]}


def balanced(engine) -> bool:
    with engine.begin() as conn:
        return ledger.balance(conn) == []


# Who vouches for a critical value.


@pytest.mark.slow
def test_two_pages_of_one_patient_vouch_for_each_other_and_every_value_keeps_its_page_and_box(folder, clean):
    put(folder, "lieu.pdf", "files/file_01.pdf", 1, 2)
    cover, lab = migrated(folder)["pages"]
    assert (cover["document_type"], lab["document_type"]) == ("inpatient_cover", "lab_report")
    for name, value in CRITICAL.items():
        assert (fields(cover)[name]["value"], fields(cover)[name]["verdict"]) == (value, "accept"), name
        assert (fields(lab)[name]["value"], fields(lab)[name]["verdict"]) == (value, "evidence"), name
    told = {r["field"]: r for r in rows(clean, "SELECT * FROM pipeline.field_value WHERE page_id LIKE '%-0001'")}
    assert {told[name]["witness"].rpartition("-")[2] for name in CRITICAL} == {"0002"}

    (patient,) = rows(clean, "SELECT * FROM emr.patient")
    (stay,) = rows(clean, "SELECT * FROM emr.encounter")
    loaded = (patient["name"], patient["identifier"], stay["number"])
    assert loaded == tuple(CRITICAL.values()) and stay["patient_id"] == patient["patient_id"]

    accepted = {(p["document"], f["name"]): f for p in (cover, lab) for f in p["fields"] if f["verdict"] == "accept"}
    sources = rows(clean, "SELECT * FROM emr.provenance")
    assert {(s["document_id"], s["field"]) for s in sources} <= accepted.keys()
    assert {(cover["document"], name) for name in CRITICAL} <= {(s["document_id"], s["field"]) for s in sources}
    for source in sources:
        field = accepted[source["document_id"], source["field"]]
        box = [round(source["box"][side], 5) for side in ("left", "top", "right", "bottom")]
        assert (source["value"], source["raw"], box) == (field["value"], field["raw"], field["box"])
        assert source["page_id"].endswith("-0001" if source["document_id"] == cover["document"] else "-0002")


@pytest.mark.slow
def test_a_file_with_a_foreign_page_loads_nothing_and_all_its_pages_wait_for_the_officer(folder, clean):
    put(folder, "mixed.pdf", "awkward/foreign_page_inside.pdf", 2, 3)
    result = migrated(folder)
    assert [page["state"] for page in result["pages"]] == ["in_review", "in_review"]
    assert "foreign_patient" in {issue["check"] for page in result["pages"] for issue in page["issues"]}
    assert {f["verdict"] for f in result["pages"][1]["fields"]} == {"review"}
    assert emr_rows(clean) == {name: [] for name in EMR_TABLES}
    assert rows(clean, "SELECT state FROM pipeline.file") == [{"state": "held"}]
    assert balanced(clean)


REGISTRY = """patient_id,name,birth_date,sex,insurance_number,encounter_number,archive_number,admitted_at,discharged_at,box
19666357,NGUYỄN KIM LIỄU,1957-01-02,female,DN4202010282429,19.013225,19-04408,2019-02-25T11:30,2019-03-06T10:00,T01
17301816,VŨ BÁ HƯNG,1953-06-27,male,GD4424297096069,17.004155,17-01385,2017-11-21T11:20,2017-11-28T10:00,T02
"""


@pytest.fixture
def known(folder, clean):
    from pipeline.registry import load_registry

    path = folder.with_name("registry.csv")
    path.write_text(REGISTRY, encoding="utf-8")
    with clean.begin() as conn:
        load_registry(conn, path, "DEMO")


@pytest.mark.slow
def test_a_page_alone_has_no_witness_for_its_critical_values(folder, clean):
    put(folder, "lieu.pdf", "files/file_01.pdf", 9)
    (page,) = migrated(folder)["pages"]
    assert {fields(page)[name]["verdict"] for name in CRITICAL} == {"review"}
    assert [p["provisional"] for p in rows(clean, "SELECT * FROM emr.patient")] == [True]


@pytest.mark.slow
def test_the_registry_is_a_witness_and_names_the_file_that_is_missing(folder, known, clean):
    put(folder, "lieu.pdf", "files/file_01.pdf", 9)
    (page,) = migrated(folder)["pages"]
    for name, value in CRITICAL.items():
        assert (fields(page)[name]["value"], fields(page)[name]["verdict"]) == (value, "accept"), name
    told = {r["field"]: r["witness"] for r in rows(clean, "SELECT field, witness FROM pipeline.field_value")}
    assert {told[name] for name in CRITICAL} == {"registry"}
    (patient,) = rows(clean, "SELECT * FROM emr.patient")
    assert (patient["name"], patient["identifier"], patient["provisional"]) == ("NGUYỄN KIM LIỄU", "19666357", False)
    with clean.connect() as conn:
        assert [m.encounter_number for m in missing_files(conn, "DEMO")] == ["17.004155"]


# What holds a batch.


@pytest.mark.slow
def test_a_batch_held_by_its_checks_loads_nothing_says_why_and_balances(folder, known, clean):
    put(folder, "lieu.pdf", "files/file_01.pdf", 1)
    put(folder, "lieu again.pdf", "files/file_01.pdf", 1)  # One admission number on two covers.
    put(folder, "nhan.pdf", "born_digital.pdf", 1, 2)
    result = migrated(folder)
    assert [page["state"] for page in result["pages"]] == ["in_review"] * 4
    assert {fields(page)["encounter.number"]["verdict"] for page in result["pages"][:2]} == {"accept"}
    assert emr_rows(clean) == {name: [] for name in EMR_TABLES}
    (held,) = rows(clean, "SELECT state, held_because, closed_at FROM pipeline.batch")
    assert held["state"] == "held" and held["held_because"].startswith("inpatient_cover: ") and not held["closed_at"]
    (why,) = rows(clean, "SELECT check_name, field FROM pipeline.issue WHERE page_id IS NULL AND document_id IS NULL")
    assert (why["check_name"], why["field"]) == ("batch:inpatient_cover:unique", "encounter.number")
    assert balanced(clean)

    before = row_counts(clean)
    assert migrated(folder) == result and row_counts(clean) == before
    shown = Console(width=200)
    with shown.capture() as printed:
        print_batch(shown, BATCH)
    assert f"held by its data-quality checks: {held['held_because']}" in printed.get()


# A repeat adds nothing, wherever the run before broke off.


class Killed(BaseException):
    """Stands for a process that ended: nothing catches it, and every open transaction is rolled back."""


@pytest.fixture
def two_files(folder):
    put(folder, "nhan.pdf", "born_digital.pdf", 1, 2, 3)
    put(folder, "nhan later.pdf", "born_digital.pdf", 1, 2)
    return folder


def dying(monkeypatch, module, name: str, call: int, after: bool = False) -> None:
    whole, calls = getattr(module, name), Counter()

    def dies(*arguments, **options):
        calls[name] += 1
        if calls[name] == call and not after:
            raise Killed
        found = whole(*arguments, **options)
        if calls[name] == call:
            raise Killed
        return found

    monkeypatch.setattr(module, name, dies)


BREAKS = {
    "nowhere": None,
    "between two files of the intake": (ledger, "receive", 2),
    "before the receipt of the first file is committed": (ledger, "receive", 1, True),
    "between two pages that were read": (steps, "_keep", 3),
    "before a page that was read is committed": (steps, "_keep", 1, True),
    "between two files that are put together": (filing, "_assemble", 2),
    "while a file is put together": (filing, "_move_pages", 1),
    "before the batch is checked": (steps, "check", 1),
    "while the EMR is written": (emr, "load_document", 2, True),
    "between the EMR and the ledger": (emr, "_move", 2),
    "before the account": (steps, "account", 1),
}


@pytest.fixture(scope="module")
def first_told():
    """What the first of the runs below gave, the undisturbed one; every other must give the same."""
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("place", BREAKS)
def test_a_run_that_breaks_off_goes_on_as_if_nothing_had_happened(two_files, clean, place, first_told):
    if BREAKS[place]:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            dying(patch, *BREAKS[place])
            migrated(two_files)
    result = migrated(two_files)
    assert balanced(clean) and Counter(page["state"] for page in result["pages"]) == {"loaded": 5}
    told = {"result": without_seconds(result), "emr": emr_rows(clean), "rows": row_counts(clean)}
    import json as J; open(f"/tmp/mt/told_{place.replace(chr(32),chr(95))}.json","w").write(J.dumps(told,indent=0,sort_keys=True,ensure_ascii=False,default=str))
    assert told == first_told.setdefault("told", told)
