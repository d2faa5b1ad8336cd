"""An EMR with something in every column that a form fills, for tests of what is made of it."""

from sqlalchemy import Connection

from loaders import emr
from loaders.context import LoadContext, PageLink
from pipeline.emr import mentions_of
from records.document_types import document_types
from records.documents import Document, FieldReading, FieldValue, JudgedValue, ValidatedDocument, Verdict
from records.pages import PageBox

BOX = PageBox(left=0.1, top=0.2, right=0.3, bottom=0.25)
PATIENT, STAY = "DEMO|19000001", "DEMO|19.000001"
OF_KIND = {
    "person_name": "TRẦN THỊ MẪU", "birth_date": "1956-04-18", "date": "2019-02-03", "moment": "2019-02-01T08:00",
    "age": "63", "integer": "8", "number": "5.4", "sex": "female", "outcome": "improved", "modality": "CT",
    "laterality": "L",
    "icd10": "C50.9", "identifier": "19.000001", "insurance_card": "DN4010123456789", "personal_id": "001156001234",
    "phone": "0912345678", "test_name": "Hồng cầu", "unit": "T/L", "reference": "3.9 - 5.4", "flag": "H",
    "measure": "36.8", "drug": "Paclitaxel", "strength": "100 mg", "ethnicity": "Kinh", "occupation": "Nông dân",
    "department": "Ngoại Vú", "address": "Thôn 2, xã Mẫu, huyện Mẫu, tỉnh Nam Định",
}  # fmt: skip
OF_FIELD = {
    "patient.id": "19000001", "encounter.number": "19.000001", "encounter.discharged_at": "2019-02-09T10:30",
    "diagnosis.main": "Ung thư vú trái giai đoạn IIA cT2N0M0", "report.issued_at": "2019-02-02T15:00",
}  # fmt: skip


def load_every_form(conn: Connection, batch_id: str = "b1", only: tuple[str, ...] = (), stay: str = STAY) -> list[str]:
    """One document of every known form with every field filled, all of one stay; the documents' ids."""
    done = []
    for kind in document_types().values():
        fields = [f for f in kind.fields if f.emr]
        rows = [(table, column) for table in kind.tables for column in table.columns if column.emr]
        if not fields and not rows or (only and kind.id not in only):
            continue
        page_id = f"{kind.id}-0001"
        values = [_value(f.name, f.kind, page_id) for f in fields]
        values += [_value(f"{t.name}[{i}].{c.name}", c.kind, page_id) for i in (0, 1) for t, c in rows]
        document = Document(
            document_id=kind.id, file_id=stay, document_type=kind.id, edition="", page_ids=(page_id,)
        )  # fmt: skip
        validated = ValidatedDocument(
            document=document, values=tuple(values), issues=(), revision=1, verdict=Verdict.ACCEPT
        )  # fmt: skip
        link = PageLink(page_id=page_id, number=1, scan_id="a" * 64, text=kind.title.vi, identity_status="confirmed")
        context = LoadContext(
            batch_id=batch_id, facility="DEMO", file_id=stay, patient_key=PATIENT, encounter_key=stay, pages=(link,),
            reviewers={"diagnosis.main": ("an", "binh")}, mentions=mentions_of(validated),
        )  # fmt: skip
        emr.load_document(conn, validated, kind, context)
        done.append(kind.id)
    return done


def _value(field: str, kind: str, page_id: str) -> JudgedValue:
    text = OF_FIELD.get(field) or OF_KIND.get(kind, f"Nội dung của {field}: không thấy bất thường.")
    reading = FieldReading(
        field=field, raw=text.lower(), confidence=0.9, page_id=page_id, box=BOX, engine="sohoa 2", method="right_of"
    )  # fmt: skip
    read = FieldValue(reading=reading, kind=kind, value=text)
    return JudgedValue(value=read, verdict=Verdict.ACCEPT, rule="witness", witness="registry", confidence=0.99)
