"""Before stage 7, pipeline.field_policy: which fields a target has asked of a person, and which of two.

A row's target, document type and field may be '' for every one. Of the rows that fit a field the one that says most
counts, whole: a row of the target before one of every target, then a row of the field before one of every field, then a
row of the document type. So one row of a one-officer hospital's target turns the second person off in it. Where no row
fits, the field is asked, of one person.
"""

import re
from collections.abc import Collection, Iterable
from enum import StrEnum

from sqlalchemy import Connection, Select, delete, select
from sqlalchemy.dialects.postgresql import insert as upsert

from pipeline import audit
from pipeline.tables import batch, field_policy, pilot
from pipeline.targets import find_target
from records.base import Frozen
from records.document_types import DocumentType, document_types
from records.errors import SohoaError

ROW = re.compile(r"\[\d*\]")


class Ask(StrEnum):
    """Whether a doubtful value of a field becomes a person's task. `cheap`: while another field of its document is
    asked, for then she has the page before her. `never`: it stays as read and is not loaded."""

    ASK = "ask"
    CHEAP = "cheap"
    NEVER = "never"


class FieldPolicy(Frozen):
    """One row. `field`: as in the form, columns of a table as `results[].value`; `second`: two persons enter it, each
    without the other's entry, unless a witness confirms it."""

    target_id: str = ""
    document_type: str = ""
    field: str = ""
    ask: Ask = Ask.ASK
    second: bool = False

    @property
    def place(self) -> tuple[str, str, str]:
        return self.target_id, self.document_type, self.field


def policy_of(rows: Iterable[FieldPolicy], target_id: str, document_type: str, field: str) -> FieldPolicy:
    """The row that counts for a field; `field` may be that of one row, as `results[3].value`."""
    asked = (target_id, document_type, ROW.sub("[]", field))
    fitting = [r for r in rows if all(own in ("", wanted) for own, wanted in zip(r.place, asked, strict=True))]
    return max(fitting, key=_says, default=FieldPolicy())


def _says(row: FieldPolicy) -> tuple[bool, bool, bool]:
    return row.target_id != "", row.field != "", row.document_type != ""


class Policy(Frozen):
    """What counts for the fields of a batch's documents. `blind`: whoever makes a first entry sees no value either."""

    target_id: str
    rows: tuple[FieldPolicy, ...]
    blind: bool = False

    def of(self, document_type: str, field: str) -> FieldPolicy:
        """The row that counts for a field of a document type."""
        return policy_of(self.rows, self.target_id, document_type, field)

    def asked(self, document_type: str, doubtful: Iterable[str], begun: Collection[str] = ()) -> frozenset[str]:
        """Which of a document's doubtful fields are asked. `begun`: have an entry that waits for another person; a
        cheap one of them is asked on, lest the entry be lost."""
        ask = {field: self.of(document_type, field).ask for field in doubtful}
        there = Ask.ASK in ask.values()
        cheap = {field for field, how in ask.items() if how is Ask.CHEAP and (there or field in begun)}
        return frozenset(cheap | {field for field, how in ask.items() if how is Ask.ASK})


def policy_for(conn: Connection, batch_id: str) -> Policy:
    """The policy of a batch: its target's rows and those of every target; in a pilot two persons key every field."""
    own = select(batch.c.target_id, _pilots(batch_id).exists()).where(batch.c.batch_id == batch_id)
    target, piloted = conn.execute(own).one_or_none() or (None, False)
    target_id = target or ""
    if piloted:
        return Policy(target_id=target_id, rows=(FieldPolicy(second=True),), blind=True)
    rows = conn.execute(select(field_policy).where(field_policy.c.target_id.in_({"", target_id}))).mappings()
    return Policy(target_id=target_id, rows=tuple(FieldPolicy.model_validate(dict(row)) for row in rows))


def in_pilot(conn: Connection, batch_id: str) -> bool:
    """Whether the batch is one of a pilot that goes on (pipeline.pilot)."""
    return conn.scalar(_pilots(batch_id)) is not None


def _pilots(batch_id: str) -> Select[tuple[str]]:
    return select(pilot.c.batch_id).where(pilot.c.batch_id == batch_id, pilot.c.ended_at.is_(None))


def listed(conn: Connection) -> list[FieldPolicy]:
    """All rows, those of every target first."""
    order = (field_policy.c.target_id, field_policy.c.document_type, field_policy.c.field)
    return [FieldPolicy.model_validate(dict(r)) for r in conn.execute(select(field_policy).order_by(*order)).mappings()]


def put(conn: Connection, row: FieldPolicy, by: str) -> None:
    """Write a row in place of the one of the same target, type and field; SohoaError for what does not exist."""
    row = row.model_copy(update={"field": ROW.sub("[]", row.field)})
    _check(conn, row)
    values = row.model_dump(mode="json")
    new = {"ask": values["ask"], "second": values["second"]}
    keys = ["target_id", "document_type", "field"]
    conn.execute(upsert(field_policy).values(values).on_conflict_do_update(index_elements=keys, set_=new))
    audit.record(conn, by, "policy:set", f"policy:{'|'.join(row.place)}", new)


def remove(conn: Connection, target_id: str, document_type: str, field: str, by: str) -> None:
    """Take a row out; SohoaError when there is none."""
    place = (target_id, document_type, ROW.sub("[]", field))
    names = (field_policy.c.target_id, field_policy.c.document_type, field_policy.c.field)
    own = [name == value for name, value in zip(names, place, strict=True)]
    if not conn.execute(delete(field_policy).where(*own)).rowcount:
        raise SohoaError("There is no such policy; list them with: sohoa policy list")
    audit.record(conn, by, "policy:remove", f"policy:{'|'.join(place)}")


def _check(conn: Connection, row: FieldPolicy) -> None:
    types = document_types()
    if row.target_id:
        find_target(conn, row.target_id)
    if row.document_type and row.document_type not in types:
        raise SohoaError(f"There is no form '{row.document_type}'; list them with: sohoa document-type list")
    forms = [types[row.document_type]] if row.document_type else list(types.values())
    if row.field and not any(_has(form, row.field) for form in forms):
        where = f"The form '{row.document_type}' has" if row.document_type else "No form has"
        no = " no" if row.document_type else " a"
        raise SohoaError(f"{where}{no} field '{row.field}'; columns of a table are written results[].value.")


def _has(form: DocumentType, field: str) -> bool:
    return form.spec(field) is not None
