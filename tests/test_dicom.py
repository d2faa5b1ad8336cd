"""A film as DICOM: what the standard's own checkers say of it, its pixels, and when it is the same instance."""

import shutil
import subprocess
from datetime import datetime

import numpy as np
import pydicom
import pytest
from PIL import Image

from extractors.decode import stored_pixels
from extractors.intake import inspect
from extractors.limits import Limits
from loaders import dicom
from tests.film_samples import make_film

LIMITS = Limits()
BY_FINISH = {"grey8 sheet": 0, "grey16": 1, "grey8": 2, "photo": 3, "grey16 sheet": 5}  # numbers of films
PATIENT = {
    "patient_id": "DEMO|1",
    "identifier": "14003728",
    "name": "NGUYỄN THỊ MẪU",
    "birth_date": "1961-03-04",
    "sex": "female",
}
STUDY = {"modality": "CR", "taken_on": "2019-02-03", "laterality": "L", "view": "AP", "accession": "190212345"}


def facts(study=STUDY, patient=PATIENT, **more):
    given = {"page_id": "p1", "position": 1, "hospital": "BỆNH VIỆN MẪU", "scanned_at": datetime(2026, 1, 2, 3, 4, 5)}
    stay = {"encounter_id": "DEMO|19.000001", "number": "19.000001"}
    return dicom.Film(patient=patient, encounter=stay, study=study, **given | more)


def scanned(number):
    film = make_film(number)
    media_type, _ = inspect(film.data, f"x.{film.suffix}", LIMITS)
    return film, *stored_pixels(film.data, media_type, 1, LIMITS)


@pytest.fixture(scope="module", params=BY_FINISH, name="made")
def made_file(request, tmp_path_factory):
    """A film of each kind: the file, the instance and the scan's pixels."""
    film, pixels, dpi = scanned(BY_FINISH[request.param])
    about = facts(frames=film.grid, turn=film.turn, mirrored=film.mirrored, dpi=dpi)
    instance = dicom.instance_of(pixels, about)
    path = tmp_path_factory.mktemp("dicom") / "film.dcm"
    path.write_bytes(dicom.to_bytes(instance))
    return path, pixels, request.param


def said(*command):
    if not shutil.which(command[0]):
        pytest.skip(f"needs {command[0]} (Debian: dicom3tools, dcmtk)")
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_the_standards_checkers_find_no_error(made):
    path, _, _ = made
    code, told = said("dciodvfy", str(path))
    assert code == 0 and "Error" not in told, told
    assert said("dcmftest", str(path)) == (0, f"yes: {path}\n")


def test_another_decoder_shows_the_scans_own_pixels(made, tmp_path):
    path, pixels, _ = made
    out = tmp_path / "out.pnm"
    deep = ["--write-16-bit-pnm"] if pixels.dtype == np.uint16 else []
    code, _ = said("dcm2pnm", *deep, "--no-windowing", str(path), str(out))
    assert code == 0 and np.array_equal(np.asarray(Image.open(out)), pixels)
    assert pydicom.dcmread(path).pixel_array.tobytes() == pixels.tobytes()


def test_it_says_what_it_is(made):
    path, _, kind = made
    read = pydicom.dcmread(path)
    assert read.SpecificCharacterSet == "ISO_IR 192" and read.PatientName == "NGUYỄN^THỊ MẪU"
    assert (read.BurnedInAnnotation, read.Laterality, read.AdmissionID) == ("YES", "L", "19.000001")
    assert "not for measurement" in read.DerivationDescription
    assert (read.StudyDate, read.PatientBirthDate, read.PatientSex) == ("20190203", "19610304", "F")
    assert read.ConversionType == ("SI" if kind == "photo" else "DF")
    assert read.SOPClassUID.name.startswith("Multi-frame Grayscale") == kind.endswith("sheet")
    assert ("NominalScannedPixelSpacing" in read) == (kind != "photo")


def test_a_resend_is_the_same_instance_byte_by_byte():
    _, pixels, _ = scanned(2)
    assert dicom.to_bytes(dicom.instance_of(pixels, facts())) == dicom.to_bytes(dicom.instance_of(pixels, facts()))


@pytest.mark.parametrize("changed", ["identifier", "name", "birth_date"])
def test_a_film_whose_facts_were_corrected_is_another_instance_of_the_same_study(changed):
    first, second = dicom.uids_of(facts()), dicom.uids_of(facts(patient=PATIENT | {changed: "2"}))
    assert first.study == second.study and first.instance != second.instance
    assert all(len(uid) <= 64 and uid.startswith("2.25.") for uid in first)


def test_films_of_one_day_and_kind_are_one_study_and_others_are_not():
    same, other = dicom.uids_of(facts(page_id="p2")), dicom.uids_of(facts(study=STUDY | {"taken_on": "2019-02-04"}))
    assert dicom.uids_of(facts()).study == same.study != other.study
    assert dicom.uids_of(facts()).instance != same.instance


def test_a_film_of_which_only_the_patient_is_known_is_still_an_instance(tmp_path):
    made = dicom.instance_of(np.zeros((64, 48), np.uint8), facts(study={}, patient=PATIENT | {"birth_date": "1961"}))
    path = tmp_path / "bare.dcm"
    path.write_bytes(dicom.to_bytes(made))
    assert (made.Modality, made.StudyDate or "", made.PatientBirthDate or "") == ("OT", "", "")
    assert said("dciodvfy", str(path))[0] == 0


def test_frames_of_a_file_are_all_kept():
    frames = np.arange(3 * 5 * 7, dtype=np.uint16).reshape(3, 5, 7)
    made = dicom.instance_of(frames, facts())
    assert int(made.NumberOfFrames) == 3 and np.array_equal(made.pixel_array, frames)
