"""The task screen without a browser: what a card says, what it sends, and what happens when it cannot be saved."""

import re
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import select, text

from pipeline import tables
from pipeline.assembly import FOREIGN
from pipeline.contracts import DRIFT
from records.document_types import document_types
from records.documents import Document, FieldReading, FieldValue, Issue, JudgedValue, ValidatedDocument, Verdict
from records.pages import Box, PageBox
from review import accounts, queue, sessions
from review.app import create_app
from review.cards import State, cards_of, on_upright
from review.picklists import pick_list_of, search
from review.screens import task as screen
from review.texts import LANGUAGES
from review.words import Mark, Surety, differences, label_of, other_readings, shown, sure_words, surety, why
from tests.builders import page_image
from tests.test_review import reviewed  # noqa: F401
from transformers.parsers import PARSERS
from validation import checks, contract, kinds, verdicts
from validation.diagnostics import Soundness

FORM, LAB = document_types()["discharge_letter"], document_types()["lab_report"]


# Why a field is here.


def rules():
    """Every rule that sends a value to a person."""
    source = Path(verdicts.__file__).read_text(encoding="utf-8")
    direct = re.findall(r'Verdict\.REVIEW, f?"([a-z_]+)"', source)
    direct += re.findall(r'(?:yield|or) \(?"([a-z_]+)"', source)
    direct += re.findall(r'(?:return|else) "([a-z_]+)"', Path(contract.__file__).read_text(encoding="utf-8"))
    direct += [DRIFT, Soundness.OVER_CONFIDENT.value, Soundness.DEGENERATE.value]
    findings = re.findall(r'check="(\w+)"', source + Path(checks.__file__).read_text(encoding="utf-8"))
    of_kinds = [name for rules in kinds.KIND_CHECKS.values() for name in rules]
    return [*direct, *(f"check:{name}" for name in [*findings, *of_kinds, *checks.CHECKS, FOREIGN])]


def test_every_rule_that_asks_a_person_is_a_sentence_in_both_languages():
    assert len(rules()) > 25 and {"no_witness", "low_confidence", "unproven", "target_not_met"} <= set(rules())
    for rule in rules():
        for language in LANGUAGES:
            sentence = why(rule, language)
            assert rule not in sentence and sentence.endswith(".") and len(sentence.split()) >= 4, (rule, sentence)


def test_a_rule_that_nobody_described_is_named_rather_than_hidden():
    assert "check:moon_phase" in why("check:moon_phase", "vi")


def test_confidence_is_a_word_and_a_number_and_never_certain():
    assert [surety(c) for c in (0.97, 0.7, 0.3)] == [Surety.SURE, Surety.DOUBTFUL, Surety.VERY_DOUBTFUL]
    assert sure_words(0.995, "vi") == "chắc (99 %)"
    assert sure_words(0.7, "en") == "doubtful (70 %)"


# Values as an officer writes them.


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        ("moment", "2019-02-01T08:00", "01/02/2019 08:00"),
        ("moment", "2019-02-01", "01/02/2019"),
        ("birth_date", "1986", "1986"),
        ("number", "<0.5", "<0,5"),
        ("number", "Âm tính", "Âm tính"),
        ("reference", "3.9-6.4", "3,9-6,4"),
        ("icd10", "E11.9;I10", "E11.9; I10"),
        ("sex", "female", "Nữ"),
        ("outcome", "improved", "Đỡ, giảm"),
        ("identifier", "19.000001", "19.000001"),
    ],
)
def test_a_value_is_shown_as_it_is_written_on_paper(kind, value, written):
    assert shown(value, kind) == written
    if (kind, value) != ("moment", "2019-02-01"):
        assert PARSERS[kind](written) == value


@given(some.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2099, 12, 31)))
def test_what_is_shown_of_a_moment_is_read_back_the_same(moment):
    value = moment.isoformat(timespec="minutes")[:16]
    assert PARSERS["moment"](shown(value, "moment")) == value
    assert PARSERS["date"](shown(value[:10], "date")) == value[:10]


@given(some.decimals(min_value=0, max_value=99999, places=3))
def test_what_is_shown_of_a_number_is_read_back_the_same(number):
    for value in (f"{number}", f"{number:.1f}", f"<{number:.2f}", f"{int(number)}"):
        assert PARSERS["number"](shown(value, "number")) == value


# Where two readings differ.


def marks(first, other):
    return [(p.text, p.mark) for p in differences(first, other).pieces if p.mark is not Mark.SAME]


