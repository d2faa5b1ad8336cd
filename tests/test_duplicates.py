"""Stage 4: a sheet scanned twice is found, and two sheets that only look alike are not taken for one."""

import sys
from functools import cache
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

sys.path[:0] = [str(Path(__file__).parent)]

from builders import drawn, in_colour, page_image, sheet, turned_by  # noqa: E402

from extractors.duplicates import may_be_same, same_picture, same_text  # noqa: E402
from extractors.images import upright  # noqa: E402
from extractors.limits import Limits  # noqa: E402
from pipeline import reading  # noqa: E402
from pipeline.reading import PageJob, PairJob, compare_job  # noqa: E402
from records.pages import MediaType  # noqa: E402

pytestmark = pytest.mark.slow

HEAD = ["BỆNH VIỆN K", "PHIẾU XÉT NGHIỆM", "Họ và tên: LÊ THỊ CÚC   Tuổi: 59   Mã NB: 14003728", ""]
MONDAY = [*HEAD, "Bạch cầu    12,5 G/L", "Hồng cầu    4,51 T/L", "Hemoglobin  130 g/L", "Ngày 12/03/2019"]
FRIDAY = [*HEAD, "Bạch cầu     7,8 G/L", "Hồng cầu    4,63 T/L", "Hemoglobin  127 g/L", "Ngày 16/03/2019"]
LETTER = ["Kính gửi: Bệnh viện Bạch Mai, khoa Ung bướu", *["Người bệnh được điều trị từ ngày đó đến nay"] * 14]


def text_of(lines, **changes):
    page = "\n".join(lines)
    for old, new in changes.values():
        page = page.replace(old, new)
    return sheet(page).text


