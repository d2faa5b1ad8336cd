"""Stage 5: the cells of laboratory tables and prescriptions, ruled and unruled, and what they hold together."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent)]

from builders import EM, cells_on, sheet  # noqa: E402

from extractors.cells import drug_and_strength, quantity_and_unit  # noqa: E402
from extractors.tables import find_tables  # noqa: E402
from records.document_types import document_types  # noqa: E402
from records.pages import Box, Word  # noqa: E402

RULED = """
| STT | Tên xét nghiệm | Kết quả | Đơn vị | Cờ | Trị số tham chiếu |
| 1   | WBC            | 12,5    | G/L    | H  | 4,0 - 10,0        |
| 2   | RBC            | 4,51    | T/L    |    | 3,8 - 5,8         |
| 3   | HGB            |         | g/L    |    | 120 - 160         |
"""
CENTRED = """
STT       Tên xét nghiệm            Kết quả       Đơn vị       Trị số tham chiếu
1         WBC                        12,5          G/L            4,0 - 10,0
2         Số lượng hồng cầu          4,51          T/L            3,8 - 5,8
3         HGB                         130          g/L            120 - 160

                                      Huế, ngày 12 tháng 3 năm 2019
                                                 5      6      7
"""


def row(cells, index):
    """column -> cell of one row."""
    return {f.split(".")[1]: raw for f, raw in cells.items() if f"[{index}]" in f}


def words(text):
    return list(sheet(text).rows[0].words)


def parts(found):
    return {f.field.rpartition(".")[2]: f.raw for f in found}


# Laboratory tables.


def test_the_cells_of_a_ruled_table_stand_under_their_headings():
    cells = cells_on(RULED)
    assert row(cells, 0) == {"test": "WBC", "value": "12,5", "unit": "G/L", "flag": "H", "reference": "4,0 - 10,0"}
    assert row(cells, 1) == {"test": "RBC", "value": "4,51", "unit": "T/L", "reference": "3,8 - 5,8"}


def test_the_cells_of_an_unruled_table_stand_under_their_centred_headings():
    cells = cells_on(CENTRED)
    assert row(cells, 0) == {"test": "WBC", "value": "12,5", "unit": "G/L", "reference": "4,0 - 10,0"}
    assert row(cells, 1) == {"test": "Số lượng hồng cầu", "value": "4,51", "unit": "T/L", "reference": "3,8 - 5,8"}


def test_a_name_much_longer_than_its_centred_heading_stays_in_its_column():
    art = """
         Xét nghiệm                        Kết quả       Đơn vị       Trị số tham chiếu
    Số lượng hồng cầu lưới máu vi          4,51          T/L            3,8 - 5,8
    """
    assert row(cells_on(art), 0)["test"] == "Số lượng hồng cầu lưới máu vi"


def test_a_blank_cell_stays_blank():
    assert row(cells_on(RULED), 2) == {"test": "HGB", "unit": "g/L", "reference": "120 - 160"}


def test_a_blank_cell_of_an_unruled_table_stays_blank():
    cells = cells_on(CENTRED.replace("130  ", "     "))
    assert row(cells, 2) == {"test": "HGB", "unit": "g/L", "reference": "120 - 160"}


def test_the_place_and_date_line_ends_a_table():
    assert {f.split(".")[0] for f in cells_on(CENTRED)} == {"results[0]", "results[1]", "results[2]"}


@pytest.mark.parametrize("end", ["Người thực hiện", "Nguời thực hỉện", "BÁC SĨ", "Ghi chú:", "KẾT LUẬN"])
def test_a_stop_word_ends_a_table_in_spite_of_slips(end):
    art = CENTRED.split("\n\n")[0] + f"\n{end}\n4         Nguyễn Văn An              5             6              7"
    assert {f.split(".")[0] for f in cells_on(art)} == {"results[0]", "results[1]", "results[2]"}


def test_a_wide_gap_ends_a_table():
    art = CENTRED.split("\n\n")[0] + "\n\n\n\n4         Máu lắng                   5             6              7"
    assert not any("[3]" in f for f in cells_on(art))


def test_a_table_fills_its_rows_and_only_those():
    page = sheet("Họ tên: AN\n" + CENTRED.strip("\n"))
    (table,) = find_tables(page.rows, document_types()["lab_report"], EM, ())
    assert (table.first, table.end) == (1, 5)


def test_an_index_number_glued_to_the_name_of_the_test_is_taken_out_of_it():
    art = """
    | STT Tên xét nghiệm | Kết quả | Đơn vị | Trị số tham chiếu |
    | 1   WBC            | 12,5    | G/L    | 4,0 - 10,0        |
    | 12. Máu lắng       | 20      | mm     | 0 - 15            |
    """
    cells = cells_on(art)
    assert (cells["results[0].test"], cells["results[1].test"]) == ("WBC", "Máu lắng")


def test_a_row_number_is_taken_out_also_where_its_heading_was_lost():
    art = """
    |      Tên xét nghiệm | Kết quả | Đơn vị | Trị số tham chiếu |
    | 1    WBC            | 12,5    | G/L    | 4,0 - 10,0        |
    | 2    RBC            | 4,51    | T/L    | 3,8 - 5,8         |
    """
    assert cells_on(art)["results[0].test"] == "WBC"


def test_a_test_whose_name_is_a_number_keeps_it():
    cells = cells_on(RULED.replace("RBC", "17 "))
    assert cells["results[1].test"] == "17"


def test_a_wrapped_name_of_a_test_is_joined_to_its_row():
    art = """
    | STT | Tên xét nghiệm | Kết quả | Đơn vị | Trị số tham chiếu |
    | 1   | Định lượng     | 5,1     | mmol/L | 3,9 - 6,4         |
    |     | Glucose máu    |         |        |                   |
    | 2   | Urê            | 6,2     | mmol/L | 2,5 - 7,5         |
    """
    cells = cells_on(art)
    assert cells["results[0].test"] == "Định lượng Glucose máu"
    assert cells["results[1].test"] == "Urê"


def test_a_section_title_inside_a_table_belongs_to_no_test():
    art = """
    | Tên xét nghiệm | Kết quả | Đơn vị | Trị số tham chiếu |
    | Máu lắng       | 5,1     | mm     | 0 - 15            |
    | SINH HÓA MÁU   |         |        |                   |
    | Urê            | 6,2     | mmol/L | 2,5 - 7,5         |
    """
    assert cells_on(art)["results[0].test"] == "Máu lắng"


BESIDE = """
    Tên xét nghiệm   Kết quả   Đơn vị   CSBT          Tên xét nghiệm   Kết quả   Đơn vị   CSBT
    WBC              12,5      G/L      4,0 - 10,0    Glucose          5,1       mmol/L   3,9 - 6,4
    RBC              4,51      T/L      3,8 - 5,8     Urê              6,2       mmol/L   2,5 - 7,5
    HGB              130       g/L      120 - 160
