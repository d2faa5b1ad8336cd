"""What settles: facts of a file that are asked once, what the EMR took after all, two runs of one batch."""

import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update

sys.path[:0] = [str(Path(__file__).parent)]

from builders import page_reading  # noqa: E402

from pipeline import carrying, database, emr, filing, ledger, steps, tables  # noqa: E402
from records.documents import ValidatedDocument  # noqa: E402
from records.errors import EmrConflict  # noqa: E402
from records.pages import MediaType  # noqa: E402
from records.states import PageState  # noqa: E402
from review import second  # noqa: E402
from review.decisions import Decision, decide, undo  # noqa: E402
from review.files import waiting_files  # noqa: E402
from review.tables import account, waiting  # noqa: E402

pytestmark = pytest.mark.slow

NAME, ADDRESS, ID, PHONE = "patient.name", "patient.address", "patient.id", "patient.phone"
KINDS = ("lab_report", "admission_exam", "prescription", "record_summary", "outpatient_record")
FIRST, SECOND, *_ = KINDS
KNOWN = {ID: "19000001", "encounter.number": "19.000001"}


class File:
    """A patient file on five forms, one page each, as officers work on it. `names`: what was read on each."""

    def __init__(self, owner, settings, store, batch_id):
        self.owner, self.store, self.batch_id = owner, store, batch_id
        self.review = database.engine(settings, "review")
        self.pages = 0

    def add(self, kind, read, titled=True):
        """One more page; the file is put together anew and loaded as far as it goes."""
        self.pages += 1
        with self.owner.begin() as conn:
            name = f"file/{self.pages:02d}.png"
            given = ledger.receive(conn, self.store, self.batch_id, name, uuid.uuid4().bytes, (MediaType.PNG, 1))
            page_id = ledger.page_id(given.receipt_id, 1)
            steps._keep(conn, page_id, 0, page_reading(page_id, kind, read, titled=titled))

    def again(self, kind):
        """Send a document's page to be loaded once more."""
        (page_id,) = self.document(kind).document.page_ids
        with self.owner.begin() as conn:
            ledger.move(conn, page_id, PageState.IN_REVIEW, PageState.ASSEMBLED)
        steps.load(self.batch_id)

    def run(self):
        steps.assemble(self.batch_id)
        steps.load(self.batch_id)

    def select(self, *columns, **where):
        table = columns[0].table
        with self.owner.connect() as conn:
            own = [table.c[name] == value for name, value in where.items()]
            return conn.execute(select(*columns).where(*own)).all()

    def document(self, kind):
        ((row,),) = self.select(tables.document.c.validated, document_type=kind)
        return ValidatedDocument.model_validate(row)

    def found(self, kind, field=NAME):
        return next((v for v in self.document(kind).values if v.value.field == field), None)

    def reviewed(self):
        return self.select(tables.outbox.c.key, topic="reviewed")

    def tasks(self, field=NAME):
        """document type -> the state of its task on a field."""
        task, document = tables.review_task, tables.document
        query = select(document.c.document_type, task.c.state).join(task, task.c.document_id == document.c.document_id)
        with self.owner.connect() as conn:
            return dict(conn.execute(query.where(task.c.field == field)).all())

    def asked(self, field=NAME):
        return [kind for kind, state in self.tasks(field).items() if state == "open"]

    def queue(self):
        return {row.document_type for row in self.select(waiting.c.document_type)}

    def states(self):
        with self.owner.connect() as conn:
            return {state: pages for state, pages in ledger.counts(conn)[self.batch_id].items() if pages}

    def facts(self):
        ((facts,),) = self.select(tables.file.c.facts)
        return {field: facts[field] for field in facts if field not in ("identity", "decided")}

    def decide(self, kind, decision, value="", field=NAME):
        own = (tables.review_task.c.document_id == self.document(kind).document.document_id) & (
            tables.review_task.c.field == field
        )
        with self.review.begin() as conn:
            return decide(conn, conn.scalar(select(tables.review_task.c.task_id).where(own)), "an", decision, value)

    def undo(self, kind, field=NAME):
        with self.review.begin() as conn:
            return undo(conn, self.document(kind).document.document_id, field, "an")

    def balanced(self):
        with self.owner.connect() as conn:
            return ledger.balance(conn, self.batch_id) == []


@pytest.fixture
def new_file(clean, settings, store, batch):
    with clean.begin() as conn:
        conn.execute(insert(account).values(account_id="an", name="an", role="officer"))
        conn.execute(update(tables.batch).values(boundary="folder"))
    return File(clean, settings, store, batch)


