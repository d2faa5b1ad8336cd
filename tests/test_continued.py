"""Stage 5: rows of a table that goes on from the page before, under the headings of that page."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

sys.path[:0] = [str(Path(__file__).parent)]

from builders import WIDTH, font, in_colour, page_image, page_reading, sheet  # noqa: E402

from extractors.continued import continued_rows  # noqa: E402
from extractors.page import read_image  # noqa: E402
from pipeline.assembly import document_values  # noqa: E402
from pipeline.grouping import FilePage, group_pages  # noqa: E402
from records.document_types import document_types  # noqa: E402
from records.documents import CONTINUED  # noqa: E402
from records.pages import MediaType  # noqa: E402

TYPES = document_types()
FIRST = """
STT       Tên xét nghiệm            Kết quả       Đơn vị       Trị số tham chiếu
1         WBC                        12,5          G/L            4,0 - 10,0
2         Số lượng hồng cầu          4,51          T/L            3,8 - 5,8
Trang 1/2
"""
SECOND = """
Họ và tên: LÊ THỊ CÚC      59 tuổi      Số vào viện: 19.013225
Trang 2/2
3         HGB                         130          g/L            120 - 160
4         Tiểu cầu                    215          G/L            150 - 400
"""
SIGNED = "\n                    Huế, ngày 12 tháng 3 năm 2019"
RULED = """
| STT | Tên xét nghiệm | Kết quả | Đơn vị        | Trị số tham chiếu |
| 1   | WBC            | 12,5    | G/L           | 4,0 - 10,0        |
"""
RULED_ON = """
| 2   | RBC            | 4,51    |           T/L | 3,8 - 5,8         |
| 3   | HGB            |         |           g/L | 120 - 160         |
"""
ORDER = """
STT     Tên thuốc                    Hàm lượng      Số lượng     Đơn vị     Cách dùng
1       Paracetamol                  500 mg         20           viên       Ngày uống 2 lần
"""
ORDER_ON = "2       Cefuroxim                    250 mg         14           viên       Sáng 1 viên, chiều 1 viên"
BLOCKS = """
1. Metformin 850 mg      Số lượng: 28 viên
Cách dùng: Ngày uống 2 lần
"""
BLOCKS_ON = """
2. Gliclazid 30 mg      Số lượng: 14 viên
Cách dùng: Sáng 1 viên
"""


def read(page_id, art, kind="other", readings=None, **image):
    """A page whose lines were read, and these of its fields."""
    page = sheet(art)
    text = page.text.model_copy(update={"page_id": page_id, "rulings": page.rulings})
    found = page_reading(page_id, kind, readings or {}, titled=kind != "other")
    return found.model_copy(update={"text": text, "image": page_image(page_id, **image)})


def rows_on_second(first, second, kind="lab_report", **image):
    """'row.column' -> what was taken for it on the second page."""
    pages = [read("p1", first, kind, {"results[0].test": "WBC"}), read("p2", second, **image)]
    found = continued_rows(pages, TYPES[kind])
    assert not found.get("p1"), "the first page was read as it is"
    return {r.field.partition("[")[2].replace("]", ""): r.raw for r in found["p2"]}


def test_rows_without_headings_take_the_columns_of_the_page_before():
    cells = rows_on_second(FIRST, SECOND)
    assert {k: v for k, v in cells.items() if k[0] == "0"} == {
        "0.test": "HGB", "0.value": "130", "0.unit": "g/L", "0.reference": "120 - 160",
    }  # fmt: skip
    assert (cells["1.test"], cells["1.value"]) == ("Tiểu cầu", "215")
    assert "2.test" not in cells, "neither the header nor the page's number is a row"


def test_a_header_with_numbers_in_it_is_no_row_where_rows_bear_no_numbers():
    bare = [re.sub(r"^\d|^STT", " ", art, flags=re.M) for art in (FIRST, SECOND)]
    assert rows_on_second(*bare)["0.test"] == "HGB"


def test_columns_go_on_in_their_place_on_a_page_read_larger_or_laid_a_little_aside():
    wide = "\n".join(line.replace("   ", "     ") if i > 1 else line for i, line in enumerate(SECOND.split("\n")))
    aside = "\n".join(f" {line}" for line in SECOND.split("\n"))
    assert rows_on_second(FIRST, aside) == rows_on_second(FIRST, SECOND)
    assert rows_on_second(FIRST, wide, width_px=round(1.55 * WIDTH))["0.value"] == "130"


def test_rulings_of_the_page_itself_part_its_columns_and_an_empty_cell_stays_empty():
    cells = rows_on_second(RULED, RULED_ON)
    assert (cells["0.test"], cells["0.value"], cells["0.unit"]) == ("RBC", "4,51", "T/L")
    assert {k for k in cells if k[0] == "1"} == {"1.test", "1.unit", "1.reference"}


def test_medicines_go_on_in_columns_and_in_numbered_blocks():
    grid = rows_on_second(ORDER, ORDER_ON, "prescription")
    assert (grid["0.drug"], grid["0.strength"], grid["0.quantity"]) == ("Cefuroxim", "250 mg", "14")
    blocks = rows_on_second(BLOCKS, BLOCKS_ON, "prescription")
    assert (blocks["0.drug"], blocks["0.strength"], blocks["0.unit"]) == ("Gliclazid", "30 mg", "viên")


def test_a_table_goes_on_over_a_third_page():
    pages = [read("p1", FIRST, "lab_report", {"results[0].test": "WBC"}), read("p2", SECOND)]
    third = read("p3", SECOND.replace("HGB", "Urê").replace("Trang 2/2", "Trang 3/3"))
    assert [r.raw for r in continued_rows([*pages, third], TYPES["lab_report"])["p3"]][0] == "Urê"


@pytest.mark.parametrize("end", [SIGNED, "\nKết luận: bình thường\nĐề nghị: không\nKhám lại sau 1 tháng\n"])
def test_a_table_that_ended_on_its_page_does_not_go_on(end):
    assert rows_on_second(FIRST + end, SECOND) == {}


def test_a_page_of_running_text_has_no_rows():
    text = "Người bệnh được theo dõi\nngày 3      tại khoa\nMạch 80      Huyết áp 120/80      Nhiệt độ 37"
    assert rows_on_second(FIRST, text) == {}


def test_rows_that_the_page_itself_told_are_not_told_again():
    pages = [read("p1", FIRST, "lab_report"), read("p2", SECOND, readings={"results[0].test": "HGB"})]
    assert "p2" not in continued_rows(pages, TYPES["lab_report"])


def test_in_the_document_the_rows_are_numbered_on_and_say_how_they_were_found():
    told = {"results[0].test": "WBC", "results[0].value": "12,5", "results[1].test": "RBC"}
    pages = [read("p1", FIRST, "lab_report", told), read("p2", SECOND)]
    values = document_values([FilePage(page_id=p.image.page_id, reading=p) for p in pages], TYPES)
    rows = {v.field: v for v in values}
    assert rows["results[3].test"].reading.raw == "Tiểu cầu"
    assert (rows["results[2].value"].value, rows["results[2].value"].reading.method) == ("130", CONTINUED)
    assert rows["results[2].value"].reading.page_id == "p2"


# Drawn, and read by the reader itself.

TESTS = [
    ("WBC", "12,5", "G/L", "4,0 - 10,0"), ("RBC", "4,51", "T/L", "3,8 - 5,8"), ("HGB", "130", "g/L", "120 - 160"),
    ("Tiểu cầu", "215", "G/L", "150 - 400"), ("Glucose", "5,6", "mmol/L", "3,9 - 6,4"),
    ("Urê", "6,2", "mmol/L", "2,5 - 7,5"), ("Creatinin", "88", "µmol/L", "62 - 106"),
    ("AST (GOT)", "31", "U/L", "0 - 37"),
    ("ALT (GPT)", "28", "U/L", "0 - 40"), ("Kali", "3,9", "mmol/L", "3,5 - 5,0"),
]  # fmt: skip
COLUMNS = (110, 200, 560, 740, 900)  # pixels of an A4 page at 150 dpi
HEADINGS = ("STT", "Tên xét nghiệm", "Kết quả", "Đơn vị", "Trị số tham chiếu")


def drawn_page(above, cells, foot, ruled, aside=0):
    """A page with lines, rows of cells 44 pixels high, and a last line."""
    page = Image.new("L", (1240, 1754), 255)
    pen = ImageDraw.Draw(page)
    top = 120
    for line in above:
        pen.text((110 + aside, top), line, 0, font(26))
        top += 50
    for row in cells:
        top += 44
        for x, text in zip(COLUMNS, row, strict=True):
            pen.text((x + aside, top), text, 0, font(24))
            if ruled:
                pen.line([(x + aside - 12, top - 8), (x + aside - 12, top + 36)], 0, 2)
    pen.text((560, 1600), foot, 0, font(22))
    return in_colour(np.asarray(page))


@pytest.mark.slow
@pytest.mark.parametrize("ruled", [True, False], ids=["ruled", "bare"])
def test_a_drawn_report_of_two_pages_is_read_whole(ruled):
    rows = [(str(i), *cells) for i, cells in enumerate(TESTS, start=1)]
    above = ["PHIẾU KẾT QUẢ XÉT NGHIỆM", "Họ và tên: LÊ THỊ CÚC      Tuổi: 59", "Mã bệnh phẩm: 190312-0145"]
    sheets = [
        drawn_page(above, [HEADINGS, *rows[:6]], "Trang 1/2", ruled),
        drawn_page(["Họ và tên: LÊ THỊ CÚC      Tuổi: 59"], rows[6:], "Trang 2/2", ruled, aside=9),
    ]
    read_pages = [read_image(f"p{i}", sheet, 150, MediaType.PNG, "neural") for i, sheet in enumerate(sheets, start=1)]
    (group,) = group_pages([FilePage(page_id=p.image.page_id, reading=p) for p in read_pages])
    told = {v.field: v.value for v in document_values(group, TYPES)}
    names = ("test", "value", "unit", "reference")
    found = [tuple(told.get(f"results[{i}].{name}") for name in names) for i in range(len(TESTS))]
    meant = [(t, v.replace(",", "."), u, r.replace(",", ".").replace(" - ", "-")) for t, v, u, r in TESTS]
    assert found == meant
