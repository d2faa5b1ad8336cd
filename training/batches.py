"""Training, batches: numbered generated lines -> batches of alike width; the share of lines a model reads exactly."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray

from extractors.reader import STRIDE, stack, to_input
from training.alphabet import to_classes, to_text
from training.lines import Generator, Sample
from training.model import LineReader

BATCH = 32  # lines over all processes
POOL = 8  # batches that are drawn together and sorted by width, to waste little on padding
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]  # images, classes, columns and characters of each


def hardness_at(step: int, easy_steps: int) -> float:
    """How worn and long lines are: 0.1 at first, 1 from `easy_steps` on."""
    return min(1.0, 0.1 + 0.9 * step / easy_steps)


def batches(generator: Generator, seed: int, rank: int, mine: int, step: int, easy_steps: int) -> Iterator[Batch]:
    """Batches of `mine` lines for process `rank`, from `step` on; the same seed gives the same lines."""
    while True:
        pool, at = divmod(step, POOL)
        hardness = hardness_at(pool * POOL, easy_steps)
        samples = [generator.line(f"{seed}/{rank}/{pool}/{i}", hardness) for i in range(mine * POOL)]
        ready = sorted(((to_input(s.crop), s.text) for s in samples), key=lambda pair: pair[0].shape[2])
        order = list(range(POOL))
        Random(f"{seed}/{pool}").shuffle(order)  # alike in all processes: they draw alike widths
        for part in order[at:]:
            step += 1
            yield to_batch(ready[part * mine : (part + 1) * mine])


def to_batch(pairs: list[tuple[NDArray[np.float32], str]]) -> Batch:
    """Lines and texts -> images, classes end to end, columns and characters of each line."""
    lines, texts = zip(*pairs, strict=True)
    classes = [to_classes(text) for text in texts]
    columns = torch.tensor([-(-line.shape[2] // STRIDE) for line in lines])
    flat = torch.tensor([number for line in classes for number in line])
    return torch.from_numpy(stack(list(lines))), flat, columns, torch.tensor([len(line) for line in classes])


def share_exact(model: LineReader, generator: Generator, count: int) -> float:
    """Share of fixed lines in the generator's faces that the model reads exactly."""
    model.eval()
    samples = [generator.line(f"validation/{i}") for i in range(count)]
    samples.sort(key=lambda s: s.crop.shape[1] / s.crop.shape[0])
    return sum(_right(model, samples[at : at + 16]) for at in range(0, count, 16)) / count


def _right(model: LineReader, samples: list[Sample]) -> int:
    with torch.inference_mode():
        best = model(torch.from_numpy(stack([to_input(s.crop) for s in samples]))).argmax(-1)
    return sum(to_text(row.tolist()).strip() == s.text for row, s in zip(best, samples, strict=True))
