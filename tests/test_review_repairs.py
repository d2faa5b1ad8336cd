"""The file's screen and the task screen's dialogs without a browser: repairs, requests, and ink that nobody claimed."""

import re

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from sqlalchemy import text, update

from pipeline import tables
from pipeline.doubles import DOUBLE, MAYBE_DOUBLE
from records.document_types import document_types
from records.pages import PageBox, PageText
from review import accounts, papers, queue, rescans, sessions
from review.app import create_app
from review.unclaimed import free_fields, unclaimed_lines
from tests.builders import page_image, sheet
from tests.test_repairs import LETTER, file_of, letters  # noqa: F401

pytestmark = pytest.mark.slow

FORM = document_types()["discharge_letter"]
PAGE = """
GIẤY RA VIỆN
Họ tên người bệnh: TRẦN THỊ MẪU
Dị ứng thuốc penicillin   Tủ 12
"""


# Ink that nobody claimed


def ink(claimed=()):
    return [line.text for line in unclaimed_lines(sheet(PAGE).text, page_image(), FORM, claimed)]


def test_a_line_that_no_field_took_is_found_without_labels_and_titles():
    row = sheet(PAGE).rows[1]
    name = page_image().in_file(row.box)
    assert ink() == ["TRẦN THỊ MẪU", "Dị ứng thuốc penicillin", "Tủ 12"]
    assert ink([name]) == ["Dị ứng thuốc penicillin", "Tủ 12"]


def test_a_box_of_the_other_half_of_the_page_claims_nothing():
    assert ink([PageBox(left=0, top=0.6, right=1, bottom=1)]) == ink()


def test_ink_of_a_page_that_lies_turned_in_its_file_is_claimed_where_it_lies():
    half_turn = (-1, 0, 2404, 0, -1, 3400, 0, 0, 1)
    image = page_image(turn=180, to_file=half_turn)
    box = image.in_file(sheet(PAGE).rows[1].box)
    assert box.top > 0.9
    assert "TRẦN THỊ MẪU" not in [line.text for line in unclaimed_lines(sheet(PAGE).text, image, FORM, [box])]


def test_fields_without_a_value_are_offered_and_a_new_row_of_each_table(letters):  # noqa: F811
    from records.documents import ValidatedDocument

    stored = letters.rows("SELECT validated FROM pipeline.document")[0][0]
    own = ValidatedDocument.model_validate(stored)
    offered = {one.field for one in free_fields(own, FORM, {"note"}, "vi")}
    assert "patient.address" in offered and not offered & {"treatment", "patient.name", "note"}
    lab = {one.field for one in free_fields(own, document_types()["lab_report"], (), "vi")}
    assert "results[0].value" in lab and "results[1].value" not in lab


# The screens


@pytest.fixture(scope="module")
def app(engine, settings):
    return create_app(settings)


@pytest.fixture
def desk(app, letters, clean, monkeypatch):  # noqa: F811
    """An officer's browser, and the file of three letters in it."""
    monkeypatch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    return Desk(app, letters, clean)


class Desk:
    def __init__(self, app, letters, engine):  # noqa: F811
        self.letters, self.engine = letters, engine
        self.client = browser(app, engine, "lan", "officer")
        self.operator = browser(app, engine, "khoa", "operator")

    @property
    def file_id(self):
        return self.letters.rows("SELECT file_id FROM pipeline.file WHERE label = 'a.pdf'")[0][0]

    def get(self, address):
        return self.client.get(address).text

    def post(self, address, client=None, **form):
        client = client or self.client
        return client.post(address, data={"csrf": client.csrf, **form})

    def repair(self, number, action, **form):
        page_id = self.letters.pages[number - 1]
        return self.post(f"/files/{self.file_id}/repair", page_id=page_id, action=action, **form)


def browser(app, engine, name, role):
    with engine.begin() as conn:
        accounts.add(conn, "test", name, name, role, "Mật khẩu rất dài 1")
        token = sessions.start(conn, name, 12)
    client = TestClient(app, follow_redirects=False)
    client.cookies.set(sessions.COOKIE, token)
    client.csrf = re.search(r'name="csrf" content="([^"]+)"', client.get("/help").text)[1]
    return client


def brackets(shown):
    """How many pages stand in each bracket of the screen."""
    return [part.count('<li class="sheet') for part in shown.split('<li class="bracket"')[1:]]


