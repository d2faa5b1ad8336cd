"""What an officer rules of single pages: the file is put together so, now and after every later run."""

import uuid

import pytest
from sqlalchemy import insert, select, text, update

from extractors.page_numbers import printed_number
from pipeline import database, ledger, repairs, steps, tables
from pipeline.grouping import FilePage, group_pages, misplaced_pages
from pipeline.repairs import Repair, in_ruled_order, joined, moved, places_ruled, shifted, split, starts_ruled
from records.pages import Box, Line, MediaType, PageText, Word
from review import queue
from review.decisions import Decision, decide
from review.repairs import ACTIONS, RepairRefused, in_hand, to_file
from review.tables import account
from tests.builders import page_reading

SHAPE = [["a", "b"], ["c"], ["d", "e"]]
LETTER = {
    "patient.name": "TRẦN THỊ MẪU",
    "patient.id": "19000001",
    "encounter.number": "19.000001",
    "encounter.admitted_at": "08 giờ 00 phút, ngày 01 tháng 02 năm 2019",
    "encounter.discharged_at": "08 giờ 00 phút, ngày 09 tháng 02 năm 2019",
    "treatment": "Kháng sinh",
}


# The shape of a file


def test_documents_are_split_joined_reordered_and_pages_moved():
    assert split(SHAPE, "b") == [["a"], ["b"], ["c"], ["d", "e"]]
    assert joined(SHAPE, "d") == [["a", "b"], ["c", "d", "e"]]
    assert shifted(SHAPE, "d", 1) == [["a", "b"], ["c"], ["e", "d"]]
    assert shifted(SHAPE, "d", -1) == [["a", "b"], ["d", "e"], ["c"]], "at its end the whole document moves"
    assert moved(SHAPE, "c", "a") == [["a", "b", "c"], ["d", "e"]]
    for change in (lambda: split(SHAPE, "a"), lambda: joined(SHAPE, "b"), lambda: shifted(SHAPE, "a", -1)):
        with pytest.raises(ValueError):
            change()


@pytest.mark.parametrize(
    "after", [split(SHAPE, "e"), joined(SHAPE, "c"), shifted(SHAPE, "c", 1), moved(SHAPE, "a", "e")]
)
def test_what_is_ruled_gives_the_shape_that_was_wanted(after):
    """Pages that would all stand alone but for the rulings, as they were ruled before."""
    before = {page_id: page_id in "acd" for page_id in "abcde"}
    starts = before | {page: told == "true" for page, told in starts_ruled(SHAPE, after).items()}
    places = {page: int(n) for page, n in places_ruled(SHAPE, after).items()}
    order = in_ruled_order("abcde", places.get)
    found = group_pages([filed(page, starts=starts[page]) for page in order])
    assert [[page.page_id for page in group] for group in found] == after


def test_a_late_sheet_stays_behind_its_neighbour():
    assert in_ruled_order("abxc", {"a": 3, "b": 1, "c": 2}.get) == ["b", "x", "c", "a"]


def filed(page_id, document_type="discharge_letter", titled=True, printed="", **more):
    reading = page_reading(page_id, document_type, {}, titled=titled)
    if printed:
        word = Word(text=printed, confidence=0.9, box=Box(left=1, top=1, right=9, bottom=9))
        reading = reading.model_copy(
            update={"text": PageText(page_id=page_id, engine="e", lines=(Line(words=(word,)),))}
        )
        assert printed_number(reading.text)
    return FilePage(page_id=page_id, reading=reading, **more)


def test_a_page_behind_another_than_its_own_number_asks_for_its_order():
    given = [filed("a", printed="Trang 2/2"), filed("b", printed="Trang 1/2")]
    assert [issue.check for issue in misplaced_pages(group_pages(given))["a"]] == ["page_order"]
    assert misplaced_pages(group_pages(given[::-1])) == {}


def test_a_rescan_keeps_what_is_of_the_paper_and_not_how_the_old_scan_lay():
    old = Repair(document_type="consent", starts=False, place=4, turn=90, double="p")
    assert repairs.with_earlier(Repair(starts=True), [old]) == Repair(document_type="consent", starts=True, place=4)


# A file in the database


