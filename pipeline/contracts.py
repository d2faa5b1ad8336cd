"""Before stage 7, pipeline.contracts: the contract that a facility has, where the running software is the one measured.

A facility starts with none. The demonstration's rests on generated pages; another facility's may rest on its own only.
"""

import hashlib
from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects.postgresql import insert

from pipeline import audit
from pipeline.tables import accuracy_target, drift_alarm, facility
from pipeline.tables import contract as table
from records.document_types import document_types
from records.errors import SohoaError
from validation.calibration import model_hash
from validation.contract import NEVER, UNPROVEN, Basis, Contract, Evidence, Measured, Threshold, contract_of, synthetic

DEMO = "DEMO"
DRIFT = "drift"  # the objection to a family that an alarm has stopped


def contract_in_force(conn: Connection, facility_id: str) -> Contract:
    """The facility's contract; none where it has none or where anything that was measured has changed since."""
    measured = stored(conn, facility_id) or (synthetic() if facility_id == DEMO else None)
    if measured is None or changed(measured):
        return UNPROVEN
    return _stopped(conn, facility_id, contract_of(measured, _targets(conn, facility_id)))


def _stopped(conn: Connection, facility_id: str, made: Contract) -> Contract:
    """The contract without the families that pipeline.drift has stopped."""
    own = (drift_alarm.c.facility_id == facility_id) & drift_alarm.c.reopened_at.is_(None)
    families = set(conn.scalars(select(drift_alarm.c.family).where(own)))
    stop = {"threshold": NEVER, "coverage": 0.0, "objection": DRIFT}
    rows = (row.model_copy(update=stop) if row.family in families else row for row in made.thresholds)
    return made.model_copy(update={"thresholds": tuple(rows)})


def stored(conn: Connection, facility_id: str) -> Measured | None:
    """The measurement behind the facility's latest contract, whether it still holds or not."""
    latest = select(func.max(table.c.valid_from)).where(table.c.facility_id == facility_id).scalar_subquery()
    rows = conn.execute(
        select(table).where(table.c.facility_id == facility_id, table.c.valid_from == latest)
        .order_by(table.c.family, table.c.target)
    ).mappings().all()  # fmt: skip
    if not rows:
        return None
    families = {row["family"]: Evidence.model_validate(row["evidence"]) for row in rows}
    first = rows[0]
    return Measured(
        basis=Basis(first["basis"]), fingerprint=first["fingerprint"], engine=first["engine"],
        families=tuple(families.values()),
    )  # fmt: skip


def keep(conn: Connection, facility_id: str, measured: Measured) -> Contract:
    """Store a measurement as the facility's contract from now on.

    SohoaError where generated pages would speak for a hospital's paper.
    """
    if measured.basis is Basis.SYNTHETIC and facility_id != DEMO:
        raise SohoaError(
            f"Thresholds learned on generated pages never accept a value of {facility_id}; measure its own paper first."
        )
    before = stored(conn, facility_id)
    made = contract_of(measured)
    if before is None or not _same(before, measured):
        evidence = {one.family: one.model_dump(mode="json") for one in measured.families}
        rows = [_row(facility_id, measured, row, evidence[row.family]) for row in made.thresholds]
        conn.execute(insert(table), rows)
    return made


def keep_synthetic(conn: Connection) -> None:
    """Give the demonstration facility the committed contract, once for each edition of it."""
    conn.execute(insert(facility).values(facility_id=DEMO, name="Demonstration").on_conflict_do_nothing())
    keep(conn, DEMO, synthetic())


def _same(one: Measured, other: Measured) -> bool:
    """The same but for the order of families."""
    first, second = ({e.family: e for e in each.families} for each in (one, other))
    return first == second and one.model_copy(update={"families": other.families}) == other


def _row(facility_id: str, measured: Measured, row: Threshold, evidence: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "facility_id": facility_id, "family": row.family, "target": row.target, "threshold": row.threshold,
        "coverage": row.coverage, "accepted": row.accepted, "wrong": row.wrong, "lower": row.lower,
        "objection": row.objection, "basis": measured.basis.value, "fingerprint": measured.fingerprint,
        "engine": measured.engine, "evidence": evidence,
    }  # fmt: skip


def changed(measured: Measured) -> list[str]:
    """The parts of software, models and forms that are not those that were measured."""
    fields = {field for family in measured.families for field in family.fields}
    then, now = _parts(measured.fingerprint), _parts(running_fingerprint(fields))
    return sorted(part for part in {*then, *now} if then.get(part) != now.get(part))


def _parts(fingerprint: str) -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in fingerprint.split())


def running_fingerprint(fields: Collection[str]) -> str:
    """'software=0.1.0 reader=… forms=…': whatever decides how sure a value of these fields ('form:field') is."""
    return " ".join(f"{part}={sign}" for part, sign in {**_readers(), "forms": _forms(fields)}.items())


@cache
def made_by(document_type: str) -> str:
    """What reads and understands a page of this type now; of a page without a type, any form's change is one."""
    types = document_types()
    own = [types[document_type]] if document_type in types else [types[name] for name in sorted(types)]
    forms = _short("\n".join(one.model_dump_json() for one in own))
    return " ".join(f"{part}={sign}" for part, sign in {**_readers(), "forms": forms}.items())


def running_engine() -> str:
    """The name with version that our line reader gives its readings."""
    return f"sohoa {_facts('reader.json')['version']}"


@cache
def _readers() -> dict[str, str]:
    from extractors.models import ASTERNET, DETECTOR, DIGITS, OWN

    return {
        "software": version("sohoa"), "reader": _short(str(_facts("reader.json")["sha256"])),
        "writing": _short(str(_facts("writing.json")["sha256"])),
        "language": _short(hashlib.sha256((OWN / "language.tsv.gz").read_bytes()).hexdigest()),
        "witnesses": _short(" ".join(model.sha256 for model in (ASTERNET, DIGITS, DETECTOR))),
        "confidence": _short(model_hash()),
    }  # fmt: skip


@cache
def _facts(name: str) -> dict[str, Any]:
    from extractors.models import OWN, facts_of

    return facts_of(OWN / name, lambda facts: facts)


def _forms(fields: Collection[str]) -> str:
    """Of what these fields hold by their YAML: a field that is gone is a change, a new one was simply not measured."""
    told, types = [], document_types()
    for name in sorted(fields):
        form, _, field = name.partition(":")
        spec = types[form].field(field) or types[form].column(field) if form in types else None
        told.append(f"{name} {spec.kind} {spec.lexicon}" if spec else f"{name} gone")
    return _short("\n".join(told))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _targets(conn: Connection, facility_id: str) -> dict[str, float]:
    """Targets that people have set by field; others have the default."""
    own = accuracy_target.c.facility_id == facility_id
    rows = conn.execute(select(accuracy_target.c.field, accuracy_target.c.target).where(own))
    return {row.field: row.target for row in rows}


def set_target(conn: Connection, facility_id: str, field: str, target: float, who: str) -> None:
    """What share of a field's accepted values has to be right from now on."""
    row = insert(accuracy_target).values(facility_id=facility_id, field=field, target=target, set_by=who)
    new = {"target": target, "set_by": who, "set_at": func.clock_timestamp()}
    conn.execute(row.on_conflict_do_update(index_elements=["facility_id", "field"], set_=new))
    audit.record(conn, who, "accuracy:target", f"field:{field}", {"facility": facility_id, "target": target})
