"""Sample scans: the committed files, their truth and the hospital's list agree; the generator can redo them."""

import csv
import json
import re
import sys
import unicodedata
from datetime import datetime
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from PIL import Image

FOLDER = Path(__file__).resolve().parents[1] / "sample_scans"
sys.path.insert(0, str(FOLDER))

import faces  # noqa: E402
import generate  # noqa: E402

TRUTHS = sorted(FOLDER.rglob("*.truth.json"))
PAGES = [page for path in TRUTHS for page in json.loads(path.read_text(encoding="utf-8"))]
REGISTRY = list(csv.DictReader((FOLDER / "registry.csv").open(encoding="utf-8")))
SCAN_SUFFIXES = {".pdf", ".tif", ".tiff", ".jpg", ".jpeg", ".png"}
COMMON = {
    "patient.name",
    "patient.birth_date",
    "patient.age",
    "patient.sex",
    "patient.ethnicity",
    "patient.occupation",
    "patient.address",
    "patient.phone",
    "patient.id",
    "patient.national_id",
    "patient.insurance_number",
    "patient.insurance_valid_to",
    "encounter.number",
    "encounter.archive_number",
    "encounter.department",
    "encounter.bed",
    "diagnosis.main",
    "diagnosis.main.code",
    "doctor",
}
STAY = {"encounter.admitted_at", "encounter.discharged_at"}
EXAMINED = (
    {"visit.at"}
    | {f"exam.{n}" for n in ("reason", "history", "past_history", "family_history", "general", "organs", "results")}
    | {f"vitals.{n}" for n in ("pulse", "temperature", "blood_pressure", "respiration", "weight")}
)
OWN = {
    "inpatient_cover": STAY
    | {"encounter.days", "encounter.outcome", "diagnosis.secondary", "diagnosis.secondary.code", "contact.name"},
    "discharge_letter": STAY | {"treatment", "note"},
    "record_summary": STAY | {"diagnosis.secondary", "treatment", "encounter.outcome"},
    "transfer_letter": STAY | {"treatment", "transfer.to", "transfer.reason"},
    "lab_report": {"specimen.id", "specimen.collected_at", "report.issued_at"}
    | {f"results[i].{part}" for part in ("test", "value", "unit", "reference", "flag")},
    "imaging_report": {"imaging.modality", "imaging.findings", "imaging.conclusion", "report.issued_at"},
    "pathology_report": {
        "specimen.id",
        "pathology.site",
        "pathology.gross",
        "pathology.micro",
        "pathology.conclusion",
        "report.issued_at",
    },
    "surgery_report": {
        "encounter.admitted_at",
        "surgery.at",
        "surgery.preop",
        "surgery.postop",
        "surgery.procedure",
        "surgery.anesthesia",
        "surgery.surgeon",
    },
    "prescription": {f"medications[i].{part}" for part in ("drug", "strength", "quantity", "unit", "dosage")},
    "admission_exam": EXAMINED | {"diagnosis.referral"},
    "outpatient_record": EXAMINED | {"diagnosis.secondary", "note"},
    "chemotherapy_order": {"chemo.regimen", "chemo.cycle", "chemo.day"}
    | {f"vitals.{name}" for name in ("height", "weight", "surface")}
    | {f"medications[i].{part}" for part in ("drug", "strength", "dosage", "solvent", "route", "duration")},
    "film": {"film.modality", "film.taken_on", "film.laterality", "film.view"},
    "blank": set(),
    "unreadable": set(),
}


def values(page):
    return {field["name"]: field["value"] for field in page["fields"]}


def page_id(page):
    return f"{page['file']}-{page['page']}"


def test_every_scan_has_a_truth_and_every_truth_a_scan():
    scans = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.suffix in SCAN_SUFFIXES}
    assert scans == {page["file"] for page in PAGES}


def test_truth_lists_each_page_of_a_file_once():
    for path in TRUTHS:
        pages = json.loads(path.read_text(encoding="utf-8"))
        if pages[0]["page"] == 0:
            continue
        scan = FOLDER / pages[0]["file"]
        count = len(pikepdf.open(scan).pages) if scan.suffix == ".pdf" else getattr(Image.open(scan), "n_frames", 1)
        assert [page["page"] for page in pages] == list(range(1, count + 1)), path.name


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_field_names_are_known_and_stand_once(page):
    names = [field["name"] for field in page["fields"]]
    assert {re.sub(r"\[\d+\]", "[i]", name) for name in names} <= COMMON | OWN[page["document_type"]]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_boxes_lie_inside_the_page(page):
    width, height = page["upright_size"]
    for field in page["fields"]:
        left, top, right, bottom = field["box"]
        assert 0 <= left < right <= width and 0 <= top < bottom <= height, field["name"]


@pytest.mark.parametrize("page", [p for p in PAGES if p["page"] == 1 and not p["file"].endswith(".pdf")], ids=page_id)
def test_upright_size_is_the_picture_before_it_was_turned(page):
    width, height = page["upright_size"]
    expected = (height, width) if page["rotation"] in (90, 270) else (width, height)
    assert Image.open(FOLDER / page["file"]).size == expected


