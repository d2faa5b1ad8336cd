"""What an officer rules of single pages: the file is put together so, now and after every later run."""

import uuid

import pytest
from sqlalchemy import insert, select, text, update

from extractors.page_numbers import printed_number
from pipeline import database, ledger, repairs, steps, tables
from pipeline.batch_pages import in_file_order, rulings_of
from pipeline.grouping import FilePage, group_pages, misplaced_pages
from pipeline.placing import place_pages
from pipeline.repairs import (
    HERE,
    Repair,
    begins,
    in_ruled_order,
    joined,
    moved,
    places_ruled,
    shifted,
    split,
    starts_ruled,
)
from records.pages import Box, Line, MediaType, PageText, Word
from review import queue
from review.decisions import Decision, decide
from review.repairs import ACTIONS, RepairRefused, in_hand, to_file
from review.tables import account
from tests.builders import page_reading

pytestmark = pytest.mark.slow

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
    starts = starts_ruled([], SHAPE) | starts_ruled(SHAPE, after)
    places = {page: int(n) for page, n in places_ruled(SHAPE, after).items()}
    order = in_ruled_order("abcde", places.get)
    found = group_pages(
        [filed(page, starts=begins(starts[page], before)) for before, page in zip(["", *order], order, strict=False)]
    )
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
    old = Repair(document_type="consent", starts="o", place=4, turn=90, double="p")
    assert repairs.with_earlier(Repair(starts=HERE), [old]) == Repair(document_type="consent", starts=HERE, place=4)


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
    assert told[-1][1]["now"][letters.pages[0]] == HERE
    assert told[-1][1]["before"][letters.pages[0]] == letters.pages[1], "the chain has the ruling that was replaced"


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
            for job in steps.jobs(conn, page_ids):
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


# What stands when repairs meet


GLUCOSE = {"results[0].test": "Glucose", "results[0].value": "5,6", "results[0].unit": "mmol/L"}
UREA_FIRST = {
    "results[0].test": "Urê", "results[0].value": "4,1", "results[0].unit": "mmol/L",
    "results[1].test": "Glucose", "results[1].value": "5,6", "results[1].unit": "mmol/L",
}  # fmt: skip
WHOSE = {name: LETTER[name] for name in ("patient.name", "patient.id", "encounter.number")}


def read_anew(file, number, told, kind="discharge_letter", page_id=""):
    """The page that waits to be read is read so, and its file put together."""
    with file.owner.begin() as conn:
        own = page_id or file.pages[number - 1]
        steps._keep(conn, own, 0, page_reading(own, kind, told))
    steps.assemble(file.batch_id)


def rescanned(file, store, number, told, kind="discharge_letter"):
    """The id of a page that was scanned anew in place of one, read so."""
    with file.owner.begin() as conn:
        given = ledger.receive(conn, store, file.batch_id, f"rescan/{number}.png", uuid.uuid4().bytes,
                               (MediaType.PNG, 1))  # fmt: skip
        new = ledger.page_id(given.receipt_id, 1)
        own = tables.page.c.page_id == new
        conn.execute(update(tables.page).where(own).values(replaces=file.pages[number - 1]))
    read_anew(file, number, told, kind, new)
    return new


@pytest.mark.parametrize("how", ["turned", "scanned anew"])
def test_a_decided_cell_stays_with_its_row_when_the_page_is_read_with_a_row_more(letters, store, how):
    letters.do("type", 1, "lab_report")
    read_anew(letters, 1, WHOSE | GLUCOSE, "lab_report")
    letters.decide(1, "results[0].value", "5,9")
    if how == "turned":
        letters.do("turn", 1, "right")
        read_anew(letters, 1, WHOSE | UREA_FIRST, "lab_report")
    else:
        letters.pages[0] = rescanned(letters, store, 1, WHOSE | UREA_FIRST, "lab_report")
    assert letters.value(1, "results[0].value")[0][0] == "4.1", "nobody decided anything of this row"
    assert letters.value(1, "results[1].value") == [("5.9", "reviewed")]
    states = dict(letters.rows(
        "SELECT field, state FROM pipeline.review_task WHERE document_id = :d AND field LIKE '%value'",
        d=letters.document(1),
    ))  # fmt: skip
    assert states == {"results[0].value": "open", "results[1].value": "decided"}


def test_a_decided_cell_whose_row_is_not_found_on_the_rescan_is_asked_anew(letters, store):
    letters.do("type", 1, "lab_report")
    read_anew(letters, 1, WHOSE | GLUCOSE, "lab_report")
    letters.decide(1, "results[0].value", "5,9")
    letters.pages[0] = rescanned(letters, store, 1, WHOSE | GLUCOSE | {"results[0].test": "Kali"}, "lab_report")
    assert letters.value(1, "results[0].value")[0][0] == "5.6"
    task = "SELECT state FROM pipeline.review_task WHERE document_id = :d AND field = 'results[0].value'"
    assert letters.rows(task, d=letters.document(1)) == [("open",)]


