"""Stage 6, transformers.retention: what a file says of its patient becomes its retention class and last day. Pure.

Of several classes the longest wins, and a death anywhere in the file is one of them (Law on Archives 33/2024 article
15; Circular 53/2017, from 2025-07-01 Circular 33/2025, which leaves the periods of older files as they were). The
period runs from the end of the year in which the treatment ended. Nothing is destroyed on the strength of this.
"""

from collections.abc import Iterable, Sequence
from datetime import date

from records.base import Frozen
from records.file_rules import ORDINARY, RetentionRule
from transformers.text import folded

OUTCOME = "encounter.outcome"
CODES = ("diagnosis.main.code", "diagnosis.secondary.code")
WORDS = ("diagnosis.main", "diagnosis.secondary")

Said = tuple[str, str]  # (field, normal form)


class Retention(Frozen):
    """How long a file is kept. `until`: its last day, None while nobody knows when the treatment ended."""

    code: str
    years: int
    until: date | None


def retention_of(said: Iterable[Said], ended: date | None, rules: Sequence[RetentionRule]) -> Retention:
    """The longest class that anything said of the file puts it into, by the rules in force when the treatment ended.

    Without that day the newest rules speak. `said`: every reading counts, also one in doubt: it can only lengthen.
    """
    told = list(said)
    day = ended or date.max
    fitting = [r for r in rules if r.in_force(day) and (r.code == ORDINARY or any(_puts(r, *one) for one in told))]
    longest = max(fitting, key=lambda rule: rule.years)
    return Retention(
        code=longest.code,
        years=longest.years,
        until=ended and date(min(ended.year + longest.years, date.max.year), 12, 31),
    )


def _puts(rule: RetentionRule, field: str, value: str) -> bool:
    """Whether one value puts the file into the class."""
    if field == OUTCOME:
        return value == rule.outcome != ""
    if field in CODES:
        return any(covers(span, code.strip()) for span in rule.icd10 for code in value.split(";"))
    return field in WORDS and any(folded(word) in folded(value) for word in rule.words)


def covers(span: str, code: str) -> bool:
    """'F00-F99' covers 'F32.1', 'Z94' covers 'Z94.0', 'Z41.1' covers itself."""
    first, to, last = span.partition("-")
    return first <= code[:3] <= last if to else code.startswith(first)