"""


def test_of_two_tables_side_by_side_the_left_ones_rows_come_first():
    cells = cells_on(BESIDE)
    assert [cells[f"results[{i}].test"] for i in range(5)] == ["WBC", "RBC", "HGB", "Glucose", "Urê"]
    assert row(cells, 2) == {"test": "HGB", "value": "130", "unit": "g/L", "reference": "120 - 160"}
    assert row(cells, 4) == {"test": "Urê", "value": "6,2", "unit": "mmol/L", "reference": "2,5 - 7,5"}


@pytest.mark.parametrize("flag", ["H", "(H)", "LL", "↑", "↓", "*"])
def test_a_flag_beside_the_number_in_its_column_is_a_cell_of_its_own(flag):
    art = f"""
    Xét nghiệm                        Kết quả       Đơn vị       Trị số tham chiếu
    Hồng cầu                          4,51 {flag}       T/L            3,8 - 5,8
    """
    assert row(cells_on(art), 0)["value"] == "4,51" and row(cells_on(art), 0)["flag"] == flag


def test_a_row_whose_name_was_not_read_stays_a_row():
    cells = cells_on(RULED.replace("RBC", "   "))
    assert row(cells, 1) == {"value": "4,51", "unit": "T/L", "reference": "3,8 - 5,8"}
    assert row(cells, 2)["test"] == "HGB"


def test_a_lone_flag_that_the_page_reader_missed_is_read_by_a_peek_into_its_cell():
    page, looked_at = sheet(RULED), []

    def peek(cell):
        looked_at.append(cell)
        in_flags = cell.left == page.rulings[4][0]
        return Word(text="H", confidence=0.9, box=cell) if in_flags and cell.top < page.rows[1].middle else None

    cells = cells_on(RULED.replace("| H  |", "|    |"), peek=peek)
    assert cells["results[0].flag"] == "H"
    assert "results[1].flag" not in cells
    assert len(looked_at) == 4, "three flags and one blank value, no cell in which words were read"


def test_a_peek_looks_at_the_cell_between_its_rulings_and_on_its_row():
    seen = []

    def peek(cell):
        seen.append(cell)

    cells_on(RULED, peek=peek)
    page = sheet(RULED)
    borders = [x for x, _, _ in page.rulings]
    flags = [c for c in seen if c.left == borders[4]]
    assert [c.right for c in flags] == [borders[5]] * 2
    assert flags[0].top < page.rows[2].middle < flags[0].bottom
    assert not flags[0].top < page.rows[3].middle < flags[0].bottom


def test_rulings_part_the_columns_where_white_would_mislead():
    art = """
    | Tên xét nghiệm | Kết quả | Đơn vị        | Trị số tham chiếu |
    | WBC            | 12,5    |           G/L | 4,0 - 10,0        |
    """
    assert row(cells_on(art), 0) == {"test": "WBC", "value": "12,5", "unit": "G/L", "reference": "4,0 - 10,0"}


def test_headings_are_found_in_spite_of_slips_of_the_reader():
    cells = cells_on(RULED.replace("Tên xét nghiệm", "Tẽn xét nghìêm").replace("Kết quả", "Kêt quá"))
    assert cells["results[0].test"] == "WBC" and cells["results[0].value"] == "12,5"


FLAGGED = """
| STT | Tên xét nghiệm | Kết quả | Cờ | Đơn vị | Trị số tham chiếu |
| 1   | WBC            | 12,5    | H  | G/L    | 4,0 - 10,0        |
"""


@pytest.mark.parametrize("misread", ["Kxx", "K t qxx", "Xxxxx"])
def test_a_misread_heading_between_two_known_ones_is_the_one_column_missing_there(misread):
    whole = row(cells_on(FLAGGED), 0)
    assert whole == {"test": "WBC", "value": "12,5", "flag": "H", "unit": "G/L", "reference": "4,0 - 10,0"}
    assert row(cells_on(FLAGGED.replace("Kết quả", f"{misread:7}")), 0) == whole
    assert row(cells_on(FLAGGED.replace("Đơn vị", f"{misread:7}"[:6])), 0) == whole


def test_a_misread_heading_where_two_columns_are_missing_is_not_guessed():
    art = FLAGGED.replace("| Cờ ", "").replace("| H  ", "").replace("Đơn vị", "Xx xxx")
    assert "unit" not in row(cells_on(art), 0) and "flag" not in row(cells_on(art), 0)


def test_a_misread_heading_outside_the_known_ones_is_not_guessed():
    assert "reference" not in row(cells_on(FLAGGED.replace("Trị số tham chiếu", "Xxxxxxx xxx xxxxx")), 0)


def test_two_headings_make_no_table():
    assert cells_on("| Tên xét nghiệm | Kết quả |\n| WBC | 12,5 |") == {}


def test_headings_without_the_key_column_make_no_table():
    assert cells_on("| STT | Kết quả | Đơn vị | Cờ |\n| 1   | 12,5    | G/L    | H  |") == {}


def test_labels_with_colons_are_no_headings():
    art = """
    Xét nghiệm:       Kết quả:       Đơn vị:
    WBC               12,5           G/L
    """
    assert cells_on(art) == {}
    assert cells_on(art.replace(":", " ")) != {}


def test_a_wrapped_name_in_capitals_is_joined_where_the_table_is_in_capitals():
    art = """
    | Tên xét nghiệm | Kết quả | Đơn vị | Trị số tham chiếu |
    | ĐỊNH LƯỢNG     | 5,1     | mmol/L | 3,9 - 6,4         |
    | GLUCOSE MÁU    |         |        |                   |
    | URÊ            | 6,2     | mmol/L | 2,5 - 7,5         |
    """
    assert cells_on(art)["results[0].test"] == "ĐỊNH LƯỢNG GLUCOSE MÁU"


# Prescriptions.

NUMBERED = """
Họ tên: LÊ THỊ CÚC
1. Metformin 850mg          Số lượng: 60 viên
   Cách dùng: Ngày uống 2 lần, mỗi lần 1 viên
