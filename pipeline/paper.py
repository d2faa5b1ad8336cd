"""After stage 10, pipeline.paper: whether the paper of a converted file may be destroyed; two people say so, or nobody.

Nothing here destroys, and nothing marks by itself. Asked are: the signed copy stands and is that of the file as it is,
the ledger of its box balances and is closed, the blind sample of its box was answered without an error, the retention
has run out, and no legal hold stands (Law on Archives 33/2024/QH15, article 36; TT 33/2025/TT-BYT). The same is asked
again when the second person agrees.
"""

from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from pipeline import conversions, ledger
from pipeline.tables import batch, conversion, file, legal_hold, paper, sample
from records.clock import VIETNAM
from records.errors import SohoaError

PROPOSED, DESTROYABLE = "proposed", "destroyable"


def against(conn: Connection, code: str, today: date | None = None) -> list[str]:
    """What speaks against destroying the paper of a conversion, in Vietnamese; empty when nothing does."""
    own = _conversion(conn, code)
    row = conn.execute(select(file).where(file.c.file_id == own["file_id"])).mappings().one()
    day = today or datetime.now(VIETNAM).date()
    found = []
    standing = conversions.standing_in(conn, own["batch_id"]).get(own["file_id"])
    if standing is None or standing["code"] != code or not own["signed_id"]:
        found.append("bản lưu trữ đang có hiệu lực chưa được ký số")
    elif _content_now(conn, own) != own["content"]:
        found.append("hồ sơ đã thay đổi sau khi chuyển đổi")
    closed = conn.scalar(select(batch.c.closed_at).where(batch.c.batch_id == own["batch_id"]))
    if closed is None or ledger.balance(conn, own["batch_id"]):
        found.append("sổ trang của hộp chưa khép lại")
    found += _sampled(conn, own["batch_id"])
    if row["retained_until"] is None:
        found.append("chưa biết thời hạn lưu trữ")
    elif row["retained_until"] >= day:
        found.append(f"còn trong thời hạn lưu trữ, đến hết {row['retained_until'].strftime('%d/%m/%Y')}")
    held = conn.scalar(select(legal_hold.c.reason).where(legal_hold.c.file_id == own["file_id"]))
    if held is not None:
        found.append("hồ sơ đang bị giữ theo yêu cầu pháp lý")
    return found


def propose(conn: Connection, code: str, by: str, minutes: str) -> None:
    """The first of two people; `minutes`: the number of the council's minutes. SohoaError with all that speaks
    against it."""
    own = _conversion(conn, code)
    if not minutes.strip():
        raise SohoaError("Give the number of the council's minutes.")
    _refuse(conn, code)
    values = {"disposition": PROPOSED, "minutes": minutes.strip(), "proposed_by": by, "file_id": own["file_id"]}
    if conn.scalar(select(paper.c.file_id).where(paper.c.file_id == own["file_id"])):
        raise SohoaError(f"The paper of '{code}' was proposed already; another person agrees, or takes it back.")
    conn.execute(insert(paper).values(values))


def agree(conn: Connection, code: str, by: str) -> None:
    """The second person, who is another one; then the paper is marked destroyable."""
    own = _conversion(conn, code)
    row = (
        conn.execute(select(paper).where(paper.c.file_id == own["file_id"]).with_for_update()).mappings().one_or_none()
    )
    if row is None or row["disposition"] != PROPOSED:
        raise SohoaError(f"Nobody has proposed the paper of '{code}'; first: sohoa paper propose")
    if row["proposed_by"] == by:
        raise SohoaError("The same person cannot agree; another one has to.")
    _refuse(conn, code)
    values = {"disposition": DESTROYABLE, "agreed_by": by, "agreed_at": func.clock_timestamp()}
    conn.execute(update(paper).where(paper.c.file_id == own["file_id"]).values(values))


def take_back(conn: Connection, code: str) -> bool:
    """The paper is kept after all; False when nobody had said otherwise."""
    own = _conversion(conn, code)
    return bool(conn.execute(delete(paper).where(paper.c.file_id == own["file_id"])).rowcount)


def hold(conn: Connection, file_id: str, by: str, reason: str) -> None:
    """A court, an inspector or a dispute needs the file: its paper is kept whatever else is said."""
    if conn.scalar(select(file.c.file_id).where(file.c.file_id == file_id)) is None:
        raise SohoaError(f"There is no file '{file_id}'; see: sohoa trace PATH")
    if conn.scalar(select(legal_hold.c.file_id).where(legal_hold.c.file_id == file_id)):
        raise SohoaError(f"The file '{file_id}' is held already.")
    conn.execute(insert(legal_hold).values(file_id=file_id, held_by=by, reason=reason))
    conn.execute(delete(paper).where(paper.c.file_id == file_id))


def release(conn: Connection, file_id: str) -> bool:
    """The hold is over; False when there was none."""
    return bool(conn.execute(delete(legal_hold).where(legal_hold.c.file_id == file_id)).rowcount)


def _conversion(conn: Connection, code: str) -> Any:
    row = conn.execute(select(conversion).where(conversion.c.code == code)).mappings().one_or_none()
    if row is None:
        raise SohoaError(f"There is no conversion '{code}'; see: sohoa register list --batch BATCH")
    return row


def _content_now(conn: Connection, own: Any) -> str:
    files = conversions.files_of(conn, own["batch_id"])
    return next((conversions.content_of(one) for one in files if one.file_id == own["file_id"]), "")


def _sampled(conn: Connection, batch_id: str) -> list[str]:
    """The blind sample of a box: all of it answered, none of it wrong, and some of it there."""
    query = select(sample.c.state, func.count().label("values")).where(sample.c.batch_id == batch_id)
    states = {row.state: row._mapping["values"] for row in conn.execute(query.group_by(sample.c.state))}
    settled = states.pop("settled", 0)
    wrong = conn.scalar(
        select(func.count()).where(sample.c.batch_id == batch_id, sample.c.state == "settled", ~sample.c.was_right)
    )
    if not settled:
        return ["hộp chưa có kết quả mẫu mù"]
    if states:
        return [f"còn {sum(states.values())} giá trị mẫu mù chưa trả lời"]
    return [f"mẫu mù của hộp có {wrong} giá trị sai"] if wrong else []


def _refuse(conn: Connection, code: str) -> None:
    if found := against(conn, code):
        raise SohoaError(f"The paper of '{code}' must be kept: {'; '.join(found)}.")
