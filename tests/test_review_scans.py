"""The scan desk: sheets against pages, what keeps the paper off its shelf, and a page that is scanned anew."""

import io
import re
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import insert, text, update

from pipeline import tables
from records.pages import Box, Line, PageImage, PageText, Word
from records.separators import Separator
from review import accounts, sessions
from review.app import create_app
from review.faults import Read, faults_of
from review.guard import MAX_BODY
from review.scans import Looked, Standing, files_of, newest_batches
from tests.conftest import served

CHROMIUM = "/usr/bin/chromium"
READ = Read(engine="tesseract 5.3", whole=True, words=300, confidence=0.9, cut_lines=0)
SHEET = Separator(box="K7", file_number=1, sheets=2)


@pytest.fixture(scope="module")
def app(engine, settings):
    return create_app(settings)


@pytest.fixture
def desk(app, clean, monkeypatch):
    """A browser of the role operator; `desk.csrf` is what its forms carry."""
    return signed_in(app, clean, monkeypatch, "operator")


def signed_in(app, engine, monkeypatch, role):
    monkeypatch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    with engine.begin() as conn:
        accounts.add(conn, "test", role, f"Bà {role}", role, "Mật khẩu rất dài 1")
        token = sessions.start(conn, role, 12)
    client = TestClient(app, follow_redirects=False)
    client.cookies.set(sessions.COOKIE, token)
    client.csrf = re.search(r'name="csrf" content="([^"]+)"', client.get("/help").text)[1]
    return client


def image(page_id="p", **other) -> PageImage:
    """A clean A4 page at 200 dpi."""
    sheet = {
        "page_id": page_id, "turn": 0, "skew_degrees": 0.3, "width_px": 2400, "height_px": 3400, "file_width_px": 1654,
        "file_height_px": 2339, "to_file": (1, 0, 0, 0, 1, 0, 0, 0, 1), "dpi": 200, "ink": 0.03, "blank": False,
    }  # fmt: skip
    return PageImage(**sheet | other)


