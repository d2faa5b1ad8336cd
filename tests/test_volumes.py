"""Stage 4: two files of one stay that name themselves as its volumes."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent)]

from builders import page_reading, sheet  # noqa: E402

from extractors.volumes import Volume, printed_volume  # noqa: E402
from pipeline.assembly import assemble_file  # noqa: E402
from pipeline.grouping import FilePage  # noqa: E402
from records.document_types import document_types  # noqa: E402


@pytest.mark.parametrize(
    ("line", "volume"),
    [
        ("Tập 1/2", (1, 2)), ("TẬP II", (2, 0)), ("Quyển 2", (2, 0)), ("HỒ SƠ BỆNH ÁN - TẬP 2/3", (2, 3)),
        ("Tập: 1 trên 2 tập", (1, 2)), ("(Quyển I/II)", (1, 2)), ("Tập 3/2", None), ("Tập 1/1", None),
        ("Quyển số: 12/2019", None), ("Tập 2 lần/ngày", None), ("Tập vận động", None), ("Tập VX", None),
    ],
)  # fmt: skip
def test_a_volume_is_told_in_a_line_of_its_own(line, volume):
    found = printed_volume(sheet(f"BỆNH VIỆN HUYỆN\n{line}\nHọ tên: LÊ THỊ CÚC").text)
    assert found == (Volume(*volume) if volume else None)


def test_two_different_volumes_on_one_page_tell_none():
    assert printed_volume(sheet("Tập 1/2\nTập 2/2").text) is None


def file_of(*arts):
    pages = []
    for number, art in enumerate(arts):
        reading = page_reading(str(number), "inpatient_cover", {"patient.name": "LÊ THỊ CÚC"})
        pages.append(FilePage(page_id=str(number), reading=reading.model_copy(update={"text": sheet(art).text})))
    return assemble_file("file", pages, document_types(), {})


def test_the_facts_of_a_file_tell_its_volume_where_its_first_pages_do():
    assert file_of("Hồ sơ", "TẬP 2/3").facts["volume"] == "2/3"
    assert "volume" not in file_of("Hồ sơ", "tờ", "tờ", "TẬP 2/3").facts