@pytest.fixture
def file_of(new_file):
    """Makes a file of five forms: on each the numbers are sure by each other, and `read` is what else was read there
    (one for all, or one each)."""

    def make(read):
        for kind, own in zip(KINDS, read if isinstance(read, list) else [read] * len(KINDS), strict=True):
            new_file.add(kind, KNOWN | own)
        new_file.run()
        return new_file

    return make


# Names that no parser takes, and one that was not found.
DOUBTFUL = [{NAME: "CÚC"}, {NAME: "LÊ 2 CÚC"}, {}, {NAME: "L."}, {NAME: "CÚ"}]
NAMED = {NAME: "LÊ THỊ CÚC"}
STREET = {ADDRESS: "12 phố Hàng Bông, phường Hàng Gai, quận Hoàn Kiếm, Hà Nội"}

OTHER_STREET = {ADDRESS: "5 đường Láng, quận Đống Đa, Hà Nội"}


def verdicts(file, field=NAME):
    return {kind: (v.verdict.value, v.rule) for kind in KINDS if (v := file.found(kind, field))}


def test_a_name_that_is_doubtful_on_five_forms_is_asked_once_and_its_answer_frees_them_all(file_of):
    file = file_of(DOUBTFUL)
    assert sorted(file.tasks().values()) == ["elsewhere"] * 4 + ["open"]
    assert file.queue() == set(file.asked()) == {FIRST}
    assert file.states() == {"in_review": 5}
    file.decide(FIRST, Decision.CORRECT, "Lê Thị Cúc")
    assert (file.asked(), file.states()) == ([], {"assembled": 5})
    assert file.facts()[NAME] == "LÊ THỊ CÚC"
    assert len(file.reviewed()) == 5
    file.run()
    assert file.states() == {"loaded": 5} and file.balanced()


def test_what_is_read_alike_on_every_form_is_evidence_when_one_is_accepted(file_of):
    file = file_of(NAMED | STREET)
    assert file.tasks(ADDRESS) == {FIRST: "open"} | dict.fromkeys(KINDS[1:], "elsewhere")
    file.decide(FIRST, Decision.ACCEPT, field=ADDRESS)
    assert verdicts(file, ADDRESS) == {FIRST: ("accept", "reviewed")} | dict.fromkeys(
        KINDS[1:], ("evidence", "evidence")
    )
    assert file.facts()[ADDRESS] == STREET[ADDRESS]
    file.run()
    assert file.states() == {"loaded": 5}


def test_the_best_crop_is_asked_that_of_a_titled_form_first(new_file):
    new_file.add(FIRST, KNOWN | NAMED | STREET, titled=False)
    new_file.add(SECOND, KNOWN | NAMED | STREET)
    new_file.add("prescription", KNOWN | NAMED | STREET)
    new_file.run()
    assert new_file.asked(ADDRESS) == [SECOND]


def test_what_contradicts_the_answer_is_asked_where_it_stands(file_of):
    file = file_of([NAMED | STREET] * 4 + [NAMED | OTHER_STREET])
    assert len(file.asked(ADDRESS)) == 1
    file.decide(FIRST, Decision.ACCEPT, field=ADDRESS)
    assert file.asked(ADDRESS) == [KINDS[4]]
    found = file.document(KINDS[4])
    assert [(i.check, i.field) for i in found.issues] == [("differs_from_file", ADDRESS)]
    file.decide(KINDS[4], Decision.ACCEPT, field=ADDRESS)
    assert file.facts()[ADDRESS] == STREET[ADDRESS]
    file.undo(FIRST, ADDRESS)
    assert (file.asked(ADDRESS), ADDRESS in file.facts()) == ([FIRST], False)
    file.decide(FIRST, Decision.ACCEPT, field=ADDRESS)
    file.run()
    assert file.states() == {"loaded": 5}


@pytest.mark.parametrize("decision", [Decision.ABSENT, Decision.UNREADABLE])
def test_a_form_that_does_not_tell_the_fact_passes_the_question_on(file_of, decision):
    file = file_of(DOUBTFUL)
    file.decide(FIRST, decision)
    assert (file.asked(), NAME in file.facts()) == ([SECOND], False)


def test_undo_lets_the_others_wait_again_and_asks_where_it_was_taken_back(file_of):
    file = file_of(DOUBTFUL)
    before = {kind: (file.document(kind).values, file.document(kind).issues) for kind in KINDS[1:]}
    tasks = file.tasks()
    file.decide(FIRST, Decision.CORRECT, "Lê Thị Cúc")
    file.undo(FIRST)
    assert {kind: (file.document(kind).values, file.document(kind).issues) for kind in KINDS[1:]} == before
    assert file.tasks() == tasks and NAME not in file.facts()
    file.decide(FIRST, Decision.CORRECT, "Lê Thị Cúc")
    file.run()
    assert file.states() == {"loaded": 5} and file.balanced()


