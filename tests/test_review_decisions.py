"""Decisions of officers: checked anew, saved once, taken back until they are loaded; the last one tells the outbox."""

import unicodedata
import uuid

import pytest
from sqlalchemy import insert, select, text, update

from pipeline import audit, database, ledger, steps, tables
from records.documents import FieldReading, PageReading, ValidatedDocument, Verdict
from records.errors import LostLease
from records.pages import Box, Line, MediaType, PageBox, PageImage, PageText, Word
from review import queue
from review.decisions import Decision, Refused, decide, undo
from review.revisions import ILLEGIBLE, MAX_TYPED, typed_text
from review.tables import account

BOX = PageBox(left=0.1, top=0.1, right=0.4, bottom=0.12)
NAME, ADMITTED, DISCHARGED = "patient.name", "encounter.admitted_at", "encounter.discharged_at"
READ = {
    NAME: "TRẦN THỊ MẪU",
    "patient.id": "19000001",
    "encounter.number": "19.000001",
    ADMITTED: "08 giờ 00 phút, ngày 01 tháng 02 năm 2019",
    DISCHARGED: "08 giờ 00 phút, ngày 09 tháng 02 năm 2019",
    "diagnosis.main": "Viêm ruột thừa cấp",
}


def page_reading(page_id, read):
    word = Word(text="GIẤY", confidence=0.9, box=Box(left=1, top=1, right=9, bottom=9))
    image = PageImage(
        page_id=page_id, turn=0, skew_degrees=0, width_px=100, height_px=140, file_width_px=100, file_height_px=140,
        to_file=(1, 0, 0, 0, 1, 0, 0, 0, 1), dpi=300, ink=0.05, blank=False,
    )  # fmt: skip
    readings = tuple(
        FieldReading(
            field=field, raw=raw, confidence=0.9, page_id=page_id, box=BOX, engine="tesseract", method="label_right"
        )
        for field, raw in read.items()
    )
    return PageReading(
        image=image, text=PageText(page_id=page_id, engine="tesseract", lines=(Line(words=(word,)),)),
        document_type="discharge_letter", titled=True, score=100, readings=readings, seconds=1.0,
    )  # fmt: skip


class Letter:
    """A discharge letter in review, as the workbench's role and as what the tests ask of it."""

    def __init__(self, owner, settings, batch_id):
        self.owner, self.batch_id = owner, batch_id
        self.engine = database.engine(settings, "review")
        with owner.connect() as conn:
            self.document_id = conn.scalar(select(tables.document.c.document_id))

    def decide(self, field, decision, value="", officer="an", **more):
        with self.engine.begin() as conn:
            own = (tables.review_task.c.document_id == self.document_id) & (tables.review_task.c.field == field)
            return decide(
                conn, conn.scalar(select(tables.review_task.c.task_id).where(own)), officer, decision, value, **more
            )

    def undo(self, field, officer="an"):
        with self.engine.begin() as conn:
            return undo(conn, self.document_id, field, officer)

    def finish(self):
        for field in self.open():
            self.decide(field, Decision.ACCEPT)

    def open(self):
        with self.owner.connect() as conn:
            own = tables.review_task.c.document_id == self.document_id
            query = select(tables.review_task.c.field).where(own, tables.review_task.c.state == "open")
            return sorted(conn.scalars(query))

    def stored(self):
        with self.owner.connect() as conn:
            return ValidatedDocument.model_validate(conn.scalar(select(tables.document.c.validated)))

    def value(self, field):
        return next((v for v in self.stored().values if v.value.field == field), None)

    def states(self):
        with self.owner.connect() as conn:
            return {state: pages for state, pages in ledger.counts(conn)[self.batch_id].items() if pages}

    def rows(self, table):
        with self.owner.connect() as conn:
            return conn.execute(select(table).order_by(*table.primary_key)).mappings().all()

    def reviewed(self):
        return [row["payload"] for row in self.rows(tables.outbox) if row["topic"] == "reviewed"]

    def in_emr(self, field):
        with self.owner.connect() as conn:
            query = text(
                "SELECT value, raw, page_id, box, engine, method, checked FROM emr.provenance WHERE field = :field"
            )
            return conn.execute(query, {"field": field}).one_or_none()


@pytest.fixture
def letter_of(clean, settings, store, batch):
    """Makes the letter of what was read on it, assembled and loaded as far as it goes."""

    def make(read):
        with clean.begin() as conn:
            conn.execute(insert(account), [{"account_id": n, "name": n, "role": "officer"} for n in ("an", "binh")])
            given = ledger.receive(conn, store, batch, "a.png", uuid.uuid4().bytes, (MediaType.PNG, 1))
            page_id = ledger.page_id(given.receipt_id, 1)
            steps._keep(conn, page_id, 0, page_reading(page_id, read))
        steps.assemble(batch)
        steps.load(batch)
        return Letter(clean, settings, batch)

    return make


