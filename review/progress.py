"""Stage 8, review.progress: what an officer decided since a moment becomes her pace and her agreement with others."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median

from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.orm import aliased

from pipeline.tables import review_decision, review_task
from records.base import Frozen
from review.revisions import Decision, normal
from review.second import outcome_of
from review.tables import waiting

AWAY = timedelta(minutes=5)  # Between two decisions: longer is a pause, not work.
TOGETHER = timedelta(seconds=0.3)  # Nobody decides singly faster: these are of one set (review.groups).


class Progress(Frozen):
    """What an officer did since a moment. `seconds`: median between two decisions; `agreed`: of `compared` tasks that
    another officer decided too, those with the same outcome."""

    values: int
    documents: int
    seconds: float | None
    compared: int
    agreed: int


def progress(conn: Connection, account_id: str, since: datetime) -> Progress:
    """What the officer decided since then and did not take back."""
    undone, other = aliased(review_decision), aliased(review_decision)
    own = (
        select(review_decision, review_task.c.document_id)
        .join(review_task, review_task.c.task_id == review_decision.c.task_id)
        .where(
            review_decision.c.decided_by == account_id, review_decision.c.decided_at >= since,
            review_decision.c.undoes.is_(None),
            ~select(undone.c.decision_id).where(undone.c.undoes == review_decision.c.decision_id).exists(),
        )
        .order_by(review_decision.c.decided_at)
    )  # fmt: skip
    rows = conn.execute(own).mappings().all()
    theirs = select(other.c.task_id, other.c.decision, other.c.value, other.c.normal, other.c.before).where(
        other.c.task_id.in_([row["task_id"] for row in rows]), other.c.decided_by != account_id,
        other.c.undoes.is_(None),
    )  # fmt: skip
    also = {row["task_id"]: _outcome(row) for row in conn.execute(theirs.order_by(other.c.decision_id)).mappings()}
    both = [row for row in rows if row["task_id"] in also]
    return Progress(
        values=len(rows),
        documents=len({row["document_id"] for row in rows} - _unfinished(conn, {row["document_id"] for row in rows})),
        seconds=pace([row["decided_at"] for row in rows]),
        compared=len(both),
        agreed=sum(_outcome(row) == also[row["task_id"]] for row in both),
    )


def _unfinished(conn: Connection, documents: set[str]) -> set[str]:
    return set(conn.scalars(select(waiting.c.document_id).where(waiting.c.document_id.in_(documents))))


def pace(moments: Sequence[datetime]) -> float | None:
    """Median seconds from one decision to the next, pauses and sets left out; None before the second."""
    gaps = [later - earlier for earlier, later in zip(moments, moments[1:], strict=False)]
    working = [gap.total_seconds() for gap in gaps if TOGETHER <= gap <= AWAY]
    return round(median(working), 1) if working else None


def _outcome(row: RowMapping) -> tuple[str, str]:
    """What a decision came to: to accept a value and to type the same are one. Those made before normal forms were kept
    are read again."""
    if row["normal"] is not None:
        return outcome_of(row["decision"], row["normal"])
    read = ((row["before"] or {}).get("value") or {}).get("value")
    if row["decision"] == Decision.ACCEPT and read:
        return outcome_of(row["decision"], read["value"])
    return outcome_of(row["decision"], normal(row["value"], read["kind"]) if row["value"] and read else row["value"])
