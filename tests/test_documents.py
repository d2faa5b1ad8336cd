"""Stage 4: what form a page is, by its title or else by its labels, and which pages are one document."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent)]

from builders import HEIGHT, page_reading, sheet  # noqa: E402

from extractors.documents import classify  # noqa: E402
from pipeline.grouping import FilePage, group_pages, group_type  # noqa: E402
from records.document_types import document_types  # noqa: E402

TYPES = document_types()
TITLES = [(kind.id, title) for kind in TYPES.values() for title in kind.titles]


def kind_of(art):
    found = classify(sheet(art).rows, HEIGHT, TYPES)
    return found.document_type, found.titled


@pytest.mark.parametrize(("kind", "title"), TITLES, ids=[title for _, title in TITLES])
def test_every_title_says_its_form(kind, title):
    assert kind_of(f"SỞ Y TẾ HÀ NỘI\nBỆNH VIỆN K\n\n          {title}\nHọ tên: LÊ THỊ CÚC") == (kind, True)


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        ("GLẤY RA VIÊN", "discharge_letter"),
        ("GIẨY RA VlỆN", "discharge_letter"),
        ("ĐUN THUỐC", "prescription"),
        ("PHIÉU XÉT NGHlỆM HUYÉT HQC", "lab_report"),
        ("TÓM TẢT HỔ SO BỆNH ẤN", "record_summary"),
        ("PHIỂU PHẨU THUẬT/THÙ THUẬT", "surgery_report"),
    ],
)
def test_a_title_is_known_in_spite_of_slips_of_the_reader(read, kind):
    assert kind_of(read) == (kind, True)


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ("PHIẾU XÉT NGHIỆM\nGIẢI PHẪU BỆNH", "pathology_report"),
        ("PHIẾU XÉT NGHIỆM\nHUYẾT HỌC", "lab_report"),
        ("TÓM TẮT\nHỒ SƠ BỆNH ÁN", "record_summary"),
        ("GIẤY CHUYỂN TUYẾN KHÁM BỆNH,\nCHỮA BỆNH BẢO HIỂM Y TẾ", "transfer_letter"),
    ],
)
def test_a_title_on_two_rows_is_read_as_one(rows, kind):
    assert kind_of(rows) == (kind, True)


def test_two_rows_far_apart_are_not_one_title():
    assert kind_of("PHIẾU XÉT NGHIỆM\n\n\nGIẢI PHẪU\n\n\nBỆNH") == ("lab_report", True)


def test_a_title_on_two_lines_between_other_cells_is_read_as_one():
    art = """
    BỆNH VIỆN HỮU NGHỊ ĐA     GIẤY CHUYỂN      BM.25
    KHOA                      VIỆN
    Họ tên: LÊ THỊ CÚC
    """
    assert kind_of(art) == ("transfer_letter", True)


def test_a_title_beside_the_name_of_the_hospital_is_found():
    assert kind_of("BỆNH VIỆN NHÂN DÂN 115     PHIẾU CHỤP X-QUANG") == ("imaging_report", True)


def test_a_form_named_in_a_sentence_is_no_title():
    assert kind_of("Kèm theo giấy ra viện và đơn thuốc") == ("other", False)


def test_a_title_in_the_lower_half_of_the_page_is_none():
    assert kind_of("-" + "\n" * 25 + "GIẤY RA VIỆN") == ("other", False)


@pytest.mark.parametrize(
    "line", ["BỆNH VIỆN BẠCH MAI", "BỆNH VIỆN UNG BƯỚU", "KHOA NGOẠI", "TRẦN VĂN BÌNH", "ĐƠN XIN RA VIỆN"]
)
def test_letterheads_names_and_other_headings_are_no_titles(line):
    assert kind_of(line) == ("other", False)


@pytest.mark.parametrize("line", ["SỐ BỆNH ÁN: 2019/123", "MÃ BỆNH ÁN: 1234"])
def test_a_number_of_the_record_in_capitals_is_no_cover(line):
    assert kind_of(f"{line}\nHọ tên: LÊ THỊ CÚC") == ("other", False)


def test_a_number_of_the_record_in_capitals_is_no_cover_when_its_digits_were_not_read():
    assert kind_of("SỐ BỆNH ÁN:\nHọ tên: LÊ THỊ CÚC") == ("other", False)


def test_the_name_of_a_department_in_capitals_is_no_treatment_sheet():
    assert kind_of("KHOA ĐIỀU TRỊ") == ("other", False)


def test_a_consent_to_surgery_is_a_consent():
    assert kind_of("GIẤY CAM KẾT CHẤP NHẬN PHẪU THUẬT, THỦ THUẬT") == ("consent", True)


@pytest.mark.parametrize(
    ("art", "kind"),
    [
        ("Mô tả: Hai phổi sáng\nKết luận: Bình thường", "imaging_report"),
        ("Đại thể: mảnh mô\nVi thể: tế bào\nMã tiêu bản: 12", "pathology_report"),
        ("| STT | Tên xét nghiệm | Kết quả | Đơn vị | Trị số tham chiếu |", "lab_report"),
        ("| STT | Tên thuốc | Hàm lượng | Số lượng | Cách dùng |", "prescription"),
        ("Lý do chuyển viện: quá khả năng\nKính gửi: Bệnh viện K", "transfer_letter"),
    ],
)
def test_a_page_without_a_title_is_known_by_its_own_labels(art, kind):
    assert kind_of(art) == (kind, False)


def test_a_title_weighs_more_than_labels():
    assert kind_of("ĐƠN THUỐC\nĐại thể: mảnh mô\nVi thể: tế bào\nMã tiêu bản: 12") == ("prescription", True)


@pytest.mark.parametrize("art", ["Họ tên: LÊ THỊ CÚC     Tuổi: 45", "Kính thưa quý bệnh viện", "12 34 56", ""])
def test_a_page_without_a_title_or_telling_labels_is_other_paper(art):
    found = classify(sheet(art).rows, HEIGHT, TYPES)
    assert (found.document_type, found.titled, found.score) == ("other", False, 0.0)


def test_a_title_is_scored_by_how_well_it_was_read():
    def score(art):
        return classify(sheet(art).rows, HEIGHT, TYPES).score

    assert score("GIẤY RA VIỆN") == 100.0 > score("GLẤY RA VIÊN") >= 86.0


# Pages of one document.


def groups(*pages):
    """Page numbers from 1, grouped; each page: (type, titled)."""
    given = [
        FilePage(page_id=str(i), reading=page_reading(str(i), kind, {}, titled=titled))
        for i, (kind, titled) in enumerate(pages, start=1)
    ]
    return [[int(p.page_id) for p in group] for group in group_pages(given)]


def test_a_page_without_a_title_of_the_same_kind_goes_on_from_the_last():
    assert groups(("lab_report", True), ("lab_report", False), ("lab_report", False)) == [[1, 2, 3]]


def test_a_page_that_tells_nothing_goes_on_from_the_last():
    assert groups(("prescription", True), ("other", False)) == [[1, 2]]


def test_a_page_with_a_title_of_its_own_begins_a_document():
    assert groups(("lab_report", True), ("lab_report", True)) == [[1], [2]]


def test_a_page_that_looks_like_another_form_begins_a_document():
    assert groups(("lab_report", True), ("prescription", False)) == [[1], [2]]


def test_a_file_may_begin_with_a_page_that_tells_nothing():
    assert groups(("other", False), ("other", False), ("prescription", True)) == [[1, 2], [3]]
    assert groups() == []


def test_a_document_is_of_the_kind_of_its_first_page():
    pages = [("prescription", True), ("other", False)]
    given = [FilePage(page_id=k, reading=page_reading(k, k, {}, titled=t)) for k, t in pages]
    assert group_type(group_pages(given)[0]) == "prescription"
