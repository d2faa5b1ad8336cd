"""The page of the installation's health: who sees it, in which words, and that it holds nothing of a patient."""

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from sqlalchemy import text

from pipeline import stamps
from reporting import health
from review import accounts, sessions
from review.app import create_app


@pytest.fixture
def browser(clean, settings, monkeypatch):
    monkeypatch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    monkeypatch.setattr(health.airflow, "reached_at", lambda _: "http://127.0.0.1:9")  # none runs here
    app = create_app(settings)

    def signed_in(role, language="vi"):
        client = TestClient(app, follow_redirects=False)
        with clean.begin() as conn:
            accounts.add(conn, "test", role, role, role, "Mật khẩu rất dài 1")
            conn.execute(text("UPDATE review.account SET language = :own"), {"own": language})
            client.cookies.set(sessions.COOKIE, sessions.start(conn, role, 12))
        return client

    return signed_in


@pytest.mark.parametrize(("role", "status"), [("it", 200), ("senior", 200), ("manager", 200), ("officer", 403)])
def test_it_seniors_and_managers_see_it(browser, role, status):
    assert browser(role).get("/health").status_code == status


def test_each_part_is_told_with_what_to_do_where_it_is_not_well(browser, clean):
    with clean.begin() as conn:
        stamps.put(conn, stamps.VERIFIED, "3")
    shown = browser("it").get("/health").text
    assert "Có bộ phận không hoạt động" in shown and "Chạy sohoa verify" in shown and "3 / 20" in shown
    assert "Khởi động PostgreSQL" not in shown  # it answers
    assert "A part does not work" in browser("manager", "en").get("/health").text


def test_every_part_has_its_words_in_both_languages(settings, clean):
    from review.texts import texts

    said = texts()
    for part in health.parts(settings):
        assert {f"health.part.{part.name}", f"health.cure.{part.name}"} <= said.keys()
