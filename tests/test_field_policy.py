"""The field policy: which row counts, what is asked, and what a change does to documents that wait."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, insert, select, text, update

from pipeline import cli, facts, field_policy, steps, tables
from pipeline.field_policy import Ask, FieldPolicy, policy_of
from pipeline.policy_change import ask_anew
from records.documents import Verdict
from records.errors import SohoaError
from review.decisions import Decision, settle_kept
from tests.test_review_decisions import ADMITTED, NAME, READ, letter, letter_of  # noqa: F401
from tests.test_review_groups import until_it_waits

MAIN, ID, NUMBER = "diagnosis.main", "patient.id", "encounter.number"


def row(*place, **what):
    return FieldPolicy(**dict(zip(("target_id", "document_type", "field"), place, strict=True)), **what)


def put(engine, *rows):
    with engine.begin() as conn:
        for one in rows:
            field_policy.put(conn, one, "test")


def changed(letter, *rows):  # noqa: F811
    put(letter.owner, *rows)
    with letter.owner.begin() as conn:
        return ask_anew(conn, letter.batch_id), settle_kept(conn, letter.batch_id)


def test_where_no_row_fits_a_field_is_asked_of_one_person():
    found = policy_of(
        [row("T2", "", "", ask=Ask.NEVER), row("", "lab_report", "", second=True)], "T1", "prescription", NAME
    )
    assert (found.ask, found.second) == (Ask.ASK, False)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (("", "", ""), ("", "lab_report", "")),
        (("", "lab_report", ""), ("", "", "results[].value")),
        (("", "", "results[].value"), ("", "lab_report", "results[].value")),
        (("", "lab_report", "results[].value"), ("T1", "", "")),
        (("T1", "", ""), ("T1", "lab_report", "")),
        (("T1", "lab_report", ""), ("T1", "", "results[].value")),
        (("T1", "", "results[].value"), ("T1", "lab_report", "results[].value")),
    ],
)
def test_the_row_that_says_most_counts_first_of_the_target_then_of_the_field_then_of_the_form(less, more):
    for rows in (
        [row(*less, ask=Ask.NEVER), row(*more, second=True)],
        [row(*more, second=True), row(*less, ask=Ask.NEVER)],
    ):
        found = policy_of(rows, "T1", "lab_report", "results[12].value")
        assert (found.ask, found.second) == (Ask.ASK, True)


def test_a_policy_on_what_does_not_exist_is_refused_in_a_sentence(conn):
    for wrong, said in (
        (row("T9", "", ""), "no target 'T9'"), (row("", "no_form", ""), "no form 'no_form'"),
        (row("", "lab_report", "no.field"), "form 'lab_report' has no field 'no.field'"),
        (row("", "", "no.field"), "No form has a field 'no.field'"),
    ):  # fmt: skip
        with pytest.raises(SohoaError, match=said):
            field_policy.put(conn, wrong, "test")
    with pytest.raises(SohoaError, match="no such policy"):
        field_policy.remove(conn, "", "", NAME, "test")
    field_policy.put(conn, row("", "lab_report", "results[3].value", ask=Ask.CHEAP), "test")
    assert field_policy.listed(conn) == [row("", "lab_report", "results[].value", ask=Ask.CHEAP)]


def test_a_field_that_is_never_asked_stays_as_read_and_its_document_is_finished_without_it(clean, letter_of):  # noqa: F811
    put(clean, row("", "discharge_letter", MAIN, ask=Ask.NEVER))
    own = letter_of(READ)
    assert MAIN not in own.open() and NAME in own.open()
    own.finish()
    steps.load(own.batch_id)
    assert own.states() == {"loaded": 1}
    value = own.value(MAIN)
    assert (value.value.value, value.verdict) == ("Viêm ruột thừa cấp", Verdict.REVIEW)
    assert own.in_emr(MAIN) is None and own.in_emr(NAME).checked == "one"
    with own.owner.connect() as conn:
        assert conn.scalar(text("SELECT count(*) FROM emr.document_reference WHERE text <> ''")) == 1


def test_a_document_of_which_nothing_is_asked_is_loaded_at_once(clean, letter_of):  # noqa: F811
    put(clean, row("", "", "", ask=Ask.NEVER))
    own = letter_of(READ)
    assert (own.open(), own.states()) == ([], {"loaded": 1})


def test_a_cheap_field_is_asked_while_another_is_and_not_alone(clean, letter_of):  # noqa: F811
    put(clean, row("", "", "", ask=Ask.CHEAP), row("", "", NAME))
    own = letter_of(READ)
    assert set(own.open()) >= {NAME, MAIN}
    own.decide(MAIN, Decision.ACCEPT)
    own.decide(NAME, Decision.ACCEPT)
    assert (own.open(), own.stored().verdict) == ([], Verdict.ACCEPT)
    assert own.states() == {"assembled": 1}
    own.undo(NAME)
    assert set(own.open()) >= {NAME, ID} and MAIN not in own.open()


def test_a_cheap_field_that_somebody_has_entered_waits_for_the_second_person_alone(clean, letter_of):  # noqa: F811
    put(clean, row("", "", "", ask=Ask.CHEAP, second=True), row("", "", NAME))
    own = letter_of(READ)
    own.decide(MAIN, Decision.CORRECT, "Viêm ruột thừa")
    own.decide(NAME, Decision.ACCEPT)
    assert (own.open(), own.states()) == ([MAIN], {"in_review": 1})
    assert changed(own)[0].closed == 0
    own.decide(MAIN, Decision.CORRECT, "Viêm ruột thừa", officer="binh")
    assert (own.open(), own.value(MAIN).rule, own.states()) == ([], "reviewed_by_two", {"assembled": 1})


def test_a_changed_policy_waits_for_the_files_before_it_takes_a_document(letter):  # noqa: F811
    put(letter.owner, row("", "", MAIN, ask=Ask.NEVER))
    with letter.owner.begin() as conn, ThreadPoolExecutor(1) as runs:
        facts.lock_file(conn, letter.document_id)
        following = runs.submit(followed, letter)
        until_it_waits(letter.owner, following)
        conn.execute(select(tables.document).with_for_update(nowait=True))
        conn.execute(delete(tables.document))  # as of pages that are another document now
        conn.commit()
        assert following.result().closed == 0


def followed(letter):  # noqa: F811
    with letter.owner.begin() as conn:
        return ask_anew(conn, letter.batch_id)


def test_a_changed_policy_closes_and_opens_the_tasks_of_what_waits(letter):  # noqa: F811
    asked = set(letter.open())
    letter.decide(ADMITTED, Decision.ACCEPT)
    change, _ = changed(letter, row("", "", MAIN, ask=Ask.NEVER))
    assert (change.opened, change.closed, change.sent) == (0, 1, 0)
    assert set(letter.open()) == asked - {MAIN, ADMITTED}
    change, _ = changed(letter, row("", "discharge_letter", "", ask=Ask.NEVER), row("", "", MAIN))
    assert letter.open() == [MAIN]
    change, _ = changed(letter, row("", "", MAIN, ask=Ask.NEVER))
    assert (change.sent, letter.states()) == (1, {"assembled": 1})
    steps.load(letter.batch_id)
    assert letter.states() == {"loaded": 1}
    change, _ = changed(letter, row("", "", MAIN))
    assert (change.opened, letter.open(), letter.states()) == (1, [MAIN], {"in_review": 1})
    letter.decide(MAIN, Decision.ACCEPT)
    steps.load(letter.batch_id)
    assert (letter.in_emr(MAIN).checked, letter.states()) == ("one", {"loaded": 1})


def test_a_row_of_a_target_speaks_only_of_its_batches(letter):  # noqa: F811
    with letter.owner.begin() as conn:
        conn.execute(insert(tables.target).values(target_id="T1", name="2027", deadline="2027-07-01"))
    changed(letter, row("T1", "", "", ask=Ask.NEVER))
    assert NAME in letter.open()
    with letter.owner.begin() as conn:
        conn.execute(update(tables.batch).values(target_id="T1"))
    changed(letter)
    assert letter.open() == []


def test_an_entry_that_waits_for_a_second_one_counts_when_two_are_no_longer_asked(letter):  # noqa: F811
    changed(letter, row("", "", "", second=True))
    letter.decide(NAME, Decision.CORRECT, "Trần Thị Mẫn")
    letter.decide(ADMITTED, Decision.ACCEPT)
    assert NAME in letter.open()
    _, settled = changed(letter, row("", "", ""))
    assert settled == 2 and not {NAME, ADMITTED} & set(letter.open())
    assert (letter.value(NAME).value.value, letter.value(NAME).rule) == ("TRẦN THỊ MẪN", "reviewed")
    letter.undo(NAME)
    assert NAME in letter.open()


def run(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["sohoa", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    printed = capsys.readouterr()
    return ended.value.code, printed.out + printed.err


def test_the_command_sets_lists_and_removes_and_tells_what_it_did(letter, monkeypatch, capsys):  # noqa: F811
    code, said = run(monkeypatch, capsys, "policy", "set", "--field", MAIN, "--ask", "never")
    assert (code, "1 closed" in said) == (0, True) and MAIN not in letter.open()
    _, said = run(monkeypatch, capsys, "policy", "list")
    assert f"field={MAIN}" in said and "ask=never" in said
    code, said = run(monkeypatch, capsys, "policy", "remove", "--field", MAIN)
    assert (code, "1 tasks opened" in said) == (0, True) and MAIN in letter.open()
    code, said = run(monkeypatch, capsys, "policy", "set", "--ask", "sometimes")
    assert code == 2 and "use ask, cheap or never" in said
    code, said = run(monkeypatch, capsys, "policy", "set", "--form", "nothing")
    assert code == 2 and "There is no form 'nothing'" in said
    with letter.owner.connect() as conn:
        actions = list(conn.scalars(select(tables.event.c.action).order_by(tables.event.c.event_id)))
    assert actions[-2:] == ["policy:set", "policy:remove"]
