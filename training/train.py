"""Training, train: fit the reader on generated lines, in one or two processes of one thread each.

Every process draws its own lines by number, so a seed fixes what is learned from; gradients are averaged after each
batch. Progress lies in checkpoints (every few minutes, and when asked to stop) and in a CSV log.
"""

from __future__ import annotations

import copy
import csv
import logging
import math
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.functional import ctc_loss

from training import checkpoints
from training.alphabet import BLANK, to_classes, to_text
from training.fonts import load_faces
from training.inputs import STRIDE, stack, to_input
from training.lines import Generator
from training.model import LineReader
from training.texts import load_sources

BATCH = 32  # lines over all processes
POOL = 8  # batches that are drawn together and sorted by width, to waste little on padding
RATE, FLOOR, WARM_UP, DECAY, CLIP, EMA = 2e-3, 0.01, 200, 0.02, 5.0, 0.998
CONSTANT_UNTIL, EASY_UNTIL = 0.55, 0.12  # shares of the training time
EASY_STEPS_AT_MOST, STEPS_AN_HOUR = 900, 6000
CHECKPOINT_EVERY, LOG_EVERY, ALL_LOSSES = 240.0, 25, 100  # seconds, steps, steps
VALIDATION_LINES = 240
COLUMNS = ("step", "lines", "hours", "cpu_hours", "lines_a_second", "rate", "loss", "validation_exact")
log = logging.getLogger("training")
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Plan:
    """What one call of `train` is to do; `hours` counts the hours of earlier calls that it resumes."""

    hours: float
    folder: Path
    resume: bool = False
    seed: int = 1
    processes: int = 2
    max_steps: int = 0
    weights: Path | None = None  # start from exported weights where no checkpoint is found

    @property
    def easy_steps(self) -> int:
        return max(1, min(EASY_STEPS_AT_MOST, round(EASY_UNTIL * self.hours * STEPS_AN_HOUR)))