def test_each_document_type_comes_at_least_twice_as_a_single_form():
    single = [page["document_type"] for page in PAGES if page["file"].startswith("forms/")]
    assert all(single.count(kind) >= 2 for kind in OWN if kind not in ("film", "blank", "unreadable"))


def test_text_is_nfc():
    assert all(unicodedata.is_normalized("NFC", f["value"] + f["shown"]) for page in PAGES for f in page["fields"])


@pytest.mark.parametrize("row", REGISTRY, ids=lambda row: row["patient_id"])
def test_a_personal_identity_number_tells_sex_and_year_of_birth(row):
    number, year = row["national_id"], int(row["birth_date"][:4])
    if len(number) == 9:
        pytest.skip("an identity card from before 2016 says neither")
    assert len(number) == 12
    assert int(number[3]) == 2 * (year // 100 - 19) + (row["sex"] == "female")
    assert number[4:6] == f"{year % 100:02d}"


@pytest.mark.parametrize("page", [p for p in PAGES if "patient.id" in values(p)], ids=page_id)
def test_a_page_says_what_the_registry_says(page):
    read = values(page)
    [row] = [row for row in REGISTRY if row["patient_id"] == read["patient.id"]]
    pairs = {
        "patient.name": "name",
        "patient.sex": "sex",
        "patient.insurance_number": "insurance_number",
        "patient.national_id": "national_id",
        "patient.address": "address",
        "patient.phone": "phone",
        "encounter.number": "encounter_number",
        "encounter.archive_number": "archive_number",
        "encounter.admitted_at": "admitted_at",
        "encounter.discharged_at": "discharged_at",
        "diagnosis.main.code": "main_code",
    }
    assert {name: read[name] for name in pairs if name in read} == {n: row[c] for n, c in pairs.items() if n in read}
    assert row["birth_date"].startswith(read.get("patient.birth_date", ""))


@pytest.mark.parametrize("stay", generate.STAYS, ids=lambda stay: stay.patient.patient_id)
def test_a_stay_runs_from_admission_over_operation_and_report_to_discharge(stay):
    from facts import issued_at, surgery_start

    pathology = issued_at(stay, "pathology_report", 0)
    assert stay.admitted_at < surgery_start(stay) < pathology < stay.discharged_at
    for kind, part in (("lab_report", 0), ("lab_report", 2), ("imaging_report", 1)):
        assert stay.admitted_at < issued_at(stay, kind, part) < stay.discharged_at


def test_samples_are_collected_before_their_results_and_after_admission():
    for page in PAGES:
        read = values(page)
        if "specimen.collected_at" in read:
            collected, issued = (datetime.fromisoformat(read[n]) for n in ("specimen.collected_at", "report.issued_at"))
            [row] = [row for row in REGISTRY if row["patient_id"] == read["patient.id"]]
            assert datetime.fromisoformat(row["admitted_at"]) < collected < issued, page_id(page)


def test_two_patients_of_the_registry_have_no_scans():
    seen = {values(page).get("patient.id") for page in PAGES} | {
        row["patient_id"] for row in REGISTRY for page in PAGES if values(page).get("patient.name") == row["name"]
    }
    cut_short = generate.STAYS[generate.LOCKED.who].patient.patient_id
    assert len({row["patient_id"] for row in REGISTRY} - seen - {cut_short}) == 2


def test_the_folder_stays_small():
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file() and "__pycache__" not in p.parts) <= 20e6


def test_the_handwriting_faces_have_every_vietnamese_letter():
    letters = "ăâđêôơưĂÂĐÊÔƠƯ" + "".join(
        unicodedata.normalize("NFC", base + tone) for base in "aăâeêioôơuưyAĂÂEÊIOÔƠUƯY" for tone in "̣̀́̃̉"
    )
    for hand in faces.HANDS:
        known = set(generate_cmap(hand))
        assert not {letter for letter in letters if ord(letter) not in known}, hand


def generate_cmap(hand):
    import io

    from fontTools.ttLib import TTFont

    return TTFont(io.BytesIO(faces.merged_hand(hand))).getBestCmap()


def test_the_generator_makes_a_committed_page_again_to_the_pixel():
    page = generate.FORMS[0]
    picture, truth = generate.render(page)
    name = f"forms/{generate.form_name(page)}"
    committed = Image.open(FOLDER / name)
    assert np.array_equal(np.asarray(picture.convert("RGB")), np.asarray(committed.convert("RGB")))
    [stored] = [p for p in PAGES if p["file"] == name]
    assert stored["fields"] == truth["fields"]


def test_a_degraded_page_comes_out_the_same_twice():
    page = generate.Page(7, "inpatient_cover", "boxed", "hard")
    assert np.array_equal(*(np.asarray(generate.render(page)[0]) for _ in range(2)))
