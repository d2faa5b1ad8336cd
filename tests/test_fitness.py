"""A worker of another software version, or with a wrong clock, is refused with a sentence."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from pipeline import fitness, steps
from records.errors import SohoaError


@pytest.fixture
def stamped(settings, clean):
    fitness.stamp(settings)
    return clean


def test_a_worker_of_the_installation_with_the_right_time_may_work(settings, stamped):
    fitness.refuse(settings)
    assert steps.held_until("any") is None


def test_before_the_first_set_up_nobody_is_refused(settings, clean):
    fitness.refuse(settings)


def test_a_worker_with_other_software_is_told_which_and_begins_nothing(settings, stamped):
    with stamped.begin() as conn:
        conn.execute(text("UPDATE pipeline.installation SET value = 'software=0.0.9 reader=abc'"))
    with pytest.raises(SohoaError, match=r"other software .* than the installation \(software=0.0.9 reader=abc\)"):
        fitness.refuse(settings)
    assert steps.held_until("any") is not None
    fitness.stamp(settings)  # the installation was updated
    fitness.refuse(settings)


@pytest.mark.parametrize(("minutes", "told"), [(5, "300 s fast"), (-5, "300 s slow")])
def test_a_clock_five_minutes_off_is_refused(stamped, minutes, told):
    with stamped.connect() as conn:
        said = fitness.objection(conn, datetime.now(UTC) + timedelta(minutes=minutes))
    assert told in said or told.replace("300", "299") in said or told.replace("300", "301") in said
