"""After stage 10, pipeline.packages: what leaves for the Ministry, an archive or an inspector, a folder for each file.

Every folder is new and its owner's alone. A file that cannot be handed out yet is left with a sentence; the others go.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, RowMapping, func, select

from loaders import aip, hosobenhan
from loaders.private_files import new_folder, write_file
from loaders.signing import check
from loaders.stays import stay_of, stays_of
from loaders.tables import encounter
from pipeline import conversions, ledger, trust
from pipeline.database import engine
from pipeline.settings import settings
from pipeline.store import Store
from pipeline.tables import conversion, document, expected_file, file
from records.base import Frozen
from records.errors import SohoaError

log = structlog.get_logger()
NOT_SIGNED_VI = "bản lưu trữ chưa được ký số"
RESTRICTED_VI, USUAL_VI = "Hạn chế người xem", "Theo quy chế khai thác hồ sơ bệnh án của bệnh viện"


class Out(Frozen):
    """What was written: `done` files or stays, `left`: (which, why not)."""

    done: int
    left: tuple[tuple[str, str], ...] = ()


def export_hosobenhan(batch_id: str, out: Path, structure: Path = hosobenhan.FILE) -> Out:
    """HoSoBenhAn of every stay of a batch: XML, JSON, and where each value stands on paper."""
    wanted = hosobenhan.structure(structure)
    with engine(settings(), "pipeline").connect() as conn:
        ledger.refuse_unknown(conn, batch_id)
    new_folder(out)
    with engine(settings(), "loader").connect() as conn:
        keys = stays_of(conn, batch_id)
        for number, key in enumerate(keys, start=1):
            own = out / f"{number:06d}"
            new_folder(own)
            _write(own, hosobenhan_of(conn, key, wanted))
    return Out(done=len(keys))


def export_archive(batch_id: str, out: Path) -> Out:
    """An archive package (AIP) of every signed copy of a batch."""
    with engine(settings(), "pipeline").connect() as conn:
        ledger.refuse_unknown(conn, batch_id)
    new_folder(out)
    done, left = 0, []
    with engine(settings(), "pipeline").connect() as conn:
        for row in conversions.copies_of(conn, batch_id):
            if not row["signed_id"]:
                left.append((row["label"], NOT_SIGNED_VI))
                continue
            described = describe(conn, row)
            files = aip.package(described, Store(settings()).get(row["signed_id"]), _beside(conn, row["file_id"]))
            aip.write(out / aip.name_of(described), files)
            done += 1
    log.info("packaged", batch=batch_id, files=done, left=len(left))
    return Out(done=done, left=tuple(left))


def hand_over(code: str, out: Path, story: str) -> Out:
    """All of one converted file for an inspector: the signed copy, HoSoBenhAn with its sources, what the signature is
    worth, and its story. SohoaError for an unknown code or a copy that is not signed."""
    with engine(settings(), "pipeline").connect() as conn:
        row = conn.execute(select(conversion).where(conversion.c.code == code)).mappings().one_or_none()
        if row is None:
            raise SohoaError(f"There is no conversion '{code}'; look it up with: sohoa register list --batch BATCH")
        if not row["signed_id"]:
            raise SohoaError(f"The copy '{code}' is not signed yet; first: sohoa archive sign")
        copy = Store(settings()).get(row["signed_id"])
        beside = _beside(conn, row["file_id"])
    new_folder(out)
    files = {f"{code}.pdf": copy, "chu-ky-so.txt": _signature_report(copy).encode(), "ho-so.txt": story.encode()}
    _write(out, files | beside)
    return Out(done=1)


def describe(conn: Connection, row: RowMapping) -> aip.Described:
    """What a package says of a converted file."""
    own = conn.execute(select(file).where(file.c.file_id == row["file_id"])).mappings().one()
    sheets = conn.scalar(
        select(expected_file.c.sheets).where(
            expected_file.c.batch_id == own["batch_id"], expected_file.c.label == own["label"]
        )
    )
    few = select(func.count()).where(document.c.file_id == row["file_id"], document.c.restricted)
    with engine(settings(), "loader").connect() as loader:
        query = select(encounter).where(encounter.c.encounter_id == own["encounter_key"])
        stay: dict[str, Any] = dict(loader.execute(query).mappings().one_or_none() or {})
    until = f", đến hết {own['retained_until'].strftime('%d/%m/%Y')}" if own["retained_until"] else ""
    signed_by = (row["certificate"] or {}).get("subject", "")
    return aip.Described(
        number=stay.get("archive_number") or stay.get("number") or own["label"], title=f"Hồ sơ bệnh án {own['label']}",
        organisation=row["organisation"], fonds=row["organisation"], since=_day(stay.get("admitted_at")),
        until=_day(stay.get("discharged_at")), sheets=sheets or row["pages"],
        retention=f"{own['retention'] or 'chưa xác định'}{until}", code=row["code"],
        mode=RESTRICTED_VI if conn.scalar(few) else USUAL_VI, created_at=row["signed_at"],
        events=(
            aip.Event("digitization", row["converted_at"], row["mark"], row["person"]),
            aip.Event("digital signature generation", row["signed_at"], signed_by, row["organisation"]),
        ),
    )  # fmt: skip


def hosobenhan_of(conn: Connection, encounter_id: str, wanted: hosobenhan.Structure) -> dict[str, bytes]:
    """name -> bytes of one stay's HoSoBenhAn and its sources, asked as the loader."""
    made = hosobenhan.made_of(stay_of(conn, encounter_id), wanted)
    return {"HoSoBenhAn.xml": made.xml(), "HoSoBenhAn.json": _json(made.values), "nguon.json": _json(made.sources)}


def _beside(conn: Connection, file_id: str) -> dict[str, bytes]:
    """HoSoBenhAn of a file's stay, where the EMR holds it."""
    key = conn.scalar(select(file.c.encounter_key).where(file.c.file_id == file_id))
    with engine(settings(), "loader").connect() as loader:
        if loader.scalar(select(encounter.c.encounter_id).where(encounter.c.encounter_id == key)) is None:
            return {}
        return hosobenhan_of(loader, str(key), hosobenhan.structure())


def _signature_report(copy: bytes) -> str:
    found = check(copy, trust.held(settings()))
    if found is None:
        return "Bản này chưa được ký số.\n"
    signed = found.signed_at.isoformat(timespec="seconds") if found.signed_at else ""
    lines = {
        "Kết quả": "chữ ký hợp lệ, nội dung không bị sửa" if found.good else found.why, "Người ký": found.by.subject,
        "Cấp bởi": found.by.issuer, "Số hiệu chứng thư": found.by.serial,
        "Hiệu lực": f"{found.by.valid_from.date()} - {found.by.valid_until.date()}", "Thời điểm ký": signed,
        "Kiểm tra lúc": datetime.now().astimezone().isoformat(timespec="seconds"),
    }  # fmt: skip
    return "".join(f"{name}: {value}\n" for name, value in lines.items())


def _day(text: Any) -> str:
    """'2019-02-01T08:00' -> '2019-02-01'; anything but a day is ''."""
    day = str(text or "")[:10]
    return day if len(day) == len("2019-02-01") else ""


def _json(values: Any) -> bytes:
    return json.dumps(values, ensure_ascii=False, indent=1).encode()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        write_file(folder / name, content)
