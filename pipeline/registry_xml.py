"""Before stage 1, pipeline.registry_xml: insurance XML1 (Decisions 130 and 4750) as a listing of patients and stays.

A plain list of XML1 records, or the envelope GIAMDINHHS whose files are base64: FILEHOSO holds LOAIHOSO, what it is,
and NOIDUNGFILE, its content. The archive number stands in XML7, the discharge paper of the same MA_LK. Entities and
document type declarations are refused: they are the ways to make a parser open files or grow without end.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring, iterparse

from pipeline.registry_rows import Listing
from records.errors import SohoaError

STAY_NUMBERS = ("MA_LK", "MA_HSBA")
TAGS = {
    "patient_id": "MA_BN", "name": "HO_TEN", "birth_date": "NGAY_SINH", "sex": "GIOI_TINH",
    "insurance_number": "MA_THE_BHYT", "national_id": "SO_CCCD", "address": "DIA_CHI", "phone": "DIEN_THOAI",
    "admitted_at": "NGAY_VAO", "discharged_at": "NGAY_RA", "department": "MA_KHOA", "main_code": "MA_BENH_CHINH",
    "outcome": "KET_QUA_DTRI",
}  # fmt: skip
BEFORE_2023 = {"MA_THE_BHYT": "MA_THE", "MA_BENH_CHINH": "MA_BENH"}  # names in Decision 4210/2017
XML1_HAS = frozenset({"MA_LK", "MA_BN", "HO_TEN", "NGAY_VAO"})
FILE, KIND, CONTENT, SUMMARY, DISCHARGE = "FILEHOSO", "LOAIHOSO", "NOIDUNGFILE", "XML1", "XML7"

Record = dict[str, str]


class XmlChoice(NamedTuple):
    """What of XML1 is taken. `stay_number`: the tag that holds the number printed on the paper; `visit_types`: values
    of MA_LOAI_KCB (none: all), for XML1 lists every visit and only some of them leave a file on the shelf."""

    stay_number: str = "MA_LK"
    visit_types: tuple[str, ...] = ()


def read_xml1(path: Path, choice: XmlChoice) -> Listing:
    """The XML1 records of a file, in its order; SohoaError when it cannot be read or a tag is none of XML1."""
    if choice.stay_number not in STAY_NUMBERS:
        raise SohoaError(f"'{choice.stay_number}' holds no stay number in XML1; use {' or '.join(STAY_NUMBERS)}.")
    archived: dict[str, str] = {}
    records: list[Record] = []
    try:
        for kind, record in _records(path):
            if kind == DISCHARGE:
                archived[record.get("MA_LK", "")] = record.get("SO_LUU_TRU", "")
            elif not choice.visit_types or record.get("MA_LOAI_KCB", "") in choice.visit_types:
                records.append(record)
    except (OSError, ParseError, DefusedXmlException, Base64Error, UnicodeDecodeError) as error:
        raise SohoaError(
            f"The registry {path.name} cannot be read ({type(error).__name__} after record {len(records)});"
            " export XML1 again."
        ) from error
    headings = ("encounter_number", "archive_number", *TAGS)
    rows = [
        [
            record.get(choice.stay_number, ""),
            archived.get(record["MA_LK"], ""),
            *(_cell(record, t) for t in TAGS.values()),
        ]
        for record in records
    ]
    return Listing(path.name, headings, rows, unit="record", first=1)


def _records(path: Path) -> Iterator[tuple[str, Record]]:
    """(XML1 or XML7, its fields by tag) of every record in the file."""
    depth = 0
    for event, element in iterparse(path, events=("start", "end"), forbid_dtd=True):
        inside = _tag(element) == FILE
        if event == "start":
            depth += inside
            continue
        if inside:
            depth -= 1
            yield from _in_envelope(element)
            element.clear()
        elif not depth and {_tag(child) for child in element} >= XML1_HAS:
            yield SUMMARY, _fields(element)
            element.clear()


def _in_envelope(file: Element) -> Iterator[tuple[str, Record]]:
    """The records of one FILEHOSO, whose content is base64 or stands there as it is."""
    parts = {_tag(child): child for child in file}
    kind = (parts[KIND].text or "").strip().upper() if KIND in parts else ""
    if kind not in (SUMMARY, DISCHARGE) or CONTENT not in parts:
        return
    content = parts[CONTENT]
    root = content if len(content) else fromstring(_decoded(content.text or ""), forbid_dtd=True)
    wanted = XML1_HAS if kind == SUMMARY else {"MA_LK", "SO_LUU_TRU"}
    for element in root.iter():
        if wanted <= {_tag(child) for child in element}:
            yield kind, _fields(element)


def _decoded(text: str) -> bytes:
    return b64decode("".join(text.split()), validate=True)


def _fields(element: Element) -> Record:
    return {_tag(child): (child.text or "").strip() for child in element}


def _tag(element: Element) -> str:
    """The name without its namespace, in capitals."""
    return element.tag.rpartition("}")[2].upper()


def _cell(record: Record, tag: str) -> str:
    """One value; of several cards or IDs the first. A passport is no personal ID."""
    text = record.get(tag, "") or record.get(BEFORE_2023.get(tag, ""), "")
    if tag in ("MA_THE_BHYT", "SO_CCCD"):
        text = text.split(";")[0].strip()
    return "" if tag == "SO_CCCD" and not text.isdigit() else text