def test_any_file_is_shown_with_its_documents_as_brackets_and_repaired_at_once(desk):
    shown = desk.get(f"/files/{desk.file_id}")
    assert brackets(shown) == [1, 1, 1]
    assert desk.repair(2, "join").headers["location"] == f"/files/{desk.file_id}?chosen={desk.letters.pages[1]}"
    assert brackets(desk.get(f"/files/{desk.file_id}")) == [2, 1]
    desk.repair(3, "shift:back")
    desk.repair(2, "move", target=desk.letters.document(3))
    assert desk.letters.shape() == [[3, 2], [1]]
    assert desk.letters.rows("SELECT count(*) FROM pipeline.outbox WHERE topic = 'reviewed'") == [(3,)]


def test_what_has_to_be_read_again_says_so_on_the_screen(desk):
    desk.repair(1, "type", form="transfer_letter")
    desk.repair(2, "turn:right")
    shown = desk.get(f"/files/{desk.file_id}")
    assert shown.count("Chờ đọc lại") == 2
    refused = desk.repair(3, "join")
    assert refused.status_code == 422 and "đang được đọc" in refused.text


def test_an_impossible_repair_is_a_sentence(desk):
    refused = desk.repair(1, "join")
    assert refused.status_code == 422 and "trang đầu hồ sơ" in refused.text
    assert desk.repair(1, "no such thing").status_code == 422


def test_two_pages_stand_side_by_side_and_the_answer_is_kept(desk):
    one, other = desk.letters.pages[2], desk.letters.pages[0]
    shown = desk.get(f"/files/{desk.file_id}/compare/{one}")
    assert shown.count("<figure>") == 2 and shown.count('src="/page/') == 2
    assert f'value="double:{other}"' in shown, "beside it stands the first page that is surely of the file"
    desk.repair(3, f"double:{other}")
    assert desk.letters.states()["duplicate"] == 1
    shown = desk.get(f"/files/{desk.file_id}")
    assert len(brackets(shown)) == 2 and f'value="apart:{one}"' in shown
    desk.repair(2, f"apart:{one}")
    assert desk.letters.states()["duplicate"] == 1, "it repeats another page"
    desk.repair(1, f"apart:{one}")
    assert "duplicate" not in desk.letters.states() and desk.letters.shape() == [[1], [2], [3]]
    assert "apart:" not in desk.get(f"/files/{desk.file_id}")


def test_what_is_asked_of_a_page_is_told_in_the_readers_language(desk):
    one = desk.letters.pages[2]
    with desk.engine.begin() as conn:
        own = {"batch_id": desk.letters.rows("SELECT batch_id FROM pipeline.batch")[0][0], "page_id": one}
        told = DOUBLE.format(path="a.pdf", number=1)
        conn.execute(tables.issue.insert().values(own | {"check_name": MAYBE_DOUBLE, "message": told}))
    address = f"/files/{desk.file_id}/compare/{one}"
    assert told in desk.get(address)
    desk.post("/language", language="en", back="/files")
    assert told not in desk.get(address) and "compare the two pages" in desk.get(address)


def test_a_page_of_a_restricted_document_is_not_repaired_before_a_reason_is_given(desk):
    with desk.engine.begin() as conn:
        conn.execute(update(tables.document).values(document_type="identity_card"))
    assert desk.repair(2, "join").status_code == 403
    asked = desk.post(f"/files/page/{desk.letters.pages[1]}/ask", kind="paper", why="compare")
    assert asked.status_code == 403
    shown = desk.get(f"/files/{desk.file_id}/compare/{desk.letters.pages[1]}")
    assert 'src="/page/' not in shown


def test_no_page_of_a_restricted_document_is_touched_beside_an_open_one(desk):
    one, two, three = desk.letters.pages
    with desk.engine.begin() as conn:
        own = tables.document.c.document_id == desk.letters.document(2)
        conn.execute(update(tables.document).where(own).values(document_type="identity_card"))
    address = f"/files/{desk.file_id}/place"
    assert desk.post(address, pages=[one, two], label="b.pdf", reason="cùng một người").status_code == 403
    assert desk.repair(1, "move", target=desk.letters.document(2)).status_code == 403
    assert desk.repair(1, f"double:{two}").status_code == 403
    assert desk.letters.rows("SELECT page_id FROM pipeline.page_repair UNION SELECT page_id FROM pipeline.page_ruling"
                             ) == []  # fmt: skip
    assert desk.post(address, pages=[one, three], label="b.pdf", reason="cùng một người").status_code == 303


