"""Entry by two persons: blind, settled when they agree, a senior's when they do not, and never one's own."""

import re
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, select, text

from pipeline import field_policy, steps, tables
from pipeline.field_policy import FieldPolicy
from records.documents import Verdict
from records.pages import Box, Line, Word
from review import queue, sessions
from review.app import create_app
from review.decisions import Decision, Refused
from review.progress import progress
from review.screens import task as screen
from review.screens.queue import today
from review.tables import account, waiting
from tests.test_review_decisions import ADMITTED, DISCHARGED, NAME, READ, letter_of  # noqa: F401

pytestmark = pytest.mark.slow

TYPED, NORMAL, OTHER = "Trần Thị Mẫn", "TRẦN THỊ MẪN", "Trần Thị Mận"
SEEN_BY_NOBODY = ("MẪU", "Mẫu", "MẪN", "Mẫn", "THỊ", "Thị")  # What was read of the name and what was entered first.


def two_for(engine, *fields, document_type=""):
    with engine.begin() as conn:
        for field in fields:
            field_policy.put(conn, FieldPolicy(document_type=document_type, field=field, second=True), "test")


@pytest.fixture
def people(clean):
    with clean.begin() as conn:
        rows = [{"account_id": n, "name": n, "role": "senior"} for n in ("senior", "other-senior")]
        conn.execute(insert(account), [*rows, {"account_id": "cuc", "name": "cuc", "role": "officer"}])
    return clean


@pytest.fixture
def letter(people, letter_of):  # noqa: F811
    """A letter whose name is entered by two."""
    two_for(people, NAME)
    return letter_of(READ)


def task_of(letter, field=NAME):
    with letter.owner.connect() as conn:
        return conn.execute(select(tables.review_task).where(tables.review_task.c.field == field)).mappings().one()


def entered(letter, *entries, field=NAME):
    for officer, typed in entries:
        letter.decide(field, Decision.CORRECT, typed, officer=officer)


def test_a_first_entry_is_kept_and_settles_nothing(letter):
    before = letter.stored()
    entered(letter, ("an", TYPED))
    assert letter.stored() == before and NAME in letter.open()
    assert (task_of(letter)["stage"], task_of(letter)["first_by"]) == ("second", "an")
    assert letter.rows(tables.event)[-1]["detail"]["stage"] == "first"
    steps.load(letter.batch_id)
    assert letter.in_emr(NAME) is None


def test_two_who_agree_on_the_normal_form_settle_it_and_the_emr_says_two(letter):
    entered(letter, ("an", TYPED), ("binh", "trần thị  mẫn"))
    assert (letter.value(NAME).value.value, letter.value(NAME).rule) == (NORMAL, "reviewed_by_two")
    letter.finish()
    steps.load(letter.batch_id)
    assert (letter.in_emr(NAME).checked, letter.in_emr(NAME).value) == ("two", NORMAL)
    assert letter.in_emr(ADMITTED).checked == "one"


def test_to_accept_what_was_read_and_to_type_the_same_agree(letter):
    read = letter.value(NAME).value.value
    letter.decide(NAME, Decision.ACCEPT)
    entered(letter, ("binh", read.title()))
    assert NAME not in letter.open() and letter.value(NAME).rule == "reviewed_by_two"


@pytest.mark.parametrize("said", [Decision.ABSENT, Decision.UNREADABLE])
def test_blank_and_illegible_take_two_as_well(letter, said):
    letter.decide(NAME, said)
    assert NAME in letter.open()
    letter.decide(NAME, said, officer="binh")
    assert NAME not in letter.open() and letter.value(NAME).value.value == ""


def test_whoever_keyed_makes_neither_the_second_entry_nor_the_seniors_choice(letter):
    entered(letter, ("senior", TYPED))
    with pytest.raises(Refused) as refused:
        letter.decide(NAME, Decision.CORRECT, OTHER, officer="senior")
    assert "người khác phải nhập" in refused.value.said("vi")
    entered(letter, ("binh", OTHER))
    assert task_of(letter)["stage"] == "senior"
    for officer in ("senior", "binh", "cuc"):
        with pytest.raises(Refused):
            letter.decide(NAME, Decision.CORRECT, OTHER if officer != "binh" else TYPED, officer=officer)
    assert NAME in letter.open()
    letter.decide(NAME, Decision.CORRECT, OTHER, officer="other-senior")
    assert (letter.value(NAME).rule, letter.value(NAME).value.value) == ("reviewed_by_senior", "TRẦN THỊ MẬN")


