"""Before fitting and proof, bench.judged: corpus pages become their values, each with what is true of it.

Twice: each page as a file of its own, where nothing witnesses, and together with the other pages of its file.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from bench.corpus import CorpusPage
from bench.score import compared_fields
from bench.truth import ReadField, ReadPage
from pipeline.assembly import assemble_file
from pipeline.grouping import FilePage
from pipeline.settings import settings
from records.document_types import document_types
from records.documents import JudgedValue, ValidatedDocument
from validation.contract import Basis, Contract, Threshold
from validation.features import FAMILIES

# Lets pass all that nothing but its probability holds back: what thresholds are learned and judged on.
OPEN = Contract(
    basis=Basis.SYNTHETIC,
    thresholds=tuple(
        Threshold(family=family, target=1.0, threshold=0.0, coverage=1.0, accepted=0, wrong=0, lower=0.0, objection="")
        for family in FAMILIES
    ),
)


class Truthful(NamedTuple):
    """A value of a page as it was judged, and whether it is right; `required` ones of its form are in `page`."""

    page: CorpusPage
    form: str
    judged: JudgedValue
    right: bool

    @property
    def where(self) -> str:
        return f"{self.page.truth.writing}/{self.page.truth.quality}"


def alone(pages: Iterable[CorpusPage], contract: Contract = OPEN) -> Iterator[Truthful]:
    """Values of pages, each a file of its own."""
    for page in pages:
        yield from _judged([page], contract)


def together(pages: Iterable[CorpusPage], contract: Contract = OPEN) -> Iterator[Truthful]:
    """Values of whole files, whose pages witness for one another."""
    for _, found in groupby(pages, key=lambda p: (p.part, p.file)):
        yield from _judged(list(found), contract)


def _judged(pages: Sequence[CorpusPage], contract: Contract) -> Iterator[Truthful]:
    types, icd10 = document_types(), settings().home / "codes" / "icd10.csv"
    of_page = {p.reading.image.page_id: p for p in pages if p.reading.document_type in types}
    given = [FilePage(page_id=i, reading=p.reading) for i, p in of_page.items()]
    found = assemble_file("file", given, types, {}, icd10 if icd10.exists() else None, contract)
    for document in found.documents:
        for page_id in document.document.page_ids:
            yield from _true(of_page[page_id], document)


def _true(page: CorpusPage, document: ValidatedDocument) -> Iterator[Truthful]:
    page_id = page.reading.image.page_id
    there = {j.value.field: j for j in document.values if j.value.reading.page_id == page_id and j.value.value}
    read = ReadPage(
        file=page.truth.file, page=1, fields=tuple(ReadField(name=f, value=j.value.value) for f, j in there.items())
    )
    for pair in compared_fields(page.truth, read):
        if pair.read is not None and pair.was_read:
            yield Truthful(page, document.document.document_type, there[pair.read.name], pair.right)
