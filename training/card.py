"""Training, card: the facts and figures of an export -> its model card in Markdown, for whoever uses or checks it."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

from extractors.models import OWN
from extractors.writing import FACTS as WRITING_FACTS
from extractors.writing import MODEL as WRITING_MODEL
from training.evaluate import RESULT
from training.export import FACTS, MODEL
from training.fonts import LIST
from training.texts import SHARES

CARD = "MODEL_CARD.md"


def write_card(folder: Path) -> Path:
    """`folder`/MODEL_CARD.md from reader.json and evaluation.json."""
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    measured = folder / RESULT
    result = json.loads(measured.read_text(encoding="utf-8")) if measured.exists() else {}
    with LIST.open(encoding="utf-8", newline="") as file:
        faces = list(csv.DictReader(file))
    parts = [head(facts), use(facts, result), texts(facts), fonts(faces), figures(result), LIMITS]
    detector = next((place / WRITING_FACTS for place in (folder, OWN) if (place / WRITING_FACTS).exists()), None)
    if detector:
        parts.append(writing(json.loads(detector.read_text(encoding="utf-8"))))
    (folder / CARD).write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return folder / CARD


def head(facts: dict[str, Any]) -> str:
    return f"""# Line reader of sohoa, version {facts["version"]}

Reads one line of Vietnamese print from a grey crop. `{MODEL}`, {facts["bytes"]} bytes, SHA-256 `{facts["sha256"]}`.
Trained from nothing on {facts["lines"]:,} generated lines in {facts["hours"]} hours with {facts["processes"]} processes
of one thread (no GPU), seed {facts["seed"]}; {facts["parameters"]:,} parameters. No patient's record was used.
Made by `./run train`; the code is in `training/`."""


def use(facts: dict[str, Any], result: dict[str, Any]) -> str:
    speed = result.get("speed", {}).get("cpu_ms_a_line_of_width_190", "?")
    return f"""## Use

Input `lines`: float32 [n, 1, {facts["height"]}, width], 0 paper to 1 ink, made by `to_input` of
`extractors/reader.py` (scaled to {facts["height"]} pixels, paper the 85th percentile, ink the half-percent one).
Output `log_probabilities` [n, width / {facts["stride"]}, {1 + len(facts["alphabet"])}]: CTC, class {facts["blank"]}
blank, class k the k-th character of `alphabet` in the model's metadata. {speed} CPU ms for a line of width 190 on
one thread."""


def texts(facts: dict[str, Any]) -> str:
    shares = ", ".join(f"{name} {share} %" for name, share in SHARES.items())
    sources = "\n".join(f"- {name}: {count:,} entries" for name, count in facts["texts"].items())
    return f"""## Texts and their terms

Shares: {shares}. Names, addresses, numbers and moments are put together at random from lists; nobody is meant.

{sources}

The model holds no text; what terms say of the word lists is said here so that whoever passes it on can judge."""


def fonts(faces: list[dict[str, str]]) -> str:
    trained = [face for face in faces if face["use"] == "train"]
    held = ", ".join(face["name"] for face in faces if face["use"] != "train")
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(face["kind"] for face in trained).items())
    licences = ", ".join(
        f"{name} ({count})" for name, count in Counter(face["licence"] for face in faces).most_common()
    )
    return f"""## Fonts and their licences

{len(trained)} faces trained on ({kinds}): `training/data/faces.csv`. Licences: {licences}.
Held out, only measured on: {held}."""


def figures(result: dict[str, Any]) -> str:
    rows = ["## Figures", "", "Share of lines read exactly, case and punctuation counted; 95 % interval (Wilson).", ""]
    rows += ["| measured on | lines | exact | interval | characters wrong |", "|---|---|---|---|---|"]
    names = {"generated": "generated, unseen faces:", "pages": "pages by true boxes:"}
    for part, title in names.items():
        for name, m in sorted(result.get(part, {}).items()):
            share, wrong = f"{100 * m['exact']:.1f} %", f"{100 * m['character_error_rate']:.2f} %"
            span = f"{100 * m['low']:.1f}-{100 * m['high']:.1f} %"
            rows.append(f"| {title} {name} | {m['lines']} | {share} | {span} | {wrong} |")
    return "\n".join(rows) if result else "## Figures\n\nNot measured yet."


LIMITS = """## Limits

