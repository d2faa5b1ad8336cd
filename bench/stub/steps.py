"""In place of pipeline.steps, for bench.scheduler: every step is done at once; what is left is the cost of Airflow."""

from typing import Any


def list_chunks(batch_id: str) -> list[list[str]]:
    """One chunk."""
    return [[batch_id]]


def held_until(batch_id: str) -> None:
    """It may begin."""


def extract(page_ids: list[str]) -> int:
    """Read."""
    return len(page_ids)


def read_elsewhere(page_ids: list[str]) -> None:
    """Nobody has them."""


def assemble(batch_id: str) -> int:
    """Put together."""
    return 1


def check(batch_id: str) -> bool:
    """Nothing fails."""
    return True


def load(batch_id: str) -> int:
    """Loaded."""
    return 1


def account(batch_id: str) -> dict[str, Any]:
    """Balanced."""
    return {}
