"""Stages 4-7 of one patient file, pipeline.assembly: turns read pages into validated documents and page states. Pure.

What is decided here is written by `pipeline.steps`; nothing here touches a database.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from extractors.continued import continued_rows
from extractors.volumes import printed_volume
from pipeline.grouping import FilePage, group_pages, group_type, misplaced_pages, missing_pages
from records.base import Frozen
from records.document_types import DocumentType
from records.documents import Document, FieldReading, FieldValue, Issue, ValidatedDocument, Verdict
from transformers.coding import with_names
from transformers.identity import PLACED, IdentityState, PageIdentity, file_identity, guard, page_identity
from transformers.values import readings_to_values
from validation.checks import as_written
from validation.contract import UNPROVEN, Contract
from validation.verdicts import NAME_BESIDE, validate

VOLUME, COVERS = "volume", 3  # the fact of a file that its first pages tell
FOREIGN, NO_IDENTITY = "foreign_patient", "no_identity"
COMPARE = "Hãy so với ảnh trang và bìa hồ sơ rồi chuyển trang hoặc xác nhận."
CALLED = {  # identity field -> what an officer calls it
    "patient.name": "họ tên",
    "patient.birth_date": "ngày sinh",
    "patient.id": "mã người bệnh",
    "encounter.number": "số vào viện",
    "patient.insurance_number": "số thẻ BHYT",
    "patient.national_id": "số định danh",
    "encounter.archive_number": "số lưu trữ",
}
KEYS = frozenset({"patient.id", "encounter.number"})  # what rows of the EMR hang on: one sheet alone is not enough
AHEAD = ("patient.insurance_valid_to",)  # days that may lie after the document's own
ROW = re.compile(r"^(\w+)\[(\d+)\]\.(\w+)$")


class AssembledFile(Frozen):
    """A file ready to store: its documents, each page's identity, and the facts two witnesses agree on."""

    file_id: str
    documents: tuple[ValidatedDocument, ...]
    identity: dict[str, IdentityState]
    facts: dict[str, str]
    held: bool
    page_issues: dict[str, tuple[Issue, ...]]

    def asking(self, issues: Mapping[str, tuple[Issue, ...]], *, stops: bool = False) -> "AssembledFile":
        """The file with more issues, by page id; `stops`: nothing of it is loaded before an officer has decided."""
        both = {page: self.page_issues.get(page, ()) + issues.get(page, ()) for page in {*self.page_issues, *issues}}
        return self.model_copy(update={"page_issues": both, "held": self.held or stops})


def assemble_file(
    file_id: str,
    pages: Sequence[FilePage],
    types: Mapping[str, DocumentType],
    registry: Mapping[str, str],
    icd10_path: Path | None = None,
    contract: Contract = UNPROVEN,
    ruled: Collection[str] = (),
    decided: Mapping[str, str] | None = None,
) -> AssembledFile:
    """Documents of one file with their verdicts. `registry`: field -> what the hospital's list says of this file;
    `ruled`: pages of which an officer has said that they are this file's; `decided`: field -> what officers have
    decided of the file, not among the facts that it gives back."""
    whose = [_identity_of(p, types) for p in pages]
    identity = guard(whose, registry, ruled)
    placed = {p for p, state in identity.items() if state in PLACED}
    ours = {p for p, state in identity.items() if state is not IdentityState.CONFLICT}
    groups = group_pages(pages, ours)
    coded = {group[0].page_id: with_names(document_values(group, types), icd10_path) for group in groups}
    values = {page_id: found.values for page_id, found in coded.items()}
    decided = decided or {}
    told = dict(decided)
    documents = []
    for group in groups:
        kind = types[group_type(group)]
        own = values[group[0].page_id]
        witnesses = witnesses_of(kind, {p.page_id for p in group}, values, placed, registry)
        for v in own:
            if v.field in coded[group[0].page_id].borne_out:
                witnesses.setdefault(v.field, []).append((v.value, NAME_BESIDE))
        document = _document(file_id, group, kind, own)
        settled = told if group[0].page_id in ours else {}
        images = {p.page_id: p.reading.image for p in group}
        judged = validate(
            document, own, kind, witnesses, contract, settled=settled, images=images, icd10_path=icd10_path
        )
        judged = judged if group[0].page_id in ours else _stopped(judged)
        documents.append(judged)
        if group[0].page_id in placed:
            told |= {f: v for f, v in _accepted_facts(judged, kind).items() if f not in told}
    expected = file_identity(whose, registry)
    issues = {p.page_id: asked for p in whose if (asked := _identity_issues(p, expected, identity[p.page_id]))}
    for more in (missing_pages(groups), misplaced_pages(groups)):
        issues |= {p: issues.get(p, ()) + asked for p, asked in more.items()}
    held = IdentityState.CONFLICT in identity.values()
    facts = {f: v for f, v in told.items() if f not in decided}
    facts |= {f: registry[f] for f in registry if f in ("patient.id", "encounter.number")} | _volume(pages)
    return AssembledFile(
        file_id=file_id, documents=tuple(documents), identity=identity, facts=facts, held=held, page_issues=issues
    )