@pytest.fixture
def letter(letter_of):
    return letter_of(READ)


def test_a_decision_keeps_what_was_before_it_and_the_audit_chain_says_who(letter):
    letter.decide(NAME, Decision.CORRECT, "trần thị mẫn")
    assert letter.value(NAME).value.value == "TRẦN THỊ MẪN"
    [row] = letter.rows(tables.review_decision)
    assert (row["decided_by"], row["value"], row["revision"]) == ("an", "trần thị mẫn", 2)
    assert row["before"]["value"]["value"]["reading"]["raw"] == "TRẦN THỊ MẪU"
    event = letter.rows(tables.event)[-1]
    assert (event["actor"], event["action"]) == ("an", "decide:correct")
    assert "MẪN" not in str(dict(event))
    with letter.owner.connect() as conn:
        assert audit.verify(conn) == []


def test_no_list_repairs_what_an_officer_types(letter):
    letter.decide(NAME, Decision.CORRECT, "trần thị mẫu")
    assert letter.value(NAME).value.value == "TRẦN THỊ MẪU"


def test_an_impossible_day_is_told_in_a_sentence_and_not_saved(letter):
    before = letter.stored()
    for typed, said in (("31/02/2019", "không có ngày 31/02/2019"), ("1519-02-01T08:00", "Năm 1519")):
        with pytest.raises(Refused) as refused:
            letter.decide(ADMITTED, Decision.CORRECT, typed, insist=typed.startswith("1519"))
        assert said in refused.value.said("vi")
        assert not refused.value.insist
    assert letter.stored() == before
    assert letter.rows(tables.review_decision) == []
    assert ADMITTED in letter.open()


def test_a_day_against_a_settled_one_is_refused_until_the_officer_insists(letter):
    letter.decide(ADMITTED, Decision.ACCEPT)
    with pytest.raises(Refused) as refused:
        letter.decide(DISCHARGED, Decision.CORRECT, "08:00 25/01/2019")
    assert "sớm hơn" in refused.value.said("vi") and refused.value.insist
    letter.decide(DISCHARGED, Decision.CORRECT, "08:00 25/01/2019", insist=True)
    assert letter.value(DISCHARGED).value.value == "2019-01-25T08:00"
    assert letter.rows(tables.event)[-1]["detail"]["insisted"] is True
    letter.finish()
    assert letter.stored().verdict is Verdict.ACCEPT


def test_a_right_day_is_saved_while_the_other_day_that_is_wrong_still_waits(letter_of):
    letter = letter_of(READ | {DISCHARGED: "08 giờ 00 phút, ngày 25 tháng 01 năm 2019"})
    after = letter.decide(ADMITTED, Decision.ACCEPT)
    assert {(i.check, i.field) for i in after.issues} == {("not_before", DISCHARGED)}
    after = letter.decide(DISCHARGED, Decision.CORRECT, "08:00 25/02/2019")
    assert after.issues == ()


@pytest.mark.parametrize(
    ("first", "typed", "second"),
    [(ADMITTED, "08:00 25/02/2019", DISCHARGED), (DISCHARGED, "08:00 25/01/2019", ADMITTED)],
)
def test_two_days_against_each_other_are_not_both_settled_by_accepting_the_second(letter, first, typed, second):
    letter.decide(first, Decision.CORRECT, typed)
    before = letter.stored()
    with pytest.raises(Refused) as refused:
        letter.decide(second, Decision.ACCEPT)
    assert "sớm hơn" in refused.value.said("vi") and refused.value.insist
    assert letter.stored() == before
    letter.decide(second, Decision.ACCEPT, insist=True)
    assert second not in letter.open()


def test_a_normal_form_that_the_screen_shows_may_come_back_as_it_is(letter):
    letter.decide(ADMITTED, Decision.CORRECT, "2019-02-03T08:30")
    assert letter.value(ADMITTED).value.value == "2019-02-03T08:30"


def test_what_was_never_understood_cannot_be_accepted(letter_of):
    letter = letter_of(READ | {ADMITTED: "hôm qua"})
    with pytest.raises(Refused, match=ADMITTED):
        letter.decide(ADMITTED, Decision.ACCEPT)
    letter.decide(ADMITTED, Decision.ABSENT)
    assert letter.value(ADMITTED).value.value == ""


