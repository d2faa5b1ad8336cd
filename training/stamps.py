"""Training, stamps: words of a rubber stamp -> its ink on paper: bold capitals, framed, turned, partly inked."""

from __future__ import annotations

from random import Random

import cv2
import numpy as np

from training.fonts import Face
from training.hand import inked
from training.lines import Drawn, Ink, draw_text

Box = tuple[float, float, float, float]  # left, top, right, bottom, pixels
WORDS = (
    "ĐÃ THANH TOÁN", "ĐÃ THU TIỀN", "ĐÃ KIỂM TRA", "ĐÃ DUYỆT", "ĐÃ PHÁT THUỐC", "ĐÃ NHẬN", "ĐÃ VÀO SỔ", "KHẨN",
    "CẤP CỨU", "BẢN SAO", "SAO Y BẢN CHÍNH", "LƯU", "MIỄN PHÍ", "BHYT", "ĐÃ ĐỐI CHIẾU", "ĐÃ CẤP THUỐC", "ÂM TÍNH",
    "DƯƠNG TÍNH", "BỆNH VIỆN", "SỞ Y TẾ", "BỘ Y TẾ", "GIÁM ĐỐC", "PHÓ GIÁM ĐỐC", "TRƯỞNG KHOA", "KHOA XÉT NGHIỆM",
    "KHOA DƯỢC", "PHÒNG KẾ HOẠCH TỔNG HỢP", "NGÀY", "SỐ", "ĐẾN", "CÔNG VĂN ĐẾN", "KHÁM BỆNH", "NHẬP VIỆN", "RA VIỆN",
)  # fmt: skip
TITLES = ("BS.", "BS. CKI.", "BS. CKII.", "ThS. BS.", "TS. BS.", "PGS. TS.", "KTV.", "DS.", "ĐD.", "CN.")


def stamp_words(rng: Random, families: list[str], givens: list[str]) -> str:
    """Words of an office stamp, or a doctor's name stamp, or a date stamp."""
    draw = rng.random()
    if draw < 0.4:
        return rng.choice(WORDS)
    if draw < 0.85:
        name = " ".join((rng.choice(families), rng.choice(givens), rng.choice(givens)))
        return f"{rng.choice(TITLES)} {name.upper() if rng.random() < 0.5 else name}"
    between = rng.choice("-/. ")
    return f"{rng.randint(1, 31):02d}{between}{rng.randint(1, 12):02d}{between}{rng.randint(1990, 2024)}"


def draw_stamp(text: str, face: Face, em: int, rng: Random, noise: np.random.Generator) -> Drawn:
    """The stamp's line: framed or part of a ring or bare, turned by up to 15 degrees, unevenly inked."""
    drawn = draw_text(text, face, em, rng, 1.0)
    ink = np.pad(drawn.ink, em)
    left, top, right, bottom = (round(edge) + em for edge in drawn.box)
    framed = _framed(ink, (left, top, right, bottom), em, rng)
    put, box = by_hand_turned(framed, (left, top, right, bottom), rng)
    return Drawn(_printed_off(put, em, rng, noise), box, inked(ink, em).baseline, em)


def _framed(ink: Ink, box: tuple[int, int, int, int], em: int, rng: Random) -> Ink:
    """One or two straight frames, or the rings of a round stamp, or nothing."""
    left, top, right, bottom = box
    marks, thick, draw = ink.copy(), max(1, round(em * rng.uniform(0.05, 0.12))), rng.random()
    if draw < 0.4:
        for gap in (0.2, 0.45)[: rng.choice((1, 1, 2))]:
            air = round(em * (gap + rng.uniform(0, 0.1)))
            cv2.rectangle(marks, (left - 2 * air, top - air), (right + 2 * air, bottom + air), 1.0, thick)
    elif draw < 0.6:
        radius = round(em * rng.uniform(1.5, 5))
        centre = (rng.randint(left, right), round((top + bottom) / 2 + rng.uniform(-1, 1) * radius))
        for inner in (0, 0.3 * em)[: rng.choice((1, 2))]:
            cv2.circle(marks, centre, round(radius - inner), 1.0, thick, cv2.LINE_AA)
    return marks


def by_hand_turned(ink: Ink, box: Box, rng: Random) -> tuple[Ink, Box]:
    """Two of three by up to 15 degrees, long lines less."""
    left, top, right, bottom = box
    limit = min(15.0, np.degrees(2.0 * (bottom - top) / max(right - left, 1)))
    return turned(ink, box, rng.uniform(-limit, limit) if rng.random() < 0.65 else rng.gauss(0, 0.7))


def turned(ink: Ink, box: Box, degrees: float) -> tuple[Ink, Box]:
    """The ink turned about its middle; the box is that of the turned line."""
    left, top, right, bottom = box
    spare = int(abs(np.sin(np.radians(degrees))) * (right - left) / 2) + 2
    ink = np.pad(ink, ((spare, spare), (0, 0)))
    height, width = ink.shape
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    corners = np.float32([[left, top], [right, top], [right, bottom], [left, bottom]]) + np.float32([0, spare])
    moved = cv2.transform(corners[None], matrix)[0]
    (left, top), (right, bottom) = moved.min(axis=0), moved.max(axis=0)
    return cv2.warpAffine(ink, matrix, (width, height)), (float(left), float(top), float(right), float(bottom))


def _printed_off(ink: Ink, em: int, rng: Random, noise: np.random.Generator) -> Ink:
    """Swollen edges, patches that took no ink, a grain; paler than print, for scanners see less of red and violet."""
    ink = np.clip(cv2.GaussianBlur(ink, (0, 0), max(0.4, 0.03 * em)) * rng.uniform(1.0, 1.7), 0, 1)
    shape = (max(2, ink.shape[0] // em), max(2, ink.shape[1] // em))
    patches = cv2.resize(noise.normal(0, 1, shape).astype(np.float32), (ink.shape[1], ink.shape[0]))
    taken = np.clip(rng.uniform(0.6, 2.2) + patches * rng.uniform(0.2, 0.9), 0.05, 1)
    grain = cv2.GaussianBlur(noise.normal(0, 1, ink.shape).astype(np.float32), (0, 0), max(0.5, 0.04 * em))
    grainy = np.clip(1 + grain * rng.uniform(0, 1.2), 0, 1)
    return (ink * taken * grainy * rng.uniform(0.3, 1.0)).astype(np.float32)
