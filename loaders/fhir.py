"""After stage 9, loaders.fhir: a stay of the EMR as an HL7 FHIR R4 transaction Bundle. Pure.

Every resource is created on condition that none with its identifier is there (Provenance, which has no identifier in
R4, by its tag), so that a bundle may be sent again. Nothing is said that the EMR does not hold: no status of a
disease, no "abnormal"; what the paper marks as high or low is not passed on. http://hl7.org/fhir/R4
"""

import base64
import re
import uuid
from collections.abc import Callable, Collection, Iterator
from typing import Any
from urllib.parse import quote

from loaders.stays import Row, Stay
from loaders.tables import OF_DOCUMENT
from records.code_lists import name_of
from records.code_lists import rows as code_list
from records.document_types import title_of

Resource = dict[str, Any]

SYSTEM = "urn:sohoa"  # the default of the hospital's own URIs
NAMES = uuid.uuid5(uuid.NAMESPACE_URL, SYSTEM)
ICD10, ICD10_VN = "http://hl7.org/fhir/sid/icd-10", "http://fhir.hl7.org.vn/core/CodeSystem/vn-icd10-cs"
LOINC, DCM = "http://loinc.org", "http://dicom.nema.org/resources/ontology/DCM"
ACT, NULL = "http://terminology.hl7.org/CodeSystem/v3-ActCode", "http://terminology.hl7.org/CodeSystem/v3-NullFlavor"
ROLE = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
UID, ID_TYPE = "urn:dicom:uid", "http://terminology.hl7.org/CodeSystem/v2-0203"
CATEGORY = "http://terminology.hl7.org/CodeSystem/"
PAPER = {"code": "converted-from-paper", "display": "Chuyển đổi từ bản giấy"}
SECTIONS = (
    "treatment", "note", "transfer_to", "transfer_reason", "visited_at", "reason", "history", "past_history",
    "family_history", "general", "organs", "results", "referral_diagnosis", "regimen", "cycle", "given_at",
)  # fmt: skip
PARTIAL = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}")
TYPES = {
    "patient": "Patient", "encounter": "Encounter", "condition": "Condition", "observation": "Observation",
    "procedure": "Procedure", "medication_statement": "MedicationStatement", "diagnostic_report": "DiagnosticReport",
    "imaging_study": "ImagingStudy", "document_reference": "DocumentReference",
}  # fmt: skip


def bundle_of(
    stay: Stay,
    facility: tuple[str, str],
    system: str = SYSTEM,
    software: str = "sohoa",
    restricted: Collection[str] = (),
) -> Resource:
    """The transaction that creates a stay. `facility`: code and name; `system`: what the hospital's own identifiers
    begin with; `restricted`: ids of documents that only few may see, which their resources are labelled with."""
    entries = _Bundle(stay, facility, system, software, restricted).entries()
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def search_of(table: str, key: str, system: str = SYSTEM) -> str:
    """The search that finds the resource of a row."""
    return f"{TYPES[table]}?{_condition(table, key, system)}"


def _condition(table: str, key: str, system: str) -> str:
    by = "_tag" if table == "provenance" else "identifier"
    return f"{by}={quote(_key_system(table, system) + '|' + _short(table, key), safe='|:-._')}"


def _key_system(table: str, system: str) -> str:
    return f"{system}:{table.replace('_', '-')}"


