"""Two patients who may be one person: found with a load, shown side by side, ruled of by an officer, and taken back."""

import re

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from pipeline import outbox, persons, steps
from review import accounts
from review.app import create_app
from tests.test_repairs import LETTER, file_of  # noqa: F401
from tests.test_review_repairs import browser

OTHER = "DEMO|20000002"
SAME = "name = 'TRẦN THỊ MẪU', birth_date = '1960-09-01', sex = 'female', national_id = '001160012345'"


@pytest.fixture(scope="module")
def app(engine, settings):
    return create_app(settings)


@pytest.fixture
def two(file_of, clean, monkeypatch):  # noqa: F811
    """A file of a patient whose number is in doubt, and one of the EMR who has the same personal ID."""
    monkeypatch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    own = file_of(LETTER)
    own.patient = own.rows("SELECT patient_key FROM pipeline.file")[0][0]
    with clean.begin() as conn:
        conn.execute(text(f"UPDATE emr.patient SET {SAME}"))
        conn.execute(text("UPDATE pipeline.field_value SET verdict = 'accept' WHERE field = 'patient.name'"))
        columns = ", ".join(row[0] for row in conn.execute(text(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = 'emr' AND table_name = 'patient' "
            "AND column_name <> 'patient_id'")))  # fmt: skip
        copy = f"INSERT INTO emr.patient (patient_id, {columns}) SELECT '{OTHER}', {columns} FROM emr.patient"
        conn.execute(text(copy))
        conn.execute(text(f"UPDATE emr.patient SET identifier = '20000002' WHERE patient_id = '{OTHER}'"))
    return own


def pairs(two):
    return two.rows("SELECT one_id, other_id, likeness, ruling, carried_out, linked FROM pipeline.person_pair")


def links(two):
    return two.rows("SELECT patient_id, into_id, undone_at IS NULL FROM emr.patient_link ORDER BY link_id")


def test_a_load_proposes_who_may_be_one_person_and_forgets_who_is_not_any_more(two):
    assert steps.load(two.batch_id) == 0
    assert pairs(two) == [(OTHER, two.patient, "number", "", True, "")]
    persons.find_pairs(two.batch_id)
    assert len(pairs(two)) == 1
    with two.owner.begin() as conn:
        conn.execute(text(f"UPDATE emr.patient SET sex = 'male' WHERE patient_id = '{OTHER}'"))
    assert persons.find_pairs(two.batch_id) == 0
    assert pairs(two) == []


def test_an_officer_sees_both_rules_and_takes_it_back(two, app, clean):
    persons.find_pairs(two.batch_id)
    officer = browser(app, clean, "lan", "officer")
    listed = officer.get("/persons").text
    assert "20000002 - a.pdf" in listed
    address = re.search(r'href="(/persons/\d+)"', listed)[1]
    shown = officer.get(address).text
    assert "TRẦN THỊ" in shown and 'src="/crop/' in shown and "a.pdf" in shown
    post = {"csrf": officer.csrf, "before": ""}
    assert officer.post(address, data=post | {"ruling": "one", "reason": "hm"}).status_code == 422
    assert officer.post(address, data=post | {"ruling": "maybe", "reason": "đã so hồ sơ"}).status_code == 422
    assert officer.post(address, data=post | {"ruling": "one", "reason": "đã so hồ sơ"}).status_code == 303
    late = officer.post(address, data=post | {"ruling": "two", "reason": "đã so hồ sơ"})
    assert late.status_code == 422 and "vừa có người khác" in late.text
    assert links(two) == [], "nothing is merged before the loader's run"
    outbox.load_reviewed(two.batch_id)
    assert links(two) == [(two.patient, OTHER, True)]
    assert "theo quyết định này" in officer.get(address).text
    undo = {"csrf": officer.csrf, "before": "one", "ruling": "", "reason": "hai chị em"}
    assert officer.post(address, data=undo).status_code == 303
    outbox.load_reviewed(two.batch_id)
    assert links(two) == [(two.patient, OTHER, False)] and pairs(two)[0][3:] == ("", True, "")
    told = two.rows("SELECT topic FROM pipeline.outbox WHERE key LIKE 'reviewed:persons:%'")
    assert told == [("reviewed",), ("reviewed",)]
    assert two.rows("SELECT action FROM audit.event WHERE action LIKE 'persons:%' ORDER BY event_id") == [
        ("persons:one",), ("persons:undo",)]  # fmt: skip


def test_what_the_emr_refuses_is_told_and_stops_nothing(two, app, clean):
    persons.find_pairs(two.batch_id)
    officer = browser(app, clean, "lan", "officer")
    address = re.search(r'href="(/persons/\d+)"', officer.get("/persons").text)[1]
    officer.post(address, data={"csrf": officer.csrf, "ruling": "one", "reason": "đã so hồ sơ"})
    with clean.begin() as conn:
        conn.execute(text(f"UPDATE emr.patient SET sex = 'male' WHERE patient_id = '{OTHER}'"))
    outbox.load_reviewed(two.batch_id)
    assert links(two) == [] and "không gộp được" in officer.get(address).text


def test_a_value_of_a_restricted_document_is_not_shown(two, app, clean):
    persons.find_pairs(two.batch_id)
    with clean.begin() as conn:
        conn.execute(text("UPDATE pipeline.document SET document_type = 'identity_card'"))
    officer = browser(app, clean, "lan", "officer")
    address = re.search(r'href="(/persons/\d+)"', officer.get("/persons").text)[1]
    shown = officer.get(address).text
    assert "TRẦN THỊ" not in shown and 'src="/crop/' not in shown and "/task/" in shown
    assert officer.get("/persons/999999").status_code == 404
    assert browser(app, clean, "khoa", "operator").get(address).status_code == 403
