"""After stage 9, pipeline.films: films of a batch as DICOM, into a folder or a PACS; safe to send again.

A film counts once the PACS has given it back with the same pixels. One whose digital original the PACS holds is linked
to that and not sent. A PACS that is away leaves the films for the next sending; the others go on.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pydicom
import structlog
from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from extractors.decode import stored_pixels
from loaders import dicom, pacs
from loaders.facts import STAMP
from loaders.private_files import new_folder, write_file
from loaders.stays import Row, Stay, stay_of
from loaders.tables import document_reference, film_instance, imaging_study
from pipeline import ledger
from pipeline.children import Workers
from pipeline.database import engine
from pipeline.packages import Out
from pipeline.reading import PageJob, scan_bytes
from pipeline.settings import settings
from pipeline.tables import facility, page, page_text, receipt, scan
from records.base import Frozen
from records.errors import SohoaError, UnreadableScan
from records.pages import MediaType, PageImage

log = structlog.get_logger()
FORM = "film"
TRIES = 3  # films in a row that a PACS does not answer for, after which the others wait for the next sending
SAME = {"DX": "CR"}  # a film of either may be filed as the other
SEVERAL = "{} holds {} studies of this patient and day that may be its original; see there which it is."
OFFERED, HELD, LINKED, REPLACED = "offered", "held", "linked", "replaced"


class Wanted(NamedTuple):
    """A film to be made into DICOM: where its page lies, and what is known of it."""

    job: PageJob
    film: dicom.Film
    document_id: str
    batch_id: str


class Came(Frozen):
    """What became of the films of a batch: how many were sent, stood already, or were linked to their
    originals; with a sentence each, by page: those `left`, and those `outdated`: instances that the PACS holds of films
    whose facts were corrected, or which left the EMR since."""

    sent: int
    stood: int
    linked: int
    left: tuple[tuple[str, str], ...]
    outdated: tuple[tuple[str, str], ...]


def dicom_job(wanted: Wanted) -> bytes:
    """A child's part: the film's file from its original's pixels; UnreadableScan when these cannot be decoded."""
    job = wanted.job
    pixels, dpi = stored_pixels(scan_bytes(job.scan_id), job.media_type, job.number, settings().limits)
    return dicom.to_bytes(dicom.instance_of(pixels, wanted.film._replace(dpi=dpi)))


def export(batch_id: str, out: Path) -> Out:
    """A DICOM file for each film of the batch, in a new folder that its owner alone may read."""
    films = films_of(batch_id)
    new_folder(out)
    made, left = 0, []
    with Workers(settings().workers, settings()) as children:
        for one, data in children.map(dicom_job, films):
            if isinstance(data, UnreadableScan):
                left.append((one.job.page_id, f"Its original cannot be decoded ({data.code})."))
            else:
                write_file(out / f"{dicom.uids_of(one.film).instance}.dcm", data)
                made += 1
    return Out(done=made, left=tuple(left))


def send(url: str, batch_id: str) -> Came:
    """Bring a PACS up to the batch, film by film. SohoaError for an unknown batch or an address that is none."""
    to = pacs.open_pacs(url, settings().pacs_authorization)
    films, away = films_of(batch_id), 0
    came: Counter[str] = Counter()
    left: list[tuple[str, str]] = []
    with Workers(1, settings()) as children:
        for one in films:
            if away == TRIES:
                left.append((one.job.page_id, f"{to.name} does not answer; send again when it is up."))
                continue
            try:
                came[_bring(one, to, children)] += 1
                away = 0
            except SohoaError as error:
                away = away + 1 if isinstance(error, pacs.Away) else 0
                left.append((one.job.page_id, str(error)))
                _note(one, to, OFFERED, refused=str(error))
    counts = {name: came[name] for name in ("sent", "stood", "linked")}
    log.info("films_sent", batch=batch_id, left=len(left), **counts)
    return Came(**counts, left=tuple(left), outdated=_outdated(to, batch_id, films))


