"""The practice: twenty tasks on sample pages, each answer told at once, nothing written to the pipeline's tables."""

import re
from urllib.parse import quote

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from sqlalchemy import text

from records.documents import Verdict
from review import accounts, sessions
from review.app import create_app
from review.practice import RIGHT, Paper, answer, lesson, sheets
from review.practice_pictures import crop, whole_page
from review.revisions import Decision, Refused

CORRECT, ABSENT, UNREADABLE = Decision.CORRECT, Decision.ABSENT, Decision.UNREADABLE
TASKS = [(sheet, field) for sheet in sheets() for field in sheet.asked]


@pytest.fixture(scope="module")
def app(engine, settings):
    return create_app(settings)


@pytest.fixture
def browser(app, clean, monkeypatch):
    """A new officer, signed in."""
    monkeypatch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    app.state.practice = {}
    return signed_in(app, clean, "lan")


def signed_in(app, engine, name):
    with engine.begin() as conn:
        accounts.add(conn, "test", name, f"Bà {name}", "officer", "mat khau rat dai 1")
        token = sessions.start(conn, name, 1)
    client = TestClient(app, cookies={sessions.COOKIE: token}, follow_redirects=False)
    client.headers["X-CSRF-Token"] = re.search(r'name="csrf" content="([^"]+)"', client.get("/practice").text)[1]
    return client


def give(browser, sheet, field, paper):
    """The answer that the paper wants."""
    said = {"decision": "enter", "value": paper.written} if paper.decision is CORRECT else {"decision": paper.decision}
    return browser.post(f"/practice/{sheet.number}/field/{quote(field)}", data=said)


def rows(engine):
    """How many rows each table of the pipeline and of the EMR has, and the audit trail."""
    named = (
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('pipeline', 'emr', 'audit')"
    )
    with engine.connect() as conn:
        return {name: conn.scalar(text(f"SELECT count(*) FROM {name}")) for name in conn.scalars(text(named))}


# The tasks


def test_twenty_tasks_of_every_kind_of_trouble():
    missed = []
    for sheet, field in TASKS:
        try:
            missed.append(answer(sheet, field, Decision.ACCEPT, "", insist=False, icd10_path=None))
        except Refused:
            missed.append("refused")
    assert len(TASKS) == 20
    assert {name: missed.count(name) for name in set(missed)} == {
        RIGHT: 8, "tone": 2, "digits": 4, "letters": 1, "refused": 5,
    }  # fmt: skip
    papers = [sheet.papers[field].decision for sheet, field in TASKS]
    assert (papers.count(ABSENT), papers.count(UNREADABLE)) == (2, 1)


def test_what_stands_on_the_paper_is_the_right_answer_to_each_and_all_wait_for_it():
    for sheet, field in TASKS:
        paper = sheet.papers[field]
        assert answer(sheet, field, paper.decision, paper.written, insist=False, icd10_path=None) == RIGHT, field
        (judged,) = [v for v in sheet.validated.values if v.value.field == field]
        assert judged.verdict is Verdict.REVIEW


@pytest.mark.parametrize(
    ("paper", "decision", "value", "missed"),
    [
        (Paper(CORRECT, "Ung thư vú"), CORRECT, "Ủng thư vú", "tone"),
        (Paper(CORRECT, "17.82"), CORRECT, "1782", "digits"),
        (Paper(CORRECT, "2021-03-01"), CORRECT, "2021-08-01", "digits"),
        (Paper(CORRECT, "Ngoại Tiêu hóa"), CORRECT, "Ngoại Tim mạch", "letters"),
        (Paper(CORRECT, "Kinh"), ABSENT, "", "legible"),
        (Paper(CORRECT, "Kinh"), UNREADABLE, "", "legible"),
        (Paper(ABSENT), CORRECT, "Kinh", "absent"),
        (Paper(ABSENT), UNREADABLE, "", "absent"),
        (Paper(UNREADABLE), CORRECT, "008149051775", "unreadable"),
        (Paper(UNREADABLE), UNREADABLE, "", RIGHT),
        (Paper(CORRECT, "Kinh"), Decision.ACCEPT, "Kinh", RIGHT),
    ],
)
def test_a_wrong_answer_is_told_by_what_it_missed(paper, decision, value, missed):
    assert lesson(paper, decision, value) == missed


