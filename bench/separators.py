"""Beside the product, bench.separators: are printed separators read however poorly they are scanned, and only those?"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from bench.drawn import printed
from bench.pages import BenchPage
from extractors.intake import Limits, decode_page, inspect
from extractors.separators import SeparatorLook, look_for_separator
from records.base import Frozen
from records.errors import UnreadableScan
from records.separators import Separator

SHEETS, ORDINARY = 60, 100
SKEW = 3.0  # degrees, to the left and to the right in turn
BLUR = 1.2  # pixels, standard deviation
GRAIN = 6.0  # grey levels, standard deviation
JPEG_QUALITY = 50
BOXES = ("T03", "KHO-07", "KHO-2019-TU07", "Hộp 12", "B/2 *4*")
SQUARES_FROM, BARS_TO = 1150, 320  # pixels: the QR codes stand right of the first, the bars left of the second

Gray = NDArray[np.uint8]


class LookBench(Frozen):
    """What was seen on pages of one kind. `right`: read as what they are; `wrong`: as another sheet than they are.

    `doubted`: left to an officer. CPU seconds of the look alone, one thread.
    """

    name: str
    pages: int
    right: int
    wrong: int
    doubted: int
    mean_seconds: float
    longest_seconds: float


def measure_separators(
    found: Sequence[BenchPage], folder: Path, progress: Callable[[], None] = lambda: None
) -> list[LookBench]:
    """60 printed and degraded sheets: whole, without their QR codes, without their bars; then 100 ordinary pages."""
    separators = some_separators(SHEETS)
    codes = [separator.code() for separator in separators]
    scans = [degraded(sheet, i) for i, sheet in enumerate(printed(separators, folder))]
    kinds = {"separators": scans, "their QR codes torn off": map(_bars_only, scans),
             "their bars torn off": map(_squares_only, scans)}  # fmt: skip
    rows = [_looks(name, pages, codes, progress) for name, pages in kinds.items()]
    return [*rows, _looks("ordinary pages", ordinary(found), [""] * ORDINARY, progress)]


def steps() -> int:
    """How often `progress` is told."""
    return 3 * SHEETS + ORDINARY


def some_separators(count: int) -> list[Separator]:
    """Sheets of several boxes, with and without admission number and count of sheets."""
    return [
        Separator(
            box=BOXES[i % len(BOXES)],
            file_number=i + 1,
            encounter_number=f"{10 + i % 15}.{(i * 7919) % 1_000_000:06d}" if i % 4 else "",
            sheets=35 + i if i % 3 else 0,
        )
        for i in range(count)
    ]


def degraded(gray: Gray, seed: int, upside_down: bool = True) -> Gray:
    """The page askew, blurred, grainy, saved as a JPEG of quality 50, upside down."""
    height, width = gray.shape
    skew = cv2.getRotationMatrix2D((width / 2, height / 2), SKEW * (-1) ** seed, 1)
    askew = cv2.warpAffine(gray, skew, (width, height), flags=cv2.INTER_LINEAR, borderValue=(255,))
    grain = np.random.default_rng(seed).normal(-10, GRAIN, askew.shape)
    seen = np.clip(cv2.GaussianBlur(askew, (0, 0), BLUR) + grain, 0, 255).astype(np.uint8)
    packed = cv2.imencode(".jpg", seen, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    page = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)
    return np.ascontiguousarray(page[::-1, ::-1]) if upside_down else page


def ordinary(found: Sequence[BenchPage]) -> Iterator[NDArray[np.uint8]]:
    """100 pages without a separator: each as it was scanned, then degraded, in both directions, until there are 100."""
    told = 0
    for turn in range(ORDINARY):
        for page in found:
            pixels = _pixels(page)
            if told == ORDINARY:
                return
            if pixels is not None:
                told += 1
                yield pixels if not turn else degraded(pixels[:, :, 0], turn, bool(turn % 2))


def separators_table(rows: Sequence[LookBench]) -> Table:
    """One row a kind of page."""
    table = Table("", "pages", "right", "wrong", "to an officer", "CPU s/page", "longest", title="Separators")
    for row in rows:
        seconds = (f"{row.mean_seconds:.3f}", f"{row.longest_seconds:.3f}")
        table.add_row(row.name, *map(str, (row.pages, row.right, row.wrong, row.doubted)), *seconds)
    return table


def _looks(
    name: str, pages: Iterable[NDArray[np.uint8]], wanted: Sequence[str], progress: Callable[[], None]
) -> LookBench:
    looks: list[tuple[SeparatorLook, float]] = []
    for page in pages:
        rgb = page if page.ndim == 3 else cv2.cvtColor(page, cv2.COLOR_GRAY2RGB)
        started = time.process_time()
        look = look_for_separator(rgb)
        looks.append((look, time.process_time() - started))
        progress()
    pairs = [(look, code) for (look, _), code in zip(looks, wanted, strict=False)]
    seconds = [spent for _, spent in looks]
    return LookBench(
        name=name, pages=len(looks), right=sum(look == SeparatorLook(code=code) for look, code in pairs),
        wrong=sum(look.code not in ("", code) for look, code in pairs),
        doubted=sum(bool(look.doubt) for look, _ in pairs),
        mean_seconds=float(np.mean(seconds)), longest_seconds=max(seconds),
    )  # fmt: skip


def _pixels(page: BenchPage) -> NDArray[np.uint8] | None:
    """RGB bytes, or None where the page cannot be opened."""
    data, limits = page.path.read_bytes(), Limits()
    try:
        media_type, _ = inspect(data, page.path.name, limits)
        return decode_page(data, media_type, page.truth.page, limits)[0]
    except UnreadableScan:
        return None


def _bars_only(sheet: Gray) -> Gray:
    """An upside-down sheet without its QR codes."""
    torn = sheet.copy()
    torn[:, : sheet.shape[1] - SQUARES_FROM] = 255
    return torn


def _squares_only(sheet: Gray) -> Gray:
    """The same without its bars."""
    torn = sheet.copy()
    torn[:, -BARS_TO:] = 255
    return torn
