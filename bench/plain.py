"""A peer, bench.plain: one pytesseract call a page and a regular expression a field; what an afternoon gives.

It stands for the script that most people would write first. It knows nothing of layouts, tables, checks or places.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pypdfium2
import pytesseract
from PIL import Image

RENDER_DPI = 200
TITLES = (
    ("TÓM TẮT", "record_summary"), ("RA VIỆN", "discharge_letter"), ("CHUYỂN", "transfer_letter"),
    ("GIẢI PHẪU BỆNH", "pathology_report"), ("XÉT NGHIỆM", "lab_report"), ("ĐƠN THUỐC", "prescription"),
    ("PHẪU THUẬT", "surgery_report"), ("CHỤP", "imaging_report"), ("SIÊU ÂM", "imaging_report"),
    ("BỆNH ÁN", "inpatient_cover"),
)  # fmt: skip
REST = r"\s*[:.]*\s*(?P<value>\S.*?)(?=\s{2,}|$)"
CODE = r"\s*[:.]*\s*(?P<value>[\w./-]+)"
PATTERNS = {
    "patient.name": rf"(?:họ và tên|họ tên)(?: người bệnh| bệnh nhân| NB| BN)?{REST}",
    "patient.birth_date": r"(?:sinh ngày|ngày sinh|năm sinh)\s*:?\s*(?P<value>\d[^\n]*?\d{4}|\d{4})",
    "patient.age": r"tuổi\s*:?\s*(?P<value>\d{1,3})",
    "patient.sex": r"(?:giới tính|giới|nam/nữ)\s*:?\s*(?P<value>nam|nữ)",
    "patient.address": rf"(?:địa chỉ|nơi cư trú)(?: thường trú)?{REST}",
    "patient.id": rf"mã (?:người bệnh|bệnh nhân|NB|BN){CODE}",
    "patient.national_id": r"(?:CCCD|định danh)[^\d\n]*(?P<value>\d{12})",
    "patient.insurance_number": r"BHYT[^A-Z\n]*(?P<value>[A-Z]{2}[\d -]{13,18})",
    "encounter.number": rf"số (?:vào viện|hồ sơ|bệnh án){CODE}",
    "encounter.archive_number": rf"(?:số|mã) lưu trữ{CODE}",
    "encounter.department": rf"khoa(?: điều trị)?{REST}",
    "encounter.admitted_at": rf"(?:vào viện lúc|giờ vào viện|thời gian vào viện|ngày vào viện){REST}",
    "encounter.discharged_at": rf"(?:ra viện lúc|giờ ra viện|thời gian ra viện|ngày ra viện){REST}",
    "diagnosis.main": rf"chẩn đoán(?: ra viện| xác định| lâm sàng)?{REST}",
    "diagnosis.main.code": r"ICD[ -]?10[^A-Z\n]*(?P<value>[A-Z]\d\d(?:\.\d+)?)",
    "treatment": rf"(?:phương pháp|PP|hướng) điều trị{REST}",
    "doctor": rf"bác sĩ (?:điều trị|chỉ định|đọc kết quả){REST}",
}
COMPILED = {name: re.compile(pattern, re.IGNORECASE | re.MULTILINE) for name, pattern in PATTERNS.items()}


def read_plainly(path: Path, number: int) -> dict[str, Any]:
    """Text, document type, rotation and fields of a page from 1."""
    image = page_image(path, number)
    rotation = page_rotation(image)
    upright = image.rotate(-rotation, expand=True)
    text = unicodedata.normalize("NFC", pytesseract.image_to_string(upright, lang="vie"))
    kind = next((kind for title, kind in TITLES if title in text), "other")
    return {"text": text, "document_type": kind, "rotation": rotation, "fields": list(fields_in(text))}


def page_image(path: Path, number: int) -> Image.Image:
    """A page of a PDF at 200 dpi, or of a picture as it is."""
    if path.suffix.lower() == ".pdf":
        with pypdfium2.PdfDocument(path) as pdf:
            image: Image.Image = pdf[number - 1].render(scale=RENDER_DPI / 72).to_pil()
            return image.convert("RGB")
    with Image.open(path) as picture:
        picture.seek(number - 1)
        return picture.convert("RGB")


def page_rotation(image: Image.Image) -> int:
    """Tesseract's orientation: quarter turns counter-clockwise, in degrees; 0 where it cannot tell."""
    try:
        return int(pytesseract.image_to_osd(image, output_type=pytesseract.Output.DICT)["rotate"]) % 360
    except pytesseract.TesseractError:
        return 0


def fields_in(text: str) -> Iterator[dict[str, str]]:
    """The first match of each field's pattern, brought into normal form where that takes one line."""
    for name, pattern in COMPILED.items():
        if found := pattern.search(text):
            raw = " ".join(found["value"].split())
            yield {"name": name, "value": NORMAL.get(name, str)(raw)}


def day(raw: str) -> str:
    """'18 tháng 04 năm 1956' or '18/04/1956' -> '1956-04-18'; a bare year stays."""
    numbers = re.findall(r"\d+", raw)
    return f"{numbers[2]:0>4}-{numbers[1]:0>2}-{numbers[0]:0>2}" if len(numbers) >= 3 else raw


def moment(raw: str) -> str:
    """'21 giờ 30 ngày 12/06/2018' or '12/06/2018 21:30' -> '2018-06-12T21:30'."""
    numbers = re.findall(r"\d+", raw)
    if len(numbers) < 5:
        return day(raw)
    clock_first = bool(re.match(r"\d+\s*(?:giờ|:|h)", raw))
    clock, date = (numbers[:2], numbers[2:5]) if clock_first else (numbers[3:5], numbers[:3])
    return f"{date[2]}-{date[1]:0>2}-{date[0]:0>2}T{clock[0]:0>2}:{clock[1]:0>2}"


NORMAL: dict[str, Callable[[str], str]] = {
    "patient.name": str.upper,
    "patient.birth_date": day,
    "patient.sex": lambda raw: {"nam": "male", "nữ": "female"}[raw.lower()],
    "patient.insurance_number": lambda raw: re.sub(r"[ -]", "", raw),
    "encounter.admitted_at": moment,
    "encounter.discharged_at": moment,
}