def test_letters_that_differ_only_in_their_tone_are_marked_as_such():
    assert marks("Ung thư vú", "Ủng thư vụ") == [("Ủ", Mark.TONE), ("ụ", Mark.TONE)]
    assert differences("Ung thư vú", "Ủng thư vụ").only_marks


def test_other_letters_and_missing_ones_are_no_near_miss():
    assert marks("C50.9", "C5O.9") == [("O", Mark.LETTER)]
    assert marks("12,5", "125") == [(",", Mark.MISSING)]
    assert not differences("C50.9", "C5O.9").only_marks


def test_capitals_are_no_difference():
    assert marks("Trần Thị Mẫn", "TRẦN THỊ MẪN") == []


def judged(field, value, raw=None, top=0.1, left=0.1, **more):
    kind = (FORM.spec(field) or LAB.spec(field)).kind
    reading = FieldReading(
        field=field, raw=value if raw is None else raw, confidence=0.9, page_id=more.pop("page_id", "p1"),
        box=PageBox(left=left, top=top, right=left + 0.2, bottom=top + 0.02), engine="sohoa 1", method="label_right",
        others=more.pop("others", ()),
    )  # fmt: skip
    own = FieldValue(reading=reading, kind=kind, value=value, problem=more.pop("problem", ""))
    return JudgedValue(value=own, **({"verdict": Verdict.REVIEW, "rule": "no_witness", "confidence": 0.7} | more))


def test_a_reading_that_says_the_same_is_not_told_twice():
    told = other_readings(judged("diagnosis.main", "Ung thư vú", others=("Ung thư vú", "Ung thư  vú", "Ung thu vú")))
    assert [o.only_marks for o in told] == [True]


def test_a_cell_is_named_by_its_column_and_its_row():
    assert label_of(LAB, "results[2].value", {"results[2].test": "Glucose"}) == "Kết quả (dòng 3, Glucose)"
    assert label_of(LAB, "results[2].test", {"results[2].test": "Glucose"}) == "Tên xét nghiệm (dòng 3)"
    assert label_of(FORM, "encounter.number") == "Số vào viện"


# Cards.


def document(*values, issues=(), page_ids=("p1", "p2"), form="discharge_letter"):
    own = Document(document_id="d" * 32, file_id="f", document_type=form, edition="", page_ids=page_ids)
    return ValidatedDocument(document=own, revision=1, values=values, issues=issues, verdict=Verdict.REVIEW)


def cards(validated, tasks, form=FORM):
    return cards_of(validated, form, {}, tasks, "vi")


def test_cards_stand_in_reading_order_and_what_was_not_found_comes_last():
    values = (
        judged("treatment", "Mổ", top=0.2, page_id="p2"),
        judged("patient.sex", "female", top=0.3, left=0.6),
        judged("patient.name", "AN BÌNH", top=0.302, left=0.1),
        judged("patient.id", "1", top=0.1, verdict=Verdict.ACCEPT),
    )
    missing = Issue(check="required", field="encounter.admitted_at", message="Không tìm thấy.")
    fields = ["encounter.admitted_at", "treatment", "patient.sex", "patient.name"]
    found = cards(document(*values, issues=(missing,)), dict.fromkeys(fields, ""))
    assert [c.field for c in found] == ["patient.name", "patient.sex", "treatment", "encounter.admitted_at"]
    assert (found[-1].box, found[-1].value, found[-1].reasons) == (None, "", ("Không tìm thấy.",))
    assert found[1].value == "Nữ"


def test_a_card_tells_what_the_checks_found_and_keeps_what_is_decided():
    value = judged("encounter.admitted_at", "2019-02-01", problem="Không đọc được giờ.")
    issue = Issue(check="not_before", field="encounter.admitted_at", message="Sớm hơn ngày vào viện.")
    (card,) = cards(document(value, issues=(issue,)), {"encounter.admitted_at": ""})
    assert card.reasons == ("Không đọc được giờ.", "Sớm hơn ngày vào viện.") and not card.sound
    (done,) = cards(document(value), {"encounter.admitted_at": "correct"})
    assert (done.state, done.outcome) == (State.DONE, "correct")


def test_a_box_of_a_turned_page_lies_on_the_upright_one_where_it_was_read():
    turned = page_image(turn=90, width_px=2000, height_px=3000, file_width_px=3000, file_height_px=2000,
                        to_file=(0, 1, 0, -1, 0, 2000, 0, 0, 1))  # fmt: skip
    where = on_upright(turned, turned.in_file(Box(left=200, top=300, right=600, bottom=360)))
    assert where == pytest.approx((0.1, 0.1, 0.2, 0.02), abs=0.001)


