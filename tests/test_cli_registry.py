"""`sohoa registry`, `target` and `patient`: by ids and counts, refusing in one sentence what cannot be meant."""

import json
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

sys.path[:0] = [str(Path(__file__).parent)]

from test_cli import assert_refused, sohoa  # noqa: E402, F401
from test_emr import load_letter, other_file  # noqa: E402

from loaders.context import provisional_key  # noqa: E402
from pipeline import database  # noqa: E402

CSV = (
    "patient_id,name,birth_date,encounter_number,discharged_at,box\n7,LÊ AN,1957,19-1,{},T1\n8,LÊ BA,1957,19-2,{},T2\n"
)
QUERY = "SELECT '7' AS patient_id, 'LÊ AN' AS name, '19-1' AS encounter_number, 'T1' AS box"
TARGET = ("target", "add", "kho", "--name", "Kho", "--deadline", "2026-12-31", "--legal-basis", "TT13")
ONE, OTHER = "DEMO|14763265", provisional_key("DEMO", "f9")
SIGNED = ("--by", "an", "--reason", "cùng thẻ")


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "stays.csv"
    path.write_text(CSV.format("2016-05-06", "2019-05-06"), encoding="utf-8")
    return path


def test_a_registry_comes_from_a_file_or_a_query_and_never_from_both(sohoa, csv, tmp_path, settings, monkeypatch):  # noqa: F811
    assert sohoa("registry", "load", csv)[1] == "2 patients, 2 stays; 4 rows written."
    query = tmp_path / "stays.sql"
    query.write_text(QUERY, encoding="utf-8")
    assert_refused(sohoa("registry", "load", "--query", query), "must be a PostgreSQL")
    monkeypatch.setenv("SOHOA_REGISTRY_URL", database.connect_url(settings))
    assert sohoa("registry", "load", "--query", query)[1].startswith("1 patients, 1 stays;")
    assert_refused(sohoa("registry", "load"), "Give the registry's FILE, or --query")
    assert_refused(sohoa("registry", "load", csv, "--query", query), "not both")


def test_the_address_of_the_hospitals_database_is_not_shown(sohoa, monkeypatch):  # noqa: F811
    monkeypatch.setenv("SOHOA_REGISTRY_URL", "postgresql://scott:tiger@host/x")
    code, out, error = sohoa("registry", "load", "--help")
    assert code == 0 and "SOHOA_REGISTRY_URL" in out and "tiger" not in out + error


def test_missing_files_are_named_by_box_batch_and_target(sohoa, csv, clean):  # noqa: F811
    sohoa("registry", "load", csv)
    sohoa(*TARGET, "--discharged", "2019-01-01..", "--kept-beyond", "2026-12-31")
    with clean.begin() as conn:
        conn.execute(text("INSERT INTO pipeline.batch (batch_id, facility_id, folder) VALUES ('b', 'DEMO', 'x')"))
        conn.execute(
            text("INSERT INTO pipeline.file (file_id, batch_id, label, encounter_key) VALUES ('f','b','a','DEMO|19-1')")
        )
    assert sohoa("registry", "missing")[1] == "T2 19-2"
    assert sohoa("registry", "missing", "--box", "T1")[1] == sohoa("registry", "missing", "--batch", "b")[1] == ""
    assert sohoa("registry", "missing", "--target", "kho")[1] == "T2 19-2"
    assert_refused(sohoa("registry", "missing", "--batch", "none"), "give --box")
    sohoa("registry", "shelf", "19-2", "on_loan", "--by", "lan")
    assert sohoa("registry", "missing")[1] == sohoa("registry", "missing", "--target", "kho")[1] == "T2 19-2 on_loan"
    sohoa("registry", "shelf", "19-2", "clear", "--by", "lan")
    assert sohoa("registry", "missing")[1] == "T2 19-2"
    assert_refused(sohoa("registry", "shelf", "99-9", "on_loan", "--by", "lan"), "has no stay 99-9")
    assert_refused(sohoa("registry", "missing", "--target", "none"), "There is no target 'none'")


def test_a_target_shows_its_stays_in_scope_found_missing_and_left_out(sohoa, csv):  # noqa: F811
    sohoa("registry", "load", csv)
    assert_refused(sohoa(*TARGET, "--discharged", "2019"), "write it as 2018-01-01..2019-12-31")
    sohoa(*TARGET, "--kept-beyond", "2026-12-31")
    counts = {"in_scope": 1, "with_file": 0, "missing": 1, "left_out": 1, "undated": 0}
    assert json.loads(sohoa("target", "show", "kho", "--json")[1]) == [{"target": "kho"} | counts]
    [listed] = json.loads(sohoa("target", "list", "--json")[1])
    assert listed["scope_rule"]["kept_beyond"] == "2026-12-31"
    assert_refused(sohoa(*TARGET), "exists with other particulars")
    assert_refused(sohoa("target", "show", "none"), "There is no target 'none'")


def test_a_merge_and_its_undoing_are_given_by_key_or_number_and_signed(sohoa, clean):  # noqa: F811
    with clean.begin() as conn:
        load_letter(conn)
        told = {"patient.name": "PHẠM QUỐC GIANG", "patient.birth_date": "1956-04-18"}
        other_file(conn, told, patient_key=OTHER, encounter_key=OTHER)
    assert sohoa("patient", "candidates")[1] == f"{ONE} {OTHER} by name: patient.name, patient.birth_date"
    assert len(json.loads(sohoa("patient", "candidates", "--json")[1])) == 1
    assert_refused(sohoa("patient", "merge", OTHER, "with", "14763265", *SIGNED), "patient merge A INTO B")
    assert sohoa("patient", "merge", OTHER, "INTO", "14763265", *SIGNED)[1].startswith(f"{OTHER} stands under {ONE}.")
    assert_refused(sohoa("patient", "merge", OTHER, "into", ONE, *SIGNED), "is merged into")
    assert sohoa("patient", "unmerge", OTHER, *SIGNED)[1] == f"{OTHER} stands for itself again."
    [link] = json.loads(sohoa("patient", "history", "14763265", "--json")[1])
    assert (link["linked_by"], link["reason"], link["undone_by"]) == ("an", "cùng thẻ", "an")
