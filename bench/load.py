"""`python -m bench.load`: accepted values with provenance and changes into the EMR, document by document.

The documents are made past the reader: letters and laboratory sheets of their own patients, every value accepted.
"""

import json
import time
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console
from sqlalchemy import Connection, insert, text

from bench.home import home_of_its_own
from pipeline import emr, ledger, tables
from pipeline.database import engine
from pipeline.settings import settings
from records.document_types import document_types
from records.documents import Document, FieldReading, FieldValue, JudgedValue, ValidatedDocument, Verdict
from records.pages import Batch, PageBox, PageText

BOX = PageBox(left=0.1, top=0.2, right=0.3, bottom=0.25)
ROWS = 14  # results on a sheet
PAGES = "INSERT INTO pipeline.scan (scan_id, media_type, page_count, size_bytes) VALUES (:s, 'image/png', 1, 1)"
OF_FIELD = {"patient.sex": "female", "patient.birth_date": "1956-04-18", "diagnosis.main.code": "C50.9"}


def main(values: Annotated[int, typer.Option(help="Field values to load.")] = 100_000) -> None:
    """Load them and print seconds, values a second, and how memory grew."""
    with home_of_its_own():
        with engine(settings()).begin() as conn:
            ledger.open_batch(conn, Batch(batch_id="box", facility="DEMO", folder="/box"))
            made, number = 0, 0
            while made < values:
                made += _enter(conn, number)
                number += 1
        process, begun = psutil.Process(), time.perf_counter()
        before = process.memory_info().rss
        emr.load_batch("box")
        seconds, after = time.perf_counter() - begun, process.memory_info().rss
        with engine(settings()).connect() as conn:
            counted = {n: conn.scalar(text(f"SELECT count(*) FROM emr.{n}")) for n in ("provenance", "change")}
        Console().print(
            f"{number} documents, {counted['provenance']} values with provenance, {counted['change']} changes told: "
            f"{seconds:.0f} s, {counted['provenance'] / seconds:.0f} values/s, memory {before / 1e6:.0f} -> "
            f"{after / 1e6:.0f} MB",
            highlight=False,
        )


def _enter(conn: Connection, number: int) -> int:
    """One document with its file, page and scan, waiting to be loaded; how many values it has."""
    kind = "lab_report" if number % 3 else "discharge_letter"
    document_id, page_id, scan_id = f"d{number:07d}", f"r{number:07d}-0001", f"{number:064x}"
    judged = list(_values(kind, page_id, number))
    document = Document(
        document_id=document_id, file_id=f"f{number:07d}", document_type=kind, edition="", page_ids=(page_id,)
    )  # fmt: skip
    whole = ValidatedDocument(document=document, values=tuple(judged), issues=(), revision=1, verdict=Verdict.ACCEPT)
    own = {"batch_id": "box"}
    conn.execute(text(PAGES), {"s": scan_id})
    conn.execute(insert(tables.receipt).values(receipt_id=f"r{number:07d}", path=f"{number}.png", scan_id=scan_id,
                                               outcome="received", **own))  # fmt: skip
    conn.execute(insert(tables.page).values(page_id=page_id, receipt_id=f"r{number:07d}", scan_id=scan_id, number=1,
                                            state="assembled", document_id=document_id, **own))  # fmt: skip
    said = PageText(page_id=page_id, engine="bench", lines=()).model_dump(mode="json")
    conn.execute(insert(tables.page_text).values(page_id=page_id, engine="bench", image={}, text=said))
    facts = {"identity": {page_id: "confirmed"}}
    keys = {"patient_key": f"DEMO|{number}", "encounter_key": f"DEMO|19.{number}"}
    conn.execute(
        insert(tables.file).values(file_id=f"f{number:07d}", label=f"{number}.png", facts=facts, **keys, **own)
    )
    conn.execute(insert(tables.document).values(
        document_id=document_id, file_id=f"f{number:07d}", document_type=kind, page_ids=[page_id], verdict="accept",
        validated=json.loads(whole.model_dump_json()), **own,
    ))  # fmt: skip
    return len(judged)


def _values(kind: str, page_id: str, number: int) -> Any:
    own = document_types()[kind]
    fields = [(f.name, f.kind) for f in own.fields if f.emr]
    fields += [(f"{t.name}[{i}].{c.name}", c.kind) for t in own.tables for c in t.columns if c.emr for i in range(ROWS)]
    for field, of_kind in fields:
        said = OF_FIELD.get(field, f"{field} {number}" if of_kind != "number" else "5.4")
        reading = FieldReading(
            field=field, raw=said, confidence=0.9, page_id=page_id, box=BOX, engine="bench", method="right_of"
        )  # fmt: skip
        value = FieldValue(reading=reading, kind=of_kind, value=said)
        yield JudgedValue(value=value, verdict=Verdict.ACCEPT, rule="witness", witness="bench", confidence=0.99)


if __name__ == "__main__":
    typer.run(main)
