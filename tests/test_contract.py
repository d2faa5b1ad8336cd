"""Calibration, diagnostics and the contract: what may pass is what was measured, and no more."""

import json
import random

import pytest
from scipy.stats import binomtest

from records.errors import SohoaError
from validation import diagnostics
from validation.calibration import MODEL, calibration
from validation.contract import (
    CRITICAL,
    NEVER,
    OTHERS,
    UNPROVEN,
    Basis,
    Contract,
    Measured,
    contract_of,
    evidence_of,
    fewest,
    plain_field,
    threshold_at,
)
from validation.diagnostics import (
    Scored,
    Soundness,
    auroc,
    calibration_error,
    diagnose,
    error_interval,
    is_over_confident,
    risk_coverage,
    soundness,
    surely_right,
)
from validation.features import FAMILIES, FAMILY_OF, FEATURES


def scored(count, wrong, stated=0.999):
    return [Scored(stated, at >= wrong) for at in range(count)]


def honest(count, seed=1):
    """Scores that mean what they say."""
    rng = random.Random(seed)
    stated = [1 - rng.random() ** 6 * 0.6 for _ in range(count)]
    return [Scored(p, rng.random() < p) for p in stated]


def measured_of(values, kind="moment"):
    return evidence_of(FAMILY_OF[kind], [("form:field", one) for one in values], pages=100)


# Bounds.


def test_an_errorless_proof_needs_as_many_values_as_the_books_say():
    assert (fewest(0.995), fewest(0.999)) == (598, 2995)
    assert surely_right(0, 597) < 0.995 <= surely_right(0, 598)
    assert surely_right(0, 2994) < 0.999 <= surely_right(0, 2995)


@pytest.mark.parametrize(("wrong", "count"), [(0, 10), (3, 1000), (10, 10), (1, 4742)])
def test_intervals_are_those_of_clopper_and_pearson(wrong, count):
    exact = binomtest(wrong, count).proportion_ci(method="exact")
    assert error_interval(wrong, count) == pytest.approx((exact.low, exact.high), abs=1e-9)


def test_nothing_counted_tells_nothing():
    assert error_interval(0, 0) == (0.0, 1.0)
    assert surely_right(0, 0) == 0.0


# Diagnostics.


def test_scores_that_mean_what_they_say_are_sound():
    assert soundness(honest(6000), 598) is Soundness.SOUND
    assert calibration_error(honest(6000)) < 0.01


def test_a_planted_over_confident_engine_is_caught_and_its_family_goes_to_review():
    boasting = [Scored(0.9995, one.right) for one in honest(6000)]
    assert soundness(boasting, 598) is Soundness.OVER_CONFIDENT
    row = threshold_at(measured_of(boasting), OTHERS)
    assert (row.threshold, row.coverage) == (NEVER, 0.0)
    assert row.objection == "over_confident"


def test_over_confidence_among_the_surest_is_caught_though_the_whole_looks_honest():
    humble = [Scored(0.5, True) for _ in range(3000)]
    assert not is_over_confident([*scored(3000, 60), *humble])
    assert soundness([*humble, *scored(3000, 60)], 598) is Soundness.OVER_CONFIDENT


@pytest.mark.parametrize(("wrong", "verdict"), [(19, Soundness.SOUND), (400, Soundness.DEGENERATE)])
def test_a_score_is_blind_only_where_enough_errors_show_it(wrong, verdict):
    """Errors are stated like right values are, in two bins."""
    right = [Scored(stated, True) for stated in (0.9995, 0.996) for _ in range(17_000)]
    errors = [Scored((0.996, 0.9995)[n % 2], False) for n in range(wrong)]
    assert diagnostics._is_degenerate([*right, *errors]) == (verdict is Soundness.DEGENERATE)


def test_a_calibrated_score_that_tells_nothing_apart_is_degenerate():
    alike = scored(6000, 60, stated=0.99)
    assert calibration_error(alike) < 0.001
    assert soundness(alike, 598) is Soundness.DEGENERATE
    assert threshold_at(measured_of(alike), 0.98).objection == "degenerate"


def test_the_area_under_the_curve_counts_pairs():
    assert auroc([Scored(0.9, True), Scored(0.1, False)]) == 1.0
    assert auroc([Scored(0.5, True), Scored(0.5, False)]) == 0.5
    assert auroc([Scored(0.9, True)]) is None
    assert auroc([]) is None