def films_of(batch_id: str) -> list[Wanted]:
    """The films of a batch that the EMR holds, in order of their stays."""
    with engine(settings(), "pipeline").connect() as conn:
        ledger.refuse_unknown(conn, batch_id)
        names = dict(conn.execute(select(facility.c.facility_id, facility.c.name)).tuples().all())
    with engine(settings(), "loader").connect() as conn:
        shown = document_reference.c
        with_films = select(shown.encounter_id).where(shown.batch_id == batch_id, shown.type == FORM).distinct()
        stays = [stay_of(conn, key) for key in conn.scalars(with_films.order_by(shown.encounter_id)).all()]
    films = [(stay, row) for stay in stays for row in stay.pages if row["type"] == FORM and row["batch_id"] == batch_id]
    with engine(settings(), "pipeline").connect() as conn:
        scans = _scans(conn, [row["page_id"] for _, row in films])
    return [_wanted(stay, row, *scans[row["page_id"]], names) for stay, row in films]


def _scans(conn: Connection, page_ids: list[str]) -> dict[str, tuple[PageJob, PageImage, datetime]]:
    """page id -> where it lies, its geometry, and when it was taken in."""
    query = (
        select(page, scan.c.media_type, page_text.c.image, receipt.c.received_at)
        .join(scan, scan.c.scan_id == page.c.scan_id)
        .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
        .join(page_text, page_text.c.page_id == page.c.page_id)
        .where(page.c.page_id.in_(page_ids))
    )
    return {
        row["page_id"]: (
            PageJob(row["page_id"], row["scan_id"], MediaType(row["media_type"]), row["number"]),
            PageImage.model_validate(row["image"]),
            row["received_at"],
        )
        for row in conn.execute(query).mappings()
    }


def _wanted(
    stay: Stay, row: Row, job: PageJob, image: PageImage, taken_in: datetime, names: Mapping[str, str]
) -> Wanted:
    own = stay.of_document("imaging_study", row["document_id"])
    code = stay.encounter["facility_id"]
    film = dicom.Film(
        page_id=job.page_id, position=row["position"], patient=stay.patient, encounter=stay.encounter,
        study=own[0] if own else {}, hospital=names.get(code) or code, scanned_at=taken_in, frames=image.frames,
        turn=image.turn, mirrored=image.mirrored, software=version("sohoa"),
    )  # fmt: skip
    return Wanted(job, film, row["document_id"], row["batch_id"])


def _bring(one: Wanted, to: pacs.Pacs, children: Workers) -> str:
    """Which of `Came` the film is now; SohoaError says why it is not in the PACS."""
    uids = dicom.uids_of(one.film)
    if stands := _standing(to, uids.instance):
        _show(one, to, stands)
        return "stood"
    if original := _original(one, to, uids.study):
        _note(one, to, LINKED, original)
        _show(one, to, original)
        return "linked"
    _note(one, to, OFFERED)
    ((_, data),) = children.map(dicom_job, [one])
    if isinstance(data, UnreadableScan):
        raise SohoaError(f"Its original cannot be decoded ({data.code}).")
    made = pydicom.dcmread(BytesIO(data))
    to.store(made)
    back = to.take_back(uids)
    if back is None:
        raise SohoaError(f"{to.name} took the film and does not give it back; send again.")
    if pacs.pixels_of(back) != pacs.pixels_of(made):
        raise SohoaError(f"{to.name} gave back other pixels than it was given; have it keep films without loss.")
    _note(one, to, HELD)
    _show(one, to, uids.study)
    return "sent"


