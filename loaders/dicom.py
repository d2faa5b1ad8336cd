"""After stage 9, loaders.dicom: a film's page as a DICOM Secondary Capture, or a multi-frame one for a sheet. Pure.

The pixels stay as scanned, bit for bit; how the film lay on the scanner and in which density window it is best seen is
told beside them. The same page with the same facts always makes the same instance. DICOM PS3.3, A.8.
"""

import uuid
from datetime import date, datetime
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from highdicom.sc import SCImage
from numpy.typing import NDArray
from pydicom import Dataset, dcmwrite
from pydicom.uid import (
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
)

Row = dict[str, Any]

NAMES = uuid.uuid5(uuid.NAMESPACE_URL, "urn:sohoa:dicom")
UTF8 = "ISO_IR 192"
SEX = {"male": "M", "female": "F"}
WORDS = "Phim so hoa, khong dung de do. Digitised film, not for measurement."
NOW = (
    "InstanceCreationDate", "InstanceCreationTime", "ContentDate", "ContentTime", "ContributingEquipmentSequence",
)  # fmt: skip
WINDOW = (1.0, 99.5)  # percentiles of the pixels between which the grey levels are shown
LONGEST = 64  # characters of a LO; 16 of an SH


class Film(NamedTuple):
    """What is known of one page of film. `patient`, `encounter`, `study`: rows of the EMR, the last one empty where no
    value of the film was accepted. `position`: of the page in its document, from 1. `frames`: rows and columns of a
    sheet. `turn`, `mirrored`: see records.pages.PageImage. `dpi`: 0 where the scan does not tell."""

    page_id: str
    position: int
    patient: Row
    encounter: Row
    study: Row
    hospital: str
    scanned_at: datetime
    frames: tuple[int, int] = (1, 1)
    turn: int = 0
    mirrored: bool = False
    dpi: float = 0.0
    software: str = "sohoa"


class Uids(NamedTuple):
    """StudyInstanceUID, SeriesInstanceUID and SOPInstanceUID."""

    study: str
    series: str
    instance: str


def uids_of(film: Film, study_uid: str = "") -> Uids:
    """By the facts alone: a resend is the same instance, and a film whose facts were corrected is another one.

    One study for a stay, a day, a modality and an accession number. `study_uid`: of a study that the films join.
    """
    patient, study = film.patient, film.study
    own = (film.encounter["encounter_id"], *(study.get(k) or "" for k in ("taken_on", "modality", "accession")))
    study_uid = study_uid or _uid("study", *own)
    facts = [patient.get(k) or "" for k in ("identifier", "name", "birth_date", "sex")]
    facts += [study.get(k) or "" for k in ("taken_on", "modality", "laterality", "view", "accession")]
    return Uids(study_uid, _uid("series", study_uid), _uid("instance", study_uid, film.page_id, *facts))


def instance_of(pixels: NDArray[Any], film: Film, study_uid: str = "") -> Dataset:
    """The film as an instance. `pixels`: HxW or NxHxW uint8 or uint16, or HxWx3 uint8. `study_uid`: see `uids_of`."""
    uids, study = uids_of(film, study_uid), film.study
    colour = pixels.ndim == 3 and pixels.shape[2] == 3
    frame = pixels[0] if pixels.ndim == 3 and not colour else pixels
    made = SCImage(
        pixel_array=frame,
        photometric_interpretation="RGB" if colour else "MONOCHROME2",
        bits_allocated=8 * pixels.dtype.itemsize,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),  # nobody knows: emptied below
        study_instance_uid=uids.study,
        series_instance_uid=uids.series,
        series_number=1,
        sop_instance_uid=uids.instance,
        instance_number=film.position,
        manufacturer="sohoa",
        software_versions=film.software,
        patient_id=_short(film.patient.get("identifier") or film.patient["patient_id"]),
        patient_name=person_name(film.patient.get("name") or ""),
        patient_birth_date=day(film.patient.get("birth_date")),
        patient_sex=SEX.get(film.patient.get("sex") or ""),
        accession_number=(study.get("accession") or "")[:16] or None,
        study_id=(study.get("accession") or "")[:16] or None,
        study_date=day(study.get("taken_on")),
        institution_name=_short(film.hospital),
    )
    made.SpecificCharacterSet = UTF8
    made.Modality = study.get("modality") or "OT"
    made.PatientOrientation = []
    made.AdmissionID = _short(film.encounter.get("number") or "")
    made.StudyDescription, made.SeriesDescription = "Phim so hoa", "Phim so hoa"
    _time(made, film.scanned_at)
    _tell(made, film)
    if not colour:
        _window(made, pixels)
    if pixels.ndim == 3 and not colour or film.frames != (1, 1) and not colour:
        _as_frames(made, pixels)
    return made


