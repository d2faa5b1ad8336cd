"""Sample scans, facts: what a form in a given style prints of a stay, in its wording and its notation."""

from __future__ import annotations

import random
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta

from people import Stay
from sheets import Style, Value
from stories import BLOOD_COUNT, CHEMISTRY, MARKERS, METABOLIC

HOSPITAL = "BỆNH VIỆN MẪU SÔNG XANH"
STYLES = {
    "dotted": Style("dotted", "Tinos", 12.5, 8.0, "line", dots=True, table="grid"),
    "plain": Style("plain", "Arimo", 11, 7.2, "line", numbered=True, bold_values=True, table="rules"),
    "boxed": Style("boxed", "Arimo", 10.5, 8.0, "box", bold_labels=True, table="grid"),
    "stacked": Style("stacked", "Tinos", 12, 6.4, "stack", bold_values=True, table="rules"),
}
TITLES = {
    "inpatient_cover": ("BỆNH ÁN NGOẠI KHOA", "BỆNH ÁN NỘI KHOA"),
    "discharge_letter": ("GIẤY RA VIỆN",),
    "record_summary": ("TÓM TẮT HỒ SƠ BỆNH ÁN", "BẢN TÓM TẮT HỒ SƠ BỆNH ÁN"),
    "transfer_letter": ("GIẤY CHUYỂN TUYẾN", "PHIẾU CHUYỂN CƠ SỞ KHÁM BỆNH, CHỮA BỆNH"),
    "lab_report": ("PHIẾU XÉT NGHIỆM HÓA SINH MÁU", "PHIẾU XÉT NGHIỆM HUYẾT HỌC", "KẾT QUẢ XÉT NGHIỆM"),
    "pathology_report": ("PHIẾU XÉT NGHIỆM GIẢI PHẪU BỆNH", "KẾT QUẢ MÔ BỆNH HỌC"),
    "surgery_report": ("PHIẾU PHẪU THUẬT/THỦ THUẬT", "PHIẾU PHẪU THUẬT"),
    "prescription": ("ĐƠN THUỐC", "ĐƠN THUỐC RA VIỆN"),
    "admission_exam": ("PHIẾU KHÁM BỆNH VÀO VIỆN",),
    "outpatient_record": ("BỆNH ÁN NGOẠI TRÚ", "BỆNH ÁN NGOẠI TRÚ CHUNG"),
    "chemotherapy_order": ("PHIẾU CHỈ ĐỊNH TRUYỀN HÓA CHẤT", "PHIẾU TRUYỀN HÓA CHẤT"),
}
IMAGING_TITLES = {
    "CT": "PHIẾU CHỤP CẮT LỚP VI TÍNH",
    "MR": "PHIẾU CHỤP CỘNG HƯỞNG TỪ",
    "US": "PHIẾU SIÊU ÂM",
    "CR": "PHIẾU CHỤP X-QUANG",
}
# field -> its label in the styles dotted, plain, boxed and stacked; a single label serves all
LABELS = {
    "patient.name": ("Họ và tên người bệnh", "Họ tên BN", "Họ và tên", "Họ tên người bệnh"),
    "patient.birth_date": ("Sinh ngày", "Ngày sinh", "Ngày sinh", "Ngày, tháng, năm sinh"),
    "patient.age": ("Tuổi",),
    "patient.sex": ("Giới tính", "Giới", "Giới tính", "Nam/Nữ"),
    "patient.ethnicity": ("Dân tộc",),
    "patient.occupation": ("Nghề nghiệp",),
    "patient.address": ("Địa chỉ", "Địa chỉ", "Địa chỉ", "Địa chỉ thường trú"),
    "patient.phone": ("Điện thoại", "Số điện thoại", "Điện thoại", "Số điện thoại"),
    "patient.id": ("Mã người bệnh", "Mã BN", "Mã người bệnh", "Mã BN"),
    "patient.national_id": ("Số CCCD/CMND", "Số CMND/CCCD", "Số CCCD/Định danh cá nhân", "Số CCCD/CMND/Định danh"),
    "patient.insurance_number": ("Số thẻ BHYT", "Thẻ BHYT số", "Số thẻ BHYT", "Mã số BHXH/Thẻ BHYT số"),
    "patient.insurance_valid_to": ("Giá trị đến", "Giá trị đến ngày", "Có giá trị đến", "BHYT giá trị đến"),
    "encounter.number": ("Số vào viện",),
    "encounter.archive_number": ("Số lưu trữ",),
    "encounter.department": ("Khoa",),
    "encounter.bed": ("Giường", "Giường", "Số giường", "Giường"),
    "encounter.admitted_at": ("Vào viện lúc", "Vào viện", "Ngày giờ vào viện", "Vào viện lúc"),
    "encounter.discharged_at": ("Ra viện lúc", "Ra viện", "Ngày giờ ra viện", "Ra viện lúc"),
    "encounter.days": ("Tổng số ngày điều trị", "Số ngày điều trị", "Tổng số ngày điều trị", "Tổng số ngày điều trị"),
    "encounter.outcome": ("Kết quả điều trị",),
    "contact.name": (
        "Họ tên người nhà khi cần báo tin",
        "Người nhà khi cần báo tin",
        "Người nhà",
        "Người nhà cần báo tin",
    ),
    "diagnosis.main": ("Chẩn đoán", "Chẩn đoán", "Chẩn đoán", "Chẩn đoán"),
    "diagnosis.main.code": ("Mã ICD-10", "Mã bệnh (ICD-10)", "Mã ICD", "Mã ICD-10"),
    "diagnosis.secondary": ("Bệnh kèm theo",),
    "diagnosis.secondary.code": ("Mã bệnh kèm theo", "Mã bệnh kèm theo", "Mã ICD kèm theo", "Mã bệnh kèm theo"),
    "treatment": ("Phương pháp điều trị",),
    "note": ("Ghi chú", "Lời dặn", "Ghi chú", "Lời dặn của bác sĩ"),
    "transfer.to": ("Kính gửi", "Nơi chuyển đến", "Nơi chuyển đến", "Kính gửi"),
    "transfer.reason": ("Lý do chuyển tuyến", "Lý do chuyển", "Lý do chuyển tuyến", "Lý do chuyển"),
    "specimen.id": ("Mã số bệnh phẩm", "Mã bệnh phẩm", "Số phiếu", "Mã bệnh phẩm"),
    "specimen.collected_at": ("Giờ lấy mẫu", "Thời gian lấy mẫu", "Giờ lấy mẫu", "Thời gian lấy mẫu"),
    "report.issued_at": ("Giờ trả kết quả", "Thời gian trả kết quả", "Ngày trả kết quả", "Thời gian trả kết quả"),
    "doctor": ("Bác sĩ chỉ định", "BS chỉ định", "Bác sĩ chỉ định", "Bác sĩ chỉ định"),
    "imaging.modality": ("Yêu cầu chụp", "Yêu cầu", "Kỹ thuật", "Yêu cầu chụp"),
    "imaging.findings": ("Mô tả", "Mô tả hình ảnh", "Mô tả", "Mô tả"),
    "imaging.conclusion": ("Kết luận",),
    "pathology.site": ("Vị trí lấy bệnh phẩm", "Bệnh phẩm", "Vị trí lấy", "Vị trí lấy bệnh phẩm"),
    "pathology.gross": ("Đại thể", "Nhận xét đại thể", "Đại thể", "Đại thể"),
    "pathology.micro": ("Vi thể", "Nhận xét vi thể", "Vi thể", "Vi thể"),
    "pathology.conclusion": ("Kết luận", "Chẩn đoán mô bệnh học", "Kết luận", "Kết luận"),
    "surgery.at": ("Phẫu thuật lúc", "Ngày giờ phẫu thuật", "Ngày giờ phẫu thuật", "Phẫu thuật lúc"),
    "surgery.preop": (
        "Chẩn đoán trước phẫu thuật",
        "Chẩn đoán trước mổ",
        "Chẩn đoán trước phẫu thuật",
        "Chẩn đoán trước phẫu thuật",
    ),
    "surgery.postop": (
        "Chẩn đoán sau phẫu thuật",
        "Chẩn đoán sau mổ",
        "Chẩn đoán sau phẫu thuật",
        "Chẩn đoán sau phẫu thuật",
    ),
    "surgery.procedure": ("Phương pháp phẫu thuật",),
    "surgery.anesthesia": ("Phương pháp vô cảm",),
    "visit.at": ("Đến khám bệnh lúc", "Ngày giờ khám", "Đến khám bệnh lúc", "Ngày giờ khám"),
    "exam.reason": ("Lý do vào viện", "Lý do khám bệnh"),
    "exam.history": ("Quá trình bệnh lý", "Bệnh sử", "Quá trình bệnh lý", "Bệnh sử"),
    "exam.past_history": ("Tiền sử bản thân", "Bản thân"),
    "exam.family_history": ("Tiền sử gia đình", "Gia đình"),
    "exam.general": ("Toàn thân", "Khám toàn thân"),
    "exam.organs": ("Các bộ phận", "Khám các bộ phận"),
    "exam.results": ("Tóm tắt kết quả cận lâm sàng", "Cận lâm sàng"),
    "vitals.pulse": ("Mạch",),
    "vitals.temperature": ("Nhiệt độ",),
    "vitals.blood_pressure": ("Huyết áp",),
    "vitals.respiration": ("Nhịp thở",),
    "vitals.weight": ("Cân nặng",),
    "vitals.height": ("Chiều cao",),
    "vitals.surface": ("Diện tích da", "Diện tích da", "BSA", "Diện tích da"),
    "diagnosis.referral": ("Chẩn đoán của nơi giới thiệu",),
    "chemo.regimen": ("Phác đồ", "Phác đồ điều trị"),
    "chemo.cycle": ("Chu kỳ", "Đợt", "Chu kỳ", "Chu kỳ thứ"),
    "chemo.day": ("Ngày truyền",),
    "surgery.surgeon": ("Bác sĩ phẫu thuật", "Phẫu thuật viên", "Phẫu thuật viên chính", "Bác sĩ phẫu thuật"),
}
MAIN_DIAGNOSIS = {
    "inpatient_cover": ("Bệnh chính",),
    "record_summary": ("Chẩn đoán ra viện", "Bệnh chính", "Chẩn đoán", "Bệnh chính"),
    "pathology_report": ("Chẩn đoán lâm sàng",),
    "lab_report": ("Chẩn đoán",),
    "admission_exam": ("Chẩn đoán vào viện",),
    "outpatient_record": ("Chẩn đoán xác định", "Bệnh chính"),
}
OWN_LABELS = {
    ("admission_exam", "encounter.department"): "Cho vào điều trị tại khoa",
    ("admission_exam", "treatment"): "Đã xử lý",
}
# Fields that these forms ask for in squares, in the styles that print a line of dots.
BOXED = {
    "admission_exam": {"patient.sex": ("1. Nam", "2. Nữ"), "patient.insurance_number": ()},
    "outpatient_record": {"patient.sex": ("1. Nam", "2. Nữ"), "patient.national_id": ()},
}
OUTCOMES = {"recovered": "Khỏi", "improved": "Đỡ, giảm", "unchanged": "Không thay đổi", "worse": "Nặng hơn"}


