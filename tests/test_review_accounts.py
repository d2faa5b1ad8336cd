"""Accounts of the workbench: who is let in, who is locked out, and how a session ends."""

import io
import json
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from pipeline import audit, cli, database
from records.errors import SohoaError
from review import accounts, sessions
from review.accounts import Fault, Refusal

PASSWORD = "Mật khẩu rất dài 1"


@pytest.fixture
def as_review(engine, settings):
    """A connection with the rights that the workbench has, to no accounts; nothing is committed."""
    with database.engine(settings, "review").connect() as connection:
        for table in ("session", "lease", "account"):
            connection.execute(text(f"DELETE FROM review.{table}"))
        yield connection


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch, request):
    if "argon2id" not in request.node.name:
        monkeypatch.setattr(accounts, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def lan(as_review):
    accounts.add(as_review, "test", "lan", "Lan", "officer", PASSWORD)
    return "lan"


def set_account(conn, **values):
    conn.execute(text(f"UPDATE review.account SET {', '.join(f'{name} = :{name}' for name in values)}"), values)


def wrong(conn, times):
    return [accounts.check_password(conn, "lan", "not this one") for _ in range(times)]


def test_the_right_password_lets_in_and_is_stored_only_as_argon2id(as_review, lan):
    assert accounts.check_password(as_review, lan, PASSWORD) is None
    stored = as_review.scalar(text("SELECT password_hash FROM review.account"))
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$") and PASSWORD not in stored


def test_a_password_typed_with_composed_or_combining_marks_is_the_same(as_review, lan):
    assert accounts.check_password(as_review, lan, unicodedata.normalize("NFD", PASSWORD)) is None


@pytest.mark.parametrize("name", ["nobody-here", "LAN\0", "", "lan' OR true --"])
def test_an_unknown_name_gets_the_answer_of_a_wrong_password(as_review, lan, name):
    assert accounts.check_password(as_review, name, PASSWORD) is Refusal.FAILED


def test_five_failures_lock_for_fifteen_minutes_even_for_the_right_password(as_review, lan):
    assert wrong(as_review, 5) == [Refusal.FAILED] * 4 + [Refusal.LOCKED]
    assert accounts.check_password(as_review, lan, PASSWORD) is Refusal.LOCKED
    left = as_review.scalar(text("SELECT locked_until - now() FROM review.account"))
    assert timedelta(minutes=14) < left <= timedelta(minutes=15)
    as_review.execute(text("UPDATE review.account SET locked_until = now() - interval '1 second'"))
    assert accounts.check_password(as_review, lan, PASSWORD) is None


def test_guesses_at_the_same_moment_are_counted_one_by_one(clean, settings):
    with clean.begin() as conn:
        accounts.add(conn, "test", "lan", "Lan", "officer", PASSWORD)

    def guess(_):
        with database.engine(settings, "review").begin() as conn:
            return accounts.check_password(conn, "lan", "not this one")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(guess, range(8)))
    assert sorted(answers) == [Refusal.FAILED] * 4 + [Refusal.LOCKED] * 4


def test_a_right_password_forgets_the_failures_before(as_review, lan):
    wrong(as_review, 4)
    assert accounts.check_password(as_review, lan, PASSWORD) is None
    assert wrong(as_review, 4) == [Refusal.FAILED] * 4


def test_an_account_works_on_its_last_day_and_not_after(as_review, lan):
    today = as_review.scalar(text("SELECT (now() AT TIME ZONE 'Asia/Ho_Chi_Minh')::date"))
    token = sessions.start(as_review, lan, 12)
    set_account(as_review, ends_on=today)
    assert accounts.check_password(as_review, lan, PASSWORD) is None and sessions.find(as_review, token, 30)
    set_account(as_review, ends_on=today - timedelta(days=1))
    assert accounts.check_password(as_review, lan, PASSWORD) is Refusal.FAILED
    assert sessions.find(as_review, token, 30) is None


def test_a_disabled_account_is_out_at_once(as_review, lan):
    token = sessions.start(as_review, lan, 12)
    accounts.disable(as_review, "test", lan)
    assert accounts.check_password(as_review, lan, PASSWORD) is Refusal.FAILED
    assert as_review.scalar(text("SELECT count(*) FROM review.session")) == 0
    assert sessions.find(as_review, token, 30) is None


def test_a_new_password_unlocks_and_ends_the_sessions(as_review, lan):
    token = sessions.start(as_review, lan, 12)
    wrong(as_review, 5)
    accounts.set_password(as_review, "test", lan, "another password")
    assert accounts.check_password(as_review, lan, "another password") is None
    assert sessions.find(as_review, token, 30) is None


@pytest.mark.parametrize(
    "name, role, password, said",
    [
        ("lan", "officer", PASSWORD, "exists"),
        ("Lan Anh", "officer", PASSWORD, "cannot be a user name"),
        ("mai", "chief", PASSWORD, "is no role"),
        ("mai", "officer", "11 letters.", "12 to 200"),
        ("mai", "officer", "x" * 201, "12 to 200"),
    ],
)
def test_what_cannot_be_an_account_is_refused_in_words(as_review, lan, name, role, password, said):
    with pytest.raises(SohoaError, match=said):
        accounts.add(as_review, "test", name, "Mai", role, password)


