"""Stage 7, validation.breaches: which values are behind a failed expectation of a batch, so that a person may judge.

Mirrors the rules of validation.suites, of which Great Expectations only says true or false.
"""

from collections.abc import Callable

import pandas as pd

from records.base import Frozen
from records.document_types import DocumentType
from records.documents import Verdict
from validation.suites import FORMS, VALUE_SETS, FailedExpectation


class Breach(Frozen):
    """One value behind a failed expectation; `value` is empty where the expectation misses one. `document_id`: empty
    for a figure of the batch as a whole, whose `value` says how many steps it lies beyond its bound."""

    document_id: str
    field: str
    value: str


def breaches(frame: pd.DataFrame, failed: FailedExpectation, form: DocumentType) -> tuple[Breach, ...]:
    """The values that break one rule, by document and field. `frame`: one row per value, see `validation.gx.COLUMNS`;
    `form`: the type of the failed expectation."""
    own = frame[frame["document_type"] == form.id]
    found = RULES[failed.rule](own, failed.field, form)
    rows = found.sort_values(["document_id", "field"])[["document_id", "field", "value"]]
    return tuple(Breach(document_id=d, field=f, value=v) for d, f, v in rows.itertuples(index=False))


def _accepted(own: pd.DataFrame, field: str) -> pd.DataFrame:
    """Accepted values of a field, or of a table's column: results.value -> results[0].value, results[1].value."""
    column = own["field"].str.replace(r"\[\d+\]", "", regex=True)
    return own[(own["verdict"] == Verdict.ACCEPT) & (column == field)]


def _repeated(own: pd.DataFrame, field: str, _: DocumentType) -> pd.DataFrame:
    values = _accepted(own, field)
    return values[values["value"].duplicated(keep=False)]


def _misshapen(own: pd.DataFrame, field: str, form: DocumentType) -> pd.DataFrame:
    values = _accepted(own, field)
    return values[~values["value"].str.fullmatch(FORMS[_kind(form, field)])]


def _unlisted(own: pd.DataFrame, field: str, form: DocumentType) -> pd.DataFrame:
    values = _accepted(own, field)
    return values[~values["value"].isin(VALUE_SETS[_kind(form, field)])]


def _too_early(own: pd.DataFrame, field: str, form: DocumentType) -> pd.DataFrame:
    """Both days of each pair, for nobody can judge one without the other."""
    values, spec = _accepted(own, field), form.field(field)
    found = [own.iloc[:0]]
    for other in (check.split()[1] for check in (spec.checks if spec else ()) if check.startswith("not_before ")):
        pairs = values.merge(_accepted(own, other), on="document_id", suffixes=("", "_before"))
        early = pairs[pairs["value"] < pairs["value_before"]]
        found += [early, early.assign(field=other, value=early["value_before"])]
    return pd.concat(found).drop_duplicates(["document_id", "field"])


def _lacking(own: pd.DataFrame, field: str, _: DocumentType) -> pd.DataFrame:
    seen = own[(own["field"] == field) & (own["value"] != "")]["document_id"]
    without = own[~own["document_id"].isin(seen)].drop_duplicates("document_id")
    return without.assign(field=field, value="")


def _kind(form: DocumentType, field: str) -> str:
    spec = form.field(field) or form.column(field)
    return spec.kind if spec else ""


RULES: dict[str, Callable[[pd.DataFrame, str, DocumentType], pd.DataFrame]] = {
    "complete": _lacking,
    "unique": _repeated,
    "form": _misshapen,
    "value_set": _unlisted,
    "not_before": _too_early,
}
