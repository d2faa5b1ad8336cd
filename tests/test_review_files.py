"""The files that wait for an officer: held ones, those with a page of nobody, those that the EMR did not take."""

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import insert, update

from pipeline import database, tables
from records.errors import SohoaError
from review import sessions
from review.app import create_app
from review.files import pages_of, waiting_files
from review.tables import account


@pytest.fixture
def filed(conn, batch, settings):
    """Enters a file of one document with two pages, p-0001 in review; gives the connection of the workbench."""

    def enter(*, state="open", identity=("confirmed", "confirmed"), first="in_review", issues=()):
        own = {"batch_id": batch}
        facts = {"identity": dict(zip(("p-0001", "p-0002"), identity, strict=True))}
        add(tables.receipt, receipt_id="r", path="a.pdf", outcome="received", **own)
        add(tables.file, file_id="f", label="a.pdf", state=state, facts=facts, **own)
        add(tables.document, document_id="d", file_id="f", document_type="discharge_letter", verdict="review",
            page_ids=["p-0001", "p-0002"], validated={}, **own)  # fmt: skip
        for number, page_state in ((1, first), (2, "loaded")):
            add(tables.page, page_id=f"p-{number:04d}", receipt_id="r", number=number, state=page_state,
                document_id="d", **own)  # fmt: skip
        for issue in issues:
            add(tables.issue, **own, **issue)
        conn.commit()
        return database.engine(settings, "review")

    def add(table, **values):
        conn.execute(insert(table).values(**values))

    return enter


def waiting(engine):
    with engine.connect() as conn:
        return [(one.label, one.pages, one.asked) for one in waiting_files(conn)]


def pages(engine):
    with engine.connect() as conn:
        return [(one.page_id, one.identity, one.issues, one.waits) for one in pages_of(conn, "f")[1]]


NOBODYS = {"page_id": "p-0001", "check_name": "no_identity", "message": "Không rõ của ai."}
CONFLICT = {"document_id": "d", "check_name": "emr_conflict", "message": "Hồ sơ đã đóng."}


def test_a_file_with_nothing_but_doubtful_values_does_not_wait_and_is_shown(filed):
    engine = filed()
    assert waiting(engine) == [] and len(pages(engine)) == 2
    with pytest.raises(SohoaError, match="no file"), engine.connect() as conn:
        pages_of(conn, "g")


def test_a_held_file_waits_until_its_pages_are_on_their_way(filed, conn):
    engine = filed(state="held")
    assert waiting(engine) == [("a.pdf", 2, ())]
    conn.execute(update(tables.page).values(state="read"))
    conn.commit()
    assert waiting(engine) == []


def test_a_page_of_nobody_can_be_placed_though_its_file_is_not_held(filed):
    engine = filed(identity=("unknown", "confirmed"), issues=[NOBODYS])
    assert waiting(engine) == [("a.pdf", 2, ("no_identity",))]
    first, second = pages(engine)
    assert first == ("p-0001", "unknown", ("Không rõ của ai.",), True)
    assert second == ("p-0002", "confirmed", (), True), "a loaded page can be placed elsewhere too"


def test_a_page_of_nobody_that_does_not_wait_is_not_asked_about(filed):
    assert waiting(filed(identity=("confirmed", "unknown"))) == []


def test_what_the_emr_did_not_take_is_asked_at_the_documents_first_page(filed):
    engine = filed(issues=[CONFLICT])
    assert waiting(engine) == [("a.pdf", 2, ("emr_conflict",))]
    assert [told for _, _, told, _ in pages(engine)] == [("Hồ sơ đã đóng.",), ()]


def test_a_restricted_page_leads_to_where_a_reason_is_given(filed, conn, settings):
    filed(state="held")
    app = create_app(settings)
    conn.execute(insert(account).values(account_id="an", name="an", role="officer"))
    client = TestClient(app)
    client.cookies.set(sessions.COOKIE, sessions.start(conn, "an", 12))
    conn.commit()
    assert "/task/d" not in client.get("/files/f").text
    conn.execute(update(tables.document).values(document_type="identity_card"))
    conn.commit()
    shown = client.get("/files/f").text
    assert 'href="/task/d"' in shown and "<img" not in shown


def test_a_conflict_that_is_settled_is_not_asked_about(filed):
    assert waiting(filed(first="loaded", issues=[CONFLICT])) == []
