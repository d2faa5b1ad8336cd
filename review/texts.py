"""Stage 8, review.texts: every word on the workbench's screens, in Vietnamese and English."""

from functools import cache
from pathlib import Path

import yaml

from records.errors import SohoaError

FILE = Path(__file__).resolve().parent / "texts.yaml"
LANGUAGES = ("vi", "en")


@cache
def texts() -> dict[str, dict[str, str]]:
    """key -> language -> text; SohoaError where one lacks a language."""
    found: dict[str, dict[str, str]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    for key, forms in found.items():
        if set(forms) != set(LANGUAGES):
            raise SohoaError(f"{FILE.name}: {key}: give {' and '.join(LANGUAGES)}")
    return found


def say(key: str, language: str, **told: object) -> str:
    """The text of a key in a language with its blanks filled; KeyError for a key that nobody wrote."""
    return texts()[key][language].format(**told)