# Pick-lists.


def test_a_search_needs_no_marks_and_puts_the_nearest_first():
    assert search("departments", "ngoai vu")[0].value == "Ngoại Vú"
    assert search("diseases", "ung thu vu")[0] == ("Ung thư vú", "C50.9")
    assert search("places", "ninh b")[0].value == "Ninh Bình"
    assert search("units", "mmol")[0].value == "mmol/L"
    assert search("drugs", "xyzzy") == ()


def test_codes_are_found_by_code_and_by_name_in_the_loaded_list_and_in_ours(tmp_path):
    loaded = tmp_path / "icd10.csv"
    loaded.write_text("code,name_en,name_vi,category_ref\nA00,Cholera,Bệnh tả,x\nB99,Other,,x\n", encoding="utf-8")
    assert search("icd10", "benh ta", loaded)[0] == ("A00", "Bệnh tả")
    assert search("icd10", "b99", loaded)[0] == ("B99", "Other")
    assert search("icd10", "c02.0", loaded)[0].value == "C02.0"


def test_a_list_that_is_not_there_is_not_a_file_that_is():
    for name in ("nothing", "../document_types", "README"):
        with pytest.raises(KeyError):
            search(name, "a")


@pytest.mark.parametrize(
    ("form", "field", "name"),
    [
        ("discharge_letter", "diagnosis.main.code", "icd10"), ("discharge_letter", "diagnosis.main", "diseases"),
        ("discharge_letter", "encounter.department", "departments"), ("discharge_letter", "patient.address", "places"),
        ("lab_report", "results[0].unit", "units"), ("lab_report", "results[0].test", "tests"),
        ("discharge_letter", "patient.name", ""), ("surgery_report", "surgery.anesthesia", "anesthesia"),
    ],
)  # fmt: skip
def test_a_field_picks_from_the_list_of_its_kind(form, field, name):
    assert pick_list_of(document_types()[form].spec(field)) == name


# Saving.


@pytest.fixture(scope="module")
def app(engine, settings):
    return create_app(settings)


@pytest.fixture
def held(app, reviewed, clean, monkeypatch):  # noqa: F811
    """A signed-in officer who holds the one document of `reviewed`: (browser, document id, lease token)."""
    monkeypatch.setattr(screen, "warm", lambda *_: None)
    monkeypatch.setattr(screen, "get_ready", lambda *_: None)
    monkeypatch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    with clean.begin() as conn:
        for name in ("lan", "mai"):
            accounts.add(conn, "test", name, name, "officer", "Mật khẩu rất dài 1")
        document_id = queue.claim(conn, "lan")
        token = queue.lease_of(conn, document_id, "lan").token
    return signed_in(app, clean, "lan"), document_id, token


def signed_in(app, engine, name):
    browser = TestClient(app, follow_redirects=False)
    with engine.begin() as conn:
        browser.cookies.set(sessions.COOKIE, sessions.start(conn, name, 12))
        csrf = conn.scalar(text("SELECT csrf FROM review.session WHERE account_id = :n"), {"n": name})
    browser.headers["X-CSRF-Token"] = csrf
    return browser


def save(held, field, **form):
    browser, document_id, token = held
    path = f"/task/{document_id}/field/{quote(field, safe='')}"
    return browser.post(path, data={"token": token, **form})


def stored(engine, field):
    with engine.connect() as conn:
        own = tables.field_value.c.field == field
        return conn.execute(select(tables.field_value).where(own)).mappings().one_or_none()


def decisions(engine):
    with engine.connect() as conn:
        return conn.execute(select(tables.review_decision.c.decision, tables.review_decision.c.value)).all()


def test_the_screen_shows_each_doubtful_field_with_its_crop_its_value_and_why(held):
    browser, document_id, token = held
    shown_page = browser.get(f"/task/{document_id}")
    assert shown_page.status_code == 200
    for part in (
        'value="01/02/2019 08:00"', 'alt="Ảnh cắt của Số vào viện"', "chưa có nơi thứ hai xác nhận", "/crop/",
        f'name="token" value="{token}"', "Tesseract đọc", "08 giờ 00 phút, ngày 01 tháng 02 năm 2019",
    ):  # fmt: skip
        assert part in shown_page.text, part
    assert "style=" not in shown_page.text and "onclick" not in shown_page.text


