"""Training, evaluate: how many lines an exported reader reads exactly, by quality and kind of writing.

Generated lines are in faces that training never saw; pages are cut by their true boxes. Case and punctuation count.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections import defaultdict
from collections.abc import Iterable
from math import prod
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from extractors.models import FACTS
from extractors.reader import HEIGHT, Gray, LineReader, own_reader
from training.fonts import load_faces
from training.intervals import interval
from training.lines import QUALITIES, Generator
from training.pages import values_of
from training.texts import load_sources

DECIMAL = re.compile(r"^\d+[.,]\d+$")
RESULT = "evaluation.json"
BINS = 12  # of the calibration
Reading = tuple[str, str, str, str, float]  # group, truth, read, place, product of the characters' probabilities
log = logging.getLogger("training")


def evaluate(folder: Path, pages: Path | None, lines: int) -> dict[str, Any]:
    """Measure `folder`/reader.onnx; print the table and keep it in evaluation.json beside the model."""
    reader = own_reader(folder)
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    path = folder / RESULT
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    result: dict[str, Any] = earlier if earlier.get("version") == facts["version"] else {"version": facts["version"]}
    drawn = list(generated(reader, lines))
    result["generated"] = table(drawn)
    facts["calibration"] = calibration([(sure, truth == read) for _, truth, read, _, sure in drawn])
    (folder / FACTS).write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    if pages:
        readings = list(from_pages(reader, pages))
        result["pages"] = table(readings)
        wrong = [
            {"place": place, "shown": truth, "read": read} for _, truth, read, place, _ in readings if truth != read
        ]
        (folder / "errors.json").write_text(json.dumps(wrong, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    result["speed"] = speed(reader)
    path.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    print(as_text(result))
    return result


def generated(reader: LineReader, lines: int) -> Iterable[Reading]:
    """So many lines per quality for printed and for handwriting-like faces, all held out of training."""
    generator = Generator(load_sources(), [face for face in load_faces() if face.held_out])
    for kind, share in (("print", 0.0), ("hand", 1.0)):
        for quality in QUALITIES:
            generator.qualities = (quality,)
            for i in range(lines):
                sample = generator.line(f"measure/{kind}/{quality}/{i}", hand_share=share)
                read, sure = _read(reader, [sample.crop])
                yield f"{kind} {quality}", sample.text, read, sample.face, sure


def from_pages(reader: LineReader, pages: Path) -> Iterable[Reading]:
    """Every value of the pages; the lines of a wrapped one joined by a space."""
    for value in values_of(pages):
        read, sure = _read(reader, value.lines)
        yield f"{value.writing} {value.quality}", value.shown, read, value.place, sure


def _read(reader: LineReader, lines: list[Gray]) -> tuple[str, float]:
    """The lines' texts joined by a space, and the product of all characters' probabilities."""
    found = [reader.read([line])[0] for line in lines]
    return " ".join(line.text for line in found), prod(c.probability for line in found for c in line.characters)


def calibration(pairs: list[tuple[float, bool]]) -> list[tuple[float, float]]:
    """(raw confidence, was right) -> rising points (raw, share right), from bins of like size, for straight lines."""
    ranked = sorted(pairs)
    bins = [part for part in np.array_split(np.arange(len(ranked)), BINS) if len(part)]
    xs = [float(np.mean([ranked[i][0] for i in part])) for part in bins]
    shares = np.maximum.accumulate([(sum(ranked[i][1] for i in part) + 0.5) / (len(part) + 1) for part in bins])
    return [(round(x, 4), round(float(share), 4)) for x, share in zip(xs, shares, strict=True)]


def table(readings: Iterable[Reading]) -> dict[str, dict[str, float]]:
    """Group -> lines, share exact with its 95 % interval, character error rate; also totals and decimal numbers."""
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for group, truth, read, _, _ in readings:
        kind = group.split(" ")[0]
        for name in (group, f"{kind} all", f"{kind} decimal numbers" if DECIMAL.match(truth) else ""):
            if name:
                groups[name].append((truth, read))
    return {name: measured(pairs) for name, pairs in groups.items()}


def measured(pairs: list[tuple[str, str]]) -> dict[str, float]:
    right = sum(truth == read for truth, read in pairs)
    low, high = interval(right, len(pairs))
    errors = sum(Levenshtein.distance(truth, read) for truth, read in pairs)
    return {
        "lines": len(pairs),
        "exact": round(right / len(pairs), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "character_error_rate": round(errors / sum(len(truth) for truth, _ in pairs), 4),
    }


def speed(reader: LineReader) -> dict[str, float]:
    """CPU milliseconds for a line of width 190 on one thread, input included, median of 60."""
    crop = np.random.default_rng(0).integers(0, 255, (HEIGHT, 190), dtype=np.uint8)
    spent = []
    for _ in range(65):
        begun = time.process_time()
        reader.read([crop])
        spent.append(1000 * (time.process_time() - begun))
    return {"cpu_ms_a_line_of_width_190": round(median(spent[5:]), 2)}


def as_text(result: dict[str, Any]) -> str:
    rows = [f"version {result['version']}, {result['speed']['cpu_ms_a_line_of_width_190']} ms a line of width 190"]
    for part in ("generated", "pages"):
        for name, m in sorted(result.get(part, {}).items()):
            share = f"{100 * m['exact']:5.1f} % exact ({100 * m['low']:.1f}-{100 * m['high']:.1f})"
            wrong = f"characters wrong {100 * m['character_error_rate']:.2f} %"
            rows.append(f"{part:9} {name:22} {m['lines']:5} lines {share}, {wrong}")
    return "\n".join(rows)
