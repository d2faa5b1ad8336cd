"""Stage 8, pipeline.facts: a file's doubtful facts become one question each, and its answer settles the file's others.

A fact of the file (name, numbers, days of the stay) stands on most of its forms. It is asked in the document that
shows it best; the tasks of the others wait in state `elsewhere`. Only documents whose every page is surely the file's
take part.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, select, update

from loaders.context import natural_key
from pipeline import ledger
from pipeline.documents import DECIDED, ELSEWHERE, OPEN, WAITING, store_document
from pipeline.field_policy import in_pilot
from pipeline.finished import open_left, ready_to_load
from pipeline.repeats import DIFFERENT, UNREAD, is_fact, is_placed, settled_by, with_values
from pipeline.tables import batch, document, file, issue, page, page_text, receipt, review_task
from records.document_types import document_types
from records.documents import Issue, JudgedValue, ValidatedDocument, Verdict
from records.states import PageState
from validation.verdicts import DIFFERS, EVIDENCE_RULE, contradict

DECIDED_IN = "decided"  # key of file.facts: field -> the document in which a person decided it


class Task(NamedTuple):
    """A question about a value. `begun`: somebody has entered it, and another person is asked."""

    state: str = ""
    reason: str = ""
    begun: bool = False


class Sheet(NamedTuple):
    """A document of a file. `tasks`: by field; `placed`: each of its pages is surely the file's; `restricted`: few may
    see it."""

    batch_id: str
    validated: ValidatedDocument
    tasks: Mapping[str, Task]
    placed: bool
    restricted: bool

    @property
    def document_id(self) -> str:
        return self.validated.document.document_id

    @property
    def facts(self) -> dict[str, JudgedValue]:
        """Its values that are facts of the file, by field; none when it does not take part."""
        kind = document_types()[self.validated.document.document_type]
        found = {v.value.field: v for v in self.validated.values if self.placed}
        return {field: judged for field, judged in found.items() if is_fact(kind, field)}

    @property
    def asked(self) -> list[str]:
        """Facts that wait for an answer, whichever document's it is."""
        kind = document_types()[self.validated.document.document_type]
        waiting = [field for field, task in self.tasks.items() if task.state in WAITING and task.reason != DIFFERENT]
        return [field for field in waiting if self.placed and is_fact(kind, field)]

    def rank(self, field: str, titled: Collection[str]) -> tuple[bool, bool, float]:
        """How well the field is asked here, higher is better. `titled`: pages with a form's title."""
        judged = self.facts.get(field)
        crop = (judged.value.reading.page_id in titled, judged.confidence) if judged else (False, -1.0)
        return (not self.restricted, *crop)


class Known(NamedTuple):
    """A fact that a person has decided. `document_id`: where, '' when two witnesses had settled it before."""

    value: str
    document_id: str


def lock_file(conn: Connection, document_id: str) -> None:
    """Lock the file of a document, before any document of it: a decision may settle values in the others."""
    lock_files(conn, document.c.document_id == document_id)


def lock_files(conn: Connection, whose: ColumnElement[bool]) -> None:
    """Lock the files of some documents, in one order for all who lock several. `whose`: of `document`."""
    own = select(document.c.file_id).where(whose)
    query = select(file.c.file_id).where(file.c.file_id.in_(own)).order_by(file.c.file_id)
    conn.execute(query.with_for_update(key_share=True))


def decided_facts(conn: Connection, file_id: str, page_ids: Collection[str]) -> dict[str, str]:
    """field -> what officers have decided of a file, in documents whose pages are all among these."""
    facts = conn.scalar(select(file.c.facts).where(file.c.file_id == file_id)) or {}
    told: dict[str, str] = facts.get(DECIDED_IN, {})
    query = select(document.c.document_id, document.c.page_ids).where(document.c.document_id.in_(told.values()))
    here = {document_id for document_id, pages in conn.execute(query) if set(pages) <= set(page_ids)}
    return {field: facts[field] for field, document_id in told.items() if document_id in here}


