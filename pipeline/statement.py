"""After stage 10, pipeline.statement: the one page that a director reads before a box is signed."""

import hashlib
import json
from datetime import datetime

from sqlalchemy import Connection, func, select

from pipeline import conversions, ledger, sampling, targets
from pipeline.tables import batch, document, target
from records.base import Frozen
from records.clock import VIETNAM
from records.errors import SohoaError
from records.states import PageState

CHANGED_VI = "đã thay đổi, cần chuyển đổi lại"


class Statement(Frozen):
    """What a director is told before signing a box. `to_sign`: copies that wait for a signature; `left`: files that
    are not converted, with the reason; `samples`, `wrong`, `low`, `high`: blind samples of values accepted without a
    person, and their interval; `mark`: the hash that `sign` asks for, so that what is signed is what was read."""

    batch_id: str
    organisation: str
    decision: str
    decided_on: str
    target: str
    to_sign: int
    signed: int
    pages: int
    left: tuple[tuple[str, str], ...]
    samples: int
    wrong: int
    low: float
    high: float
    restricted: int
    quarantined: int
    withdrawn: int
    mark: str = ""

    def words(self) -> list[str]:
        """The page in Vietnamese, a sentence a line."""
        told = [
            f"Hộp {self.batch_id}, {self.organisation}.",
            f"Chuyển đổi theo Quyết định số {self.decision} ngày {self.decided_on}, mục tiêu: {self.target}.",
            f"{self.to_sign} hồ sơ chờ ký số, {self.signed} hồ sơ đã ký; tổng cộng {self.pages} trang.",
        ]
        if self.samples:
            share = 100 * (1 - self.wrong / self.samples)
            told.append(
                f"Độ chính xác đo trên mẫu mù: {self.samples - self.wrong}/{self.samples} giá trị đúng ({share:.2f} %; "
                f"khoảng tin cậy 95 %: {100 * self.low:.2f} - {100 * self.high:.2f} %), tính đến {_today()}."
            )
        else:
            told.append("Chưa có kết quả mẫu mù nào của bệnh viện: độ chính xác chưa được đo.")
        told += [f"Chưa chuyển đổi: hồ sơ {label} ({why})." for label, why in self.left]
        if self.restricted:
            told.append(f"{self.restricted} giấy thuộc loại hạn chế người xem.")
        if self.quarantined or self.withdrawn:
            told.append(f"{self.quarantined} trang bị cách ly, {self.withdrawn} trang đã rút.")
        return told


def statement_of(conn: Connection, batch_id: str) -> Statement:
    """The page that the director reads. SohoaError without a decision, or where no copy was made yet."""
    row = conn.execute(select(batch).where(batch.c.batch_id == batch_id)).mappings().one_or_none()
    if row is None or row["target_id"] is None:
        raise SohoaError(f"Batch '{batch_id}' was not converted yet; first: sohoa archive make --batch {batch_id}")
    decided = targets.decision_for(conn, row["target_id"])
    latest = conversions.copies_of(conn, batch_id)
    up_to_date = {one["file_id"]: one["content"] for one in latest}
    left = []
    for one in conversions.files_of(conn, batch_id):
        same = up_to_date.get(one.file_id) == conversions.content_of(one)
        why = conversions.why_not(one) or ("" if same else CHANGED_VI)
        left += [(one.label, why)] if why else []
    few = select(func.count()).where(document.c.batch_id == batch_id, document.c.restricted)
    states = ledger.counts(conn, batch_id).get(batch_id, {})
    measured = sampling.accuracy_by(conn, row["facility_id"], "")
    whole = measured[0] if measured else None
    made = Statement(
        batch_id=batch_id, organisation=conversions.organisation_of(conn, batch_id), decision=decided.number,
        decided_on=decided.signed_on.strftime("%d/%m/%Y"),
        target=str(conn.scalar(select(target.c.name).where(target.c.target_id == row["target_id"]))),
        to_sign=sum(one["signed_id"] is None for one in latest),
        signed=sum(one["signed_id"] is not None for one in latest), pages=sum(one["pages"] for one in latest),
        left=tuple(left), samples=whole.samples if whole else 0, wrong=whole.wrong if whole else 0,
        low=whole.low if whole else 0.0, high=whole.high if whole else 0.0, restricted=conn.scalar(few) or 0,
        quarantined=states.get(PageState.QUARANTINED.value, 0), withdrawn=states.get(PageState.WITHDRAWN.value, 0),
    )  # fmt: skip
    copies = [(one["code"], one["copy_id"], one["signed_id"]) for one in latest]
    spoken = json.dumps([made.model_dump(mode="json"), copies], sort_keys=True).encode()
    return made.model_copy(update={"mark": hashlib.sha256(spoken).hexdigest()[:12]})


def _today() -> str:
    return datetime.now(VIETNAM).strftime("%d/%m/%Y")
