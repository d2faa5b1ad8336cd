"""A loader killed at any point, and everything loaded twice: the EMR ends as after one clean load."""

import hashlib
import os
import random
import signal
import time
import uuid

import pytest
from sqlalchemy import text, update

from loaders import emr as loaders_emr
from pipeline import database, ledger, steps, tables
from records.pages import MediaType
from tests.test_review_decisions import READ, page_reading

LETTERS = 6
TABLES = ("patient", "encounter", "document_reference", "condition", "text_mention", "provenance", "load_receipt")
UNLIKE = "'{updated_at,loaded_at,sequence}'::text[]"


@pytest.fixture
def assembled(clean, store, batch):
    """Letters that wait to be loaded."""
    with clean.begin() as conn:
        for number in range(LETTERS):
            person = {"patient.id": f"1900000{number}", "encounter.number": f"19.00000{number}"}
            got = ledger.receive(conn, store, batch, f"{number}.png", uuid.uuid4().bytes, (MediaType.PNG, 1))
            page_id = ledger.page_id(got.receipt_id, 1)
            steps._keep(conn, page_id, 0, page_reading(page_id, READ | person))
    steps.assemble(batch)
    return batch


def standing(engine):
    """Rows and a hash of each table, but for the times and the counter."""
    found = {}
    with engine.connect() as conn:
        for name in TABLES:
            query = text(f"SELECT (to_jsonb(t) - {UNLIKE})::text FROM emr.{name} AS t ORDER BY 1")
            rows = conn.scalars(query).all()
            found[name] = (len(rows), hashlib.sha256("".join(rows).encode()).hexdigest())
    return found


def start_over(engine, settings, batch):
    with database.engine(settings, "loader").begin() as conn:
        loaders_emr.withdraw_batch(conn, batch)
    to_load_again(engine)


def to_load_again(engine):
    with engine.begin() as conn:
        conn.execute(update(tables.page).values(state="assembled"))


def load_in_a_child(batch):
    child = os.fork()
    if not child:
        try:
            steps.load(batch)
        finally:
            os._exit(0)
    return child


@pytest.mark.parametrize("kills", [pytest.param(10, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.all)])
def test_row_counts_and_hashes_are_those_of_one_clean_load(assembled, clean, settings, kills):
    steps.load(assembled)
    clear = standing(clean)
    assert clear["document_reference"][0] == LETTERS
    to_load_again(clean)
    steps.load(assembled)
    assert standing(clean) == clear, "loaded twice"
    start_over(clean, settings, assembled)
    begun = time.perf_counter()
    os.waitpid(load_in_a_child(assembled), 0)
    whole = time.perf_counter() - begun
    chance, partly = random.Random(10), 0
    for _ in range(kills):
        start_over(clean, settings, assembled)
        child = load_in_a_child(assembled)
        time.sleep(chance.uniform(0, whole))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        with clean.connect() as conn:
            shown = conn.scalar(text("SELECT count(DISTINCT document_id) FROM emr.document_reference"))
        partly += 0 < shown < LETTERS
        steps.load(assembled)
        assert standing(clean) == clear
    assert partly > kills // 10, "the kills fell between documents too"
