"""Stage 6: readings become values; nearly listed wordings are proposed, far ones stay, the raw reading is kept."""

from pathlib import Path

import pytest

from records.document_types import ColumnSpec, DocumentType, FieldSpec, Names, TableSpec
from records.documents import FieldReading
from records.pages import PageBox
from transformers.icd_import import icd10_rows, write_icd10
from transformers.lexicons import lexicon, with_listed_places, with_listed_syllables
from transformers.values import normal_form, readings_to_values

FORM = DocumentType(
    id="form",
    title=Names(vi="Phiếu", en="Form"),
    fields=(
        FieldSpec(name="patient.name", kind="person_name", labels=("Họ tên",)),
        FieldSpec(name="surgery.at", kind="moment", labels=("Ngày phẫu thuật",)),
        FieldSpec(name="surgery.anesthesia", kind="text", lexicon="anesthesia"),
        FieldSpec(name="patient.ethnicity", kind="ethnicity"),
    ),
    tables=(
        TableSpec(name="results", style="grid", row_key="test", columns=(ColumnSpec(name="test", kind="test_name"),)),
    ),
)


def read(field, raw, *others):
    box = PageBox(left=0, top=0, right=1, bottom=1)
    return FieldReading(
        field=field, raw=raw, confidence=0.9, page_id="p", box=box, engine="tesseract", method="label", others=others
    )


def value(field, raw, *others):
    return readings_to_values([read(field, raw, *others)], FORM)[0]


def test_a_reading_keeps_its_verbatim_text_beside_the_normal_form():
    found = value("patient.name", "Nguyễn  Hữu Sơn ...")
    assert (found.value, found.reading.raw, found.problem) == ("NGUYỄN HỮU SƠN", "Nguyễn  Hữu Sơn ...", "")


def test_the_first_reading_that_parses_is_taken():
    found = value("surgery.at", "?? giờ", "16:10 17/02/2022")
    assert (found.value, found.problem) == ("2022-02-17T16:10", "")


def test_readings_that_agree_in_normal_form_are_counted():
    assert value("surgery.at", "16:10 17/02/2022", "16 giờ 10 phút, ngày 17 tháng 02 năm 2022", "xx").agreed == 1


def test_a_moment_without_its_hour_is_a_problem_and_keeps_the_day():
    found = value("surgery.at", "17/02/2022")
    assert found.value == "2022-02-17"
    assert "Ngày phẫu thuật" in found.problem


def test_a_reading_that_nothing_can_parse_keeps_its_tidy_text():
    found = value("patient.name", "  14/62980 ....")
    assert found.value == "14/62980"
    assert found.problem


def test_readings_of_fields_the_form_does_not_have_are_left_out():
    assert readings_to_values([read("patient.phone", "0534299064")], FORM) == ()


def test_row_fields_take_the_kind_of_their_column():
    assert value("results[3].test", "Bach cầu trung tính").value == "Bạch cầu trung tính"


def test_a_lexicon_named_in_the_yaml_is_used():
    assert value("surgery.anesthesia", "Gây mê nôi khí quản").value == "Gây mê nội khí quản"


@pytest.mark.parametrize(
    ("name", "raw", "listed"),
    [
        ("ethnic_groups", "Nung", "Nùng"),
        ("drugs", "Capecitabln", "Capecitabin"),
        ("tests", "Số luợng hồng cầu", "Số lượng hồng cầu"),
        ("departments", "Ngoai Bụng 2", "Ngoại Bụng 2"),
    ],
)
def test_a_nearly_listed_wording_is_proposed(name, raw, listed):
    assert lexicon(name).nearest(raw) == listed


@pytest.mark.parametrize(
    ("name", "raw"), [("departments", "Ngoại Bụng 7"), ("tests", "CA 15-8"), ("drugs", "Thuốc lạ"), ("tests", "Xyz")]
)
def test_a_far_wording_or_another_number_is_no_correction(name, raw):
    assert lexicon(name).nearest(raw) is None


@pytest.mark.parametrize(
    "wording",
    [
        "Gây tê đám rối thần kinh cánh tay",
        "Tê đám rối thần kinh",
        "Gây tê tủy sống",
        "Mê nội khí quản",
        "Gây tê đám rối",
    ],
)
def test_no_correction_adds_or_drops_a_word(wording):
    assert value("surgery.anesthesia", wording).value == wording


def test_a_misread_letter_of_a_long_wording_is_still_corrected():
    assert value("surgery.anesthesia", "Tê đám rối thẩn kinh cánk tay").value == "Tê đám rối thần kinh cánh tay"


