"""Training, export: the averaged weights of a checkpoint -> reader.onnx (dynamic int8), its SHA-256 and its facts.

Also writes the weights in half precision: where no checkpoint is left, training goes on from them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch
from onnxruntime.quantization import quantize_dynamic

from extractors.reader import HEIGHT, STRIDE
from training import checkpoints
from training.alphabet import CHARACTERS
from training.model import LineReader, parameters

MODEL, FACTS, WEIGHTS = "reader.onnx", "reader.json", "reader.weights.npz"
LARGEST = 10 * 1024 * 1024  # bytes, of what is committed
INT8 = ["MatMul", "Gemm", "LSTM"]  # convolutions stay as they are: int8 ones were slower and less right


def export(folder: Path, target: Path) -> dict[str, Any]:
    """Write reader.onnx, reader.json and reader.weights.npz from the newest whole checkpoint in `folder`."""
    state = checkpoints.load_newest(folder)
    if state is None:
        raise FileNotFoundError(f"{folder} holds no whole checkpoint; run `python -m training train` first")
    target.mkdir(parents=True, exist_ok=True)
    model = LineReader()
    model.load_state_dict(state["average"])
    facts = facts_of(state, parameters(model))
    write_model(model.eval(), target / MODEL, facts)
    checkpoints.save_weights(target / WEIGHTS, state["average"])
    facts["sha256"] = hashlib.sha256((target / MODEL).read_bytes()).hexdigest()
    facts["bytes"] = (target / MODEL).stat().st_size
    if facts["bytes"] > LARGEST:
        raise ValueError(f"{target / MODEL} has {facts['bytes']} bytes, more than the {LARGEST} that may be committed")
    (target / FACTS).write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    return facts


def facts_of(state: dict[str, Any], size: int) -> dict[str, Any]:
    """What a user of the model must know; also written into the model file itself."""
    return {
        "version": f"1.{state['lines'] // 1000}",
        "lines": state["lines"],
        "hours": round(state["seconds"] / 3600, 2),
        "processes": state["processes"],
        "seed": state["seed"],
        "parameters": size,
        "texts": state["origin"],
        "height": HEIGHT,
        "stride": STRIDE,
        "blank": 0,
        "alphabet": CHARACTERS,
    }


def write_model(model: LineReader, path: Path, facts: dict[str, Any]) -> None:
    """ONNX, any number of lines of any width, weights of linear layers and LSTM in int8."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = Path(folder) / "plain.onnx"
        torch.onnx.export(
            model,
            (torch.zeros(1, 1, HEIGHT, 192),),
            str(plain),
            dynamo=False,
            opset_version=17,
            input_names=["lines"],
            output_names=["log_probabilities"],
            dynamic_axes={"lines": {0: "lines", 3: "width"}, "log_probabilities": {0: "lines", 1: "columns"}},
        )
        logging.disable(logging.WARNING)  # onnxruntime advises a preprocessing that changes nothing here
        quantize_dynamic(plain, path, op_types_to_quantize=INT8)
        logging.disable(logging.NOTSET)
    whole = onnx.load(path)
    for key, value in facts.items():
        entry = whole.metadata_props.add()
        entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    onnx.save(whole, path)
