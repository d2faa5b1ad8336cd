"""After stage 9, pipeline.patients: who may be one person, and an officer's merge of two patients and its undoing."""

from sqlalchemy import Connection, Row

from loaders import persons
from loaders.context import is_provisional
from pipeline import audit
from records.errors import EmrConflict, SohoaError
from transformers.candidates import Candidate, comparisons, contradictions, merge_candidates


def candidates(conn: Connection, facility: str) -> list[Candidate]:
    """Pairs of the facility's patients in the EMR that may be one person; nothing is merged."""
    return merge_candidates(persons.people(conn, facility))


def merge(
    conn: Connection, patient_id: str, into_id: str, officer: str, reason: str, despite: bool = False
) -> tuple[str, ...]:
    """Enter that a patient is the same person as another; fields that they have unlike.

    SohoaError when one of them is not in the EMR, or they contradict each other and the officer did not say `despite`.
    """
    _refuse_unsigned(officer, reason)
    if patient_id == into_id or patient_id.split("|")[0] != into_id.split("|")[0]:
        raise SohoaError("Give two different patients of one facility, as in: sohoa patient merge A INTO B")
    if is_provisional(into_id) and not is_provisional(patient_id):
        raise SohoaError(f"Patient {into_id} has no number of its own; merge it into {patient_id} instead.")
    told = comparisons(_known(conn, patient_id), _known(conn, into_id))
    if contradictions(told) and not despite:
        raise EmrConflict(
            f"The two patients differ in {', '.join(contradictions(told))}; compare their files, and repeat the merge"
            " with --despite-differences only where one of them is wrong."
        )
    number = persons.link(conn, patient_id, into_id, officer, reason)
    unlike = tuple(field for field, verdict in told.items() if verdict < 0)
    detail = {"into": into_id, "link": number, "unlike": list(unlike)}
    audit.record(conn, officer, "patient:merge", f"patient:{patient_id}", detail)
    return unlike


def unmerge(conn: Connection, patient_id: str, officer: str, reason: str) -> None:
    """Undo a merge: the patient stands for itself again, with all its rows; SohoaError when it is not merged."""
    _refuse_unsigned(officer, reason)
    number = persons.unlink(conn, patient_id, officer, reason)
    audit.record(conn, officer, "patient:unmerge", f"patient:{patient_id}", {"link": number})


def history(conn: Connection, patient_id: str) -> list[Row[tuple[str, ...]]]:
    """Every merge that the patient was ever part of, the oldest first."""
    return persons.links_of(conn, patient_id)


def _known(conn: Connection, patient_id: str) -> dict[str, str]:
    found = persons.person(conn, patient_id)
    if found is None:
        raise SohoaError(f"The EMR holds no patient {patient_id}; list pairs with: sohoa patient candidates")
    return found


def _refuse_unsigned(officer: str, reason: str) -> None:
    if not officer.strip() or not reason.strip():
        raise SohoaError("A merge and its undoing need who decided (--by) and why (--reason).")