class _Bundle:
    def __init__(
        self, stay: Stay, facility: tuple[str, str], system: str, software: str, restricted: Collection[str]
    ) -> None:
        self.stay, self.facility, self.system, self.software = stay, facility, system, software
        self.restricted, self.forms = restricted, stay.forms
        self.subject = {"reference": self.url("patient", stay.patient["patient_id"])}
        self.during = {"reference": self.url("encounter", stay.encounter["encounter_id"])}

    def entries(self) -> list[Resource]:
        """Every resource before those that point at it."""
        found = [self._entry("organization", self.facility[0], self._organization())]
        found.append(self._entry("patient", self.stay.patient["patient_id"], self._patient()))
        found.append(self._entry("encounter", self.stay.encounter["encounter_id"], self._encounter()))
        for document_id in self.stay.documents:
            found.append(self._entry("document_reference", document_id, self._document(document_id)))
        for table in OF_DOCUMENT:
            if make := self._makers().get(table):
                found += [self._entry(table, row["row_id"], make(row)) for row in self.stay.tables.get(table, ())]
        found += [self._entry("provenance", key, one) for key, one in self._provenances()]
        return found

    def url(self, table: str, key: str) -> str:
        """The same urn:uuid for the same row, always."""
        return f"urn:uuid:{uuid.uuid5(NAMES, f'{self.system}|{table}|{key}')}"

    def _entry(self, table: str, key: str, resource: Resource) -> Resource:
        condition = _condition(table, key, self.system)
        request = {"method": "POST", "url": resource["resourceType"], "ifNoneExist": condition}
        return {"fullUrl": self.url(table, key), "resource": resource, "request": request}

    def _base(self, kind: str, table: str, key: str, document_id: str = "") -> Resource:
        tags = [{"system": f"{self.system}:origin"} | PAPER]
        label = {"security": [{"system": CONFIDENTIALITY, "code": "R", "display": "restricted"}]}
        meta: Resource = {"tag": tags} | (label if document_id in self.restricted else {})
        resource: Resource = {"resourceType": kind, "meta": meta}
        own = {"system": _key_system(table, self.system)}
        if table == "provenance":
            tags.append(own | {"code": _short(table, key)})
        else:
            resource["identifier"] = [own | {"value": _short(table, key)}]
        return resource

    def _organization(self) -> Resource:
        code, name = self.facility
        return self._base("Organization", "organization", code) | {"name": name}

    def _patient(self) -> Resource:
        row = self.stay.patient
        made = self._base("Patient", "patient", row["patient_id"])
        for column in ("identifier", "national_id", "insurance_number"):
            if row[column]:
                period = {"period": {"end": row["insurance_valid_to"]}} if _valid_to(column, row) else {}
                kind = "patient-number" if column == "identifier" else column.replace("_", "-")
                made["identifier"].append({"system": f"{self.system}:{kind}", "value": row[column]} | period)
        made |= _given(name=row["name"] and [{"text": row["name"]}], birthDate=_date(row["birth_date"]))
        made |= _given(
            gender=row["sex"],
            address=row["address"] and [{"text": row["address"]}],
            telecom=row["phone"] and [{"system": "phone", "value": row["phone"]}],
            contact=row["contact_name"] and [{"name": {"text": row["contact_name"]}}],
        )
        said = {column: row[column] for column in ("ethnicity", "occupation") if row[column]}
        return made | _given(
            extension=[{"url": f"{self.system}:{name}", "valueString": text} for name, text in said.items()]
        )

    def _encounter(self) -> Resource:
        row = self.stay.encounter
        made = self._base("Encounter", "encounter", row["encounter_id"])
        for column in ("number", "archive_number"):
            if row[column]:
                made["identifier"].append({"system": f"{self.system}:{column.replace('_', '-')}", "value": row[column]})
        inpatient = {"system": ACT, "code": "IMP", "display": "inpatient encounter"}
        unknown = {"system": NULL, "code": "UNK", "display": "unknown"}
        made |= {"status": "finished", "class": inpatient if row["admitted_at"] else unknown, "subject": self.subject}
        period = _given(start=_time(row["admitted_at"]), end=_time(row["discharged_at"]))
        made |= _given(period=period, serviceType=row["department"] and {"text": row["department"]})
        made |= _given(hospitalization=row["outcome"] and {"dischargeDisposition": self._outcome(row["outcome"])})
        return made | {"serviceProvider": {"reference": self.url("organization", self.facility[0])}}

    def _outcome(self, code: str) -> Resource:
        return {"coding": [{"system": f"{self.system}:outcome", "code": code}], "text": name_of("outcomes", code)}

    def _document(self, document_id: str) -> Resource:
        pages = [page for page in self.stay.pages if page["document_id"] == document_id]
        title = title_of(pages[0]["type"])
        made = self._base("DocumentReference", "document_reference", document_id, document_id)
        made |= {"status": pages[0]["state"], "subject": self.subject, "description": title}
        made["type"] = {"coding": [{"system": f"{self.system}:form", "code": pages[0]["type"]}], "text": title}
        made["content"] = [{"attachment": self._picture(page)} for page in pages]
        made["content"] += [{"attachment": _in_pacs(page)} for page in pages if page["retrieve_url"]]
        made["content"] += [{"attachment": one} for page in pages for one in _sections(page)]
        made["context"] = {"encounter": [self.during]}
        doctors = list(dict.fromkeys(page["doctor"] for page in pages if page["doctor"]))
        return made | _given(author=[{"display": name} for name in doctors])

    def _picture(self, page: Row) -> Resource:
        """Where the page's original is kept, not the picture itself."""
        where = f"{self.system}:scan:{page['scan_id']}#page={page['page_number']}"
        return {"contentType": "application/octet-stream", "url": where, "title": f"Trang {page['position']}"}

    def _makers(self) -> dict[str, Callable[[Row], Resource]]:
        return {
            "condition": self._of_condition, "observation": self._of_observation, "procedure": self._of_procedure,
            "medication_statement": self._of_medication, "diagnostic_report": self._of_report,
            "imaging_study": self._of_imaging,
        }  # fmt: skip

    def _of(self, table: str, row: Row, **more: Any) -> Resource:
        """What all rows of a document have: identifier, patient, stay."""
        return self._base(TYPES[table], table, row["row_id"], row["document_id"]) | {"subject": self.subject} | more

    def _of_condition(self, row: Row) -> Resource:
        code = _given(text=row["text"])
        if row["code"]:
            code["coding"] = [{"system": system, "code": row["code"]} for system in (ICD10, ICD10_VN)]
        made = self._of("condition", row, encounter=self.during, code=code)
        made["category"] = [_concept(CATEGORY + "condition-category", "encounter-diagnosis", "Encounter Diagnosis")]
        said = [row["stage"] and f"Giai đoạn {row['stage']}", row["tnm"]]
        return made | _given(stage=[{"summary": {"text": text}} for text in said if text])

    def _of_observation(self, row: Row) -> Resource:
        known = [one for one in code_list("tests") if one["name"] == row["test"] and one["loinc"]]
        code: Resource = {"text": row["test"]}
        if known:
            code["coding"] = [{"system": LOINC, "code": known[0]["loinc"]}]
        made = self._of("observation", row, encounter=self.during, status="final", code=code)
        if row["value_number"] is not None:
            made["valueQuantity"] = {"value": float(row["value_number"])} | _given(unit=row["unit"])
        else:
            made["valueString"] = " ".join(filter(None, (row["value"], row["unit"])))
        return made | _given(referenceRange=row["reference"] and [{"text": row["reference"]}])

    def _of_procedure(self, row: Row) -> Resource:
        made = self._of("procedure", row, encounter=self.during, status="completed")
        made |= _given(
            code=row["procedure"] and {"text": row["procedure"]}, performedDateTime=_time(row["performed_at"])
        )
        made |= _given(performer=row["surgeon"] and [{"actor": {"display": row["surgeon"]}}])
        notes = (
            ("Chẩn đoán trước phẫu thuật", "preop"),
            ("Chẩn đoán sau phẫu thuật", "postop"),
            ("Vô cảm", "anesthesia"),
        )
        return made | _given(note=[{"text": f"{label}: {row[column]}"} for label, column in notes if row[column]])

    def _of_medication(self, row: Row) -> Resource:
        named = " ".join(filter(None, (row["drug"], row["strength"])))
        made = self._of("medication_statement", row, context=self.during, status="unknown")
        made["medicationCodeableConcept"] = {"text": named}
        amount = " ".join(filter(None, (row["quantity"], row["unit"])))
        parts = (row["dosage"], amount and f"Số lượng: {amount}", row["solvent"], row["route"], row["duration"])
        return made | _given(dosage=[{"text": "; ".join(filter(None, parts))}] if any(parts) else None)

    def _of_report(self, row: Row) -> Resource:
        document = row["document_id"]
        made = self._of("diagnostic_report", row, encounter=self.during, status="final")
        made["code"] = {"text": title_of(self.forms.get(document, "")) or row["modality"] or "Báo cáo"}
        made |= _given(effectiveDateTime=_time(row["collected_at"]), issued=_instant(row["issued_at"]))
        parts = [row[column] for column in ("site", "gross", "micro", "findings") if row[column]]
        made |= _given(conclusion=row["conclusion"])
        results = self.stay.of_document("observation", document)
        made |= _given(result=[{"reference": self.url("observation", one["row_id"])} for one in results])
        made |= _given(resultsInterpreter=row["doctor"] and [{"display": row["doctor"]}])
        text = "\n".join(parts)
        return made | _given(presentedForm=text and [_plain(text, "Mô tả")])

    def _of_imaging(self, row: Row) -> Resource:
        made = self._of("imaging_study", row, encounter=self.during, status="available")
        made |= _given(started=_time(row["taken_on"]))
        if row["study_uid"]:
            made["identifier"].append({"system": UID, "value": f"urn:oid:{row['study_uid']}"})
        if row["accession"]:
            made["identifier"].append({"type": _concept(ID_TYPE, "ACSN", "Accession ID"), "value": row["accession"]})
        if row["modality"]:
            made["modality"] = [{"system": DCM, "code": row["modality"]}]
        return made | _given(description=" ".join(filter(None, (row["view"], row["laterality"]))))

    def _provenances(self) -> Iterator[tuple[str, Resource]]:
        """One for each row that a document wrote: where each of its values stands on paper and who confirmed it."""
        of_row: dict[tuple[str, str, str], list[Row]] = {}
        for value in self.stay.provenance:
            if value["target_table"] in TYPES:
                of_row.setdefault((value["document_id"], value["target_table"], value["target_id"]), []).append(value)
        for (document_id, table, target), values in of_row.items():
            aim = document_id if table == "document_reference" else target
            key = f"{document_id}|{table}|{target}"
            yield key, self._provenance(key, self.url(table, aim), self.url("document_reference", document_id), values)

    def _provenance(self, key: str, target: str, source: str, values: list[Row]) -> Resource:
        machine = {
            "type": _concept(ROLE, "assembler", "Assembler"), "who": {"display": self.software},
            "onBehalfOf": {"reference": self.url("organization", self.facility[0])},
        }  # fmt: skip
        people = list(dict.fromkeys(v["reviewer"] for v in values if v["reviewer"]))
        checkers = [{"type": _concept(ROLE, "verifier", "Verifier"), "who": {"display": who}} for who in people]
        made = self._base("Provenance", "provenance", key, values[0]["document_id"])
        made |= {"target": [{"reference": target}], "recorded": max(v["updated_at"] for v in values).isoformat()}
        made |= {"agent": [machine, *checkers], "extension": [self._source(value) for value in values]}
        return made | {"entity": [{"role": "source", "what": {"reference": source}}]}

    def _source(self, value: Row) -> Resource:
        box = ",".join(f"{value['box'][side]:.4f}" for side in ("left", "top", "right", "bottom"))
        told = {
            "field": value["field"], "verbatim": value["raw"], "page": value["page_id"], "box": box,
            "engine": value["engine"], "rule": value["rule"], "checked": value["checked"],
        }  # fmt: skip
        parts: list[Resource] = [{"url": name, "valueString": text} for name, text in told.items() if text]
        parts.append({"url": "confidence", "valueDecimal": round(float(value["confidence"]), 4)})
        return {"url": f"{self.system}:value-source", "extension": parts}


