"""A file repaired by keyboard in a real browser, the two dialogs of the task screen, and a session that ended.

SOHOA_REGENERATE=1 also draws the screens of docs/screens anew.
"""

import pytest
from sqlalchemy import text

from tests.test_review_browser import (  # noqa: F401
    SPOILT,
    address,
    assert_accessible,
    assert_accessible_at_125_percent,
    chromium,
    document_id,
    go_to,
    migrated,
    open_task,
    page,
    shot,
    sign_in_beside,
    type_until_the_session_ends,
)

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def free(migrated):  # noqa: F811
    """Nobody holds anything, before and after."""
    yield
    with migrated.begin() as conn:
        conn.execute(text("DELETE FROM review.lease"))


def rows(engine, query, **values):
    with engine.connect() as conn:
        return [tuple(row) for row in conn.execute(text(query), values)]


def chosen(page):  # noqa: F811
    return page.evaluate("document.querySelector('[name=page_id]:checked').value")


def open_file(page, label):  # noqa: F811
    page.goto(f"/files/{label}")
    page.wait_for_function("() => document.activeElement.name === 'page_id'")


def test_a_file_is_repaired_by_keys(page, migrated):  # noqa: F811
    (file_id, whole) = rows(migrated, "SELECT file_id, label FROM pipeline.file ORDER BY label")[0]
    with migrated.begin() as conn:  # The other scan's page into this file: two documents of one page each.
        other = conn.scalar(text("SELECT page_id FROM pipeline.page JOIN pipeline.document USING (document_id) "
                                 "WHERE file_id <> :own"), {"own": file_id})  # fmt: skip
    home = rows(migrated, "SELECT file_id, label FROM pipeline.file ORDER BY label")[1]
    open_file(page, home[0])
    page.keyboard.press("Alt+r")
    page.wait_for_selector("#ask[open]")
    assert_accessible(page)
    page.keyboard.press("Escape")
    place(page, whole)
    open_file(page, file_id)
    assert page.locator(".bracket").count() == 2
    assert_accessible(page)
    assert_accessible_at_125_percent(page)
    shot(page, "file")
    before = chosen(page)
    page.keyboard.press("ArrowDown")
    assert chosen(page) != before
    acted(page, "Shift+ArrowUp")
    assert rows(migrated, "SELECT count(*) FROM pipeline.page_repair WHERE what = 'place'") == [(2,)]
    page.goto(f"/files/{file_id}/compare/{other}")
    assert_accessible(page)
    assert_accessible_at_125_percent(page)
    shot(page, "file-compare")
    open_file(page, f"{file_id}?chosen={other}")
    page.keyboard.press("t")
    assert page.evaluate("document.activeElement.id") == "form"
    page.keyboard.press("Shift+Tab")
    open_file(page, f"{file_id}?chosen={other}")
    place(page, home[1])
    assert rows(migrated, "SELECT label FROM pipeline.file ORDER BY label") == [(whole,), (home[1],)]


def acted(page, key):  # noqa: F811
    with page.expect_navigation():
        page.keyboard.press(key)
    page.wait_for_function("() => document.activeElement.name === 'page_id'")


def place(page, label):  # noqa: F811
    """The chosen page into another file, by the form below the pages."""
    page.fill("#label", label)
    page.fill("#reason", "trang của hồ sơ này")
    with page.expect_navigation():
        page.keyboard.press("Enter")


def forget(engine, document, field):
    """As if the machine had missed the field."""
    others = "jsonb_array_elements(validated -> 'values') v WHERE v -> 'value' -> 'reading' ->> 'field' <> :f"
    kept = f"SELECT jsonb_agg(v) FROM {others}"
    with engine.begin() as conn:
        for statement in (
            f"UPDATE pipeline.document SET validated = jsonb_set(validated, '{{values}}', ({kept})) "
            "WHERE document_id = :d",
            "DELETE FROM pipeline.field_value WHERE document_id = :d AND field = :f",
            "DELETE FROM pipeline.review_task WHERE document_id = :d AND field = :f",
        ):
            conn.execute(text(statement), {"d": document, "f": field})


