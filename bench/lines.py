"""Beside the product, bench.lines: values cut out by their true boxes, read line by line by our reader and by others.

Each reader works alone in a fresh process, on one thread and one line at a time. Case and punctuation count.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from rapidfuzz.distance import Levenshtein
from rich.table import Column, Table

from bench.pages import BenchPage
from bench.processes import line_reader_at_work
from bench.score import Interval, with_interval
from records.base import Frozen
from training.alphabet import tidy

if TYPE_CHECKING:
    from extractors.reader import Gray, LineReader
    from training.pages import Value

DECIMAL = re.compile(r"^\d+[.,]\d+$")
PRINT, DIGITS_AND_SIGNS = "all printed", "digits and signs"
SHAPES = {PRINT: re.compile(""), DIGITS_AND_SIGNS: re.compile(r"^[\d.,/:%\s-]+$")}
TOTALS = ("print all", "print decimal numbers", "hand all")
WIDTH, HEIGHT = 190, 32  # pixels of the line that all are timed on
WARM_UP, TIMED = 5, 60  # readings of that line
OURS, ASTER, TESSERACT, DIGITS = "sohoa", "asterocr", "Tesseract", "PP-OCRv6"
PAIRS = (
    (PRINT, OURS, ASTER),
    (PRINT, OURS, TESSERACT),
    (PRINT, ASTER, TESSERACT),
    (DIGITS_AND_SIGNS, OURS, DIGITS),
    (DIGITS_AND_SIGNS, ASTER, DIGITS),
)
Read = Callable[["Gray"], str]


class GroupScore(Frozen):
    """Values of one kind: how many were read exactly, and characters wrong per character shown."""

    exact: Interval
    character_error_rate: float


class Cost(Frozen):
    """What a reader takes. `cpu_ms`: median of all lines; `cpu_ms_190`: a line of 190 x 32 pixels; `model_mb`: files.

    `memory_mb`: resident after the last line, without NumPy and OpenCV, which all that work on images share.
    """

    cpu_ms: float
    cpu_ms_190: float
    lines_per_cpu_second: float
    memory_mb: float
    memory_with_libraries_mb: float
    model_mb: float


class LineScore(Frozen):
    """One column of the table."""

    reader: str
    groups: dict[str, GroupScore]
    cost: Cost


class Agreement(Frozen):
    """Two readers on the same values: `alike`, the share that both read as the same text; `right`, of these."""

    readers: tuple[str, str]
    values: str
    alike: Interval
    right: Interval


class LineBench(Frozen):
    """All that was measured on lines."""

    values: int
    lines: int
    readers: tuple[LineScore, ...]
    agreements: tuple[Agreement, ...]


def compare_lines(values: Sequence[Value], progress: Callable[[str], None]) -> LineBench:
    """Every line reader on the same values, one after the other; `progress` is told the reader after each value."""
    runs = {reader: run_lines(reader, values, progress) for reader in LINE_READERS}
    texts = {reader: read for reader, (read, _) in runs.items()}
    scores = [
        LineScore(reader=reader, groups=group_scores(values, runs[reader][0]), cost=runs[reader][1]) for reader in runs
    ]
    return LineBench(
        values=len(values),
        lines=sum(len(value.lines) for value in values),
        readers=tuple(scores),
        agreements=tuple(agreement(values, texts, *pair) for pair in PAIRS),
    )


def values_in(folder: Path | None, pages: Sequence[BenchPage]) -> Iterator[Value]:
    """The values of a folder with one truth.json, as training measures them; else those of the pages, cut alike."""
    from training.pages import values_of

    if folder and (folder / "truth.json").is_file():
        yield from values_of(folder)
    else:
        for page in pages:
            yield from _values_on(page)


def run_lines(reader: str, values: Sequence[Value], progress: Callable[[str], None]) -> tuple[list[str], Cost]:
    """The text of every value by one reader, the lines of a wrapped one joined by a space; and what it took."""
    answers, usual = [], usual_line(values)
    with line_reader_at_work(reader, LINE_READERS[reader]) as ask:
        timed = [ask([usual])[0][1] for _ in range(WARM_UP + TIMED)][WARM_UP:]
        for value in values:
            answers.append(ask(value.lines))
            progress(reader)
        memory, with_libraries = ask(None)
    spent = [seconds for answer in answers for _, seconds in answer]
    cost = Cost(
        cpu_ms=1000 * median(spent),
        cpu_ms_190=1000 * median(timed),
        lines_per_cpu_second=len(spent) / sum(spent),
        memory_mb=memory,
        memory_with_libraries_mb=with_libraries,
        model_mb=sum(file.stat().st_size for file in model_files(reader)) / 1_000_000,
    )
    return [tidy(" ".join(text for text, _ in answer)) for answer in answers], cost


def usual_line(values: Sequence[Value]) -> Gray:
    """The line whose shape is nearest to 190 x 32 pixels, scaled to them."""
    import cv2

    lines = (line for value in values for line in value.lines)
    nearest = min(lines, key=lambda line: abs(line.shape[1] / line.shape[0] - WIDTH / HEIGHT))
    return cv2.resize(nearest, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype("uint8", copy=False)


def group_scores(values: Sequence[Value], texts: Sequence[str]) -> dict[str, GroupScore]:
    """Print by quality, then the totals."""
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for value, read in zip(values, texts, strict=True):
        for name in _groups_of(value):
            groups[name].append((value.shown, read))
    names = [*sorted(groups.keys() - set(TOTALS)), *(name for name in TOTALS if name in groups)]
    return {name: _group_score(groups[name]) for name in names}


def agreement(values: Sequence[Value], texts: dict[str, list[str]], shape: str, one: str, other: str) -> Agreement:
    """Two readers on the printed values of a shape. That both read nothing is no agreement."""
    read = [
        (value.shown, ours, theirs)
        for value, ours, theirs in zip(values, texts[one], texts[other], strict=True)
        if value.writing == "print" and SHAPES[shape].match(value.shown)
    ]
    alike = [(shown, ours) for shown, ours, theirs in read if ours and ours == theirs]
    right = sum(shown == ours for shown, ours in alike)
    return Agreement(
        readers=(one, other),
        values=shape,
        alike=with_interval(len(alike), len(read)),
        right=with_interval(right, len(alike)),
    )


def lines_table(found: LineBench) -> Table:
    """One column a reader: shares read exactly, characters wrong, and what it takes."""
    title = f"{found.values} values, {found.lines} lines"
    table = Table("exact %", *(Column(one.reader, min_width=11) for one in found.readers), title=title)
    groups = {name: group.exact.of for name, group in found.readers[0].groups.items()}
    for name, count in groups.items():
        table.add_row(f"{name} ({count})", *(_percent(one.groups[name].exact) for one in found.readers))
    table.add_section()
    for name in groups:
        rates = (one.groups[name].character_error_rate for one in found.readers)
        table.add_row(f"CER %, {name}", *(f"{100 * rate:.2f}" for rate in rates))
    table.add_section()
    for title, cell in COSTS.items():
        table.add_row(title, *(cell(one.cost) for one in found.readers))
    return table


def agreement_table(found: LineBench) -> Table:
    """One row a pair of readers."""
    table = Table("both", "values", "alike %", "right of these %")
    for pair in found.agreements:
        table.add_row(
            " + ".join(pair.readers),
            f"{pair.values} ({pair.alike.of})",
            _percent(pair.alike),
            _percent(pair.right),
        )
    return table


COSTS: dict[str, Callable[[Cost], str]] = {
    "CPU ms, median line": lambda cost: f"{cost.cpu_ms:.1f}",
    f"CPU ms, {WIDTH} x {HEIGHT} px": lambda cost: f"{cost.cpu_ms_190:.1f}",
    "lines/CPU s": lambda cost: f"{cost.lines_per_cpu_second:.0f}",
    "memory MB": lambda cost: f"{cost.memory_mb:.0f}",
    "with NumPy, OpenCV MB": lambda cost: f"{cost.memory_with_libraries_mb:.0f}",
    "model MB": lambda cost: f"{cost.model_mb:.1f}",
}


def _percent(part: Interval) -> str:
    return f"{part.percent:.1f} ({100 * part.low:.1f}-{100 * part.high:.1f})" if part.of else "none"


def _groups_of(value: Value) -> Iterator[str]:
    yield f"{value.writing} all"
    if value.writing == "print":
        yield f"print {value.quality}"
        if DECIMAL.match(value.shown):
            yield "print decimal numbers"


def _group_score(pairs: Sequence[tuple[str, str]]) -> GroupScore:
    errors = sum(Levenshtein.distance(shown, read) for shown, read in pairs)
    return GroupScore(
        exact=with_interval(sum(shown == read for shown, read in pairs), len(pairs)),
        character_error_rate=errors / sum(len(shown) for shown, _ in pairs),
    )


def _values_on(page: BenchPage) -> Iterator[Value]:
    from training.pages import Value, line_crops

    fields = [(f.name, tidy(f.shown), [round(side) for side in f.box]) for f in page.truth.fields if f.box]
    usual = median(bottom - top for _, _, (_, top, _, bottom) in fields) if fields else 0
    image = _upright(page)
    for name, shown, box in fields:
        if shown and (crops := list(line_crops(image, {"box": box}, usual, len(shown)))):
            yield Value(crops, shown, page.truth.quality, page.truth.writing, f"{page.truth.file} {name}")


def _upright(page: BenchPage) -> Gray:
    import cv2
    import numpy as np

    from extractors.intake import decode_page, inspect
    from extractors.limits import Limits

    data, limits = page.path.read_bytes(), Limits()
    rgb, _ = decode_page(data, inspect(data, page.path.name, limits)[0], page.truth.page, limits)
    return np.ascontiguousarray(np.rot90(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), -page.truth.rotation // 90))


# The readers, each made in a process of its own: what it needs is imported there.


def _ours() -> Read:
    from extractors.reader import own_reader

    return _one_line(own_reader())


def _aster() -> Read:
    from extractors.reader import aster_reader

    return _one_line(aster_reader())


def _digits() -> Read:
    from extractors.reader import digit_reader

    return _one_line(digit_reader())


def _tesseract() -> Read:
    from extractors.ocr import TesseractReader
    from records.pages import Box

    reader = TesseractReader()
    return lambda crop: reader.read_crop(crop, Box(left=0, top=0, right=crop.shape[1], bottom=crop.shape[0]), 1)[0]


def _one_line(reader: LineReader) -> Read:
    return lambda crop: reader.read([crop])[0].text


LINE_READERS: dict[str, Callable[[], Read]] = {OURS: _ours, ASTER: _aster, TESSERACT: _tesseract, DIGITS: _digits}


def model_files(reader: str) -> list[Path]:
    """The files that hold what the reader learnt."""
    from extractors import models
    from extractors.ocr import tessdata

    return {
        OURS: [models.OWN / "reader.onnx"],
        ASTER: [models.BORROWED / models.ASTERNET.file],
        TESSERACT: [Path(tessdata()) / f"{language}.traineddata" for language in ("vie", "eng")],
        DIGITS: [models.BORROWED / models.DIGITS.file],
    }[reader]
