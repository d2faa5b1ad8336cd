"""Films of the generator as the EMR holds them, without reading them: for tests of what is made of them."""

import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, insert

from extractors.intake import inspect
from extractors.limits import Limits
from loaders import emr
from loaders.context import LoadContext, PageLink
from pipeline import ledger
from pipeline.store import Store
from pipeline.tables import page_text
from records.document_types import document_types
from records.documents import Document, FieldReading, FieldValue, JudgedValue, ValidatedDocument, Verdict
from records.pages import PageBox, PageImage

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "sample_scans")]
from films import make_film  # noqa: E402

BOX = PageBox(left=0.1, top=0.2, right=0.3, bottom=0.25)


def stored_film(conn: Connection, store: Store, batch_id: str, number: int) -> tuple[str, Any]:
    """Take a film in as read; its page and the film."""
    film = make_film(number)
    name = f"film_{number:03d}.{film.suffix}"
    found = inspect(film.data, name, Limits())
    taken = ledger.receive(conn, store, batch_id, name, film.data, found)
    page_id = ledger.page_id(taken.receipt_id, 1)
    image = PageImage(
        page_id=page_id, turn=film.turn, skew_degrees=0, width_px=100, height_px=100, file_width_px=100,
        file_height_px=100, to_file=(1, 0, 0, 0, 1, 0, 0, 0, 1), dpi=150, ink=0.1, blank=False,
        mirrored=film.mirrored, frames=film.grid,
    )  # fmt: skip
    row = {"page_id": page_id, "engine": "t", "image": image.model_dump(mode="json"), "text": {}}
    conn.execute(insert(page_text).values(row | {"document_type": "film"}))
    return page_id, film


def load_film(
    conn: Connection, batch_id: str, page_id: str, scan_id: str, values: dict[str, str], patient: str = ""
) -> None:
    """Bring it into the EMR with the loader's role, every value confirmed; the patient by the id on the film."""
    form = document_types()["film"]
    judged = [_judged(field, form.field(field).kind, value, page_id) for field, value in values.items()]
    document = Document(
        document_id=page_id, file_id=page_id, document_type="film", edition="", page_ids=(page_id,)
    )  # fmt: skip
    validated = ValidatedDocument(
        document=document, values=tuple(judged), issues=(), revision=1, verdict=Verdict.ACCEPT
    )  # fmt: skip
    key = f"DEMO|{patient or values['patient.id']}"
    link = PageLink(page_id=page_id, number=1, scan_id=scan_id, text="", identity_status="confirmed")
    context = LoadContext(
        batch_id=batch_id, facility="DEMO", file_id=page_id, patient_key=key, encounter_key=key, pages=(link,),
        reviewers={}, mentions={},
    )  # fmt: skip
    emr.load_document(conn, validated, form, context)


def _judged(field: str, kind: str, value: str, page_id: str) -> JudgedValue:
    reading = FieldReading(
        field=field, raw=value, confidence=0.9, page_id=page_id, box=BOX, engine="t", method="burnt_in"
    )  # fmt: skip
    read = FieldValue(reading=reading, kind=kind, value=value)
    return JudgedValue(value=read, verdict=Verdict.ACCEPT, rule="witness", witness="registry", confidence=0.99)