def facts_of(stay: Stay, kind: str, style: Style, part: int) -> dict[str, Value]:
    """Everything a form of this kind can show, in this style's notation and with its labels."""
    patient, story = stay.patient, stay.story
    plain = {
        "patient.name": patient.name,
        "patient.age": str(stay.age),
        "patient.ethnicity": patient.ethnicity,
        "patient.occupation": patient.occupation,
        "patient.address": patient.address,
        "patient.id": patient.patient_id,
        "patient.national_id": patient.national_id,
        "encounter.number": stay.encounter_number,
        "encounter.archive_number": stay.archive_number,
        "encounter.department": stay.department,
        "encounter.bed": stay.bed,
        "encounter.days": str(stay.days),
        "doctor": stay.doctor,
        "diagnosis.main": story.main,
        "diagnosis.main.code": story.main_code,
        "diagnosis.secondary": story.secondary,
        "diagnosis.secondary.code": story.secondary_code,
        "treatment": story.treatment,
        "note": story.note,
        "transfer.to": story.transfer_to,
        "transfer.reason": story.transfer_reason,
        "surgery.preop": story.main,
        "surgery.postop": story.postop,
        "surgery.procedure": story.procedure,
        "surgery.anesthesia": story.anesthesia,
        "surgery.surgeon": stay.surgeon,
        "pathology.site": story.site,
        "pathology.gross": story.gross,
        "pathology.micro": story.micro,
        "pathology.conclusion": story.pathology,
        "specimen.id": specimen_number(stay, kind, part),
    }
    facts = {name: Value(name, text, text) for name, text in plain.items() if text}
    facts |= {v.name: v for v in _notated(stay, kind, style, part)}
    facts |= {v.name: v for v in examined(stay, kind, style)}
    labelled = {name: Value(name, v.value, v.shown, label_of(name, kind, style.name)) for name, v in facts.items()}
    return labelled | {name: _boxed(labelled[name], options) for name, options in _boxes_of(kind, style).items()}


