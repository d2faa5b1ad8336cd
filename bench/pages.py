"""Before the readers, bench.pages: which pages are read, and the truth about them."""

from collections.abc import Sequence
from pathlib import Path

from bench.truth import TruthPage, read_truth
from records.base import Frozen
from records.errors import SohoaError

SAMPLES = Path(__file__).resolve().parents[1] / "sample_scans"
DEFAULT = ("forms", "files")


class BenchPage(Frozen):
    """A page to read: `path` of its file, and what is true of it."""

    path: Path
    truth: TruthPage


def sample_pages(parts: Sequence[str] = DEFAULT) -> list[BenchPage]:
    """The pages of parts of sample_scans: forms and files, unless told otherwise."""
    truths = [path for part in parts for path in sorted((SAMPLES / part).glob("*.truth.json"))]
    return _there(SAMPLES, [page for path in truths for page in read_truth(path)])


def folder_pages(folder: Path, truth: Path | None) -> list[BenchPage]:
    """The pages of a folder that one truth file, or the truth files beside them, tell about."""
    if not folder.is_dir():
        raise SohoaError(f"{folder} is not a folder; give the folder that holds the scans.")
    files = [truth] if truth else sorted(folder.rglob("*.truth.json")) or [folder / "truth.json"]
    if not all(path.is_file() for path in files):
        raise SohoaError(f"There is no truth about the pages of {folder}; name its file with --truth FILE.")
    base = folder if truth or files == [folder / "truth.json"] else _base(folder, files)
    return _there(base, [page for path in files for page in read_truth(path)])


def readable(pages: Sequence[BenchPage]) -> list[BenchPage]:
    """Those with something to read; SohoaError when there is none."""
    found = [page for page in pages if page.truth.fields and not page.truth.fault]
    if not found:
        raise SohoaError("Truth tells of no value on any of these pages; see sample_scans/README.md for its shape.")
    return found


def spread(pages: Sequence[BenchPage], wanted: int) -> list[BenchPage]:
    """About `wanted` pages at even steps through them sorted by writing, quality and type: each in its proportion."""
    if wanted <= 0 or wanted >= len(pages):
        return list(pages)
    mixed = sorted(pages, key=lambda p: (p.truth.writing, p.truth.quality, p.truth.document_type, p.truth.file))
    return [mixed[i * len(mixed) // wanted] for i in range(wanted)]


def _base(folder: Path, truths: Sequence[Path]) -> Path:
    """The folder that the truth's paths start from: sample_scans for sample_scans/forms."""
    first = read_truth(truths[0])[0]
    return next((base for base in (folder, *folder.parents) if (base / first.file).is_file()), folder)


def _there(base: Path, truths: Sequence[TruthPage]) -> list[BenchPage]:
    """The pages whose file is there; SohoaError when there is none."""
    found = [BenchPage(path=base / truth.file, truth=truth) for truth in truths if truth.page]
    found = [page for page in found if page.path.is_file()]
    if not found:
        raise SohoaError(f"No page of {base} is both there and in the truth; see sample_scans/README.md for the shape.")
    return found
