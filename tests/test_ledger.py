"""The ledger: nothing is lost, nothing is counted twice, and it says so when it does not balance."""

import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, text, update

from pipeline import leases, ledger, tables
from records.errors import SohoaError, UnreadableScan
from records.pages import Batch, MediaType
from records.states import PageState

TWO_PAGES = (MediaType.PDF, 2)


@pytest.fixture
def data() -> bytes:
    return uuid.uuid4().bytes


def receive(conn, store, batch, path, data, found=TWO_PAGES):
    given = ledger.receive(conn, store, batch, path, data, found)
    conn.commit()
    return given


def states(conn, batch=None):
    return {batch_id: found for batch_id, found in ledger.counts(conn, batch).items() if found}


def test_a_received_scan_has_its_original_its_receipt_its_pages_and_a_notice(conn, store, batch, data):
    given = receive(conn, store, batch, "a.pdf", data)
    assert (given.outcome, given.pages, given.new, given.reason_code) == ("received", 2, True, None)
    assert store.get(given.scan_id) == data
    rows = conn.execute(select(tables.page).order_by(tables.page.c.number)).all()
    assert [(row.number, row.state, row.page_id) for row in rows] == [
        (1, "received", f"{given.receipt_id}-0001"),
        (2, "received", f"{given.receipt_id}-0002"),
    ]
    notice = conn.execute(select(tables.outbox)).one()
    assert notice.key == f"receipt:{given.receipt_id}" and notice.payload["pages"] == 2
    assert ledger.balance(conn) == []


def test_the_same_file_handed_in_again_adds_nothing(conn, store, batch, data):
    first = receive(conn, store, batch, "a.pdf", data)
    again = receive(conn, store, batch, "a.pdf", data)
    assert again == first._replace(new=False)
    assert states(conn) == {batch: {"received": 2}}


def test_the_same_bytes_under_another_name_are_already_held_and_counted_as_duplicates(conn, store, batch, data):
    first = receive(conn, store, batch, "a.pdf", data)
    second = receive(conn, store, batch, "copy of a.pdf", data)
    assert (second.outcome, second.scan_id) == ("already_held", first.scan_id)
    rows = conn.execute(select(tables.page).where(tables.page.c.receipt_id == second.receipt_id)).all()
    assert {row.duplicate_of for row in rows} == {f"{first.receipt_id}-0001", f"{first.receipt_id}-0002"}
    assert states(conn) == {batch: {"received": 2, "duplicate": 2}}
    assert ledger.balance(conn) == []


def test_the_same_bytes_in_another_batch_point_at_the_first_batch(conn, store, batch, data, tmp_path):
    first = receive(conn, store, batch, "a.pdf", data)
    ledger.open_batch(conn, Batch(batch_id="box-2", facility="DEMO", folder=str(tmp_path / "other")))
    second = receive(conn, store, "box-2", "a.pdf", data)
    assert second.outcome == "already_held" and second.receipt_id != first.receipt_id
    assert states(conn) == {batch: {"received": 2}, "box-2": {"duplicate": 2}}
    assert states(conn, "box-2") == {"box-2": {"duplicate": 2}}


def test_the_bytes_of_an_undone_batch_are_received_anew(conn, store, batch, data):
    receive(conn, store, batch, "a.pdf", data)
    conn.execute(update(tables.page).values(state="withdrawn"))
    conn.commit()
    assert receive(conn, store, batch, "b.pdf", data).outcome == "received"


def test_an_unreadable_file_is_kept_and_counted_as_page_zero(conn, store, batch, data):
    given = receive(conn, store, batch, "a.pdf", data, UnreadableScan("damaged_file"))
    assert (given.outcome, given.reason_code, given.pages) == ("quarantined", "damaged_file", 1)
    assert store.get(given.scan_id) == data
    row = conn.execute(select(tables.page)).one()
    assert (row.number, row.state, row.reason) == (0, "quarantined", "damaged_file")
    assert ledger.balance(conn) == []


def test_a_file_whose_bytes_cannot_be_taken_in_still_gets_its_receipt(conn, store, batch):
    given = receive(conn, store, batch, "huge.tif", None, UnreadableScan("too_large"))
    assert (given.scan_id, given.outcome, given.pages) == (None, "quarantined", 1)
    assert ledger.balance(conn) == []


