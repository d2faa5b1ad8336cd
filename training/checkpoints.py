"""Training, checkpoints: save the whole state at once, load the newest that is whole, refuse a damaged one by name."""

from __future__ import annotations

import hashlib
import io
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

MARK = b"sohoa-checkpoint-1\n"
KEPT = 2
log = logging.getLogger("training")


class BadCheckpoint(ValueError):
    """A checkpoint that is cut short or altered; the message names the file."""


def save(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Write checkpoint-STEP.pt with its SHA-256 in front, in one move; the newest two stay."""
    folder.mkdir(parents=True, exist_ok=True)
    out = io.BytesIO()
    torch.save(state, out)
    payload = out.getvalue()
    path = folder / f"checkpoint-{step:08d}.pt"
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(MARK + hashlib.sha256(payload).hexdigest().encode() + b"\n" + payload)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    for old in found(folder)[KEPT:]:
        old.unlink()
    return path


def found(folder: Path) -> list[Path]:
    """Checkpoints, newest first."""
    return sorted(folder.glob("checkpoint-*.pt"), reverse=True)


def load(path: Path) -> dict[str, Any]:
    """The state; BadCheckpoint where the bytes are not those that were saved."""
    content = path.read_bytes()
    digest, payload = content[len(MARK) : len(MARK) + 64], content[len(MARK) + 65 :]
    if not content.startswith(MARK) or hashlib.sha256(payload).hexdigest().encode() != digest:
        raise BadCheckpoint(f"{path} is damaged or was cut short; it is not used")
    state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    return state


def load_newest(folder: Path) -> dict[str, Any] | None:
    """The newest whole checkpoint; damaged ones are named in the log. None where there is none."""
    for path in found(folder):
        try:
            state = load(path)
        except BadCheckpoint as problem:
            log.warning("%s; going back to the one before", problem)
            continue
        log.info("Going on from %s: %d lines, %.2f h", path.name, state["lines"], state["seconds"] / 3600)
        return state
    return None


def save_weights(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """Weights in half precision, to be committed: where no checkpoint is left, training goes on from them."""
    arrays = {name: (w.half() if w.is_floating_point() else w).numpy() for name, w in weights.items()}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """What `save_weights` wrote, in single precision as the model takes it."""
    with np.load(path) as arrays:
        weights = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    return {name: w.float() if w.is_floating_point() else w for name, w in weights.items()}
