"""Stage 7, validation.contract: what was measured of a facility becomes the probability from which a value is accepted.

Per field a target; per family the lowest threshold at which the lower 95 % bound of the measured accuracy meets it.
Where none does, where nothing was measured, or where the scores are not sound, a person looks at everything.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from math import ceil, log
from pathlib import Path

from pydantic import ValidationError

from records.base import Frozen
from records.errors import SohoaError
from validation.diagnostics import (
    LEVEL,
    Diagnosis,
    Point,
    Scored,
    Soundness,
    diagnose,
    error_interval,
    risk_coverage,
    surely_right,
)
from validation.features import family_of

CRITICAL, OTHERS = 0.999, 0.995  # default targets
NEVER = 2.0  # no probability reaches it
SYNTHETIC_FILE = Path(__file__).resolve().parent / "model" / "contract.json"


class Basis(StrEnum):
    """What a contract rests on. Only the demonstration facility may rest on generated pages."""

    NONE = "none"
    SYNTHETIC = "synthetic"
    OWN = "own"


class Evidence(Frozen):
    """What was measured of one family. `pages`: read for it; `fields`: how many values there were by 'form:field';
    `excluded`: fields that are surely worse than the target by themselves, so never accepted, and not among what
    `diagnosis` and `curve` (accepted and wrong by threshold) tell of."""

    family: str
    pages: int
    fields: dict[str, int]
    excluded: tuple[str, ...]
    diagnosis: Diagnosis
    curve: tuple[Point, ...]


class Measured(Frozen):
    """A whole measurement: by which readers (`fingerprint`), whose values (`engine`), and of which families."""

    basis: Basis
    fingerprint: str
    engine: str
    families: tuple[Evidence, ...]


class Threshold(Frozen):
    """What a family's values need to be accepted at one target; with what that was shown. `lower`: 95 % bound of the
    share right among the `accepted`; `objection`: why nothing passes, '' where something does."""

    family: str
    target: float
    threshold: float
    coverage: float
    accepted: int
    wrong: int
    lower: float
    objection: str
    fields: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()


class Contract(Frozen):
    """The thresholds in force. `engine`: only its readings are accepted, '' for any."""

    basis: Basis = Basis.NONE
    engine: str = ""
    thresholds: tuple[Threshold, ...] = ()
    targets: dict[str, float] = {}

    def target(self, field: str, critical: bool) -> float:
        """What share of a field's accepted values has to be right."""
        return self.targets.get(field, CRITICAL if critical else OTHERS)

    def needed(self, family: str, target: float) -> Threshold | None:
        """The row of the family with that target or the next stricter one."""
        rows = [row for row in self.thresholds if row.family == family and row.target >= target - 1e-9]
        return min(rows, key=lambda row: row.target, default=None)

    def objection(self, form: str, field: str, kind: str, engine: str, critical: bool) -> str:
        """Why no value of this field may pass without a person, as the name of a rule; '' where it may."""
        row = self.needed(family_of(field, kind), self.target(field, critical))
        if row is None or (self.engine and engine != self.engine):
            return "unproven"
        if plain_field(field) in row.excluded:
            return "contradicted"
        if row.fields and f"{form}:{plain_field(field)}" not in row.fields:
            return "unproven"
        return row.objection

    def threshold(self, field: str, kind: str, critical: bool) -> float:
        """The probability from which a value of this field is accepted; NEVER where none is."""
        row = self.needed(family_of(field, kind), self.target(field, critical))
        return row.threshold if row else NEVER


UNPROVEN = Contract()


def plain_field(field: str) -> str:
    """'results[3].value' -> 'results.value'."""
    head, _, tail = field.partition("[")
    return head + tail.partition("]")[2] if tail else field


def fewest(target: float) -> int:
    """How many errorless values show a target: 0.995 -> 598, 0.999 -> 2995."""
    return ceil(log(1 - LEVEL) / log(target))


def threshold_at(evidence: Evidence, target: float) -> Threshold:
    """The lowest threshold that the measurement supports at this target."""
    told = {
        "family": evidence.family,
        "target": target,
        "fields": tuple(evidence.fields),
        "excluded": evidence.excluded,
    }
    fit = [p for p in evidence.curve if surely_right(p.wrong, p.accepted) >= target]
    objection = _objection(evidence, target, bool(fit))
    if objection:
        whole = evidence.curve[-1] if evidence.curve else Point(threshold=0.0, accepted=0, wrong=0)
        return Threshold.model_validate(
            told | {"threshold": NEVER, "coverage": 0.0, "accepted": 0, "wrong": 0, "objection": objection,
                    "lower": surely_right(whole.wrong, whole.accepted) if whole.accepted else 0.0}
        )  # fmt: skip
    lowest = max(fit, key=lambda p: p.accepted)
    return Threshold.model_validate(
        told | {"threshold": lowest.threshold, "coverage": lowest.accepted / evidence.diagnosis.count,
                "accepted": lowest.accepted, "wrong": lowest.wrong, "objection": "",
                "lower": surely_right(lowest.wrong, lowest.accepted)}
    )  # fmt: skip


def _objection(evidence: Evidence, target: float, reached: bool) -> str:
    if evidence.diagnosis.count < fewest(target):
        return "few_samples"
    if evidence.diagnosis.soundness in (Soundness.OVER_CONFIDENT, Soundness.DEGENERATE):
        return evidence.diagnosis.soundness.value
    return "" if reached else "target_not_met"


def contract_of(measured: Measured, targets: Mapping[str, float] | None = None) -> Contract:
    """The contract that a measurement supports, with thresholds for the default targets and those of fields."""
    wanted = sorted({CRITICAL, OTHERS, *(targets or {}).values()})
    rows = tuple(threshold_at(evidence, target) for evidence in measured.families for target in wanted)
    return Contract(basis=measured.basis, engine=measured.engine, thresholds=rows, targets=dict(targets or {}))


def evidence_of(family: str, values: Sequence[tuple[str, Scored]], pages: int) -> Evidence:
    """`values`: ('form:field', score) of what nothing but the threshold held back.

    A field whose own errors show that it misses the target even where it is stated surest contradicts the others: it
    is left out and never accepted.
    """
    own: dict[str, list[Scored]] = defaultdict(list)
    for field, score in values:
        own[field.partition(":")[2]].append(score)
    excluded = tuple(sorted(field for field in own if len(own) > 1 and _contradicts(own[field], OTHERS)))
    scores = [score for field, score in values if field.partition(":")[2] not in excluded]
    return Evidence(
        family=family, pages=pages, fields=dict(sorted(Counter(field for field, _ in values).items())),
        excluded=excluded, diagnosis=diagnose(scores, fewest(OTHERS)), curve=risk_coverage(scores),
    )  # fmt: skip


def _contradicts(scores: Sequence[Scored], target: float) -> bool:
    """Surely more errors than the target allows even among the surer half."""
    surer = next(point for point in risk_coverage(scores) if 2 * point.accepted >= len(scores))
    low, _ = error_interval(surer.wrong, surer.accepted)
    return low > 1 - target


@cache
def synthetic(path: Path = SYNTHETIC_FILE) -> Measured:
    """The committed measurement of generated pages, for the demonstration facility alone."""
    try:
        return Measured.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise SohoaError(f"{path} cannot be used; restore it from the repository.") from error