def train(plan: Plan) -> None:
    """Train until the hours are over, the steps are done or SIGTERM asks to stop; leaves a checkpoint."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as meeting:
        if plan.processes == 1:
            _work(0, plan, meeting)
        else:
            mp.spawn(_work, args=(plan, meeting), nprocs=plan.processes, join=True)


def _work(rank: int, plan: Plan, meeting: str) -> None:
    """One process: its share of every batch; process 0 also keeps time, log, average and checkpoints."""
    logging.basicConfig(
        level=logging.INFO if rank == 0 else logging.ERROR, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    if plan.processes > 1:
        dist.init_process_group("gloo", init_method=f"file://{meeting}/meet", rank=rank, world_size=plan.processes)
    run = Run.begin(rank, plan)
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
    signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    for batch in run.batches():
        if not run.step(batch, bool(asked)):
            break
    run.finish()
    if plan.processes > 1:
        dist.barrier()
        dist.destroy_process_group()


class Run:
    """The state of one process's training."""

    def __init__(self, rank: int, plan: Plan, generator: Generator, tests: Generator) -> None:
        self.rank, self.plan, self.generator, self.tests = rank, plan, generator, tests
        torch.manual_seed(plan.seed)  # the same first weights in every process
        self.model = LineReader()
        self.average = copy.deepcopy(self.model)
        decayed = [p for p in self.model.parameters() if p.ndim > 1]
        plain = [p for p in self.model.parameters() if p.ndim <= 1]
        self.optimiser = torch.optim.AdamW(
            [{"params": decayed}, {"params": plain, "weight_decay": 0.0}], lr=RATE, weight_decay=DECAY
        )
        self.steps = self.lines = self.fresh_steps = 0
        self.seconds = self.cpu_seconds = 0.0
        self.losses: list[float] = []

    @classmethod
    def begin(cls, rank: int, plan: Plan) -> Run:
        """From the newest whole checkpoint, else from exported weights, else from the seed."""
        faces = load_faces()
        sources = load_sources()
        if rank == 0:
            log.info(
                "%d faces, %d to measure on; texts: %s", len(faces), sum(f.held_out for f in faces), sources.origin
            )
        run = cls(
            rank,
            plan,
            Generator(sources, [f for f in faces if not f.held_out]),
            Generator(sources, [f for f in faces if f.held_out]),
        )
        state = checkpoints.load_newest(plan.folder) if plan.resume else None
        if state:
            run.restore(state)
        elif plan.resume and plan.weights and plan.weights.exists():
            run.model.load_state_dict(read_weights(plan.weights))
            run.average.load_state_dict(run.model.state_dict())
            run.steps = plan.easy_steps  # weights that were trained need no easy lines
            log.info("No checkpoint in %s: going on from %s with a fresh optimiser", plan.folder, plan.weights)
        if not state and rank == 0:
            for old in checkpoints.found(plan.folder):
                old.unlink()
            with (plan.folder / "log.csv").open("w", newline="") as file:
                csv.writer(file).writerow(COLUMNS)
        torch.manual_seed(plan.seed * 1000 + rank + run.steps)  # drop-out differs by process
        run.started = run.saved = time.monotonic()
        run.seconds_before, run.cpu_before, run.first_lines = run.seconds, run.cpu_seconds, run.lines
        return run

    def batches(self) -> Iterator[Batch]:
        """This process's lines of every batch, from the step the run is at; the same seed gives the same lines."""
        mine = BATCH // self.plan.processes
        while True:
            pool, at = divmod(self.steps, POOL)
            hardness = min(1.0, 0.1 + 0.9 * self.steps / self.plan.easy_steps)
            names = (f"{self.plan.seed}/{self.rank}/{pool}/{i}" for i in range(mine * POOL))
            samples = [self.generator.line(name, hardness) for name in names]
            ready = sorted(((to_input(s.crop), s.text) for s in samples), key=lambda pair: pair[0].shape[1])
            order = list(range(POOL))
            Random(f"{self.plan.seed}/{pool}").shuffle(order)  # alike in all processes: they draw alike widths
            for part in order[at:]:
                yield to_batch(ready[part * mine : (part + 1) * mine])

    def step(self, batch: Batch, asked: bool) -> bool:
        """Learn from one batch; False when it was the last."""
        self.model.train()
        lines, texts, widths, lengths = batch
        scores = self.model(lines).transpose(0, 1)
        loss = ctc_loss(scores, texts, widths, lengths, BLANK, reduction="mean", zero_infinity=True)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        mean_loss, self.seconds, stop = self._shared(loss.item(), asked)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), CLIP)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        if torch.isfinite(norm):
            self.optimiser.step()
        self.steps, self.fresh_steps, self.lines = self.steps + 1, self.fresh_steps + 1, self.lines + BATCH
        if self.rank == 0:
            self._note(mean_loss)
        over = self.seconds >= 3600 * self.plan.hours or self.steps == self.plan.max_steps
        return not (stop or over)

    def _shared(self, loss: float, asked: bool) -> tuple[float, float, bool]:
        """Average gradients and loss over the processes; the time is that of process 0, a stop that of any."""
        seconds = self.seconds_before + time.monotonic() - self.started
        if self.plan.processes == 1:
            return loss, seconds, asked
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        told = torch.tensor([loss, seconds * (self.rank == 0) * self.plan.processes, float(asked)])
        flat = torch.cat([g.reshape(-1) for g in gradients] + [told])
        dist.all_reduce(flat)
        flat /= self.plan.processes
        at = 0
        for gradient in gradients:
            gradient.copy_(flat[at : at + gradient.numel()].view_as(gradient))
            at += gradient.numel()
        mean_loss, seconds, stop = flat[-3:].tolist()
        return mean_loss, seconds, stop > 0

    def rate(self) -> float:
        """Warm-up, constant to 55 % of the hours, then half a cosine down to one hundredth."""
        done = min(1.0, self.seconds / (3600 * self.plan.hours))
        fall = max(0.0, (done - CONSTANT_UNTIL) / (1 - CONSTANT_UNTIL))
        cosine = FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * fall)) / 2
        return RATE * cosine * min(1.0, (self.fresh_steps + 1) / WARM_UP)

    def _note(self, loss: float) -> None:
        """Process 0 after each step: moving average of the weights, log, checkpoint."""
        with torch.no_grad():
            keep = min(EMA, (1 + self.steps) / (10 + self.steps))
            for kept, new in zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True):
                if kept.is_floating_point():
                    kept.lerp_(new, 1 - keep)
                else:
                    kept.copy_(new)
        self.losses.append(loss)
        if self.steps <= ALL_LOSSES or self.steps % LOG_EVERY == 0:
            self._write_log("")
        if time.monotonic() - self.saved > CHECKPOINT_EVERY:
            self.save()

    def save(self) -> None:
        exact = self.validation()
        self._write_log(f"{exact:.4f}")
        self.cpu_seconds = self.cpu_before + time.process_time()
        path = checkpoints.save(self.plan.folder, self.steps, self.state())
        self.saved = time.monotonic()
        log.info(
            "%s: %d lines, %.2f h, %.1f %% of unseen faces exact",
            path.name,
            self.lines,
            self.seconds / 3600,
            100 * exact,
        )

    def finish(self) -> None:
        if self.rank == 0:
            self.save()

    def _write_log(self, validation: str) -> None:
        if not self.losses and not validation:
            return
        speed = (self.lines - self.first_lines) / max(1e-9, self.seconds - self.seconds_before)
        loss = f"{np.mean(self.losses):.6f}" if self.losses else ""
        hours = f"{self.seconds / 3600:.5f}", f"{(self.cpu_before + time.process_time()) / 3600:.5f}"
        with (self.plan.folder / "log.csv").open("a", newline="") as file:
            csv.writer(file).writerow(
                (self.steps, self.lines, *hours, f"{speed:.1f}", f"{self.rate():.6f}", loss, validation)
            )
        self.losses.clear()

    def validation(self) -> float:
        """Share of lines in faces never trained on that the averaged network reads exactly."""
        self.average.eval()
        samples = [self.tests.line(f"validation/{i}") for i in range(VALIDATION_LINES)]
        samples.sort(key=lambda s: s.crop.shape[1] / s.crop.shape[0])
        right = 0
        for at in range(0, len(samples), 16):
            part = samples[at : at + 16]
            with torch.inference_mode():
                best = self.average(torch.from_numpy(stack([to_input(s.crop) for s in part]))).argmax(-1)
            right += sum(to_text(row.tolist()).strip() == s.text for row, s in zip(best, part, strict=True))
        return right / len(samples)

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "steps": self.steps,
            "lines": self.lines,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
            "seed": self.plan.seed,
            "processes": self.plan.processes,
            "hours": self.plan.hours,
            "origin": dict(self.generator.sources.origin),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.steps, self.lines = state["steps"], state["lines"]
        self.seconds, self.cpu_seconds = state["seconds"], state["cpu_seconds"]
        self.fresh_steps = WARM_UP


def to_batch(pairs: list[tuple[np.ndarray, str]]) -> Batch:
    """Lines and texts -> images, classes end to end, columns and characters of each line."""
    lines, texts = zip(*pairs, strict=True)
    classes = [to_classes(text) for text in texts]
    widths = torch.tensor([-(-line.shape[1] // STRIDE) for line in lines])
    return (
        torch.from_numpy(stack(list(lines))),
        torch.tensor(sum(classes, [])),
        widths,
        torch.tensor(list(map(len, classes))),
    )


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Exported half-precision weights as the model takes them."""
    with np.load(path) as arrays:
        return {
            name: torch.from_numpy(
                arrays[name].astype(np.float32) if arrays[name].dtype == np.float16 else arrays[name]
            )
            for name in arrays.files
        }
