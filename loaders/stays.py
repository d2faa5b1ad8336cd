"""After stage 9, loaders.stays: everything that the EMR holds of one stay, for whatever is made of it."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from loaders.tables import OF_DOCUMENT, document_reference, encounter, patient, provenance
from records.errors import SohoaError

Row = dict[str, Any]


class Stay(NamedTuple):
    """One stay. `pages`: rows of document_reference in the order of the documents; `tables`: rows of the other tables
    by name, by document and place on it; `provenance`: of all these rows."""

    patient: Row
    encounter: Row
    pages: list[Row]
    tables: dict[str, list[Row]]
    provenance: list[Row]

    def of_document(self, table: str, document_id: str) -> list[Row]:
        """The rows of a table that one document wrote."""
        return [row for row in self.tables.get(table, ()) if row["document_id"] == document_id]

    @property
    def forms(self) -> dict[str, str]:
        """Id of each document -> its form."""
        return {page["document_id"]: page["type"] for page in self.pages}

    def documents_by(self, forms: Sequence[str]) -> list[str]:
        """Ids of the documents, those of these forms first and in their order."""
        rank = {form: at for at, form in enumerate(forms)}
        own = self.forms
        return sorted(self.documents, key=lambda document: rank.get(own[document], len(rank)))

    @property
    def documents(self) -> list[str]:
        """Ids of the documents in their order."""
        return list(dict.fromkeys(page["document_id"] for page in self.pages))


def stays_of(conn: Connection, batch_id: str) -> list[str]:
    """Keys of the stays of which a batch has pages, in order."""
    query = select(document_reference.c.encounter_id).where(document_reference.c.batch_id == batch_id).distinct()
    return list(conn.scalars(query.order_by(document_reference.c.encounter_id)))


def stay_of(conn: Connection, encounter_id: str) -> Stay:
    """All rows of a stay; SohoaError when the EMR does not hold it."""
    own = conn.execute(select(encounter).where(encounter.c.encounter_id == encounter_id)).mappings().one_or_none()
    if own is None:
        raise SohoaError(f"The EMR holds no stay '{encounter_id}'; see: sohoa trace ID")
    person = conn.execute(select(patient).where(patient.c.patient_id == own["patient_id"])).mappings().one()
    shown = document_reference.c
    in_order = (shown.document_id, shown.position)
    pages = select(document_reference).where(shown.encounter_id == encounter_id).order_by(*in_order)
    found = [dict(row) for row in conn.execute(pages).mappings()]
    tables = {
        name: [
            dict(row)
            for row in conn.execute(
                select(table)
                .where(table.c.encounter_id == encounter_id)
                .order_by(table.c.document_id, table.c.occurrence, table.c.row_id)
            ).mappings()
        ]
        for name, table in OF_DOCUMENT.items()
    }
    return Stay(dict(person), dict(own), found, tables, _sources(conn, {page["document_id"] for page in found}))


def _sources(conn: Connection, document_ids: Collection[str]) -> list[Row]:
    own = provenance.c.document_id.in_(sorted(document_ids))
    query = select(provenance).where(own).order_by(provenance.c.document_id, provenance.c.field)
    return [dict(row) for row in conn.execute(query).mappings()]
