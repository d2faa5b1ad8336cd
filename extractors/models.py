"""Stage 3, extractors.models: the neural models by name, each checked by its SHA-256 and opened for one thread.

Our own reader lies in model/ beside this file; those that others made are taken from their wheels by deploy/models.sh
into the environment's folder models/ and found by their distribution's metadata. Their packages are never imported.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, TypeVar

from records.errors import SohoaError

OWN = Path(__file__).resolve().parent / "model"
FACTS = "reader.json"
BORROWED = Path(sys.prefix) / "models"
MEND, RESTORE = "delete the folder it lies in and run ./run setup", "restore it from the repository"
Taken = TypeVar("Taken")


@dataclass(frozen=True)
class Borrowed:
    """A model file inside a wheel; `file` is its path there, `sha256` 64 hex digits."""

    distribution: str
    file: str
    sha256: str


ASTERNET = Borrowed(
    "asterocr", "asterocr/assets/asternet.onnx", "10c96b533e1f64031d73edfddafd7d4b13595544f11891f0531bcd72cb29be80"
)
DETECTOR = Borrowed(
    "rapidocr",
    "rapidocr/models/PP-OCRv6_det_small.onnx",
    "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f",
)
DIGITS = Borrowed(
    "rapidocr",
    "rapidocr/models/PP-OCRv6_rec_small.onnx",
    "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884",
)


def facts_of(path: Path, take: Callable[[dict[str, Any]], Taken]) -> Taken:
    """What `take` picks from the facts beside a model of ours; SohoaError where the file or one of them is missing."""
    try:
        return take(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SohoaError(f"{path} cannot be used ({error}); {RESTORE}.") from error


def open_own(folder: Path = OWN) -> tuple[Any, dict[str, Any]]:
    """Our own reader's session and the facts of reader.json; SohoaError where one is missing, altered or cut short."""
    facts = facts_of(folder / FACTS, _with_all)
    return open_session(folder / "reader.onnx", str(facts["sha256"]), RESTORE), facts


def _with_all(facts: dict[str, Any]) -> dict[str, Any]:
    return facts | {name: facts[name] for name in ("version", "alphabet", "sha256")}


def open_borrowed(model: Borrowed, folder: Path = BORROWED) -> Any:
    """The session of a borrowed model; SohoaError where it is missing, altered or cut short."""
    return open_session(_located(model, folder), model.sha256, MEND)


def check_borrowed(model: Borrowed, folder: Path = BORROWED) -> None:
    """SohoaError where a borrowed model is missing, altered or cut short; it is not opened."""
    content_of(_located(model, folder), model.sha256, MEND)


def _located(model: Borrowed, folder: Path) -> Path:
    """Where the distribution's own list of files says that the model lies."""
    for distribution in distributions(name=model.distribution, path=[str(folder)]):
        for file in distribution.files or ():
            if str(file) == model.file:
                return Path(str(file.locate()))
    raise SohoaError(f"The model {model.file} of {model.distribution} is not in {folder}; run ./run setup.")


def open_session(path: Path, wanted: str, mend: str) -> Any:
    """An ONNX model, warm, on one thread; SohoaError, with what to do (`mend`), where its SHA-256 is not `wanted`."""
    import onnxruntime

    content = content_of(path, wanted, mend)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def content_of(path: Path, wanted: str, mend: str = RESTORE) -> bytes:
    """The bytes of a model's file; SohoaError, with what to do (`mend`), where its SHA-256 is not `wanted`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SohoaError(f"The file {path} is missing; {mend}.") from error
    if hashlib.sha256(content).hexdigest() != wanted:
        raise SohoaError(f"The file {path} is not the one it should be (SHA-256 {wanted[:12]}...); {mend}.")
    return content