def test_an_entry_that_waits_for_a_second_person_is_asked_where_it_was_made(file_of):
    file = file_of(DOUBTFUL)
    with file.owner.begin() as conn:
        own = tables.review_task.c.document_id == file.document(SECOND).document.document_id
        own &= tables.review_task.c.field == NAME
        conn.execute(update(tables.review_task).where(own).values(stage="second", first_by="binh"))
    file.decide(FIRST, Decision.CORRECT, "Lê Thị Cúc")
    file.undo(FIRST)
    assert file.asked() == [SECOND]


def test_what_is_asked_elsewhere_is_told_so_to_whoever_still_has_it_before_her(file_of):
    file = file_of(DOUBTFUL)
    with file.review.connect() as conn:
        met = second.asked_of(conn, file.document(SECOND).document.document_id, "an", NAME)
    assert met[NAME].decision == second.UNASKED


def test_of_a_document_that_is_no_more_nothing_waits_anywhere(file_of):
    file = file_of(DOUBTFUL)
    gone = file.document(SECOND).document.document_id
    with file.owner.begin() as conn:
        conn.execute(update(tables.page).where(tables.page.c.document_id == gone).values(document_id=None))
        carrying.drop_pageless(conn, file.batch_id)
    assert {row.state for row in file.select(tables.review_task.c.state, document_id=gone)} == {"settled"}


def test_a_document_whose_last_question_a_late_sheet_answers_goes_on(new_file):
    new_file.add(FIRST, KNOWN | NAMED)
    new_file.run()
    assert (new_file.asked(), new_file.states()) == ([FIRST], {"in_review": 1})
    new_file.add(SECOND, KNOWN | NAMED)
    new_file.run()
    assert (new_file.asked(), new_file.states()) == ([], {"loaded": 2})


def test_a_loaded_document_that_a_late_sheet_puts_in_doubt_is_asked_and_loaded_as_decided(new_file):
    phone, other = {PHONE: "0912345678"}, {PHONE: "0987654321"}
    for kind in KINDS[:2]:
        new_file.add(kind, KNOWN | NAMED | phone)
    new_file.run()
    assert new_file.states() == {"loaded": 2}
    for kind in KINDS[2:]:
        new_file.add(kind, KNOWN | NAMED | other)
    new_file.run()
    assert (len(new_file.asked(PHONE)), new_file.states()) == (1, {"in_review": 5})
    while asked := new_file.asked(PHONE):
        new_file.decide(asked[0], Decision.CORRECT, other[PHONE], field=PHONE)
    new_file.run()
    assert new_file.states() == {"loaded": 5} and new_file.balanced()
    with new_file.owner.connect() as conn:
        assert conn.scalars(text("SELECT phone FROM emr.patient")).all() == [other[PHONE]]


def test_pages_that_are_loaded_while_their_file_is_put_together_are_taken_as_they_are_then(new_file, monkeypatch):
    for kind in KINDS[:2]:
        new_file.add(kind, KNOWN | NAMED | {PHONE: "0912345678"})
    steps.assemble(new_file.batch_id)
    for kind in KINDS[2:]:
        new_file.add(kind, KNOWN | NAMED | {PHONE: "0987654321"})
    whole = filing.doubled

    def loaded_meanwhile(*pages):
        steps.load(new_file.batch_id)
        return whole(*pages)

    with monkeypatch.context() as patch:
        patch.setattr(filing, "doubled", loaded_meanwhile)
        steps.assemble(new_file.batch_id)
    steps.load(new_file.batch_id)
    assert new_file.states() == {"in_review": 5}


def test_a_page_that_is_placed_later_goes_on_though_nobody_is_asked_of_its_document(file_of):
    file = file_of(NAMED)
    (page_id,) = file.document(SECOND).document.page_ids
    with file.owner.begin() as conn:  # as the guard had it before it knew more
        facts = conn.scalar(select(tables.file.c.facts))
        facts["identity"][page_id] = "unknown"
        conn.execute(update(tables.file).values(facts=facts))
        ledger.move(conn, page_id, PageState.LOADED, PageState.IN_REVIEW)
    file.add("consent", KNOWN | NAMED)
    file.run()
    assert file.states() == {"loaded": 6} and file.balanced()


def test_undo_takes_loaded_documents_back_into_review(file_of):
    file = file_of([NAMED | STREET | {"patient.phone": "0912"}] + [NAMED | STREET] * 4)
    file.decide(FIRST, Decision.ACCEPT, field=ADDRESS)
    file.run()
    assert file.states() == {"in_review": 1, "loaded": 4}
    file.undo(FIRST, ADDRESS)
    assert file.states() == {"in_review": 5} and file.balanced()
    assert file.tasks(ADDRESS) == {FIRST: "open"} | dict.fromkeys(KINDS[1:], "elsewhere")


