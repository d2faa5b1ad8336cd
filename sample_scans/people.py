"""Sample scans, people: a case's seed -> one invented patient with one hospital stay, every number consistent."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from stories import Story


def _words(text: str) -> list[str]:
    return text.split()


SURNAMES = _words("""Nguyễn Trần Lê Phạm Hoàng Huỳnh Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý Đinh Mai Trịnh Tạ Cao Lương
Chu Đoàn Tô Hà Kiều Thái La Phùng Triệu Lâm Quách Nông Vi Lò Giàng Hoàng Tống Khuất Doãn Mạc Ông Nghiêm""")
MIDDLES = {
    "male": _words("Văn Đức Hữu Quang Minh Xuân Bá Đình Công Thế"),
    "female": _words("Thị Thị Thu Ngọc Thanh Bích Kim Mai Diệu Hồng"),
}
GIVEN = {
    "male": _words("Khải Tuấn Lâm Phúc Thịnh Sơn Hậu Kiên Toàn Duy Nghĩa Bảo Chiến Hưng Lộc Vinh Quý Cường"),
    "female": _words("Nhàn Huệ Lan Thảo Yến Oanh Duyên Hạnh Trâm Ngân Liễu Vân Quyên Xuyến Hiền Thoa Mận Tuyết"),
}
ETHNICITY = {"Nông": "Tày", "Vi": "Nùng", "Lò": "Thái", "Quách": "Mường", "Giàng": "Mông"}
OCCUPATIONS = {
    "male": ["Làm ruộng", "Công nhân", "Giáo viên", "Buôn bán", "Thợ điện", "Lái xe", "Kế toán", "Thợ mộc", "Thợ xây"],
    "female": ["Làm ruộng", "Công nhân", "Giáo viên", "Buôn bán", "Nội trợ", "Văn thư", "Kế toán", "Thợ may", "Nấu ăn"],
}
OLD_OCCUPATIONS = ["Hưu trí", "Nghỉ hưu", "Làm ruộng"]
CARD_GROUPS = ["GD4", "HC4", "DN4", "HN2", "CN3", "HT3"]  # group and benefit level
MOBILE_HEADS = ["091", "098", "097", "090", "086", "034", "079", "038"]
STREETS = ["Trần Phú", "Lê Lợi", "Nguyễn Trãi", "Hai Bà Trưng", "Quang Trung", "Lý Thường Kiệt", "Phan Bội Châu"]
# Province code of the personal identity number -> places that lie in it.
PLACES = {
    "001": ["Xã Tàm Xá, Huyện Đông Anh, TP Hà Nội", "Phường Kim Mã, Quận Ba Đình, TP Hà Nội"],
    "008": ["Xã Thượng Ấm, Huyện Sơn Dương, Tỉnh Tuyên Quang"],
    "015": ["Xã Cảm Ân, Huyện Yên Bình, Tỉnh Yên Bái"],
    "019": ["Xã Phúc Trìu, TP Thái Nguyên, Tỉnh Thái Nguyên"],
    "020": ["Xã Tân Thành, Huyện Bắc Sơn, Tỉnh Lạng Sơn"],
    "024": ["Xã Nghĩa Trung, Huyện Việt Yên, Tỉnh Bắc Giang", "Xã Phồn Xương, Huyện Yên Thế, Tỉnh Bắc Giang"],
    "026": ["Xã Đại Đồng, Huyện Vĩnh Tường, Tỉnh Vĩnh Phúc"],
    "027": ["Phường Suối Hoa, TP Bắc Ninh, Tỉnh Bắc Ninh"],
    "030": ["Xã Thanh Quang, Huyện Nam Sách, Tỉnh Hải Dương"],
    "031": ["Phường Cát Dài, Quận Lê Chân, TP Hải Phòng"],
    "033": ["Xã Phụng Công, Huyện Văn Giang, Tỉnh Hưng Yên"],
    "034": ["Xã Vũ Hội, Huyện Vũ Thư, Tỉnh Thái Bình"],
    "035": ["Xã Nhân Hậu, Huyện Lý Nhân, Tỉnh Hà Nam"],
    "037": ["Xã Khánh Nhạc, Huyện Yên Khánh, Tỉnh Ninh Bình"],
    "040": ["Xã Nam Thanh, Huyện Nam Đàn, Tỉnh Nghệ An", "Phường Hưng Bình, TP Vinh, Tỉnh Nghệ An"],
    "042": ["Xã Sơn Ninh, Huyện Hương Sơn, Tỉnh Hà Tĩnh"],
    "048": ["Phường Thanh Bình, Quận Hải Châu, TP Đà Nẵng"],
    "079": ["Phường Đa Kao, Quận 1, TP Hồ Chí Minh"],
}


@dataclass(frozen=True)
class Patient:
    """One invented person; `national_id` has 12 digits, or 9 where an old card was shown."""

    name: str
    birth_date: date
    sex: str
    ethnicity: str
    occupation: str
    address: str
    phone: str
    national_id: str
    insurance_number: str
    insurance_valid_to: date
    patient_id: str
    contact: str


@dataclass(frozen=True)
class Stay:
    """One stay of a patient for one story; moments are local."""

    patient: Patient
    story: Story
    encounter_number: str
    archive_number: str
    admitted_at: datetime
    discharged_at: datetime
    department: str
    bed: str
    doctor: str
    surgeon: str

    @property
    def age(self) -> int:
        return self.admitted_at.year - self.patient.birth_date.year

    @property
    def days(self) -> int:
        return (self.discharged_at.date() - self.admitted_at.date()).days + 1

    def on_day(self, day: int, hour: int, minute: int = 0) -> datetime:
        """Day 0 is the day of admission."""
        return datetime.combine(self.admitted_at.date() + timedelta(days=day), datetime.min.time()).replace(
            hour=hour, minute=minute
        )


def make_stay(number: int, story: Story, year: int, old_card: bool = False) -> Stay:
    """The same number, story and year always give the same patient and stay."""
    rng = random.Random(f"stay {number}")
    admitted = datetime(year, rng.randint(1, 11), rng.randint(1, 26), rng.randint(6, 11), rng.choice(range(0, 60, 5)))
    days = rng.randint(*story.days)
    discharged = datetime.combine(admitted.date() + timedelta(days=days), datetime.min.time())
    serial = rng.randint(1200, 38900)
    return Stay(
        patient=make_patient(rng, number, story, admitted.date(), old_card),
        story=story,
        encounter_number=f"{year % 100:02d}.{serial:06d}",
        archive_number=f"{year % 100:02d}-{serial // 3:05d}",
        admitted_at=admitted,
        discharged_at=discharged.replace(hour=rng.choice([9, 10, 14, 15]), minute=rng.choice([0, 15, 30, 45])),
        department=story.department,
        bed=str(rng.randint(2, 48)),
        doctor=rng.choice(["BS. Lưu Quang Hạnh", "ThS.BS. Đào Thị Nga", "BSCKII. Phí Văn Thắng", "BS. Trương Mỹ Linh"]),
        surgeon=rng.choice(["BSCKII. Tăng Bá Hiệp", "TS.BS. Cù Xuân Trung", "ThS.BS. Lại Hoàng Việt"]),
    )


def make_patient(rng: random.Random, number: int, story: Story, day: date, old_card: bool) -> Patient:
    sex = story.sex or rng.choice(["male", "female"])
    surname = SURNAMES[number % len(SURNAMES)]
    born = date(day.year - rng.randint(*story.ages), rng.randint(1, 12), rng.randint(1, 28))
    province = rng.choice(sorted(PLACES))
    place = rng.choice(PLACES[province])
    street = f"Số {rng.randint(3, 180)} {rng.choice(STREETS)}, " if place.startswith("Phường") else ""
    insured = "".join(rng.choices("0123456789", k=8))
    card = f"{rng.choice(CARD_GROUPS)}{province[1:]}{province[1:]}{insured}"
    return Patient(
        name=full_name(rng, surname, sex).upper(),
        birth_date=born,
        sex=sex,
        ethnicity=ETHNICITY.get(surname, "Kinh"),
        occupation=rng.choice(OLD_OCCUPATIONS if day.year - born.year > 60 else OCCUPATIONS[sex]),
        address=street + place,
        phone=rng.choice(MOBILE_HEADS) + "".join(rng.choices("0123456789", k=7)),
        national_id=old_identity(rng) if old_card else personal_identity(rng, province, sex, born),
        insurance_number=card[5:] if day.year >= 2022 else card,
        insurance_valid_to=date(day.year, 12, 31),
        patient_id=f"{day.year % 100:02d}{rng.randint(100000, 989999)}",
        contact=full_name(rng, surname, rng.choice(["male", "female"])),
    )


def full_name(rng: random.Random, surname: str, sex: str) -> str:
    return f"{surname} {rng.choice(MIDDLES[sex])} {rng.choice(GIVEN[sex])}"


def personal_identity(rng: random.Random, province: str, sex: str, born: date) -> str:
    """Province, then century and sex in one digit (1900s: 0 male, 1 female), year of birth, six more digits."""
    century = 2 * (born.year // 100 - 19) + (sex == "female")
    return f"{province}{century}{born.year % 100:02d}{rng.randint(1200, 398999):06d}"


def old_identity(rng: random.Random) -> str:
    return f"{rng.randint(100000000, 199999999)}"
