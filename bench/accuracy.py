"""After the fitting, bench.accuracy: what is wrong among accepted values of pages that the fitting never saw.

`python -m bench.accuracy` judges the corpus's part `proof` by the committed contract: other patients, faces, layouts
and sentences. Published figures of people at the same work stand beside it.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from bench.corpus import corpus
from bench.judged import Truthful, alone, together
from records.base import Frozen
from records.document_types import document_types
from records.documents import Verdict
from validation.contract import contract_of, synthetic
from validation.diagnostics import Scored, auroc, calibration_error, error_interval
from validation.features import FAMILIES, family_of

WIDTH = 118  # characters of the printed tables
# Wrong fields of 1,000, as published for people and machines that key forms.
PUBLISHED = {"double key": 0.046, "single key": 0.37, "ICR, low": 3.4, "ICR, high": 6.7}


class Proof(Frozen):
    """Values of one group. `wrong` of `accepted`, per 1,000 with its 95 % interval; `through`: share accepted."""

    group: str
    values: int
    accepted: int
    wrong: int
    per_1000: float
    low: float
    high: float
    through: float
    ece: float
    auroc: float | None


class Report(Frozen):
    """`pages_through_alone`, `_together`: pages of which nothing waits, each by itself and as part of its file."""

    pages: int
    alone: tuple[Proof, ...]
    together: tuple[Proof, ...]
    pages_through_alone: int
    pages_through_together: int


def proof() -> Report:
    """The part `proof` by the committed contract, each page alone and as part of its file."""
    contract, pages = contract_of(synthetic()), list(corpus("proof"))
    single, whole = list(alone(pages, contract)), list(together(pages, contract))
    return Report(
        pages=len(pages), alone=_groups(single), together=_groups(whole), pages_through_alone=_through(single),
        pages_through_together=_through(whole),
    )  # fmt: skip


def _groups(values: Sequence[Truthful]) -> tuple[Proof, ...]:
    """All, critical ones, by family, by writing, by quality."""
    groups: dict[str, Callable[[Truthful], bool]] = {"all": lambda v: True, "critical": _critical}
    for family in FAMILIES:
        groups[family] = lambda v, f=family: _family(v) == f  # type: ignore[misc]
    for place in sorted({v.where for v in values}):
        groups[place] = lambda v, p=place: v.where == p  # type: ignore[misc]
    for writing in ("print", "hand"):
        groups[writing] = lambda v, w=writing: v.page.truth.writing == w  # type: ignore[misc]
    return tuple(_proof(name, [v for v in values if belongs(v)]) for name, belongs in groups.items())


def _proof(group: str, values: Sequence[Truthful]) -> Proof:
    """Evidence that repeats a settled fact counts as accepted where it is wrong: it stands in the file as true."""
    passed = [v for v in values if _accepted(v)]
    wrong = sum(not v.right for v in passed)
    low, high = error_interval(wrong, len(passed))
    asked = [v for v in values if v.judged.verdict is not Verdict.EVIDENCE or not v.right]
    scores = [Scored(v.judged.confidence, v.right) for v in values]
    return Proof(
        group=group, values=len(values), accepted=len(passed), wrong=wrong,
        per_1000=round(1000 * wrong / len(passed), 3) if passed else 0.0, low=round(1000 * low, 3),
        high=round(1000 * high, 3), through=round(len(passed) / len(asked), 4) if asked else 0.0,
        ece=round(calibration_error(scores), 5), auroc=auroc(scores),
    )  # fmt: skip


def _accepted(value: Truthful) -> bool:
    verdict = value.judged.verdict
    return verdict is Verdict.ACCEPT or (verdict is Verdict.EVIDENCE and not value.right)


def _family(one: Truthful) -> str:
    return family_of(one.judged.value.field, one.judged.value.kind)


def _critical(value: Truthful) -> bool:
    return document_types()[value.form].is_critical(value.judged.value.field)


def _through(values: Iterable[Truthful]) -> int:
    """Pages of which nothing waits for a person."""
    waits: dict[str, bool] = {}
    for v in values:
        name = v.page.truth.file
        waits[name] = waits.get(name, False) or v.judged.verdict is Verdict.REVIEW
    return sum(not waiting for waiting in waits.values())


def main(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Judge the proof and print it."""
    found = proof()
    if as_json:
        print(json.dumps(found.model_dump() | {"published_per_1000": PUBLISHED}, ensure_ascii=False))
        return
    out = Console(width=WIDTH)
    for title, groups, through in (
        ("each page alone", found.alone, found.pages_through_alone),
        ("pages in their files", found.together, found.pages_through_together),
    ):
        out.print(_table(title, groups))
        out.print(f"{through} of {found.pages} pages with nothing for a person.")
    told = ", ".join(f"{name} {rate}" for name, rate in PUBLISHED.items())
    out.print(f"Published, wrong per 1,000: {told}.", highlight=False)


def _table(title: str, groups: Sequence[Proof]) -> Table:
    table = Table(
        "", "values", "accepted", "wrong", "wrong per 1,000 (95 %)", "accepted %", "ECE", "AUROC", title=title
    )
    for one in groups:
        area = "" if one.auroc is None else f"{one.auroc:.3f}"
        table.add_row(
            one.group, str(one.values), str(one.accepted), str(one.wrong),
            f"{one.per_1000:.2f} ({one.low:.2f}-{one.high:.2f})", f"{100 * one.through:.1f}", f"{one.ece:.4f}", area,
        )  # fmt: skip
    return table


if __name__ == "__main__":
    typer.run(main)