def test_enter_on_an_untouched_field_accepts_it_and_sends_nothing_of_its_neighbours(held, clean):
    before = stored(clean, "patient.name")
    answer = save(held, "encounter.number", decision="enter", value="19.000001")
    assert answer.status_code == 200 and "đã nhận" in answer.text
    assert decisions(clean) == [("accept", "")]
    assert stored(clean, "encounter.number")["rule"] == "reviewed"
    assert stored(clean, "patient.name") == before


def test_what_is_typed_in_decomposed_letters_is_stored_composed(held, clean):
    typed = unicodedata.normalize("NFD", "trần thị mẫn")
    assert save(held, "patient.name", decision="enter", value=typed).status_code == 200
    assert stored(clean, "patient.name")["value"] == "TRẦN THỊ MẪN"
    assert decisions(clean) == [("correct", "trần thị mẫn")]


@pytest.mark.parametrize(
    ("field", "typed", "sentence"),
    [
        ("encounter.admitted_at", "31/02/2019 08:00", "không có ngày 31/02/2019"),
        ("encounter.admitted_at", "", "Ô đang trống"),
        ("patient.name", "a" * 10_000, "10000"),
        ("patient.name", "AN\x00BÌNH", ""),
    ],
)
def test_what_cannot_be_saved_is_told_beside_the_field_with_what_was_typed(held, clean, field, typed, sentence):
    before = stored(clean, field)
    answer = save(held, field, decision="enter", value=typed)
    assert answer.status_code == 422 and sentence in answer.text
    assert 'aria-invalid="true"' in answer.text and f'value="{typed[:40]}' in answer.text
    assert decisions(clean) == [] and stored(clean, field) == before


def test_a_form_that_is_posted_twice_decides_once(held, clean):
    for _ in range(2):
        assert save(held, "patient.name", decision="enter", value="Trần Thị Mẫn").status_code == 200
    assert len(decisions(clean)) == 1


def test_a_field_that_cannot_be_read_stays_empty_and_one_that_is_blank_is_settled(held, clean):
    assert "không đọc được" in save(held, "patient.name", decision="unreadable", value="TRẦN THỊ MẪU").text
    assert "trống trên giấy" in save(held, "patient.id", decision="absent", value="19000001").text
    assert [stored(clean, f)["value"] for f in ("patient.name", "patient.id")] == ["", ""]
    assert {d for d, _ in decisions(clean)} == {"unreadable", "absent"}


def test_a_decision_is_taken_back_and_the_field_stands_as_it_was(held, clean):
    browser, document_id, token = held
    before = stored(clean, "patient.name")
    save(held, "patient.name", decision="enter", value="Trần Thị Mẫn")
    answer = browser.post(f"/task/{document_id}/undo", data={"token": token, "field": "patient.name"})
    assert answer.status_code == 200 and f'value="{before["value"]}"' in answer.text
    assert stored(clean, "patient.name")["value"] == before["value"]


def test_a_save_after_the_document_went_to_another_is_told_and_saves_nothing(held, clean):
    _, document_id, _ = held
    with clean.begin() as conn:
        conn.execute(text("UPDATE review.lease SET until = now() - interval '1 second'"))
        assert queue.take(conn, "mai", document_id)
    answer = save(held, "patient.name", decision="enter", value="Trần Thị Mẫn")
    assert answer.status_code == 409 and decisions(clean) == []
    browser, document_id, token = held
    assert browser.post(f"/task/{document_id}/renew", data={"token": token}).status_code == 409


def test_a_document_that_another_holds_is_not_shown(held, app, clean):
    _, document_id, _ = held
    answer = signed_in(app, clean, "mai").get(f"/task/{document_id}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue")


def test_a_restricted_document_asks_for_a_reason_before_it_shows_anything(held, monkeypatch):
    monkeypatch.setattr(screen, "locked", lambda *_: "hiv")
    monkeypatch.setattr(screen, "restricted", lambda *_: "hiv")
    browser, document_id, _ = held
    answer = browser.get(f"/task/{document_id}")
    assert answer.status_code == 403 and f'action="/glass/{document_id}"' in answer.text
    assert "19.000001" not in answer.text and "/crop/" not in answer.text


def requests_for(browser, document_id, token):
    """Everything that may be posted for a document, by an honest page or by hand."""
    own = f"/task/{document_id}"
    for sent in (token, 0):
        yield lambda sent=sent: browser.post(f"{own}/undo", data={"token": sent, "field": "encounter.number"})
        for value in ("", "19.000001", "x" * 3_000):
            form = {"token": sent, "value": value}
            yield lambda form=form: browser.post(f"{own}/field/encounter.number", data=form)
        yield lambda sent=sent: browser.post(f"{own}/renew", data={"token": sent})


