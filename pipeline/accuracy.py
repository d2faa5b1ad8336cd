"""Beside stage 7, pipeline.accuracy: what was measured of a facility and what a target costs, as rows for people.

Officer hours follow a stated model: every value that is not accepted is settled by one person in SECONDS.
"""

import re
from typing import NamedTuple

from records.base import Frozen
from records.document_types import document_types
from records.errors import SohoaError
from validation.contract import (
    CRITICAL,
    NEVER,
    OTHERS,
    Contract,
    Evidence,
    Measured,
    Threshold,
    fewest,
    plain_field,
    threshold_at,
)
from validation.diagnostics import error_interval
from validation.features import family_of

SECONDS = 7.0  # of an officer for one value, its crop beside it; stated, to be measured in the workbench
PAGES = 100_000
ASKED = re.compile(r"([\w.\[\]]+)=(\d{1,2}(?:\.\d+)?)")


class Cost(Frozen):
    """What a target means for a family, or for one field of it. `threshold`: None where everything goes to review;
    `accuracy`: share right among the values accepted, with its 95 % interval; `hours`: of officers, for 100,000 pages,
    for what only the threshold holds back; `short`: errorless values still needed before this target could be shown."""

    what: str
    family: str
    target: float
    threshold: float | None
    coverage: float
    values: int
    accepted: int
    wrong: int
    accuracy: float | None
    low: float
    high: float
    verdict: str
    objection: str
    ece: float
    auroc: float | None
    bins: int
    per_page: float
    hours: float
    short: int


class Asked(NamedTuple):
    """A target somebody thinks of: a field and the share of its accepted values that has to be right."""

    field: str
    target: float


def asked(text: str) -> Asked:
    """'diagnosis.main.code=99.8' -> that field, 0.998; SohoaError where it is none."""
    found = ASKED.fullmatch(text)
    if not found or not 0 < float(found[2]) < 100:
        raise SohoaError(f"'{text}' is no target; write it as FIELD=99.8, in per cent below 100.")
    kind_of(plain_field(found[1]))
    return Asked(plain_field(found[1]), float(found[2]) / 100)


def kind_of(field: str) -> tuple[str, bool]:
    """A field's kind, and whether it is critical on any form; SohoaError where no form has it."""
    forms = document_types().values()
    there = [spec for form in forms if (spec := form.field(field) or form.column(field))]
    if not there:
        raise SohoaError(f"No form has a field '{field}'; docs/document-types.md lists them.")
    return there[0].kind, any(form.is_critical(field) for form in forms)


def costs(measured: Measured) -> list[Cost]:
    """Each family at the two default targets."""
    return [_of_family(one, target) for one in measured.families for target in (OTHERS, CRITICAL)]


def cost_of(measured: Measured, contract: Contract, wanted: Asked) -> tuple[Cost, Cost]:
    """One field as it stands, and with the target somebody thinks of."""
    kind, critical = kind_of(wanted.field)
    evidence = next((one for one in measured.families if one.family == family_of(wanted.field, kind)), None)
    if evidence is None:
        raise SohoaError(f"Nothing was measured of fields like '{wanted.field}'; all of it goes to review.")
    count = sum(n for name, n in evidence.fields.items() if name.partition(":")[2] == wanted.field)
    share = 0.0 if wanted.field in evidence.excluded else 1.0
    now, then = (
        _cost(wanted.field, evidence, threshold_at(evidence, target), count, share)
        for target in (contract.target(wanted.field, critical), wanted.target)
    )
    return now, then


def _of_family(evidence: Evidence, target: float) -> Cost:
    count = sum(evidence.fields.values())
    share = evidence.diagnosis.count / count if count else 0.0
    return _cost(evidence.family, evidence, threshold_at(evidence, target), count, share)


def _cost(what: str, evidence: Evidence, row: Threshold, count: int, share: float) -> Cost:
    """`count`: values on the pages that were read for it; `share`: of them that are of fields which may pass at all."""
    low, high = error_interval(row.wrong, row.accepted)
    seen, per_page = evidence.diagnosis, count / evidence.pages if evidence.pages else 0.0
    return Cost(
        what=what, family=evidence.family, target=row.target,
        threshold=row.threshold if share and row.threshold < NEVER else None, coverage=round(share * row.coverage, 4),
        values=seen.count, accepted=row.accepted, wrong=row.wrong,
        accuracy=1 - row.wrong / row.accepted if row.accepted else None, low=round(1 - high, 6), high=round(1 - low, 6),
        verdict=seen.soundness.value, objection=row.objection if share else "contradicted", ece=round(seen.ece, 5),
        auroc=seen.auroc, bins=seen.bins, per_page=round(per_page, 3),
        hours=round(PAGES * per_page * (1 - share * row.coverage) * SECONDS / 3600, 1),
        short=max(0, fewest(row.target) - seen.count),
    )  # fmt: skip