def words(page_id="p", count=40, confidence=0.9, left=300, engine="tesseract 5.3", **other) -> PageText:
    """Lines of two words each, 100 pixels apart."""
    lines = tuple(
        Line(
            words=tuple(
                Word(text="chữ", confidence=confidence, box=Box(left=x, top=50 * y, right=x + 90, bottom=50 * y + 40))
                for x in (left, left + 100)
            )
        )
        for y in range(count // 2)
    )
    return PageText(page_id=page_id, engine=engine, lines=lines, **other)


@pytest.mark.parametrize(
    "picture, read, faults",
    [
        ({}, {}, ()),
        ({"ink": 0.2}, {}, ("dark",)),
        ({"ink": 0.005}, {"confidence": 0.3}, ("light",)),
        ({"ink": 0.005}, {}, ()),
        ({}, {"words": 6, "confidence": 0.3}, ("illegible",)),
        ({}, {"words": 6, "confidence": 0.3, "whole": False}, ()),
        ({}, {"confidence": 0.3}, ()),
        ({"skew_degrees": -4.2}, {}, ("skewed",)),
        ({"dpi": 150}, {}, ("coarse",)),
        ({"dpi": 0}, {}, ()),
        ({"dpi": 0, "file_width_px": 827, "file_height_px": 1169}, {}, ("coarse",)),
        ({"file_height_px": 1169}, {}, ()),
        ({"file_height_px": 1700}, {}, ("shape",)),
        ({"file_height_px": 3400}, {}, ("shape",)),
        ({}, {"cut_lines": 3}, ("cut",)),
        ({}, {"cut_lines": 2}, ()),
        ({"ink": 0.2, "dpi": 96}, {"engine": "text_layer"}, ()),
        ({"blank": True, "ink": 0.0}, {"words": 0}, ()),
    ],
)
def test_what_is_to_be_looked_at_again(picture, read, faults):
    assert faults_of(image(**picture), READ.model_copy(update=read), "other") == faults


def test_a_film_may_be_dark():
    assert faults_of(image(ink=0.6), READ, "film") == ()


class Paper:
    """A batch whose rows are entered directly."""

    def __init__(self, conn, boundary="separator"):
        self.conn, self.batch_id = conn, "hop-7"
        self.add(tables.batch, batch_id="hop-7", facility_id="DEMO", folder="/x", boundary=boundary)

    def add(self, table, **values):
        self.conn.execute(insert(table).values(**values))

    def scan(self, path):
        self.add(tables.receipt, receipt_id=path, batch_id="hop-7", path=path, outcome="received")

    def page(self, path, number, state="loaded", kind="other", picture=None, code="", **values):
        page_id = f"{path}-{number:04d}"
        self.add(tables.page, page_id=page_id, batch_id="hop-7", receipt_id=path, number=number, state=state, **values)
        if state not in ("received", "quarantined"):
            read = words(page_id)
            if code:
                read = PageText(page_id=page_id, engine="zxing-cpp", lines=(line(code),))
            sheet = image(page_id, blank=kind == "blank", **picture or {})
            self.add(
                tables.page_text, page_id=page_id, engine=read.engine, image=sheet.model_dump(mode="json"),
                text=read.model_dump(mode="json"), document_type=kind,
            )  # fmt: skip
        return page_id

    def asks(self, page_id, check, message):
        self.add(tables.issue, batch_id="hop-7", page_id=page_id, check_name=check, message=message)


def line(code):
    return Line(words=(Word(text=code, confidence=1, box=Box(left=0, top=0, right=9, bottom=9)),))


@pytest.fixture
def paper(clean):
    with clean.begin() as conn:
        made = Paper(conn)
        made.scan("a.pdf")
        made.page("a.pdf", 1, "separator", "separator", code=SHEET.code())
        made.page("a.pdf", 2)
        made.page("a.pdf", 3, "blank", "blank")
    return made


def on(engine, role="review"):
    from pipeline.database import engine as as_role
    from pipeline.settings import settings

    return as_role(settings(), role).connect()


def standing(engine):
    with on(engine) as conn:
        return {one.label: one for one in files_of(conn, "hop-7", "vi", Looked())}


def change(engine, *statements):
    with engine.begin() as conn:
        for statement in statements:
            conn.execute(statement)


def test_a_file_whose_sheets_are_all_there_may_be_put_back(paper, clean):
    (file,) = standing(clean).values()
    assert (file.label, file.expected, file.found, file.blank, file.standing) == ("K7/0001", 2, 1, 1, Standing.BACK)


@pytest.mark.parametrize(
    "found, faults",
    [
        ({"image": image(ink=0.3)}, ("dark",)),
        ({"text": words(left=4)}, ("cut",)),
        ({"text": words(left=2210)}, ("cut",)),
        ({"text": words(count=6, confidence=0.4)}, ("illegible",)),
        ({"text": words(count=0)}, ("illegible",)),
        ({"text": words(count=6, confidence=0.4, whole=False)}, ()),
        ({"text": words()}, ()),
    ],
)
def test_a_page_in_doubt_is_looked_at_first(paper, clean, found, faults):
    stored = {name: one.model_dump(mode="json") for name, one in found.items()}
    change(clean, update(tables.page_text).where(tables.page_text.c.page_id == "a.pdf-0002").values(**stored))
    (file,) = standing(clean).values()
    assert [p.faults for p in file.doubtful] == ([faults] if faults else [])
    assert file.standing is (Standing.LOOK if faults else Standing.BACK)


@pytest.mark.parametrize(
    "state, expected", [("received", Standing.READING), ("read", Standing.READING), ("quarantined", Standing.OPEN)]
)
def test_pages_that_are_not_read_or_put_aside_keep_the_paper_out(paper, clean, state, expected):
    change(clean, update(tables.page).where(tables.page.c.page_id == "a.pdf-0002")
           .values(state=state, reason="page_unreadable"))  # fmt: skip
    (file,) = standing(clean).values()
    assert file.standing is expected and file.found == 0
    if state == "quarantined":
        assert file.put_aside[0].reason == "Không giải mã được trang này; hãy quét lại."


def test_too_few_pages_and_every_question_keep_the_paper_out(paper, clean):
    change(clean, text("DELETE FROM pipeline.page_text WHERE page_id = 'a.pdf-0003'"),
           text("DELETE FROM pipeline.page WHERE page_id = 'a.pdf-0003'"))  # fmt: skip
    assert [f.standing for f in standing(clean).values()] == [Standing.OPEN]


def test_the_next_file_and_an_unread_page_anywhere_wait_for_each_other(paper, clean):
    with clean.begin() as conn:
        made = paper
        made.conn = conn
        made.page("a.pdf", 4, "separator", "separator", code=Separator(box="K7", file_number=2).code())
        made.page("a.pdf", 5)
    assert [f.standing for f in standing(clean).values()] == [Standing.BACK, Standing.BACK]
    with clean.begin() as conn:
        made.conn = conn
        made.page("a.pdf", 6, "received")
    files = standing(clean)
    assert [f.standing for f in files.values()] == [Standing.READING] * 2 and files["K7/0002"].unread == 1


def test_a_file_of_the_vendors_index_that_nobody_scanned_is_told(clean):
    with clean.begin() as conn:
        made = Paper(conn, "scan")
        for label, sheets in (("a.pdf", 1), ("b.pdf", 3)):
            made.add(tables.expected_file, batch_id="hop-7", label=label, sheets=sheets)
        made.scan("a.pdf")
        made.page("a.pdf", 1)
    files = standing(clean)
    assert {f.label: (f.found, f.standing) for f in files.values()} == {
        "a.pdf": (1, Standing.BACK),
        "b.pdf": (0, Standing.OPEN),
    }


def test_the_desk_shows_counts_questions_and_no_content(paper, clean, desk):
    with clean.begin() as conn:
        paper.conn = conn
        paper.asks("a.pdf-0002", "missing_page", "Thiếu tờ 2 của 3.")
        paper.asks("a.pdf-0002", "icd10", "Mã bệnh B20 lạ.")
    with on(clean) as conn:
        (batch,) = newest_batches(conn)
    assert (batch.pages, batch.unread, batch.asked, batch.rescans) == (3, 0, 1, 0)
    listed, shown = desk.get("/scans").text, desk.get("/scans/hop-7").text
    assert 'href="/scans/hop-7"' in listed and "a.pdf, trang 2: Thiếu tờ 2 của 3." in shown
    assert "Giữ giấy lại" in shown and "B20" not in shown and "<img" not in shown and "chữ chữ" not in shown
    for path, page in (("/scans/:newest/renew", listed), ("/scans/hop-7/renew", shown)):
        assert f'hx-get="{path}" hx-trigger="every 30s"' in page and 'id="live"' in desk.get(path).text
    assert desk.get("/scans/none").status_code == 422


def picture(colour=200) -> bytes:
    file = io.BytesIO()
    Image.new("L", (300, 400), colour).save(file, "PNG", dpi=(200, 200))
    return file.getvalue()


def hand_in(desk, data, name="anew.png", page_id="a.pdf-0002"):
    headers = {"X-CSRF-Token": desk.csrf, "HX-Request": "true"}
    return desk.post(f"/scans/rescan/{page_id}", files={"scan": (name, data)}, headers=headers)


def test_a_page_is_asked_for_anew_and_its_scan_takes_its_place(paper, clean, desk, settings):
    ask = {"csrf": desk.csrf, "reason": ["dark"]}
    assert hand_in(desk, picture()).status_code == 422  # Nobody has asked for it.
    assert desk.post("/scans/ask/a.pdf-0002", data=ask | {"reason": ["because of bà Hoa"]}).status_code == 422
    for _ in range(2):
        assert desk.post("/scans/ask/a.pdf-0002", data=ask).headers["location"] == "/scans/hop-7"
    assert [f.standing for f in standing(clean).values()] == [Standing.OPEN]
    assert 'href="/scans/rescan/a.pdf-0002"' in desk.get("/scans").text and "Quá tối" in desk.get("/scans").text
    assert desk.get("/scans/rescan/a.pdf-0002").status_code == 200
    wrong = hand_in(desk, b"no picture"), hand_in(desk, picture(), "anew.exe")
    assert [answer.status_code for answer in wrong] == [422] * 2
    assert "Nội dung không phải PDF" in wrong[0].text and "chỉ nhận PDF" in wrong[1].text
    done = hand_in(desk, picture())
    assert (done.status_code, done.headers["hx-redirect"]) == (204, "/scans/hop-7")
    assert not list(settings.home.glob("rescan-*"))
    with clean.connect() as conn:
        new = conn.execute(text("SELECT * FROM pipeline.page WHERE replaces = 'a.pdf-0002'")).mappings().one()
        told = conn.execute(text("SELECT action, count(*) FROM audit.event WHERE actor = 'operator' GROUP BY 1")).all()
    assert (new["state"], dict(map(tuple, told))) == ("received", {"ask_rescan": 1, "take_rescan": 1})
    (file,) = standing(clean).values()
    assert (file.standing, file.unread, file.found) == (Standing.READING, 1, 0)  # The old page is not counted again.
    assert "rescan/a.pdf" not in desk.get("/scans").text and hand_in(desk, picture(90)).status_code == 422


def test_a_request_is_taken_back(paper, clean, desk):
    desk.post("/scans/ask/a.pdf-0003", data={"csrf": desk.csrf, "reason": "blank"})
    assert desk.post("/scans/take-back/a.pdf-0003", data={"csrf": desk.csrf}).status_code == 303
    assert [f.standing for f in standing(clean).values()] == [Standing.BACK]
    assert desk.post("/scans/take-back/a.pdf-0003", data={"csrf": desk.csrf}).status_code == 422


def test_a_rescan_that_came_another_way_settles_the_request(paper, clean, desk):
    assert desk.post("/scans/ask/a.pdf-0002", data={"csrf": desk.csrf}).status_code == 422  # It gives no reason.
    desk.post("/scans/ask/a.pdf-0002", data={"csrf": desk.csrf, "reason": "dark"})
    assert 'href="/scans/rescan/a.pdf-0002"' in desk.get("/scans").text
    with clean.begin() as conn:
        paper.conn = conn
        paper.scan("rescan/a.pdf-0002.png")
        paper.page("rescan/a.pdf-0002.png", 1, replaces="a.pdf-0002")
    assert 'href="/scans/rescan/a.pdf-0002"' not in desk.get("/scans").text
    (file,) = standing(clean).values()
    assert (file.standing, file.pages[1].path, file.pages[1].number) == (Standing.BACK, "a.pdf", 2)


def test_what_cannot_be_replaced_cannot_be_asked_for(paper, clean, desk):
    both = tables.page.c.page_id.in_(("a.pdf-0001", "a.pdf-0002"))
    change(clean, update(tables.page).where(both).values(state="withdrawn"))
    for page_id in ("a.pdf-0002", "a.pdf-0001", "none"):
        answer = desk.post(f"/scans/ask/{page_id}", data={"csrf": desk.csrf, "reason": "dark"})
        assert answer.status_code == 422


def test_a_whole_scan_may_be_sent_by_the_desk_alone_and_with_its_token_first(paper, clean, app, desk, monkeypatch):
    large = b"x" * (MAX_BODY + 1)
    assert hand_in(desk, large).status_code == 422
    no_header = desk.post("/scans/rescan/a.pdf-0002", files={"scan": ("a.png", large)}, data={"csrf": desk.csrf})
    assert no_header.status_code == 413
    officer = signed_in(app, clean, monkeypatch, "officer")
    assert hand_in(officer, large).status_code == 413 and hand_in(officer, b"x").status_code == 403


@pytest.fixture
def address(app):
    """The workbench on a free port."""
    with served(app) as at:
        yield at


@pytest.mark.slow
def test_in_a_browser_the_page_renews_itself_under_the_cursor_and_takes_a_scan(
    paper, clean, assets, desk, address, tmp_path
):
    playwright = pytest.importorskip("playwright.sync_api")
    if not Path(CHROMIUM).exists():
        pytest.skip("Debian's chromium is not installed; ./run test installs it")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    Image.effect_noise((1300, 1300), 90).save(tmp_path / "good.png")
    assert (tmp_path / "good.png").stat().st_size > MAX_BODY
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(base_url=address)
        context.add_cookies([{"name": sessions.COOKIE, "value": desk.cookies[sessions.COOKIE], "url": address}])
        page = context.new_page()
        page.clock.install()
        page.goto("/scans/hop-7")
        page.focus("#ask-a\\.pdf-0003")
        with clean.begin() as conn:
            paper.conn = conn
            paper.page("a.pdf", 4, picture={"ink": 0.3, "skew_degrees": 5.0})
        page.clock.fast_forward(31_000)
        page.wait_for_selector("#ask-a\\.pdf-0004")
        assert page.evaluate("document.activeElement.id") == "ask-a.pdf-0003"
        assert violations(page, assets) == []
        page.click("#ask-a\\.pdf-0004")
        page.click("#hand-in-a\\.pdf-0004")
        assert violations(page, assets) == []
        page.set_input_files("#scan", tmp_path / "bad.png")
        page.click("form.card button")
        assert "Nội dung không phải PDF" in page.text_content("#said [role=alert]")
        page.set_input_files("#scan", tmp_path / "good.png")
        page.click("form.card button")
        page.wait_for_url("**/scans/hop-7")
        page.goto("/scans")
        assert "Không có trang nào phải quét lại" in page.text_content("#live") and violations(page, assets) == []
        change(clean, text("DELETE FROM review.session"))
        page.clock.fast_forward(31_000)
        page.wait_for_url("**/login?back=/scans")
        browser.close()
    with clean.connect() as conn:
        assert conn.scalar(text("SELECT state FROM pipeline.page WHERE replaces = 'a.pdf-0004'")) == "received"


def violations(page, assets):
    page.evaluate((assets / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    return [v["id"] for v in page.evaluate("axe.run()")["violations"]]
