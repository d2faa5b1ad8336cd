"""Stage 7: the suite of the batch as a whole: a sound batch passes, and each planted bad one breaks one rule alone."""

from dataclasses import replace

import pandas as pd
import pytest
import yaml
from sqlalchemy import insert, select, text, update

from pipeline import quality, releases, steps, tables
from pipeline.batch_measures import measures_of
from records.errors import SohoaError
from validation.batch_facts import COLUMNS, BatchFacts, common_years
from validation.batch_suite import NotAsked, Question, answers, batch_suite, behind
from validation.gx import COLUMNS as VALUES
from validation.gx import check_batch
from validation.suites import Severity

pytestmark = pytest.mark.slow

FILES = 40
SUITE = batch_suite("DEMO")
NOTHING = pd.DataFrame(columns=VALUES)
TWO_BATCHES = [pd.Series([0.0] * 60)] * 2
HISTORICAL = {"women", "stay_days", "lab_rows", "form_share"}


def valued(field, said, kind="identifier"):
    """A column of accepted values, one a file: `said(n)`, None where the file has none."""
    rows = [(f"d{n}", f"f{n}", field, kind, said(n), said(n)) for n in range(FILES) if said(n) is not None]
    return pd.DataFrame(rows, columns=COLUMNS)


SAID = {
    "encounter.number": lambda n: f"14.{n:06d}",
    "encounter.admitted_at": lambda n: f"201{4 + n % 2}-02-13T14:45",
    "encounter.discharged_at": lambda n: f"201{4 + n % 2}-03-01T11:45",
    "encounter.department": lambda n: "ngoai bung 1",
    "patient.id": lambda n: f"19{n:06d}",
    "patient.insurance_number": lambda n: f"GD4013001{n:06d}",
    "patient.national_id": lambda n: None,
    "patient.name": lambda n: f"nguyen huu {n}",
}


def sound(**said):
    """The facts of a batch of 40 files with nothing wrong in it, but for the fields that are said otherwise."""
    told = SAID | {name.replace("__", "."): how for name, how in said.items()}
    codes = valued("diagnosis.main.code", told.pop("codes", lambda n: "C50.9;I10"), kind="icd10")
    past = [pd.Series([0.0, 1.0] * 50), pd.Series([0.0, 1.0] * 45), pd.Series([0.0, 1.0] * 40)]
    figures = (pd.Series([0.0, 1.0] * 30), past)
    return BatchFacts(
        pages=pd.Series(["assembled"] * 80 + ["blank"] * 40 + ["duplicate", "quarantined"]),
        verdicts=pd.Series(["accept"] * 150 + ["review"] * 50),
        values=pd.concat([codes, *(valued(field, how) for field, how in told.items())], ignore_index=True),
        forms=pd.DataFrame({"form": ["Bìa"] * FILES, "there": [True] * 36 + [False] * 4}, dtype=object),
        stays=frozenset(f"14.{n:06d}" for n in range(30)), patients=frozenset(f"19{n:06d}" for n in range(FILES)),
        codes=frozenset({"C50.9", "I10", "B20"}), departments=frozenset({"ngoai bung 1"}), box_years=(2014, 2015),
        proven=True,
        measures={
            "women": {"": figures},
            "stay_days": {"": (pd.Series([7.0, 8.0, 9.0] * 20), [pd.Series([7.0, 8.0, 10.0] * 20)] * 3)},
            "lab_rows": {"": (pd.Series([12.0, 14.0] * 20), [pd.Series([12.0, 13.0] * 20)] * 3)},
            "form_share": {"lab_report": figures},
        },
    )  # fmt: skip


def measured(rule, field, now):
    """Sound facts in which one figure with a history is another."""
    facts = sound()
    past = facts.measures[rule][field][1]
    return replace(facts, measures={**facts.measures, rule: {field: (pd.Series(now), past)}})


def pages(state, count):
    return replace(sound(), pages=pd.Series(["assembled"] * 40 + [state] * count))


