"""The public contract of one run, pipeline.result: the ledger and the values of a batch as one JSON document.

Every page of every file handed in appears exactly once; an unreadable file is one entry with page 0.
"""

import json
import os
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from pipeline.tables import batch, document, field_value, issue, page, page_text, receipt
from records.document_types import DocumentType, document_types
from records.documents import FieldReading, FieldValue
from records.quarantine import QUARANTINE
from records.states import IN_PROGRESS
from transformers.values import readings_to_values
from validation.confidence import estimated
from validation.features import Support
from validation.verdicts import is_listed

STATES = ("loaded", "in_review", "blank", "duplicate", "separator", "quarantined", "superseded", "withdrawn")


def batch_result(conn: Connection, batch_id: str, skipped: Sequence[tuple[str, str]] = ()) -> dict[str, Any]:
    """The result of a batch as it stands. Pages still in progress (a held batch) count as in review."""
    values = _values(conn, batch_id)
    issues = _issues(conn, batch_id)
    rows = _rows(conn, batch_id)
    values |= {
        row["page_id"]: _repeated(row, values.get(row["duplicate_of"], []))
        for row in rows
        if row["state"] == "duplicate" and row["readings"]
    }
    pages = [_page(row, values.get(row["page_id"], []), issues.get(row["page_id"], [])) for row in rows]
    by_state = Counter(p["state"] for p in pages)
    return {
        "batch": batch_id,
        "software": version("sohoa"),
        "pages": pages,
        "totals": {"pages": len(pages)} | {state: by_state.get(state, 0) for state in STATES},
        "held": conn.scalar(select(batch.c.held_because).where(batch.c.batch_id == batch_id)) or "",
        "skipped": [{"file": path, "reason": reason} for path, reason in skipped],
    }


def write_result(path: Path, result: dict[str, Any]) -> None:
    """Write whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(result, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(part, path)


def _rows(conn: Connection, batch_id: str) -> list[Any]:
    query = (
        select(page.c.page_id, page.c.number, page.c.state, page.c.reason, page.c.document_id, page.c.duplicate_of,
               receipt.c.path,
               page_text.c.image, page_text.c.text["engine"].astext.label("engine"), page_text.c.document_type,
               page_text.c.seconds, page_text.c.readings,
               document.c.document_type.label("settled_type"))
        .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
        .outerjoin(page_text, page_text.c.page_id == page.c.page_id)
        .outerjoin(document, document.c.document_id == page.c.document_id)
        .where(page.c.batch_id == batch_id)
        .order_by(receipt.c.path, receipt.c.received_at, page.c.number)
    )  # fmt: skip
    return list(conn.execute(query).mappings())


def _page(row: Any, values: list[dict[str, Any]], issues: list[dict[str, str]]) -> dict[str, Any]:
    state = "in_review" if row["state"] in {s.value for s in IN_PROGRESS} else row["state"]
    shown = state in ("loaded", "in_review", "duplicate")
    return {
        "file": row["path"],
        "page": row["number"],
        "state": state,
        "reason": QUARANTINE[row["reason"]].vi if row["reason"] in QUARANTINE else row["reason"],
        "document_type": type_told(row["settled_type"] or row["document_type"] or ""),
        "document": row["document_id"] or "",
        "rotation": row["image"]["turn"] if row["image"] else 0,
        "engine": row["engine"] or "",
        "seconds": round(row["seconds"] or 0.0, 3),
        "fields": values if shown else [],
        "issues": issues if shown else [],
    }


def type_told(kind_id: str) -> str:
    """The name under which the result tells a type; a blank page or a separator is none."""
    kind = document_types().get(kind_id)
    return kind.told_as if kind and kind.told_as else kind_id


def _repeated(row: Any, first: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What was read on a second scan. It repeats the `first`, so nobody is asked and nothing of it is loaded; only
    what was read alike on both is evidence."""
    kind = document_types()[row["document_type"]]
    readings = [FieldReading.model_validate(reading) for reading in row["readings"]]
    told = {(field["name"], field["value"]) for field in first}
    return [
        _field(
            value.field, value.value, value.reading.raw, _alone(value, kind),
            value.reading.box.model_dump(), "evidence" if (value.field, value.value) in told else "review",
        )
        for value in readings_to_values(readings, kind)
    ]  # fmt: skip


def _alone(value: FieldValue, kind: DocumentType) -> float:
    return estimated(value, Support(listed=is_listed(value, kind.spec(value.field))))


def _values(conn: Connection, batch_id: str) -> dict[str, list[dict[str, Any]]]:
    query = (
        select(field_value)
        .join(document, document.c.document_id == field_value.c.document_id)
        .where(document.c.batch_id == batch_id)
        .order_by(field_value.c.document_id, field_value.c.field)
    )
    found: dict[str, list[dict[str, Any]]] = {}
    for row in conn.execute(query).mappings():
        verdict = "review" if row["verdict"] == "reject" else row["verdict"]
        found.setdefault(row["page_id"], []).append(
            _field(row["field"], row["value"], row["raw"], row["confidence"], row["box"], verdict)
        )
    return found


def _field(name: str, value: str, raw: str, confidence: float, box: dict[str, float], verdict: str) -> dict[str, Any]:
    return {
        "name": name,
        "value": value,
        "raw": raw,
        "confidence": round(confidence, 4),
        "box": [round(box[side], 5) for side in ("left", "top", "right", "bottom")],
        "verdict": verdict,
    }


def _issues(conn: Connection, batch_id: str) -> dict[str, list[dict[str, str]]]:
    query = select(issue).where(issue.c.batch_id == batch_id, issue.c.page_id.is_not(None)).order_by(issue.c.issue_id)
    found: dict[str, list[dict[str, str]]] = {}
    for row in conn.execute(query).mappings():
        entry = {"check": row["check_name"], "field": row["field"], "message": row["message"]}
        found.setdefault(row["page_id"], []).append(entry)
    return found
