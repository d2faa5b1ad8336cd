"""After stage 10, loaders.aip: a converted file as an archival information package. Pure but for `write`.

The layout is that of Circular 05/2025/TT-BNV, annex I, as this project knows it second-hand: METS.xml, EAD.xml
(description), PREMIS.xml (preservation), one representation with the signed PDF/A, and the schemas. Checksums are
SHA-256, moments ISO 8601 with +07:00, paths relative to the package.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple
from uuid import NAMESPACE_URL, uuid5
from xml.etree.ElementTree import Element, SubElement, indent, register_namespace, tostring

from loaders.private_files import new_folder, write_file
from records.clock import VIETNAM

SCHEMAS = Path(__file__).resolve().parent / "schemas"
METS, XLINK, XSI = (
    "http://www.loc.gov/METS/", "http://www.w3.org/1999/xlink", "http://www.w3.org/2001/XMLSchema-instance",
)  # fmt: skip
CSIP, PREMIS, EAD = (
    "https://DILCIS.eu/XML/METS/CSIPExtensionMETS", "http://www.loc.gov/premis/v3",
    "http://ead3.archivists.org/schema/",
)  # fmt: skip
PROFILE = "https://earkcsip.dilcis.eu/profile/E-ARK-CSIP.xml"
EAD_PATH, PREMIS_PATH = "metadata/descriptive/EAD.xml", "metadata/preservation/PREMIS.xml"
REP = "representations/rep1"
TYPES = {".pdf": "application/pdf", ".xml": "text/xml", ".json": "application/json", ".xsd": "text/xml"}
for prefix, namespace in (("mets", METS), ("xlink", XLINK), ("csip", CSIP), ("xsi", XSI)):
    register_namespace(prefix, namespace)


class Event(NamedTuple):
    """Something that happened to the file: 'digitization', 'digital signature generation', ... `by`: who did it."""

    kind: str
    at: datetime
    detail: str
    by: str


class Described(NamedTuple):
    """What a package says of its file. `number`: MaHoSo; `since`, `until`: its days (ISO, or ''); `sheets`: SoTo;
    `retention`: ThoiHanBaoQuan in words; `mode`: who may see it; `fonds`: whose archive it is of."""

    number: str
    title: str
    organisation: str
    fonds: str
    since: str
    until: str
    sheets: int
    retention: str
    mode: str
    code: str
    created_at: datetime
    events: tuple[Event, ...]


def package(described: Described, copy: bytes, beside: Mapping[str, bytes]) -> dict[str, bytes]:
    """Path -> bytes of a package. `copy`: the signed PDF/A; `beside`: name -> bytes of what else goes along with it."""
    data = {f"{REP}/data/{described.code}.pdf": copy}
    documentation = {f"documentation/{name}": content for name, content in beside.items()}
    schemas = {f"schemas/{path.name}": path.read_bytes() for path in sorted(SCHEMAS.glob("*.xsd"))}
    found = {EAD_PATH: _ead(described), PREMIS_PATH: _premis(described, data)} | data | documentation | schemas
    found[f"{REP}/METS.xml"] = _rep_mets(described, {path.removeprefix(f"{REP}/"): raw for path, raw in data.items()})
    groups = {"Schemas": schemas, "Documentation": documentation, "Representations/rep1": data}
    return {"METS.xml": _mets(described, groups, found)} | found


def name_of(described: Described) -> str:
    """The package's folder: its object id, colons as underscores."""
    return _object_id(described).replace(":", "_")


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """The files of a package below a new folder, for its owner alone. SohoaError when it is there already."""
    new_folder(folder)
    for path, content in files.items():
        whole = folder / path
        whole.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(whole, content)


