"""Stage 5, extractors.clinical_phrases: the words of a clinical text, by the part they play, become its entities.

A sentence is written as a string with one letter for each term, number, mark or other word; every label is a pattern
over those letters. Repeats are bounded and never nested.
"""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml

TERMS = Path(__file__).with_name("clinical_terms.yaml")
MARKS = ",;:.()?-/+"
SENTENCE, OTHER, NUMBER, LEVEL, VERTEBRA, DEGREE, STAGE, SIZE, MEASURE = "|wnvxgszm"
FIRST_LETTER = 0xE000  # of the letters for terms: private characters, none of which a text's own marks can be

AT = "(?:[vx]<hour>?|<side_before><hour>)"
MORE = (
    f"(?:<site|side>|<side_before|area>(?=<part>?<site>)|<settled>|-<site>|{AT}|[-/][vx]"
    "|<position>(?=<site|side|part>|[,;:.)|?]|$)"
    "|<part>(?=<part>?<site|side|position>|<part>?(?:[vx]|<side_before><hour>))){0,6}"
)
NAMED = f"(?:<site>|(?<=<numbered>){AT}|(?<=<sided_part>)<side>)"
ONE_SITE = f"(?:(?:<part|side_before><position|side>?){{0,3}}{NAMED}{MORE}|<segment>{MORE})"
PLACE = (
    f"(?:<side_before>?<beside>?<area>?<part|side_before>{{0,3}}(?:{NAMED}|(?<=<part>)<side|position>){MORE}"
    "|<tissue>|<side>)"
)
NODES = (
    "(?:<node><swollen>?<position>?(?:<site|side|side_before|node_group>"
    "|<part|area|beside>(?=<part|side_before>?<site|side|position|node_group>)|<counted_group>(?=[vx])"
    "|<position>(?=<site|side|part|node_group>|[,;:.)|?]|$)|[vx]|[-,][vx]){1,7})"
)
ONTO_PLACE = (
    "(?!(?<=<metastasis>)(?:<site|part|area|tissue|side_before|node>))"  # 'di căn' of 'di căn não' is no course
)
COURSE = f"(?:<course>{ONTO_PLACE}){{0,3}}"
SPREAD = f"(?:<metastasis>(?:{NODES}|<node>|{PLACE}))"
PATTERNS = {
    "PROCEDURE": (
        f"(?:<procedure>|<procedure_on><whole>?"
        "(?=<procedure|procedure_kind|procedure_on|site|part|position|area|node|finding|side_before>))<whole>?"
        f"(?:(?<=<removal>)<finding|diagnosis|histology><kind>?{PLACE}?"
        f"|<procedure|procedure_kind|procedure_on|node_group>|{NODES}|<counted_group>[vx]"
        f"|<position|area>?{ONE_SITE}|<side>|-<site>|<node>|(?<!<procedure>)<whole>){{0,5}}"
    ),
    "HISTOLOGY": f"<histology>(?:<histology_kind>{ONTO_PLACE}|<subtype>(?:<histology_kind>|w)){{0,4}}",
    "LYMPH_NODE": NODES,
    "DIAGNOSIS": (
        f"(?:<staged><course>{{0,2}}s|<diagnosis>{COURSE}(?:{PLACE}|[vx](?:[-/][vx])?)?{COURSE}g?"
        f"|<diagnosis_site><course>?(?:{PLACE}(?:-<site>)?|<node>){COURSE}g?"
        f"|<syndrome>w{{1,2}}|<bare>){SPREAD}?{COURSE}"
    ),
    "FINDING": (
        f"<metastasis>(?:{NODES}|<node>|{PLACE})|<node><swollen>|<finding_on>{PLACE}g?"
        f"|(?<!<site|side|position|part>)<finding_on>(?=<degree>)"
        f"|(?:<generic>(?!<metastasis>))?<finding><kind>{{0,3}}g?(?:{PLACE}|x(?:[-/]x)?)?g?"
    ),
    "SITE": f"{ONE_SITE}|<alone_side>",
}


class Phrase(NamedTuple):
    """`start`, `end`: pieces of the text, end exclusive."""

    start: int
    end: int
    label: str


def phrases(letters: str) -> list[Phrase]:
    """The entities of a text given as one letter a piece, in order; the patterns are tried in their order."""
    return [
        Phrase(*match.span(), match.lastgroup or "")
        for match in _grammar().finditer(letters)
        if match.end() > match.start()
    ]


@cache
def terms() -> dict[str, tuple[str, ...]]:
    """Every listed term to the parts it can play."""
    parts: dict[str, list[str]] = {}
    for part, words in yaml.load(TERMS.read_text(encoding="utf-8"), yaml.CSafeLoader).items():
        for word in words:
            parts.setdefault(word.lower(), []).append(part)
    return {word: tuple(sorted(set(played))) for word, played in parts.items()}


@cache
def letters_of() -> dict[tuple[str, ...], str]:
    """One letter for each combination of parts that a term plays."""
    return {played: chr(FIRST_LETTER + i) for i, played in enumerate(sorted(set(terms().values())))}


@cache
def letters(*parts: str) -> str:
    """All letters of terms that can play one of these parts."""
    return "".join(letter for played, letter in letters_of().items() if set(parts) & set(played))


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern over letters, in which `<site|side>` is any term that can play one of these parts."""
    return re.compile(re.sub(r"<([a-z_|]+)>", lambda match: f"[{letters(*match[1].split('|'))}]", pattern))


@cache
def _grammar() -> re.Pattern[str]:
    return compiled("|".join(f"(?P<{label}>{pattern})" for label, pattern in PATTERNS.items()))


def sides(words: str) -> str:
    """'U phổi phải' -> 'right'; left, right or both by the side words, empty where there is none."""
    said = words.lower()
    if re.search(r"(?<!\w)(?:hai|2 bên|2 thùy|2 phổi|2 thận|2 vú|2 chi|2 buồng|2 phần)(?!\w)", said):
        return "both"
    if re.search(r"(?<!\w)trái(?!\w)|\( ?t ?\)", said):
        return "left"
    return "right" if re.search(r"(?<!\w)phải(?!\w)|\( ?p ?\)", said) else ""