def test_only_the_hash_of_a_token_is_stored(as_review, lan):
    token = sessions.start(as_review, lan, 12)
    row = as_review.execute(text("SELECT session_hash, ends_at - created_at AS length FROM review.session")).one()
    assert len(row.session_hash) == 32 and token.encode() not in bytes(row.session_hash)
    assert len(token) == 43 and row.length == timedelta(hours=12)
    assert sessions.find(as_review, row.session_hash.hex(), 30) is None


@pytest.mark.parametrize(
    "change", ["seen_at = now() - interval '31 minutes'", "ends_at = now() - interval '1 second'"]
)  # fmt: skip
def test_a_session_ends_when_idle_and_when_its_time_is_over(as_review, lan, change):
    token = sessions.start(as_review, lan, 12)
    assert sessions.find(as_review, token, 30)
    as_review.execute(text(f"UPDATE review.session SET {change}"))
    assert sessions.find(as_review, token, 30) is None


@pytest.mark.parametrize("touch", [True, False])
def test_only_what_a_person_does_keeps_a_session_alive(as_review, lan, touch):
    token = sessions.start(as_review, lan, 12)
    as_review.execute(text("UPDATE review.session SET seen_at = now() - interval '20 minutes'"))
    sessions.find(as_review, token, 30, touch=touch)
    assert as_review.scalar(text("SELECT seen_at = now() FROM review.session")) is touch


def test_sessions_that_are_over_are_swept_away_by_the_next_sign_in(as_review, lan):
    sessions.start(as_review, lan, 12)
    as_review.execute(text("UPDATE review.session SET ends_at = now() - interval '1 second'"))
    sessions.start(as_review, lan, 12)
    assert as_review.scalar(text("SELECT count(*) FROM review.session")) == 1


def test_what_is_done_to_accounts_stands_in_the_audit_trail(clean, as_review, lan):
    wrong(as_review, 5)
    accounts.set_password(as_review, "it", lan, "another password")
    accounts.check_password(as_review, lan, "another password")
    accounts.disable(as_review, "it", lan)
    acts = as_review.execute(text("SELECT actor, action FROM audit.event ORDER BY event_id")).all()
    assert [tuple(act) for act in acts] == [
        ("test", "account:add"), *[("nobody", "sign_in:failed")] * 4, ("nobody", "sign_in:locked"),
        ("it", "account:password"), ("lan", "sign_in"), ("it", "account:disable"),
    ]  # fmt: skip
    assert audit.verify(as_review) == []


OWN = "mật khẩu của riêng tôi"


def must_change(conn):
    return conn.scalar(text("SELECT must_change FROM review.account"))


def test_a_password_that_somebody_else_set_must_be_changed_and_ones_own_need_not(as_review, lan):
    accounts.set_password(as_review, "it", lan, "another password")
    assert must_change(as_review)
    assert sessions.find(as_review, sessions.start(as_review, lan, 12), 30).must_change
    assert accounts.change_password(as_review, lan, "another password", OWN, OWN) is None
    assert not must_change(as_review) and accounts.check_password(as_review, lan, OWN) is None
    assert accounts.check_password(as_review, lan, "another password") is Refusal.FAILED


def test_ones_own_new_password_ends_every_session_and_is_told_to_the_audit_trail(clean, as_review, lan):
    tokens = [sessions.start(as_review, lan, 12) for _ in range(2)]
    accounts.change_password(as_review, lan, PASSWORD, OWN, OWN)
    assert [sessions.find(as_review, token, 30) for token in tokens] == [None, None]
    acts = as_review.execute(text("SELECT actor, action, detail::text FROM audit.event ORDER BY event_id")).all()
    assert tuple(acts[-1])[:2] == (lan, "account:own_password") and not any(OWN in act.detail for act in acts)


@pytest.mark.parametrize(
    "old, new, again, why",
    [
        ("not this one", OWN, OWN, Refusal.FAILED),
        (PASSWORD, OWN, OWN + "!", Fault.DIFFERENT),
        (PASSWORD, "11 letters.", "11 letters.", Fault.LENGTH),
        (PASSWORD, "x" * 201, "x" * 201, Fault.LENGTH),
        (PASSWORD, " Lan-nguyen-thi", " Lan-nguyen-thi", Fault.NAME),
        (PASSWORD, unicodedata.normalize("NFD", PASSWORD), PASSWORD, Fault.SAME),
    ],
)
def test_a_new_password_that_breaks_a_rule_changes_nothing(as_review, old, new, again, why):
    accounts.add(as_review, "test", "lan-nguyen-thi", "Lan", "officer", PASSWORD)
    token = sessions.start(as_review, "lan-nguyen-thi", 12)
    assert accounts.change_password(as_review, "lan-nguyen-thi", old, new, again) is why
    assert accounts.check_password(as_review, "lan-nguyen-thi", PASSWORD) is None
    assert sessions.find(as_review, token, 30)


