"""Beside the product, bench.worker: one reader in a process of its own; a line in for each page, a line out.

Run as `python -m bench.worker READER` it says null once its reader is made, then answers each [path, page number] with
what it read, as JSON. For a peer nothing is imported that the Python of .venv-bench has not.
"""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from bench.peer_readers import PEERS, Read


def main(reader: str) -> None:
    """Serve until the questions end; whatever libraries print goes to standard error."""
    questions, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    serve(made(reader), questions, answers)


def made(reader: str) -> Read:
    """The reader of that name, ready to read."""
    if reader in PEERS:
        return PEERS[reader]()
    from bench.readers import OWN

    return OWN[reader]()


def serve(read: Read, questions: Iterable[str], answers: TextIO) -> None:
    """Say that the reader is ready, then answer one question after the other."""
    _say(None, answers)
    for question in questions:
        path, number = json.loads(question)
        _say(read(Path(path), number), answers)


def _say(answer: dict[str, Any] | None, answers: TextIO) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