def test_a_sheet_that_comes_later_is_judged_by_what_was_decided(file_of):
    file = file_of([read | STREET for read in DOUBTFUL])
    file.decide(FIRST, Decision.CORRECT, "Lê Thị Cúc")
    file.decide(FIRST, Decision.ACCEPT, field=ADDRESS)
    file.add("nursing_sheet", KNOWN | NAMED)
    file.add("consent", KNOWN | {NAME: "CÚC"})
    file.add("cost_list", KNOWN | OTHER_STREET)
    file.run()
    assert file.found("nursing_sheet").rule == "evidence"
    assert file.found("consent").rule == "known_fact"
    assert file.found("cost_list", ADDRESS).rule == "check:differs_from_file"
    assert file.asked() == []
    assert file.facts()[NAME] == "LÊ THỊ CÚC"


def test_a_file_put_together_again_stays_as_it_is(file_of):
    file = file_of(DOUBTFUL)
    file.decide(FIRST, Decision.CORRECT, "Lê Thị Cúc")
    file.run()
    before = [file.document(kind) for kind in KINDS]
    file.add("consent", KNOWN)
    file.run()
    assert [file.document(kind) for kind in KINDS] == before


def test_pages_of_a_conflict_neither_wait_for_the_file_nor_are_settled_by_it(file_of):
    foreign = {NAME: "CÚC", ID: "88112299", "encounter.number": "07.772211"}
    file = file_of(DOUBTFUL[:4] + [foreign])
    assert set(file.asked()) == {FIRST, KINDS[4]}
    file.decide(FIRST, Decision.CORRECT, "Lê Thị Cúc")
    assert file.asked() == [KINDS[4]]
    assert file.found(KINDS[4]).verdict.value == "review"


def test_a_number_that_is_typed_is_the_key_of_its_file(file_of):
    file = file_of([NAMED | {ID: number} for number in ("(1900)", "?", "()", "-", "/")])
    assert len(file.asked(ID)) == 1
    file.decide(file.asked(ID)[0], Decision.CORRECT, "19000077", field=ID)
    ((key,),) = file.select(tables.file.c.patient_key)
    assert key == "DEMO|19000077"


# The batch.


def test_of_two_runs_of_one_batch_the_second_waits_for_the_first(file_of, monkeypatch):
    file, whole = file_of(DOUBTFUL), filing._assemble_batch
    inside, leave, order = threading.Event(), threading.Event(), []

    def slow(batch_id, children):
        order.append("in")
        inside.set()
        assert leave.wait(60)
        found = whole(batch_id, children)
        order.append("out")
        return found

    monkeypatch.setattr(filing, "_assemble_batch", slow)
    file.add("consent", KNOWN | NAMED)
    with ThreadPoolExecutor(2) as runs:
        first = runs.submit(steps.assemble, file.batch_id)
        assert inside.wait(60)
        second = runs.submit(steps.assemble, file.batch_id)
        until_one_waits(file.owner, order)
        assert order == ["in"]
        leave.set()
        assert (first.result(), second.result(), order) == (6, 6, ["in", "out"] * 2)
    assert file.balanced()


def until_one_waits(engine, order):
    query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with engine.connect() as conn:
        while len(order) == 1 and not conn.scalar(query):
            time.sleep(0.05)


def test_what_the_emr_did_not_take_is_forgotten_when_it_takes_it(file_of, monkeypatch):
    file = file_of(DOUBTFUL)
    with monkeypatch.context() as patch:
        refusals = iter(("Two people.", "Two stays."))
        patch.setattr(emr, "load_document", lambda *_: refuse(next(refusals)))
        for said in ("Two people.", "Two stays."):
            file.again(FIRST)
            assert file.select(tables.issue.c.message, check_name="emr_conflict") == [(said,)]
    with file.review.connect() as conn:
        assert [one.asked for one in waiting_files(conn)] == [("emr_conflict",)]
    file.again(FIRST)
    assert file.states() == {"in_review": 5}
    with file.review.connect() as conn:
        assert waiting_files(conn) == []


def refuse(why):
    raise EmrConflict(why)


def test_a_restricted_document_is_known_before_its_turn_comes(new_file):
    code = {"diagnosis.main.code": "B20"}
    new_file.add("admission_exam", KNOWN | NAMED | code)
    new_file.add("prescription", KNOWN | {NAME: "CÚC"})
    new_file.run()
    kinds = {
        row.document_type: row.restricted for row in new_file.select(waiting.c.document_type, waiting.c.restricted)
    }
    assert kinds == {"admission_exam": True, "prescription": False}
    assert new_file.asked() == ["prescription"]  # what both tell is asked where everybody may see it
