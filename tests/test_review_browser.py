"""The workbench in a real browser: documents settled by keyboard alone, read back from the database field by field.

SOHOA_REGENERATE=1 also draws the screens of docs/screens anew.
"""

import os
import shutil
import time
from io import BytesIO
from pathlib import Path

import pikepdf
import pytest
from PIL import Image
from rich.console import Console
from sqlalchemy import select, text

from pipeline import tables
from pipeline.migrate import migrate_folder, wanted_batch
from review import accounts
from review.app import create_app
from review.words import shown
from tests.conftest import INSTALLED_ASSETS, empty, served
from transformers.parsers import PARSERS
from validation.contract import UNPROVEN

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"
SCREENS = ROOT / "docs" / "screens"
PASSWORD = "mat khau rat dai 1"
AXE = INSTALLED_ASSETS / "node_modules" / "axe-core" / "axe.min.js"
SIZE = {"width": 1366, "height": 768}
AT_125_PERCENT = {"width": 1093, "height": 614}
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
NAME, SPOILT = "LÊ THỊ HƯƠNG GIANG", "Lê Thị Hươ"


@pytest.fixture(scope="module")
def migrated(engine, tmp_path_factory):
    """Two pages, read and loaded as far as they go: each a document whose critical values nobody confirms."""
    empty(engine)
    folder = tmp_path_factory.mktemp("desk")
    with pikepdf.open(ROOT / "sample_scans" / "files" / "file_01.pdf") as whole, pikepdf.new() as part:
        part.pages.append(whole.pages[8])
        part.save(folder / "lieu.pdf")
    shutil.copy(ROOT / "sample_scans" / "forms" / "inpatient_cover_stacked_scan_hand.jpg", folder / "xuyen.jpg")
    for path in folder.iterdir():
        os.utime(path, (time.time() - 3600,) * 2)
    with pytest.MonkeyPatch.context() as patch:  # As in a hospital that has measured nothing yet.
        patch.setattr("pipeline.filing.contract_in_force", lambda conn, facility_id: UNPROVEN)
        migrate_folder(wanted_batch(folder, "desk"), 2, Console(quiet=True))
    with engine.begin() as conn:
        for name in ("lan", "mai"):
            accounts.add(conn, "test", name, f"Nguyễn Thị {name.capitalize()}", "officer", PASSWORD)
    return engine


@pytest.fixture(scope="module")
def address(migrated, settings, assets):
    """The workbench as it is served, on a free port."""
    with served(create_app(settings)) as at:
        yield at


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("Debian's chromium is not installed; ./run test installs it")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, address):
    """A signed-in officer's browser; a script that fails or that the content policy stops fails the test."""
    context = chromium.new_context(viewport=SIZE, base_url=address, reduced_motion="reduce")
    opened, failures = context.new_page(), []
    opened.on("pageerror", lambda error: failures.append(str(error)))
    opened.on("console", lambda told: failures.append(told.text) if "Content Security Policy" in told.text else None)
    sign_in(opened)
    yield opened
    context.close()
    assert failures == []


def sign_in(page):
    page.goto("/login")
    page.fill("#account", "lan")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue")


def open_task(page):
    """Start from the queue by its button."""
    page.goto("/queue")
    page.locator('form[action="/queue/next"] button').first.press("Enter")
    page.wait_for_url("**/task/*")
    page.wait_for_function("() => document.activeElement.name === 'value'")


def shot(page, name):
    if os.environ.get("SOHOA_REGENERATE") == "1":
        SCREENS.mkdir(exist_ok=True)
        page.wait_for_timeout(1200)
        taken = Image.open(BytesIO(page.screenshot())).convert("RGB")
        taken.quantize(128, dither=Image.Dither.NONE).save(SCREENS / f"{name}.png", optimize=True)


def here(page):
    """The field in which the cursor stands."""
    return page.evaluate("document.activeElement.closest('.field')?.dataset.field ?? ''")


def typed(page):
    return page.evaluate("document.activeElement.value")


def left(page):
    return page.evaluate("document.querySelectorAll('.field.open').length")


def settled(page, field):
    page.wait_for_function("f => document.querySelector(`[data-field='${CSS.escape(f)}']`).matches('.done')", arg=field)


def refused(page, field):
    page.wait_for_function(
        "f => document.querySelector(`[data-field='${CSS.escape(f)}'] .error`)?.textContent && "
        "document.activeElement.closest('.field')?.dataset.field === f",
        arg=field,
    )