def test_what_nobody_can_read_stays_out_of_the_emr_and_the_document_is_finished_with_it(letter):
    letter.decide("diagnosis.main", Decision.UNREADABLE, "ignored")
    letter.finish()
    own = letter.value("diagnosis.main")
    assert (own.value.value, own.verdict, own.rule) == ("", Verdict.REJECT, ILLEGIBLE)
    assert own.value.reading.raw == "Viêm ruột thừa cấp"
    assert letter.stored().verdict is Verdict.ACCEPT
    assert steps.load(letter.batch_id) == 1
    assert letter.states() == {"loaded": 1}
    assert letter.in_emr("diagnosis.main") is None
    assert letter.in_emr(NAME).checked == "one"


def test_a_required_field_that_was_not_found_is_asked_and_what_is_typed_has_the_page_as_its_source(letter_of):
    letter = letter_of({field: raw for field, raw in READ.items() if field != DISCHARGED})
    assert DISCHARGED in letter.open()
    with pytest.raises(Refused):
        letter.decide(DISCHARGED, Decision.ACCEPT)
    letter.decide(DISCHARGED, Decision.CORRECT, "08:00 09/02/2019")
    letter.finish()
    assert letter.stored().verdict is Verdict.ACCEPT
    steps.load(letter.batch_id)
    row = letter.in_emr(DISCHARGED)
    assert (row.value, row.raw, row.engine, row.method) == ("2019-02-09T08:00", "08:00 09/02/2019", "person", "typed")
    assert row.page_id.endswith("-0001") and row.box == {"left": 0, "top": 0, "right": 1, "bottom": 1}
    assert (row.checked, letter.states()) == ("one", {"loaded": 1})


def test_a_required_field_may_be_blank_on_the_paper_or_illegible(letter_of):
    letter = letter_of({field: raw for field, raw in READ.items() if field != DISCHARGED})
    letter.decide(DISCHARGED, Decision.ABSENT)
    letter.finish()
    assert letter.stored().verdict is Verdict.ACCEPT
    letter.undo(DISCHARGED)
    assert (letter.value(DISCHARGED), letter.open()) == (None, [DISCHARGED])
    letter.decide(DISCHARGED, Decision.UNREADABLE)
    assert letter.stored().verdict is Verdict.ACCEPT


def test_text_is_kept_in_nfc_and_what_is_no_text_is_refused():
    assert typed_text(unicodedata.normalize("NFD", "  Nguyễn Thị Ẩn\n")) == "Nguyễn Thị Ẩn"
    assert typed_text("dòng một\ndòng hai") == "dòng một\ndòng hai"
    assert len(typed_text("ấ" * MAX_TYPED)) == MAX_TYPED
    with pytest.raises(Refused, match="10000 characters"):
        typed_text("a" * 10_000)
    for hidden in ("a\x00b", "a\x1bb", "a\u202eb", "a\u200bb", "a\ud800b"):
        with pytest.raises(Refused) as refused:
            typed_text(hidden)
        assert "ký tự điều khiển" in refused.value.said("vi")


def test_a_form_that_is_posted_twice_is_saved_once(letter):
    first = letter.decide(NAME, Decision.CORRECT, "Trần Thị Mẫn")
    again = letter.decide(NAME, Decision.CORRECT, unicodedata.normalize("NFD", " Trần Thị Mẫn "), token=999)
    assert again == first
    assert len(letter.rows(tables.review_decision)) == 1
    for decision, value, officer in (
        (Decision.CORRECT, "Trần Thị Mận", "an"),
        (Decision.ACCEPT, "", "an"),
        (Decision.CORRECT, "Trần Thị Mẫn", "binh"),
    ):
        with pytest.raises(Refused, match="not open"):
            letter.decide(NAME, decision, value, officer)


def test_a_save_against_a_lost_lease_changes_nothing(letter):
    with letter.engine.begin() as conn:
        mine = queue.take(conn, "an", letter.document_id)
    letter.decide("patient.id", Decision.ACCEPT, token=mine.token)
    with letter.owner.begin() as conn:
        conn.execute(text("UPDATE review.lease SET until = now() - interval '1 second'"))
    with letter.engine.begin() as conn:
        theirs = queue.take(conn, "binh", letter.document_id)
    before = letter.stored()
    with pytest.raises(LostLease):
        letter.decide(NAME, Decision.ACCEPT, token=mine.token)
    with pytest.raises(LostLease):
        letter.undo("patient.id")
    assert letter.stored() == before
    letter.decide(NAME, Decision.ACCEPT, officer="binh", token=theirs.token)


def test_the_last_decision_sends_the_pages_to_be_loaded_and_tells_the_outbox_once(letter):
    assert letter.reviewed() == []
    letter.finish()
    assert letter.states() == {"assembled": 1}
    told = {"batch_id": "box-1", "document_id": letter.document_id, "revision": letter.stored().revision}
    assert letter.reviewed() == [told]
    key = next(row["key"] for row in letter.rows(tables.outbox) if row["topic"] == "reviewed")
    assert key.startswith(f"reviewed:{letter.document_id}:{letter.stored().revision}:")