def _short(table: str, key: str) -> str:
    """'DEMO|14763265' -> 'DEMO/14763265': in a search of FHIR a bar parts the system from the value."""
    return str(uuid.uuid5(NAMES, key)) if table == "provenance" else key.replace("|", "/")


def _in_pacs(page: Row) -> Resource:
    """Where a film is to be had from the PACS."""
    return {"contentType": "application/dicom", "url": page["retrieve_url"], "title": f"Trang {page['position']}"}


def _concept(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _given(**parts: Any) -> Resource:
    """Without what is empty: FHIR has no empty value."""
    return {name: value for name, value in parts.items() if value}


def _date(text: str | None) -> str | None:
    """'1956', '1956-04' and '1956-04-18' are dates of FHIR; anything else is none."""
    return text if text and PARTIAL.fullmatch(text) else None


def _time(text: str | None) -> str | None:
    """'2018-06-12T21:30' -> '2018-06-12T21:30:00+07:00'; a day or year stays one."""
    return f"{text}:00+07:00" if text and MOMENT.fullmatch(text) else _date(text)


def _instant(text: str | None) -> str | None:
    return _time(text) if text and MOMENT.fullmatch(text) else None


def _valid_to(column: str, row: Row) -> bool:
    return column == "insurance_number" and _date(row["insurance_valid_to"]) is not None


def _plain(text: str, title: str) -> Resource:
    data = base64.b64encode(text.encode()).decode()
    return {"contentType": "text/plain; charset=utf-8", "language": "vi", "data": data, "title": title}


def _sections(page: Row) -> Iterator[Resource]:
    for column in SECTIONS:
        if page[column]:
            yield _plain(page[column], column)