class File:
    """A scan of titled pages in a batch, put together and loaded as far as it goes; and an officer who repairs it."""

    def __init__(self, owner, settings, batch_id, page_ids):
        self.owner, self.batch_id, self.pages = owner, batch_id, page_ids
        self.engine = database.engine(settings, "review")

    def rows(self, query, **values):
        with self.owner.connect() as conn:
            return [tuple(row) for row in conn.execute(text(query), values)]

    def shape(self):
        """The documents: pages by their place in the scan, from 1, in the file's order."""
        from review.repairs import documents_of

        with self.owner.connect() as conn:
            files = conn.scalars(select(tables.file.c.file_id).order_by(tables.file.c.label))
            return [
                [self.pages.index(p) + 1 for p in own.page_ids] for file in files for own in documents_of(conn, file)
            ]

    def document(self, number):
        return self.rows("SELECT document_id FROM pipeline.page WHERE page_id = :page", page=self.pages[number - 1])[0][
            0
        ]

    def do(self, action, number, value="", officer="an"):
        with self.engine.begin() as conn:
            own = self.in_hand(conn, number, officer)
            ACTIONS[action](conn, own, self.pages[number - 1], value)
        steps.assemble(self.batch_id)

    def in_hand(self, conn, number, officer="an"):
        page_id = self.pages[number - 1]
        query = select(tables.document.c.file_id).join(
            tables.page, tables.page.c.document_id == tables.document.c.document_id
        )
        file_id = conn.scalar(query.where(tables.page.c.page_id == page_id))
        return in_hand(conn, file_id, page_id, officer, "vì sao")

    def decide(self, number, field, value):
        with self.engine.begin() as conn:
            task = tables.review_task
            own = (task.c.document_id == self.document(number)) & (task.c.field == field)
            decide(conn, conn.scalar(select(task.c.task_id).where(own)), "an", Decision.CORRECT, value)

    def value(self, number, field):
        return self.rows(
            "SELECT value, rule FROM pipeline.field_value WHERE document_id = :d AND field = :f",
            d=self.document(number), f=field,
        )  # fmt: skip

    def states(self):
        with self.owner.begin() as conn:
            assert ledger.balance(conn) == []
            return {state: n for state, n in ledger.counts(conn)[self.batch_id].items() if n}


@pytest.fixture
def file_of(clean, settings, store, batch):
    def make(*pages):
        with clean.begin() as conn:
            conn.execute(insert(account), [{"account_id": n, "name": n, "role": "officer"} for n in ("an", "binh")])
            kind = (MediaType.PDF, len(pages))
            given = ledger.receive(conn, store, batch, "a.pdf", uuid.uuid4().bytes, kind)
            ids = [ledger.page_id(given.receipt_id, n + 1) for n in range(len(pages))]
            for page_id, told in zip(ids, pages, strict=True):
                steps._keep(conn, page_id, 0, page_reading(page_id, "discharge_letter", told))
        steps.assemble(batch)
        steps.load(batch)
        return File(clean, settings, batch, ids)

    return make


@pytest.fixture
def letters(file_of):
    """Three discharge letters of one patient, each a document."""
    return file_of(LETTER, LETTER | {"diagnosis.main": "Viêm phổi"}, LETTER)


def test_a_ruling_outlives_every_later_run(letters):
    assert letters.shape() == [[1], [2], [3]]
    letters.do("join", 2)
    letters.do("shift", 3, "back")
    assert letters.shape() == [[3], [1, 2]]
    with letters.owner.begin() as conn:
        conn.execute(text("UPDATE pipeline.page SET state = 'read' WHERE state IN ('in_review', 'assembled')"))
    steps.assemble(letters.batch_id)
    assert letters.shape() == [[3], [1, 2]] and sum(letters.states().values()) == 3
    letters.do("shift", 2, "back")
    assert letters.shape() == [[3], [2, 1]]
    letters.do("split", 1)
    assert letters.shape() == [[3], [2], [1]]
    told = letters.rows("SELECT actor, detail FROM audit.event WHERE action = 'repair:starts' ORDER BY event_id")
    assert told[-1][1]["now"][letters.pages[0]] == "true"
    assert told[-1][1]["before"][letters.pages[0]] == "false", "the chain has the ruling that was replaced"


def test_what_a_person_decided_stays_with_its_page(letters):
    letters.decide(2, "treatment", "Phẫu thuật")
    letters.do("join", 3)
    assert letters.shape() == [[1], [2, 3]]
    assert letters.value(2, "treatment") == [("Phẫu thuật", "reviewed")]
    letters.do("split", 3)
    assert letters.value(2, "treatment") == [("Phẫu thuật", "reviewed")]
    assert letters.value(3, "treatment")[0][1] != "reviewed"
    decisions = letters.rows(
        "SELECT document_id, field FROM pipeline.review_decision JOIN pipeline.review_task USING (task_id)"
    )
    assert decisions == [(letters.document(2), "treatment")]
    there = "SELECT document_id FROM pipeline.document"
    assert not letters.rows(
        f"SELECT task_id FROM pipeline.review_task WHERE state = 'open' AND document_id NOT IN ({there})"
    ), "nobody is asked about a document that is no more"


def test_rows_of_a_document_that_is_no_more_leave_the_emr(letters):
    shown = "SELECT DISTINCT document_id FROM emr.document_reference"
    assert {row[0] for row in letters.rows(shown)} == {letters.document(n) for n in (1, 2, 3)}
    letters.do("join", 2)
    steps.repair(letters.batch_id)
    assert {row[0] for row in letters.rows(shown)} == {letters.document(3)}
    steps.load(letters.batch_id)
    assert {row[0] for row in letters.rows(shown)} == {letters.document(1), letters.document(3)}