def test_a_line_that_nobody_claimed_becomes_a_value_without_leaving_the_document(page, migrated):  # noqa: F811
    open_task(page)
    here = document_id(page)
    forget(migrated, here, "patient.address")
    page.reload()
    page.wait_for_function("() => document.activeElement.name === 'value'")
    go_to(page, "patient.name")
    page.keyboard.type(SPOILT)
    page.keyboard.press("Alt+u")
    page.wait_for_selector("#unclaimed[open] .ink-line img")
    assert_accessible(page)
    assert_accessible_at_125_percent(page)
    shot(page, "task-unclaimed")
    page.keyboard.press("ArrowDown")
    wanted = page.input_value("#unclaimed-value")
    field = page.evaluate("[...document.querySelectorAll('#unclaimed-field option')].map(o => o.value).find(f => "
                          "/note|treatment|reason|history|doctor|address/.test(f))")  # fmt: skip
    page.select_option("#unclaimed-field", field)
    page.press("#unclaimed-value", "Enter")
    page.wait_for_selector("#unclaimed:not([open])", state="attached")
    page.wait_for_selector(f'.field.done[data-field="{field}"]')
    assert page.input_value('[data-field="patient.name"] [name="value"]') == SPOILT
    stored = "SELECT raw, engine, method FROM pipeline.field_value WHERE document_id = :d AND field = :f"
    assert rows(migrated, stored, d=here, f=field) == [(wanted, "person", "typed")]


def test_the_page_shown_is_asked_for_from_the_task(page, migrated):  # noqa: F811
    open_task(page)
    shown = page.evaluate("document.getElementById('task').dataset.shown")
    page.keyboard.press("Alt+r")
    page.wait_for_selector("#ask[open]")
    assert_accessible(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("#ask-said p")
    assert "người quét sẽ mang" in page.inner_text("#ask-said")
    shot(page, "task-ask")
    assert rows(migrated, "SELECT page_id FROM review.paper_request") == [(shown,)]
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.name") == "value"


@pytest.mark.parametrize("why", ["another officer has it", "the time of the opened glass ran out"])
def test_a_document_lost_while_the_session_ended_is_told_with_what_was_typed(page, migrated, why):  # noqa: F811
    type_until_the_session_ends(page, migrated)
    own = {"own": document_id(page)}
    kind = rows(migrated, "SELECT document_type FROM pipeline.document WHERE document_id = :own", **own)[0][0]
    with migrated.begin() as conn:
        if why.startswith("another"):
            conn.execute(text("UPDATE review.lease SET account_id = 'mai', token = token + 1"))
        else:
            restrict(conn, own, "identity_card")
    sign_in_beside(page)
    page.wait_for_selector("#lost:not([hidden])")
    assert SPOILT in page.input_value("#typed") and page.locator("#session[open]").count() == 0
    with migrated.begin() as conn:
        restrict(conn, own, kind)


def restrict(conn, own, kind):
    told = "jsonb_set(validated, '{document,document_type}', to_jsonb(CAST(:kind AS text)))"
    query = f"UPDATE pipeline.document SET document_type = :kind, validated = {told} WHERE document_id = :own"
    conn.execute(text(query), own | {"kind": kind})


def test_two_patients_who_may_be_one_are_ruled_of_by_keys(page, migrated):  # noqa: F811
    """The two scans' patients, as pairs of a load are noted."""
    keys = sorted(key for (key,) in rows(migrated, "SELECT DISTINCT patient_key FROM pipeline.file"))[:2]
    with migrated.begin() as conn:
        number = conn.scalar(
            text(
                "INSERT INTO pipeline.person_pair (facility_id, one_id, other_id, likeness, agreeing, unlike) "
                "VALUES ('DEMO', :one, :other, 'number', '[\"patient.name\"]', '[\"patient.id\"]') RETURNING pair_id"
            ),
            {"one": keys[0], "other": keys[1]},
        )
    page.goto("/persons")
    assert_accessible(page)
    page.locator("main table a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("table.persons")
    assert page.locator(".persons img").count() > 0
    assert_accessible(page)
    assert_accessible_at_125_percent(page)
    shot(page, "persons")
    page.locator("#reason").focus()
    page.keyboard.type("hai chị em")
    page.keyboard.press("Enter")
    page.wait_for_url("**/persons")
    assert rows(migrated, "SELECT ruling, reason FROM pipeline.person_pair WHERE pair_id = :n", n=number) == [
        ("two", "hai chị em")
    ]  # fmt: skip
    assert_accessible(page)
