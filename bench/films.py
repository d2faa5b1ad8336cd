"""How well films are told, laid and read, bench.films: `python -m bench.films [--first N] [--count N] [--papers DIR]`.

Films of sample_scans/films.py: from number 30 on one wording is new. `--papers`: scans of paper that must not be taken
for films.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from extractors.films import is_film
from extractors.intake import decode_page, inspect
from extractors.limits import Limits
from extractors.page import read_image
from records.document_types import document_types
from records.documents import PageReading
from transformers.parsers import PARSERS

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "sample_scans")]
FILM, TURN, FRAMES = "film or paper", "how it lies", "frames"
FIELDS = ("patient.name", "patient.id", "film.taken_on", "film.modality", "film.laterality", "film.view")
ASKED = (FILM, TURN, FRAMES, *FIELDS)
LIMITS = Limits()


def main() -> None:
    from films import make_film  # type: ignore[import-not-found]

    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--first", type=int, default=0)
    asked.add_argument("--count", type=int, default=60)
    asked.add_argument("--papers", type=Path)
    asked.add_argument("--verbose", action="store_true")
    given = asked.parse_args()
    seen: Counter[tuple[str, str, bool]] = Counter()
    invented: Counter[str] = Counter()
    seconds = []
    for number in range(given.first, given.first + given.count):
        film = make_film(number)
        group = "photo" if film.finish == "photo" else "scan"
        reading, spent = _read(film.data, f"film.{film.suffix}")
        seconds.append(spent)
        values = _values(reading)
        lies = (reading.image.turn, reading.image.mirrored) == (film.turn, film.mirrored)
        right = {FILM: reading.document_type == "film", TURN: lies}
        right[FRAMES] = reading.image.frames == film.grid
        right |= {field: values.get(field) == film.values[field] for field in FIELDS if field in film.values}
        seen.update((group, what, good) for what, good in right.items())
        invented.update(field for field in FIELDS if values.get(field) and field not in film.values)
        if given.verbose and not all(right.values()):
            wrong = [what for what, good in right.items() if not good]
            print(number, film.finish, [(w, film.values.get(w), values.get(w)) for w in wrong], flush=True)
    _tell(seen)
    print("invented:", dict(invented) or "nothing")
    print(f"CPU seconds a film: median {sorted(seconds)[len(seconds) // 2]:.2f}, most {max(seconds):.2f}")
    if given.papers:
        _papers(given.papers)


def _read(data: bytes, name: str) -> tuple[PageReading, float]:
    """What was read, and the CPU seconds it took."""
    media_type, _ = inspect(data, name, LIMITS)
    rgb, dpi = decode_page(data, media_type, 1, LIMITS)
    started = time.process_time()
    reading = read_image("p", rgb, dpi, media_type, "neural")
    return reading, time.process_time() - started


def _values(reading: PageReading) -> dict[str, Any]:
    form, values = document_types()["film"], {}
    for one in reading.readings:
        spec = form.field(one.field)
        try:
            values[one.field] = PARSERS[spec.kind](one.raw) if spec else ""
        except ValueError:
            values[one.field] = ""
    return values


def _tell(seen: Counter[tuple[str, str, bool]]) -> None:
    for group in ("scan", "photo"):
        for what in ASKED:
            good, bad = seen[group, what, True], seen[group, what, False]
            if good + bad:
                print(f"{group:6} {what:16} {good:3} of {good + bad:3}  {100 * good / (good + bad):5.1f} %")


def _papers(folder: Path) -> None:
    """Every page of the folder's scans, told by its image."""
    pages, taken = 0, []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".png", ".jpg", ".tif", ".tiff", ".pdf")):
        data = path.read_bytes()
        media_type, count = inspect(data, path.name, LIMITS)
        for number in range(1, count + 1):
            rgb, _ = decode_page(data, media_type, number, LIMITS)
            pages += 1
            taken += [f"{path.name} {number}"] if is_film(rgb) else []
    print(f"paper taken for film: {len(taken)} of {pages}", *taken)


if __name__ == "__main__":
    main()
