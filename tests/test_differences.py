"""What somebody else wrote into the EMR stands until an officer has seen it; her answer lets the document be loaded."""

import pytest
from sqlalchemy import select, text, update

from pipeline import outbox, steps, tables
from records.errors import SohoaError
from review import files
from review.decisions import Decision
from review.sentences import in_language
from tests.test_changes import hospital, loader  # noqa: F401
from tests.test_review_decisions import NAME, letter, letter_of  # noqa: F401

NAMED = "UPDATE emr.condition SET text = 'Viêm ruột thừa đã mổ'"


@pytest.fixture
def disputed(letter, hospital):  # noqa: F811
    """All but the name of a letter is loaded; somebody else writes its diagnosis, then the name is settled."""
    for field in letter.open():
        if field != NAME:
            letter.decide(field, Decision.ACCEPT)
    steps.load(letter.batch_id)
    with letter.owner.begin() as conn:
        conn.execute(update(tables.page).values(state="assembled"))
    steps.load(letter.batch_id)
    assert diagnosis(letter) == "Viêm ruột thừa cấp"
    hospital(NAMED)
    letter.decide(NAME, Decision.CORRECT, "TRẦN THỊ MẪN")
    outbox.load_reviewed(letter.batch_id)
    return letter


def diagnosis(letter):  # noqa: F811
    with letter.owner.connect() as conn:
        return conn.scalar(text("SELECT text FROM emr.condition"))


def file_id(letter):  # noqa: F811
    with letter.owner.connect() as conn:
        return conn.scalar(select(tables.file.c.file_id))


def test_the_officer_is_told_both_and_what_she_lets_stand_is_not_asked_again(disputed):
    assert diagnosis(disputed) == "Viêm ruột thừa đã mổ"
    assert disputed.in_emr(NAME).value == "TRẦN THỊ MẪN", "the rest of the document is loaded"
    assert disputed.states() == {"in_review": 1}
    with disputed.engine.begin() as conn:
        (waiting,) = files.waiting_files(conn)
        _, (page,) = files.pages_of(conn, waiting.file_id)
        (sentence,) = page.issues
        assert page.differs and "“Viêm ruột thừa đã mổ”" in sentence and "“Viêm ruột thừa cấp”" in sentence
        assert "the paper says “Viêm ruột thừa cấp”" in in_language(sentence, "en")
        files.keep_emr(conn, waiting.file_id, disputed.document_id, "an")
    outbox.load_reviewed(disputed.batch_id)
    assert disputed.states() == {"loaded": 1} and diagnosis(disputed) == "Viêm ruột thừa đã mổ"
    with disputed.engine.begin() as conn:
        assert files.waiting_files(conn) == []
        with pytest.raises(SohoaError, match="already"):
            files.keep_emr(conn, waiting.file_id, disputed.document_id, "an")
    assert disputed.rows(tables.event)[-1]["action"] == files.KEEP


def load_again(letter):  # noqa: F811
    with letter.owner.begin() as conn:
        conn.execute(update(tables.page).values(state="assembled"))
    outbox.load_reviewed(letter.batch_id)


def test_another_value_is_asked_about_anew(disputed, hospital):  # noqa: F811
    with disputed.engine.begin() as conn:
        files.keep_emr(conn, file_id(disputed), disputed.document_id, "an")
    hospital("UPDATE emr.condition SET text = 'Viêm phúc mạc'")
    load_again(disputed)
    assert disputed.states() == {"in_review": 1}
    with disputed.engine.connect() as conn:
        _, (page,) = files.pages_of(conn, file_id(disputed))
        assert "“Viêm phúc mạc”" in page.issues[0]


def test_when_both_say_the_same_nothing_is_asked(disputed, hospital):  # noqa: F811
    hospital("UPDATE emr.condition SET text = 'Viêm ruột thừa cấp'")
    with disputed.engine.begin() as conn:
        files.keep_emr(conn, file_id(disputed), disputed.document_id, "an")
    outbox.load_reviewed(disputed.batch_id)
    assert disputed.states() == {"loaded": 1}
    assert disputed.rows(tables.difference) == []
