"""Training, writing_model: the network that tells writings apart, its training, and its export with facts.

Four convolutions; then the mean and the spread of what they see where there is ink: an even line is printed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, cross_entropy

from extractors.reader import stack
from extractors.writing import FACTS, HEIGHT, MODEL, to_strokes
from records.pages import Writing
from training.texts import load_sources
from training.writing import KINDS, SHARES, Faces, WritingGenerator, faces_of

STRIDE = 8  # input columns and rows per cell of what the network sees
BATCH, PASSES, RATE = 64, 18, 3e-3
# Share of each writing's lines in each ink: assumed from office practice, not measured on any hospital's paper.
INKS = {
    "black": {"printed": 0.93, "handwritten": 0.35, "stamped": 0.12},
    "blue": {"printed": 0.03, "handwritten": 0.56, "stamped": 0.20},
    "red": {"printed": 0.03, "handwritten": 0.03, "stamped": 0.53},
    "violet": {"printed": 0.01, "handwritten": 0.06, "stamped": 0.15},
}
log = logging.getLogger("training")


class WritingNet(nn.Module):
    """[n, 1, 32, width] -> logits [n, 3] in the order of Writing. White to the right changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.see = nn.Sequential(
            *_layer(1, 16, 5, 2), *_layer(16, 24, 3, 2), *_layer(24, 40, 3, 2), *_layer(40, 48, 3, 1)
        )
        self.judge = nn.Sequential(nn.Linear(96, 48), nn.ReLU(), nn.Dropout(0.2), nn.Linear(48, len(Writing)))

    def forward(self, line: Tensor) -> Tensor:
        seen, ink = self.see(line), avg_pool2d(line, STRIDE, ceil_mode=True)
        weight = ink / (ink.sum((2, 3), keepdim=True) + 1e-4)
        mean = (seen * weight).sum((2, 3))
        spread = ((seen**2 * weight).sum((2, 3)) - mean**2).clamp(min=0) + 1e-4
        return self.judge(torch.cat([mean, spread.sqrt()], 1))