def go_to(page, field):
    """Tab to a field."""
    for _ in range(60):
        if here(page) == field:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no Tab leads to {field}")


def document_id(page):
    return page.evaluate("document.getElementById('task').dataset.document")


def stored(engine, document_id):
    with engine.connect() as conn:
        own = tables.field_value.c.document_id == document_id
        rows = conn.execute(select(tables.field_value).where(own)).mappings()
        return {r["field"]: dict(r) for r in rows}


def decisions(engine, document_id):
    """field -> (decision, value typed) of each decision that stands."""
    query = """
        SELECT t.field, d.decision, d.value FROM pipeline.review_decision d JOIN pipeline.review_task t USING (task_id)
        WHERE t.document_id = :id AND d.undoes IS NULL
        AND NOT EXISTS (SELECT FROM pipeline.review_decision u WHERE u.undoes = d.decision_id)"""
    with engine.connect() as conn:
        return {r.field: (r.decision, r.value) for r in conn.execute(text(query), {"id": document_id})}


def assert_accessible(page):
    """No rule of WCAG 2.2 AA is broken, and nothing is wider than its window."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("rules => axe.run(document, rules)", RULES)["violations"]
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in found] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def assert_accessible_at_125_percent(page):
    page.set_viewport_size(AT_125_PERCENT)
    assert_accessible(page)
    page.set_viewport_size(SIZE)


@pytest.mark.parametrize("name", ["queue", "help", "task"])
def test_no_screen_breaks_a_rule_of_access_or_is_wider_than_its_window(page, name):
    open_task(page) if name == "task" else page.goto(f"/{name}")
    assert_accessible(page)
    assert_accessible_at_125_percent(page)
    shot(page, name)


def test_the_sign_in_form_breaks_no_rule_of_access(chromium, address):
    context = chromium.new_context(viewport=SIZE, base_url=address)
    page = context.new_page()
    page.goto("/login")
    assert_accessible(page)
    assert_accessible_at_125_percent(page)
    shot(page, "login")
    context.close()


def type_until_the_session_ends(page, engine):
    open_task(page)
    go_to(page, "patient.name")
    page.keyboard.type(SPOILT)
    with engine.begin() as conn:
        conn.execute(text("DELETE FROM review.session"))
    page.keyboard.press("Enter")
    page.wait_for_selector("#session[open]")


def sign_in_beside(page):
    """In a tab of its own, as the dialog says, and back."""
    again = page.context.new_page()
    sign_in(again)
    again.close()
    page.click("#session-continue")


def test_an_expired_session_asks_to_sign_in_again_and_keeps_what_was_typed(page, migrated):
    type_until_the_session_ends(page, migrated)
    assert_accessible(page)
    assert decisions(migrated, document_id(page)) == {}
    sign_in_beside(page)
    page.wait_for_selector("#session:not([open])", state="attached")
    go_to(page, "patient.name")
    assert typed(page) == SPOILT
    page.keyboard.press("Enter")
    settled(page, "patient.name")
    assert decisions(migrated, document_id(page))["patient.name"] == ("correct", SPOILT)
    page.keyboard.press("Escape")
    page.wait_for_function("() => document.querySelectorAll('.field.done').length === 0")


def test_a_lost_document_is_told_at_the_top_with_what_was_typed(page, migrated):
    open_task(page)
    go_to(page, "patient.name")
    page.keyboard.type(SPOILT)
    with migrated.begin() as conn:
        conn.execute(text("UPDATE review.lease SET account_id = 'mai', token = token + 1"))
    page.keyboard.press("Enter")
    page.wait_for_selector("#lost:not([hidden])")
    assert SPOILT in page.input_value("#typed")
    assert page.input_value('[data-field="patient.name"] [name="value"]') == SPOILT
    assert decisions(migrated, document_id(page)) == {}
    assert_accessible(page)
    shot(page, "task-lost")
    with migrated.begin() as conn:
        conn.execute(text("DELETE FROM review.lease"))


def compose(page, written):
    """Write as an input method does: an unfinished word, Enter while it is unfinished, then the whole of it."""
    method = page.context.new_cdp_session(page)
    start = written[: max(1, len(written) // 2)]
    method.send("Input.imeSetComposition", {"text": start, "selectionStart": len(start), "selectionEnd": len(start)})
    for code in (229, 13):
        event = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": code}
        method.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", **event})
        method.send("Input.dispatchKeyEvent", {"type": "keyUp", **event})
    method.send("Input.insertText", {"text": written})
    method.detach()


def accept_all(page):
    """Enter on every field that is left; how many keys that took."""
    keys = 0
    while left(page):
        field = here(page)
        page.keyboard.press("Enter")
        keys += 1
        page.wait_for_function(
            "f => document.querySelector(`[data-field='${CSS.escape(f)}']`).matches('.done') || "
            "document.querySelector(`[data-field='${CSS.escape(f)}'] .error`).textContent", arg=field,
        )  # fmt: skip
        assert page.evaluate("[...document.querySelectorAll('.error:not(:empty)')].map(e => e.textContent)") == [], (
            field
        )
    page.wait_for_function("() => document.activeElement.id === 'next'")
    return keys


def write_a_name_as_an_input_method_does(page, engine, told):
    """Enter inside an unfinished word saves nothing and moves nowhere."""
    go_to(page, "patient.name")
    compose(page, NAME)
    assert (here(page), typed(page), decisions(engine, document_id(page))) == ("patient.name", NAME, {})
    page.keyboard.press("Enter")
    settled(page, "patient.name")
    told["patient.name"] = ("correct", NAME)


def write_a_day_that_is_none(page, stood):
    """It is refused with what was typed still there; Esc puts back what stood."""
    go_to(page, "patient.birth_date")
    page.keyboard.type("31/02/1963")
    page.keyboard.press("Enter")
    refused(page, "patient.birth_date")
    assert typed(page) == "31/02/1963"
    assert_accessible(page)
    shot(page, "task-refused")
    page.keyboard.press("Escape")
    assert typed(page) == shown(stood, "birth_date")


def say_that_there_is_nothing_to_read(page, told):
    for field, key, decision in (("patient.id", "Alt+n", "unreadable"), ("patient.address", "Alt+b", "absent")):
        go_to(page, field)
        page.keyboard.press(key)
        settled(page, field)
        told[field] = (decision, "")


def pick_a_department_and_take_it_back(page, engine, told):
    field = "encounter.department"
    go_to(page, field)
    page.keyboard.type("ngoai")
    page.wait_for_selector(f'[data-field="{field}"] [role="option"]')
    page.keyboard.press("ArrowDown")
    assert_accessible(page)
    shot(page, "task-list")
    page.keyboard.press("Enter")
    picked = typed(page)
    assert picked.startswith("Ngoại")
    page.keyboard.press("Enter")
    settled(page, field)
    assert decisions(engine, document_id(page))[field] == ("correct", picked)
    page.keyboard.press("Escape")
    page.wait_for_function("f => document.activeElement.closest('.field')?.dataset.field === f", arg=field)
    assert field not in decisions(engine, document_id(page))
    page.keyboard.type("Nội\n")
    settled(page, field)
    told[field] = ("correct", "Nội")


def test_documents_are_settled_by_keys_alone_and_the_database_holds_what_was_typed(page, migrated):
    open_task(page)
    first, told = document_id(page), {}
    before = stored(migrated, first)
    write_a_name_as_an_input_method_does(page, migrated, told)
    write_a_day_that_is_none(page, before["patient.birth_date"]["value"])
    say_that_there_is_nothing_to_read(page, told)
    pick_a_department_and_take_it_back(page, migrated, told)
    waiting = left(page)
    assert accept_all(page) == waiting  # One key for each.
    assert_accessible(page)
    shot(page, "task-done")

    found = decisions(migrated, first)
    assert found == {field: told.get(field, ("accept", "")) for field in found} and len(found) == waiting + len(told)
    after = stored(migrated, first)
    for field, (decision, value) in found.items():
        kept = {"accept": before[field]["value"], "absent": "", "unreadable": ""}
        wanted = kept[decision] if decision in kept else PARSERS[before[field]["kind"]](value)
        assert (after[field]["value"], after[field]["raw"]) == (wanted, before[field]["raw"]), field
    untouched = before.keys() - found.keys()
    assert {f: after[f] for f in untouched} == {f: before[f] for f in untouched}

    page.keyboard.press("Enter")
    page.wait_for_function("id => document.getElementById('task')?.dataset.document !== id", arg=first)
    second, whole = document_id(page), left(page)
    assert accept_all(page) == whole
    assert {decision for decision, _ in decisions(migrated, second).values()} == {"accept"}
    page.keyboard.press("Enter")
    page.wait_for_url("**/queue")