def test_the_curve_of_risk_ends_with_everything_accepted():
    values = honest(1000)
    last = risk_coverage(values)[-1]
    assert (last.accepted, last.wrong) == (1000, sum(not v.right for v in values))
    assert [p.accepted for p in risk_coverage(values)] == sorted(p.accepted for p in risk_coverage(values))
    assert len(risk_coverage(scored(1000, 3))) == 1


def test_a_diagnosis_tells_counts_with_their_interval():
    told = diagnose(scored(1000, 3), 598)
    assert (told.count, told.wrong, told.bins) == (1000, 3, 1)
    assert told.error_low < 0.003 < told.error_high


# Thresholds.


def test_the_threshold_is_the_lowest_whose_lower_bound_meets_the_target():
    values = [*scored(3000, 0, 0.999), *scored(2000, 4, 0.99), *scored(1000, 200, 0.9)]
    strict, usual = (threshold_at(measured_of(values), target) for target in (CRITICAL, OTHERS))
    assert (strict.threshold, strict.accepted, strict.wrong) == (0.999, 3000, 0)
    assert (usual.threshold, usual.accepted, usual.wrong) == (0.99, 5000, 4)
    assert strict.lower >= CRITICAL and usual.lower >= OTHERS
    assert strict.coverage == pytest.approx(3000 / 6000)


def test_too_few_values_prove_nothing_and_all_of_the_family_is_reviewed():
    row = threshold_at(measured_of(scored(597, 0)), OTHERS)
    assert (row.objection, row.threshold) == ("few_samples", NEVER)
    assert threshold_at(measured_of([]), OTHERS).objection == "few_samples"


def test_a_target_that_no_threshold_meets_lets_nothing_pass():
    values = [Scored(0.9 + at % 90 / 1000, at % 40 > 0) for at in range(4000)]
    assert threshold_at(measured_of(values), CRITICAL).threshold == NEVER


def test_a_field_that_contradicts_its_family_is_left_out_of_it():
    good = [("form:at", one) for one in scored(3000, 0)]
    bad = [("form:code", one) for one in scored(400, 40)]
    evidence = evidence_of("figures", [*good, *bad], pages=100)
    contract = contract_of(Measured(basis=Basis.OWN, fingerprint="", engine="", families=(evidence,)))
    assert evidence.excluded == ("code",) and evidence.diagnosis.wrong == 0
    assert contract.objection("form", "at", "moment", "any", critical=True) == ""
    assert contract.objection("form", "code", "icd10", "any", critical=False) == "contradicted"


def test_a_field_that_was_not_measured_on_its_form_is_unproven():
    contract = contract_of(
        Measured(basis=Basis.OWN, fingerprint="", engine="e", families=(measured_of(scored(3000, 0)),))
    )
    assert contract.objection("form", "field", "moment", "e", critical=True) == ""
    assert contract.objection("form", "other", "moment", "e", critical=True) == "unproven"
    assert contract.objection("another", "field", "moment", "e", critical=True) == "unproven"
    assert contract.objection("form", "field", "moment", "e 2", critical=True) == "unproven"
    assert UNPROVEN.objection("form", "field", "moment", "e", critical=False) == "unproven"
    assert UNPROVEN.threshold("field", "moment", critical=False) == NEVER


def test_a_target_of_its_own_takes_its_own_row_or_the_next_stricter_one():
    measured = Measured(basis=Basis.OWN, fingerprint="", engine="", families=(measured_of(scored(3000, 0)),))
    own = contract_of(measured, {"field": 0.9985})
    assert own.target("field", critical=False) == 0.9985
    assert own.needed("figures", 0.9985).target == 0.9985
    assert contract_of(measured).needed("figures", 0.998).target == CRITICAL
    assert contract_of(measured).needed("figures", 0.9999) is None


def test_rows_of_a_table_are_one_field():
    assert plain_field("results[12].value") == "results.value"
    assert plain_field("patient.name") == "patient.name"


# The committed model.


def test_the_committed_model_never_counts_support_against_a_value():
    assert calibration().numbers == FEATURES
    assert min(calibration().weights) >= 0
    assert set(calibration().shifts) == {*FAMILIES, *FAMILY_OF}


def test_a_model_of_other_numbers_is_refused(tmp_path):
    told = json.loads(MODEL.read_text(encoding="utf-8"))
    other = tmp_path / "confidence.json"
    other.write_text(json.dumps(told | {"numbers": ["engine"], "weights": [1.0]}), encoding="utf-8")
    with pytest.raises(SohoaError, match="other numbers"):
        calibration(other)
    with pytest.raises(SohoaError, match="restore it"):
        calibration(tmp_path / "none.json")


def test_a_contract_says_what_it_rests_on():
    assert Contract().basis is Basis.NONE