2. Amlodipin 5mg            Số lượng: 30 viên
   Cách dùng: Ngày uống 1 viên
   vào buổi sáng
Cộng khoản: 2
"""
MEDICATIONS = [
    {
        "drug": "Metformin",
        "strength": "850mg",
        "quantity": "60",
        "unit": "viên",
        "dosage": "Ngày uống 2 lần, mỗi lần 1 viên",
    },
    {
        "drug": "Amlodipin",
        "strength": "5mg",
        "quantity": "30",
        "unit": "viên",
        "dosage": "Ngày uống 1 viên vào buổi sáng",
    },
]


def medications(art, form="prescription"):
    cells = cells_on(art, form)
    count = len({f.split(".")[0] for f in cells})
    return [row(cells, i) for i in range(count)]


def test_numbered_drugs_are_rows_with_all_their_parts():
    assert medications(NUMBERED) == MEDICATIONS


def test_numbered_drugs_are_found_when_the_reader_lost_their_numbers():
    assert medications(NUMBERED.replace("1. ", "   ").replace("2. ", "   ")) == MEDICATIONS


def test_numbered_drugs_are_found_when_the_reader_lost_one_number_of_two():
    assert medications(NUMBERED.replace("2. ", "   ")) == MEDICATIONS


def test_a_number_glued_to_its_drug_is_cut_off():
    assert medications(NUMBERED.replace("1. Met", "1.Met")) == MEDICATIONS


def test_a_drug_on_a_row_of_its_own_starts_a_row_by_its_number_or_its_strength():
    art = """
    1. Vitamin C
       SL: 10 viên
       Liều dùng: Ngày uống 1 lần
    Amlodipin 5mg
       SL: 30 viên
       Liều dùng: Sáng 1 viên
    """
    assert medications(art) == [
        {"drug": "Vitamin C", "quantity": "10", "unit": "viên", "dosage": "Ngày uống 1 lần"},
        {"drug": "Amlodipin", "strength": "5mg", "quantity": "30", "unit": "viên", "dosage": "Sáng 1 viên"},
    ]


def test_a_dosage_without_a_label_is_the_row_below_the_quantity():
    art = """
    1. Metformin 850mg          SL: 60 viên
       Ngày uống 2 lần
    2. Amlodipin 5mg            SL: 30 viên
       Sáng 1 viên
    Lời dặn: tái khám
    """
    assert [m["dosage"] for m in medications(art)] == ["Ngày uống 2 lần", "Sáng 1 viên"]


def test_the_labels_of_a_drug_are_found_in_spite_of_slips():
    slipped = NUMBERED.replace("Số lượng:", "Sõ lượng:").replace("Cách dùng:", "Cách đùng;")
    assert medications(slipped) == MEDICATIONS


def test_the_sum_of_items_ends_the_list():
    assert medications(NUMBERED + "\n   Tất cả uống sau ăn\n") == MEDICATIONS


def test_text_without_quantities_or_dosages_is_no_prescription():
    assert medications("1. Metformin 850mg\n2. Amlodipin 5mg") == []


def test_a_ruled_prescription_is_taken_apart_into_drug_strength_quantity_and_unit():
    art = """
    | TT | Tên thuốc, hàm lượng | Số lượng | Cách dùng       |
    | 1  | Metformin 850mg      | 60 viên  | Ngày uống 2 lần |
    | 2  | Amlodipin 5 mg       | 30viên   | Sáng 1 viên     |
    """
    assert medications(art) == [
        {"drug": "Metformin", "strength": "850mg", "quantity": "60", "unit": "viên", "dosage": "Ngày uống 2 lần"},
        {"drug": "Amlodipin", "strength": "5 mg", "quantity": "30", "unit": "viên", "dosage": "Sáng 1 viên"},
    ]


def test_columns_of_their_own_for_strength_and_unit_leave_the_others_whole():
    art = """
    | TT | Tên thuốc      | Hàm lượng | ĐVT  | SL | Cách dùng       |
    | 1  | Natri clorid 9 | 500ml     | chai | 2  | Truyền tĩnh mạch |
    """
    assert medications(art) == [
        {"drug": "Natri clorid 9", "strength": "500ml", "unit": "chai", "quantity": "2", "dosage": "Truyền tĩnh mạch"}
    ]


# Cells that hold two things.


@pytest.mark.parametrize(
    ("cell", "drug", "strength"),
    [
        ("Metformin 850mg", "Metformin", "850mg"),
        ("Metformin 850 mg", "Metformin", "850 mg"),
        ("Metformin850mg", "Metformin", "850mg"),
        ("1. Metformin 850mg", "Metformin", "850mg"),
        ("Amoxicillin 250mg/5ml", "Amoxicillin", "250mg/5ml"),
        ("Natri clorid 0,9% 500ml", "Natri clorid 0,9%", "500ml"),
        ("Natri clorid 9g 500ml", "Natri clorid 9g", "500ml"),
        ("Insulin 100 UI/ml", "Insulin", "100 UI/ml"),
    ],
)
def test_a_drug_and_its_strength_are_parted(cell, drug, strength):
    assert parts(drug_and_strength("m[0]", words(cell), "table")) == {"drug": drug, "strength": strength}


def test_a_drug_without_a_strength_has_none():
    assert parts(drug_and_strength("m[0]", words("Vitamin B1"), "table")) == {"drug": "Vitamin B1"}
    assert drug_and_strength("m[0]", [], "table") == []


def test_a_glued_strength_gets_its_own_share_of_the_box():
    (cell,) = words("Metformin850mg")
    drug = drug_and_strength("m[0]", [cell], "table")[0]
    assert drug.box == Box(left=cell.box.left, top=cell.box.top, right=cell.box.left + 9 * 20, bottom=cell.box.bottom)


def test_a_strength_cut_off_its_drug_gets_the_rest_of_the_box():
    (cell,) = words("Metformin850mg")
    strength = drug_and_strength("m[0]", [cell], "table")[1]
    assert strength.box.left == cell.box.left + 9 * 20


def test_a_glued_quantity_and_its_unit_share_the_box_out():
    quantity, unit = quantity_and_unit("m[0]", words("30viên"), "table")
    assert quantity.box.right == unit.box.left


@pytest.mark.parametrize(
    ("cell", "quantity", "unit"),
    [("60 viên", "60", "viên"), ("30viên", "30", "viên"), ("2 lọ to", "2", "lọ to"), ("1,5 ống", "1,5", "ống")],
)
def test_a_quantity_and_its_unit_are_parted(cell, quantity, unit):
    assert parts(quantity_and_unit("m[0]", words(cell), "table")) == {"quantity": quantity, "unit": unit}


def test_a_quantity_alone_has_no_unit():
    assert parts(quantity_and_unit("m[0]", words("60"), "table")) == {"quantity": "60"}


# Tables of other hospitals.


def test_headings_of_two_lines_are_read_cell_by_cell():
    art = """
    | Số  | Tên xét    | Kết  | Đơn | Trị số      |
    | TT  | nghiệm     | quả  | vị  | tham chiếu  |
    | 1   | Glucose    | 5,1  | g/L | 3,9 - 6,4   |
    """
    assert row(cells_on(art), 0) == {"test": "Glucose", "value": "5,1", "unit": "g/L", "reference": "3,9 - 6,4"}


@pytest.mark.parametrize("label", ["Trả kết quả lúc:", "THỜI GIAN TRẢ KẾT QUẢ"])
def test_a_label_of_the_form_below_a_table_ends_it(label):
    cells = cells_on(f"{RULED}{label} 08:25 28/09/2021\n")
    assert len({field.split(".")[0] for field in cells}) == 3
    assert all("2021" not in raw for raw in cells.values())


def test_the_column_of_row_numbers_ends_at_the_numbers():
    art = """