def test_a_row_s_number_before_a_listed_name_is_no_part_of_it():
    read = ("2 Hemoglobin", "7. Bạch cầu trung tính", "5, Pembrolizumab", "2 Chẳng có trong danh mục")
    kinds = ("test_name", "test_name", "drug", "test_name")
    meant = [normal_form(raw, kind) for raw, kind in zip(read, kinds, strict=True)]
    assert meant == ["Hemoglobin", "Bạch cầu trung tính", "Pembrolizumab", "2 Chẳng có trong danh mục"]


def test_a_syllable_nobody_bears_becomes_the_only_listed_one():
    assert with_listed_syllables("NGUYÊN HỮU SƠN") == "NGUYỄN HỮU SƠN"
    assert with_listed_syllables("ĐẢNG CÔNG NGHĨA") == "ĐẶNG CÔNG NGHĨA"


def test_a_syllable_that_may_be_several_names_stays_as_read():
    assert with_listed_syllables("NGUYỄN VĂN TRƯÒNG") == "NGUYỄN VĂN TRƯÒNG"
    assert with_listed_syllables("TRỊNH NGỌC HÃNG") == "TRỊNH NGỌC HÃNG"


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        ("Xã Yên Tho, Huyên Ý Yên, Tinh Nam Đinh", "Xã Yên Thọ, Huyện Ý Yên, Tỉnh Nam Định"),
        ("Xã Nào Đấy, Huyện Yên Thể, Tỉnh Bắc Giang", "Xã Nào Đấy, Huyện Yên Thế, Tỉnh Bắc Giang"),
        ("Số 6 Lê Lơi, Xã Yên Xyz, Huyên Ý Yên, Tinh Nam Đinh", "Số 6 Lê Lơi, Xã Yên Xyz, Huyện Ý Yên, Tỉnh Nam Định"),
    ],
)
def test_an_address_takes_marks_from_listed_units_and_no_letters(read, meant):
    assert with_listed_places(read) == meant


@pytest.mark.parametrize(
    ("read", "name"),
    [
        ("CHÂU HỮU GIỚI", "CHÂU HỮU GIỚI"),
        ("Nguyễn Thị Tuổi", "NGUYỄN THỊ TUỔI"),
        ("CHÂU HỮU GIỚI Giới tính: Nam", "CHÂU HỮU GIỚI"),
        ("ĐẶNG VĂN Ý Tuổi", "ĐẶNG VĂN Ý"),
        ("VÕ AN, tuổi: 45", "VÕ AN"),
        ("AN VĂN BÌNH Ngày sinh", "AN VĂN BÌNH"),
    ],
)
def test_giới_and_tuổi_are_names_unless_they_are_the_next_label(read, name):
    assert normal_form(read, "person_name") == name


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        ("Ngày uống 2 lần, mỗi lần lống, sau ăn", "Ngày uống 2 lần, mỗi lần 1 ống, sau ăn"),
        ("mỗi lần 2viên", "mỗi lần 2 viên"),
        ("mỗi lần lạ", "mỗi lần lạ"),
        ("3oomg trong NaClo,9% 5OOml", "300mg trong NaCl 0,9% 500ml"),
        ("3oo người", "3oo người"),
        ("1 gói, 12x4mm, tuần thứ 05ngày", "1 gói, 12x4mm, tuần thứ 05ngày"),
    ],
)
def test_a_dose_has_its_figures_and_stands_apart_from_its_unit(read, meant):
    assert normal_form(read, "long_text") == meant


def test_what_a_person_types_passes_through_the_same_parsers():
    assert normal_form("nung", "ethnicity") == "Nùng"
    with pytest.raises(ValueError, match="ngày"):
        normal_form("31/02/2014", "date")


def test_the_icd10_list_is_made_from_the_files_of_the_package(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "locale").mkdir()
    fields = '<field name="name">Breast</field><field name="code">C50.9</field><field name="category" ref="x"/>'
    record = f'<record model="gnuhealth.pathology" id="C509">{fields}</record>'
    (tmp_path / "data" / "diseases.xml").write_text(f"<tryton><data>{record}</data></tryton>", encoding="utf-8")
    po = 'msgctxt "model:gnuhealth.pathology,name:C509"\nmsgid "Breast"\nmsgstr ""\n"U ác "\n"của vú"\n'
    (tmp_path / "locale" / "vi.po").write_text(po, encoding="utf-8")
    rows = icd10_rows(tmp_path)
    assert rows == (("C50.9", "Breast", "U ác của vú", "x"),)
    assert write_icd10(rows, tmp_path / "codes" / "icd10.csv") == 1