@pytest.mark.parametrize("decided_before", [False, True])
def test_nothing_that_is_sent_for_a_restricted_document_shows_or_changes_it(held, clean, monkeypatch, decided_before):
    if decided_before:
        assert save(held, "encounter.number", decision="enter", value="19.000001").status_code == 200
    before = decisions(clean)
    monkeypatch.setattr(screen, "locked", lambda *_: "hiv")
    for send in requests_for(*held):
        answer = send()
        assert answer.status_code == 403 and "hạn chế" in answer.text
        assert "19.000001" not in answer.text and "/crop/" not in answer.text
    assert decisions(clean) == before


def test_what_an_officer_types_may_restrict_her_document_and_is_saved_all_the_same(held, clean, app):
    browser, document_id, token = held
    with clean.begin() as conn:
        query = select(tables.review_task).where(tables.review_task.c.document_id == document_id)
        task = dict(conn.execute(query).mappings().first())
        own = {"task_id": "t", "field": "diagnosis.main.code", "state": "open"}
        conn.execute(tables.review_task.insert().values(task | own))
    assert save(held, "diagnosis.main.code", decision="insist", value="B20").status_code == 200
    assert stored(clean, "diagnosis.main.code")["value"] == "B20"
    undo = browser.post(f"/task/{document_id}/undo", data={"token": token, "field": "diagnosis.main.code"})
    assert (undo.status_code, browser.get(f"/task/{document_id}").status_code) == (403, 403)


def test_a_save_and_another_officer_who_wants_the_document_do_not_wait_for_each_other(held, clean):
    """Whoever takes a document locks it first and its lease then; a save that did it the other way round would end in
    a deadlock of which one of the two dies."""
    browser, document_id, _ = held
    with ThreadPoolExecutor(1) as beside, clean.connect() as conn:
        conn.execute(text("SELECT 1 FROM pipeline.document FOR UPDATE"))
        saving = beside.submit(save, held, "patient.name", decision="enter", value="Trần Thị Mẫn")
        until(lambda: waiting_for_a_lock(clean))
        assert queue.take(conn, "mai", document_id) is None
        conn.rollback()
        assert saving.result().status_code == 200
    assert len(decisions(clean)) == 1


def until(done):
    for _ in range(500):
        if done():
            return
        time.sleep(0.02)
    raise AssertionError("nothing came of it")


def waiting_for_a_lock(engine):
    with engine.connect() as conn:
        return conn.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))


def test_undo_shows_nothing_to_somebody_without_the_lease(held, app, clean):
    _, document_id, _ = held
    save(held, "patient.name", decision="enter", value="Trần Thị Mẫn")
    other = signed_in(app, clean, "mai")
    for field in ("patient.name", "encounter.number"):
        answer = other.post(f"/task/{document_id}/undo", data={"token": 0, "field": field})
        assert answer.status_code == 409 and "MẪN" not in answer.text and "19.000001" not in answer.text
    assert len(decisions(clean)) == 1


def test_a_document_given_back_is_free_and_one_that_is_kept_is_renewed(held, clean):
    browser, document_id, token = held
    assert browser.post(f"/task/{document_id}/renew", data={"token": token}).status_code == 204
    assert browser.post(f"/task/{document_id}/give-back").status_code == 303
    with clean.connect() as conn:
        assert queue.lease_of(conn, document_id, "lan") is None


def test_what_is_not_there_is_not_found(held):
    browser, document_id, token = held
    assert browser.get("/task/nothing").status_code == 404
    assert save(held, "no.field", decision="enter", value="x").status_code == 404
    assert browser.get("/pick/secrets").status_code == 404


def test_the_lines_of_a_list_are_options_that_say_what_they_put_into_the_field(held):
    lines = held[0].get("/pick/diseases", params={"q": "ung thu vu"}).text
    assert 'role="option"' in lines and 'data-value="Ung thư vú"' in lines
    assert "Không có trong danh mục" in held[0].get("/pick/drugs", params={"q": "xyzzy"}).text


def test_the_help_names_every_key(held):
    page = held[0].get("/help").text
    for key in ("Enter", "Tab", "Alt+N", "Alt+B", "Esc", "F2", "?"):
        assert f"<kbd>{key}</kbd>" in page