def test_two_count_for_a_seniors_choice_only_when_one_of_the_two_had_it_so(letter):
    entered(letter, ("an", TYPED), ("binh", OTHER), ("senior", "Trần Thị Mân"))
    letter.finish()
    steps.load(letter.batch_id)
    assert letter.in_emr(NAME).checked == "one"


def test_a_second_person_cannot_accept_what_she_does_not_see(letter):
    entered(letter, ("an", TYPED))
    with pytest.raises(Refused) as refused:
        letter.decide(NAME, Decision.ACCEPT, officer="binh")
    assert "tự gõ" in refused.value.said("vi")


def test_a_witness_makes_the_second_person_needless_for_the_value_that_it_confirms(people, letter_of):  # noqa: F811
    two_for(people, "")
    own = letter_of(READ)
    with people.begin() as conn:
        row = conn.scalar(select(tables.document.c.validated))
        for value in row["values"]:
            value["witness"] = "registry"
        conn.execute(tables.document.update().values(validated=row))
    own.decide(ADMITTED, Decision.ACCEPT)
    assert ADMITTED not in own.open()
    entered(own, ("an", TYPED))
    assert NAME in own.open()


def test_the_same_entry_posted_twice_is_kept_once(letter):
    entered(letter, ("an", TYPED), ("an", TYPED), ("binh", OTHER), ("binh", OTHER), ("an", TYPED))
    assert len(letter.rows(tables.review_decision)) == 2


def test_a_first_entry_is_taken_back_until_there_is_a_second_one(letter):
    entered(letter, ("an", OTHER))
    with pytest.raises(Refused):
        letter.undo(NAME, officer="binh")
    letter.undo(NAME)
    assert (task_of(letter)["stage"], task_of(letter)["first_by"]) == ("first", "")
    entered(letter, ("an", OTHER), ("binh", TYPED))
    for officer in ("an", "binh"):
        with pytest.raises(Refused):
            letter.undo(NAME, officer=officer)


def test_what_the_second_one_settled_she_takes_back_to_her_stage_and_the_history_stays(letter):
    before = letter.stored()
    entered(letter, ("an", TYPED), ("binh", TYPED))
    after = letter.undo(NAME, officer="binh")
    assert after.model_copy(update={"revision": before.revision}) == before
    assert (task_of(letter)["stage"], task_of(letter)["first_by"]) == ("second", "an")
    entered(letter, ("binh", OTHER), ("senior", TYPED))
    letter.undo(NAME, officer="senior")
    assert [task_of(letter)[c] for c in ("stage", "first_by", "second_by")] == ["senior", "an", "binh"]
    rows = letter.rows(tables.review_decision)
    assert [(r["decided_by"], r["decision"], r["stage"]) for r in rows] == [
        ("an", "correct", "first"), ("binh", "correct", "second"), ("binh", "undo", "second"),
        ("binh", "correct", "second"), ("senior", "correct", "senior"), ("senior", "undo", "senior"),
    ]  # fmt: skip


def test_agreement_counts_second_entries(letter):
    entered(letter, ("an", TYPED), ("binh", TYPED))
    letter.decide(ADMITTED, Decision.ACCEPT, officer="binh")
    with letter.engine.connect() as conn:
        own = progress(conn, "an", today(letter.rows(tables.review_decision)[0]["decided_at"]))
    assert (own.values, own.compared, own.agreed) == (1, 1, 1)


# The queue.


def all_but_the_name(letter):
    for field in letter.open():
        if field != NAME:
            letter.decide(field, Decision.ACCEPT)