def settle_facts(conn: Connection, file_id: str) -> None:
    """Settle the doubtful facts of a file by what officers have decided in it, and ask each other one in one document.

    Documents in which nothing is asked any more go back to be loaded. In a pilot each fact is asked wherever it stands.
    """
    facts, sheets = _file(conn, file_id)
    known = _known(sheets, facts.get(DECIDED_IN, {}))
    _note(conn, file_id, facts, known)
    if sheets and in_pilot(conn, sheets[0].batch_id):
        return
    told, changed = {field: fact.value for field, fact in known.items()}, False
    for sheet in (s for s in sheets if s.placed):
        after = settled_by(sheet.validated, told)
        if after is not sheet.validated:
            stored, changed = store_document(conn, sheet.batch_id, after), True
            if not open_left(conn, sheet.document_id):
                ready_to_load(conn, sheet.batch_id, sheet.document_id, stored.revision)
    _ask_once(conn, _file(conn, file_id)[1] if changed else sheets)


def reopen_fact(conn: Connection, document_id: str, field: str) -> None:
    """A decision on a fact was taken back: what it settled in the file's other documents waits again, and is asked in
    this one."""
    file_id = conn.scalars(select(document.c.file_id).where(document.c.document_id == document_id)).one()
    facts, sheets = _file(conn, file_id)
    known = _known(sheets, facts.get(DECIDED_IN, {}))
    if field not in known:
        alone = facts.get(DECIDED_IN, {}).get(field) == document_id
        for sheet in (s for s in sheets if s.document_id != document_id):
            _reopen(conn, sheet, field, alone)
    _note(conn, file_id, facts, known)
    if not in_pilot(conn, sheets[0].batch_id):
        _ask_once(conn, _file(conn, file_id)[1], document_id)


def _file(conn: Connection, file_id: str) -> tuple[dict[str, Any], list[Sheet]]:
    """A file's facts and its documents in page order, all locked."""
    own = select(file.c.facts).where(file.c.file_id == file_id).with_for_update(key_share=True)
    facts: dict[str, Any] = conn.scalars(own).one()
    query = (
        select(document.c.document_id, document.c.batch_id, document.c.validated, document.c.restricted)
        .join(page, page.c.page_id == document.c.page_ids[0].astext)
        .join(receipt, receipt.c.receipt_id == page.c.receipt_id)
        .where(document.c.file_id == file_id)
        .order_by(receipt.c.path, page.c.number)
        .with_for_update(of=document)
    )
    rows = conn.execute(query).all()
    tasks: dict[str, dict[str, Task]] = {row.document_id: {} for row in rows}
    for task in conn.execute(select(review_task).where(review_task.c.document_id.in_(tasks))):
        tasks[task.document_id][task.field] = Task(task.state, task.reason, task.first_by != "")
    identity = facts.get("identity", {})
    sheets = []
    for row in rows:
        validated = ValidatedDocument.model_validate(row.validated)
        placed = is_placed(validated, identity)
        sheets.append(Sheet(row.batch_id, validated, tasks[row.document_id], placed, row.restricted))
    return facts, sheets


def _known(sheets: Sequence[Sheet], before: Mapping[str, str]) -> dict[str, Known]:
    """The facts that a person has decided: what two witnesses settled stands, then what became the file's first.

    `before`: field -> the document whose value it is now. A value that differs from its file is nobody else's.
    """
    machine: dict[str, str] = {}
    people: dict[str, dict[str, JudgedValue]] = {}
    for sheet in sheets:
        for field, judged in sheet.facts.items():
            task = sheet.tasks.get(field, Task())
            if judged.verdict is not Verdict.ACCEPT or not judged.value.value:
                continue
            if task.state != DECIDED:
                machine.setdefault(field, judged.value.value)
            elif task.reason != DIFFERENT:
                people.setdefault(field, {})[sheet.document_id] = judged
    known = {}
    for field, by_document in people.items():
        document_id = before.get(field, "")
        document_id = document_id if document_id in by_document else next(iter(by_document))
        own = by_document[document_id].value
        if field not in machine:
            known[field] = Known(own.value, document_id)
        elif not contradict(own.value, machine[field], own.kind):
            known[field] = Known(machine[field], "")
    return known