BAD = {
    ("blank", ""): lambda: pages("blank", 65),
    ("duplicate", ""): lambda: pages("duplicate", 12),
    ("quarantined", ""): lambda: pages("quarantined", 20),
    ("review", ""): lambda: replace(sound(), verdicts=pd.Series(["accept"] * 50 + ["review"] * 150)),
    ("file_lacks", "Bìa"): lambda: replace(
        sound(), forms=pd.DataFrame({"form": ["Bìa"] * 20, "there": [True] * 13 + [False] * 7}, dtype=object)
    ),
    ("box_window", ""): lambda: replace(sound(), box_years=(2017, 2018)),
    ("common_window", ""): lambda: sound(
        encounter__admitted_at=lambda n: "2041-02-13" if n in (3, 4) else "2014-02-13"
    ),
    ("one_owner", "patient.id"): lambda: sound(patient__id=lambda n: f"19{max(n, 1):06d}"),
    ("one_owner", "patient.insurance_number"): lambda: sound(
        patient__insurance_number=lambda n: f"GD4013001{max(n, 1):06d}"
    ),
    ("one_owner", "patient.national_id"): lambda: sound(
        patient__national_id=lambda n: "001160012345" if n < 2 else None
    ),
    ("unknown_stay", ""): lambda: replace(sound(), stays=frozenset()),
    ("unknown_patient", ""): lambda: replace(sound(), patients=frozenset({"19000001"})),
    ("unlisted_code", ""): lambda: sound(codes=lambda n: "C50.9;Z99.9" if n < 2 else "C50.9;I10†"),
    ("unlisted_department", ""): lambda: sound(
        encounter__department=lambda n: "khoa khac" if n < 15 else "ngoai bung 1"
    ),
    ("women", ""): lambda: measured("women", "", [1.0] * 60),
    ("stay_days", ""): lambda: measured("stay_days", "", [0.0, 1.0, 2.0] * 20),
    ("lab_rows", ""): lambda: measured("lab_rows", "", [3.0, 4.0] * 20),
    ("form_share", "lab_report"): lambda: measured("form_share", "lab_report", [0.0] * 59 + [1.0]),
}  # fmt: skip


def asked(facts):
    return [one for one in answers(SUITE, facts) if isinstance(one, Question)]


def broken(facts):
    """What Great Expectations says, which is what the figures say."""
    questions = asked(facts)
    report = check_batch(NOTHING, {}, questions)
    assert report.asked == len(questions)
    found = {(one.rule, one.field) for one in report.failed}
    assert found == {(one.asked.rule, one.asked.field) for one in questions if one.broken}
    return found


def test_a_sound_batch_is_asked_everything_and_breaks_nothing():
    assert {one.asked.rule for one in asked(sound())} == set(SUITE.rules)
    assert broken(sound()) == set()


def test_every_rule_has_its_bad_batch():
    assert {rule for rule, _ in BAD} == set(SUITE.rules)


@pytest.mark.parametrize("rule, field", BAD)
def test_a_bad_batch_breaks_its_rule_alone_and_something_is_behind_it(rule, field):
    facts = BAD[rule, field]()
    assert broken(facts) == {(rule, field)}
    (question,) = [one for one in asked(facts) if one.broken]
    assert behind(question)


def test_only_a_rule_that_stops_holds_the_batch():
    warned = check_batch(NOTHING, {}, asked(BAD["blank", ""]()))
    stopped = check_batch(NOTHING, {}, asked(BAD["quarantined", ""]()))
    assert (warned.success, len(warned.failed), warned.stops) == (True, 1, ())
    assert (stopped.success, len(stopped.stops)) == (False, 1)
    assert {name for name, rule in SUITE.rules.items() if rule.severity is Severity.STOP} == {
        "quarantined", "box_window", "one_owner", "unlisted_code"
    }  # fmt: skip


def test_a_report_of_the_whole_batch_holds_no_value():
    told = check_batch(NOTHING, {}, asked(BAD["one_owner", "patient.id"]())).model_dump_json()
    assert "19000001" not in told and "nguyen" not in told


def test_behind_a_failure_stand_the_values_that_break_the_rule():
    (one,) = [q for q in asked(BAD["unlisted_code", ""]()) if q.broken]
    assert behind(one) == [("d0", "diagnosis.main.code", "Z99.9"), ("d1", "diagnosis.main.code", "Z99.9")]


def test_who_accepted_a_share_accepts_a_smaller_one_and_no_larger_one():
    marks = [set(behind(asked(pages("quarantined", count))[2])) for count in (20, 25, 60)]
    assert marks[0] < marks[1] < marks[2]


# What cannot be asked.


