"""Stages 6-7 of one patient file, pipeline.standing: how long it is kept and which forms it lacks, for its row."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update

from pipeline.settings import settings
from pipeline.tables import document, file, registry_stay
from records.documents import ValidatedDocument, Verdict
from records.file_rules import DEATH, EXPECTED, RETENTION, RetentionRule, expected_forms, retention_rules
from transformers.identity import IdentityState
from transformers.retention import CODES, OUTCOME, Retention, Said, retention_of
from validation.completeness import Completeness, completeness

ENDED, DIED = "encounter.discharged_at", "died"


def file_standing(
    conn: Connection, facility: str, documents: Sequence[ValidatedDocument], identity: Mapping[str, str],
    facts: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Columns of a file's row. `identity`: page id -> state; documents of a page that seems another's do not count."""
    own = [d for d in documents if IdentityState.CONFLICT not in {identity.get(p) for p in d.document.page_ids}]
    known = list(_registry(conn, facility, facts))
    ended = _ended(facts.items(), known, _values(own))
    kept = retention_of([*_values(own), *known], ended, retention_rules_here())
    return _columns(kept, _forms(own, ended))


def upgrade_deaths(conn: Connection, facility: str) -> int:
    """Files of patients who the registry says have died, whichever stay it was, into the class of the dead."""
    died = select(registry_stay.c.facility_id.concat("|").concat(registry_stay.c.patient_id))
    died = died.where(registry_stay.c.facility_id == facility, registry_stay.c.outcome == DIED)
    query = select(file).where(file.c.patient_key.in_(died), file.c.retention.not_in(["", DEATH]))
    rows = conn.execute(query).mappings().all()
    for row in rows:
        own = conn.scalars(select(document.c.validated).where(document.c.file_id == row["file_id"]))
        documents = [ValidatedDocument.model_validate(v) for v in own]
        new = file_standing(conn, facility, documents, row["facts"].get("identity", {}), row["facts"])
        conn.execute(update(file).where(file.c.file_id == row["file_id"]).values(new))
    return len(rows)


def retention_rules_here() -> tuple[RetentionRule, ...]:
    """The retention classes of this hospital."""
    return retention_rules(*_hospitals(RETENTION))


def _values(documents: Iterable[ValidatedDocument]) -> Iterator[Said]:
    """What the documents say, doubtful values too."""
    for judged in (judged for d in documents for judged in d.values):
        if judged.verdict is not Verdict.REJECT and not judged.value.problem and judged.value.value:
            yield judged.value.field, judged.value.value


def _registry(conn: Connection, facility: str, facts: Mapping[str, Any]) -> Iterator[Said]:
    """What the registry says of the stay, and whether the patient died in it or in another one."""
    query = select(registry_stay).where(registry_stay.c.facility_id == facility)
    for stay in conn.execute(query.where(registry_stay.c.patient_id == facts.get("patient.id", ""))).mappings():
        if stay["outcome"] == DIED:
            yield OUTCOME, DIED
        if stay["encounter_number"] == facts.get("encounter.number"):
            yield CODES[0], stay["main_code"]
            yield ENDED, stay["discharged_at"]


def _ended(*sources: Iterable[Said]) -> date | None:
    """The latest day on which the treatment is said to have ended, by the first of the sources that tells one."""
    for said in sources:
        days = [value[:10] for field, value in said if field == ENDED and value]
        if days:
            return date.fromisoformat(max(days))
    return None


def _forms(documents: Sequence[ValidatedDocument], ended: date | None) -> Completeness:
    found = Counter(d.document.document_type for d in documents)
    return completeness(found, ended, expected_forms(*_hospitals(EXPECTED)))


def _hospitals(name: str) -> tuple[Path, ...]:
    """The hospital's own list in place of the one that comes with the software, where there is one."""
    path = settings().home / "codes" / f"{name}.csv"
    return (path,) if path.exists() else ()


def _columns(kept: Retention, forms: Completeness) -> dict[str, Any]:
    return {"retention": kept.code, "retained_until": kept.until, "forms": forms.model_dump(mode="json")}