TT           Tên xét nghiệm      Kết quả     Đơn vị     CSBT
1   NEU%                           37,8         %        43 - 76
2   MCV                            96,6         fL       80 - 100
"""
    assert [row(cells_on(art), i)["test"] for i in (0, 1)] == ["NEU%", "MCV"]


def test_the_first_line_of_a_cell_above_the_middle_of_its_row_belongs_to_it():
    lines = [
        "STT   Tên thuốc         Số lượng     ĐVT      Cách dùng",
        "1     Metformin 850mg   21           viên     Sáng 1 viên",
        "",
        "                                              Uống khi sốt,",
        "2     Panadol 500mg     7            viên",
        "                                              mỗi lần 1 viên",
    ]
    found = medications("\n".join(lines))
    assert [m["dosage"] for m in found] == ["Sáng 1 viên", "Uống khi sốt, mỗi lần 1 viên"]


def test_second_lines_of_several_cells_go_on_together():
    art = """
    STT   Tên thuốc         Hàm lượng   Dung môi      Đường dùng     Thời gian
    1     Doxorubicin       50mg        NaCl 0,9%     Truyền tĩnh    30 phút
                                        100ml         mạch
    2     Ondansetron       8mg         NaCl 0,9%     Truyền tĩnh    15 phút
                                        50ml          mạch
    """
    orders = medications(art, "chemotherapy_order")
    assert [m["solvent"] for m in orders] == ["NaCl 0,9% 100ml", "NaCl 0,9% 50ml"]
    assert [m["route"] for m in orders] == ["Truyền tĩnh mạch"] * 2


def test_a_drug_and_how_it_is_taken_go_on_below_a_numbered_row():
    art = """
    STT   Tên thuốc          Hàm lượng   Số lượng   Đơn vị   Cách dùng
    1     Calci carbonat +   850mg       32         viên     Ngày uống 2 lần,
          Vitamin D3                                         trước ăn
    2     Tenofovir          5mg         46         viên     Ngày uống 1 lần,
          alafenamid                                         sau ăn
    """
    assert [(m["drug"], m["dosage"]) for m in medications(art)] == [
        ("Calci carbonat + Vitamin D3", "Ngày uống 2 lần, trước ăn"),
        ("Tenofovir alafenamid", "Ngày uống 1 lần, sau ăn"),
    ]


def test_a_strength_read_with_a_letter_for_a_nought_is_no_part_of_the_drug():
    drug, strength = drug_and_strength("m[0]", words("Bicalutamid 4omg"), "table")
    assert (drug.raw, strength.raw) == ("Bicalutamid", "4omg")


def test_numbered_drugs_need_no_labels():
    art = """
    Họ tên: LÊ THỊ CÚC
    1. Metformin 850mg          x 60 viên
       Ngày uống 2 lần
    2/ Natri clorid 0,9%        05 chai
       Cách dùng: Nhỏ mũi
    """
    whole = {"drug": "Metformin", "strength": "850mg", "quantity": "60", "unit": "viên", "dosage": "Ngày uống 2 lần"}
    other = {"drug": "Natri clorid", "strength": "0,9%", "quantity": "05", "unit": "chai", "dosage": "Nhỏ mũi"}
    assert medications(art) == [whole, other]


def test_a_heading_goes_on_over_the_gap_at_its_dash():
    art = """