def test_a_page_moves_to_another_document_and_to_another_file(letters):
    letters.do("move", 1, letters.document(3))
    assert letters.shape() == [[2], [3, 1]]
    with letters.engine.begin() as conn:
        to_file(conn, letters.in_hand(conn, 1), [letters.pages[0]], "b.pdf")
    steps.assemble(letters.batch_id)
    assert letters.shape() == [[2], [3], [1]]
    assert letters.rows("SELECT label FROM pipeline.file ORDER BY label") == [("a.pdf",), ("b.pdf",)]
    kept = letters.rows("SELECT page_id FROM pipeline.page_repair WHERE what IN ('place', 'starts')")
    assert (letters.pages[0],) not in kept, "its place in the old file is no place in the new one"
    steps.repair(letters.batch_id)
    told = letters.rows("SELECT page_id, file_id FROM emr.document_reference")
    assert all(page != letters.pages[0] for page, _ in told), "it does not stay in the EMR where it lay"


def test_another_form_and_another_turn_send_pages_to_be_read_so(letters, monkeypatch):
    letters.do("join", 2)
    letters.do("type", 1, "transfer_letter")
    letters.do("turn", 3, "right")
    assert letters.states() == {"received": 3}
    read = []

    def extract(page_ids):
        with letters.owner.begin() as conn:
            for job in steps._jobs(conn, page_ids):
                read.append((letters.pages.index(job.page_id) + 1, job.document_type, job.turn))
                kind = job.document_type or "discharge_letter"
                steps._keep(conn, job.page_id, 0, page_reading(job.page_id, kind, LETTER, titled=False))

    monkeypatch.setattr(steps, "extract", extract)
    steps.repair(letters.batch_id)
    assert read == [(1, "transfer_letter", None), (2, "transfer_letter", None), (3, "", 90)]
    assert letters.shape() == [[1, 2], [3]]
    kinds = dict(letters.rows("SELECT document_id, document_type FROM pipeline.document"))
    assert kinds[letters.document(1)] == "transfer_letter"


def test_a_type_that_was_ruled_stands_though_the_page_is_read_as_another_again(letters):
    letters.decide(1, "treatment", "Phẫu thuật")
    letters.do("type", 1, "transfer_letter")
    with letters.owner.begin() as conn:
        steps._keep(conn, letters.pages[0], 0, page_reading(letters.pages[0], "discharge_letter", LETTER))
    steps.assemble(letters.batch_id)
    kinds = dict(letters.rows("SELECT document_id, document_type FROM pipeline.document"))
    assert kinds[letters.document(1)] == "transfer_letter"
    assert letters.value(1, "treatment") == [("Phẫu thuật", "reviewed")]


def test_a_sheet_that_an_officer_calls_a_second_scan_rests_as_one(letters):
    letters.do("double", 3, letters.pages[0])
    assert letters.shape() == [[1], [2]] and letters.states()["duplicate"] == 1
    first = letters.rows("SELECT duplicate_of FROM pipeline.page WHERE state = 'duplicate'")
    assert first == [(letters.pages[0],)]


def test_impossible_repairs_are_refused_with_a_sentence_and_nothing_is_ruled(letters):
    with letters.owner.begin() as conn:
        conn.execute(update(tables.file).values(facts={"identity": {letters.pages[1]: "conflict"}}))
    cases = [
        ("join", 2, "", "repairs.other_patient"), ("join", 1, "", "repairs.nothing_before"),
        ("split", 1, "", "repairs.starts_already"), ("shift", 1, "back", "repairs.at_the_end"),
        ("type", 1, "no_such_form", "repairs.no_such_form"), ("type", 1, "doubtful_separator", "repairs.no_such_form"),
        ("type", 1, "discharge_letter", "repairs.form_already"), ("move", 1, "x", "repairs.changed"),
        ("turn", 1, "upside down", "repairs.unclear"), ("double", 1, letters.pages[0], "repairs.changed"),
    ]  # fmt: skip
    for action, number, value, key in cases:
        with pytest.raises(RepairRefused) as refused:
            letters.do(action, number, value)
        assert refused.value.key == key and refused.value.said("vi") != refused.value.said("en")
    with letters.owner.begin() as conn:
        conn.execute(text("UPDATE pipeline.page SET state = 'withdrawn'"))
    with pytest.raises(RepairRefused, match="undone"):
        letters.do("turn", 1, "right")
    assert letters.rows("SELECT * FROM pipeline.page_repair") == []


def test_a_document_that_another_officer_reviews_is_left_alone(letters):
    with letters.engine.begin() as conn:
        assert queue.take(conn, "binh", letters.document(2))
    with pytest.raises(RepairRefused, match="Somebody else"):
        letters.do("join", 2)
    letters.do("join", 2, officer="binh")
    assert letters.shape() == [[1, 2], [3]]