def _volume(pages: Sequence[FilePage]) -> dict[str, str]:
    """Which volume of its stay the file is, such as '1/2', where one of its first pages says so."""
    told = (printed_volume(p.reading.text) for p in pages[:COVERS])
    return next(({VOLUME: str(volume)} for volume in told if volume), {})


def _identity_of(page: FilePage, types: Mapping[str, DocumentType]) -> PageIdentity:
    """What this page alone says of its patient, whatever document it is put into."""
    kind = types[page.reading.document_type]
    values = readings_to_values(page.reading.readings, kind)
    return page_identity(page.page_id, values, page.reading.titled, page.follows, apart=kind.may_be_anothers)


def document_values(group: Sequence[FilePage], types: Mapping[str, DocumentType]) -> tuple[FieldValue, ...]:
    """Values of a document: a field once, where it is read first; rows of later pages numbered on."""
    kind = types[group_type(group)]
    more = continued_rows([page.reading for page in group], kind)
    readings: dict[str, FieldReading] = {}
    for page in group:
        rows = _row_counts(readings)
        for reading in (*page.reading.readings, *more.get(page.reading.image.page_id, ())):
            field = _renumbered(reading.field, rows)
            readings.setdefault(field, reading.model_copy(update={"field": field}))
    return readings_to_values(tuple(readings.values()), kind)


def witnesses_of(
    kind: DocumentType,
    page_ids: set[str],
    values: Mapping[str, Sequence[FieldValue]],
    placed: set[str],
    registry: Mapping[str, str],
) -> dict[str, list[tuple[str, str]]]:
    """field -> (normal form, where) from the file's other documents and the registry.

    Only pages that are surely of this file witness: one in doubt may be a twin's.
    Only facts of the file repeat; a specimen number or a day of issue may differ from form to form.
    """
    facts = {spec.name for spec in kind.fields if spec.fact}
    seen: dict[str, list[tuple[str, str]]] = {f: [(v, "registry")] for f, v in registry.items() if v and f in facts}
    for found in values.values():
        for value in found:
            page_id = value.reading.page_id
            if value.field in facts and page_id in placed - page_ids and not value.problem:
                seen.setdefault(value.field, []).append((value.value, page_id))
    return {field: _majority(found) for field, found in seen.items()}