| STT | Tên thuốc -    hàm lượng | Đơn vị | Số lượng | Cách dùng   |
| 1   | Amlodipin 5mg            | viên   | 30       | Sáng 1 viên |
"""
    assert medications(art)[0] | {} == {
        "drug": "Amlodipin", "strength": "5mg", "unit": "viên", "quantity": "30", "dosage": "Sáng 1 viên",
    }  # fmt: skip


def test_specks_between_the_lines_of_a_heading_are_none_of_them():
    art = """
    Thuốc         Nồng độ/Hàm      Hướng dẫn sử dụng   ĐVT    SL
                  lượng
    Amoxicilin    500mg            Sáng 1 viên         viên   28
    """
    first, *rest = sheet(art).rows
    rows = [first, *sheet("I").rows, *sheet("I").rows, *rest]
    (table,) = find_tables(rows, document_types()["prescription"], EM, ())
    assert table.heading is not None and "Nồng độ/Hàm lượng" in table.heading.text


def test_a_numbered_label_alone_in_its_row_ends_a_table():
    art = """
    Xét nghiệm      Kết quả    Đơn vị     Bình thường
    Albumin         48,3       g/L        35 - 50
    1. TG trả KQ
    27/09/2015
    """
    assert cells_on(art)["results[0].test"] == "Albumin"
