"""Stage 5, records.clinical: what is said in a clinical text, with its place in it."""

from enum import StrEnum
from typing import Any

from records.base import Frozen


class Label(StrEnum):
    """What an entity is; tests/clinical/README.md says what belongs in the span of each."""

    DIAGNOSIS = "DIAGNOSIS"
    FINDING = "FINDING"
    LYMPH_NODE = "LYMPH_NODE"
    HISTOLOGY = "HISTOLOGY"
    GRADE = "GRADE"
    TNM = "TNM"
    STAGE = "STAGE"
    SIZE = "SIZE"
    SITE = "SITE"
    RECEPTOR = "RECEPTOR"
    SUV = "SUV"
    PROCEDURE = "PROCEDURE"
    DRUG = "DRUG"
    STRENGTH = "STRENGTH"
    DOSE = "DOSE"
    ROUTE = "ROUTE"
    FREQUENCY = "FREQUENCY"
    REGIMEN = "REGIMEN"
    CYCLE = "CYCLE"
    DATE = "DATE"
    PERSON = "PERSON"
    HOSPITAL = "HOSPITAL"
    VITAL_SIGN = "VITAL_SIGN"
    LAB = "LAB"


class Entity(Frozen):
    """One thing said in a text. `start`, `end`: characters of the text in NFC, end exclusive; `text`: those verbatim.

    `negated`, `uncertain`: as the text says, of DIAGNOSIS, FINDING, LYMPH_NODE, HISTOLOGY and PROCEDURE only.
    `laterality`: left, right, both or empty. `value`: of a measure, in the units of the label's definition.
    `section`: the heading that the words stand under, or empty.
    """

    start: int
    end: int
    label: Label
    text: str
    negated: bool = False
    uncertain: bool = False
    laterality: str = ""
    value: Any = None
    section: str = ""


class Abbreviation(Frozen):
    """A short form and what it most likely stands for here. `start`, `end`: as of `Entity`; `confidence`: 0..1."""

    start: int
    end: int
    text: str
    expansion: str
    confidence: float
