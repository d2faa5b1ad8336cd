"""Before the fitting, bench.corpus: generated files with truth, read by the product's reader, each page once.

`python -m bench.corpus --part train --files 200` draws and reads what is not yet held in var/corpus (git-ignored); run
it at low priority. A line of a part's file is one page: its truth and its whole reading.
"""

import gzip
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import cv2
import typer

from bench.corpus_pages import PARTS, Drawn, file_pages
from bench.readers import PageJob, read_page
from bench.truth import TruthPage
from pipeline.settings import settings
from records.base import Frozen
from records.documents import PageReading


class CorpusPage(Frozen):
    """A page as drawn and as read. `file`: the invented patient file it belongs to; `face`: the type of its values."""

    part: str
    file: int
    face: str
    layout: str
    truth: TruthPage
    reading: PageReading


def corpus_folder() -> Path:
    """Where readings are kept."""
    return settings().home / "corpus"


def corpus(part: str) -> Iterator[CorpusPage]:
    """The pages held of a part, in the order of their files."""
    for path in sorted((corpus_folder() / part).glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            yield from map(CorpusPage.model_validate_json, lines)


def main(
    parts: Annotated[str, typer.Option("--parts", help="Comma between them: train,fit,proof")] = ",".join(PARTS),
    files: Annotated[int, typer.Option("--files", help="Up to this number of files of each part")] = 100,
    every: Annotated[int, typer.Option("--every", help="With several processes: how many")] = 1,
    offset: Annotated[int, typer.Option("--offset", help="Which of them, from 0")] = 0,
) -> None:
    """Draw and read the files that are not held yet."""
    cv2.setNumThreads(1)
    faces = corpus_folder() / "faces"
    faces.mkdir(parents=True, exist_ok=True)
    for number in range(offset, files, every):
        for part in parts.split(","):
            path = corpus_folder() / part / f"{number:05d}.jsonl.gz"
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                _hold(
                    path, [_read(part, number, page, at) for at, page in zip(count(), file_pages(part, number, faces))]
                )


def _read(part: str, number: int, drawn: Drawn, at: int) -> CorpusPage:
    name = f"{part}-{number:05d}-{at}.{drawn.suffix}"
    with TemporaryDirectory(prefix="sohoa-corpus-") as folder:
        path = Path(folder) / name
        path.write_bytes(drawn.data)
        reading = read_page(PageJob(path, 1, "neural"))
    truth: dict[str, Any] = {**drawn.truth, "file": name, "page": 1}
    return CorpusPage(
        part=part, file=number, face=truth["face"], layout=truth["layout"], truth=TruthPage.model_validate(truth),
        reading=reading,
    )  # fmt: skip


def _hold(path: Path, pages: list[CorpusPage]) -> None:
    """All pages of a file or none."""
    begun = path.with_suffix(".part")
    with gzip.open(begun, "wt", encoding="utf-8") as out:
        out.writelines(page.model_dump_json() + "\n" for page in pages)
    begun.replace(path)


if __name__ == "__main__":
    typer.run(main)
