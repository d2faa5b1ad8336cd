"""Beside stage 10, pipeline.sampling: values accepted without a person become a blind sample, and its answers accuracy.

Values come by once, when their document is shown in the EMR, in strata of batch, form, field and scanner. Each stratum
adds up the probabilities of its values from a random start, and a value that takes the sum past a whole number is in
the sample: systematic sampling, in which every value has just its own probability. Documents that few may see are left
out. The ledger knows no scanner by name: a scanner is the kind of its files and their resolution, as 'pdf 300'.
"""

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.metadata import version
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline import audit
from pipeline.contracts import contract_in_force
from pipeline.emr import HELD
from pipeline.field_policy import ROW
from pipeline.tables import batch, document, drawn, file, page, page_text, sample, sample_share, sample_stratum, scan
from records.base import Frozen
from records.document_types import document_types
from records.documents import JudgedValue, ValidatedDocument, Verdict
from records.errors import SohoaError
from records.pages import PageImage
from records.states import PageState
from validation.contract import Contract
from validation.diagnostics import error_interval
from validation.features import family_of

SHARE = 0.02  # of accepted values, where nobody says otherwise
BY_MACHINE = ("confidence", "witness", "text_layer")  # rules by which a value passes without a person
ASKED = "asked"  # state of a sample that nobody has answered
DPI_STEP = 50
Z = 1.959964  # of a two-sided 95 % interval
SHOWN = (PageState.LOADED.value, PageState.IN_REVIEW.value)


class Estimate(Frozen):
    """What samples say of a group. `share`: right among all that passed, weighted by 1 / probability of selection;
    `low`, `high`: its 95 % interval by `method`: Clopper and Pearson's where all weights are alike, else Wilson's on
    the effective number of samples (Kish). `waiting`: samples without an answer yet."""

    group: str
    samples: int
    wrong: int
    waiting: int
    share: float | None
    low: float
    high: float
    method: str


class Found(NamedTuple):
    """A sample with its answer."""

    right: bool
    probability: float


def set_share(conn: Connection, facility_id: str, share: float, document_type: str, field: str, who: str) -> None:
    """Which share of accepted values is sampled from now on. `document_type`, `field`: '' for every one."""
    if not 0 <= share <= 1:
        raise SohoaError("A share is between 0 and 100 per cent.")
    own = {"facility_id": facility_id, "document_type": document_type, "field": ROW.sub("[]", field)}
    row = upsert(sample_share).values(share=share, **own)
    conn.execute(row.on_conflict_do_update(index_elements=list(own), set_={"share": share}))
    audit.record(conn, who, "sample:share", f"facility:{facility_id}", own | {"share": share})


def draw(conn: Connection, batch_id: str, chance: random.Random) -> int:
    """Let the values of documents that came into the EMR since pass by, once each; how many are in the sample."""
    rows = conn.execute(_new_documents(batch_id)).mappings().all()
    if not rows:
        return 0
    facility_id = str(rows[0]["facility_id"])
    contract, shares = contract_in_force(conn, facility_id), _shares(conn, facility_id)
    before = _strata(conn, batch_id)
    strata = dict(before)
    chosen: list[dict[str, Any]] = []
    for row in rows:
        validated = ValidatedDocument.model_validate(row["validated"])
        scanner = scanner_of(row["media_type"], PageImage.model_validate(row["image"]))
        passing = [v for v in validated.values if v.verdict is Verdict.ACCEPT and v.rule in BY_MACHINE]
        for judged in (v for v in passing if v.value.value):
            one = _row(row, scanner, judged, contract)
            share = _share_of(shares, one["document_type"], one["field"])
            stratum = (one["document_type"], ROW.sub("[]", one["field"]), one["scanner"])
            seen, passed = strata.get(stratum, (0, chance.random()))
            strata[stratum] = seen + 1, passed + share
            if math.floor(passed + share) > math.floor(passed):
                chosen.append(one | {"probability": share})
    touched = {stratum: now for stratum, now in strata.items() if now != before.get(stratum)}
    _keep(conn, batch_id, [str(row["document_id"]) for row in rows], touched, chosen)
    return len(chosen)


def _new_documents(batch_id: str) -> Any:
    """Documents whose first page is shown in the EMR and that have not come by, with how they were scanned."""
    first = document.c.page_ids[0].astext
    before = select(drawn.c.document_id).where(drawn.c.document_id == document.c.document_id).exists()
    return (
        select(document.c.document_id, document.c.batch_id, document.c.document_type, document.c.edition,
               document.c.validated, batch.c.facility_id, scan.c.media_type, page_text.c.image)
        .join(batch, batch.c.batch_id == document.c.batch_id)
        .join(file, file.c.file_id == document.c.file_id)
        .join(page, page.c.page_id == first)
        .join(scan, scan.c.scan_id == page.c.scan_id)
        .join(page_text, page_text.c.page_id == first)
        .where(document.c.batch_id == batch_id, ~document.c.restricted, file.c.state != HELD,
               page.c.state.in_(SHOWN), ~before)
        .order_by(document.c.document_id)
        .with_for_update(of=document)
    )  # fmt: skip


def _row(row: RowMapping, scanner: str, judged: JudgedValue, contract: Contract) -> dict[str, Any]:
    value = judged.value
    critical = document_types()[row["document_type"]].is_critical(value.field)
    return {
        "facility_id": row["facility_id"], "batch_id": row["batch_id"], "document_id": row["document_id"],
        "field": value.field, "document_type": row["document_type"], "edition": row["edition"],
        "scanner": scanner, "software": software_of(value.reading.engine), "engine": value.reading.engine,
        "kind": value.kind, "family": family_of(value.field, value.kind), "rule": judged.rule, "value": value.value,
        "confidence": judged.confidence, "target": contract.target(value.field, critical),
    }  # fmt: skip


