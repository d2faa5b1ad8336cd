"""The bench: how text is scored, how readers are asked in processes of their own, and which pages are measured."""

import io
import json
import sys
from pathlib import Path

import pikepdf
import pytest
from PIL import Image, ImageDraw, ImageFont
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # bench is no part of the installed product

import bench.processes  # noqa: E402
from bench.cost import CLASSES, DUPLICATE, FEWEST, MIXES, class_of, readings, samples  # noqa: E402
from bench.drawn import DPI, FACES, HEIGHT, WIDTH  # noqa: E402
from bench.growth import Growth, growth_table, jobs  # noqa: E402
from bench.pages import BenchPage, readable, sample_pages  # noqa: E402
from bench.peer_readers import PEERS, dpi_to_tell, one_page  # noqa: E402
from bench.peers import OF_FIELDS, ReaderRun, peers_figures, peers_table, score_run  # noqa: E402
from bench.processes import PageRun, Spent, python_of, reader_at_work  # noqa: E402
from bench.readers import BY_DEFAULT, READERS  # noqa: E402
from bench.text import nearest, text_of, text_score  # noqa: E402
from bench.truth import ReadPage, TruthField, TruthPage  # noqa: E402
from bench.worker import serve  # noqa: E402
from records.errors import SohoaError  # noqa: E402

pytestmark = pytest.mark.slow


def page_with(*shown: str, **more) -> TruthPage:
    fields = tuple(TruthField(name=f"field.{n}", value=value, shown=value) for n, value in enumerate(shown))
    return TruthPage(**{"file": "a.png", "page": 1, "document_type": "lab_report", "fields": fields, **more})


def scored(shown: str, read: str):
    found = text_score([page_with(shown)], [read])
    return found.found.right, found.errors, found.word_errors, found.words


# Text against the values that truth shows.


@pytest.mark.parametrize(
    ("shown", "read", "wanted"),
    [
        ("LÊ THỊ HỒNG", "Họ tên: LÊ THỊ HỒNG Tuổi: 52", (1, 0, 0, 3)),
        ("LÊ THỊ HỒNG", "họ tên: lê thị hồng", (1, 0, 0, 3)),
        ("LÊ THỊ HỒNG", "Họ tên: LÊ THỊ HỔNG Tuổi: 52", (0, 1, 1, 3)),
        ("3,5 - 5,1", "Kali 4,2 3.5 - 5,1 mmol/L", (0, 1, 1, 3)),
        ("Nội Tiêu hóa", "Khoa: NộiTiêuhóa", (1, 0, 3, 3)),
        ("Nội Tiêu hóa", "Khoa: Nội\nTiêu hóa", (1, 0, 0, 3)),
        ("Nội Tiêu hóa", "Khoa: Nội hóa", (0, 4, 1, 3)),
        ("Nội Tiêu hóa", "Khoa: Nội Tiêu x hóa", (0, 1, 1, 3)),
        ("Nội Tiêu hóa", "", (0, 10, 3, 3)),
    ],
    ids=["verbatim", "case", "tone", "punctuation", "spaces", "lines", "word lost", "word more", "nothing"],
)
def test_characters_and_words_are_counted_in_the_stretch_most_like_the_value(shown, read, wanted):
    assert scored(shown, read) == wanted


def test_what_stands_right_before_or_after_a_value_is_not_judged():
    assert scored("16.018588", "Số vào viện:16.018588....") == (1, 0, 0, 1)


def test_a_value_is_never_more_wrong_than_it_is_long():
    _, errors, word_errors, _ = scored("Phẫu thuật", "0123456789 " * 30)
    assert errors <= 9 and word_errors <= 2


def test_short_values_are_left_out_and_a_value_shown_twice_counts_once():
    found = text_score([page_with("Nữ", "Ngoại Vú", "Ngoại Vú")], ["Nữ Ngoại Vú"])
    assert (found.found.of, found.words, found.word_error_percent) == (1, 2, 0.0)


def test_no_values_give_no_error_rate():
    assert text_score([page_with()], ["text"]).error_percent == 0.0


def test_the_nearest_stretch_is_found_far_inside_a_long_page():
    page = "x" * 2000 + "nguyễnvănah" + "y" * 2000
    found = nearest("nguyễnvănanh", page)
    assert (page[found.start : found.end], found.edits) == ("nguyễnvănah", 1)