- One line at a time; it neither finds lines nor turns pages.
- Real handwriting is not read: the handwriting-like faces only keep it from failing on neat script fonts.
- `’` is read as `'`, `—` as `–`, an ellipsis as three full stops; wide gaps as one space.
- Its probabilities are too high; `reader.json` holds the calibration of a line, measured on generated lines.
- The printed pages it is measured on are new in layout and wear, but some are set in common office faces (Tinos,
  Liberation) that it was trained on; the handwriting-like faces on them were held out.
- Measured on synthetic pages only, until a hospital measures it on its own paper."""


def writing(facts: dict[str, Any]) -> str:
    counts = {part: {kind: len(names) for kind, names in kinds.items()} for part, kinds in facts["faces"].items()}
    held = ", ".join(facts["faces"]["measure"]["handwritten"])
    told = "\n".join(f"| {part} | {row} |" for part, groups in facts["figures"].items() for row in writing_rows(groups))
    return f"""# Writing detector of sohoa

Tells whether a line is printed, handwritten or stamped. `{WRITING_MODEL}`, {facts["bytes"]} bytes, SHA-256
`{facts["sha256"]}`.
{facts["parameters"]:,} parameters, trained from nothing on {facts["lines"]:,} generated lines (seed {facts["seed"]},
{facts["minutes"]} minutes); {facts["cpu_ms_a_line_of_width_190"]} CPU ms a line. Made by `python -m training writing`.

Printed: {counts["train"]["printed"]} faces as set, typed, in small capitals, by needles. Handwritten:
{counts["train"]["handwritten"]} handwriting-like faces, and plain ones, most of them made uneven letter by letter,
bent, slanted and pressed. Stamped: printed faces framed, ringed, turned and partly inked. When to stop and how sure to
be was settled on {counts["tune"]["printed"]} and {counts["tune"]["handwritten"]} other faces. Measured on
{counts["measure"]["printed"]} printed faces and {counts["measure"]["handwritten"]} handwriting-like ones that had no
part in that: {held}. All names are in `{WRITING_FACTS}`; licences in `training/data/faces.csv` and `hands.csv`.

| measured on | writing | lines | right | interval | taken for print, hand, stamp |
|---|---|---|---|---|---|
{told}

{WRITING_LIMITS}"""


def writing_rows(groups: dict[str, dict[str, Any]]) -> list[str]:
    """'printed scan | 200 | 98.0 % | 95.0-99.2 % | 196, 4, 0' of each group."""
    return [
        f"{name} | {m['lines']} | {100 * m['right']:.1f} % | {100 * m['low']:.1f}-{100 * m['high']:.1f} % | "
        + ", ".join(str(count) for count in m["said"].values())
        for name, m in groups.items()
    ]


WRITING_LIMITS = """Limits:

- No line of real handwriting was trained on or is in these figures: measure it on the hospital's own paper first.
- Faces that only look handwritten, with letters as even as print, are taken for print about every other time; the three
  of the pages (Patrick Hand, Itim, Sriracha) are such faces. Ask `shares` and set a lower bar where that matters.
- Skewed lines and small letters in high boxes were added to the training after they had failed on pages, so the figures
  of the pages are not quite those of pages never seen; no line and no face of theirs was trained on.
- One or two signs by themselves (a digit, a tick) tell little; ink lower or narrower than six pixels tells nothing.
- A stamp without frame, turn or uneven ink looks printed in grey; in colour its ink tells. How often which writing has
  which ink is assumed (`inks` in the facts), not measured, and the lines in colour are drawn by the same assumption.
- Its probabilities hold for lines of which two in five are handwritten; where nearly all is print, a line taken for
  handwriting is more often print than they say."""