def test_bytes_that_a_newer_edition_can_read_are_received_after_their_quarantine(conn, store, batch, data):
    receive(conn, store, batch, "a.pdf", data, UnreadableScan("page_count_differs"))
    assert ledger.known(conn, data) is None
    assert receive(conn, store, batch, "b.pdf", data).outcome == "received"
    assert ledger.known(conn, data) == TWO_PAGES
    assert ledger.balance(conn) == []


def test_two_that_hand_in_the_same_bytes_at_once_give_one_scan(clean, store, batch, data):
    together = threading.Barrier(6)

    def hand_in(path):
        with clean.connect() as own:
            together.wait()
            return receive(own, store, batch, path, data).outcome

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(hand_in, [f"{number % 3}.pdf" for number in range(6)]))
    assert set(outcomes) == {"received", "already_held"}
    with clean.connect() as conn:
        assert conn.scalar(select(func.count()).select_from(tables.scan)) == 1
        assert states(conn) == {batch: {"received": 2, "duplicate": 4}}
        assert ledger.balance(conn) == []


def test_a_page_moves_only_from_the_state_it_is_in(conn, store, batch, data):
    page = f"{receive(conn, store, batch, 'a.pdf', data).receipt_id}-0001"
    assert ledger.move(conn, page, PageState.RECEIVED, PageState.READ)
    assert not ledger.move(conn, page, PageState.RECEIVED, PageState.READ)
    assert ledger.move(conn, page, PageState.READ, PageState.ASSEMBLED, document_id="d1")
    conn.commit()
    assert states(conn) == {batch: {"received": 1, "assembled": 1}}


def test_a_page_takes_no_way_that_the_ledger_does_not_have(conn, batch):
    with pytest.raises(ValueError, match="received to loaded"):
        ledger.move(conn, "any", PageState.RECEIVED, PageState.LOADED)


def test_a_leased_page_is_nobody_elses_until_the_lease_runs_out(conn, store, batch, data):
    given = receive(conn, store, batch, "a.pdf", data)
    pages = [ledger.page_id(given.receipt_id, number) for number in (1, 2)]
    assert leases.lease(conn, pages, "elsewhere:1:1", 60) == [(pages[0], 1), (pages[1], 1)]
    assert leases.lease(conn, pages, "elsewhere:2:2", 60) == []
    conn.execute(text("UPDATE pipeline.page SET lease_until = clock_timestamp() - interval '1 s' WHERE number = 1"))
    assert leases.lease(conn, pages, "elsewhere:2:2", 60) == [(pages[0], 2)]


def test_a_late_worker_cannot_move_a_page_that_was_leased_again(conn, store, batch, data):
    page = ledger.page_id(receive(conn, store, batch, "a.pdf", data).receipt_id, 1)
    ((_, late),) = leases.lease(conn, [page], "elsewhere:1:1", -1)
    ((_, token),) = leases.lease(conn, [page], "elsewhere:2:2", 60)
    assert not ledger.move(conn, page, PageState.RECEIVED, PageState.READ, token=late)
    assert ledger.move(conn, page, PageState.RECEIVED, PageState.READ, token=token)


def test_pages_of_a_killed_process_of_this_machine_are_free_at_once(conn, store, batch, data):
    page = ledger.page_id(receive(conn, store, batch, "a.pdf", data).receipt_id, 1)
    code = "from pipeline import leases; print(leases.this_process())"
    gone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    leases.lease(conn, [page], gone, 600)
    assert leases.lease(conn, [page], "elsewhere:2:2", -1) == [(page, 2)]
    leases.lease(conn, [page], leases.this_process(), 600)
    assert leases.lease(conn, [page], "elsewhere:2:2", 60) == []


def test_a_page_locked_by_another_transaction_is_passed_over(clean, conn, store, batch, data):
    given = receive(conn, store, batch, "a.pdf", data)
    pages = [ledger.page_id(given.receipt_id, number) for number in (1, 2)]
    with clean.begin() as other:
        other.execute(text("SELECT 1 FROM pipeline.page WHERE page_id = :id FOR UPDATE"), {"id": pages[0]})
        assert leases.lease(conn, pages, "elsewhere:1:1", 60) == [(pages[1], 1)]