@pytest.mark.parametrize(
    ("facts", "rule", "why"),
    [
        (replace(sound(), pages=pd.Series(["blank"] * 39)), "blank", "few"),
        (replace(sound(), proven=False), "review", "unproven"),
        (replace(sound(), box_years=None), "box_window", "no_box"),
        (sound(encounter__admitted_at=lambda n: f"{1990 + n}-01-01"), "common_window", "no_common_years"),
        (replace(sound(), stays=None), "unknown_stay", "no_registry"),
        (replace(sound(), codes=frozenset()), "unlisted_code", "no_list"),
        (replace(sound(), measures={"women": {"": (pd.Series([1.0] * 60), TWO_BATCHES)}}), "women", "no_history"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said_and_is_no_failure(facts, rule, why):
    (answer,) = [one for one in answers(SUITE, facts) if isinstance(one, NotAsked) and one.rule == rule]
    assert answer.why == why


def test_an_earlier_batch_with_few_things_has_no_voice():
    few = [pd.Series([0.0] * 60)] * 2 + [pd.Series([0.0] * 19)]
    facts = replace(sound(), measures={"women": {"": (pd.Series([1.0] * 60), few)}})
    assert ("women", "no_history") in [
        (one.rule, one.why) for one in answers(SUITE, facts) if isinstance(one, NotAsked)
    ]


def test_boxes_that_differ_from_one_another_leave_more_room():
    alike, apart = [[0.5] * 3, [0.1, 0.5, 0.9]]
    found = []
    for shares in (alike, apart):
        past = [pd.Series([1.0] * round(100 * share) + [0.0] * round(100 - 100 * share)) for share in shares]
        facts = replace(sound(), measures={"women": {"": (pd.Series([1.0] * 60), past)}})
        found.append(broken(facts))
    assert found == [{("women", "")}, set()]


def test_years_in_common_hold_nearly_all_days():
    assert common_years(pd.Series([2014] * 6 + [2015] * 3 + [2041])) == (2014, 2015)
    assert common_years(pd.Series([2014] * 6 + [2015] * 2 + [2041] * 2)) is None
    assert common_years(pd.Series([], dtype=int)) is None


# A hospital's own bounds.


def own(tmp_path, told):
    path = tmp_path / "batch_suite.yaml"
    path.write_text(told if isinstance(told, str) else yaml.safe_dump(told), encoding="utf-8")
    return path


def test_a_facility_has_its_own_bounds_and_another_has_not(tmp_path):
    path = own(tmp_path, {"A": {"rules": {"blank": {"at_most": 0.1, "severity": "stop"}}, "history": {"files": 99}}})
    mine, others = batch_suite("A", path), batch_suite("B", path)
    assert (mine.rules["blank"].at_most, mine.rules["blank"].severity, mine.history.files) == (0.1, "stop", 99)
    assert others == SUITE and mine.rules["review"] == SUITE.rules["review"]


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"A": {"rules": {"blanks": {"at_most": 0.1}}}}, "blanks"),
        ({"A": {"rules": {"blank": {"says": "x"}}}}, "says"),
        ({"A": {"rules": {"blank": {"at_most": 3}}}}, "at_most"),
        ({"A": {"history": {"years": 3}}}, "years"),
        ("A: [", "batch_suite.yaml"),
        ("A: 3", "batch_suite.yaml"),
    ],
)
def test_bounds_that_cannot_be_meant_are_refused_by_name(tmp_path, told, named):
    with pytest.raises(SohoaError, match=named):
        batch_suite("A", own(tmp_path, told))


# From the database.

COVER = "inpatient_cover"


def filed(conn, batch_id, count, forms=(COVER,), **said):
    """A batch of `count` files with a document of each form, assembled, and these accepted values in the first."""
    conn.execute(insert(tables.batch).values(batch_id=batch_id, facility_id="DEMO", folder="/scans"))
    for n in range(count):
        key, file_id = f"{batch_id}-{n}", f"f-{batch_id}-{n}"
        number = f"14.{n:06d}"
        conn.execute(insert(tables.file).values(
            file_id=file_id, batch_id=batch_id, label=key, encounter_key=f"DEMO|{number}",
            forms={"expected": ["Giấy ra viện"], "missing": ["Giấy ra viện"], "found": {}},
        ))  # fmt: skip
        conn.execute(
            insert(tables.receipt).values(receipt_id=f"r-{key}", batch_id=batch_id, path=key, outcome="received")
        )
        page = {
            "page_id": f"p-{key}",
            "batch_id": batch_id,
            "receipt_id": f"r-{key}",
            "number": 1,
            "state": "assembled",
        }
        conn.execute(insert(tables.page).values(page | {"document_id": f"{key}-{forms[0]}"}))
        for form in forms:
            conn.execute(insert(tables.document).values(
                document_id=f"{key}-{form}", batch_id=batch_id, file_id=file_id, document_type=form, page_ids=[],
                verdict="accept", validated={},
            ))  # fmt: skip
        told = {"encounter.number": number} | {name.replace("__", "."): how(n) for name, how in said.items()}
        for field, value in told.items():
            conn.execute(insert(tables.field_value).values(
                document_id=f"{key}-{forms[0]}", field=field, value=value, raw=value, kind="identifier",
                confidence=0.9, verdict="accept", page_id=f"p-{key}", box={}, engine="tesseract",
            ))  # fmt: skip


