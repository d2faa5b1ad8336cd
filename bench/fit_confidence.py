"""After the corpus, bench.fit_confidence: values with truth become the model of confidence and the synthetic contract.

`python -m bench.fit_confidence` takes the parts `train` and `fit`: a score on which thresholds rest comes from
a model that saw no page of the file (five folds); the model that is written saw them all. The part `proof` and the
evaluation are never looked at here. It writes validation/model/.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console

from bench.corpus import corpus
from bench.judged import Truthful, alone, together
from pipeline.contracts import running_engine, running_fingerprint
from records.document_types import document_types
from records.errors import SohoaError
from validation.calibration import MODEL, Calibration, calibration, model_hash
from validation.contract import (
    SYNTHETIC_FILE,
    Basis,
    Evidence,
    Measured,
    contract_of,
    evidence_of,
    plain_field,
)
from validation.diagnostics import Scored
from validation.features import FAMILIES, FEATURES, Support, family_of, features, surroundings
from validation.verdicts import is_listed
from validation.wholeness import flaw_of

Floats = NDArray[np.float64]
Row = tuple[Truthful, tuple[float, ...]]
FOLDS = 5
GROUPS = (*FAMILIES, *(kind for kinds in FAMILIES.values() for kind in kinds))
STRENGTH = 1.0  # of the regression's penalty, as scikit-learn counts it: the smaller the stronger
HIGHEST = 0.9998  # nothing is surer than some thousands of values can show


def main() -> None:
    """Fit, measure, write, and say what came of it."""
    _with_some_model()
    pages = [*corpus("train"), *corpus("fit")]
    rows, more = list(numbered(alone(pages))), [r for r in numbered(together(pages)) if r[0].judged.witness]
    write(MODEL, fitted([*rows, *more]))
    model_hash.cache_clear()
    measured = measure(cross_fitted(rows, more), len(pages))
    write(SYNTHETIC_FILE, measured)
    for row in contract_of(measured).thresholds:
        Console().print(
            f"{row.family:8} {row.target:.3f} threshold {row.threshold:.4f} coverage {row.coverage:.3f} {row.wrong} "
            f"wrong of {row.accepted}, surely right {row.lower:.4f} {row.objection}", soft_wrap=True,
        )  # fmt: skip


def _with_some_model() -> None:
    """Pages cannot be judged without one; where it is missing or of other numbers, one that tells nothing serves."""
    try:
        calibration()
    except SohoaError:
        MODEL.parent.mkdir(exist_ok=True)
        blank = (0.0,) * len(FEATURES)
        write(MODEL, Calibration(engine=running_engine().split()[0], numbers=FEATURES, base=0.0, weights=blank,
                                 shifts={}, highest=HIGHEST))  # fmt: skip


def cross_fitted(rows: Sequence[Row], more: Sequence[Row]) -> Iterator[tuple[Truthful, float]]:
    """Each value of `rows` with what it scores by a model that was fitted without its file."""
    for fold in range(FOLDS):
        model = fitted([row for row in (*rows, *more) if _fold(row) != fold])
        for value, numbers in rows:
            if _fold((value, numbers)) == fold:
                kind = value.judged.value.kind
                yield value, model.probability(kind, family_of(value.judged.value.field, kind), numbers)


def _groups(one: Truthful) -> tuple[str, str]:
    value = one.judged.value
    return value.kind, family_of(value.field, value.kind)


def _fold(row: Row) -> int:
    return row[0].page.file % FOLDS


def fitted(rows: Sequence[Row]) -> Calibration:
    """The model of pages alone, and of whole files for what a witness adds. Weights that would be negative are left
    out, one after another, the most negative first."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    numbers = np.array([n for _, n in rows])
    groups = np.array([[g in _groups(t) for g in GROUPS] for t, _ in rows])
    right = np.array([t.right for t, _ in rows])
    scaler = StandardScaler().fit(numbers)
    used = list(range(len(FEATURES)))
    while True:
        table = np.hstack([scaler.transform(numbers)[:, used], groups.astype(float)])
        found = LogisticRegression(C=STRENGTH, max_iter=2000).fit(table, right)
        weights = found.coef_[0][: len(used)]
        if weights.min() >= 0:
            return _model(scaler, used, found.coef_[0], float(found.intercept_[0]))
        used.pop(int(weights.argmin()))


def _model(scaler: Any, used: Sequence[int], weights: Floats, base: float) -> Calibration:
    """Weights of the numbers as they are, no longer scaled."""
    plain = np.zeros(len(FEATURES))
    plain[list(used)] = weights[: len(used)] / scaler.scale_[list(used)]
    shifts = dict(zip(GROUPS, (round(float(w), 4) for w in weights[len(used) :]), strict=True))
    return Calibration(
        engine=running_engine().split()[0], numbers=FEATURES, base=round(base - float(plain @ scaler.mean_), 5),
        weights=tuple(round(float(w), 5) for w in plain), shifts=shifts, highest=HIGHEST,
    )  # fmt: skip


def numbered(values: Iterable[Truthful]) -> Iterator[Row]:
    """Each value with its numbers."""
    of_page: dict[str, list[Truthful]] = defaultdict(list)
    for value in values:
        of_page[value.judged.value.reading.page_id].append(value)
    for page_id, found in of_page.items():
        image = found[0].page.reading.image
        around = surroundings([t.judged.value for t in found], {page_id: image})[page_id]
        for one in found:
            yield one, features(one.judged.value, around, _support(one))


def _support(one: Truthful) -> Support:
    value = one.judged.value
    return Support(
        listed=is_listed(value, document_types()[one.form].spec(value.field)),
        sound=not one.judged.rule.startswith("check:") and not flaw_of(value.reading.raw, value.kind, value.field),
        witnessed=bool(one.judged.witness),
    )  # fmt: skip


def measure(values: Iterable[tuple[Truthful, float]], pages: int) -> Measured:
    """What nothing but its probability held back, by family."""
    families: dict[str, list[tuple[str, Scored]]] = defaultdict(list)
    for one, stated in values:
        if one.judged.rule == "confidence":
            value = one.judged.value
            field = f"{one.form}:{plain_field(value.field)}"
            families[family_of(value.field, value.kind)].append((field, Scored(round(stated, 5), one.right)))
    found: list[Evidence] = [evidence_of(family, families[family], pages) for family in FAMILIES]
    fields = {field for evidence in found for field in evidence.fields}
    return Measured(
        basis=Basis.SYNTHETIC, engine=running_engine(), families=tuple(found), fingerprint=running_fingerprint(fields)
    )


def write(path: Path, what: Calibration | Measured) -> None:
    """As JSON, a line for each value at the top."""
    told = what.model_dump(mode="json")
    lines = ",\n".join(f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in told.items())
    path.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
