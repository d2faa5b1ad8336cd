"""The mix-up run: pages of other patients in generated files, and what is read of them with measured errors."""

import random
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]
sys.path.append(str(ROOT))  # bench is no part of the installed product

from builders import page_reading  # noqa: E402

from bench.identity_noise import OUTCOMES, Noise, error_rates, outcome  # noqa: E402
from bench.identity_reading import IdentityReading, Pair, drawn_stay, identity_readings  # noqa: E402
from bench.mixed_files import DRAWN_PAGES, PAGES, RUN, any_patient, mixed_file, own_file  # noqa: E402
from bench.mixup import NOTHING, OWN, SHARED, Fate, bounds, judged_pages, measure_mixup  # noqa: E402
from bench.near_people import NEAR  # noqa: E402
from transformers.identity import NAME, IdentityState  # noqa: E402

pytestmark = pytest.mark.slow

ID = "patient.id"


def read_as(*pairs):
    page = IdentityReading(
        kind="lab_report", quality="scan", writing="print",
        pairs=tuple(Pair(field=field, shown=shown, read=read) for field, shown, read in pairs),
    )  # fmt: skip
    return Noise([page])


# What is read of a page.


@pytest.mark.parametrize(
    ("field", "shown", "read", "wanted"),
    [
        (NAME, "LÊ THỊ CÚC", "Lê Thị Cúc", "exact"),
        (ID, "GD 4 01 3001234567", "GD4013001234567", "exact"),
        (NAME, "LÊ THỊ CÚC", "LÊ THỊ CỤC", "one"),
        (NAME, "LÊ THỊ CÚC", "LÉ THỊ CỤC", "several"),
        (ID, "14003728", "S0", "other"),
        (ID, "14003728", "", "missing"),
    ],
)
def test_a_reading_is_sorted_by_how_far_it_is_from_the_paper(field, shown, read, wanted):
    assert outcome(Pair(field=field, shown=shown, read=read)) == wanted


def test_a_page_is_read_with_the_outcomes_of_one_measured_page():
    noise = read_as((NAME, "LÊ THỊ CÚC", "LÊ THỊ CÚC"), (ID, "14003728", "14003723"), ("patient.national_id", "1", ""))
    shown = {NAME: "VŨ BÁ HƯNG", ID: "18888888", "patient.national_id": "019171334340"}
    read = noise.read(shown, random.Random(1))
    assert read == {NAME: "VŨ BÁ HƯNG", ID: read[ID]}
    assert sum(a != b for a, b in zip(read[ID], "18888888", strict=True)) == 1 and "3" in read[ID]


def test_what_is_read_where_nothing_stands_is_read_again():
    noise = read_as((NAME, "LÊ THỊ CÚC", "LÊ THỊ CÚC"), (ID, "", "77"))
    assert noise.read({NAME: "VŨ BÁ HƯNG"}, random.Random(1)) == {NAME: "VŨ BÁ HƯNG", ID: "77"}


def test_the_stored_measurement_tells_every_field_and_quality():
    rates = error_rates(identity_readings())
    assert {"scan", "fax", "hard", "photo", "hand"} <= {rate.quality for rate in rates}
    assert all(abs(sum(rate.shares[o] for o in OUTCOMES) - 1) < 1e-9 for rate in rates)
    assert sum(rate.seen for rate in rates) > 2000


# Who lies in the next bed.


@pytest.mark.parametrize("kind", NEAR)
@pytest.mark.parametrize("number", [201, 1234, 77777])
def test_someone_easily_taken_for_the_patient_is_someone_else_with_other_numbers(kind, number):
    stay = drawn_stay(number)
    other = NEAR[kind](stay, random.Random(number))
    for name in ("patient_id", "national_id"):
        assert getattr(other.patient, name) != getattr(stay.patient, name)
        assert len(getattr(other.patient, name)) == len(getattr(stay.patient, name))
    assert other.encounter_number != stay.encounter_number
    assert (other.patient.name == stay.patient.name) is (kind == "namesake")


# The run.


def test_no_page_with_evidence_of_its_own_is_let_through():
    part, worst, drawn = measure_mixup(files=14, clean=2, rendered=0)
    assert {*NEAR, RUN} == {fate.kind for fate in part.fates} - {""}
    for found in (part, worst):
        own = found.of(OWN, foreign=True)
        assert own.pages and not own.loadable
    assert part.of(NOTHING, foreign=True).states["inherited"], "nobody can find these"
    assert drawn.files == 0


def test_a_guard_that_lets_everything_through_is_found_out(monkeypatch):
    monkeypatch.setattr(
        "pipeline.assembly.guard", lambda pages, *_: {p.page_id: IdentityState.CONFIRMED for p in pages}
    )
    part = measure_mixup(files=7, clean=1, rendered=0)[0]
    assert part.of(OWN, foreign=True).loadable == part.of(OWN, foreign=True).pages > 0


def test_a_run_longer_than_the_file_before_it_makes_the_file_the_foreign_one():
    noise, rng = Noise(identity_readings()), random.Random(3)
    short, long = own_file(any_patient(rng), noise, rng, 4), own_file(any_patient(rng), noise, rng, 12, RUN)
    found, held = judged_pages(short + long, known=False)
    assert held and sum(n for (kind, _, _), n in found.items() if kind == RUN) == 4


def test_a_page_on_which_only_a_common_name_stands_is_counted_apart():
    noise, rng, counted = Noise(identity_readings()), random.Random(8), Counter()
    first = list(NEAR).index("namesake")
    for number in range(first, 60, len(NEAR)):
        counted.update(judged_pages(mixed_file(number, noise, rng), known=True)[0])
    assert {evidence for kind, evidence, _ in counted if kind == "namesake"} >= {OWN, SHARED}


def test_the_same_seed_gives_the_same_counts():
    one, other = (measure_mixup(files=4, clean=1, rendered=0, seed=5) for _ in range(2))
    assert one == other
    assert sum(fate.pages for fate in one[0].fates) > PAGES * 5


def test_the_bounds_are_those_of_clopper_and_pearson():
    assert bounds(0, 1000) == "0 of 1000 (0.00 to 0.37 %)"
    assert bounds(5, 100) == "5 of 100 (1.64 to 11.28 %)"
    assert bounds(0, 0) == "-"


def test_drawn_files_hold_one_foreign_page_and_are_read_by_the_product(monkeypatch):
    def name_on(job):
        return page_reading(job.path.name, "lab_report", {ID: job.path.name.partition("-")[0]})

    monkeypatch.setattr("bench.mixed_files.read_page", name_on)
    drawn = measure_mixup(files=0, clean=0, rendered=1)[2]
    assert (drawn.of(OWN, foreign=True).states, drawn.of(OWN, foreign=False).states) == (
        {"conflict": 1},
        {"confirmed": DRAWN_PAGES - 1},
    )


def test_loadable_is_what_would_be_shown_in_the_emr():
    fate = Fate(kind="twin", evidence=OWN, states={"confirmed": 1, "inherited": 2, "unknown": 4, "conflict": 8})
    assert (fate.pages, fate.loadable) == (15, 3)