def test_guessing_the_old_password_locks_as_at_the_sign_in_form(as_review, lan):
    told = [accounts.change_password(as_review, lan, "not this one", OWN, OWN) for _ in range(5)]
    assert told == [Refusal.FAILED] * 4 + [Refusal.LOCKED]
    assert accounts.change_password(as_review, lan, PASSWORD, OWN, OWN) is Refusal.LOCKED


def test_a_person_of_the_directory_is_found_by_subject_and_by_user_name_once(as_review, lan):
    accounts.link(as_review, "it", lan, "name:lan.nt")
    assert accounts.of_directory(as_review, "8c1f", "mai.tt") is None
    assert accounts.of_directory(as_review, "8c1f", "lan.nt") == lan
    assert accounts.of_directory(as_review, "8c1f", "renamed") == lan
    assert accounts.of_directory(as_review, "77aa", "lan.nt") is None
    assert accounts.of_directory(as_review, "name:lan.nt", "") is None


def test_whose_account_was_closed_comes_in_by_no_other_that_bears_the_user_name(as_review, lan):
    accounts.link(as_review, "test", "lan", "uuid-1")
    accounts.disable(as_review, "test", "lan")
    accounts.add(as_review, "test", "lan2", "Lan", "officer", None, subject=f"{accounts.BY_NAME}lan")
    assert accounts.of_directory(as_review, "uuid-1", "lan") is None
    assert accounts.of_directory(as_review, "uuid-2", "lan") == "lan2"


def test_two_accounts_cannot_be_one_person(as_review, lan):
    accounts.add(as_review, "it", "mai", "Mai", "officer", None, subject="8c1f")
    with pytest.raises(SohoaError, match="linked to the user 'mai' already"):
        accounts.link(as_review, "it", lan, "8c1f")


def test_an_account_of_the_directory_alone_opens_to_no_password(as_review):
    accounts.add(as_review, "it", "mai", "Mai", "officer", None, subject="8c1f", temporary=True)
    assert not must_change(as_review)
    assert {accounts.check_password(as_review, "mai", typed) for typed in ("", "None", PASSWORD)} == {Refusal.FAILED}


@pytest.fixture
def sohoa(clean, monkeypatch, capsys):
    """Call the command line with lines on standard input: (exit code, standard output, standard error)."""

    def call(*arguments, typed=""):
        monkeypatch.setattr(sys, "argv", ["sohoa", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return ended.value.code or 0, said.out, said.err

    return call


def test_it_staff_enter_list_and_disable_accounts_by_command(sohoa, clean):
    add = ("user", "add", "thanh-tra", "--name", "Thanh tra", "--role", "auditor", "--until", "2999-01-31")
    assert sohoa(*add, "--password-stdin", typed=PASSWORD + "\n")[0] == 0
    with clean.begin() as conn:
        assert accounts.check_password(conn, "thanh-tra", PASSWORD) is None
        assert must_change(conn)
    assert sohoa("user", "password", "thanh-tra", "--password-stdin", typed="another password\n")[0] == 0
    assert sohoa("user", "disable", "thanh-tra")[0] == 0
    code, said, _ = sohoa("user", "list", "--json")
    assert code == 0 and json.loads(said) == [
        {"account_id": "thanh-tra", "name": "Thanh tra", "role": "auditor", "active": False, "ends_on": "2999-01-31",
         "usable": False, "locked": False}
    ]  # fmt: skip
    with clean.connect() as conn:
        assert conn.scalar(text("SELECT ends_on FROM review.account")) == date(2999, 1, 31)


def test_a_password_is_never_an_argument(sohoa):
    code, _, said = sohoa("user", "add", "mai", "--name", "Mai", "--role", "officer", "--password", PASSWORD)
    assert code == 2 and "No such option" in said


def test_a_short_password_is_refused_in_one_sentence(sohoa):
    code, _, said = sohoa("user", "add", "mai", "--name", "Mai", "--role", "it", "--password-stdin", typed="short\n")
    assert code == 2 and " ".join(said.split()) == "sohoa: The password must have 12 to 200 characters."


def test_an_account_of_the_directory_is_entered_without_a_password_and_others_are_linked(sohoa, clean):
    add = ("user", "add", "--role", "officer", "--name")
    assert sohoa(*add, "Mai", "mai", "--subject", "8c1f")[0] == 0
    assert sohoa(*add, "Lan", "lan", "--password-stdin", typed=PASSWORD + "\n")[0] == 0
    assert sohoa("user", "link", "lan", "name:lan.nt")[0] == 0
    with clean.begin() as conn:
        assert accounts.of_directory(conn, "8c1f", "") == "mai" and accounts.of_directory(conn, "77", "lan.nt") == "lan"