def _original(one: Wanted, to: pacs.Pacs, own_study: str) -> str:
    """The study in the PACS that the film is a print of: of its patient, day and modality, and of its accession number
    where both have one; '' for none, SohoaError where there are several."""
    study, patient = one.film.study, one.film.patient.get("identifier")
    day, kind = dicom.day(study.get("taken_on")), study.get("modality")
    if not (patient and day and kind):
        return ""
    found = [
        other.uid
        for other in to.studies(patient, day)
        if other.uid != own_study
        and SAME.get(kind, kind) in [SAME.get(name, name) for name in other.modalities]
        and (not study.get("accession") or other.accession in ("", study["accession"]))
    ]
    of_films = film_instance.c.study_uid.in_(found) & (film_instance.c.state != LINKED)
    with engine(settings(), "loader").connect() as conn:
        ours = set(conn.scalars(select(film_instance.c.study_uid).where(of_films)))
    found = [uid for uid in found if uid not in ours]
    if len(found) > 1:
        raise SohoaError(SEVERAL.format(to.name, len(found)))
    return found[0] if found else ""


def _standing(to: pacs.Pacs, instance: str) -> str:
    """The study that an instance was confirmed in, or is linked to; '' for none."""
    query = select(film_instance.c.study_uid).where(
        film_instance.c.pacs == to.name, film_instance.c.sop_uid == instance, film_instance.c.state.in_([HELD, LINKED])
    )
    with engine(settings(), "loader").connect() as conn:
        return conn.scalar(query) or ""


def _note(one: Wanted, to: pacs.Pacs, state: str, original: str = "", refused: str = "") -> None:
    """Remember how an instance stands in the PACS."""
    uids, confirmed = dicom.uids_of(one.film), state in (HELD, LINKED)
    row = {
        "page_id": one.job.page_id, "document_id": one.document_id, "encounter_id": one.film.encounter["encounter_id"],
        "batch_id": one.batch_id, "study_uid": original or uids.study, "state": state, "refused": refused[:500],
        "retrieve_url": (to.url(original) if original else to.url(*uids)) if confirmed else "",
        "held_at": func.clock_timestamp() if confirmed else None,
    }  # fmt: skip
    statement = upsert(film_instance).values(pacs=to.name, sop_uid=uids.instance, **row)
    anew = statement.on_conflict_do_update(index_elements=["pacs", "sop_uid"], set_=row)
    with engine(settings(), "loader").begin() as conn:
        conn.execute(anew)


def _show(one: Wanted, to: pacs.Pacs, study_uid: str) -> None:
    """Say in the EMR where the film is to be had; rows that say so already are not touched."""
    uids = dicom.uids_of(one.film)
    at = to.url(*uids) if study_uid == uids.study else to.url(study_uid)
    study, shown = imaging_study.c, document_reference.c
    with engine(settings(), "loader").begin() as conn:
        of_film = (study.document_id == one.document_id) & study.retrieve_url.is_distinct_from(to.url(study_uid))
        conn.execute(
            update(imaging_study).where(of_film).values(study_uid=study_uid, retrieve_url=to.url(study_uid), **STAMP)
        )
        of_page = (shown.page_id == one.job.page_id) & shown.retrieve_url.is_distinct_from(at)
        conn.execute(update(document_reference).where(of_page).values(retrieve_url=at, **STAMP))


def _outdated(to: pacs.Pacs, batch_id: str, films: list[Wanted]) -> tuple[tuple[str, str], ...]:
    """Instances of the batch that the PACS holds and that no film makes any more."""
    now = [dicom.uids_of(one.film).instance for one in films]
    held = film_instance.c
    of_batch = (held.pacs == to.name) & (held.batch_id == batch_id)
    gone = of_batch & held.sop_uid.not_in(now)
    with engine(settings(), "loader").begin() as conn:
        conn.execute(delete(film_instance).where(gone, held.state == LINKED))
        conn.execute(update(film_instance).where(gone, held.state == HELD).values(state=REPLACED))
        query = select(held.page_id, held.sop_uid).where(of_batch, held.state == REPLACED, held.held_at.is_not(None))
        rows = conn.execute(query.order_by(held.page_id, held.sop_uid)).all()
    return tuple((row.page_id, f"{to.name} still holds {row.sop_uid}; remove it there.") for row in rows)
