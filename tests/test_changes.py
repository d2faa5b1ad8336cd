"""Another system that follows the changes ends with the rows of the EMR; what others wrote there is left to them."""

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import ProgrammingError

from loaders import changes, emr, tables
from pipeline import database
from records.errors import EmrConflict
from tests.test_emr import LETTER, context, load_lab, load_letter, other_file, rows

FOLLOWED = ("patient", "encounter", "document_reference", "condition", "observation", "diagnostic_report", "provenance")
OTHER_DAY = {"encounter.admitted_at": "2018-06-13T08:00"}


@pytest.fixture
def loader(clean, settings):
    """The loader's role, each step in a transaction of its own."""
    return database.engine(settings, "loader")


class Follower:
    """A small system beside: it keeps the rows that the outbox tells it, under its own keys."""

    def __init__(self, settings, most=1000):
        self.engine, self.most = database.engine(settings, "consumer"), most
        self.rows, self.seen = {name: {} for name in FOLLOWED}, []

    def follow(self):
        """Take over all that waits, a handful at a time."""
        while self._take():
            pass

    def _take(self):
        with self.engine.begin() as conn:
            told = conn.execute(text("SELECT * FROM emr.next_changes('HIS', :most)"), {"most": self.most}).all()
            for one in told:
                self._apply(one)
            ids = [one.change_id for one in told]
            conn.execute(text("SELECT emr.confirm('HIS', :ids)"), {"ids": ids})
        return len(told)

    def _apply(self, one):
        self.seen.append((one.kind, one.table_name))
        held = self.rows.get(one.table_name)
        if held is None:
            return
        if one.kind == "loaded":
            assert one.row_key not in held, "loaded twice"
        else:
            assert one.row_key in held, "changed before it was loaded"
        if one.kind == "withdrawn":
            del held[one.row_key]
        else:
            held[one.row_key] = one.content


def standing(engine, name):
    """The rows of a table as the outbox tells them."""
    with engine.connect() as conn:
        found = conn.scalars(text(f"SELECT to_jsonb(t) - 'changed_elsewhere' FROM emr.{name} AS t")).all()
    return sorted(found, key=str)


@pytest.fixture
def follower(loader, settings):
    with loader.begin() as conn:
        changes.add_consumer(conn, "HIS")
    return Follower(settings, most=3)


def in_step(follower, engine):
    follower.follow()
    for name in FOLLOWED:
        assert sorted(follower.rows[name].values(), key=str) == standing(engine, name), name


def test_a_follower_ends_with_the_same_rows_after_loads_a_correction_and_an_undo(loader, follower, clean):
    with loader.begin() as conn:
        load_letter(conn)
    in_step(follower, clean)
    assert follower.rows["patient"]["DEMO|14763265"]["name"] == "PHẠM QUỐC GIANG"
    assert follower.rows["patient"]["DEMO|14763265"]["converted_from_paper"] is True
    with loader.begin() as conn:
        load_lab(conn)
    with loader.begin() as conn:
        load_letter(conn, LETTER | OTHER_DAY)
    in_step(follower, clean)
    assert follower.rows["encounter"]["DEMO|18-02212"]["admitted_at"] == OTHER_DAY["encounter.admitted_at"]
    with loader.begin() as conn:
        emr.withdraw_document(conn, "d1")
    in_step(follower, clean)
    with loader.begin() as conn:
        emr.withdraw_batch(conn, "b1")
    in_step(follower, clean)
    assert not any(follower.rows.values())
    assert {kind for kind, _ in follower.seen} == {"loaded", "corrected", "withdrawn"}


def test_loading_the_same_again_tells_nothing(loader, follower):
    for _ in range(2):
        with loader.begin() as conn:
            load_letter(conn)
        follower.follow()
    before = len(follower.seen)
    with loader.begin() as conn:
        load_letter(conn)
    follower.follow()
    assert len(follower.seen) == before


def test_a_change_is_not_overtaken_by_one_that_began_later(loader, follower):
    """The first transaction is still under way when the second commits; neither is lost, nor told before it is."""
    with loader.connect() as slow:
        load_letter(slow)
        with loader.begin() as quick:
            other_file(quick, {"encounter.number": "20-1"}, patient_key="DEMO|2", encounter_key="DEMO|20-1")
        follower.follow()
        assert follower.seen == []
        slow.commit()
    follower.follow()
    assert {"DEMO|2", "DEMO|14763265"} == set(follower.rows["patient"])


def test_who_joins_late_takes_the_tables_as_they_stand_and_what_comes_after(loader, settings):
    with loader.begin() as conn:
        load_letter(conn)
        changes.add_consumer(conn, "HIS")
    late = Follower(settings)
    late.follow()
    assert late.seen == []
    with loader.begin() as conn:
        emr.withdraw_document(conn, "d1")
    with pytest.raises(AssertionError, match="before it was loaded"):
        late.follow()


def test_a_refused_change_is_told_to_the_it_staff_and_not_offered_again(loader, settings, follower):
    with loader.begin() as conn:
        load_letter(conn)
    with follower.engine.begin() as conn:
        first = conn.execute(text("SELECT * FROM emr.next_changes('HIS', 1)")).one()
        conn.execute(text("SELECT emr.refuse('HIS', :id, 'no such ward')"), {"id": first.change_id})
        following = conn.execute(text("SELECT change_id FROM emr.next_changes('HIS', 1)")).scalar()
    assert following > first.change_id
    with loader.connect() as conn:
        (told,) = changes.refusals(conn)
    assert (told.consumer_id, told.table_name, told.why) == ("HIS", first.table_name, "no such ward")


