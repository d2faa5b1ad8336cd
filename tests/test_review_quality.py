"""The page of data quality: counts for seniors, auditors and managers, values for seniors alone."""

from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from sqlalchemy import insert, update

from pipeline import documents, quality, tables
from review import accounts, sessions
from review.app import create_app
from review.policy import Role
from tests.conftest import INSTALLED_ASSETS, served
from tests.test_suites import filed, stays
from validation.suites import FailedExpectation

BATCH, NUMBER = "hộp-1", "14.000011"
CHROMIUM = Path("/usr/bin/chromium")
AXE = INSTALLED_ASSETS / "node_modules" / "axe-core" / "axe.min.js"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
SIZES = [(1366, 768), (1093, 614)]  # the second: the first at 125 %


@pytest.fixture
def checked(clean):
    """Twelve files of which the registry knows five, checked; one value of a form broke a rule that stops."""
    with clean.begin() as conn:
        stays(conn, 5)
        filed(conn, BATCH, 12, forms=("inpatient_cover", "lab_report"))
        conn.execute(update(tables.field_value).values(verdict="accept"))
        found = [one.asked.failed() for one in quality.questions_of(conn, BATCH) if one.broken]
        stop = {"document_type": "inpatient_cover", "rule": "unique", "field": "encounter.number", "message": "Trùng."}
        documents.note_batch_issues(conn, BATCH, [*found, FailedExpectation(**stop)])
        conn.execute(update(tables.batch).values(state="held", held_because="Trùng."))
    return clean


@pytest.fixture
def app(checked, settings, monkeypatch):
    monkeypatch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    return create_app(settings)


@pytest.fixture
def token(checked):
    """`token(role)`: of a session of somebody with this role."""

    def signed_in(role, language="vi"):
        with checked.begin() as conn:
            accounts.add(conn, "test", role, role, role, "Mật khẩu rất dài 1")
            conn.execute(update(accounts.account).values(language=language))
            return sessions.start(conn, role, 12)

    return signed_in


@pytest.fixture
def browser(app, token):
    def signed_in(role, language="vi"):
        client = TestClient(app, follow_redirects=False)
        client.cookies.set(sessions.COOKIE, token(role, language))
        return client

    return signed_in


def test_who_only_counts_sees_no_value(browser):
    auditor = browser("auditor")
    listed, shown = auditor.get("/quality").text, auditor.get(f"/quality/{BATCH}").text
    assert 'href="/quality/h%E1%BB%99p-1"' in listed and "Bị giữ" in listed
    assert "Quá nhiều số vào viện đã chấp nhận không có trong danh sách" in shown
    assert "phải khác nhau ở mọi phiếu" in shown and "58,3 %" in shown and "≤ 30 %" in shown
    assert NUMBER not in shown and "/release/" not in shown and "/task/" not in shown


def test_a_senior_sees_the_values_behind_a_warning_and_comes_to_the_release_desk(browser):
    shown = browser("senior").get(f"/quality/{BATCH}").text
    assert f"<td>{NUMBER}</td>" in shown and "14.000001</td>" not in shown
    assert 'href="/release/h%E1%BB%99p-1"' in shown


def test_the_release_desk_leads_to_the_figures(browser):
    assert 'href="/quality/h%E1%BB%99p-1"' in browser("senior").get(f"/release/{BATCH}").text


def test_what_was_not_asked_says_why_in_the_readers_language(browser):
    shown = browser("manager", "en").get(f"/quality/{BATCH}").text
    assert "Not asked: fewer than 40 to judge by" in shown and "Not asked: accuracy was not measured" in shown
    assert "Too many of the accepted admission numbers are not in the hospital" in shown


@pytest.mark.parametrize("role", [role for role in Role if role not in ("senior", "auditor", "manager")])
def test_nobody_else_sees_it(browser, role):
    client = browser(role)
    assert client.get("/quality").status_code == client.get(f"/quality/{BATCH}").status_code == 403


def test_a_batch_that_nobody_knows_is_not_there(browser):
    assert browser("manager").get("/quality/x").status_code == 404


def test_a_figure_of_the_whole_batch_that_stops_has_a_link_in_place_of_values(browser, checked):
    whole = {"document_type": "", "rule": "quarantined", "field": "", "message": "Quá nhiều trang của lô bị cách ly."}
    with checked.begin() as conn:
        own = {"batch_id": BATCH, "receipt_id": f"r-{BATCH}-0", "state": "quarantined"}
        conn.execute(insert(tables.page), [own | {"page_id": f"q{n}", "number": n + 2} for n in range(40)])
        documents.note_batch_issues(conn, BATCH, [FailedExpectation(**whole)])
    shown = browser("senior").get(f"/release/{BATCH}").text
    assert "Đây là số liệu của cả lô" in shown and "Hiện không còn giá trị nào" not in shown


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_the_page_is_for_everybody(app, token, assets, size, tmp_path):
    """axe finds nothing, nothing runs past the screen's edge, no policy is broken."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("Debian's chromium is not installed; ./run test installs it")
    told = []
    with served(app) as address, playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, bypass_csp=False)
        context.add_cookies([{"name": sessions.COOKIE, "value": token("senior"), "url": address}])
        page = context.new_page()
        page.on("console", lambda line: told.append(line.text) if "Content Security Policy" in line.text else None)
        for path in ("/quality", f"/quality/{BATCH}"):
            page.goto(f"{address}{path}")
            page.screenshot(path=tmp_path / f"{path.count('/')}-{size[0]}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
            assert told == []
            page.evaluate(AXE.read_text(encoding="utf-8"))
            assert page.evaluate("rules => axe.run(rules)", RULES)["violations"] == []
        chromium.close()
