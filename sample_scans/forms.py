"""Sample scans, forms: one stay and a form's kind and style -> a drawn sheet with every value placed."""

from __future__ import annotations

import random
from collections.abc import Callable

from faces import print_font
from facts import (
    HOSPITAL,
    STYLES,
    drug_values,
    facts_of,
    infusion_values,
    lab_rows,
    page_title,
    surgery_start,
    visited_at,
)
from people import Stay
from PIL import Image, ImageDraw
from rows import labelled_rows, table
from sheets import (
    LEFT,
    RIGHT,
    Sheet,
    Style,
    Value,
    heading,
    seal,
    signature,
    text_width,
    write,
    write_value,
)

PLACE = "Sông Xanh"
# How each style arranges who the patient is; the numbers share out the room that is left on the line.
IDENTITY = {
    "dotted": [
        [("patient.name", 5), ("patient.birth_date", 3)],
        [("patient.age", 1), ("patient.sex", 1), ("patient.ethnicity", 1), ("patient.occupation", 3)],
        [("patient.address", 1)],
        [("patient.insurance_number", 3), ("patient.insurance_valid_to", 2)],
        [("patient.national_id", 1), ("patient.phone", 1)],
        [("contact.name", 1)],
    ],
    "plain": [
        [("patient.name", 5), ("patient.sex", 1)],
        [("patient.birth_date", 2), ("patient.age", 1)],
        [("patient.national_id", 1), ("patient.phone", 1)],
        [("patient.occupation", 1), ("patient.ethnicity", 1)],
        [("patient.insurance_number", 1), ("patient.insurance_valid_to", 1)],
        [("patient.address", 1)],
        [("contact.name", 1)],
    ],
    "boxed": [
        [("patient.name", 3), ("patient.birth_date", 2)],
        [("patient.sex", 1), ("patient.age", 1), ("patient.ethnicity", 1), ("patient.occupation", 2)],
        [("patient.national_id", 1), ("patient.phone", 1)],
        [("patient.insurance_number", 1), ("patient.insurance_valid_to", 1)],
        [("patient.address", 1)],
        [("contact.name", 1)],
    ],
    "stacked": [
        [("patient.name", 4), ("patient.birth_date", 3), ("patient.sex", 1), ("patient.age", 1)],
        [("patient.insurance_number", 3), ("patient.insurance_valid_to", 2), ("patient.national_id", 3)],
        [("patient.address", 1)],
        [("patient.ethnicity", 1), ("patient.occupation", 2), ("patient.phone", 2), ("contact.name", 3)],
    ],
}
WHO = {
    "patient.name",
    "patient.birth_date",
    "patient.age",
    "patient.sex",
    "patient.address",
    "patient.insurance_number",
}
WHOLE = WHO | {"patient.ethnicity", "patient.occupation", "patient.national_id"}
SHOWN_IDENTITY = {
    "inpatient_cover": WHOLE | {"patient.phone", "patient.insurance_valid_to", "contact.name"},
    "discharge_letter": WHOLE,
    "record_summary": WHOLE,
    "transfer_letter": WHOLE | {"patient.insurance_valid_to"},
    "prescription": WHO,
    "admission_exam": WHOLE | {"patient.phone"},
    "outpatient_record": WHOLE,
}
NUMBERS = {
    "inpatient_cover": ["encounter.number", "encounter.archive_number", "patient.id"],
    "discharge_letter": ["encounter.archive_number", "encounter.number", "patient.id"],
    "outpatient_record": ["patient.id"],
}
SIGNERS = {
    "lab_report": ("NGƯỜI THỰC HIỆN", "CN. Thân Thị Mừng"),
    "imaging_report": ("BÁC SĨ CHUYÊN KHOA", "BSCKI. Viên Đình Tú"),
    "pathology_report": ("BÁC SĨ ĐỌC KẾT QUẢ", "TS.BS. Cung Thị Hải"),
    "discharge_letter": ("BÁC SĨ ĐIỀU TRỊ", ""),
    "transfer_letter": ("NGƯỜI HÀNH NGHỀ KB, CB", ""),
    "prescription": ("BÁC SĨ KHÁM BỆNH", ""),
    "record_summary": ("BÁC SĨ ĐIỀU TRỊ", ""),
    "inpatient_cover": ("BÁC SĨ LÀM BỆNH ÁN", ""),
    "surgery_report": ("PHẪU THUẬT VIÊN", ""),
    "admission_exam": ("BÁC SĨ KHÁM BỆNH", ""),
    "outpatient_record": ("BÁC SĨ KHÁM BỆNH", ""),
    "chemotherapy_order": ("BÁC SĨ ĐIỀU TRỊ", ""),
}


