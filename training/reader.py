"""Training, reader: an exported reader.onnx reads crops, one at a time on one thread, as the product will."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime

from training.alphabet import to_text
from training.export import FACTS, MODEL
from training.inputs import Gray, stack, to_input


class Reader:
    """Greedy reading of single lines."""

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        content = (folder / MODEL).read_bytes()
        if hashlib.sha256(content).hexdigest() != facts["sha256"]:
            raise ValueError(f"{folder / MODEL} is not the file that {FACTS} describes; export it again")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.version: str = facts["version"]
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def read(self, crop: Gray) -> tuple[str, float]:
        """Text and the product of the best classes' probabilities (not calibrated)."""
        scores = self._session.run(None, {"lines": stack([to_input(crop)])})[0][0]
        return to_text(scores.argmax(-1).tolist()).strip(), float(np.exp(scores.max(-1).sum()))
