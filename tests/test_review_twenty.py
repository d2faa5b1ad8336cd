"""Twenty documents of real pages, settled in a real browser by keyboard alone: the database holds what was meant, field
by field, and nothing else changed; and no screen of any role breaks a rule of access.

The pages come as scans and pass all steps; only the OCR is played back from tests/golden. The officer knows the truth:
she accepts what is right, writes what is wrong through an input method, and says what is blank.
"""

import os
import re
import shutil
import sys
import time
import unicodedata
from collections import Counter
from pathlib import Path

import pikepdf
import pytest
from fastapi.routing import APIRoute
from PIL import Image
from sqlalchemy import select, text

from pipeline import steps, tables
from pipeline.children import Workers
from records.document_types import document_types
from records.documents import FieldReading, PageReading, ValidatedDocument
from records.pages import Batch, PageBox, PageText
from review import accounts, sessions
from review.app import create_app
from review.policy import Role, may, right_of
from tests.builders import page_image
from tests.conftest import empty
from tests.test_golden import SHEETS
from tests.test_review_browser import (  # noqa: F401
    NAME,
    PASSWORD,
    ROOT,
    SIZE,
    address,
    assert_accessible,
    chromium,
    compose,
    decisions,
    document_id,
    go_to,
    here,
    left,
    page,
    settled,
    shot,
    stored,
    typed,
)
from transformers.parsers import PARSERS

sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "golden")]
from recording import Case, play_back  # noqa: E402

pytestmark = pytest.mark.slow
SCANS = ROOT / "sample_scans"
BATCH = "twenty"
CASES = (
    *SHEETS,
    Case("forms/discharge_letter_dotted_photo_hand.jpg"),
    Case("forms/inpatient_cover_stacked_scan_hand.jpg"),
    Case("forms/lab_report_stacked_scan.jpg"),
)
SETTLED_OR_ASKED = """f => {
    const card = document.querySelector(`[data-field='${CSS.escape(f)}']`);
    return card.matches('.done') ? 'settled' : card.querySelector('.insist') ? 'asked' : false }"""


def hand_in(folder):
    """Each page as a file of its own; file name -> case."""
    files = {}
    for case in CASES:
        name = f"{case.name}{Path(case.file).suffix}"
        if case.page > 1:
            with pikepdf.open(SCANS / case.file) as whole, pikepdf.new() as part:
                part.pages.append(whole.pages[case.page - 1])
                part.save(folder / name)
        else:
            shutil.copy(SCANS / case.file, folder / name)
        files[name] = case
        os.utime(folder / name, (time.time() - 3600,) * 2)
    return files


def renamed(reading, page_id):
    """What was read, of the page as the ledger names it; of its tables two rows, so that all ends in a minute."""
    rows = re.compile(r"\[([2-9]|\d\d+)\]")
    kept = [r for r in reading.readings if not rows.search(r.field)]
    readings = tuple(r.model_copy(update={"page_id": page_id}) for r in kept)
    parts = {"image": reading.image, "text": reading.text}
    own = {name: part.model_copy(update={"page_id": page_id}) for name, part in parts.items()}
    return reading.model_copy(update={"readings": readings, **own})


def told_by_truth(case):
    """A page as a perfect reader would give it, where no OCR was recorded."""
    truth, own = case.truth(), document_types()[case.truth().document_type]
    with Image.open(SCANS / case.file) as scan:
        width, height = scan.size
    image = page_image(
        case.name, width_px=width, height_px=height, file_width_px=width, file_height_px=height, dpi=200.0
    )
    readings = tuple(
        FieldReading(
            field=f.name,
            raw=f.shown,
            confidence=0.9,
            page_id=case.name,
            box=fractions(truth.in_file(f.box)),
            engine="sohoa",
            method="label_right",
        )  # fmt: skip
        for f in truth.fields
        if own.spec(f.name)
    )
    words = PageText(page_id=case.name, engine="sohoa", lines=())
    return PageReading(
        image=image, text=words, document_type=own.id, titled=True, score=100, readings=readings, seconds=0.1
    )