def draw_form(
    stay: Stay, kind: str, style_name: str, dpi: int, *, hand: str = "", part: int = 0, stamp: str = ""
) -> Sheet:
    """Draw one page; `part` picks the lab panel or the imaging examination, `stamp` is printed across the text."""
    style = STYLES[style_name]
    sheet = Sheet(style, dpi, random.Random(f"{stay.patient.patient_id} {kind} {style_name} {part}"), hand)
    facts = facts_of(stay, kind, style, part)
    _letterhead(sheet, stay, kind, facts, part)
    labelled_rows(sheet, identity_rows(facts, kind, style))
    BODIES[kind](sheet, stay, facts, part)
    _close(sheet, stay, kind, part)
    if stamp:
        _stamp_across(sheet, stamp)
    return sheet


def identity_rows(facts: dict[str, Value], kind: str, style: Style) -> list[list[tuple[Value, float]]]:
    allowed = SHOWN_IDENTITY.get(kind, WHO)
    rows = [[(name, share) for name, share in row if name in allowed] for row in IDENTITY[style.name]]
    return _filled(facts, rows)


def _filled(facts: dict[str, Value], rows: list[list[tuple[str, float]]]) -> list[list[tuple[Value, float]]]:
    full = [[(facts[name], share) for name, share in row if name in facts] for row in rows]
    return [row for row in full if row]