def test_decomposed_letters_are_the_same_letters():
    assert text_of("Hồng").closed == text_of("Ho\u0302\u0300ng").closed == "hồng"


# Readers in processes of their own.


def test_a_worker_says_that_it_is_ready_and_answers_line_by_line():
    answers = io.StringIO()
    questions = [json.dumps(["a.pdf", 3]) + "\n", json.dumps(["b.png", 1]) + "\n"]
    serve(lambda path, number: {"text": f"{path} trang\n{number}"}, questions, answers)
    assert [json.loads(line) for line in answers.getvalue().splitlines()] == [
        None,
        {"text": "a.pdf trang\n3"},
        {"text": "b.png trang\n1"},
    ]


@pytest.fixture
def in_this_environment(monkeypatch):
    """Peers that need nothing but what the product has, without .venv-bench."""
    monkeypatch.setattr(bench.processes, "python_of", lambda reader: sys.executable)


@pytest.fixture
def letter(tmp_path) -> Path:
    page = Image.new("L", (WIDTH, HEIGHT), 255)
    font = ImageFont.truetype(str(FACES / "Tinos-Regular.ttf"), 44)
    lines = "GIẤY RA VIỆN\nHọ và tên người bệnh: LÊ THỊ MẪU\nTuổi: 54\nGiới tính: Nữ"
    ImageDraw.Draw(page).multiline_text((200, 300), lines, 0, font=font, spacing=30)
    page.save(tmp_path / "letter.png", dpi=(DPI, DPI))
    return tmp_path / "letter.png"


def test_a_reader_in_its_process_gives_text_fields_and_what_it_cost(in_this_environment, letter):
    with reader_at_work("afternoon") as work:
        found = work.read(letter, "letter.png", 1)
        held = work.resident_mb()
    assert found.page.document_type == "discharge_letter" and "LÊ THỊ MẪU" in found.text
    assert {"patient.age": "54", "patient.sex": "female"}.items() <= {
        f.name: f.value for f in found.page.fields
    }.items()
    assert found.spent.cpu_seconds > 0 and found.spent.wall_seconds > 0
    assert held > 5 and work.memory.peak_mb > 5


def test_a_reader_that_ends_early_is_named(in_this_environment, tmp_path, capfd):
    with (
        pytest.raises(SohoaError, match="'pytesseract' ended before its last page"),
        reader_at_work("pytesseract") as w,
    ):
        w.read(tmp_path / "missing.png", "missing.png", 1)
    assert "FileNotFoundError" in capfd.readouterr().err


def test_peers_without_their_environment_say_how_it_is_made(monkeypatch, tmp_path):
    monkeypatch.setattr(bench.processes, "PEERS_PYTHON", tmp_path / "python")
    assert python_of("sohoa") == sys.executable
    with pytest.raises(SohoaError, match="bench/make_env.sh"):
        python_of("rapidocr")


def test_an_unknown_reader_is_refused_before_anything_is_read():
    import typer

    from bench.__main__ import main

    app = typer.Typer()
    app.command()(main)
    told = CliRunner().invoke(app, ["--reader", "tesserakt"])
    assert told.exit_code == 2 and "'tesserakt' is not a reader" in told.output


def test_all_peers_take_part_unless_told_otherwise():
    assert set(PEERS) < set(BY_DEFAULT) and set(READERS) - set(BY_DEFAULT) == {"sohoa-portable"}


def run_of(reader: str, page: BenchPage, text: str, **read) -> ReaderRun:
    spent = Spent(cpu_seconds=2, wall_seconds=3)
    one = PageRun(page=ReadPage(file=page.truth.file, page=page.truth.page, **read), text=text, spent=spent)
    return ReaderRun(reader=reader, pages=(one,), start=spent, peak_mb=100)


def test_a_reader_of_text_only_has_no_figures_of_fields():
    page = BenchPage(path=Path("a.png"), truth=page_with("Ngoại Vú"))
    runs = [run_of("afternoon", page, "", document_type="other"), run_of("rapidocr", page, "Ngoai Vú")]
    plain, text_only = [score_run(run, [page]) for run in runs]
    assert plain.score is not None and text_only.score is None
    assert (text_only.text.error_percent, text_only.text.word_error_percent) == (100 / 7, 50)
    assert list(peers_table([plain, text_only]).columns[2].cells)[: len(OF_FIELDS)] == ["-"] * len(OF_FIELDS)
    assert [one["right_percent"] for one in peers_figures([plain, text_only])] == [0, None]