def _boxes_of(kind: str, style: Style) -> dict[str, tuple[str, ...]]:
    return BOXED.get(kind, {}) if style.kind == "line" else {}


def _boxed(value: Value, options: tuple[str, ...]) -> Value:
    return replace(value, boxes="choice" if options else "digits", options=options)


def examined(stay: Stay, kind: str, style: Style) -> list[Value]:
    """What an examination or a chemotherapy order prints of a patient."""
    out = [
        Value("visit.at", f"{visited_at(stay, kind):%Y-%m-%dT%H:%M}", shown_moment(visited_at(stay, kind), style.name))
    ]
    exam = stay.story.exam
    texts = (
        {"exam.reason": exam.reason, "exam.history": exam.history, "exam.past_history": exam.past_history,
         "exam.family_history": exam.family_history, "exam.general": exam.general, "exam.organs": exam.organs,
         "exam.results": exam.results, "diagnosis.referral": exam.referral}
        if exam else {}
    )  # fmt: skip
    if stay.story.regimen:
        texts |= {"chemo.regimen": stay.story.regimen, "chemo.cycle": str(1 + stay.days % 4)}
        day = stay.on_day(stay.days - 2, 9, 30)
        out.append(Value("chemo.day", f"{day:%Y-%m-%dT%H:%M}", shown_moment(day, style.name)))
    return out + [Value(name, text, text) for name, text in texts.items() if text] + vital_signs(stay)


