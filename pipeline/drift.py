"""Beside stage 10, pipeline.drift: settled samples become an alarm that stops a family, until a senior opens it again.

A one-sided CUSUM (Page 1954) of the log likelihood ratio of TIMES as many errors as the field's target allows against
just as many, from HEIGHT on an alarm. At the target's rate fewer than 2 of 100 families raise one within 2,000 samples
(target 99.5 %) or 10,000 (99.9 %). Ten times that rate is seen, with a power of 90 %, within 200 and 1,000 samples.
"""

from collections.abc import Iterable
from datetime import datetime
from math import log
from typing import NamedTuple

from sqlalchemy import Connection, RowMapping, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline import audit
from pipeline.sampling import scanner_of, software_of, week_of
from pipeline.tables import (
    batch,
    document,
    drift_alarm,
    issue,
    page,
    page_text,
    review_decision,
    review_task,
    sample,
    scan,
)
from records.base import Frozen
from records.errors import SohoaError
from records.pages import PageImage

TIMES = 10.0  # as many errors as the target allows: the drift that must be seen
HEIGHT = 7.5
MOST_RATE = 0.5  # Above it, ten times would be no rate of errors.


class Alarm(Frozen):
    """A family that is stopped. `samples`, `wrong`: since it was last opened, at the moment of the alarm."""

    alarm_id: int
    facility_id: str
    family: str
    raised_at: datetime
    samples: int
    wrong: int


class Corrections(NamedTuple):
    """What officers made of values in doubt: how many they settled, in how many they said otherwise."""

    settled: int
    corrected: int


class Seen(NamedTuple):
    """A settled sample: whether the machine was right, and what share has to be."""

    right: bool
    target: float


def drifted(samples: Iterable[Seen]) -> int:
    """At which sample, from 1, the alarm is raised; 0: at none."""
    height = 0.0
    for number, one in enumerate(samples, start=1):
        height = max(0.0, height + _step(one))
        if height >= HEIGHT:
            return number
    return 0


def _step(one: Seen) -> float:
    rate = 1 - one.target
    many = min(MOST_RATE, TIMES * rate)
    return log((1 - many) / (1 - rate)) if one.right else log(many / rate)


def watch(conn: Connection, facility_id: str, family: str, document_id: str) -> bool:
    """Look at the family's samples since it was last opened, after one of this document was settled; True where they
    raise an alarm now: from here on every value of the family goes to review, and issue and audit trail say so."""
    conn.execute(select(func.pg_advisory_xact_lock(func.hashtext(f"drift:{facility_id}:{family}"))))
    if any(one.family == family for one in open_alarms(conn, facility_id)):
        return False
    samples = _since_opened(conn, facility_id, family)
    at = drifted(samples)
    if not at:
        return False
    wrong = sum(not one.right for one in samples[:at])
    row = {"facility_id": facility_id, "family": family, "samples": at, "wrong": wrong}
    conn.execute(insert(drift_alarm).values(row))
    _tell(conn, document_id, family, at, wrong)
    audit.record(conn, "machine:drift", "drift:alarm", f"facility:{facility_id}", row)
    return True


def _since_opened(conn: Connection, facility_id: str, family: str) -> list[Seen]:
    """Of the values that the contract let pass, in the order in which they were settled."""
    opened = select(func.max(drift_alarm.c.reopened_at)).where(
        drift_alarm.c.facility_id == facility_id, drift_alarm.c.family == family
    )  # fmt: skip
    since = conn.scalar(opened)
    own = (sample.c.facility_id == facility_id) & (sample.c.family == family) & (sample.c.rule == "confidence")
    query = select(sample.c.was_right, sample.c.target).where(own, sample.c.state == "settled")
    if since is not None:
        query = query.where(sample.c.settled_at > since)
    rows = conn.execute(query.order_by(sample.c.settled_at, sample.c.sample_id))
    return [Seen(row.was_right, row.target) for row in rows]


def _tell(conn: Connection, document_id: str, family: str, samples: int, wrong: int) -> None:
    batch_id = conn.scalar(select(sample.c.batch_id).where(sample.c.document_id == document_id).limit(1))
    message = (
        f"Kiểm tra mù cho thấy máy đọc kém đi: {wrong} giá trị sai trong {samples} mẫu. Nhóm mục này đã ngừng tự "
        "nhận; cán bộ phụ trách xem trang Kiểm tra mù."
    )
    row = {"batch_id": batch_id, "document_id": document_id, "check_name": f"drift:{family}", "message": message}
    conn.execute(upsert(issue).values(row).on_conflict_do_nothing())


def open_alarms(conn: Connection, facility_id: str = "") -> list[Alarm]:
    """The families that are stopped, of one facility or of all."""
    columns = [drift_alarm.c[name] for name in Alarm.model_fields]
    query = select(*columns).where(drift_alarm.c.reopened_at.is_(None)).order_by(drift_alarm.c.raised_at)
    rows = conn.execute(query.where(drift_alarm.c.facility_id == facility_id) if facility_id else query)
    return [Alarm.model_validate(dict(row)) for row in rows.mappings()]


def reopen(conn: Connection, alarm_id: int, who: str, reason: str) -> None:
    """Let the family pass again by its contract, and count its samples anew; SohoaError when it is not stopped."""
    own = (drift_alarm.c.alarm_id == alarm_id) & drift_alarm.c.reopened_at.is_(None)
    new = {"reopened_by": who, "reopened_at": func.clock_timestamp(), "reason": reason}
    if not conn.execute(update(drift_alarm).where(own).values(new)).rowcount:
        raise SohoaError("This family is not stopped any more.")
    audit.record(conn, who, "drift:reopen", f"alarm:{alarm_id}", {})


BY = ("week", "scanner", "edition", "software")


def corrections_by(conn: Connection, facility_id: str, by: str) -> dict[str, Corrections]:
    """What became of the machine's doubtful values in first entries that stand, by one of BY."""
    undone = review_decision.alias("undone")
    taken_back = select(undone.c.decision_id).where(undone.c.undoes == review_decision.c.decision_id).exists()
    reading = review_decision.c.before["value"]["value"]
    query = (
        select(
            review_decision.c.decided_at, review_decision.c.normal, reading["value"].astext.label("read"),
            reading["reading"]["engine"].astext.label("engine"), document.c.edition, scan.c.media_type,
            page_text.c.image,
        )
        .join(review_task, review_task.c.task_id == review_decision.c.task_id)
        .join(document, document.c.document_id == review_task.c.document_id)
        .join(batch, batch.c.batch_id == document.c.batch_id)
        .join(page, page.c.page_id == reading["reading"]["page_id"].astext)
        .join(scan, scan.c.scan_id == page.c.scan_id)
        .join(page_text, page_text.c.page_id == page.c.page_id)
        .where(batch.c.facility_id == facility_id, review_decision.c.undoes.is_(None), ~taken_back,
               review_decision.c.stage == "first", reading["value"].astext != "")
    )  # fmt: skip
    found: dict[str, Corrections] = {}
    for row in conn.execute(query).mappings():
        group = _group(row, by)
        before = found.get(group, Corrections(0, 0))
        found[group] = Corrections(before.settled + 1, before.corrected + (row["normal"] != row["read"]))
    return found


def _group(row: RowMapping, by: str) -> str:
    if by == "week":
        return week_of(row["decided_at"])
    if by == "scanner":
        return scanner_of(row["media_type"], PageImage.model_validate(row["image"]))
    return software_of(row["engine"]) if by == "software" else str(row["edition"])
