"""No regular expression of the project takes more than a second of CPU for 100 kB of text made to hurt it."""

import ast
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
CHILD = Path(__file__).with_name("redos.py")
FOLDERS = (
    "bench", "dags", "extractors", "loaders", "migrations", "pipeline", "records", "reporting", "review",
    "sample_scans", "training", "transformers", "validation",
)  # fmt: skip
CALLS = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}
ANCHORED = {"match", "fullmatch"}


class Found(NamedTuple):
    """A pattern, where it stands, and whether it is only ever tried at the start of a text."""

    where: str
    pattern: str
    flags: int
    anchored: bool


def patterns() -> Iterator[Found]:
    """Every pattern that Python code or a YAML file of the project holds."""
    for path in sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*.py")):
        yield from in_code(path)
    for path in sorted(p for p in ROOT.glob("*/*.y*ml") if p.parent.name in (*FOLDERS, "document_types", "deploy")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield from (Found(str(path.relative_to(ROOT)), p, 0, False) for p in in_data(document))


def in_code(path: Path) -> Iterator[Found]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    texts = dict(constants(tree))
    methods = methods_of_names(tree)
    for node in ast.walk(tree):
        where = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call) and is_re(node.func):
            how = {node.func.attr}
            if how == {"compile"}:
                how = methods.get(compiled_as(tree, node), {"search"})
            text = told(node.args[0], texts)
            if text is not None:
                yield Found(where, text, flags_of(node), how <= ANCHORED)
        elif isinstance(node, ast.keyword) and node.arg in ("pattern", "regex"):
            text = told(node.value, texts)
            if text is not None:
                yield Found(f"{path.relative_to(ROOT)}:{node.value.lineno}", text, 0, False)


def is_re(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "re"
        and function.attr in CALLS
    )


def constants(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Names of a module that hold a text."""
    known: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            text = told(node.value, known)
            if text is not None:
                known[node.targets[0].id] = text
                yield node.targets[0].id, text


def told(node: ast.expr, texts: dict[str, str]) -> str | None:
    """The text of an expression; what it only gets when it runs stands in it as one letter."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return texts.get(node.id)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts = [told(node.left, texts), told(node.right, texts)]
        return "".join(part or "x" for part in parts) if any(parts) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(
            (told(part.value, texts) or "x") if isinstance(part, ast.FormattedValue) else str(part.value)
            for part in node.values
        )
    return None


def flags_of(call: ast.Call) -> int:
    named = {n.attr for n in ast.walk(call) if isinstance(n, ast.Attribute) and n.attr.isupper()}
    return sum(getattr(re, name).value for name in named if hasattr(re, name))


def compiled_as(tree: ast.AST, call: ast.Call) -> str:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and node.value is call and isinstance(node.targets[0], ast.Name):
            return node.targets[0].id
    return ""


def methods_of_names(tree: ast.AST) -> dict[str, set[str]]:
    """Name of the module -> what is called on it, where nothing else is done with it."""
    used: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in CALLS:
            used.setdefault(node.value.id, set()).add(node.attr)
    return used


def in_data(data: object) -> Iterator[str]:
    """Values of keys named pattern or regex."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key in ("pattern", "regex") and isinstance(value, str):
                yield value
            yield from in_data(value)
    elif isinstance(data, list):
        for value in data:
            yield from in_data(value)


def too_slow(found: list[Found]) -> list[Found]:
    """The patterns that a process died of."""
    slow, first = [], 0
    while first < len(found):
        done = subprocess.run(
            [sys.executable, CHILD, str(first)], input=json.dumps(found), capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        first += len(done.stdout.split())
        if first < len(found):
            assert done.returncode == -signal.SIGVTALRM, done.stderr
            slow.append(found[first])
            first += 1
    return slow


def test_every_pattern_is_done_with_hostile_text_in_a_second():
    found = list(dict.fromkeys(patterns()))
    assert len(found) > 150
    assert [f"{one.where} {one.pattern}" for one in too_slow(found)] == []


def test_a_pattern_that_backtracks_is_found():
    poor = [Found("here", "(a+)+$", 0, False), Found("here", r"\s+,", 0, False)]
    assert too_slow([*poor, Found("here", "a", 0, False)]) == poor
