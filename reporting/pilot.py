"""Beside stage 8, reporting.pilot: what two persons keyed of a hospital's own files becomes one page for its director.

The forecast is a model that is stated on the page: values of a file x what does not pass x seconds of one person.
"""

from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from sqlalchemy import Connection, func, select

from pipeline.accuracy import SECONDS
from pipeline.pilot import Keyed, batches_of, keyed, measured, size, waiting_values
from pipeline.tables import facility, registry_stay, review_decision, review_task
from records.base import Frozen
from records.document_types import document_types
from records.errors import SohoaError
from review.progress import pace
from review.second import Stage
from validation.contract import CRITICAL, NEVER, OTHERS, Contract, Measured, contract_of, fewest
from validation.diagnostics import error_interval
from validation.features import FAMILIES

TEMPLATES = Path(__file__).resolve().parent / "templates"
WANTED_FILES = 50
FILES = 10_000  # of the forecast where the registry is empty
FAMILY_VI = {
    "figures": "Số, ngày và mã", "words": "Họ tên, khoa, xét nghiệm", "text": "Chẩn đoán và văn bản",
    "places": "Địa chỉ", "orders": "Thuốc và cách dùng", "findings": "Mô tả hình ảnh và giải phẫu bệnh",
}  # fmt: skip
WHY_VI = {
    "few_samples": "chưa đủ mẫu", "target_not_met": "đo chưa đạt", "degenerate": "điểm không phân biệt đúng sai",
    "over_confident": "máy tự tin quá mức",
}  # fmt: skip
WIDTH = 560  # of the picture, in its own units
FROM = 0.9  # left end of the picture's scale, unless a bound lies below it


class Family(Frozen):
    """What the pilot says of a family. `values`: keyed that nothing but their probability holds back, `low`, `high`:
    95 % interval of the share right (Clopper and Pearson). `passing`: threshold by target, None where there is none,
    with `objections`; `missing`: errorless values still needed by target."""

    family: str
    values: int
    wrong: int
    low: float
    high: float
    passing: dict[str, float | None]
    objections: dict[str, str]
    missing: dict[str, int]


class Report(Frozen):
    """What a director reads. `keyed`: values, of which `witnessed` pass by a second witness (`witnessed_wrong` of them
    wrong); `coverage`: share of values that would pass under the contract measured here; `files_ahead`: of the forecast
    (`known`: counted in the registry), with the officers' `hours` for them at `seconds` a value."""

    facility: str
    name: str
    made_at: datetime
    files: int
    pages: int
    waiting: int
    keyed: int
    differed: int
    witnessed: int
    witnessed_wrong: int
    coverage: float
    seconds: float
    seconds_measured: bool
    files_ahead: int
    known: bool
    hours: float
    hours_without: float
    families: tuple[Family, ...]

    @property
    def pages_per_file(self) -> float:
        return self.pages / self.files if self.files else 0.0

    @property
    def passable(self) -> bool:
        """Whether any family may pass."""
        return any(one is not None for family in self.families for one in family.passing.values())

    @property
    def values_per_page(self) -> float:
        return self.keyed / self.pages if self.pages else 0.0


def report(conn: Connection, facility_id: str, now: datetime) -> Report:
    """What the pilots of a facility say so far; SohoaError when there is none."""
    files, pages = size(conn, facility_id)
    if not files:
        raise SohoaError(f"{facility_id} has no pilot; begin one with: sohoa pilot start --batch ID")
    values = keyed(conn, facility_id)
    found = measured(values, pages)
    contract = contract_of(found)
    witnessed = [one for one in values if one.judged.witness]
    stays = conn.scalar(select(func.count()).where(registry_stay.c.facility_id == facility_id)) or 0
    seconds = _seconds(conn, facility_id)
    coverage = sum(_passes(one, contract) for one in values) / len(values) if values else 0.0
    ahead = stays or FILES
    without = ahead * len(values) / files * (seconds or SECONDS) / 3600
    return Report(
        facility=facility_id, name=_name(conn, facility_id), made_at=now, files=files, pages=pages,
        waiting=waiting_values(conn, facility_id), keyed=len(values), differed=_differed(conn, facility_id),
        witnessed=len(witnessed), witnessed_wrong=sum(not one.right for one in witnessed), coverage=coverage,
        seconds=seconds or SECONDS, seconds_measured=seconds is not None, files_ahead=ahead, known=bool(stays),
        hours=round((1 - coverage) * without, 1), hours_without=round(without, 1),
        families=tuple(_family(name, found, contract) for name in FAMILIES),
    )  # fmt: skip