def _layer(inward: int, outward: int, size: int, stride: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inward, outward, size, stride, size // 2, bias=False), nn.BatchNorm2d(outward), nn.ReLU()


@dataclass(frozen=True)
class Lines:
    """Lines as the network takes them (0 paper to 255 ink), and the share of each writing that is wanted of it."""

    strokes: list[np.ndarray]
    wanted: np.ndarray


def make_lines(part: str, count: int, seed: int) -> Lines:
    """So many lines in the faces of one part, drawn by two processes."""
    with get_context("spawn").Pool(2) as pool:
        halves = pool.starmap(_draw, [(part, seed, range(k, count, 2)) for k in range(2)])
    strokes = [strokes for half in halves for strokes, _ in half]
    return Lines(strokes, np.stack([wanted for half in halves for _, wanted in half]))


def _draw(part: str, seed: int, numbers: range) -> list[tuple[np.ndarray, np.ndarray]]:
    """Where nothing is written, every writing is wanted alike: the network shall not be sure of it."""
    generator, drawn = WritingGenerator(load_sources(), faces_of(part)), []
    for i in numbers:
        line = generator.line(f"{seed}/{part}/{i}", Random(f"{seed}/{i}").choices(KINDS, SHARES)[0])
        strokes = to_strokes(line.crop)
        if strokes is not None:
            wanted = np.float32([line.writing in (writing, None) for writing in Writing])
            drawn.append(((255 * strokes).astype(np.uint8), wanted / wanted.sum()))
    return drawn


def train(count: int, seed: int, target: Path) -> dict[str, Any]:
    """Train on `count` lines, keep the pass that is best on the tuning faces, export it; the facts."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # more threads wait for each other on layers so small
    begun, lines, tune = time.monotonic(), make_lines("train", count, seed), make_lines("tune", count // 12, seed)
    log.info("%d lines drawn in %.0f s", len(lines.strokes) + len(tune.strokes), time.monotonic() - begun)
    net, best, kept = WritingNet(), np.inf, {}
    for number, loss in enumerate(_passes(net, lines, seed)):
        logits = judge(net, tune)
        tuned = float(cross_entropy(logits, torch.from_numpy(tune.wanted)))
        right = float((logits.argmax(1).numpy() == tune.wanted.argmax(1)).mean())
        log.info("pass %d: loss %.3f, on tuning faces %.3f, right %.3f", number + 1, loss, tuned, right)
        if tuned < best:
            best, kept = tuned, {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(kept)
    return export(net, temperature(judge(net, tune), tune), target, facts_of(net, lines, tune, seed, begun))


def _passes(net: WritingNet, lines: Lines, seed: int) -> Iterator[float]:
    """Mean loss of each pass over all lines."""
    rng, per_pass = Random(seed), -(-len(lines.strokes) // BATCH)
    optimizer = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=PASSES * (per_pass + 8))
    for _ in range(PASSES):
        net.train()
        losses = []
        for group in _batches(lines, rng):
            batch = torch.from_numpy(stack([_varied(lines.strokes[i], rng) for i in group]))
            loss = cross_entropy(net(batch), torch.from_numpy(lines.wanted[group]), label_smoothing=0.03)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        yield float(np.mean(losses))


def _batches(lines: Lines, rng: Random) -> list[list[int]]:
    """Lines of like width together, in a new order each time."""
    order = sorted(range(len(lines.strokes)), key=lambda i: lines.strokes[i].shape[1] * rng.uniform(0.8, 1.25))
    groups = [order[k : k + BATCH] for k in range(0, len(order), BATCH)]
    rng.shuffle(groups)
    return groups


def _varied(strokes: np.ndarray, rng: Random) -> np.ndarray:
    """A piece of the line, its ink a little paler or darker."""
    width = strokes.shape[1]
    piece = max(24, round(width * rng.uniform(0.5, 1))) if rng.random() < 0.4 else width
    left = rng.randint(0, max(0, width - piece))
    shown = strokes[:, left : left + piece].astype(np.float32) / 255
    return np.clip(shown ** rng.uniform(0.8, 1.3), 0, 1)[np.newaxis]


@torch.no_grad()
def judge(net: WritingNet, lines: Lines) -> Tensor:
    """Logits of every line, each by itself as the product does it."""
    net.eval()
    return torch.cat([net(torch.from_numpy(s[None, None].astype(np.float32) / 255)) for s in lines.strokes])


def temperature(logits: Tensor, lines: Lines) -> float:
    """By what the logits are divided so that the probabilities are as sure as they are right on these lines."""
    wanted = torch.from_numpy(lines.wanted)
    return float(min(np.arange(0.5, 3.01, 0.05), key=lambda t: float(cross_entropy(logits / t, wanted))))


def facts_of(net: WritingNet, lines: Lines, tune: Lines, seed: int, begun: float) -> dict[str, Any]:
    """How the model was made; which faces had which part."""
    parts: dict[str, Faces] = {part: faces_of(part) for part in ("train", "tune", "measure")}
    return {
        "lines": len(lines.strokes),
        "lines_tuned_on": len(tune.strokes),
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "seed": seed,
        "parameters": sum(parameter.numel() for parameter in net.parameters()),
        "writings": list(Writing),
        "inks": INKS,
        "faces": {part: faces.names for part, faces in parts.items()},
    }


def export(net: WritingNet, divisor: float, target: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Write writing.onnx (probabilities) and writing.json with its SHA-256."""
    target.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        net.judge[-1].weight /= divisor
        net.judge[-1].bias /= divisor
    whole = nn.Sequential(net, nn.Softmax(1)).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            whole,
            (torch.rand(1, 1, HEIGHT, 192),),
            str(target / MODEL),
            dynamo=False,
            opset_version=17,
            input_names=["line"],
            output_names=["probabilities"],
            dynamic_axes={"line": {0: "lines", 3: "width"}, "probabilities": {0: "lines"}},
        )
    content = (target / MODEL).read_bytes()
    facts |= {"temperature": divisor, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (target / FACTS).write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return facts