def _letterhead(sheet: Sheet, stay: Stay, kind: str, facts: dict[str, Value], part: int) -> None:
    letter = kind in ("discharge_letter", "transfer_letter", "record_summary")
    style, small = sheet.style, sheet.style.size - 1
    write(sheet, 52, 16, "SỞ Y TẾ SÔNG XANH", small, align="centre")
    write(sheet, 52, 21.5, HOSPITAL, small, bold=True, align="centre")
    numbers = [facts[name] for name in NUMBERS.get(kind, ["encounter.number", "patient.id"])]
    if letter:
        write(sheet, 146, 16, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", small - 0.5, bold=True, align="centre")
        write(sheet, 146, 21.5, "Độc lập - Tự do - Hạnh phúc", small, bold=True, align="centre")
        sheet.draw.line([(sheet.px(124), sheet.px(23)), (sheet.px(168), sheet.px(23))], fill=(22, 22, 24), width=2)
    sheet.y = 26
    if style.kind == "line" and not letter:
        _number_block(sheet, numbers)
        numbers = []
    title = page_title(stay, kind, style.name, part)
    sheet.y = max(sheet.y, 29)
    size = 17 if len(title) < 32 else 14
    write(sheet, (LEFT + RIGHT) / 2, sheet.y + 6, title, size, bold=True, align="centre")
    sheet.y += 12
    ward = [(facts["encounter.department"], 2)] if kind != "admission_exam" else []
    if kind in ("inpatient_cover", "surgery_report", "record_summary"):
        ward.append((facts["encounter.bed"], 1))
    numbered = [(value, 1.0) for value in numbers]
    labelled_rows(sheet, [row for row in (numbered, ward) if row])


def _number_block(sheet: Sheet, numbers: list[Value]) -> None:
    """The file's numbers at the top right, one under another."""
    y = 16.0
    for value in numbers:
        label = f"{value.label}: "
        write(sheet, 136, y, label)
        start = 136 + text_width(sheet, label, sheet.style.size) + 1
        write_value(sheet, value, [value.shown], [start], y, sheet.style.size)
        y += 6
    sheet.y = y - 2


def _cover(sheet: Sheet, stay: Stay, facts: dict[str, Value], part: int) -> None:
    heading(sheet, "II. QUẢN LÝ NGƯỜI BỆNH" if sheet.style.name == "dotted" else "QUẢN LÝ NGƯỜI BỆNH")
    labelled_rows(
        sheet, _filled(facts, [[("encounter.admitted_at", 1)], [("encounter.discharged_at", 3), ("encounter.days", 1)]])
    )
    heading(sheet, "III. CHẨN ĐOÁN" if sheet.style.name == "dotted" else "CHẨN ĐOÁN KHI RA VIỆN")
    labelled_rows(
        sheet,
        _filled(
            facts,
            [
                [("diagnosis.main", 4), ("diagnosis.main.code", 1)],
                [("diagnosis.secondary", 3), ("diagnosis.secondary.code", 1)],
                [("encounter.outcome", 1)],
            ],
        ),
    )


def _discharge(sheet: Sheet, stay: Stay, facts: dict[str, Value], part: int) -> None:
    labelled_rows(
        sheet,
        _filled(
            facts,
            [
                [("encounter.admitted_at", 1)],
                [("encounter.discharged_at", 1)],
                [("diagnosis.main", 4), ("diagnosis.main.code", 1)],
                [("treatment", 1)],
                [("note", 1)],
            ],
        ),
    )


def _summary(sheet: Sheet, stay: Stay, facts: dict[str, Value], part: int) -> None:
    labelled_rows(
        sheet,
        _filled(
            facts,
            [
                [("encounter.admitted_at", 1)],
                [("encounter.discharged_at", 1)],
                [("diagnosis.main", 4), ("diagnosis.main.code", 1)],
                [("diagnosis.secondary", 1)],
                [("treatment", 1)],
                [("encounter.outcome", 1)],
            ],
        ),
    )


def _transfer(sheet: Sheet, stay: Stay, facts: dict[str, Value], part: int) -> None:
    labelled_rows(
        sheet,
        _filled(
            facts,
            [
                [("transfer.to", 1)],
                [("encounter.admitted_at", 1)],
                [("encounter.discharged_at", 1)],
                [("diagnosis.main", 4), ("diagnosis.main.code", 1)],
                [("treatment", 1)],
                [("transfer.reason", 1)],
            ],
        ),
    )


def _lab(sheet: Sheet, stay: Stay, facts: dict[str, Value], part: int) -> None:
    labelled_rows(
        sheet,
        _filled(
            facts,
            [
                [("diagnosis.main", 1)],
                [("specimen.id", 1), ("doctor", 1)],
                [("specimen.collected_at", 1)],
                [("report.issued_at", 1)],
            ],
        ),
    )
    sheet.y += 4
    flags = sheet.style.name in ("boxed", "plain")
    columns = [
        ("STT", 0.7, "centre"),
        ("Tên xét nghiệm", 4, "left"),
        ("Kết quả", 1.7, "centre"),
        ("Đơn vị", 1.6, "centre"),
        ("Trị số tham chiếu" if not flags else "CSBT", 2.4, "centre"),
    ]
    if flags:
        columns.append(("Cờ", 0.8, "centre"))
    table(sheet, columns, lab_rows(stay, part, sheet.style.name, flags))


def _imaging(sheet: Sheet, stay: Stay, facts: dict[str, Value], part: int) -> None:
    labelled_rows(sheet, _filled(facts, [[("diagnosis.main", 1)], [("imaging.modality", 1)], [("doctor", 1)]]))
    heading(sheet, "KẾT QUẢ")
    labelled_rows(
        sheet, _filled(facts, [[("imaging.findings", 1)], [("imaging.conclusion", 1)], [("report.issued_at", 1)]])
    )


def _pathology(sheet: Sheet, stay: Stay, facts: dict[str, Value], part: int) -> None:
    labelled_rows(sheet, _filled(facts, [[("specimen.id", 1)], [("diagnosis.main", 1)], [("pathology.site", 1)]]))
    heading(sheet, "KẾT QUẢ")
    labelled_rows(
        sheet,
        _filled(
            facts,
            [
                [("pathology.gross", 1)],
                [("pathology.micro", 1)],
                [("pathology.conclusion", 1)],
                [("report.issued_at", 1)],
            ],
        ),
    )


def _surgery(sheet: Sheet, stay: Stay, facts: dict[str, Value], part: int) -> None:
    labelled_rows(
        sheet,
        _filled(
            facts,
            [
                [("encounter.admitted_at", 1)],
                [("surgery.at", 1)],
                [("surgery.preop", 1)],
                [("surgery.postop", 1)],
                [("surgery.procedure", 1)],
                [("surgery.anesthesia", 1)],
                [("surgery.surgeon", 1)],
            ],
        ),
    )
    heading(sheet, "TRÌNH TỰ PHẪU THUẬT")
    for number, step in enumerate(stay.story.steps, 1):
        write(sheet, LEFT + 4, sheet.y + 5, f"- {step}" if sheet.style.name != "boxed" else f"{number}) {step}")
        sheet.y += 7


def _prescription(sheet: Sheet, stay: Stay, facts: dict[str, Value], part: int) -> None:
    labelled_rows(sheet, _filled(facts, [[("diagnosis.main", 4), ("diagnosis.main.code", 1)]]))
    sheet.y += 4
    if sheet.style.name in ("boxed", "stacked"):
        table(
            sheet,
            [
                ("STT", 0.6, "centre"),
                ("Tên thuốc", 2.6, "left"),
                ("Hàm lượng", 1.4, "centre"),
                ("Số lượng", 1.2, "centre"),
                ("Đơn vị", 1.1, "centre"),
                ("Cách dùng", 4.4, "left"),
            ],
            [[Value("", "", str(i + 1)), *drug_values(stay, i)] for i in range(len(stay.story.drugs))],
        )
    else:
        for i in range(len(stay.story.drugs)):
            _drug_lines(sheet, i + 1, drug_values(stay, i))
    if "note" in facts:
        write(sheet, LEFT, sheet.y + 6, "Khám lại xin mang theo đơn này.", italic=True)
        sheet.y += 8


def _drug_lines(sheet: Sheet, number: int, values: list[Value]) -> None:
    """1. Drug strength ... SL: 14 viên, and the directions under it."""
    drug, strength, quantity, unit, dosage = values
    size, y = sheet.style.size, sheet.y + 6
    write(sheet, LEFT, y, f"{number}.")
    x = LEFT + 8
    for value in (drug, strength):
        write_value(sheet, value, [value.shown], [x], y, size)
        x += text_width(sheet, value.shown, size * 1.12, True) + 3
    write(sheet, 150, y, "SL:")
    write_value(sheet, quantity, [quantity.shown], [160], y, size)
    write_value(sheet, unit, [unit.shown], [172], y, size)
    write_value(sheet, dosage, [dosage.shown], [LEFT + 8], y + 7, size)
    sheet.y += 16


EXAMINED = [
    [("visit.at", 1)],
    [("exam.reason", 1)],
    [("exam.history", 1)],
    [("exam.past_history", 1)],
    [("exam.family_history", 1)],
    [("exam.general", 1)],
    [("vitals.pulse", 1), ("vitals.temperature", 1), ("vitals.blood_pressure", 1)],
    [("vitals.respiration", 1), ("vitals.weight", 1)],
    [("exam.organs", 1)],
    [("exam.results", 1)],
]


def _admission(sheet: Sheet, stay: Stay, facts: dict[str, Value], part: int) -> None:
    labelled_rows(sheet, _filled(facts, [[("diagnosis.referral", 1)], *EXAMINED]))
    closing = [[("diagnosis.main", 4), ("diagnosis.main.code", 1)], [("encounter.department", 1)]]
    labelled_rows(sheet, _filled(facts, closing))


def _outpatient(sheet: Sheet, stay: Stay, facts: dict[str, Value], part: int) -> None:
    closing = [[("diagnosis.main", 4), ("diagnosis.main.code", 1)], [("diagnosis.secondary", 1)], [("note", 1)]]
    labelled_rows(sheet, _filled(facts, [*EXAMINED, *closing]))


def _chemotherapy(sheet: Sheet, stay: Stay, facts: dict[str, Value], part: int) -> None:
    above = [
        [("diagnosis.main", 4), ("diagnosis.main.code", 1)],
        [("chemo.regimen", 2), ("chemo.cycle", 1)],
        [("chemo.day", 1)],
        [("vitals.height", 1), ("vitals.weight", 1), ("vitals.surface", 1)],
    ]
    labelled_rows(sheet, _filled(facts, above))
    sheet.y += 4
    columns = [
        ("STT", 0.7, "centre"),
        ("Tên thuốc", 2.6, "left"),
        ("Hàm lượng", 1.5, "centre"),
        ("Liều dùng", 1.4, "centre"),
        ("Dung môi", 2.4, "left"),
        ("Đường dùng", 2.4, "left"),
        ("Thời gian", 1.5, "centre"),
    ]
    rows = [[Value("", "", str(i + 1)), *infusion_values(stay, i)] for i in range(len(stay.story.infusions))]
    table(sheet, columns, rows)


def _close(sheet: Sheet, stay: Stay, kind: str, part: int) -> None:
    """Date line, signatures and, on letters, the hospital's seal."""
    role, name = SIGNERS[kind]
    day = {
        "surgery_report": surgery_start(stay),
        "inpatient_cover": stay.admitted_at,
        "admission_exam": stay.admitted_at,
        "outpatient_record": visited_at(stay, kind),
    }.get(kind, stay.discharged_at)
    line = f"{PLACE}, ngày {day:%d} tháng {day:%m} năm {day:%Y}"
    if kind in ("lab_report", "imaging_report", "pathology_report"):
        line = ""  # the issue date stands beside its own label
    signer = name or (stay.surgeon if kind == "surgery_report" else stay.doctor)
    room = 291 - sheet.y
    if room < 40:
        raise ValueError(f"{kind} in style {sheet.style.name} leaves {room:.0f} mm for the signature, needs 40")
    signature(sheet, 152, [line, role, "(Ký, ghi rõ họ tên)"], signer)
    if kind in ("discharge_letter", "transfer_letter", "record_summary"):
        signature(sheet, 56, ["", "ĐẠI DIỆN ĐƠN VỊ", "(Ký tên, đóng dấu)"], "BSCKII. Tiêu Công Thành")
        seal(sheet, 38, sheet.y + 27, ["BỆNH VIỆN", "MẪU", "SÔNG XANH"])
    sheet.y += 40


def _stamp_across(sheet: Sheet, text: str) -> None:
    width, height = round(sheet.px(70)), round(sheet.px(17))
    layer = Image.new("RGBA", (width, height), (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    pen.rectangle((3, 3, width - 4, height - 4), outline=(190, 44, 60, 200), width=max(2, round(sheet.px(0.7))))
    pen.text(
        (width / 2, height / 2),
        text,
        fill=(190, 44, 60, 200),
        anchor="mm",
        font=print_font("Arimo", True, False, round(16 * sheet.dpi / 72)),
    )
    layer = layer.rotate(14, expand=True, resample=Image.Resampling.BICUBIC)
    sheet.image.paste(layer, (round(sheet.px(95)), round(sheet.px(84))), layer)


BODIES: dict[str, Callable[[Sheet, Stay, dict[str, Value], int], None]] = {
    "inpatient_cover": _cover,
    "discharge_letter": _discharge,
    "record_summary": _summary,
    "transfer_letter": _transfer,
    "lab_report": _lab,
    "imaging_report": _imaging,
    "pathology_report": _pathology,
    "surgery_report": _surgery,
    "prescription": _prescription,
    "admission_exam": _admission,
    "outpatient_record": _outpatient,
    "chemotherapy_order": _chemotherapy,
}
