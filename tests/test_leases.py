"""Leases are renewed by a reader that lives, and run out where it died."""

import time

import pytest
from sqlalchemy import text

from pipeline import leases, ledger
from records.pages import MediaType


@pytest.fixture
def pages(conn, store, batch):
    given = ledger.receive(conn, store, batch, "a.pdf", b"three pages", (MediaType.PDF, 3))
    conn.commit()
    return [ledger.page_id(given.receipt_id, number) for number in (1, 2, 3)]


def seconds_left(engine):
    with engine.connect() as conn:
        query = "SELECT extract(epoch FROM lease_until - clock_timestamp()) FROM pipeline.page ORDER BY number"
        return [None if found is None else float(found) for found in conn.scalars(text(query))]


def test_a_lease_is_renewed_while_its_reader_lives_and_not_after(clean, pages, monkeypatch):
    monkeypatch.setattr(leases, "LEASE_SECONDS", 2)
    with clean.begin() as conn:
        tokens = dict(leases.lease(conn, pages, "elsewhere:1:1", 2))
    with leases.kept(clean, tokens):
        time.sleep(3)
        assert all(left > 0 for left in seconds_left(clean))
    time.sleep(2.2)
    with clean.begin() as conn:
        assert [page for page, _ in leases.lease(conn, pages, "elsewhere:2:2", 60)] == pages


def test_neither_a_page_that_was_read_nor_one_that_another_leased_since_is_renewed(clean, pages):
    with clean.begin() as conn:
        tokens = dict(leases.lease(conn, pages, "elsewhere:1:1", -1))
        leases.lease(conn, pages[:1], "elsewhere:2:2", 30)
        ledger.move(conn, pages[1], ledger.PageState.RECEIVED, ledger.PageState.READ, token=tokens[pages[1]])
        assert leases.renew(conn, tokens, 500) == 1
    taken, read, kept = seconds_left(clean)
    assert 20 < taken < 40 and read is None and kept > 400