def test_every_task_has_its_crop_and_every_page_its_picture():
    for sheet, field in TASKS:
        assert crop(sheet.number, field)[:2] == whole_page(sheet.number)[:2] == b"\xff\xd8"


# The screen


def test_a_round_of_right_answers_is_twenty_of_twenty_and_writes_nothing(browser, clean):
    before = rows(clean)
    assert browser.post("/practice/start").headers["location"] == "/practice/1"
    for sheet in sheets():
        assert browser.post("/practice/next").headers["location"] == f"/practice/{sheet.number}"
        shown = browser.get(f"/practice/{sheet.number}").text
        assert shown.count('class="field open') == len(sheet.asked)
        for field, paper in sheet.papers.items():
            told = give(browser, sheet, field, paper)
            assert told.status_code == 200 and "field done told right" in told.text, field
    assert browser.post("/practice/next").headers["location"] == "/practice"
    assert "20 trên 20" in browser.get("/practice").text
    assert rows(clean) == before


def test_a_wrong_answer_is_told_with_what_the_paper_says_and_its_crop_and_survives_a_reload(browser):
    browser.post("/practice/start")
    told = browser.post("/practice/2/field/patient.name", data={"value": "VÕ THANH XUYÊN"}).text
    for page in (told, browser.get("/practice/2").text):
        assert "field done told wrong" in page and "Khác dấu" in page and "VÕ THANH XUYẾN" in page
        assert "/practice/2/crop/patient.name" in page
    assert browser.get("/practice/2/crop/patient.name").headers["content-type"] == "image/jpeg"
    assert "1 trong 20" in browser.get("/practice").text


def test_the_first_answer_counts_also_after_it_was_taken_back(browser):
    browser.post("/practice/start")
    browser.post("/practice/2/field/patient.name", data={"value": "VÕ THANH XUYÊN"})
    assert "field open" in browser.post("/practice/2/undo", data={"field": "patient.name"}).text
    for sheet, field in TASKS:
        give(browser, sheet, field, sheet.papers[field])
    result = browser.get("/practice").text
    assert "19 trên 20" in result and "Khác dấu" in result


def test_what_the_real_screen_refuses_is_refused_here_with_what_was_typed(browser):
    browser.post("/practice/start")
    refused = browser.post("/practice/2/field/encounter.discharged_at", data={"value": "30/02/2020 15:00"})
    assert refused.status_code == 422 and "không có ngày 30/02/2020" in refused.text
    assert 'value="30/02/2020 15:00"' in refused.text
    empty = browser.post("/practice/5/field/patient.phone", data={"value": ""})
    assert empty.status_code == 422 and "Alt+B" in empty.text
    assert "trong 20" not in browser.get("/practice").text


def test_each_officer_has_a_round_of_her_own(browser, app, clean):
    browser.post("/practice/start")
    give(browser, *TASKS[0], sheets()[0].papers[TASKS[0][1]])
    assert "1 trong 20" in browser.get("/practice").text
    assert "trong 20" not in signed_in(app, clean, "mai").get("/practice").text


@pytest.mark.parametrize(
    "path", ["/practice/0", "/practice/6", "/practice/1/crop/patient.sex", "/practice/1/crop/none", "/practice/9/page"]
)
def test_what_is_no_task_is_not_found(browser, path):
    assert browser.get(path).status_code == 404


def test_no_key_is_told_that_does_nothing_here(browser):
    browser.post("/practice/start")
    shown = browser.get("/practice/2").text
    assert "Alt+N" in shown and "Alt+U" not in shown and "Alt+R" not in shown