def test_pages_at_rest_are_not_leased(conn, store, batch, data):
    receive(conn, store, batch, "a.pdf", data)
    second = receive(conn, store, batch, "b.pdf", data)
    assert leases.lease(conn, [ledger.page_id(second.receipt_id, 1)], "elsewhere:1:1", 60) == []


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("DELETE FROM pipeline.page WHERE number = 2", "is for 2 pages, the ledger has 1"),
        ("UPDATE pipeline.page_count SET pages = pages + 1", "the counter says 3 pages are 'received'"),
        ("UPDATE pipeline.page SET number = 7 WHERE number = 2", "is in the ledger but on no receipt"),
        ("UPDATE pipeline.scan SET page_count = 3", "is for 3 pages, the ledger has 2"),
        ("UPDATE pipeline.page SET state = 'duplicate' WHERE number = 2", "is a duplicate of no page"),
        ("UPDATE pipeline.batch SET closed_at = now()", "is closed but 2 of its pages"),
        ("DELETE FROM pipeline.page_count", "the counter says 0 pages are 'received'"),
    ],
)
def test_a_ledger_that_does_not_balance_says_where(conn, store, batch, data, damage, sentence):
    receive(conn, store, batch, "a.pdf", data)
    conn.execute(text(damage))
    found = ledger.balance(conn, batch)
    assert any(sentence in line for line in found), found
    assert found == ledger.balance(conn) and ledger.balance(conn, "another") == []


def test_counters_are_right_inside_the_transaction_that_moves_pages(conn, store, batch, data):
    given = ledger.receive(conn, store, batch, "a.pdf", data, TWO_PAGES)
    assert ledger.balance(conn) == []
    ledger.move(conn, ledger.page_id(given.receipt_id, 1), PageState.RECEIVED, PageState.READ)
    assert states(conn) == {batch: {"received": 1, "read": 1}}
    assert ledger.balance(conn) == []


def test_an_open_transaction_holds_nobody_up_who_moves_another_page(clean, conn, store, batch, data):
    first, second = [ledger.page_id(receive(conn, store, batch, "a.pdf", data).receipt_id, n) for n in (1, 2)]
    ledger.move(conn, first, PageState.RECEIVED, PageState.READ)
    with clean.begin() as other:
        other.execute(text("SET LOCAL lock_timeout = '500ms'"))
        assert ledger.move(other, second, PageState.RECEIVED, PageState.READ)
    conn.commit()
    assert states(conn) == {batch: {"read": 2}}


def test_counters_stay_right_when_many_move_pages_at_once(clean, store, batch):
    with clean.begin() as conn:
        receipts = [
            ledger.receive(conn, store, batch, f"{n}.pdf", uuid.uuid4().bytes, (MediaType.PDF, 5)) for n in range(8)
        ]

    def work(given):
        with clean.begin() as own:
            for number in range(1, 6):
                new = PageState.READ if number % 2 else PageState.QUARANTINED
                ledger.move(own, ledger.page_id(given.receipt_id, number), PageState.RECEIVED, new)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, receipts))
    with clean.connect() as conn:
        assert states(conn) == {batch: {"read": 24, "quarantined": 16}}
        assert ledger.balance(conn) == []


def test_a_batch_of_an_unknown_facility_or_another_folder_is_refused(conn, batch):
    with pytest.raises(SohoaError, match="facility 'NONE' is not known"):
        ledger.open_batch(conn, Batch(batch_id="b", facility="NONE", folder="/x"))
    with pytest.raises(SohoaError, match="another folder"):
        ledger.open_batch(conn, Batch(batch_id=batch, facility="DEMO", folder="/x"))


def test_nothing_is_received_when_the_transaction_fails(conn, store, batch, data):
    ledger.receive(conn, store, batch, "a.pdf", data, TWO_PAGES)
    conn.rollback()
    assert states(conn) == {} and ledger.balance(conn) == []
    assert receive(conn, store, batch, "a.pdf", data).new
