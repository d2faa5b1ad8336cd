"""Stage 8, review.desk: the batches that their checks hold, with the values behind each failure, for a senior."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, select

from pipeline.releases import HELD, Failure, Release, last_release, noted
from pipeline.tables import batch, document, file
from records.base import Frozen
from records.document_types import DocumentType, document_types
from review.restricted import opened, restricted_by, said_in
from review.tables import waiting
from review.texts import say
from review.words import label_of, shown
from validation.batch_suite import rule_of
from validation.suites import FailedExpectation

LIMIT = 100  # values shown of one failure


class HeldBatch(Frozen):
    """A batch that its checks hold. `why`: a sentence per failure; `last`: the decision about it that counts."""

    batch_id: str
    why: tuple[str, ...]
    last: Release | None


class Row(NamedTuple):
    """One value behind a failure. `value`: None where this account must give a reason first; `open`: its document has
    open tasks."""

    document_id: str
    form: str
    label: str
    field: str
    value: str | None
    open: bool


class Told(NamedTuple):
    """A failed expectation in words. `more`: values that are not shown; `whole`: it is about a figure of the batch, and
    has no values."""

    sentence: str
    rows: tuple[Row, ...]
    more: int
    whole: bool


class _Document(NamedTuple):
    form: DocumentType
    label: str
    closed: bool
    open: bool


def held_batches(conn: Connection, language: str) -> list[HeldBatch]:
    """All of them, the oldest first."""
    query = select(batch.c.batch_id).where(batch.c.state == HELD).order_by(batch.c.created_at, batch.c.batch_id)
    return [
        HeldBatch(
            batch_id=name, why=tuple(sentence(one, language) for one in noted(conn, name)),
            last=last_release(conn, name),
        )
        for name in conn.scalars(query).all()
    ]  # fmt: skip


def told(conn: Connection, account_id: str, failures: Iterable[Failure], language: str) -> list[Told]:
    """Failures in the reader's language, with what this account may see of the values behind them."""
    found, documents = [], dict[str, _Document]()
    for one in failures:
        values = [b for b in one.breaches if b.document_id]
        shown_now = values[:LIMIT]
        missing = {b.document_id for b in shown_now} - documents.keys()
        documents |= _documents(conn, account_id, missing)
        rows = tuple(_row(b.document_id, b.field, b.value, documents, language) for b in shown_now)
        whole = len(values) < len(one.breaches)
        found.append(Told(sentence(one.expectation, language), rows, len(values) - len(rows), whole))
    return found


def sentence(asked: FailedExpectation, language: str) -> str:
    """What failed, in the reader's language."""
    if not asked.document_type:
        return rule_of(asked).sentence(language, asked.field)
    form = document_types()[asked.document_type]
    title = form.title.vi if language == "vi" else form.title.en
    return say(f"release.rule.{asked.rule}", language, form=title, field=_label(form, asked.field, language))


def _label(form: DocumentType, field: str, language: str) -> str:
    """A field, its row if it is in one, or a whole column: 'results.value' -> 'Kết quả'."""
    if form.spec(field):
        return label_of(form, field, language=language)
    column = form.column(field.replace(".", "[0].", 1))
    return (column.headings or column.labels or (field,))[0] if column else field


def _documents(conn: Connection, account_id: str, ids: Iterable[str]) -> dict[str, _Document]:
    query = (
        select(document.c.document_id, document.c.document_type, file.c.label, waiting.c.document_id.label("task"))
        .join(file, file.c.file_id == document.c.file_id)
        .outerjoin(waiting, (waiting.c.document_id == document.c.document_id) & ~waiting.c.held)
        .where(document.c.document_id.in_(sorted(ids)))
    )
    return {
        row.document_id: _Document(
            document_types()[row.document_type], row.label,
            _closed(conn, account_id, row.document_id, row.document_type), row.task is not None,
        )
        for row in conn.execute(query)
    }  # fmt: skip


def _closed(conn: Connection, account_id: str, document_id: str, kind: str) -> bool:
    """Whether a document is restricted and this account has not opened it."""
    return bool(restricted_by(kind, said_in(conn, document_id))) and not opened(conn, account_id, document_id)


def _row(document_id: str, field: str, value: str, documents: Mapping[str, _Document], language: str) -> Row:
    own = documents[document_id]
    spec = own.form.spec(field)
    return Row(
        document_id=document_id, form=own.form.title.vi if language == "vi" else own.form.title.en, label=own.label,
        field=_label(own.form, field, language), open=own.open,
        value=None if own.closed else shown(value, spec.kind) if spec and value else value,
    )  # fmt: skip
