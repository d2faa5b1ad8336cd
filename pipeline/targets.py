"""Before stage 0, pipeline.targets: named deadlines with their legal basis, and the director's decisions."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects.postgresql import insert

from pipeline.scope import ScopeRule
from pipeline.tables import decision, target
from records.base import Frozen
from records.errors import SohoaError

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Target(Frozen):
    """A named deadline. `scope`: which records it covers, as the decision words it; `scope_rule`: as the registry
    is asked for them."""

    target_id: str
    name: str
    legal_basis: str
    scope: str
    deadline: date
    scope_rule: ScopeRule = ScopeRule()


class Decision(Frozen):
    """The director's decision to convert paper records; `number` as printed on it; `target_id`: what it orders."""

    decision_id: str
    number: str
    signed_on: date
    scope: str
    target_id: str | None = None


def add_target(conn: Connection, added: Target) -> bool:
    """Write a target once; False when it was there already, SohoaError when another one has its id."""
    values = added.model_dump() | {"scope_rule": added.scope_rule.model_dump(mode="json")}
    return _add(conn, target, "target_id", values)


def list_targets(conn: Connection) -> list[Target]:
    """All targets, the nearest deadline first."""
    rows = conn.execute(select(target).order_by(target.c.deadline, target.c.target_id)).mappings()
    return [Target(**{name: row[name] for name in Target.model_fields}) for row in rows]


def find_target(conn: Connection, target_id: str) -> Target:
    """One target; SohoaError when there is none of that id."""
    found = next((t for t in list_targets(conn) if t.target_id == target_id), None)
    if found is None:
        raise SohoaError(f"There is no target '{target_id}'; list them with: sohoa target list")
    return found


def add_decision(conn: Connection, added: Decision) -> bool:
    """Write a decision once; False when it was there already, SohoaError when another one has its id."""
    return _add(conn, decision, "decision_id", added.model_dump())


def decision_for(conn: Connection, target_id: str) -> Decision:
    """The newest decision that orders a target's conversion; SohoaError when none is registered (TT 13/2025/TT-BYT,
    article 5.2: the head of the facility decides)."""
    found = next((one for one in list_decisions(conn) if one.target_id == target_id), None)
    if found is None:
        raise SohoaError(
            f"No decision of the director orders the conversion for target '{target_id}'; register it with: sohoa "
            f"decision add ID --number ... --signed-on ... --target {target_id}"
        )
    return found


def list_decisions(conn: Connection) -> list[Decision]:
    """All decisions, the newest first."""
    rows = conn.execute(select(decision).order_by(decision.c.signed_on.desc(), decision.c.decision_id)).mappings()
    return [Decision(**{name: row[name] for name in Decision.model_fields}) for row in rows]


def _add(conn: Connection, table: Table, key: str, values: Mapping[str, Any]) -> bool:
    if not ID.fullmatch(values[key]):
        raise SohoaError(f"'{values[key]}' cannot be a {key}; use letters, digits, dots and hyphens, at most 64.")
    statement = insert(table).values(dict(values)).on_conflict_do_nothing(index_elements=[key])
    if conn.execute(statement.returning(table.c[key])).first():
        return True
    standing = conn.execute(select(table).where(table.c[key] == values[key])).mappings().one()
    if any(standing[name] != value for name, value in values.items()):
        raise SohoaError(f"{table.name} '{values[key]}' exists with other particulars; choose another id.")
    return False