def visited_at(stay: Stay, kind: str) -> datetime:
    """Before admission, or at the visit after it."""
    return (
        stay.on_day(stay.days + 20, 8, 40) if kind == "outpatient_record" else stay.admitted_at - timedelta(minutes=50)
    )


def vital_signs(stay: Stay) -> list[Value]:
    """Measures of the body, as printed with their unit."""
    rng = random.Random(f"{stay.patient.patient_id} vitals")
    height, weight = rng.randint(150, 174), rng.randint(46, 71)
    high = 10 * rng.randint(11, 14)
    shown = {
        "pulse": f"{rng.randint(72, 96)} lần/phút",
        "temperature": f"{rng.randint(365, 384) / 10:.1f} °C",
        "blood_pressure": f"{high}/{high - 50} mmHg",
        "respiration": f"{rng.randint(17, 22)} lần/phút",
        "weight": f"{weight} kg",
        "height": f"{height} cm",
        "surface": f"{(height * weight / 3600) ** 0.5:.2f} m2",
    }
    return [Value(f"vitals.{n}", text.split()[0], text.replace(".", ",")) for n, text in shown.items()]


def _notated(stay: Stay, kind: str, style: Style, part: int) -> list[Value]:
    """The values whose normal form differs from what is printed."""
    patient, order = stay.patient, list(STYLES).index(style.name)
    number = patient.insurance_number
    spaced = f"{number[:2]} {number[2]} {number[3:5]} {number[5:8]} {number[8:]}" if len(number) == 15 else number
    phone = patient.phone
    out = [
        Value("patient.birth_date", patient.birth_date.isoformat(), shown_date(patient.birth_date, style.name)),
        Value("patient.sex", patient.sex, {"male": "Nam", "female": "Nữ"}[patient.sex]),
        Value("patient.insurance_number", number, number if order in (1, 2) else spaced),
        Value(
            "patient.insurance_valid_to",
            patient.insurance_valid_to.isoformat(),
            f"{patient.insurance_valid_to:%d/%m/%Y}",
        ),
        Value(
            "patient.phone",
            phone,
            (f"{phone[:4]} {phone[4:7]} {phone[7:]}", phone, f"{phone[:4]}.{phone[4:7]}.{phone[7:]}", phone)[order],
        ),
        Value("contact.name", patient.contact.upper(), patient.contact),
        Value("encounter.outcome", stay.story.outcome, OUTCOMES[stay.story.outcome]),
    ]
    if kind in ("lab_report", "prescription") and style.name == "plain":
        out[0] = Value("patient.birth_date", str(patient.birth_date.year), str(patient.birth_date.year))
    moments = {
        "encounter.admitted_at": stay.admitted_at,
        "encounter.discharged_at": stay.discharged_at,
        "surgery.at": surgery_start(stay),
        "report.issued_at": issued_at(stay, kind, part),
        "specimen.collected_at": issued_at(stay, kind, part) - timedelta(hours=2, minutes=25),
    }
    out += [Value(name, f"{at:%Y-%m-%dT%H:%M}", shown_moment(at, style.name)) for name, at in moments.items()]
    exam = stay.story.imaging[part % len(stay.story.imaging)]
    out += [
        Value("imaging.modality", exam.modality, exam.request),
        Value("imaging.findings", *[exam.findings] * 2),
        Value("imaging.conclusion", *[exam.conclusion] * 2),
    ]
    return out