def offered(letter):
    found = {}
    for name in ("an", "binh", "cuc", "senior"):
        with letter.engine.begin() as conn:
            found[name] = queue.claim(conn, name) is not None
            queue.give_back(conn, letter.document_id, name)
    return {name for name, was in found.items() if was}


def test_a_document_goes_only_to_whoever_may_do_something_in_it(letter):
    entered(letter, ("an", TYPED))
    assert offered(letter) == {"an", "binh", "cuc", "senior"}
    all_but_the_name(letter)
    assert offered(letter) == {"binh", "cuc", "senior"}
    with letter.engine.connect() as conn:
        assert [queue.counts(conn).second, queue.counts(conn).senior] == [1, 0]
        assert queue.take(conn, "an", letter.document_id) is None
    entered(letter, ("binh", OTHER))
    assert offered(letter) == {"senior"}
    with letter.engine.connect() as conn:
        assert [queue.counts(conn).second, queue.counts(conn).senior] == [0, 1]
    entered(letter, ("senior", TYPED))
    assert offered(letter) == set()


def test_a_document_where_each_of_two_waits_for_the_other_has_something_for_both(people, letter_of):  # noqa: F811
    two_for(people, NAME, ADMITTED)
    own = letter_of(READ)
    entered(own, ("an", TYPED))
    own.decide(ADMITTED, Decision.ACCEPT, officer="binh")
    all_but = [f for f in own.open() if f not in (NAME, ADMITTED)]
    for field in all_but:
        own.decide(field, Decision.ACCEPT)
    with own.owner.connect() as conn:
        assert conn.scalar(select(waiting.c.for_all))
    assert offered(own) == {"an", "binh", "cuc", "senior"}


# The screen.


@pytest.fixture
def browser(people, settings, monkeypatch):
    monkeypatch.setattr(screen, "warm", lambda *_: None)
    monkeypatch.setattr(screen, "get_ready", lambda *_: None)
    app = create_app(settings)

    def opened(name):
        client = TestClient(app, follow_redirects=False)
        with people.begin() as conn:
            client.cookies.set(sessions.COOKIE, sessions.start(conn, name, 12))
            csrf = conn.scalar(text("SELECT csrf FROM review.session WHERE account_id = :n"), {"n": name})
        client.headers["X-CSRF-Token"] = csrf
        return client

    return opened


def shown(client, letter):
    answer = client.get(f"/task/{letter.document_id}")
    assert answer.status_code == 200
    return answer.text


def card(html, field):
    return next(part for part in html.split("<section")[1:] if f'data-field="{field}"' in part)


def save(client, letter, field, **form):
    with letter.owner.connect() as conn:
        token = conn.scalar(text("SELECT token FROM review.lease"))
    return client.post(f"/task/{letter.document_id}/field/{quote(field, safe='')}", data={"token": token, **form})


def test_a_second_person_gets_the_crop_and_nothing_of_what_was_read_or_entered(letter, browser):
    with letter.owner.begin() as conn:  # A finding that says the value, on the field and on another one.
        row = conn.scalar(select(tables.document.c.validated))
        told = {"check": "agrees", "message": "Ghi TRẦN THỊ MẪU ở đầu trang."}
        row["issues"] = [told | {"field": field} for field in (NAME, ADMITTED)]
        own = next(v["value"] for v in row["values"] if v["value"]["reading"]["field"] == NAME)
        own["problem"] = "MẪU?"
        conn.execute(tables.document.update().values(validated=row))
    read = letter.value(NAME).value.value
    entered(letter, ("an", TYPED))
    client = browser("binh")
    page = shown(client, letter)
    own = card(page, NAME)
    assert "/crop/" in own and 'value=""' in own and "hai người nhập" in own
    assert "không đọc được chữ nào" not in own
    refused = save(client, letter, NAME, decision="enter", value="")
    again = save(client, letter, NAME, decision="accept", value="")
    for html in (page, refused.text, again.text):
        assert not [word for word in (*SEEN_BY_NOBODY, read) if word in html]
        assert ">an<" not in html and "Tesseract đọc" not in card(html, NAME)
    with letter.owner.begin() as conn:
        queue.give_back(conn, letter.document_id, "binh")
    mine = card(shown(browser("an"), letter), NAME)
    assert NORMAL in mine and "chờ người thứ hai" in mine and "/undo" in mine


