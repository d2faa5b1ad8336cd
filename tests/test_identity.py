"""Stage 6: the patient guard. It forgives the reader a slip or two and never folds two people into one."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path[:0] = [str(Path(__file__).parent)]

from builders import page_reading  # noqa: E402

from records.document_types import document_types  # noqa: E402
from transformers.identity import (  # noqa: E402
    IdentityState,
    PageIdentity,
    compare_names,
    compare_numbers,
    file_identity,
    guard,
    page_identity,
    page_state,
    same_spelling,
)
from transformers.values import readings_to_values  # noqa: E402

NAME, BIRTH, ID, CARD = "patient.name", "patient.birth_date", "patient.id", "patient.insurance_number"
STAY = "encounter.number"
CONFIRMED, INHERITED = IdentityState.CONFIRMED, IdentityState.INHERITED
CONFLICT, UNKNOWN = IdentityState.CONFLICT, IdentityState.UNKNOWN
CUC = {NAME: "LÊ THỊ CÚC", BIRTH: "1960-09-01", ID: "14003728", STAY: "2019/5521"}


def page(page_id, evidence, **more):
    """A page with this evidence; without any it is silent."""
    return PageIdentity(**{"page_id": page_id, "evidence": evidence, "silent": not evidence, **more})


def evidence_of(read, titled=True):
    """What the guard takes from a page on which these fields were read."""
    reading = page_reading("p", "discharge_letter", read)
    return page_identity("p", readings_to_values(reading.readings, document_types()["discharge_letter"]), titled)


def states(*pages, registry=None):
    given_pages = [page(str(i), evidence) for i, evidence in enumerate(pages)]
    return list(guard(given_pages, registry).values())


# Photocopied identity cards.


def test_a_relatives_identity_card_asks_and_does_not_stop_the_file():
    relative = {NAME: "TRẦN VĂN NAM", BIRTH: "1988-02-11", "patient.national_id": "001088012345"}
    given_pages = [page("a", CUC), page("b", relative, apart=True), page("c", {}), page("d", {NAME: CUC[NAME]})]
    assert list(guard(given_pages).values()) == [CONFIRMED, UNKNOWN, UNKNOWN, CONFIRMED]
    assert guard([page("a", CUC), page("b", relative)])["b"] is CONFLICT, "a clinical page stops it still"


def test_identity_cards_do_not_tell_whose_a_file_is_and_confirm_no_clinical_page():
    relative = {NAME: "TRẦN VĂN NAM", BIRTH: "1988-02-11"}
    cards = [page(f"card{i}", relative, apart=True) for i in range(3)]
    assert file_identity([*cards, page("a", CUC)], {})[NAME] == CUC[NAME]
    assert guard([*cards, page("a", CUC)])["a"] is CONFIRMED
    own = [page("card", {NAME: CUC[NAME]}, apart=True), page("a", {BIRTH: CUC[BIRTH]})]
    assert guard(own)["a"] is UNKNOWN


# One patient, read well and badly.


def test_a_page_with_the_name_or_a_number_of_its_file_is_confirmed():
    assert states(CUC, {NAME: CUC[NAME]}, {ID: CUC[ID]}, {STAY: CUC[STAY]}) == [CONFIRMED] * 4


def test_a_misread_name_with_the_same_number_is_confirmed():
    assert states(CUC, {NAME: "LỄ THỊ CỤC", ID: CUC[ID]}) == [CONFIRMED, CONFIRMED]
    assert states(CUC, {NAME: "LÊ TH GIC", ID: CUC[ID]}) == [CONFIRMED, CONFIRMED]


def test_a_misread_number_with_the_same_name_is_confirmed_when_a_second_thing_agrees():
    misread = {NAME: CUC[NAME], ID: "14008728"}
    for second in (BIRTH, STAY):
        assert states(CUC, misread | {second: CUC[second]}) == [CONFIRMED, CONFIRMED]
    assert states(CUC, CUC, misread)[2] is UNKNOWN, "a namesake's number may be one digit off"


def test_one_other_number_beside_the_very_same_name_is_no_conflict():
    assert states(CUC, CUC, {NAME: CUC[NAME], STAY: "2014/0012"})[2] is not CONFLICT


def test_the_ten_digits_of_an_old_card_are_that_card():
    old = "GD4013001234567"
    assert compare_numbers(old, "3001234567") == compare_numbers("3001234567", old) == 1
    assert states({CARD: old}, {CARD: "3001234567"}) == [CONFIRMED, CONFIRMED]


def test_marks_in_a_number_do_not_count():
    assert compare_numbers("2019/5521", "2019-5521") == 1


# Pages that tell nothing.


def test_a_page_without_evidence_inside_a_run_is_inherited():
    assert states(CUC, {}, {}, CUC) == [CONFIRMED, INHERITED, INHERITED, CONFIRMED]


def test_a_page_without_evidence_at_the_start_is_unknown():
    assert states({}, CUC, {}) == [UNKNOWN, CONFIRMED, INHERITED]


def test_a_page_without_evidence_after_a_foreign_one_is_unknown():
    foreign = {NAME: "TRẦN VĂN BÌNH", ID: "99118822"}
    assert states(CUC, CUC, foreign, {}, CUC) == [CONFIRMED, CONFIRMED, CONFLICT, UNKNOWN, CONFIRMED]


def test_a_page_without_evidence_behind_a_gap_in_the_scan_is_unknown():
    pages = [page("1", CUC), page("2", {}, follows=False)]
    assert list(guard(pages).values()) == [CONFIRMED, UNKNOWN]


def test_a_file_without_any_evidence_is_unknown_throughout():
    assert states({}, {}) == [UNKNOWN, UNKNOWN]
    assert states() == []


def test_a_birth_date_alone_confirms_nothing():
    assert states({}, {BIRTH: CUC[BIRTH]}, registry=CUC) == [UNKNOWN, UNKNOWN]


# Other patients.


def test_a_page_with_another_name_is_a_conflict():
    assert states(CUC, CUC, {NAME: "TRẦN VĂN BÌNH"}) == [CONFIRMED, CONFIRMED, CONFLICT]


def test_a_page_with_another_number_alone_is_a_conflict():
    assert states(CUC, CUC, {ID: "99118822"}) == [CONFIRMED, CONFIRMED, CONFLICT]


def test_two_other_numbers_outweigh_the_same_name():
    assert states(CUC, CUC, {NAME: CUC[NAME], ID: "99118822", STAY: "2014/0012"})[2] is CONFLICT


def test_a_namesake_born_in_another_year_with_another_number_is_a_conflict():
    assert states(CUC, CUC, {NAME: CUC[NAME], BIRTH: "1985-02-03", ID: "99118822"})[2] is CONFLICT


def test_another_name_and_another_number_are_a_conflict_whatever_else_agrees():
    assert states(CUC, CUC, {NAME: "TRẦN VĂN BÌNH", ID: "99118822", STAY: CUC[STAY]})[2] is CONFLICT


# Families: the same surname, nearly the same name, numbers handed out one after the other.

BROTHER = {NAME: "TRẦN GIA BẢO", BIRTH: "2018-05-06", ID: "14003728", STAY: "2019/5521"}
TWIN = {NAME: "TRẦN GIA HUY", BIRTH: "2018-05-06", ID: "14003729", STAY: "2019/5522"}
FATHER = {NAME: "NGUYỄN VĂN AN", BIRTH: "1950-01-02", ID: "14003728"}
SON = {NAME: "NGUYỄN VĂN ANH", BIRTH: "1980-03-04", ID: "14003799"}


def test_a_twin_is_never_confirmed_as_the_other():
    assert CONFIRMED not in states(BROTHER, BROTHER, TWIN)[2:]


def test_a_twin_at_the_start_of_a_run_is_not_taken_for_the_patient_the_registry_names():
    assert states(TWIN, BROTHER, registry=BROTHER) == [CONFLICT, CONFIRMED]


def test_a_twin_inside_a_run_is_not_inherited():
    assert states(BROTHER, BROTHER, TWIN)[2] in (CONFLICT, UNKNOWN)


def test_a_twin_with_nearly_the_same_name_and_number_is_not_taken_for_the_other():
    assert states(BROTHER, BROTHER, TWIN | {NAME: "TRẦN GIA BẢN"})[2] is CONFLICT
    assert states(BROTHER, BROTHER, {NAME: "TRẦN GIA BẢN", ID: TWIN[ID]})[2] is UNKNOWN


def test_a_father_and_a_son_with_other_numbers_are_two_people():
    assert states(FATHER, FATHER, SON | {ID: "20551183"})[2] is CONFLICT


@pytest.mark.parametrize("number", [{}, {ID: "14003729"}], ids=["no number", "the next number"])
def test_a_father_and_a_son_with_near_names_are_told_apart_by_their_years_of_birth(number):
    son = {NAME: SON[NAME], BIRTH: SON[BIRTH], **number}
    assert states(FATHER, FATHER, son)[2] is not CONFIRMED


# Everyone who may lie in the next bed, and what the guard says of their page in the patient's file.

PATIENT = {NAME: "NGUYỄN VĂN AN", BIRTH: "1950-01-02", ID: "14003728", STAY: "19.005521", CARD: "GD4013001234567"}
NEXT = {ID: "14003729", STAY: "19.005522", CARD: "GD4013001234568"}
OTHERS = {
    "a twin with a near name": (PATIENT | NEXT | {NAME: "NGUYỄN VĂN ANH"}, CONFLICT),
    "a twin whose name differs in a tone": (PATIENT | NEXT | {NAME: "NGUYỄN VĂN ÁN"}, CONFLICT),
    "a twin, only the name on the page": ({NAME: "NGUYỄN VĂN ANH"}, UNKNOWN),
    "a twin, name and birth date": ({NAME: "NGUYỄN VĂN ANH", BIRTH: PATIENT[BIRTH]}, UNKNOWN),
    "a tone, only the name on the page": ({NAME: "NGUYỄN VĂN ÁN"}, UNKNOWN),
    "a tone, name and the next number": ({NAME: "NGUYỄN VĂN ÁN", ID: NEXT[ID]}, UNKNOWN),
    "a mark of a vowel": ({NAME: "NGUYỄN VĂN ÂN", BIRTH: PATIENT[BIRTH]}, UNKNOWN),
    "a son": (PATIENT | NEXT | {NAME: "NGUYỄN VĂN ANH", BIRTH: "1980-03-04"}, CONFLICT),
    "a twin, one number misread as the patient's": (
        PATIENT | NEXT | {NAME: "NGUYỄN VĂN ANH", ID: PATIENT[ID]},
        UNKNOWN,
    ),
    "a son, his number misread as the patient's": (
        {NAME: "NGUYỄN VĂN ANH", BIRTH: "1980-03-04", ID: PATIENT[ID]},
        UNKNOWN,
    ),
    "a son with other numbers": ({NAME: "NGUYỄN VĂN ANH", BIRTH: "1980-03-04", ID: "20551183"}, CONFLICT),
    "the spouse in the room": (PATIENT | NEXT | {NAME: "TRẦN THỊ HOA", BIRTH: "1953-06-07"}, CONFLICT),
    "the spouse, only the name on the page": ({NAME: "TRẦN THỊ HOA"}, CONFLICT),
    "the spouse, name and the next number": ({NAME: "TRẦN THỊ HOA", STAY: NEXT[STAY]}, CONFLICT),
    "the spouse, a number misread as the patient's": ({NAME: "TRẦN THỊ HOA", STAY: PATIENT[STAY]}, UNKNOWN),
    "a number one digit off, nothing else": ({ID: NEXT[ID]}, UNKNOWN),
    "all numbers one digit off": (NEXT, CONFLICT),
    "a namesake, all numbers one digit off": (NEXT | {NAME: PATIENT[NAME]}, CONFLICT),
    "a namesake with the next number": ({NAME: PATIENT[NAME], ID: NEXT[ID]}, UNKNOWN),
    "a namesake born in another year": ({NAME: PATIENT[NAME], BIRTH: "1971-01-02"}, UNKNOWN),
    "a namesake with another number": ({NAME: PATIENT[NAME], ID: "20551183"}, UNKNOWN),
    "the same year of birth alone": ({BIRTH: "1950"}, UNKNOWN),
    "another year of birth alone": ({BIRTH: "1971"}, UNKNOWN),
    "the same birth date alone": ({BIRTH: PATIENT[BIRTH]}, UNKNOWN),
}


@pytest.mark.parametrize("known", [False, True], ids=["by the pages", "by the registry"])
@pytest.mark.parametrize("other", OTHERS)
def test_another_person_s_page_is_never_let_through(other, known):
    evidence, state = OTHERS[other]
    found = states(PATIENT, PATIENT, evidence, {}, PATIENT, registry=PATIENT if known else None)
    assert found == [CONFIRMED, CONFIRMED, state, UNKNOWN, CONFIRMED], "nor is the silent page behind it"


SLIPS = {
    "one letter of the name": {NAME: "NGUYỄN VÀN AN", ID: PATIENT[ID]},
    "a tone of the name": {NAME: "NGUYÊN VĂN AN", STAY: PATIENT[STAY]},
    "a digit of one number of two": {NAME: PATIENT[NAME], ID: "14008728", STAY: PATIENT[STAY]},
    "a letter and a digit of one number of three": PATIENT | {NAME: "NGUYỄN VĂN AH", ID: "14008728"},
    "the year of birth": {NAME: PATIENT[NAME], BIRTH: "1930-01-02", ID: PATIENT[ID]},
    "the whole name, two numbers whole": {NAME: "UYEN VAI", ID: PATIENT[ID], STAY: PATIENT[STAY]},
    "where the tone is written": {NAME: "NGUYỄN VĂN AN".replace("Ễ", "E\u0302\u0303")},
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_of_reading_is_forgiven_where_enough_agrees_to_the_letter(slip):
    assert states(PATIENT, PATIENT, SLIPS[slip])[2] is CONFIRMED


def test_a_tone_written_over_the_other_vowel_is_the_same_tone():
    assert same_spelling("LÊ THỊ HOÀ", "lê thị hòa")
    assert not same_spelling("LÊ THỊ HOÀ", "LÊ THỊ HOA")


def test_names_are_compared_without_tones_and_with_a_slip():
    assert compare_names("LÊ THỊ CÚC", "LE THI CUC") == 1
    assert compare_names("LÊ THỊ CÚC", "LÊ THI CÚG") == 1
    assert compare_names("LÊ THỊ CÚC", "TRẦN VĂN BÌNH") == -1
    assert compare_names("TRẦN GIA BẢO", "TRẦN GIA HUY") == 0


def test_numbers_one_digit_apart_confirm_nothing_and_contradict_nothing():
    assert compare_numbers("14003728", "14003729") == 0
    assert compare_numbers("14003728", "99118822") == -1


def test_short_numbers_that_share_no_digit_are_other_numbers():
    assert compare_numbers("12", "87") == -1


# What the file says of its patient.


def test_the_registry_has_the_first_word():
    pages = [page("1", {NAME: "TRẦN VĂN BÌNH"})] * 3
    assert file_identity(pages, {NAME: "LÊ THỊ CÚC"})[NAME] == "LÊ THỊ CÚC"
    assert states({NAME: "TRẦN VĂN BÌNH"}, registry={NAME: "LÊ THỊ CÚC"}) == [CONFLICT]


def test_without_a_registry_most_pages_decide_and_the_first_on_a_tie():
    def told(*names):
        return file_identity([page(n, {NAME: n}) for n in names], {})[NAME]

    assert told("BÌNH", "CÚC", "CÚC") == "CÚC"
    assert told("BÌNH", "CÚC") == "BÌNH"


def test_a_page_of_another_patient_at_the_front_is_the_conflict_when_the_rest_agree():
    assert states({NAME: "TRẦN VĂN BÌNH"}, CUC, CUC) == [CONFLICT, CONFIRMED, CONFIRMED]


def test_evidence_is_what_could_be_parsed():
    read = {NAME: "Lê Thị Cúc", BIRTH: "ngày bảy", ID: "14003728", "patient.age": "59"}
    found = evidence_of(read)
    assert found.evidence == {NAME: "LÊ THỊ CÚC", ID: "14003728"}


def test_a_name_is_evidence_as_it_was_read_and_not_as_the_list_of_names_would_have_it():
    assert evidence_of({NAME: "Lê Thị Thòa"}).evidence == {NAME: "LÊ THỊ THÒA"}


def test_only_a_page_without_title_on_which_no_identity_field_was_found_is_silent():
    assert evidence_of({"patient.phone": "0912345678"}, titled=False).silent
    assert not evidence_of({}, titled=True).silent
    assert not evidence_of({BIRTH: "ngày bảy"}, titled=False).silent


def test_the_name_of_one_patient_and_the_numbers_of_another_are_never_made_one():
    first = [{NAME: PATIENT[NAME]}, {NAME: PATIENT[NAME]}, {NAME: PATIENT[NAME], ID: PATIENT[ID]}]
    other = [{ID: "20551183", NAME: "TRẦN THỊ HOA"}, {ID: "20551183"}, {ID: "20551183"}]
    told = file_identity([page(str(n), evidence) for n, evidence in enumerate(first + other)], {})
    assert told == {NAME: PATIENT[NAME], ID: PATIENT[ID]}
    assert states(*first, *other) == [CONFIRMED] * 3 + [CONFLICT] * 3


def test_what_an_officer_has_placed_is_confirmed_and_silent_pages_behind_it_follow():
    pages = [page("1", CUC), page("2", {NAME: "TRẦN VĂN BÌNH"}), page("3", {}), page("4", {BIRTH: "1960"})]
    assert list(guard(pages, ruled={"2"}).values()) == [CONFIRMED, CONFIRMED, INHERITED, UNKNOWN]


TOLD = st.text("ABC 0123", min_size=3, max_size=12)


@given(st.dictionaries(st.sampled_from([NAME, ID, STAY, CARD]), TOLD, min_size=1))
def test_a_page_never_conflicts_with_itself(evidence):
    assert page_state(evidence, evidence) is CONFIRMED


@given(st.text("0123456789", min_size=1, max_size=15), st.text("0123456789", min_size=1, max_size=15))
def test_comparing_is_the_same_both_ways(one, other):
    assert compare_numbers(one, other) == compare_numbers(other, one)
    assert compare_names(one, other) == compare_names(other, one)
