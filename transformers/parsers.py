"""Stage 6, transformers.parsers: which parser reads which kind; a parser is pure and fails only with ValueError."""

import re
from collections.abc import Callable

from transformers.choices import (
    parse_laterality,
    parse_modality,
    parse_outcome,
    parse_person_name,
    parse_sex,
    parse_text,
)
from transformers.dates import birth_value, date_value, moment_value, parse_age
from transformers.identifiers import (
    parse_icd10,
    parse_identifier,
    parse_insurance_card,
    parse_personal_id,
    parse_phone,
)
from transformers.numbers import (
    parse_flag,
    parse_integer,
    parse_measure,
    parse_number,
    parse_reference,
    parse_strength,
    parse_unit,
)

Parser = Callable[[str], str]

PARSERS: dict[str, Parser] = {
    "person_name": parse_person_name,
    "birth_date": birth_value,
    "date": date_value,
    "moment": moment_value,
    "age": parse_age,
    "integer": parse_integer,
    "number": parse_number,
    "measure": parse_measure,
    "sex": parse_sex,
    "outcome": parse_outcome,
    "modality": parse_modality,
    "laterality": parse_laterality,
    "insurance_card": parse_insurance_card,
    "personal_id": parse_personal_id,
    "phone": parse_phone,
    "icd10": parse_icd10,
    "identifier": parse_identifier,
    "reference": parse_reference,
    "strength": parse_strength,
    "unit": parse_unit,
    "flag": parse_flag,
    "text": parse_text,
    "long_text": parse_text,
    "address": parse_text,
    "ethnicity": parse_text,
    "occupation": parse_text,
    "department": parse_text,
    "drug": parse_text,
    "test_name": parse_text,
}

# What a reading is still worth when its parser fails: a moment without its hour is a day.
FALLBACKS: dict[str, Parser] = {
    "moment": date_value,
    "birth_date": parse_text,
    "number": lambda raw: parse_number(_comma_for_colon(raw)),
    "reference": lambda raw: parse_reference(_comma_for_colon(raw)),
}


def _comma_for_colon(raw: str) -> str:
    """'27:5' -> '27,5': likely a decimal comma, but a titre is printed 1:160, so a person looks at it."""
    return re.sub(r"(?<=\d):\s?(?=\d)", ",", raw)