def test_a_document_of_a_stopped_file_is_not_sent_to_be_loaded(letter):
    with letter.owner.begin() as conn:
        conn.execute(update(tables.file).values(state="held"))
    letter.finish()
    assert (letter.states(), letter.reviewed()) == ({"in_review": 1}, [])


def test_undo_restores_value_verdict_and_issue_in_a_new_revision_and_keeps_the_history(letter_of):
    letter = letter_of(READ | {DISCHARGED: "08 giờ 00 phút, ngày 25 tháng 01 năm 2019"})
    letter.decide(NAME, Decision.ACCEPT)
    before = letter.stored()
    letter.decide(DISCHARGED, Decision.CORRECT, "08:00 25/02/2019")
    after = letter.undo(DISCHARGED)
    assert after.model_copy(update={"revision": before.revision}) == before
    assert after.revision == before.revision + 2
    assert DISCHARGED in letter.open()
    assert [row["decision"] for row in letter.rows(tables.review_decision)] == ["accept", "correct", "undo"]
    letter.decide(DISCHARGED, Decision.CORRECT, "08:00 25/02/2019")
    assert letter.value(DISCHARGED).value.value == "2019-02-25T08:00"


def test_a_decision_that_was_taken_back_makes_nobody_a_second_checker(letter):
    letter.decide(NAME, Decision.CORRECT, "Trần Thị Mận", officer="binh")
    letter.undo(NAME, officer="binh")
    letter.finish()
    steps.load(letter.batch_id)
    assert letter.in_emr(NAME).checked == "one"


def test_only_ones_own_decision_can_be_taken_back_and_only_until_it_is_loaded(letter):
    with pytest.raises(Refused):
        letter.undo(NAME)
    letter.finish()
    with pytest.raises(Refused):
        letter.undo(NAME, officer="binh")
    letter.undo(NAME)
    letter.decide(NAME, Decision.CORRECT, "Trần Thị Mẫn")
    steps.load(letter.batch_id)
    with pytest.raises(Refused) as refused:
        letter.undo(NAME)
    assert "đã được nạp" in refused.value.said("vi")
    assert letter.in_emr(NAME).value == "TRẦN THỊ MẪN"


def test_a_document_undone_before_its_load_is_loaded_without_that_value_and_whole_later(letter):
    letter.finish()
    letter.undo(NAME)
    steps.load(letter.batch_id)
    assert (letter.in_emr(NAME), letter.states()) == (None, {"in_review": 1})
    letter.decide(NAME, Decision.ACCEPT)
    steps.load(letter.batch_id)
    assert letter.in_emr(NAME).value == letter.value(NAME).value.value
    assert (letter.states(), len(letter.reviewed())) == ({"loaded": 1}, 2)


def test_a_decision_made_while_its_document_is_being_loaded_is_loaded_after(letter, monkeypatch):
    from pipeline import emr

    letter.finish()
    letter.undo(NAME)
    load = emr.load_document

    def slow(conn, validated, kind, context):
        receipt = load(conn, validated, kind, context)
        if validated.verdict is Verdict.REVIEW:
            letter.decide(NAME, Decision.CORRECT, "Trần Thị Mẫn")
        return receipt

    monkeypatch.setattr(emr, "load_document", slow)
    steps.load(letter.batch_id)
    assert letter.states() == {"assembled": 1}
    steps.load(letter.batch_id)
    assert (letter.in_emr(NAME).value, letter.states()) == ("TRẦN THỊ MẪN", {"loaded": 1})


def test_the_machine_never_writes_over_a_decision(letter):
    letter.decide(NAME, Decision.CORRECT, "Trần Thị Mẫn")
    assert steps.reread(letter.batch_id) == 0
    steps.assemble(letter.batch_id)
    assert letter.value(NAME).value.value == "TRẦN THỊ MẪN"


def test_a_revision_that_comes_back_after_an_undo_is_told_again(letter):
    letter.finish()
    revision = letter.stored().revision
    letter.undo(NAME)
    with letter.owner.begin() as conn:  # As of a document that is put together anew: its revisions begin again.
        lower = text("UPDATE pipeline.document SET validated = jsonb_set(validated, '{revision}', to_jsonb(:n))")
        conn.execute(lower, {"n": revision - 1})
        conn.execute(update(tables.document).values(revision=revision - 1))
    letter.decide(NAME, Decision.ACCEPT)
    assert letter.stored().revision == revision
    assert [told["revision"] for told in letter.reviewed()] == [revision, revision]
