"""Training, train: fit the reader on generated lines, in one or two processes of one thread each.

Every process draws its own lines by number, so a seed fixes what is learned from; gradients are averaged after each
batch. Progress lies in checkpoints (every few minutes, and when asked to stop) and in a CSV log.
"""

from __future__ import annotations

import copy
import csv
import json
import logging
import math
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.functional import ctc_loss

from training import checkpoints
from training.alphabet import BLANK
from training.batches import BATCH, Batch, batches, share_exact
from training.fonts import load_faces
from training.lines import Generator
from training.model import LineReader
from training.texts import load_sources

RATE, FLOOR, WARM_UP, DECAY, CLIP, EMA = 2e-3, 0.01, 200, 0.02, 5.0, 0.998
CONSTANT_UNTIL, EASY_UNTIL = 0.55, 0.12  # shares of the training time
EASY_STEPS_AT_MOST, STEPS_AN_HOUR = 900, 6000
CHECKPOINT_EVERY, LOG_EVERY, ALL_LOSSES = 240.0, 25, 100  # seconds, steps, steps
LONGEST_STEP = 30.0  # seconds
VALIDATION_LINES = 240
COLUMNS = ("step", "lines", "hours", "cpu_hours", "lines_a_second", "rate", "loss", "validation_exact")
log = logging.getLogger("training")


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


def train(plan: Plan) -> bool:
    """Train until the hours are over or the steps are done: True; False where SIGTERM or SIGINT asked to stop before.

    Leaves a checkpoint in either case.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    asked: list[int] = []
    with tempfile.TemporaryDirectory() as meeting:
        if plan.processes == 1:
            return _work(0, plan, meeting)
        work = mp.spawn(_work, args=(plan, meeting), nprocs=plan.processes, join=False)

        def pass_on(number: int, frame: object) -> None:
            asked.append(number)
            for pid in work.pids():
                os.kill(pid, signal.SIGTERM)

        signal.signal(signal.SIGTERM, pass_on)
        signal.signal(signal.SIGINT, pass_on)
        while not work.join():
            pass
    return not asked


def _work(rank: int, plan: Plan, meeting: str) -> bool:
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
    mine = BATCH // plan.processes
    for batch in batches(run.generator, plan.seed, rank, mine, run.steps, plan.easy_steps):
        if not run.step(batch, bool(asked)):
            break
    run.finish()
    if plan.processes > 1:
        dist.barrier()
        dist.destroy_process_group()
    return not asked


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
        faces, sources = load_faces(), load_sources()
        trained, held_out = [f for f in faces if not f.held_out], [f for f in faces if f.held_out]
        log.info("%d faces, %d more to measure on; texts: %s", len(trained), len(held_out), sources.origin)
        run = cls(rank, plan, Generator(sources, trained), Generator(sources, held_out))
        state = checkpoints.load_newest(plan.folder) if plan.resume else None
        if state:
            run.restore(state)
        elif plan.resume and plan.weights and plan.weights.exists():
            run.restore_weights(plan.weights)
        if not state and rank == 0:
            start_log(plan.folder)
        torch.manual_seed(plan.seed * 1000 + rank + run.steps)  # drop-out differs by process
        run.seen = run.saved = time.monotonic()
        run.seconds_before, run.cpu_before, run.first_lines = run.seconds, run.cpu_seconds, run.lines
        return run

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
        now = time.monotonic()
        # A paused process (SIGSTOP) or a sleeping machine does not train: such a step counts as a long one at most.
        seconds = self.seconds + min(now - self.seen, LONGEST_STEP)
        self.seen = now
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
        exact = share_exact(self.average, self.tests, VALIDATION_LINES)
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

    def restore_weights(self, path: Path) -> None:
        """Exported weights with a fresh optimiser; lines and hours are those of the facts beside them."""
        self.model.load_state_dict(checkpoints.read_weights(path))
        self.average.load_state_dict(self.model.state_dict())
        facts = json.loads(path.with_name("reader.json").read_text(encoding="utf-8"))
        self.lines, self.seconds = facts["lines"], 3600 * facts["hours"]
        self.steps = self.lines // BATCH
        log.info("No checkpoint in %s: going on from %s with a fresh optimiser", self.plan.folder, path)


def start_log(folder: Path) -> None:
    """A new run: its log has only the head line, and checkpoints of an earlier one are gone."""
    for old in checkpoints.found(folder):
        old.unlink()
    with (folder / "log.csv").open("w", newline="") as file:
        csv.writer(file).writerow(COLUMNS)
