"""A set of 24 in a real browser, by keys alone; then the database is read: what was accepted and what stayed."""

import io

import pytest
from PIL import Image, ImageDraw
from sqlalchemy import insert, text

from pipeline import tables
from pipeline.store import Store
from review import accounts
from tests.builders import font
from tests.conftest import empty
from tests.test_review_browser import (  # noqa: F401
    PASSWORD,
    address,
    assert_accessible,
    assert_accessible_at_125_percent,
    chromium,
    page,
    shot,
)
from tests.test_review_groups import BATCH, DECIDED, FIELD, KIND, card_number, letter, note, rows

pytestmark = pytest.mark.slow
SIZE = (1240, 1754)


def scanned(store, value, place=0.3):
    """A page that bears a value in the box of `letter`, as it lies in the store."""
    sheet = Image.new("L", SIZE, 255)
    pen = ImageDraw.Draw(sheet)
    at = int(0.3 * SIZE[0]) + 4, int(place * SIZE[1]) + 4
    pen.text(at, value, 0, font(30))
    pen.text((80, at[1]), "Số thẻ BHYT:", 0, font(30))
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return store.put(out.getvalue())


@pytest.fixture(scope="module")
def migrated(engine, settings):
    """26 card numbers that wait and four beyond doubt, each on a page of its own; an officer and a senior."""
    empty(engine)
    store = Store(settings)
    with engine.begin() as conn:
        for name, role in (("lan", "officer"), ("hoa", "senior")):
            accounts.add(conn, "test", name, f"Nguyễn Thị {name.capitalize()}", role, PASSWORD)
        conn.execute(insert(tables.batch).values(batch_id=BATCH, facility_id="DEMO", folder="/scans"))
        for at in range(30):
            value = card_number(at * 137)
            scan_id = scanned(store, value)
            conn.execute(
                insert(tables.scan).values(scan_id=scan_id, media_type="image/png", page_count=1, size_bytes=1)
            )
            letter(conn, f"d{at:02}", value, settled=at >= 26, scan_id=scan_id)
    return engine


def here(page):  # noqa: F811
    return page.evaluate("[...document.querySelectorAll('input[name=odd]')].indexOf(document.activeElement)")


def crops_loaded(page):  # noqa: F811
    page.wait_for_function("() => [...document.images].every(i => i.complete && i.naturalWidth)", timeout=60_000)


def test_a_set_of_24_by_keys_alone(page, migrated):  # noqa: F811
    page.goto("/groups")
    assert_accessible_at_125_percent(page)
    page.wait_for_function(f"() => document.activeElement.getAttribute('href') === '/groups/{KIND}'")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/groups/{KIND}")
    crops_loaded(page)
    tiles = rows(migrated, "SELECT place, document_id, task_id, value FROM review.group_tile ORDER BY place")
    assert len(tiles) == 24
    real, false = [t for t in tiles if t[2]], [t for t in tiles if not t[2]]
    odd = {real[4][0], real[-1][0], *(t[0] for t in false[1:])}
    mark_and_move(page, odd)
    shot(page, "groups-set")
    assert_accessible(page)
    assert_accessible_at_125_percent(page)
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.id === 'next'")
    told = page.inner_text("main")
    assert false[0][3] in told and "1 trong" in told
    crops_loaded(page)
    shot(page, "groups-done")
    assert_accessible_at_125_percent(page)

    accepted = {t[1] for t in real if t[0] not in odd}
    assert set(rows(migrated, DECIDED)) == {(name, FIELD, "accept", "lan") for name in accepted}
    states = "SELECT document_id, state FROM pipeline.review_task WHERE field = :field"
    left = {name for name, state in rows(migrated, states, field=FIELD) if state == "open"}
    assert {t[1] for t in real} - accepted <= left and not left & accepted
    rules = dict(rows(migrated, "SELECT document_id, rule FROM pipeline.field_value WHERE field = :field", field=FIELD))
    assert {rules[t[1]] for t in false} == {"witness"}
    caught = rows(migrated, "SELECT document_id, caught FROM review.attention")
    assert sorted(caught) == sorted((t[1], t[0] in odd) for t in false)
    seen = rows(migrated, "SELECT DISTINCT page_id FROM review.page_view WHERE account_id = 'lan' AND what = 'crops'")
    assert {f"p-{t[1]}" for t in tiles} <= {page_id for (page_id,) in seen}


def mark_and_move(page, odd):  # noqa: F811
    """Through all tiles with the keys of the screen; marks outlive a reload."""
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    column = here(page)
    assert column > 3
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Home")
    for place in range(24):
        assert here(page) == place
        if place in odd:
            page.keyboard.press("x" if place % 2 else "Space")
        if place == 12:
            page.reload()
            crops_loaded(page)
            page.keyboard.press("Home")
            for _ in range(12):
                page.keyboard.press("Enter")
        page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.id === 'accept'")
    marked = page.evaluate("[...document.querySelectorAll('input[name=odd]:checked')].map(box => Number(box.value))")
    assert set(marked) == odd and page.inner_text("#marked") == f"Đã đánh dấu: {len(odd)}"


def test_a_crop_that_does_not_open_marks_its_tile(page, migrated):  # noqa: F811
    page.route("**/crop/*", lambda route: route.fulfill(status=503, body=""))
    page.goto(f"/groups/{KIND}")
    page.wait_for_function("() => document.querySelectorAll('.crop.fails').length > 1")
    assert page.evaluate("[...document.querySelectorAll('input[name=odd]')].every(box => box.checked)")
    assert_accessible(page)


def test_the_seniors_list_breaks_no_rule_of_access(page, migrated):  # noqa: F811
    note(migrated, *[False] * 9, who="lan")
    page.goto(f"/groups/{KIND}")
    assert_accessible(page)
    with migrated.begin() as conn:
        conn.execute(text("UPDATE review.account SET role = 'senior' WHERE account_id = 'lan'"))
    page.goto("/groups")
    assert "Nguyễn Thị Lan" in page.inner_text("main")
    assert_accessible_at_125_percent(page)
