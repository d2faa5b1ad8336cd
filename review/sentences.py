"""Stage 8, review.sentences: what a check says, stored in Vietnamese, becomes a sentence in the reader's language.

The wordings stand in sentences.yaml; a stored sentence is found by its wording, its blanks go into the twin.
"""

import re
from functools import cache
from pathlib import Path

import yaml

FILE = Path(__file__).resolve().parent / "sentences.yaml"
BETWEEN = re.compile(r", (?![^“]*”)")  # between the parts of a list, not inside “ ”
BLANK = re.compile(r"\{(\w+)\}")
DIGITS = frozenset({"number"})  # blanks that hold nothing else


def in_language(sentence: str, language: str) -> str:
    """'Tuổi lớn hơn 120; …' -> 'The age is over 120; …'; as it is stored where nobody wrote a twin."""
    return sentence if language == "vi" else _twin(sentence, "sentences") or _part(sentence)


def _twin(text: str, kind: str) -> str:
    """The English twin of a sentence or a part of one; '' for none."""
    for pattern, twin in _wordings(kind):
        if found := pattern.fullmatch(text):
            return twin.format(**{name: _part(told) for name, told in found.groupdict().items()})
    return ""


def _part(text: str) -> str:
    """'trang 3, trang 7' -> 'page 3, page 7'; '9 hoặc 12' -> '9 or 12'; names and numbers stay."""
    return _twin(text, "parts") or ", ".join(
        _twin(one, "parts") or one.replace(" hoặc ", " or ") for one in BETWEEN.split(text)
    )


@cache
def _wordings(kind: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    rows = yaml.safe_load(FILE.read_text(encoding="utf-8"))[kind]
    return tuple((_pattern(row["vi"]), row["en"]) for row in rows)


def _pattern(wording: str) -> re.Pattern[str]:
    """A wording with blanks as what fits it."""
    pieces = BLANK.split(wording)
    for place in range(1, len(pieces), 2):
        quoted = pieces[place - 1].endswith("“")
        what = "[0-9]+" if pieces[place] in DIGITS else "[^”]+" if quoted else ".+?"
        pieces[place] = f"(?P<{pieces[place]}>{what})"
    pieces[::2] = map(re.escape, pieces[::2])
    return re.compile("".join(pieces))