def label_of(name: str, kind: str, style_name: str) -> str:
    """The wording a style prints for a field; some kinds have their own word for the main diagnosis."""
    if (kind, name) in OWN_LABELS:
        return OWN_LABELS[kind, name]
    choices = MAIN_DIAGNOSIS.get(kind, LABELS[name]) if name == "diagnosis.main" else LABELS[name]
    label = choices[list(STYLES).index(style_name) % len(choices)]
    if style_name == "plain" and kind in ("lab_report", "prescription") and name == "patient.birth_date":
        return "Năm sinh"
    return label


def shown_date(day: date, style_name: str) -> str:
    return f"{day:%d} tháng {day:%m} năm {day:%Y}" if style_name == "dotted" else f"{day:%d/%m/%Y}"


def shown_moment(at: datetime, style_name: str) -> str:
    return {
        "dotted": f"{at:%H} giờ {at:%M} phút, ngày {at:%d} tháng {at:%m} năm {at:%Y}",
        "plain": f"{at:%H} giờ {at:%M} ngày {at:%d/%m/%Y}",
        "boxed": f"{at:%H:%M} {at:%d/%m/%Y}",
        "stacked": f"{at:%H} giờ {at:%M} phút, ngày {at:%d/%m/%Y}",
    }[style_name]