def stays(conn, count, year="2014", box="KHO-1"):
    for n in range(count):
        conn.execute(insert(tables.registry_stay).values(
            facility_id="DEMO", encounter_number=f"14.{n:06d}", patient_id=f"P{n}", box=box,
            admitted_at=f"{year}-01-01T08:00", discharged_at=f"{year}-01-09T08:00",
        ))  # fmt: skip


def found(conn, batch_id="now"):
    return {(one.asked.rule, one.asked.field): one for one in quality.questions_of(conn, batch_id)}


def test_the_box_of_the_registry_says_the_years_of_its_papers(conn):
    stays(conn, 20)
    filed(conn, "now", 12, encounter__admitted_at=lambda n: "2014-02-01T08:00" if n else "2019-02-01T08:00")
    one = found(conn)["box_window", ""]
    assert one.broken and one.asked.arguments["min_value"] == 2013 and one.asked.arguments["max_value"] == 2015
    assert behind(one) == [("now-0-inpatient_cover", "encounter.admitted_at", "2019-02-01T08:00")]


def test_numbers_that_the_registry_does_not_know_are_counted(conn):
    stays(conn, 5)
    filed(conn, "now", 20)
    assert found(conn)["unknown_stay", ""].measured == pytest.approx(15 / 20)
    assert found(conn)["file_lacks", "Giấy ra viện"].broken


def test_what_is_held_or_in_doubt_says_nothing(conn):
    stays(conn, 1)
    filed(conn, "now", 12)
    conn.execute(update(tables.file).where(tables.file.c.label == "now-3").values(state="held"))
    conn.execute(update(tables.field_value).where(tables.field_value.c.value == "14.000004").values(verdict="review"))
    assert len(found(conn)["unknown_stay", ""].told) == 10


def test_figures_are_held_against_the_facilitys_earlier_batches(conn):
    sexes = {"patient__sex": lambda n: "female" if n % 2 else "male"}
    dates = {"encounter__admitted_at": lambda n: "2014-02-01", "encounter__discharged_at": lambda n: "2014-02-08T09:00"}
    for n in range(3):
        filed(conn, f"old-{n}", 20, forms=(COVER, "lab_report", "consent"), **sexes, **dates)
    filed(conn, "small", 4, patient__sex=lambda n: "male")
    filed(conn, "held", 20, patient__sex=lambda n: "male")
    conn.execute(update(tables.batch).where(tables.batch.c.batch_id == "held").values(state="held"))
    conn.execute(text("UPDATE pipeline.batch SET created_at = created_at - interval '1 day'"))
    filed(conn, "now", 25, forms=(COVER, "lab_report"), patient__sex=lambda n: "female", **dates)
    now, past = measures_of(conn, "now", SUITE.history)["women"][""]
    assert (now.mean(), [column.mean() for column in past]) == (1, [0.5] * 3)
    figures = found(conn)
    assert {rule for rule, _ in figures} >= HISTORICAL
    assert {key for key, one in figures.items() if one.broken and key[0] in HISTORICAL} == {
        ("women", ""), ("form_share", "consent"),
    }  # fmt: skip
    assert figures["stay_days", ""].measured == 7


def test_a_batch_that_nobody_knows_is_an_error(conn):
    with pytest.raises(SohoaError, match="no batch 'x'"):
        quality.answers_of(conn, "x")


def test_a_stop_holds_the_batch_until_it_is_accepted_and_a_warning_never_does(clean, monkeypatch):
    monkeypatch.setattr("validation.gx.frame_of", lambda _: NOTHING)
    monkeypatch.setattr("pipeline.steps.ValidatedDocument.model_validate", lambda row: row)
    with clean.begin() as conn:
        filed(conn, "now", 40)
    assert steps.check("now")
    with clean.begin() as conn:
        assert [one.rule for one in releases.noted(conn, "now", Severity.WARN)] == ["file_lacks"]
        conn.execute(text("UPDATE pipeline.page SET state = 'quarantined' WHERE page_id LIKE 'p-now-1%'"))
        conn.execute(text("UPDATE pipeline.page SET state = 'quarantined' WHERE page_id LIKE 'p-now-2%'"))
    assert not steps.check("now")
    with clean.begin() as conn:
        (failure,) = releases.failures_of(conn, "now")
        assert failure.expectation.rule == "quarantined" and failure.breaches
        because = conn.scalar(select(tables.batch.c.held_because))
        assert because.startswith("Quá nhiều trang của lô bị cách ly")
        releases.decide(conn, "now", "hoa", releases.Decision.ACCEPT, "đã xem từng trang")
    assert steps.check("now")
