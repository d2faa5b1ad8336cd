"""After stage 10, pipeline.fhir: stays of a batch as FHIR bundles, into a folder or to a server; safe to send again.

A server that is away or refuses part of a bundle leaves the stay for the next sending, with a sentence; the others go
on. What was sent is remembered, so that a later sending updates what has changed and deletes what was withdrawn.
"""

import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import structlog
from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from loaders import fhir, fhir_server
from loaders.private_files import new_folder, write_file
from loaders.stays import stay_of, stays_of
from loaders.tables import encounter, patient, sent
from pipeline import ledger
from pipeline.database import engine
from pipeline.settings import settings
from pipeline.tables import document, facility
from records.base import Frozen
from records.errors import SohoaError

log = structlog.get_logger()
MEDIA = "application/fhir+json"
TIMEOUT = httpx.Timeout(60, connect=10)
TRIES = 3
EMPTY: dict[str, Any] = {"resourceType": "Bundle", "type": "transaction", "entry": []}


class Sent(Frozen):
    """How a sending went: stays that the server took whole, and those it did not, each with a sentence."""

    taken: int
    refused: tuple[str, ...]


def bundle(conn: Connection, encounter_id: str) -> dict[str, Any]:
    """The bundle of one stay, with connections of the loader's role."""
    stay = stay_of(conn, encounter_id)
    with engine(settings(), "pipeline").connect() as other:
        hospital = other.execute(
            select(facility).where(facility.c.facility_id == stay.encounter["facility_id"])
        ).one_or_none()
        few = select(document.c.document_id).where(document.c.document_id.in_(stay.documents), document.c.restricted)
        restricted = set(other.scalars(few))
    own = (hospital.facility_id, hospital.name) if hospital else (stay.encounter["facility_id"],) * 2
    software = f"sohoa {version('sohoa')}"
    return fhir.bundle_of(stay, own, settings().fhir_system, software, restricted)


def export(batch_id: str, out: Path) -> int:
    """One file of JSON for each stay of the batch in a new folder that its owner alone may read; how many."""
    with engine(settings(), "pipeline").connect() as conn:
        ledger.refuse_unknown(conn, batch_id)
    new_folder(out)
    done = 0
    with engine(settings(), "loader").connect() as conn:
        for number, key in enumerate(stays_of(conn, batch_id), start=1):
            text = json.dumps(bundle(conn, key), ensure_ascii=False, indent=1)
            write_file(out / f"{number:06d}.json", text.encode())
            done = number
    return done


def send(url: str, batch_id: str) -> Sent:
    """Bring a FHIR server up to the batch, stay by stay. SohoaError for an unknown batch."""
    with engine(settings(), "pipeline").connect() as conn:
        ledger.refuse_unknown(conn, batch_id)
    taken, refused = 0, []
    headers = {"Content-Type": MEDIA, "Accept": MEDIA}
    if token := settings().fhir_token:
        headers["Authorization"] = f"Bearer {token}"
    target = url.rstrip("/")
    with httpx.Client(headers=headers, timeout=TIMEOUT, transport=httpx.HTTPTransport(retries=TRIES)) as client:
        with engine(settings(), "loader").connect() as conn:
            keys = list(_to_send(conn, target, batch_id))
        # What one stay has no longer another may have now, under the same identifier: it goes before it comes.
        away = {key: _send_one(client, target, batch_id, key, withdraw=True) for key in keys}
        for key in keys:
            why = away[key] or _send_one(client, target, batch_id, key, withdraw=False)
            taken += not why
            refused += [f"{key}: {why}"] if why else []
    log.info("sent", batch=batch_id, taken=taken, refused=len(refused))
    return Sent(taken=taken, refused=tuple(refused))


def _to_send(conn: Connection, target: str, batch_id: str) -> Iterator[str]:
    """Stays of the batch, and those that were sent for it and have left the EMR since."""
    now = stays_of(conn, batch_id)
    yield from now
    before = select(sent.c.encounter_id).where(sent.c.target == target, sent.c.batch_id == batch_id)
    yield from conn.scalars(before.where(sent.c.encounter_id.not_in(now)).order_by(sent.c.encounter_id))


def _send_one(client: httpx.Client, target: str, batch_id: str, key: str, *, withdraw: bool) -> str:
    """Send one stay and remember what the server holds of it; why it did not take it, or ''. `withdraw`: delete what
    the stay does not make any more, and nothing else."""
    with engine(settings(), "loader").begin() as conn:
        row = select(sent.c.resources).where(sent.c.target == target, sent.c.encounter_id == key)
        held = {url: (one[0], one[1]) for url, one in (conn.scalar(row.with_for_update()) or {}).items()}
        if withdraw and not held:
            return ""
        stands = conn.scalar(select(encounter.c.encounter_id).where(encounter.c.encounter_id == key))
        whole = bundle(conn, key) if stands else EMPTY
        now = {search for search, _ in fhir_server.held_by(whole).values()}
        gone = {search for search, _ in held.values()} - now
        kept = _kept(conn, gone)
        update = fhir_server.bringing_up_to(whole, held, kept)
        holds = fhir_server.held_by(whole)
        if withdraw:
            update["entry"] = [one for one in update["entry"] if one["request"]["method"] == "DELETE"]
            holds = {url: one for url, one in held.items() if one[0] in now | kept}
        why = _post(client, target, update) if update["entry"] else ""
        holds = dict(held) if why else holds
        values = {"target": target, "encounter_id": key, "batch_id": batch_id, "resources": holds, "refused": why[:500]}
        statement = upsert(sent).values(values)
        anew = values | {"sent_at": func.clock_timestamp()}
        conn.execute(statement.on_conflict_do_update(index_elements=["target", "encounter_id"], set_=anew))
    if why:
        log.warning("not_sent", batch=batch_id, why=why.partition(":")[0])
    return why


def _kept(conn: Connection, gone: set[str]) -> set[str]:
    """Of searches that the stay does not make any more, those of what other stays need: the hospital, and patients who
    are still in the EMR."""
    people = {search for search in gone if search.startswith("Patient?")}
    kept = {search for search in gone if search.startswith("Organization?")}
    if people:
        system = settings().fhir_system
        standing = conn.scalars(select(patient.c.patient_id))
        kept |= people & {fhir.search_of("patient", key, system) for key in standing}
    return kept


def _post(client: httpx.Client, target: str, update: dict[str, Any]) -> str:
    """Why the server did not take the bundle, in a sentence without its content; '' when it took all of it."""
    try:
        answer = client.post(target, json=update)
    except httpx.HTTPError as error:
        return f"{target} does not answer ({type(error).__name__}); send it again when it is up."
    if answer.status_code >= 400:
        return f"{target} refused the whole transaction with status {answer.status_code}{_issue(answer)}."
    try:
        refused = fhir_server.refusals_in(update, answer.json())
    except (ValueError, SohoaError) as error:
        return str(error) if isinstance(error, SohoaError) else f"{target} gave no FHIR answer; is this its base URL?"
    return f"{target} refused {len(refused)} resources: {', '.join(refused[:5])}; send it again." if refused else ""


def _issue(answer: httpx.Response) -> str:
    """The code of the first issue of an OperationOutcome; its text could hold what was sent."""
    try:
        code = answer.json()["issue"][0]["code"]
    except (ValueError, KeyError, IndexError, TypeError):
        return ""
    return f" ({str(code)[:40]})"