def to_bytes(made: Dataset) -> bytes:
    """A DICOM file (PS3.10), Explicit VR Little Endian."""
    out = BytesIO()
    dcmwrite(out, made, enforce_file_format=True)
    return out.getvalue()


def person_name(name: str) -> str:
    """'NGUYỄN VĂN AN' -> 'NGUYỄN^VĂN AN': the family name first, as DICOM's PN has it; the others in their order."""
    family, _, others = " ".join(name.split()).partition(" ")
    return f"{family}^{others}"[:LONGEST]


def _time(made: Dataset, scanned_at: datetime) -> None:
    """When the film was scanned, and nothing of when this was written: a resend is the same."""
    made.DateOfSecondaryCapture, made.TimeOfSecondaryCapture = f"{scanned_at:%Y%m%d}", f"{scanned_at:%H%M%S}"
    for name in NOW:
        if name in made:
            del made[name]
    made.StudyTime = None


def _tell(made: Dataset, film: Film) -> None:
    study = film.study
    made.ConversionType = "DF" if film.dpi else "SI"
    made.BurnedInAnnotation = "YES"
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.DerivationDescription = WORDS
    made.SecondaryCaptureDeviceManufacturer = "sohoa"
    if film.dpi:
        spacing = f"{25.4 / film.dpi:.6g}"
        made.NominalScannedPixelSpacing = [spacing, spacing]
    made.Laterality = study.get("laterality")
    told = []
    if film.frames != (1, 1):
        told.append(f"Sheet of {film.frames[0]} x {film.frames[1]} frames.")
    if film.mirrored or film.turn:
        told.append(f"On the scanner{' mirrored, then' * film.mirrored} turned {film.turn} degrees counter-clockwise.")
    if study.get("view"):
        told.append(f"View: {study['view']}.")
    made.ImageComments = " ".join([WORDS, *told])


def _window(made: Dataset, pixels: NDArray[Any]) -> None:
    """Where nearly all pixels lie: for showing alone."""
    low, high = (float(x) for x in np.percentile(pixels[..., ::4, ::4], WINDOW))
    made.WindowCenter, made.WindowWidth = f"{(low + high) / 2 + 0.5:.8g}", f"{max(high - low, 1) + 1:.8g}"


def _as_frames(made: Dataset, pixels: NDArray[Any]) -> None:
    """Multi-frame Grayscale Byte or Word Secondary Capture: a sheet kept whole, or the frames of a file."""
    deep = pixels.dtype.itemsize > 1
    sop_class = (
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage
        if deep
        else MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    )
    frames = pixels.shape[0] if pixels.ndim == 3 else 1
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = sop_class
    made.NumberOfFrames = frames
    made.PresentationLUTShape = "IDENTITY"
    made.RescaleIntercept, made.RescaleSlope, made.RescaleType = "0", "1", "US"
    made.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    if frames > 1:
        made.FrameIncrementPointer = 0x00182002  # FrameLabelVector
        made.FrameLabelVector = [str(number) for number in range(1, frames + 1)]


def _uid(*parts: str) -> str:
    return f"2.25.{uuid.uuid5(NAMES, '|'.join(parts)).int}"


def day(text: str | None) -> str | None:
    """'2019-04-05', with a time behind or not -> '20190405'; None for what is no whole day."""
    try:
        return f"{date.fromisoformat((text or '')[:10]):%Y%m%d}"
    except ValueError:
        return None


def _short(text: str) -> str:
    return text.replace("\\", "/")[:LONGEST]