def test_a_consumer_may_read_and_confirm_and_nothing_else(loader, follower):
    with loader.begin() as conn:
        load_letter(conn)
    for forbidden in ("UPDATE emr.patient SET phone = '1'", "DELETE FROM emr.change", "SELECT * FROM pipeline.page"):
        with pytest.raises(ProgrammingError), follower.engine.begin() as conn:
            conn.execute(text(forbidden))


def test_what_all_have_taken_over_is_forgotten_after_its_time(loader, follower, clean):
    with loader.begin() as conn:
        load_letter(conn)
        load_lab(conn)
    with clean.begin() as conn:
        conn.execute(text("UPDATE emr.change SET changed_at = now() - interval '40 days'"))
    with loader.begin() as conn:
        assert changes.forget(conn) == 0
    follower._take()
    with loader.begin() as conn:
        assert changes.forget(conn) == 3
    in_step(follower, clean)


@pytest.fixture
def hospital(clean, loader):
    """Another application on the same tables, with a role of its own."""
    with clean.begin() as conn:
        conn.execute(text("DROP ROLE IF EXISTS his_test"))
        conn.execute(text("CREATE ROLE his_test"))
        conn.execute(text("GRANT USAGE ON SCHEMA emr TO his_test"))
        conn.execute(text("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA emr TO his_test"))

    def write(statement, **values):
        with clean.begin() as conn:
            conn.execute(text("SET LOCAL ROLE his_test"))
            conn.execute(text(statement), values)

    yield write
    with clean.begin() as conn:
        conn.execute(text("DROP OWNED BY his_test; DROP ROLE his_test"))


PHONE = "UPDATE emr.patient SET phone = '0911111111'"


def test_what_somebody_else_has_set_stands_and_the_difference_is_told(loader, hospital, clean):
    with loader.begin() as conn:
        assert load_letter(conn, LETTER | {"patient.phone": "0900000000"}).differs == ()
    hospital(PHONE)
    with loader.begin() as conn:
        receipt = load_letter(conn, LETTER | {"patient.phone": "0900000000"} | OTHER_DAY)
    with clean.connect() as conn:
        (person,) = rows(conn, "patient")
        (stay,) = rows(conn, "encounter")
    assert (person["phone"], person["changed_elsewhere"]) == ("0911111111", ["phone"])
    assert stay["admitted_at"] == OTHER_DAY["encounter.admitted_at"]
    (told,) = receipt.differs
    assert (told.field, told.place, told.value, told.stands) == (
        "patient.phone", "patient.phone", "0900000000", "0911111111",
    )  # fmt: skip


def test_a_value_of_a_document_that_somebody_else_has_corrected_stands(loader, hospital, clean):
    with loader.begin() as conn:
        load_letter(conn)
    hospital("UPDATE emr.condition SET text = 'U vú trái'")
    with loader.begin() as conn:
        receipt = load_letter(conn, LETTER | {"diagnosis.main": "U vú phải"})
    with clean.connect() as conn:
        assert [row["text"] for row in rows(conn, "condition")] == ["U vú trái"]
    assert [one.place for one in receipt.differs] == ["condition.text"]


def test_a_paper_under_the_number_of_another_living_patient_is_refused_whole(loader, hospital, clean):
    hospital(
        "INSERT INTO emr.patient (patient_id, facility_id, provisional, name, batch_id, document_id) "
        "VALUES ('DEMO|14763265', 'DEMO', false, 'LÊ VĂN KHÁC', '', '')"
    )
    with loader.begin() as conn, pytest.raises(EmrConflict, match="another name"):
        load_letter(conn)
    with clean.connect() as conn:
        (person,) = rows(conn, "patient")
        assert (person["name"], person["converted_from_paper"]) == ("LÊ VĂN KHÁC", False)
        assert rows(conn, "document_reference") == []


def test_an_undo_leaves_what_others_have_changed_with_its_source_and_says_so(loader, hospital, clean):
    with loader.begin() as conn:
        load_letter(conn, LETTER | {"patient.phone": "0900000000"})
        load_lab(conn)
    hospital(PHONE)
    hospital("UPDATE emr.condition SET text = 'U vú trái'")
    with loader.begin() as conn:
        gone = emr.withdraw_batch(conn, "b1")
    assert gone.left == {"condition": 1, "patient": 1}
    with clean.connect() as conn:
        assert [row["text"] for row in rows(conn, "condition")] == ["U vú trái"]
        assert {row["target_table"] for row in rows(conn, "provenance")} == {"condition"}
        (person,) = rows(conn, "patient")
        assert (person["name"], person["phone"]) == (None, "0911111111")
        assert rows(conn, "observation") == rows(conn, "document_reference") == []


def test_a_change_of_somebody_else_is_not_told_as_ours(loader, hospital, follower):
    with loader.begin() as conn:
        load_letter(conn)
    follower.follow()
    hospital(PHONE)
    follower.follow()
    assert follower.rows["patient"]["DEMO|14763265"]["phone"] is None


def test_a_merge_of_two_patients_is_told(loader, follower, clean):
    with loader.begin() as conn:
        load_letter(conn)
        other_file(conn, {"encounter.number": "20-1"}, patient_key="DEMO|2", encounter_key="DEMO|20-1")
        values = {"patient_id": "DEMO|2", "into_id": "DEMO|14763265", "linked_by": "an", "reason": "one person"}
        conn.execute(insert(tables.patient_link).values(values))
    follower.follow()
    assert ("loaded", "patient_link") in follower.seen
    assert context().batch_id in {row["batch_id"] for row in follower.rows["patient"].values()}
    with clean.connect() as conn:
        assert conn.scalar(select(tables.change.c.row_key).where(tables.change.c.table_name == "patient_link")) == "1"