def fractions(edges):
    return PageBox(**dict(zip(("left", "top", "right", "bottom"), edges, strict=True)))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The folder with a file for each page; file name -> case."""
    folder = tmp_path_factory.mktemp(BATCH)
    return folder, hand_in(folder)


@pytest.fixture(scope="module")
def migrated(engine, settings, files):
    """The pages received, filed, judged and loaded as far as they go, without a registry: much is asked."""
    empty(engine)
    folder, cases = files
    with engine.begin() as conn:  # Names are asked for in every document: no measurement reaches this target.
        conn.execute(text("INSERT INTO pipeline.accuracy_target VALUES ('DEMO', 'patient.name', 0.99999, 'test')"))
    with Workers(2, settings) as workers:
        steps.receive(Batch(batch_id=BATCH, facility="DEMO", folder=str(folder)), workers)
        keep_readings(engine, cases)
        steps.assemble(BATCH, workers)
    steps.load(BATCH)
    with engine.begin() as conn:
        accounts.add(conn, "test", "lan", "Nguyễn Thị Lan", "officer", PASSWORD)
    return engine


def keep_readings(engine, cases):
    with engine.begin() as conn:
        query = select(tables.page.c.page_id, tables.receipt.c.path).join(tables.receipt)
        for page_id, path in conn.execute(query).all():
            case = cases[path]
            read = play_back(case) if case in SHEETS else told_by_truth(case)
            steps._keep(conn, page_id, 0, renamed(read, page_id))


@pytest.fixture(scope="module")
def truths(migrated, files):
    """document id -> field -> (normal form, as written) on its paper."""
    query = (
        select(tables.page.c.document_id, tables.receipt.c.path)
        .join(tables.receipt)
        .where(tables.page.c.document_id.is_not(None))
    )
    with migrated.connect() as conn:
        rows = conn.execute(query).all()
    return {row.document_id: {f.name: (f.value, f.shown) for f in files[1][row.path].truth().fields} for row in rows}


# The officer


class Officer:
    """Reads the paper without fault and types. `meant`: document, field -> (decision, what was typed).

    `keys`: pressed on a field, `tried`: fields on which she did more than to read and answer.
    """

    def __init__(self, page, truths, before):  # noqa: F811
        self.page, self.truths, self.before = page, truths, before
        self.document, self.meant, self.keys, self.tried = "", {}, Counter(), set()

    @property
    def place(self):
        return self.document, here(self.page)

    def press(self, key):
        self.keys[self.place] += 1
        self.page.keyboard.press(key)

    def write(self, written):
        """The first word with marks through an input method, as of Telex or VNI: Enter inside it ends only the word."""
        words = written.split(" ")
        marked = next((number for number, word in enumerate(words) if not word.isascii()), len(words))
        before, rest = " ".join(words[:marked]), " ".join(["", *words[marked + 1 :]])
        self.page.keyboard.insert_text(f"{before} " if before and marked < len(words) else before)
        if marked < len(words):
            compose(self.page, words[marked])
            self.page.keyboard.insert_text(rest)

    def save(self, field, key, meaning):
        """Press the key and wait until the field is settled; where the check asks back, the paper has it so."""
        self.press(key)
        if self.page.wait_for_function(SETTLED_OR_ASKED, arg=field).json_value() == "asked":
            go_to(self.page, field)
            self.tried.add(self.place)
            self.press("Alt+g")
            settled(self.page, field)
        self.meant[self.document, field] = meaning

    def read(self, field):
        """Settle a field by what stands on the paper."""
        read, (normal, written) = self.before[self.document].get(field), self.truths[self.document].get(field, ("", ""))
        if not written:
            self.save(field, "Alt+b", ("absent", ""))
        elif read and (read["value"], read["problem"]) == (normal, ""):
            self.save(field, "Enter", ("accept", ""))
        else:
            self.write(written)
            self.save(field, "Enter", ("correct", written))


# What she does besides


def writes_another_name(officer):
    """Through an input method, and in letters taken apart: it is stored composed."""
    field = first(officer, "patient.name")
    officer.write(NAME)
    assert (here(officer.page), typed(officer.page)) == (field, NAME)
    officer.save(field, "Enter", ("correct", NAME))


def writes_letters_taken_apart(officer):
    field = first(officer, "patient.name")
    officer.page.keyboard.insert_text(unicodedata.normalize("NFD", NAME))
    officer.save(field, "Enter", ("correct", NAME))


def takes_a_decision_back(officer):
    field = here(officer.page)
    officer.tried.add(officer.place)
    officer.save(field, "Alt+n", ("unreadable", ""))
    officer.tried.add(officer.place)  # Where the cursor went on to, and the key is pressed.
    officer.press("Escape")
    officer.page.wait_for_function("f => document.activeElement.closest('.field')?.dataset.field === f", arg=field)
    officer.read(field)


def says_that_nobody_can_read_it(officer):
    officer.save(here(officer.page), "Alt+n", ("unreadable", ""))


def says_that_it_is_blank(officer):
    officer.save(here(officer.page), "Alt+b", ("absent", ""))


def takes_back_what_she_was_typing(officer):
    was = typed(officer.page)
    officer.tried.add(officer.place)
    officer.write("Nhầm dòng")
    officer.press("Escape")
    assert typed(officer.page) == was


def goes_past_a_field_and_comes_back(officer):
    field = here(officer.page)
    officer.tried.add(officer.place)
    officer.press("Tab")
    assert here(officer.page) != field
    officer.tried.add(officer.place)
    officer.press("Shift+Tab")
    assert here(officer.page) == field


def picks_from_the_list(officer):
    """A code by a few letters without marks."""
    field = first(officer, "diagnosis.main.code")
    officer.page.keyboard.type("u ac da day")
    officer.page.wait_for_selector(f'[data-field="{field}"] [role="option"]')
    officer.press("ArrowDown")
    officer.press("Enter")
    picked = typed(officer.page)
    assert re.fullmatch(r"C16\.\d", picked)
    officer.save(field, "Enter", ("correct", picked))


def first(officer, field):
    go_to(officer.page, field)
    return field


BESIDES = (
    writes_another_name, goes_past_a_field_and_comes_back, takes_a_decision_back, says_that_nobody_can_read_it,
    says_that_it_is_blank, takes_back_what_she_was_typing, writes_letters_taken_apart,
)  # fmt: skip


def test_twenty_documents_are_settled_by_keys_and_the_database_holds_exactly_what_was_meant(page, migrated, truths):  # noqa: F811
    before = {one: stored(migrated, one) for one in truths}
    officer, seen, forms = Officer(page, truths, before), [], set()
    page.goto("/queue")
    page.keyboard.press("Enter")  # The button to start has the cursor.
    while "/task/" in page.url or not seen:
        page.wait_for_function("seen => !seen.includes(document.getElementById('task')?.dataset.document)", arg=seen)
        page.wait_for_function("() => document.activeElement.name === 'value'")
        seen.append(document_id(page))
        officer.document = seen[-1]
        form = page.inner_text("#task-name")
        if form not in forms:
            assert_accessible(page)
            forms.add(form)
        BESIDES[len(seen) % len(BESIDES)](officer)
        if "diagnosis.main.code" in open_fields(page) and not any(f == "diagnosis.main.code" for _, f in officer.meant):
            picks_from_the_list(officer)
        while left(page):
            officer.read(here(page) or first(officer, open_fields(page)[0]))
        page.wait_for_function("() => document.activeElement.id === 'next'")
        page.keyboard.press("Enter")
        page.wait_for_function(
            "id => location.pathname === '/queue' || document.getElementById('task')?.dataset.document !== id",
            arg=seen[-1],
        )
    assert len(seen) == len(CASES) == 20
    check_the_store(migrated, officer, before)
    accepted = [one for one, (said, _) in officer.meant.items() if said == "accept" and one not in officer.tried]
    assert len(accepted) > 100 and {one: officer.keys[one] for one in accepted if officer.keys[one] != 1} == {}


def check_the_store(engine, officer, before):
    """Every decision, value and document, field by field; what was not decided is as it was."""
    for document in before:
        meant = {field: told for (one, field), told in officer.meant.items() if one == document}
        assert decisions(engine, document) == meant
        after, whole = stored(engine, document), validated(engine, document)
        assert {v.value.field: (v.value.value, v.rule) for v in whole.values} == {
            field: (row["value"], row["rule"]) for field, row in after.items()
        }
        for field, (decision, value) in meant.items():
            was, now = before[document].get(field), after[field]
            kept = {"accept": was and was["value"], "absent": "", "unreadable": ""}
            assert now["value"] == (kept[decision] if decision in kept else PARSERS[now["kind"]](value)), field
            assert now["value"] == unicodedata.normalize("NFC", now["value"])
            assert now["raw"] == (was["raw"] if was else value), field
        untouched = before[document].keys() - meant.keys()
        assert {f: after[f] for f in untouched} == {f: before[document][f] for f in untouched}


def validated(engine, document):
    with engine.connect() as conn:
        row = conn.scalar(select(tables.document.c.validated).where(tables.document.c.document_id == document))
    return ValidatedDocument.model_validate(row)


def open_fields(page):  # noqa: F811
    return page.evaluate("[...document.querySelectorAll('.field.open')].map(card => card.dataset.field)")


# Every screen of every role


def screens(app, conn):
    """(address, right, name) of the screens: all routes without a blank, and those whose blank has a sample."""
    one = lambda table, column: conn.scalar(text(f"SELECT {column} FROM {table} ORDER BY 1 LIMIT 1"))  # noqa: E731
    samples = {
        "document_id": one("pipeline.document", "document_id"), "file_id": one("pipeline.file", "file_id"),
        "batch_id": BATCH, "number": "1", "page_id": one("pipeline.page", "page_id"),
    }  # fmt: skip
    for route in app.routes:
        if isinstance(route, APIRoute) and "GET" in route.methods:
            blanks = re.findall(r"{(\w+)(?::\w+)?}", route.path)
            if all(name in samples for name in blanks):
                name = "-".join(re.findall(r"\w+", route.path)) or "first"
                yield re.sub(r"{(\w+)}", lambda blank: samples[blank[1]], route.path), right_of(route), name


@pytest.mark.parametrize("role", Role)
def test_no_screen_of_a_role_breaks_a_rule_of_access_in_either_language(chromium, address, migrated, settings, role):  # noqa: F811
    with migrated.begin() as conn:
        accounts.add(conn, "test", role.value, f"Bà {role.value}", role.value, PASSWORD)
        found = {one[0]: one for one in screens(create_app(settings), conn) if may(role, one[1])}
        token = sessions.start(conn, role.value, 1)
    context = chromium.new_context(viewport=SIZE, base_url=address)
    context.add_cookies([{"name": sessions.COOKIE, "value": token, "url": address}])
    opened, looked = context.new_page(), set()
    for language in ("vi", "en"):
        with migrated.begin() as conn:
            conn.execute(text("UPDATE review.account SET language = :l"), {"l": language})
        for path in found:
            answer = opened.goto(path)
            assert answer.status < 500, path
            if (opened.url, language) not in looked and answer.text().startswith("<!doctype html>"):
                looked.add((opened.url, language))
                assert_accessible(opened)
                _, right, name = found[path]
                own = answer.ok and opened.url.endswith(path)  # neither a refusal nor another screen
                if own and language == "vi" and role is next(one for one in Role if may(one, right)):
                    shot(opened, f"screen-{name}")
    context.close()
    assert len(looked) >= 4