def _majority(found: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The registry's word and the forms that most pages carry: one misreading elsewhere contradicts nothing."""
    counts = Counter(form for form, _ in found)
    most = max(counts.values())
    return [(form, where) for form, where in found if where == "registry" or counts[form] == most]


def _accepted_facts(judged: ValidatedDocument, kind: DocumentType) -> dict[str, str]:
    """Facts of the file that this document settles."""
    return {
        v.value.field: v.value.value
        for v in judged.values
        if v.verdict is Verdict.ACCEPT and (spec := kind.field(v.value.field)) and spec.fact
        if v.witness or v.value.field not in KEYS
    }


def _stopped(judged: ValidatedDocument) -> ValidatedDocument:
    """A document of a page that seems to be another patient's: nothing of it is accepted."""
    rule = f"check:{FOREIGN}"
    foreign = {"verdict": Verdict.REVIEW, "rule": rule, "reasons": (), "blockers": (rule,)}
    values = tuple(
        v.model_copy(update=foreign | {"confidence": round(v.confidence / 2, 3)})
        if v.verdict in (Verdict.ACCEPT, Verdict.EVIDENCE)
        else v
        for v in judged.values
    )
    return judged.model_copy(update={"values": values, "verdict": Verdict.REVIEW})


def _identity_issues(page: PageIdentity, expected: Mapping[str, str], state: IdentityState) -> tuple[Issue, ...]:
    """What an officer is asked of a page that the guard lets not pass, with what it says and what the file says."""
    if state in PLACED:
        return ()
    if state is IdentityState.CONFLICT:
        message = f"Trang này dường như của người bệnh khác: {_both_sides(page.evidence, expected)}. {COMPARE}"
        return (Issue(check=FOREIGN, field="patient.name", message=message),)
    if page.evidence:
        message = f"Chưa chắc trang này thuộc hồ sơ: {_both_sides(page.evidence, expected)}. {COMPARE}"
    else:
        message = "Trang không có thông tin người bệnh đọc được; hãy xem ảnh và xác nhận trang thuộc hồ sơ nào."
    return (Issue(check=NO_IDENTITY, field="", message=message),)


def _both_sides(evidence: Mapping[str, str], expected: Mapping[str, str]) -> str:
    """'trang ghi họ tên “A”, số vào viện “1”; hồ sơ ghi họ tên “B”, số vào viện “2”'"""
    told = {field: called for field, called in CALLED.items() if field in evidence}
    page, file = (
        ", ".join(f"{called} “{_for_people(field, said[field])}”" for field, called in told.items() if field in said)
        for said in (evidence, expected)
    )
    return f"trang ghi {page}; hồ sơ {f'ghi {file}' if file else 'chưa ghi'}"


def _for_people(field: str, form: str) -> str:
    return as_written(form) if field == "patient.birth_date" else form


def edition_on(kind: DocumentType, values: Sequence[FieldValue]) -> str:
    """The form's edition in force on the latest day the document tells of; '' when it tells none."""
    days = [v.value[:10] for v in values if v.kind in ("moment", "date") and not v.problem and v.field not in AHEAD]
    day = max(days, default="")
    fitting = [e.id for e in kind.editions if (not e.since or e.since <= day) and (not e.until or day <= e.until)]
    return fitting[0] if day and fitting else ""


def _document(file_id: str, group: Sequence[FilePage], kind: DocumentType, values: Sequence[FieldValue]) -> Document:
    page_ids = tuple(p.page_id for p in group)
    key = hashlib.sha256("\0".join(p.place_id or p.page_id for p in group).encode()).hexdigest()[:32]
    return Document(
        document_id=key, file_id=file_id, document_type=kind.id, edition=edition_on(kind, values), page_ids=page_ids
    )


def _row_counts(readings: Mapping[str, FieldReading]) -> Counter[str]:
    """Rows so far by table."""
    counts: Counter[str] = Counter()
    for found in filter(None, map(ROW.match, readings)):
        counts[found[1]] = max(counts[found[1]], int(found[2]) + 1)
    return counts


def _renumbered(field: str, rows: Counter[str]) -> str:
    found = ROW.match(field)
    return f"{found[1]}[{int(found[2]) + rows[found[1]]}].{found[3]}" if found else field