def _mets(described: Described, groups: Mapping[str, Mapping[str, bytes]], files: Mapping[str, bytes]) -> bytes:
    root = _root(described, _object_id(described))
    _reference(SubElement(root, _m("dmdSec"), ID=_id("dmd", described)), EAD_PATH, "EAD", files, described)
    kept = SubElement(
        SubElement(root, _m("amdSec"), ID=_id("amd", described)), _m("digiprovMD"), ID=_id("dp", described)
    )
    _reference(kept, PREMIS_PATH, "PREMIS", files, described)
    held = {name: group for name, group in groups.items() if group}
    _file_section(root, held, described)
    divisions = SubElement(
        SubElement(root, _m("structMap"), ID=_id("sm", described), TYPE="PHYSICAL", LABEL="CSIP"), _m("div"),
        ID=_id("div", described), LABEL=described.title,
    )  # fmt: skip
    told = {"DMDID": _id("dmd", described), "ADMID": _id("amd", described)}
    SubElement(divisions, _m("div"), {"ID": _id("div-metadata", described), "LABEL": "Metadata"} | told)
    for name, group in held.items():
        own = SubElement(divisions, _m("div"), ID=_id(f"div-{name}", described), LABEL=name)
        if name.startswith("Representations"):
            link = {_x("href"): f"{REP}/METS.xml", _x("title"): "METS of rep1", _x("type"): "simple", "LOCTYPE": "URL"}
            SubElement(own, _m("mptr"), link)
            continue
        for path in group:
            SubElement(own, _m("fptr"), FILEID=_id(f"file-{path}", described))
    return _written(root)


def _rep_mets(described: Described, data: Mapping[str, bytes]) -> bytes:
    root = _root(described, f"{_object_id(described)}:rep1")
    _file_section(root, {"Data": data}, described)
    divisions = SubElement(
        SubElement(root, _m("structMap"), ID=_id("sm-rep", described), TYPE="PHYSICAL", LABEL="CSIP"), _m("div"),
        ID=_id("div-rep", described), LABEL="rep1",
    )  # fmt: skip
    for path in data:
        SubElement(SubElement(divisions, _m("div"), LABEL="Data"), _m("fptr"), FILEID=_id(f"file-{path}", described))
    return _written(root)


def _root(described: Described, object_id: str) -> Element:
    attributes = {"OBJID": object_id, "TYPE": "AIP", "LABEL": described.title, "PROFILE": PROFILE}
    root = Element(_m("mets"), attributes | {f"{{{CSIP}}}OAISPACKAGETYPE": "AIP"})
    header = SubElement(root, _m("metsHdr"), CREATEDATE=_moment(described.created_at), RECORDSTATUS="NEW")
    agent = SubElement(header, _m("agent"), ROLE="CREATOR", TYPE="ORGANIZATION")
    SubElement(agent, _m("name")).text = described.organisation
    return root


def _file_section(root: Element, groups: Mapping[str, Mapping[str, bytes]], described: Described) -> None:
    section = SubElement(root, _m("fileSec"), ID=_id("fs", described))
    for name, group in groups.items():
        held = SubElement(section, _m("fileGrp"), ID=_id(f"fg-{name}", described), USE=name)
        for path, content in group.items():
            told = {"ID": _id(f"file-{path}", described), "MIMETYPE": TYPES[Path(path).suffix]}
            own = SubElement(held, _m("file"), told | _fixity(content, described))
            where = {_x("href"): path, _x("type"): "simple", "LOCTYPE": "URL"}
            SubElement(own, _m("FLocat"), where)


def _reference(parent: Element, path: str, kind: str, files: Mapping[str, bytes], described: Described) -> None:
    told = {"ID": _id(f"mdref-{kind}", described), "LOCTYPE": "URL", "MDTYPE": kind, "MIMETYPE": "text/xml"}
    where = {_x("href"): path, _x("type"): "simple"}
    SubElement(parent, _m("mdRef"), told | where | _fixity(files[path], described))


def _fixity(content: bytes, described: Described) -> dict[str, str]:
    told = {"SIZE": str(len(content)), "CREATED": _moment(described.created_at), "CHECKSUMTYPE": "SHA-256"}
    return told | {"CHECKSUM": hashlib.sha256(content).hexdigest()}


