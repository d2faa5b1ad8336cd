"""Training, writing_measure: how many lines the writing detector tells rightly, by writing and quality.

Generated lines are in faces that were neither trained nor tuned on; pages are cut by their true boxes and only
measured on.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import cv2
import numpy as np

from extractors.images import divide_background, without_rulings
from extractors.reader import Gray
from extractors.writing import FACTS, WritingDetector, writing_detector
from records.pages import Writing
from training.alphabet import tidy
from training.intervals import interval
from training.lines import QUALITIES
from training.pages import line_crops
from training.texts import load_sources
from training.writing import WritingGenerator, faces_of

SAMPLES = Path(__file__).resolve().parent.parent / "sample_scans"
ON_PAGES = {"print": Writing.PRINTED, "hand": Writing.HANDWRITTEN}
# What an ink leaves of red, green and blue light.
LIGHT = {
    "black": (0.0, 0.0, 0.0),
    "blue": (0.05, 0.2, 0.6),
    "red": (0.8, 0.1, 0.15),
    "violet": (0.4, 0.05, 0.55),
}
Told = tuple[str, Writing, Writing]  # group, truth, what the detector says


def measure(folder: Path, count: int, pages: Path | None) -> dict[str, Any]:
    """Measure `folder`/writing.onnx, `count` generated lines per writing and quality; figures go into its facts."""
    detector, path = writing_detector(folder), folder / FACTS
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    figures = facts["figures"] = facts.get("figures", {})
    figures["generated, unseen faces"] = table(generated(detector, count))
    figures["the same in colour"] = table(coloured(detector, count, facts["inks"]))
    figures["sample_scans/forms by true boxes"] = table(
        from_pages(detector, SAMPLES, sorted(SAMPLES.glob("forms/*.json")))
    )
    if pages:
        figures["pages by true boxes"] = table(from_pages(detector, pages, [pages / "truth.json"]))
    facts["cpu_ms_a_line_of_width_190"] = speed(detector)
    path.write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return facts


def generated(detector: WritingDetector, count: int) -> Iterator[Told]:
    """Grey lines in unseen faces."""
    generator = WritingGenerator(load_sources(), faces_of("measure"))
    for writing in Writing:
        for quality in QUALITIES:
            for i in range(count):
                line = generator.line(f"measure/{quality}/{i}", writing, quality)
                yield quality, writing, detector.detect(line.crop)[0]


def coloured(detector: WritingDetector, count: int, inks: dict[str, dict[str, float]]) -> Iterator[Told]:
    """The same lines in coloured ink, drawn by the shares that the detector assumes; not where scans have no colour."""
    generator = WritingGenerator(load_sources(), faces_of("measure"))
    for writing in Writing:
        for quality in ("clean", "scan", "hard", "photo"):
            for i in range(count):
                line = generator.line(f"measure/{quality}/{i}", writing, quality)
                ink = Random(f"{writing}/{i}").choices(list(inks), [shares[writing] for shares in inks.values()])[0]
                yield quality, writing, detector.detect(line.crop, in_ink(line.crop, ink, i))[0]


def in_ink(crop: Gray, ink: str, seed: int) -> Gray:
    """The grey crop as if its ink were coloured, HxWx3, with a scanner's noise of colour and a JPEG's loss of it."""
    dark = (255 - crop.astype(np.float32))[..., None]
    noise = np.random.default_rng(seed).normal(0, 4, (*crop.shape, 3))
    shown = np.clip(255 - dark * (1 - np.float32(LIGHT[ink])) + noise, 0, 255).astype(np.uint8)
    packed = cv2.imencode(".jpg", shown[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 70])[1]
    return np.ascontiguousarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1])


def from_pages(detector: WritingDetector, root: Path, truths: list[Path]) -> Iterator[Told]:
    """Each line of each value on the pages that the truth files name."""
    for path in truths:
        for page in json.loads(path.read_text(encoding="utf-8")):
            for crop in value_lines(root, page):
                yield page["quality"], ON_PAGES[page["writing"]], detector.detect(crop)[0]


def value_lines(root: Path, page: dict[str, Any]) -> Iterator[Gray]:
    """The lines of the page's values, by true boxes, on the upright page, cleaned as the product does."""
    image = cv2.imread(str(root / page["file"]), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise FileNotFoundError(f"{root / page['file']}, which its truth names, cannot be read")
    upright = np.ascontiguousarray(np.rot90(image, -page["rotation"] // 90))
    text, _ = without_rulings(divide_background(upright))
    fields = [field for field in page["fields"] if field.get("box") and tidy(field["shown"])]
    usual = median(field["box"][3] - field["box"][1] for field in fields) if fields else 0
    for field in fields:
        yield from line_crops(text, field, usual, len(tidy(field["shown"])))


def table(told: Iterable[Told]) -> dict[str, dict[str, Any]]:
    """'printed scan' -> lines, share told rightly with its 95 % interval, and what the others were taken for."""
    groups: dict[str, list[tuple[Writing, Writing]]] = defaultdict(list)
    for group, truth, said in told:
        groups[f"{truth} {group}"].append((truth, said))
        groups[f"{truth} all"].append((truth, said))
    return {name: _figures(pairs) for name, pairs in sorted(groups.items())}


def _figures(pairs: list[tuple[Writing, Writing]]) -> dict[str, Any]:
    right = sum(truth == said for truth, said in pairs)
    low, high = interval(right, len(pairs))
    taken = {str(w): sum(said == w for _, said in pairs) for w in Writing}
    return {
        "lines": len(pairs),
        "right": round(right / len(pairs), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "said": taken,
    }


def speed(detector: WritingDetector) -> float:
    """CPU milliseconds for a crop of 45 x 267 pixels, its scaling included, on one thread, median of 300."""
    crop = np.random.default_rng(0).integers(0, 255, (45, 267), dtype=np.uint8)
    spent = []
    for _ in range(320):
        begun = time.process_time()
        detector.detect(crop)
        spent.append(1000 * (time.process_time() - begun))
    return round(median(spent[20:]), 3)


def as_text(facts: dict[str, Any]) -> str:
    rows = [f"{facts['bytes']} bytes, {facts['cpu_ms_a_line_of_width_190']} ms a line"]
    for part, groups in facts["figures"].items():
        for name, m in groups.items():
            share = f"{100 * m['right']:5.1f} % ({100 * m['low']:.1f}-{100 * m['high']:.1f})"
            rows.append(f"{part:34} {name:20} {m['lines']:5} lines {share}  {m['said']}")
    return "\n".join(rows)
