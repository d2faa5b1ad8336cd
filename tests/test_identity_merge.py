"""Who may be one person is proposed; that two patients are one is an officer's word, and she can take it back."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, text

sys.path[:0] = [str(Path(__file__).parent)]

from test_emr import everything, load_letter, other_file  # noqa: E402

from loaders import persons  # noqa: E402
from loaders.context import provisional_key  # noqa: E402
from pipeline import audit, database, patients  # noqa: E402
from records.errors import EmrConflict, SohoaError  # noqa: E402
from transformers.candidates import Likeness, candidate, merge_candidates  # noqa: E402

NAME, BIRTH, SEX, ID = "patient.name", "patient.birth_date", "patient.sex", "patient.id"
CARD, NATIONAL = "patient.insurance_number", "patient.national_id"
CUC = {NAME: "LÊ THỊ CÚC", BIRTH: "1960-09-01", SEX: "female", NATIONAL: "001160012345", CARD: "GD4013001234567"}


def proposed(a: dict[str, str], b: dict[str, str]) -> Likeness | None:
    """How two patients are proposed, the same whichever comes first and with or without looking them up."""
    found = merge_candidates({"A": a, "B": b})
    alone = candidate("A", "B", a, b)
    assert [c.likeness for c in merge_candidates({"A": b, "B": a})] == [c.likeness for c in found]
    assert not found or found == [alone]
    return found[0].likeness if found else None


# What is proposed.


@pytest.mark.parametrize("number", [NATIONAL, CARD, ID])
def test_a_number_with_the_name_or_the_birth_date_is_proposed(number):
    own = CUC | {ID: "14003728"}
    assert proposed({number: own[number], NAME: "LÊ THỊ CỤC"}, own) is Likeness.NUMBER
    assert proposed({number: own[number], BIRTH: CUC[BIRTH]}, own) is Likeness.NUMBER


def test_two_numbers_are_proposed_where_the_name_could_not_be_read():
    assert proposed({NATIONAL: CUC[NATIONAL], CARD: CUC[CARD]}, CUC) is Likeness.NUMBER


def test_the_last_ten_characters_of_a_card_stay_a_persons_own():
    assert proposed({CARD: "3001234567", NAME: CUC[NAME]}, CUC) is Likeness.NUMBER
    assert proposed({CARD: "HT2363001234567", NAME: CUC[NAME]}, CUC) is Likeness.NUMBER


def test_names_alike_without_marks_are_proposed_with_the_same_birth_date():
    assert proposed({NAME: "LE THI CUC", BIRTH: CUC[BIRTH]}, CUC) is Likeness.NAME


def test_a_second_hospital_number_beside_an_equal_card_is_shown_as_unlike():
    [pair] = merge_candidates({"A": CUC | {ID: "14003728"}, "B": CUC | {ID: "20551183"}})
    assert (pair.agreeing, pair.unlike) == ((NAME, BIRTH, SEX, NATIONAL, CARD), (ID,))


# What is not.


@pytest.mark.parametrize("number", [NATIONAL, CARD, ID])
def test_a_number_alone_proposes_nobody(number):
    own = CUC | {ID: "14003728"}
    assert proposed({number: own[number]}, own) is None
    assert proposed({number: own[number], SEX: "female"}, own) is None


def test_a_number_under_another_name_proposes_nobody():
    assert proposed({NATIONAL: CUC[NATIONAL], NAME: "TRẦN VĂN BÌNH"}, CUC) is None
    assert proposed(CUC | {NAME: "TRẦN VĂN BÌNH"}, CUC) is None


@pytest.mark.parametrize(
    "told", [{}, {BIRTH: "1960"}, {BIRTH: "1960-09-02"}], ids=["no birth date", "the year only", "another day"]
)
def test_a_name_without_the_whole_birth_date_proposes_nobody(told):
    assert proposed({NAME: CUC[NAME], **told}, CUC) is None


TWIN = {NAME: "TRẦN GIA BẢO", BIRTH: "2018-05-06", SEX: "male", ID: "14003728", NATIONAL: "001218000111"}


@pytest.mark.parametrize(
    "other",
    [
        {NAME: "TRẦN GIA HUY", ID: "14003729", NATIONAL: "001218000112"},
        {NAME: "TRẦN GIA BẢN", ID: "14003729", NATIONAL: "001218000112"},
        {NAME: "TRẦN GIA BẢN", ID: "14003729"},
        {NAME: "TRẦN GIA BẢO", ID: "20551183", NATIONAL: "001218098765"},
        {NAME: "TRẦN GIA BAO", SEX: "female"},
    ],
    ids=["twin", "near name and numbers", "near name and number", "other numbers", "other sex"],
)
def test_twins_are_two(other):
    assert proposed(TWIN, {BIRTH: TWIN[BIRTH], SEX: TWIN[SEX]} | other) is None


def test_a_twin_read_with_the_number_of_the_other_is_for_an_officer_to_tell():
    twin = TWIN | {NAME: "TRẦN GIA HUY", ID: "14003729"}
    [pair] = merge_candidates({"A": TWIN, "B": twin})
    assert NAME not in pair.agreeing and pair.agreeing == (BIRTH, SEX, NATIONAL)


FATHER = {NAME: "NGUYỄN VĂN AN", BIRTH: "1950-01-02", SEX: "male", ID: "14003728", CARD: "GD4013001234567"}


@pytest.mark.parametrize("name", ["NGUYỄN VĂN AN", "NGUYỄN VĂN ANH"])
@pytest.mark.parametrize("number", [{}, {ID: "14003729"}, {ID: "14003728"}, {CARD: FATHER[CARD]}])
def test_father_and_son_are_two_whatever_number_they_seem_to_share(name, number):
    assert proposed(FATHER, {NAME: name, BIRTH: "1980-01-02", SEX: "male"} | number) is None


def test_numbers_one_digit_apart_agree_in_nothing():
    near = {NATIONAL: "001160012346", CARD: "GD4013001234568", NAME: "LÊ THỊ CÚG", BIRTH: CUC[BIRTH]}
    assert proposed(near, CUC) is None


def test_a_default_that_many_share_proposes_nobody():
    crowd = {str(n): {ID: "0000", BIRTH: f"19{n:02}-01-01", NAME: "KHÔNG TÊN"} for n in range(10, 70)}
    assert merge_candidates(crowd) == []


def test_an_old_and_a_new_identity_card_do_not_contradict():
    assert proposed(CUC | {NATIONAL: "012345678"}, CUC) is Likeness.NUMBER


PERSON = st.fixed_dictionaries(
    {NAME: st.sampled_from(["LÊ AN", "LÊ ÁN", "LÊ ANH", "TRẦN BÌNH"])},
    optional={
        BIRTH: st.sampled_from(["1960", "1960-09-01", "1960-09-02", "1980-09-01"]),
        SEX: st.sampled_from(["male", "female"]),
        NATIONAL: st.sampled_from(["001160012345", "001160012346", "012345678"]),
        CARD: st.sampled_from(["GD4013001234567", "3001234567", "3001234568"]),
        ID: st.sampled_from(["14003728", "14003729"]),
    },
)


@given(PERSON, PERSON)
def test_a_proposal_never_rests_on_one_field_and_never_on_two_sexes_or_years(a, b):
    found = merge_candidates({"A": a, "B": b})
    for pair in found:
        assert len(pair.agreeing) >= 2
        assert not {NAME, BIRTH, SEX} & set(pair.unlike)
        assert a.get(SEX, "male") == b.get(SEX, "male") or not (a.get(SEX) and b.get(SEX))
    proposed(a, b)


# What an officer does.

ONE, OTHER = "DEMO|14763265", provisional_key("DEMO", "f9")
DECIDED = {"officer": "an", "reason": "cùng thẻ BHYT"}
PERSONS = "SELECT standing_id, encounter_id FROM emr.encounter_standing ORDER BY encounter_id"


def load_again(conn: Connection, **changes: str) -> None:
    """The other file of the same person, whose numbers could not be read."""
    told = {NAME: "PHẠM QUỐC GIANG", BIRTH: "1956-04-18", "diagnosis.main": "U vú"} | changes
    other_file(conn, told, patient_key=OTHER, encounter_key=OTHER)


@pytest.fixture
def two(conn: Connection) -> Connection:
    """One person twice: under a number, and under a file whose numbers could not be read."""
    load_letter(conn)
    load_again(conn)
    conn.commit()
    return conn


def persons_of(conn: Connection) -> list[tuple[str, str]]:
    return [tuple(row) for row in conn.execute(text(PERSONS))]


def test_a_provisional_patient_stands_until_an_officer_merges_it(two):
    [pair] = patients.candidates(two, "DEMO")
    assert (pair.one, pair.other, pair.likeness) == (ONE, OTHER, Likeness.NAME)
    assert persons_of(two) == [(ONE, "DEMO|18-02212"), (OTHER, OTHER)]


def test_rows_follow_a_merge_and_its_undoing_without_being_touched(two):
    before = everything(two)
    patients.merge(two, OTHER, ONE, **DECIDED)
    assert persons_of(two) == [(ONE, "DEMO|18-02212"), (ONE, OTHER)]
    assert patients.candidates(two, "DEMO") == []
    patients.unmerge(two, OTHER, **DECIDED)
    assert persons_of(two) == [(ONE, "DEMO|18-02212"), (OTHER, OTHER)]
    after = everything(two)
    assert after.pop("patient_link") and not before.pop("patient_link")
    assert after == before


def test_what_is_loaded_later_follows_too_and_a_reload_changes_nothing(two):
    patients.merge(two, OTHER, ONE, **DECIDED)
    load_again(two)
    other_file(two, {"diagnosis.main": "U phổi"}, file_id="f9", patient_key=OTHER, encounter_key="DEMO|20-1")
    assert {person for person, _ in persons_of(two)} == {ONE}


def test_two_numbers_of_one_person_may_share_a_stay_once_they_are_merged(conn):
    load_letter(conn)
    second = {"patient_key": "DEMO|99", "encounter_key": "DEMO|19-1", "file_id": "f8"}
    other_file(conn, {"diagnosis.main": "U vú"}, **second)
    with pytest.raises(EmrConflict, match="another patient number"):
        other_file(conn, {"diagnosis.main": "U vú"}, **second | {"encounter_key": "DEMO|18-02212"})
    patients.merge(conn, "DEMO|99", ONE, **DECIDED)
    other_file(conn, {"diagnosis.main": "U vú"}, **second | {"encounter_key": "DEMO|18-02212"})
    assert persons_of(conn) == [(ONE, "DEMO|18-02212")]


def test_merges_follow_one_another_and_are_undone_one_by_one(two):
    other_file(two, {NAME: "PHẠM QUỐC GIANG"}, file_id="f7", patient_key="DEMO|77", encounter_key="DEMO|21-1")
    patients.merge(two, OTHER, ONE, **DECIDED)
    patients.merge(two, ONE, "DEMO|77", **DECIDED)
    assert persons.standing_of(two, OTHER) == "DEMO|77"
    assert {person for person, _ in persons_of(two)} == {"DEMO|77"}
    patients.unmerge(two, ONE, **DECIDED)
    assert persons.standing_of(two, OTHER) == ONE


def test_every_merge_and_its_undoing_is_logged_with_who_and_why(two):
    patients.merge(two, OTHER, ONE, **DECIDED)
    patients.unmerge(two, OTHER, "binh", "hai người khác nhau")
    patients.merge(two, OTHER, ONE, **DECIDED)
    first, second = patients.history(two, OTHER)
    assert (first.linked_by, first.reason, first.undone_by, first.undone_reason) == (
        "an", "cùng thẻ BHYT", "binh", "hai người khác nhau",
    )  # fmt: skip
    assert first.undone_at is not None and second.undone_at is None
    events = two.execute(text("SELECT actor, action, object FROM audit.event ORDER BY event_id")).all()
    whom = f"patient:{OTHER}"
    assert [tuple(e) for e in events] == [
        ("an", "patient:merge", whom), ("binh", "patient:unmerge", whom), ("an", "patient:merge", whom),
    ]  # fmt: skip
    assert audit.verify(two) == []


@pytest.mark.parametrize("field, value", [(BIRTH, "1980-04-18"), (NAME, "LÊ THỊ MAI")])
def test_patients_who_contradict_each_other_are_merged_only_by_saying_so(conn, field, value):
    load_letter(conn)
    load_again(conn, **{field: value})
    with pytest.raises(EmrConflict, match=f"differ in {field}") as error:
        patients.merge(conn, OTHER, ONE, **DECIDED)
    assert value not in str(error.value) and persons.standing_of(conn, OTHER) == OTHER
    assert patients.merge(conn, OTHER, ONE, **DECIDED, despite=True) == (field,)


def test_a_merge_that_cannot_be_meant_is_refused_in_one_sentence(two):
    other_file(two, {NAME: "PHẠM QUỐC GIANG"}, file_id="f7", patient_key="DEMO|77", encounter_key="DEMO|21-1")
    for one, other, sentence in (
        (ONE, ONE, "two different patients"),
        (OTHER, "HN01|14763265", "of one facility"),
        (ONE, OTHER, f"merge it into {ONE} instead".replace("|", "[|]")),
        ("DEMO|5", ONE, "holds no patient DEMO.5"),
    ):
        with pytest.raises(SohoaError, match=sentence):
            patients.merge(two, one, other, **DECIDED)
    with pytest.raises(SohoaError, match="who decided"):
        patients.merge(two, OTHER, ONE, "an", " ")
    with pytest.raises(EmrConflict, match="merged into nobody"):
        patients.unmerge(two, OTHER, **DECIDED)
    patients.merge(two, OTHER, ONE, **DECIDED)
    for one, other in ((OTHER, "DEMO|77"), ("DEMO|77", OTHER)):
        with pytest.raises(SohoaError, match="merged into|has no number"):
            patients.merge(two, one, other, **DECIDED)
    with pytest.raises(EmrConflict, match="merged into DEMO.14763265 already"):
        patients.merge(two, OTHER, "DEMO|77", **DECIDED)


def test_only_the_loader_may_link_patients_and_nobody_may_erase_a_link(two, settings):
    with database.engine(settings, "loader").begin() as loader:
        patients.merge(loader, OTHER, ONE, **DECIDED)
    for role, statement in (
        ("loader", "DELETE FROM emr.patient_link"),
        ("pipeline", "SELECT patient_id FROM emr.patient_link"),
        ("review", "SELECT patient_id FROM emr.patient_standing"),
    ):
        with database.engine(settings, role).connect() as other, pytest.raises(Exception, match="permission denied"):
            other.execute(text(statement))