@cache
def scanned(lines, degrees=0.0, turn=0, dark=1.0, shift=0, noise=0):
    """One pass through the scanner: (geometry, pixels as in the file)."""
    page, _ = turned_by(drawn(lines, (1000, 1414), letters=30), degrees)
    page = np.roll(page, (shift, shift), (0, 1)).astype(np.float64) * dark
    page += np.random.default_rng(noise).normal(0, 3, page.shape)
    file_page = in_colour(np.ascontiguousarray(np.rot90(page.clip(0, 255).astype(np.uint8), turn // 90)))
    return upright("p", file_page, 120, lambda _: turn).image, file_page


def first():
    return scanned(tuple(MONDAY))


def again():
    return scanned(tuple(MONDAY), degrees=0.7, dark=0.85, shift=9, noise=1)


# The proposal.


def test_a_sheet_scanned_again_is_proposed():
    assert may_be_same(first()[0], again()[0])


def test_quite_another_sheet_is_not_even_proposed():
    assert not may_be_same(first()[0], scanned(tuple(LETTER))[0])


def test_a_page_without_a_fingerprint_is_never_proposed():
    assert not may_be_same(page_image("a"), page_image("b"))
    assert not may_be_same(page_image("a", fingerprint="00ff00ff00ff00ff"), page_image("b"))


def test_fourteen_bits_of_difference_are_proposed_and_fifteen_are_not():
    one = page_image("a", fingerprint="0" * 16)
    assert may_be_same(one, page_image("b", fingerprint=f"{(1 << 14) - 1:016x}"))
    assert not may_be_same(one, page_image("b", fingerprint=f"{(1 << 15) - 1:016x}"))


# The text.


def test_the_same_text_is_the_same_also_when_its_rows_were_cut_otherwise():
    assert same_text(text_of(MONDAY), text_of(MONDAY))
    assert same_text(text_of(MONDAY), text_of([line.replace(" ", "    ") for line in MONDAY]))


def test_a_few_misread_letters_leave_the_text_the_same():
    assert same_text(text_of(MONDAY), text_of(MONDAY, a=("Bạch cầu", "Bạoh cấu"), b=("THỊ", "THI")))


def test_two_laboratory_sheets_of_one_patient_are_no_duplicates():
    assert may_be_same(first()[0], scanned(tuple(FRIDAY))[0]), "they look alike"
    assert not same_text(text_of(MONDAY), text_of(FRIDAY))


@pytest.mark.parametrize(
    ("old", "new"), [("12,5", "12,6"), ("14003728", "14003729"), ("12/03", "13/03"), ("130", "13")]
)
def test_one_digit_makes_another_sheet(old, new):
    assert not same_text(text_of(MONDAY), text_of(MONDAY, a=(old, new)))


def test_the_same_numbers_in_other_words_are_another_sheet():
    other = ["12 5 4 51 130 12 03 2019 59 14003728", "Người bệnh tỉnh, tiếp xúc tốt, không sốt, ăn ngủ được, bụng mềm"]
    assert not same_text(text_of(MONDAY), text_of(other))


def test_pages_with_hardly_a_number_are_not_compared_by_text():
    plain = ["Người bệnh tỉnh, tiếp xúc tốt", "Chỉ số 1 và 2"]
    assert not same_text(text_of(plain), text_of(plain))


def test_two_results_exchanged_make_another_sheet():
    assert not same_text(text_of(MONDAY), text_of(MONDAY, a=("12,5", "x"), b=("4,51", "12,5"), c=("x", "4,51")))


# Two blood counts of one patient, two days apart.

SPECIMEN = "Mã bệnh phẩm: 190312"
COUNT = [*HEAD, SPECIMEN, "Bạch cầu    12,5 G/L", "Hồng cầu    4,51 T/L", "Hemoglobin  130 g/L", "Ngày 12/03/2019"]


@pytest.mark.parametrize(
    "changes",
    [
        {
            "day": ("12/03/2019", "14/03/2019"),
            "count": ("12,5", "9,8"),
            "red": ("4,51", "4,48"),
            "iron": ("130", "128"),
        },
        {"day": ("12/03/2019", "14/03/2019"), "specimen": ("190312", "190314")},
        {"day": ("12/03/2019", "14/03/2019")},
        {"specimen": ("190312", "190314")},
    ],
    ids=["other results", "the same results, day and specimen differ", "only the day", "only the specimen"],
)
def test_two_blood_counts_two_days_apart_are_no_duplicates(changes):
    first_count, second_count = text_of(COUNT), text_of(COUNT, **changes)
    assert not same_text(first_count, second_count)
    assert not same_text(second_count, first_count)


# The picture.


def test_the_ink_of_a_sheet_scanned_again_covers_the_first():
    assert same_picture(first(), again())


def test_a_sheet_scanned_again_upside_down_is_the_same():
    assert same_picture(first(), scanned(tuple(MONDAY), turn=180, shift=4, noise=2))


def test_a_sheet_scanned_again_in_black_and_white_and_saved_poorly_is_the_same():
    _, pixels = scanned(tuple(MONDAY), degrees=-0.5, shift=7, noise=3)
    black = np.where(cv2.GaussianBlur(pixels, (0, 0), 1.0) < 150, 0, 255).astype(np.uint8)
    _, saved = cv2.imencode(".jpg", black, [cv2.IMWRITE_JPEG_QUALITY, 30])
    poor = cv2.imdecode(saved, cv2.IMREAD_COLOR)
    other = upright("p", poor, 120, lambda _: 0).image, poor
    assert may_be_same(first()[0], other[0])
    assert same_picture(first(), other)


def test_another_sheet_of_the_same_form_is_another_picture():
    other = (*HEAD, *["Urê máu và điện giải đồ    6,2 mmol/L"] * 6)
    assert not same_picture(first(), scanned(other))


def test_a_sheet_on_which_somebody_wrote_a_line_more_is_another_picture():
    image, pixels = first()
    written = pixels.copy()
    for top in range(800, 1200, 60):
        cv2.putText(written, "da goi nguoi nha, hen kham lai", (90, top), cv2.FONT_HERSHEY_SIMPLEX, 1.3, (20,) * 3, 3)
    assert not same_picture(first(), (image, written))


def test_empty_pages_are_never_the_same_picture():
    empty = page_image("e", width_px=1000, height_px=1414, file_width_px=1000, file_height_px=1414)
    paper = np.full((1414, 1000, 3), 255, np.uint8)
    assert not same_picture((empty, paper), (empty, paper))


# One number that was hardly legible.


def doubted(page, word):
    """The page with the reader unsure of one word."""
    lines = tuple(
        line.model_copy(
            update={
                "words": tuple(w.model_copy(update={"confidence": 0.3}) if w.text == word else w for w in line.words)
            }
        )
        for line in page.lines
    )
    return page.model_copy(update={"lines": lines})


def test_one_number_that_was_hardly_legible_on_one_sheet_may_differ():
    monday, misread = text_of(MONDAY), text_of(MONDAY, one=("4,51", "4,81"))
    assert same_text(monday, doubted(misread, "4,81"))
    assert not same_text(monday, misread), "legible, it is another result"


def test_a_digit_more_in_a_legible_number_is_another_result():
    assert not same_text(text_of(MONDAY), text_of(MONDAY, one=("130", "1130")))


def test_two_numbers_that_were_hardly_legible_may_not_differ():
    misread = text_of(MONDAY, one=("4,51", "4,81"), two=("12,5", "12,6"))
    both = doubted(doubted(misread, "4,81"), "12,6")
    assert not same_text(text_of(MONDAY), both)
    assert same_text(text_of(MONDAY), both, slips=2), "a person is asked"


# Pages of which only the header was read.

COURSE = ["Ngày 12/03/2019", "Mạch 80 lần/phút, huyết áp 120/80", "Bụng mềm, ăn được"]
NEXT_DAY = ["Ngày 13/03/2019", "Mạch 92 lần/phút, huyết áp 135/85", "Sốt 38,5 độ, ho đờm"]


@cache
def scan_of(lines, shift=0, noise=0):
    """(bytes of a scan, geometry as JSON) of a ruled sheet: one form and one patient, only the lines below differ."""
    head = ["TỜ ĐIỀU TRỊ", "Họ và tên: LÊ THỊ CÚC      Tuổi: 59", "Số vào viện: 19.013225      Mã NB: 14003728"]
    page = np.minimum(drawn(head, top=100), drawn(lines, top=808)).astype(np.int16)
    page[760:1660:49, 60:1180] = page[761:1660:49, 60:1180] = 0
    for x in (60, 300, 760, 1177):
        page[760:1642, x : x + 3] = 0
    page = np.roll(page, (shift, shift), (0, 1)) + np.random.default_rng(noise).normal(0, 3, page.shape)
    gray = page.clip(0, 255).astype(np.uint8)
    content = BytesIO()
    Image.fromarray(gray).save(content, "PNG", compress_level=1)
    return content.getvalue(), upright("p", in_colour(gray), 150, lambda _: 0, 1700).image.model_dump_json()


def same_sheet(monkeypatch, one, other, headers):
    """What a worker says of two scans in the store."""
    stored = {"one": one[0], "other": other[0]}
    monkeypatch.setattr(reading, "scan_bytes", stored.__getitem__)
    monkeypatch.setattr(reading, "settings", lambda: SimpleNamespace(limits=Limits(), reader="neural"))
    jobs = [PageJob(f"{scan}-0001", scan, MediaType.PNG, 1) for scan in stored]
    return compare_job(PairJob(jobs[0], one[1], jobs[1], other[1], headers=headers))


def test_two_sheets_with_one_frame_and_header_but_another_course_below_are_no_duplicates(monkeypatch):
    one, other = scan_of(tuple(COURSE)), scan_of(tuple(NEXT_DAY), noise=1)
    assert same_sheet(monkeypatch, one, other, headers=False), "their pixels alone do not tell"
    assert not same_sheet(monkeypatch, one, other, headers=True)


def test_a_sheet_scanned_twice_of_which_only_the_header_was_read_is_a_duplicate(monkeypatch):
    one, again = scan_of(tuple(COURSE)), scan_of(tuple(COURSE), shift=6, noise=1)
    assert same_sheet(monkeypatch, one, again, headers=True)


def test_sheets_that_differ_to_the_eye_are_not_even_read(monkeypatch):
    monkeypatch.setattr("extractors.page.read_all", lambda *_: pytest.fail("read"))
    full = scan_of(tuple(LETTER))
    assert not same_sheet(monkeypatch, scan_of(tuple(COURSE)), full, headers=True)
