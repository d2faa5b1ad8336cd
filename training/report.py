"""Training, report: the log -> a page with the learning curve; and a sheet of generated lines to look at."""

from __future__ import annotations

import csv
import html
import json
from pathlib import Path

import cv2
import numpy as np

from training.evaluate import RESULT, as_text

WIDTH, TALL, EDGE = 860, 300, 46


def write_report(folder: Path) -> Path:
    """`folder`/report.html from log.csv and the last evaluation; needs no network and no script."""
    path = folder / "log.csv"
    if not path.exists():
        raise FileNotFoundError(f"{path} is not there; run `python -m training train` first")
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    losses = [(float(r["lines"]), float(r["loss"])) for r in rows if r["loss"]]
    exact = [(float(r["lines"]), 100 * float(r["validation_exact"])) for r in rows if r["validation_exact"]]
    evaluation = folder / "export" / RESULT
    figures = (
        as_text(json.loads(evaluation.read_text(encoding="utf-8"))) if evaluation.exists() else "not evaluated yet"
    )
    last = rows[-1] if rows else {"lines": 0, "hours": 0, "cpu_hours": 0}
    page = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Training of the line reader</title>
<body style="font-family: sans-serif; max-width: {WIDTH}px; margin: 2em auto">
<h1>Training of the line reader</h1>
<p>{last["lines"]} lines, {float(last["hours"]):.2f} hours, of process 0 {float(last["cpu_hours"]):.2f} CPU hours.</p>
<h2>Loss per character (CTC) by lines seen</h2>{curve(losses)}
<h2>Lines in unseen faces read exactly, per cent</h2>{curve(exact, ceiling=100)}
<h2>Last export</h2><pre>{html.escape(figures)}</pre></body></html>
"""
    target = folder / "report.html"
    target.write_text(page, encoding="utf-8")
    return target


def curve(points: list[tuple[float, float]], ceiling: float | None = None) -> str:
    """An SVG line through the points, axes from zero."""
    if len(points) < 2:
        return "<p>Too few points yet.</p>"
    most_x = points[-1][0]
    # The first steps of CTC are far above all others and would flatten the curve.
    most_y = ceiling or float(np.percentile([y for _, y in points], 97)) or 1.0
    x_of = lambda x: EDGE + (WIDTH - 2 * EDGE) * x / most_x  # noqa: E731
    y_of = lambda y: TALL - EDGE + (2 * EDGE - TALL) * min(1.0, y / most_y)  # noqa: E731
    path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in points)
    grid = [
        f'<text x="4" y="{y_of(y):.0f}">{y:.3g}</text>'
        f'<line x1="{EDGE}" x2="{WIDTH - EDGE}" y1="{y_of(y):.0f}" y2="{y_of(y):.0f}" stroke="#ddd"/>'
        for y in np.linspace(0, most_y, 5)
    ]
    below = [f'<text x="{x_of(x):.0f}" y="{TALL - 14}">{x / 1000:.0f}k</text>' for x in np.linspace(0, most_x, 6)]
    line = f'<polyline points="{path}" fill="none" stroke="#06c" stroke-width="1.5"/>'
    return f'<svg viewBox="0 0 {WIDTH} {TALL}" font-size="12">{"".join(grid + below)}{line}</svg>'


def write_sample(folder: Path, count: int = 90) -> Path:
    """`folder`/sample.png: generated lines as the network sees them."""
    from extractors.reader import HEIGHT, to_input
    from training.fonts import load_faces
    from training.lines import Generator
    from training.texts import load_sources

    generator = Generator(load_sources(), [face for face in load_faces() if not face.held_out])
    sheet = np.full(((HEIGHT + 4) * -(-count // 3), 3 * 420), 128, np.uint8)
    for i in range(count):
        line = (255 * (1 - to_input(generator.line(f"sample/{i}").crop)[0])).astype(np.uint8)[:, :416]
        top, left = i // 3 * (HEIGHT + 4) + 2, i % 3 * 420 + 2
        sheet[top : top + HEIGHT, left : left + line.shape[1]] = line
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "sample.png"), sheet)
    return folder / "sample.png"