def surgery_start(stay: Stay) -> datetime:
    return stay.on_day(2, 8 + stay.days % 3, 30)


def issued_at(stay: Stay, kind: str, part: int) -> datetime:
    """When a report was issued: after admission, and after the operation for pathology."""
    if kind == "pathology_report":
        return stay.on_day(min(stay.days - 2, 7), 15, 20)
    if kind == "imaging_report":
        return stay.on_day(1, 9 + part, 40)
    return [stay.on_day(0, 14, 35), stay.on_day(0, 15, 10), stay.on_day(3, 10, 5), stay.on_day(3, 10, 45)][part % 4]


def specimen_number(stay: Stay, kind: str, part: int) -> str:
    serial = int(stay.patient.patient_id) % 9000 + 700 + 13 * part
    if kind == "pathology_report":
        return f"GPB{stay.admitted_at:%y}-{serial:05d}"
    return f"{issued_at(stay, kind, part):%y%m%d}{serial:05d}"


def page_title(stay: Stay, kind: str, style_name: str, part: int) -> str:
    if kind == "imaging_report":
        return IMAGING_TITLES[stay.story.imaging[part % len(stay.story.imaging)].modality]
    if kind == "lab_report":
        return TITLES[kind][2 if style_name == "boxed" or part > 1 else part]
    if kind == "inpatient_cover":
        return TITLES[kind][0 if stay.story.procedure else 1]
    return TITLES[kind][list(STYLES).index(style_name) % len(TITLES[kind])]


def lab_rows(stay: Stay, part: int, style_name: str, flags: bool) -> list[list[Value]]:
    """One panel's rows: number, test, value, unit, reference and, where the form has it, the flag."""
    rng = random.Random(f"{stay.patient.patient_id} lab {part}")
    point = "." if style_name == "boxed" else ","
    rows = []
    for i, (test, unit, low, high, decimals) in enumerate(panel(stay, part)):
        flag = "H" if test in stay.story.high else "L" if test in stay.story.low else ""
        span = {"H": (high * 1.15, high * 1.9), "L": (low * 0.66, low * 0.93), "": (low, high)}[flag]
        number = f"{rng.uniform(*span):.{decimals}f}"
        number = number.rstrip("0").rstrip(".") if decimals else number
        name = f"results[{i}]"
        reference = f"{low:g} - {high:g}"
        row = [
            Value("", "", str(i + 1)),
            Value(f"{name}.test", test, test, printed=True),
            Value(f"{name}.value", number, number.replace(".", point)),
            Value(f"{name}.unit", unit, unit, printed=True),
            Value(f"{name}.reference", f"{low:g}-{high:g}", reference.replace(".", point), printed=True),
        ]
        if flags:
            row.append(Value(f"{name}.flag", flag, flag) if flag else Value("", "", ""))
        rows.append(row)
    return rows


def panel(stay: Stay, part: int) -> list[tuple[str, str, float, float, int]]:
    """Part 0 chemistry, 1 blood count, 2 markers with some chemistry, 3 blood count of another day."""
    if part == 0:
        return CHEMISTRY[: 8 + stay.days % 3]
    if part == 2:
        story = stay.story.high + stay.story.low
        return [t for t in MARKERS + METABOLIC if t[0] in story or t[0] in ("CEA", "CRP")] + CHEMISTRY[:4]
    return BLOOD_COUNT


def drug_values(stay: Stay, i: int) -> list[Value]:
    drug = stay.story.drugs[i]
    parts = {
        "drug": drug.name,
        "strength": drug.strength,
        "quantity": str(drug.quantity),
        "unit": drug.unit,
        "dosage": drug.dosage,
    }
    return [Value(f"medications[{i}].{part}", text, text) for part, text in parts.items()]


def infusion_values(stay: Stay, i: int) -> list[Value]:
    parts = asdict(stay.story.infusions[i])
    return [Value(f"medications[{i}].{'drug' if p == 'name' else p}", text, text) for p, text in parts.items()]