def _note(conn: Connection, file_id: str, facts: Mapping[str, Any], known: Mapping[str, Known]) -> None:
    """Write what people decided among the file's facts, where it had none; its keys follow."""
    before = facts.get(DECIDED_IN, {})
    own = {field: fact for field, fact in facts.items() if field != DECIDED_IN and field not in before}
    new = {field: fact for field, fact in known.items() if fact.document_id and field not in own}
    now = own | {field: fact.value for field, fact in new.items()}
    now |= {DECIDED_IN: {field: fact.document_id for field, fact in new.items()}} if new else {}
    if now == facts:
        return
    of_batch = select(batch.c.facility_id).join(file, file.c.batch_id == batch.c.batch_id)
    facility = conn.scalars(of_batch.where(file.c.file_id == file_id)).one()
    keys = {
        "patient_key": natural_key(facility, file_id, now.get("patient.id", "")),
        "encounter_key": natural_key(facility, file_id, now.get("encounter.number", "")),
    }
    conn.execute(update(file).where(file.c.file_id == file_id).values(facts=now, **keys))


def _ask_once(conn: Connection, sheets: Sequence[Sheet], first: str = "") -> None:
    """Of the tasks on one fact leave that open which has the best crop: on a titled form, read most surely; before all,
    where an officer has begun, and where everybody may see it. Those that differ from what the file says are asked
    where they stand. `first`: the document to ask in, if it has the task and nobody has begun in another."""
    titled = _titled(conn, [page_id for sheet in sheets for page_id in sheet.validated.document.page_ids])
    asked: dict[str, list[Sheet]] = {}
    for sheet in sheets:
        for field in sheet.asked:
            asked.setdefault(field, []).append(sheet)
    others = set()
    for field, those in asked.items():
        best = max(those, key=lambda s: (s.tasks[field].begun, s.document_id == first, s.rank(field, titled)))
        others |= {(s.document_id, field) for s in those if s is not best}
    for sheet in sheets:
        for field, task in sheet.tasks.items():
            wanted = ELSEWHERE if (sheet.document_id, field) in others else OPEN
            if task.state in WAITING and task.state != wanted:
                own = (review_task.c.document_id == sheet.document_id) & (review_task.c.field == field)
                conn.execute(update(review_task).where(own).values(state=wanted))


def _titled(conn: Connection, page_ids: Sequence[str]) -> set[str]:
    query = select(page_text.c.page_id).where(page_text.c.page_id.in_(set(page_ids)), page_text.c.title)
    return set(conn.scalars(query))


def _reopen(conn: Connection, sheet: Sheet, field: str, alone: bool) -> None:
    """Let a value wait again that a decision elsewhere settled. `alone`: nothing but that decision told the fact, so
    that it settled every repeat; else only those about which there was a task."""
    judged = sheet.facts.get(field)
    task = sheet.tasks.get(field, Task())
    if judged is None or task.state == DECIDED or not (alone or task.state):
        return
    if judged.rule not in (EVIDENCE_RULE, UNREAD) and not (alone and judged.rule == DIFFERENT):
        return
    issues = _noted(conn, sheet.document_id, field)
    rule = _doubt(judged, issues, task.reason)
    doubt = judged.model_copy(update={"verdict": Verdict.REVIEW, "rule": rule, "reasons": (), "blockers": (rule,)})
    again = [] if judged.value.reading.method == UNREAD else [doubt]
    values = [*(v for v in sheet.validated.values if v is not judged), *again]
    others = [i for i in sheet.validated.issues if i.field != field]
    store_document(conn, sheet.batch_id, with_values(sheet.validated, values, [*others, *issues]))
    for page_id in sheet.validated.document.page_ids:
        ledger.move(conn, page_id, PageState.LOADED, PageState.IN_REVIEW)


def _noted(conn: Connection, document_id: str, field: str) -> list[Issue]:
    """What the checks found on a value when its document was put together."""
    own = (issue.c.document_id == document_id) & (issue.c.field == field) & (issue.c.check_name != DIFFERS)
    query = select(issue.c.check_name, issue.c.message).where(own).order_by(issue.c.issue_id)
    return [Issue(check=row.check_name, field=field, message=row.message) for row in conn.execute(query)]


def _doubt(judged: JudgedValue, issues: Sequence[Issue], reason: str) -> str:
    """The rule by which a value was in doubt before it was settled."""
    if judged.value.problem or not judged.value.value:
        return "problem"
    if issues:
        return f"check:{issues[0].check}"
    return reason if reason and not reason.startswith("check:") else "no_witness"