def test_a_second_person_sees_unclaimed_lines_only_as_they_are_on_paper(letter, browser):
    words = [Word(text=part, confidence=0.9, box=Box(left=10 + 9 * n, top=60, right=18 + 9 * n, bottom=64))
             for n, part in enumerate(("TRẦN", "THỊ", "MẪN"))]  # fmt: skip
    with letter.owner.begin() as conn:  # The machine took the name for no field.
        told = conn.scalar(select(tables.page_text.c.text))
        told["lines"] = [Line(words=tuple(words)).model_dump(mode="json")]
        conn.execute(tables.page_text.update().values(text=told))
    address = f"/task/{letter.document_id}/unclaimed"
    assert "TRẦN THỊ MẪN" in browser("an").get(address).text
    entered(letter, ("an", TYPED))
    html = browser("binh").get(address).text
    assert "/crop/" in html and "Dòng 1" in html and f'value="{NAME}"' not in html
    assert not [word for word in SEEN_BY_NOBODY if word in html]
    entered(letter, ("binh", OTHER))
    assert "MẪN" not in browser("cuc").get(address).text and "MẪN" in browser("senior").get(address).text


def test_the_name_of_a_row_is_hidden_too_while_it_is_entered_by_two(people, letter_of, browser):  # noqa: F811
    from review import second
    from tests.test_review_task import FORM, document, judged

    value = judged("diagnosis.main", "Mổ", raw="MẪU", others=("MẪN",))
    own = second.as_met(document(value), FORM, {"diagnosis.main": second.Asked(hidden=True)})
    assert not re.search("MẪ|Mổ", own.model_dump_json())


def test_entries_that_differ_wait_as_a_quiet_line_and_a_senior_sees_both_and_the_reading(letter, browser):
    entered(letter, ("an", TYPED), ("binh", OTHER))
    client = browser("cuc")
    own = card(shown(client, letter), NAME)
    assert "chờ người khác" in own and "<input" not in own and "MẪ" not in own and "MẬ" not in own
    with letter.owner.begin() as conn:
        queue.give_back(conn, letter.document_id, "cuc")
    client = browser("senior")
    own = card(shown(client, letter), NAME)
    assert TYPED in own and OTHER in own and "TRẦN THỊ MẪU" in own
    assert save(client, letter, NAME, decision="second", value="").status_code == 200
    assert (letter.value(NAME).value.value, letter.value(NAME).rule) == ("TRẦN THỊ MẬN", "reviewed_by_senior")


def test_what_the_second_one_typed_and_what_waits_then_is_told_without_saying_more(letter, browser):
    entered(letter, ("an", TYPED))
    client = browser("binh")
    shown(client, letter)
    answer = save(client, letter, NAME, decision="enter", value=OTHER)
    assert answer.status_code == 200 and "chờ người khác" in answer.text
    assert "MẪ" not in answer.text and "/undo" not in answer.text


def test_a_cheap_field_that_nobody_is_asked_any_more_leaves_the_screen_in_peace(people, letter_of, browser):  # noqa: F811
    with people.begin() as conn:
        field_policy.put(conn, FieldPolicy(field="diagnosis.main", ask="cheap"), "test")
        for field in (ADMITTED, DISCHARGED, "patient.id", "encounter.number"):
            field_policy.put(conn, FieldPolicy(field=field, ask="never"), "test")
    own = letter_of(READ)
    client = browser("an")
    page = shown(client, own)
    assert page.index('data-field="diagnosis.main"') < page.index(f'data-field="{NAME}"')
    for field in set(own.open()) - {"diagnosis.main", NAME}:
        own.decide(field, Decision.ACCEPT)
    assert save(client, own, NAME, decision="enter", value=TYPED).status_code == 200
    answer = save(client, own, "diagnosis.main", decision="enter", value="gì đó")
    assert answer.status_code == 200 and "không cần hỏi nữa" in answer.text and "/undo" not in answer.text
    assert own.stored().verdict is Verdict.ACCEPT