def test_the_paper_is_asked_for_brought_and_seen(desk):
    page_id = desk.letters.pages[1]
    desk.post(f"/files/page/{page_id}/ask", kind="paper", why="stamp", back=desk.file_id)
    desk.post(f"/files/page/{page_id}/ask", kind="paper", why="compare", back=desk.file_id)
    listed = desk.operator.get("/scans").text
    assert "a.pdf, trang 2" in listed and "Xem dấu và chữ ký" in listed and "TRẦN" not in listed
    assert "Đã xin giấy" in desk.get(f"/files/{desk.file_id}")
    assert desk.post(f"/files/papers/{page_id}/close", desk.operator).status_code == 403
    assert desk.post(f"/files/papers/{page_id}/close").status_code == 303
    assert "a.pdf, trang 2" not in desk.operator.get("/scans").text
    assert desk.post(f"/files/papers/{page_id}/close").status_code == 422
    kept = desk.letters.rows("SELECT action FROM audit.event WHERE action LIKE '%paper' ORDER BY event_id")
    assert kept == [("ask_paper",), ("close_paper",)]


def test_a_rescan_is_asked_for_from_the_officers_screens(desk):
    page_id = desk.letters.pages[0]
    told = desk.client.post(
        f"/files/page/{page_id}/ask", data={"kind": "rescan", "fault": "cut"},
        headers={"HX-Request": "true", "X-CSRF-Token": desk.client.csrf},
    )  # fmt: skip
    assert told.status_code == 200 and "bàn quét" in told.text
    assert desk.letters.rows("SELECT page_id, reason FROM review.rescan_request") == [(page_id, "cut")]
    assert "Chữ bị cắt ở mép" in desk.operator.get("/scans").text


def test_every_reason_that_the_dialog_offers_is_taken(desk):
    shown = desk.get(f"/files/{desk.file_id}")
    offered = {name: re.findall(r'<option value="(\w+)"', part) for name, part in re.findall(
        r'<select name="(fault|why)"[^>]*>(.*?)</select>', shown)}  # fmt: skip
    assert set(offered["fault"]) <= rescans.REASONS and set(offered["why"]) == set(papers.REASONS)
    assert offered["fault"]


def test_the_file_of_a_document_is_one_key_away(desk):
    document = desk.letters.document(2)
    led = desk.client.get(f"/files/of/{document}")
    assert led.headers["location"] == f"/files/{desk.file_id}?chosen={desk.letters.pages[1]}"
    assert desk.client.get("/files/of/none").status_code == 404


# A value that an officer finds


@pytest.fixture
def found(desk):
    """The second letter's task, held, with a line on its page that no field took."""
    page_id = desk.letters.pages[1]
    written = sheet(PAGE).text.model_copy(update={"page_id": page_id})
    with desk.engine.begin() as conn:
        own = tables.page_text.c.page_id == page_id
        conn.execute(update(tables.page_text).where(own).values(text=PageText.model_dump(written, mode="json")))
        desk.document = desk.letters.document(2)
        desk.token = queue.take(conn, "lan", desk.document).token
    return desk


def add(found, value, line="Dị ứng", field="note", **form):
    address = f"/task/{found.document}/unclaimed"
    shown = found.get(address)
    key = re.search(rf'value="([^"]+)" data-text="[^"]*{line}', shown)[1]
    return found.post(address, token=found.token, line=key, field=field, value=value, **form)


def test_a_line_becomes_a_value_typed_by_a_person_at_its_place(found):
    saved = add(found, "Dị ứng thuốc penicillin")
    assert saved.status_code == 200
    rows = found.letters.rows(
        "SELECT value, raw, engine, method, page_id, box FROM pipeline.field_value WHERE document_id = :d "
        "AND field = 'note'", d=found.document,
    )  # fmt: skip
    (value, raw, engine, method, page_id, box) = rows[0]
    assert (value, raw, engine, method) == ("Dị ứng thuốc penicillin",) * 2 + ("person", "typed")
    assert page_id == found.letters.pages[1] and 0 < box["top"] < box["bottom"] < 0.2
    decided = found.letters.rows("SELECT decided_by, decision FROM pipeline.review_decision")
    assert decided == [("lan", "correct")]
    assert "Dị ứng" not in found.get(f"/task/{found.document}/unclaimed"), "it is claimed now"
    assert saved.text in found.get(f"/task/{found.document}")


def test_what_cannot_be_added_is_told_with_what_was_typed_and_nothing_is_saved(found):
    refused = add(found, "hôm qua", field="patient.birth_date")
    assert refused.status_code == 422 and 'value="hôm qua"' in refused.text and "Chưa lưu" in refused.text
    assert add(found, "x", field="treatment").status_code == 422, "it has a value"
    with found.engine.begin() as conn:
        conn.execute(text("UPDATE review.lease SET account_id = 'binh', token = token + 1"))
    assert add(found, "Dị ứng thuốc").status_code == 409
    assert found.letters.rows("SELECT * FROM pipeline.review_decision") == []
    note = "SELECT * FROM pipeline.field_value WHERE field IN ('note', 'patient.birth_date')"
    assert found.letters.rows(note) == []