# One page for a program that takes whole files.


def test_one_page_of_a_pdf_is_cut_out(tmp_path):
    with pikepdf.new() as pdf:
        for side in (100, 200, 300):
            pdf.add_blank_page(page_size=(side, side))
        pdf.save(tmp_path / "three.pdf")
    with pikepdf.open(one_page(tmp_path / "three.pdf", 2, tmp_path)) as single:
        assert [page.mediabox[2] for page in single.pages] == [200]


def test_one_page_of_a_tiff_is_cut_out_and_a_picture_stays_as_it_is(tmp_path):
    sides = [Image.new("1", (side, 10)) for side in (100, 200)]
    sides[0].save(tmp_path / "two.tif", save_all=True, append_images=sides[1:], dpi=(300, 300))
    sides[0].save(tmp_path / "one.png")
    with Image.open(one_page(tmp_path / "two.tif", 2, tmp_path)) as single:
        assert single.size == (200, 10)
    assert one_page(tmp_path / "one.png", 1, tmp_path) == tmp_path / "one.png"


def test_ocrmypdf_is_told_the_resolution_only_where_the_page_does_not_say(tmp_path):
    Image.new("1", (10, 10)).save(tmp_path / "silent.png")
    Image.new("1", (10, 10)).save(tmp_path / "says.png", dpi=(300, 300))
    pages = ("silent.png", "says.png", "any.pdf")
    assert [dpi_to_tell(tmp_path / name) for name in pages] == [200, None, None]


# What a page of each class costs, and how cost grows.


@pytest.mark.parametrize(
    ("document_type", "fault", "wanted"),
    [
        ("lab_report", None, "structured page"),
        ("nursing_sheet", None, "index-only page"),
        ("other", None, "index-only page"),
        ("blank", None, "blank page"),
        ("separator", None, "separator page"),
        ("lab_report", "duplicate_page", "duplicate page"),
    ],
)
def test_truth_says_of_which_class_a_page_is(document_type, fault, wanted):
    assert class_of(page_with(document_type=document_type, fault=fault)) == wanted


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return samples(sample_pages(), "sample scans", 4, tmp_path_factory.mktemp("drawn"))


def test_every_class_has_pages_and_is_read_often_enough(parts):
    assert [part.page_class for part in parts] == list(CLASSES)
    assert all(len(readings(part)) >= FEWEST and page.path.is_file() for part in parts for page in part.pages)


def test_a_duplicate_is_read_after_the_page_that_it_repeats(parts):
    (part,) = [one for one in parts if one.page_class == DUPLICATE]
    assert [(before.truth.page, page.truth.page) for before, page in readings(part)] == [(1, 2)] * FEWEST


def test_every_mix_is_whole():
    assert [round(sum(mix.values()), 6) for mix in MIXES.values()] == [1] * len(MIXES)


def test_pages_without_values_are_no_pages_to_compare():
    pages = [
        BenchPage(path=Path("a.png"), truth=t) for t in (page_with("A123"), page_with(), page_with("B", fault="x"))
    ]
    assert readable(pages) == pages[:1]
    with pytest.raises(SohoaError, match="no value"):
        readable(pages[1:])


def test_pages_are_repeated_until_there_are_enough():
    pages = [BenchPage(path=Path(name), truth=page_with("A123", page=n)) for n, name in enumerate("abc", 1)]
    assert [(job.path.name, job.number) for job in jobs(pages, 5)] == [("a", 1), ("b", 2), ("c", 3), ("a", 1), ("b", 2)]


def test_the_speed_up_is_over_one_worker_on_as_many_pages():
    runs = [
        Growth(workers=workers, pages=50, unread=0, seconds=seconds, cpu_seconds=75, worker_mb=400)
        for workers, seconds in ((1, 80), (2, 50))
    ]
    assert list(growth_table(runs).columns[3].cells) == ["1.00", "1.60"]
    assert runs[0].cpu_seconds_per_page == 1.5