def scanner_of(media_type: str, image: PageImage) -> str:
    """('application/pdf', 297 dpi) -> 'pdf 300'."""
    return f"{media_type.rpartition('/')[2]} {DPI_STEP * round(image.dpi / DPI_STEP)}"


@cache
def software_of(engine: str) -> str:
    """'sohoa 5' -> '0.1.0, sohoa 5': the running software and the reader, with their versions."""
    return f"{version('sohoa')}, {engine}"


def week_of(moment: datetime) -> str:
    """The ISO week: '2026-W48'."""
    year, week, _ = moment.isocalendar()
    return f"{year}-W{week:02}"


def _shares(conn: Connection, facility_id: str) -> dict[tuple[str, str], float]:
    rows = conn.execute(select(sample_share).where(sample_share.c.facility_id == facility_id))
    return {(row.document_type, row.field): row.share for row in rows}


def _share_of(shares: Mapping[tuple[str, str], float], document_type: str, field: str) -> float:
    """Of the rows that fit the one that says most: field before form, as in the field policy."""
    own = ROW.sub("[]", field)
    places = ((document_type, own), ("", own), (document_type, ""), ("", ""))
    return next((shares[place] for place in places if place in shares), SHARE)


def _strata(conn: Connection, batch_id: str) -> dict[tuple[str, str, str], tuple[int, float]]:
    rows = conn.execute(select(sample_stratum).where(sample_stratum.c.batch_id == batch_id).with_for_update())
    return {(row.document_type, row.field, row.scanner): (row.seen, row.passed) for row in rows}


def _keep(
    conn: Connection,
    batch_id: str,
    documents: Sequence[str],
    strata: Mapping[tuple[str, str, str], tuple[int, float]],
    chosen: Sequence[Mapping[str, Any]],
) -> None:
    conn.execute(upsert(drawn).on_conflict_do_nothing(), [{"document_id": one} for one in documents])
    for (document_type, field, scanner), (seen, passed) in strata.items():
        own = {"batch_id": batch_id, "document_type": document_type, "field": field, "scanner": scanner}
        row = upsert(sample_stratum).values(seen=seen, passed=passed, **own)
        new = {"seen": seen, "passed": passed}
        conn.execute(row.on_conflict_do_update(index_elements=list(own), set_=new))
    if chosen:
        conn.execute(upsert(sample).on_conflict_do_nothing(), [dict(one) for one in chosen])


GROUPS = {
    "family": sample.c.family, "field": sample.c.field, "form": sample.c.document_type, "scanner": sample.c.scanner,
    "batch": sample.c.batch_id, "edition": sample.c.edition, "software": sample.c.software, "rule": sample.c.rule,
}  # fmt: skip


def accuracy_by(conn: Connection, facility_id: str, by: str) -> list[Estimate]:
    """What the samples say, group by group. `by`: of GROUPS, 'week' of the answer, or '' for all in one.

    One that an officer reads otherwise counts as wrong until a senior says that the machine was right.
    """
    if by not in ("", "week", *GROUPS):
        raise SohoaError(f"Samples are not told apart by '{by}'; use {', '.join((*GROUPS, 'week'))}.")
    own = sample.c.facility_id == facility_id
    found: dict[str, list[Found]] = defaultdict(list)
    waiting: dict[str, int] = defaultdict(int)
    for row in conn.execute(select(sample).where(own).order_by(sample.c.sample_id)).mappings():
        group = _group(row, by)
        if row["state"] == ASKED:
            waiting[group] += 1
        else:
            found[group].append(Found(bool(row["was_right"]), row["probability"]))
    return [estimate(group, found[group], waiting[group]) for group in sorted({*found, *waiting})]


def _group(row: RowMapping, by: str) -> str:
    if by == "week":
        return week_of(row["answered_at"] or row["asked_at"])
    return ROW.sub("[]", str(row[GROUPS[by].name])) if by else "all"


def estimate(group: str, found: Iterable[Found], waiting: int = 0) -> Estimate:
    """Share right and its interval, of samples with these probabilities of selection."""
    samples = list(found)
    wrong, weights = sum(not one.right for one in samples), [1 / one.probability for one in samples]
    told = {"group": group, "samples": len(samples), "wrong": wrong, "waiting": waiting}
    if not samples:
        return Estimate.model_validate(told | {"share": None, "low": 0.0, "high": 1.0, "method": ""})
    share = sum(w for w, one in zip(weights, samples, strict=True) if one.right) / sum(weights)
    if max(weights) - min(weights) < 1e-9:
        low, high = error_interval(wrong, len(samples))
        return Estimate.model_validate(
            told | {"share": share, "low": 1 - high, "high": 1 - low, "method": "Clopper-Pearson"}
        )
    low, high = wilson(share, sum(weights) ** 2 / sum(w * w for w in weights))
    return Estimate.model_validate(told | {"share": share, "low": low, "high": high, "method": "Wilson"})


def wilson(share: float, count: float) -> tuple[float, float]:
    """Wilson's 95 % score interval of a share seen in `count` (also a fraction of) samples."""
    middle, scale = share + Z * Z / (2 * count), 1 + Z * Z / count
    half = Z * math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