def _ead(described: Described) -> bytes:
    root = Element("ead", xmlns=EAD)
    control = SubElement(root, "control")
    SubElement(control, "recordid").text = described.code
    titles = SubElement(SubElement(SubElement(control, "filedesc"), "titlestmt"), "titleproper")
    titles.text = described.title
    SubElement(control, "maintenancestatus", value="new")
    SubElement(SubElement(control, "maintenanceagency"), "agencyname").text = described.organisation
    event = SubElement(SubElement(control, "maintenancehistory"), "maintenanceevent")
    SubElement(event, "eventtype", value="created")
    SubElement(event, "eventdatetime").text = _moment(described.created_at)
    SubElement(event, "agenttype", value="machine")
    SubElement(event, "agent").text = "sohoa"
    archived = SubElement(root, "archdesc", level="file")
    told = SubElement(archived, "did")
    SubElement(told, "unitid", label="MaHoSo").text = described.number
    SubElement(told, "unitid", label="MaTraCuu").text = described.code
    SubElement(told, "unittitle").text = described.title
    if described.since or described.until:
        days = SubElement(told, "unitdatestructured")
        span = SubElement(days, "daterange")
        for name, day in (("fromdate", described.since), ("todate", described.until)):
            if day:
                SubElement(span, name, standarddate=day).text = day
    SubElement(told, "physdesc", label="SoTo").text = str(described.sheets)
    SubElement(SubElement(told, "langmaterial"), "language", langcode="vie").text = "Tiếng Việt"
    SubElement(SubElement(SubElement(told, "repository"), "corpname"), "part").text = described.organisation
    SubElement(SubElement(SubElement(told, "origination"), "corpname"), "part").text = described.fonds
    SubElement(SubElement(archived, "accessrestrict"), "p").text = described.mode
    SubElement(SubElement(archived, "appraisal"), "p").text = described.retention
    return _written(root)


def _premis(described: Described, data: Mapping[str, bytes]) -> bytes:
    root = Element("premis", {"xmlns": PREMIS, "version": "3.0"})
    for path, content in data.items():
        own = SubElement(root, "object", {f"{{{XSI}}}type": "file"})
        _named(own, "object", _id(f"file-{path}", described))
        of = SubElement(own, "objectCharacteristics")
        SubElement(of, "compositionLevel").text = "0"
        fixity = SubElement(of, "fixity")
        SubElement(fixity, "messageDigestAlgorithm").text = "SHA-256"
        SubElement(fixity, "messageDigest").text = hashlib.sha256(content).hexdigest()
        SubElement(of, "size").text = str(len(content))
        designation = SubElement(SubElement(of, "format"), "formatDesignation")
        SubElement(designation, "formatName").text = "application/pdf"
        SubElement(designation, "formatVersion").text = "PDF/A-1b"
        SubElement(own, "originalName").text = Path(path).name
        for at in range(len(described.events)):
            _named(own, "linkingEvent", f"event-{at + 1}")
    for at, event in enumerate(described.events):
        own = SubElement(root, "event")
        _named(own, "event", f"event-{at + 1}")
        SubElement(own, "eventType").text = event.kind
        SubElement(own, "eventDateTime").text = _moment(event.at)
        SubElement(SubElement(own, "eventDetailInformation"), "eventDetail").text = event.detail
        SubElement(SubElement(own, "eventOutcomeInformation"), "eventOutcome").text = "success"
        _named(own, "linkingAgent", _agent_id(described, event.by))
        for path in data:
            _named(own, "linkingObject", _id(f"file-{path}", described))
    for by in dict.fromkeys(event.by for event in described.events):
        own = SubElement(root, "agent")
        _named(own, "agent", _agent_id(described, by))
        SubElement(own, "agentName").text = by
    return _written(root)


def _named(parent: Element, what: str, value: str) -> None:
    own = SubElement(parent, f"{what}Identifier")
    SubElement(own, f"{what}IdentifierType").text = "local"
    SubElement(own, f"{what}IdentifierValue").text = value


def _agent_id(described: Described, by: str) -> str:
    return f"agent-{list(dict.fromkeys(event.by for event in described.events)).index(by) + 1}"


def _object_id(described: Described) -> str:
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'sohoa:{described.code}')}"


def _id(what: str, described: Described) -> str:
    """An id of XML that is the same whenever the package is made again."""
    return f"{what.split('-')[0]}-{uuid5(NAMESPACE_URL, f'sohoa:{described.code}:{what}')}"


def _moment(at: datetime) -> str:
    return at.astimezone(VIETNAM).isoformat(timespec="seconds")


def _m(name: str) -> str:
    return f"{{{METS}}}{name}"


def _x(name: str) -> str:
    return f"{{{XLINK}}}{name}"


def _written(root: Element) -> bytes:
    indent(root)
    return bytes(tostring(root, encoding="utf-8", xml_declaration=True))