def _name(conn: Connection, facility_id: str) -> str:
    return conn.scalar(select(facility.c.name).where(facility.c.facility_id == facility_id)) or facility_id


def _family(name: str, found: Measured, contract: Contract) -> Family:
    evidence = next((one for one in found.families if one.family == name), None)
    count, wrong = (evidence.diagnosis.count, evidence.diagnosis.wrong) if evidence else (0, 0)
    low, high = error_interval(wrong, count)
    rows = {f"{target:g}": contract.needed(name, target) for target in (OTHERS, CRITICAL)}
    return Family(
        family=name, values=count, wrong=wrong, low=1 - high, high=1 - low,
        passing={key: row.threshold if row and row.threshold < NEVER else None for key, row in rows.items()},
        objections={key: row.objection if row else "few_samples" for key, row in rows.items()},
        missing={f"{target:g}": max(0, fewest(target) - count) for target in (OTHERS, CRITICAL)},
    )  # fmt: skip


def _passes(one: Keyed, contract: Contract) -> bool:
    """Whether the value would pass without a person under this contract."""
    value = one.judged.value
    critical = document_types()[one.form].is_critical(value.field)
    if one.judged.witness:
        return True
    if not one.fit or contract.objection(one.form, value.field, value.kind, value.reading.engine, critical):
        return False
    return one.judged.confidence >= contract.threshold(value.field, value.kind, critical)


def _differed(conn: Connection, facility_id: str) -> int:
    """Values on which the two who keyed them did not agree, as far as a senior has settled them."""
    own = review_task.c.batch_id.in_(batches_of(facility_id)) & (review_decision.c.stage == Stage.SENIOR.value)
    query = select(func.count(review_decision.c.task_id.distinct())).join(
        review_task, review_task.c.task_id == review_decision.c.task_id
    )  # fmt: skip
    return conn.scalar(query.where(own)) or 0


def _seconds(conn: Connection, facility_id: str) -> float | None:
    """Median seconds from one entry of a person to her next, pauses left out; None before there are two."""
    own = review_task.c.batch_id.in_(batches_of(facility_id)) & review_decision.c.undoes.is_(None)
    query = (
        select(review_decision.c.decided_by, func.array_agg(review_decision.c.decided_at))
        .join(review_task, review_task.c.task_id == review_decision.c.task_id)
        .where(own)
        .group_by(review_decision.c.decided_by)
    )
    paces = [pace(sorted(moments)) for _, moments in conn.execute(query)]
    told = sorted(one for one in paces if one is not None)
    return told[len(told) // 2] if told else None


def page_of(told: Report) -> str:
    """The report as one HTML page to be printed on A4."""
    lowest = min([FROM, *(one.low for one in told.families if one.values)])
    shown = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True).get_template(
        "pilot.html"
    )
    return shown.render(
        told=told, wanted=WANTED_FILES, names=FAMILY_VI, why=WHY_VI, number=_number, lowest=lowest,
        at=lambda share: round(WIDTH * (share - lowest) / (1 - lowest), 1), width=WIDTH,
        style=(TEMPLATES / "pilot.css").read_text(encoding="utf-8"), targets=(f"{OTHERS:g}", f"{CRITICAL:g}"),
    )  # fmt: skip


def _number(value: float, places: int = 0) -> str:
    """1234.5 -> '1.234,5' as written in Vietnamese."""
    return f"{value:,.{places}f}".translate(str.maketrans(",.", ".,"))