@pytest.mark.parametrize("field", ["treatment", "diagnosis.main"])  # which task comes first is chance
def test_of_two_decisions_on_one_field_of_joined_pages_that_of_the_first_page_stands(file_of, field):
    letters = file_of(LETTER | {"diagnosis.main": "Viêm phổi"}, LETTER | {"diagnosis.main": "Viêm gan"})
    letters.decide(2, field, "Hóa trị")
    letters.decide(1, field, "Phẫu thuật")
    letters.do("join", 2)
    assert letters.value(1, field) == [("Phẫu thuật", "reviewed")]


def test_a_page_does_not_go_on_from_another_one_when_the_page_before_it_leaves_the_file(file_of):
    letters = file_of(LETTER, LETTER, LETTER)
    letters.do("join", 3)
    assert letters.shape() == [[1], [2, 3]]
    with letters.engine.begin() as conn:
        to_file(conn, letters.in_hand(conn, 2), [letters.pages[1]], "b.pdf")
    steps.assemble(letters.batch_id)
    assert letters.shape() == [[1], [3], [2]]


def test_a_page_does_not_go_on_from_another_one_when_the_page_before_it_is_a_second_scan(letters):
    letters.do("join", 3)
    letters.do("double", 2, letters.pages[0])
    assert letters.shape() == [[1], [3]]


def test_places_ruled_of_the_scan_before_do_not_go_to_another_file_with_the_rescan(letters, store):
    letters.do("join", 3)
    letters.do("shift", 3, "back")
    assert letters.shape() == [[1], [3, 2]]
    letters.pages[1] = rescanned(letters, store, 2, LETTER)
    assert letters.shape() == [[1], [3, 2]]
    with letters.engine.begin() as conn:
        to_file(conn, letters.in_hand(conn, 2), [letters.pages[1]], "b.pdf")
        own = rulings_of(conn, letters.batch_id, [letters.pages[1]]).get(letters.pages[1], Repair())
        assert (own.place, own.starts) == (None, "")


def test_a_rescan_that_shows_another_patient_stops_though_an_officer_had_confirmed_the_page(letters, store):
    with letters.engine.begin() as conn:
        to_file(conn, letters.in_hand(conn, 2), [letters.pages[1]], "a.pdf")
    steps.assemble(letters.batch_id)
    other = {"patient.name": "LÊ VĂN KHÁC", "patient.id": "77000009", "encounter.number": "77.000009"}
    new = rescanned(letters, store, 2, LETTER | other)
    ((state, facts),) = letters.rows("SELECT state, facts FROM pipeline.file")
    assert (state, facts["identity"][new]) == ("held", "conflict")


def test_a_file_is_not_reshaped_while_another_repair_of_it_is_carried_out(file_of):
    letters = file_of(*[LETTER] * 5)
    with letters.engine.begin() as conn:
        ACTIONS["join"](conn, letters.in_hand(conn, 2), letters.pages[1], "")
    with letters.engine.begin() as conn, pytest.raises(RepairRefused) as refused:
        ACTIONS["shift"](conn, letters.in_hand(conn, 5, "binh"), letters.pages[4], "back")
    assert refused.value.key == "repairs.being_read"


def test_a_late_sheet_stands_on_the_screen_where_it_is_put_together(file_of):
    letters = file_of(LETTER, LETTER, LETTER, LETTER)
    letters.do("move", 2, letters.document(4))
    letters.do("shift", 4, "back")
    letters.do("shift", 4, "back")
    assert letters.shape() == [[4, 2], [1], [3]]
    with letters.owner.begin() as conn:
        late = {"p": letters.pages[2]}
        conn.execute(text("DELETE FROM pipeline.page_repair WHERE page_id = :p"), late)
        put = in_file_order(conn, letters.batch_id, letters.pages)
    assert [letters.pages.index(page_id) + 1 for page_id in put] == [4, 2, 3, 1]
    assert letters.shape() == [[4, 2], [3], [1]]


def test_a_document_keeps_its_questions_while_a_page_of_it_is_read_again(letters):
    letters.do("join", 2)
    before = letters.rows("SELECT task_id FROM pipeline.review_task WHERE state = 'open' ORDER BY 1")
    letters.do("turn", 1, "right")
    with letters.owner.begin() as conn:
        place_pages(conn, [letters.pages[2]], "b.pdf", "an", "vì sao")
    steps.assemble(letters.batch_id)
    own = letters.rows("SELECT page_ids FROM pipeline.document WHERE document_id = :d", d=letters.document(1))
    assert own == [(letters.pages[:2],)]
    now = letters.rows("SELECT task_id FROM pipeline.review_task WHERE state = 'open' ORDER BY 1")
    assert before and set(before) & set(now)
    read_anew(letters, 1, LETTER)
    assert letters.shape() == [[1, 2], [3]]


def test_a_second_scan_leaves_the_emr_and_the_queue_also_where_a_person_had_decided_on_it(letters):
    letters.decide(3, "treatment", "Phẫu thuật")
    gone = letters.document(3)
    letters.do("double", 3, letters.pages[0])
    steps.repair(letters.batch_id)
    assert letters.rows("SELECT * FROM emr.document_reference WHERE document_id = :d", d=gone) == []
    asked = "SELECT field FROM pipeline.review_task WHERE state IN ('open', 'elsewhere') AND document_id = :d"
    assert letters.rows(asked, d=gone) == []
    assert letters.shape() == [[1], [2]]
