"""The contract of a facility in the database, and `sohoa accuracy`: what passes, what it rests on, what a target is."""

import json

import pytest
from sqlalchemy import func, insert, select
from typer.testing import CliRunner

from pipeline import accuracy, contracts
from pipeline.cli import app
from pipeline.tables import contract as table
from pipeline.tables import facility
from records.errors import SohoaError
from validation.contract import NEVER, UNPROVEN, Basis, Evidence, Measured, evidence_of
from validation.diagnostics import Scored

FIELD = "inpatient_cover:encounter.admitted_at"


def evidence(count=3200, wrong=0, pages=400) -> Evidence:
    values = [(FIELD, Scored(0.999, at >= wrong)) for at in range(count)]
    return evidence_of("figures", values, pages)


def own(count=3200, wrong=0, fingerprint=None) -> Measured:
    sign = contracts.running_fingerprint([FIELD]) if fingerprint is None else fingerprint
    return Measured(
        basis=Basis.OWN, fingerprint=sign, engine=contracts.running_engine(), families=(evidence(count, wrong),)
    )


@pytest.fixture
def hospital(conn):
    conn.execute(insert(facility).values(facility_id="79001", name="Bệnh viện Mẫu"))
    return "79001"


def test_a_facility_starts_without_a_contract(conn, hospital):
    assert contracts.stored(conn, hospital) is None
    assert contracts.contract_in_force(conn, hospital) == UNPROVEN


def test_generated_pages_speak_for_the_demonstration_alone(conn, hospital):
    generated = own().model_copy(update={"basis": Basis.SYNTHETIC})
    with pytest.raises(SohoaError, match="own paper"):
        contracts.keep(conn, hospital, generated)
    assert contracts.keep(conn, contracts.DEMO, generated).basis is Basis.SYNTHETIC


def test_a_contract_comes_back_from_the_database_as_it_was_kept_and_is_kept_once(conn, hospital):
    made = contracts.keep(conn, hospital, own())
    contracts.keep(conn, hospital, own())
    found = contracts.contract_in_force(conn, hospital)
    assert {row.target: row.threshold for row in found.thresholds} == {0.995: 0.999, 0.999: 0.999}
    assert {row.target: row for row in found.thresholds} == {row.target: row for row in made.thresholds}
    assert conn.scalar(select(func.count()).select_from(table)) == 2


def test_the_newest_measurement_is_the_contract(clean, engine):
    with engine.begin() as conn:
        conn.execute(insert(facility).values(facility_id="79001", name="Bệnh viện Mẫu"))
        contracts.keep(conn, "79001", own())
    with engine.begin() as conn:
        contracts.keep(conn, "79001", own(wrong=40))
        assert {row.threshold for row in contracts.contract_in_force(conn, "79001").thresholds} == {NEVER}


@pytest.mark.parametrize("part", ["reader", "software", "forms"])
def test_thresholds_are_not_applied_once_anything_measured_has_changed(conn, hospital, part):
    then = contracts.running_fingerprint([FIELD]).replace(f"{part}=", f"{part}=x")
    contracts.keep(conn, hospital, own(fingerprint=then))
    assert contracts.changed(own(fingerprint=then)) == [part]
    assert contracts.contract_in_force(conn, hospital) == UNPROVEN


def test_a_field_that_is_gone_from_its_form_is_a_change_and_a_new_one_is_none():
    now = contracts.running_fingerprint([FIELD])
    assert contracts.running_fingerprint(["inpatient_cover:encounter.gone"]) != now
    assert contracts.changed(own()) == []


def test_the_committed_contract_was_measured_with_this_software():
    from validation.contract import synthetic

    assert contracts.changed(synthetic()) == [], "Fit it anew: python -m bench.corpus, python -m bench.fit_confidence"


def test_the_demonstration_gets_the_committed_contract_once(conn):
    contracts.keep_synthetic(conn)
    before = conn.scalar(select(func.count()).select_from(table))
    contracts.keep_synthetic(conn)
    assert conn.scalar(select(func.count()).select_from(table)) == before > 0
    assert contracts.contract_in_force(conn, contracts.DEMO).basis is Basis.SYNTHETIC


# What a target costs.


def test_hours_are_what_is_not_accepted_by_the_stated_seconds():
    (usual, strict) = accuracy.costs(own(count=1000))
    assert (usual.coverage, usual.hours) == (1.0, 0.0)
    assert (strict.coverage, strict.short) == (0.0, 1995)
    assert strict.hours == round(100_000 * (1000 / 400) * accuracy.SECONDS / 3600, 1)


def test_a_target_is_weighed_for_one_field():
    contract = contracts.contract_of(own(count=1000))
    now, then = accuracy.cost_of(own(count=1000), contract, accuracy.asked("encounter.admitted_at=99"))
    assert (now.target, now.threshold) == (0.999, None)
    assert (then.target, then.threshold, then.hours) == (0.99, 0.999, 0.0)


@pytest.mark.parametrize("text", ["patient.name", "patient.name=100", "patient.name=0", "no.such.field=99"])
def test_what_is_no_target_is_refused(text):
    with pytest.raises(SohoaError):
        accuracy.asked(text)


def run(*arguments):
    done = CliRunner().invoke(app, ["accuracy", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_shows_what_was_measured_and_keeps_a_target_only_when_told(clean, engine):
    with engine.begin() as conn:
        conn.execute(insert(facility).values(facility_id="79001", name="Bệnh viện Mẫu"))
        contracts.keep(conn, "79001", own())
    told = json.loads(run("--facility", "79001", "--json", "--target", "encounter.admitted_at=99.5"))
    assert (told["basis"], told["changed"], told["saved"]) == ("own", [], False)
    assert [row["wrong"] for row in told["families"]] == [0, 0]
    assert told["targets"][0]["then"]["threshold"] == 0.999
    with engine.begin() as conn:
        assert contracts.contract_in_force(conn, "79001").targets == {}
    run("--facility", "79001", "--target", "encounter.admitted_at=99.5", "--save")
    with engine.begin() as conn:
        assert contracts.contract_in_force(conn, "79001").targets == {"encounter.admitted_at": 0.995}


def test_the_command_says_when_nothing_was_measured_and_when_it_no_longer_holds(clean, engine):
    with engine.begin() as conn:
        conn.execute(insert(facility).values(facility_id="79001", name="Bệnh viện Mẫu"))
    assert "Nothing was measured" in run("--facility", "79001")
    with engine.begin() as conn:
        contracts.keep(conn, "79001", own(fingerprint="software=0.0.1"))
    assert "thresholds are not applied" in " ".join(run("--facility", "79001").split())
