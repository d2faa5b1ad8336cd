"""In the mix-up run, bench.near_people: patients who are easily taken for one another, made from an invented one."""

import random
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.identity_reading import drawn_stay, sample_module

TONES = "\u0300\u0301\u0303\u0309\u0323"
ENDINGS = ("H", "G", "N", "M", "C", "T", "I")  # AN and ANH, LIÊN and LIÊM, THU and THUC
NEAR_FIELDS = ("patient_id", "insurance_number", "national_id")

Stay = Any  # of the sample scans' generator


def same_surname(stay: Stay, rng: random.Random) -> Stay:
    """Someone else of the same family name, all numbers other."""
    surnames = len(sample_module("people").SURNAMES)
    return _other(stay, rng, lambda number: number * surnames + _surname_index(stay))


def same_ward(stay: Stay, rng: random.Random) -> Stay:
    """Who lay in the same room in those days: the numbers begin alike."""
    other = _other(stay, rng, lambda number: number)
    year = stay.encounter_number[:3]
    numbers = {
        "encounter_number": year + other.encounter_number[3:],
        "archive_number": year[:2] + other.archive_number[2:],
    }
    patient = replace(other.patient, patient_id=stay.patient.patient_id[:2] + other.patient.patient_id[2:],
                      address=stay.patient.address)  # fmt: skip
    return replace(other, patient=patient, department=stay.department, **numbers)


def number_one_off(stay: Stay, rng: random.Random) -> Stay:
    """Someone else whose numbers all differ from this patient's in one digit."""
    other = same_ward(stay, rng)
    numbers = {name: _one_off(getattr(stay.patient, name), rng) for name in NEAR_FIELDS}
    return replace(
        other, patient=replace(other.patient, **numbers), encounter_number=_one_off(stay.encounter_number, rng),
        archive_number=_one_off(stay.archive_number, rng),
    )  # fmt: skip


def near_name(stay: Stay, rng: random.Random) -> Stay:
    """A twin: born the same day at the same address, a name one letter or one tone mark off, the next numbers."""
    patient = stay.patient
    numbers = {name: _next(getattr(patient, name)) for name in NEAR_FIELDS}
    name = rng.choice((_other_tone, _other_ending))(patient.name, rng)
    return replace(
        stay, patient=replace(patient, name=name, **numbers), encounter_number=_next(stay.encounter_number),
        archive_number=_next(stay.archive_number),
    )  # fmt: skip


def parent(stay: Stay, rng: random.Random) -> Stay:
    """Father or mother: a near name, born in another year, the next numbers."""
    twin = near_name(stay, rng)
    born = twin.patient.birth_date
    return replace(twin, patient=replace(twin.patient, birth_date=born.replace(year=born.year - rng.randint(18, 40))))


def namesake(stay: Stay, rng: random.Random) -> Stay:
    """Who lies in the same ward under the same name, born another day, all numbers one digit off."""
    other = number_one_off(stay, rng)
    return replace(other, patient=replace(other.patient, name=stay.patient.name))


NEAR: dict[str, Callable[[Stay, random.Random], Stay]] = {
    "same surname": same_surname,
    "same ward": same_ward,
    "numbers one digit off": number_one_off,
    "twin": near_name,
    "parent": parent,
    "namesake": namesake,
}


def _other(stay: Stay, rng: random.Random, number_of: Callable[[int], int]) -> Stay:
    """Another invented stay, of another name."""
    while True:
        other = drawn_stay(number_of(rng.randint(200, 99999)))
        if other.patient.name != stay.patient.name:
            return other


def _surname_index(stay: Stay) -> int:
    surnames = [name.upper() for name in sample_module("people").SURNAMES]
    return surnames.index(stay.patient.name.split()[0])


def _one_off(number: str, rng: random.Random) -> str:
    at = rng.choice([i for i, c in enumerate(number) if c.isdigit() and i > 1])
    return number[:at] + rng.choice([d for d in "0123456789" if d != number[at]]) + number[at + 1 :]


def _next(number: str) -> str:
    """The number that is given out next: its last digit, carried on."""
    head, tail = number[:-3], number[-3:]
    return head + f"{(int(tail) + 1) % 1000:03d}"


def _other_tone(name: str, rng: random.Random) -> str:
    """'TRẦN GIA HUY' -> 'TRẦN GIA HÙY'"""
    *front, last = name.split()
    letters = [c for c in unicodedata.normalize("NFD", last) if c not in TONES]
    had = [c for c in unicodedata.normalize("NFD", last) if c in TONES]
    vowels = [i for i, c in enumerate(letters) if c in "AEIOUY"]
    at = max(vowels) + 1 if len(vowels) == 1 else vowels[-2] + 1
    while at < len(letters) and unicodedata.combining(letters[at]):
        at += 1
    tone = rng.choice([t for t in ("", *TONES) if [t] != had and (t or had)])
    return " ".join([*front, unicodedata.normalize("NFC", "".join([*letters[:at], tone, *letters[at:]]))])


def _other_ending(name: str, rng: random.Random) -> str:
    """'NGUYỄN VĂN AN' -> 'NGUYỄN VĂN ANH'; 'LÊ THỊ LIÊN' -> 'LÊ THỊ LIÊM'"""
    *front, last = name.split()
    ending = rng.choice([e for e in ENDINGS if not last.endswith(e)])
    stem = last[:-1] if last[-1] in ENDINGS and rng.random() < 0.5 else last
    return " ".join([*front, stem + ending])
