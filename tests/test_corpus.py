"""The generated pages that confidence is fitted and proven on: kept apart, and counted as they are."""

import sys
from itertools import combinations
from pathlib import Path
from random import Random

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from builders import page_reading  # noqa: E402

from bench import accuracy  # noqa: E402
from bench.corpus import CorpusPage  # noqa: E402
from bench.corpus_pages import FACES, HANDS, LAYOUTS, PARTS, QUALITIES, invented_stay  # noqa: E402
from bench.judged import OPEN, Truthful, alone  # noqa: E402
from bench.truth import TruthField, TruthPage  # noqa: E402
from records.documents import Verdict  # noqa: E402
from training.texts import icd10_path  # noqa: E402

READ = {"patient.name": "LÊ THỊ CÚC", "patient.phone": "0912345678"}


def page(read=READ, **true):
    truth = TruthPage(
        file="one.png", page=1, document_type="lab_report", quality="scan", writing="print",
        fields=tuple(TruthField(name=name, value=value) for name, value in (READ | true).items()),
    )  # fmt: skip
    return CorpusPage(
        part="proof",
        file=1,
        face="lora",
        layout="plain-box",
        truth=truth,
        reading=page_reading("1", "lab_report", read),
    )


def settled(one: Truthful, verdict: Verdict) -> Truthful:
    return one._replace(judged=one.judged.model_copy(update={"verdict": verdict}))


@pytest.mark.parametrize("parts", list(combinations(PARTS, 2)))
@pytest.mark.parametrize("what", [FACES, HANDS, LAYOUTS])
def test_no_two_parts_share_a_face_or_a_layout(parts, what):
    assert not set(what[parts[0]]) & set(what[parts[1]])


def test_a_part_and_a_seed_always_give_the_same_stay_and_another_part_another():
    if not icd10_path().exists():
        pytest.skip("The ICD-10 list is fetched at set-up.")
    one, again, other = (invented_stay(part, Random(f"{part} 1")) for part in ("fit", "fit", "proof"))
    assert one == again and one.patient.name != other.patient.name


def test_qualities_are_per_cent():
    assert sum(QUALITIES.values()) == 100


def test_values_are_right_or_wrong_as_truth_has_them():
    values = {v.judged.value.field: v.right for v in alone([page(**{"patient.phone": "0912345679"})], OPEN)}
    assert values == {"patient.name": True, "patient.phone": False}


def test_the_proof_counts_what_is_wrong_among_the_accepted_and_wrong_evidence_with_it():
    name, phone = alone([page(**{"patient.phone": "0912345679"})], OPEN)
    told = accuracy._proof("all", [settled(name, Verdict.ACCEPT), settled(phone, Verdict.ACCEPT)])
    assert (told.accepted, told.wrong, told.per_1000) == (2, 1, 500.0)
    told = accuracy._proof("all", [settled(name, Verdict.EVIDENCE), settled(phone, Verdict.EVIDENCE)])
    assert (told.accepted, told.wrong) == (1, 1)
    told = accuracy._proof("all", [settled(name, Verdict.REVIEW), settled(phone, Verdict.REVIEW)])
    assert (told.accepted, told.wrong, told.through) == (0, 0, 0.0)
